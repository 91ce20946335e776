// Who receives what a voter writes: whoever runs a model that is not this arena's own. Said before the first prompt,
// with the choice to keep it in-house; the server holds to the choice. `consent` is the answer of /api/consent.
const list = new Intl.ListFormat("en");

export function recipientsSentence({ recipients }) {
  return `Some models are run by others: ${list.format(recipients)} may receive what you write.`;
}

// Why the choice cannot be had, or null: a battle needs two.
export function inHouseProblem({ in_house_models: inHouse }) {
  if (inHouse >= 2) return null;
  return inHouse ? "Not possible here yet: a battle needs two in-house models, and there is one."
    : "Not possible here: this arena has no in-house models.";
}
