/* A vote that shares its voter (prompt, or both) with no other is a cluster that nobody reads: how
 * many there are of its kind is what the tally counts less what was met in the lists. A listed
 * cluster's score that touches few models adds its outer product over those alone; scores that
 * touch many are added together. What a vote's score is, each method says for itself. */
#include "rating/cluster.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FLOOR 0.25
#define TOGETHER 64 /* scores of many models whose products are added at once; and widths */
#define AHEAD 12    /* lists: about as many as memory takes to answer */
#define MANY(touched, models) (10 * (touched) > 3 * (models))

/* A listed vote's first word is its kind or its number: an item here. Their scores are kept small,
 * so that those of 130 models fit a core's second-level cache, and one that takes no part says
 * nothing. `grouped` of a score counts its votes in clusters of more than one. */
struct work {
    const struct cluster_votes *votes;
    size_t models, extra;
    size_t count;  /* items */
    uint64_t used; /* votes that take part */
    bool all;      /* every vote does */
    struct cluster_score *scores;
    uint32_t *taking; /* of each item: votes that take part */
    double *extras;   /* of each item: its score by the parameters that are no strengths */
    size_t width;     /* of a row of `rows` */
    double *rows;     /* TOGETHER x width: scores of many models; zeros past the first `many` */
    size_t many;
    bool *listed; /* parameters on `touched` */
    uint32_t *touched;
};

static void work_done(struct work *work)
{
    free(work->scores);
    free(work->taking);
    free(work->extras);
    free(work->rows);
    free(work->listed);
    free(work->touched);
}

static bool work_init(struct work *work, const struct cluster_votes *votes,
                      const struct cluster_scores *scores)
{
    size_t n = scores->models + scores->extra;
    *work = (struct work){
        .votes = votes, .models = scores->models, .extra = scores->extra, .width = matrix_row(n)};
    work->count =
        votes->groups->by_kind ? tally_kinds(votes->tally->models) : votes->ballots->count;
    work->scores = calloc(work->count + 1, sizeof *work->scores);
    work->taking = calloc(work->count + 1, sizeof *work->taking);
    work->extras = calloc(work->count * work->extra + 1, sizeof *work->extras);
    work->rows = calloc(TOGETHER * work->width + 1, sizeof *work->rows);
    work->listed = calloc(n + 2, sizeof *work->listed);
    work->touched = malloc((n + 2) * sizeof *work->touched);
    if (work->scores && work->taking && work->extras && work->rows && work->listed && work->touched)
        return true;
    work_done(work);
    return false;
}

/* `votes` votes are this item. */
static void score_item(struct work *work, const struct cluster_scores *scores, size_t number,
                       const struct ballot *vote, uint32_t votes)
{
    if (!scores->score(scores->context, vote, number, &work->scores[number],
                       work->extras + number * work->extra))
        return;
    work->taking[number] = votes;
    work->used += votes;
}

static void score_kinds(struct work *work, const struct cluster_scores *scores)
{
    const struct tally *tally = work->votes->tally;
    for (size_t j = 1, item = 0; j < tally->models; j++) {
        for (size_t i = 0; i < j; i++) {
            const struct tally_cell *cell = tally_cell(tally, i, j);
            for (int o = 0; o < OUTCOMES; o++, item++) {
                uint32_t votes = cell->count[0][o] + cell->count[1][o];
                struct ballot vote = {.a = (uint16_t)i, .b = (uint16_t)j, .outcome = (uint8_t)o};
                if (votes)
                    score_item(work, scores, item, &vote, votes);
            }
        }
    }
}

static void score_all(struct work *work, const struct cluster_scores *scores)
{
    const struct ballots *ballots = work->votes->ballots;
    if (work->votes->groups->by_kind)
        score_kinds(work, scores);
    for (size_t k = 0; !work->votes->groups->by_kind && k < ballots->count; k++)
        score_item(work, scores, k, &ballots->rows[k], 1);
    work->all = work->used == ballots->count;
}

/* Adds the outer products of the scores of many models and clears them. */
static void flush_many(struct work *work, struct matrix *meat)
{
    matrix_add_products(meat, work->rows, work->many);
    memset(work->rows, 0, work->many * work->width * sizeof *work->rows);
    work->many = 0;
}

/* Adds the outer product of a score of few models, on one side of the diagonal, and clears it. */
static void add_few(struct work *work, double *score, size_t touched, struct matrix *meat)
{
    for (size_t x = 0; x < touched; x++) {
        double *row = meat->a + work->touched[x] * meat->n, here = score[work->touched[x]];
        for (size_t y = 0; y <= x; y++)
            row[work->touched[y]] += here * score[work->touched[y]];
    }
    for (size_t x = 0; x < touched; x++)
        score[work->touched[x]] = 0;
}

/* Puts a parameter on the list, without a branch that nobody could predict; returns how many are
 * on it then. */
