/* Votes from a file: battles that others held, under the names that the file gives. Stored like our own (a
 * battle, a vote in the ledger), marked as imported, and never twice. */
#ifndef ARENA_STORE_VOTE_IMPORT_H
#define ARENA_STORE_VOTE_IMPORT_H

#include "store/battles.h"
#include "store/votes.h"

struct vote_import {
    struct text key; /* what makes it one vote for ever: its id in its file, or the file's digest and row */
    struct text model_a, model_b;
    enum winner winner;
    enum judge_kind judge;
    struct text voter, prompt; /* the file's own names for them; data NULL: unknown */
    struct text
        tags; /* a JSON object of the row's further fields (language, category_tag, …); NULL: none */
    struct style_counts style_a, style_b;
    int turns;     /* 0: unknown */
    int64_t at_ms; /* when it was cast; 0: unknown */
};
/* `added` is false when that key is already stored. Equal names on both sides are ERR_BAD_REQUEST. */
bool votes_import(struct db *tx, const struct vote_import *vote, int64_t now_ms, bool *added,
                  struct err *err);

#endif
