// Ratings drawn to scale: one axis for all models, an interval and its estimate in each row. Lengths are percentages of
// the row's own width, so a drawing needs no measuring and prints as it stands. The numbers stand beside it as text.
import { svg } from "./dom.js";

const STEPS = [1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1000, 2000, 5000];
const TICKS = 5;

const finite = (value, otherwise) => (Number.isFinite(value) ? value : otherwise);
export const bounds = (model) => [finite(model.rating_lower, model.rating), finite(model.rating_upper, model.rating)];

// {low, high, ticks, at(rating) -> "12.3%"} over every interval, rounded out to whole steps.
export function scaleOf(models) {
  const edges = models.flatMap(bounds);
  const least = Math.min(...edges);
  const most = Math.max(...edges);
  const step = STEPS.find((size) => (most - least) / size <= TICKS) ?? 10000;
  const low = Math.floor(least / step) * step - (least % step === 0 ? step / 2 : 0);
  const high = Math.ceil(most / step) * step + (most % step === 0 ? step / 2 : 0);
  const ticks = [];
  for (let tick = Math.ceil(low / step) * step; tick <= high; tick += step) ticks.push(tick);
  return { low, high, ticks, at: (rating) => `${(100 * (rating - low) / (high - low)).toFixed(2)}%` };
}

function grid(scale) {
  return scale.ticks.map((tick) => {
    const x = scale.at(tick);
    return svg("line", { class: "grid", x1: x, x2: x, y1: 0, y2: "100%" });
  });
}

export function axis(scale) {
  const labels = scale.ticks.map((tick) => {
    const label = svg("text", { x: scale.at(tick), y: 14 });
    label.textContent = String(tick);
    return label;
  });
  return svg("svg", { class: "axis", height: 20, "aria-hidden": "true" }, ...labels);
}

export function intervalBar(model, scale) {
  const [low, high] = bounds(model);
  return svg("svg", { class: "interval", height: 44, "aria-hidden": "true" },
    ...grid(scale),
    svg("line", { class: "span", x1: scale.at(low), x2: scale.at(high), y1: 22, y2: 22 }),
    svg("line", { class: "end", x1: scale.at(low), x2: scale.at(low), y1: 16, y2: 28 }),
    svg("line", { class: "end", x1: scale.at(high), x2: scale.at(high), y1: 16, y2: 28 }),
    svg("circle", { class: "estimate", cx: scale.at(model.rating), cy: 22, r: 5.5 }));
}
