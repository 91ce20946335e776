/* Whole battles through the hall: every state and every wrong step, failing lanes in every
 * phase, swaps, retries, restarts. */
#include "world.h"

#include "store/vote_rows.h"

static const struct step HELLO[] = {{10, SAY, "Hello there, reader.", 0},
                                    {40, END, NULL, CHAT_STOP}};
static const struct step SLOW[] = {
    {300, SAY, "Well, ", 0}, {600, SAY, "let me think.", 0}, {900, END, NULL, CHAT_STOP}};
static const struct step NEXT[] = {{10, SAY, "And again.", 0}, {20, END, NULL, CHAT_STOP}};
static const struct step SILENT[] = {{20, END, NULL, CHAT_STOP}};
static const struct step HANGS[] = {{10, SAY, "I will", 0}, HANG};
static const struct step MUTE[] = {HANG};
static const struct step FAILS[] = {{20, END, NULL, CHAT_ERROR}};
static const struct step BREAKS[] = {{10, SAY, "Half of ", 0}, {700, END, NULL, CHAT_TRUNCATED}};
static const struct step BREAKS_EARLY[] = {{10, SAY, "Half of ", 0},
                                           {100, END, NULL, CHAT_TRUNCATED}};
static const struct step RETRIES[] = {{10, SAY, "Lost words", 0},
                                      {50, AGAIN, NULL, 0},
                                      {400, SAY, "Found words", 0},
                                      {450, END, NULL, CHAT_STOP}};
static const struct step TELLS[] = {{10, SAY, "I am Planted  Alias.", 0},
                                    {20, END, NULL, CHAT_STOP}};
static const struct step REFUSES[] = {{10, REFUSE, "I cannot help with that.", 0},
                                      {20, END, NULL, CHAT_REFUSED}};
static const struct step THINKS[] = {
    {10, THINK, "SECRET THOUGHT", 0}, {200, SAY, "Done.", 0}, {210, END, NULL, CHAT_STOP}};

static struct world *new_world(size_t count, const struct step *first, const struct step *second)
{
    struct world *world = world_new(count);
    for (size_t i = 0; i < count; i++)
        world->actor[i].script = i ? second : first;
    return world;
}

static void make_ready(struct world *world, char id[STORE_ID_SIZE])
{
    world_start(world, id);
    world_pass(world, 3000);
    world_settle(world);
    world_state(world, id, "ready");
}

static void vote(struct world *world, const char *id)
{
    world_expect(world, HALL_VOTE,
                 (struct question){.battle = id, .body = "{\"winner\":\"model_a\"}"}, 200, "");
}

struct tagged {
    int votes, turns;
    struct style_counts style[2];
    char tags[512];
};

static bool take_tags(void *user, const struct vote_row *row)
{
    struct tagged *tagged = user;
    tagged->votes++;
    tagged->turns = row->turns;
    tagged->style[0] = row->style_a;
    tagged->style[1] = row->style_b;
    snprintf(tagged->tags, sizeof tagged->tags, "%.*s", (int)row->tags.length, row->tags.data);
    return true;
}

/* What a board selects and controls by is stored with the turn: it is there when the vote is. */
static void test_a_vote_finds_its_battle_tagged(void **state)
{
    static const struct step CODE[] = {{10, SAY, "# So\n- **this**\n```c\nint x;\n```", 0},
                                       {20, END, NULL, CHAT_STOP}};
    struct world *world = new_world(2, CODE, CODE);
    struct tagged tagged = {0};
    struct err err = ERR_INIT;
    char id[STORE_ID_SIZE];
    (void)state;
    make_ready(world, id);
    world_expect(world, HALL_TURN,
                 (struct question){.battle = id, .body = "{\"prompt\":\"and what is 2 + 2?\"}"},
                 200, "");
    world_pass(world, 3000);
    world_settle(world);
    struct answer_got before = world_ask(world, HALL_GET, (struct question){.battle = id});
    assert_null(strstr(before.text, "is_code"));
    assert_null(strstr(before.text, "language"));
    answer_drop(&before);
    vote(world, id);
    struct db *db = store_read_open(world->base.dir, &err);
    need(db != NULL, &err);
    struct vote_filter filter = VOTE_FILTER_ALL;
    filter.with_tags = true;
    assert_true(votes_each(db, &filter, take_tags, &tagged, &err));
    db_close(db);
    assert_int_equal(tagged.votes, 1);
    assert_non_null(strstr(tagged.tags, "\"is_code\":true"));
    assert_non_null(strstr(tagged.tags, "\"math\":true"));
    assert_non_null(strstr(tagged.tags, "\"turns\":2"));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(tagged.style[i].headers, 2);
        assert_int_equal(tagged.style[i].lists, 2);
        assert_int_equal(tagged.style[i].bold, 2);
        assert_true(tagged.style[i].tokens > 20);
    }
    world_free(world);
}

