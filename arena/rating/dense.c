/* Every inner loop adds a multiple of one row to another, element by element: compilers turn
 * that into vector instructions without changing the order of any sum, which a dot product would
 * not allow. A solve of 130 models takes a fraction of a millisecond, less than a BLAS needs to
 * load. */
#include "rating/dense.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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

bool matrix_factor(struct matrix *m)
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

void matrix_solve(const struct matrix *factor, double *x)
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
static void invert_factor(const struct matrix *factor, double *w)
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
    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; i <= k; i++)
            add_row(inverse->a + i * n, w + k * n, w[k * n + i], k + 1);
    free(w);
}

/* out := x y */
static void multiply(const struct matrix *x, const struct matrix *y, struct matrix *out)
{
    size_t n = x->n;
    matrix_zero(out);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n; k++)
            if (x->a[i * n + k] != 0)
                add_row(out->a + i * n, y->a + k * n, x->a[i * n + k], n);
}

void matrix_sandwich(const struct matrix *k, const struct matrix *b, struct matrix *scratch,
                     struct matrix *out)
{
    size_t n = k->n;
    multiply(k, b, scratch);
    multiply(scratch, k, out);
    for (size_t i = 0; i < n; i++) { /* exactly symmetric, whatever the rounding */
        for (size_t j = 0; j < i; j++) {
            double mean = 0.5 * (out->a[i * n + j] + out->a[j * n + i]);
            out->a[i * n + j] = out->a[j * n + i] = mean;
        }
    }
}

void matrix_factor_apply(const struct matrix *factor, const double *z, double *y)
{
    size_t n = factor->n;
    memset(y, 0, n * sizeof *y);
    for (size_t i = 0; i < n; i++)
        add_row(y + i, factor->a + i * n + i, z[i], n - i);
}
