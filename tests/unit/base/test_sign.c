/* Signing: RFC 8032's own vector, a key that is made once and kept secret, and bytes that were
 * changed. */
#include "tests/testing.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/sign.h"

static char folder[] = "/tmp/arena-sign-XXXXXX";

static void the_standard_vector(void **state)
{
    uint8_t key[SIGN_KEY_SIZE], signature[SIGN_SIZE];
    (void)state; /* RFC 8032, section 7.1, TEST 3 */
    hex_decode("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", SIGN_KEY_SIZE,
               key);
    hex_decode("6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
               "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
               SIGN_SIZE, signature);
    assert_true(sign_check(TEXT("\xaf\x82"), signature, key));
    assert_false(sign_check(TEXT("\xaf\x83"), signature, key));
    signature[3] ^= 1;
    assert_false(sign_check(TEXT("\xaf\x82"), signature, key));
}

static void a_key_is_made_once(void **state)
{
    uint8_t key[SIGN_KEY_SIZE], again[SIGN_KEY_SIZE], signature[SIGN_SIZE];
    char path[sizeof folder + 16];
    struct stat info;
    struct err err = ERR_INIT;
    (void)state;
    assert_false(sign_public_key(folder, key, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_true(sign_text(folder, TEXT("a report"), signature, key, &err));
    assert_true(sign_check(TEXT("a report"), signature, key));
    assert_false(sign_check(TEXT("a report."), signature, key));
    assert_true(sign_text(folder, TEXT("another"), signature, again, &err));
    assert_memory_equal(key, again, sizeof key);
    assert_true(sign_public_key(folder, again, &err));
    assert_memory_equal(key, again, sizeof key);
    snprintf(path, sizeof path, "%s/arena.key", folder);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(chmod(path, 0640), 0);
    assert_false(sign_text(folder, TEXT("a report"), signature, key, &err));
    assert_int_equal(err.code, ERR_CONFIG);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    static const char *const NAMES[] = {"arena.key", "arena.pub"};
    char path[sizeof folder + 16];
    (void)state;
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, NAMES[i]);
        unlink(path);
    }
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_standard_vector),
                                       cmocka_unit_test(a_key_is_made_once)};
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
