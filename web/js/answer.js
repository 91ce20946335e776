// One answer as it grows. Blocks that can change no more are built once and left alone; only the last one is built
// again with each piece of text, so the cost of a long answer does not grow with its square.
import { el } from "./dom.js";
import { normalise, tokenise } from "./lexer.js";
import { block } from "./markdown.js";

const REFERENCES = /^ {0,3}\[[^\]\n]+\]:/m;  // definitions reach back over the whole text

export class Answer {
  constructor() {
    this.node = el("div", { class: "answer" });
    this.text = "";
    this.settled = 0;  // characters of the text whose blocks are final
    this.tail = [];    // nodes of the blocks that are not
    this.pending = null;
    this.pause = 0;
  }

  // The whole text so far. Pieces that come faster than they can be drawn are drawn together.
  show(text) {
    const next = normalise(text);
    if (!next.startsWith(this.text)) this.clear();
    this.text = next;
    this.pending ??= setTimeout(() => this.draw(), this.pause);
  }

  // The text is complete: draw what waits, and once more from the start if later lines changed earlier ones.
  finish() {
    if (REFERENCES.test(this.text)) this.rewind();
    this.draw();
  }

  clear() {
    this.rewind();
    this.text = "";
  }

  rewind() {
    this.node.replaceChildren();
    this.settled = 0;
    this.tail = [];
  }

  draw() {
    clearTimeout(this.pending);
    this.pending = null;
    const began = performance.now();
    const rest = this.text.slice(this.settled);
    const tokens = tokenise(`${rest}\n`);  // without its line end an open code block is taken for a paragraph
    for (const node of this.tail) node.remove();
    const final = this.countFinal(tokens, rest);
    for (const token of tokens.slice(0, final)) {
      this.node.append(...block(token));
      this.settled += token.raw.length;
    }
    this.tail = tokens.slice(final).flatMap((token) => block(token));
    this.node.append(...this.tail);
    // Drawing may take a quarter of the time at most, whatever the answer holds.
    this.pause = Math.max(16, 3 * (performance.now() - began));
  }

  // How many leading tokens can change no more: those before the last that is not blank, as long as their raw texts
  // are exactly the text they came from.
  countFinal(tokens, rest) {
    const last = tokens.findLastIndex((token) => token.type !== "space");
    let at = 0;
    for (let i = 0; i < last; i++) {
      if (!rest.startsWith(tokens[i].raw, at)) return i;
      at += tokens[i].raw.length;
    }
    return Math.max(0, last);
  }
}
