/* Models in which a tie is an outcome of its own. theta are strengths, eta says how common ties
 * are:
 *
 *   Davidson     a, b, tie in proportion to e^(d/2), e^(-d/2), e^eta, with d = theta_a - theta_b
 *   Rao-Kupper   P(a) = s(d - eta), P(b) = s(-d - eta), the rest ties; s(z) = 1 / (1 + e^-z),
 *                eta > 0
 *   grounded     four outcomes: with x = e^theta_a, y = e^theta_b, q = 1.000001 + e^eta:
 *                P(a) = x / (x + q y + 1), P(b) = y / (q x + y + 1),
 *                P(both bad) = 1 / (1 + x + y), the rest ties; theta = 0 is the threshold of a
 *                bad answer, so strengths are absolute
 *
 * The first two take both-bad for a tie. Fitted by Fisher scoring until steps are below 1e-11;
 * the covariance is a sandwich of the observed information. theta sums to 0 but for grounded.
 * Pure. */
#ifndef ARENA_RATING_TIE_H
#define ARENA_RATING_TIE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "rating/ballot.h"
#include "rating/cluster.h"
#include "rating/dense.h"
#include "rating/tally.h"

enum tie_model { TIE_DAVIDSON, TIE_RAO_KUPPER, TIE_GROUNDED };

struct tie_fit {
    enum tie_model model;
    size_t models;
    double *theta; /* models + 1: the last is eta */
    double loss;   /* mean negative log-likelihood */
    double gradient;
    int iterations;
    struct matrix inverse;    /* of the observed information, models + 1 */
    struct matrix covariance; /* sandwich, models + 1 */
};

/* The votes satisfy Ford's condition and hold a tie (grounded: a tie and a both-bad), else
 * ERR_FORMAT. / */
bool tie_fit(struct tie_fit *fit, const struct tally *tally, enum tie_model model, struct err *err);
void tie_fit_done(struct tie_fit *fit);

/* Probabilities of the outcomes, and the gradients of their logarithms to theta_a, theta_b and
 * eta. */
struct tie_outcomes {
    double p[OUTCOMES];
    double score[OUTCOMES][3];
};
void tie_outcomes(struct tie_outcomes *out, enum tie_model model, double theta_a, double theta_b,
                  double eta);

#endif
