/* Blindness, measured on the bytes and times that a viewer gets: without the answers' own text
 * nothing tells who is who, whatever the two competitors' speed, chunking, length and failures;
 * and with the pacer off everything does. */
#include "world.h"

enum { STEPS = 64 };

/* A competitor's manner of speaking: when it begins, how often and how much it says at a time. */
struct manner {
    int begins_ms, every_ms, piece;
};

static const struct manner FAST = {30, 15, 40}, SLOW = {400, 90, 7}, BURSTS = {900, 700, 300};

/* Cuts `text` into a script in that manner; the pieces live in `room`. */
static void write_script(struct step script[STEPS], char *room, const char *text,
                         const struct manner *manner)
{
    size_t length = strlen(text), piece = (size_t)manner->piece, at = 0, count = 0;
    if (piece < length / (STEPS - 2) + 1)
        piece = length / (STEPS - 2) + 1;
    for (; at < length; at += piece, count++) {
        size_t take = length - at < piece ? length - at : piece;
        memcpy(room, text + at, take);
        room[take] = '\0';
        script[count] =
            (struct step){manner->begins_ms + (int)count * manner->every_ms, SAY, room, 0};
        room += take + 1;
    }
    script[count] =
        (struct step){manner->begins_ms + (int)count * manner->every_ms, END, NULL, CHAT_STOP};
}

/* What one battle looked like to its viewer. `first` speaks as the first competitor of the
 * roster. */
static void run_battle(struct world *world, struct watcher *watcher, char id[STORE_ID_SIZE])
{
    struct answer_got answer;
    world_send(world, HALL_START, (struct question){.body = "{\"prompt\":\"Why?\"}"}, &answer);
    world_await(world, &answer); /* it streams from here: the clock stands still */
    snprintf(id, STORE_ID_SIZE, "%s", member(&answer, "battle_id"));
    answer_drop(&answer);
    watch(world, id, watcher);
    for (int i = 0;
         i < 120 &&
         !saw(watcher, "event: lane\ndata: {\"turn\":1,\"lane\":\"a\",\"state\":\"done\"}");
         i++)
        world_pass(world, 500);
    world_settle(world);
    assert_true(saw(watcher, "event: ready"));
}

static bool first_is_left(struct world *world, const char *id)
{
    struct answer_got voted = world_ask(
        world, HALL_VOTE, (struct question){.battle = id, .body = "{\"winner\":\"tie\"}"});
    const json_t *a = json_object_get(json_object_get(voted.json, "models"), "a");
    bool left = strcmp(json_string_value(json_object_get(a, "name")), ACTOR_NAMES[0]) == 0;
    answer_drop(&voted);
    return left;
}

/* Replaces every text by its length in characters that both lanes share the count of: nothing. */
static void strip_text(struct buf *bytes)
{
    char *at = bytes->data;
    while (at && (at = strstr(at, "\"text\":\"")) != NULL) {
        at += strlen("\"text\":\"");
        char *end = at;
        while (*end != '"' || end[-1] == '\\')
            end++;
        memmove(at, end, strlen(end) + 1);
    }
}

/* Event by event, the second of each pair must be the first with "b" for "a". */
static void assert_lanes_alike(const char *bytes)
{
    const char *at = bytes;
    char one[256], other[256];
    while ((at = strstr(at, "\"lane\":\"a\"")) != NULL) {
        const char *line = at, *end = strchr(at, '\n'), *next = strstr(end, "\"lane\":");
        snprintf(one, sizeof one, "%.*s", (int)(end - line), line);
        assert_non_null(next);
        snprintf(other, sizeof other, "%.*s", (int)(strchr(next, '\n') - next), next);
        assert_string_equal(strncmp(other, "\"lane\":\"b\"", 10) == 0 ? "b" : other, "b");
        assert_string_equal(one + 10, other + 10);
        at = end;
    }
}

static struct step scripts[2][STEPS];
static char rooms[2][1 << 16];

static struct world *world_of(const char *text, const char *other_text, const struct manner *manner,
                              const struct manner *other_manner, uint64_t seed, bool unpaced)
{
    struct world *world = world_new(2);
    write_script(scripts[0], rooms[0], text, manner);
    write_script(scripts[1], rooms[1], other_text, other_manner);
    world->actor[0].script = scripts[0];
    world->actor[1].script = scripts[1];
    world_stop_hall(world);
    world->options.seed = seed;
    world->options.unpaced = unpaced;
    world_open_hall(world);
    return world;
}

