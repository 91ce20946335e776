// What administrators did, newest first.
import { el } from "./dom.js";
import { get } from "./api.js";
import { badge, button, nothing, time } from "./admin_kit.js";

const actorOf = ({ name, actor }) => name ?? (actor.length === 26 ? actor.slice(-6) : actor);

function row(entry) {
  return el("li", {}, el("time", { datetime: new Date(entry.at_ms).toISOString() }, time(entry.at_ms)),
    el("p", {}, el("b", {}, entry.act[0].toUpperCase() + entry.act.slice(1)), " ", badge(actorOf(entry), true)),
    entry.detail && el("p", { class: "detail" }, entry.detail));
}

export async function open(frame) {
  const list = el("ol", { class: "log" });
  const more = button("Earlier", (pressed) => frame.run(pressed, next));
  let before = "";
  async function next() {
    const page = await get(`/api/audit${before}`);
    list.append(...page.entries.map(row));
    before = `?before=${page.next}`;
    more.hidden = page.next === null;
  }
  await next();
  frame.summary("Every act of an administrator, in the browser and on the command line. Nothing here can be changed.");
  frame.body.replaceChildren(list.hasChildNodes() ? list : nothing("Nothing was done yet."), more);
}
