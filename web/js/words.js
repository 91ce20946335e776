// Every sentence that stands for a code. The server's vocabulary is fixed; a voter never sees a code alone.

const ERRORS = {
  already_voted: "This battle already has its vote.",
  wrong_state: "This battle has moved on meanwhile. Reload the page to see how it stands.",
  conflict: "The same request is still under way. Wait a moment and try again.",
  in_house_only: "Your prompts stay in-house, and too few models there can answer. Let rivals answer, or ask the lab.",
  consent_required: "Agree to the notice first: it says who may receive what you write. Reload the page to read it.",
  bad_request: "The arena did not understand that request. Reload the page and try again.",
  bad_utf8: "This text holds characters that cannot be read. Paste it again as plain text.",
  prompt_empty: "Write a prompt first.",
  prompt_too_long: "This prompt is too long. Shorten it and send it again.",
  too_large: "This prompt is too long. Shorten it and send it again.",
  too_many: "You have as many battles open as you may have, or were a little fast. Finish one, or wait a moment.",
  not_found: "This battle is not here, or it belongs to another voter.",
  unauthorized: "You are not signed in to this arena. Open the link of your invitation.",
  forbidden: "You may not do that in this arena.",
  confirm_required: "Nothing was done: an administrator’s acts ask for the password first.",
  bad_origin: "This page was not opened from the arena’s own address. Open the address that the arena printed.",
  bad_host: "This page was not opened from the arena’s own address. Open the address that the arena printed.",
  busy: "The arena is busy. Nothing was lost: try again in a moment.",
  unavailable: "The arena is busy. Nothing was lost: try again in a moment.",
  store_unavailable: "The arena cannot save anything just now, so nothing was counted. Try again in a moment.",
  offline: "The arena cannot be reached. Check that it is running, then try again.",
  internal: "Something went wrong in the arena. Try again.",
};

// Of these the server's own words say what there is too much of, and what to do.
const SAID = new Set(["too_many"]);

export function errorSentence(error) {
  const said = SAID.has(error?.code) && error.sentence;
  if (said) return `${said[0].toUpperCase()}${said.slice(1)}.`;
  return ERRORS[error?.code] ?? error?.sentence ?? ERRORS.internal;
}

const VOIDS = {
  failed: "One of the models did not manage to answer.",
  restart: "The arena was restarted while the models were answering.",
};

export function voidSentence(code) {
  return `${VOIDS[code] ?? VOIDS.failed} Neither of them gains or loses by it.`;
}

const NOT_COUNTED = {
  self_identified: "An answer gave away which model wrote it, so the vote is kept but does not move the leaderboard.",
  not_blind: "The names were known before this vote, so it is kept but does not move the leaderboard.",
  control: "Both answers were a check on the votes themselves, so this one is kept but does not move the leaderboard.",
  duplicate_prompt: "This prompt was voted on so often that further votes are kept but do not move the leaderboard.",
  daily_cap: "You have given as many votes as count in one day. This one is kept but does not move the leaderboard.",
};

export function countedSentence(vote) {
  if (vote.counted) return "Your vote is on the leaderboard.";
  return NOT_COUNTED[vote.reason] ?? "Your vote is kept but does not move the leaderboard.";
}

const FINISH = {
  length: "stopped at its length limit",
  content_filter: "cut by the provider’s filter",
  refusal: "refused",
  empty: "empty",
};
const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;

// What may be told of an answer once its model is named. Empty before the vote: then the server tells none of it.
export function answerFacts(answer) {
  return [
    answer.refusal ? FINISH.refusal : FINISH[answer.finish],
    answer.output_tokens !== undefined && `${answer.output_tokens} tokens`,
    answer.first_content_ms !== undefined && `first words after ${seconds(answer.first_content_ms)}`,
    answer.total_ms !== undefined && `${seconds(answer.total_ms)} in all`,
    typeof answer.cost_usd === "number" && answer.cost_usd > 0 && `$${answer.cost_usd.toPrecision(2)}`,
  ].filter(Boolean).join(" · ");
}

export const OUTCOME = {
  model_a: "You chose A",
  model_b: "You chose B",
  tie: "You called it a tie",
  both_bad: "You found both bad",
};

// The same of a single answer.
export const OPINION = { model_a: "You found it good", both_bad: "You found it bad" };

// What speaks for an answer and what against it, under the names that ComparIA's votes have.
export const REASONS = [
  { useful: "Useful", complete: "Complete", creative: "Creative", clear_formatting: "Clear" },
  { incorrect: "Wrong", superficial: "Shallow", instructions_not_followed: "Off the task" },
];

export const RECOGNISED = { no: "No", a: "A", b: "B", both: "Both" };

export const SUGGESTIONS = [
  "Explain why the sky is blue to a ten-year-old",
  "Write a short poem about an old lighthouse",
  "Give three tips for a good night’s sleep",
  "Check for a palindrome in Python",
];
