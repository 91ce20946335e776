/* Tallies: how often each pair of models met and how the votes went. A board is a function of a
 * tally (and, where voters or styles matter, of the single votes: ballot.h).
 *
 * Models are numbers 0..models-1; names live above. A pair's cell is seen from its lower number,
 * and keeps apart which of the two was shown first, so that a position effect can be fitted from
 * tallies alone. Counts are exact integers. The cells of a new model are appended, so a growing
 * arena never moves the old ones. One owner, no lock; pure. */
#ifndef ARENA_RATING_TALLY_H
#define ARENA_RATING_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Cells and matrices are dense (64 MB of cells, 32 MB a matrix at the limit): a board of more
 * models than this is refused, not slowly fitted. */
#define TALLY_MODELS_MAX 2048

enum outcome { OUTCOME_A, OUTCOME_B, OUTCOME_TIE, OUTCOME_BOTH_BAD, OUTCOMES };

const char *outcome_word(enum outcome outcome); /* "model_a", "model_b", "tie", "both_bad" */

/* Seen from the pair's lower-numbered model: OUTCOME_A is its win. [0]: it was shown first (as
 * model_a); [1]: second. */
struct tally_cell {
    uint32_t count[2][OUTCOMES];
};

struct tally {
    size_t models;
    size_t capacity;          /* models that `cells` has room for */
    struct tally_cell *cells; /* of pair i < j: cells[j (j - 1) / 2 + i] */
    uint64_t votes;
};

/* What happened to one model. votes = wins + losses + ties + both_bad */
struct tally_record {
    uint64_t votes, wins, losses, ties, both_bad;
};

void tally_init(struct tally *tally);
void tally_done(struct tally *tally);
void tally_clear(struct tally *tally); /* every count 0; the models stay */

/* Makes room for model numbers below `models`. */
bool tally_grow(struct tally *tally, size_t models, struct err *err);

/* Adds `count` votes of one outcome; `a` was shown first, a != b, both below tally->models.
 * Fails only when a cell would pass 2^32 - 1. */
bool tally_add(struct tally *tally, size_t a, size_t b, enum outcome outcome, uint32_t count,
               struct err *err);

/* Takes one vote back (a vote that no longer counts); false if there is none such. */
bool tally_remove(struct tally *tally, size_t a, size_t b, enum outcome outcome);

/* Adds all of `from`; model k of `from` is model map[k] here (NULL: the same numbers). */
bool tally_merge(struct tally *into, const struct tally *from, const uint32_t *map,
                 struct err *err);

bool tally_copy(struct tally *into, const struct tally *from,
                struct err *err); /* `into` is initialised */

/* Votes of `from` whose two models both have map[k] >= 0, under their new numbers map[k] <
 * models. */
bool tally_select(struct tally *into, const struct tally *from, const int32_t *map, size_t models,
                  struct err *err);

/* The pair's cell; i < j. Returns borrowed, valid until the tally grows. */
static inline size_t tally_cell_index(size_t i, size_t j)
{
    return j * (j - 1) / 2 + i;
}

static inline const struct tally_cell *tally_cell(const struct tally *tally, size_t i, size_t j)
{
    return &tally->cells[tally_cell_index(i, j)];
}

/* What the pair's lower model saw of the other; `turned`: the other way round. */
static inline struct tally_record tally_cell_record(const struct tally_cell *cell, bool turned)
{
    uint64_t sum[OUTCOMES];
    for (int o = 0; o < OUTCOMES; o++)
        sum[o] = (uint64_t)cell->count[0][o] + cell->count[1][o];
    return (struct tally_record){.votes = sum[0] + sum[1] + sum[2] + sum[3],
                                 .wins = sum[turned ? OUTCOME_B : OUTCOME_A],
                                 .losses = sum[turned ? OUTCOME_A : OUTCOME_B],
                                 .ties = sum[OUTCOME_TIE],
                                 .both_bad = sum[OUTCOME_BOTH_BAD]};
}

/* What `a` saw of `b`, another model. */
static inline struct tally_record tally_met(const struct tally *tally, size_t a, size_t b)
{
    return tally_cell_record(a < b ? tally_cell(tally, a, b) : tally_cell(tally, b, a), a > b);
}

/* Votes of one outcome seen from `a` (OUTCOME_A: a won), whichever was shown first. */
uint64_t tally_count(const struct tally *tally, size_t a, size_t b, enum outcome outcome);

uint64_t tally_pair(const struct tally *tally, size_t a, size_t b); /* all votes of a pair */

/* A number for what a vote says: its pair and outcome, whichever model was shown first. Below
 * tally_kinds of as many models. */
uint32_t tally_kind(size_t a, size_t b, enum outcome outcome);
size_t tally_kinds(size_t models);

struct tally_record tally_record(const struct tally *tally, size_t model);
void tally_records(const struct tally *tally, struct tally_record *records); /* of every model */

/* Mirrors an outcome: what the other side saw. */
enum outcome outcome_mirror(enum outcome outcome);

#endif
