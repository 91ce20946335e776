/* A vote's score touches its two models and, where the method has them, the few parameters they
 * share.
 */
#include "rating/scores.h"

#include "rating/bradley_terry.h"

static const double POINTS[OUTCOMES] = {1, 0, 0.5, 0.5};

/* The two models' numbers in the fit; false when the ballot takes no part. */
static bool models_of(const struct scores *scores, const struct ballot *vote,
                      struct cluster_score *score)
{
    if (scores->map[vote->a] < 0 || scores->map[vote->b] < 0)
        return false;
    score->model[0] = (uint16_t)scores->map[vote->a];
    score->model[1] = (uint16_t)scores->map[vote->b];
    return true;
}

static double weight_of(const struct scores *scores, const struct cluster_score *score)
{
    return scores->weight ? scores->weight[score->model[0] * scores->models + score->model[1]] : 1;
}

bool scores_bradley_terry(const void *context, const struct ballot *vote, size_t ballot,
                          struct cluster_score *score, double *extra)
{
    const struct scores *scores = context;
    (void)ballot;
    (void)extra;
    if (!models_of(scores, vote, score))
        return false;
    double a = scores->power[score->model[0]], b = scores->power[score->model[1]];
    score->value[0] = weight_of(scores, score) * (POINTS[vote->outcome] - a / (a + b));
    score->value[1] = -score->value[0];
    return true;
}

bool scores_tie(const void *context, const struct ballot *vote, size_t ballot,
                struct cluster_score *score, double *extra)
{
    const struct scores *scores = context;
    struct tie_outcomes out;
    (void)ballot;
    if (!models_of(scores, vote, score))
        return false;
    tie_outcomes(&out, scores->tie, scores->theta[score->model[0]], scores->theta[score->model[1]],
                 scores->theta[scores->models]);
    score->value[0] = out.score[vote->outcome][0];
    score->value[1] = out.score[vote->outcome][1];
    extra[0] = out.score[vote->outcome][2];
    return true;
}

bool scores_contextual(const void *context, const struct ballot *vote, size_t ballot,
                       struct cluster_score *score, double *extra)
{
    const struct scores *scores = context;
    const struct contextual_data *data = scores->data;
    if (!models_of(scores, vote, score))
        return false;
    const float *x = data->x + scores->row[ballot] * data->features;
    double z = scores->theta[score->model[0]] - scores->theta[score->model[1]];
    for (size_t f = 0; f < data->features; f++)
        z += (double)x[f] * scores->theta[scores->models + f];
    double own = weight_of(scores, score) * (double)data->rows[scores->row[ballot]].weight *
                 (POINTS[vote->outcome] - bt_probability(z));
    score->value[0] = own;
    score->value[1] = -own;
    for (size_t f = 0; f < data->features; f++)
        extra[f] = own * (double)x[f];
    return true;
}
