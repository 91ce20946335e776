/* Personal data: each kind in the forms people write, and what only looks like it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "eval/personal.h"

#define BIT(kind) (1u << PERSONAL_##kind)

static void check(const char *string, unsigned expected)
{
    unsigned found = personal_find(text_of(string));
    if (found != expected)
        fail_msg("\"%s\": found %#x instead of %#x", string, found, expected);
}

static void test_what_is_found(void **state)
{
    static const struct {
        const char *text;
        unsigned kinds;
    } CASES[] = {
        {"Write to jane.doe@lab-mail.org.", BIT(EMAIL)},
        {"<j@x.io>", BIT(EMAIL)},
        {"Call +49 30 901820-11 today", BIT(PHONE)},
        {"+1 (415) 273-9164", BIT(PHONE)},
        {"tel. (415) 273-9164", BIT(PHONE)},
        {"415-273-9164", BIT(PHONE)},
        {"0049 30 90182011", BIT(PHONE)},
        {"IBAN: DE89 3704 0044 0532 0130 00", BIT(IBAN)},
        {"GB82WEST12345698765432", BIT(IBAN)},
        {"my card is 4111 1111 1111 1111.", BIT(CARD)},
        {"5500-0055-5555-5559", BIT(CARD)},
        {"it came from 81.2.69.142:443", BIT(IP)},
        {"2a00:1450:4001:81b::200e", BIT(IP)},
        {"key sk-abcDEF0123456789abcdef", BIT(SECRET)},
        {"AKIA1234567890ABCDEF", BIT(SECRET)},
        {"Authorization: Bearer abcdefghij0123456789", BIT(SECRET)},
        {"-----BEGIN RSA PRIVATE KEY-----\nMIIE", BIT(SECRET)},
        {"postgres://admin:s3cret@db.lab.org/x", BIT(LOGIN) | BIT(EMAIL)},
        {"a@b.org and 81.2.69.142", BIT(EMAIL) | BIT(IP)},
    };
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        check(CASES[i].text, CASES[i].kinds);
}

static void test_what_is_not(void **state)
{
    static const char *const CASES[] = {
        "",
        "user@example.com",
        "@decorator def f(x): ...",
        "a @ b",
        "git@",
        "x@y",
        "Version 1.2.3.4 and 10.0.0.1, 127.0.0.1, 192.168.1.7",
        "192.0.2.1",
        "2001:db8::1",
        "::1",
        "12:34:56",
        "std::vector<int>::iterator",
        "4111 1111 1111 1112",
        "1234567890123456",
        "0000000000000000",
        "3.14159265358979323846",
        "1 + 1000000000",
        "x = 5 +3000000000",
        "2024-11-23 17:30:00",
        "ISBN 978-3-16-148410-0",
        "1,000,000,000",
        "DE89 3704 0044 0532 0130 01",
        "sk-learn is a word",
        "sk-this-is-only-a-very-long-word",
        "https://example.org:8080/path",
        "http://host/a:b@c",
        "415-555-0132",
        "(123) 45",
        "#include <stdio.h>",
        "f(100) 200-3000",
        "10^15 = 1000000000000000",
        "eyJust a word",
        "1600 Pennsylvania",
        "the 1990s and the 2000s",
        "Bearer of bad news",
    };
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        check(CASES[i], 0);
}

/* Random decimals have a valid Luhn digit once in ten; numbers as they come in prompts (prices,
 * years, sums, hashes) must not flood the queue. */
static void test_random_numbers_rarely_match(void **state)
{
    struct rng rng;
    int flagged = 0;
    (void)state;
    rng_init(&rng, 1, 0);
    for (int i = 0; i < 10000; i++) {
        char text[96];
        snprintf(text, sizeof text, "%d.%02d of %d in %d: %016llx, %d/%d/%d",
                 (int)rng_below(&rng, 100000), (int)rng_below(&rng, 100),
                 (int)rng_below(&rng, 1000000000), 1900 + (int)rng_below(&rng, 150),
                 (unsigned long long)rng_next(&rng), 1 + (int)rng_below(&rng, 31),
                 1 + (int)rng_below(&rng, 12), 1950 + (int)rng_below(&rng, 80));
        flagged += personal_find(text_of(text)) != 0;
    }
    assert_in_range(flagged, 0, 10);
}

/* Twice the text takes about twice the steps: no pattern looks far ahead again and again. */
static void test_long_and_hostile(void **state)
{
    static const char *const UNITS[] = {"@",     "a@", "1 ", "+1",          "sk-", "eyJ.",
                                        "://a:", "DE", "f:", "-----BEGIN ", "(1",  "1."};
    (void)state;
    for (size_t i = 0; i < sizeof UNITS / sizeof *UNITS; i++) {
        struct buf text;
        buf_init(&text, 1 << 18);
        while (text.length < 200000)
            buf_add_string(&text, UNITS[i]);
        personal_find(buf_text(&text));
        buf_done(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_found),
        cmocka_unit_test(test_what_is_not),
        cmocka_unit_test(test_random_numbers_rarely_match),
        cmocka_unit_test(test_long_and_hostile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
