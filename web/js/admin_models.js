// The administrator's page of models: how often each is drawn and up to what, under which name voters know it, how it
// has been doing and what its versions were; and changes to that, in force at once.
import { announce, el } from "./dom.js";
import { get, post } from "./api.js";
import { ask, badge, button, card, count, day, field, figures as list, percent, plural, time } from "./admin_kit.js";
import { sentence } from "./form.js";
import { settingsText } from "./sheet.js";

const ACTS = {
  active: [["pause", "Pause"], ["retire", "Retire"]],
  paused: [["resume", "Resume"], ["retire", "Retire"]],
  retired: [["resume", "Bring back"]],
};
const DONE = { pause: "is paused", resume: "is drawn again", retire: "is retired" };
const CLASSES = {
  rate_limit: "rate limit", bad_request: "bad request", context_length: "too long", not_found: "not found",
};

function seconds(value) {
  if (value === null) return "–";
  return value < 1 ? `${Math.round(value * 1000)} ms` : `${value.toFixed(1)} s`;
}
const dollars = (value) => (value === 0 ? "$0" : `$${value < 0.01 ? value.toPrecision(2) : value.toFixed(2)}`);
function priceOf({ price, in_house: inHouse }) {
  if (price.input === null) return inHouse ? ["free", "it is ours"] : ["unknown", null];
  if (!price.input && !price.output) return ["free", null];
  return [`$${price.input} in, $${price.output ?? "?"} out`, "a million tokens"];
}

function errorsOf({ errors }) {
  const rows = Object.entries(errors).sort((one, other) => other[1] - one[1]);
  return rows.map(([name, count]) => `${CLASSES[name] ?? name} ${count}`).join(", ");
}

function figures(model) {
  const { health } = model;
  const failed = Object.values(health.errors).reduce((sum, count) => sum + count, 0);
  const latency = ({ p50, p95 }) => [seconds(p50), p95 === null ? null : `95 % under ${seconds(p95)}`];
  return list(
    ["Answers", String(health.answers), health.failures ? `${health.failures} failed` : null],
    ["First token", ...latency(health.first_token_seconds)],
    ["Whole answer", ...latency(health.answer_seconds)],
    ["Failed attempts", String(failed), errorsOf(health)],
    ["Swapped, void", `${health.swaps}, ${health.voids}`, "battles lost by it"],
    ["Spent", dollars(health.spent_usd),
      health.unpriced ? `${plural(health.unpriced, "answer")} without a price` : null],
    ["Price", ...priceOf(model)]);
}

// Who is drawn how often, and up to what.
function standing(model, share) {
  const cap = (most) => (most === null ? "no cap" : `of ${count.format(most)}`);
  return list(
    ["Weight", count.format(model.weight), share === null ? "is not drawn" : `in ${percent(share)} of battles`],
    ["Battles today", count.format(model.battles_today), cap(model.battles_a_day)],
    ["Votes today", count.format(model.votes_today), cap(model.votes_a_day)],
    ["At once", ...(model.at_once === null ? ["no cap"] : [count.format(model.at_once), "answers"])],
    ["Budget", ...(model.budget_usd === null ? ["none"] : [dollars(model.budget_usd), "a day"])]);
}

const REACHED = {
  battles_a_day: "It has had its battles for today (UTC): drawn again tomorrow.",
  votes_a_day: "It has had its votes for today (UTC): drawn again tomorrow.",
  at_once: "As many of its answers as may are under way.",
};

function alarmOf({ key, state, health }) {
  if (state !== "active") return null;
  if (key === "not found") return "Its key was not found: set the variable or file that its row names.";
  if (health.outage_seconds > 0) {
    return `Outage found: ${health.recent_failures} of its last 20 answers failed. It is not drawn while two `
      + `others can be, and tried again in ${seconds(health.outage_seconds)}.`;
  }
  if (health.cooldown_seconds > 0) return `Its provider asked us to wait: ${seconds(health.cooldown_seconds)} left.`;
  return null;
}

