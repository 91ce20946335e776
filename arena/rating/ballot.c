/* Rows and features grow together by half of what they hold, so that two million votes cost a
 * handful of copies. */
#include "rating/ballot.h"

#include <stdlib.h>
#include <string.h>

void ballots_init(struct ballots *ballots, size_t features)
{
    *ballots = (struct ballots){.features = features};
}

void ballots_done(struct ballots *ballots)
{
    free(ballots->rows);
    free(ballots->x);
    free(ballots->weight);
    ballots_init(ballots, ballots->features);
}

static bool grow(struct ballots *ballots, struct err *err)
{
    size_t capacity = ballots->capacity ? ballots->capacity + ballots->capacity / 2 : 1024;
    if (ballots->count >= BALLOTS_MAX)
        return err_set(err, ERR_TOO_LARGE, "more than %u single votes; give aggregated counts",
                       BALLOTS_MAX);
    void *rows = realloc(ballots->rows, capacity * sizeof *ballots->rows);
    if (!rows)
        return err_set(err, ERR_MEMORY, "no memory for %zu votes", capacity);
    ballots->rows = rows;
    if (ballots->features) {
        void *x = realloc(ballots->x, capacity * ballots->features * sizeof *ballots->x);
        if (!x)
            return err_set(err, ERR_MEMORY, "no memory for the features of %zu votes", capacity);
        ballots->x = x;
    }
    if (ballots->weighted) {
        void *weight = realloc(ballots->weight, capacity * sizeof *ballots->weight);
        if (!weight)
            return err_set(err, ERR_MEMORY, "no memory for the weights of %zu votes", capacity);
        ballots->weight = weight;
    }
    ballots->capacity = capacity;
    return true;
}

bool ballots_add(struct ballots *ballots, struct ballot ballot, const float *x, struct err *err)
{
    if (ballots->count == ballots->capacity && !grow(ballots, err))
        return false;
    if (ballots->features)
        memcpy(ballots->x + ballots->count * ballots->features, x, ballots->features * sizeof *x);
    if (ballots->weighted)
        ballots->weight[ballots->count] = 1;
    ballots->rows[ballots->count++] = ballot;
    return true;
}

void ballots_weigh(struct ballots *ballots, float weight)
{
    ballots->weight[ballots->count - 1] = weight;
}

bool ballots_tally(const struct ballots *ballots, struct tally *tally, struct err *err)
{
    for (size_t k = 0; k < ballots->count; k++) {
        const struct ballot *row = &ballots->rows[k];
        if (!tally_add(tally, row->a, row->b, (enum outcome)row->outcome, 1, err))
            return false;
    }
    return true;
}
