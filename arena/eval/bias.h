/* What leads judges astray, measured: who was shown first, who is longer, who is their own; and how
 * far judges and people agree. Pure functions of the results. */
#ifndef ARENA_EVAL_BIAS_H
#define ARENA_EVAL_BIAS_H

#include "eval/results.h"

/* A share of `count`, with its Wilson interval at 95 %. NaN of nothing. */
struct share {
    double share, lower, upper;
    size_t hits, count;
};
struct share share_of(size_t hits, size_t count);

struct bias {
    size_t judged, failed;           /* pairs */
    size_t malformed, disagreements; /* of the pairs judged */
    struct share first;         /* of single verdicts that are no tie: for the answer shown first */
    struct share longer;        /* of votes that are no tie, on answers of unlike length */
    bool has_own;               /* a competitor is the judge itself or of its organisation */
    struct share own;           /* its own competitors' score in votes against others */
    struct share own_by_others; /* the same pairs by other judges and people */
};
void bias_of(const struct results *results, size_t judge, struct bias *out);

/* How often two raters, or the judges and the people, said the same on the same pair; ties left out
 * or not. */
struct agreement_share {
    struct share with_ties, without_ties;
};
void bias_agreement(const struct results *results, size_t judge, size_t other,
                    struct agreement_share *out);
/* A judge against each person's vote on the same pair. */
void bias_agreement_with_people(const struct results *results, size_t judge,
                                struct agreement_share *out);

/* Krippendorff's alpha (nominal) among the judges, or among the people; NaN where no pair has two
 * votes. False without memory. */
bool bias_alpha(const struct results *results, bool people, double *alpha, size_t *pairs);

#endif
