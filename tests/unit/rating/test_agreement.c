/* Krippendorff's alpha against his own worked example, and at its ends. */
#include "close.h"

#include "rating/agreement.h"

/* Krippendorff, "Computing Krippendorff's alpha-reliability" (2011), section C: four observers,
 * twelve units, values 1 to 5; 0 stands for "not marked". */
static const uint8_t EXAMPLE[4][12] = {{1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0},
                                       {1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3},
                                       {0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0},
                                       {1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0}};

static size_t example(struct agreement_mark *marks)
{
    size_t count = 0;
    for (uint32_t observer = 0; observer < 4; observer++)
        for (uint32_t unit = 0; unit < 12; unit++)
            if (EXAMPLE[observer][unit])
                marks[count++] =
                    (struct agreement_mark){unit, (uint8_t)(EXAMPLE[observer][unit] - 1)};
    return count;
}

static void the_worked_example(void **state)
{
    const double ALPHA[] = {
        [AGREEMENT_NOMINAL] = 0.743, [AGREEMENT_ORDINAL] = 0.815, [AGREEMENT_INTERVAL] = 0.849};
    struct agreement_mark marks[48];
    size_t count = example(marks);
    (void)state;
    for (int metric = 0; metric < 3; metric++) {
        struct agreement found;
        assert_true(agreement_of(marks, count, 5, (enum agreement_metric)metric, &found, NULL));
        assert_close(found.alpha, ALPHA[metric], 5e-4, "alpha");
        assert_int_equal(found.units, 11); /* the twelfth has a single mark */
        assert_int_equal(found.marks, 40);
    }
}

static void the_ends(void **state)
{
    struct agreement_mark marks[200];
    struct agreement found;
    (void)state;
    for (uint32_t i = 0; i < 200; i++)
        marks[i] = (struct agreement_mark){i / 2, (uint8_t)(i / 2 % 3)};
    assert_true(agreement_of(marks, 200, 3, AGREEMENT_NOMINAL, &found, NULL));
    assert_close(found.alpha, 1, 1e-12, "all agree");
    for (uint32_t i = 0; i < 200; i++)
        marks[i].value = (uint8_t)(i % 2);
    assert_true(agreement_of(marks, 200, 3, AGREEMENT_NOMINAL, &found, NULL));
    assert_true(found.alpha < -0.9);
    for (uint32_t i = 0; i < 200; i++)
        marks[i] = (struct agreement_mark){i, 0};
    assert_true(agreement_of(marks, 200, 3, AGREEMENT_NOMINAL, &found, NULL));
    assert_true(isnan(found.alpha) && found.units == 0);
    assert_true(agreement_of(marks, 0, 3, AGREEMENT_NOMINAL, &found, NULL));
    marks[0].value = 3;
    struct err err = ERR_INIT;
    assert_false(agreement_of(marks, 1, 3, AGREEMENT_NOMINAL, &found, &err));
    assert_int_equal(err.code, ERR_BAD_REQUEST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_worked_example),
                                       cmocka_unit_test(the_ends)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
