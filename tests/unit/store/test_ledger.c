/* The chain: documented encoding, every kind of tampering found at the first vote, erasure allowed,
 * invariants. */
#include "unit/store/fixture.h"

#include <sqlite3.h>

#include "store/ledger.h"

enum { VOTES = 6 };

static void cast_votes(struct fixture *fixture)
{
    for (int i = 0; i < VOTES; i++) {
        char id[STORE_ID_SIZE];
        fixture_battle(fixture, BATTLE_READY, id);
        struct fixture_vote vote = fixture_vote(fixture, id, (enum winner)(i % 4));
        fixture_apply(fixture, fixture_vote_apply, &vote);
    }
}

/* As somebody with the file and an editor would: past triggers and foreign keys. */
static void tamper(const struct fixture *fixture, const char *sql)
{
    char path[128], *message = NULL;
    sqlite3 *handle;
    snprintf(path, sizeof path, "%s/arena.db", fixture->dir);
    assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
    sqlite3_exec(handle,
                 "DROP TRIGGER IF EXISTS votes_are_final; DROP TRIGGER IF EXISTS votes_stay", NULL,
                 NULL, NULL);
    if (sqlite3_exec(handle, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s", message);
    sqlite3_close(handle);
}

static struct ledger_report verify(const struct fixture *fixture)
{
    struct err err = ERR_INIT;
    struct ledger_report report;
    struct db *db = fixture_reader(fixture);
    need(ledger_verify(db, &report, &err), &err);
    db_close(db);
    return report;
}

static void expect_bad(const struct fixture *fixture, int64_t seq, const char *word)
{
    struct ledger_report report = verify(fixture);
    if (report.first_bad != seq || strstr(report.problem, word) == NULL)
        fail_msg("expected %s at %lld, got '%s' at %lld", word, (long long)seq, report.problem,
                 (long long)report.first_bad);
}

static void an_honest_chain_verifies(void **state)
{
    struct fixture *fixture = *state;
    struct ledger_report report = verify(fixture);
    assert_int_equal(report.votes, 0);
    assert_int_equal(report.first_bad, 0);
    cast_votes(fixture);
    report = verify(fixture);
    assert_int_equal(report.votes, VOTES);
    assert_int_equal(report.first_bad, 0);
    assert_int_equal(report.erased, 0);
    assert_string_equal(report.problem, "");
}

/* Each on a store of its own: what is done to the file, and what must be said. */
struct tampering {
    const char *sql;
    int64_t seq;
    const char *word;
};
static const struct tampering TAMPERINGS[] = {
    {"UPDATE votes SET winner = 3 - winner WHERE seq = 3 OR seq = 5", 3, "changed"},
    {"UPDATE votes SET winner = 0 WHERE seq = 3", 3, "changed"},
    {"UPDATE votes SET counted = 1 WHERE seq = 1", 1, "changed"},
    {"UPDATE votes SET at_ms = at_ms + 1 WHERE seq = 6", 6, "changed"},
    {"UPDATE votes SET judge = 1 WHERE seq = 2", 2, "changed"},
    {"UPDATE votes SET winner = 3, hash = zeroblob(32) WHERE seq = 2", 2, "changed"},
    {"UPDATE battles SET version_a = version_b, version_b = version_a WHERE number = 4", 4,
     "changed"},
    {"UPDATE votes SET battle = 99 WHERE seq = 4", 4, "changed"},
    {"UPDATE turns SET prompt = 'another' WHERE battle = 4", 4, "the prompt"},
    {"UPDATE answers SET text = 'better' WHERE id = 7", 4, "an answer"},
    {"INSERT INTO voters (id, kind, role, created_ms) VALUES ('x', 0, 0, 0);"
     "UPDATE votes SET voter = last_insert_rowid() WHERE seq = 5",
     5, "another voter"},
    {"DELETE FROM votes WHERE seq = 3", 3, "removed"},
    {"DELETE FROM votes WHERE seq = 1", 1, "removed"},
    {"DELETE FROM votes WHERE seq = 6", 6, "removed"},
    {"DELETE FROM votes WHERE seq = 4; UPDATE votes SET seq = seq - 1 WHERE seq > 4", 4, "changed"},
    {"INSERT INTO votes SELECT 7, battle + 100, voter, winner, judge, counted, at_ms, turns, "
     "delay_ms, read_ms, salt,"
     " voter_digest, content_digest, prev_hash, hash FROM votes WHERE seq = 6",
     7, "changed"},
    {"UPDATE ledger SET votes = 7", 7, "removed"},
    {"UPDATE ledger SET votes = 5", 6, "inserted"},
    {"DELETE FROM ledger", 6, "missing"},
};

static void tampering_is_found_at_the_first_vote(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof TAMPERINGS / sizeof TAMPERINGS[0]; i++) {
        void *fixture;
        fixture_setup(&fixture);
        cast_votes(fixture);
        tamper(fixture, TAMPERINGS[i].sql);
        expect_bad(fixture, TAMPERINGS[i].seq, TAMPERINGS[i].word);
        fixture_teardown(&fixture);
    }
}

/* A forger who knows the format writes a vote anew, hash and all: the next vote gives it away;
 * so does the end. */
static void forge(const struct fixture *fixture, int64_t seq)
{
    struct err err = ERR_INIT;
    struct db *db = fixture_reader(fixture);
    struct db_rows rows;
    struct ledger_vote vote = {
        .seq = seq, .winner = WINNER_BOTH_BAD, .judge = JUDGE_HUMAN, .at_ms = NOW + 1, .turns = 1};
    uint8_t hash[DIGEST_SIZE];
    char hex[DIGEST_HEX + 1], a[65], b[65], sql[256], battle[STORE_ID_SIZE];
    need(db_select(db, &rows,
                   "SELECT s.prev_hash, s.voter_digest, s.content_digest, b.id FROM votes s"
                   " JOIN battles b ON b.number = s.battle WHERE seq = ?",
                   DB_VALUES(DB_INT(seq)), &err),
         &err);
    assert_true(db_next(&rows) && db_bytes(&rows, 0, vote.previous, DIGEST_SIZE) &&
                db_bytes(&rows, 1, vote.voter, DIGEST_SIZE) &&
                db_bytes(&rows, 2, vote.content, DIGEST_SIZE));
    db_copy(&rows, 3, battle, sizeof battle);
    need(db_end(&rows, &err), &err);
    db_close(db);
    digest_text(a, 'a');
    digest_text(b, 'b');
    vote.battle = text_of(battle);
    vote.version_a = text_of(a);
    vote.version_b = text_of(b);
    ledger_hash(&vote, hash);
    hex_encode(hash, DIGEST_SIZE, hex);
    snprintf(sql, sizeof sql, "UPDATE votes SET winner = 3, hash = x'%s' WHERE seq = %lld", hex,
             (long long)seq);
    tamper(fixture, sql);
}

static void a_whole_forgery_breaks_the_chain(void **state)
{
    struct fixture *fixture = *state;
    cast_votes(fixture);
    forge(fixture, 3);
    expect_bad(fixture, 3, "replaced");
    fixture_teardown(state);
    fixture_setup(state);
    fixture = *state;
    cast_votes(fixture);
    forge(fixture, VOTES);
    expect_bad(fixture, VOTES, "last stored");
}

static void erased_text_and_voter_still_verify(void **state)
{
    struct fixture *fixture = *state;
    cast_votes(fixture);
    tamper(fixture, "UPDATE votes SET salt = NULL, voter = NULL WHERE seq IN (2, 6); UPDATE turns "
                    "SET prompt = NULL"
                    " WHERE battle = 2; UPDATE answers SET text = NULL WHERE id = 3");
    struct ledger_report report = verify(fixture);
    assert_string_equal(report.problem, "");
    assert_int_equal(report.erased, 2);
    tamper(fixture, "UPDATE votes SET winner = 2 WHERE seq = 2");
    expect_bad(fixture, 2, "changed");
}

/* --- golden: the encoding is a promise to whoever checks a ledger with other tools --- */

static void the_encoding_is_as_documented(void **state)
{
    (void)state;
    uint8_t expected[DIGEST_SIZE], got[DIGEST_SIZE], salt[LEDGER_SALT_SIZE] = "0123456789abcdef",
                                                     number[8] = {0};
    struct ledger_vote vote = {.seq = 1,
                               .battle = TEXT("battle"),
                               .version_a = TEXT("va"),
                               .version_b = TEXT("vb"),
                               .winner = WINNER_BOTH_BAD,
                               .judge = JUDGE_MODEL,
                               .counted = VOTE_NOT_BLIND,
                               .source = BATTLE_QUEUED,
                               .at_ms = 258,
                               .turns = 1};
    static const char *const FRONT[] = {"battle"}, *const WORDS[] = {"va",        "vb",
                                                                     "both_bad",  "model",
                                                                     "not_blind", "queued"};
    memset(vote.voter, 1, DIGEST_SIZE);
    memset(vote.content, 2, DIGEST_SIZE);
    struct digest *digest = digest_new();
    number[7] = 1;
    digest_add_field(digest, "arena-vote-1", 12);
    digest_add_field(digest, vote.previous, DIGEST_SIZE);
    digest_add_field(digest, number, 8);
    digest_add_field(digest, FRONT[0], strlen(FRONT[0]));
    digest_add_field(digest, vote.voter, DIGEST_SIZE);
    for (int i = 0; i < 6; i++)
        digest_add_field(digest, WORDS[i], strlen(WORDS[i]));
    digest_add_field(digest, (uint8_t[]){0, 0, 0, 0, 0, 0, 1, 2}, 8);
    digest_add_field(digest, number, 8);
    digest_add_field(digest, vote.content, DIGEST_SIZE);
    digest_finish(digest, expected);
    ledger_hash(&vote, got);
    assert_memory_equal(got, expected, DIGEST_SIZE);
    digest = digest_new();
    digest_add_field(digest, salt, sizeof salt);
    digest_add_field(digest, "anna", 4);
    digest_finish(digest, expected);
    ledger_voter_digest(salt, TEXT("anna"), got);
    assert_memory_equal(got, expected, DIGEST_SIZE);
}

/* --- invariants --- */

struct told {
    char line[256];
};

static void tell(void *user, const char *line)
{
    struct told *told = user;
    snprintf(told->line, sizeof told->line, "%s", line);
}

static int64_t invariants(const struct fixture *fixture, struct told *told)
{
    struct err err = ERR_INIT;
    int64_t count;
    struct db *db = fixture_reader(fixture);
    need(ledger_invariants(db, tell, told, &count, &err), &err);
    db_close(db);
    return count;
}

static const struct tampering BROKEN[] = {
    {"UPDATE battles SET state = 1, ended_ms = NULL WHERE number = 2", 1,
     "has a vote but is not voted"},
    {"UPDATE battles SET ended_ms = NULL WHERE number = 2", 1, "wrong end"},
    {"UPDATE battles SET mode = 1 WHERE number = 2", 1, "not blind"},
    {"UPDATE battles SET turns = 4 WHERE number = 2", 1, "as many turns"},
    {"UPDATE turns SET answered_ms = NULL WHERE battle = 2", 1, "no answers"},
    {"DELETE FROM votes WHERE seq = 2", 1, "has no vote"},
    {"PRAGMA foreign_keys = OFF; DELETE FROM answers WHERE id = 3", 1,
     "a row of turns points at nothing"},
};

static void broken_invariants_are_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof BROKEN / sizeof BROKEN[0]; i++) {
        void *fixture;
        struct told told = {""};
        fixture_setup(&fixture);
        cast_votes(fixture);
        assert_int_equal(invariants(fixture, &told), 0);
        tamper(fixture, BROKEN[i].sql);
        assert_int_equal(invariants(fixture, &told), BROKEN[i].seq);
        if (strstr(told.line, BROKEN[i].word) == NULL)
            fail_msg("'%s' does not say '%s'", told.line, BROKEN[i].word);
        fixture_teardown(&fixture);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        TEST(an_honest_chain_verifies),
        cmocka_unit_test(tampering_is_found_at_the_first_vote),
        TEST(a_whole_forgery_breaks_the_chain),
        TEST(erased_text_and_voter_still_verify),
        cmocka_unit_test(the_encoding_is_as_documented),
        cmocka_unit_test(broken_invariants_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
