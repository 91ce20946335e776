// How the next battle begins: two hidden models (blind), two named ones side by side, or a chat with one. What is
// chosen stands in the address, so that a reload keeps it.
import { byId, el } from "./dom.js";
import { get } from "./api.js";

export const MODES = {
  blind: {
    title: ["Two answers. No names.", "Which is better?"],
    text: "Ask anything. Two of this arena’s models answer side by side without saying who they are. "
      + "You choose, and only then they are named.",
  },
  side_by_side: {
    title: ["Two models of your choice,", "side by side."],
    text: "You choose them and see their names. What you vote here is kept, and never moves the leaderboard.",
  },
  direct: {
    title: ["One model,", "and you."],
    text: "Talk to it directly, as long as you like. Nothing here moves the leaderboard.",
  },
};

const LABELS = { side_by_side: ["First model", "Second model"], direct: ["Model"] };

export class Mode {
  constructor() {
    this.form = byId("mode");
    this.named = byId("named");
    this.names = null;
    this.form.addEventListener("change", ({ target }) => { if (target.name === "mode") this.choose(target.value); });
    const asked = new URLSearchParams(location.search).get("mode");
    this.choose(MODES[asked] ? asked : "blind", false);
  }

  async choose(value, push = true) {
    this.value = value;
    this.form.elements.mode.value = value;
    this.say(MODES[value]);
    this.named.hidden = value === "blind";
    if (push) history.replaceState(null, "", value === "blind" ? "/" : `/?mode=${value}`);
    if (value !== "blind") await this.offer();
  }

  say({ title, text }) {
    byId("welcome-title").replaceChildren(title[0], el("br"), title[1]);
    byId("welcome-text").textContent = text;
  }

  async offer() {
    this.names ??= (await get("/api/models").catch(() => ({ models: [] }))).models
      .filter((model) => model.state === "active").map((model) => model.name);
    const labels = LABELS[this.value] ?? [];
    this.named.replaceChildren(...labels.map((label, i) => el("label", {}, el("span", {}, label),
      el("select", { name: `model-${i}` }, ...this.names.map((name, n) =>
        el("option", { value: name, selected: n === Math.min(i, this.names.length - 1) }, name))))));
  }

  // Members of the request that starts a battle.
  request() {
    if (this.value === "blind") return {};
    const models = [...this.named.querySelectorAll("select")].map((select) => select.value);
    return { mode: this.value, models };
  }
}
