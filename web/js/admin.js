// The frame of the administrator's pages: one document, a row of rooms, and the module of the room that is open. A room
// exports `title` and `open(frame)`, which fills the page and throws what went wrong.
import { announce, byId } from "./dom.js";
import { problem } from "./form.js";
import { enter } from "./rooms.js";

const { word, load } = await enter();

// What a room works with: it shows, says, and does things one at a time.
const frame = {
  body: byId("body"),
  summary(text) { byId("summary").textContent = text; },
  acts(...nodes) { byId("head-acts").replaceChildren(...nodes); },
  problem,
  // Runs what a button stands for and says what was done; the button is off meanwhile.
  async run(button, act) {
    button.disabled = true;
    byId("problem").hidden = true;
    try {
      const said = await act();
      if (said) announce(said);
      return true;
    } catch (error) {
      problem(error);
      byId("problem").scrollIntoView({ block: "nearest" });
      return false;
    } finally { button.disabled = false; }
  },
};

byId("title").textContent = word;
document.title = `${word} · arena`;
try {
  const room = await load();
  await room.open(frame);
} catch (error) {
  frame.summary("");
  problem(error);
}
