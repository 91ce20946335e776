// The evaluations: how far each is, the report of one, and any pair of it side by side.
import { el } from "./dom.js";
import { get } from "./api.js";
import { badge, card, choice, count, figures, lasting, nothing, plural, section, time } from "./admin_kit.js";
import { Reader } from "./reader.js";
import { sheets } from "./sheet.js";

const POLL_MS = 2000;
const WORD = { running: "Running", stopped: "Stopped", done: "Done", interrupted: "Interrupted" };

const WHICH = [["", "All"], ["lost", "It lost"], ["differ", "Raters differ"], ["open", "Not judged"]];

const dollars = (value) => `$${(value ?? 0).toPrecision(3).replace(/\.?0+$/, "")}`;

// ---- the list ----

function bar({ done, planned }) {
  return planned ? el("progress", { max: planned, value: done, "aria-label": "Answers and verdicts" }) : null;
}

function progressOf(run) {
  const { progress } = run;
  if (!progress) return [nothing("Nothing told yet.")];
  const seconds = Math.max(progress.seconds, 0.1);
  const left = run.state === "running" && progress.done
    ? `${lasting((progress.planned - progress.done) * seconds / progress.done)} left` : null;
  const failed = progress.sides.reduce((sum, side) => sum + side.failed, 0);
  return [bar(progress), figures(
    ["Done", `${count.format(progress.done)} of ${count.format(progress.planned)}`, left],
    ["Time", lasting(seconds), `${(progress.done / seconds).toFixed(1)} a second`],
    ["Calls", count.format(progress.calls), failed ? `${count.format(failed)} failed` : null],
    ["Judges’ votes", count.format(progress.votes),
      progress.disagreements ? `${progress.disagreements} undecided` : null],
    ["People’s votes", count.format(run.people_votes),
      run.people_wanted ? `of ${count.format(run.people_wanted)}` : null],
    ["Spent", dollars(progress.spent_usd), progress.budget_usd ? `of ${dollars(progress.budget_usd)}` : null])];
}

function runCard(run) {
  return card({
    title: run.name, level: 2, about: `${time(run.created_ms)} · ${run.id}${run.reason ? ` · ${run.reason}` : ""}`,
    badges: [badge(WORD[run.state] ?? run.state, run.state !== "running"), run.campaign && badge("campaign", true)]
      .filter(Boolean),
    acts: [el("a", { class: "button quiet", href: `?run=${run.id}`, "aria-label": `Read ${run.name}` },
      "Report and pairs")],
  }, ...progressOf(run));
}

async function list(frame) {
  const place = el("div", { class: "cards" });
  frame.body.replaceChildren(place);
  let shown = "";
  const draw = async () => {
    const { runs } = await get("/api/evals");
    const text = JSON.stringify(runs);
    const running = runs.filter(({ state }) => state === "running").length;
    frame.summary(runs.length ? `${plural(runs.length, "evaluation")}, ${running || "none"} at work.`
      : "None was run here yet. On the machine that serves: arena eval run SPEC.json");
    if (text !== shown) place.replaceChildren(...runs.map(runCard));
    shown = text;
  };
  await draw();
  setInterval(() => { if (!document.hidden) draw().catch(frame.problem); }, POLL_MS);
}

// ---- any pair ----

// Who won of a pair's votes, in few words.
function tally(run, pair, votes) {
  const won = [0, 0, 0];
  for (const [, , winner] of votes) won[Math.min(winner, 2)]++;
  const names = [run.sides[pair[2]].model, run.sides[pair[3]].model, "ties"];
  return won.map((number, i) => number && `${names[i]} ${number}`).filter(Boolean).join(", ") || "not judged";
}

// The run's pairs as items, each with its votes.
function itemsOf(run) {
  const votes = run.pairs.map(() => []);
  for (const vote of run.votes) votes[vote[0]].push(vote);
  return run.pairs.map((pair, i) => ({
    pair, votes: votes[i], category: run.prompts[pair[0]].category,
    title: `${pair[0] + 1}. ${run.prompts[pair[0]].opening}`,
    about: `${run.sides[pair[2]].model} and ${run.sides[pair[3]].model} · ${tally(run, pair, votes[i])}`,
  }));
}

