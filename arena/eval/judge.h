/* What a model judge is asked: one prompt for a pair of conversations, in one of its two orders.
 *
 * A prompt is a template in which {question}, {answer_a}, {answer_b} and {reference} stand for the
 * texts; only the template itself is searched for them, so an answer that holds such a word is
 * text. With several turns each of them is told turn by turn. Pure; any thread. */
#ifndef ARENA_EVAL_JUDGE_H
#define ARENA_EVAL_JUDGE_H

#include <jansson.h>

#include "base/buf.h"
#include "base/err.h"

#define JUDGE_MAX_TOKENS 1024 /* a page of reasons and the verdict */
extern const char JUDGE_SYSTEM[], JUDGE_PROMPT[], JUDGE_PROMPT_WITH_REFERENCE[];

/* A template must show both answers; `key` names it. */
bool judge_prompt_check(const char *prompt, const char *key, struct err *err);

struct judge_pair {
    const json_t *turns;          /* what the user said, a list of strings */
    const json_t *reference;      /* the same; NULL: none */
    const struct text *answer[2]; /* of the two sides, one a turn */
};

/* Appends the prompt; `swapped`: the second side is shown as A. False when `out` failed. */
bool judge_prompt(struct buf *out, const char *prompt, const struct judge_pair *pair, bool swapped);

#endif
