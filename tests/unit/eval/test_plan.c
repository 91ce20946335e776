/* From a specification and its prompts to a plan: what is read, what is refused, who meets whom. */
#include "testing.h"

#include <unistd.h>

#include "base/json.h"
#include "eval/plan.h"
#include "eval/waves.h"

static bool make(struct eval_plan *plan, const char *text, const char *folder, struct err *err)
{
    json_t *spec = json_read(text_of(text), "test", err);
    assert_non_null(spec);
    bool ok = eval_plan_make(plan, spec, folder, err);
    json_decref(spec);
    return ok;
}

#define PROMPTS                                                                                    \
    "\"prompts\":[{\"prompt\":\"one\"},{\"turns\":[\"two\",\"more\"],\"category\":\"c\"}]"

static void pairs_are_all_or_against_one(void **state)
{
    (void)state;
    static const struct {
        const char *more;
        size_t pairs, samples;
    } CASES[] = {{"", 6, 1},
                 {",\"samples\":3", 18, 3},
                 {",\"pairs\":{\"baseline\":\"b\"}", 4, 1},
                 {",\"same_model\":0.5", 9, 2}};
    for (size_t k = 0; k < sizeof CASES / sizeof *CASES; k++) {
        struct eval_plan plan;
        struct err err = ERR_INIT;
        char text[1024];
        snprintf(text, sizeof text, "{" PROMPTS ",\"competitors\":[\"a\",\"b\",\"c\"]%s}",
                 CASES[k].more);
        assert_true(make(&plan, text, NULL, &err));
        assert_int_equal(plan.pair_count, CASES[k].pairs);
        assert_int_equal(plan.samples, CASES[k].samples);
        assert_int_equal(plan.prompts.turns, 3);
        assert_string_equal(plan.prompts.list[0].category, "uncategorised");
        eval_plan_done(&plan);
    }
}

static void what_makes_no_sense_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *spec, *word;
    } CASES[] = {
        {"{\"competitors\":[\"a\",\"b\"]}", "prompts"},
        {"{" PROMPTS "}", "competitors"},
        {"{" PROMPTS ",\"competitors\":[\"a\"]}", "two or more"},
        {"{" PROMPTS ",\"competitors\":[\"a\",\"a\"]}", "twice"},
        {"{" PROMPTS ",\"competitors\":[\"a\",\"b\"],\"pairs\":\"some\"}", "pairs"},
        {"{" PROMPTS ",\"competitors\":[\"a\",\"b\"],\"pairs\":{\"baseline\":\"x\"}}", "baseline"},
        {"{" PROMPTS ",\"competitors\":[\"a\",\"b\"],\"pairs\":{\"adaptive\":5}}", "judge"},
        {"{" PROMPTS ",\"competitors\":[\"a\",\"b\"],\"speed\":1}", "speed"},
        {"{" PROMPTS ",\"competitors\":[\"a\",\"b\"],\"samples\":0}", "samples"},
        {"{" PROMPTS ",\"competitors\":[\"a\",\"b\"],\"params\":{\"heat\":1}}", "heat"},
        {"{" PROMPTS ",\"competitors\":[\"a\",\"b\"],\"budget\":{\"usd\":-1}}", "usd"},
        {"{" PROMPTS ",\"competitors\":[\"a\",\"b\"],\"judging\":{\"prompt\":\"{answer_a}\"}}",
         "answer_b"},
        {"{\"prompts\":\"/nowhere.jsonl\",\"competitors\":[\"a\",\"b\"]}", "/nowhere.jsonl"},
        {"{\"prompts\":\"relative.jsonl\",\"competitors\":[\"a\",\"b\"]}", "slash"},
        {"{\"prompts\":[{}],\"competitors\":[\"a\",\"b\"]}", "turns"},
        {"{\"prompts\":[{\"turns\":[]}],\"competitors\":[\"a\",\"b\"]}", "turns"},
        {"{\"prompts\":[{\"turns\":[3]}],\"competitors\":[\"a\",\"b\"]}", "turns"},
        {"{" PROMPTS ",\"categories\":[\"none\"],\"competitors\":[\"a\",\"b\"]}", "categories"},
        {"[]", "object"},
    };
    for (size_t k = 0; k < sizeof CASES / sizeof *CASES; k++) {
        struct eval_plan plan;
        struct err err = ERR_INIT;
        bool ok = make(&plan, CASES[k].spec, NULL, &err);
        eval_plan_done(&plan);
        if (ok || !strstr(err.message, CASES[k].word))
            fail_msg("%s: %s", CASES[k].spec, ok ? "was taken" : err.message);
    }
}