static void test_whole_battle(void **state)
{
    struct world *world = new_world(2, HELLO, SLOW);
    struct watcher watcher;
    char id[STORE_ID_SIZE];
    (void)state;
    world_start(world, id);
    world_state(world, id, "streaming");
    watch(world, id, &watcher);
    world_pass(world, 3000);
    world_settle(world);
    assert_true(saw(&watcher, "event: ready\ndata: {\"turn\":1}"));
    struct answer_got before = world_ask(world, HALL_GET, (struct question){.battle = id});
    assert_null(strstr(before.text, "zephyrine"));
    assert_null(strstr(before.text, "obsidian"));
    assert_null(strstr(before.text, "finish"));
    struct answer_got voted = world_ask(
        world, HALL_VOTE, (struct question){.battle = id, .body = "{\"winner\":\"model_b\"}"});
    assert_int_equal(voted.status, 200);
    assert_string_equal(member(&voted, "winner"), "model_b");
    assert_true(json_is_true(json_object_get(voted.json, "counted")));
    assert_non_null(strstr(voted.text, "zephyrine-9"));
    assert_non_null(strstr(voted.text, "obsidian-7"));
    assert_true(watcher.ended && saw(&watcher, "event: voted\ndata: {}"));
    assert_false(saw(&watcher, "zephyrine") || saw(&watcher, "planted") ||
                 saw(&watcher, "returned-model-id"));

    /* the commitment sent before is opened by the nonce */
    char opened[DIGEST_HEX + 1], text[512];
    uint8_t digest[DIGEST_SIZE];
    const json_t *models = json_object_get(voted.json, "models");
    snprintf(text, sizeof text, "%s\n%s\n%s",
             json_string_value(json_object_get(json_object_get(models, "a"), "name")),
             json_string_value(json_object_get(json_object_get(models, "b"), "name")),
             member(&voted, "nonce"));
    digest_of(text, strlen(text), digest);
    hex_encode(digest, sizeof digest, opened);
    assert_string_equal(opened, member(&before, "commitment"));
    answer_drop(&before);
    answer_drop(&voted);
    unwatch(&watcher);
    world_free(world);
}

static void test_wrong_steps(void **state)
{
    struct world *world = new_world(2, HELLO, HELLO);
    char id[STORE_ID_SIZE];
    struct question vote_a = {.battle = id, .body = "{\"winner\":\"model_a\"}"},
                    none = {.battle = id};
    struct question turn = {.battle = id, .body = "{\"prompt\":\"more\"}"};
    (void)state;
    world_start(world, id);
    world_expect(world, HALL_VOTE, vote_a, 409, "wrong_state");
    world_expect(world, HALL_TURN, turn, 409, "wrong_state");
    world_expect(world, HALL_REGENERATE, none, 409, "wrong_state");
    world_expect(world, HALL_REVEAL, none, 409, "wrong_state");
    world_expect(world, HALL_FEEDBACK,
                 (struct question){.battle = id, .body = "{\"comment\":\"x\"}"}, 409,
                 "wrong_state");
    world_pass(world, 3000);
    world_settle(world);
    world_expect(world, HALL_REVEAL, none, 409, "wrong_state");
    world_expect(world, HALL_VOTE, (struct question){.battle = id, .body = "{\"winner\":\"left\"}"},
                 400, "bad_request");
    world_expect(world, HALL_VOTE, (struct question){.battle = id, .body = "{}"}, 400,
                 "bad_request");
    world_expect(world, HALL_VOTE,
                 (struct question){.battle = id, .body = "{\"winner\":\"tie\",\"x\":1}"}, 400,
                 "bad_request");
    world_expect(world, HALL_STOP, none, 200, "");
    vote(world, id);
    world_expect(world, HALL_STOP, none, 409, "already_voted");
    world_expect(world, HALL_SKIP, none, 409, "already_voted");
    world_expect(world, HALL_TURN, turn, 409, "already_voted");
    world_expect(world, HALL_REGENERATE, none, 409, "already_voted");
    struct answer_got second = world_ask(
        world, HALL_VOTE, (struct question){.battle = id, .body = "{\"winner\":\"tie\"}"});
    assert_int_equal(second.status, 409);
    assert_string_equal(error_word(&second), "already_voted");
    assert_string_equal(member(&second, "winner"), "model_a");
    assert_true(json_is_object(json_object_get(second.json, "models")));
    answer_drop(&second);
    world_free(world);
}

static void test_bad_input(void **state)
{
    struct world *world = new_world(2, HELLO, HELLO);
    char id[STORE_ID_SIZE], *big = malloc(LIMIT_PROMPT_BYTES + 64);
    (void)state;
    world_expect(world, HALL_START, (struct question){.body = "{}"}, 400, "bad_request");
    world_expect(world, HALL_START, (struct question){0}, 400, "bad_request");
    world_expect(world, HALL_START, (struct question){.body = "{\"prompt\":7}"}, 400,
                 "bad_request");
    world_expect(world, HALL_START, (struct question){.body = "[]"}, 400, "bad_request");
    world_expect(world, HALL_START, (struct question){.body = "{\"prompt\":\"\"}"}, 400,
                 "prompt_empty");
    world_expect(world, HALL_START, (struct question){.body = "{\"prompt\":\" \\n\"}"}, 400,
                 "prompt_empty");
    world_expect(world, HALL_START, (struct question){.body = "{\"prompt\":\"x\",\"model\":\"y\"}"},
                 400, "bad_request");
    memcpy(big, "{\"prompt\":\"", 11);
    memset(big + 11, 'x', LIMIT_PROMPT_BYTES + 1);
    memcpy(big + 11 + LIMIT_PROMPT_BYTES + 1, "\"}", 3);
    world_expect(world, HALL_START, (struct question){.body = big}, 413, "prompt_too_long");
    memcpy(big + 11 + LIMIT_PROMPT_BYTES, "\"}", 3);
    world_expect(world, HALL_START, (struct question){.body = big}, 201, "");
    world_pass(world, 3000);
    world_settle(world);
    world_expect(world, HALL_GET, (struct question){.battle = "nope"}, 404, "not_found");
    world_expect(world, HALL_GET,
                 (struct question){.battle = "00000000000000000000000000000000000"}, 404,
                 "not_found");
    world_expect(world, HALL_GET, (struct question){.battle = ""}, 404, "not_found");
    make_ready(world, id);
    world_expect(world, HALL_GET, (struct question){.battle = id, .voter = world->other_voter}, 404,
                 "not_found");
    world_expect(world, HALL_VOTE,
                 (struct question){
                     .battle = id, .voter = world->other_voter, .body = "{\"winner\":\"tie\"}"},
                 404, "not_found");
    world_expect(world, HALL_GET, (struct question){.battle = id, .voter = ""}, 401,
                 "unauthorized");
    free(big);
    world_free(world);
}

