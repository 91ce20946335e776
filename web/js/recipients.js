// Who receives what a voter writes: whoever runs a model that is not this arena's own. Said before the first prompt,
// with the choice to keep it in-house; the server holds to the choice.
import { get } from "./api.js";

const list = new Intl.ListFormat("en");

// The others' names, and how many in-house models there are to choose from: a battle needs two.
export async function recipients() {
  const { models } = await get("/api/models");
  const active = models.filter((model) => model.state === "active");
  const names = active.filter((model) => model.provider !== "engine" && !model.in_house)
    .map((model) => model.organisation ?? model.name);
  return { names: [...new Set(names)], inHouse: active.filter((model) => model.in_house).length };
}

export function recipientsSentence({ names }) {
  return `Some models are run by others: ${list.format(names)} may receive what you write.`;
}

// Why the choice cannot be had, or null.
export function inHouseProblem({ inHouse }) {
  if (inHouse >= 2) return null;
  return inHouse ? "Not possible here yet: a battle needs two in-house models, and there is one."
    : "Not possible here: this arena has no in-house models.";
}
