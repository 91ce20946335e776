/* How an answer looks: its length and its Markdown, counted as LMArena counts them, and what a
 * vote makes of the two.
 *
 * Fenced code is left out; then headers (# to ######), list items (1. and - * +) and bold spans
 * (** and __) are counted on the visible text. Length is the file's own token counts where it
 * has them, else "arena-words": a run of letters, digits or bytes of other scripts is one token,
 * every other visible character is one. Pure; any thread. */
#ifndef ARENA_BOARD_STYLE_H
#define ARENA_BOARD_STYLE_H

#include <stdbool.h>

#include "base/buf.h"

enum style_feature { STYLE_TOKENS, STYLE_HEADERS, STYLE_LISTS, STYLE_BOLD, STYLE_FEATURES };

extern const char *const STYLE_NAMES[STYLE_FEATURES];

struct style {
    double count[STYLE_FEATURES];
};

/* Adds one message's counts. */
void style_add(struct style *style, struct text message);

/* Adds the assistant's messages of a conversation, a JSON array of {"role","content"} with the
 * content a string or a list of {"text"}. False when it is none. */
bool style_add_conversation(struct style *style, struct text json);

/* (a - b) / (a + b) of each count, 0 where both are 0: antisymmetric. */
void style_difference(const struct style *a, const struct style *b, float x[STYLE_FEATURES]);

#endif
