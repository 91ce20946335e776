/* `arena campaign`: a question registered, its votes collected by the arena that serves, its report
 * signed. What begins or ends one goes through the directory's owner; what only looks reads the
 * database beside it. */
#include "command/command.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "command/campaign_print.h"
#include "command/owner.h"
#include "command/settings.h"
#include "http/campaign_request.h"
#include "people/campaign_view.h"
#include "people/conclusion.h"
#include "people/presence.h"
#include "people/registration.h"
#include "store/store.h"

enum { VIEW_MAX = 16 << 20 };

struct asked {
    const char *data, *config, *model, *versus, *prompts, *cohort, *categories, *gold, *title,
        *output;
    const char *reason;
    bool live;
    int64_t votes, overlap;
    double precision, decided, same_model, gold_rate, confidence, detect, power, ties, budget;
    int format;
};

/* --- create --- */

/* "X,Y" as a list. */
static json_t *list_of(const char *names)
{
    json_t *list = json_array();
    while (list && names && *names) {
        size_t length = strcspn(names, ",");
        if (length)
            json_array_append_new(list, json_stringn(names, length));
        names += length + (names[length] == ',');
    }
    return list;
}

/* A file's whole path: the owner's folder is another. */
static json_t *path_of(const char *path, struct err *err)
{
    char *whole = realpath(path, NULL);
    json_t *value = whole ? json_string(whole) : NULL;
    if (!whole)
        err_sys(err, ERR_IO, errno, "cannot open %s", path);
    else if (!value)
        err_set(err, ERR_IO, "%s: a file's name must be UTF-8 here", path);
    free(whole);
    return value;
}

static void put_number(json_t *body, const char *key, double value)
{
    if (!isnan(value))
        json_object_set_new(body, key, json_real(value));
}

static void put_text(json_t *body, const char *key, const char *value)
{
    if (value)
        json_object_set_new(body, key, json_string(value));
}

static bool put_files(json_t *body, const struct asked *asked, struct err *err)
{
    bool live = asked->live || (asked->prompts && strcmp(asked->prompts, "live") == 0);
    json_object_set_new(body, "live", json_boolean(live));
    if (asked->prompts && strcmp(asked->prompts, "live") != 0) {
        json_t *path = path_of(asked->prompts, err);
        if (!path || json_object_set_new(body, "prompts", path) != 0)
            return false;
    }
    if (asked->gold) {
        json_t *path = path_of(asked->gold, err);
        if (!path || json_object_set_new(body, "gold", path) != 0)
            return false;
    }
    return true;
}

static json_t *body_of(const struct asked *asked, struct err *err)
{
    json_t *body = json_object();
    if (!body)
        return NULL;
    put_text(body, "model", asked->model);
    put_text(body, "title", asked->title);
    put_text(body, "cohort", asked->cohort);
    json_object_set_new(body, "versus", list_of(asked->versus));
    json_object_set_new(body, "categories", list_of(asked->categories));
    json_object_set_new(body, "overlap", json_integer(asked->overlap));
    if (asked->votes)
        json_object_set_new(body, "votes", json_integer(asked->votes));
    put_number(body, "precision", asked->precision);
    put_number(body, "decided", asked->decided);
    put_number(body, "same_model_rate", asked->same_model);
    put_number(body, "gold_rate", asked->gold_rate);
    put_number(body, "confidence", asked->confidence);
    put_number(body, "detect", asked->detect);
    put_number(body, "power", asked->power);
    put_number(body, "ties", asked->ties);
    put_number(body, "budget_usd", asked->budget);
    if (put_files(body, asked, err))
        return body;
    json_decref(body);
    return NULL;
}

/* The rooms that a question needs: who is configured, and the store. */
struct alone {
    struct settings settings;
    struct loop *loop;
    struct roster *roster;
    struct store *store;
    struct campaign_request request;
    struct registration *registration;
};

static bool store_registration(struct db *tx, void *registration, struct err *err)
{
    return registration_store(tx, registration, err);
}

static bool register_alone(struct alone *alone, const struct asked *asked, const json_t *body,
                           struct err *err)
{
    if (!settings_load(&alone->settings, asked->config, asked->data, err) ||
        !(alone->loop = loop_new(err)) ||
        !(alone->roster =
              settings_roster(&alone->settings, alone->loop, (struct roster_options){0}, err)) ||
        !campaign_request_read(&alone->request, body, alone->roster, true, err) ||
        !campaign_request_load(&alone->request, err))
        return false;
    struct campaign_wish wish = {.question = &alone->request.question,
                                 .gold = alone->request.pairs,
                                 .gold_count = alone->request.pair_count,
                                 .spec = alone->request.spec,
                                 .actor = "command line"};
    alone->registration = registration_new(&wish, err);
    return alone->registration && (alone->store = store_open(asked->data, NULL, err)) &&
           store_apply(alone->store, store_registration, alone->registration, err);
}

