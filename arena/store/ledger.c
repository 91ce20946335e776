/* The encoding is built in a buffer on the stack, so hashing a vote cannot fail; all its fields
 * have a greatest length. The check walks votes in order with everything that the hash covers
 * joined to them, and tells the first one that does not fit by what is wrong with it: its number
 * (removed), its own hash (changed), or the hash that the next one carries (replaced as a
 * whole). */
#include "store/ledger.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* --- encoding --- */

enum { ENCODING_MAX = 1024 }; /* the fields together stay under 600 bytes */

struct encoding {
    uint8_t bytes[ENCODING_MAX];
    size_t length;
};

static void put_number(uint8_t out[8], uint64_t number)
{
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(number >> (56 - 8 * i));
}

static void add(struct encoding *encoding, const void *bytes, size_t length)
{
    size_t room = ENCODING_MAX - encoding->length - 8;
    size_t kept = length < room ? length : room; /* the prefix tells the whole length */
    put_number(encoding->bytes + encoding->length, length);
    memcpy(encoding->bytes + encoding->length + 8, kept > 0 ? bytes : "", kept);
    encoding->length += 8 + kept;
}

static void add_text(struct encoding *encoding, struct text text)
{
    add(encoding, text.data, text.length < 128 ? text.length : 128);
}

static void add_int(struct encoding *encoding, int64_t number)
{
    uint8_t bytes[8];
    put_number(bytes, (uint64_t)number);
    add(encoding, bytes, sizeof bytes);
}

void ledger_hash(const struct ledger_vote *vote, uint8_t out[DIGEST_SIZE])
{
    struct encoding encoding = {.length = 0};
    add_text(&encoding, TEXT("arena-vote-1"));
    add(&encoding, vote->previous, DIGEST_SIZE);
    add_int(&encoding, vote->seq);
    add_text(&encoding, vote->battle);
    add(&encoding, vote->voter, DIGEST_SIZE);
    add_text(&encoding, vote->version_a);
    add_text(&encoding, vote->version_b);
    add_text(&encoding, text_of(winner_word(vote->winner)));
    add_text(&encoding, text_of(judge_kind_word(vote->judge)));
    add_text(&encoding, text_of(vote_counted_word(vote->counted)));
    add_text(&encoding, text_of(battle_source_word(vote->source)));
    add_int(&encoding, vote->at_ms);
    add_int(&encoding, vote->turns);
    add(&encoding, vote->content, DIGEST_SIZE);
    digest_of(encoding.bytes, encoding.length, out);
}

void ledger_voter_digest(const uint8_t salt[LEDGER_SALT_SIZE], struct text voter,
                         uint8_t out[DIGEST_SIZE])
{
    struct encoding encoding = {.length = 0};
    add(&encoding, salt, LEDGER_SALT_SIZE);
    add_text(&encoding, voter);
    digest_of(encoding.bytes, encoding.length, out);
}

void ledger_empty_content_digest(const uint8_t salt[LEDGER_SALT_SIZE], uint8_t out[DIGEST_SIZE])
{
    struct encoding encoding = {.length = 0};
    add(&encoding, salt, LEDGER_SALT_SIZE);
    digest_of(encoding.bytes, encoding.length, out);
}

bool ledger_content_digest(struct db *db, const uint8_t salt[LEDGER_SALT_SIZE], int64_t battle,
                           int64_t turns, uint8_t out[DIGEST_SIZE], struct err *err)
{
    struct digest *digest = digest_new();
    if (digest == NULL)
        return err_set(err, ERR_MEMORY, "no memory for a digest");
    digest_add_field(digest, salt, LEDGER_SALT_SIZE);
    struct db_rows rows;
    bool good = db_select(
        db, &rows,
        "SELECT t.prompt, a.text, a.refusal, b.text, b.refusal FROM turns t"
        " LEFT JOIN answers a ON a.id = t.answer_a LEFT JOIN answers b ON b.id = t.answer_b"
        " WHERE t.battle = ? AND t.turn <= ? ORDER BY t.turn",
        DB_VALUES(DB_INT(battle), DB_INT(turns)), err);
    while (good && db_next(&rows))
        for (int column = 0; column < 5; column++) {
            struct text text = db_text(&rows, column);
            digest_add_field(digest, text.data, text.length);
        }
    good = good && db_end(&rows, err);
    digest_finish(digest, out);
    return good;
}

/* --- the walk --- */

#define WALK_SQL                                                                                   \
    "SELECT s.seq, s.prev_hash, s.hash, s.voter_digest, s.content_digest, s.salt, b.id, w.id, "    \
    "va.digest, vb.digest,"                                                                        \
    " s.winner, s.judge, s.counted, b.source, s.at_ms, s.turns, b.number FROM votes s"             \
    " LEFT JOIN battles b ON b.number = s.battle LEFT JOIN voters w ON w.number = s.voter"         \
    " LEFT JOIN competitor_versions va ON va.id = b.version_a LEFT JOIN competitor_versions vb "   \
    "ON vb.id = b.version_b"                                                                       \
    " ORDER BY s.seq"

