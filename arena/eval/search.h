/* The texts of a battle, cut into pieces that a model is asked about, and what came of it.
 *
 * All that an export would tell is in it: prompts, answers, refusals, the comment, the guess; of a
 * battle LIMIT_SEARCH_PIECES pieces, the rest is counted as unread. Pieces overlap, so that what
 * stands on a cut is whole in one of them. Reading blocks (a worker with its own reader); the rest
 * is pure and its owner's. */
#ifndef ARENA_EVAL_SEARCH_H
#define ARENA_EVAL_SEARCH_H

#include "base/limits.h"
#include "store/battle_rows.h"
#include "store/finds.h"
#include "store/turns.h"

/* Stored by number: append only. The first five are a turn's, the others the feedback's. */
#define SEARCH_PART_MAP(X)                                                                         \
    X(SEARCH_PROMPT, "prompt")                                                                     \
    X(SEARCH_ANSWER_A, "model_a")                                                                  \
    X(SEARCH_ANSWER_B, "model_b")                                                                  \
    X(SEARCH_REFUSAL_A, "refusal_a")                                                               \
    X(SEARCH_REFUSAL_B, "refusal_b")                                                               \
    X(SEARCH_COMMENT, "comment")                                                                   \
    X(SEARCH_GUESS, "guess")
enum search_part {
#define X(name, word) name,
    SEARCH_PART_MAP(X)
#undef X
        SEARCH_PARTS
};
const char *search_part_word(int part);

/* A turn's text; length 0: there is none. */
struct text search_turn_text(const struct turn_record *turn, int part);

struct search_piece {
    int turn, part;
    int64_t start; /* in its text */
    char *text;    /* owned */
    size_t length;
};

struct search {
    struct unsearched battle;
    unsigned patterns; /* what personal.h finds in the same texts */
    struct search_piece pieces[LIMIT_SEARCH_PIECES];
    size_t count;
    int64_t unread;
    struct find_record finds[LIMIT_SEARCH_FINDS];
    size_t found;
    int64_t invented, malformed;
};

/* The next battle to look at; *out NULL: there is none after that one. Returns new. */
bool search_next(struct db *db, int64_t finder, int64_t after, bool own, struct search **out,
                 struct err *err);
void search_free(struct search *search); /* NULL is allowed */

/* Cuts a text into pieces. False without memory. */
bool search_add_text(struct search *search, int turn, int part, struct text text);

/* Takes what was said of a piece. */
void search_take(struct search *search, size_t piece, struct text said);

#endif