static char *long_text(const char *unit, int times)
{
    struct buf text;
    buf_init(&text, 1 << 16);
    for (int i = 0; i < times; i++)
        buf_printf(&text, "%s %d. ", unit, i);
    return buf_take(&text, NULL);
}

/* Both say the same, one fast and one slow: whoever stands left, a viewer gets the same bytes at
 * the same times. */
static void test_swapping_sides_changes_nothing(void **state)
{
    static const struct manner *const PAIRS[][2] = {
        {&FAST, &SLOW}, {&SLOW, &BURSTS}, {&BURSTS, &FAST}};
    char *text = long_text("Größe und «Maß» 😀", 30);
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        char *bytes[2] = {NULL, NULL}, *times[2] = {NULL, NULL};
        for (uint64_t seed = 1; !bytes[0] || !bytes[1]; seed++) {
            struct world *world = world_of(text, text, PAIRS[i][0], PAIRS[i][1], seed, false);
            struct watcher watcher;
            char id[STORE_ID_SIZE];
            assert_true(seed < 50);
            run_battle(world, &watcher, id);
            int left = first_is_left(world, id);
            if (!bytes[left]) {
                bytes[left] = strdup(watcher.bytes.data);
                times[left] = strdup(watcher.times.data);
            }
            unwatch(&watcher);
            world_free(world);
        }
        *strstr(bytes[0], "event: voted") = *strstr(bytes[1], "event: voted") = '\0';
        assert_string_equal(bytes[0], bytes[1]);
        assert_string_equal(times[0], times[1]);
        for (int k = 0; k < 2; k++) {
            free(bytes[k]);
            free(times[k]);
        }
    }
    free(text);
}

/* Different texts, lengths and manners: take the text out, and both lanes are the same at every
 * event. */
static void test_without_text_the_lanes_are_alike(void **state)
{
    char *text = long_text("A long answer", 60), *other = long_text("Kurz", 9);
    static const struct manner *const PAIRS[][2] = {
        {&FAST, &SLOW}, {&SLOW, &FAST}, {&BURSTS, &SLOW}, {&FAST, &BURSTS}};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct world *world = world_of(text, other, PAIRS[i][0], PAIRS[i][1], i + 1, false);
        struct watcher watcher;
        char id[STORE_ID_SIZE];
        run_battle(world, &watcher, id);
        strip_text(&watcher.bytes);
        assert_lanes_alike(watcher.bytes.data);
        unwatch(&watcher);
        world_free(world);
    }
    free(text);
    free(other);
}

/* The test of the test: with the pacer off the first delta is the fast one's. */
static void test_unpaced_is_not_blind(void **state)
{
    char *text = long_text("Word", 60);
    (void)state;
    for (uint64_t seed = 1; seed < 6; seed++) {
        struct world *world = world_of(text, text, &FAST, &SLOW, seed, true);
        struct watcher watcher;
        char id[STORE_ID_SIZE];
        run_battle(world, &watcher, id);
        bool a_first =
            strncmp(strstr(watcher.bytes.data, "event: delta\ndata: {\"turn\":1,\"lane\":\"") + 37,
                    "a", 1) == 0;
        assert_int_equal(a_first, first_is_left(world, id));
        unwatch(&watcher);
        world_free(world);
    }
    free(text);
}

/* Not a byte of what was planted: names, organisation, aliases, model ids, request ids, error
 * texts. */
