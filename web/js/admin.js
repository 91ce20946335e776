// The frame of the administrator's pages: one document, a row of rooms, and the module of the room that is open. A room
// exports `title` and `open(frame)`, which fills the page and throws what went wrong.
import { announce, byId, el } from "./dom.js";
import { get } from "./api.js";
import { problem } from "./form.js";

// Path, word, what one must be allowed to do there, and its module.
const ROOMS = [
  ["/admin/models", "Models", "administer", () => import("./admin_models.js")],
  ["/campaigns", "Campaigns", "evaluate"],
  ["/admin/boards", "Boards", "administer", () => import("./admin_boards.js")],
  ["/admin/evaluations", "Evaluations", "evaluate", () => import("./admin_evaluations.js")],
  ["/admin/why", "Why?", "evaluate", () => import("./admin_why.js")],
  ["/admin/people", "People", "administer", () => import("./admin_people.js")],
  ["/admin/requests", "Requests", "administer", () => import("./admin_requests.js")],
  ["/admin/voters", "Voters", "administer", () => import("./admin_voters.js")],
  ["/admin/moderation", "Moderation", "administer", () => import("./admin_moderation.js")],
  ["/admin/sampling", "Sampling", "evaluate", () => import("./admin_sampling.js")],
  ["/admin/audit", "Audit", "administer", () => import("./admin_audit.js")],
];

const may = await get("/api/models").then((told) => told.may, () => []);
const open = ROOMS.filter(([, , act]) => may.includes(act));
const here = ROOMS.find(([path]) => path === location.pathname) ?? open.find((room) => room[3]) ?? ROOMS[0];

byId("rooms").append(...open.map(([path, word]) =>
  el("a", { href: path, "aria-current": path === here[0] ? "page" : null }, word)));
byId("rooms").querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

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

byId("title").textContent = here[1];
document.title = `${here[1]} · arena`;
try {
  const room = await here[3]();
  await room.open(frame);
} catch (error) {
  frame.summary("");
  problem(error);
}
