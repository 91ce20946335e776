/* The daily number depends on the votes before, so it needs them all and in order; whatever else is
 * left out is left out first, and so takes nobody's place. */
#include "board/sieve.h"

#include <stdlib.h>

#include "board/hash.h"
#include "store/exclusions.h"

#define DAY_MS INT64_C(86400000)

struct left_out {
    int64_t voter, from_ms; /* 0: all of its votes */
    enum sieve_reason reason;
};

struct sieve {
    struct sieve_options options; /* `without` is in `out` */
    struct left_out *out;
    size_t count, room;
    struct hash_keys days; /* a voter's days, and how many votes of each count so far */
    uint32_t *cast;
    size_t cast_room;
};

static bool leave_out(struct sieve *sieve, struct left_out one)
{
    if (sieve->count == sieve->room) {
        size_t room = 2 * sieve->room + 16;
        struct left_out *out = realloc(sieve->out, room * sizeof *out);
        if (!out)
            return false;
        sieve->out = out;
        sieve->room = room;
    }
    sieve->out[sieve->count++] = one;
    return true;
}

static int by_voter(const void *a, const void *b)
{
    const struct left_out *one = a, *other = b;
    return (one->voter > other->voter) - (one->voter < other->voter);
}

struct listing {
    struct sieve *sieve;
    bool failed;
};

static bool take_exclusion(void *user, const struct exclusion_record *record)
{
    struct listing *listing = user;
    struct left_out one = {record->voter, record->from_ms, SIEVE_EXCLUDED};
    listing->failed = !leave_out(listing->sieve, one);
    return !listing->failed;
}

static bool fill(struct sieve *sieve, struct db *db, struct err *err)
{
    struct sieve_options *options = &sieve->options;
    struct listing listing = {.sieve = sieve};
    for (size_t i = 0; i < options->without_count && !listing.failed; i++)
        listing.failed =
            !leave_out(sieve, (struct left_out){options->without[i], 0, SIEVE_WITHOUT});
    options->without = NULL;
    if ((options->exclusions == SIEVE_NOW && !exclusions_last(db, &options->exclusions, err)) ||
        (options->exclusions &&
         !exclusions_each(db, options->exclusions, take_exclusion, &listing, err)))
        return false;
    if (sieve->count)
        qsort(sieve->out, sieve->count, sizeof *sieve->out, by_voter);
    return !listing.failed || err_set(err, ERR_MEMORY, "out of memory");
}

struct sieve *sieve_new(struct db *db, const struct sieve_options *options, struct err *err)
{
    struct sieve *sieve = calloc(1, sizeof *sieve);
    if (!sieve) {
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    sieve->options = *options;
    hash_keys_init(&sieve->days, false);
    if (fill(sieve, db, err))
        return sieve;
    sieve_free(sieve);
    return NULL;
}

void sieve_free(struct sieve *sieve)
{
    if (!sieve)
        return;
    hash_keys_done(&sieve->days);
    free(sieve->cast);
    free(sieve->out);
    free(sieve);
}

int64_t sieve_exclusions(const struct sieve *sieve)
{
    return sieve->options.exclusions;
}

static enum sieve_reason look_up(const struct sieve *sieve, const struct vote_row *row)
{
    size_t low = 0, high = row->voter ? sieve->count : 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (sieve->out[middle].voter < row->voter)
            low = middle + 1;
        else
            high = middle;
    }
    for (; row->voter && low < sieve->count && sieve->out[low].voter == row->voter; low++)
        if (row->at_ms >= sieve->out[low].from_ms)
            return sieve->out[low].reason;
    return SIEVE_COUNTS;
}

static bool is_persons(const struct vote_row *row)
{
    return row->voter && row->source != BATTLE_IMPORT && row->judge == JUDGE_HUMAN;
}

