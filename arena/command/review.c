/* `arena review`: what export holds back because personal data was found in it. Listed by reading;
 * decisions are written by the directory's owner, which may be this process. */
#include "command/command.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "command/owner.h"
#include "command/settings.h"
#include "eval/review.h"
#include "store/reviews.h"

struct listing {
    const char *model;
    size_t count;
};

/* Kinds of which patterns know nothing have the model's name beside them. */
static void print_battle(void *user, const struct battle_row *row, const struct review_finds *found)
{
    struct listing *listing = user;
    const char *between = "", *model = listing->model;
    listing->count++;
    printf("%.*s  ", (int)row->id.length, row->id.data);
    for (int kind = 0; kind < PERSONAL_KINDS; kind++) {
        bool alone = !(found->patterns & 1u << kind);
        if (!((found->patterns | found->model) & 1u << kind))
            continue;
        printf("%s%s%s%s%s", between, personal_word((enum personal_kind)kind), alone ? " (" : "",
               alone ? model : "", alone ? ")" : "");
        between = ", ";
    }
    printf("\n");
}

static bool list(const char *data, struct err *err)
{
    struct review_query query = {.limit = SIZE_MAX};
    struct settings settings;
    struct finder_record finder;
    int64_t next;
    if (!settings_load(&settings, NULL, data, err))
        return false;
    bool local = settings.auth.mode == AUTH_LOCAL;
    settings_done(&settings);
    struct db *db = store_read_open(data, err);
    bool ok = db && battles_are_own(db, &query.own, err);
    query.own &= local;
    struct listing listing = {finder.name, 0};
    ok = ok && finders_current(db, &finder, err) &&
         review_each(db, &query, print_battle, &listing, &next, err);
    db_close(db);
    if (ok && !listing.count)
        fprintf(stderr, "nothing is held back\n");
    return ok;
}

static bool apply(struct db *tx, void *data, struct err *err)
{
    return reviews_add(tx, data, err);
}

static bool decide_alone(const char *data, struct review_record *record, struct err *err)
{
    struct store *store = store_open(data, NULL, err);
    bool ok = store && store_apply(store, apply, record, err);
    store_close(store);
    return ok;
}

static bool decide(const char *data, const char *battle, bool release, struct err *err)
{
    char path[sizeof "/api/review/" + STORE_ID_SIZE];
    struct review_record record = {
        .released = release, .actor = "command line", .at_ms = clock_wall_ms()};
    json_t *reply = NULL, *body = json_pack("{s:b}", "release", release);
    if (strlen(battle) >= sizeof record.battle ||
        strspn(battle, "0123456789abcdefghijklmnopqrstuvwxyz") != strlen(battle) || !body) {
        json_decref(body);
        return err_set(err, ERR_BAD_REQUEST, "\"%.40s\" is no battle's id", battle);
    }
    snprintf(record.battle, sizeof record.battle, "%s", battle);
    snprintf(path, sizeof path, "/api/review/%s", battle);
    enum owner_answer answer = owner_post(data, path, body, &reply, err);
    json_decref(body);
    json_decref(reply);
    return answer == OWNER_ABSENT ? decide_alone(data, &record, err) : answer == OWNER_DONE;
}

static int run(int argc, char **argv)
{
    struct err err = ERR_INIT;
    const char *data = "arena-data";
    int positional;
    const struct option_spec specs[] = {{"data", OPTION_TEXT, &data, NULL, 0, 0},
                                        {NULL, OPTION_FLAG, NULL, NULL, 0, 0}};
    if (!options_read(&command_review, argc, argv, specs, &positional, 2))
        return EXIT_USAGE;
    bool listing = positional == 0 || (positional == 1 && strcmp(argv[1], "list") == 0),
         release = positional == 2 && strcmp(argv[1], "release") == 0,
         refuse = positional == 2 && strcmp(argv[1], "refuse") == 0;
    if (!listing && !release && !refuse) {
        fprintf(stderr, "arena review: expected list, release ID or refuse ID\n"
                        "Try: arena help review\n");
        return EXIT_USAGE;
    }
    if (!(listing ? list(data, &err) : decide(data, argv[2], release, &err)))
        return command_fail(&command_review, &err);
    return EXIT_OK;
}

const struct command command_review = {
    "review", "look at what export holds back for personal data",
    "Usage: arena review [list|release BATTLE|refuse BATTLE] [--data DIR]\n\n"
    "`arena export` leaves out the texts of battles in which personal data was found by patterns "
    "(e-mail addresses,\ntelephone numbers, IBANs, cards, keys, names behind \"my name is\" and "
    "more: docs/operations.md) or by the in-house\nmodel that is configured to look, whatever "
    "their "
    "voters agreed to, until somebody has looked at them. Lists those not\ndecided yet, with what "
    "was found; releases one, or refuses it for good. Both stand in the audit log.\n",
    run};
