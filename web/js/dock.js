// The dock under the lanes: it holds exactly what can be done in the present phase.
import { byId, el } from "./dom.js";
import { OPINION, OUTCOME, countedSentence, voidSentence } from "./words.js";

const PANELS = {
  streaming: "progress", ready: "vote", rating: "rate",
  voted: "outcome", skipped: "outcome", void: "outcome", expired: "outcome",
};

// The question, its first and its third answer, and how to leave without one.
const VOTES = {
  blind: ["Which answer is better?", "A is better", "Both bad", "Skip "],
  side_by_side: ["Which answer is better?", "A is better", "Both bad", "New chat "],
  direct: ["Is it a good answer?", "Good", "Bad", "New chat "],
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

  // What the voter can say and do differs by how the battle began.
  begin({ mode = "blind", queued = false } = {}) {
    byId("main").dataset.mode = mode;
    byId("main").toggleAttribute("data-queued", queued);
    const [title, good, bad, end] = VOTES[mode] ?? VOTES.blind;
    byId("vote-title").textContent = title;
    for (const button of this.choices) {
      const { winner } = button.dataset;
      const said = winner === "model_a" ? good : winner === "both_bad" ? bad : null;
      if (said) [...button.childNodes].find((node) => node.nodeType === Node.TEXT_NODE).data = said;
      button.hidden = mode === "direct" && (winner === "model_b" || winner === "tie");
    }
    byId("skip").firstChild.data = end;
    byId("follow-up").textContent = mode === "direct" ? "Go on" : "Ask both a follow-up";
    byId("follow-up").hidden = byId("regenerate").hidden = queued;
    byId("rate-done-text").textContent = queued ? "Next pair" : "Show the names";
  }

  // Shows the panel of a phase: compose, streaming, ready, rating, voted, skipped, void or expired.
  phase(phase) {
    byId("main").dataset.phase = phase;
    byId("welcome").hidden = phase !== "compose";
    byId("battle").hidden = phase === "compose";
    for (const id of ["progress", "vote", "rate", "outcome"]) byId(id).hidden = PANELS[phase] !== id;
    byId("composer").hidden = phase !== "compose";
    byId("recipients-text").textContent = phase === "compose" ? this.recipients ?? "" : "";
    byId("suggestions").hidden = byId("fine").hidden = phase !== "compose";
    byId("stop").disabled = false;
    this.press(null);
  }

  // Who may receive a prompt, said where one is written: over two hidden answers no maker is named.
  tellRecipients(sentence) {
    this.recipients = sentence;
    this.phase(byId("main").dataset.phase);
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
      voted: [(battle.mode === "direct" ? OPINION : OUTCOME)[battle.winner], countedSentence(battle)],
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