static void test_turns_and_regenerate(void **state)
{
    struct world *world = new_world(2, HELLO, SLOW);
    struct watcher watcher;
    char id[STORE_ID_SIZE];
    (void)state;
    world->actor[0].next_script = world->actor[1].next_script = NEXT;
    make_ready(world, id);
    watch(world, id, &watcher);
    world_expect(world, HALL_TURN, (struct question){.battle = id, .body = "{\"prompt\":\"more\"}"},
                 200, "");
    world_pass(world, 1000);
    world_settle(world);
    assert_true(saw(&watcher, "event: ready\ndata: {\"turn\":2}"));
    assert_string_equal(world->actor[0].last_history, "Why?|Hello there, reader.|more");
    assert_string_equal(world->actor[1].last_history, "Why?|Well, let me think.|more");
    world_expect(world, HALL_REGENERATE, (struct question){.battle = id}, 200, "");
    assert_true(saw(&watcher, "event: reset\ndata: {\"turn\":2}"));
    world_pass(world, 1000);
    world_settle(world);
    assert_string_equal(world->actor[0].last_history, "Why?|Hello there, reader.|more");
    assert_int_equal(world->actor[0].asked, 3);
    world_text(world, id, 2, "a", "And again.");
    vote(world, id);
    unwatch(&watcher);
    world_free(world);
}

static void test_stop_keeps_what_was_seen(void **state)
{
    struct world *world = new_world(2, HANGS, HANGS);
    char id[STORE_ID_SIZE];
    (void)state;
    world_start(world, id);
    world_pass(world, 60);
    struct answer_got shown = world_ask(world, HALL_GET, (struct question){.battle = id});
    const json_t *turn = json_array_get(json_object_get(shown.json, "turns"), 0);
    const char *seen = json_string_value(json_object_get(json_object_get(turn, "a"), "text"));
    assert_true(strlen(seen) > 0 && strlen(seen) < strlen("I will"));
    struct answer_got stopped = world_ask(world, HALL_STOP, (struct question){.battle = id});
    assert_string_equal(member(&stopped, "state"), "ready");
    world_text(world, id, 1, "a", seen);
    world_text(world, id, 1, "b", seen);
    assert_int_equal(world->actor[0].cancelled + world->actor[1].cancelled, 2);
    vote(world, id);
    answer_drop(&shown);
    answer_drop(&stopped);
    world_free(world);
}

static void test_skip(void **state)
{
    struct world *world = new_world(2, HELLO, HANGS);
    struct watcher watcher;
    char id[STORE_ID_SIZE], other[STORE_ID_SIZE];
    (void)state;
    world_start(world, id);
    watch(world, id, &watcher);
    world_pass(world, 50);
    struct answer_got skipped = world_ask(world, HALL_SKIP, (struct question){.battle = id});
    assert_string_equal(member(&skipped, "state"), "skipped");
    assert_null(strstr(skipped.text, "zephyrine"));
    assert_true(watcher.ended && saw(&watcher, "event: void\ndata: {\"code\":\"skipped\"}"));
    world_expect(world, HALL_SKIP, (struct question){.battle = id}, 200, "");
    world_expect(world, HALL_VOTE, (struct question){.battle = id, .body = "{\"winner\":\"tie\"}"},
                 409, "wrong_state");
    struct answer_got after = world_ask(world, HALL_GET, (struct question){.battle = id});
    assert_null(strstr(after.text, "zephyrine"));
    answer_drop(&after);
    answer_drop(&skipped);
    unwatch(&watcher);
    world->actor[1].script = HELLO;
    make_ready(world, other);
    world_expect(world, HALL_SKIP, (struct question){.battle = other}, 200, "");
    world_state(world, other, "skipped");
    world_free(world);
}

