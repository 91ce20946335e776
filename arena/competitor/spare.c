/* Whether it is quiet is looked at by a timer rather than told by every place that asks something:
 * one place knows of guests, and no other has to. */
#include "competitor/spare.h"

#include <stdlib.h>

#include "base/clock.h"
#include "loop/loop.h"

#define LOOK_NS (500 * CLOCK_MS) /* whether it is quiet */
#define WATCH_NS (20 * CLOCK_MS) /* while it asks: whether somebody else wants an answer */
#define NEVER INT64_MAX

struct spare {
    struct loop *loop;
    const struct roster *roster;
    struct loop_timer timer;
    struct spare_guest *guests;
    int64_t quiet_from; /* since then nobody was answered */

    struct spare_guest *asking; /* whose question is under way; NULL: none */
    struct competitor *competitor;
    struct chat *chat;
    bool cancelled;
    struct buf said;
    bool stopping;
    void (*stopped)(void *user);
    void *stopped_user;
};

/* --- when to look --- */

/* Of those whose turn may come now, who has waited longest; NULL: nobody. */
static struct spare_guest *whose_turn(const struct spare *spare, int64_t now)
{
    struct spare_guest *first = NULL;
    for (struct spare_guest *guest = spare->guests; guest; guest = guest->next)
        if (guest->due_ns <= now && now - spare->quiet_from >= guest->quiet_ms * CLOCK_MS &&
            (!first || guest->due_ns < first->due_ns))
            first = guest;
    return first;
}

static int64_t first_due(const struct spare *spare)
{
    int64_t first = NEVER;
    for (const struct spare_guest *guest = spare->guests; guest; guest = guest->next)
        first = guest->due_ns < first ? guest->due_ns : first;
    return first;
}

static bool others_wait(const struct spare *spare)
{
    int under_way = 0;
    for (size_t i = 0; i < roster_count(spare->roster); i++)
        under_way += roster_at(spare->roster, i)->under_way;
    return under_way > (spare->asking ? 1 : 0);
}

static void look_at(struct spare *spare, int64_t at)
{
    if (!spare->stopping && at != NEVER)
        loop_timer_start(spare->loop, &spare->timer, at);
}

static void cancel(struct spare *spare)
{
    spare->cancelled = true;
    chat_cancel(spare->competitor, spare->chat);
}

static void give_turn(struct spare *spare, int64_t now)
{
    struct spare_guest *guest = whose_turn(spare, now);
    if (guest) {
        guest->due_ns = NEVER;
        guest->turn(guest->user);
    }
    int64_t due = first_due(spare);
    if (spare->asking)
        look_at(spare, now + WATCH_NS);
    else /* who is due and had no turn waits for quiet */
        look_at(spare, guest || due > now ? due : now + LOOK_NS);
}

static void look(void *user)
{
    struct spare *spare = user;
    int64_t now = clock_mono_ns();
    bool wait = others_wait(spare);
    if (wait)
        spare->quiet_from = now;
    if (wait && spare->chat && !spare->cancelled)
        cancel(spare);
    else if (spare->asking)
        look_at(spare, now + WATCH_NS);
    else if (wait)
        look_at(spare, now + LOOK_NS);
    else
        give_turn(spare, now);
}

void spare_again(struct spare *spare, struct spare_guest *guest, int64_t ns)
{
    guest->due_ns = clock_mono_ns() + ns;
    if (!spare->asking)
        look_at(spare, first_due(spare));
}

/* --- a question --- */

static void tell_stopped(struct spare *spare)
{
    void (*stopped)(void *user) = spare->stopped;
    spare->stopped = NULL;
    if (stopped)
        stopped(spare->stopped_user);
}

static void on_delta(void *user, enum chat_channel channel, struct text text)
{
    struct spare *spare = user;
    if (channel == CHAT_TEXT)
        buf_add_text(&spare->said, text);
}

static void on_end(void *user, const struct chat_end *end)
{
    static const struct text TOO_LONG = {NULL, 0};
    struct spare *spare = user;
    struct spare_guest *guest = spare->asking;
    bool cancelled = spare->cancelled || end->finish == CHAT_CANCELLED;
    spare->chat = NULL;
    spare->asking = NULL;
    spare->cancelled = false;
    if (spare->stopping)
        tell_stopped(spare);
    else if (cancelled)
        spare_again(spare, guest, LOOK_NS);
    else
        guest->answered(guest->user, spare->said.failed ? TOO_LONG : buf_text(&spare->said), end);
}

bool spare_ask(struct spare *spare, struct spare_guest *guest,
               const struct spare_question *question)
{
    struct chat_params params = question->params;
    const struct chat_sink sink = {.delta = on_delta, .end = on_end, .user = spare};
    struct err err = ERR_INIT;
    params.background = true;
    buf_done(&spare->said);
    buf_init(&spare->said, question->most);
    spare->asking = guest;
    spare->competitor = question->competitor;
    struct chat *chat = competitor_chat(question->competitor, question->messages, question->count,
                                        &params, &sink, &err);
    if (chat && spare->asking)
        spare->chat = chat;
    else if (!chat)
        spare->asking = NULL;
    return chat != NULL;
}

/* --- the room --- */

struct spare *spare_new(struct loop *loop, const struct roster *roster, struct err *err)
{
    struct spare *spare = calloc(1, sizeof *spare);
    if (!spare) {
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    *spare = (struct spare){.loop = loop, .roster = roster, .quiet_from = clock_mono_ns()};
    spare->timer = (struct loop_timer){.expired = look, .user = spare};
    buf_init(&spare->said, 0);
    return spare;
}

void spare_join(struct spare *spare, struct spare_guest *guest)
{
    guest->next = spare->guests;
    spare->guests = guest;
    spare_again(spare, guest, LOOK_NS);
}

void spare_stop(struct spare *spare, void (*stopped)(void *user), void *user)
{
    spare->stopping = true;
    spare->stopped = stopped;
    spare->stopped_user = user;
    loop_timer_stop(spare->loop, &spare->timer);
    if (spare->chat && !spare->cancelled)
        cancel(spare);
    else if (!spare->asking)
        tell_stopped(spare);
}

void spare_free(struct spare *spare)
{
    if (!spare)
        return;
    loop_timer_stop(spare->loop, &spare->timer);
    buf_done(&spare->said);
    free(spare);
}
