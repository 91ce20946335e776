// Markdown into tokens: marked's lexer, with maths added and with bounds, because what a model says is hostile input.
// marked is quadratic in some runs of punctuation: past these bounds, which no honest text reaches, text stays plain.
import "/vendor/marked.js";

const { Lexer, use } = globalThis.marked;
const INLINE_MAX = 4000;  // characters of one paragraph, cell or heading
const MARKS_MAX = 300;    // of them those that may open or close something
const TEXT_MAX = 200000;  // characters of an answer
const FORMULAS_MAX = 300; // lines that may open a formula

const displayMath = /^(?:\$\$([^$]{1,2000}?)\$\$|\\\[([^]{1,2000}?)\\\])/;
// A closing dollar stands right after the formula and before no digit: "$5 and $10" is money.
const dollars = /\$((?:\\.|[^$\\\s])(?:(?:\\.|[^$\\\n])*?(?:\\.|[^$\\\s]))??)\$(?!\d)/;
const inlineMath = new RegExp(
  String.raw`^(?:\$\$([^$\n]+?)\$\$|\\\[([^\n]+?)\\\]|${dollars.source}|\\\(([^\n]+?)\\\))`);

function mathStart(src) {
  const at = src.search(/\$|\\\(|\\\[/);
  return at < 0 ? undefined : at;
}

use({
  breaks: true,  // a model that breaks a line means it: verse, addresses, lists without bullets
  extensions: [{
    name: "math", level: "block",
    start(src) { const at = src.search(/(?:^|\n)(?:\$\$|\\\[)/); return at < 0 ? undefined : at; },
    tokenizer(src) {
      const match = displayMath.exec(src);
      if (!match || !/^[ \t]*(?:\n|$)/.test(src.slice(match[0].length))) return undefined;
      return { type: "math", raw: match[0], text: match[1] ?? match[2], display: true };
    },
  }, {
    name: "inlineMath", level: "inline", start: mathStart,
    tokenizer(src) {
      const match = inlineMath.exec(src);
      if (!match) return undefined;
      const text = match[1] ?? match[2] ?? match[3] ?? match[4];
      return { type: "math", raw: match[0], text, display: match[1] !== undefined || match[2] !== undefined };
    },
  }],
});

const count = (text, pattern) => text.match(pattern)?.length ?? 0;

class BoundedLexer extends Lexer {
  inlineTokens(src, tokens = []) {
    if (src.length <= INLINE_MAX && count(src, /[*_~`[\]$<\\]/g) <= MARKS_MAX) return super.inlineTokens(src, tokens);
    tokens.push({ type: "plain", raw: src, text: src });
    return tokens;
  }
}

// What marked does to its input before it cuts it: done here, so that the tokens' raw text adds up to ours.
export function normalise(text) {
  return text.replace(/\r\n?/g, "\n").replace(/^( *)(\t+)/gm, (_, spaces, tabs) => spaces + "    ".repeat(tabs.length));
}

// Returns tokens whose raw texts add up to the text. What marked cannot cut (too deep, too long) is one plain token.
export function tokenise(text) {
  const plain = [{ type: "plain", raw: text, text }];
  if (text.length > TEXT_MAX || count(text, /^(?:\$\$|\\\[)/gm) > FORMULAS_MAX) return plain;
  try {
    return new BoundedLexer().lex(text);
  } catch {
    return plain;
  }
}
