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
        return &tally->cells[tally_cell_index(a, b)].count[0][outcome];
    return &tally->cells[tally_cell_index(b, a)].count[1][outcome_mirror(outcome)];
}

static bool count_more(struct tally *tally, uint32_t *counter, uint32_t count, struct err *err)
{
    if (*counter > UINT32_MAX - count)
        return err_set(err, ERR_TOO_LARGE, "more than %u votes of one pair and outcome",
                       UINT32_MAX);
    *counter += count;
    tally->votes += count;
    return true;
}

bool tally_add(struct tally *tally, size_t a, size_t b, enum outcome outcome, uint32_t count,
               struct err *err)
{
    return count_more(tally, counter(tally, a, b, outcome), count, err);
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
    bool turned = a > b;
    struct tally_cell *into =
        &tally->cells[turned ? tally_cell_index(b, a) : tally_cell_index(a, b)];
    bool ok = true;
    for (int outcome = 0; ok && outcome < OUTCOMES; outcome++) {
        enum outcome here = turned ? outcome_mirror((enum outcome)outcome) : (enum outcome)outcome;
        ok = count_more(tally, &into->count[turned][here], cell->count[0][outcome], err) &&
             count_more(tally, &into->count[!turned][here], cell->count[1][outcome], err);
    }
    return ok;
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

uint64_t tally_count(const struct tally *tally, size_t a, size_t b, enum outcome outcome)
{
    if (a == b)
        return 0;
    return (uint64_t)*counter(tally, a, b, outcome) +
           *counter(tally, b, a, outcome_mirror(outcome));
}

uint32_t tally_kind(size_t a, size_t b, enum outcome outcome)
{
    if (a < b)
        return (uint32_t)(tally_cell_index(a, b) * OUTCOMES + outcome);
    return (uint32_t)(tally_cell_index(b, a) * OUTCOMES + outcome_mirror(outcome));
}

size_t tally_kinds(size_t models)
{
    return cells_of(models) * OUTCOMES;
}

static void add_record(struct tally_record *record, struct tally_record more)
{
    record->votes += more.votes;
    record->wins += more.wins;
    record->losses += more.losses;
    record->ties += more.ties;
    record->both_bad += more.both_bad;
}

struct tally_record tally_record(const struct tally *tally, size_t model)
{
    struct tally_record record = {0};
    for (size_t other = 0; other < tally->models; other++)
        if (other != model)
            add_record(&record, tally_met(tally, model, other));
    return record;
}

void tally_records(const struct tally *tally, struct tally_record *records)
{
    const struct tally_cell *cell = tally->cells;
    memset(records, 0, tally->models * sizeof *records);
    for (size_t j = 1; j < tally->models; j++) {
        for (size_t i = 0; i < j; i++, cell++) {
            add_record(&records[i], tally_cell_record(cell, false));
            add_record(&records[j], tally_cell_record(cell, true));
        }
    }
}

uint64_t tally_pair(const struct tally *tally, size_t a, size_t b)
{
    return a == b ? 0 : tally_met(tally, a, b).votes;
}
