// Campaigns as their lead sees them: the list, and one with its question, its results and its raters. What the
// terminal prints is drawn from the same JSON.
import { announce, byId, el } from "./dom.js";
import { get, post } from "./api.js";
import { axis, intervalBar } from "./chart.js";
import { problem } from "./form.js";
import { enter } from "./rooms.js";

const POLL_MS = 5000;
const count = new Intl.NumberFormat();
const when = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const percent = (share) => (share === null || share === undefined ? "–" : `${(100 * share).toFixed(1)} %`);
const set = (share) => `${Number((100 * share).toFixed(2))} %`; // as somebody typed it
const date = (text) => when.format(new Date(text));
const plural = (n, one, many) => `${count.format(n)} ${n === 1 ? one : many}`;
const sentence = (text) => (/[.!?…]$/.test(text) ? text : `${text}.`);
const SCALE = { ticks: [0, 25, 50, 75, 100], at: (value) => `${value}%` };

const { may } = await enter();
const leads = may.includes("administer");

const id = location.pathname.startsWith("/campaigns/") ? location.pathname.slice("/campaigns/".length) : null;

function models({ model, versus }) {
  return `${model.name} against ${new Intl.ListFormat("en").format(versus.map((rival) => rival.name))}`;
}

// Who is compared, unless the title says just that.
const about = ({ title, question }) => [models(question)].filter((text) => text !== title);

function rule({ stop }) {
  return [
    stop.votes && `${count.format(stop.votes)} votes count`,
    stop.precision && `every win rate is known to ${stop.precision} points`,
    stop.decided !== undefined && `every rival is decided against a margin of ${stop.decided} points`,
  ].filter(Boolean).join(", or ");
}

// How far it is on the way to what its rule, or its expectation, asks for.
function far({ progress, question, state }) {
  const goal = question.stop.votes ?? question.expected.votes;
  const about = question.stop.votes ? "" : "about ";
  const said = goal ? `${count.format(progress.votes)} of ${about}${count.format(goal)} votes`
    : plural(progress.votes, "vote", "votes");
  return el("div", { class: "far" },
    goal && el("progress", { max: goal, value: Math.min(progress.votes, goal), "aria-label": "Votes" }),
    el("span", {}, said), el("span", {}, plural(progress.voters, "voter", "voters")),
    state === "running" && progress.queue.wanted > 0
      && el("span", {}, `room for ${plural(progress.queue.wanted - progress.queue.taken, "vote", "votes")} `
        + "in the queue"));
}

const badge = ({ state }) => el("span", { class: state === "running" ? "badge" : "badge over" },
  state === "running" ? "running" : "ended");

// Its pairs wait for models that are not what was registered.
function waiting({ waits_for: names }) {
  if (!names?.length) return null;
  const [has, them] = names.length === 1 ? ["does", "it"] : ["do", "them"];
  return el("p", { class: "alarm" }, `${new Intl.ListFormat("en").format(names)} ${has} not answer in the version that `
    + `was registered: changed, paused or taken out. Pairs with ${them} wait until that version answers again. Or end `
    + "the campaign.");
}

// A table that may be wider than the page: it scrolls by itself, with the keyboard too.
const across = (name, table) => el("div", { class: "across", tabindex: 0, role: "region", "aria-label": name }, table);

// ---- the list ----

function entry(campaign) {
  return el("li", {}, el("a", { href: `/campaigns/${encodeURIComponent(campaign.id)}` },
    el("h2", {}, campaign.title), badge(campaign),
    el("p", {}, [...about(campaign), date(campaign.registered)].join(" · ")),
    far(campaign), waiting(campaign),
    campaign.reason && el("p", {}, `Ended: ${sentence(campaign.reason)}`)));
}