static void test_vote_without_reveal(void **state)
{
    struct world *world = new_world(2, HELLO, HELLO);
    char id[STORE_ID_SIZE];
    (void)state;
    make_ready(world, id);
    struct answer_got voted = world_ask(
        world, HALL_VOTE,
        (struct question){.battle = id, .body = "{\"winner\":\"both_bad\",\"reveal\":false}"});
    assert_int_equal(voted.status, 200);
    assert_null(strstr(voted.text, "zephyrine"));
    assert_null(strstr(voted.text, "nonce"));
    answer_drop(&voted);
    struct question again = {.battle = id, .body = "{\"winner\":\"tie\"}"};
    struct answer_got second = world_ask(world, HALL_VOTE, again);
    assert_null(strstr(second.text, "zephyrine"));
    assert_string_equal(member(&second, "winner"), "both_bad");
    answer_drop(&second);
    world_expect(world, HALL_FEEDBACK,
                 (struct question){.battle = id, .body = "{\"reasons\":\"x\"}"}, 400,
                 "bad_request");
    world_expect(world, HALL_FEEDBACK,
                 (struct question){.battle = id,
                                   .body = "{\"reasons\":{\"a\":[\"clear\"]},\"comment\":\"ok\","
                                           "\"recognised\":\"b\"}"},
                 200, "");
    struct answer_got revealed = world_ask(world, HALL_REVEAL, (struct question){.battle = id});
    assert_non_null(strstr(revealed.text, "zephyrine-9"));
    answer_drop(&revealed);
    world_expect(world, HALL_REVEAL, (struct question){.battle = id}, 200, "");
    world_expect(world, HALL_FEEDBACK,
                 (struct question){.battle = id, .body = "{\"comment\":\"late\"}"}, 409,
                 "wrong_state");
    world_free(world);
}

static void test_self_identified(void **state)
{
    struct world *world = new_world(2, TELLS, HELLO);
    char id[STORE_ID_SIZE];
    (void)state;
    make_ready(world, id);
    struct answer_got before = world_ask(world, HALL_GET, (struct question){.battle = id});
    assert_null(strstr(before.text, "self_identified"));
    struct answer_got voted = world_ask(
        world, HALL_VOTE, (struct question){.battle = id, .body = "{\"winner\":\"tie\"}"});
    assert_int_equal(voted.status, 200);
    assert_true(json_is_false(json_object_get(voted.json, "counted")));
    assert_string_equal(member(&voted, "reason"), "self_identified");
    answer_drop(&before);
    answer_drop(&voted);
    world_free(world);
}

static void test_refusal_and_empty_are_answers(void **state)
{
    struct world *world = new_world(2, REFUSES, SILENT);
    char id[STORE_ID_SIZE];
    (void)state;
    make_ready(world, id);
    struct answer_got before = world_ask(world, HALL_GET, (struct question){.battle = id});
    assert_non_null(strstr(before.text, "I cannot help with that."));
    assert_null(strstr(before.text, "refusal"));
    struct answer_got voted = world_ask(
        world, HALL_VOTE, (struct question){.battle = id, .body = "{\"winner\":\"tie\"}"});
    struct answer_got after = world_ask(world, HALL_GET, (struct question){.battle = id});
    assert_non_null(strstr(after.text, "\"finish\":\"refusal\",\"refusal\":true"));
    answer_drop(&before);
    answer_drop(&voted);
    answer_drop(&after);
    world_free(world);
}

static void test_reasoning_is_never_sent(void **state)
{
    struct world *world = new_world(2, THINKS, HELLO);
    struct watcher watcher;
    char id[STORE_ID_SIZE];
    (void)state;
    world_start(world, id);
    watch(world, id, &watcher);
    world_pass(world, 150);
    assert_int_equal(watcher.bytes.length, 0); /* nothing before both have begun */
    world_pass(world, 2000);
    world_settle(world);
    assert_true(saw(&watcher, "event: ready"));
    assert_false(saw(&watcher, "SECRET"));
    unwatch(&watcher);
    world_free(world);
}

/* --- failures --- */

static void expect_void(struct world *world, const char *id, const struct watcher *watcher)
{
    world_settle(world);
    assert_true(watcher->ended && saw(watcher, "event: void\ndata: {\"code\":\"failed\"}"));
    assert_false(saw(watcher, "secret provider words"));
    world_state(world, id, "void");
    world_expect(world, HALL_VOTE, (struct question){.battle = id, .body = "{\"winner\":\"tie\"}"},
                 409, "wrong_state");
    world_expect(world, HALL_SKIP, (struct question){.battle = id}, 409, "wrong_state");
    assert_int_equal(hall_figures(world->hall).voided, 1);
}

static bool read_incidents(struct db *tx, void *data, struct err *err)
{
    return db_one_int(tx, "SELECT count(*) FROM incidents", DB_NONE, 0, data, err);
}

/* Either side failing before the first token, with nobody to take its place; both failing;
 * failing after some was shown. */
static void test_failures_make_it_void(void **state)
{
    static const struct {
        const struct step *first, *second;
        int incidents;
    } CASES[] = {{FAILS, HELLO, 1},  {HELLO, FAILS, 1},  {FAILS, FAILS, 1},
                 {BREAKS, HANGS, 1}, {HANGS, BREAKS, 1}, {BREAKS_EARLY, MUTE, 1}};
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct world *world = new_world(2, CASES[i].first, CASES[i].second);
        struct watcher watcher;
        char id[STORE_ID_SIZE];
        int64_t incidents = 0;
        world_start(world, id);
        watch(world, id, &watcher);
        world_pass(world, 2000);
        expect_void(world, id, &watcher);
        fixture_apply(&world->base, read_incidents, &incidents);
        assert_int_equal(incidents, CASES[i].incidents);
        unwatch(&watcher);
        world_free(world);
    }
}

