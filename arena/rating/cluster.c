/* Votes are sorted by cluster. A cluster's score that touches few models adds its outer product
 * over those alone; the scores that touch many are added four at a time over whole rows. Summing
 * in the order of the votes keeps the result a function of the votes, not of threads. What a
 * vote's score is, each method says for itself. */
#include "rating/cluster.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rating/wide.h"

#define FLOOR 0.25
#define TOGETHER 4 /* scores of many models whose outer products are added at once */

struct work {
    const struct ballots *ballots;
    uint32_t *order, *spare, *start;
    double *scores_many; /* TOGETHER x parameters; all zeros past the first `many` */
    size_t many;
    double *score; /* of the cluster at hand: one of those */
    bool *listed;  /* parameters on `touched` */
    uint32_t *touched;
    uint16_t *which;   /* of every vote: the parameters that its score is about */
    double *value;     /* and the score, 0 where a vote says nothing of one */
    size_t each, used; /* parameters of a vote; ballots that take part */
};

static void work_done(struct work *work)
{
    free(work->order);
    free(work->spare);
    free(work->start);
    free(work->scores_many);
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
    *work = (struct work){.ballots = ballots, .each = scores->each};
    work->order = malloc((ballots->count + 1) * sizeof *work->order);
    work->spare = malloc((ballots->count + 1) * sizeof *work->spare);
    work->start = malloc((keys + 1) * sizeof *work->start);
    work->score = work->scores_many = calloc(TOGETHER * n + 1, sizeof *work->score);
    work->listed = calloc(n + 1, sizeof *work->listed);
    work->touched = malloc((n + 1) * sizeof *work->touched);
    work->which = malloc((ballots->count * work->each + 1) * sizeof *work->which);
    work->value = malloc((ballots->count * work->each + 1) * sizeof *work->value);
    if (!work->order || !work->spare || !work->start || !work->score || !work->listed ||
        !work->touched || !work->which || !work->value) {
        work_done(work);
        return false;
    }
    for (size_t k = 0; k < ballots->count; k++)
        if (scores->score(scores->context, k, work->which + k * work->each,
                          work->value + k * work->each))
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
    const uint16_t *which = work->which + ballot * work->each;
    const double *value = work->value + ballot * work->each;
    for (size_t k = 0; k < work->each; k++) {
        uint32_t parameter = which[k];
        work->score[parameter] += value[k];
        work->touched[*touched] = parameter; /* without a branch that nobody could predict */
        *touched += !work->listed[parameter];
        work->listed[parameter] = true;
    }
}

/* A vote that is a cluster of its own. */
static void add_alone(struct work *work, size_t ballot, struct matrix *meat)
{
    const uint16_t *which = work->which + ballot * work->each;
    const double *value = work->value + ballot * work->each;
    for (size_t x = 0; x < work->each; x++)
        for (size_t y = 0; y <= x; y++)
            meat->a[which[x] * meat->n + which[y]] += value[x] * value[y];
}

/* Adds the outer products of the scores of many models, above the diagonal, and clears them. */
WIDE static void flush_many(struct work *work, struct matrix *meat)
{
    size_t n = meat->n;
    const double *s0 = work->scores_many, *s1 = s0 + n, *s2 = s1 + n, *s3 = s2 + n;
    for (size_t i = 0; work->many && i < n; i++) {
        double *restrict row = meat->a + i * n;
        for (size_t j = i; j < n; j++)
            row[j] += s0[i] * s0[j] + s1[i] * s1[j] + s2[i] * s2[j] + s3[i] * s3[j];
    }
    memset(work->scores_many, 0, work->many * n * sizeof *work->scores_many);
    work->many = 0;
    work->score = work->scores_many;
}

/* Adds the outer product of a score of few models, on one side of the diagonal, and clears it. */
static void add_few(struct work *work, size_t touched, struct matrix *meat)
{
    for (size_t x = 0; x < touched; x++) {
        double *row = meat->a + work->touched[x] * meat->n, score = work->score[work->touched[x]];
        for (size_t y = 0; y <= x; y++)
            row[work->touched[y]] += score * work->score[work->touched[y]];
    }
    for (size_t x = 0; x < touched; x++)
        work->score[work->touched[x]] = 0;
}

static void close_cluster(struct work *work, size_t touched, struct matrix *meat)
{
    for (size_t x = 0; x < touched; x++)
        work->listed[work->touched[x]] = false;
    if (5 * touched < 2 * meat->n) {
        add_few(work, touched, meat);
        return;
    }
    work->score += meat->n;
    if (++work->many == TOGETHER)
        flush_many(work, meat);
}

/* Each outer product stands on one side of the diagonal or the other: their sum is the whole. */
static void fold(struct matrix *meat, double factor)
{
    size_t n = meat->n;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < i; j++) {
            double sum = factor * (meat->a[i * n + j] + meat->a[j * n + i]);
            meat->a[i * n + j] = meat->a[j * n + i] = sum;
        }
        meat->a[i * n + i] *= factor;
    }
}

static bool same_cluster(const struct ballot *x, const struct ballot *y, bool by_voter,
                         bool by_prompt)
{
    if (by_voter && (x->voter != y->voter || x->voter == BALLOT_NONE))
        return false;
    return !by_prompt || (x->prompt == y->prompt && x->prompt != BALLOT_NONE);
}

/* Adds the cluster of the sorted votes from `from` up to `to`. */
static void add_cluster(struct work *work, size_t from, size_t to, struct matrix *meat)
{
    size_t touched = 0;
    if (to - from == 1) {
        add_alone(work, work->order[from], meat);
        return;
    }
    for (size_t k = from; k < to; k++)
        add_score(work, work->order[k], &touched);
    close_cluster(work, touched, meat);
}

/* Sum over the clusters of the sorted votes, times G / (G - 1); returns G. */
static uint32_t meat_of(struct work *work, bool by_voter, bool by_prompt, struct matrix *meat)
{
    const struct ballot *rows = work->ballots->rows;
    uint32_t clusters = 0;
    matrix_zero(meat);
    for (size_t from = 0, to; from < work->used; from = to, clusters++) {
        const struct ballot *first = &rows[work->order[from]];
        to = from + 1;
        while (to < work->used && same_cluster(first, &rows[work->order[to]], by_voter, by_prompt))
            to++;
        add_cluster(work, from, to, meat);
    }
    flush_many(work, meat);
    fold(meat, clusters > 1 ? (double)clusters / (clusters - 1) : 1);
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

static double freedom_of(uint32_t clusters)
{
    return clusters ? fmax((double)clusters - 2, 1) : INFINITY;
}

double cluster_least_freedom(const struct cluster *cluster)
{
    return fmin(freedom_of(cluster->voters), freedom_of(cluster->prompts));
}

struct cluster_width cluster_width(const struct cluster *cluster, size_t i, size_t j,
                                   const struct stats_t_curve *quantile)
{
    double voter = cluster->voters ? contrast(&cluster->voter, i, j) : 0;
    double prompt = cluster->prompts ? contrast(&cluster->prompt, i, j) : 0;
    double variance =
        fmax(contrast(&cluster->covariance, i, j), FLOOR * contrast(&cluster->single, i, j));
    /* Satterthwaite: each part's share squared over its degrees of freedom */
    double spread = voter * voter / freedom_of(cluster->voters) +
                    prompt * prompt / freedom_of(cluster->prompts);
    double freedom = spread > 0 ? (voter + prompt) * (voter + prompt) / spread : INFINITY;
    double se = sqrt(fmax(variance, 0));
    return (struct cluster_width){se, se * stats_t_curve_at(quantile, freedom)};
}
