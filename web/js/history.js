// This voter's battles. Before its vote a battle has no names here either.
import { byId, el } from "./dom.js";
import { battles } from "./api.js";
import { errorSentence, OUTCOME } from "./words.js";

const STATES = {
  streaming: "Still answering", ready: "Waiting for your vote",
  skipped: "Skipped", void: "Cancelled", expired: "Expired",
};
const when = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

function names(battle) {
  if (!battle.models) return [el("span", {}, "A and B stay hidden")];
  return [el("b", {}, battle.models.a.name), " against ", el("b", {}, battle.models.b.name)];
}

function stamp(value) {
  const date = new Date(typeof value === "number" && value < 1e12 ? value * 1000 : value);
  return Number.isNaN(date.getTime()) ? "" : when.format(date);
}

// Kept private, a battle counts but is never exported.
function privacy(battle) {
  const button = el("button", { type: "button", class: "button quiet keep" }, "");
  const show = () => {
    button.textContent = battle.private ? "Kept private" : "Keep private";
    button.setAttribute("aria-pressed", String(Boolean(battle.private)));
  };
  button.addEventListener("click", async () => {
    try {
      battle.private = (await battles.keepPrivate(battle.battle_id, !battle.private)).private;
      show();
    } catch (error) {
      button.textContent = errorSentence(error);
    }
  });
  show();
  return button;
}

function entry(battle, open) {
  const said = OUTCOME[battle.winner] ?? STATES[battle.state] ?? battle.state;
  const line = [said, stamp(battle.created ?? battle.created_at)].filter(Boolean).join(" · ");
  const follow = (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    open(battle.battle_id);
  };
  return el("li", {}, el("a", { href: `/?battle=${encodeURIComponent(battle.battle_id)}`, onclick: follow },
    el("span", { class: "prompt" }, battle.prompt ?? ""),
    el("span", { class: "names" }, ...names(battle)),
    el("span", { class: "names" }, line)), privacy(battle));
}

export function bindHistory(open) {
  const dialog = byId("history");
  const list = byId("history-list");
  const choose = (id) => { dialog.close(); open(id); };

  async function fill() {
    try {
      const page = await battles.list();
      const items = (page.battles ?? page).map((battle) => entry(battle, choose));
      list.replaceChildren(items.length ? el("ul", { class: "past" }, ...items)
        : el("p", { class: "none" }, "Nothing yet. Your battles will be listed here."));
    } catch (error) {
      list.replaceChildren(el("p", { class: "none" }, errorSentence(error)));
    }
  }

  byId("open-history").addEventListener("click", () => {
    list.replaceChildren(el("p", { class: "none" }, "Looking…"));
    dialog.showModal();
    fill();
  });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
}