/* Nobody serves the directory: the question is registered, and its answers are made when somebody
 * does. */
static bool create_alone(const struct asked *asked, const json_t *body, struct err *err)
{
    struct alone alone = {.registration = NULL};
    bool ok = register_alone(&alone, asked, body, err);
    if (ok) {
        campaign_print_question(registration_id(alone.registration),
                                registration_question(alone.registration));
        fprintf(stderr, "nobody serves %s: it begins with the next arena serve\n", asked->data);
    }
    store_close(alone.store);
    registration_free(alone.registration);
    campaign_request_done(&alone.request);
    roster_free(alone.roster);
    loop_free(alone.loop);
    settings_done(&alone.settings);
    return ok;
}

static bool create(const struct asked *asked, struct err *err)
{
    json_t *reply = NULL;
    if (!asked->model || !asked->versus)
        return err_set(err, ERR_BAD_REQUEST,
                       "--model and --versus are needed\nTry: arena help campaign");
    json_t *body = body_of(asked, err);
    if (!body)
        return err->code != ERR_NONE ? false : err_set(err, ERR_MEMORY, "out of memory");
    enum owner_answer answer = owner_post(asked->data, "/api/campaigns", body, &reply, err);
    if (answer == OWNER_DONE)
        campaign_print_created(reply);
    bool ok = answer == OWNER_ABSENT ? create_alone(asked, body, err) : answer == OWNER_DONE;
    json_decref(body);
    json_decref(reply);
    return ok;
}

/* --- stop --- */

static bool stop_alone(const struct asked *asked, const char *id, struct err *err)
{
    bool ended;
    struct store *store = store_open(asked->data, NULL, err);
    bool ok = store && conclude(store, id, asked->reason, &ended, err);
    store_close(store);
    return ok;
}

static bool stop(const struct asked *asked, const char *id, struct err *err)
{
    char path[128];
    json_t *body = json_pack("{s:s}", "reason", asked->reason), *reply = NULL;
    if (strlen(id) > STORE_ID_SIZE ||
        strspn(id, "0123456789abcdefghjkmnpqrstvwxyz") != strlen(id) || !body) {
        json_decref(body);
        return err_set(err, ERR_BAD_REQUEST,
                       "\"%.40s\" is no campaign's id: arena campaign list shows them", id);
    }
    snprintf(path, sizeof path, "/api/campaigns/%s/stop", id);
    enum owner_answer answer = owner_post(asked->data, path, body, &reply, err);
    json_decref(body);
    json_decref(reply);
    bool ok = answer == OWNER_ABSENT ? stop_alone(asked, id, err) : answer == OWNER_DONE;
    if (ok)
        fprintf(stderr, "campaign %s has ended; its report is signed: arena campaign report %s\n",
                id, id);
    return ok;
}

/* --- looking --- */

/* Which versions answer where the directory is served; false: nobody serves it, or nobody says. */
static bool take_presence(const char *data, struct presence *presence)
{
    json_t *reply = NULL, *row;
    struct err ignored = ERR_INIT;
    size_t i;
    presence->count = 0;
    if (owner_get(data, "/api/roster", &reply, &ignored) != OWNER_DONE)
        return false;
    json_array_foreach(json_object_get(reply, "competitors"), i, row)
    {
        const char *state = json_string_value(json_object_get(row, "state")),
                   *version = json_string_value(json_object_get(row, "version"));
        if (state && version && strcmp(state, "active") == 0)
            presence_add(presence, version);
    }
    json_decref(reply);
    return true;
}

/* The view as JSON; `id` NULL: the list. */
static json_t *view(const struct asked *asked, const char *id, struct err *err)
{
    struct buf buf;
    struct presence here;
    const struct presence *presence = take_presence(asked->data, &here) ? &here : NULL;
    json_t *json = NULL;
    buf_init(&buf, VIEW_MAX);
    struct db *db = store_read_open(asked->data, err);
    if (db && store_read_begin(db, err)) {
        if (id ? campaign_view(db, id, presence, &buf, err)
               : campaign_view_list(db, presence, &buf, err))
            json = json_read(buf_text(&buf), "the campaign", err);
        store_read_end(db);
    }
    db_close(db);
    buf_done(&buf);
    return json;
}

