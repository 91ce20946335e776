/* No memory, at every allocation in turn, once and from then on, while a roster opens, changes and
 * is asked over HTTP: by a chat whose first attempt is refused and whose second one is answered,
 * and for its provider's models. It then works as ever or fails with a reason: a chat that began
 * has exactly one end, nothing stays held of its budgets and its key's places, a roster that cannot
 * change stays what it was. Nothing leaks (AddressSanitizer's build looks). */
#include "testing.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "competitor/attempt.h"
#include "competitor/catalogue.h"
#include "competitor/remote.h"
#include "competitor/roster.h"
#include "fault/no_memory.h"

#define ENVIRONMENT_KEY "sk-planted-in-the-environment"
#define FILE_KEY "sk-planted-in-a-file"

/* --- the endpoint: a thread that allocates nothing --- */

static struct {
    int listener;
    char base_url[64];
} endpoint;

static const char REFUSAL[] =
    "HTTP/1.1 400 X\r\nConnection: close\r\n\r\n"
    "{\"error\":{\"message\":\"Unsupported parameter: 'temperature'\",\"param\":\"temperature\"}}";
static const char ANSWER[] =
    "HTTP/1.1 200 X\r\nConnection: close\r\nX-Request-Id: req-1\r\n\r\n"
    "data: {\"id\":\"c\",\"model\":\"m\",\"choices\":[{\"delta\":{\"content\":\"One \"}}]}\n\n"
    "data: {\"choices\":[{\"delta\":{\"content\":\"two\"},\"finish_reason\":\"stop\"}],"
    "\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\ndata: [DONE]\n\n";
static const char MODELS[] = "HTTP/1.1 200 X\r\nConnection: close\r\n\r\n"
                             "{\"data\":[{\"id\":\"m-2\"},{\"id\":\"m-1\"}]}";

/* What was asked decides, so that one round's late request cannot disturb the next. */
static const char *reply_to(const char *request)
{
    if (strncmp(request, "GET", 3) == 0)
        return MODELS;
    return strstr(request, "\"temperature\"") ? REFUSAL : ANSWER;
}

static bool is_whole(const char *request)
{
    const char *end = strstr(request, "\r\n\r\n"), *length = strstr(request, "Content-Length: ");
    return end && (!length || strlen(end + 4) >= strtoul(length + 16, NULL, 10));
}

static void serve(int peer)
{
    static char request[16384];
    size_t used = 0;
    ssize_t got = 1;
    request[0] = '\0';
    while (!is_whole(request) && got > 0) {
        got = read(peer, request + used, sizeof request - 1 - used);
        used += got > 0 ? (size_t)got : 0;
        request[used] = '\0';
    }
    const char *reply = reply_to(request);
    if (got > 0 && send(peer, reply, strlen(reply), MSG_NOSIGNAL) < 0)
        return; /* the round was over sooner */
}

static void *serve_all(void *unused)
{
    for (int peer; (peer = accept(endpoint.listener, NULL, NULL)) >= 0; close(peer))
        serve(peer);
    return unused;
}

/* --- one round --- */

struct seen {
    bool opened, asked;
    int ends;
    enum chat_finish finish;
    char text[64];
    size_t length;
    int64_t allocations;
};

static bool as_ever(const struct seen *seen)
{
    return seen->finish == CHAT_STOP && strcmp(seen->text, "One two") == 0;
}

static void on_delta(void *user, enum chat_channel channel, struct text text)
{
    struct seen *seen = user;
    assert_int_equal(channel, CHAT_TEXT);
    assert_true(seen->length + text.length < sizeof seen->text);
    memcpy(seen->text + seen->length, text.data, text.length);
    seen->length += text.length;
}

static void on_end(void *user, const struct chat_end *end)
{
    struct seen *seen = user;
    seen->ends++;
    seen->finish = end->finish;
    assert_true(!chat_finish_failed(end->finish) || end->finish == CHAT_TRUNCATED ||
                end->error.message[0]);
}

static void nothing_is_held(const struct competitor *competitor)
{
    const struct remote *remote = competitor->state;
    struct limiter_figures figures = limiter_figures(remote->limiter);
    assert_int_equal(figures.inside + figures.waiting + competitor->under_way, 0);
    assert_true(remote->budget->held_usd == 0 && remote->arena_budget->held_usd == 0);
}

static void ask(struct loop *loop, struct competitor *competitor, struct seen *seen)
{
    const struct chat_message message = {CHAT_USER, TEXT("hi")};
    const struct chat_sink sink = {.delta = on_delta, .end = on_end, .user = seen};
    struct err err = ERR_INIT;
    struct chat *chat = competitor_chat(competitor, &message, 1, NULL, &sink, &err);
    seen->asked = chat != NULL;
    assert_true(chat || err.code == ERR_MEMORY);
    for (int turns = 0; chat && !seen->ends && turns < 1000; turns++)
        loop_turn(loop, 5000);
    loop_turn(loop, 0);
    assert_int_equal(seen->ends, seen->asked);
    nothing_is_held(competitor);
}

static void change(struct roster *roster, const json_t *rows, const struct roster_options *options)
{
    struct err err = ERR_INIT;
    size_t before = roster_count(roster);
    struct competitor *first = roster_at(roster, 0);
    struct roster_plan *plan = roster_plan_new(roster, rows, options, &err);
    bool ok = plan && roster_plan_load(plan, &err) && roster_plan_attach(plan, &err);
    if (ok)
        roster_plan_commit(plan);
    else
        assert_true(err.code == ERR_MEMORY && roster_count(roster) == before &&
                    roster_at(roster, 0) == first);
    roster_plan_free(plan);
    assert_true(!ok || roster_count(roster) == json_array_size(rows));
}

