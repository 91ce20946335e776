// What of the board is shown: category, method and style control, as far as this arena's board offers them. The choice
// stands in the address, so a link shows the same board.
import { byId, el } from "./dom.js";

const NAMES = ["category", "style", "method"];
const METHODS = { bt: "Bradley–Terry", elo: "Elo" };

export function readControls(search) {
  const given = new URLSearchParams(search);
  const kept = new URLSearchParams();
  for (const name of NAMES) if (given.get(name)) kept.set(name, given.get(name));
  return kept.size ? `?${kept}` : "";
}

function choose(name, value, changed) {
  const query = new URLSearchParams(readControls(location.search));
  if (value) query.set(name, value);
  else query.delete(name);
  history.pushState(null, "", `/leaderboard${query.size ? `?${query}` : ""}`);
  changed();
}

function picker(name, label, options, chosen, changed) {
  const select = el("select", { onchange: (event) => choose(name, event.target.value, changed) },
    ...options.map(([value, text]) => el("option", { value, selected: value === chosen }, text)));
  return el("label", {}, el("span", {}, label), select);
}

const capital = (word) => word.charAt(0).toUpperCase() + word.slice(1).replaceAll("_", " ");

export function bindControls(board, changed) {
  const form = byId("controls");
  const now = new URLSearchParams(location.search);
  const parts = [];
  if (board.categories?.length > 1) {
    const options = board.categories.map((name) => [name === "overall" ? "" : name, capital(name)]);
    parts.push(picker("category", "Category", options, now.get("category") ?? "", changed));
  }
  if (board.methods?.length > 1) {
    const options = board.methods.map((name, i) => [i === 0 ? "" : name, METHODS[name] ?? name]);
    parts.push(picker("method", "Method", options, now.get("method") ?? "", changed));
  }
  if (board.style_available) {
    parts.push(picker("style", "Style control", [["", "Off"], ["1", "On"]], now.get("style") ?? "", changed));
  }
  form.replaceChildren(...parts);
  form.hidden = parts.length === 0;
}
