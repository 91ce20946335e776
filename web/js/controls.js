// What of the board is shown. The choice stands in the address, so a link shows the same board; a category or style
// control named there is passed on, though the page offers only the method for now.
import { byId, el } from "./dom.js";

const NAMES = ["category", "style", "method"];
const METHODS = [["", "Bradley–Terry"], ["elo", "Elo"]];

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

// Built once; an empty board has nothing to choose.
export function showControls(board, changed) {
  const form = byId("controls");
  const chosen = new URLSearchParams(location.search).get("method") ?? "";
  form.hidden = board.votes === 0;
  if (!form.hasChildNodes()) {
    form.append(el("label", {}, el("span", {}, "Method"),
      el("select", { onchange: (event) => choose("method", event.target.value, changed) },
        ...METHODS.map(([value, text]) => el("option", { value }, text)))));
  }
  form.querySelector("select").value = chosen;
}
