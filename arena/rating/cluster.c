/* Votes are sorted by cluster; a cluster's score touches few models, so its outer product is
 * added over those alone. Summing scores in the order of the votes keeps the result a function
 * of the votes, not of threads. What a vote's score is, each method says for itself. */
#include "rating/cluster.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rating/stats.h"

#define FLOOR 0.25

struct work {
    const struct ballots *ballots;
    const struct cluster_scores *scores;
    uint32_t *order, *spare, *start;
    double *score; /* of the cluster at hand */
    bool *listed;  /* parameters on `touched` */
    uint32_t *touched, *which;
    double *value; /* of one vote */
    size_t used;   /* ballots that take part */
};

static void work_done(struct work *work)
{
    free(work->order);
    free(work->spare);
    free(work->start);
    free(work->score);
    free(work->listed);
    free(work->touched);
    free(work->which);
    free(work->value);
}

static bool work_init(struct work *work, const struct ballots *ballots,
                      const struct cluster_scores *scores)
{
    size_t n = scores->parameters;
    size_t keys = (ballots->voters > ballots->prompts ? ballots->voters : ballots->prompts) + 2;
    *work = (struct work){.ballots = ballots, .scores = scores};
    work->order = malloc((ballots->count + 1) * sizeof *work->order);
    work->spare = malloc((ballots->count + 1) * sizeof *work->spare);
    work->start = malloc((keys + 1) * sizeof *work->start);
    work->score = calloc(n + 1, sizeof *work->score);
    work->listed = calloc(n + 1, sizeof *work->listed);
    work->touched = malloc((n + 1) * sizeof *work->touched);
    work->which = malloc((n + 1) * sizeof *work->which);
    work->value = malloc((n + 1) * sizeof *work->value);
    if (!work->order || !work->spare || !work->start || !work->score || !work->listed ||
        !work->touched || !work->which || !work->value) {
        work_done(work);
        return false;
    }
    for (size_t k = 0; k < ballots->count; k++)
        if (scores->score(scores->context, k, work->which, work->value))
            work->order[work->used++] = (uint32_t)k;
    return true;
}

static uint32_t key_of(const struct ballot *row, bool by_prompt)
{
    return by_prompt ? row->prompt : row->voter;
}

/* Stable counting sort of `order` by voter or prompt; those without one come last. */
static void sort_by(struct work *work, bool by_prompt)
{
    uint32_t keys = (by_prompt ? work->ballots->prompts : work->ballots->voters) + 1;
    memset(work->start, 0, (keys + 1) * sizeof *work->start);
    for (size_t k = 0; k < work->used; k++) {
        uint32_t key = key_of(&work->ballots->rows[work->order[k]], by_prompt);
        work->start[(key < keys - 1 ? key : keys - 1) + 1]++;
    }
    for (uint32_t key = 0; key < keys; key++)
        work->start[key + 1] += work->start[key];
    for (size_t k = 0; k < work->used; k++) {
        uint32_t key = key_of(&work->ballots->rows[work->order[k]], by_prompt);
        work->spare[work->start[key < keys - 1 ? key : keys - 1]++] = work->order[k];
    }
    uint32_t *swap = work->order;
    work->order = work->spare;
    work->spare = swap;
}

/* Adds one vote's score to its cluster's. */
static void add_score(struct work *work, size_t ballot, size_t *touched)
{
    size_t count = work->scores->score(work->scores->context, ballot, work->which, work->value);
    for (size_t k = 0; k < count; k++) {
        uint32_t parameter = work->which[k];
        work->score[parameter] += work->value[k];
        if (!work->listed[parameter])
            work->touched[(*touched)++] = parameter;
        work->listed[parameter] = true;
    }
}

/* Adds the outer product of the gathered score, and clears it. */
static void close_cluster(struct work *work, size_t touched, struct matrix *meat)
{
    for (size_t x = 0; x < touched; x++) {
        double *row = meat->a + work->touched[x] * meat->n;
        for (size_t y = 0; y < touched; y++)
            row[work->touched[y]] += work->score[work->touched[x]] * work->score[work->touched[y]];
    }
    for (size_t x = 0; x < touched; x++) {
        work->score[work->touched[x]] = 0;
        work->listed[work->touched[x]] = false;
    }
}

static bool same_cluster(const struct ballot *x, const struct ballot *y, bool by_voter,
                         bool by_prompt)
{
    if (by_voter && (x->voter != y->voter || x->voter == BALLOT_NONE))
        return false;
    return !by_prompt || (x->prompt == y->prompt && x->prompt != BALLOT_NONE);
}

