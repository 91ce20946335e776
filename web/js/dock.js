// The dock under the lanes: it holds exactly what can be done in the present phase.
import { byId, el } from "./dom.js";
import { OUTCOME, countedSentence, voidSentence } from "./words.js";

const PANELS = {
  streaming: "progress", ready: "vote", rating: "rate",
  voted: "outcome", skipped: "outcome", void: "outcome", expired: "outcome",
};

export class Dock {
  constructor(actions) {
    this.choices = [...document.querySelectorAll(".choice")];
    for (const button of this.choices) button.addEventListener("click", () => actions.vote(button.dataset.winner));
    for (const name of ["stop", "regenerate", "skip", "next"]) {
      byId(name).addEventListener("click", () => actions[name]());
    }
    byId("follow-up").addEventListener("click", () => actions.followUp());
  }

  // Shows the panel of a phase: compose, streaming, ready, rating, voted, skipped, void or expired.
  phase(phase) {
    byId("main").dataset.phase = phase;
    byId("welcome").hidden = phase !== "compose";
    byId("battle").hidden = phase === "compose";
    for (const id of ["progress", "vote", "rate", "outcome"]) byId(id).hidden = PANELS[phase] !== id;
    byId("composer").hidden = phase !== "compose";
    byId("suggestions").hidden = byId("fine").hidden = phase !== "compose";
    byId("stop").disabled = false;
    this.press(null);
  }

  // Marks the vote that is on its way; null frees the buttons again.
  press(winner) {
    for (const button of this.choices) {
      if (winner === button.dataset.winner) button.setAttribute("aria-pressed", "true");
      else button.removeAttribute("aria-pressed");
      button.disabled = winner !== null;
    }
  }

  // A vote before both answers were opened is no comparison: on a phone the bar says which one is still to be read.
  hint(text) {
    byId("vote-hint").textContent = text ?? "";
    byId("vote-hint").hidden = !text;
  }

  problem(text, retry) {
    const node = byId("problem");
    node.replaceChildren(text ?? "", ...(retry ? [el("button", { type: "button", onclick: retry }, "Try again")] : []));
    node.hidden = !text;
  }

  outcome(battle) {
    const voted = battle.state === "voted";
    const texts = {
      voted: [OUTCOME[battle.winner], countedSentence(battle)],
      skipped: ["Skipped", "Nothing was counted, and the models stay unnamed."],
      void: ["This battle was cancelled, it does not count", voidSentence(battle.code)],
      expired: ["This battle has expired", "It waited a day for its vote. It does not count."],
    }[battle.state];
    byId("outcome-title").textContent = texts[0];
    byId("outcome-text").textContent = texts[1];
    byId("see-board").hidden = !voted;
  }

  focus(id) {
    byId(id).focus({ preventScroll: true });
  }
}
