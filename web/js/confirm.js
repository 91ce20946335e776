// Asks an administrator for the password once more, before an act that needs it.
import { el } from "./dom.js";
import { errorSentence } from "./words.js";

// `check` tries the password and throws where it is wrong. Gives whether it was right; false: given up.
export function askPassword(check) {
  const input = el("input", { type: "password", name: "password", autocomplete: "current-password", required: true });
  const problem = el("p", { class: "problem", role: "alert", hidden: true });
  const form = el("form", {},
    el("h2", { id: "confirm-title" }, "Is it still you?"),
    el("p", {}, "What administrators change asks for the password once in a while."),
    el("label", { class: "field" }, "Password", input), problem,
    el("div", { class: "row" }, el("button", { class: "button main" }, "Go on"),
      el("button", { class: "button quiet", type: "button", onclick: () => dialog.close() }, "Cancel")));
  const dialog = el("dialog", { class: "confirm", "aria-labelledby": "confirm-title" }, form);
  let right = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await check(input.value);
      right = true;
      dialog.close();
    } catch (error) {
      const said = error.code === "forbidden" ? error.sentence : null;
      problem.textContent = said ? `${said[0].toUpperCase()}${said.slice(1)}.` : errorSentence(error);
      problem.hidden = false;
      input.select();
    }
  });
  document.body.append(dialog);
  dialog.showModal();
  const closed = (done) => () => { dialog.remove(); done(right); };
  return new Promise((done) => dialog.addEventListener("close", closed(done), { once: true }));
}
