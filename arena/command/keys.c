/* `arena keys`: keys for /v1. Made and revoked by the directory's owner, which may be this process;
 * listed by reading. */
#include "command/command.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "command/owner.h"
#include "loop/loop.h"
#include "people/keys.h"
#include "store/store.h"

#define ACTOR "command line"

struct asked {
    const char *data;
    struct key_wish wish;
};

/* --- as the owner: the same code that serves, on a loop of its own --- */

struct alone {
    struct loop *loop;
    struct store *store;
    struct keys *keys;
    bool replied, ok;
    struct err *err;
};

static bool open_alone(struct alone *alone, const char *data, struct err *err)
{
    alone->err = err;
    alone->loop = loop_new(err);
    alone->store = alone->loop ? store_open(data, alone->loop, err) : NULL;
    alone->keys = alone->store ? keys_new(alone->store, err) : NULL;
    return alone->keys != NULL;
}

static bool wait_for_reply(struct alone *alone)
{
    while (!alone->replied)
        loop_turn(alone->loop, -1);
    return alone->ok;
}

static void close_alone(struct alone *alone)
{
    store_close(alone->store);
    if (alone->loop)
        loop_turn(alone->loop, 0);
    keys_free(alone->keys);
    loop_free(alone->loop);
}

static void print_key(const char *secret, const char *id)
{
    printf("%s\n", secret);
    fprintf(stderr, "key %s; its secret is shown now and never again\n", id);
}

static void on_created(void *user, const char *secret, const char *id, const struct err *err)
{
    struct alone *alone = user;
    alone->replied = true;
    alone->ok = secret != NULL;
    if (secret)
        print_key(secret, id);
    else
        *alone->err = *err;
}

static void on_revoked(void *user, const struct err *err)
{
    struct alone *alone = user;
    alone->replied = true;
    alone->ok = err->code == ERR_NONE;
    if (!alone->ok)
        *alone->err = *err;
}

static bool create_alone(const struct asked *asked, struct err *err)
{
    struct alone alone = {0};
    bool ok = open_alone(&alone, asked->data, err);
    if (ok)
        keys_create(alone.keys, &asked->wish, on_created, &alone);
    ok = ok && wait_for_reply(&alone);
    close_alone(&alone);
    return ok;
}

static bool revoke_alone(const char *data, const char *id, struct err *err)
{
    struct alone alone = {0};
    bool ok = open_alone(&alone, data, err);
    if (ok)
        keys_revoke(alone.keys, id, ACTOR, on_revoked, &alone);
    ok = ok && wait_for_reply(&alone);
    close_alone(&alone);
    return ok;
}

/* --- through the owner --- */

static bool create(const struct asked *asked, struct err *err)
{
    const struct key_wish *wish = &asked->wish;
    json_t *reply = NULL;
    json_t *body = json_pack("{s:s, s:s*, s:s*, s:I, s:I, s:I}", "name", wish->name, "organisation",
                             wish->organisation, "contact", wish->contact, "requests_per_minute",
                             (json_int_t)wish->requests_per_minute, "tokens_per_day",
                             (json_int_t)wish->tokens_per_day, "days", (json_int_t)wish->days);
    if (!body)
        return err_set(err, ERR_BAD_REQUEST, "the name, organisation or contact is not UTF-8");
    enum owner_answer answer = owner_post(asked->data, "/api/keys", body, &reply, err);
    json_decref(body);
    if (answer == OWNER_DONE)
        print_key(json_string_value(json_object_get(reply, "key")),
                  json_string_value(json_object_get(reply, "key_id")));
    json_decref(reply);
    return answer == OWNER_ABSENT ? create_alone(asked, err) : answer == OWNER_DONE;
}

