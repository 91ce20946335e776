/* Betting (Waudby-Smith and Ramdas 2024): capital grows by 1 + stake (x - m) an observation, for
 * each stake of a grid; the mean of the grid's capitals is a martingale under the hypothesis
 * and, the stakes being fixed, forgets the order. */
#include "rating/sequential.h"

#include <math.h>
#include <stdlib.h>

#include "rating/stats.h"

#define STAKES 24 /* to one side, from a hundredth of the largest allowed to nearly all of it */
#define STAKE_MOST 0.95 /* of what could lose everything at once */
#define BISECTIONS 60

double sequential_votes(uint64_t wins, uint64_t losses)
{
    double w = (double)wins, l = (double)losses;
    return exp((w + l) * M_LN2 + stats_beta_log(w + 0.5, l + 0.5) - stats_beta_log(0.5, 0.5));
}

/* ln of the evidence against rate p. */
static double votes_against(double w, double l, double p)
{
    double likelihood = (w > 0 ? w * log(p) : 0) + (l > 0 ? l * log1p(-p) : 0);
    return stats_beta_log(w + 0.5, l + 0.5) - stats_beta_log(0.5, 0.5) - likelihood;
}

struct sequential_interval sequential_votes_interval(uint64_t wins, uint64_t losses, double alpha)
{
    double w = (double)wins, l = (double)losses, bound = log(1 / alpha);
    struct sequential_interval interval = {0, 1};
    double centre = w + l > 0 ? w / (w + l) : 0.5;
    for (int side = 0; side < 2; side++) {
        double outside = side, inside = centre;
        if (side ? losses == 0 : wins == 0)
            continue;
        for (int k = 0; k < BISECTIONS; k++) {
            double middle = 0.5 * (outside + inside);
            if (votes_against(w, l, middle) >= bound)
                outside = middle;
            else
                inside = middle;
        }
        *(side ? &interval.upper : &interval.lower) = outside;
    }
    return interval;
}

/* ln of the mean of exp(x). */
static double log_mean_exp(const double *x, size_t count)
{
    double most = -INFINITY, sum = 0;
    for (size_t k = 0; k < count; k++)
        most = fmax(most, x[k]);
    for (size_t k = 0; k < count; k++)
        sum += exp(x[k] - most);
    return most + log(sum / (double)count);
}

/* What is bet on: single observations, or how many there are of each of the three values. */
struct evidence {
    const double *observations; /* NULL: the counts */
    size_t count;
    struct sequential_counts counts;
};

/* ln of the capital after all of it with one stake (negative: on a mean below m). */
static double wealth_of(const struct evidence *evidence, double stake, double m)
{
    const struct sequential_counts *counts = &evidence->counts;
    double wealth = 0;
    if (!evidence->observations)
        return counts->wins * log1p(stake * (1 - m)) + counts->ties * log1p(stake * (0.5 - m)) +
               counts->losses * log1p(-stake * m);
    for (size_t t = 0; t < evidence->count; t++)
        wealth += log1p(stake * (evidence->observations[t] - m));
    return wealth;
}

static double bet(const struct evidence *evidence, double m, enum sequential_side side)
{
    double capital[2 * STAKES];
    size_t used = 0;
    for (int direction = 0; direction < 2; direction++) {
        if (direction == (side == SEQUENTIAL_ABOVE ? 1 : side == SEQUENTIAL_BELOW ? 0 : 2))
            continue;
        double most =
            STAKE_MOST /
            (direction ? 1 - m : m); /* the loss when x is 0 (or 1) stays below everything */
        for (int k = 0; k < STAKES; k++) {
            double stake = most * pow(0.01, 1 - (k + 1.0) / STAKES);
            capital[used++] = wealth_of(evidence, direction ? -stake : stake, m);
        }
    }
    return log_mean_exp(capital, used);
}

static struct sequential_interval interval_of(const struct evidence *evidence, double mean,
                                              double alpha)
{
    const double edge = 1e-6;
    double bound = log(1 / alpha);
    struct sequential_interval interval = {0, 1};
    mean = fmin(fmax(mean, edge), 1 - edge);
    for (int side = 0; side < 2; side++) {
        double outside = side ? 1 - edge : edge, inside = mean;
        if (bet(evidence, outside, SEQUENTIAL_BOTH) < bound)
            continue;
        for (int k = 0; k < BISECTIONS; k++) {
            double middle = 0.5 * (outside + inside);
            if (bet(evidence, middle, SEQUENTIAL_BOTH) >= bound)
                outside = middle;
            else
                inside = middle;
        }
        *(side ? &interval.upper : &interval.lower) = outside;
    }
    return interval;
}

