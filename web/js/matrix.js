// Head to head: in each cell how often the row beat the column, a tie counting half for each. The shade says how often,
// the number says it again, and the small one says on how many votes it rests.
import { el } from "./dom.js";

const SHADES = 9;

// Short for the eye, in full for a screen reader.
function twofold(seen, heard) {
  return [el("span", { "aria-hidden": "true" }, seen), el("span", { class: "sr-only" }, heard)];
}

function cell(row, column, pair) {
  if (row === column) return el("td", { class: "self" }, el("span", { class: "sr-only" }, "the same model"));
  if (pair.votes === 0) return el("td", { class: "none" }, ...twofold("·", "no votes"));
  const share = pair.points / pair.votes;
  const shade = Math.min(SHADES - 1, Math.floor(share * SHADES));
  const title = `${row} against ${column}: ${pair.wins} wins, ${pair.losses} losses, ${pair.ties} ties`;
  return el("td", { class: `shade-${shade}`, title },
    el("b", {}, `${Math.round(100 * share)}`), el("span", { class: "n" }, `${pair.votes}`));
}

// The pair at (i, j) of the board's own matrices, which are in the order of its ranked models.
function pairAt({ wins, ties }, i, j) {
  const pair = { wins: wins[i][j], losses: wins[j][i], ties: ties[i][j] };
  pair.votes = pair.wins + pair.losses + pair.ties;
  pair.points = pair.wins + pair.ties / 2;
  return pair;
}

// The section's nodes, or null where there is nothing to set against each other.
export function pairMatrix(board) {
  const names = board.head_to_head?.models ?? [];
  if (names.length < 2) return null;
  const head = el("tr", {}, el("td", { class: "corner" }),
    ...names.map((name, i) => el("th", { scope: "col", title: name }, ...twofold(String(i + 1), name))));
  const rows = names.map((row, i) => el("tr", {},
    el("th", { scope: "row" }, el("span", { class: "place" }, String(i + 1)), row),
    ...names.map((column, j) => cell(row, column, pairAt(board.head_to_head, i, j)))));
  return [
    el("h2", { id: "pairs-title" }, "Head to head"),
    el("p", { class: "note" }, "How often the row won against the column, in percent; a tie counts half. "
      + "The small figure is the number of votes."),
    el("div", { class: "matrix", tabindex: "0", role: "group", "aria-labelledby": "pairs-title" },
      el("table", {},
        el("caption", { class: "sr-only" }, "Win rates of every pair of ranked models"),
        el("thead", {}, head),
        el("tbody", {}, ...rows))),
  ];
}
