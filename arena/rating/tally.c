/* The triangle of cells is stored by its larger index, so that a new model's cells come after
 * all others and growing is one realloc; a cell of 32 bytes is half a cache line, and all of 130
 * models' cells fit a core's second-level cache. */
#include "rating/tally.h"

#include <stdlib.h>
#include <string.h>

static size_t cells_of(size_t models)
{
    return models ? models * (models - 1) / 2 : 0;
}

static size_t cell_index(size_t i, size_t j)
{
    return j * (j - 1) / 2 + i;
}

const char *outcome_word(enum outcome outcome)
{
    static const char *const WORDS[OUTCOMES] = {"model_a", "model_b", "tie", "both_bad"};
    return WORDS[outcome];
}

enum outcome outcome_mirror(enum outcome outcome)
{
    static const enum outcome MIRROR[OUTCOMES] = {OUTCOME_B, OUTCOME_A, OUTCOME_TIE,
                                                  OUTCOME_BOTH_BAD};
    return MIRROR[outcome];
}

void tally_init(struct tally *tally)
{
    *tally = (struct tally){0};
}

void tally_done(struct tally *tally)
{
    free(tally->cells);
    tally_init(tally);
}

void tally_clear(struct tally *tally)
{
    if (tally->cells)
        memset(tally->cells, 0, cells_of(tally->models) * sizeof *tally->cells);
    tally->votes = 0;
}

bool tally_grow(struct tally *tally, size_t models, struct err *err)
{
    if (models > TALLY_MODELS_MAX)
        return err_set(err, ERR_TOO_LARGE, "more than %d models in one set of votes",
                       TALLY_MODELS_MAX);
    if (models > tally->capacity) {
        size_t capacity = tally->capacity ? tally->capacity : 16;
        while (capacity < models)
            capacity += capacity / 2;
        void *cells = realloc(tally->cells, cells_of(capacity) * sizeof *tally->cells);
        if (!cells)
            return err_set(err, ERR_MEMORY, "no memory for the votes of %zu models", models);
        tally->cells = cells;
        tally->capacity = capacity;
    }
    if (models > tally->models) {
        size_t before = cells_of(tally->models);
        memset(tally->cells + before, 0, (cells_of(models) - before) * sizeof *tally->cells);
        tally->models = models;
    }
    return true;
}

/* The counter of one outcome seen with `a` shown first. */
static uint32_t *counter(const struct tally *tally, size_t a, size_t b, enum outcome outcome)
{
    if (a < b)
        return &tally->cells[cell_index(a, b)].count[0][outcome];
    return &tally->cells[cell_index(b, a)].count[1][outcome_mirror(outcome)];
}

bool tally_add(struct tally *tally, size_t a, size_t b, enum outcome outcome, uint32_t count,
               struct err *err)
{
    uint32_t *at = counter(tally, a, b, outcome);
    if (*at > UINT32_MAX - count)
        return err_set(err, ERR_TOO_LARGE, "more than %u votes of one pair and outcome",
                       UINT32_MAX);
    *at += count;
    tally->votes += count;
    return true;
}

bool tally_remove(struct tally *tally, size_t a, size_t b, enum outcome outcome)
{
    uint32_t *at = counter(tally, a, b, outcome);
    if (*at == 0)
        return false;
    --*at;
    --tally->votes;
    return true;
}

/* Adds a cell of the pair (i, j), i < j in its own tally, to the pair (a, b) here, keeping who
 * was shown first. */
static bool add_cell(struct tally *tally, size_t a, size_t b, const struct tally_cell *cell,
                     struct err *err)
{
    for (int outcome = 0; outcome < OUTCOMES; outcome++) {
        enum outcome mirrored = outcome_mirror((enum outcome)outcome);
        if (cell->count[0][outcome] &&
            !tally_add(tally, a, b, (enum outcome)outcome, cell->count[0][outcome], err))
            return false;
        if (cell->count[1][outcome] &&
            !tally_add(tally, b, a, mirrored, cell->count[1][outcome], err))
            return false;
    }
    return true;
}

