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
    this.form.addEventListener("submit", (event) => { event.preventDefault(); done(); });
  }

  ask(battle) {
    this.form.reset();
    byId("rate-title").textContent = `${OUTCOME[battle.winner]}. Why?`;
    byId("rate-recognised").hidden = !battle.ask_recognised;
    this.busy(false);
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
      ...(data.has("recognised") && { recognised: data.get("recognised") }),
    };
    return Object.keys(given).length ? given : null;
  }
}