/* A number that must be an enum's; one past its end would index past its words. */
static bool enum_from(const struct db_rows *rows, int column, int count, int *out)
{
    int64_t value = db_int_or(rows, column, -1);
    *out = (int)value;
    return value >= 0 && value < count;
}

static bool read_vote(const struct db_rows *rows, struct ledger_vote *vote)
{
    int winner, judge, counted, source;
    if (!enum_from(rows, 10, WINNER_BOTH_BAD + 1, &winner) ||
        !enum_from(rows, 11, JUDGE_MODEL + 1, &judge) ||
        !enum_from(rows, 12, VOTE_COUNTED_LAST + 1, &counted) ||
        !enum_from(rows, 13, BATTLE_IMPORT + 1, &source))
        return false;
    *vote = (struct ledger_vote){.seq = db_int(rows, 0),
                                 .battle = db_text(rows, 6),
                                 .version_a = db_text(rows, 8),
                                 .version_b = db_text(rows, 9),
                                 .winner = (enum winner)winner,
                                 .judge = (enum judge_kind)judge,
                                 .counted = (enum vote_counted)counted,
                                 .source = (enum battle_source)source,
                                 .at_ms = db_int(rows, 14),
                                 .turns = db_int(rows, 15)};
    return db_bytes(rows, 1, vote->previous, DIGEST_SIZE) &&
           db_bytes(rows, 3, vote->voter, DIGEST_SIZE) &&
           db_bytes(rows, 4, vote->content, DIGEST_SIZE);
}

__attribute__((format(printf, 3, 4))) static void blame(struct ledger_report *report, int64_t seq,
                                                        const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(report->problem, sizeof report->problem, format, args);
    va_end(args);
    report->first_bad = seq;
}

/* What is not erased must fit its salted digests. False only when it cannot be read. */
static bool check_content(struct db *db, const struct db_rows *rows, const struct ledger_vote *vote,
                          struct ledger_report *report, struct err *err)
{
    uint8_t salt[LEDGER_SALT_SIZE], voter[DIGEST_SIZE], content[DIGEST_SIZE];
    if (!db_bytes(rows, 5, salt, sizeof salt)) {
        report->erased++;
        return true;
    }
    ledger_voter_digest(salt, db_text(rows, 7), voter);
    if (!ledger_content_digest(db, salt, db_int(rows, 16), vote->turns, content, err))
        return false;
    if (!digest_same(voter, vote->voter, DIGEST_SIZE))
        blame(report, vote->seq, "vote %lld was changed: another voter", (long long)vote->seq);
    else if (!digest_same(content, vote->content, DIGEST_SIZE))
        blame(report, vote->seq,
              "vote %lld was changed: the prompt or an answer that it was cast on",
              (long long)vote->seq);
    return true;
}

static bool check_vote(struct db *db, const struct db_rows *rows, struct ledger_report *report,
                       struct err *err)
{
    struct ledger_vote vote;
    uint8_t hash[DIGEST_SIZE], stored[DIGEST_SIZE];
    int64_t seq = db_int(rows, 0), expected = report->votes + 1;
    if (seq != expected) {
        blame(report, expected, "vote %lld was removed: after %lld comes %lld", (long long)expected,
              (long long)report->votes, (long long)seq);
        return true;
    }
    if (!read_vote(rows, &vote) || !db_bytes(rows, 2, stored, DIGEST_SIZE)) {
        blame(report, seq, "vote %lld was changed: it is not even a vote any more", (long long)seq);
        return true;
    }
    ledger_hash(&vote, hash);
    if (!digest_same(hash, stored, DIGEST_SIZE))
        blame(report, seq, "vote %lld was changed: its hash does not fit it", (long long)seq);
    else if (!digest_same(vote.previous, report->head, DIGEST_SIZE))
        blame(report, seq > 1 ? seq - 1 : seq,
              "vote %lld was inserted or replaced: vote %lld follows another one",
              (long long)(seq > 1 ? seq - 1 : seq), (long long)seq);
    else if (!check_content(db, rows, &vote, report, err))
        return false;
    report->votes = seq;
    memcpy(report->head, stored, DIGEST_SIZE);
    return true;
}

/* The row that counts the votes tells of an end that was cut off or added. */
static bool check_end(struct db *db, struct ledger_report *report, struct err *err)
{
    struct db_rows rows;
    if (!db_select(db, &rows, "SELECT votes, head FROM ledger", DB_NONE, err))
        return false;
    uint8_t head[DIGEST_SIZE] = {0};
    bool there = db_next(&rows) && db_bytes(&rows, 1, head, DIGEST_SIZE);
    int64_t votes = there ? db_int(&rows, 0) : -1;
    if (!db_end(&rows, err))
        return false;
    if (!there)
        blame(report, report->votes, "the ledger's own record of its end is missing");
    else if (votes > report->votes)
        blame(report, report->votes + 1, "vote %lld was removed: there were %lld",
              (long long)report->votes + 1, (long long)votes);
    else if (votes < report->votes)
        blame(report, votes + 1, "vote %lld was inserted: there were only %lld",
              (long long)votes + 1, (long long)votes);
    else if (!digest_same(head, report->head, DIGEST_SIZE))
        blame(report, votes, "vote %lld was replaced: it is not the one that was last stored",
              (long long)votes);
    return true;
}

