/* An observation has three values, so a test's state is three counts and its evidence a sum over
 * stakes: a game of thousands of votes costs a look at every hundredth of them, not at every
 * vote. */
#include "rating/power.h"

#include <math.h>
#include <stdbool.h>

#include "base/random.h"
#include "rating/sequential.h"
#include "rating/stats.h"

enum { GAMES = 400 };

struct chances {
    double win, tie;
};

/* A tie counts half, so the mean says how many of the others are wins. */
static struct chances chances_of(double mean, double ties)
{
    struct chances chances = {.tie = fmin(fmax(ties, 0), 1)};
    chances.win = fmin(fmax(mean - chances.tie / 2, 0), 1 - chances.tie);
    return chances;
}

static void add_votes(struct sequential_counts *counts, uint64_t votes, struct chances chances,
                      struct rng *rng)
{
    uint64_t ties = stats_draw_binomial(rng, votes, chances.tie), rest = votes - ties, wins = 0;
    if (chances.tie < 1)
        wins = stats_draw_binomial(rng, rest, chances.win / (1 - chances.tie));
    counts->ties += (double)ties;
    counts->wins += (double)wins;
    counts->losses += (double)(rest - wins);
}

/* How many votes one game takes. */
static double play(struct chances chances, double m, double bound, struct rng *rng)
{
    struct sequential_counts counts = {0, 0, 0};
    uint64_t votes = 0;
    while (votes < POWER_VOTES_MAX) {
        uint64_t more = 1 + votes / 100;
        add_votes(&counts, more, chances, rng);
        votes += more;
        if (sequential_bet_counts(&counts, m, SEQUENTIAL_BOTH) >= bound)
            return (double)votes;
    }
    return INFINITY;
}

double power_to_decide(double mean, double ties, double m, double alpha, double power,
                       uint64_t seed)
{
    double votes[GAMES];
    struct rng rng;
    rng_init(&rng, seed, 0);
    for (int game = 0; game < GAMES; game++)
        votes[game] = play(chances_of(mean, ties), m, log(1 / alpha), &rng);
    stats_sort(votes, GAMES);
    size_t last = (size_t)ceil(power * GAMES);
    return votes[last ? last - 1 : 0];
}

static bool is_narrow(struct chances chances, double votes, double width, double alpha)
{
    struct sequential_counts counts = {.wins = votes * chances.win,
                                       .ties = votes * chances.tie,
                                       .losses = votes * (1 - chances.win - chances.tie)};
    struct sequential_interval interval = sequential_counts_interval(&counts, alpha);
    return (interval.upper - interval.lower) / 2 <= width;
}

double power_to_measure(double mean, double ties, double width, double alpha)
{
    struct chances chances = chances_of(mean, ties);
    double low = 0, high = POWER_VOTES_MAX;
    if (!is_narrow(chances, high, width, alpha))
        return INFINITY;
    while (high - low > 1) {
        double middle = floor((low + high) / 2);
        if (is_narrow(chances, middle, width, alpha))
            high = middle;
        else
            low = middle;
    }
    return high;
}
