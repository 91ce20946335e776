// The row of rooms over the pages of those who run the arena: whoever may enter a room finds it there, others find no
// row at all.
import { byId, el } from "./dom.js";
import { get } from "./api.js";

// Path, word, what one must be allowed to do there, and its module; campaigns have a page of their own.
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

// Gives the word and the module of the room that is open, and what one may do.
export async function enter() {
  const may = await get("/api/models").then((told) => told.may, () => []);
  const open = ROOMS.filter(([, , act]) => may.includes(act));
  const [path, word, , load] = ROOMS.find(([at]) => at === location.pathname || location.pathname.startsWith(`${at}/`))
    ?? open.find((room) => room[3]) ?? ROOMS[0];
  byId("rooms").append(...open.map(([to, name]) =>
    el("a", { href: to, "aria-current": to === path ? "page" : null }, name)));
  byId("rooms").hidden = !open.length;
  byId("rooms").querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  return { word, load, may };
}
