/* Invitations, keys and passwords: what lets in, once, how much, and what is kept of it. */
#include "unit/store/fixture.h"

#include "base/clock.h"
#include "people/invites.h"
#include "people/keys.h"
#include "people/passwords.h"
#include "store/audit.h"

#define DAY_MS INT64_C(86400000)

static bool nothing(struct db *tx, void *data, struct err *err)
{
    (void)tx, (void)data, (void)err;
    return true;
}

static void settle(struct fixture *fixture)
{
    fixture_apply(fixture, nothing, NULL);
    loop_turn(fixture->loop, 0);
}

/* --- invitations --- */

struct let_in {
    int replies;
    bool in;
    struct voter voter;
    char session[SESSION_TOKEN_LENGTH + 1];
    struct err err;
};

static void note_redeemed(void *user, const struct voter *voter, const char *session,
                          const struct err *err)
{
    struct let_in *let_in = user;
    let_in->replies++;
    let_in->in = voter != NULL;
    let_in->err = *err;
    if (voter == NULL)
        return;
    let_in->voter = *voter;
    snprintf(let_in->session, sizeof let_in->session, "%s", session);
}

static struct let_in redeem(struct fixture *fixture, struct sessions *sessions, const char *token)
{
    struct let_in let_in = {0};
    invites_redeem(sessions, fixture->store, text_of(token), note_redeemed, &let_in);
    settle(fixture);
    assert_int_equal(let_in.replies, 1);
    return let_in;
}

static bool insert_invitation(struct db *tx, void *data, struct err *err)
{
    return invitations_insert(tx, data, err);
}

static bool revoke_invitation(struct db *tx, void *data, struct err *err)
{
    return invitations_revoke(tx, data, clock_wall_ms(), err);
}

static struct invite invite(struct fixture *fixture, struct invite_wish wish)
{
    struct err err = ERR_INIT;
    struct invite made;
    need(invites_make(&made, &wish, clock_wall_ms(), &err), &err);
    fixture_apply(fixture, insert_invitation, &made.record);
    return made;
}

static void an_invitation_lets_in_once(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    struct sessions *sessions = sessions_new(fixture->store, AUTH_INVITE, &err);
    struct invite made = invite(
        fixture, (struct invite_wish){.role = ROLE_ANALYST, .cohort = "raters", .staff = true});
    struct let_in first = redeem(fixture, sessions, made.token);
    assert_true(first.in);
    assert_int_equal(first.voter.role, ROLE_ANALYST);
    assert_string_equal(first.voter.cohort, "raters");
    assert_true(first.voter.staff);
    assert_non_null(sessions_find(sessions, text_of(first.session)));
    struct let_in again = redeem(fixture, sessions, made.token);
    assert_false(again.in);
    assert_int_equal(again.err.code, ERR_FORBIDDEN);
    assert_non_null(strstr(again.err.message, "used already"));
    /* another link for the same voter opens the same voter */
    struct invite more = invite(fixture, (struct invite_wish){.for_voter = first.voter.id});
    struct let_in second = redeem(fixture, sessions, more.token);
    assert_true(second.in);
    assert_string_equal(second.voter.id, first.voter.id);
    assert_int_equal(second.voter.role, ROLE_ANALYST);
    settle(fixture);
    sessions_free(sessions);
}

