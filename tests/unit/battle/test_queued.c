/* Finished pairs of the queue, and battles whose models are named: what is served, to whom, and
 * what of it counts. */
#include "world.h"

#include "store/queue_insert.h"

static const struct step HELLO[] = {{10, SAY, "hello there", 0}, {20, END, NULL, CHAT_STOP}};

/* --- a queue --- */

struct queueing {
    struct world *world;
    enum queue_kind kind;
    int64_t overlap;
    const char *text[2], *prompt;
    int64_t version[2];
    int64_t id;
};

static bool queue_apply(struct db *tx, void *data, struct err *err)
{
    struct queueing *new = data;
    struct queue_turn turn = {.prompt = text_of(new->prompt)};
    struct queue_item item = {.kind = new->kind,
                              .gold = new->kind == QUEUE_GOLD ? WINNER_A : -1,
                              .version_a = new->version[0],
                              .version_b = new->version[1],
                              .overlap = new->overlap,
                              .created_ms = NOW};
    return fixture_answer(tx, new->prompt, item.version_a, new->text[0], &turn.answer_a, err) &&
           fixture_answer(tx, new->prompt, item.version_b, new->text[1], &turn.answer_b, err) &&
           queue_insert_item(tx, &item, &turn, 1, &new->id, err);
}

static void queue_one(struct world *world, enum queue_kind kind, const char *prompt,
                      int64_t overlap)
{
    struct queueing new = {.world = world,
                           .kind = kind,
                           .overlap = overlap,
                           .text = {"the first", "the second"},
                           .prompt = prompt,
                           .version = {world->base.version_a, world->base.version_b}};
    if (kind == QUEUE_SAME_MODEL)
        new.version[1] = new.version[0];
    fixture_apply(&world->base, queue_apply, &new);
}

static int64_t progress(const struct answer_got *answer, const char *key)
{
    return (int64_t)json_integer_value(
        json_object_get(json_object_get(answer->json, "progress"), key));
}

/* The next pair's id; "" when nothing is left. */
static void next(struct world *world, const char *voter, char id[STORE_ID_SIZE])
{
    struct answer_got answer =
        world_ask(world, HALL_NEXT, (struct question){.voter = voter, .body = "{}"});
    const json_t *battle = json_object_get(answer.json, "battle");
    assert_int_equal(answer.status, 200);
    assert_null(strstr(answer.text, "model one"));
    assert_null(strstr(answer.text, "model two"));
    snprintf(id, STORE_ID_SIZE, "%s",
             json_is_null(battle) ? "" : json_string_value(json_object_get(battle, "battle_id")));
    answer_drop(&answer);
}

static void cast(struct world *world, const char *voter, const char *id, const char *counted)
{
    struct answer_got answer = world_ask(
        world, HALL_VOTE,
        (struct question){
            .voter = voter, .battle = id, .body = "{\"winner\":\"model_a\",\"read_ms\":1}"});
    assert_int_equal(answer.status, 200);
    assert_true(json_is_boolean(json_object_get(answer.json, "counted")));
    assert_string_equal(member(&answer, "reason"), counted);
    answer_drop(&answer);
}

static void a_pair_is_a_reservation(void **state)
{
    struct world *world = world_new(2);
    char id[STORE_ID_SIZE], again[STORE_ID_SIZE], other[STORE_ID_SIZE];
    (void)state;
    queue_one(world, QUEUE_PAIR, "one", 1);
    next(world, NULL, id);
    assert_string_not_equal(id, "");
    next(world, NULL, again); /* asked again, the same */
    assert_string_equal(again, id);
    next(world, world->other_voter, other); /* one vote is wanted, and one voter has it */
    assert_string_equal(other, "");
    world_expect(world, HALL_TURN, (struct question){.battle = id, .body = "{\"prompt\":\"more\"}"},
                 409, "wrong_state");
    world_expect(world, HALL_REGENERATE, (struct question){.battle = id}, 409, "wrong_state");
    world_expect(world, HALL_SKIP, (struct question){.battle = id}, 200, "");
    next(world, NULL, again); /* never the same twice to one voter */
    assert_string_equal(again, "");
    next(world, world->other_voter, other); /* but free for another */
    assert_string_not_equal(other, "");
    cast(world, world->other_voter, other, "");
    world_free(world);
}

static void a_reservation_ends(void **state)
{
    struct world *world = world_new(2);
    char id[STORE_ID_SIZE], other[STORE_ID_SIZE];
    (void)state;
    queue_one(world, QUEUE_PAIR, "one", 1);
    next(world, NULL, id);
    world_stop_hall(world); /* a restart leaves it open */
    world_open_hall(world);
    next(world, NULL, other);
    assert_string_equal(other, id);
    world_clock(world, world->now_ms + (LIMIT_RESERVATION_MINUTES + 1) * 60000);
    world_pass(world, 31000); /* the sweep */
    world_settle(world);
    next(world, world->other_voter, other);
    assert_string_not_equal(other, "");
    world_expect(world, HALL_VOTE, (struct question){.battle = id, .body = "{\"winner\":\"tie\"}"},
                 409, "wrong_state");
    world_free(world);
}

static void overlap_is_kept(void **state)
{
    struct world *world = world_new(2);
    char id[STORE_ID_SIZE];
    (void)state;
    queue_one(world, QUEUE_PAIR, "one", 2);
    queue_one(world, QUEUE_PAIR, "two", 0); /* for judges alone */
    next(world, NULL, id);
    cast(world, NULL, id, "");
    next(world, NULL, id);
    assert_string_equal(id, "");
    next(world, world->other_voter, id);
    cast(world, world->other_voter, id, "");
    struct answer_got answer =
        world_ask(world, HALL_NEXT, (struct question){.voter = world->other_voter, .body = "{}"});
    assert_int_equal(progress(&answer, "given"), 1);
    assert_int_equal(progress(&answer, "left"), 0);
    answer_drop(&answer);
    world_free(world);
}

