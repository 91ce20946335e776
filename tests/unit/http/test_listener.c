/* Addresses, and sockets that are taken. */
#include "testing.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "http/listener.h"

static void addresses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool fine, loopback;
    } ROWS[] = {
        {"127.0.0.1:8080", true, true},
        {"localhost:0", true, true},
        {"[::1]:80", true, true},
        {"0.0.0.0:80", true, false},
        {"[::]:80", true, false},
        {"192.168.1.1:80", true, false},
        {"127.0.0.1", false, false},
        {":80", false, false},
        {"127.0.0.1:", false, false},
        {"127.0.0.1:65536", false, false},
        {"127.0.0.1:-1", false, false},
        {"127.0.0.1:80x", false, false},
        {"example.com:80", false, false},
        {"::1:80", false, false},
        {"", false, false},
        {"127.0.0.1: 80", false, false},
        {"[127.0.0.1]:80", false, false},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        struct sockaddr_storage address;
        socklen_t length;
        struct err err = ERR_INIT;
        bool fine = listener_read_address(ROWS[i].text, &address, &length, &err);
        if (fine != ROWS[i].fine || (fine && listener_is_loopback(&address) != ROWS[i].loopback))
            fail_msg("\"%s\" is read wrongly", ROWS[i].text);
        assert_int_equal(err.code, fine ? ERR_NONE : ERR_CONFIG);
    }
}

static void taken_port(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct loop *loop = loop_new(&err);
    struct listener first = {0}, second = {0};
    struct sockaddr_storage address;
    socklen_t length;
    char text[64];
    assert_true(listener_read_address("127.0.0.1:0", &address, &length, &err));
    assert_true(listener_open_tcp(&first, loop, &address, length, &err));
    assert_true(listener_port(&first) > 0);
    snprintf(text, sizeof text, "127.0.0.1:%u", listener_port(&first));
    assert_true(listener_read_address(text, &address, &length, &err));
    assert_false(listener_open_tcp(&second, loop, &address, length, &err));
    assert_int_equal(err.code, ERR_CONFLICT);
    listener_close(&second);
    listener_close(&first);
    listener_close(&first);
    loop_free(loop);
}

static void unix_socket(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct loop *loop = loop_new(&err);
    struct listener listener = {0};
    struct stat info;
    char folder[] = "/tmp/arena-listener-XXXXXX", path[64], longer[256];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/arena.sock", folder);
    for (int round = 0; round < 2; round++) { /* the second replaces what a killed process left */
        assert_true(listener_open_unix(&listener, loop, path, &err));
        assert_int_equal(stat(path, &info), 0);
        assert_int_equal(info.st_mode & 07777, 0600);
        if (round == 0) {
            loop_fd_stop(loop, &listener.handle);
            close(listener.handle.fd);
            free(listener.path);
            listener = (struct listener){0};
        }
    }
    listener_close(&listener);
    assert_int_not_equal(stat(path, &info), 0);
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_false(listener_open_unix(&listener, loop, longer, &err));
    assert_int_equal(err.code, ERR_CONFIG);
    rmdir(folder);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses),
        cmocka_unit_test(taken_port),
        cmocka_unit_test(unix_socket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