static void closed_invitations_say_why(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    clock_freeze(1, NOW);
    struct sessions *sessions = sessions_new(fixture->store, AUTH_INVITE, &err);
    struct invite revoked = invite(fixture, (struct invite_wish){.note = "x"});
    struct invite old = invite(fixture, (struct invite_wish){.days = 2});
    fixture_apply(fixture, revoke_invitation, revoked.id);
    assert_false(store_apply(fixture->store, revoke_invitation, revoked.id, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_non_null(strstr(redeem(fixture, sessions, revoked.token).err.message, "withdrawn"));
    clock_freeze(1, NOW + 2 * DAY_MS);
    assert_non_null(strstr(redeem(fixture, sessions, old.token).err.message, "expired"));
    char token[TOKEN_LENGTH + 1];
    token_new(token);
    assert_int_equal(redeem(fixture, sessions, token).err.code, ERR_NOT_FOUND);
    assert_int_equal(redeem(fixture, sessions, "short").err.code, ERR_NOT_FOUND);
    clock_freeze(-1, -1);
    sessions_free(sessions);
}

static void count_one(void *user, const struct invitation_record *record)
{
    *(int *)user += record->used_ms != 0 && record->used_by[0] != '\0' ? 100 : 1;
}

static void invitations_are_listed(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    struct sessions *sessions = sessions_new(fixture->store, AUTH_INVITE, &err);
    struct invite one = invite(fixture, (struct invite_wish){.days = 1});
    invite(fixture, (struct invite_wish){.days = 1});
    redeem(fixture, sessions, one.token);
    struct db *db = fixture_reader(fixture);
    int counted = 0;
    need(invitations_each(db, count_one, &counted, &err), &err);
    assert_int_equal(counted, 101);
    db_close(db);
    char longest[VOTER_COHORT_SIZE + 1];
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    struct invite made;
    assert_false(invites_make(&made, &(struct invite_wish){.cohort = longest}, NOW, &err));
    assert_int_equal(err.code, ERR_BAD_REQUEST);
    settle(fixture);
    sessions_free(sessions);
}

/* --- keys --- */

struct made_key {
    char secret[KEY_LENGTH + 1], id[STORE_ID_SIZE];
    struct err err;
};

static void note_key(void *user, const char *secret, const char *id, const struct err *err)
{
    struct made_key *made = user;
    made->err = *err;
    snprintf(made->secret, sizeof made->secret, "%s", secret != NULL ? secret : "");
    snprintf(made->id, sizeof made->id, "%s", id != NULL ? id : "");
}

static void note_revoked(void *user, const struct err *err)
{
    *(struct err *)user = *err;
}

static struct keys *open_keys(struct fixture *fixture)
{
    struct err err = ERR_INIT;
    struct keys *keys = keys_new(fixture->store, &err);
    need(keys != NULL, &err);
    return keys;
}

static struct made_key create(struct fixture *fixture, struct keys *keys, struct key_wish wish)
{
    struct made_key made = {.err = {.code = ERR_COUNT}};
    wish.actor = "command line";
    keys_create(keys, &wish, note_key, &made);
    settle(fixture);
    return made;
}

static void a_key_opens_until_it_is_revoked(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    struct keys *keys = open_keys(fixture);
    struct made_key made = create(fixture, keys, (struct key_wish){.name = "Tester"});
    assert_int_equal(made.err.code, ERR_NONE);
    assert_int_equal(strlen(made.secret), KEY_LENGTH);
    assert_non_null(keys_admit(keys, text_of(made.secret), NULL, &err));
    made.secret[KEY_LENGTH - 2] ^= 1;
    assert_null(keys_admit(keys, text_of(made.secret), NULL, &err));
    assert_int_equal(err.code, ERR_UNAUTHORIZED);
    assert_null(keys_admit(keys, TEXT("arena-"), NULL, &err));
    made.secret[KEY_LENGTH - 2] ^= 1;
    keys_free(keys);
    keys = open_keys(fixture); /* a restart */
    assert_string_equal(key_id(keys_admit(keys, text_of(made.secret), NULL, &err)), made.id);
    keys_revoke(keys, made.id, "command line", note_revoked, &err);
    assert_null(keys_admit(keys, text_of(made.secret), NULL, &(struct err){0})); /* at once */
    settle(fixture);
    assert_int_equal(err.code, ERR_NONE);
    keys_revoke(keys, made.id, "command line", note_revoked, &err);
    settle(fixture);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    keys_free(keys);
    keys = open_keys(fixture);
    assert_null(keys_admit(keys, text_of(made.secret), NULL, &err));
    assert_int_equal(create(fixture, keys, (struct key_wish){.name = ""}).err.code,
                     ERR_BAD_REQUEST);
    keys_free(keys);
}

static void a_key_has_its_quota(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    int retry = 0;
    clock_freeze(CLOCK_S, NOW);
    struct keys *keys = open_keys(fixture);
    struct made_key often =
        create(fixture, keys, (struct key_wish){.name = "often", .requests_per_minute = 2});
    struct made_key much =
        create(fixture, keys, (struct key_wish){.name = "much", .tokens_per_day = 100, .days = 2});
    assert_non_null(keys_admit(keys, text_of(often.secret), NULL, &err));
    assert_non_null(keys_admit(keys, text_of(often.secret), NULL, &err));
    assert_null(keys_admit(keys, text_of(often.secret), &retry, &err));
    assert_int_equal(err.code, ERR_TOO_MANY);
    assert_in_range(retry, 30, 31);
    clock_freeze(31 * CLOCK_S, NOW);
    assert_non_null(keys_admit(keys, text_of(often.secret), NULL, &err));
    assert_non_null(keys_admit(keys, text_of(much.secret), NULL, &err));
    keys_spent(keys, much.id, 60, 40);
    assert_null(keys_admit(keys, text_of(much.secret), &retry, &err));
    assert_int_equal(retry, (DAY_MS - NOW) / 1000 + 1);
    settle(fixture);
    keys_free(keys);
    keys = open_keys(fixture); /* remembered over a restart */
    assert_null(keys_admit(keys, text_of(much.secret), NULL, &err));
    clock_freeze(31 * CLOCK_S, NOW + DAY_MS);
    assert_non_null(keys_admit(keys, text_of(much.secret), NULL, &err));
    clock_freeze(31 * CLOCK_S, NOW + 2 * DAY_MS);
    assert_null(keys_admit(keys, text_of(much.secret), NULL, &err));
    assert_string_equal(err.message, "this API key has expired");
    clock_freeze(-1, -1);
    keys_free(keys);
}

static void count_audit(void *user, const struct audit_record *record)
{
    int *counts = user;
    counts[strcmp(record->act, "create key") == 0 ? 0 : 1]++;
    assert_string_equal(record->actor, "command line");
}

static void what_was_done_is_written_down(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    struct keys *keys = open_keys(fixture);
    struct made_key made = create(fixture, keys, (struct key_wish){.name = "a"});
    create(fixture, keys, (struct key_wish){.name = "b"});
    keys_revoke(keys, made.id, "command line", note_revoked, &err);
    settle(fixture);
    int counts[2] = {0, 0};
    struct db *db = fixture_reader(fixture);
    need(audit_each(db, 0, 10, count_audit, counts, &err), &err);
    assert_int_equal(counts[0], 2);
    assert_int_equal(counts[1], 1);
    db_close(db);
    keys_free(keys);
}

/* --- passwords --- */

static void passwords_are_checked_against_their_line(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    char line[PASSWORD_HASH_SIZE], other[PASSWORD_HASH_SIZE];
    need(password_hash(TEXT("correct horse"), line, &err), &err);
    need(password_hash(TEXT("correct horse"), other, &err), &err);
    assert_string_not_equal(line, other); /* salted */
    assert_null(strstr(line, "horse"));
    assert_true(password_check(TEXT("correct horse"), line));
    assert_false(password_check(TEXT("correct Horse"), line));
    assert_false(password_check(TEXT("correct horse"), NULL));
    assert_false(password_check(TEXT("correct horse"), "scrypt$99$8$1$00$00"));
    line[strlen(line) - 1] ^= 1;
    assert_false(password_check(TEXT("correct horse"), line));
    assert_false(password_hash(TEXT("short"), line, &err));
    assert_int_equal(err.code, ERR_BAD_REQUEST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        TEST(an_invitation_lets_in_once),
        TEST(closed_invitations_say_why),
        TEST(invitations_are_listed),
        TEST(a_key_opens_until_it_is_revoked),
        TEST(a_key_has_its_quota),
        TEST(what_was_done_is_written_down),
        cmocka_unit_test(passwords_are_checked_against_their_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
