// An invitation's link, and the notice that a voter agrees to before the first prompt. Opening the link changes
// nothing: the token goes to the server with the button, in a POST's body.
import { byId } from "./dom.js";
import { get, post } from "./api.js";
import { errorSentence } from "./words.js";

const list = new Intl.ListFormat("en");
const own = new Set(["unauthorized", "forbidden", "not_found"]);  // here the server's own words say more

function problem(error) {
  const said = own.has(error?.code) && error.sentence;
  byId("problem").textContent = said ? `${said[0].toUpperCase()}${said.slice(1)}.` : errorSentence(error);
  byId("problem").hidden = false;
}

// Runs what a form stands for, once at a time.
function bind(id, act) {
  byId(id).addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = event.target.querySelector("button");
    button.disabled = true;
    byId("problem").hidden = true;
    try { await act(event.target); } catch (error) { problem(error); }
    button.disabled = false;
  });
}

function show(id) {
  for (const form of ["join", "consent"]) byId(form).hidden = form !== id;
  document.title = `${id === "join" ? "Join" : "Your data"} · arena`;
}

// Whoever runs a remote competitor receives the prompts of its battles.
async function recipients() {
  const { models } = await get("/api/models");
  const names = models.filter((model) => model.provider !== "engine" && !model.in_house)
    .map((model) => model.organisation ?? model.name);
  return [...new Set(names)];
}

async function askConsent() {
  const [consent, names] = await Promise.all([get("/api/consent"), recipients()]);
  byId("recipients").textContent = names.length
    ? "Each prompt goes to the two models of its battle. "
      + `Some are run by others: ${list.format(names)} may receive what you write.`
    : "All models run here: nothing leaves this arena.";
  byId("notice").textContent = consent.notice;
  if (consent.scope !== "none") byId("consent").elements.scope.value = consent.scope;
  byId("agree").textContent = consent.current ? "Save" : "Agree and start";
  show("consent");
}

const token = location.pathname.startsWith("/join/") ? location.pathname.slice("/join/".length) : null;

bind("join", async () => {
  await post("/api/join", { token });
  history.replaceState(null, "", "/consent");  // the used token is not kept in the browser's history
  await askConsent();
});

bind("consent", async (form) => {
  await post("/api/consent", { scope: form.elements.scope.value, notice: byId("notice").textContent });
  location.assign("/");
});

if (token) show("join");
else askConsent().catch(problem);
