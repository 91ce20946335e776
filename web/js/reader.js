// Two answers side by side, with what was said of them beside: one of a list, the next by key. Who opens it brings the
// items of the list and a function that reads one.
import { announce, el } from "./dom.js";
import { Answer } from "./answer.js";
import { problem } from "./form.js";
import { REASONS } from "./words.js";
import { badge, button, count, excerpt } from "./admin_kit.js";
import { settingsText } from "./sheet.js";

const PAGE = 100;
const WORDS = Object.assign({}, ...REASONS);
const FINISH = { length: "stopped at its length limit", content_filter: "cut by a filter", empty: "empty" };

function answer(said) {
  if (!said) return el("p", { class: "lead" }, "Nothing is stored.");
  const shown = new Answer();
  shown.show(said.text);
  shown.finish();
  const how = said.refusal ? "refused" : FINISH[said.finish];
  return el("div", {}, shown.node, how && el("p", { class: "about" }, badge(how, true)));
}

function head(lane, item) {
  const { model, version, in_house: inHouse } = item[lane];
  return el("header", {}, el("span", { class: `disc ${lane}`, "aria-hidden": "true" }, lane.toUpperCase()),
    el("h3", {}, model), inHouse && badge("in-house"), el("span", { class: "about" }, version));
}

function exchange(turn, item) {
  return el("div", { class: "exchange" },
    excerpt(turn.prompt ?? "The prompt was erased.", "prompt"),
    el("div", { class: "columns" }, ...["a", "b"].map((lane) =>
      el("div", { class: "side" }, head(lane, item), answer(turn[lane])))));
}

function settings(item) {
  return el("details", {}, el("summary", {}, "Settings of both"), el("div", { class: "columns" },
    ...["a", "b"].map((lane) => el("code", { class: "settings" }, settingsText(item[lane].settings)))));
}

// Reasons for a side, or for none in particular.
function reasons(vote, item) {
  const list = vote.reasons ?? [];
  const words = (some) => some.map((one) => WORDS[one] ?? one).join(", ");
  if (Array.isArray(list)) return list.length ? [words(list)] : [];
  return Object.entries(list).filter(([, some]) => some.length)
    .map(([lane, some]) => `${item[lane]?.model ?? lane}: ${words(some)}`);
}

function verdict(vote, item) {
  if (vote.disagreement) return "undecided: it says otherwise with the sides swapped";
  const outcome = { tie: "a tie", both_bad: "both bad", null: "no verdict" }[vote.winner];
  return outcome ?? `${item[vote.winner.slice(-1)].model} is better`;
}

function opinion(vote, item) {
  const who = vote.judge === "human" ? "A person" : vote.name ?? "A model";
  return el("li", {}, el("p", {}, el("b", {}, `${who}: `), verdict(vote, item),
    vote.counted && vote.counted !== "counted" && badge("not counted", true)),
  ...reasons(vote, item).map((text) => el("p", { class: "about" }, text)),
  vote.recognised && !["no", "none"].includes(vote.recognised) && el("p", { class: "about" }, "Recognised a model."),
  vote.comment && el("blockquote", {}, vote.comment),
  (vote.replies ?? []).length > 0 && el("details", {}, el("summary", {}, "What it wrote"),
    ...vote.replies.map((text) => excerpt(text))));
}

function pane(item) {
  return [
    item.system && el("p", { class: "about" }, `System: ${item.system}`),
    ...item.turns.map((turn) => exchange(turn, item)),
    el("section", { class: "opinions", "aria-label": "What was said of them" },
      el("h3", {}, "What was said of them"),
      item.votes.length ? el("ul", {}, ...item.votes.map((vote) => opinion(vote, item)))
        : el("p", { class: "lead" }, "Nobody has judged this pair.")),
    settings(item)].filter(Boolean);
}

export class Reader {
  // read(item): the two answers. item: { title, about }
  constructor(read, more = null) {
    this.read = read;
    this.more = more;  // gives further items, or none
    this.items = [];
    this.at = -1;
    this.list = el("ol", { class: "picks" });
    this.where = el("p", { class: "about", id: "where" });
    this.pane = el("div", { class: "pane" });
    this.previous = button("Previous", () => this.go(this.at - 1), { "aria-keyshortcuts": "k" });
    this.next = button("Next", () => this.go(this.at + 1), { "aria-keyshortcuts": "j" });
    this.longer = button("Show more", () => this.grow());
    this.node = el("div", { class: "reader" },
      el("nav", { class: "index", "aria-label": "Pairs" }, this.list, this.longer),
      el("div", { class: "open" }, el("div", { class: "row steps" }, this.previous, this.next, this.where,
        el("p", { class: "keys-hint about" }, el("kbd", {}, "k"), " ", el("kbd", {}, "j"))), this.pane));
    this.onKey = (event) => this.key(event);
    document.addEventListener("keydown", this.onKey);
  }

  key(event) {
    if (!this.node.isConnected) {  // the page shows something else now
      document.removeEventListener("keydown", this.onKey);
      return;
    }
    const step = { j: 1, ArrowRight: 1, k: -1, ArrowLeft: -1 }[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.target instanceof Element && event.target.closest("input, textarea, select, [tabindex='0']")) return;
    event.preventDefault();
    this.go(this.at + step);
  }

  // A new list; opens its first, unless `quiet`.
  show(items, quiet = false) {
    this.items = items;
    this.at = -1;
    this.list.replaceChildren();
    this.pane.replaceChildren();
    this.grow();
    this.node.classList.toggle("none", items.length === 0);
    if (!quiet && items.length) return this.go(0);
    this.mark();
    return null;
  }

  add(items) {
    this.items = this.items.concat(items);
  }

  async grow() {
    if (this.list.childElementCount >= this.items.length && this.more) this.add(await this.more());
    const from = this.list.childElementCount;
    this.list.append(...this.items.slice(from, from + PAGE).map((item, i) => el("li", {},
      el("button", { type: "button", onclick: () => this.go(from + i) }, el("span", {}, item.title),
        el("small", {}, item.about)))));
    this.mark();
  }

  mark() {
    const shown = this.list.childElementCount;
    this.longer.hidden = shown >= this.items.length && !this.more;
    this.previous.disabled = this.at <= 0;
    this.next.disabled = this.at >= this.items.length - 1 && !this.more;
    this.where.textContent = this.items.length
      ? `${count.format(this.at + 1)} of ${count.format(this.items.length)}${this.more ? " and more" : ""}` : "";
    this.list.querySelector("[aria-current]")?.removeAttribute("aria-current");
    const button = this.list.children[this.at]?.firstElementChild;
    button?.setAttribute("aria-current", "true");
    if (button) this.list.scrollTop = button.offsetTop - this.list.offsetTop - this.list.clientHeight / 3;
  }

  async go(at) {
    if (at >= this.list.childElementCount) await this.grow();
    if (at < 0 || at >= this.items.length) return;
    this.at = at;
    this.mark();
    const item = this.items[at];
    try {
      const read = await this.read(item);
      if (this.items[this.at] !== item) return;  // gone on meanwhile
      this.pane.replaceChildren(...pane(read));
      announce(`${this.where.textContent}: ${item.title}`);
    } catch (error) { problem(error); }
  }
}
