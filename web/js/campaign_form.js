// A new campaign: its question is tried as it is written, so that what it would take is known before it is registered.
import { byId, el } from "./dom.js";
import { get, newKey, post } from "./api.js";
import { ask, choice, count, field, longField, plural, tick } from "./admin_kit.js";
import { sentence } from "./form.js";

const PAUSE_MS = 350;
const list = new Intl.ListFormat("en");
const section = (title, about, ...nodes) => el("fieldset", { class: "part" }, el("legend", {}, title),
  about && el("p", { class: "lead" }, about), ...nodes);

// ---- what was pasted ----

// JSON lines, or one plain prompt a line: whoever pastes a list of questions need not quote them.
function rows(text) {
  const lines = text.split("\n").map((line) => line.trim()).filter(Boolean);
  if (!lines.some((line) => line.startsWith("{") || line.startsWith('"'))) return lines;
  return lines.map((line, i) => {
    try { return JSON.parse(line); } catch { throw new Error(`Line ${i + 1} is no JSON: ${line.slice(0, 40)}`); }
  });
}

// A text to paste into, and a file that takes its place.
function pasted(word, name, hint) {
  const text = longField(word, { name, rows: 4, spellcheck: "false" }, hint);
  const file = el("input", { type: "file", accept: ".jsonl,.json,.txt,text/plain", class: "sr-only" });
  file.addEventListener("change", async () => {
    if (!file.files.length) return;
    text.querySelector("textarea").value = await file.files[0].text();
    file.value = "";
    text.querySelector("textarea").dispatchEvent(new Event("input", { bubbles: true }));
  });
  return el("div", { class: "pasted" }, text,
    el("label", { class: "button quiet edged" }, "Read a file", file));
}

// ---- the form ----

const number = (word, name, more, hint) =>
  field(word, { type: "number", name, step: "any", inputmode: "decimal", ...more }, hint);
const side = (close, ...fields) => el("div", { class: close ? "grid close" : "grid" }, ...fields);

function rivals(models) {
  return el("fieldset", { class: "field" }, el("legend", {}, "Against"), el("div", { class: "rivals" },
    ...models.map(({ name }) => el("label", { class: "check" },
      el("input", { type: "checkbox", name: "versus", value: name }), el("span", {}, name)))));
}

function build(models) {
  const ours = (models.find((model) => model.in_house) ?? models[0]).name;
  return el("form", { class: "question", id: "question" },
    section("The question", "Is this model better than each of the others?",
      choice("Model", "model", models.map(({ name }) => [name, name]), ours), rivals(models),
      field("Title", { name: "title", maxlength: 200, autocomplete: "off" },
        "For lists and the report. Empty: the names.")),
    section("Prompts", "Answers to prepared prompts are made beforehand, so that voters wait for nothing.",
      pasted("Prepared prompts", "prompts", "One a line, or JSON lines as arena eval takes them. At most 240 KB; "
        + "for more, use arena campaign create."),
      tick("Voters write prompts of their own, too", "live"),
      side(false, number("Votes on a pair", "overlap", { min: 1, max: 100, step: 1, value: 2 }, "of as many people"),
        number("Budget", "budget_usd", { min: 0, placeholder: "none" }, "US dollars, for the answers"))),
    section("When it stops", "At the first of these that holds. Leave out what does not matter, but not all.",
      side(true, number("Votes", "votes", { min: 1, step: 1 }, "so many count"),
        number("Precision", "precision", { min: 0.1, max: 50, value: 5 }, "points: every win rate is known so well"),
        number("Decided", "decided", { min: 0, max: 49 }, "points: worse than each rival by more, or not; 0 is "
          + "better or worse"))),
    section("Who votes", null, side(false,
      field("Cohort", { name: "cohort", autocomplete: "off", placeholder: "everybody" },
        "as in arena invite --cohort"),
      field("Categories", { name: "categories", autocomplete: "off", placeholder: "none" },
        "reported one by one, parted by commas"))),
    section("Controls", "Pairs outside the result that show what the votes are worth. Voters cannot tell them.",
      side(false, number("One model twice", "same_model_rate", { min: 0, max: 50, value: 2 }, "percent of pairs"),
        number("Known winner", "gold_rate", { min: 0, max: 50, value: 2 }, "percent of pairs, of those below")),
      pasted("Pairs with a known winner", "gold", "JSON lines of prompt, chosen, rejected.")),
    el("details", {}, el("summary", {}, "What is expected"), side(true,
      number("Win rate to see", "detect", { min: 1, max: 99, value: 55 }, "percent"),
      number("Chance to see it", "power", { min: 1, max: 99.9, value: 80 }, "percent"),
      number("Ties", "ties", { min: 0, max: 95, value: 25 }, "percent of the votes"),
      number("Confidence", "confidence", { min: 50, max: 99.99, value: 95 }, "percent, of all intervals together"))));
}

