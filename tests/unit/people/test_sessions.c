/* Sessions from the cookie to the voter and back after a restart; what may be done; tokens. */
#include "unit/store/fixture.h"

#include "base/clock.h"
#include "base/limits.h"
#include "people/sessions.h"
#include "people/tokens.h"

static struct sessions *open_sessions(struct fixture *fixture, enum auth_mode mode)
{
    struct err err = ERR_INIT;
    struct sessions *sessions = sessions_new(fixture->store, mode, &err);
    need(sessions != NULL, &err);
    return sessions;
}

static bool nothing(struct db *tx, void *data, struct err *err)
{
    (void)tx, (void)data, (void)err;
    return true;
}

/* Everything submitted before is stored and answered. */
static void settle(struct fixture *fixture)
{
    fixture_apply(fixture, nothing, NULL);
    loop_turn(fixture->loop, 0);
}

static void a_session_outlives_a_restart(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    char token[SESSION_TOKEN_LENGTH + 1], id[STORE_ID_SIZE];
    struct sessions *sessions = open_sessions(fixture, AUTH_LOCAL);
    const struct voter *voter = sessions_start(sessions, token, &err);
    need(voter != NULL, &err);
    assert_int_equal(voter->role, ROLE_ADMIN);
    assert_int_equal(strlen(token), SESSION_TOKEN_LENGTH);
    copy_id(id, voter->id);
    assert_ptr_equal(sessions_find(sessions, text_of(token)), voter);
    settle(fixture);
    sessions_free(sessions);
    store_close(fixture->store);
    fixture_open(fixture);
    sessions = open_sessions(fixture, AUTH_LOCAL);
    voter = sessions_find(sessions, text_of(token));
    assert_non_null(voter);
    assert_string_equal(voter->id, id);
    assert_int_equal(voter->role, ROLE_ADMIN);
    sessions_free(sessions);
}

static void the_token_itself_is_not_stored(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    char token[SESSION_TOKEN_LENGTH + 1], path[128], *bytes = malloc(4 << 20);
    struct sessions *sessions = open_sessions(fixture, AUTH_LOCAL);
    need(sessions_start(sessions, token, &err) != NULL, &err);
    settle(fixture);
    snprintf(path, sizeof path, "%s/arena.db-wal", fixture->dir);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t length = fread(bytes, 1, 4 << 20, file);
    fclose(file);
    assert_true(length > 0);
    assert_null(memmem(bytes, length, token, SESSION_TOKEN_LENGTH));
    free(bytes);
    sessions_free(sessions);
}

static void one_voter_has_so_many(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    char token[SESSION_TOKEN_LENGTH + 1], other[SESSION_TOKEN_LENGTH + 1],
        oldest[SESSION_TOKEN_LENGTH + 1];
    struct sessions *sessions = open_sessions(fixture, AUTH_LOCAL);
    const struct voter *first = sessions_start(sessions, token, &err);
    need(first != NULL, &err);
    struct voter voter = *first;
    need(sessions_start(sessions, other, &err) != NULL, &err);
    for (int i = 0; i < LIMIT_SESSIONS_PER_VOTER - 1; i++)
        need(sessions_add(sessions, &voter, oldest, &err) != NULL, &err);
    settle(fixture);
    clock_freeze(-1, clock_wall_ms() + 1); /* the others are newer, however quick the store is */
    for (int i = 0; i < LIMIT_SESSIONS_PER_VOTER; i++)
        need(sessions_add(sessions, &voter, token, &err) != NULL, &err);
    clock_freeze(-1, -1);
    assert_non_null(sessions_find(sessions, text_of(oldest))); /* until the others are stored */
    settle(fixture);
    settle(fixture); /* what that ended */
    assert_null(sessions_find(sessions, text_of(oldest)));
    assert_int_equal(sessions_count(sessions), LIMIT_SESSIONS_PER_VOTER + 1);
    assert_non_null(sessions_find(sessions, text_of(token))); /* the newest */
    assert_non_null(sessions_find(sessions, text_of(other)));
    sessions_free(sessions);
    sessions = open_sessions(fixture, AUTH_LOCAL);
    assert_int_equal(sessions_count(sessions), LIMIT_SESSIONS_PER_VOTER + 1);
    sessions_free(sessions);
}

static void nonsense_finds_nobody(void **state)
{
    struct sessions *sessions = open_sessions(*state, AUTH_LOCAL);
    char token[TOKEN_LENGTH + 1];
    token_new(token);
    assert_null(sessions_find(sessions, text_of(token)));
    assert_null(sessions_find(sessions, TEXT("")));
    assert_null(sessions_find(sessions, text_of(NULL)));
    token[3] = ';';
    assert_null(sessions_find(sessions, text_of(token)));
    token[3] = '\0';
    assert_null(sessions_find(sessions, (struct text){token, TOKEN_LENGTH}));
    sessions_free(sessions);
}

