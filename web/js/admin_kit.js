// What the administrator's pages are made of: dates, figures, badges, rows of a list, small forms.
import { el } from "./dom.js";

export const count = new Intl.NumberFormat();
const date = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

export const percent = (value) => `${(100 * value).toFixed(value && value < 0.0995 ? 1 : 0)} %`;
export const day = (ms) => (ms ? date.format(new Date(ms)) : "never");
export const time = (ms) => (ms ? moment.format(new Date(ms)) : "never");
export const plural = (number, word, words = `${word}s`) => `${count.format(number)} ${number === 1 ? word : words}`;

// How long ago, in the largest unit that fits: lists are read for "lately or not".
export function ago(ms) {
  const steps = [[60, "minute"], [24, "hour"], [30, "day"], [12, "month"], [Infinity, "year"]];
  let value = (Date.now() - ms) / 60000;
  if (value < 1) return "just now";
  for (const [size, unit] of steps) {
    if (value < size) return `${plural(Math.floor(value), unit)} ago`;
    value /= size;
  }
  return "";
}

// A time that something took, in the largest unit that tells it well.
export function lasting(seconds) {
  const [size, unit] = seconds < 120 ? [1, "second"] : seconds < 7200 ? [60, "minute"] : [3600, "hour"];
  return plural(Math.ceil(seconds / size), unit);
}

export const badge = (text, off = false) => el("span", { class: off ? "badge off" : "badge" }, text);

export function figures(...pairs) {
  return el("dl", { class: "figures" }, ...pairs.map(([word, value, more]) =>
    el("div", {}, el("dt", {}, word), el("dd", {}, value, more && el("small", {}, more)))));
}

export function button(text, act, attributes = {}) {
  const pressed = (event) => act(event.currentTarget);
  return el("button", { type: "button", class: "button quiet", onclick: pressed, ...attributes }, text);
}

// A card: a head with badges, what it is about, whatever else, and its acts beneath a line.
// `level`: of its heading, 2 on a page without sections.
export function card({ title, badges = [], about, still = false, acts = [], level = 3 }, ...more) {
  return el("article", { class: still ? "card still" : "card", "aria-label": title },
    el("header", {}, el(`h${level}`, {}, title), ...badges, about && el("p", { class: "about" }, about)),
    ...more, acts.length ? el("div", { class: "acts" }, ...acts) : null);
}

export function section(title, about, ...nodes) {
  return el("section", { class: "part" }, el("h2", {}, title), about && el("p", { class: "lead" }, about), ...nodes);
}

export const nothing = (text) => el("p", { class: "lead" }, text);

export function field(word, attributes, hint) {
  return el("label", { class: "field" }, word, el("input", attributes), hint && el("small", {}, hint));
}

// A text of several lines, under its own word.
export function longField(word, attributes, hint) {
  return el("label", { class: "field" }, word, el("textarea", attributes), hint && el("small", {}, hint));
}

export function choice(word, name, options, chosen) {
  return el("label", { class: "field" }, word, el("select", { name }, ...options.map(([value, text]) =>
    el("option", { value, selected: value === chosen }, text))));
}

export function tick(word, name, checked = false) {
  return el("label", { class: "check" }, el("input", { type: "checkbox", name, checked }), word);
}

// What somebody wrote. A long one scrolls within its place, with the keyboard too.
export function excerpt(text, kind = "") {
  const long = text.length > 400 || text.split("\n").length > 8;
  return el("p", { class: `excerpt ${kind}`, tabindex: long ? 0 : null }, text);
}

// A form of its own that opens over the page; `send` gets its elements. What it throws is shown in it.
export function ask(title, sendWord, fields, send, says) {
  const trouble = el("p", { class: "problem", role: "alert", hidden: true });
  const go = el("button", { class: "button main" }, sendWord);
  const form = el("form", {}, el("h2", { id: "ask-title" }, title), ...fields, trouble,
    el("div", { class: "row" }, go, button("Cancel", () => dialog.close())));
  const dialog = el("dialog", { "aria-labelledby": "ask-title" }, form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    go.disabled = true;
    try {
      await send(form.elements);
      dialog.close();
    } catch (error) {
      trouble.textContent = says(error);
      trouble.hidden = false;
    }
    go.disabled = false;
  });
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
