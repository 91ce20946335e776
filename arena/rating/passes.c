/* A part has matrices of its own, so that threads write nothing in common; the first part is worked
 * on by the caller. The strengths' part of a matrix is summed dense, the features' in a few columns
 * beside it. */
#include "rating/passes.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "rating/bradley_terry.h"

#define PART_LEAST 65536    /* rows: fewer are not worth a thread */
#define PART_SIZE_MOST 1024 /* parameters: of more, adding the parts costs what they save */

bool passes_init(struct passes *passes, const struct contextual_data *data, double penalty,
                 int threads)
{
    size_t m = data->models + data->features;
    size_t parts = m > PART_SIZE_MOST ? 1 : data->count / PART_LEAST;
    parts = parts < 1 ? 1 : parts < PASSES_PARTS_MAX ? parts : PASSES_PARTS_MAX;
    *passes = (struct passes){
        .data = data, .penalty = penalty, .threads = threads < 1 ? 1 : threads, .count = parts};
    bool ok = true;
    for (size_t k = 0; k < parts; k++) {
        struct passes_part *part = &passes->parts[k];
        part->from = data->count * k / parts;
        part->to = data->count * (k + 1) / parts;
        part->gradient = calloc(m + 1, sizeof *part->gradient);
        ok = part->gradient && matrix_init(&part->hessian, m) && matrix_init(&part->meat, m) && ok;
    }
    return ok;
}

void passes_done(struct passes *passes)
{
    for (size_t k = 0; k < passes->count; k++) {
        free(passes->parts[k].gradient);
        matrix_done(&passes->parts[k].hessian);
        matrix_done(&passes->parts[k].meat);
    }
    passes->count = 0;
}

/* --- a part --- */

/* What a pass is of: read by every thread. */
struct pass {
    struct passes *passes;
    const double *theta;
    bool meat;
    void (*work)(const struct pass *pass, struct passes_part *part);
};

static double margin_of(const struct contextual_data *data, size_t k, const double *theta)
{
    const struct contextual_row *row = &data->rows[k];
    const float *x = data->x + k * data->features;
    const double *gamma = theta + data->models;
    double z = theta[row->a] - theta[row->b];
    for (size_t f = 0; f < data->features; f++)
        z += (double)x[f] * gamma[f];
    return z;
}

/* Of one of the row's votes. */
static double weight_of(const struct contextual_data *data, const struct contextual_row *row)
{
    double pair = data->weight ? data->weight[row->a * data->models + row->b] : 1;
    return pair * (double)row->weight;
}

static void part_loss(const struct pass *pass, struct passes_part *part)
{
    const struct contextual_data *data = pass->passes->data;
    part->loss = 0;
    for (size_t k = part->from; k < part->to; k++) {
        const struct contextual_row *row = &data->rows[k];
        double z = margin_of(data, k, pass->theta);
        part->loss +=
            (double)row->count * weight_of(data, row) * (bt_softplus(z) - (double)row->y * z);
    }
}

/* Adds v (e_a - e_b, x)(e_a - e_b, x)^T; the features' rows are filled only in the upper part, see
 * mirror(). */
static void add_row(struct matrix *m, const struct contextual_data *data, size_t k, double v)
{
    const struct contextual_row *row = &data->rows[k];
    const float *x = data->x + k * data->features;
    size_t n = data->models, size = m->n;
    double *a = m->a + row->a * size, *b = m->a + row->b * size;
    a[row->a] += v;
    b[row->b] += v;
    a[row->b] -= v;
    b[row->a] -= v;
    for (size_t f = 0; f < data->features; f++) {
        double vx = v * (double)x[f];
        a[n + f] += vx;
        b[n + f] -= vx;
        double *own = m->a + (n + f) * size + n;
        for (size_t g = f; g < data->features; g++)
            own[g] += vx * (double)x[g];
    }
}

