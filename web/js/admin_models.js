// The administrator's page of models: who is configured, how each has been doing, and pausing them without a restart.
import { el } from "./dom.js";
import { get, post } from "./api.js";
import { badge, button, card, figures as list, plural } from "./admin_kit.js";

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
  if (price.input === null) return inHouse ? "none a call" : "unknown";
  return `$${price.input} in, $${price.output ?? "?"} out`;
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
    ["Price", priceOf(model), model.price.input === null ? null : "a million tokens"],
    ["Budget", model.budget_usd === null ? "none" : `${dollars(model.budget_usd)} a day`]);
}

function alarmOf({ key, state, health }) {
  if (state !== "active") return null;
  if (key === "not found") return "Its key was not found: set the variable or file that its row names.";
  if (health.cooldown_seconds > 0) return `Its provider asked us to wait: ${seconds(health.cooldown_seconds)} left.`;
  return null;
}

function show(frame, model, changed) {
  const alarm = alarmOf(model);
  const about = [model.organisation, model.provider, model.model].filter(Boolean).join(" · ");
  const receives = model.receives ? `prompts go to ${model.receives}` : "prompts stay here";
  return card({
    title: model.name, level: 2, about: `${about}; ${receives}`, still: model.state !== "active",
    badges: [model.state !== "active" && badge(model.state, true), model.in_house && badge("in-house")].filter(Boolean),
    acts: ACTS[model.state].map(([action, word]) => button(word, (pressed) => frame.run(pressed, async () => {
      await post("/api/roster", { action, name: model.name });
      await changed();
      return `${model.name} ${DONE[action]}`;
    }), { "aria-label": `${word} ${model.name}` })),
  }, alarm && el("p", { class: "alarm" }, alarm), figures(model));
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
    const { competitors } = await get("/api/roster");
    models.replaceChildren(...competitors.map((model) => show(frame, model, again)));
    frame.summary(summaryOf(competitors));
  }
  await again();
  frame.acts(button("Read again", (pressed) => frame.run(pressed, async () => {
    await again();
    return "Read again";
  })));
  frame.body.replaceChildren(models, el("p", { class: "note" },
    "Answers, latencies, errors and costs are counted when their battle is over, so that nothing here tells who "
    + "answers in one that is not. They begin anew when the arena does. A rival is added with ",
    el("code", {}, "arena models add"), ", which asks for its budget."));
}