static void test_a_failed_lane_is_swapped(void **state)
{
    struct world *world = new_world(3, FAILS, HELLO);
    char id[STORE_ID_SIZE];
    int swapped = 0;
    (void)state;
    for (int i = 0; i < 8; i++) { /* whichever pair is drawn */
        make_ready(world, id);
        struct answer_got voted = world_ask(
            world, HALL_VOTE, (struct question){.battle = id, .body = "{\"winner\":\"tie\"}"});
        assert_null(strstr(voted.text, "zephyrine-9"));
        assert_non_null(strstr(voted.text, "obsidian-7"));
        assert_non_null(strstr(voted.text, "marigold-3"));
        answer_drop(&voted);
    }
    swapped = (int)hall_figures(world->hall).swaps;
    assert_true(swapped > 0 && swapped <= 8);
    int64_t incidents = 0;
    fixture_apply(&world->base, read_incidents, &incidents);
    assert_int_equal(incidents, swapped);
    world_free(world);
}

static void test_swaps_have_a_limit(void **state)
{
    struct world *world = new_world(4, FAILS, FAILS);
    char id[STORE_ID_SIZE];
    (void)state;
    world_start(world, id);
    world_pass(world, 2000);
    world_settle(world);
    world_state(world, id, "void");
    assert_int_equal(hall_figures(world->hall).swaps, LIMIT_SWAPS);
    world_free(world);
}

static void test_start_that_fails_at_once(void **state)
{
    struct world *world = new_world(2, HELLO, HELLO);
    char id[STORE_ID_SIZE];
    (void)state;
    world->actor[1].refuses_to_start = true;
    world_start(world, id);
    world_settle(world);
    world_state(world, id, "void");
    world_free(world);
}

static void test_a_later_turn_is_not_swapped(void **state)
{
    struct world *world = new_world(3, HELLO, HELLO);
    char id[STORE_ID_SIZE];
    (void)state;
    for (int i = 0; i < 3; i++)
        world->actor[i].next_script = FAILS;
    make_ready(world, id);
    world_expect(world, HALL_TURN, (struct question){.battle = id, .body = "{\"prompt\":\"more\"}"},
                 200, "");
    world_pass(world, 1000);
    world_settle(world);
    world_state(world, id, "void");
    assert_int_equal(hall_figures(world->hall).swaps, 0);
    world_free(world);
}

static void test_a_retry_is_invisible(void **state)
{
    struct world *world = new_world(2, RETRIES, SLOW);
    struct watcher watcher;
    char id[STORE_ID_SIZE];
    (void)state;
    world_start(world, id);
    watch(world, id, &watcher);
    world_pass(world, 3000);
    world_settle(world);
    assert_true(saw(&watcher, "event: ready"));
    assert_false(saw(&watcher, "Lost"));
    assert_int_equal(world->actor[0].restarts_refused, 0);
    unwatch(&watcher);
    world_free(world);
}

static void test_deadlines(void **state)
{
    struct world *world = new_world(2, MUTE, HELLO);
    char id[STORE_ID_SIZE];
    (void)state;
    world_start(world, id);
    world_clock(world, START_MS + 100);
    world_turn(world);
    world_clock(world, START_MS + (LIMIT_FIRST_TOKEN_SECONDS + 2) * 1000);
    world_turn(world);
    world_settle(world);
    world_state(world, id, "void");
    assert_int_equal(world->actor[0].cancelled, 1);
    world_free(world);

    world = new_world(2, HANGS, HANGS); /* begun, then silent */
    world_start(world, id);
    world_pass(world, 1000);
    world_clock(world, world->now_ms + (LIMIT_SILENCE_SECONDS + 2) * 1000);
    world_turn(world);
    world_settle(world);
    world_state(world, id, "void");
    world_free(world);
}

/* --- limits --- */

static void test_limits_of_a_voter(void **state)
{
    struct world *world = new_world(2, HANGS, HANGS);
    char id[STORE_ID_SIZE];
    struct question question = {.body = "{\"prompt\":\"x\"}"};
    (void)state;
    for (int i = 0; i < LIMIT_STREAMING_PER_VOTER; i++)
        world_start(world, id);
    world_expect(world, HALL_START, question, 429, "too_many");
    question.voter = world->other_voter;
    world_expect(world, HALL_START, question, 201, "");
    world_expect(world, HALL_SKIP, (struct question){.battle = id}, 200, "");
    question.voter = NULL;
    world_expect(world, HALL_START, question, 201, "");
    world_free(world);
}

static void test_two_competitors_are_needed(void **state)
{
    struct world *world = new_world(2, HELLO, HELLO);
    struct question question = {.body = "{\"prompt\":\"x\"}"};
    (void)state;
    roster_at(world->roster, 0)->availability = COMPETITOR_PAUSED;
    world_expect(world, HALL_START, question, 503, "busy");
    roster_at(world->roster, 0)->availability = COMPETITOR_ACTIVE;
    memcpy(roster_at(world->roster, 0)->version, roster_at(world->roster, 1)->version, DIGEST_HEX);
    world_expect(world, HALL_START, question, 503, "busy");
    world_free(world);
}