static bool print_json(const json_t *json, struct err *err)
{
    char *text = json_dumps(json, JSON_INDENT(1));
    if (!text)
        return err_set(err, ERR_MEMORY, "out of memory");
    puts(text);
    free(text);
    return true;
}

static bool look(const struct asked *asked, const char *id, struct err *err)
{
    json_t *json = view(asked, id, err);
    bool ok = json != NULL;
    if (ok && asked->format == 1)
        ok = print_json(json, err);
    else if (ok && id)
        campaign_print_one(json);
    else if (ok)
        campaign_print_list(json_object_get(json, "campaigns"));
    json_decref(json);
    return ok;
}

/* --- report --- */

struct report {
    const struct asked *asked;
    struct err *err;
    bool ok;
};

/* The signed bytes and their signature, side by side, for any tool that knows Ed25519. */
static bool write_files(const struct asked *asked, const struct campaign_record *record,
                        struct err *err)
{
    char path[4096];
    if (snprintf(path, sizeof path, "%s.sig", asked->output) >= (int)sizeof path)
        return err_set(err, ERR_IO, "%.200s…: the path is too long", asked->output);
    return file_write(asked->output, record->report, 0644, err) &&
           file_write(path, (struct text){(const char *)record->signature, SIGN_SIZE}, 0644, err);
}

static void take_report(void *user, const struct campaign_record *record)
{
    struct report *report = user;
    if (!record->report.data)
        report->ok = err_set(report->err, ERR_WRONG_STATE,
                             "this campaign runs: arena campaign status %s shows how it stands; "
                             "its report is written when it ends",
                             record->id);
    else if (report->asked->output)
        report->ok = write_files(report->asked, record, report->err);
    else if (report->asked->format == 1)
        report->ok =
            fwrite(record->report.data, 1, record->report.length, stdout) == record->report.length;
    else
        report->ok = campaign_print_report(record, report->err);
}

static bool report(const struct asked *asked, const char *id, struct err *err)
{
    struct report report = {.asked = asked, .err = err};
    struct db *db = store_read_open(asked->data, err);
    bool ok = db && campaigns_find(db, id, take_report, &report, err) && report.ok;
    db_close(db);
    return ok;
}

/* --- the command --- */

static bool act(const struct asked *asked, int words, char **argv, struct err *err)
{
    const char *action = words ? argv[1] : "list", *id = words > 1 ? argv[2] : NULL;
    if (strcmp(action, "create") == 0 && !id)
        return create(asked, err);
    if (strcmp(action, "list") == 0 && !id)
        return look(asked, NULL, err);
    if (strcmp(action, "status") == 0 && id)
        return look(asked, id, err);
    if (strcmp(action, "stop") == 0 && id)
        return stop(asked, id, err);
    if (strcmp(action, "report") == 0 && id)
        return report(asked, id, err);
    return err_set(err, ERR_BAD_REQUEST,
                   "expected create, list, status ID, stop ID or report ID\nTry: arena help "
                   "campaign");
}

