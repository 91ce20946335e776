// Between the choice and the names: why, and now and then whether a model was recognised. Everything here may be left
// out; one key goes on. What is asked is the server's decision, so that a reload asks the same.
import { byId, el } from "./dom.js";
import { LANES } from "./lanes.js";
import { OUTCOME, REASONS, RECOGNISED } from "./words.js";

const pill = (type, name, value, text) => el("label", { class: "pill" },
  el("input", { type, name, value }), el("span", {}, text));

function side(lane) {
  const letter = lane.toUpperCase();
  const row = (reasons) => el("div", { class: "pills" },
    ...Object.entries(reasons).map(([value, text]) => pill("checkbox", lane, value, text)));
  return el("fieldset", {},
    el("legend", {}, el("span", { class: `disc ${lane}`, "aria-hidden": "true" }, letter),
      el("span", { class: "sr-only" }, `Answer ${letter} is`)),
    ...REASONS.map(row));
}

export class Rate {
  // done() is called when the voter goes on to the names.
  constructor(done) {
    this.form = byId("rate");
    byId("rate-reasons").append(...LANES.map(side));
    byId("rate-recognised").append(el("div", { class: "pills" }, ...Object.entries(RECOGNISED)
      .map(([value, text]) => pill("radio", "recognised", value, text))));
    this.form.addEventListener("change", (event) => { if (event.target.name === "recognised") this.offer(); });
    this.form.addEventListener("submit", (event) => { event.preventDefault(); done(); });
  }

  ask(battle) {
    this.form.reset();
    byId("rate-title").textContent = `${OUTCOME[battle.winner]}. Why?`;
    byId("rate-recognised").hidden = !battle.ask_recognised;
    byId("rate-guess").hidden = true;
    this.busy(false);
  }

  // Whom the voter thinks to have recognised, in words of their own: no name stands on this page before the reveal.
  offer() {
    const said = new FormData(this.form).get("recognised");
    const sides = LANES.filter((lane) => said === lane || said === "both");
    byId("rate-guess").hidden = sides.length === 0;
    byId("rate-guess").replaceChildren(...sides.map((lane) => el("label", {},
      el("span", {}, `${lane.toUpperCase()} is`),
      el("input", { name: `guess-${lane}`, maxlength: 120, placeholder: "which one?", autocomplete: "off" }))));
  }

  // The word alone, or with the names that were guessed.
  recognised(data) {
    const said = data.get("recognised");
    const named = LANES.map((lane) => [lane, data.get(`guess-${lane}`)?.trim()]).filter(([, name]) => name);
    const guesses = Object.fromEntries(named);
    return Object.keys(guesses).length ? { sides: said, ...guesses } : said;
  }

  busy(busy) {
    byId("rate-done").disabled = busy;
  }

  // What was given, or null where nothing was.
  given() {
    const data = new FormData(this.form);
    const reasons = Object.fromEntries(LANES.filter((lane) => data.has(lane)).map((lane) => [lane, data.getAll(lane)]));
    const comment = data.get("comment").trim();
    const given = {
      ...(Object.keys(reasons).length && { reasons }), ...(comment && { comment }),
      ...(data.has("recognised") && { recognised: this.recognised(data) }),
    };
    return Object.keys(given).length ? given : null;
  }
}