static void test_turns_have_a_limit(void **state)
{
    struct world *world = new_world(2, HELLO, HELLO);
    struct question turn;
    char id[STORE_ID_SIZE];
    (void)state;
    world->actor[0].next_script = world->actor[1].next_script = SILENT;
    make_ready(world, id);
    turn = (struct question){.battle = id, .body = "{\"prompt\":\"more\"}"};
    for (int i = 1; i < LIMIT_TURNS; i++) {
        world_expect(world, HALL_TURN, turn, 200, "");
        world_pass(world, 100);
        world_settle(world);
    }
    world_expect(world, HALL_TURN, turn, 413, "too_large");
    vote(world, id);
    world_free(world);
}

/* Text that grows sixfold in JSON, more than a log can hold: it stops for both, and what was
 * seen is the answer. */
static void test_an_endless_answer(void **state)
{
    static struct step script[8];
    static char text[300001];
    struct world *world = new_world(2, script, script);
    struct watcher watcher;
    char id[STORE_ID_SIZE];
    (void)state;
    memset(text, 1, sizeof text - 1);
    for (int i = 0; i < 7; i++)
        script[i] = (struct step){10 * (i + 1), SAY, text, 0};
    script[7].at_ms = -1; /* and on and on */
    world_start(world, id);
    watch(world, id, &watcher);
    world_pass(world, 8000);
    world_settle(world);
    assert_true(saw(&watcher, "event: ready"));
    assert_true(watcher.bytes.length <= LIMIT_EVENT_LOG_BYTES);
    assert_int_equal(world->actor[0].cancelled + world->actor[1].cancelled, 2);
    struct answer_got got_it = world_ask(world, HALL_GET, (struct question){.battle = id});
    const json_t *turn = json_array_get(json_object_get(got_it.json, "turns"), 0);
    size_t a = json_string_length(json_object_get(json_object_get(turn, "a"), "text"));
    assert_true(a > 100000 && a <= LIMIT_ANSWER_BYTES);
    assert_int_equal(a, json_string_length(json_object_get(json_object_get(turn, "b"), "text")));
    vote(world, id);
    answer_drop(&got_it);
    unwatch(&watcher);
    world_free(world);
}

/* --- a full house --- */

enum { CROWD = 200 };

struct crowd {
    char voter[CROWD][STORE_ID_SIZE];
    struct answer_got answer[CROWD];
    char battle[CROWD][STORE_ID_SIZE];
};

static bool admit_crowd(struct db *tx, void *data, struct err *err)
{
    struct crowd *crowd = data;
    for (int i = 0; i < CROWD; i++) {
        struct voter_record voter = {.created_ms = NOW};
        random_id(voter.id);
        memcpy(crowd->voter[i], voter.id, sizeof voter.id);
        if (!voters_insert(tx, &voter, err))
            return false;
    }
    return true;
}

static bool count_votes(struct db *tx, void *data, struct err *err)
{
    return db_one_int(tx, "SELECT count(*) FROM votes", DB_NONE, 0, data, err);
}

/* Two hundred voters at once: every battle comes to its vote, every vote to its answer and into
 * the store. */
static void test_a_full_house(void **state)
{
    struct world *world = new_world(4, HELLO, SLOW);
    struct crowd *crowd = calloc(1, sizeof *crowd);
    int64_t stored = 0;
    (void)state;
    fixture_apply(&world->base, admit_crowd, crowd);
    for (int i = 0; i < CROWD; i++)
        world_send(world, HALL_START,
                   (struct question){.voter = crowd->voter[i], .body = "{\"prompt\":\"x\"}"},
                   &crowd->answer[i]);
    for (int i = 0; i < CROWD; i++) {
        world_await(world, &crowd->answer[i]);
        assert_int_equal(crowd->answer[i].status, 201);
        snprintf(crowd->battle[i], STORE_ID_SIZE, "%s", member(&crowd->answer[i], "battle_id"));
        answer_drop(&crowd->answer[i]);
    }
    assert_int_equal(hall_figures(world->hall).streaming, CROWD);
    world_pass(world, 3000);
    world_settle(world);
    assert_int_equal(hall_figures(world->hall).streaming, 0);
    for (int i = 0; i < CROWD; i++)
        world_send(world, HALL_VOTE,
                   (struct question){.voter = crowd->voter[i],
                                     .battle = crowd->battle[i],
                                     .body = "{\"winner\":\"tie\"}"},
                   &crowd->answer[i]);
    for (int i = 0; i < CROWD; i++) {
        world_await(world, &crowd->answer[i]);
        assert_int_equal(crowd->answer[i].status, 200);
        answer_drop(&crowd->answer[i]);
    }
    fixture_apply(&world->base, count_votes, &stored);
    assert_int_equal(stored, CROWD);
    free(crowd);
    world_free(world);
}

/* --- retries of requests --- */

