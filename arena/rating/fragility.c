/* The effect of one vote on theta is K^-1 times its score. Votes of a cell are alike, so cells are
 * sorted, not votes. */
#include "rating/fragility.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LEAD 1e-9 /* strengths closer than this are equal but for rounding */

enum { WIN, LOSS, TIE, KINDS };

struct effect {
    double gain; /* of the lead from one such vote */
    uint32_t pair;
    uint8_t kind;
};

static double *count_of(struct bt_pair *pair, int kind)
{
    double *const counts[KINDS] = {&pair->wins, &pair->losses, &pair->ties};
    return counts[kind];
}

static int by_gain(const void *a, const void *b)
{
    double x = ((const struct effect *)a)->gain, y = ((const struct effect *)b)->gain;
    return (x < y) - (x > y);
}

/* Cells whose votes carry the lead of `first` over `rival`, the strongest first. */
static size_t list_effects(struct effect *effects, const struct bt_pairs *pairs,
                           const struct bt_fit *fit, size_t first, size_t rival)
{
    static const double POINTS[KINDS] = {1, 0, 0.5};
    size_t n = fit->models, count = 0;
    const double *k = fit->inverse.a;
    for (size_t at = 0; at < pairs->count; at++) {
        const struct bt_pair *pair = &pairs->pairs[at];
        double p = bt_probability(fit->theta[pair->i] - fit->theta[pair->j]);
        double lever = k[first * n + pair->i] - k[first * n + pair->j] - k[rival * n + pair->i] +
                       k[rival * n + pair->j];
        for (int kind = 0; kind < KINDS; kind++) {
            struct bt_pair copy = *pair;
            double gain = pair->weight * (POINTS[kind] - p) * lever;
            if (gain > 0 && *count_of(&copy, kind) > 0)
                effects[count++] = (struct effect){gain, (uint32_t)at, (uint8_t)kind};
        }
    }
    qsort(effects, count, sizeof *effects, by_gain);
    return count;
}

/* Whether `rival` leads `first` once the `votes` strongest votes are gone. `left` is room for
 * the pairs. / */
static bool flips(const struct bt_pairs *pairs, struct bt_pairs *left, const struct bt_fit *fit,
                  const struct effect *effects, size_t count, uint64_t votes, size_t first,
                  size_t rival)
{
    struct bt_fit after;
    struct err err = ERR_INIT;
    double budget = (double)votes;
    memcpy(left->pairs, pairs->pairs, pairs->count * sizeof *pairs->pairs);
    left->mass = pairs->mass;
    for (size_t k = 0; k < count && budget > 0; k++) {
        struct bt_pair *pair = &left->pairs[effects[k].pair];
        double *from = count_of(pair, effects[k].kind), taken = fmin(*from, budget);
        *from -= taken;
        budget -= taken;
        left->mass -= taken * pair->weight;
    }
    if (!bt_fit(&after, left, fit->theta, &err))
        return true; /* without them the rival's lead has no bound, or the first is no longer ranked
                      */
    bool flipped = after.theta[rival] > after.theta[first] + LEAD;
    bt_fit_done(&after);
    return flipped;
}

/* Least number of the strongest votes whose removal flips; 0 when even all of them do not. */
static uint64_t least_votes(const struct bt_pairs *pairs, struct bt_pairs *left,
                            const struct bt_fit *fit, const struct effect *effects, size_t count,
                            size_t first, size_t rival, uint64_t limit)
{
    double gap = fit->theta[first] - fit->theta[rival], all = 0;
    uint64_t guess = 1, low = 0, high;
    for (size_t k = 0; k < count; k++) {
        struct bt_pair copy = pairs->pairs[effects[k].pair];
        double votes = *count_of(&copy, effects[k].kind), needed = ceil(gap / effects[k].gain);
        all += votes;
        if (gap > 0)
            guess = (uint64_t)(all - votes + fmax(fmin(votes, needed), 1));
        gap -= votes * effects[k].gain;
    }
    for (high = guess; !flips(pairs, left, fit, effects, count, high, first, rival);
         high += high / 4 + 1) {
        low = high;
        if ((double)high >= all || high >= limit)
            return 0;
    }
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        if (flips(pairs, left, fit, effects, count, middle, first, rival))
            high = middle;
        else
            low = middle;
    }
    return high;
}

/* The best model but those already taken. */
static size_t next_best(const double *theta, size_t n, const bool *taken)
{
    size_t best = n;
    for (size_t i = 0; i < n; i++)
        if (!taken[i] && (best == n || theta[i] > theta[best]))
            best = i;
    return best;
}

bool fragility_flip(struct fragility_flip *flip, const struct bt_pairs *pairs,
                    const struct bt_fit *fit, struct err *err)
{
    size_t n = fit->models;
    struct bt_pairs left = *pairs;
    struct effect *effects = malloc((KINDS * pairs->count + 1) * sizeof *effects);
    bool *taken = calloc(n + 1, sizeof *taken);
    left.pairs = malloc((pairs->count + 1) * sizeof *left.pairs);
    *flip = (struct fragility_flip){0, 0};
    bool ok = effects && taken && left.pairs && n > 1;
    size_t first = ok ? next_best(fit->theta, n, taken) : 0;
    for (int k = 0; ok && k < FRAGILITY_RIVALS && k + 1 < (int)n; k++) {
        taken[first] = true;
        size_t rival = next_best(fit->theta, n, taken);
        taken[rival] = true;
        size_t count = list_effects(effects, pairs, fit, first, rival);
        uint64_t limit = flip->votes ? flip->votes : (uint64_t)pairs->votes;
        uint64_t votes = least_votes(pairs, &left, fit, effects, count, first, rival, limit);
        if (votes && (flip->votes == 0 || votes < flip->votes))
            *flip = (struct fragility_flip){votes, rival};
    }
    free(effects);
    free(taken);
    free(left.pairs);
    return ok || err_set(err, ERR_MEMORY, "no memory to look for fragility");
}

