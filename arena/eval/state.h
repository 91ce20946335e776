/* How far a run is: every conversation's answers so far, every judge's verdicts on every pair.
 *
 * Nothing of it is stored as such: it follows from the plan and the answers in the store, which
 * ask.h finds by their keys. A run moves it forward on the loop's thread; a report loads one of its
 * own (state_load). */
#ifndef ARENA_EVAL_STATE_H
#define ARENA_EVAL_STATE_H

#include "eval/plan.h"
#include "eval/verdict.h"

enum eval_step {
    EVAL_UNWANTED, /* no pair needs it; a judgement: its answers are not there yet */
    EVAL_WAITING,
    EVAL_BUSY,
    EVAL_FINISHED,
    EVAL_FAILED
};

struct conversation {
    uint8_t step;   /* enum eval_step */
    uint16_t turns; /* answered */
    uint32_t next;  /* in its side's line */
};

/* One judge on one pair, in both orders. */
struct judgement {
    uint8_t step;
    uint8_t verdict[2]; /* enum verdict, as seen: [1] with the sides swapped */
    bool asked[2];      /* an answer to it is there */
    uint32_t next;      /* in its judge's line */
};

struct run_state {
    const struct eval_plan *plan; /* borrowed */
    struct conversation *conversations;
    int64_t *answers;             /* ids, of each turn of each conversation */
    size_t *first;                /* of each prompt in `answers` */
    struct judgement *judgements; /* of each pair: a row of all judges, and one for the queue */
    size_t judged_pairs;          /* that there is room for */
};

/* Every conversation that a pair needs (all of them, where nobody judges) is waiting. */
bool state_init(struct run_state *state, const struct eval_plan *plan, struct err *err);
void state_done(struct run_state *state);

/* After pairs were added to the plan: those who now take part wait too. */
bool state_grow(struct run_state *state, struct err *err);

/* The ids of a conversation's answers, one a turn. */
int64_t *state_answers(const struct run_state *state, size_t conversation);
size_t state_prompt(const struct run_state *state, size_t conversation);
size_t state_turns(const struct run_state *state, size_t conversation); /* of its prompt */
size_t state_side(const struct run_state *state, size_t conversation);
size_t state_sample(const struct run_state *state, size_t conversation);

/* Of a judge; of the place after the last one: the pair's own way into the queue. */
struct judgement *state_judgement(const struct run_state *state, size_t pair, size_t judge);

/* Both conversations of a pair are finished; one of them failed. */
bool state_pair_ready(const struct run_state *state, size_t pair);
bool state_pair_failed(const struct run_state *state, size_t pair);

#endif
