// A table of a report as the server sends it: titles, words first, then figures, all of it text.
import { el } from "./dom.js";

const set = (value) => value !== null && value !== "" && !(Array.isArray(value) && !value.length);

// A competitor's settings, those that are set, one a line.
export function settingsText(value) {
  return Object.entries(value).filter(([, one]) => set(one)).map(([key, one]) => {
    if (typeof one === "object" && !Array.isArray(one)) return settingsText(one);
    return `${key} ${typeof one === "string" ? one : JSON.stringify(one)}`;
  }).filter(Boolean).join("\n");
}

// Settings stand in a cell as an object, maybe behind a word.
function cell(text) {
  if (text === "-") return ["–"];
  const found = /^([^{]*)(\{.*\})$/s.exec(text);
  if (!found) return [text];
  try {
    return [found[1], el("code", { class: "settings" }, settingsText(JSON.parse(found[2])))];
  } catch { return [text]; }
}

// A link to a prompt of the run: "#p3" is the third.
function link(text, read) {
  const number = /^#p(\d+)$/.exec(text)?.[1];
  if (!number || !read) return null;
  return el("button", { type: "button", class: "plain-link", onclick: () => read(Number(number) - 1) },
    `prompt ${number}`);
}

function row(table, cells, above, read) {
  const own = cells[0].startsWith("> ");
  const first = own ? cells[0].slice(2) : cells[0];
  const grouped = table.columns[0] === "category" && above;
  const repeated = grouped && above[0] === cells[0];
  const kind = own ? "own" : grouped && !repeated ? "begins" : null;
  const head = el("th", { scope: "row", class: repeated ? "again" : null }, link(first, read) ?? first);
  return el("tr", { class: kind }, head,
    ...cells.slice(1).map((text, i) => el("td", { class: i + 1 < table.words ? null : "number" }, ...cell(text))));
}

// `read` opens a prompt by its number, where the table has links to prompts.
export function sheet(table, read) {
  const heads = table.columns.map((text, i) => el("th", { scope: "col", class: i < table.words ? null : "number" },
    text || el("span", { class: "sr-only" }, "value")));
  return el("section", { class: "part report" }, el("h2", {}, table.title),
    table.rows.length > 0 && el("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": table.title },
      el("table", {}, el("thead", {}, el("tr", {}, ...heads)),
        el("tbody", {}, ...table.rows.map((cells, i) => row(table, cells, table.rows[i - 1], read))))),
    table.note && el("p", { class: "lead" }, table.note));
}

export const sheets = (tables, read) => tables.filter((table) => table.rows.length || table.note)
  .map((table) => sheet(table, read));