const loses = (item, side) => item.votes.some(([, , winner]) => winner < 2 && item.pair[3 - winner] === side);
const differ = ({ votes }) => new Set(votes.map(([, , winner]) => Math.min(winner, 2))).size > 1;

function passes(item, { category, model, which }) {
  const side = model === "" ? null : Number(model);
  if (category && item.category !== category) return false;
  if (side !== null && !item.pair.slice(2).includes(side)) return false;
  if (which === "differ") return differ(item);
  if (which === "lost") return side === null ? item.votes.some(([, , winner]) => winner < 2) : loses(item, side);
  return which !== "open" || item.votes.length === 0;
}

// One prompt's answers and votes, cut to the two sides of a pair.
function facing(page, [, sample, a, b]) {
  const twice = a === b;
  const said = (side, place) => page.answers[sample + (twice && place === "b" ? 1 : 0)]?.[side] ?? [];
  const texts = { a: said(a, "a"), b: said(b, "b") };
  return {
    a: page.sides[a], b: page.sides[b], system: page.prompt.system,
    turns: page.prompt.turns.map((prompt, i) => ({ prompt, a: texts.a[i], b: texts.b[i] })),
    votes: page.votes.filter((vote) => vote.sample === sample && vote.a === a && vote.b === b),
  };
}

function pairs(frame, run, id) {
  const all = itemsOf(run);
  const read = async ({ pair }) => facing(await get(`/api/evals/${id}/prompt?prompt=${pair[0]}`), pair);
  const reader = new Reader(read);
  const empty = nothing("None such.");
  const categories = [...new Set(run.prompts.map((prompt) => prompt.category).filter(Boolean))];
  const form = el("form", { class: "filters", "aria-label": "Which pairs" },
    choice("Model", "model", [["", "Any"], ...run.sides.map(({ model }, i) => [String(i), model])], ""),
    choice("Pairs", "which", WHICH, ""),
    choice("Category", "category", [["", "All"], ...categories.map((one) => [one, one])], ""));
  const filter = () => ({ model: form.elements.model.value, which: form.elements.which.value,
    category: form.elements.category.value });
  const draw = () => {
    const items = all.filter((item) => passes(item, filter()));
    empty.hidden = items.length > 0;
    return reader.show(items);
  };
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", draw);
  // From a table's link to a prompt: its first pair.
  const open = (prompt) => {
    form.reset();
    reader.show(all, true);
    empty.hidden = true;
    reader.go(all.findIndex(({ pair }) => pair[0] === prompt));
    reader.node.scrollIntoView();
  };
  const cut = run.pairs_in_all > run.pairs.length
    ? `The first ${count.format(run.pairs.length)} of ${plural(run.pairs_in_all, "pair")}.`
    : `${plural(run.pairs_in_all, "pair")}, each to be read side by side.`;
  return { part: section("Pairs", cut, form, empty, reader.node), open, draw };
}

async function one(frame, id) {
  const run = await get(`/api/evals/${encodeURIComponent(id)}/report`);
  const { report } = run;
  document.getElementById("title").textContent = report.name;
  document.title = `${report.name} · arena`;
  frame.summary(`${WORD[report.state] ?? report.state}${report.reason ? `: ${report.reason}` : ""}, after `
    + `${lasting(Math.max(report.seconds, 1))}; ${plural(report.prompts, "prompt")}, `
    + `${plural(report.pairs, "pair")}. Evaluation ${report.id}.`);
  frame.acts(el("a", { class: "button quiet edged", href: location.pathname }, "All evaluations"));
  const { part, open, draw } = pairs(frame, run, encodeURIComponent(report.id));
  const boards = run.tables.filter(({ title }) => title.startsWith("Votes of"));
  const others = run.tables.filter((table) => !boards.includes(table));
  frame.body.replaceChildren(...sheets(boards), part, ...sheets(others, open));
  await draw();
}

export async function open(frame) {
  const run = new URLSearchParams(location.search).get("run");
  await (run ? one(frame, run) : list(frame));
}
