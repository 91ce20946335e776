/* The matchmaker: which two competitors meet, and who stands on which side.
 *
 * Every unordered pair has a weight; a pair is drawn in proportion to it, then a fair coin sets
 * the sides. The exact probability of what was drawn is told, so that targeted sampling (a
 * campaign, "which pair next") can be undone in the analysis. The same version never meets
 * itself. Pure: given the rng, the draw is repeatable. */
#ifndef ARENA_BATTLE_MATCHMAKER_H
#define ARENA_BATTLE_MATCHMAKER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/random.h"
#include "board/sampling.h"
#include "competitor/competitor.h"

/* The weight of a pair in the list: 0 never, else relative to the others. */
struct matchmaker_rule {
    double (*weight)(const void *user, struct competitor *const *list, size_t i, size_t j);
    const void *user;
};

/* The rule when nobody gave one: the product of the two configured weights. */
extern const struct matchmaker_rule MATCHMAKER_BY_WEIGHT;

/* The rule "what tells most": that product times the chance that the votes so far give the pair
 * (board/sampling.h). Where a competitor of the list is not known there yet, the rule is
 * MATCHMAKER_BY_WEIGHT for this draw. */
struct matchmaker_informed {
    const struct sampling *sampling;
    int number[LIMIT_COMPETITORS];
};
struct matchmaker_rule matchmaker_inform(struct matchmaker_informed *informed,
                                         const struct sampling *sampling,
                                         struct competitor *const *list, size_t count);

struct match {
    struct competitor *side[2]; /* borrowed: a, b */
    double pair_probability;    /* with which these two were drawn to meet, whoever stands where */
    double side_probability;    /* with which they stand so, given that they meet */
};

/* The probability of every pair i < j under a rule, at chance[j (j - 1) / 2 + i]: what
 * matchmaker_draw draws with. False: no two of them may meet. */
bool matchmaker_chances(double *chance, struct competitor *const *list, size_t count,
                        const struct matchmaker_rule *rule);

/* Draws among the active ones of `list`. ERR_BUSY, saying what to do, when no two of them may
 * meet. */
bool matchmaker_draw(struct match *match, struct competitor *const *list, size_t count,
                     const struct matchmaker_rule *rule, struct rng *rng, struct err *err);

/* Draws one to take a failed competitor's place: active, by weight, none of the versions in
 * `not`; NULL: nobody is left. */
struct competitor *matchmaker_substitute(struct competitor *const *list, size_t count,
                                         const char *const * not, size_t not_count,
                                         struct rng *rng);

#endif
