/* A report is checked three ways: its bytes against its signature, its question against the one
 * registered, its figures against the votes that it names the last of. */
#include "command/verify_campaigns.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "people/question.h"
#include "people/standing.h"
#include "store/campaigns.h"

enum { LINE = 256, RESULTS_BYTES = 64 << 10, REPORT_BYTES = 16 << 20 };

struct checking {
    struct db *db;
    void (*problem)(void *user, const char *line);
    void *user;
    uint8_t key[SIGN_KEY_SIZE];
    bool has_key, failed;
    int64_t reports;
    struct err *err;
};

static void tell(struct checking *checking, const struct campaign_record *record, const char *what)
{
    char line[LINE];
    snprintf(line, sizeof line, "the report of campaign %s %s", record->id, what);
    checking->problem(checking->user, line);
}

static bool is_signed(const struct checking *checking, const struct campaign_record *record)
{
    return sign_check(record->report, record->signature, record->public_key) &&
           (!checking->has_key ||
            memcmp(checking->key, record->public_key, sizeof checking->key) == 0);
}

static bool has_question(const json_t *report, const struct campaign_record *record)
{
    uint8_t digest[DIGEST_SIZE];
    char hex[DIGEST_HEX + 1];
    const char *said = json_string_value(json_object_get(report, "question_digest"));
    digest_of(record->question.data, record->question.length, digest);
    hex_encode(digest, sizeof digest, hex);
    return said && strcmp(said, hex) == 0;
}

/* The end of the ledger that the report names is in this ledger. */
static bool stands_here(struct checking *checking, int64_t seq, const char *head, bool *out)
{
    struct db_rows rows;
    uint8_t hash[DIGEST_SIZE] = {0};
    char hex[DIGEST_HEX + 1];
    if (!db_select(checking->db, &rows, "SELECT hash FROM votes WHERE seq = ?",
                   DB_VALUES(DB_INT(seq)), checking->err))
        return false;
    if (db_next(&rows))
        db_bytes(&rows, 0, hash, sizeof hash);
    hex_encode(hash, sizeof hash, hex);
    *out = head && strcmp(hex, head) == 0;
    return db_end(&rows, checking->err);
}

/* Counts are compared; the intervals follow from them and from which prompts were whose, which
 * erasure may forget. */
static bool same_counts(const json_t *row, const struct standing_pair *pair)
{
    const struct {
        const char *key;
        uint64_t value;
    } COUNTS[] = {{"votes", pair->votes},
                  {"wins", pair->wins},
                  {"losses", pair->losses},
                  {"ties", pair->ties},
                  {"both_bad", pair->both_bad}};
    for (size_t i = 0; i < sizeof COUNTS / sizeof COUNTS[0]; i++)
        if ((uint64_t)json_integer_value(json_object_get(row, COUNTS[i].key)) != COUNTS[i].value)
            return false;
    return true;
}

static bool check_figures(struct checking *checking, const struct campaign_record *record,
                          const json_t *report)
{
    const json_t *ledger = json_object_get(report, "ledger"),
                 *results = json_object_get(report, "results");
    struct standing_when when = {
        (int64_t)json_integer_value(json_object_get(ledger, "last_vote")),
        (int64_t)json_integer_value(json_object_get(ledger, "exclusions"))};
    struct question question;
    struct standing standing;
    bool here;
    if (!stands_here(checking, when.last_vote, json_string_value(json_object_get(ledger, "head")),
                     &here))
        return false;
    if (!here) {
        tell(checking, record, "does not stand on this ledger");
        return true;
    }
    if (!question_read(json_object_get(report, "question"), &question, checking->err) ||
        !standing_read(checking->db, record->id, &question, NULL, when, &standing, checking->err))
        return false;
    for (size_t i = 0; when.last_vote && i < question.rivals; i++)
        if (!same_counts(json_array_get(results, i), &standing.pair[i]))
            tell(checking, record, "has other counts than its votes");
    return true;
}

static bool check_one(void *user, const struct campaign_record *record)
{
    struct checking *checking = user;
    if (!record->ended)
        return true;
    checking->reports++;
    if (!record->report.data || !is_signed(checking, record)) {
        tell(checking, record, "does not have the arena's signature");
        return true;
    }
    json_t *report = json_read(record->report, "a stored report", checking->err);
    checking->failed = !report;
    if (report && !has_question(report, record))
        tell(checking, record, "is of another question than was registered");
    else if (report)
        checking->failed = !check_figures(checking, record, report);
    json_decref(report);
    return !checking->failed;
}

bool verify_campaigns(struct db *db, const char *dir, void (*problem)(void *user, const char *line),
                      void *user, int64_t *reports, struct err *err)
{
    struct checking checking = {.db = db, .problem = problem, .user = user, .err = err};
    struct err ignored;
    checking.has_key = sign_public_key(dir, checking.key, &ignored);
    bool good = campaigns_each(db, check_one, &checking, err) && !checking.failed;
    *reports = checking.reports;
    return good;
}

bool verify_report(const char *report, const char *dir, struct err *err)
{
    char path[4096];
    uint8_t key[SIGN_KEY_SIZE];
    struct buf text, signature;
    buf_init(&text, REPORT_BYTES);
    buf_init(&signature, SIGN_SIZE);
    snprintf(path, sizeof path, "%s.sig", report);
    bool good = sign_public_key(dir, key, err) && file_read(report, &text, err) &&
                file_read(path, &signature, err);
    if (good && (signature.length != SIGN_SIZE ||
                 !sign_check(buf_text(&text), (const uint8_t *)signature.data, key)))
        good = err_set(err, ERR_CONFLICT, "%s does not have the signature of %s/arena.pub", report,
                       dir);
    buf_done(&text);
    buf_done(&signature);
    return good;
}