static size_t touch(struct work *work, size_t touched, uint32_t parameter)
{
    work->touched[touched] = parameter;
    touched += !work->listed[parameter];
    work->listed[parameter] = true;
    return touched;
}

/* How many of these votes take part. */
static uint32_t count_used(const struct work *work, const uint32_t *words, size_t count,
                           size_t width)
{
    uint32_t used = work->all ? (uint32_t)count : 0;
    for (size_t k = 0; !work->all && k < count; k++)
        used += work->taking[words[k * width]] > 0;
    return used;
}

/* Sums the scores of the votes whose words stand here. */
static void sum_scores(struct work *work, const uint32_t *words, size_t count, size_t width,
                       double *sum)
{
    for (const uint32_t *word = words, *end = words + count * width; word < end; word += width) {
        struct cluster_score *score = &work->scores[*word];
        score->grouped++;
        sum[score->model[0]] += score->value[0];
        sum[score->model[1]] += score->value[1];
        for (size_t k = 0; k < work->extra; k++)
            sum[work->models + k] += work->extras[*word * work->extra + k];
    }
}

/* Lists the parameters that these votes touch; returns how many. Of many votes it is quicker to see
 * what they have left in their sum. */
static size_t find_touched(struct work *work, const uint32_t *words, size_t count, size_t width,
                           const double *sum)
{
    size_t touched = 0, parameters = work->models + work->extra;
    if (4 * count > parameters) {
        for (size_t k = 0; k < parameters; k++) {
            work->touched[touched] = (uint32_t)k;
            touched += sum[k] != 0;
        }
        return touched;
    }
    for (size_t k = 0; k < count; k++) {
        const struct cluster_score *score = &work->scores[words[k * width]];
        touched = touch(work, touched, score->model[0]);
        touched = touch(work, touched, score->model[1]);
    }
    for (size_t k = 0; k < work->extra; k++)
        touched = touch(work, touched, (uint32_t)(work->models + k));
    for (size_t k = 0; k < touched; k++)
        work->listed[work->touched[k]] = false;
    return touched;
}

/* Adds the cluster of these votes to the meat; returns how many take part. */
static uint32_t add_cluster(struct work *work, const uint32_t *words, size_t count, size_t width,
                            struct matrix *meat)
{
    double *sum = work->rows + work->many * work->width;
    sum_scores(work, words, count, width, sum);
    size_t touched = find_touched(work, words, count, width, sum);
    if (MANY(touched, meat->n))
        work->many++;
    else
        add_few(work, sum, touched, meat);
    if (work->many == TOGETHER)
        flush_many(work, meat);
    return count_used(work, words, count, width);
}

/* What votes that are clusters of their own say of the parameters that are no strengths. */
static void add_extras(const struct work *work, size_t item, double alone, struct matrix *meat)
{
    const struct cluster_score *score = &work->scores[item];
    const double *extra = work->extras + item * work->extra;
    for (size_t x = 0; x < work->extra; x++) {
        double *row = meat->a + (work->models + x) * meat->n, here = alone * extra[x];
        row[score->model[0]] += here * score->value[0];
        row[score->model[1]] += here * score->value[1];
        for (size_t y = 0; y <= x; y++)
            row[work->models + y] += here * extra[y];
    }
}

/* The votes that are clusters of their own. The kinds of a pair follow each other, so each pair's
 * places in the matrix are gone to once. */