static void test_nothing_planted_comes_through(void **state)
{
    static const char *const PLANTED[] = {"zephyrine", "obsidian",       "Quillworks", "Planted",
                                          "planted",   "returned-model", "req-1",      "secret",
                                          "finish",    "usage",          "version"};
    static const struct step FAILING[] = {{20, SAY, "Half", 0}, {60, END, NULL, CHAT_ERROR}};
    static const struct step GOOD[] = {
        {300, THINK, "planted thought", 0}, {400, SAY, "Fine.", 0}, {450, END, NULL, CHAT_LENGTH}};
    (void)state;
    for (int failing = 0; failing < 2; failing++) {
        struct world *world = world_new(2);
        struct watcher watcher;
        char id[STORE_ID_SIZE];
        world->actor[0].script = failing ? FAILING : GOOD;
        world->actor[1].script = GOOD;
        world_start(world, id);
        watch(world, id, &watcher);
        world_pass(world, 2000);
        world_settle(world);
        struct answer_got one = world_ask(world, HALL_GET, (struct question){.battle = id});
        struct answer_got list = world_ask(world, HALL_LIST, (struct question){0});
        struct answer_got refused = world_ask(world, HALL_REVEAL, (struct question){.battle = id});
        for (size_t i = 0; i < sizeof PLANTED / sizeof PLANTED[0]; i++) {
            assert_false(saw(&watcher, PLANTED[i]));
            assert_null(strstr(one.text, PLANTED[i]));
            assert_null(strstr(list.text, PLANTED[i]));
            assert_null(strstr(refused.text, PLANTED[i]));
        }
        answer_drop(&one);
        answer_drop(&list);
        answer_drop(&refused);
        unwatch(&watcher);
        world_free(world);
    }
}

/* --- limits --- */

static struct world *world_of_limits(int64_t one, int64_t other, const struct step *script)
{
    static const struct step SHORT[] = {{20, SAY, "Fine.", 0}, {40, END, NULL, CHAT_STOP}};
    struct world *world = world_new(2);
    world->actor[0].script = script ? script : SHORT;
    world->actor[1].script = SHORT;
    roster_at(world->roster, 0)->config.params.max_tokens = one;
    roster_at(world->roster, 1)->config.params.max_tokens = other;
    return world;
}

/* A cut at so many tokens is either's, or it tells whose it is. */
static void test_both_keep_to_the_smaller_limit(void **state)
{
    static const struct {
        int64_t one, other, got;
    } CASES[] = {{64, 256, 64}, {-1, 100, 100}, {-1, -1, -1}};
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct world *world = world_of_limits(CASES[i].one, CASES[i].other, NULL);
        char id[STORE_ID_SIZE];
        world_start(world, id);
        assert_int_equal(world->actor[0].max_tokens, CASES[i].got);
        assert_int_equal(world->actor[1].max_tokens, CASES[i].got);
        world_free(world);
    }
}

static void test_whoever_is_named_keeps_its_own_limit(void **state)
{
    struct world *world = world_of_limits(64, 256, NULL);
    (void)state;
    world_expect(world, HALL_START,
                 (struct question){.body = "{\"prompt\":\"Why?\",\"mode\":\"side_by_side\","
                                           "\"models\":[\"zephyrine-9\",\"obsidian-7\"]}"},
                 201, "");
    assert_int_equal(world->actor[0].max_tokens, 64);
    assert_int_equal(world->actor[1].max_tokens, 256);
    world_free(world);
}

/* One that thinks within the limit that was lowered has nothing left to say: it is asked again,
 * with its own, and not lowered any more. */
static void test_thoughts_are_not_starved(void **state)
{
    static const struct step STARVED[] = {{20, THINK, "hm", 0}, {40, END, NULL, CHAT_LENGTH}};
    static const struct step FED[] = {
        {20, THINK, "hm", 0}, {30, SAY, "Yes.", 0}, {40, END, NULL, CHAT_STOP}};
    struct world *world = world_of_limits(4096, 64, STARVED);
    char id[STORE_ID_SIZE];
    (void)state;
    world->actor[0].next_script = FED;
    world_start(world, id);
    assert_int_equal(world->actor[0].max_tokens, 64);
    world_pass(world, 3000);
    world_settle(world);
    world_state(world, id, "ready");
    assert_int_equal(world->actor[0].max_tokens, 4096);
    assert_int_equal(world->actor[0].asked, 2);
    world_start(world, id);
    assert_int_equal(world->actor[0].max_tokens, 4096);
    assert_int_equal(world->actor[0].asked, 3);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_swapping_sides_changes_nothing),
        cmocka_unit_test(test_without_text_the_lanes_are_alike),
        cmocka_unit_test(test_unpaced_is_not_blind),
        cmocka_unit_test(test_nothing_planted_comes_through),
        cmocka_unit_test(test_both_keep_to_the_smaller_limit),
        cmocka_unit_test(test_whoever_is_named_keeps_its_own_limit),
        cmocka_unit_test(test_thoughts_are_not_starved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
