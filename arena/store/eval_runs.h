/* Batch evaluations, as stored: a run, its plan (prompts, sides, pairs), and how far it came.
 *
 * The plan is stored before the first call and only ever grows (pairs of an adaptive run). What a
 * run has done is in the calls (eval_calls.h), the answers and the votes. Functions that take `tx`
 * belong into a store job; those that take `db` run there or on any reader. */
#ifndef ARENA_STORE_EVAL_RUNS_H
#define ARENA_STORE_EVAL_RUNS_H

#include "store/store.h"

/* Stored by number: append only. */
#define EVAL_STATE_MAP(X)                                                                          \
    X(EVAL_RUNNING, "running")                                                                     \
    X(EVAL_STOPPED, "stopped")                                                                     \
    X(EVAL_DONE, "done")
enum eval_state {
#define X(name, word) name,
    EVAL_STATE_MAP(X)
#undef X
};
const char *eval_state_word(enum eval_state state);

struct eval_run_record {
    int64_t number; /* given by the store: the order of creation */
    char id[STORE_ID_SIZE];
    char campaign[STORE_ID_SIZE]; /* "": none */
    const char *name;
    const char *spec; /* a JSON object */
    enum eval_state state;
    const char *reason;   /* NULL: none */
    const char *progress; /* a JSON object; NULL: nothing told yet */
    int64_t active_ms;
    int64_t created_ms, ended_ms; /* ended 0: not yet */
};

/* `number`, `progress`, `active_ms` and `ended_ms` are not read. */
bool eval_runs_insert(struct db *tx, const struct eval_run_record *record, int64_t *number,
                      struct err *err);

/* What changes while it runs. `reason` and `progress` may be NULL. */
bool eval_runs_update(struct db *tx, int64_t number, enum eval_state state, const char *reason,
                      const char *progress, int64_t active_ms, int64_t now_ms, struct err *err);

/* By its id, or by the beginning of one that no other shares; NULL: the newest. Borrowed for the
 * call. ERR_NOT_FOUND. */
bool eval_runs_find(struct db *db, const char *id,
                    void (*found)(void *user, const struct eval_run_record *record), void *user,
                    struct err *err);
/* Newest first, at most `limit`. */
bool eval_runs_each(struct db *db, int64_t limit,
                    bool (*each)(void *user, const struct eval_run_record *record), void *user,
                    struct err *err);

/* --- the plan --- */
enum eval_chosen { EVAL_CHOSEN_NOT, EVAL_CHOSEN_LOST, EVAL_CHOSEN_CONTROL };

struct eval_prompt_record {
    int64_t prompt;
    struct text source, category, system; /* data NULL: none */
    struct text turns;                    /* a JSON array of strings */
    struct text reference;                /* the same; data NULL: none */
    enum eval_chosen chosen;
};
bool eval_prompts_insert(struct db *tx, int64_t run, const struct eval_prompt_record *record,
                         struct err *err);
/* In order; borrowed for the call. Stops when `each` returns false (that is no error), as those
 * below. */
bool eval_prompts_each(struct db *db, int64_t run,
                       bool (*each)(void *user, const struct eval_prompt_record *record),
                       void *user, struct err *err);

struct eval_side_record {
    bool judge;
    int64_t place, version;
};
bool eval_sides_insert(struct db *tx, int64_t run, const struct eval_side_record *record,
                       struct err *err);
bool eval_sides_each(struct db *db, int64_t run,
                     bool (*each)(void *user, const struct eval_side_record *record), void *user,
                     struct err *err);

struct eval_pair_record {
    int64_t pair, prompt, sample;
    int64_t side_a, side_b; /* places; equal: sample 0 against sample 1 of one model */
};
bool eval_pairs_insert(struct db *tx, int64_t run, const struct eval_pair_record *record,
                       struct err *err);
bool eval_pairs_each(struct db *db, int64_t run,
                     bool (*each)(void *user, const struct eval_pair_record *record), void *user,
                     struct err *err);

#endif
