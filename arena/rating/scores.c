/* A vote's score touches its two models and, where the method has them, the few parameters they
 * share.
 */
#include "rating/scores.h"

#include "rating/bradley_terry.h"

static const double POINTS[OUTCOMES] = {1, 0, 0.5, 0.5};

/* The two models' numbers in the fit; false when the ballot takes no part. */
static bool models_of(const struct scores *scores, size_t ballot, uint16_t *which)
{
    const struct ballot *row = &scores->ballots->rows[ballot];
    if (scores->map[row->a] < 0 || scores->map[row->b] < 0)
        return false;
    which[0] = (uint16_t)scores->map[row->a];
    which[1] = (uint16_t)scores->map[row->b];
    return true;
}

static double weight_of(const struct scores *scores, const uint16_t *which)
{
    return scores->weight ? scores->weight[which[0] * scores->models + which[1]] : 1;
}

bool scores_bradley_terry(const void *context, size_t ballot, uint16_t *which, double *value)
{
    const struct scores *scores = context;
    if (!models_of(scores, ballot, which))
        return false;
    double p = scores->chance ? scores->chance[which[0] * scores->models + which[1]]
                              : bt_probability(scores->theta[which[0]] - scores->theta[which[1]]);
    value[0] = weight_of(scores, which) * (POINTS[scores->ballots->rows[ballot].outcome] - p);
    value[1] = -value[0];
    return true;
}

bool scores_tie(const void *context, size_t ballot, uint16_t *which, double *value)
{
    const struct scores *scores = context;
    struct tie_outcomes out;
    if (!models_of(scores, ballot, which))
        return false;
    which[2] = (uint16_t)scores->models;
    tie_outcomes(&out, scores->tie, scores->theta[which[0]], scores->theta[which[1]],
                 scores->theta[which[2]]);
    for (int k = 0; k < 3; k++)
        value[k] = out.score[scores->ballots->rows[ballot].outcome][k];
    return true;
}

bool scores_contextual(const void *context, size_t ballot, uint16_t *which, double *value)
{
    const struct scores *scores = context;
    const struct contextual_data *data = scores->data;
    if (!models_of(scores, ballot, which))
        return false;
    const float *x = data->x + scores->row[ballot] * data->features;
    double z = scores->theta[which[0]] - scores->theta[which[1]];
    for (size_t f = 0; f < data->features; f++)
        z += (double)x[f] * scores->theta[scores->models + f];
    double score = weight_of(scores, which) * (double)data->rows[scores->row[ballot]].weight *
                   (POINTS[scores->ballots->rows[ballot].outcome] - bt_probability(z));
    value[0] = score;
    value[1] = -score;
    for (size_t f = 0; f < data->features; f++) {
        which[2 + f] = (uint16_t)(scores->models + f);
        value[2 + f] = score * (double)x[f];
    }
    return true;
}
