// Where prompts are written. Enter sends, unless an input method is still composing; the draft survives a reload.
import { byId, el } from "./dom.js";
import { SUGGESTIONS } from "./words.js";

const PROMPT_MAX = 32 * 1024;  // the server's limit, in bytes of UTF-8
const SHOW_COUNT_FROM = PROMPT_MAX * 0.9;
const DRAFT = "draft";
const bytes = new TextEncoder();

const store = {
  get() { try { return sessionStorage.getItem(DRAFT) ?? ""; } catch { return ""; } },
  set(text) { try { sessionStorage.setItem(DRAFT, text); } catch { /* the draft lives as long as the page */ } },
};

export class Composer {
  constructor(send) {
    this.form = byId("composer");
    this.box = byId("prompt");
    this.counter = byId("counter");
    this.button = byId("send");
    this.send = send;
    this.busy = false;
    this.form.addEventListener("submit", (event) => { event.preventDefault(); this.submit(); });
    this.box.addEventListener("input", () => this.changed());
    this.box.addEventListener("keydown", (event) => this.key(event));
    byId("suggestions").append(...SUGGESTIONS.map((text) =>
      el("li", {}, el("button", { type: "button", onclick: () => this.put(text) }, text))));
    this.put(this.box.value || store.get(), false);  // what was typed before the script came is kept
  }

  key(event) {
    if (event.key === "Escape") this.box.blur();
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    this.submit();
  }

  put(text, focus = true) {
    this.box.value = text;
    this.changed();
    if (focus) this.focus();
  }

  // Without scrolling: the dock is always in view, wherever the reader is.
  focus() {
    this.form.hidden = false;
    this.box.focus({ preventScroll: true });
  }

  invite(text) {
    this.box.placeholder = text;
  }

  changed() {
    const text = this.box.value;
    const size = text.length * 3 < SHOW_COUNT_FROM ? 0 : bytes.encode(text).length;
    const over = size > PROMPT_MAX;
    store.set(text);
    this.counter.hidden = size < SHOW_COUNT_FROM;
    this.counter.textContent = over ? `${size - PROMPT_MAX} bytes too long` : `${PROMPT_MAX - size} bytes left`;
    this.counter.classList.toggle("over", over);
    this.button.disabled = this.busy || over || text.trim() === "";
    this.fit();
  }

  // Browsers without field-sizing grow the box by hand.
  fit() {
    if (CSS.supports("field-sizing", "content")) return;
    this.box.style.height = "auto";
    this.box.style.height = `${this.box.scrollHeight}px`;
  }

  // The text is kept until the arena has taken it.
  async submit() {
    if (this.button.disabled) return;
    this.setBusy(true);
    const taken = await this.send(this.box.value);
    this.setBusy(false);
    if (taken) this.put("", false);
    else this.focus();
  }

  setBusy(busy) {
    this.busy = busy;
    this.box.readOnly = busy;
    this.changed();
  }
}
