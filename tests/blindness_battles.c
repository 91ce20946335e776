/* Blind battles of two scripted competitors on a clock that stands still until it is moved, as fast
 * as they can be computed: what a viewer receives and when, for the classifier of blindness.py.
 *
 *     blindness_battles ONE OTHER BATTLES SEED [unpaced]
 *
 * For every battle a line `battle 1` (ONE stands in lane a) or `battle 0`, then `read MS BYTES` and
 * so many bytes for every time that something came, then `over ready` or `over void`. The same seed
 * gives the same bytes: what depends on it cannot fail by chance. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "battle/battle.h"

enum { STEP_MS = 5, LONGEST = 900, TURN_MS = 600000 };

/* --- manners of speaking --- */

struct manner {
    const char *name;
    double first_s, gap_s; /* to the first piece, from one to the next */
    int piece;             /* characters */
    double thinks_s;      /* for each character before the first: it thinks longer, who says more */
    double fails, stalls; /* chances: an attempt by the answer, seconds of silence by the piece */
    double sways;         /* how much one answer is slower or faster than another */
    double tail_s;        /* from the last piece to the end */
    bool whole;           /* writes as the others do and sends it when it is done */
};

static const struct manner MANNERS[] = {
    {.name = "swift", .first_s = 0.05, .gap_s = 0.012, .piece = 40},
    {.name = "steady", .first_s = 0.35, .gap_s = 0.045, .piece = 7, .fails = 0.1},
    {.name = "crawl", .first_s = 0.8, .gap_s = 0.25, .piece = 6, .sways = 0.15},
    {.name = "lump", .first_s = 0.35, .gap_s = 0.03, .piece = 7, .whole = true},
    {.name = "thinker", .first_s = 0.4, .gap_s = 0.012, .piece = 20, .thinks_s = 0.006},
    {.name = "bursts", .first_s = 0.9, .gap_s = 0.7, .piece = 150},
    {.name = "halting", .first_s = 0.3, .gap_s = 0.04, .piece = 7, .stalls = 0.03, .tail_s = 0.25},
};

static const struct manner *manner_called(const char *name)
{
    for (size_t i = 0; i < sizeof MANNERS / sizeof *MANNERS; i++)
        if (strcmp(MANNERS[i].name, name) == 0)
            return &MANNERS[i];
    fprintf(stderr, "there is no manner \"%s\"\n", name);
    exit(2);
}

static struct rng RNG;

static double vary(double middle, double by)
{
    double uniform = 1 - rng_uniform(&RNG), angle = 6.283185307179586 * rng_uniform(&RNG);
    return middle * exp(by * sqrt(-2 * log(uniform)) * cos(angle));
}

/* Alike for both, so that lengths by themselves tell nothing; one in six is a word or two. */
static int draw_length(void)
{
    if (rng_below(&RNG, 6) == 0)
        return 1 + (int)rng_below(&RNG, 15);
    return (int)fmin(LONGEST, fmax(20, vary(LONGEST / 5.0, 0.8)));
}

/* --- a competitor --- */

struct actor {
    const struct manner *manner;
    struct competitor competitor;
    struct health health;
    struct loop *loop;
};

struct chat {
    struct actor *actor;
    struct chat_sink sink;
    struct loop_timer timer;
    int64_t asked_ns, first_ns;
    double sway;
    int left, attempts;
};

static void say(struct chat *chat, int count)
{
    static char words[LONGEST];
    if (!words[0])
        memset(words, 'w', sizeof words);
    if (!chat->first_ns)
        chat->first_ns = clock_mono_ns();
    chat->left -= count;
    chat->sink.delta(chat->sink.user, CHAT_TEXT, (struct text){words, (size_t)count});
}

static void finish_chat(struct chat *chat, enum chat_finish finish)
{
    struct chat_end end = {.finish = finish,
                           .usage = CHAT_USAGE_UNKNOWN,
                           .cost_usd = (double)NAN,
                           .attempts = chat->attempts,
                           .total_ns = clock_mono_ns() - chat->asked_ns};
    struct chat_sink sink = chat->sink;
    if (chat->first_ns)
        end.first_content_ns = chat->first_ns - chat->asked_ns;
    loop_timer_stop(chat->actor->loop, &chat->timer);
    free(chat);
    sink.end(sink.user, &end);
}

static void after(struct chat *chat, double seconds)
{
    loop_timer_start(chat->actor->loop, &chat->timer,
                     clock_mono_ns() + (int64_t)(seconds * (double)CLOCK_S));
}

static void speak(void *user)
{
    struct chat *chat = user;
    const struct manner *manner = chat->actor->manner;
    int count = (int)fmax(1, vary(manner->piece, 0.3));
    bool ends_at_once = manner->tail_s <= 0;
    if (chat->left > 0)
        say(chat, count < chat->left && !manner->whole ? count : chat->left);
    else
        ends_at_once = true;
    if (chat->left == 0 && ends_at_once)
        finish_chat(chat, CHAT_STOP);
    else if (chat->left == 0)
        after(chat, vary(manner->tail_s, 0.3));
    else
        after(chat,
              vary(manner->gap_s, 0.4) + (rng_uniform(&RNG) < manner->stalls ? vary(1, 0.5) : 0));
}

static double first_wait(const struct manner *manner, int length)
{
    double wait = vary(manner->first_s, 0.3) + vary(manner->thinks_s * length, 0.3);
    for (int i = 0; manner->whole && i < length / manner->piece; i++)
        wait += vary(manner->gap_s, 0.4);
    return wait;
}

