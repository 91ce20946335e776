/* A campaign's question: what is written is what is read, and what does not make sense is said. */
#include <math.h>

#include "tests/testing.h"

#include "people/campaigns.h"
#include "people/question.h"

static struct question sample(void)
{
    struct question question;
    question_init(&question);
    snprintf(question.title, sizeof question.title, "ours against two");
    snprintf(question.model.name, sizeof question.model.name, "ours");
    memset(question.model.version, 'a', DIGEST_HEX);
    question.rivals = 2;
    for (size_t i = 0; i < 2; i++) {
        snprintf(question.versus[i].name, sizeof question.versus[i].name, "rival %zu", i);
        memset(question.versus[i].version, 'b' + (int)i, DIGEST_HEX);
    }
    question.live = true;
    question.precision = 5;
    question.votes = 300;
    return question;
}

static void write_question(const struct question *question, struct buf *out)
{
    buf_init(out, 1 << 16);
    struct json_out json = json_out_to(out);
    question_write(&json, NULL, question);
    assert_false(out->failed);
}

static void what_is_written_is_read(void **state)
{
    struct question question = sample(), read;
    struct buf first, second;
    struct err err = ERR_INIT;
    (void)state;
    snprintf(question.cohort, sizeof question.cohort, "testers");
    question.category_count = 1;
    snprintf(question.categories[0], sizeof question.categories[0], "coding");
    question_expect(&question);
    write_question(&question, &first);
    json_t *json = json_read(buf_text(&first), "the question", &err);
    assert_non_null(json);
    assert_true(question_read(json, &read, &err));
    assert_true(question_check(&read, &err));
    write_question(&read, &second);
    assert_string_equal(first.data, second.data);
    json_decref(json);
    buf_done(&first);
    buf_done(&second);
}

/* The cheaper rule is what is expected, and each rival takes its share of the error. */
static void what_is_expected(void **state)
{
    struct question question = sample();
    (void)state;
    question_expect(&question);
    assert_true(question.votes_in_all == 300 && question.votes_a_rival == 150);
    question.votes = 0;
    question_expect(&question);
    assert_true(question.votes_in_all > 1000 && question.votes_in_all < 3000);
    double two = question.votes_a_rival;
    question.rivals = 1;
    question_expect(&question);
    assert_true(question.votes_a_rival < two);
    question.precision = 0;
    question.decided = 0;
    question.detect = 0.5;
    question_expect(&question);
    assert_true(isinf(question.votes_in_all)); /* what is even is never decided */
}

static void what_makes_no_sense(void **state)
{
    struct question question = sample();
    struct err err = ERR_INIT;
    (void)state;
    assert_true(question_check(&question, &err));
    question.live = false;
    assert_false(question_check(&question, &err));
    assert_non_null(strstr(err.message, "prompts"));
    question = sample();
    question.votes = 0;
    question.precision = 0;
    assert_false(question_check(&question, &err));
    assert_non_null(strstr(err.message, "stop"));
    question = sample();
    question.versus[1] = question.versus[0];
    assert_false(question_check(&question, &err));
    question = sample();
    question.versus[0] = question.model;
    assert_false(question_check(&question, &err));
    assert_non_null(strstr(err.message, "itself"));
}

static void who_is_a_pair(void **state)
{
    struct campaign_terms terms = {.model = "m", .versus = {"x", "y"}, .rivals = 2};
    (void)state;
    assert_true(campaign_pairs(&terms, "m", "x"));
    assert_true(campaign_pairs(&terms, "y", "m"));
    assert_false(campaign_pairs(&terms, "x", "y"));
    assert_false(campaign_pairs(&terms, "m", "m"));
    assert_false(campaign_pairs(&terms, "m", "z"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read), cmocka_unit_test(what_is_expected),
        cmocka_unit_test(what_makes_no_sense), cmocka_unit_test(who_is_a_pair)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
