// What of the board is shown. The choice stands in the address, so a link shows the same board.
import { byId, el } from "./dom.js";

const NAMES = ["category", "style", "method", "judge", "voids", "without", "voter", "published"];
const PUBLISHED = [["", "live"], ["1", "as published"]];
const METHODS = [["", "Bradley–Terry"], ["elo", "Elo"]];
const JUDGES = [["", "people"], ["model", "models"], ["any", "both"]];
const VOIDS = [["", "left out"], ["losses", "as losses"]];
const WITHOUT = [["staff", "staff’s votes"], ["fast", "votes after less than 2 s of reading"],
  ["recognised", "battles in which a model was recognised"]];
const SHORT = { staff: "staff", fast: "quick votes", recognised: "recognised" };
const STYLES = [["", "as voted"], ["1", "style controlled"]];
const CATEGORIES = {
  hard_prompts: "Hard prompts", coding: "Coding", math: "Mathematics", creative_writing: "Creative writing",
  instruction_following: "Instruction following", multiturn: "Multi-turn", long_query: "Longer query",
  no_tie: "Without ties",
};
const languages = new Intl.DisplayNames(undefined, { type: "language", fallback: "code" });

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
  // Elo has neither
  if (name === "method" && value === "elo") for (const other of ["style", "voids"]) query.delete(other);
  if ((name === "style" || name === "voids") && value) query.delete("method");
  history.pushState(null, "", `/leaderboard${query.size ? `?${query}` : ""}`);
  changed();
}

function categoryName(name) {
  if (CATEGORIES[name]) return CATEGORIES[name];
  try {
    return languages.of(name);
  } catch {
    return name;
  }
}

// The categories there are votes for, and the one that is shown even where it has none.
function categories(board, chosen) {
  const offered = (board.categories ?? []).map(({ name, votes }) => [name, `${categoryName(name)} (${votes})`]);
  if (chosen && !offered.some(([name]) => name === chosen)) offered.push([chosen, categoryName(chosen)]);
  return [["", "Overall"], ...offered];
}

function fill(select, options, chosen) {
  const same = JSON.stringify(options);
  if (select.dataset.options !== same) {
    select.dataset.options = same;
    select.replaceChildren(...options.map(([value, text]) => el("option", { value }, text)));
  }
  select.value = chosen;
}

function control(name, title, changed) {
  return el("label", {}, el("span", {}, title),
    el("select", { name, onchange: (event) => choose(name, event.target.value, changed) }));
}

// Several may be left out together: a list that opens, with what is left out in its head.
function withoutControl(changed) {
  const boxes = WITHOUT.map(([word, text]) => el("label", {},
    el("input", { type: "checkbox", name: "without", value: word,
      onchange: () => choose("without", words(boxes), changed) }), text));
  const control = el("details", { class: "without" },
    el("summary", {}, el("span", {}, "Left out"), el("b", {}, "nothing")),
    el("fieldset", {}, el("legend", { class: "sr-only" }, "Votes that are left out"), ...boxes));
  control.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !control.open) return;
    control.open = false;
    control.querySelector("summary").focus();
  });
  return control;
}

const words = (boxes) => boxes.map((label) => label.firstChild).filter((box) => box.checked)
  .map((box) => box.value).sort().join(",");

function fillWithout(form, chosen, voter, changed) {
  const given = chosen.split(",");
  for (const box of form.querySelectorAll("[name=without]")) box.checked = given.includes(box.value);
  const said = [...given.filter((word) => SHORT[word]).map((word) => SHORT[word]), voter && `voter ${voter}`];
  form.querySelector(".without summary b").textContent = said.filter(Boolean).join(", ") || "nothing";
  form.querySelector(".without .one")?.remove();
  if (voter) form.querySelector(".without fieldset").append(el("button", { class: "button quiet one", type: "button",
    onclick: () => choose("voter", "", changed) }, `Count voter ${voter} again`));
}

// Only where it was said that the board is a live one, or that another is wanted, is there a choice.
function figures(form, board, chosen, changed) {
  const offered = board.live || chosen === "1";
  if (offered && !form.elements.published) form.prepend(control("published", "Figures", changed));
  if (!form.elements.published) return;
  form.elements.published.parentElement.hidden = !offered;
  fill(form.elements.published, PUBLISHED, chosen === "1" ? "1" : "");
}

// Built once; an empty board has nothing to choose.
export function showControls(board, changed) {
  const form = byId("controls");
  const chosen = new URLSearchParams(location.search);
  const given = (name) => chosen.get(name) ?? "";
  form.hidden = board.votes === 0 && NAMES.every((name) => !given(name));
  if (!form.hasChildNodes())
    form.append(control("category", "Category", changed), control("style", "Style", changed),
      control("method", "Method", changed), control("judge", "Votes of", changed),
      control("voids", "Failures", changed), withoutControl(changed));
  figures(form, board, given("published"), changed);
  fill(form.elements.category, categories(board, given("category")), given("category"));
  fill(form.elements.style, STYLES, given("style") === "1" ? "1" : "");
  fill(form.elements.method, METHODS, given("method") === "elo" ? "elo" : "");
  fill(form.elements.judge, JUDGES, JUDGES.some(([value]) => value === given("judge")) ? given("judge") : "");
  fillWithout(form, given("without"), given("voter"), changed);
  fill(form.elements.voids, VOIDS, given("voids") === "losses" ? "losses" : "");
}
