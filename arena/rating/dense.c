/* Every inner loop adds multiples of one row to another, element by element: that becomes vector
 * instructions without changing the order of any sum, which a dot product would not allow. A solve
 * of 130 models takes a fraction of a millisecond, less than a BLAS needs to load. */
#include "rating/dense.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rating/wide.h"

bool matrix_init(struct matrix *m, size_t n)
{
    m->n = n;
    m->a = calloc(n ? n * n : 1, sizeof *m->a);
    return m->a != NULL;
}

void matrix_done(struct matrix *m)
{
    free(m->a);
    *m = (struct matrix){0};
}

void matrix_zero(struct matrix *m)
{
    memset(m->a, 0, m->n * m->n * sizeof *m->a);
}

double matrix_trace(const struct matrix *m)
{
    double trace = 0;
    for (size_t i = 0; i < m->n; i++)
        trace += m->a[i * m->n + i];
    return trace;
}

/* y += c x */
static void add_row(double *restrict y, const double *restrict x, double c, size_t n)
{
    for (size_t k = 0; k < n; k++)
        y[k] += c * x[k];
}

WIDE bool matrix_factor(struct matrix *m)
{
    size_t n = m->n;
    for (size_t i = 0; i < n; i++) {
        double *row = m->a + i * n;
        double pivot = row[i];
        if (!(pivot > 0) || !isfinite(pivot))
            return false;
        double scale = 1 / sqrt(pivot);
        for (size_t k = i; k < n; k++)
            row[k] *= scale;
        for (size_t r = i + 1; r < n; r++)
            add_row(m->a + r * n + r, row + r, -row[r], n - r);
    }
    return true;
}

WIDE void matrix_solve(const struct matrix *factor, double *x)
{
    size_t n = factor->n;
    for (size_t i = 0; i < n; i++) { /* U^T y = x, column by column of U^T */
        const double *row = factor->a + i * n;
        x[i] /= row[i];
        add_row(x + i + 1, row + i + 1, -x[i], n - i - 1);
    }
    for (size_t i = n; i-- > 0;) { /* U x = y */
        const double *row = factor->a + i * n;
        double sum = x[i];
        for (size_t k = i + 1; k < n; k++)
            sum -= row[k] * x[k];
        x[i] = sum / row[i];
    }
}

/* Rows of U^-T, one under the other: row i holds the solution of U^T w = e_i, transposed, so
 * that the inverse is the sum of their outer products. */
WIDE static void invert_factor(const struct matrix *factor, double *w)
{
    size_t n = factor->n;
    memset(w, 0, n * n * sizeof *w);
    for (size_t i = 0; i < n; i++) {
        const double *row = factor->a + i * n;
        w[i * n + i] += 1;
        double scale = 1 / row[i];
        for (size_t k = 0; k <= i; k++)
            w[i * n + k] *= scale;
        for (size_t r = i + 1; r < n; r++)
            add_row(w + r * n, w + i * n, -row[r], i + 1);
    }
}

/* m += W^T W, W lower triangular. */
WIDE static void add_squares(struct matrix *m, const double *w)
{
    size_t n = m->n;
    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; i <= k; i++)
            add_row(m->a + i * n, w + k * n, w[k * n + i], k + 1);
}

void matrix_invert(const struct matrix *factor, struct matrix *inverse)
{
    size_t n = factor->n;
    double *w = malloc((n ? n * n : 1) * sizeof *w);
    matrix_zero(inverse);
    if (!w) { /* column by column needs no room */
        for (size_t i = 0; i < n; i++) {
            inverse->a[i * n + i] = 1;
            matrix_solve(factor, inverse->a + i * n);
        }
        return;
    }
    invert_factor(factor, w);
    add_squares(inverse, w);
    free(w);
}

/* --- products --- */

#define STRIP 4   /* columns of a product that are summed at a time, in registers, */
#define ROWS 6    /* of so many rows */
#define DEPTH 256 /* terms of the sums at a time: what they read stays in the nearest cache */

typedef double lane __attribute__((vector_size(STRIP * sizeof(double))));

/* Where in a product the work is: terms from `term` on, `depth` of them, of STRIP columns. */
struct strip {
    size_t term, depth, column, width;
    double y[DEPTH][STRIP]; /* the terms' rows of the right factor, filled up with zeros */
};

static void strip_pack(struct strip *strip, const struct matrix *y, size_t term, size_t column)
{
    size_t n = y->n;
    strip->term = term;
    strip->depth = n - term < DEPTH ? n - term : DEPTH;
    strip->column = column;
    strip->width = n - column < STRIP ? n - column : STRIP;
    for (size_t k = 0; k < strip->depth; k++) {
        memset(strip->y[k], 0, sizeof strip->y[k]);
        memcpy(strip->y[k], y->a + (term + k) * n + column, strip->width * sizeof(double));
    }
}

/* Adds ROWS rows of x, from `first` on, times the strip. The last row stands in for those past
 * the end; its sum is not used again. */
WIDE static void strip_multiply(const struct strip *strip, const struct matrix *x, size_t first,
                                struct matrix *out)
{
    size_t n = x->n;
    const double *row[ROWS];
    lane sum[ROWS] = {{0}};
    for (size_t r = 0; r < ROWS; r++)
        row[r] = x->a + (first + r < n ? first + r : n - 1) * n + strip->term;
    for (size_t k = 0; k < strip->depth; k++) {
        lane y;
        memcpy(&y, strip->y[k], sizeof y);
        sum[0] += row[0][k] * y;
        sum[1] += row[1][k] * y;
        sum[2] += row[2][k] * y;
        sum[3] += row[3][k] * y;
        sum[4] += row[4][k] * y;
        sum[5] += row[5][k] * y;
    }
    for (size_t r = 0; r < ROWS && first + r < n; r++) {
        double *at = out->a + (first + r) * n + strip->column, add[STRIP];
        memcpy(add, &sum[r], sizeof add);
        for (size_t c = 0; c < strip->width; c++)
            at[c] += add[c];
    }
}

/* out := x y, or only so much of it as reaches the diagonal from above. */
static void multiply(const struct matrix *x, const struct matrix *y, struct matrix *out, bool upper)
{
    struct strip strip;
    size_t n = x->n;
    matrix_zero(out);
    for (size_t term = 0; term < n; term += DEPTH) {
        for (size_t column = 0; column < n; column += STRIP) {
            strip_pack(&strip, y, term, column);
            for (size_t first = 0; first < (upper ? column + STRIP : n) && first < n; first += ROWS)
                strip_multiply(&strip, x, first, out);
        }
    }
}

void matrix_sandwich(const struct matrix *k, const struct matrix *b, struct matrix *scratch,
                     struct matrix *out)
{
    size_t n = k->n;
    multiply(k, b, scratch, false);
    multiply(scratch, k, out, true);
    for (size_t i = 1; i < n; i++)
        for (size_t j = 0; j < i; j++)
            out->a[i * n + j] = out->a[j * n + i];
}

void matrix_plain_bread(const struct matrix *k, size_t models, struct matrix *out)
{
    size_t n = k->n;
    double mean = 0;
    for (size_t i = 0; i < models; i++)
        for (size_t j = 0; j < models; j++)
            mean += k->a[i * n + j] / ((double)models * (double)models);
    memcpy(out->a, k->a, n * n * sizeof *k->a);
    for (size_t i = 0; i < models; i++)
        for (size_t j = 0; j < models; j++)
            out->a[i * n + j] -= mean;
}