function showList({ campaigns }) {
  const running = campaigns.filter(({ state }) => state === "running").length;
  byId("summary").textContent = campaigns.length
    ? `${plural(campaigns.length, "campaign", "campaigns")}, ${running} running`
    : "No question has been registered yet.";
  byId("acts").replaceChildren(leads ? el("a", { class: "button main", href: "/campaigns/new" }, "New campaign") : "");
  byId("content").replaceChildren(campaigns.length
    ? el("ul", { class: "campaigns" }, ...campaigns.toReversed().map(entry))
    : el("p", { class: "note" }, "A campaign asks many people whether one model is better than others, and stops when "
      + "that is known. Begin one here, or in a terminal:", el("pre", { class: "command" },
      "arena campaign create --model OURS --versus RIVAL --prompts prompts.jsonl --precision 5 --cohort testers")));
}

// ---- one ----

const fact = (name, ...values) => el("div", {}, el("dt", {}, name), el("dd", {}, ...values));

function prompts(question) {
  return [question.prompts && "a file, answered beforehand", question.live && "the voters’ own"]
    .filter(Boolean).join(", and ");
}

function expected({ expected: { detect, power, ties, votes, needed } }) {
  const sees = `To see a win rate of ${set(detect)} with a chance of ${set(power)} where ${set(ties)} of the votes are `
    + `ties takes ${needed ? `about ${count.format(needed)}` : "more than can be had"}.`;
  return [votes ? `About ${plural(votes, "vote", "votes")}.` : "More votes than can be had.",
    needed !== undefined && sees].filter(Boolean).join(" ");
}

function questionFacts(campaign) {
  const { question } = campaign;
  return el("dl", { class: "facts" },
    fact("Registered", date(campaign.registered)),
    fact("Stops when", rule(question)),
    fact("Voters", question.cohort ?? "everybody"),
    fact("Prompts", prompts(question)),
    fact("Expected", expected(question)),
    fact("Controls", `${set(question.same_model_rate)} one model twice, `
      + `${set(question.gold_rate)} with a known winner (${plural(question.gold, "pair", "pairs")})`),
    fact("Votes on a pair", count.format(question.overlap)),
    question.categories.length > 0 && fact("Categories", question.categories.join(", ")));
}

function resultRow(row) {
  const known = row.win_rate !== null;
  const bar = { rating: 100 * row.win_rate, rating_lower: 100 * row.lower, rating_upper: 100 * row.upper };
  return el("tr", {},
    el("th", { scope: "row", class: "name" }, el("b", {}, row.versus),
      el("span", { class: "maker" }, known
        ? `${percent(row.win_rate)}, ${percent(row.lower)} to ${percent(row.upper)}` : "no votes yet")),
    el("td", { class: "chart" }, known && intervalBar(bar, SCALE)),
    el("td", { class: "number" }, count.format(row.votes)),
    el("td", { class: "number" }, count.format(row.wins)),
    el("td", { class: "number" }, count.format(row.losses)),
    el("td", { class: "number" }, count.format(row.ties + row.both_bad)),
    el("td", { class: `verdict ${row.verdict === "open" ? "open" : ""}` }, row.verdict));
}

function results(campaign) {
  const head = (text, className) => el("th", { scope: "col", class: className }, text);
  return [
    el("h2", {}, "Win rate of ", campaign.question.model.name),
    across("Results", el("table", { class: "results" },
      el("thead", {}, el("tr", {}, head("Versus", "name"), el("th", { scope: "col", class: "chart" },
        el("span", { class: "sr-only" }, "Interval"), axis(SCALE)),
      ...["Votes", "Wins", "Losses", "Ties"].map((text) => head(text, "number")), head("Verdict"))),
      el("tbody", {}, ...campaign.results.map(resultRow)))),
    el("p", { class: "note" }, `The intervals hold together at ${set(campaign.question.confidence)}, `
      + "however often one looks: one observation a prompt, bet on as it came."),
  ];
}

function share(name, { votes, share: value, lower, upper }) {
  const range = `${percent(lower)} to ${percent(upper)}`;
  return votes > 0 && fact(name, `${percent(value)} of ${count.format(votes)} (${range})`);
}

