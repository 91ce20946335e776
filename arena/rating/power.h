/* How many votes a campaign will take, before the first one: for the betting test and interval of
 * rating/sequential.h on observations 1, 1/2 and 0 (a win, a tie, a loss), one a prompt.
 *
 * `power_to_decide` plays the very test many times with seeded chance; `power_to_measure` finds
 * where the interval of votes that came as expected is narrow enough. Pure, some tens of
 * milliseconds. */
#ifndef ARENA_RATING_POWER_H
#define ARENA_RATING_POWER_H

#include <stddef.h>
#include <stdint.h>

#define POWER_VOTES_MAX 100000 /* more of one pair than any campaign collects */

/* The votes after which a test at `alpha` that looks after every vote has shown with chance
 * `power` that the mean is not `m`, where it is `mean` and a vote is a tie with chance `ties`.
 * INFINITY: not within POWER_VOTES_MAX. */
double power_to_decide(double mean, double ties, double m, double alpha, double power,
                       uint64_t seed);

/* The votes after which the interval at `alpha` around `mean` is at most `width` to each side;
 * INFINITY likewise. */
double power_to_measure(double mean, double ties, double width, double alpha);

#endif
