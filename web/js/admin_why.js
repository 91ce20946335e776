// "Why 13th?": one model against each rival and each version of its own, and the battles it lost, one by one.
import { el } from "./dom.js";
import { get } from "./api.js";
import { choice, nothing, section, time } from "./admin_kit.js";
import { Reader } from "./reader.js";
import { sheets } from "./sheet.js";

const WHOSE = [["", "As the leaderboard"], ["human", "People"], ["model", "Models"], ["any", "Both"]];
const BY = { human: "people’s votes", model: "models’ votes", any: "people’s and models’ votes" };
const LONG_MS = 120000;  // a board for each category, of every vote there is
const LOST = "Battles it lost, the newest first";

const ordinal = (number) => {
  const kind = new Intl.PluralRules("en", { type: "ordinal" }).select(number);
  return `${number}${{ one: "st", two: "nd", few: "rd", other: "th" }[kind]}`;
};

const named = (tables, title) => tables.find((table) => table.title === title) ?? { rows: [] };

// The newest version's row of the board: the plain name.
function standing(tables, model) {
  const { rows } = named(tables, "Where it stands");
  return { row: rows.find(([name]) => name === `> ${model}`), all: rows.length };
}

function headline(tables, model) {
  const { row } = standing(tables, model);
  return row ? `Why ${ordinal(parseInt(row[1], 10))}?` : "Why not ranked?";
}

function summary(page, model) {
  const { row, all } = standing(page.tables, model);
  const place = row ? `${model} is ${ordinal(parseInt(row[1], 10))} of ${all}, rated ${row[2]} ± ${row[3]}`
    : `${model} is not ranked yet`;
  return `${place}, by ${BY[page.votes_of]}.`;
}

const rivals = (tables) => [...new Set(named(tables, "Against each rival and each version of its own").rows
  .map((row) => row[2]).filter((name) => name !== "everybody"))];
const categories = (tables) => [...new Set(named(tables, "By category").rows.map((row) => row[0]))];

const query = (values) => new URLSearchParams(Object.entries(values).filter(([, value]) => value)).toString();

// The lost battles with their filters.
function lost(frame, page, model, votes) {
  const filter = { rival: "", category: "" };
  let next = 0, asked = 0;
  const asItem = (row) => ({ ...row, title: row.opening || "An erased prompt",
    about: `to ${row.rival} · ${row.judge === "human" ? "a person" : "a model"} · ${time(row.at_ms)}` });
  // A page of the list; null where the filter was changed before it came.
  const readPage = async (before) => {
    const mine = asked;
    const found = await get(`/api/why/lost?${query({ model, votes, ...filter, before })}`);
    if (mine !== asked) return null;
    next = found.next ?? 0;
    return found.battles.map(asItem);
  };
  const reader = new Reader(({ battle_id: id }) => get(`/api/why/battles/${encodeURIComponent(id)}`));
  const empty = nothing("None such.");
  const more = async () => {
    const items = await readPage(next);
    if (items && !next) reader.more = null;
    return items ?? [];
  };
  const again = async () => {
    asked += 1;
    const first = await readPage(0);
    if (!first) return;
    reader.more = next ? more : null;
    empty.hidden = first.length > 0;
    await reader.show(first);
  };
  const choose = (word, name, all, names) => choice(word, name, [["", all], ...names.map((one) => [one, one])], "");
  const form = el("form", { class: "filters", "aria-label": "Which battles" },
    choose("Lost to", "rival", "Anybody", rivals(page.tables)),
    choose("Category", "category", "All", categories(page.tables)));
  form.addEventListener("change", () => {
    filter.rival = form.elements.rival.value;
    filter.category = form.elements.category.value;
    again().catch(frame.problem);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  const about = named(page.tables, LOST).note;
  return [section("Battles it lost", about ?? "The newest first, with what its voters said.", form, empty, reader.node),
    again];
}

async function show(frame, model, votes, isStill) {
  const page = await get(`/api/why?${query({ model, votes })}`, LONG_MS);
  if (!isStill()) return;
  document.getElementById("title").textContent = headline(page.tables, model);
  document.title = `Why ${model}? · arena`;
  frame.summary(summary(page, model));
  const [part, begin] = lost(frame, page, model, votes);
  const [first, ...others] = sheets(page.tables.filter(({ title }) => title !== LOST));
  frame.body.replaceChildren(...[first, part, ...others].filter(Boolean));
  await begin();
}

export async function open(frame) {
  const { models } = await get("/api/why");
  if (!models.length) {
    frame.summary("Nobody was asked anything here yet.");
    return;
  }
  const asked = new URLSearchParams(location.search);
  const known = models.some(({ name }) => name === asked.get("model"));
  const form = el("form", { class: "filters", "aria-label": "Whose standing" },
    choice("Model", "model", models.map(({ name, in_house: ours }) => [name, ours ? `${name} (in-house)` : name]),
      known ? asked.get("model") : models[0].name),
    choice("Votes of", "votes", WHOSE, asked.get("votes") ?? ""));
  let drawn = 0;
  const draw = () => {
    const mine = drawn += 1;
    return show(frame, form.elements.model.value, form.elements.votes.value, () => mine === drawn);
  };
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", () => {
    const { model, votes } = form.elements;
    history.replaceState(null, "", `?${query({ model: model.value, votes: votes.value })}`);
    draw().catch(frame.problem);
  });
  frame.acts(form);
  await draw();
}
