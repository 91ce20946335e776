/* One call of a run, from its start until it is stored: collects what the model says and keeps it
 * as an answer, or its failure as a failure.
 *
 * Loop's thread; storing is a job of the writer. A call that cannot be stored (a full disk) is kept
 * and tried again until it can, or until it is told to give up: it was paid for. */
#ifndef ARENA_EVAL_CALL_H
#define ARENA_EVAL_CALL_H

#include "competitor/competitor.h"
#include "eval/ask.h"
#include "loop/loop.h"
#include "store/store.h"

struct call {
    /* set by the caller */
    struct loop *loop;
    struct store *store;
    int64_t run;
    bool judges;
    size_t place;
    int64_t version; /* the store's */
    double worst_usd;
    /* Called once, when it is stored, or given up. */
    void (*over)(struct call *call);
    void *user;
    int order; /* the caller's */

    /* what came of it */
    struct competitor *competitor; /* until it ended */
    bool own;                      /* our own engine */
    struct chat *chat;             /* NULL: not known yet, or ended */
    bool ended;
    struct buf text, reasoning, refusal;
    char *model, *request_id, *sent; /* NULL: not told */
    enum chat_finish finish;
    enum chat_error_class error_class;
    char error_message[512];
    struct chat_usage usage;
    double cost_usd, charged_usd; /* cost NaN: unknown */
    int attempts;
    int64_t first_content_ns, total_ns;
    uint8_t key[DIGEST_SIZE];
    bool overflowed, cancelled; /* cancelled by us: it may be asked again */
    int64_t answer;             /* stored; 0: it failed */
    enum verdict verdict;
    struct loop_timer again; /* to store it */
    bool giving_up, lost;    /* lost: it could not be stored */
};

/* Starts it with `asked`'s messages. False (ERR_MEMORY): `over` is not called. */
bool call_start(struct call *call, struct competitor *competitor, const struct ask_call *asked,
                const struct chat_params *params, struct err *err);
void call_cancel(struct call *call); /* `over` follows, maybe before this returns */
void call_done(struct call *call);   /* after `over`: frees what it holds, not itself */

bool call_failed(const struct call *call);

/* The most that it can cost, in USD; 0 where nobody knows a price, NaN never. */
double call_worst(const struct competitor *competitor, const struct ask_call *asked,
                  const struct chat_params *params);

#endif