static void test_idempotency(void **state)
{
    struct world *world = new_world(2, HELLO, HELLO);
    struct question start = {.body = "{\"prompt\":\"x\"}", .key = "k1"};
    char id[STORE_ID_SIZE];
    (void)state;
    struct answer_got one = world_ask(world, HALL_START, start),
                      two = world_ask(world, HALL_START, start);
    assert_int_equal(two.status, 201);
    assert_true(two.replayed && !one.replayed);
    assert_string_equal(one.text, two.text);
    snprintf(id, STORE_ID_SIZE, "%s", member(&one, "battle_id"));
    answer_drop(&one);
    answer_drop(&two);
    assert_int_equal(hall_figures(world->hall).live, 1);
    start.body = "{\"prompt\":\"y\"}";
    world_expect(world, HALL_START, start, 409, "conflict");
    world_pass(world, 3000);
    world_settle(world);
    struct question vote_a = {.battle = id, .body = "{\"winner\":\"model_a\"}", .key = "v1"};
    struct answer_got parallel[3];
    for (int i = 0; i < 3; i++)
        world_send(world, HALL_VOTE, vote_a, &parallel[i]);
    for (int i = 0; i < 3; i++) {
        world_await(world, &parallel[i]);
        assert_int_equal(parallel[i].status, 200);
        assert_string_equal(parallel[i].text, parallel[0].text);
    }
    for (int i = 0; i < 3; i++)
        answer_drop(&parallel[i]);
    vote_a.key = "v2";
    world_expect(world, HALL_VOTE, vote_a, 409, "already_voted");
    vote_a.key = NULL;
    world_expect(world, HALL_VOTE, vote_a, 409, "already_voted");
    assert_int_equal(hall_figures(world->hall).voted, 1);
    world_free(world);
}

static void test_parallel_votes(void **state)
{
    struct world *world = new_world(2, HELLO, HELLO);
    struct answer_got answers[LIMIT_WAITING_REQUESTS + 4];
    const int many = LIMIT_WAITING_REQUESTS + 4;
    char id[STORE_ID_SIZE];
    int won = 0, lost = 0, refused = 0;
    (void)state;
    make_ready(world, id);
    for (int i = 0; i < many; i++)
        world_send(world, HALL_VOTE,
                   (struct question){.battle = id, .body = "{\"winner\":\"tie\"}"}, &answers[i]);
    for (int i = 0; i < many; i++) {
        world_await(world, &answers[i]);
        won += answers[i].status == 200;
        lost += answers[i].status == 409;
        refused += answers[i].status == 429;
        answer_drop(&answers[i]);
    }
    assert_int_equal(won, 1);
    assert_int_equal(lost, LIMIT_WAITING_REQUESTS);
    assert_int_equal(refused, 3);
    world_free(world);
}

/* --- memory, restarts, lists --- */

static void test_restart(void **state)
{
    struct world *world = new_world(2, HELLO, SLOW);
    struct watcher watcher, again;
    char ready[STORE_ID_SIZE], streaming[STORE_ID_SIZE];
    (void)state;
    world->actor[0].ends_late = true;
    make_ready(world, ready);
    world->actor[1].script = HANGS;
    world_start(world, streaming);
    watch(world, streaming, &watcher);
    world_pass(world, 500);
    world_stop_hall(world);
    assert_true(watcher.ended && saw(&watcher, "event: void\ndata: {\"code\":\"restart\"}"));
    unwatch(&watcher);
    world_open_hall(world);
    world_state(world, streaming, "void");
    world_state(world, ready, "ready");
    watch_from(world, ready, 9, &again); /* an id of the log before the restart */
    assert_true(saw(&again, "event: reset"));
    assert_true(saw(&again, "Hello there, reader.") && saw(&again, "Well, let me think."));
    assert_true(saw(&again, "event: ready"));
    vote(world, ready);
    assert_true(again.ended && saw(&again, "event: voted"));
    unwatch(&again);
    world_free(world);
}

/* Freed while a lane has not ended and a job is with the writer: both come back to nobody,
 * without harm. */
static void test_freed_too_early(void **state)
{
    struct world *world = new_world(2, HANGS, HANGS);
    struct answer_got answer;
    char id[STORE_ID_SIZE];
    (void)state;
    world->actor[0].ends_late = world->actor[1].ends_late = true;
    world_start(world, id);
    world_pass(world, 100);
    world_send(world, HALL_SKIP, (struct question){.battle = id}, &answer);
    hall_stop(world->hall, world_stopped, world);
    hall_free(world->hall);
    world->hall = NULL;
    world_await(world, &answer);
    for (int i = 0; i < 50; i++)
        loop_turn(world->base.loop, 1);
    assert_false(world->stopped);
    answer_drop(&answer);
    world_open_hall(world);
    world_free(world);
}

static void test_requests_while_stopping(void **state)
{
    struct world *world = new_world(2, HELLO, HELLO);
    struct answer_got votes[3], late;
    char id[STORE_ID_SIZE];
    (void)state;
    make_ready(world, id);
    for (int i = 0; i < 3; i++)
        world_send(world, HALL_VOTE,
                   (struct question){.battle = id, .body = "{\"winner\":\"tie\"}"}, &votes[i]);
    hall_stop(world->hall, world_stopped, world);
    world_send(world, HALL_GET, (struct question){.battle = id}, &late);
    assert_int_equal(late.status, 503);
    for (int i = 0; i < 3; i++) {
        world_await(world, &votes[i]);
        assert_int_equal(votes[i].status,
                         i ? 503
                           : 200); /* the one under way is committed, those in line are not begun */
        answer_drop(&votes[i]);
    }
    answer_drop(&late);
    for (int i = 0; i < 60000 && !world->stopped; i++)
        loop_turn(world->base.loop, 1);
    assert_true(world->stopped);
    hall_free(world->hall);
    world_open_hall(world);
    world_state(world, id, "voted");
    world_free(world);
}

