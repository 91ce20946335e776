/* The plan of a run: who answers what, and which answers meet. Stored whole before the first call;
 * only an adaptive run adds pairs later (waves.h).
 *
 * A conversation is a prompt, a sample and a side; conversations are numbered prompt by prompt, so
 * that pairs are complete early. Made by a worker, then owned by the loop's thread; reports load
 * one of their own. */
#ifndef ARENA_EVAL_PLAN_H
#define ARENA_EVAL_PLAN_H

#include "base/digest.h"
#include "eval/prompts.h"
#include "eval/spec.h"
#include "store/eval_runs.h"

#define EVAL_NONE UINT32_MAX

/* Everything that is known of a competitor's version; texts owned. */
struct eval_side {
    char *name, *effective, *organisation, *licence;
    char digest[DIGEST_HEX + 1];
    int64_t version; /* the store's id */
    bool in_house, outputs_may_train;
};

struct eval_pair {
    uint32_t prompt;
    uint16_t sample;
    uint8_t side[2]; /* equal: this sample and the next of one side */
    uint32_t next;   /* of the same prompt and sample; EVAL_NONE: the last */
};

struct eval_plan {
    struct eval_spec spec;
    struct eval_prompts prompts;
    struct eval_side sides[LIMIT_EVAL_SIDES], judges[LIMIT_EVAL_JUDGES];
    size_t samples; /* of a conversation: one more than in the spec where a model meets itself */
    struct eval_pair *pairs;
    size_t pair_count, pair_room;
    uint32_t *first_pair; /* of prompt * samples + sample */
    int64_t number;       /* the run's, in the store; 0: not stored */
    char id[STORE_ID_SIZE], campaign[STORE_ID_SIZE];
};

/* Reads the spec and its prompts and pairs them; the sides are still empty but for their names.
 * eval_plan_done frees it, also after a failure. */
bool eval_plan_make(struct eval_plan *plan, const json_t *spec, const char *folder,
                    struct err *err);
void eval_plan_done(struct eval_plan *plan);

/* In a store job: the run with all of its plan; registers the sides' versions. */
bool eval_plan_store(struct db *tx, struct eval_plan *plan, int64_t now_ms, struct err *err);

/* A run as it is stored; `id` as eval_runs_find has it. */
bool eval_plan_load(struct eval_plan *plan, struct db *db, const char *id, struct err *err);

/* One more pair. */
bool eval_plan_add_pair(struct eval_plan *plan, uint32_t prompt, uint16_t sample, size_t a,
                        size_t b, struct err *err);

size_t eval_plan_conversations(const struct eval_plan *plan);
size_t eval_conversation(const struct eval_plan *plan, size_t prompt, size_t sample, size_t side);
/* The conversation of a pair's first or second side. */
size_t eval_pair_conversation(const struct eval_plan *plan, const struct eval_pair *pair,
                              int which);

/* How many pairs without repeating one there can be. */
size_t eval_plan_most_pairs(const struct eval_plan *plan);

#endif
