// Battles that somebody should look at: an answer that named its model, a vote that was not counted, a comment.
import { el } from "./dom.js";
import { get, post } from "./api.js";
import { badge, button, card, count, excerpt, nothing, section, tick, time } from "./admin_kit.js";

const WHY = {
  self_identified: "an answer named its model", not_blind: "names were known", daily_cap: "over the day’s number",
  excluded: "voter left out", control: "a check", duplicate_prompt: "prompt voted on too often",
};
const WON = { model_a: "A", model_b: "B", tie: "a tie", both_bad: "both bad" };

function recognisedText(value) {
  if (!value || value === "no" || value === "none") return null;
  return `Recognised: ${typeof value === "string" ? value : JSON.stringify(value)}`;
}

function words(vote) {
  const reasons = Array.isArray(vote.reasons)
    ? vote.reasons.map((one) => (typeof one === "string" ? one : Object.values(one).join(" "))).join(", ") : null;
  return [vote.comment && `“${vote.comment}”`, reasons, recognisedText(vote.recognised)].filter(Boolean)
    .map((text) => el("p", { class: "said" }, text));
}

function text(lane, name, said) {
  return el("div", { class: "side" }, el("p", { class: "about" }, el("span", { class: `disc ${lane}` },
    lane.toUpperCase()), ` ${name}`), excerpt(said ?? "Nothing is stored."));
}

function turn(battle, { prompt, a, b }) {
  return el("div", { class: "exchange" }, excerpt(prompt ?? "The prompt was erased.", "prompt"),
    el("div", { class: "sides" }, text("a", battle.model_a, a), text("b", battle.model_b, b)));
}

function show(battle) {
  const { vote } = battle;
  const why = vote && vote.counted !== "counted" ? vote.counted : battle.self_identified ? "self_identified" : null;
  const badges = [why && badge(WHY[why] ?? why, why !== "self_identified"),
    battle.state !== "voted" && badge(battle.state, true)].filter(Boolean);
  const who = [`voter ${battle.voter.slice(-6)}`, battle.cohort, vote && `chose ${WON[vote.winner]}`].filter(Boolean);
  return card({ title: time(battle.created_ms), badges, about: who.join(" · ") },
    ...(vote ? words(vote) : []),
    el("details", {}, el("summary", {}, "What was said"), ...battle.turns.map((one) => turn(battle, one))));
}

// ---- what exports hold back until somebody has looked ----

const PART = {
  prompt: "prompt", model_a: "answer A", model_b: "answer B", refusal_a: "answer A", refusal_b: "answer B",
  comment: "comment", guess: "guess",
};

// What a model found, with its words: patterns tell kinds alone.
function finds(row) {
  return row.finds.map(({ kind, turn, part, text }) => el("p", { class: "said" },
    `${kind}: “${text}” (${PART[part]}${turn > 1 ? `, turn ${turn}` : ""})`));
}

function held(frame, row, changed) {
  const place = el("div");
  const decide = (word, release) => button(word, (pressed) => frame.run(pressed, async () => {
    await post(`/api/review/${row.battle_id}`, { release });
    await changed();
    return release ? "Released" : "Kept back";
  }));
  const look = button("Look", (pressed) => frame.run(pressed, async () => {
    const { battles: [battle] } = await get(`/api/moderation?battle=${row.battle_id}`);
    place.replaceChildren(...(battle ? battle.turns.map((one) => turn(battle, one))
      : [nothing("It is not over, was kept private, or nothing of it is left.")]));
  }));
  return card({
    title: time(row.created_ms), badges: row.found.map((kind) => badge(kind, true)),
    about: `found ${row.by.map((who) => BY[who]).join(" and ")}`,
    acts: [look, decide("Release", true), decide("Keep back", false)],
  }, ...finds(row), place);
}

const BY = { patterns: "by patterns", model: "by the model" };

function share({ refused, released, precision }) {
  return precision === null ? "nothing was decided yet"
    : `${count.format(refused)} of ${count.format(refused + released)} were kept back `
      + `(${Math.round(100 * precision)} %)`;
}

// Whether the model is worth anything: what became of its finds.
function worth(search) {
  const lost = [[search.invented, "finds that do not stand in the text, dropped"],
    [search.malformed, "answers in no form that counts"], [search.unread_bytes, "bytes too long to be shown"]]
    .filter(([number]) => number).map(([number, words]) => `${count.format(number)} ${words}`);
  return el("p", { class: "lead" }, `${search.model} has looked at ${count.format(search.searched)} battles and `
    + `found something in ${count.format(search.with_finds)}, in ${count.format(search.alone)} of them where no `
    + `pattern did${lost.length ? ` (${lost.join("; ")})` : ""}. Where it found something, ${share(search.decided)}; `
    + `where it alone did, ${share(search.decided_alone)}.`);
}

async function review(frame, place) {
  const { search, battles } = await get("/api/review");
  const parts = [search && worth(search),
    battles.length && el("div", { class: "cards wide" }, ...battles.map((row) => held(frame, row,
      () => review(frame, place))))].filter(Boolean);
  place.replaceChildren(...(parts.length ? [section("Held back from exports",
    "Something looks like personal data. Released ones may leave with an export, as their voters agreed.",
    ...parts)] : []));
}

export async function open(frame) {
  const list = el("div", { class: "cards wide" });
  const more = button("Earlier", (pressed) => frame.run(pressed, next));
  const battles = section("Battles", null, list, more);
  const every = tick("Unremarkable ones too", "all");
  let query = "";
  async function next() {
    const all = every.querySelector("input").checked ? "show=all" : "";
    const page = await get(`/api/moderation?${[all, query].filter(Boolean).join("&")}`);
    list.append(...page.battles.map(show));
    query = `before=${page.next}`;
    more.hidden = page.next === null;
    battles.hidden = !list.hasChildNodes();
    frame.summary(list.hasChildNodes()
      ? "Battles that are over, of voters who agreed to the notice; none that was kept private."
      : "Nothing to look at: no answer named its model, and every vote counted.");
  }
  every.addEventListener("change", () => {
    query = "";
    list.replaceChildren();
    next().catch(frame.problem);
  });
  frame.acts(every);
  const back = el("div");
  await next();
  await review(frame, back);
  frame.body.replaceChildren(back, battles);
}
