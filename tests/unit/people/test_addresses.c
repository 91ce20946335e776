/* Addresses as keyed hashes: alike under one key, unlike under the next, and nothing of the text.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/limits.h"
#include "people/addresses.h"

static bool alike(struct addresses *addresses, const char *one, const char *two)
{
    char first[ADDRESS_NAME_SIZE], second[ADDRESS_NAME_SIZE];
    addresses_name(addresses, one, first);
    addresses_name(addresses, two, second);
    return strcmp(first, second) == 0;
}

static void an_address_has_one_name(void **state)
{
    (void)state;
    struct addresses *addresses = addresses_new(), *other = addresses_new();
    char name[ADDRESS_NAME_SIZE], elsewhere[ADDRESS_NAME_SIZE];
    assert_true(alike(addresses, "192.0.2.7", "192.0.2.7"));
    assert_false(alike(addresses, "192.0.2.7", "192.0.2.8"));
    assert_true(alike(addresses, "192.0.2.7", "::ffff:192.0.2.7"));
    assert_true(alike(addresses, "2001:db8::1", "2001:db8:0:0:ffff::2")); /* one client's own */
    assert_false(alike(addresses, "2001:db8::1", "2001:db8:0:1::1"));
    addresses_name(addresses, "192.0.2.7", name);
    addresses_name(other, "192.0.2.7", elsewhere);
    assert_int_equal(strspn(name, "0123456789abcdef"), 32);
    assert_string_not_equal(name, elsewhere); /* the key is random */
    addresses_free(other);
    addresses_free(addresses);
}

static int64_t others_of(const struct addresses *addresses, const char *voter)
{
    size_t count;
    struct address_sharing *list = addresses_sharing(addresses, &count);
    int64_t others = address_sharing_of(list, count, voter);
    free(list);
    return others;
}

static void the_key_lasts_a_day(void **state)
{
    (void)state;
    char before[ADDRESS_NAME_SIZE], after[ADDRESS_NAME_SIZE];
    clock_freeze(CLOCK_S, 0);
    struct addresses *addresses = addresses_new();
    addresses_name(addresses, "192.0.2.7", before);
    addresses_saw(addresses, "anna", "192.0.2.7");
    clock_freeze((ADDRESS_KEY_HOURS * INT64_C(3600)) * CLOCK_S, 0);
    addresses_name(addresses, "192.0.2.7", after);
    assert_string_equal(before, after);
    assert_int_equal(others_of(addresses, "anna"), 0);
    clock_freeze((ADDRESS_KEY_HOURS * INT64_C(3600) + 1) * CLOCK_S, 0);
    addresses_keep(addresses);
    assert_int_equal(others_of(addresses, "anna"), -1);
    addresses_name(addresses, "192.0.2.7", after);
    assert_string_not_equal(before, after);
    addresses_free(addresses);
}

static void who_shares_is_counted(void **state)
{
    (void)state;
    struct addresses *addresses = addresses_new();
    addresses_saw(addresses, "anna", "192.0.2.7");
    addresses_saw(addresses, "anna", "192.0.2.7");
    addresses_saw(addresses, "anna", "198.51.100.1");
    addresses_saw(addresses, "bert", "192.0.2.7");
    addresses_saw(addresses, "cleo", "192.0.2.7");
    addresses_saw(addresses, "dora", "203.0.113.9");
    assert_int_equal(others_of(addresses, "anna"), 2);
    assert_int_equal(others_of(addresses, "cleo"), 2);
    assert_int_equal(others_of(addresses, "dora"), 0);
    assert_int_equal(others_of(addresses, "emil"), -1);
    addresses_forget(addresses, "bert");
    assert_int_equal(others_of(addresses, "bert"), -1);
    assert_int_equal(others_of(addresses, "anna"), 1);
    addresses_free(addresses);
}

static void a_flood_is_bounded(void **state)
{
    (void)state;
    struct addresses *addresses = addresses_new();
    char voter[32];
    for (int i = 0; i < LIMIT_ADDRESSES + 1000; i++) {
        snprintf(voter, sizeof voter, "voter %d", i);
        addresses_saw(addresses, voter, "192.0.2.7");
    }
    assert_int_equal(others_of(addresses, "voter 0"), LIMIT_ADDRESSES - 1);
    assert_int_equal(others_of(addresses, voter), -1);
    addresses_free(addresses);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_has_one_name), cmocka_unit_test(the_key_lasts_a_day),
        cmocka_unit_test(who_shares_is_counted), cmocka_unit_test(a_flood_is_bounded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
