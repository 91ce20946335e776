// The administrator's page of models: who is configured, how each has been doing, and pausing them without a restart.
import { announce, byId, el } from "./dom.js";
import { get, post } from "./api.js";
import { errorSentence } from "./words.js";

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
const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

function problem(error) {
  const sentence = error?.sentence;
  const own = sentence && error.status >= 400 && error.status < 500;  // the server's own words say more
  byId("problem").textContent = own ? `${sentence[0].toUpperCase()}${sentence.slice(1)}.` : errorSentence(error);
  byId("problem").hidden = false;
}

function figure(word, value, more) {
  return el("div", {}, el("dt", {}, word), el("dd", {}, value, more && el("small", {}, more)));
}

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
  return el("dl", { class: "figures" },
    figure("Answers", String(health.answers), health.failures ? `${health.failures} failed` : null),
    figure("First token", ...latency(health.first_token_seconds)),
    figure("Whole answer", ...latency(health.answer_seconds)),
    figure("Failed attempts", String(failed), errorsOf(health)),
    figure("Swapped, void", `${health.swaps}, ${health.voids}`, "battles lost by it"),
    figure("Spent", dollars(health.spent_usd),
      health.unpriced ? `${plural(health.unpriced, "answer")} without a price` : null),
    figure("Price", priceOf(model), model.price.input === null ? null : "a million tokens"),
    figure("Budget", model.budget_usd === null ? "none" : `${dollars(model.budget_usd)} a day`));
}

function alarmOf({ key, state, health }) {
  if (state !== "active") return null;
  if (key === "not found") return "Its key was not found: set the variable or file that its row names.";
  if (health.cooldown_seconds > 0) return `Its provider asked us to wait: ${seconds(health.cooldown_seconds)} left.`;
  return null;
}

function card(model) {
  const alarm = alarmOf(model);
  const about = [model.organisation, model.provider, model.model].filter(Boolean).join(" · ");
  const receives = model.receives ? `prompts go to ${model.receives}` : "prompts stay here";
  return el("article", { class: model.state === "active" ? "card" : "card still", "aria-label": model.name },
    el("header", {}, el("h2", {}, model.name),
      model.state === "active" ? null : el("span", { class: "badge off" }, model.state),
      model.in_house ? el("span", { class: "badge" }, "in-house") : null,
      el("p", { class: "about" }, `${about}; ${receives}`)),
    alarm && el("p", { class: "alarm" }, alarm),
    figures(model),
    el("div", { class: "acts" }, ...ACTS[model.state].map(([action, word]) =>
      el("button", {
        type: "button", class: "button quiet", "aria-label": `${word} ${model.name}`,
        onclick: (event) => change(event.target, model.name, action),
      }, word))));
}

function summaryOf(models) {
  const active = models.filter((model) => model.state === "active");
  const rivals = active.filter((model) => !model.in_house).length;
  const battle = active.length < 2 ? " A battle needs two." : "";
  return `${plural(active.length, "model")} answering, ${rivals ? plural(rivals, "rival") : "no rivals"}.${battle}`;
}

async function change(button, name, action) {
  button.disabled = true;
  byId("problem").hidden = true;
  try {
    await post("/api/roster", { action, name });
    await show();
    announce(`${name} ${DONE[action]}`);
  } catch (error) { problem(error); }
  button.disabled = false;
}

async function show() {
  const { competitors } = await get("/api/roster");
  byId("models").replaceChildren(...competitors.map(card));
  byId("summary").textContent = summaryOf(competitors);
  byId("note").hidden = byId("refresh").hidden = false;
}

byId("refresh").addEventListener("click", () => {
  byId("problem").hidden = true;
  show().then(() => announce("Read again"), problem);
});
show().catch((error) => {
  byId("summary").textContent = "";
  problem(error);
});
