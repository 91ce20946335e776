// Building nodes. The pages run under Trusted Types 'none': text is always text, and nothing is parsed as HTML.

// el("p", { class: "fine", onclick: f, "aria-label": "…" }, "text", node, …): null and false children are left out.
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

const SVG = "http://www.w3.org/2000/svg";
export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  node.append(...children);
  return node;
}

export const byId = (id) => document.getElementById(id);

// Says it once to a screen reader. Tokens are never announced, only what has come to an end.
export function announce(text) {
  const live = byId("live");
  live.textContent = "";
  requestAnimationFrame(() => { live.textContent = text; });
}

// The line under the header that stays for as long as something is wrong with the connection.
export function banner(text) {
  const node = byId("banner");
  node.textContent = text ?? "";
  node.hidden = !text;
}
