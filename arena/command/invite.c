/* `arena invite`: single-use links for voters. Made by the directory's owner, which may be this
 * process. */
#include "command/command.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "command/owner.h"
#include "command/settings.h"
#include "people/invites.h"
#include "store/store.h"

#define ACTOR "command line"

struct asked {
    const char *data, *config, *cohort, *note, *voter;
    int64_t count, days;
    int role;
    bool staff;
};

static const char *const ROLES[] = {"voter", "analyst", "admin", NULL};

static void print_day(FILE *out, int64_t ms)
{
    char text[16];
    time_t seconds = (time_t)(ms / 1000);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    strftime(text, sizeof text, "%Y-%m-%d", &parts);
    fputs(text, out);
}

static void report(int64_t count, const char *role, int64_t expires_ms)
{
    fprintf(stderr, "%" PRId64 " invitation%s for the role %s, %sto be used once until ", count,
            count == 1 ? "" : "s", role, count == 1 ? "" : "each ");
    print_day(stderr, expires_ms);
    fputc('\n', stderr);
}

/* --- as the owner --- */

static bool store_batch(struct db *tx, void *batch, struct err *err)
{
    return invites_store(tx, batch, err);
}

static void print_links(const struct settings *settings, const struct invite_batch *batch,
                        const struct asked *asked)
{
    const char *host = settings->auth.hosts[0];
    for (size_t i = 0; i < batch->count; i++)
        printf("%s%s/join/%s\n", host && settings->auth.https ? "https://" : "http://",
               host ? host : "127.0.0.1:8080", batch->list[i].token);
    report((int64_t)batch->count, ROLES[asked->role], batch->list[0].record.expires_ms);
}

static bool make_alone(const struct asked *asked, struct err *err)
{
    struct settings settings;
    struct invite_batch batch = {0};
    struct invite_wish wish = {.role = (enum voter_role)asked->role,
                               .cohort = asked->cohort,
                               .note = asked->note,
                               .for_voter = asked->voter,
                               .staff = asked->staff,
                               .days = asked->days};
    if (!settings_load(&settings, asked->config, asked->data, err))
        return false;
    struct store *store = NULL;
    bool ok = invites_prepare(&batch, &wish, (size_t)asked->count, ACTOR, err) &&
              (store = store_open(asked->data, NULL, err)) != NULL &&
              store_apply(store, store_batch, &batch, err);
    if (ok)
        print_links(&settings, &batch, asked);
    store_close(store);
    invites_done(&batch);
    settings_done(&settings);
    return ok;
}

/* --- through the owner --- */

static json_t *request_of(const struct asked *asked)
{
    return json_pack("{s:I, s:s, s:b, s:I, s:s*, s:s*, s:s*}", "count", (json_int_t)asked->count,
                     "role", ROLES[asked->role], "staff", asked->staff, "days",
                     (json_int_t)asked->days, "cohort", asked->cohort, "note", asked->note, "voter",
                     asked->voter);
}

static void print_reply(const json_t *reply, const struct asked *asked)
{
    size_t i;
    const json_t *row, *list = json_object_get(reply, "invitations");
    json_array_foreach(list, i, row)
        printf("%s\n", json_string_value(json_object_get(row, "link")));
    report((int64_t)json_array_size(list), ROLES[asked->role],
           json_integer_value(json_object_get(json_array_get(list, 0), "expires_ms")));
}

static bool make(const struct asked *asked, struct err *err)
{
    json_t *body = request_of(asked), *reply = NULL;
    if (!body)
        return err_set(err, ERR_BAD_REQUEST, "the cohort, note or voter is not UTF-8");
    enum owner_answer answer = owner_post(asked->data, "/api/invitations", body, &reply, err);
    json_decref(body);
    if (answer == OWNER_DONE)
        print_reply(reply, asked);
    json_decref(reply);
    return answer == OWNER_ABSENT ? make_alone(asked, err) : answer == OWNER_DONE;
}

/* --- withdrawing --- */

struct withdrawing {
    const char *id;
};

static bool withdraw_stored(struct db *tx, void *data, struct err *err)
{
    return invites_withdraw(tx, ((struct withdrawing *)data)->id, ACTOR, err);
}

static bool withdraw(const char *data, const char *id, struct err *err)
{
    char path[128];
    json_t *body = json_object(), *reply = NULL;
    if (strspn(id, "0123456789abcdef") != INVITATION_ID_LENGTH ||
        strlen(id) != INVITATION_ID_LENGTH) {
        json_decref(body);
        return err_set(err, ERR_BAD_REQUEST,
                       "\"%.40s\" is no invitation's id: arena invite list shows them", id);
    }
    snprintf(path, sizeof path, "/api/invitations/%s/revoke", id);
    enum owner_answer answer = owner_post(data, path, body, &reply, err);
    json_decref(body);
    json_decref(reply);
    if (answer != OWNER_ABSENT)
        return answer == OWNER_DONE;
    struct withdrawing withdrawing = {id};
    struct store *store = store_open(data, NULL, err);
    bool ok = store && store_apply(store, withdraw_stored, &withdrawing, err);
    store_close(store);
    return ok;
}

