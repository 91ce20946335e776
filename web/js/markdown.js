// Tokens into nodes, by createElement and textContent alone: there is no HTML string anywhere on the way, so nothing a
// model writes can become a script, a request or a style. Images are links, raw HTML is text, links go to the web only.
import { el } from "./dom.js";
import { codeBlock } from "./code.js";
import { formula } from "./maths.js";

const DEPTH_MAX = 14;
const CELLS_MAX = 3000;

const ENTITIES = {
  amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0", copy: "©", reg: "®", trade: "™", hellip: "…",
  mdash: "—", ndash: "–", lsquo: "‘", rsquo: "’", ldquo: "“", rdquo: "”", bull: "•", middot: "·", deg: "°",
  times: "×", divide: "÷", plusmn: "±", le: "≤", ge: "≥", ne: "≠", rarr: "→", larr: "←", euro: "€", pound: "£",
};

// marked escapes the text it hands out; this undoes it once, and reads the references that people do write.
function decode(text) {
  return text.replace(/&(?:#x([0-9a-f]{1,6})|#(\d{1,7})|([a-z]+));/gi, (whole, hex, decimal, name) => {
    if (name) return ENTITIES[name] ?? whole;
    const code = hex ? parseInt(hex, 16) : Number(decimal);
    const valid = code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
    return valid ? String.fromCodePoint(code) : "\ufffd";
  });
}

// The address, if following it is harmless: absolute, and http, https or mailto.
function safeAddress(href) {
  try {
    const url = new URL(decode(href ?? ""));
    return ["http:", "https:", "mailto:"].includes(url.protocol) ? url : null;
  } catch {
    return null;
  }
}

function link(url, ...children) {
  const rel = "noopener noreferrer nofollow";
  return el("a", { href: url.href, title: url.href, target: "_blank", rel }, ...children);
}

function image(token) {
  const url = safeAddress(token.href);
  const label = `Image: ${decode(token.text) || "untitled"}`;
  return url ? link(url, `${label} (${url.host})`) : el("span", {}, label);
}

const INLINE = {
  text: (token, depth) => (token.tokens ? inline(token.tokens, depth) : [decode(token.text)]),
  escape: (token) => [decode(token.text)],
  plain: (token) => [el("span", { class: "plain" }, token.text)],
  strong: (token, depth) => [el("strong", {}, ...inline(token.tokens, depth))],
  em: (token, depth) => [el("em", {}, ...inline(token.tokens, depth))],
  del: (token, depth) => [el("del", {}, ...inline(token.tokens, depth))],
  codespan: (token) => [el("code", {}, decode(token.text))],
  br: () => [el("br")],
  math: (token) => [formula(token.text, token.display)],
  image: (token) => [image(token)],
  html: (token) => [/^<br\s*\/?>$/i.test(token.raw) ? el("br") : token.raw],
  link(token, depth) {
    const url = safeAddress(token.href);
    const children = inline(token.tokens ?? [], depth);
    return url ? [link(url, ...children)] : children;
  },
};

function inline(tokens, depth) {
  if (depth > DEPTH_MAX) return [tokens.map((token) => token.raw).join("")];
  return tokens.flatMap((token) => INLINE[token.type]?.(token, depth + 1) ?? [token.raw]);
}

function listItem(item, depth) {
  const node = el("li", item.task ? { class: "task" } : {});
  if (item.task) {
    const label = item.checked ? "done" : "to do";
    node.append(el("input", { type: "checkbox", disabled: true, checked: item.checked, "aria-label": label }));
  }
  for (const token of item.tokens) {
    if (token.type !== "text") node.append(...block(token, depth));
    else if (item.loose) node.append(el("p", {}, ...INLINE.text(token, depth)));
    else node.append(...INLINE.text(token, depth));
  }
  return node;
}

function list(token, depth) {
  const start = token.ordered && token.start !== 1 ? Number(token.start) : null;
  return el(token.ordered ? "ol" : "ul", { start }, ...token.items.map((item) => listItem(item, depth)));
}

function row(tag, cells, align, depth) {
  return el("tr", {}, ...cells.map((cell, i) =>
    el(tag, { class: align[i] === "left" ? null : align[i], scope: tag === "th" ? "col" : null },
      ...inline(cell.tokens, depth))));
}

// A table of any size is shown up to CELLS_MAX cells and says so: laying out a million would stop the page.
function table(token, depth) {
  const columns = Math.max(1, token.header.length);
  const shown = token.rows.slice(0, Math.max(1, Math.floor(CELLS_MAX / columns)));
  const header = token.header.slice(0, CELLS_MAX);
  const cut = token.rows.length - shown.length;
  return el("div", { class: "table", tabindex: "0", role: "group", "aria-label": "Table" },
    el("table", {},
      el("thead", {}, row("th", header, token.align, depth)),
      el("tbody", {}, ...shown.map((cells) => row("td", cells.slice(0, CELLS_MAX), token.align, depth)))),
    cut > 0 && el("p", { class: "cut" }, `${cut} more rows are not shown.`));
}

const BLOCK = {
  space: () => [],
  def: () => [],
  hr: () => [el("hr")],
  // The page's own headings end at h2 and a model may skip levels: all are h3, told apart by their size.
  heading: (token, depth) => (token.tokens.length === 0 ? []
    : [el("h3", { class: `level-${token.depth}` }, ...inline(token.tokens, depth))]),
  paragraph: (token, depth) => [el("p", {}, ...inline(token.tokens, depth))],
  text: (token, depth) => [el("p", {}, ...INLINE.text(token, depth))],
  plain: (token) => [el("p", { class: "plain" }, token.text)],
  html: (token) => [el("p", { class: "raw" }, token.raw.trimEnd())],
  code: (token) => [codeBlock(token.text, token.lang)],
  math: (token) => [formula(token.text, true)],
  list: (token, depth) => [list(token, depth)],
  table: (token, depth) => [table(token, depth)],
  blockquote: (token, depth) => [el("blockquote", {}, ...token.tokens.flatMap((inner) => block(inner, depth)))],
};

// One block token into its nodes.
export function block(token, depth = 0) {
  if (depth > DEPTH_MAX) return [el("p", { class: "plain" }, token.raw)];
  return (BLOCK[token.type] ?? BLOCK.plain)(token, depth + 1);
}
