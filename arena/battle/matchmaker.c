/* One walk adds the weights up, one draw picks a point below the sum, a second walk finds the
 * pair it falls on: exact probabilities for any rule, at n^2 / 2 weights a battle (33,000 at the
 * limit of competitors: microseconds). */
#include "battle/matchmaker.h"

#include <math.h>
#include <string.h>

static double product_of_weights(const void *user, struct competitor *const *list, size_t i,
                                 size_t j)
{
    (void)user;
    return list[i]->config.weight * list[j]->config.weight;
}

const struct matchmaker_rule MATCHMAKER_BY_WEIGHT = {product_of_weights, NULL};

static double informed_weight(const void *user, struct competitor *const *list, size_t i, size_t j)
{
    const struct matchmaker_informed *informed = user;
    return product_of_weights(NULL, list, i, j) *
           sampling_chance(informed->sampling, informed->number[i], informed->number[j]);
}

struct matchmaker_rule matchmaker_inform(struct matchmaker_informed *informed,
                                         const struct sampling *sampling,
                                         struct competitor *const *list, size_t count)
{
    informed->sampling = sampling;
    for (size_t i = 0; i < count; i++) {
        informed->number[i] = sampling ? sampling_find(sampling, list[i]->version) : -1;
        if (informed->number[i] < 0 && list[i]->availability == COMPETITOR_ACTIVE)
            return MATCHMAKER_BY_WEIGHT;
    }
    return (struct matchmaker_rule){informed_weight, informed};
}

static double pair_weight(const struct matchmaker_rule *rule, struct competitor *const *list,
                          size_t i, size_t j)
{
    const struct competitor *one = list[i], *other = list[j];
    if (one->availability != COMPETITOR_ACTIVE || other->availability != COMPETITOR_ACTIVE ||
        strcmp(one->version, other->version) == 0)
        return 0;
    double weight = rule->weight(rule->user, list, i, j);
    return weight > 0 && isfinite(weight) ? weight : 0;
}

/* Adds weights in a fixed order until they pass `stop`; the pair where that happens, or the last
 * that has any weight. / */
static double walk(struct competitor *const *list, size_t count, const struct matchmaker_rule *rule,
                   double stop, struct match *match)
{
    double sum = 0;
    for (size_t j = 1; j < count; j++) {
        for (size_t i = 0; i < j; i++) {
            double weight = pair_weight(rule, list, i, j);
            if (weight <= 0)
                continue;
            sum += weight;
            *match = (struct match){{list[i], list[j]}, weight, 0.5};
            if (sum > stop)
                return sum;
        }
    }
    return sum;
}

bool matchmaker_chances(double *chance, struct competitor *const *list, size_t count,
                        const struct matchmaker_rule *rule)
{
    double sum = 0;
    for (size_t j = 1; j < count; j++)
        for (size_t i = 0; i < j; i++)
            sum += chance[j * (j - 1) / 2 + i] = pair_weight(rule, list, i, j);
    for (size_t k = 0; k < count * (count - 1) / 2; k++)
        chance[k] = sum > 0 ? chance[k] / sum : 0;
    return sum > 0;
}

bool matchmaker_draw(struct match *match, struct competitor *const *list, size_t count,
                     const struct matchmaker_rule *rule, struct rng *rng, struct err *err)
{
    double sum = walk(list, count, rule, INFINITY, match);
    if (!(sum > 0))
        return err_set(
            err, ERR_BUSY,
            "a battle needs two different active competitors: configure or resume another one");
    walk(list, count, rule, rng_uniform(rng) * sum, match);
    match->pair_probability /= sum;
    if (rng_below(rng, 2)) {
        struct competitor *left = match->side[0];
        match->side[0] = match->side[1];
        match->side[1] = left;
    }
    return true;
}

static bool among(const char *version, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(version, list[i]) == 0)
            return true;
    return false;
}

struct competitor *matchmaker_substitute(struct competitor *const *list, size_t count,
                                         const char *const * not, size_t not_count, struct rng *rng)
{
    struct competitor *drawn = NULL;
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        double weight = list[i]->config.weight;
        if (list[i]->availability != COMPETITOR_ACTIVE || !(weight > 0) ||
            among(list[i]->version, not, not_count))
            continue;
        sum +=
            weight; /* one pass: each newcomer takes the place with its share of the sum so far */
        if (rng_uniform(rng) * sum < weight)
            drawn = list[i];
    }
    return drawn;
}
