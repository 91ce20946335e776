// Voters who vote unlike somebody that reads, and those whom the boards leave out.
import { announce, el } from "./dom.js";
import { get, post } from "./api.js";
import { ask, badge, button, card, count, day, field, figures, longField, nothing, plural, section, tick }
  from "./admin_kit.js";
import { sentence } from "./form.js";

const called = ({ name, id, voter }) => name ?? (id ? `Voter ${id.slice(-6)}` : `Voter ${voter}`);
const z = (value) => (value === null ? "–" : value.toFixed(1));

function chance(p) {
  return p < 0.0001 ? "under 1 in 10,000" : p > 0.2 ? "usual" : `1 in ${count.format(Math.round(1 / p))}`;
}

function why(row) {
  if (row.reason === "boost") return `${row.boosted} wins more with this voter than with anybody else.`;
  if (row.reason === "sense") return "The votes fit what everybody else says little better than coin flips.";
  return `Chooses the answer on the ${row.side < 0 ? "right" : "left"} much more often than others.`;
}

const note = () => longField("Note", { name: "note", rows: 3, required: true }, "Why. It stands in the record.");

function exclude(row, changed) {
  ask(`Leave out ${called(row)}`, "Leave out", [
    field("From", { type: "date", name: "from" }, "Votes of that day (UTC) and later. Empty: all."),
    note(),
    tick("Tell the voter, who may then appeal", "tell"),
  ], async (form) => {
    const body = { voter: row.voter, note: form.note.value.trim(), tell: form.tell.checked };
    if (form.from.value) body.from = form.from.value;
    await post("/api/exclusions", body);
    await changed();
    announce(`${called(row)} is left out`);
  }, sentence);
}

function takeBack(row, changed) {
  ask(`Count ${called(row)} again`, "Count again", [
    note(),
  ], async (form) => {
    await post("/api/exclusions", { voter: row.voter, back: true, note: form.note.value.trim() });
    await changed();
    announce(`${called(row)} counts again`);
  }, sentence);
}

function showSuspect(row, excluded, changed) {
  const left = excluded.some(({ voter }) => voter === row.voter);
  const badges = [row.flagged && badge("look at this one"), row.staff && badge("Staff", true),
    left && badge("left out", true)].filter(Boolean);
  return card({
    title: called(row), badges, about: [row.cohort, `number ${row.voter}`].filter(Boolean).join(" · "), still: left,
    acts: left ? [] : [button("Leave out", () => exclude(row, changed), { "aria-label": `Leave out ${called(row)}` })],
  }, row.flagged ? el("p", { class: "said" }, why(row)) : null,
  figures(["Votes", count.format(row.votes)], ["Side", z(row.side), "left answer"],
    ["Against the rest", z(row.sense), "random"],
    ["One model", z(row.boost), row.boosted], ["By chance", chance(row.p)]),
  row.same_address ? el("p", { class: "about" }, `Today from the same address as ${plural(row.same_address, "other")}.`)
    : null);
}

function showExcluded(row, changed) {
  return card({
    title: called(row), badges: [badge(row.from_ms ? `from ${day(row.from_ms)}` : "all votes", true),
      row.appeal && badge("appeal")].filter(Boolean),
    about: [row.cohort, `number ${row.voter}`, `decided ${day(row.at_ms)}`, row.told ? "was told" : "was not told"]
      .filter(Boolean).join(" · "),
    acts: [button("Count again", () => takeBack(row, changed), { "aria-label": `Count ${called(row)} again` })],
  }, el("p", { class: "said" }, row.note), row.appeal && el("blockquote", {}, row.appeal));
}

export async function open(frame) {
  const place = el("div");
  async function again() {
    const found = await get("/api/suspects");
    const flagged = found.voters.filter((row) => row.flagged);
    const rest = found.voters.filter((row) => !row.flagged);
    const show = (row) => showSuspect(row, found.excluded, again);
    const cards = (rows) => el("div", { class: "cards" }, ...rows.map(show));
    frame.summary(`${count.format(found.voters.length)} of ${plural(found.voters_known, "voter")} gave the `
      + `${found.least_votes} votes that a check takes. Of honest voters about ${100 * found.alpha} % are flagged by `
      + "mistake.");
    place.replaceChildren(
      section("Look at these", "A flag is a reason to look, never proof.",
        flagged.length ? cards(flagged) : nothing("Nobody stands out.")),
      section("Left out of the boards",
        "Their votes stay in the ledger; every board says up to which decision it was made.",
        found.excluded.length ? el("div", { class: "cards" }, ...found.excluded.map((row) => showExcluded(row, again)))
          : nothing("Nobody.")),
      rest.length ? section("Everybody else", null, el("details", {},
        el("summary", {}, plural(rest.length, "voter")), cards(rest))) : "");
  }
  await again();
  frame.body.replaceChildren(place);
}