static json_t *rows_of(int count)
{
    static const char *const NAMES[] = {"it", "another"};
    json_t *rows = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(
            rows,
            json_pack("{ss ss ss ss ss s{sf si ss s[s]} s[s] s{si si} si si ss}", "name", NAMES[i],
                      "provider", "openai-compatible", "model", "m", "base_url", endpoint.base_url,
                      "api_key_env", "ARENA_TEST_KEY", "params", "temperature", 0.5, "max_tokens",
                      16, "reasoning", "low", "stop", "END", "aliases", "that one", "price",
                      "input", 1, "output", 1, "budget", 1, "retries", 1, "system", "Be brief."));
    return rows;
}

static struct seen chat_round(const json_t *rows, const json_t *more)
{
    struct seen seen = {.opened = false}, later = seen;
    const struct roster_options options = {.folder = ".", .budget_usd = 5};
    struct err err = ERR_INIT;
    struct loop *loop = loop_new(&err);
    struct roster *roster = loop ? roster_open(loop, rows, &options, &err) : NULL;
    if (roster) {
        seen.opened = true;
        ask(loop, roster_at(roster, 0), &seen);
        change(roster, more, &options);
        seen.allocations = allocation.count;
        memory_set(0, false);
        ask(loop, roster_at(roster, 0), &later);
        assert_true(as_ever(&later));
    }
    assert_true(roster || err.code == ERR_MEMORY);
    roster_free(roster);
    if (loop)
        loop_free(loop);
    return seen;
}

static void a_chat_ends_once_and_gives_everything_back(void **state)
{
    (void)state;
    json_t *rows = rows_of(1), *more = rows_of(2);
    memory_set(0, false);
    struct seen seen = chat_round(rows, more);
    assert_true(as_ever(&seen));
    for (int64_t at = 1, allocations = seen.allocations; at <= 2 * allocations; at++) {
        memory_set((at + 1) / 2, at % 2);
        seen = chat_round(rows, more);
        memory_set(0, false);
        if (seen.ends && !as_ever(&seen) && !chat_finish_failed(seen.finish))
            fail_msg("allocation %d: %s, heard \"%s\"", (int)(at + 1) / 2,
                     chat_finish_word(seen.finish), seen.text);
    }
    json_decref(rows);
    json_decref(more);
}

/* The key of the environment and the one of a file: no block that we free holds either. */
static void no_key_is_left_in_freed_memory(void **state)
{
    static const char *const KEYS[] = {ENVIRONMENT_KEY, FILE_KEY};
    char path[] = "/tmp/arena-key-XXXXXX";
    json_t *rows = rows_of(1), *more = rows_of(2);
    int file = mkstemp(path);
    (void)state;
    assert_int_equal(write(file, FILE_KEY "\n", sizeof FILE_KEY), sizeof FILE_KEY);
    close(file);
    json_object_set_new(json_array_get(more, 0), "api_key_file", json_string(path));
    json_object_del(json_array_get(more, 0), "api_key_env");
    for (size_t i = 0; i < 2; i++) {
        memory_set(0, false);
        not_freed = KEYS[i];
        struct seen seen = chat_round(i ? more : rows, i ? rows : more);
        not_freed = NULL;
        assert_true(as_ever(&seen));
    }
    unlink(path);
    json_decref(rows);
    json_decref(more);
}

/* --- the provider's models --- */

static bool list_round(void)
{
    struct err err = ERR_INIT;
    struct loop *loop = loop_new(&err);
    struct competitor_config config = {.provider = (char *)"openai-compatible",
                                       .model = (char *)"m",
                                       .base_url = endpoint.base_url};
    struct endpoint at = {0};
    struct catalogue catalogue = {0};
    bool ok = loop && endpoint_open(&at, &config, ".", &err);
    assert_true(ok || err.code == ERR_MEMORY);
    if (ok)
        catalogue_fetch(&catalogue, loop, &at, false);
    if (ok && catalogue.error.class == CHAT_OK)
        assert_true(catalogue.count == 2 && strcmp(catalogue.models[0], "m-1") == 0);
    else
        assert_true(!ok || catalogue.error.message[0]);
    ok = ok && catalogue.error.class == CHAT_OK;
    catalogue_done(&catalogue);
    endpoint_done(&at);
    if (loop)
        loop_free(loop);
    return ok;
}

static void a_list_of_models_is_whole_or_an_error(void **state)
{
    (void)state;
    memory_set(0, false);
    assert_true(list_round());
    for (int64_t at = 1, allocations = allocation.count; at <= 2 * allocations; at++) {
        memory_set((at + 1) / 2, at % 2);
        list_round();
        memory_set(0, false);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chat_ends_once_and_gives_everything_back),
        cmocka_unit_test(no_key_is_left_in_freed_memory),
        cmocka_unit_test(a_list_of_models_is_whole_or_an_error),
    };
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof place;
    pthread_t thread;
    endpoint.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(endpoint.listener, (struct sockaddr *)&place, size) != 0 ||
        listen(endpoint.listener, 64) != 0 ||
        getsockname(endpoint.listener, (struct sockaddr *)&place, &size) != 0 ||
        pthread_create(&thread, NULL, serve_all, NULL) != 0)
        return 1;
    snprintf(endpoint.base_url, sizeof endpoint.base_url, "http://127.0.0.1:%d/v1",
             ntohs(place.sin_port));
    setenv("ARENA_TEST_KEY", ENVIRONMENT_KEY, 1);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    shutdown(endpoint.listener, SHUT_RDWR);
    pthread_join(thread, NULL);
    close(endpoint.listener);
    return failed;
}