static void repeats_are_asked_once(void **state)
{
    (void)state;
    struct eval_plan plan;
    struct err err = ERR_INIT;
    assert_true(make(&plan,
                     "{\"prompts\":[{\"prompt\":\"x\"},{\"turns\":[\"x\"]},{\"prompt\":\"x\","
                     "\"system\":\"s\"},{\"prompt\":\"x\",\"system\":\"\"}],"
                     "\"competitors\":[\"a\",\"b\"]}",
                     NULL, &err));
    assert_int_equal(plan.prompts.count, 3);
    assert_int_equal(plan.prompts.repeated, 1);
    eval_plan_done(&plan);
}

static void public_sets_are_read_as_they_are(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        size_t prompts, turns;
        const char *category, *id;
    } SETS[] = {{"mt_bench.jsonl", 80, 160, "writing", "81"},
                {"arena_hard_v2.jsonl", 750, 750, "hard_prompt/coding", "2edbb5f36f5b42be"}};
    const char *folder = fixture("prompts");
    if (!folder)
        skip();
    for (size_t k = 0; k < 2; k++) {
        struct eval_plan plan;
        struct err err = ERR_INIT;
        char text[512];
        snprintf(text, sizeof text, "{\"prompts\":\"%s\",\"competitors\":[\"a\",\"b\"]}",
                 SETS[k].file);
        if (!make(&plan, text, folder, &err))
            fail_msg("%s", err.message);
        assert_int_equal(plan.prompts.count, SETS[k].prompts);
        assert_int_equal(plan.prompts.turns, SETS[k].turns);
        assert_string_equal(plan.prompts.list[0].category, SETS[k].category);
        assert_string_equal(plan.prompts.list[0].source, SETS[k].id);
        eval_plan_done(&plan);
    }
}

/* Every pair of models meets alike at first, then those of which least is known; never twice on
 * the same prompt, and not more often than was asked for. */
static void waves_go_where_little_is_known(void **state)
{
    (void)state;
    struct eval_plan plan;
    struct err err = ERR_INIT;
    struct tally tally;
    char text[4096] = "{\"competitors\":[\"a\",\"b\",\"c\"],\"judge\":\"j\",\"pairs\":{"
                      "\"adaptive\":60},\"prompts\":[";
    for (int k = 0; k < 40; k++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s{\"prompt\":\"%d\"}",
                 k ? "," : "", k);
    snprintf(text + strlen(text), sizeof text - strlen(text), "]}");
    assert_true(make(&plan, text, NULL, &err));
    assert_int_equal(plan.pair_count, 12);
    tally_init(&tally);
    assert_true(tally_grow(&tally, 3, &err));
    assert_true(tally_add(&tally, 0, 1, OUTCOME_A, 500, &err));
    assert_true(tally_add(&tally, 1, 0, OUTCOME_A, 500, &err));
    assert_true(tally_add(&tally, 0, 2, OUTCOME_A, 2, &err));
    assert_true(tally_add(&tally, 1, 2, OUTCOME_B, 2, &err));
    size_t added, met[3] = {0};
    do
        assert_true(waves_next(&plan, &tally, &added, &err));
    while (added);
    assert_int_equal(plan.pair_count, 60);
    for (size_t k = 0; k < plan.pair_count; k++) {
        const struct eval_pair *pair = &plan.pairs[k];
        met[pair->side[0] + pair->side[1] - 1]++;
        for (size_t j = 0; j < k; j++)
            assert_true(plan.pairs[j].prompt != pair->prompt ||
                        plan.pairs[j].side[0] != pair->side[0] ||
                        plan.pairs[j].side[1] != pair->side[1]);
    }
    assert_true(met[0] < met[1] && met[0] < met[2]);
    tally_done(&tally);
    eval_plan_done(&plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_are_all_or_against_one),
        cmocka_unit_test(what_makes_no_sense_is_refused),
        cmocka_unit_test(repeats_are_asked_once),
        cmocka_unit_test(public_sets_are_read_as_they_are),
        cmocka_unit_test(waves_go_where_little_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
