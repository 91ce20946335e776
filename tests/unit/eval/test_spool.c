/* Arrays and Open WebUI's feedback become a record a line; files that are lines already are left
 * alone. */
#include "testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "eval/spool.h"

static char path[] = "/tmp/arena-spool-XXXXXX";

static void write_file(const char *content)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(content, 1, strlen(content), file), strlen(content));
    assert_int_equal(fclose(file), 0);
}

/* What the spooled file holds. */
static void expect(const char *content, const char *lines)
{
    struct spool spool;
    struct err err = ERR_INIT;
    char got[1024] = "";
    write_file(content);
    assert_true(spool_make(&spool, path, &err));
    assert_true(spool.fd >= 0);
    ssize_t length = pread(spool.fd, got, sizeof got - 1, 0);
    assert_true(length >= 0);
    assert_string_equal(got, lines);
    spool_done(&spool);
}

static void refuse(const char *content, const char *said)
{
    struct spool spool;
    struct err err = ERR_INIT;
    write_file(content);
    assert_false(spool_make(&spool, path, &err));
    assert_int_equal(err.code, ERR_FORMAT);
    assert_non_null(strstr(err.message, said));
    assert_int_equal(spool.fd, -1);
}

static void an_array_becomes_lines(void **state)
{
    (void)state;
    expect("[{\"a\":1},{\"b\":[{}]}]", "{\"a\":1}\n{\"b\":[{}]}\n");
    expect(" [\n {\n  \"a\": \"]},\\\"{\" \n }\n ,\r\n {}\n]\n",
           "{   \"a\": \"]},\\\"{\"   }\n{}\n");
    expect("\xef\xbb\xbf[{}]", "{}\n");
    expect("[]", "");
}

static void what_is_no_array_of_objects_is_refused(void **state)
{
    (void)state;
    refuse("[1]", "after record 0");
    refuse("[{}] {}", "after record 1");
    refuse("[{}][{}]", "after record 1");
    refuse("[{}", "ends inside record 2");
    refuse("[{\"a\": \"", "ends inside record 1");
}

static void lines_are_left_alone(void **state)
{
    (void)state;
    struct spool spool;
    struct err err = ERR_INIT;
    write_file("{\"model_a\":\"x\"}\n");
    assert_true(spool_make(&spool, path, &err));
    assert_int_equal(spool.fd, -1);
    spool_done(&spool);
}

static void feedback_is_a_vote_a_sibling(void **state)
{
    (void)state;
    expect("[{\"id\":\"f\",\"user_id\":\"u\",\"data\":{\"rating\":-1,\"model_id\":\"x\",\"sibling_"
           "model_ids\":"
           "[\"y\",\"x\",\"z\"]}},{\"id\":\"g\",\"data\":{\"rating\":0,\"model_id\":\"x\","
           "\"sibling_model_ids\":[\"y\"]}}]",
           "{\"id\":\"f:0\",\"model_a\":\"x\",\"model_b\":\"y\",\"winner\":\"model_b\",\"judge_"
           "hash\":\"u\"}\n"
           "{\"id\":\"f:1\",\"model_a\":\"x\",\"model_b\":\"z\",\"winner\":\"model_b\",\"judge_"
           "hash\":\"u\"}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_array_becomes_lines),
        cmocka_unit_test(what_is_no_array_of_objects_is_refused),
        cmocka_unit_test(lines_are_left_alone),
        cmocka_unit_test(feedback_is_a_vote_a_sibling),
    };
    int file = mkstemp(path);
    if (file < 0)
        return 1;
    close(file);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
