// Who votes here, and the links that let people in.
import { announce, el } from "./dom.js";
import { get, post } from "./api.js";
import { ago, ask, badge, button, card, choice, count, day, field, figures, nothing, plural, section, tick }
  from "./admin_kit.js";
import { sentence } from "./form.js";

const ROLES = [["voter", "Voter"], ["analyst", "Analyst"], ["admin", "Administrator"]];
const roleWord = (role) => ROLES.find(([value]) => value === role)[1];
const called = (person) => person.name ?? `Voter ${person.id.slice(-6)}`;

// ---- links ----

// The sheet is for paper: a link each, to be cut apart.
function sheet(invitations, about) {
  const list = el("ol", { class: "sheet" }, ...invitations.map(({ link, expires_ms: until }) =>
    el("li", {}, el("b", {}, "You are invited to judge"), el("code", {}, link),
      el("small", {}, `${about ? `${about} · ` : ""}Opens once, until ${day(until)}.`))));
  const print = button("Print the sheet", () => window.print(), { class: "button main" });
  return section("New links", "They are shown once. Give each to one person.", el("p", { class: "row" }, print), list);
}

function invite(made, changed) {
  ask("Invite people", "Make the links", [
    field("How many", { type: "number", name: "count", min: 1, max: 1000, value: 5, required: true }),
    choice("Role", "role", ROLES, "voter"),
    field("Cohort", { name: "cohort", maxlength: 64 }, "A group, to be compared or asked apart. May stay empty."),
    field("Note", { name: "note", maxlength: 128 }, "For you alone."),
    field("Days", { type: "number", name: "days", min: 1, max: 3650, value: 30, required: true },
      "Until a link that nobody used expires."),
    tick("Staff", "staff"),
  ], async (form) => {
    const body = { count: Number(form.count.value), role: form.role.value, days: Number(form.days.value),
      staff: form.staff.checked };
    for (const name of ["cohort", "note"]) if (form[name].value.trim()) body[name] = form[name].value.trim();
    const { invitations } = await post("/api/invitations", body);
    made.replaceChildren(sheet(invitations, body.cohort));
    announce(`${plural(invitations.length, "link")} made`);
    await changed();
    made.scrollIntoView();
  }, sentence);
}

const STATES = { used: "used", expired: "expired", withdrawn: "withdrawn" };

function invitation(frame, row, changed) {
  const about = [roleWord(row.role), row.cohort, row.note, row.another ? "another link for a voter" : null];
  const when = row.state === "open" ? `until ${day(row.expires_ms)}`
    : row.state === "used" ? `used ${day(row.used_ms)}` : `made ${day(row.created_ms)}`;
  const withdraw = button("Withdraw", (pressed) => frame.run(pressed, async () => {
    await post(`/api/invitations/${row.id}/revoke`);
    await changed();
    return "Withdrawn";
  }), { "aria-label": `Withdraw invitation ${row.id}` });
  return el("li", {}, el("p", {}, el("code", {}, row.id), " ", STATES[row.state] && badge(STATES[row.state], true)),
    el("p", { class: "detail" }, [...about, when].filter(Boolean).join(" · ")),
    row.state === "open" ? withdraw : null);
}

async function links(frame, place, changed) {
  const { invitations, known } = await get("/api/invitations");
  const open = invitations.filter((row) => row.state === "open");
  const rest = invitations.filter((row) => row.state !== "open");
  const list = (rows) => el("ul", { class: "log" }, ...rows.map((row) => invitation(frame, row, changed)));
  place.replaceChildren(section("Invitations", known
    ? `${plural(open.length, "link")} not used yet, of ${count.format(known)} made.` : "None was made yet.",
    open.length ? list(open) : null,
    rest.length
      ? el("details", {}, el("summary", {}, `${count.format(rest.length)} used, expired or withdrawn`), list(rest))
      : null));
}

// ---- people ----

function change(frame, person, changed) {
  ask(called(person), "Save", [
    choice("Role", "role", ROLES, person.role),
    field("Cohort", { name: "cohort", maxlength: 64, value: person.cohort ?? "" }),
    tick("Staff: boards can leave their votes out", "staff", person.staff),
  ], async (form) => {
    const body = { cohort: form.cohort.value.trim(), staff: form.staff.checked };
    if (form.role.value !== person.role) body.role = form.role.value;
    await post(`/api/people/${person.id}/change`, body);
    await changed();
    announce("Saved");
  }, sentence);
}

function show(frame, person, you, changed) {
  const name = called(person);
  const badges = [person.role !== "voter" && badge(roleWord(person.role)), person.staff && badge("Staff", true),
    person.id === you && badge("You", true)].filter(Boolean);
  const signout = button("Sign out everywhere", (pressed) => frame.run(pressed, async () => {
    await post(`/api/people/${person.id}/signout`);
    await changed();
    return `${name} is signed out`;
  }), { "aria-label": `Sign ${name} out everywhere`, disabled: !person.sessions });
  const notCounted = person.votes - person.counted;
  return card({ title: name, badges, about: [person.cohort, `number ${person.voter}`].filter(Boolean).join(" · "),
    still: !person.sessions && !person.password,
    acts: [button("Change", () => change(frame, person, changed), { "aria-label": `Change ${name}` }), signout] },
  figures(["Votes", count.format(person.votes), notCounted ? `${count.format(notCounted)} not counted` : null],
    ["Last seen", ago(person.last_ms)], ["Here since", day(person.since_ms)],
    ["Sessions", count.format(person.sessions), person.password ? "has a password" : null]));
}

export async function open(frame) {
  const made = el("div");
  const cards = el("div", { class: "cards" });
  const invitations = el("div");
  const more = button("More people", (pressed) => frame.run(pressed, next));
  let before = "";
  async function next() {
    const page = await get(`/api/people${before}`);
    cards.append(...page.people.map((person) => show(frame, person, page.you, again)));
    before = `?before=${page.next}`;
    more.hidden = page.next === null;
    frame.summary(`${plural(page.known, "person", "people")} ${page.known === 1 ? "has" : "have"} a place here.`);
  }
  async function again() {
    before = "";
    cards.replaceChildren();
    await next();
    await links(frame, invitations, again);
  }
  frame.acts(button("Invite", () => invite(made, () => links(frame, invitations, again)), { class: "button main" }));
  await again();
  const voters = cards.hasChildNodes() ? cards : nothing("Nobody yet.");
  frame.body.replaceChildren(made, section("Voters", null, voters, more), invitations);
}
