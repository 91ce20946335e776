// Single keys for what the mouse can do. They are silent while anything is being typed, and can be turned off.
import { byId } from "./dom.js";

const ACTIONS = {
  1: "a", a: "a", ArrowLeft: "a",
  2: "tie", t: "tie",
  3: "bad", x: "bad",
  4: "b", b: "b", ArrowRight: "b",
  s: "skip", r: "regenerate", n: "next", Enter: "reveal", "/": "focus", Escape: "stop", "?": "help",
};
const STORE = "keys";

const within = (node, selector) => node instanceof Element && node.closest(selector) !== null;
const typing = (node) => within(node, "input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");
const presses = (node) => within(node, "a, button, input, summary");  // Enter means something to these
const scrolls = (node) => within(node, "[tabindex='0']");  // a wide table takes the arrows

function enabled() {
  try { return localStorage.getItem(STORE) !== "off"; } catch { return true; }
}

// handlers: an object with a function for each action name.
export function bindKeys(handlers) {
  const box = byId("keys-on");
  box.checked = enabled();
  box.addEventListener("change", () => {
    try { localStorage.setItem(STORE, box.checked ? "on" : "off"); } catch { /* for this page only */ }
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.repeat) return;
    const action = ACTIONS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action || typing(event.target) || document.querySelector("dialog[open]")) return;
    if (event.key.startsWith("Arrow") && scrolls(event.target)) return;
    if (event.key === "Enter" && presses(event.target)) return;
    if (!box.checked && event.key.length === 1) return;
    if (handlers[action]() !== false) event.preventDefault();
  });
}
