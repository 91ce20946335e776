// Battles that somebody should look at: an answer that named its model, a vote that was not counted, a comment.
import { el } from "./dom.js";
import { get } from "./api.js";
import { badge, button, card, tick, time } from "./admin_kit.js";

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
    lane.toUpperCase()), ` ${name}`), el("p", { class: "excerpt" }, said ?? "Nothing is stored."));
}

function turn(battle, { prompt, a, b }) {
  return el("div", { class: "exchange" }, el("p", { class: "excerpt prompt" }, prompt ?? "The prompt was erased."),
    el("div", { class: "sides" }, text("a", battle.model_a, a), text("b", battle.model_b, b)));
}

function show(battle) {
  const { vote } = battle;
  const why = vote && vote.counted !== "counted" ? vote.counted : battle.self_identified ? "self_identified" : null;
  const badges = [why && badge(WHY[why] ?? why, why !== "self_identified"),
    battle.state !== "voted" && badge(battle.state, true)].filter(Boolean);
  const who = [`voter ${battle.voter.slice(-6)}`, battle.cohort, vote && `chose ${WON[vote.winner]}`].filter(Boolean);
  return card({ title: time(battle.created_ms), badges, about: who.join(" · "), level: 2 },
    ...(vote ? words(vote) : []),
    el("details", {}, el("summary", {}, "What was said"), ...battle.turns.map((one) => turn(battle, one))));
}

export async function open(frame) {
  const list = el("div", { class: "cards wide" });
  const more = button("Earlier", (pressed) => frame.run(pressed, next));
  const every = tick("Unremarkable ones too", "all");
  let query = "";
  async function next() {
    const all = every.querySelector("input").checked ? "show=all" : "";
    const page = await get(`/api/moderation?${[all, query].filter(Boolean).join("&")}`);
    list.append(...page.battles.map(show));
    query = `before=${page.next}`;
    more.hidden = page.next === null;
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
  await next();
  frame.body.replaceChildren(list, more);
}
