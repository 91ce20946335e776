// Head to head: in each cell how often the row beat the column, a tie counting half for each. The shade says how often,
// the number says it again, and the small one says on how many votes it rests.
import { el } from "./dom.js";

const SHADES = 9;

function cell(row, column, pair) {
  if (row === column) return el("td", { class: "self" }, el("span", { class: "sr-only" }, "the same model"));
  if (!pair || pair.votes === 0) return el("td", { class: "none" }, el("span", { "aria-hidden": "true" }, "·"), el("span", { class: "sr-only" }, "no votes"));
  const share = pair.points / pair.votes;
  const shade = Math.min(SHADES - 1, Math.floor(share * SHADES));
  return el("td", { class: `shade-${shade}`, title: `${row} against ${column}: ${pair.wins} wins, ${pair.losses} losses, ${pair.ties} ties` },
    el("b", {}, `${Math.round(100 * share)}`), el("span", { class: "n" }, `${pair.votes}`));
}

// Every ordered pair with votes, by "row\ncolumn".
function pairsOf(board) {
  const found = new Map();
  const add = (row, column, wins, losses, ties) =>
    found.set(`${row}\n${column}`, { wins, losses, ties, votes: wins + losses + ties, points: wins + ties / 2 });
  for (const pair of board.pairs ?? []) {
    const ties = (pair.ties ?? 0) + (pair.both_bad ?? 0);
    add(pair.model_a, pair.model_b, pair.wins_a, pair.wins_b, ties);
    add(pair.model_b, pair.model_a, pair.wins_b, pair.wins_a, ties);
  }
  return found;
}

// The section's nodes, or null where there is nothing to set against each other.
export function pairMatrix(board) {
  const pairs = pairsOf(board);
  const names = board.models.map((model) => model.model);
  if (pairs.size === 0 || names.length < 2) return null;
  const head = el("tr", {}, el("td", { class: "corner" }),
    ...names.map((name, i) => el("th", { scope: "col", title: name }, el("span", { "aria-hidden": "true" }, String(i + 1)), el("span", { class: "sr-only" }, name))));
  const rows = names.map((row, i) => el("tr", {},
    el("th", { scope: "row" }, el("span", { class: "place" }, String(i + 1)), row),
    ...names.map((column) => cell(row, column, pairs.get(`${row}\n${column}`)))));
  return [
    el("h2", { id: "pairs-title" }, "Head to head"),
    el("p", { class: "note" }, "How often the row won against the column, in percent; a tie counts half. The small figure is the number of votes."),
    el("div", { class: "matrix", tabindex: "0", role: "group", "aria-labelledby": "pairs-title" },
      el("table", {}, el("caption", { class: "sr-only" }, "Win rates of every pair of ranked models"), el("thead", {}, head), el("tbody", {}, ...rows))),
  ];
}
