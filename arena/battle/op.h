/* A request under way: a copy of what was asked, kept from hall_ask to its reply.
 *
 * It goes through `prepare` (the checks, on the loop), and, where something must be stored, a
 * job whose `apply` runs on the writer's thread and whose `committed` or `undone` runs back on
 * the loop before the reply. The job also keeps and finds the replies of Idempotency-Keys, in
 * the same transaction. */
#ifndef ARENA_BATTLE_OP_H
#define ARENA_BATTLE_OP_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/digest.h"
#include "base/err.h"
#include "battle/hall.h"
#include "battle/residents.h"
#include "store/store.h"
#include "store/voters.h"
#include "store/votes.h"

#define HALL_EVENTS HALL_ACTIONS /* hall_events is a request too */

struct op {
    struct hall *hall;
    int action; /* enum hall_action, or HALL_EVENTS */
    char voter[STORE_ID_SIZE], battle[STORE_ID_SIZE];
    char before[STORE_ID_SIZE]; /* "": from the newest */
    char cohort[VOTER_COHORT_SIZE];
    int limit;
    char *key; /* NULL: none */
    json_t *body;
    void (*reply)(void *user, const struct hall_reply *reply);
    void (*opened)(void *user, struct eventlog *log, const struct err *err);
    void *user;

    struct resident *resident; /* whose battle it is about; NULL: not found yet */
    bool needs_job;            /* set by prepare; else `out` is the answer already */
    bool look_up; /* only look whether this key was answered; otherwise `refusal` is the answer */
    struct err refusal;
    int64_t now_ms;

    /* what prepare found in the body, for the job */
    enum battle_state from;
    enum winner winner;
    bool reveal, keep_private;
    int64_t read_ms; /* the answer that was on screen for less; -1: not told */
    double kind;     /* drawn for the queue's next pair, as the two below */
    uint64_t place, side;
    bool paused;        /* a campaign of this voter's waits for a model */
    bool in_house_only; /* of the voter, or of this prompt */
    struct buf reasons, comment, recognised;

    /* what the job gave */
    int64_t version[2];
    struct vote_result result;
    int status;
    struct buf out; /* the reply's body */
    bool replayed;
    struct op *next; /* in line */
};

/* Returns new, or NULL with `err`: out of memory, or the request itself is malformed. */
struct op *op_new(struct hall *hall, int action, const struct hall_request *request,
                  struct err *err);

/* Both answer and free it. */
void op_reply(struct op *op);
void op_refuse(struct op *op, const struct err *err);

/* Goes ahead on its resident (NULL for what has none): answers, waits in line, or leaves as a
 * job. */
void op_run(struct op *op);

/* Answers an error to whoever asked, without an op. */
void op_refuse_request(const struct hall_request *request, const struct err *err);

#endif
