/* Tie models against exact values and what must hold for any votes. */
#include "close.h"
#include "sets.h"

#include "rating/tie.h"

static void check(const struct tally *tally, enum tie_model model, double eta, double loss,
                  const char *name)
{
    struct tie_fit fit;
    struct err err = ERR_INIT;
    if (!tie_fit(&fit, tally, model, &err))
        fail_msg("%s: %s", name, err.message);
    assert_close(fit.theta[fit.models], eta, 1e-9, name);
    assert_close(fit.loss, loss, 1e-9, name);
    assert_true(fit.gradient < 1e-10);
    tie_fit_done(&fit);
}

static void exact_values(void **state)
{
    struct tally tally;
    (void)state;
    if (!fixture(""))
        skip();
    set_leaderbot(&tally, false);
    check(&tally, TIE_RAO_KUPPER, 0.44998991464604937, 1.0094825297, "Rao-Kupper");
    check(&tally, TIE_DAVIDSON, -0.6022147050, 1.0100066452, "Davidson");
    tally_done(&tally);
    set_leaderbot(&tally, true);
    check(&tally, TIE_RAO_KUPPER, 0.7670065465, 1.0582693238, "Rao-Kupper, both-bad too");
    check(&tally, TIE_DAVIDSON, log(1.1225202811), 1.0585524876, "Davidson, both-bad too");
    check(&tally, TIE_GROUNDED, -0.3841984041, 1.2952108954, "grounded");
    tally_done(&tally);
}

/* Probabilities sum to 1 and scores are the gradients of their logarithms. */
static void scores_are_gradients(void **state)
{
    const double h = 1e-6;
    (void)state;
    for (int model = TIE_DAVIDSON; model <= TIE_GROUNDED; model++) {
        for (int at = 0; at < 20; at++) {
            double x[3] = {sin(at) * 2, cos(3 * at) * 2, 0.3 + 0.02 * at}, sum = 0;
            int outcomes = model == TIE_GROUNDED ? 4 : 3;
            struct tie_outcomes out, high, low;
            tie_outcomes(&out, (enum tie_model)model, x[0], x[1], x[2]);
            for (int o = 0; o < outcomes; o++)
                sum += out.p[o];
            assert_close(sum, 1, 1e-12, "sum of probabilities");
            for (int k = 0; k < 3; k++) {
                double y[3] = {x[0], x[1], x[2]};
                y[k] += h;
                tie_outcomes(&high, (enum tie_model)model, y[0], y[1], y[2]);
                y[k] -= 2 * h;
                tie_outcomes(&low, (enum tie_model)model, y[0], y[1], y[2]);
                for (int o = 0; o < outcomes; o++)
                    assert_close(out.score[o][k], log(high.p[o] / low.p[o]) / (2 * h), 1e-6,
                                 "score");
            }
        }
    }
}

/* Where there are no ties there is nothing to fit, and that is said. */
static void nothing_to_fit(void **state)
{
    struct tally tally;
    struct tie_fit fit;
    struct err err = ERR_INIT;
    (void)state;
    set_from_wins(&tally, WIKIPEDIA);
    assert_false(tie_fit(&fit, &tally, TIE_DAVIDSON, &err));
    assert_int_equal(err.code, ERR_FORMAT);
    assert_true(tally_add(&tally, 0, 1, OUTCOME_TIE, 3, NULL));
    assert_true(tie_fit(&fit, &tally, TIE_DAVIDSON, &err));
    tie_fit_done(&fit);
    assert_false(tie_fit(&fit, &tally, TIE_GROUNDED, &err));
    tally_done(&tally);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_values),
        cmocka_unit_test(scores_are_gradients),
        cmocka_unit_test(nothing_to_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
