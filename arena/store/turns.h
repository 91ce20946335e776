/* The turns of a battle, as stored: a prompt and two answers each. Turns follow one another
 * without a gap. */
#ifndef ARENA_STORE_TURNS_H
#define ARENA_STORE_TURNS_H

#include "store/answers.h"
#include "store/battles.h"
#include "store/store.h"

/* The prompt of turn 1, 2, …; ERR_WRONG_STATE unless it is the next one. */
bool turns_insert(struct db *tx, const char *battle, int turn, struct text prompt, int64_t now_ms,
                  struct err *err);

/* The turn's two answers (ids); regenerating replaces them, and those before lose their text.
 * Pacing: what the voter really saw, see below. */
struct turn_timing {
    int64_t first_ms_a,
        first_ms_b; /* from the turn's start to the lane's first content; -1: none */
    int64_t ended_ms_a, ended_ms_b; /* to the lane's end */
    int64_t released_ms;            /* to the first byte shown, both lanes */
    int64_t shown_ms;               /* to the last byte shown; -1: not shown as it came */
};
bool turns_answer(struct db *tx, const char *battle, int turn, int64_t answer_a, int64_t answer_b,
                  const struct turn_timing *timing, int64_t now_ms, struct err *err);

struct turn_record {
    int turn;
    struct text prompt; /* data NULL: erased */
    bool answered;
    struct answer_record a, b; /* valid when answered */
    struct turn_timing timing;
};
/* In order; borrowed for the call. */
bool turns_each(struct db *db, const char *battle,
                bool (*each)(void *user, const struct turn_record *turn), void *user,
                struct err *err);

#endif