static bool revoke(const char *data, const char *id, struct err *err)
{
    char path[128];
    if (strspn(id, "0123456789abcdefghijklmnopqrstuvwxyz") != strlen(id) ||
        strlen(id) >= STORE_ID_SIZE)
        return err_set(err, ERR_BAD_REQUEST, "\"%.40s\" is no key's id: arena keys list shows them",
                       id);
    snprintf(path, sizeof path, "/api/keys/%s/revoke", id);
    json_t *body = json_object(), *reply = NULL;
    enum owner_answer answer = owner_post(data, path, body, &reply, err);
    json_decref(body);
    json_decref(reply);
    return answer == OWNER_ABSENT ? revoke_alone(data, id, err) : answer == OWNER_DONE;
}

static void print_row(void *user, const struct api_key_record *record,
                      const struct api_usage *today)
{
    ++*(size_t *)user;
    const char *state = record->revoked_ms                                            ? "revoked"
                        : record->expires_ms && record->expires_ms <= clock_wall_ms() ? "expired"
                                                                                      : "open";
    printf("%s  %-7s  today %" PRId64 " requests, %" PRId64 " tokens  %s%s%s\n", record->id, state,
           today->requests, today->input_tokens + today->output_tokens, record->name,
           *record->organisation ? ", " : "", record->organisation);
}

static bool list(const char *data, struct err *err)
{
    size_t count = 0;
    struct db *db = store_read_open(data, err);
    bool ok = db && api_keys_each(db, api_day(clock_wall_ms()), print_row, &count, err);
    db_close(db);
    if (ok && !count)
        fprintf(stderr, "no key yet\n");
    return ok;
}

static int run(int argc, char **argv)
{
    struct err err = ERR_INIT;
    struct asked asked = {.data = "arena-data", .wish = {.actor = ACTOR}};
    struct key_wish *wish = &asked.wish;
    int positional;
    const struct option_spec specs[] = {
        {"organisation", OPTION_TEXT, &wish->organisation, NULL, 0, 0},
        {"contact", OPTION_TEXT, &wish->contact, NULL, 0, 0},
        {"requests-per-minute", OPTION_INT, &wish->requests_per_minute, NULL, 0, 1 << 20},
        {"tokens-per-day", OPTION_INT, &wish->tokens_per_day, NULL, 0, 1e15},
        {"expires", OPTION_INT, &wish->days, NULL, 0, 36500},
        {"data", OPTION_TEXT, &asked.data, NULL, 0, 0},
        {NULL, OPTION_FLAG, NULL, NULL, 0, 0}};
    if (!options_read(&command_keys, argc, argv, specs, &positional, 2))
        return EXIT_USAGE;
    const char *act = positional ? argv[1] : "";
    bool ok;
    wish->name = positional == 2 ? argv[2] : NULL;
    if (positional == 2 && strcmp(act, "create") == 0)
        ok = create(&asked, &err);
    else if (positional == 1 && strcmp(act, "list") == 0)
        ok = list(asked.data, &err);
    else if (positional == 2 && strcmp(act, "revoke") == 0)
        ok = revoke(asked.data, argv[2], &err);
    else
        ok = err_set(&err, ERR_BAD_REQUEST,
                     "expected create NAME, list, or revoke ID\nTry: arena help keys");
    return ok ? EXIT_OK : command_fail(&command_keys, &err);
}

const struct command command_keys = {
    "keys", "keys that let programs use the in-house model",
    "Usage: arena keys create NAME [--organisation O] [--contact C] [--requests-per-minute N] "
    "[--tokens-per-day N]\n"
    "                              [--expires DAYS] [--data DIR]\n"
    "       arena keys list [--data DIR]\n"
    "       arena keys revoke ID [--data DIR]\n\n"
    "A key opens /v1, the OpenAI dialect, for a program. create prints its secret, now and never "
    "again; list shows the\n"
    "keys with what they used today; revoke ends one at once. A running server is asked to do "
    "it.\n\n"
    "  NAME                     whose key it is\n"
    "  --organisation O, --contact C   for the list\n"
    "  --requests-per-minute N, --tokens-per-day N   its quota; none by default\n"
    "  --expires DAYS           until when it can be used; for ever by default\n"
    "  --data DIR               the data directory; ./arena-data by default\n",
    run};
