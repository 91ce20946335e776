// One turn of a battle: what was asked, and the two answers under it.
import { el } from "./dom.js";
import { Answer } from "./answer.js";
import { LANES } from "./lanes.js";
import { answerFacts } from "./words.js";

const LONG_PROMPT = 700;

function skeleton() {
  return el("div", { class: "skeleton", "aria-hidden": "true" }, el("span"), el("span"), el("span"), el("span"));
}

export class Turn {
  // `active`: the lanes that answer; a direct chat has one.
  constructor(number, prompt, active = LANES) {
    this.number = number;
    this.active = active;
    this.prompt = el("div", { class: "asked" });
    this.lanes = {};
    for (const lane of LANES) {
      const answer = new Answer();
      const label = `Answer ${lane.toUpperCase()}, turn ${number}`;
      const node = el("section", { class: `lane ${lane}`, "aria-label": label });
      this.lanes[lane] = { node, answer, text: "", heard: "" };
    }
    // The first prompt stands over the lanes' heads, later ones between the answers: the page places it.
    this.node = el("article", { class: "turn", "aria-label": `Turn ${number}` },
      el("div", { class: "lanes" }, this.lanes.a.node, this.lanes.b.node));
    this.ask(prompt);
    this.reset();
  }

  ask(prompt) {
    this.prompt.textContent = prompt;
    this.prompt.classList.toggle("long", prompt.length > LONG_PROMPT);
    if (prompt.length > LONG_PROMPT) this.prompt.tabIndex = 0;
  }

  // Forget both answers: they come again.
  reset() {
    this.open = false;
    for (const lane of LANES) {
      const part = this.lanes[lane];
      part.text = "";
      part.heard = "";
      part.answer.clear();
      part.node.replaceChildren(skeleton());
      part.node.classList.add("writing");
      part.node.setAttribute("aria-busy", "true");
    }
  }

  // A piece from the stream. A stream that is read again from its start repeats what is shown already: what was heard
  // so far is kept apart, and shown only where it says more, or something else, than the page does.
  hear(lane, piece) {
    const part = this.lanes[lane];
    part.heard += piece;
    if (part.text.startsWith(part.heard)) return;
    part.text = part.heard;
    this.show(lane);
  }

  tell(lane, text) {
    this.lanes[lane].text = text;
    this.show(lane);
  }

  // Both lanes open together, so that neither shows which was first.
  show(lane) {
    if (!this.open) {
      if (this.active.some((each) => this.lanes[each].text === "")) return;
      this.openBoth();
    }
    this.lanes[lane].answer.show(this.lanes[lane].text);
  }

  openBoth() {
    this.open = true;
    for (const lane of this.active) {
      const { node, answer, text } = this.lanes[lane];
      node.replaceChildren(answer.node);
      answer.show(text);
      answer.draw();  // at once: a timer of each lane would let one be seen before the other
    }
  }

  finishLane(lane) {
    const { node, answer } = this.lanes[lane];
    if (this.open) answer.finish();
    node.classList.remove("writing");
    node.removeAttribute("aria-busy");
  }

  // The turn is over: what stands is the answer, and of an empty one something is said.
  finish(ofNothing = "This answer is empty.") {
    this.openBoth();
    for (const lane of this.active) {
      this.finishLane(lane);
      const { node, text } = this.lanes[lane];
      if (text.trim() === "") node.replaceChildren(el("p", { class: "nothing" }, ofNothing));
    }
  }

  words(lane) {
    return this.lanes[lane].text.split(/\s+/).filter(Boolean).length;
  }

  // After the vote: how the answer ended and how long it took, under it.
  tag(lane, stored) {
    const facts = answerFacts(stored);
    const { node } = this.lanes[lane];
    node.querySelector(".facts")?.remove();
    if (facts) node.append(el("p", { class: "facts" }, facts));
  }

  choose(winner) {
    for (const lane of LANES) this.lanes[lane].node.classList.toggle("chosen", winner === `model_${lane}`);
  }
}