const PERCENT = ["same_model_rate", "gold_rate", "detect", "power", "ties", "confidence"];
const PLAIN = ["votes", "precision", "decided", "overlap", "budget_usd"];

function read(form) {
  const given = (name) => form.elements[name].value.trim();
  const body = {
    model: given("model"), live: form.elements.live.checked,
    versus: [...form.querySelectorAll("[name=versus]:checked:enabled")].map((box) => box.value),
  };
  for (const name of ["title", "cohort"]) if (given(name)) body[name] = given(name);
  for (const name of PERCENT) if (given(name)) body[name] = Number((Number(given(name)) / 100).toPrecision(12));
  for (const name of PLAIN) if (given(name)) body[name] = Number(given(name));
  if (given("categories")) body.categories = given("categories").split(",").map((word) => word.trim()).filter(Boolean);
  for (const name of ["prompts", "gold"]) if (given(name)) body[name] = rows(given(name));
  return body;
}

// ---- what it would take ----

const fact = (word, ...values) => el("div", {}, el("dt", {}, word), el("dd", {}, ...values));
const version = ({ name, version: digest }) => el("li", {}, name, " ", el("code", {}, digest.slice(0, 12)));

function warning({ question, prompts }) {
  const places = prompts * question.versus.length * question.overlap;
  if (question.live || question.expected.votes === null || question.expected.votes <= places) return null;
  return `The prompts give ${plural(places, "vote")} at most: add prompts or votes on a pair, let voters write their `
    + "own, or ask for less.";
}

function needs({ detect, power, needed }) {
  const whole = (share) => `${Number((100 * share).toFixed(2))} %`;
  return `${needed === null ? "More than can be had" : count.format(needed)} would show a win rate of ${whole(detect)} `
    + `with a chance of ${whole(power)}.`;
}

function takes(tried) {
  const { question, prompts } = tried;
  const { votes } = question.expected;
  const warned = warning(tried);
  return [
    el("p", { class: "big" }, votes === null ? "More than can be had" : count.format(votes),
      el("small", {}, votes === null ? "the difference looked for is too small" : "votes expected")),
    el("p", { class: "lead" }, needs(question.expected)),
    warned && el("p", { class: "alarm" }, warned),
    el("dl", {}, fact("Question", question.title),
      fact("Versions", el("ul", {}, version(question.model), ...question.versus.map(version))),
      prompts > 0 && fact("Queue", `${plural(prompts, "prompt")}, ${plural(prompts * question.versus.length, "pair")}`),
      question.gold > 0 && fact("Known winners", plural(question.gold, "pair"))),
  ].filter(Boolean);
}

function registered(body, key, title) {
  ask(`Register “${title}”?`, "Register",
    [el("p", {}, "Nothing of the question can be changed afterwards. Its answers are made at once.")],
    async () => {
      const { campaign_id: id } = await post("/api/campaigns", body, key);
      location.assign(`/campaigns/${id}`);
    }, sentence);
}

export async function open() {
  byId("title").textContent = "New campaign";
  document.title = "New campaign · arena";
  byId("summary").textContent = "A question that is registered before its first vote, and answered by people.";
  const models = (await get("/api/roster")).competitors.filter(({ state }) => state === "active");
  if (models.length < 2) {
    byId("content").replaceChildren(el("p", { class: "note" }, "A campaign compares two models: configure one more."));
    return;
  }
  const form = build(models), result = el("div", { "aria-live": "polite" });
  const go = el("button", { class: "button main", form: "question", disabled: true }, "Register");
  let body = null, title = "", asked = 0, timer = 0;

  async function again() {
    const mine = ++asked;
    for (const box of form.querySelectorAll("[name=versus]")) box.disabled = box.value === form.elements.model.value;
    go.disabled = true;
    try {
      const wish = read(form);
      const tried = wish.versus.length ? await post("/api/campaigns/expect", wish) : null;
      if (mine !== asked) return;
      result.replaceChildren(...tried ? takes(tried)
        : [el("p", { class: "lead" }, "Choose whom it is compared with.")]);
      [body, title] = [wish, tried?.question.title];
      go.disabled = !tried;
    } catch (error) {
      if (mine !== asked) return;
      result.replaceChildren(el("p", { class: "alarm" }, error.code ? sentence(error) : error.message));
    }
  }
  form.addEventListener("input", () => {
    clearTimeout(timer);
    go.disabled = true;
    timer = setTimeout(again, PAUSE_MS);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!go.disabled) registered(body, newKey(), title);
  });
  byId("content").replaceChildren(el("div", { class: "asking" }, form,
    el("aside", { class: "takes", "aria-label": "What it would take" }, el("h2", {}, "What it takes"), result, go)));
  await again();
}
