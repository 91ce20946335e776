// An invitation's link, and the notice that a voter agrees to before the first prompt. Opening the link changes
// nothing: the token goes to the server with the button, in a POST's body.
import { byId } from "./dom.js";
import { get, post } from "./api.js";
import { inHouseProblem, recipientsSentence } from "./recipients.js";
import { errorSentence } from "./words.js";

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

// The choice to keep it in-house, where it would change something and can be had.
function offerInHouse(consent) {
  const [box] = byId("rivals").getElementsByTagName("input");
  const problem = inHouseProblem(consent);
  byId("rivals").hidden = !consent.recipients.length && !consent.in_house_only;
  if (problem) byId("in-house-hint").textContent = problem;
  box.disabled = Boolean(problem) && !consent.in_house_only;
  box.checked = consent.in_house_only;
}

async function askConsent() {
  const consent = await get("/api/consent");
  byId("recipients").textContent = consent.recipients.length
    ? `Each prompt goes to the two models of its battle. ${recipientsSentence(consent)}`
    : "All models run here: nothing leaves this arena.";
  offerInHouse(consent);
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
  await post("/api/consent", {
    scope: form.elements.scope.value, notice: byId("notice").textContent,
    in_house_only: form.elements.in_house_only.checked,
  });
  location.assign("/");
});

if (token) show("join");
else askConsent().catch(problem);