static void test_turn_after_a_restart(void **state)
{
    struct world *world = new_world(2, HELLO, HELLO);
    char id[STORE_ID_SIZE];
    (void)state;
    make_ready(world, id);
    world_stop_hall(world);
    world_open_hall(world);
    world_expect(world, HALL_TURN, (struct question){.battle = id, .body = "{\"prompt\":\"more\"}"},
                 200, "");
    world_pass(world, 2000);
    world_settle(world);
    assert_string_equal(world->actor[0].last_history, "Why?|Hello there, reader.|more");
    world_stop_hall(world);
    memset(roster_at(world->roster, 0)->version, 'f', DIGEST_HEX); /* reconfigured meanwhile */
    world_open_hall(world);
    world_expect(world, HALL_TURN, (struct question){.battle = id, .body = "{\"prompt\":\"more\"}"},
                 409, "wrong_state");
    vote(world, id);
    world_free(world);
}

static void test_expiry(void **state)
{
    struct world *world = new_world(2, HELLO, HELLO);
    struct watcher watcher;
    char id[STORE_ID_SIZE];
    (void)state;
    make_ready(world, id);
    watch(world, id, &watcher);
    world_clock(world, world->now_ms + LIMIT_BATTLE_HOURS * 3600 * 1000 + 60000);
    world_turn(world);
    world_settle(world);
    assert_true(watcher.ended && saw(&watcher, "event: void\ndata: {\"code\":\"expired\"}"));
    world_state(world, id, "expired");
    world_expect(world, HALL_VOTE, (struct question){.battle = id, .body = "{\"winner\":\"tie\"}"},
                 409, "wrong_state");
    unwatch(&watcher);
    world_free(world);
}

static void test_idle_battles_leave_memory(void **state)
{
    struct world *world = new_world(2, HELLO, HELLO);
    char id[STORE_ID_SIZE];
    (void)state;
    make_ready(world, id);
    assert_int_equal(hall_figures(world->hall).live, 1);
    for (int i = 0; i < 3; i++) {
        world_clock(world, world->now_ms + (LIMIT_BATTLE_IDLE_SECONDS + 60) * 1000);
        world_turn(world);
        world_settle(world);
    }
    assert_int_equal(hall_figures(world->hall).live, 0);
    world_text(world, id, 1, "a", "Hello there, reader.");
    vote(world, id);
    world_free(world);
}

static void test_list(void **state)
{
    struct world *world = new_world(2, HELLO, HELLO);
    char id[3][STORE_ID_SIZE];
    (void)state;
    for (int i = 0; i < 3; i++)
        make_ready(world, id[i]);
    vote(world, id[1]);
    struct answer_got page = world_ask(world, HALL_LIST, (struct question){.limit = 2});
    const json_t *battles = json_object_get(page.json, "battles");
    assert_int_equal(json_array_size(battles), 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(battles, 0), "battle_id")),
                        id[2]);
    assert_null(json_object_get(json_array_get(battles, 0), "models"));
    assert_true(json_is_object(json_object_get(json_array_get(battles, 1), "models")));
    assert_string_equal(member(&page, "next"), id[1]);
    struct answer_got rest = world_ask(world, HALL_LIST, (struct question){.before = id[1]});
    assert_int_equal(json_array_size(json_object_get(rest.json, "battles")), 1);
    assert_true(json_is_null(json_object_get(rest.json, "next")));
    assert_null(strstr(rest.text, "zephyrine"));
    struct answer_got none =
        world_ask(world, HALL_LIST, (struct question){.voter = world->other_voter});
    assert_int_equal(json_array_size(json_object_get(none.json, "battles")), 0);
    answer_drop(&page);
    answer_drop(&rest);
    answer_drop(&none);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_battle),
        cmocka_unit_test(test_a_vote_finds_its_battle_tagged),
        cmocka_unit_test(test_wrong_steps),
        cmocka_unit_test(test_bad_input),
        cmocka_unit_test(test_turns_and_regenerate),
        cmocka_unit_test(test_stop_keeps_what_was_seen),
        cmocka_unit_test(test_skip),
        cmocka_unit_test(test_vote_without_reveal),
        cmocka_unit_test(test_self_identified),
        cmocka_unit_test(test_refusal_and_empty_are_answers),
        cmocka_unit_test(test_reasoning_is_never_sent),
        cmocka_unit_test(test_failures_make_it_void),
        cmocka_unit_test(test_a_failed_lane_is_swapped),
        cmocka_unit_test(test_swaps_have_a_limit),
        cmocka_unit_test(test_start_that_fails_at_once),
        cmocka_unit_test(test_a_later_turn_is_not_swapped),
        cmocka_unit_test(test_a_retry_is_invisible),
        cmocka_unit_test(test_deadlines),
        cmocka_unit_test(test_limits_of_a_voter),
        cmocka_unit_test(test_two_competitors_are_needed),
        cmocka_unit_test(test_turns_have_a_limit),
        cmocka_unit_test(test_an_endless_answer),
        cmocka_unit_test(test_freed_too_early),
        cmocka_unit_test(test_requests_while_stopping),
        cmocka_unit_test(test_a_full_house),
        cmocka_unit_test(test_idempotency),
        cmocka_unit_test(test_parallel_votes),
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_turn_after_a_restart),
        cmocka_unit_test(test_expiry),
        cmocka_unit_test(test_idle_battles_leave_memory),
        cmocka_unit_test(test_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
