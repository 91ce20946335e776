/* The queue of finished pairs, from a voter's side: which one comes next, and how many are left.
 *
 * A queued battle is the reservation: while it is ready or voted it takes one of its item's
 * `overlap` places (kept by triggers), when it is skipped or expires the place is free again. A
 * voter has one open queued battle at most and never gets an item twice. Items of a campaign are
 * for its cohort while it runs; those of an evaluation for everybody. */
#ifndef ARENA_STORE_QUEUE_H
#define ARENA_STORE_QUEUE_H

#include "base/json.h"
#include "store/battles.h"
#include "store/queue_insert.h"
#include "store/store.h"

/* The voter's queued battle that waits for a vote; "" when there is none. */
bool queue_open(struct db *db, const char *voter, char battle[STORE_ID_SIZE], struct err *err);

struct queue_wish {
    const char *voter, *cohort; /* cohort "": none */
    double kind;                /* drawn from [0, 1): a control, or a pair of models? */
    uint64_t place;             /* drawn: which of those that are free */
};

struct queue_pick {
    int64_t item; /* 0: nothing is free for this voter */
    char campaign[STORE_ID_SIZE];
    enum queue_kind kind;
    int64_t version_a, version_b; /* as the item has them */
    double probability;           /* with which a pair of these two was drawn */
};
bool queue_pick(struct db *tx, const struct queue_wish *wish, struct queue_pick *out,
                struct err *err);

/* Puts the item's turns into a battle that has none yet; `swapped`: the item's second side stands
 * left. */
bool queue_copy_turns(struct db *tx, int64_t item, const char *battle, bool swapped, int64_t now_ms,
                      struct err *err);

/* The category that the prompt of a battle's item came with; "": none. */
bool queue_category(struct db *db, const char *battle, char *category, size_t size,
                    struct err *err);

/* What kind of item a battle shows; QUEUE_PAIR for one that shows none. */
bool queue_kind_of(struct db *db, const char *battle, enum queue_kind *kind, struct err *err);

/* For the voter's page: nothing of this tells which models are compared. */
struct queue_progress {
    int64_t given;  /* votes on queued pairs */
    int64_t today;  /* of them in the last 24 hours */
    int64_t left;   /* free for this voter */
    bool preparing; /* a running campaign's or evaluation's pairs are still being made */
    bool paused;    /* a campaign of this voter's waits for a model; who reads it says so */
};
bool queue_progress(struct db *db, const char *voter, const char *cohort, int64_t now_ms,
                    struct queue_progress *out, struct err *err);
void queue_progress_write(struct json_out *out, const char *key,
                          const struct queue_progress *progress);

#endif
