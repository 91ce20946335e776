// The two tables of the board: those with a rank, and those that wait for one, each with what is missing.
import { el } from "./dom.js";
import { bounds, intervalBar } from "./chart.js";

const count = new Intl.NumberFormat();
const NO_BREAK_DASH = "\u2060–\u2060";
const whole = (rating) => String(Math.round(rating));
const percent = (share) => (Number.isFinite(share) ? `${(100 * share).toFixed(0)} %` : "–");

function record(model) {
  return [model.wins, model.losses, model.ties].map((n) => count.format(n)).join(NO_BREAK_DASH);
}

// Said only of a model that something went wrong with: of its battles that are over.
function trouble({ battles, voids, swaps, answers, refusals }) {
  const parts = [
    voids + swaps > 0 && `failed in ${count.format(voids + swaps)} of ${count.format(battles)} battles`,
    refusals > 0 && `refused ${count.format(refusals)} of ${count.format(answers)} answers`,
  ].filter(Boolean);
  return parts.length > 0 && el("span", { class: "maker" }, parts.join(", "));
}

function nameCell(model, details, ...more) {
  const about = details.get(model.model) ?? {};
  return el("th", { scope: "row", class: "name" },
    el("b", {}, model.model),
    about.in_house && el("span", { class: "badge" }, "in-house"),
    about.code_name && el("span", { class: "maker" }, "code name"),
    about.organisation && el("span", { class: "maker" }, about.organisation),
    about.reliability && trouble(about.reliability), ...more);
}

function rangeText(model) {
  return model.rank_lower === model.rank_upper ? `${model.rank}` : `${model.rank_lower}–${model.rank_upper}`;
}

// Against the board of all votes; `moves` null: this is it.
function moved(by) {
  if (!by) return null;
  const words = `${Math.abs(by)} ${by > 0 ? "up" : "down"} from the board of all votes`;
  return el("span", { class: "moved", title: words },
    el("span", { "aria-hidden": "true" }, `${by > 0 ? "↑" : "↓"}${Math.abs(by)}`),
    el("span", { class: "sr-only" }, words));
}

function rankedRow(model, details, scale, moves) {
  const [low, high] = bounds(model);
  const range = rangeText(model);
  const phoneLine = `${count.format(model.votes)} votes · wins ${percent(model.win_rate)} · ${record(model)}`;
  return el("tr", {},
    el("td", { class: "rank" }, el("b", {}, String(model.rank)),
      range !== String(model.rank) && el("span", { class: "range" }, range), moved(moves?.get(model.model))),
    nameCell(model, details, el("span", { class: "narrow" }, phoneLine)),
    el("td", { class: "chart" }, intervalBar(model, scale)),
    el("td", { class: "rating" }, el("b", {}, whole(model.rating)),
      el("span", { class: "range" }, `${whole(low)} to ${whole(high)}`)),
    el("td", { class: "wide number" }, count.format(model.votes)),
    el("td", { class: "wide number" }, percent(model.win_rate)),
    el("td", { class: "wide number" }, record(model)));
}

export function rankedTable(models, details, scale, axis, moves) {
  return el("table", { class: "ranked" },
    el("caption", { class: "sr-only" }, "Ranked models, best first, each with its rating and 95 % interval"),
    el("thead", {}, el("tr", {},
      el("th", { scope: "col" }, "Rank"),
      el("th", { scope: "col" }, "Model"),
      el("th", { scope: "col", class: "chart" },
        el("span", { class: "sr-only" }, "Interval drawn to scale"), axis),
      el("th", { scope: "col", class: "rating" }, "Rating"),
      el("th", { scope: "col", class: "wide number" }, "Votes"),
      el("th", { scope: "col", class: "wide number" }, "Win rate"),
      el("th", { scope: "col", class: "wide number", title: "Wins, losses and ties" }, "W–L–T"))),
    el("tbody", {}, ...models.map((model) => rankedRow(model, details, scale, moves))));
}

export function unrankedTable(models, details) {
  return el("table", { class: "unranked" },
    el("caption", { class: "sr-only" }, "Models that have no rank yet, and what is missing"),
    el("thead", {}, el("tr", {},
      el("th", { scope: "col" }, "Model"),
      el("th", { scope: "col", class: "number" }, "Votes"),
      el("th", { scope: "col", class: "number", title: "Wins, losses and ties" }, "W–L–T"),
      el("th", { scope: "col", class: "wide" }, "What is missing"))),
    el("tbody", {}, ...models.map((model) => el("tr", {},
      nameCell(model, details, el("span", { class: "narrow" }, model.reason)),
      el("td", { class: "number" }, count.format(model.votes)),
      el("td", { class: "number" }, record(model)),
      el("td", { class: "wide reason" }, model.reason)))));
}