bool ledger_verify(struct db *db, struct ledger_report *out, struct err *err)
{
    *out = (struct ledger_report){.votes = 0};
    struct db_rows rows;
    if (!db_select(db, &rows, WALK_SQL, DB_NONE, err))
        return false;
    bool good = true;
    while (good && out->first_bad == 0 && db_next(&rows))
        good = check_vote(db, &rows, out, err);
    if (!db_end(&rows, good ? err : NULL) || !good)
        return false;
    return out->first_bad != 0 || check_end(db, out, err);
}

/* --- invariants --- */

struct invariant {
    const char *sql; /* gives one column, a text that names the culprit */
    const char *says;
};
static const struct invariant INVARIANTS[] = {
    {"SELECT id FROM battles b WHERE state = 2 AND NOT EXISTS (SELECT 1 FROM votes WHERE battle = "
     "b.number)",
     "battle %s is voted but has no vote"},
    {"SELECT b.id FROM votes s JOIN battles b ON b.number = s.battle WHERE b.state <> 2",
     "battle %s has a vote but is not voted"},
    {"SELECT s.seq FROM votes s JOIN battles b ON b.number = s.battle WHERE s.voter <> b.voter",
     "vote %s is not of its battle's voter"},
    {"SELECT s.seq FROM votes s JOIN battles b ON b.number = s.battle WHERE s.counted = 0"
     " AND (b.self_identified OR b.mode <> 0)",
     "vote %s is counted though its battle was not blind"},
    {"SELECT s.seq FROM votes s JOIN battles b ON b.number = s.battle JOIN queue_items i ON i.id ="
     " b.item WHERE s.counted = 0 AND i.kind <> 0",
     "vote %s is counted though its pair was a control"},
    {"SELECT p.id FROM publications p LEFT JOIN votes s ON s.seq = p.seq"
     " WHERE coalesce(s.hash, zeroblob(32)) <> p.hash",
     "publication %s is not of the votes that stand here"},
    {"SELECT i.id FROM queue_items i WHERE i.taken <> (SELECT count(*) FROM battles b LEFT JOIN"
     " voters v ON v.number = b.voter WHERE b.item = i.id AND b.state IN (1, 2) AND"
     " coalesce(v.kind, 0) = 0)",
     "pair %s of the queue has not as many places taken as it says"},
    {"SELECT id FROM battles b WHERE source <> 2 AND turns <> (SELECT count(*) FROM turns WHERE "
     "battle = b.number)",
     "battle %s does not have as many turns as it says"},
    {"SELECT b.id FROM battles b JOIN turns t ON t.battle = b.number WHERE b.state IN (1, 2)"
     " AND t.answered_ms IS NULL",
     "battle %s is ready or voted but a turn has no answers"},
    {"SELECT id FROM battles WHERE (state < 2) <> (ended_ms IS NULL)", "battle %s has a wrong end"},
    {"SELECT (SELECT id FROM battles WHERE number = f.battle) FROM (SELECT battle, voter FROM votes"
     " WHERE voter IS NOT NULL GROUP BY battle, voter HAVING count(*) > 1) f",
     "battle %s has two votes of one voter"},
    {"SELECT \"table\" FROM pragma_foreign_key_check", "a row of %s points at nothing"},
    {"SELECT integrity_check FROM pragma_integrity_check WHERE integrity_check <> 'ok'",
     "the database is damaged: %s"},
};

struct telling {
    void (*problem)(void *user, const char *line);
    void *user;
    int64_t *count;
};

static bool check_invariant(struct db *db, const struct invariant *invariant,
                            const struct telling *telling, struct err *err)
{
    struct db_rows rows;
    if (!db_select(db, &rows, invariant->sql, DB_NONE, err))
        return false;
    while (db_next(&rows)) {
        char culprit[128], line[256];
        db_copy(&rows, 0, culprit, sizeof culprit);
        const char *mark = strstr(invariant->says, "%s");
        snprintf(line, sizeof line, "%.*s%s%s", (int)(mark - invariant->says), invariant->says,
                 culprit, mark + 2);
        (*telling->count)++;
        telling->problem(telling->user, line);
    }
    return db_end(&rows, err);
}

bool ledger_invariants(struct db *db, void (*problem)(void *user, const char *line), void *user,
                       int64_t *count, struct err *err)
{
    *count = 0;
    struct telling telling = {problem, user, count};
    for (size_t i = 0; i < sizeof INVARIANTS / sizeof INVARIANTS[0]; i++)
        if (!check_invariant(db, &INVARIANTS[i], &telling, err))
            return false;
    return true;
}
