/* Is model X shown not to be worse than Y by more than a margin? For release pipelines.
 *
 * The votes of the pair, one bounded observation a prompt (the mean of all its orders, samples,
 * judges and voters; a vote without a prompt is one of its own), bet against "X's mean score is at
 * most 50 - delta points" and against "at least" (rating/sequential.h). The error rate holds
 * however often the gate is asked. The transitive form uses the whole board's clustered interval
 * instead, which holds for one look. Pure functions of the stored votes; blocking. */
#ifndef ARENA_EVAL_GATE_H
#define ARENA_EVAL_GATE_H

#include "base/digest.h"
#include "board/stored.h"

struct gate_options {
    const char *model,
        *versus;          /* labels: a plain name is its newest version, NAME@DIGEST an older one */
    const char *category; /* NULL: all */
    double min_delta;     /* points of win rate, 0 to 49 */
    double confidence;
    int64_t daily_votes; /* stored.h's */
    int judge;           /* enum judge_kind; -1: any */
    bool transitive;
};

enum gate_decision { GATE_HOLDS, GATE_FAILS, GATE_UNDECIDED };

struct gate_result {
    enum gate_decision decision;
    uint64_t votes, wins, losses, ties; /* of the pair, from the model's side; both-bad is a tie */
    size_t observations;
    double rate, rate_lower, rate_upper; /* the model's mean score, 0 to 1; NAN: unknown */
    double log_holds, log_fails; /* ln of the evidence for each answer; NAN when transitive */
    double needed; /* further prompts like these until it is decided; INFINITY: cannot tell */
    uint64_t other_versions; /* votes of the two names' other versions, left out */
    char model_version[DIGEST_HEX + 1], versus_version[DIGEST_HEX + 1];
};

/* ERR_NOT_FOUND: no such model. A pair without votes is undecided, not an error. */
bool gate_ask(struct db *db, const struct gate_options *options, struct gate_result *result,
              struct err *err);

#endif
