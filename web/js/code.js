// A block of code: its language, a button that copies it, and just enough colour to find comments and strings.
import { el, announce } from "./dom.js";

const PAINT_MAX = 20000;
const HASH = /^(?:python|py|ruby|rb|sh|bash|shell|zsh|yaml|yml|toml|perl|r|make|makefile|dockerfile|cmake|nix)$/i;
const DASH = /^(?:sql|lua|haskell|hs|ada|elm)$/i;
const TEXT = /^(?:|text|txt|plain|plaintext|output|console|markdown|md|html|xml|latex|tex|diff|csv)$/i;

const STRING = String.raw`"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|${"`"}(?:\\.|[^${"`"}\\])*${"`"}`;
const WORDS = "and async await break case catch class const continue def del do elif else end enum except export "
  + "extends final finally fn for from func function if impl import in interface is lambda let match mod module "
  + "mut new not or package pass private protected pub public raise return self static struct super switch this "
  + "throw trait try type typedef union unless until use using var void where while with yield None True False "
  + "true false null SELECT FROM WHERE JOIN ON GROUP ORDER BY INSERT INTO VALUES UPDATE SET DELETE CREATE TABLE "
  + "AND OR NOT NULL AS LIMIT";
const SLASHES = "\\/\\/[^\\n]*|\\/\\*[^]*?\\*\\/";

function pattern(language) {
  const comment = HASH.test(language) ? "#[^\\n]*" : DASH.test(language) ? "--[^\\n]*" : SLASHES;
  const long = HASH.test(language) ? `"""[^]*?"""|'''[^]*?'''|` : "";
  return new RegExp(`(?<s>${long}${STRING})|(?<c>${comment})|(?<k>\\b(?:${WORDS.replaceAll(" ", "|")})\\b)`, "g");
}

function paint(text, language) {
  if (TEXT.test(language) || text.length > PAINT_MAX) return [text];
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(pattern(language))) {
    const kind = Object.keys(match.groups).find((name) => match.groups[name] !== undefined);
    parts.push(text.slice(end, match.index), el("span", { class: kind }, match[0]));
    end = match.index + match[0].length;
  }
  parts.push(text.slice(end));
  return parts;
}

// The clipboard interface exists on secure origins only; elsewhere the text is selected and copied the old way.
async function copy(code, text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  getSelection().selectAllChildren(code);
  if (!document.execCommand("copy")) throw new Error("not copied");
  getSelection().removeAllRanges();
  return undefined;
}

export function codeBlock(text, info = "") {
  const language = (info ?? "").trim().split(/\s/, 1)[0].slice(0, 24);
  const code = el("code", {}, ...paint(text, language));
  const button = el("button", { type: "button" }, "Copy");
  button.addEventListener("click", async () => {
    const said = await copy(code, text).then(() => "Copied", () => "Not copied");
    button.textContent = said;
    announce(said);
    setTimeout(() => { button.textContent = "Copy"; }, 1600);
  });
  return el("div", { class: "code" },
    el("header", {}, el("span", {}, language || "text"), button),
    el("pre", { tabindex: "0", role: "group", "aria-label": "Code" }, code));
}
