/* random, digest, clock and file: the parts of the base room that talk to the system. */
#include "testing.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/random.h"

static void random_ids_differ_and_fill_their_alphabet(void **state)
{
    (void)state;
    char a[RANDOM_ID_LENGTH + 1], b[RANDOM_ID_LENGTH + 1];
    random_id(a);
    random_id(b);
    assert_int_equal(strlen(a), RANDOM_ID_LENGTH);
    assert_string_not_equal(a, b);
    assert_int_equal(strspn(a, "0123456789abcdefghjkmnpqrstvwxyz"), RANDOM_ID_LENGTH);
}

static void a_generator_repeats_itself(void **state)
{
    (void)state;
    struct rng a, b, other;
    rng_init(&a, 42, 1);
    rng_init(&b, 42, 1);
    rng_init(&other, 42, 2);
    uint64_t first = rng_next(&a);
    assert_true(first == rng_next(&b));
    assert_true(first != rng_next(&other));
    double sum = 0;
    unsigned counts[7] = {0};
    for (int i = 0; i < 70000; i++) {
        double u = rng_uniform(&a);
        assert_true(u >= 0 && u < 1);
        sum += u;
        counts[rng_below(&b, 7)]++;
    }
    assert_true(sum / 70000 > 0.49 && sum / 70000 < 0.51);
    for (int i = 0; i < 7; i++)
        assert_in_range(counts[i], 9500, 10500);
}

static void digests_match_the_standard(void **state)
{
    (void)state;
    uint8_t out[DIGEST_SIZE], again[DIGEST_SIZE];
    char hex[DIGEST_HEX + 1];
    digest_of("abc", 3, out);
    hex_encode(out, DIGEST_SIZE, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    struct digest *digest = digest_new();
    digest_add(digest, "a", 1);
    digest_add(digest, "bc", 2);
    digest_finish(digest, again);
    assert_true(digest_same(out, again, DIGEST_SIZE));
    assert_true(hex_decode(hex, DIGEST_SIZE, again));
    assert_memory_equal(out, again, DIGEST_SIZE);
    assert_false(hex_decode("zz", 1, again));
    /* RFC 4231, case 2 */
    digest_keyed("Jefe", 4, "what do ya want for nothing?", 28, out);
    hex_encode(out, DIGEST_SIZE, hex);
    assert_string_equal(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

static void clocks_can_stand_still(void **state)
{
    (void)state;
    int64_t before = clock_mono_ns();
    assert_true(clock_mono_ns() >= before);
    clock_freeze(5 * CLOCK_S, 1000);
    assert_true(clock_mono_ns() == 5 * CLOCK_S && clock_wall_ms() == 1000);
    clock_freeze(-1, -1);
    assert_true(clock_wall_ms() > 1500000000000);
}

static void files_are_written_whole(void **state)
{
    (void)state;
    char folder[] = "/tmp/arena-test-XXXXXX", path[64];
    struct err err = ERR_INIT;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/a/b", folder);
    assert_true(file_make_folder(path, 0700, &err));
    assert_true(file_make_folder(path, 0700, &err));
    snprintf(path, sizeof path, "%s/a/key", folder);
    assert_true(file_write(path, TEXT("secret\n"), 0600, &err));
    char *secret = file_read_secret(path, &err);
    assert_string_equal(secret, "secret");
    free(secret);
    chmod(path, 0644);
    assert_null(file_read_secret(path, &err));
    assert_non_null(strstr(err.message, "chmod 600"));
    struct buf small;
    buf_init(&small, 3);
    assert_false(file_read(path, &small, &err));
    assert_int_equal(err.code, ERR_TOO_LARGE);
    buf_done(&small);
    assert_false(file_read(folder, &small, &err));
    assert_non_null(strstr(err.message, "is a folder"));
    assert_false(file_make_folder(path, 0700, &err));
    unlink(path);
}

/* A device (/dev/null), a pipe or a link is not what a file may take the place of. */
static void files_replace_files_alone(void **state)
{
    (void)state;
    char folder[] = "/tmp/arena-test-XXXXXX", pipe[64], link[64], file[64], read_back[16] = "";
    struct err err = ERR_INIT;
    struct stat info;
    assert_non_null(mkdtemp(folder));
    snprintf(pipe, sizeof pipe, "%s/pipe", folder);
    snprintf(link, sizeof link, "%s/link", folder);
    snprintf(file, sizeof file, "%s/file", folder);
    assert_int_equal(mkfifo(pipe, 0600), 0);
    int fd = open(pipe, O_RDWR | O_NONBLOCK);
    assert_true(file_write(pipe, TEXT("through"), 0600, &err));
    assert_int_equal(read(fd, read_back, sizeof read_back), 7);
    assert_string_equal(read_back, "through");
    assert_true(lstat(pipe, &info) == 0 && S_ISFIFO(info.st_mode));
    close(fd);
    assert_true(file_write(file, TEXT("old"), 0600, &err));
    assert_int_equal(symlink(file, link), 0);
    assert_true(file_write(link, TEXT("new one"), 0600, &err));
    assert_true(lstat(link, &info) == 0 && S_ISLNK(info.st_mode));
    assert_true(stat(file, &info) == 0 && info.st_size == 7);
    assert_false(file_write(folder, TEXT("no"), 0600, &err));
    if (!strstr(err.message, folder) || strlen(err.message) > 80)
        fail_msg("%s", err.message);
    unlink(pipe);
    unlink(link);
    unlink(file);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_ids_differ_and_fill_their_alphabet),
        cmocka_unit_test(a_generator_repeats_itself),
        cmocka_unit_test(digests_match_the_standard),
        cmocka_unit_test(clocks_can_stand_still),
        cmocka_unit_test(files_are_written_whole),
        cmocka_unit_test(files_replace_files_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
