// Formulas. KaTeX is a quarter of a megabyte and most answers hold no maths, so it is fetched with the first formula;
// until then, and for what it cannot read, the formula stands as its source.
import { el } from "./dom.js";

const SOURCE_MAX = 2000;
const OPTIONS = {
  throwOnError: true, errorColor: "currentColor", trust: false, strict: "ignore", maxSize: 20, maxExpand: 200,
};
let library = null;

async function load() {
  document.head.append(el("link", { rel: "stylesheet", href: "/vendor/katex.css" }));
  await import("/vendor/katex.js");
  return globalThis.katex;
}

async function typeset(node, source, display) {
  library ??= load();
  try {
    const katex = await library;
    const set = el("span");
    katex.render(source, set, { ...OPTIONS, displayMode: display });
    node.replaceChildren(...set.childNodes);
    node.classList.add("set");
  } catch { /* not a formula that KaTeX reads: its source stays */ }
}

export function formula(source, display) {
  const node = el("span", { class: display ? "math block" : "math" }, source.trim());
  if (source.length <= SOURCE_MAX) typeset(node, source, display);
  return node;
}
