/* Votes from a file: battles that others held, under the names that the file gives. Stored like our
 * own (a battle, a vote in the ledger), marked as imported, and never twice.
 *
 * An importer lives inside one store job and knows the end of the ledger and the names that it met
 * last, so that a vote costs two inserts and no look-up. One thread at a time; nothing else may
 * write while it lives. Its memory is fixed: IMPORTER_NAMES names of at most IMPORTER_NAME_BYTES,
 * and a few hundred votes. */
#ifndef ARENA_STORE_VOTE_IMPORT_H
#define ARENA_STORE_VOTE_IMPORT_H

#include "store/battles.h"
#include "store/votes.h"

/* More voters than any file's busiest; the rest are looked up again. A longer name is not
 * remembered. */
#define IMPORTER_NAMES 32768
#define IMPORTER_NAME_BYTES 512
#define IMPORTER_TEXT_MAX (4u << 20) /* of one batch, the longest key and tags in it */

struct vote_import {
    struct text
        key; /* what makes it one vote for ever: its id in its file, or the file's digest and row */
    struct text model_a, model_b;
    enum winner winner;
    enum judge_kind judge;
    enum vote_counted counted;
    struct text voter, prompt; /* the file's own names for them; data NULL: unknown */
    struct text tags; /* a JSON object of the row's further fields (language, category_tag, …);
                         NULL: none */
    struct style_counts style_a, style_b;
    int turns;     /* 0: unknown */
    int64_t at_ms; /* when it was cast; 0: unknown */
};

struct vote_importer;

/* Returns new (vote_importer_free), or NULL with `err`. `expected`: about how many votes will come;
 * for many, indexes are built at the end. */
struct vote_importer *vote_importer_new(struct db *tx, int64_t now_ms, uint64_t expected,
                                        struct err *err);

/* Copies what it needs. `added` is false when that key is already stored with the same models and
 * winner; with others it is ERR_CONFLICT. Equal names on both sides are ERR_BAD_REQUEST; a key that
 * this importer was given before is ERR_CONFLICT, now or at the end. */
bool vote_importer_add(struct vote_importer *importer, const struct vote_import *vote, bool *added,
                       struct err *err);

/* Writes what waits and moves the ledger's end to the last vote added. After a failure of any of
 * these the job must fail. */
bool vote_importer_finish(struct vote_importer *importer, struct err *err);
void vote_importer_free(struct vote_importer *importer); /* NULL is allowed */

#endif
