// The two heads over the lanes: neutral before the vote, named after it. On a phone they are also what switches lanes.
import { el, svg } from "./dom.js";

export const LANES = ["a", "b"];
export const phone = matchMedia("(max-width: 639px)");

const seenMark = () => svg("svg", { class: "seen", viewBox: "0 0 24 24", role: "img", "aria-label": "read" },
  svg("path", { d: "M5 12.5l4.5 4.5L19 7.5" }));

export function modelName(model) {
  return el("span", { class: "who" },
    el("b", {}, model.name ?? "unknown"),
    model.organisation && el("span", { class: "maker" }, model.organisation),
    model.code_name && el("span", { class: "maker" }, "a code name: not published yet"),
    model.in_house && el("span", { class: "badge" }, "in-house"));
}

export class LaneHeads {
  // onSeen() is called each time another lane comes into view.
  constructor(node, battleNode, onSeen) {
    this.node = node;
    this.battleNode = battleNode;
    this.onSeen = onSeen;
    this.heads = {};
    for (const lane of LANES) {
      const letter = lane.toUpperCase();
      const tab = el("button", {
        class: "tab", type: "button", "aria-label": `Show answer ${letter}`, onclick: () => this.show(lane),
      });
      const state = el("span", { class: "state" });
      const who = el("span", { class: "who" });
      const head = el("div", { class: "head" },
        el("span", { class: `disc ${lane}`, "aria-hidden": "true" }, letter),
        el("h2", {}, `Answer ${letter}`), who, state, tab);
      this.heads[lane] = { head, tab, state, who };
    }
    node.replaceChildren(...LANES.map((lane) => this.heads[lane].head));
    phone.addEventListener("change", () => this.show(this.shown));
    this.reset("a");
  }

  // `single`: only the first lane answers.
  reset(first, single = false) {
    this.single = single;
    this.seen = { a: false, b: false };
    this.battleNode.classList.remove("revealed");
    for (const lane of LANES) {
      const { head, state, who } = this.heads[lane];
      head.classList.remove("chosen");
      state.className = "state";
      state.replaceChildren();
      who.replaceChildren();
    }
    this.show(first);
  }

  show(lane) {
    this.shown = lane;
    this.battleNode.dataset.shown = lane;
    this.seen[lane] = true;
    if (!phone.matches) this.seen = { a: true, b: true };
    for (const each of LANES) {
      const { head, tab } = this.heads[each];
      head.classList.toggle("shown", each === lane);
      tab.setAttribute("aria-pressed", String(each === lane));
      head.querySelector(".dot")?.remove();
      if (!this.seen[each]) head.append(el("span", { class: "dot", role: "img", "aria-label": "not read yet" }));
    }
    this.onSeen?.();
  }

  // New answers come: what was read of the lane out of view was the old one.
  unread() {
    this.seen = { a: false, b: false };
    for (const lane of LANES) this.say(lane, "");
    this.show(this.shown);
  }

  bothSeen() {
    return this.single || !phone.matches || (this.seen.a && this.seen.b);
  }

  say(lane, text) {
    const { state } = this.heads[lane];
    state.className = "state";
    state.replaceChildren(text, ...(this.seen[lane] && text === "finished" ? [seenMark()] : []));
  }

  // Names come with the vote's answer and not before.
  reveal(models, winner) {
    this.battleNode.classList.toggle("revealed", Boolean(models));
    for (const lane of LANES) {
      const { head, state, who } = this.heads[lane];
      const chosen = winner === `model_${lane}`;
      if (models?.[lane]) who.replaceChildren(...modelName(models[lane]).childNodes);
      head.classList.toggle("chosen", chosen);
      state.className = chosen ? "state chose" : "state";
      state.replaceChildren(chosen ? "Your choice" : "");
    }
  }
}
