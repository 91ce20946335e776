// Early access: the request, how it stands, and the key. The link's token goes to the server in a POST's body alone;
// the key exists from the moment it is shown, once.
import { announce, byId } from "./dom.js";
import { post } from "./api.js";
import { bind, problem } from "./form.js";

const count = new Intl.NumberFormat();
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "long" });
const token = location.pathname.startsWith("/access/") ? location.pathname.slice("/access/".length) : null;

function show(id) {
  for (const part of ["ask", "asked", "state"]) byId(part).hidden = part !== id;
}

function copies(button, from) {
  byId(button).addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(byId(from).textContent);
      announce("Copied");
    } catch { getSelection().selectAllChildren(byId(from)); }  // plain http has no clipboard
  });
}

bind("ask", async (form) => {
  const body = Object.fromEntries(["name", "email", "organisation", "use"]
    .map((name) => [name, form.elements[name].value.trim()]));
  const { link } = await post("/api/access", body);
  byId("link").textContent = link;
  byId("go").href = new URL(link).pathname;
  show("asked");
  return "Your request is sent. Keep the link.";
});

// ---- how it stands ----

function granted({ requests_per_minute: often, tokens_per_day: much, expires_ms: until }) {
  const limits = [often ? `${count.format(often)} requests a minute` : null,
    much ? `${count.format(much)} tokens a day` : null].filter(Boolean).join(" and ");
  return `${limits || "No limits"}${until ? `, until ${day.format(new Date(until))}` : ""}.`;
}

const STATES = {
  pending: (state) => ["Your request is read soon", state.place > 1
    ? `There are ${count.format(state.place - 1)} before it.` : "It is the next to be read."],
  waiting: (state) => ["You are on the waiting list",
    `Place ${count.format(state.place)}. There is no need to ask again.`],
  refused: () => ["We cannot give you a key", ""],
  approved: (state) => [state.key_waits ? "Your key is ready" : "Your key was shown",
    state.key_waits ? "Open it where you can keep it: it is shown once."
      : "If it is lost, ask those who run this arena to revoke it and grant another."],
};

function showState(state) {
  const [title, text] = STATES[state.state](state);
  const asked = `Asked by ${state.name} on ${day.format(new Date(state.asked_ms))}.`;
  byId("state-title").textContent = title;
  byId("state-text").textContent = state.reason ?? text;
  byId("state-more").textContent = [state.grant && granted(state.grant), asked].filter(Boolean).join(" ");
  byId("fetch").hidden = !state.key_waits;
  document.title = `${title} · arena`;
  show("state");
}

// The first model that the key opens, or a word that says what belongs there.
async function example(key) {
  let model = "MODEL";
  try {
    const reply = await fetch("/v1/models", { headers: { Authorization: `Bearer ${key}` } });
    model = (await reply.json()).data[0].id;
  } catch { /* the example stays general */ }
  byId("example").textContent = `curl ${location.origin}/v1/chat/completions \\\n`
    + `  -H "Authorization: Bearer $ARENA_KEY" \\\n  -H "Content-Type: application/json" \\\n`
    + `  -d '${JSON.stringify({ model, messages: [{ role: "user", content: "Hello" }] })}'`;
}

bind("fetch", async () => {
  const { key } = await post("/api/access/key", { token });
  byId("secret").textContent = key;
  byId("fetch").hidden = true;
  byId("state-title").textContent = "Here is your key";
  byId("state-text").textContent = "";
  byId("key").hidden = false;
  await example(key);
  return "Here is your key.";
});

copies("copy", "link");
copies("copy-key", "secret");
if (token === null) show("ask");
else post("/api/access/state", { token }).then(showState, (error) => {
  byId("state-title").textContent = "Early access";
  show("state");
  problem(error);
});
