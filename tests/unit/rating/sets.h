/* Vote sets for the rating tests: small published tables, the fixtures' sets and exact optima, and
 * simulated votes. */
#ifndef TESTS_RATING_SETS_H
#define TESTS_RATING_SETS_H

#include <math.h>

#include "tests/testing.h"

#include "base/json.h"
#include "base/random.h"
#include "rating/ballot.h"
#include "rating/bradley_terry.h"
#include "rating/tally.h"

#define SET_MODELS 130

/* wins[i][j]: i over j. The example of Wikipedia's article on the model (22 games). */
static const uint32_t WIKIPEDIA[4][4] = {{0, 2, 0, 1}, {3, 0, 5, 0}, {0, 3, 0, 1}, {4, 0, 3, 0}};
/* Stigler's citations between four journals: cited by. Biometrika, Comm. Statist., JASA, JRSS-B. */
static const uint32_t STIGLER[4][4] = {
    {0, 730, 498, 221}, {33, 0, 68, 17}, {320, 813, 0, 142}, {284, 276, 325, 0}};

static inline void set_from_wins(struct tally *tally, const uint32_t wins[4][4])
{
    tally_init(tally);
    assert_true(tally_grow(tally, 4, NULL));
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < 4; j++)
            if (wins[i][j])
                assert_true(tally_add(tally, i, j, OUTCOME_A, wins[i][j], NULL));
}

static inline json_t *set_json(const char *path)
{
    json_error_t error;
    json_t *root = json_load_file(path, 0, &error);
    if (!root)
        fail_msg("%s: %s", path, error.text);
    return root;
}

/* The number of a model in a list of names, found by name. */
static inline size_t set_index(const json_t *models, const char *name, size_t length)
{
    for (size_t k = 0; k < json_array_size(models); k++) {
        const json_t *item = json_array_get(models, k);
        if (json_string_length(item) == length &&
            memcmp(json_string_value(item), name, length) == 0)
            return k;
    }
    fail_msg("no model %.*s", (int)length, name);
    return 0;
}

/* Adds a simple CSV's votes (no quotes): columns by number. */
static inline void set_csv(struct tally *tally, struct ballots *ballots, const char *path,
                           const json_t *models, int left, int right, int winner, int voter,
                           int prompt)
{
    char line[4096], *cells[16];
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_true(tally_grow(tally, json_array_size(models), NULL));
    assert_non_null(fgets(line, sizeof line, file));
    while (fgets(line, sizeof line, file)) {
        int count = 0;
        line[strcspn(line, "\r\n")] = '\0';
        for (char *at = line, *cell; (cell = strsep(&at, ",")) && count < 16;)
            cells[count++] = cell;
        enum outcome outcome = strcmp(cells[winner], "left") == 0    ? OUTCOME_A
                               : strcmp(cells[winner], "right") == 0 ? OUTCOME_B
                                                                     : OUTCOME_TIE;
        size_t a = set_index(models, cells[left], strlen(cells[left]));
        size_t b = set_index(models, cells[right], strlen(cells[right]));
        assert_true(tally_add(tally, a, b, outcome, 1, NULL));
        if (!ballots)
            continue;
        struct ballot row = {(uint16_t)a,
                             (uint16_t)b,
                             (uint8_t)outcome,
                             0,
                             (uint32_t)strtoul(cells[voter], NULL, 10),
                             (uint32_t)strtoul(cells[prompt], NULL, 10)};
        ballots->voters = row.voter >= ballots->voters ? row.voter + 1 : ballots->voters;
        ballots->prompts = row.prompt >= ballots->prompts ? row.prompt + 1 : ballots->prompts;
        assert_true(ballots_add(ballots, row, NULL, NULL));
    }
    fclose(file);
}

/* The aggregated set of two million votes; `both_bad` with that outcome's votes too. */
static inline void set_leaderbot(struct tally *tally, bool both_bad)
{
    json_t *root = set_json(fixture("ranking/leaderbot/chatbotarena_20240814.json"));
    const json_t *x = json_object_get(root, "X"), *y = json_object_get(root, "Y");
    tally_init(tally);
    assert_true(tally_grow(tally, json_array_size(json_object_get(root, "models")), NULL));
    for (size_t k = 0; k < json_array_size(x); k++)
        for (size_t o = 0; o < (both_bad ? 4u : 3u); o++)
            assert_true(tally_add(
                tally, (size_t)json_integer_value(json_array_get(json_array_get(x, k), 0)),
                (size_t)json_integer_value(json_array_get(json_array_get(x, k), 1)),
                (enum outcome)o,
                (uint32_t)json_integer_value(json_array_get(json_array_get(y, k), o)), NULL));
    json_decref(root);
}

/* One simulated vote with ties: P(tie) is `ties` where the models are equal. */
static inline enum outcome set_vote(struct rng *rng, double difference, double ties)
{
    double p = bt_probability(difference), tie = ties * 4 * p * (1 - p), u = rng_uniform(rng);
    if (u < tie)
        return OUTCOME_TIE;
    return u < tie + (1 - tie) * p ? OUTCOME_A
                                   : OUTCOME_B; /* not quite Bradley-Terry when ties > 0 */
}

#endif
