// The queue: finished pairs that wait for a vote, one after the other, without waiting. Its invitation on the first
// page, and what a voter sees of the way.
import { byId } from "./dom.js";
import { get, post } from "./api.js";

const count = new Intl.NumberFormat();
const pairs = (n) => `${count.format(n)} finished ${n === 1 ? "pair waits" : "pairs wait"}`;

export const queue = {
  look: () => get("/api/queue"),
  next: (key) => post("/api/queue/next", {}, key),
};

// Reasons are asked for in the queue only of those who want to give them.
export const asksWhy = () => byId("queue-why-on").checked;

export const isAsked = () => new URLSearchParams(location.search).has("queue");

// On the first page: how much waits, and the way there.
export async function invite() {
  const progress = await queue.look().catch(() => null);
  const node = byId("queue-invite");
  node.hidden = !progress?.left;
  byId("queue-paused").hidden = !progress?.paused;
  if (progress?.left) byId("queue-invite-text").textContent = `${pairs(progress.left)} for your vote.`;
}

export function showProgress(progress) {
  const node = byId("queue-progress");
  node.hidden = byId("queue-why").hidden = !progress;
  if (!progress) return;
  const all = progress.given + progress.left;
  byId("queue-bar").value = all ? progress.given / all : 1;
  const left = progress.left ? `${count.format(progress.left)} more` : "the last one";
  byId("queue-text").textContent = `${count.format(progress.given)} voted, ${left}`;
}

// What stands on the page when nothing is left.
export function ending(progress) {
  if (progress.paused) {
    return {
      title: ["This campaign", "is paused."],
      text: "One of its models is away or has changed. When it is back as it was, more pairs wait here.",
    };
  }
  const given = progress.given === 1 ? "1 pair" : `${count.format(progress.given)} pairs`;
  if (progress.preparing) {
    return {
      title: ["More pairs", "are on their way."],
      text: `You voted on ${given} so far. The next one appears here by itself.`,
    };
  }
  return {
    title: ["Nothing is left", "to vote on."],
    text: progress.given ? `You voted on ${given}. Thank you.`
      : "When pairs are prepared for you, they will wait here.",
  };
}