static int run(int argc, char **argv)
{
    static const char *const FORMATS[] = {"text", "json", NULL};
    struct err err = ERR_INIT;
    struct asked asked = {.data = "arena-data",
                          .reason = "its lead ended it",
                          .overlap = 2,
                          .precision = (double)NAN,
                          .decided = (double)NAN,
                          .same_model = (double)NAN,
                          .gold_rate = (double)NAN,
                          .confidence = (double)NAN,
                          .detect = (double)NAN,
                          .power = (double)NAN,
                          .ties = (double)NAN,
                          .budget = (double)NAN};
    int positional;
    const struct option_spec specs[] = {
        {"model", OPTION_TEXT, &asked.model, NULL, 0, 0},
        {"versus", OPTION_TEXT, &asked.versus, NULL, 0, 0},
        {"prompts", OPTION_TEXT, &asked.prompts, NULL, 0, 0},
        {"live", OPTION_FLAG, &asked.live, NULL, 0, 0},
        {"votes", OPTION_INT, &asked.votes, NULL, 1, 1e9},
        {"precision", OPTION_REAL, &asked.precision, NULL, 0.1, 50},
        {"decided", OPTION_REAL, &asked.decided, NULL, 0, 49},
        {"cohort", OPTION_TEXT, &asked.cohort, NULL, 0, 0},
        {"category", OPTION_TEXT, &asked.categories, NULL, 0, 0},
        {"overlap", OPTION_INT, &asked.overlap, NULL, 1, 100},
        {"same-model", OPTION_REAL, &asked.same_model, NULL, 0, 0.5},
        {"gold", OPTION_TEXT, &asked.gold, NULL, 0, 0},
        {"gold-rate", OPTION_REAL, &asked.gold_rate, NULL, 0, 0.5},
        {"confidence", OPTION_REAL, &asked.confidence, NULL, 0.5, 0.9999},
        {"detect", OPTION_REAL, &asked.detect, NULL, 0.01, 0.99},
        {"power", OPTION_REAL, &asked.power, NULL, 0.01, 0.999},
        {"ties", OPTION_REAL, &asked.ties, NULL, 0, 0.95},
        {"budget", OPTION_REAL, &asked.budget, NULL, 0, 1e9},
        {"title", OPTION_TEXT, &asked.title, NULL, 0, 0},
        {"reason", OPTION_TEXT, &asked.reason, NULL, 0, 0},
        {"output", OPTION_OUTPUT, &asked.output, NULL, 0, 0},
        {"format", OPTION_CHOICE, &asked.format, FORMATS, 0, 0},
        {"data", OPTION_TEXT, &asked.data, NULL, 0, 0},
        {"config", OPTION_TEXT, &asked.config, NULL, 0, 0},
        {NULL, OPTION_FLAG, NULL, NULL, 0, 0}};
    if (!options_read(&command_campaign, argc, argv, specs, &positional, 2))
        return EXIT_USAGE;
    return act(&asked, positional, argv, &err) ? EXIT_OK : command_fail(&command_campaign, &err);
}

const struct command command_campaign = {
    "campaign", "a question to many voters, registered before the first vote",
    "Usage: arena campaign create --model X --versus Y,Z --prompts FILE|live --votes N|--precision "
    "E|--decided E\n"
    "                    [--cohort C] [--live] [--overlap N] [--gold FILE] … [--data DIR]\n"
    "       arena campaign list | status ID | stop ID [--reason TEXT] [--format json] [--data "
    "DIR]\n"
    "       arena campaign report ID [--format json] [--output FILE] [--data DIR]\n\n"
    "create registers the question in the arena at DIR: X against each of Y and Z, who "
    "votes, and when it stops.\n"
    "Its answers are made at once (or when the arena serves next), and voters of the cohort find "
    "finished pairs waiting. It stops "
    "by its rule, which holds\n"
    "however often one looks; then its report is final, signed with the arena's key "
    "(DIR/arena.key, "
    "checked by arena verify)\n"
    "and lists every variant that was ever tried. status shows where it stands.\n\n"
    "  --model X, --versus Y,Z  the model in question and its rivals, as configured\n"
    "  --prompts FILE|live      JSONL of prompts (as arena eval), whose answers are made "
    "beforehand; "
    "or live: the voters\n"
    "                           write their own, and the cohort's battles are between these "
    "models\n"
    "  --live                   both: a FILE, and the voters' own\n"
    "  --votes N                stops when so many votes count\n"
    "  --precision E            stops when every win rate is known to E points\n"
    "  --decided E              stops when X is shown to be worse than each rival by more than E "
    "points, or not to be;\n"
    "                           0: better or worse\n"
    "  --cohort C               only voters who were invited to C; everybody by default\n"
    "  --category C,D           reported one by one, too\n"
    "  --overlap N              how many people vote on each pair of FILE, 2 by default\n"
    "  --same-model R           share of pairs that are one model twice: noise and position bias; "
    "0.02\n"
    "  --gold FILE              JSONL of prompt, chosen, rejected (as arena export preferences): "
    "who "
    "reads?\n"
    "  --gold-rate R            share of pairs that are of it; 0.02\n"
    "  --confidence P           of all intervals together, 0.95\n"
    "  --detect W, --power P, --ties T  for the expected number of votes: to show a win rate of W "
    "(0.55) with chance P\n"
    "                           (0.8) where a share T (0.25) of the votes is ties\n"
    "  --budget USD             what the answers may cost\n"
    "  --title TEXT, --reason TEXT  for the report\n"
    "  --output FILE            the report's signed bytes; their signature goes to FILE.sig\n"
    "  --data DIR               the data directory; ./arena-data by default\n"
    "  --config FILE            who is configured, when no server runs; DIR/arena.json by "
    "default\n",
    run};
