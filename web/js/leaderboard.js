// The leaderboard page: what the votes say, how sure they are, and what they cannot say yet. What is shown stands in
// the address, and the board is read again when the page comes back into view or a vote was cast in another tab.
import { announce, byId, el } from "./dom.js";
import { get } from "./api.js";
import { errorSentence } from "./words.js";
import { axis, scaleOf } from "./chart.js";
import { rankedTable, unrankedTable } from "./board_tables.js";
import { pairMatrix } from "./matrix.js";
import { ratesTable, taggerSentence } from "./rates.js";
import { ratingTrail } from "./trail.js";
import { boardOfAll, movesAgainst, movesSentence, voterInfluence } from "./without.js";
import { readControls, showControls } from "./controls.js";

const POLL_MS = 30000;
const count = new Intl.NumberFormat();
const date = new Intl.DateTimeFormat(undefined, { dateStyle: "long", timeStyle: "short" });
const plural = (n, one, many) => `${count.format(n)} ${n === 1 ? one : many}`;

const METHODS = { bt: "Bradley–Terry, fitted to all votes at once", elo: "Elo, vote by vote" };
const WITHOUT = {
  fast: "without votes after less than 2 s of reading", recognised: "without recognised battles",
  staff: "without staff’s votes",
};
const INTERVALS = {
  sandwich: "95 % sandwich intervals", clustered: "95 % intervals, clustered by voter",
  bootstrap: "95 % bootstrap intervals", none: "no intervals",
};

// What is published: null, nothing yet; without it the board is live.
function published(board) {
  return board.published ? `. Published on ${date.format(new Date(board.published.at_ms))}` : "";
}

function summary(board) {
  const all = board.models.length + board.unranked.length;
  const ranked = board.models.length;
  return `${plural(board.votes, "vote", "votes")} on ${plural(all, "model", "models")}`
    + (board.unranked.length ? `, ${ranked ? count.format(ranked) : "none"} of them ranked so far` : "")
    + published(board);
}

function method(board) {
  const parts = [METHODS[board.method] ?? board.method, INTERVALS[board.interval]].filter(Boolean).join("; ");
  const which = [
    board.category !== "overall" && `category ${board.category}`,
    board.style && "controlled for style",
    ...(board.filter?.without?.split(",") ?? []).map((word) => WITHOUT[word]),
    board.filter?.without_voters && `without voter ${board.filter.without_voters.join(", ")}`,
    board.filter?.judge === "model" && "models’ votes",
    board.filter?.judge === "any" && "people’s and models’ votes",
    board.filter?.voids === "losses" && "failures to answer count as losses",
  ].filter(Boolean);
  return `${parts}${which.length ? ` (${which.join(", ")})` : ""}. The ranked models’ mean is 1000. `
    + `A rank range holds every place that the votes do not rule out. ${blinding(board)}${taggerSentence(board)}`;
}

// What those who were asked said: 0, nobody knows who answers; 1, everybody does.
function blinding({ blinding: its }) {
  if (!its?.answered) return "";
  return `Blinding index ${its.index.toFixed(2)} (0: nobody knows who answers, 1: everybody does), from what `
    + `${plural(its.answered, "voter", "voters")} said when asked: ${plural(its.recognised, "answer", "answers")} `
    + `recognised, ${count.format(its.wrong)} by the wrong name. `;
}

function showRanked(board, details, all) {
  const node = byId("ranked");
  node.hidden = board.models.length === 0;
  if (node.hidden) return;
  const scale = scaleOf(board.models);
  node.replaceChildren(rankedTable(board.models, details, scale, axis(scale), all ? movesAgainst(all, board) : null));
  if (all) node.append(el("p", { class: "note moves" }, movesSentence(all, board)));
}

function showUnranked(board, details) {
  const node = byId("unranked");
  node.hidden = board.unranked.length === 0;
  if (node.hidden) return;
  node.replaceChildren(
    el("h2", { id: "unranked-title" }, board.models.length ? "Not ranked yet" : "On the way to a rank"),
    unrankedTable(board.unranked, details));
}

// A section of its own, away where it has nothing to say.
function showSection(id, nodes) {
  const node = byId(id);
  node.hidden = nodes === null;
  if (nodes) node.replaceChildren(...nodes);
}

function showWarnings(board) {
  const node = byId("warnings");
  node.replaceChildren(...board.warnings.map((warning) => el("li", {}, warning)));
  node.hidden = board.warnings.length === 0 || board.votes === 0;
}

function showEmpty(board) {
  const unpublished = board.published === null;
  byId("empty").hidden = board.votes > 0;
  byId("empty-title").textContent = unpublished ? "Nothing has been published yet" : "No votes yet";
  byId("empty-text").textContent = unpublished
    ? "Voters see the leaderboard as it was last published, so that it does not sway a vote. Your own ranking stands "
      + "on your page."
    : board.published ? "There were none when the board was published."
      : "The board fills with the first vote. A battle takes about a minute.";
  byId("empty-link").textContent = unpublished ? "Your page" : "Start the first battle";
  byId("empty-link").href = unpublished ? "/account" : "/";
}

function show(board, details, all, query) {
  showEmpty(board);
  byId("summary").textContent = board.votes ? summary(board)
    : board.published === null ? "It appears with the first publication."
      : `${board.published ? "No votes" : "Nobody has voted yet."}${published(board)}`;
  showWarnings(board);
  showRanked(board, details, all);
  showUnranked(board.votes ? board : { ...board, unranked: [] }, details);
  showSection("pairs", pairMatrix(board));
  showSection("voters", voterInfluence(board, query, byId("voters").querySelector("details")?.open));
  showSection("trail", ratingTrail(board));
  showSection("rates", ratesTable(board));
  byId("method").textContent = method(board);
  byId("method").hidden = board.votes === 0;
}

// Where else this reader may go.
function showWays(may) {
  const ways = byId("ways");
  if (may.includes("evaluate") && !ways.querySelector("[href='/admin/why']"))
    ways.append(el("a", { href: "/admin/why" }, "Why?"));
}

async function modelDetails() {
  const { models, may } = await get("/api/models");
  showWays(may);
  return new Map(models.map((model) => [model.name, model]));
}

let shown = "";
let reading = null;

async function read(silent) {
  const query = readControls(location.search);
  try {
    const whole = boardOfAll(query);
    const [board, details, all] = await Promise.all([get(`/api/leaderboard${query}`), modelDetails(),
      whole === null ? null : get(`/api/leaderboard${whole}`)]);
    const text = JSON.stringify([board, query, all]);
    if (text === shown) return;
    const first = shown === "";
    shown = text;
    for (const its of board.reliability ?? [])
      details.set(its.model, { ...details.get(its.model), reliability: its });
    show(board, details, all, query);
    showControls(board, () => refresh());
    if (!first && !silent) announce(byId("summary").textContent);
  } catch (error) {
    byId("summary").textContent = errorSentence(error);
  }
}

// One reading at a time: a burst of votes asks once more after the reading under way.
function refresh(silent = false) {
  reading = (reading ?? Promise.resolve()).then(() => read(silent));
  return reading;
}

refresh();
addEventListener("focus", () => refresh());
addEventListener("popstate", () => refresh());
document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
if ("BroadcastChannel" in window) new BroadcastChannel("arena").addEventListener("message", () => refresh());
setInterval(() => { if (!document.hidden) refresh(true); }, POLL_MS);
