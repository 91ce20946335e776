// A voter's own page: the own leaderboard beside everybody's, ways back in, and what is stored.
import { byId, el } from "./dom.js";
import { get, post } from "./api.js";
import { bind, problem } from "./form.js";

const count = new Intl.NumberFormat();
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "long" });

function show(id) {
  for (const part of ["login", "nobody", "account"]) byId(part).hidden = part !== id;
}

// ---- the own leaderboard ----

// Ranked or not, by what was won of what was voted on: a single voter's votes rarely connect all models.
function rows(board) {
  const all = [...board.models, ...board.unranked];
  const score = (row) => (row.wins + (row.votes - row.wins - row.losses) / 2) / row.votes;
  return all.filter((row) => row.votes).map((row) => ({ ...row, score: score(row) }))
    .sort((a, b) => b.score - a.score || b.votes - a.votes);
}

function table(own, crowd) {
  const places = new Map(crowd.models.map((row) => [row.model, row.rank]));
  const cells = (row, place) => [
    el("td", {}, String(place)), el("th", { scope: "row" }, row.model),
    el("td", {}, `${count.format(row.wins)} of ${count.format(row.votes)}`),
    el("td", {}, String(places.get(row.model) ?? "–")),
  ];
  const head = ["You", "Model", "Won", "All voters"].map((text) => el("th", { scope: "col" }, text));
  return el("table", {}, el("thead", {}, el("tr", {}, ...head)),
    el("tbody", {}, ...own.map((row, i) => el("tr", {}, ...cells(row, i + 1)))));
}

async function showTaste() {
  const [board, crowd] = await Promise.all([get("/api/account/leaderboard"), get("/api/leaderboard")]);
  const own = rows(board);
  byId("taste-summary").textContent = own.length
    ? `${count.format(board.votes)} counted ${board.votes === 1 ? "vote" : "votes"} of yours, ordered by what won`
      + (crowd.published === null ? ". All voters’ places stand beside it once they are published."
        : ", beside the place that all voters give.")
    : "It appears with your first counted vote.";
  byId("taste").replaceChildren(...own.length ? [table(own, crowd)] : []);
}

// ---- who this is ----

const ROLES = { voter: "Voter", analyst: "Analyst", admin: "Administrator" };

function showLeftOut(leftOut) {
  byId("left-out").hidden = !leftOut;
  if (!leftOut) return;
  const from = leftOut.from_ms ? `Those from ${day.format(new Date(leftOut.from_ms))} on do` : "They do";
  byId("out-text").textContent = `${from} not move the leaderboards. You can go on voting, and they stay on record.`;
  byId("appealed").textContent = leftOut.appeal ?? "";
  byId("appealed").hidden = !leftOut.appeal;
}

function showAccount(account) {
  showLeftOut(account.left_out);
  byId("lead").hidden = account.role === "voter";
  byId("lead-to").textContent = account.role === "admin" ? "Administration" : "Evaluations";
  const since = day.format(new Date(account.since_ms));
  byId("who").textContent = [account.name, ROLES[account.role], account.cohort, `here since ${since}`]
    .filter(Boolean).join(", ");
  byId("password").elements.name.value = account.name ?? "";
  byId("current").hidden = !account.password;
  byId("current").querySelector("input").required = account.password;
  show("account");
}

async function read() {
  try {
    showAccount(await get("/api/account"));
    await showTaste();
  } catch (error) {
    if (error.code === "unauthorized") show("login");
    else if (error.code === "not_found") show("nobody");
    else problem(error);
  }
}

// ---- what can be done ----

const values = (form, ...names) => Object.fromEntries(names.map((name) => [name, form.elements[name].value]));

bind("login", async (form) => {
  await post("/api/login", values(form, "name", "password"));
  form.reset();
  await read();
});

bind("password", async (form) => {
  const body = values(form, "name", "password");
  if (!byId("current").hidden) body.current = form.elements.current.value;
  await post("/api/account/password", body);
  form.reset();
  await read();
  return "Saved.";
});

bind("appeal", async (form) => {
  await post("/api/account/appeal", values(form, "text"));
  form.reset();
  await read();
  return "Sent. Whoever runs this arena reads it.";
});

bind("link", async () => {
  const { link } = await post("/api/account/link");
  byId("made").textContent = link;
  byId("made").hidden = false;
  return "The link is made.";
});

bind("logout", async (form, button) => {
  await post("/api/logout", button.value === "everywhere" ? { everywhere: true } : {});
  location.reload();
});

bind("erase", async () => {
  const sure = byId("sure");
  sure.returnValue = "no";
  sure.showModal();
  await new Promise((closed) => sure.addEventListener("close", closed, { once: true }));
  if (sure.returnValue !== "yes") return;
  await post("/api/account/erase", { erase: "everything" });
  location.assign("/");
});

read();