double sequential_bet(const double *observations, size_t count, double m, enum sequential_side side)
{
    struct evidence evidence = {.observations = observations, .count = count};
    return count ? bet(&evidence, m, side) : 0;
}

struct sequential_interval sequential_bet_interval(const double *observations, size_t count,
                                                   double alpha)
{
    struct evidence evidence = {.observations = observations, .count = count};
    double mean = 0.5;
    if (count == 0)
        return (struct sequential_interval){0, 1};
    for (size_t t = 0; t < count; t++)
        mean += (observations[t] - mean) / (double)(t + 1);
    return interval_of(&evidence, mean, alpha);
}

double sequential_bet_counts(const struct sequential_counts *counts, double m,
                             enum sequential_side side)
{
    struct evidence evidence = {.counts = *counts};
    return bet(&evidence, m, side);
}

struct sequential_interval sequential_counts_interval(const struct sequential_counts *counts,
                                                      double alpha)
{
    struct evidence evidence = {.counts = *counts};
    double votes = counts->wins + counts->ties + counts->losses;
    return interval_of(&evidence, votes > 0 ? (counts->wins + counts->ties / 2) / votes : 0.5,
                       alpha);
}

/* ln E if the same observations had come `times` over. */
static double repeated(const double *observations, size_t count, double m,
                       enum sequential_side side, double times)
{
    double best = -INFINITY;
    for (int direction = 0; direction < 2; direction++) {
        if (direction == (side == SEQUENTIAL_ABOVE ? 1 : side == SEQUENTIAL_BELOW ? 0 : 2))
            continue;
        double most = STAKE_MOST / (direction ? 1 - m : m);
        for (int k = 0; k < STAKES; k++) {
            double stake = most * pow(0.01, 1 - (k + 1.0) / STAKES), wealth = 0;
            for (size_t t = 0; t < count; t++)
                wealth += log1p((direction ? -stake : stake) * (observations[t] - m));
            best = fmax(best, times * wealth);
        }
    }
    return best - log(side == SEQUENTIAL_BOTH
                          ? 2 * STAKES
                          : STAKES); /* one stake's share of the mean: a lower bound */
}

double sequential_needed(const double *observations, size_t count, double m,
                         enum sequential_side side, double alpha)
{
    double bound = log(1 / alpha), low = 1, high = 2;
    if (count == 0)
        return INFINITY;
    if (sequential_bet(observations, count, m, side) >= bound)
        return 0;
    while (repeated(observations, count, m, side, high) < bound) {
        low = high;
        high *= 2;
        if (high > 1e6)
            return INFINITY;
    }
    for (int k = 0; k < BISECTIONS && high - low > 1e-6; k++) {
        double middle = 0.5 * (low + high);
        if (repeated(observations, count, m, side, middle) < bound)
            low = middle;
        else
            high = middle;
    }
    return fmax(ceil((high - 1) * (double)count), 1);
}

double *sequential_observations(const struct ballots *ballots, size_t i, size_t j, size_t *count)
{
    static const double POINTS[OUTCOMES] = {1, 0, 0.5, 0.5};
    double *sum = malloc((ballots->count + 1) * sizeof *sum);
    uint32_t *votes = malloc((ballots->count + 1) * sizeof *votes);
    uint32_t *place = malloc(((size_t)ballots->prompts + 1) * sizeof *place);
    *count = 0;
    if (!sum || !votes || !place) {
        free(sum);
        sum = NULL;
    }
    for (uint32_t p = 0; sum && p < ballots->prompts; p++)
        place[p] = UINT32_MAX;
    for (size_t k = 0; sum && k < ballots->count; k++) {
        const struct ballot *row = &ballots->rows[k];
        bool forward = row->a == i && row->b == j, backward = row->a == j && row->b == i;
        if (!forward && !backward)
            continue;
        uint32_t *at =
            row->prompt < ballots->prompts ? &place[row->prompt] : &place[ballots->prompts];
        if (row->prompt >= ballots->prompts || *at == UINT32_MAX) {
            *at = (uint32_t)*count;
            sum[*count] = 0;
            votes[(*count)++] = 0;
        }
        sum[*at] += forward ? POINTS[row->outcome] : 1 - POINTS[row->outcome];
        votes[*at]++;
    }
    for (size_t t = 0; sum && t < *count; t++)
        sum[t] /= votes[t];
    free(votes);
    free(place);
    return sum;
}
