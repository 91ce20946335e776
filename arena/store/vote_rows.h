/* Every vote in a row, in the order of seq: what the boards are fitted on and the exports are
 * made of.
 *
 * Reads in pieces of LIMIT_READ_ROWS, so that a long export does not keep the write-ahead log
 * from being cut (inside store_read_begin it is one view and one read). Votes cast meanwhile are
 * not seen. A million take about a second. */
#ifndef ARENA_STORE_VOTE_ROWS_H
#define ARENA_STORE_VOTE_ROWS_H

#include "store/votes.h"

struct vote_filter {
    int64_t after;          /* only seq above it */
    int64_t from_ms, to_ms; /* cast at or after, before; 0: no bound */
    bool counted_only;
    int judge;            /* enum judge_kind; -1: any */
    int source;           /* enum battle_source; -1: any */
    const char *campaign; /* id; NULL: any */
    const char *voter;    /* id; NULL: any */
    bool with_tags;       /* fill tags: costs time */
    int64_t tagger,
        tags;      /* with them those of this tagger (battle_tags.h) up to that row; 0: none */
    bool with_ids; /* fill battle_id, voter_id, campaign, cohort, import_key, feedback */
};
#define VOTE_FILTER_ALL ((struct vote_filter){.judge = -1, .source = -1})

struct vote_row {
    int64_t seq, at_ms;
    int64_t version_a, version_b; /* competitors.h's versions tell their names */
    enum winner winner;
    enum vote_counted counted;
    enum judge_kind judge;
    enum battle_source source;
    int64_t voter;   /* opaque number; 0: unknown or erased */
    uint64_t prompt; /* equal prompts (normalised) have equal values; 0: unknown or erased */
    int turns;       /* 0: unknown */
    bool staff;
    int64_t recognised_ms;     /* when the voter said so; 0: not */
    int64_t delay_ms, read_ms; /* -1: unknown */
    double probability;        /* of the draw; NaN: unknown */
    struct style_counts style_a, style_b;
    /* borrowed for the call */
    struct text tags; /* JSON object; data NULL: none, or not asked */
    struct text battle_id, voter_id, campaign, cohort; /* filled with_ids */
    struct text import_key;                        /* filled with_ids; data NULL: not imported */
    struct text reasons, comment, recognised_text; /* filled with_ids */
};
/* What a competitor failed to answer, as if the vote had gone to whom it was drawn against: voids
 * and swaps of battles that are over, in the order in which they ended. `seq` is the row's
 * `closed`; a battle of both orders has `probability` and the rest as its votes would. How the
 * answers look is unknown. */
struct loss_filter {
    int64_t after, up_to; /* only `closed` above it, and up to it */
    int64_t tagger, tags; /* as vote_filter's */
};
bool losses_each(struct db *db, const struct loss_filter *filter,
                 bool (*each)(void *user, const struct vote_row *row), void *user, struct err *err);
/* The last of them; 0: none. */
bool losses_last(struct db *db, int64_t *closed, struct err *err);

/* Stops when `each` returns false (that is no error). */
bool votes_each(struct db *db, const struct vote_filter *filter,
                bool (*each)(void *user, const struct vote_row *row), void *user, struct err *err);

#endif