function pauseOf({ state, paused_reason: reason, paused_since: since }) {
  if (state !== "paused") return null;
  return `Paused${since ? ` since ${time(Date.parse(since))}` : ""}${reason ? `: ${reason}` : ""}`;
}

// ---- changes ----

const CAPS = [
  ["battles_a_day", "Battles a day", "Drawn for no more on a day (UTC). Empty: no cap."],
  ["votes_a_day", "Counted votes a day", "Drawn no more on a day that brought it so many. Empty: no cap."],
  ["at_once", "Answers at once", "Not drawn while so many are under way. Empty: no cap."],
];

const numberOr = (input) => (input.value.trim() === "" ? null : Number(input.value));

// What the form says otherwise than the model is now.
function edited(model, form) {
  const row = {};
  const set = (key, now, value) => { if (value !== now) row[key] = value; };
  set("weight", model.weight, Number(form.weight.value));
  for (const [key] of CAPS) set(key, model[key], numberOr(form[key]));
  if (form.budget) set("budget", model.budget_usd, numberOr(form.budget));
  set("code_name", model.code_name, form.code_name.value.trim() || null);
  return row;
}

// The share of battles that a weight would give, from the sampling simulator, as it is typed.
function shareHint(model) {
  const hint = el("small", { "aria-live": "polite" }, "How often it is drawn, relative to the others; 0 is never.");
  let asked = 0;
  return { hint, async tell(weight) {
    const mine = ++asked;
    const tried = await post("/api/sampling", { weights: { [model.name]: weight } }).catch(() => null);
    if (mine !== asked || !tried) return;
    const { share } = tried.models.find(({ name }) => name === model.name);
    hint.textContent = tried.meets ? `${percent(share)} of battles would have it.`
      : "No two models could meet: another one needs a weight too.";
  } };
}

function change(model, changed) {
  const { hint, tell } = shareHint(model);
  const weight = el("input", { name: "weight", type: "number", min: 0, max: 1000, step: "any", required: true,
    value: model.weight, inputmode: "decimal", oninput: (event) => tell(Number(event.currentTarget.value) || 0) });
  const remote = model.provider !== "engine";
  ask(`Change ${model.name}`, "Put in force", [
    el("label", { class: "field" }, "Weight", weight, hint),
    ...CAPS.map(([name, word, about]) => field(word, { name, type: "number", min: 1, max: 1000000, step: 1,
      value: model[name] ?? "", inputmode: "numeric" }, about)),
    remote && field("Budget, USD a day", { name: "budget", type: "number", min: 0, max: 1000000, step: "any",
      value: model.budget_usd ?? "", inputmode: "decimal" },
    "What its answers may cost on a day (UTC). Empty: no limit."),
    field("Code name", { name: "code_name", maxlength: 128, value: model.code_name ?? "", autocomplete: "off",
      spellcheck: "false" }, "All that voters are told of it, on boards and after votes, until it is published. "
      + "Empty: its name."),
  ].filter(Boolean), async (form) => {
    const row = edited(model, form);
    if (!Object.keys(row).length) return;
    await post("/api/roster", { action: "set", competitors: [{ name: model.name, ...row }] });
    await changed();
    announce(`${model.name} changed`);
  }, sentence);
}

function sayWhy(model, changed) {
  ask(`Why is ${model.name} paused?`, "Keep it", [
    field("Reason", { name: "reason", maxlength: 160, value: model.paused_reason ?? "" },
      "For the other administrators."),
  ], async (form) => {
    await post("/api/roster", { action: "pause", name: model.name, reason: form.reason.value.trim() });
    await changed();
  }, sentence);
}

// ---- versions ----

function shown(value) {
  if (value === null || value === "") return "none";
  return typeof value === "string" ? value : JSON.stringify(value);
}

function versionRow(version) {
  const settings = settingsText(version.effective);
  return el("li", {},
    el("p", {}, el("b", {}, version.label), " ", version.live && badge("live"),
      version.imported && badge("imported", true)),
    el("p", { class: "detail" }, `Since ${day(Date.parse(version.since))} · ${plural(version.battles, "battle")}, `
      + `${plural(version.votes, "vote")} · `, el("code", {}, version.version.slice(0, 8))),
    ...version.changes.map(({ key, from, to }) =>
      el("p", { class: "detail" }, `${key}: ${shown(from)} → ${shown(to)}`)),
    settings && el("pre", { class: "settings" }, settings));
}