/* Sides are drawn anew each time: over many voters' items both come up, and the text goes with its
 * version. */
static void sides_are_drawn(void **state)
{
    struct world *world = world_new(2);
    char id[STORE_ID_SIZE], prompt[16];
    int straight = 0;
    (void)state;
    for (int i = 0; i < 24; i++) {
        snprintf(prompt, sizeof prompt, "prompt %d", i);
        queue_one(world, QUEUE_PAIR, prompt, 1);
    }
    for (int i = 0; i < 24; i++) {
        next(world, NULL, id);
        struct answer_got answer = world_ask(world, HALL_GET, (struct question){.battle = id});
        const json_t *turn = json_array_get(json_object_get(answer.json, "turns"), 0);
        bool first = strcmp(json_string_value(json_object_get(json_object_get(turn, "a"), "text")),
                            "the first") == 0;
        straight += first;
        answer_drop(&answer);
        answer = world_ask(
            world, HALL_VOTE,
            (struct question){.battle = id, .body = "{\"winner\":\"tie\",\"reveal\":true}"});
        const json_t *models = json_object_get(answer.json, "models");
        assert_string_equal(
            json_string_value(json_object_get(json_object_get(models, "a"), "name")),
            first ? "model one" : "model two");
        answer_drop(&answer);
    }
    assert_in_range(straight, 4, 20);
    world_free(world);
}

/* They are there to be mixed among pairs of models: without one nothing is asked with them. */
static void controls_are_not_served_alone(void **state)
{
    struct world *world = world_new(2);
    char id[STORE_ID_SIZE];
    (void)state;
    queue_one(world, QUEUE_SAME_MODEL, "same", 1);
    queue_one(world, QUEUE_GOLD, "gold", 1);
    next(world, NULL, id);
    assert_string_equal(id, "");
    queue_one(world, QUEUE_PAIR, "pair", 1);
    next(world, NULL, id);
    cast(world, NULL, id, "");
    next(world, NULL, id);
    assert_string_equal(id, "");
    world_free(world);
}

/* --- named --- */

static void named_models_are_told_and_never_count(void **state)
{
    static const char *const BODIES[] = {
        "{\"prompt\":\"x\",\"mode\":\"side_by_side\",\"models\":[\"obsidian-7\",\"zephyrine-9\"]}",
        "{\"prompt\":\"x\",\"mode\":\"direct\",\"models\":[\"zephyrine-9\"]}"};
    struct world *world = world_new(3);
    (void)state;
    for (size_t i = 0; i < 3; i++)
        world->actor[i].script = HELLO;
    for (int i = 0; i < 2; i++) {
        char id[STORE_ID_SIZE];
        struct answer_got answer =
            world_ask(world, HALL_START, (struct question){.body = BODIES[i]});
        assert_int_equal(answer.status, 201);
        assert_non_null(strstr(answer.text, "zephyrine-9"));
        snprintf(id, sizeof id, "%s", member(&answer, "battle_id"));
        answer_drop(&answer);
        world_pass(world, 3000);
        world_settle(world);
        world_state(world, id, "ready");
        world_text(world, id, 1, "a", "hello there");
        cast(world, NULL, id, "not_blind");
    }
    world_free(world);
}

static void names_must_fit_the_mode(void **state)
{
    static const char *const BODIES[] = {
        "{\"prompt\":\"x\",\"mode\":\"sideways\"}",
        "{\"prompt\":\"x\",\"models\":[\"obsidian-7\"]}",
        "{\"prompt\":\"x\",\"mode\":\"direct\"}",
        "{\"prompt\":\"x\",\"mode\":\"direct\",\"models\":[\"obsidian-7\",\"zephyrine-9\"]}",
        "{\"prompt\":\"x\",\"mode\":\"direct\",\"models\":[\"nobody\"]}",
        "{\"prompt\":\"x\",\"mode\":\"direct\",\"models\":[7]}",
        "{\"prompt\":\"x\",\"mode\":\"side_by_side\",\"models\":[\"obsidian-7\",\"obsidian-7\"]}"};
    struct world *world = world_new(2);
    (void)state;
    for (size_t i = 0; i < sizeof BODIES / sizeof BODIES[0]; i++)
        world_expect(world, HALL_START, (struct question){.body = BODIES[i]}, 400, "bad_request");
    world_free(world);
}

/* --- worn prompts, and one battle at a time --- */

static void a_worn_prompt_counts_no_more(void **state)
{
    struct world *world = world_new(2);
    (void)state;
    world->actor[0].script = world->actor[1].script = HELLO;
    world_stop_hall(world);
    world->options.same_prompt = 2;
    world_open_hall(world);
    for (int i = 0; i < 3; i++) {
        char id[STORE_ID_SIZE];
        world_start(world, id);
        world_pass(world, 3000);
        world_settle(world);
        cast(world, NULL, id, i < 2 ? "" : "duplicate_prompt");
    }
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pair_is_a_reservation),
        cmocka_unit_test(a_reservation_ends),
        cmocka_unit_test(overlap_is_kept),
        cmocka_unit_test(sides_are_drawn),
        cmocka_unit_test(controls_are_not_served_alone),
        cmocka_unit_test(named_models_are_told_and_never_count),
        cmocka_unit_test(names_must_fit_the_mode),
        cmocka_unit_test(a_worn_prompt_counts_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