/* --- the list --- */

static const char *state_of(const struct invitation_record *record)
{
    return record->revoked_ms                                            ? "withdrawn"
           : record->used_ms                                             ? "used"
           : record->expires_ms && record->expires_ms <= clock_wall_ms() ? "expired"
                                                                         : "open";
}

static void print_row(void *user, const struct invitation_record *record)
{
    char hex[DIGEST_HEX + 1];
    ++*(size_t *)user;
    hex_encode(record->token_hash, DIGEST_SIZE, hex);
    printf("%.*s  %-9s  %-7s  ", INVITATION_ID_LENGTH, hex, state_of(record),
           voter_role_word(record->role));
    print_day(stdout, record->expires_ms);
    printf("  %s%s%s\n", record->cohort, *record->cohort && *record->note ? "  " : "",
           record->note);
}

static bool list(const char *data, struct err *err)
{
    size_t count = 0;
    struct db *db = store_read_open(data, err);
    bool ok = db && invitations_each(db, print_row, &count, err);
    db_close(db);
    if (ok && !count)
        fprintf(stderr, "no invitation yet\n");
    return ok;
}

static int run(int argc, char **argv)
{
    struct err err = ERR_INIT;
    struct asked asked = {.data = "arena-data", .count = 1, .days = INVITE_DAYS};
    int positional;
    const struct option_spec specs[] = {{"count", OPTION_INT, &asked.count, NULL, 1, INVITES_MOST},
                                        {"cohort", OPTION_TEXT, &asked.cohort, NULL, 0, 0},
                                        {"note", OPTION_TEXT, &asked.note, NULL, 0, 0},
                                        {"voter", OPTION_TEXT, &asked.voter, NULL, 0, 0},
                                        {"role", OPTION_CHOICE, &asked.role, ROLES, 0, 0},
                                        {"staff", OPTION_FLAG, &asked.staff, NULL, 0, 0},
                                        {"expires", OPTION_INT, &asked.days, NULL, 1, 3650},
                                        {"data", OPTION_TEXT, &asked.data, NULL, 0, 0},
                                        {"config", OPTION_TEXT, &asked.config, NULL, 0, 0},
                                        {NULL, OPTION_FLAG, NULL, NULL, 0, 0}};
    if (!options_read(&command_invite, argc, argv, specs, &positional, 2))
        return EXIT_USAGE;
    bool ok;
    if (positional == 0)
        ok = make(&asked, &err);
    else if (positional == 1 && strcmp(argv[1], "list") == 0)
        ok = list(asked.data, &err);
    else if (positional == 2 && strcmp(argv[1], "revoke") == 0)
        ok = withdraw(asked.data, argv[2], &err);
    else
        ok = err_set(&err, ERR_BAD_REQUEST,
                     "expected nothing, list, or revoke ID\nTry: arena help invite");
    return ok ? EXIT_OK : command_fail(&command_invite, &err);
}

const struct command command_invite = {
    "invite", "single-use links that let voters in",
    "Usage: arena invite [--count N] [--cohort C] [--role voter|analyst|admin] [--expires DAYS] "
    "[--staff] [--note TEXT]\n"
    "                    [--voter ID] [--data DIR] [--config FILE]\n"
    "       arena invite list [--data DIR]\n"
    "       arena invite revoke ID [--data DIR]\n\n"
    "Prints links, one a line, each to be used once: it makes a voter of whoever opens it and says "
    "so, and keeps them\n"
    "signed in. The links are shown now and never again; list shows which were used, and the ids "
    "that revoke takes.\n"
    "Needs \"auth\": {\"mode\": \"invite\"} in the configuration to be of use. A running server is "
    "asked to make them.\n\n"
    "  --count N        how many, 1 by default\n"
    "  --cohort C       a name for this group of voters\n"
    "  --role ROLE      what they may do; voter by default\n"
    "  --expires DAYS   until when they can be used; 30 days by default\n"
    "  --staff          they are staff: boards can be shown without them\n"
    "  --note TEXT      for the list\n"
    "  --voter ID       another link for a voter that exists\n"
    "  --data DIR       the data directory; ./arena-data by default\n"
    "  --config FILE    where the arena's names stand when no server runs; DIR/arena.json by "
    "default\n",
    run};