static enum sieve_reason count_day(struct sieve *sieve, const struct vote_row *row)
{
    int64_t key[2] = {row->voter, row->at_ms / DAY_MS};
    uint32_t day;
    bool added;
    if (!hash_keys_add(&sieve->days, hash_bytes((const char *)key, sizeof key), &day, &added))
        return SIEVE_FAILED;
    if (day >= sieve->cast_room) {
        size_t room = 2 * ((size_t)day + 32);
        uint32_t *cast = realloc(sieve->cast, room * sizeof *cast);
        if (!cast)
            return SIEVE_FAILED;
        sieve->cast = cast;
        sieve->cast_room = room;
    }
    if (added)
        sieve->cast[day] = 0;
    if (sieve->cast[day] >= sieve->options.daily_votes)
        return SIEVE_DAILY;
    sieve->cast[day]++;
    return SIEVE_COUNTS;
}

enum sieve_reason sieve_pass(struct sieve *sieve, const struct vote_row *row)
{
    const struct sieve_options *options = &sieve->options;
    if (row->counted != VOTE_COUNTED)
        return SIEVE_STORED;
    enum sieve_reason reason = look_up(sieve, row);
    if (reason != SIEVE_COUNTS)
        return reason;
    if (options->without_staff && row->staff)
        return SIEVE_STAFF;
    if (options->without_recognised && row->recognised_ms &&
        (!options->remarked_by_ms || row->recognised_ms <= options->remarked_by_ms))
        return SIEVE_RECOGNISED;
    if (options->fast_ms && row->read_ms >= 0 && row->read_ms < options->fast_ms &&
        row->judge == JUDGE_HUMAN)
        return SIEVE_FAST;
    return options->daily_votes && is_persons(row) ? count_day(sieve, row) : SIEVE_COUNTS;
}

enum vote_counted sieve_counted(enum sieve_reason reason, const struct vote_row *row)
{
    switch (reason) {
    case SIEVE_DAILY:
        return VOTE_DAILY_CAP;
    case SIEVE_EXCLUDED:
    case SIEVE_WITHOUT:
    case SIEVE_FAST:
    case SIEVE_STAFF:
    case SIEVE_RECOGNISED:
        return VOTE_EXCLUDED;
    default:
        return row->counted;
    }
}

/* --- every vote at once --- */

struct marking {
    struct sieve *sieve;
    struct sieve_marks *marks;
};

static bool mark(void *user, const struct vote_row *row)
{
    struct marking *marking = user;
    struct sieve_marks *marks = marking->marks;
    while (marks->count <= (size_t)row->seq) {
        if (marks->count == marks->room) {
            size_t room = 2 * marks->room + 1024;
            uint8_t *counted = realloc(marks->counted, room);
            marks->failed = !counted;
            if (!counted)
                return false;
            marks->counted = counted;
            marks->room = room;
        }
        marks->counted[marks->count++] = VOTE_COUNTED;
    }
    enum sieve_reason reason = sieve_pass(marking->sieve, row);
    marks->counted[row->seq] = (uint8_t)sieve_counted(reason, row);
    marks->failed = reason == SIEVE_FAILED;
    return !marks->failed;
}

bool sieve_marks_load(struct sieve_marks *marks, struct db *db, const struct sieve_options *options,
                      struct err *err)
{
    struct vote_filter filter = VOTE_FILTER_ALL;
    *marks = (struct sieve_marks){.counted = NULL};
    struct marking marking = {sieve_new(db, options, err), marks};
    bool good = marking.sieve && votes_each(db, &filter, mark, &marking, err);
    sieve_free(marking.sieve);
    return good && (!marks->failed || err_set(err, ERR_MEMORY, "out of memory"));
}

void sieve_marks_done(struct sieve_marks *marks)
{
    free(marks->counted);
    *marks = (struct sieve_marks){.counted = NULL};
}

enum vote_counted sieve_marks_of(const struct sieve_marks *marks, int64_t seq)
{
    return seq >= 0 && (size_t)seq < marks->count ? (enum vote_counted)marks->counted[seq]
                                                  : VOTE_COUNTED;
}
