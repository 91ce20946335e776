/* How often a pair has met says which prompt it meets on next: nothing else is remembered. */
#include "eval/waves.h"

#include <stdlib.h>

#include "base/random.h"
#include "rating/pairing.h"

enum { WAVES = 8 }; /* after the first: a refit each */

struct meeting {
    size_t *met; /* of each pair of sides */
    size_t most; /* prompts and samples that a pair can meet on */
};

static size_t cell(size_t a, size_t b)
{
    return b * (b - 1) / 2 + a;
}

/* A walk over all prompts and samples: a start and a step without a common divisor. */
static size_t greatest_divisor(size_t a, size_t b)
{
    while (b) {
        size_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static size_t place_of(const struct eval_plan *plan, size_t pair, size_t round, size_t most)
{
    struct rng rng;
    rng_init(&rng, (uint64_t)plan->spec.seed, pair);
    size_t start = rng_below(&rng, most), step = 1 + rng_below(&rng, most);
    while (greatest_divisor(step, most) != 1)
        step++;
    return (start + round % most * (step % most)) % most;
}

static bool count_meetings(const struct eval_plan *plan, struct meeting *meeting, struct err *err)
{
    size_t sides = plan->spec.competitor_count;
    meeting->most = plan->prompts.count * (size_t)plan->spec.samples;
    meeting->met = calloc(sides * sides, sizeof *meeting->met);
    if (!meeting->met)
        return err_set(err, ERR_MEMORY, "no memory to choose pairs");
    for (size_t k = 0; k < plan->pair_count; k++)
        if (plan->pairs[k].side[0] != plan->pairs[k].side[1])
            meeting->met[cell(plan->pairs[k].side[0], plan->pairs[k].side[1])]++;
    return true;
}

static bool meet(struct eval_plan *plan, struct meeting *meeting, size_t a, size_t b,
                 struct err *err)
{
    size_t pair = cell(a, b), samples = (size_t)plan->spec.samples,
           at = place_of(plan, pair, meeting->met[pair]++, meeting->most);
    return eval_plan_add_pair(plan, (uint32_t)(at / samples), (uint16_t)(at % samples), a, b, err);
}

static size_t wanted_in_all(const struct eval_plan *plan)
{
    size_t wanted = (size_t)plan->spec.adaptive_pairs, most = eval_plan_most_pairs(plan);
    return wanted < most ? wanted : most;
}

static size_t pairs_of_two(const struct eval_plan *plan)
{
    size_t count = 0;
    for (size_t k = 0; k < plan->pair_count; k++)
        count += plan->pairs[k].side[0] != plan->pairs[k].side[1];
    return count;
}

/* A fifth of all, at least twice round: every pair alike. */
bool waves_first(struct eval_plan *plan, struct err *err)
{
    size_t sides = plan->spec.competitor_count, wanted = wanted_in_all(plan), round = 0,
           least = sides * (sides - 1);
    struct meeting meeting;
    if (!count_meetings(plan, &meeting, err))
        return false;
    least = wanted / 5 > least ? wanted / 5 : least;
    least = least < wanted ? least : wanted;
    bool ok = true;
    for (; ok && plan->pair_count < least; round++)
        for (size_t b = 1; ok && b < sides; b++)
            for (size_t a = 0; ok && a < b && plan->pair_count < least; a++)
                ok = meet(plan, &meeting, a, b, err);
    free(meeting.met);
    return ok;
}

static void take_out_the_spent(double *probability, const struct meeting *meeting, size_t cells)
{
    for (size_t k = 0; k < cells; k++)
        if (meeting->met[k] >= meeting->most)
            probability[k] = 0;
}

/* The pair that has the largest chance for each time that it was taken in this wave: as the
 * chances, without a draw's noise. */
static size_t best_cell(const double *probability, const size_t *taken, size_t cells)
{
    size_t best = 0;
    for (size_t k = 1; k < cells; k++)
        if (probability[k] / (double)(1 + taken[k]) > probability[best] / (double)(1 + taken[best]))
            best = k;
    return best;
}

static bool add_wave(struct eval_plan *plan, struct meeting *meeting, double *probability,
                     size_t count, size_t *added, struct err *err)
{
    size_t sides = plan->spec.competitor_count, cells = sides * (sides - 1) / 2;
    size_t *taken = calloc(cells, sizeof *taken);
    bool ok = taken != NULL || err_set(err, ERR_MEMORY, "no memory to choose pairs");
    for (*added = 0; ok && *added < count; ++*added) {
        take_out_the_spent(probability, meeting, cells);
        size_t best = best_cell(probability, taken, cells), b = 1;
        if (!(probability[best] > 0))
            break;
        while (cell(0, b + 1) <= best)
            b++;
        taken[best]++;
        ok = meet(plan, meeting, best - cell(0, b), b, err);
    }
    free(taken);
    return ok;
}

bool waves_next(struct eval_plan *plan, const struct tally *tally, size_t *added, struct err *err)
{
    size_t sides = plan->spec.competitor_count, wanted = wanted_in_all(plan),
           have = pairs_of_two(plan), size = wanted / WAVES + 1;
    struct meeting meeting = {NULL, 0};
    *added = 0;
    if (have >= wanted)
        return true;
    double *probability = calloc(sides * (sides - 1) / 2, sizeof *probability);
    bool ok = probability != NULL || err_set(err, ERR_MEMORY, "no memory to choose pairs");
    ok = ok && count_meetings(plan, &meeting, err) &&
         pairing_spread(probability, tally, NULL, err) &&
         add_wave(plan, &meeting, probability, size < wanted - have ? size : wanted - have, added,
                  err);
    free(probability);
    free(meeting.met);
    return ok;
}
