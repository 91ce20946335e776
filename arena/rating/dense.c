/* Every inner loop adds multiples of rows to another, element by element: that becomes vector
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

/* Rows that are added to another at a time, one after another: it is read and written once. */
enum { ROWS = 4 };

/* y += c[0] x[0], then c[1] x[1], …, rows of x being `step` apart. */
static void add_rows(double *restrict y, const double *restrict x, size_t step,
                     const double c[ROWS], size_t n)
{
    for (size_t k = 0; k < n; k++) {
        double sum = y[k];
        for (size_t row = 0; row < ROWS; row++)
            sum += c[row] * x[row * step + k];
        y[k] = sum;
    }
}

/* The ROWS elements from `at` down, times `sign`. */
static void take_column(double c[ROWS], const double *at, size_t step, double sign)
{
    for (size_t row = 0; row < ROWS; row++)
        c[row] = sign * at[row * step];
}

/* Row i, less what the rows above have already taken from it, becomes the factor's. */
static bool scale_pivot(struct matrix *m, size_t i)
{
    double *row = m->a + i * m->n, pivot = row[i];
    if (!(pivot > 0) || !isfinite(pivot))
        return false;
    double scale = 1 / sqrt(pivot);
    for (size_t k = i; k < m->n; k++)
        row[k] *= scale;
    return true;
}

WIDE bool matrix_factor(struct matrix *m)
{
    size_t n = m->n;
    double *a = m->a, c[ROWS];
    for (size_t i = 0, end; i < n; i = end) {
        end = n - i < ROWS ? n : i + ROWS;
        for (size_t p = i; p < end; p++) {
            if (!scale_pivot(m, p))
                return false;
            for (size_t r = p + 1; r < end; r++)
                add_row(a + r * n + r, a + p * n + r, -a[p * n + r], n - r);
        }
        for (size_t r = end; r < n; r++) {
            const double *x = a + i * n + r;
            take_column(c, x, n, -1);
            add_rows(a + r * n + r, x, n, c, n - r);
        }
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
    const double *a = factor->a;
    double c[ROWS];
    memset(w, 0, n * n * sizeof *w);
    for (size_t i = 0, end; i < n; i = end) {
        end = n - i < ROWS ? n : i + ROWS;
        for (size_t p = i; p < end; p++) {
            w[p * n + p] += 1;
            double scale = 1 / a[p * n + p];
            for (size_t k = 0; k <= p; k++)
                w[p * n + k] *= scale;
            for (size_t r = p + 1; r < end; r++)
                add_row(w + r * n, w + p * n, -a[p * n + r], p + 1);
        }
        for (size_t r = end; r < n; r++) {
            const double *x = a + i * n + r;
            take_column(c, x, n, -1);
            add_rows(w + r * n, w + i * n, n, c, end);
        }
    }
}

/* m += W^T W, W lower triangular. */
WIDE static void add_squares(struct matrix *m, const double *w)
{
    size_t n = m->n, whole = n / ROWS * ROWS;
    double c[ROWS];
    for (size_t k = 0; k < whole; k += ROWS)
        for (size_t i = 0; i < k + ROWS; i++) {
            take_column(c, w + k * n + i, n, 1);
            add_rows(m->a + i * n, w + k * n, n, c, k + ROWS);
        }
    for (size_t k = whole; k < n; k++)
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

#define TILE 4    /* rows of a product that are summed at a time, in registers, */
#define STRIP 8   /* of so many columns */
#define DEPTH 256 /* terms of the sums at a time: what they read stays in the nearest cache */

typedef double lane __attribute__((vector_size(STRIP / 2 * sizeof(double))));
/* out[r][c] = the sum of x[r][k * along] * y[k * step + c] over k < depth. */
WIDE static void tile_sum(const double *const x[TILE], size_t along, const double *y, size_t step,
                          size_t depth, double out[TILE][STRIP])
{
    lane sum[TILE * 2] = {{0}}, left, right;
    for (size_t k = 0, at = 0; k < depth; k++, at += along, y += step) {
        memcpy(&left, y, sizeof left);
        memcpy(&right, y + STRIP / 2, sizeof right);
        sum[0] += x[0][at] * left;
        sum[1] += x[0][at] * right;
        sum[2] += x[1][at] * left;
        sum[3] += x[1][at] * right;
        sum[4] += x[2][at] * left;
        sum[5] += x[2][at] * right;
        sum[6] += x[3][at] * left;
        sum[7] += x[3][at] * right;
    }
    memcpy(out, sum, sizeof sum);
}

/* Adds a tile's sums to those of its places that are in the matrix and, with `upper`, not below the
 * diagonal. */
static void tile_add(struct matrix *m, size_t i, size_t j, double sum[TILE][STRIP], bool upper)
{
    size_t width = m->n - j < STRIP ? m->n - j : STRIP;
    for (size_t r = 0; r < TILE && i + r < m->n; r++) {
        double *row = m->a + (i + r) * m->n + j;
        for (size_t c = upper && i + r > j ? i + r - j : 0; c < width; c++)
            row[c] += sum[r][c];
    }
}

/* Terms `term` to `term` + depth of STRIP columns of y, filled up with zeros. */
static size_t strip_pack(double strip[DEPTH][STRIP], const struct matrix *y, size_t term,
                         size_t column)
{
    size_t n = y->n, depth = n - term < DEPTH ? n - term : DEPTH,
           width = n - column < STRIP ? n - column : STRIP;
    for (size_t k = 0; k < depth; k++) {
        memset(strip[k], 0, sizeof strip[k]);
        memcpy(strip[k], y->a + (term + k) * n + column, width * sizeof(double));
    }
    return depth;
}

/* Where TILE rows begin, from `first` on, at `term`; the last one stands in for those past it. */
static void tile_rows(const double *rows[TILE], const struct matrix *x, size_t first, size_t term)
{
    for (size_t r = 0; r < TILE; r++)
        rows[r] = x->a + (first + r < x->n ? first + r : x->n - 1) * x->n + term;
}

/* out := x y, or only what is not below the diagonal. */
static void multiply(const struct matrix *x, const struct matrix *y, struct matrix *out, bool upper)
{
    double strip[DEPTH][STRIP], sum[TILE][STRIP];
    const double *rows[TILE];
    size_t n = x->n;
    matrix_zero(out);
    for (size_t term = 0; term < n; term += DEPTH) {
        for (size_t column = 0; column < n; column += STRIP) {
            size_t depth = strip_pack(strip, y, term, column);
            for (size_t first = 0; first < (upper ? column + STRIP : n) && first < n;
                 first += TILE) {
                tile_rows(rows, x, first, term);
                tile_sum(rows, 1, strip[0], STRIP, depth, sum);
                tile_add(out, first, column, sum, upper);
            }
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

size_t matrix_row(size_t n)
{
    return (n + STRIP - 1) / STRIP * STRIP;
}

void matrix_add_products(struct matrix *m, const double *rows, size_t count)
{
    size_t width = matrix_row(m->n);
    double sum[TILE][STRIP];
    for (size_t i = 0; i < m->n; i += TILE) {
        const double *const x[TILE] = {rows + i, rows + i + 1, rows + i + 2, rows + i + 3};
        for (size_t j = i / STRIP * STRIP; j < m->n; j += STRIP) {
            tile_sum(x, width, rows + j, width, count, sum);
            tile_add(m, i, j, sum, true);
        }
    }
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