function raterRow(rater) {
  const of = (part, whole) => (whole ? `${count.format(part)} of ${count.format(whole)}` : "–");
  return el("tr", {}, el("th", { scope: "row" }, `Rater ${rater.rater}`),
    el("td", { class: "number" }, count.format(rater.votes)), el("td", { class: "number" }, percent(rater.left)),
    el("td", { class: "number" }, of(rater.gold_right, rater.gold)),
    el("td", { class: "number" }, of(rater.agreed, rater.shared)),
    el("td", { class: "number" }, count.format(rater.quick)));
}

function raters({ raters: all }) {
  if (!all.list.length) return [];
  const head = (text) => el("th", { scope: "col", class: "number" }, text);
  return [
    el("h2", {}, "The raters"),
    el("dl", { class: "facts" },
      all.alpha !== null && fact("Krippendorff’s alpha",
        `${all.alpha.toFixed(3)} on ${plural(all.shared_items, "shared pair", "shared pairs")}`),
      share("Known winners found", all.gold_right),
      share("A side chosen where one model answered twice", all.noise),
      share("Of these, the left one", all.left_of_same),
      share("Left among all votes for a side", all.left)),
    across("Raters", el("table", {},
      el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Rater"),
        ...["Votes", "Left", "Known winners", "With the others", "Under 2 s"].map(head))),
      el("tbody", {}, ...all.list.map(raterRow)))),
  ];
}

function variants(report) {
  return [
    el("h2", {}, "Every variant tried"),
    across("Variants", el("table", { class: "variants" },
      el("thead", {}, el("tr", {},
        ...["Model", "Version", "Since", "Votes"].map((text) => el("th", { scope: "col" }, text)))),
      el("tbody", {}, ...report.variants.map((row) => el("tr", {},
        el("th", { scope: "row" }, row.model, row.tested_here && el("span", { class: "badge" }, "this one")),
        el("td", {}, el("code", {}, row.version.slice(0, 12))), el("td", {}, date(row.since)),
        el("td", {}, count.format(row.votes))))))),
  ];
}

function signature(campaign) {
  return el("p", { class: "signature" },
    "This report is final. It is signed with ", el("code", {}, campaign.public_key), "; ",
    el("code", {}, "arena verify"), " checks it, and so does any tool that knows Ed25519.");
}

function acts(campaign) {
  if (campaign.report) {
    const href = `/api/campaigns/${campaign.id}/report`;
    return [el("a", { class: "button quiet", href, download: `${campaign.id}.json` }, "Download the report")];
  }
  const end = () => byId("stop").showModal();
  return leads ? [el("button", { type: "button", class: "button quiet", id: "end", onclick: end }, "End it")] : [];
}

function showOne(campaign) {
  byId("title").textContent = campaign.title;
  document.title = `${campaign.title} · arena`;
  byId("summary").replaceChildren(...about(campaign), " ", badge(campaign));
  byId("acts").replaceChildren(...acts(campaign));
  byId("content").replaceChildren(far(campaign), waiting(campaign) ?? "",
    campaign.reason ? el("p", { class: "note" }, `Ended ${date(campaign.ended)}: ${sentence(campaign.reason)}`) : "",
    questionFacts(campaign), ...results(campaign), ...raters(campaign),
    ...(campaign.report ? [...variants(campaign.report), signature(campaign)] : []));
}

// ---- reading ----

let shown = "";
async function read() {
  try {
    const body = await get(id ? `/api/campaigns/${encodeURIComponent(id)}` : "/api/campaigns");
    const text = JSON.stringify(body);
    byId("problem").hidden = true;
    if (text === shown) return;
    const first = shown === "";
    shown = text;
    if (id) showOne(body);
    else showList(body);
    if (!first && id) announce(`${plural(body.progress.votes, "vote", "votes")}.`);
  } catch (error) {
    byId("summary").textContent = "";
    problem(error);
  }
}

byId("stop-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    await post(`/api/campaigns/${encodeURIComponent(id)}/stop`, { reason: byId("stop-reason").value.trim() });
  } catch (error) { problem(error); }
  byId("stop").close();
  read();
});

if (id === "new") {
  const { open } = await import("./campaign_form.js");
  await open().catch(problem);
} else {
  read();
  setInterval(() => { if (!document.hidden) read(); }, POLL_MS);
}