static struct chat *actor_chat(struct competitor *competitor, const struct chat_message *messages,
                               size_t count, const struct chat_params *params,
                               const struct chat_sink *sink, struct err *err)
{
    struct actor *actor = competitor->state;
    struct chat *chat = calloc(1, sizeof *chat);
    (void)messages, (void)count, (void)params, (void)err;
    if (!chat)
        abort();
    *chat = (struct chat){.actor = actor,
                          .sink = *sink,
                          .timer = {.expired = speak, .user = chat},
                          .asked_ns = clock_mono_ns(),
                          .left = draw_length(),
                          .sway = vary(1, actor->manner->sways),
                          .attempts = 1};
    double wait = first_wait(actor->manner, chat->left);
    for (; rng_uniform(&RNG) < actor->manner->fails; chat->attempts++)
        wait += vary(actor->manner->first_s, 0.3) + chat->attempts * (0.5 + rng_uniform(&RNG));
    after(chat, wait);
    return chat;
}

static void actor_cancel(struct chat *chat)
{
    finish_chat(chat, CHAT_CANCELLED);
}

static const struct competitor_adapter ACTOR = {actor_chat, actor_cancel, NULL};

static void actor_init(struct actor *actor, const char *name, struct loop *loop)
{
    *actor = (struct actor){.manner = manner_called(name), .loop = loop};
    actor->competitor = (struct competitor){.adapter = &ACTOR, .state = actor};
    actor->competitor.config.name = (char *)(uintptr_t)actor->manner->name;
    actor->competitor.config.params = CHAT_PARAMS_UNSET;
    actor->competitor.health = &actor->health;
}

/* --- a viewer --- */

struct showing {
    struct eventlog_viewer viewer;
    int64_t begun_ns;
    bool over, failed;
};

static void on_more(void *user)
{
    struct showing *showing = user;
    struct text pending = eventlog_pending(&showing->viewer);
    if (pending.length)
        printf("read %lld %zu\n", (long long)((clock_mono_ns() - showing->begun_ns) / CLOCK_MS),
               pending.length);
    fwrite(pending.data, 1, pending.length, stdout);
    eventlog_advance(&showing->viewer, pending.length);
}

static void on_settled(void *user, struct battle *battle, bool failed)
{
    struct showing *showing = user;
    (void)battle;
    showing->over = true;
    showing->failed = failed;
}

static struct competitor *no_substitute(void *user, struct battle *battle, int side)
{
    (void)user, (void)battle, (void)side;
    return NULL;
}

/* --- battles --- */

static int64_t now_ms = 1000000;

static void pass(struct loop *loop)
{
    now_ms += STEP_MS;
    clock_freeze(now_ms * CLOCK_MS, now_ms);
    loop_turn(loop, 0);
}

static void need(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "blindness_battles: %s\n", what);
    exit(1);
}

static struct battle *open_battle(struct battle_host *host, struct actor *const side[2])
{
    struct story story;
    struct err err = ERR_INIT;
    story_init(&story);
    memcpy(story.id, "battle", 7);
    story.nonce[0] = (uint8_t)rng_below(&RNG, 256);
    story.nonce[1] = (uint8_t)rng_below(&RNG, 256);
    story.state = BATTLE_STREAMING;
    story.mode = BATTLE_BLIND;
    need(story_add_turn(&story, TEXT("Why?"), &err) != NULL, err.message);
    struct battle *battle = battle_new(host, &story, 1, &err);
    need(battle != NULL, err.message);
    for (int i = 0; i < 2; i++)
        need(battle_set_side(battle, i, &side[i]->competitor, &err), err.message);
    return battle;
}

static void run_battle(struct battle_host *host, struct actor actors[2])
{
    struct showing showing = {.viewer = {.more = on_more, .user = &showing}};
    struct err err = ERR_INIT;
    bool first = rng_below(&RNG, 2) == 0;
    struct actor *const side[2] = {&actors[!first], &actors[first]};
    host->user = &showing;
    struct battle *battle = open_battle(host, side);
    printf("battle %d\n", first);
    need(eventlog_attach(battle->log, &showing.viewer, 0, &err), err.message);
    showing.begun_ns = clock_mono_ns();
    battle_stream(battle, false);
    int64_t late_ms = now_ms + TURN_MS;
    while (!showing.over && now_ms < late_ms)
        pass(host->loop);
    need(showing.over, "a battle did not end");
    eventlog_detach(&showing.viewer);
    printf("over %s\n", showing.failed ? "void" : "ready");
    battle_count(battle);
    battle_free(battle);
}

int main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    struct actor actors[2];
    struct lane_gate gate = {0};
    if (argc < 5) {
        fprintf(stderr, "usage: blindness_battles ONE OTHER BATTLES SEED [unpaced]\n");
        return 2;
    }
    clock_freeze(now_ms * CLOCK_MS, now_ms);
    rng_init(&RNG, strtoull(argv[4], NULL, 10), 0);
    struct loop *loop = loop_new(&err);
    need(loop != NULL, err.message);
    struct battle_host host = {.loop = loop,
                               .gate = &gate,
                               .unpaced = argc > 5,
                               .substitute = no_substitute,
                               .settled = on_settled};
    for (int i = 0; i < 2; i++)
        actor_init(&actors[i], argv[1 + i], loop);
    for (long left = strtol(argv[3], NULL, 10); left > 0; left--)
        run_battle(&host, actors);
    loop_free(loop);
    return 0;
}
