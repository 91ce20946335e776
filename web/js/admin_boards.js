// What voters see of the leaderboards: publishing them as they are now, and what was published before.
import { announce, el } from "./dom.js";
import { get, post } from "./api.js";
import { ask, badge, button, count, longField, nothing, plural, section, time } from "./admin_kit.js";
import { sentence } from "./form.js";

function publish(changed) {
  ask("Publish the leaderboards", "Publish", [
    el("p", {}, "Voters see every board as it is now, until the next publication."),
    longField("Note", { name: "note", rows: 2, maxlength: 400 }, "For the record; voters do not see it."),
  ], async (form) => {
    const done = await post("/api/publications", { note: form.note.value.trim() });
    await changed();
    announce(`Published, up to vote ${count.format(done.votes)}`);
  }, sentence);
}

function row(entry, newest) {
  return el("li", {}, el("time", { datetime: new Date(entry.at_ms).toISOString() }, time(entry.at_ms)),
    el("p", {}, el("b", {}, entry.votes ? `Up to vote ${count.format(entry.votes)}` : "Before the first vote"), " ",
      newest && badge("voters see it")),
    entry.note && el("p", { class: "detail" }, entry.note));
}

export async function open(frame) {
  const place = el("div");
  async function again() {
    const [{ publications }, live] = await Promise.all([get("/api/publications"),
      get("/api/leaderboard?judge=any&published=0")]);
    const [newest] = publications;
    frame.summary(newest ? `Voters see the boards of ${time(newest.at_ms)}. Live, there are `
      + `${plural(live.votes, "counted vote")}.` : "Voters see no board yet: nothing has been published.");
    place.replaceChildren(section("Published",
      "Live figures are for analysts and administrators. In the auth mode local everybody is one.",
      publications.length ? el("ol", { class: "log" }, ...publications.map((entry) => row(entry, entry === newest)))
        : nothing("Nothing yet.")));
  }
  frame.acts(button("Publish…", () => publish(again), { class: "button main" }));
  await again();
  frame.body.replaceChildren(place);
}
