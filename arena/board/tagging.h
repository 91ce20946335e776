/* What a battle is about and how its answers look, told by rules from its text: the fields that
 * categories select by and the counts that style control needs.
 *
 * The rules, all on visible text: `language` (language.h, of the first prompt); `is_code`, a
 * fenced block anywhere in the conversation; `category_tag.math_v0.1.math`, a prompt with
 * mathematical notation or words (a table in tagging.c); `is_refusal`, an answer that its
 * provider marked as one; `conv_metadata.turns`, `sum_user_tokens` and `sum_assistant_a_tokens`,
 * `_b_tokens`, in style.h's tokens; `category`, what the prompt's own file calls it. The names are
 * those of LMArena's 140k votes. Tags are read by boards and exports alone: a battle's own voter is
 * never shown them.
 *
 * One pass over the text, microseconds a turn: it runs in the store job that keeps the turn, so
 * that a battle has its tags before it can be voted on and a vote's category never changes. Any
 * thread; pure. */
#ifndef ARENA_BOARD_TAGGING_H
#define ARENA_BOARD_TAGGING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "board/style.h"

struct tagging {
    struct style side[2]; /* of all answers of a side */
    double user_tokens;
    int turns;
    const char *language; /* static; NULL before the first turn */
    bool is_code, is_math, is_refusal;
    const char *category; /* that the prompt came with, borrowed; NULL: none */
};

void tagging_init(struct tagging *tagging);

/* Adds the next turn; `refused`: the provider said so of either answer. All borrowed for the
 * call. */
void tagging_add_turn(struct tagging *tagging, struct text prompt, const struct text answer[2],
                      bool refused);

/* Appends the tags as a JSON object; false only when `out` failed. */
bool tagging_write(const struct tagging *tagging, struct buf *out);

/* The rule alone: does a prompt ask for mathematics? */
bool tagging_is_math(struct text prompt);

#endif
