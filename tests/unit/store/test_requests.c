/* Requests for access and consents. */
#include "unit/store/fixture.h"

#include "store/access_requests.h"
#include "store/api_keys.h"
#include "store/consents.h"

static bool insert_request(struct db *tx, void *data, struct err *err)
{
    return access_requests_insert(tx, data, err);
}

static bool decide(struct db *tx, void *data, struct err *err)
{
    return access_requests_decide(tx, data, err);
}

static struct access_decision decision(const char *id, const char *state, const char *reason)
{
    return (struct access_decision){.id = id, .state = state, .reason = reason, .now_ms = NOW + 1};
}

struct fetching {
    const char *id, *key;
};

static bool fetch(struct db *tx, void *data, struct err *err)
{
    const struct fetching *fetching = data;
    return access_requests_fetch(tx, fetching->id, fetching->key, err);
}

static bool insert_key(struct db *tx, void *data, struct err *err)
{
    return api_keys_insert(tx, data, err);
}

static bool revoke_key(struct db *tx, void *data, struct err *err)
{
    return api_keys_revoke(tx, data, NOW, err);
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
    need(access_requests_each(db, state, 10, count_request, &counted, &err), &err);
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
    struct access_decision wait = decision(one.id, "waiting", NULL),
                           refuse = decision(one.id, "refused", "full for now"),
                           nowhere = decision("x", "waiting", NULL);
    fixture_apply(fixture, decide, &wait);
    fixture_apply(fixture, decide, &refuse);
    assert_false(store_apply(fixture->store, decide, &wait, &err));
    assert_int_equal(err.code, ERR_WRONG_STATE);
    assert_false(store_apply(fixture->store, decide, &nowhere, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_false(store_apply(fixture->store, fetch, &(struct fetching){two.id, "k"}, &err));
    assert_int_equal(err.code, ERR_WRONG_STATE);
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

static void a_key_is_fetched_once(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    struct access_request one = ask(fixture, 1), seen;
    struct api_key_record key = {.id = "key", .name = "Ada", .created_ms = NOW};
    struct access_decision approve = decision(one.id, "approved", NULL);
    struct fetching fetching = {one.id, key.id}, lost = {one.id, "no such key"};
    approve.tokens_per_day = 7;
    fixture_apply(fixture, decide, &approve);
    fixture_apply(fixture, decide, &approve); /* nobody has fetched it: it may change */
    assert_false(store_apply(fixture->store, fetch, &lost, &err));
    assert_int_equal(err.code, ERR_CONFLICT);
    fixture_apply(fixture, insert_key, &key);
    fixture_apply(fixture, fetch, &fetching);
    assert_false(store_apply(fixture->store, fetch, &fetching, &err));
    assert_int_equal(err.code, ERR_WRONG_STATE);
    assert_false(store_apply(fixture->store, decide, &approve, &err));
    assert_int_equal(err.code, ERR_WRONG_STATE);
    fixture_apply(fixture, revoke_key, key.id);
    fixture_apply(fixture, decide, &approve); /* its key was lost and revoked: another one */
    struct db *db = fixture_reader(fixture);
    need(access_requests_find(db, one.token_hash, &seen, &err), &err);
    assert_string_equal(seen.key, "");
    assert_int_equal(seen.tokens_per_day, 7);
    db_close(db);
}

static void the_queue_has_places(void **state)
{
    struct fixture *fixture = *state;
    struct err err = ERR_INIT;
    int64_t open, place;
    ask(fixture, 1);
    ask(fixture, 2);
    struct db *db = fixture_reader(fixture);
    struct access_request last = {.id = "zzzz", .state = "pending", .created_ms = NOW};
    need(access_requests_open(db, &open, &err), &err);
    assert_int_equal(open, 2);
    need(access_requests_place(db, &last, &place, &err), &err);
    assert_int_equal(place, 2);
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
        TEST(a_key_is_fetched_once),
        TEST(the_queue_has_places),
        TEST(the_newest_consent_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
