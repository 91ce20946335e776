// Forms that send one request: once at a time, with what went wrong said below.
import { announce, byId } from "./dom.js";
import { errorSentence } from "./words.js";

const own = new Set(["bad_request", "unauthorized", "forbidden", "not_found", "conflict", "wrong_state", "too_many"]);

// Here the server's own words say more than the vocabulary's.
export function sentence(error) {
  const said = own.has(error?.code) && error.sentence;
  return said ? `${said[0].toUpperCase()}${said.slice(1)}.` : errorSentence(error);
}

export function problem(error) {
  byId("problem").textContent = sentence(error);
  byId("problem").hidden = false;
}

// Runs what a form stands for; `act` gets the form and the button that sent it. What it returns is announced.
export function bind(id, act) {
  byId(id).addEventListener("submit", async (event) => {
    event.preventDefault();
    const buttons = event.target.querySelectorAll("button");
    for (const button of buttons) button.disabled = true;
    byId("problem").hidden = true;
    try {
      const said = await act(event.target, event.submitter);
      if (said) announce(said);
    } catch (error) { problem(error); }
    for (const button of buttons) button.disabled = false;
  });
}
