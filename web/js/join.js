// An invitation's link, and the notice that a voter agrees to before the first prompt. Opening the link changes
// nothing: the token goes to the server with the button, in a POST's body.
import { byId } from "./dom.js";
import { get, post } from "./api.js";
import { inHouseProblem, recipientsSentence } from "./recipients.js";
import { bind, problem } from "./form.js";

function show(id) {
  for (const form of ["join", "consent", "nobody"]) byId(form).hidden = form !== id;
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

// Who comes for the first time begins where the first vote is nearest: at a finished pair, if one waits.
async function onward() {
  const progress = byId("agree").textContent === "Save" ? null : await get("/api/queue").catch(() => null);
  return progress?.left ? "/?queue" : "/";
}

bind("consent", async (form) => {
  await post("/api/consent", {
    scope: form.elements.scope.value, notice: byId("notice").textContent,
    in_house_only: form.elements.in_house_only.checked,
  });
  location.assign(await onward());
});

if (token) show("join");
else askConsent().catch((error) => (error.code === "unauthorized" ? show("nobody") : problem(error)));
