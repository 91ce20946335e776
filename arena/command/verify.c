/* `arena verify`: has anybody changed the votes? Reads only, beside a running arena too;
 * everything in one view. */
#include "command/command.h"

#include <stdio.h>

#include "base/digest.h"
#include "command/verify_boards.h"
#include "command/verify_campaigns.h"
#include "store/boards.h"
#include "store/ledger.h"

struct checking {
    struct db *db;
    int64_t problems, boards, unknown;
    struct board_votes votes;
    struct err err;
};

static void problem(void *user, const char *line)
{
    struct checking *checking = user;
    checking->problems++;
    printf("WRONG: %s\n", line);
}

static bool check_chain(struct checking *checking)
{
    struct ledger_report report;
    char head[DIGEST_HEX + 1];
    if (!ledger_verify(checking->db, &report, &checking->err))
        return false;
    if (report.first_bad != 0) {
        problem(checking, report.problem);
        return true;
    }
    hex_encode(report.head, DIGEST_SIZE, head);
    printf("ledger: %lld votes in an unbroken chain, %lld of them erased; its end is %s\n",
           (long long)report.votes, (long long)report.erased, head);
    return true;
}

static bool check_invariants(struct checking *checking)
{
    int64_t count;
    if (!ledger_invariants(checking->db, problem, checking, &count, &checking->err))
        return false;
    if (count == 0)
        printf("records: every invariant holds\n");
    return true;
}

/* A board says on which votes it stands by the hash of the last of them. */
static bool stands_here(struct checking *checking, const struct board_record *record, bool *out)
{
    struct db_rows rows;
    uint8_t hash[DIGEST_SIZE] = {0};
    if (!db_select(checking->db, &rows, "SELECT hash FROM votes WHERE seq = ?",
                   DB_VALUES(DB_INT(record->last_seq)), &checking->err))
        return false;
    bool known = record->last_seq == 0 || (db_next(&rows) && db_bytes(&rows, 0, hash, DIGEST_SIZE));
    *out = known && digest_same(hash, record->data_hash, DIGEST_SIZE);
    return db_end(&rows, &checking->err);
}

static bool compute_again(struct checking *checking, const struct board_record *record)
{
    enum board_verdict verdict;
    char what[160], line[256];
    if (!board_recompute(checking->db, &checking->votes, record, &verdict, what, sizeof what,
                         &checking->err))
        return false;
    checking->unknown += verdict == BOARD_UNKNOWN;
    if (verdict != BOARD_DIFFERS)
        return true;
    snprintf(line, sizeof line, "board %lld comes out otherwise when computed again: %s",
             (long long)record->id, what);
    problem(checking, line);
    return true;
}

static bool check_board(void *user, const struct board_record *record)
{
    struct checking *checking = user;
    bool here;
    char line[128];
    checking->boards++;
    if (!stands_here(checking, record, &here))
        return false;
    if (here)
        return compute_again(checking, record);
    snprintf(line, sizeof line, "board %lld does not stand on the first %lld votes of this ledger",
             (long long)record->id, (long long)record->last_seq);
    problem(checking, line);
    return true;
}

static bool check_boards(struct checking *checking)
{
    int64_t before = checking->problems;
    bool good = boards_each_alike(checking->db, check_board, checking, &checking->err) &&
                checking->err.code == ERR_NONE;
    board_votes_done(&checking->votes);
    if (!good)
        return false;
    if (checking->problems != before)
        return true;
    printf("boards: %lld stored, each the same when computed again", (long long)checking->boards);
    if (checking->unknown > 0)
        printf(" (but for %lld of methods that this version does not have)",
               (long long)checking->unknown);
    printf("\n");
    return true;
}

static bool check_campaigns(struct checking *checking, const char *dir)
{
    int64_t before = checking->problems, reports;
    if (!verify_campaigns(checking->db, dir, problem, checking, &reports, &checking->err))
        return false;
    if (reports > 0 && checking->problems == before)
        printf("campaigns: %lld reports, each signed by this arena and of its votes\n",
               (long long)reports);
    return true;
}

static int verify_one(const struct command *command, const char *dir, const char *report)
{
    struct err err = ERR_INIT;
    if (verify_report(report, dir, &err)) {
        printf("%s: signed by this arena\n", report);
        return EXIT_OK;
    }
    if (err.code != ERR_CONFLICT)
        return command_fail(command, &err);
    printf("WRONG: %s\n", err.message);
    return EXIT_NO;
}

static int verify(const struct command *command, const char *dir)
{
    struct checking checking = {.err = ERR_INIT};
    checking.db = store_read_open(dir, &checking.err);
    bool done = checking.db != NULL && store_read_begin(checking.db, &checking.err) &&
                check_chain(&checking) && check_invariants(&checking) && check_boards(&checking) &&
                check_campaigns(&checking, dir);
    db_close(checking.db);
    if (!done)
        return command_fail(command, &checking.err);
    return checking.problems == 0 ? EXIT_OK : EXIT_NO;
}

static int run(int argc, char **argv)
{
    const char *dir = "./arena-data", *report = NULL;
    int positional;
    const struct option_spec specs[] = {{.name = "data", .kind = OPTION_TEXT, .out = &dir},
                                        {.name = "report", .kind = OPTION_TEXT, .out = &report},
                                        {.name = NULL}};
    if (!options_read(&command_verify, argc, argv, specs, &positional, 0))
        return EXIT_USAGE;
    return report ? verify_one(&command_verify, dir, report) : verify(&command_verify, dir);
}

const struct command command_verify = {
    "verify", "check that no stored vote was changed, removed or inserted",
    "Usage: arena verify [--data DIR] [--report FILE]\n\n"
    "Walks the ledger of votes: each carries the hash of the one before it, over salted digests of "
    "who\n"
    "voted, on which texts, between which versions. Names the first vote that was changed, removed "
    "or\n"
    "inserted; checks the records' invariants, and that every stored board comes out the same when "
    "it is\n"
    "computed again, and every campaign's report: its signature, its question, its counts. Works "
    "beside a running\n"
    "arena.\n\n"
    "  --data DIR     the arena's data directory; ./arena-data by default\n"
    "  --report FILE  check only the signature of a report (arena campaign report --output FILE), "
    "which stands in\n"
    "                 FILE.sig, with DIR/arena.pub\n\n"
    "Exit code: 0 all is well, 1 something is not (each on a line that begins with WRONG), 2 there "
    "is\n"
    "nothing to check.\n",
    run};
