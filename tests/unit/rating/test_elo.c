/* Online Elo against the golden scores of an independent implementation, which equal FastChat's. */
#include "close.h"
#include "sets.h"

#include "rating/elo.h"

static void golden(void **state)
{
    json_t *root;
    struct tally tally;
    struct ballots ballots;
    double ratings[SET_MODELS];
    int32_t map[SET_MODELS];
    char line[512];
    int seen = 0;
    (void)state;
    if (!fixture(""))
        skip();
    root = set_json(fixture("ranking/expected/llmfao_bt.json"));
    const json_t *models = json_object_get(root, "models");
    tally_init(&tally);
    ballots_init(&ballots, 0);
    set_csv(&tally, &ballots, fixture("ranking/evalica/llmfao.csv"), models, 6, 7, 5, 4, 1);
    for (int i = 0; i < SET_MODELS; i++)
        map[i] = i;
    elo_run(ratings, tally.models, &ballots, map, &(struct elo_options){4, 1000, 400, 10});
    FILE *file = fopen(fixture("ranking/evalica/llmfao-golden.csv"), "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        char *comma = strrchr(line, ',');
        if (strncmp(line, "elo,", 4) != 0)
            continue;
        assert_close(ratings[set_index(models, line + 4, (size_t)(comma - line - 4))],
                     strtod(comma + 1, NULL), 1e-9, line);
        seen++;
    }
    assert_int_equal(seen, 59);
    fclose(file);
    ballots_done(&ballots);
    tally_done(&tally);
    json_decref(root);
}

/* Three votes by hand; ratings stay zero-sum; a bootstrap round does not depend on threads. */
static void by_hand(void **state)
{
    struct ballots ballots;
    const int32_t map[3] = {0, 1, -1};
    double ratings[2], one[40], two[40];
    const struct elo_options options = {4, 1000, 400, 10};
    (void)state;
    ballots_init(&ballots, 0);
    assert_true(
        ballots_add(&ballots, (struct ballot){.a = 0, .b = 1, .outcome = OUTCOME_A}, NULL, NULL));
    assert_true(
        ballots_add(&ballots, (struct ballot){.a = 2, .b = 0, .outcome = OUTCOME_A}, NULL, NULL));
    assert_true(ballots_add(&ballots, (struct ballot){.a = 1, .b = 0, .outcome = OUTCOME_BOTH_BAD},
                            NULL, NULL));
    elo_run(ratings, 2, &ballots, map, &options);
    double expected = 1 / (1 + pow(10, 4.0 / 400)); /* of 1 against 0, at 998 and 1002 */
    assert_close(ratings[0], 1002 - 4 * (0.5 - expected), 1e-12, "after a tie");
    assert_close(ratings[0] + ratings[1], 2000, 1e-12, "sum");
    assert_true(elo_bootstrap(one, 2, &ballots, map, &options, 20, 9, 1, NULL));
    assert_true(elo_bootstrap(two, 2, &ballots, map, &options, 20, 9, 3, NULL));
    assert_memory_equal(one, two, sizeof one);
    ballots_done(&ballots);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden),
        cmocka_unit_test(by_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
