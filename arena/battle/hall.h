/* The hall: every battle of this process, and all that can be asked of one. What HTTP and the
 * tests call.
 *
 * A request names a voter, an action and its JSON body; the answer is a status and a JSON body,
 * ready to send, so that what a voter may know before the vote is decided in this room alone.
 * Everything runs on the loop's thread and nothing blocks: battles not in memory are read by a
 * worker, what must be durable is answered after the writer committed it.
 *
 * States: streaming -> ready -> voted | skipped | expired; streaming -> skipped | void. A new
 * turn or a regeneration leads from ready back to streaming. Anything else is ERR_WRONG_STATE
 * with the battle as it stands. Limits: LIMIT_STREAMING_PER_VOTER,
 * LIMIT_BATTLES_LIVE, LIMIT_TURNS, LIMIT_PROMPT_BYTES, LIMIT_BATTLE_HOURS. */
#ifndef ARENA_BATTLE_HALL_H
#define ARENA_BATTLE_HALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/err.h"
#include "battle/eventlog.h"

struct hall;
struct loop;
struct workers;
struct store;
struct roster;
struct live;
struct campaigns;

/* All borrowed for the hall's life, except that the options themselves are copied. */
struct hall_options {
    struct loop *loop;
    struct workers *workers;
    struct store *store;
    struct roster *roster;
    struct live *live;           /* told of every committed vote; NULL: no board (tests) */
    struct campaigns *campaigns; /* whose pairs are drawn, who is told of their votes; or NULL */
    int64_t same_prompt; /* votes.h's: a voter's votes on one prompt of their own that count */
    int64_t daily_votes; /* votes.h's: how many of a voter's votes on a day count; 0: all */
    uint64_t seed;       /* of pairs and sides; 0: the system's randomness */
    bool unpaced; /* send text as it comes: only to measure what the pacer is worth. Not blind */
};

struct hall *hall_new(const struct hall_options *options, struct err *err);

/* Shutdown, first half: new requests are refused, streaming battles become void (`restart`) and
 * their streams get that as their last event, ready ones stay open to their vote after the
 * restart. `stopped` is called once, when every lane has ended and everything is with the
 * writer; then hall_free follows. Freed earlier (a shutdown that ran out of time), what is under
 * way ends on its own as long as the loop still turns, and nobody is told. */
void hall_stop(struct hall *hall, void (*stopped)(void *user), void *user);
void hall_free(struct hall *hall);

/* What can be asked, with the members of its body. Unknown members and wrong types are
 * ERR_BAD_REQUEST. */
enum hall_action {
    HALL_START, /* {"prompt","mode":"blind","models":[…],"in_house_only":false}: 201
                 * {"battle_id","state","mode","queued","turn","commitment"}, with "models" where
                 * the mode is side_by_side (two are named) or direct (one) */
    HALL_NEXT, /* {}: the next finished pair of the queue: 200 {"battle":{…} or null,"progress"} */
    HALL_LIST, /* no body; `before` and `limit`: 200 {"battles":[…],"next"}, newest first */
    HALL_GET,  /* 200, the battle */
    HALL_TURN, /* {"prompt"}: 200 {"battle_id","state","turn","commitment"}, as the four below */
    HALL_VOTE, /* {"winner","reveal":true}: 200
                * {"battle_id","state","winner","counted","reason","revealed",
                * "models":{"a":{…},"b":{…}},"nonce","commitment"} */
    HALL_FEEDBACK, /* {"reasons":{"a":[…],"b":[…]} or […],"comment","recognised"}: 200, as the
                      vote's answer */
    HALL_REVEAL,   /* {}: 200, as the vote's answer; only after a vote */
    HALL_PRIVATE,  /* {"private"}: 200 {"battle_id","state","private"}; in any state */
    HALL_STOP,     /* {}: 200, when the turn is stored; what stands is the answer */
    HALL_SKIP,     /* {}: 200; over, nothing revealed */
    HALL_REGENERATE, /* {}: 200; its last turn streams again */
    HALL_ACTIONS
};

/* Borrowed by `reply` for the call. */
struct hall_reply {
    int status;         /* HTTP's */
    enum err_code code; /* ERR_NONE, or what `body` tells as {"error":{"code","message"}} */
    struct text body;   /* JSON */
    bool replayed;      /* the stored answer to an Idempotency-Key that was used before */
};

struct hall_request {
    const char *voter;  /* who asks; the store knows this voter already */
    const char *cohort; /* the voter's; NULL or "": none */
    const char *battle; /* its id as it came from outside; NULL for HALL_START and HALL_LIST */
    const char *key;    /* Idempotency-Key, at most LIMIT_IDEMPOTENCY_KEY bytes; NULL: none */
    const json_t *body; /* NULL: no body, as good as {} */
    bool in_house_only; /* prompts of this voter go to our own models alone, whatever the body says
                         */
    const char *before; /* HALL_LIST: the battle_id after which to go on; NULL: from the newest */
    int limit;          /* HALL_LIST: how many, 1 to 100; 0: 50 */
    /* Called exactly once, maybe before hall_ask returns; `user` must live until then. */
    void (*reply)(void *user, const struct hall_reply *reply);
    void *user;
};

/* Everything in `request` is borrowed for the call only. */
void hall_ask(struct hall *hall, enum hall_action action, const struct hall_request *request);

/* Opens a battle's event stream for its own voter. `opened` is called exactly once, maybe before
 * this returns, with a hold on the log that now belongs to the callee (eventlog_attach, then
 * eventlog_release), or with NULL and `err`. */
void hall_events(struct hall *hall, const char *voter, const char *battle,
                 void (*opened)(void *user, struct eventlog *log, const struct err *err),
                 void *user);

/* Lets go of a voter's battles in memory, whose rows are about to be erased or were just erased.
 * ERR_WRONG_STATE while one of them is under way. */
bool hall_forget(struct hall *hall, const char *voter, struct err *err);

/* For metrics and tests. Per-competitor figures move only when their battle is over. */
struct hall_figures {
    size_t live, streaming, waiting_replies;
    uint64_t started, voted, skipped, voided, expired, swaps;
};
struct hall_figures hall_figures(const struct hall *hall);

#endif
