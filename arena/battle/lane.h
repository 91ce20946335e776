/* A lane: one side of a battle as it streams. It asks its competitor, keeps what comes (all of
 * it, and how much of it may be seen), and tells its battle of every change; what to do about a
 * change is the battle's business.
 *
 * The lane is embedded in its battle. A chat under way outlives neither: lane_drop cuts it off
 * and lets it end on its own, which `struct lane_gate` counts, so that a shutdown can wait for
 * the last one. Loop's thread only. */
#ifndef ARENA_BATTLE_LANE_H
#define ARENA_BATTLE_LANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "competitor/competitor.h"

/* Chats started and not ended, over all lanes of a hall. */
struct lane_gate {
    size_t under_way;
    void (*idle)(void *user); /* the last one ended; may be NULL */
    void *user;
};

/* How an answer came to its end: what is recorded, all owned. */
struct lane_facts {
    enum chat_finish finish;
    enum chat_error_class error;
    char *error_message, *model, *request_id, *sent; /* NULL: none */
    struct chat_usage usage;
    double cost_usd; /* NaN: unknown */
    int attempts;
    int64_t first_content_ns, total_ns;
    unsigned faults[CHAT_ERROR_CLASSES];
    int64_t cooling_until_ns;
};
void lane_facts_done(struct lane_facts *facts);

struct lane_run; /* the chat under way */

struct lane {
    struct lane_gate *gate;
    void (*changed)(void *user); /* more text, or the end; may drop this lane */
    void *user;
    struct lane_run *run; /* NULL: nobody is asked */
    struct buf text;      /* answer and refusal as they came: what may be shown */
    struct buf reasoning; /* never shown before the reveal */
    struct buf refusal;
    size_t characters; /* in text */
    size_t shown_bytes, shown_characters;
    bool ended, failed;                            /* failed: no answer, a transport failure */
    struct lane_facts facts;                       /* valid when ended */
    int64_t asked_ns, first_ns, last_ns, ended_ns; /* by the loop's clock; 0: not yet */
};

void lane_init(struct lane *lane, struct lane_gate *gate, void (*changed)(void *user), void *user);
/* Drops what is under way and gives the memory back; the next question may follow. */
void lane_rest(struct lane *lane);

/* Forgets everything and asks, for `max_tokens` at most (-1: as configured). What cannot even start
 * has ended as failed when this returns; `changed` is not called from inside it. */
void lane_ask(struct lane *lane, struct competitor *competitor, const struct chat_message *messages,
              size_t count, int64_t max_tokens);

/* Cuts the chat off, if one is under way: nothing more comes. The lane keeps its text and has
 * not ended. */
void lane_drop(struct lane *lane);

/* Ends it as it stands: the text is cut to what was shown (`all` keeps everything that came),
 * and that is the answer. / */
void lane_settle(struct lane *lane, enum chat_finish finish, bool all);

/* Shows up to `count` characters more; returns them, borrowed until the text grows. */
struct text lane_show(struct lane *lane, size_t count);

struct text lane_shown(const struct lane *lane); /* all that was shown; borrowed */

#endif
