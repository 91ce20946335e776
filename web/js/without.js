// The board without some of its votes: how far ranks move against the board of all of them, and how far any one voter
// moves it, which is worked out when somebody asks.
import { el } from "./dom.js";
import { get } from "./api.js";
import { errorSentence } from "./words.js";

const count = new Intl.NumberFormat();
const LEFT_OUT = ["without", "voter"];
const signed = (n) => `${n > 0 ? "+" : n < 0 ? "−" : ""}${Math.abs(n).toFixed(1)}`;
const places = (n) => (n === 0 ? "none" : `${Math.abs(n)} ${n > 0 ? "down" : "up"}`);

// The address of the board of all votes, or null where this is it.
export function boardOfAll(query) {
  const all = new URLSearchParams(query);
  if (!LEFT_OUT.some((name) => all.has(name))) return null;
  for (const name of LEFT_OUT) all.delete(name);
  return all.size ? `?${all}` : "";
}

// How many places each model moves; positive: up.
export function movesAgainst(all, board) {
  const before = new Map(all.models.map(({ model, rank }) => [model, rank]));
  return new Map(board.models.filter(({ model }) => before.has(model))
    .map(({ model, rank }) => [model, before.get(model) - rank]));
}

export function movesSentence(all, board) {
  const moved = [...movesAgainst(all, board)].filter(([, by]) => by !== 0);
  const [farthest, by] = moved.reduce((a, b) => (Math.abs(b[1]) > Math.abs(a[1]) ? b : a), [null, 0]);
  const gone = all.models.length - board.models.length;
  return `${count.format(all.votes - board.votes)} of ${count.format(all.votes)} votes are left out: `
    + (farthest === null ? "no rank moves" : `${moved.length} of ${board.models.length} ranked models move, `
      + `${farthest} the farthest, by ${Math.abs(by)}`)
    + (gone > 0 ? `; ${gone} fewer ${gone === 1 ? "has" : "have"} a rank.` : ".");
}

function row(its) {
  const said = its.unranked ? el("td", { colspan: "2", class: "number" }, "no rank without one voter")
    : el("td", { class: "number" }, signed(its.rating_change));
  return el("tr", {}, el("th", { scope: "row" }, its.model), said,
    !its.unranked && el("td", { class: "number" }, places(its.rank_change)),
    its.voter !== undefined && el("td", { class: "number" },
      el("a", { href: withoutVoter(its.voter) }, `without ${its.voter}`)));
}

function withoutVoter(voter) {
  const query = new URLSearchParams(location.search);
  query.set("voter", voter);
  return `/leaderboard?${query}`;
}

function table({ models }) {
  const named = models.some(({ voter }) => voter !== undefined);
  return el("div", { class: "matrix", tabindex: "0", role: "group", "aria-labelledby": "voters-title" },
    el("table", { class: "rates" },
      el("caption", { class: "sr-only" }, "How far each model moves when one voter is left out"),
      el("thead", {}, el("tr", {}, ...["Model", "Rating", "Places", named && "Voter"].filter(Boolean)
        .map((name, i) => el("th", { scope: "col", class: i ? "number" : null }, name)))),
      el("tbody", {}, ...models.map(row))));
}

function tried({ voters, tried: of }) {
  return of < voters ? `Of the ${count.format(of)} busiest of ${count.format(voters)} voters`
    : `Of ${count.format(voters)} ${voters === 1 ? "voter" : "voters"}`;
}

// The section's nodes, or null where the board is not the plain one that this is known of.
export function voterInfluence(board, query, open = false) {
  const given = new URLSearchParams(query);
  if (board.models.length === 0 || ["method", "style", "voids", "voter"].some((name) => given.has(name))) return null;
  given.set("influence", "1");
  const body = el("div", { "aria-live": "polite" });
  const details = el("details", {}, el("summary", {}, "Leave each voter out in turn"), body);
  details.addEventListener("toggle", async () => {
    if (!details.open || body.hasChildNodes()) return;
    body.replaceChildren(el("p", { class: "note" }, "Fitting the board without each of them…"));
    try {
      const { influence } = await get(`/api/leaderboard?${given}`);
      body.replaceChildren(el("p", { class: "note" }, `${tried(influence)}: the farthest that leaving one of them `
        + "out moves each model."), table(influence));
    } catch (error) {
      body.replaceChildren(el("p", { class: "note" }, errorSentence(error)));
    }
  });
  details.open = open;
  return [el("h2", { id: "voters-title" }, "Without any one voter"), details];
}
