/* Everything that a run has brought, read from the store for a report: answers, verdicts, the votes
 * of judges and of people, what failed.
 *
 * Read once, then immutable; blocking; any thread with its own reader. */
#ifndef ARENA_EVAL_RESULTS_H
#define ARENA_EVAL_RESULTS_H

#include "eval/state.h"
#include "store/answers.h"
#include "store/votes.h"

/* What became of one conversation; sums over its turns. */
struct answer_fact {
    bool there;
    bool refused, cut, empty; /* any turn of it */
    int64_t input, output;    /* tokens; -1: not told */
    double cost_usd;          /* NaN: unknown */
    double first_s, total_s;  /* of the first turn; of all */
    size_t characters;        /* shown */
};

/* One vote on one pair; a judge's stands for both orders. */
struct eval_vote {
    uint32_t pair, rater; /* judges first, by place; then people, in order of appearance */
    uint8_t winner;       /* enum winner, for the sides as the pair has them */
};

struct eval_failure {
    bool judge;
    size_t place;
    char cause[32];
    int64_t count;
    char example[256];
};

struct results {
    struct eval_plan plan;
    struct run_state state;
    struct answer_fact *facts; /* of each conversation */
    struct eval_vote *votes;
    size_t vote_count, vote_room;
    size_t people; /* raters after the judges */
    int64_t *people_numbers;
    struct eval_failure *failures;
    size_t failure_count;
    double side_spent[LIMIT_EVAL_SIDES], judge_spent[LIMIT_EVAL_JUDGES]; /* by this run */
    int64_t side_calls[LIMIT_EVAL_SIDES], judge_calls[LIMIT_EVAL_JUDGES];
    enum eval_state run_state;
    char reason[256];
    int64_t created_ms, active_ms;
};

/* `id` as eval_runs_find has it. results_done frees, also after a failure. */
bool results_load(struct results *results, struct db *db, const char *id, struct err *err);
void results_done(struct results *results);

/* The texts of a conversation, one a turn, are read when they are needed (pages.h). */

/* Both verdicts of a judge on a pair, if it gave them. */
bool results_verdicts(const struct results *results, size_t pair, size_t judge,
                      struct verdict_of_both *out);

#endif
