/* Requests for access and consents. */
#include "unit/store/fixture.h"

#include "store/access_requests.h"
#include "store/api_keys.h"
#include "store/consents.h"

static bool insert_request(struct db *tx, void *data, struct err *err)
{
    return access_requests_insert(tx, data, err);
}

struct decision {
    const char *id, *state, *reason, *key;
};

static bool decide(struct db *tx, void *data, struct err *err)
{
    const struct decision *decision = data;
    return access_requests_decide(tx, decision->id, decision->state, decision->reason,
                                  decision->key, NOW + 1, err);
}

static void count_request(void *user, const struct access_request *request)
{
    *(int *)user += request->purpose[0] != '\0';
}

static int count(const struct fixture *fixture, const char *state)
{
    struct err err = ERR_INIT;
    int counted = 0;
    struct db *db = fixture_reader(fixture);
    need(access_requests_each(db, state, count_request, &counted, &err), &err);
    db_close(db);
    return counted;
}

static struct access_request ask(struct fixture *fixture, uint8_t token)
{
    struct access_request request = {
        .name = "Ada", .email = "ada@example.org", .purpose = "tests", .created_ms = NOW};
    random_id(request.id);
    memset(request.token_hash, token, DIGEST_SIZE);
    fixture_apply(fixture, insert_request, &request);
    return request;
}

static void a_request_is_decided_once(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    struct access_request one = ask(fixture, 1), two = ask(fixture, 2), seen;
    assert_int_equal(count(fixture, "pending"), 2);
    fixture_apply(fixture, decide, &(struct decision){one.id, "waiting", NULL, NULL});
    fixture_apply(fixture, decide, &(struct decision){one.id, "refused", "full for now", NULL});
    struct decision late = {one.id, "waiting", NULL, NULL}, nowhere = {"x", "waiting", NULL, NULL};
    assert_false(store_apply(fixture->store, decide, &late, &err));
    assert_int_equal(err.code, ERR_WRONG_STATE);
    assert_false(store_apply(fixture->store, decide, &nowhere, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    struct decision keyless = {two.id, "approved", NULL, "no such key"};
    assert_false(store_apply(fixture->store, decide, &keyless, &err));
    assert_int_equal(err.code, ERR_CONFLICT);
    assert_int_equal(count(fixture, "pending"), 1);
    assert_int_equal(count(fixture, NULL), 2);
    struct db *db = fixture_reader(fixture);
    need(access_requests_find(db, one.token_hash, &seen, &err), &err);
    assert_string_equal(seen.state, "refused");
    assert_string_equal(seen.reason, "full for now");
    assert_int_equal(seen.decided_ms, NOW + 1);
    assert_string_equal(seen.email, "ada@example.org");
    memset(seen.token_hash, 9, DIGEST_SIZE);
    assert_false(access_requests_find(db, seen.token_hash, &seen, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    db_close(db);
}

struct agreeing {
    const char *voter;
    struct consent consent;
};

static bool agree(struct db *tx, void *data, struct err *err)
{
    const struct agreeing *agreeing = data;
    return consents_add(tx, agreeing->voter, &agreeing->consent, err);
}

static void the_newest_consent_counts(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    struct consent consent;
    struct agreeing agreeing = {fixture->voter, {CONSENT_PUBLISH, "2026-11", NOW, false}};
    struct db *db = fixture_reader(fixture);
    need(consents_find(db, fixture->voter, &consent, &err), &err);
    assert_int_equal(consent.scope, CONSENT_NONE);
    fixture_apply(fixture, agree, &agreeing);
    agreeing.consent.scope = CONSENT_INSIDE;
    fixture_apply(fixture, agree, &agreeing);
    need(consents_find(db, fixture->voter, &consent, &err), &err);
    assert_int_equal(consent.scope, CONSENT_INSIDE);
    assert_string_equal(consent.notice, "2026-11");
    agreeing.voter = "nobody";
    assert_false(store_apply(fixture->store, agree, &agreeing, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    enum consent_scope scope;
    assert_true(consent_scope_from("export", &scope) && scope == CONSENT_EXPORT);
    assert_false(consent_scope_from("none", &scope));
    assert_string_equal(consent_scope_word(CONSENT_PUBLISH), "publish");
    db_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        TEST(a_request_is_decided_once),
        TEST(the_newest_consent_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