function versionsOf(model) {
  const place = el("ol", { class: "versions" });
  const node = el("details", {}, el("summary", {}, "Versions"), place);
  node.addEventListener("toggle", async () => {
    if (!node.open || place.children.length) return;
    try {
      const { versions } = await get(`/api/roster/versions?name=${encodeURIComponent(model.name)}`);
      place.replaceChildren(...versions.reverse().map(versionRow));
    } catch (error) { place.replaceChildren(el("li", {}, sentence(error))); }
  });
  return node;
}

// ---- the page ----

function actsOf(frame, model, changed) {
  const send = (word, body, said) => button(word, (pressed) => frame.run(pressed, async () => {
    await post("/api/roster", body);
    await changed();
    return `${model.name} ${said}`;
  }), { "aria-label": `${word} ${model.name}` });
  const named = (word, act) => button(word, act, { "aria-label": `${word} ${model.name}` });
  const publish = { action: "set", competitors: [{ name: model.name, code_name: null }] };
  return [
    model.state !== "retired" && named("Change", () => change(model, changed)),
    model.code_name && send("Publish", publish, "is shown by its name"),
    model.state === "paused" && named(model.paused_reason ? "Reason" : "Say why", () => sayWhy(model, changed)),
    ...ACTS[model.state].map(([action, word]) => send(word, { action, name: model.name }, DONE[action])),
  ].filter(Boolean);
}

function show(frame, model, share, changed) {
  const alarm = alarmOf(model), still = pauseOf(model) ?? REACHED[model.barred];
  const about = [model.organisation, model.provider, model.model].filter(Boolean).join(" · ");
  const receives = model.receives ? `prompts go to ${model.receives}` : "prompts stay here";
  return card({
    title: model.name, level: 2, about: `${about}; ${receives}`, still: model.state !== "active",
    badges: [model.state !== "active" && badge(model.state, true), model.in_house && badge("in-house"),
      model.code_name && badge(`voters know it as ${model.code_name}`)].filter(Boolean),
    acts: actsOf(frame, model, changed),
  }, still && el("p", { class: "said" }, still), alarm && el("p", { class: "alarm" }, alarm),
  standing(model, share), figures(model), versionsOf(model));
}

function summaryOf(models) {
  const active = models.filter((model) => model.state === "active");
  const rivals = active.filter((model) => !model.in_house).length;
  const battle = active.length < 2 ? " A battle needs two." : "";
  return `${plural(active.length, "model")} answering, ${rivals ? plural(rivals, "rival") : "no rivals"}.${battle}`;
}

export async function open(frame) {
  const models = el("div", { class: "cards", id: "models" });
  async function again() {
    const trying = post("/api/sampling", {}).catch(() => null);
    const [{ competitors }, drawn] = await Promise.all([get("/api/roster"), trying]);
    const shares = new Map((drawn?.models ?? []).map(({ name, share }) => [name, share]));
    models.replaceChildren(...competitors.map((model) =>
      show(frame, model, model.state === "active" ? shares.get(model.name) ?? null : null, again)));
    frame.summary(summaryOf(competitors));
  }
  await again();
  frame.acts(button("Read again", (pressed) => frame.run(pressed, async () => {
    await again();
    return "Read again";
  })));
  frame.body.replaceChildren(models, el("p", { class: "note" },
    "Changes are written into the configuration, which holds after a restart too, and noted in the audit log. What "
    + "weights do together is tried under ", el("a", { href: "/admin/sampling" }, "Sampling"), ". Battles, answers and "
    + "costs are counted when their battle is over, so that nothing here tells who answers in one that is not; health "
    + "begins anew when the arena does. A rival is added with ", el("code", {}, "arena models add"),
    ", which asks for its budget."));
}
