/* `arena voters`: whose votes the boards leave out. Written by the directory's owner, which may be
 * this process; listed by reading. */
#include "command/command.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "board/day.h"
#include "command/owner.h"
#include "store/exclusions.h"

#define ACTOR "command line"
#define DAY_MS INT64_C(86400000)

struct asked {
    const char *data, *voter, *from, *note;
    bool back, tell;
};

/* --- as the owner --- */

static bool apply(struct db *tx, void *data, struct err *err)
{
    return exclusions_add(tx, data, err);
}

static bool fill(const struct asked *asked, struct exclusion_record *record, struct err *err)
{
    char *end;
    uint16_t day = 0;
    *record = (struct exclusion_record){.voter = strtoll(asked->voter, &end, 10),
                                        .note = asked->note,
                                        .actor = ACTOR,
                                        .told = asked->tell,
                                        .at_ms = clock_wall_ms()};
    if (*end || record->voter <= 0) {
        record->voter = 0;
        snprintf(record->voter_id, sizeof record->voter_id, "%s", asked->voter);
    }
    if (asked->from && !day_read(text_of(asked->from), &day))
        return err_set(err, ERR_BAD_REQUEST, "--from is no date (YYYY-MM-DD)");
    record->from_ms = asked->back ? EXCLUSION_TAKEN_BACK : day * DAY_MS;
    return true;
}

static bool add_alone(const struct asked *asked, struct exclusion_record *record, struct err *err)
{
    struct store *store = store_open(asked->data, NULL, err);
    bool ok = store && store_apply(store, apply, record, err);
    store_close(store);
    return ok;
}

/* --- through the owner --- */

static bool add(const struct asked *asked, struct err *err)
{
    struct exclusion_record record;
    json_t *reply = NULL;
    if (!fill(asked, &record, err))
        return false;
    json_t *voter = record.voter ? json_integer(record.voter) : json_string(asked->voter);
    json_t *body = json_pack("{s:o, s:s, s:s*, s:b, s:b}", "voter", voter, "note", asked->note,
                             "from", asked->from, "back", asked->back, "tell", asked->tell);
    if (!body)
        return err_set(err, ERR_BAD_REQUEST, "the voter or the note is not UTF-8");
    enum owner_answer answer = owner_post(asked->data, "/api/exclusions", body, &reply, err);
    json_decref(body);
    json_decref(reply);
    bool ok = answer == OWNER_ABSENT ? add_alone(asked, &record, err) : answer == OWNER_DONE;
    if (ok)
        fprintf(stderr, asked->back ? "voter %s counts again\n" : "voter %s is left out\n",
                asked->voter);
    return ok;
}

/* --- the list --- */

static bool print_row(void *user, const struct exclusion_record *record)
{
    char from[16] = "the beginning";
    ++*(size_t *)user;
    if (record->from_ms)
        day_write((uint16_t)(record->from_ms / DAY_MS), from);
    printf("%10" PRId64 "  from %-13s  %s  (%s)\n", record->voter, from, record->note,
           record->actor);
    return true;
}

static bool list(const char *data, struct err *err)
{
    size_t count = 0;
    struct db *db = store_read_open(data, err);
    bool ok = db && exclusions_each(db, INT64_MAX, print_row, &count, err);
    db_close(db);
    if (ok && !count)
        fprintf(stderr, "nobody is left out\n");
    return ok;
}

static int usage(const char *why)
{
    fprintf(stderr, "arena voters: %s\nTry: arena help voters\n", why);
    return EXIT_USAGE;
}

static int run(int argc, char **argv)
{
    struct err err = ERR_INIT;
    struct asked asked = {.data = "arena-data"};
    int positional;
    const struct option_spec specs[] = {{"data", OPTION_TEXT, &asked.data, NULL, 0, 0},
                                        {"from", OPTION_TEXT, &asked.from, NULL, 0, 0},
                                        {"note", OPTION_TEXT, &asked.note, NULL, 0, 0},
                                        {"tell", OPTION_FLAG, &asked.tell, NULL, 0, 0},
                                        {NULL, OPTION_FLAG, NULL, NULL, 0, 0}};
    if (!options_read(&command_voters, argc, argv, specs, &positional, 2))
        return EXIT_USAGE;
    const char *act = positional ? argv[1] : "list";
    bool exclude = strcmp(act, "exclude") == 0;
    asked.back = strcmp(act, "restore") == 0;
    asked.voter = positional > 1 ? argv[2] : NULL;
    if (strcmp(act, "list") == 0 && !asked.voter)
        return list(asked.data, &err) ? EXIT_OK : command_fail(&command_voters, &err);
    if (!exclude && !asked.back)
        return usage("expected list, exclude VOTER or restore VOTER");
    if (!asked.voter || !asked.note)
        return usage("name the voter, and say why with --note TEXT");
    if (asked.back && asked.from)
        return usage("--from is for exclude");
    return add(&asked, &err) ? EXIT_OK : command_fail(&command_voters, &err);
}

const struct command command_voters = {
    "voters", "whose votes the boards leave out",
    "Usage: arena voters [list] [--data DIR]\n"
    "       arena voters exclude VOTER --note TEXT [--from DATE] [--tell] [--data DIR]\n"
    "       arena voters restore VOTER --note TEXT [--data DIR]\n\n"
    "Leaves a voter's votes out of every board, gate and export of counted votes, from a day on "
    "(all of them without\n"
    "--from). The voter can go on voting, and is told only with --tell; the votes stay in the "
    "ledger, and restore\ncounts them again.\n"
    "Every board says up to which of these decisions it was made, so that arena verify can compute "
    "it again.\n\n"
    "  VOTER         the number that arena leaderboard --voters prints, or the voter's id\n"
    "  --from DATE   votes of that day (YYYY-MM-DD, UTC) or later\n"
    "  --tell        let the voter know, on its own page, where it may appeal\n"
    "  --note TEXT   why; kept beside the decision and in the audit log\n"
    "  --data DIR    the data directory; ./arena-data by default\n",
    run};
