/* The server on its loop without any other room: starting, refusing, idling, stopping under open
 * connections. */
#include "testing.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "http/server.h"
#include "loop/loop.h"

struct fixture {
    struct loop *loop;
    struct http_context context;
    struct http_server *server;
    bool stopped;
};

static void start(struct fixture *f)
{
    struct err err = ERR_INIT;
    *f = (struct fixture){.loop = loop_new(&err)};
    f->context.loop = f->loop;
    struct http_options options = {.listen = "127.0.0.1:0"};
    f->server = http_server_new(&f->context, &options, &err);
    if (!f->server)
        fail_msg("%s", err.message);
}

static int dial(struct fixture *f)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((in_port_t)http_server_port(f->server))};
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void turn_for(struct fixture *f, int ms)
{
    int64_t end = clock_mono_ns() + ms * CLOCK_MS;
    while (clock_mono_ns() < end)
        loop_turn(f->loop, 5);
}

/* Sends a request and turns the loop until something came back. */
static void ask(struct fixture *f, const char *request, char *reply, size_t size)
{
    int fd = dial(f);
    assert_int_equal(send(fd, request, strlen(request), 0), (ssize_t)strlen(request));
    ssize_t count = 0;
    for (int i = 0; i < 400 && count <= 0; i++) {
        loop_turn(f->loop, 5);
        count = recv(fd, reply, size - 1, MSG_DONTWAIT);
    }
    assert_true(count > 0);
    reply[count] = '\0';
    close(fd);
}

static void answers(void **state)
{
    (void)state;
    static const struct {
        const char *request, *status, *body;
    } ROWS[] = {
        {"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", "200", "\"ok\""},
        {"GET /api/leaderboard HTTP/1.1\r\nHost: localhost\r\n\r\n", "503", "\"busy\""},
        {"GET /api/models HTTP/1.1\r\nHost: localhost\r\n\r\n", "200", "{\"models\":[],"},
        {"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n", "404", "\"not_found\""},
        {"POST /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", "405", "\"method_not_allowed\""},
        {"GET /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n", "421", "\"bad_host\""},
        {"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", "400",
         "\"bad_request\""},
        {"POST /api/battles HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
         "application/json\r\nContent-Length: 2\r\n\r\n{}",
         "503", "\"busy\""},
    };
    struct fixture f;
    char reply[4096];
    start(&f);
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        ask(&f, ROWS[i].request, reply, sizeof reply);
        if (strncmp(reply + 9, ROWS[i].status, 3) != 0 || !strstr(reply, ROWS[i].body))
            fail_msg("%s gives %s", ROWS[i].request, reply);
    }
    http_server_free(f.server);
    loop_free(f.loop);
}

static void refuses_foreign_addresses(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct fixture f = {.loop = loop_new(&err)};
    f.context.loop = f.loop;
    struct http_options options = {.listen = "0.0.0.0:0"};
    assert_null(http_server_new(&f.context, &options, &err));
    assert_int_equal(err.code, ERR_CONFIG);
    assert_non_null(strstr(err.message, "local"));
    loop_free(f.loop);
}

/* An idle server must not spin: over a second of turning it may use a few milliseconds of CPU. */
static void idles(void **state)
{
    (void)state;
    struct fixture f;
    struct timespec before, after;
    start(&f);
    int fd = dial(&f);
    turn_for(&f, 100);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    for (int64_t end = clock_mono_ns() + CLOCK_S; clock_mono_ns() < end;)
        loop_turn(f.loop, 100);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    double used =
        (double)(after.tv_sec - before.tv_sec) + (double)(after.tv_nsec - before.tv_nsec) / 1e9;
    assert_true(used < 0.1);
    close(fd);
    http_server_free(f.server);
    loop_free(f.loop);
}

static void on_stopped(void *user)
{
    ((struct fixture *)user)->stopped = true;
}

/* Idle connections and half a request do not hold a stop up. */
static void stops(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    int idle = dial(&f), half = dial(&f);
    assert_true(send(half, "GET / HT", 8, 0) == 8);
    turn_for(&f, 50);
    http_server_stop(f.server, on_stopped, &f);
    for (int i = 0; i < 6000 && !f.stopped; i++)
        loop_turn(f.loop, 20);
    assert_true(f.stopped);
    http_server_free(f.server);
    loop_turn(f.loop, 0); /* the hook is gone */
    loop_free(f.loop);
    close(idle);
    close(half);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers),
        cmocka_unit_test(refuses_foreign_addresses),
        cmocka_unit_test(idles),
        cmocka_unit_test(stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
