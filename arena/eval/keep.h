/* Puts a pair of finished answers into the queue, and a judge's vote on it among the votes.
 *
 * Store jobs, from copies of all they need: a plan may grow meanwhile. */
#ifndef ARENA_EVAL_KEEP_H
#define ARENA_EVAL_KEEP_H

#include "eval/state.h"
#include "store/votes.h"

struct keep {
    /* set by keep_new */
    int64_t run, pair, version[2], overlap;
    char campaign[STORE_ID_SIZE];
    bool same_model;
    size_t turns;
    char **prompts;   /* of each turn; owned */
    int64_t *answers; /* 2 a turn: first side, second side; owned */
    char *category;   /* of the prompt; NULL: none */
    /* for a vote */
    bool votes;
    char *judge; /* who: its name, its version and how it is asked; owned */
    enum winner winner;
    uint8_t key[DIGEST_SIZE];
    bool mirrored; /* the second side stands left: sides must not say who is who */
    void *user;    /* the caller's */
    /* out */
    int64_t item, seq; /* seq: of the vote, 0 where it was there before */
};

/* Returns new (keep_free), or NULL with ERR_MEMORY. */
struct keep *keep_new(const struct run_state *state, size_t pair, struct err *err);
/* Makes it a vote of a judge, whose two verdicts came to `verdict`. */
bool keep_vote(struct keep *keep, const struct run_state *state, size_t judge, enum verdict verdict,
               const uint8_t key[DIGEST_SIZE], struct err *err);
void keep_free(struct keep *keep);

bool keep_apply(struct db *tx, void *keep, struct err *err);

#endif