/* Sum over the clusters of the sorted votes, times G / (G - 1); returns G. */
static uint32_t meat_of(struct work *work, bool by_voter, bool by_prompt, struct matrix *meat)
{
    const struct ballot *rows = work->ballots->rows;
    uint32_t clusters = 0;
    size_t touched = 0;
    matrix_zero(meat);
    for (size_t k = 0; k < work->used; k++) {
        const struct ballot *row = &rows[work->order[k]];
        add_score(work, work->order[k], &touched);
        if (k + 1 < work->used && same_cluster(row, &rows[work->order[k + 1]], by_voter, by_prompt))
            continue;
        close_cluster(work, touched, meat);
        touched = 0;
        clusters++;
    }
    double factor = clusters > 1 ? (double)clusters / (clusters - 1) : 1;
    for (size_t i = 0; i < meat->n * meat->n; i++)
        meat->a[i] *= factor;
    return clusters;
}

static void combine(struct cluster *cluster, const struct matrix *both)
{
    for (size_t i = 0; i < both->n * both->n; i++) {
        double voter = cluster->voters ? cluster->voter.a[i] : 0;
        double prompt = cluster->prompts ? cluster->prompt.a[i] : 0;
        bool two = cluster->voters && cluster->prompts;
        cluster->covariance.a[i] = voter + prompt - (two ? both->a[i] : 0);
    }
}

/* The three sandwiches; `meat`, `scratch` and `both` are room. */
static void fill(struct cluster *cluster, struct work *work, const struct matrix *inverse,
                 struct matrix *meat, struct matrix *scratch, struct matrix *both)
{
    if (work->ballots->prompts) {
        sort_by(work, true);
        cluster->prompts = meat_of(work, false, true, meat);
        matrix_sandwich(inverse, meat, scratch, &cluster->prompt);
    }
    if (work->ballots->voters) {
        sort_by(work, false);
        cluster->voters = meat_of(work, true, false, meat);
        matrix_sandwich(inverse, meat, scratch, &cluster->voter);
    }
    if (cluster->prompts && cluster->voters) { /* still sorted by prompt within each voter */
        meat_of(work, true, true, meat);
        matrix_sandwich(inverse, meat, scratch, both);
    }
    combine(cluster, both);
}

bool cluster_find(struct cluster *cluster, const struct ballots *ballots,
                  const struct cluster_scores *scores, const struct matrix *inverse,
                  const struct matrix *single, struct err *err)
{
    struct work work = {0};
    struct matrix meat = {0}, scratch = {0}, both = {0};
    size_t n = scores->parameters;
    *cluster = (struct cluster){0};
    bool ok = matrix_init(&meat, n) && matrix_init(&scratch, n) && matrix_init(&both, n) &&
              matrix_init(&cluster->voter, n) && matrix_init(&cluster->prompt, n) &&
              matrix_init(&cluster->single, n) && matrix_init(&cluster->covariance, n) &&
              work_init(&work, ballots, scores);
    if (ok) {
        memcpy(cluster->single.a, single->a, n * n * sizeof *single->a);
        fill(cluster, &work, inverse, &meat, &scratch, &both);
        work_done(&work);
    } else {
        cluster_done(cluster);
        err_set(err, ERR_MEMORY, "no memory to cluster %zu votes", ballots->count);
    }
    matrix_done(&meat);
    matrix_done(&scratch);
    matrix_done(&both);
    return ok;
}

void cluster_done(struct cluster *cluster)
{
    matrix_done(&cluster->voter);
    matrix_done(&cluster->prompt);
    matrix_done(&cluster->single);
    matrix_done(&cluster->covariance);
    *cluster = (struct cluster){0};
}

static double contrast(const struct matrix *v, size_t i, size_t j)
{
    if (i == j)
        return v->a[i * v->n + i];
    return v->a[i * v->n + i] + v->a[j * v->n + j] - v->a[i * v->n + j] - v->a[j * v->n + i];
}

struct cluster_width cluster_width(const struct cluster *cluster, size_t i, size_t j,
                                   double confidence)
{
    double voter = cluster->voters ? contrast(&cluster->voter, i, j) : 0;
    double prompt = cluster->prompts ? contrast(&cluster->prompt, i, j) : 0;
    double variance =
        fmax(contrast(&cluster->covariance, i, j), FLOOR * contrast(&cluster->single, i, j));
    double spread = 0; /* Satterthwaite: each part's share squared over its degrees of freedom */
    if (cluster->voters)
        spread += voter * voter / fmax((double)cluster->voters - 2, 1);
    if (cluster->prompts)
        spread += prompt * prompt / fmax((double)cluster->prompts - 2, 1);
    double freedom = spread > 0 ? (voter + prompt) * (voter + prompt) / spread : INFINITY;
    double se = sqrt(fmax(variance, 0));
    return (struct cluster_width){se, se * stats_t_quantile(0.5 * (1 + confidence), freedom)};
}
