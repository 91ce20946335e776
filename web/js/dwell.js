// How long each answer was on screen: on a phone the two take turns, and a page in the background shows nothing.
import { LANES, phone } from "./lanes.js";

export class Dwell {
  constructor(heads) {
    this.heads = heads;
    document.addEventListener("visibilitychange", () => this.mark());
    this.start();
  }

  start() {
    this.ms = { a: 0, b: 0 };
    this.note();
  }

  note() {
    this.since = performance.now();
    this.visible = document.hidden ? [] : phone.matches ? [this.heads.shown] : LANES;
  }

  // Whatever changes what is in view calls this after the change.
  mark() {
    const now = performance.now();
    for (const lane of this.visible) this.ms[lane] += now - this.since;
    this.note();
  }

  // Of the answer that was there for less.
  least() {
    this.mark();
    return Math.round(Math.min(this.ms.a, this.ms.b));
  }
}
