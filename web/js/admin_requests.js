// Who asked for a key, what was decided, and what the keys are used for.
import { announce, el } from "./dom.js";
import { get, post } from "./api.js";
import { ask, badge, button, card, count, day, excerpt, field, figures, longField, nothing, plural, section }
  from "./admin_kit.js";
import { sentence } from "./form.js";

const number = (name, value, more) => ({ type: "number", name, value, min: 0, required: true, ...more });
const limit = (value) => (value ? count.format(value) : "no limit");

const decide = (id, body) => post(`/api/requests/${id}/decide`, body);

function approve(request, changed) {
  ask(`A key for ${request.name}`, "Approve", [
    field("Requests a minute", number("requests_per_minute", 20), "0: no limit."),
    field("Tokens a day", number("tokens_per_day", 200000), "In and out together. 0: no limit."),
    field("Days", number("days", 90, { max: 36500 }), "Until it expires. 0: never."),
  ], async (form) => {
    const body = { state: "approved" };
    for (const name of ["requests_per_minute", "tokens_per_day", "days"]) body[name] = Number(form[name].value);
    await decide(request.request_id, body);
    await changed();
    announce(`${request.name} can fetch the key`);
  }, sentence);
}

function refuse(request, changed) {
  ask(`Refuse ${request.name}`, "Refuse", [
    longField("Reason", { name: "reason", rows: 4, maxlength: 512, required: true }, "The requester reads it."),
  ], async (form) => {
    await decide(request.request_id, { state: "refused", reason: form.reason.value.trim() });
    await changed();
    announce(`${request.name} is refused`);
  }, sentence);
}

const STATES = { pending: "new", waiting: "waiting list", approved: "approved", refused: "refused" };

function acts(frame, request, changed) {
  if (request.state === "refused" || request.key_id) return [];
  const wait = button("Waiting list", (pressed) => frame.run(pressed, async () => {
    await decide(request.request_id, { state: "waiting" });
    await changed();
    return `${request.name} is on the waiting list`;
  }), { "aria-label": `Put ${request.name} on the waiting list` });
  return [button(request.state === "approved" ? "Grant otherwise" : "Approve", () => approve(request, changed),
    { "aria-label": `Approve ${request.name}` }), request.state === "pending" ? wait : null,
  button("Refuse", () => refuse(request, changed), { "aria-label": `Refuse ${request.name}` })].filter(Boolean);
}

function outcome(request) {
  if (request.state !== "approved") return request.reason && `Refused: ${request.reason}`;
  const fetched = request.key_id ? "the key was fetched" : "the key waits to be fetched";
  return `${limit(request.requests_per_minute)} requests a minute, ${limit(request.tokens_per_day)} tokens a day; `
    + `${fetched}.`;
}

function show(frame, request, changed) {
  const said = outcome(request);
  return card({
    title: request.name, badges: [badge(STATES[request.state], request.state !== "pending")],
    about: [request.organisation, request.email, `asked ${day(request.asked_ms)}`].filter(Boolean).join(" · "),
    still: request.state === "refused", acts: acts(frame, request, changed),
  }, excerpt(request.use), said && el("p", { class: "said" }, said));
}

function usage({ requests, input_tokens: input, output_tokens: output }) {
  return [count.format(requests), requests ? `${count.format(input)} tokens in, ${count.format(output)} out` : null];
}

function showKey(frame, key, changed) {
  const over = key.revoked_ms ? "revoked" : key.expires_ms && key.expires_ms < Date.now() ? "expired" : null;
  const revoke = button("Revoke", (pressed) => frame.run(pressed, async () => {
    await post(`/api/keys/${key.key_id}/revoke`);
    await changed();
    return "The key is revoked";
  }), { "aria-label": `Revoke the key of ${key.name}` });
  return card({
    title: key.name, badges: over ? [badge(over, true)] : [], still: Boolean(over),
    about: [key.organisation, key.contact].filter(Boolean).join(" · "), acts: over === "revoked" ? [] : [revoke],
  }, figures(["Requests today", ...usage(key.today)], ["Thirty days", ...usage(key.month)], ["Ever", ...usage(key.all)],
    ["Last used", key.last_used_ms ? day(key.last_used_ms) : "never"],
    ["Limits", `${limit(key.requests_per_minute)} a minute`, `${limit(key.tokens_per_day)} tokens a day`],
    ["Expires", day(key.expires_ms), `made ${day(key.created_ms)}`]));
}

function queue(frame, rows, changed) {
  const cards = (list) => el("div", { class: "cards" }, ...list.map((request) => show(frame, request, changed)));
  const part = (state) => rows.filter((request) => request.state === state);
  const settled = rows.filter(({ state }) => state === "approved" || state === "refused").reverse();
  return [
    section("New", null, part("pending").length ? cards(part("pending")) : nothing("Nobody waits for an answer.")),
    part("waiting").length
      ? section("Waiting list", "In the order in which they asked.", cards(part("waiting"))) : null,
    settled.length ? section("Decided", null, cards(settled)) : null,
  ].filter(Boolean);
}

function summaryOf({ open, more, requests }) {
  const fresh = requests.filter(({ state }) => state === "pending").length;
  const page = open ? `${plural(fresh, "request")} to decide.`
    : "The public page is off: set “early_access” in the configuration to offer it at /access.";
  return more ? `${page} Only the oldest are shown: the spreadsheet has all.` : page;
}

export async function open(frame) {
  const place = el("div");
  async function again() {
    const [asked, { keys }] = await Promise.all([get("/api/requests"), get("/api/keys")]);
    frame.summary(summaryOf(asked));
    place.replaceChildren(...queue(frame, asked.requests, again),
      section("Keys", "What each was used for. A key’s secret is shown once and stored nowhere.",
        keys.length ? el("div", { class: "cards" }, ...keys.map((key) => showKey(frame, key, again)))
          : nothing("There are no keys.")));
  }
  frame.acts(el("a", { class: "button quiet edged", href: "/api/requests?format=csv", download: "requests.csv" },
    "Download the requests"));
  await again();
  frame.body.replaceChildren(place);
}
