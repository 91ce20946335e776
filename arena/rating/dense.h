/* Small dense linear algebra in double precision, in a fixed order of operations: the same
 * digits whatever the machine or the number of threads. Matrices are square, row-major,
 * symmetric ones stored whole. Pure. */
#ifndef ARENA_RATING_DENSE_H
#define ARENA_RATING_DENSE_H

#include <stdbool.h>
#include <stddef.h>

struct matrix {
    size_t n;
    double *a; /* n x n */
};

bool matrix_init(struct matrix *m, size_t n); /* all 0; false without memory */
void matrix_done(struct matrix *m);
void matrix_zero(struct matrix *m);
double matrix_trace(const struct matrix *m);

/* Replaces a positive definite matrix by its upper factor U (m = U^T U; below the diagonal is
 * left as it was). False if it is not positive definite. */
bool matrix_factor(struct matrix *m);

/* x := m^-1 x, given the factor. */
void matrix_solve(const struct matrix *factor, double *x);

/* inverse := m^-1, given the factor. */
void matrix_invert(const struct matrix *factor, struct matrix *inverse);

/* m += the outer products of `count` rows, each of matrix_row(m->n) numbers that end in zeros;
 * above the diagonal and on it, the rest is left as it was. */
size_t matrix_row(size_t n);
void matrix_add_products(struct matrix *m, const double *rows, size_t count);

/* The sandwich where there is no filling: when every vote says just what was expected (ties alone
 * do), their scatter tells nothing, and out := k itself, the first `models` parameters in the gauge
 * of sum 0. */
void matrix_plain_bread(const struct matrix *k, size_t models, struct matrix *out);

/* out := k b k for symmetric k and b; `scratch` has the same size. */
void matrix_sandwich(const struct matrix *k, const struct matrix *b, struct matrix *scratch,
                     struct matrix *out);

#endif