/* --- voters --- */

struct voter_votes {
    uint32_t voter, votes;
};

static int by_votes(const void *a, const void *b)
{
    const struct voter_votes *x = a, *y = b;
    if (x->votes != y->votes)
        return x->votes < y->votes ? 1 : -1;
    return (x->voter > y->voter) - (x->voter < y->voter);
}

static uint32_t rank_of(const double *theta, size_t n, size_t i)
{
    uint32_t rank = 1;
    for (size_t j = 0; j < n; j++)
        rank += theta[j] > theta[i];
    return rank;
}

/* Most places moved when `score` (a voter's summed score) is taken out. */
static uint32_t change_without(const struct bt_fit *fit, const double *score, double *without)
{
    size_t n = fit->models;
    uint32_t most = 0;
    memcpy(without, fit->theta, n * sizeof *without);
    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; score[k] != 0 && i < n; i++)
            without[i] -= fit->inverse.a[k * n + i] * score[k];
    for (size_t i = 0; i < n; i++) {
        int change = (int)rank_of(fit->theta, n, i) - (int)rank_of(without, n, i);
        uint32_t places = (uint32_t)(change < 0 ? -change : change);
        most = places > most ? places : most;
    }
    return most;
}

/* Adds every listed voter's score: scores[slot n + model]; slot[voter] is UINT32_MAX for the
 * others. */
static void add_scores(double *scores, const uint32_t *slot, const struct ballots *ballots,
                       const int32_t *map, const double *weight, const struct bt_fit *fit)
{
    static const double POINTS[OUTCOMES] = {1, 0, 0.5, 0.5};
    size_t n = fit->models;
    for (size_t k = 0; k < ballots->count; k++) {
        const struct ballot *row = &ballots->rows[k];
        int32_t a = map[row->a], b = map[row->b];
        if (a < 0 || b < 0 || row->voter == BALLOT_NONE || slot[row->voter] == UINT32_MAX)
            continue;
        double score = weight[(size_t)a * n + (size_t)b] *
                       (POINTS[row->outcome] - bt_probability(fit->theta[a] - fit->theta[b]));
        scores[slot[row->voter] * n + (size_t)a] += score;
        scores[slot[row->voter] * n + (size_t)b] -= score;
    }
}

static void fill_weights(double *weight, const struct bt_pairs *pairs)
{
    size_t n = pairs->models;
    for (size_t k = 0; k < pairs->count; k++) {
        const struct bt_pair *pair = &pairs->pairs[k];
        weight[pair->i * n + pair->j] = weight[pair->j * n + pair->i] = pair->weight;
    }
}

bool fragility_voters(struct fragility_voters *voters, const struct ballots *ballots,
                      const int32_t *map, const struct bt_pairs *pairs, const struct bt_fit *fit,
                      struct err *err)
{
    size_t n = fit->models,
           listed = ballots->voters < FRAGILITY_VOTERS ? ballots->voters : FRAGILITY_VOTERS;
    uint64_t votes = 0;
    *voters = (struct fragility_voters){NAN, 0};
    if (ballots->voters == 0)
        return true;
    struct voter_votes *busy = calloc(ballots->voters, sizeof *busy);
    uint32_t *slot = malloc(ballots->voters * sizeof *slot);
    double *scores = calloc(listed * n + n * n + n + 1, sizeof *scores);
    bool ok = busy && slot && scores;
    for (uint32_t v = 0; ok && v < ballots->voters; v++) {
        busy[v].voter = v;
        slot[v] = UINT32_MAX;
    }
    for (size_t k = 0; ok && k < ballots->count; k++) {
        const struct ballot *row = &ballots->rows[k];
        if (map[row->a] < 0 || map[row->b] < 0)
            continue;
        votes++;
        if (row->voter != BALLOT_NONE)
            busy[row->voter].votes++;
    }
    if (ok) {
        double *weight = scores + listed * n, *without = weight + n * n;
        qsort(busy, ballots->voters, sizeof *busy, by_votes);
        for (size_t k = 0; k < listed; k++)
            slot[busy[k].voter] = (uint32_t)k;
        fill_weights(weight, pairs);
        add_scores(scores, slot, ballots, map, weight, fit);
        voters->top_share = votes ? (double)busy[0].votes / (double)votes : 0;
        for (size_t k = 0; k < listed; k++) {
            uint32_t change = change_without(fit, scores + k * n, without);
            voters->rank_change = change > voters->rank_change ? change : voters->rank_change;
        }
    }
    free(busy);
    free(slot);
    free(scores);
    return ok || err_set(err, ERR_MEMORY, "no memory to leave voters out");
}