static void add_alone(struct work *work, struct matrix *meat)
{
    size_t n = meat->n, step = work->votes->groups->by_kind ? OUTCOMES : 1;
    for (size_t from = 0; from < work->count; from += step) {
        double first = 0, second = 0, both = 0;
        size_t a = 0, b = 0;
        for (size_t k = from; k < from + step; k++) {
            struct cluster_score *score = &work->scores[k];
            double alone = (double)work->taking[k] - score->grouped;
            score->grouped = 0;
            if (work->taking[k] == 0)
                continue;
            a = score->model[0];
            b = score->model[1];
            first += alone * score->value[0] * score->value[0];
            second += alone * score->value[1] * score->value[1];
            both += alone * score->value[0] * score->value[1];
            if (work->extra)
                add_extras(work, k, alone, meat);
        }
        meat->a[a * n + a] += first;
        meat->a[b * n + b] += second;
        meat->a[a * n + b] += both;
    }
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

/* Lists lie anywhere: the next ones are asked for while these are summed. */
static void ask_ahead(const struct grouping *by, size_t k)
{
    if (k + AHEAD < by->count)
        __builtin_prefetch(by->words + by->list[k + AHEAD].at);
}

/* By voter or by prompt: the lists. Adds up the votes in them that take part; returns the clusters
 * that have such. */
static uint32_t add_lists(struct work *work, const struct grouping *by, uint64_t *grouped,
                          struct matrix *meat)
{
    uint32_t clusters = 0;
    for (size_t k = 0; k < by->count; k++) {
        const struct group *group = &by->list[k];
        ask_ahead(by, k);
        uint32_t used = add_cluster(work, by->words + group->at, group->count, by->width, meat);
        *grouped += used;
        clusters += used > 0;
    }
    return clusters;
}

/* By voter and prompt: on each prompt, the votes that share their voter stand together. */
static uint32_t add_runs(struct work *work, const struct grouping *by, uint64_t *grouped,
                         struct matrix *meat)
{
    uint32_t clusters = 0;
    for (size_t k = 0; k < by->count; k++) {
        const uint32_t *words = by->words + by->list[k].at;
        ask_ahead(by, k);
        for (size_t from = 0, to, count = by->list[k].count; from < count; from = to) {
            uint32_t voter = words[2 * from + 1];
            for (to = from + 1; to < count && words[2 * to + 1] == voter;)
                to++;
            if (to == from + 1 || voter == BALLOT_NONE)
                continue;
            uint32_t used = add_cluster(work, words + 2 * from, to - from, 2, meat);
            *grouped += used;
            clusters += used > 0;
        }
    }
    return clusters;
}

/* Sum over the clusters, times G / (G - 1); returns G. */
static uint32_t meat_of(struct work *work,
                        uint32_t (*add)(struct work *, const struct grouping *, uint64_t *,
                                        struct matrix *),
                        const struct grouping *by, struct matrix *meat)
{
    uint64_t grouped = 0;
    matrix_zero(meat);
    uint32_t clusters = add(work, by, &grouped, meat);
    clusters += (uint32_t)(work->used - grouped);
    flush_many(work, meat);
    add_alone(work, meat);
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
    const struct groups *groups = work->votes->groups;
    if (work->votes->ballots->prompts) {
        cluster->prompts = meat_of(work, add_lists, &groups->prompt, meat);
        matrix_sandwich(inverse, meat, scratch, &cluster->prompt);
    }
    if (work->votes->ballots->voters) {
        cluster->voters = meat_of(work, add_lists, &groups->voter, meat);
        matrix_sandwich(inverse, meat, scratch, &cluster->voter);
    }
    if (cluster->prompts && cluster->voters) {
        meat_of(work, add_runs, &groups->prompt, meat);
        matrix_sandwich(inverse, meat, scratch, both);
    }
    combine(cluster, both);
}

bool cluster_find(struct cluster *cluster, const struct cluster_votes *votes,
                  const struct cluster_scores *scores, const struct matrix *inverse,
                  const struct matrix *single, struct err *err)
{
    struct work work = {0};
    struct matrix meat = {0}, scratch = {0}, both = {0};
    size_t n = scores->models + scores->extra;
    *cluster = (struct cluster){0};
    bool ok = matrix_init(&meat, n) && matrix_init(&scratch, n) && matrix_init(&both, n) &&
              matrix_init(&cluster->voter, n) && matrix_init(&cluster->prompt, n) &&
              matrix_init(&cluster->single, n) && matrix_init(&cluster->covariance, n) &&
              work_init(&work, votes, scores);
    if (ok) {
        memcpy(cluster->single.a, single->a, n * n * sizeof *single->a);
        score_all(&work, scores);
        fill(cluster, &work, inverse, &meat, &scratch, &both);
        work_done(&work);
    } else {
        cluster_done(cluster);
        err_set(err, ERR_MEMORY, "no memory to cluster %zu votes", votes->ballots->count);
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

/* The standard error, and Satterthwaite's degrees of freedom: each part's share squared over its
 * own. */
static double error_of(const struct cluster *cluster, size_t i, size_t j, double *freedom)
{
    double voter = cluster->voters ? contrast(&cluster->voter, i, j) : 0;
    double prompt = cluster->prompts ? contrast(&cluster->prompt, i, j) : 0;
    double variance =
        fmax(contrast(&cluster->covariance, i, j), FLOOR * contrast(&cluster->single, i, j));
    double spread = voter * voter / freedom_of(cluster->voters) +
                    prompt * prompt / freedom_of(cluster->prompts);
    *freedom = spread > 0 ? (voter + prompt) * (voter + prompt) / spread : INFINITY;
    return sqrt(fmax(variance, 0));
}

struct cluster_width cluster_width(const struct cluster *cluster, size_t i, size_t j,
                                   const struct stats_t_curve *quantile)
{
    double freedom, se = error_of(cluster, i, j, &freedom);
    return (struct cluster_width){se, se * stats_t_curve_at(quantile, freedom)};
}

void cluster_half_widths(const struct cluster *cluster, size_t i,
                         const struct stats_t_curve *quantile, double *half_width)
{
    double freedom[TOGETHER], se[TOGETHER];
    for (size_t from = 0; from < i; from += TOGETHER) {
        size_t count = i - from < TOGETHER ? i - from : TOGETHER;
        for (size_t j = 0; j < count; j++)
            se[j] = error_of(cluster, i, from + j, &freedom[j]);
        stats_t_curve_each(quantile, freedom, count);
        for (size_t j = 0; j < count; j++)
            half_width[from + j] = se[j] * freedom[j];
    }
}
