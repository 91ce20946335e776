// How ratings moved: a line a model over the days that the board gives. Lengths are percentages of the drawing's width,
// as in chart.js. Lines differ in colour and in dash, their names stand below, the numbers in a table.
import { el, svg } from "./dom.js";

const LINES = 8;
const HEIGHT = 260;
const MARGIN = 16;
const STEPS = [1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1000, 2000];

const day = (date) => Date.parse(`${date}T00:00:00Z`);
const known = (rating) => Number.isFinite(rating);

function scales(history, models) {
  const ratings = history.flatMap((point) => point.ratings.slice(0, models)).filter(known);
  const least = Math.min(...ratings);
  const most = Math.max(...ratings);
  const step = STEPS.find((size) => (most - least) / size <= 5) ?? 5000;
  const low = Math.floor(least / step) * step;
  const high = Math.max(Math.ceil(most / step) * step, low + step);
  const [first, last] = [day(history[0].date), day(history.at(-1).date)];
  const ticks = [];
  for (let tick = low; tick <= high; tick += step) ticks.push(tick);
  return {
    ticks,
    x: (date) => `${(1 + 98 * (day(date) - first) / (last - first)).toFixed(2)}%`,
    y: (rating) => (HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * (rating - low) / (high - low)).toFixed(1),
  };
}

function grid({ ticks, y }) {
  return ticks.flatMap((tick) => {
    const label = svg("text", { class: "tick", x: -44, y: Number(y(tick)) + 4 });
    label.textContent = String(tick);
    return [svg("line", { class: "grid", x1: 0, x2: "100%", y1: y(tick), y2: y(tick) }), label];
  });
}

function line(history, model, { x, y }) {
  const points = history.filter((point) => known(point.ratings[model]));
  const parts = points.slice(1).map((point, i) => svg("line", {
    x1: x(points[i].date), y1: y(points[i].ratings[model]), x2: x(point.date), y2: y(point.ratings[model]),
  }));
  const dots = points.map((point) => svg("circle", { cx: x(point.date), cy: y(point.ratings[model]), r: 3 }));
  return svg("g", { class: `trail-line line-${model}` }, ...parts, ...dots);
}

function legend(models) {
  return el("ul", { class: "legend" }, ...models.map((model, i) => el("li", {},
    svg("svg", { class: `trail-line line-${i}`, width: 30, height: 10, "aria-hidden": "true" },
      svg("line", { x1: 0, x2: 30, y1: 5, y2: 5 })),
    model.model)));
}

function table(history, models) {
  return el("details", {},
    el("summary", {}, "The same as numbers"),
    el("div", { class: "matrix", tabindex: "0", role: "group", "aria-label": "Ratings over time as numbers" },
      el("table", {},
        el("caption", { class: "sr-only" }, "Ratings over time"),
        el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Model"),
          ...history.map(({ date }) => el("th", { scope: "col" }, date)))),
        el("tbody", {}, ...models.map((model, i) => el("tr", {}, el("th", { scope: "row" }, model.model),
          ...history.map(({ ratings }) => el("td", { class: "number" },
            known(ratings[i]) ? String(Math.round(ratings[i])) : "–"))))))));
}

// The section's nodes, or null while all votes are of one day.
export function ratingTrail({ history = [], models }) {
  if (history.length < 2 || models.length === 0) return null;
  const shown = models.slice(0, LINES);
  const scale = scales(history, shown.length);
  const title = `Ratings from ${history[0].date} to ${history.at(-1).date}`;
  return [
    el("h2", { id: "trail-title" }, "Rating over time"),
    el("p", { class: "note" }, `${title}, each refitted from all votes until then`
      + (models.length > LINES ? `; the first ${LINES} models are drawn.` : ".")),
    svg("svg", { class: "trail", height: HEIGHT, role: "img", "aria-label": `${title}; the numbers stand below` },
      ...grid(scale), ...shown.map((_, i) => line(history, i, scale))),
    el("p", { class: "trail-days", "aria-hidden": "true" },
      el("span", {}, history[0].date), el("span", {}, history.at(-1).date)),
    legend(shown), table(history, models),
  ];
}