static void an_ended_session_is_gone_from_the_disk_too(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    char one[SESSION_TOKEN_LENGTH + 1], two[SESSION_TOKEN_LENGTH + 1],
        three[SESSION_TOKEN_LENGTH + 1];
    struct sessions *sessions = open_sessions(fixture, AUTH_LOCAL);
    struct voter voter = *sessions_start(sessions, one, &err);
    need(sessions_add(sessions, &voter, two, &err) != NULL, &err);
    need(sessions_start(sessions, three, &err) != NULL, &err);
    assert_int_equal(sessions_count(sessions), 3);
    need(sessions_end(sessions, text_of(one), &err), &err);
    assert_null(sessions_find(sessions, text_of(one)));
    assert_non_null(sessions_find(sessions, text_of(two)));
    need(sessions_end_all(sessions, voter.id, &err), &err);
    assert_null(sessions_find(sessions, text_of(two)));
    settle(fixture);
    sessions_free(sessions);
    sessions = open_sessions(fixture, AUTH_LOCAL);
    assert_int_equal(sessions_count(sessions), 1);
    assert_non_null(sessions_find(sessions, text_of(three)));
    sessions_free(sessions);
}

static void sessions_expire(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    char token[SESSION_TOKEN_LENGTH + 1];
    clock_freeze(1, NOW);
    struct sessions *sessions = open_sessions(fixture, AUTH_LOCAL);
    need(sessions_start(sessions, token, &err) != NULL, &err);
    clock_freeze(1, NOW + SESSION_DAYS * INT64_C(86400000));
    assert_null(sessions_find(sessions, text_of(token)));
    assert_int_equal(sessions_count(sessions), 0);
    clock_freeze(-1, -1);
    settle(fixture);
    sessions_free(sessions);
}

/* A voter that is not in the store: the row breaks, the session goes. */
static void a_session_that_cannot_be_stored_goes(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    char token[SESSION_TOKEN_LENGTH + 1];
    struct sessions *sessions = open_sessions(fixture, AUTH_INVITE);
    struct voter stranger = {.id = "stranger"};
    need(sessions_add(sessions, &stranger, token, &err) != NULL, &err);
    settle(fixture);
    assert_null(sessions_find(sessions, text_of(token)));
    assert_null(sessions_start(sessions, token, &err));
    assert_int_equal(err.code, ERR_UNAUTHORIZED);
    sessions_free(sessions);
}

static void roles_decide(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct voter voter = {.role = ROLE_VOTER}, analyst = {.role = ROLE_ANALYST},
                 admin = {.role = ROLE_ADMIN};
    assert_true(voter_may(&voter, ACT_VOTE, &err));
    assert_false(voter_may(&voter, ACT_EXPORT, &err));
    assert_int_equal(err.code, ERR_FORBIDDEN);
    assert_string_equal(err.message, "to export votes needs the role of analyst; yours is voter");
    assert_true(voter_may(&analyst, ACT_EXPORT, &err));
    assert_false(voter_may(&analyst, ACT_ADMINISTER, &err));
    assert_true(voter_may(&admin, ACT_ADMINISTER, &err));
    assert_false(voter_may(NULL, ACT_VOTE, &err));
    assert_int_equal(err.code, ERR_UNAUTHORIZED);
    enum auth_mode mode;
    assert_true(auth_mode_from("proxy", &mode) && mode == AUTH_PROXY);
    assert_false(auth_mode_from("Local", &mode));
}

static void tokens_differ_and_use_all_their_bits(void **state)
{
    (void)state;
    char token[TOKEN_LENGTH + 1], other[TOKEN_LENGTH + 1];
    bool seen[128] = {false};
    int letters = 0;
    token_new(other);
    for (int i = 0; i < 200; i++) {
        token_new(token);
        assert_string_not_equal(token, other);
        for (int j = 0; j < TOKEN_LENGTH; j++) {
            letters += !seen[(unsigned char)token[j]];
            seen[(unsigned char)token[j]] = true;
        }
    }
    assert_int_equal(letters, 64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        TEST(a_session_outlives_a_restart),
        TEST(the_token_itself_is_not_stored),
        TEST(one_voter_has_so_many),
        TEST(nonsense_finds_nobody),
        TEST(an_ended_session_is_gone_from_the_disk_too),
        TEST(sessions_expire),
        TEST(a_session_that_cannot_be_stored_goes),
        cmocka_unit_test(roles_decide),
        cmocka_unit_test(tokens_differ_and_use_all_their_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