static void part_derivatives(const struct pass *pass, struct passes_part *part)
{
    const struct contextual_data *data = pass->passes->data;
    size_t n = data->models;
    matrix_zero(&part->hessian);
    if (pass->meat)
        matrix_zero(&part->meat);
    memset(part->gradient, 0, part->hessian.n * sizeof *part->gradient);
    for (size_t k = part->from; k < part->to; k++) {
        const struct contextual_row *row = &data->rows[k];
        const float *x = data->x + k * data->features;
        double p = bt_probability(margin_of(data, k, pass->theta)), weight = weight_of(data, row);
        double count = (double)row->count, score = weight * (p - (double)row->y);
        part->gradient[row->a] += count * score;
        part->gradient[row->b] -= count * score;
        for (size_t f = 0; f < data->features; f++)
            part->gradient[n + f] += count * score * (double)x[f];
        add_row(&part->hessian, data, k, count * weight * p * (1 - p));
        if (pass->meat)
            add_row(&part->meat, data, k, count * score * score);
    }
}

/* --- all of them --- */

struct share {
    const struct pass *pass;
    size_t first, step;
};

static void *work_share(void *context)
{
    const struct share *share = context;
    struct passes *passes = share->pass->passes;
    for (size_t k = share->first; k < passes->count; k += share->step)
        share->pass->work(share->pass, &passes->parts[k]);
    return NULL;
}

static void run(const struct pass *pass)
{
    size_t most = (size_t)pass->passes->threads, started = 1;
    size_t step = most < pass->passes->count ? most : pass->passes->count;
    struct share shares[PASSES_PARTS_MAX] = {{pass, 0, 1}};
    pthread_t ids[PASSES_PARTS_MAX];
    for (size_t k = 0; k < step; k++)
        shares[k] = (struct share){pass, k, step};
    while (started < step && pthread_create(&ids[started], NULL, work_share, &shares[started]) == 0)
        started++;
    work_share(&shares[0]);
    for (size_t k = started; k < step; k++) /* what no thread could be had for */
        work_share(&shares[k]);
    while (--started > 0)
        pthread_join(ids[started], NULL);
}

double passes_loss(struct passes *passes, const double *theta)
{
    const struct pass pass = {.passes = passes, .theta = theta, .work = part_loss};
    const double *gamma = theta + passes->data->models;
    double loss = 0, square = 0;
    run(&pass);
    for (size_t k = 0; k < passes->count; k++)
        loss += passes->parts[k].loss;
    for (size_t f = 0; f < passes->data->features; f++)
        square += gamma[f] * gamma[f];
    return loss / passes->data->mass + 0.5 * passes->penalty * square;
}

static void add_up(double *sum, const double *part, size_t count, bool first)
{
    for (size_t k = 0; k < count; k++)
        sum[k] = first ? part[k] : sum[k] + part[k];
}

static void mirror(struct matrix *m, size_t models)
{
    for (size_t i = models; i < m->n; i++)
        for (size_t j = 0; j < i; j++)
            m->a[i * m->n + j] = m->a[j * m->n + i];
}

void passes_derivatives(struct passes *passes, const double *theta, double *gradient,
                        struct matrix *hessian, struct matrix *meat)
{
    const struct pass pass = {
        .passes = passes, .theta = theta, .meat = meat != NULL, .work = part_derivatives};
    const struct contextual_data *data = passes->data;
    size_t n = data->models, m = hessian->n;
    run(&pass);
    for (size_t k = 0; k < passes->count; k++) {
        const struct passes_part *part = &passes->parts[k];
        add_up(gradient, part->gradient, m, k == 0);
        add_up(hessian->a, part->hessian.a, m * m, k == 0);
        if (meat)
            add_up(meat->a, part->meat.a, m * m, k == 0);
    }
    for (size_t f = 0; f < data->features; f++) {
        gradient[n + f] += passes->penalty * data->mass * theta[n + f];
        hessian->a[(n + f) * m + n + f] += passes->penalty * data->mass;
    }
    mirror(hessian, n);
    if (meat)
        mirror(meat, n);
}