bool tally_merge(struct tally *into, const struct tally *from, const uint32_t *map, struct err *err)
{
    for (size_t j = 1; j < from->models; j++) {
        for (size_t i = 0; i < j; i++) {
            size_t a = map ? map[i] : i, b = map ? map[j] : j;
            if (!add_cell(into, a, b, tally_cell(from, i, j), err))
                return false;
        }
    }
    return true;
}

bool tally_copy(struct tally *into, const struct tally *from, struct err *err)
{
    tally_clear(into);
    if (!tally_grow(into, from->models, err))
        return false;
    into->models = from->models;
    if (from->models > 1)
        memcpy(into->cells, from->cells, cells_of(from->models) * sizeof *from->cells);
    into->votes = from->votes;
    return true;
}

bool tally_select(struct tally *into, const struct tally *from, const int32_t *map, size_t models,
                  struct err *err)
{
    tally_clear(into);
    if (!tally_grow(into, models, err))
        return false;
    for (size_t j = 1; j < from->models; j++) {
        for (size_t i = 0; i < j; i++) {
            if (map[i] < 0 || map[j] < 0)
                continue;
            if (!add_cell(into, (size_t)map[i], (size_t)map[j], tally_cell(from, i, j), err))
                return false;
        }
    }
    return true;
}

const struct tally_cell *tally_cell(const struct tally *tally, size_t i, size_t j)
{
    return &tally->cells[cell_index(i, j)];
}

uint64_t tally_count(const struct tally *tally, size_t a, size_t b, enum outcome outcome)
{
    if (a == b)
        return 0;
    return (uint64_t)*counter(tally, a, b, outcome) +
           *counter(tally, b, a, outcome_mirror(outcome));
}

uint64_t tally_pair(const struct tally *tally, size_t a, size_t b)
{
    uint64_t votes = 0;
    for (int outcome = 0; outcome < OUTCOMES; outcome++)
        votes += tally_count(tally, a, b, (enum outcome)outcome);
    return votes;
}

struct tally_record tally_record(const struct tally *tally, size_t model)
{
    struct tally_record record = {0};
    for (size_t other = 0; other < tally->models; other++) {
        record.wins += tally_count(tally, model, other, OUTCOME_A);
        record.losses += tally_count(tally, model, other, OUTCOME_B);
        record.ties += tally_count(tally, model, other, OUTCOME_TIE);
        record.both_bad += tally_count(tally, model, other, OUTCOME_BOTH_BAD);
    }
    record.votes = record.wins + record.losses + record.ties + record.both_bad;
    return record;
}

static void add_record(struct tally_record *record, uint64_t wins, uint64_t losses, uint64_t ties,
                       uint64_t both_bad)
{
    record->wins += wins;
    record->losses += losses;
    record->ties += ties;
    record->both_bad += both_bad;
    record->votes += wins + losses + ties + both_bad;
}

void tally_records(const struct tally *tally, struct tally_record *records)
{
    const struct tally_cell *cell = tally->cells;
    memset(records, 0, tally->models * sizeof *records);
    for (size_t j = 1; j < tally->models; j++) {
        for (size_t i = 0; i < j; i++, cell++) {
            uint64_t sum[OUTCOMES];
            for (int o = 0; o < OUTCOMES; o++)
                sum[o] = (uint64_t)cell->count[0][o] + cell->count[1][o];
            add_record(&records[i], sum[OUTCOME_A], sum[OUTCOME_B], sum[OUTCOME_TIE],
                       sum[OUTCOME_BOTH_BAD]);
            add_record(&records[j], sum[OUTCOME_B], sum[OUTCOME_A], sum[OUTCOME_TIE],
                       sum[OUTCOME_BOTH_BAD]);
        }
    }
}
