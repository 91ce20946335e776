/* Days are read as files write them, and the calendar is right across leap years. */
#include "testing.h"

#include <time.h>

#include "board/day.h"

static void reads(void **state)
{
    static const struct {
        const char *text;
        int day;
    } CASES[] = {{"1682351591.1322", 19471},
                 {"1682351591132", 19471},
                 {"2023-04-24", 19471},
                 {"2023-04-24T23:59:59.9Z", 19471},
                 {"2023-04-24 00:00:00+09:00", 19471},
                 {"2000-02-29", 11016},
                 {"2100-03-01", 47541},
                 {"0", 0},
                 {"-5", 0},
                 {"", 0},
                 {"yesterday", 0},
                 {"2023-13-01", 0},
                 {"2023-04-", 0},
                 {"nan", 0},
                 {"1e300", 0},
                 {"2300-01-01", 0}};
    (void)state;
    for (size_t k = 0; k < sizeof CASES / sizeof *CASES; k++) {
        uint16_t day = 0;
        assert_int_equal(day_read(text_of(CASES[k].text), &day), CASES[k].day > 0);
        if (CASES[k].day)
            assert_int_equal(day, CASES[k].day);
    }
}

static void agrees_with_the_system(void **state)
{
    (void)state;
    for (int day = 1; day < 65000; day += 13) {
        char text[DAY_TEXT], want[64];
        struct tm tm;
        time_t at = (time_t)day * 86400;
        uint16_t back = 0;
        gmtime_r(&at, &tm);
        strftime(want, sizeof want, "%Y-%m-%d", &tm);
        day_write((uint16_t)day, text);
        assert_string_equal(text, want);
        assert_true(day_read(text_of(text), &back));
        assert_int_equal(back, day);
        at = (time_t)day_next_month((uint16_t)day) * 86400;
        int month = tm.tm_mon;
        gmtime_r(&at, &tm);
        assert_int_equal(tm.tm_mday, 1);
        assert_int_equal(tm.tm_mon, (month + 1) % 12);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads),
        cmocka_unit_test(agrees_with_the_system),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
