/* Prices by day and tier, their file's mistakes, and health's figures. */
#include "testing.h"

#include <math.h>
#include <string.h>

#include "competitor/cost.h"
#include "competitor/health.h"
#include "competitor/roster_file.h"

#define DAY INT64_C(86400000)

static bool read(struct price_list *prices, const char *text, struct err *err)
{
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
    bool ok = price_read(prices, value, "price", err);
    json_decref(value);
    return ok;
}

static double cost(const struct price_list *prices, int64_t input, int64_t output, int64_t cached,
                   int64_t now_ms)
{
    struct competitor_config config = {.prices = *prices};
    struct chat_usage usage = {input, output, -1, cached, -1};
    return cost_of(&config, &usage, now_ms) * 1e6;
}

static void holds_from_its_day_and_past_its_tier(void **state)
{
    struct price_list prices;
    struct err err = ERR_INIT;
    (void)state;
    assert_true(read(&prices,
                     "[{\"input\":3,\"output\":15,\"cached\":0.3,\"from\":\"1970-01-03\","
                     "\"long\":{\"above\":200,\"input\":6}},"
                     "{\"input\":5,\"output\":25,\"from\":\"1970-01-02\"}]",
                     &err));
    assert_true(isnan(cost(&prices, 1, 1, 0, DAY - 1))); /* unknown before the first day */
    assert_true(cost(&prices, 1, 1, 0, DAY) == 30 && cost(&prices, 1, 1, 0, 2 * DAY - 1) == 30);
    assert_true(fabs(cost(&prices, 200, 2, 100, 2 * DAY) - (300 + 30 + 30)) < 1e-9);
    assert_true(fabs(cost(&prices, 201, 2, 0, 2 * DAY) - (201 * 6 + 30)) < 1e-9);
    assert_true(price_at_worst(&prices, 2 * DAY).input == 6);
    price_done(&prices);
}

static void refuses_mistakes(void **state)
{
    static const char *const WRONG[] = {"7",
                                        "{\"inptu\":1}",
                                        "{\"input\":-1}",
                                        "{\"from\":\"2026-13-01\"}",
                                        "{\"from\":\"2026-1-1\"}",
                                        "{\"long\":{\"input\":1}}",
                                        "{\"long\":7}",
                                        "[{\"input\":1},{\"input\":2}]"};
    (void)state;
    for (size_t i = 0; i < sizeof WRONG / sizeof *WRONG; i++) {
        struct price_list prices;
        struct err err = ERR_INIT;
        assert_false(read(&prices, WRONG[i], &err));
        assert_true(err.message[0]);
        price_done(&prices);
    }
}

static void quantiles_are_right_to_a_tenth(void **state)
{
    struct health_book book = {0};
    (void)state;
    struct health *health = health_book_find(&book, "x");
    assert_ptr_equal(health_book_find(&book, "x"), health);
    assert_true(isnan(health_quantile(&health->whole, 0.5)));
    for (int ms = 1; ms <= 1000; ms++) {
        struct health_fact fact = {.total_ns = ms * INT64_C(1000000), .cost_usd = NAN};
        health_count(health, &fact);
    }
    assert_true(fabs(health_quantile(&health->whole, 0.5) - 0.5) < 0.05);
    assert_true(fabs(health_quantile(&health->whole, 0.95) - 0.95) < 0.1);
    assert_int_equal(health->unpriced, 1000);
    assert_true(health->spent_usd == 0);
    health_book_done(&book);
}

/* --- the configuration's text --- */

static void expect_text(const struct buf *out, const char *text)
{
    assert_string_equal(out->data, text);
}

static void edits_only_what_changes(void **state)
{
    static const char FILE_TEXT[] =
        " {\"x\": \"competitors\\\"[\", \"y\":[[1,{\"competitors\":[]}],\"]\"] ,\n"
        "\"competitors\" :[ {\"name\":\"a\", \"price\":{\"state\":1}},{\"name\":\"b\" ,\"state\" "
        ": \"pau\\u0073ed\" } ] , \"z\":1e3}\n";
    struct err err = ERR_INIT;
    struct buf out;
    (void)state;
    buf_init(&out, 4096);
    assert_true(roster_file_add(TEXT(FILE_TEXT), TEXT("{\"name\":\"c\"}"), &out, &err));
    json_t *root = json_loads(out.data, 0, NULL);
    assert_int_equal(json_array_size(json_object_get(root, "competitors")), 3);
    json_decref(root);
    buf_clear(&out);
    assert_true(roster_file_set(TEXT(FILE_TEXT), 1, "state", "\"active\"", &out, &err));
    assert_non_null(strstr(out.data, "\"b\" ,\"state\" : \"active\" } ] , \"z\":1e3}\n"));
    buf_clear(&out);
    assert_true(roster_file_set(TEXT(FILE_TEXT), 0, "state", "\"retired\"", &out, &err));
    assert_non_null(strstr(out.data, "[ {\"state\": \"retired\", \"name\":\"a\""));
    buf_clear(&out);
    assert_true(roster_file_set(TEXT(FILE_TEXT), 1, "state", NULL, &out, &err)); /* the last */
    assert_non_null(strstr(out.data, "{\"name\":\"b\" } ] , \"z\""));
    buf_clear(&out);
    assert_true(roster_file_set(TEXT(FILE_TEXT), 0, "name", NULL, &out, &err)); /* not the last */
    assert_non_null(strstr(out.data, "[ {\"price\":{\"state\":1}},"));
    buf_clear(&out);
    assert_true(roster_file_set(TEXT(FILE_TEXT), 0, "weight", NULL, &out, &err)); /* not there */
    expect_text(&out, FILE_TEXT);
    buf_clear(&out);
    assert_true(roster_file_add(TEXT("{\"competitors\":[]}"), TEXT("{}"), &out, &err));
    expect_text(&out, "{\"competitors\":[\n  {}]}");
    assert_false(roster_file_add(TEXT("{\"x\":[]}"), TEXT("{}"), &out, &err));
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holds_from_its_day_and_past_its_tier),
        cmocka_unit_test(refuses_mistakes),
        cmocka_unit_test(quantiles_are_right_to_a_tenth),
        cmocka_unit_test(edits_only_what_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
