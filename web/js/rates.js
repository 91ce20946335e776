// What stands beside the ratings: how often each model failed or refused, and who says what a category is.
import { el } from "./dom.js";

const count = new Intl.NumberFormat();
const NAMES = {
  hard_prompts: "hard prompts", creative_writing: "creative writing", instruction_following: "instruction following",
};
const share = (rate) => (Number.isFinite(rate) ? `${(100 * rate).toFixed(1)} %` : "–");
const cell = (n, rate) => el("td", { class: "number", title: count.format(n) }, share(rate));

// The section's nodes, or null where nobody has battled here.
export function ratesTable({ reliability = [] }) {
  const battled = reliability.filter(({ battles }) => battles > 0);
  if (battled.length === 0) return null;
  return [
    el("h2", { id: "rates-title" }, "Failures and refusals"),
    el("p", { class: "note" }, "Of the battles that a model was drawn for: those it made void, and those in which "
      + "another took its place. Of its answers: those refused. Only battles that are over."),
    el("div", { class: "matrix", tabindex: "0", role: "group", "aria-labelledby": "rates-title" },
      el("table", { class: "rates" },
        el("caption", { class: "sr-only" }, "Void, swap and refusal rates of every model"),
        el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Model"),
          ...["Battles", "Void", "Swapped out", "Answers", "Refused"].map((name) =>
            el("th", { scope: "col", class: "number" }, name)))),
        el("tbody", {}, ...battled.map((its) => el("tr", {},
          el("th", { scope: "row" }, its.model),
          el("td", { class: "number" }, count.format(its.battles)),
          cell(its.voids, its.void_rate), cell(its.swaps, its.swap_rate),
          el("td", { class: "number" }, count.format(its.answers)),
          cell(its.refusals, its.refusal_rate)))))),
  ];
}

function agreed(agreement) {
  const judged = Object.entries(NAMES).filter(([key]) => agreement[key].of > 0);
  if (judged.length === 0) return "Its agreement with people is not measured yet.";
  const parts = judged.map(([key, name]) => {
    const its = agreement[key];
    const kappa = Number.isFinite(its.kappa) ? ` (kappa ${its.kappa.toFixed(2)})` : "";
    return `${its.agreed} of ${its.of} for ${name}${kappa}`;
  });
  return `Of ${agreement.sample} prompts labelled by people it agrees on ${parts.join(", ")}.`;
}

// A sentence on the tagger; empty where nobody has tagged anything.
export function taggerSentence({ tagger }) {
  if (!tagger || tagger.tagged + tagger.malformed === 0) return "";
  const trust = tagger.agreement ? agreed(tagger.agreement) : "Its agreement with people is not measured yet.";
  return `Creative writing, hard prompts and instruction following are told apart by ${tagger.model} (version `
    + `${tagger.version.slice(0, 8)}): ${count.format(tagger.tagged)} battles tagged, `
    + `${count.format(tagger.malformed)} answers in no form that counts. ${trust}`;
}
