// Which pairs the matchmaker would draw next, under weights and a target that are only tried.
import { el } from "./dom.js";
import { get, post } from "./api.js";
import { button, choice, field, nothing, percent, section } from "./admin_kit.js";
import { problem } from "./form.js";

// A bar that a screen reader does not need: the figure stands beside it.
function bar(value, most) {
  const node = el("span", { class: "bar", "aria-hidden": "true" });
  node.style.setProperty("--share", most ? value / most : 0);
  return node;
}

function cells(now, then, most) {
  const changed = Math.abs(then - now) >= 0.0005;
  return [el("td", {}, percent(now)), el("td", { class: changed ? "changed" : "" }, percent(then), bar(then, most))];
}

function table(head, rows) {
  return el("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": head[0] },
    el("table", {}, el("thead", {}, el("tr", {}, ...head.map((text) => el("th", { scope: "col" }, text)))),
      el("tbody", {}, ...rows)));
}

function draw(now, then, place) {
  const before = new Map(now.pairs.map((pair) => [`${pair.a}\n${pair.b}`, pair.probability]));
  const all = [...then.pairs].sort((one, other) => other.probability - one.probability);
  const gone = now.pairs.filter((pair) => !then.pairs.some(({ a, b }) => a === pair.a && b === pair.b));
  const most = all[0]?.probability ?? 0;
  const shown = [...all, ...gone.map((pair) => ({ ...pair, probability: 0 }))].slice(0, 60);
  const pairs = shown.map((pair) => el("tr", {}, el("th", { scope: "row" }, `${pair.a} – ${pair.b}`),
    ...cells(before.get(`${pair.a}\n${pair.b}`) ?? 0, pair.probability, most)));
  const models = then.models.map((model, i) => el("tr", {}, el("th", { scope: "row" }, model.name,
    model.state === "active" ? "" : ` (${model.state})`), ...cells(now.models[i]?.share ?? 0, model.share, 1)));
  place.replaceChildren(
    section("Pairs", then.meets ? "How likely each is to be the next battle."
      : "No two models may meet: give at least two of them a weight.", table(["Pair", "Now", "Tried"], pairs)),
    section("Models", "In how many battles each would be.", table(["Model", "Now", "Tried"], models)));
}

// Puts the weights in force that were tried; only where one may, and where one differs.
function inForce(frame, names, weights) {
  const differing = () => names.filter(({ name, weight }) => weights()[name] !== weight)
    .map(({ name }) => ({ name, weight: weights()[name] }));
  const node = button("Put these weights in force", (pressed) => frame.run(pressed, async () => {
    await post("/api/roster", { action: "set", competitors: differing() });
    await open(frame);
    return "The weights are in force";
  }), { class: "button main", hidden: true });
  return { node, look() { node.hidden = !differing().length; } };
}

export async function open(frame) {
  const [now, { may }] = await Promise.all([post("/api/sampling", {}), get("/api/models")]);
  const place = el("div", { "aria-live": "polite" });
  const names = now.models.filter((model) => model.state !== "retired");
  if (!names.length) {
    frame.body.replaceChildren(nothing("There are no models."));
    return;
  }
  const form = el("form", { class: "tryout" },
    choice("Rule", "rule", [["informative", "What tells most"], ["uniform", "Weights alone"]], now.rule),
    choice("Aimed at", "target", [["", "No model"], ...names.map(({ name }) => [name, name])], now.target ?? ""),
    el("fieldset", {}, el("legend", {}, "Weights"), el("div", { class: "weights" }, ...names.map((model) =>
      field(model.name, { type: "number", name: `weight ${model.name}`, min: 0, max: 1000, step: "any",
        value: model.weight, inputmode: "decimal" })))));
  const weights = () => Object.fromEntries(names.map(({ name }) =>
    [name, Math.max(0, Number(form.elements[`weight ${name}`].value) || 0)]));
  const apply = inForce(frame, names, weights);
  let asked = 0;
  async function again() {
    const mine = ++asked;
    if (may.includes("administer")) apply.look();
    form.elements.target.disabled = form.elements.rule.value === "uniform";
    const then = await post("/api/sampling", {
      rule: form.elements.rule.value, target: form.elements.target.value, weights: weights(),
    });
    if (mine === asked) draw(now, then, place);
  }
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", () => again().catch(problem));
  frame.summary("What the matchmaker would draw if it were set like this. Nothing changes until it is put in force.");
  frame.body.replaceChildren(form, el("p", { class: "row" }, apply.node), place,
    el("p", { class: "note" }, "Rule and target stand in the configuration under “sampling”, weights in each model’s ",
      "row. Caps and outages, under Models, come on top. ",
      "Every draw is logged with its probability, so that aimed sampling can be undone in the analysis."));
  await again();
}
