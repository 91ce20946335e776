/* The calls of batch evaluations that have ended, and the votes that model judges made of them.
 *
 * A call that was answered points to its answer (answers.h), which other runs find by its key; one
 * that failed is a record of its own and never an answer. In a store job, or on any reader. */
#ifndef ARENA_STORE_EVAL_CALLS_H
#define ARENA_STORE_EVAL_CALLS_H

#include "base/digest.h"
#include "store/store.h"

struct eval_call_record {
    int64_t run;
    bool judge; /* else a competitor */
    int64_t place;
    uint8_t key[DIGEST_SIZE];                /* of the answer that was asked for */
    int64_t answer;                          /* 0: it failed */
    const char *error_class, *error_message; /* NULL: it did not */
    double cost_usd;                         /* NaN: unknown */
    double charged_usd;
    int attempts;
    int64_t total_ns;
    bool forgiven; /* a failure that may be tried again */
    int64_t at_ms;
};
bool eval_calls_insert(struct db *tx, const struct eval_call_record *record, struct err *err);

/* In order; borrowed for the call. Stops when `each` returns false (that is no error). */
bool eval_calls_each(struct db *db, int64_t run,
                     bool (*each)(void *user, const struct eval_call_record *record), void *user,
                     struct err *err);

struct eval_calls_total {
    int64_t calls;
    double charged_usd;
};
bool eval_calls_total(struct db *db, int64_t run, struct eval_calls_total *out, struct err *err);

/* A run's failures may be tried again from now on. */
bool eval_calls_forgive(struct db *tx, int64_t run, struct err *err);

/* --- votes of model judges, each once for ever --- */
bool eval_votes_find(struct db *db, const uint8_t key[DIGEST_SIZE], bool *there, struct err *err);
bool eval_votes_insert(struct db *tx, const uint8_t key[DIGEST_SIZE], const char *battle,
                       struct err *err);

/* --- votes of people on a run's pairs: the counted ones --- */
struct eval_person_vote {
    int64_t pair, voter;          /* voter: an opaque number; 0: erased */
    int winner;                   /* enum winner, for the sides as the pair has them */
    bool turned;                  /* the voter saw the second side as A */
    struct text reasons, comment; /* data NULL: none; reasons for the sides as the voter saw them */
};
/* How far people are with the pairs that a run queued for them; votes that do not count too. */
struct eval_people {
    int64_t pairs, wanted, votes, voters; /* wanted: each pair's overlap, summed */
};
bool eval_people_progress(struct db *db, int64_t run, struct eval_people *out, struct err *err);

bool eval_votes_of_people(struct db *db, int64_t run,
                          bool (*each)(void *user, const struct eval_person_vote *vote), void *user,
                          struct err *err);

#endif
