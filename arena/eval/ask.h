/* One thing that has to be asked: the next turn of a conversation, or a judge's two verdicts on a
 * pair. Here it gets its messages and its keys, and what the store knows of it already.
 *
 * ask_prepare reads the store: it runs on a worker. The key of an answer is a digest of everything
 * that shapes it: the version's digest (model, endpoint, template, its own system prompt and
 * settings), the settings of the run, every message, the sample's number. */
#ifndef ARENA_EVAL_ASK_H
#define ARENA_EVAL_ASK_H

#include "competitor/competitor.h"
#include "eval/state.h"
#include "store/db.h"

/* One call: what to send, and what is known. */
struct ask_call {
    struct chat_message *messages; /* their array owned; texts borrowed from plan and ask */
    size_t count;
    uint8_t key[DIGEST_SIZE];
    int64_t answer;       /* the stored one; 0: none */
    enum verdict verdict; /* of a stored judge's answer */
};

struct ask {
    bool judges;
    size_t conversation, turn; /* judges false */
    size_t pair, judge;        /* judges true */
    struct ask_call call[2]; /* of an answer [0] alone; of a judgement [1] has the sides swapped */
    size_t calls;
    uint8_t vote[DIGEST_SIZE]; /* of a judgement: what makes its vote one vote for ever */
    bool voted;                /* that vote is stored */
    char **texts;              /* owned: earlier answers, judges' prompts */
    size_t text_count;
};

/* Fills messages, keys and what is stored. ask_done frees it, also after a failure. */
bool ask_prepare(struct ask *ask, const struct run_state *state, struct db *db, struct err *err);
void ask_done(struct ask *ask);

/* Settings of its calls. */
const struct chat_params *ask_params(const struct ask *ask, const struct eval_plan *plan);
const struct eval_side *ask_side(const struct ask *ask, const struct eval_plan *plan);

/* The state as the store has it, all of it found again (for reports). What is not there stays
 * waiting. */
bool ask_load_state(struct run_state *state, struct db *db, struct err *err);

/* The same for one prompt alone: its conversations, its pairs. */
bool ask_load_prompt(struct run_state *state, size_t prompt, struct db *db, struct err *err);

#endif
