/* One pass over the votes. Versions become model numbers as they first appear; voters and
 * prompts become the small numbers that clustered intervals want. */
#include "board/stored.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "board/hash.h"
#include "board/row.h"
#include "board/select.h"
#include "board/style.h"
#include "store/vote_rows.h"

#define DAY_MS INT64_C(86400000)

struct stored_state {
    struct stored_filter filter;
    struct hash_keys voters, prompts;
    struct hash_keys days; /* a voter's days, and how many votes of each count so far */
    uint32_t *cast;
    size_t cast_room;
    struct row_spec spec;
    struct select select;
};

struct loading {
    struct stored_votes *votes;
    struct stored_state *state;
    struct buf scratch;
    struct err *err;
    bool failed;
};

/* Outcomes and stored winners are the same four, named apart in two rooms that do not know each
 * other. */
static enum outcome outcome_of(enum winner winner)
{
    static const enum outcome OUTCOME[] = {
        [WINNER_A] = OUTCOME_A,
        [WINNER_B] = OUTCOME_B,
        [WINNER_TIE] = OUTCOME_TIE,
        [WINNER_BOTH_BAD] = OUTCOME_BOTH_BAD,
    };
    return OUTCOME[winner];
}

static bool model_of(struct loading *loading, int64_t version, size_t *model)
{
    struct stored_votes *votes = loading->votes;
    for (*model = 0; *model < votes->models; ++*model)
        if (votes->versions[*model] == version)
            return true;
    if (!tally_grow(&votes->tally, votes->models + 1, loading->err))
        return false;
    int64_t *versions = realloc(votes->versions, (votes->models + 1) * sizeof *versions);
    if (!versions)
        return err_set(loading->err, ERR_MEMORY, "out of memory");
    votes->versions = versions;
    versions[votes->models++] = version;
    return true;
}

static bool number_of(struct hash_keys *keys, uint64_t key, uint32_t *number)
{
    bool added;
    *number = BALLOT_NONE;
    return key == 0 || hash_keys_add(keys, key, number, &added);
}

static bool is_wanted(struct loading *loading, const struct vote_row *row)
{
    struct row_field fields[ROW_FIELDS_MAX];
    const char *skip;
    uint32_t lines = 0;
    bool blank = false;
    if (!loading->state->select.count && !loading->state->select.decisive)
        return true;
    struct text tags = row->tags.length ? row->tags : TEXT("{}");
    return row_read(&loading->state->spec, tags.data, tags.data + tags.length, fields, &blank,
                    &lines, &skip, NULL) &&
           select_matches(&loading->state->select, &loading->state->spec, fields,
                          outcome_of(row->winner), &loading->scratch);
}

/* False where the counts of a side are not known: then nothing is said of either, x = 0. */
static bool style_of(const struct vote_row *row, float x[STYLE_FEATURES])
{
    const struct style_counts *counts[2] = {&row->style_a, &row->style_b};
    struct style style[2];
    memset(x, 0, STYLE_FEATURES * sizeof *x);
    for (int i = 0; i < 2; i++) {
        int64_t count[STYLE_FEATURES] = {[STYLE_TOKENS] = counts[i]->tokens,
                                         [STYLE_HEADERS] = counts[i]->headers,
                                         [STYLE_LISTS] = counts[i]->lists,
                                         [STYLE_BOLD] = counts[i]->bold};
        for (int k = 0; k < STYLE_FEATURES; k++) {
            if (count[k] < 0)
                return false;
            style[i].count[k] = (double)count[k];
        }
    }
    style_difference(&style[0], &style[1], x);
    return true;
}

static uint16_t day_of(const struct vote_row *row)
{
    int64_t day = row->at_ms / DAY_MS;
    return day > 0 && day <= UINT16_MAX ? (uint16_t)day : 0;
}

static bool add(struct loading *loading, const struct vote_row *row)
{
    struct stored_votes *votes = loading->votes;
    struct ballot ballot = {.outcome = (uint8_t)outcome_of(row->winner), .day = day_of(row)};
    float x[STYLE_FEATURES];
    size_t a, b;
    if (!model_of(loading, row->version_a, &a) || !model_of(loading, row->version_b, &b))
        return false;
    if (a == b)
        return true; /* an A/A battle measures the voters, not the models */
    ballot.a = (uint16_t)a;
    ballot.b = (uint16_t)b;
    if (!number_of(&loading->state->voters, (uint64_t)row->voter, &ballot.voter) ||
        !number_of(&loading->state->prompts, row->prompt, &ballot.prompt))
        return err_set(loading->err, ERR_MEMORY, "out of memory");
    if (loading->state->filter.weighted && !(row->probability > 0)) {
        votes->undrawn++;
        return true;
    }
    votes->votes++;
    if (loading->state->filter.style)
        votes->unstyled += !style_of(row, x);
    if (!tally_add(&votes->tally, a, b, outcome_of(row->winner), 1, loading->err) ||
        !ballots_add(&votes->ballots, ballot, x, loading->err))
        return false;
    if (loading->state->filter.weighted)
        ballots_weigh(&votes->ballots, (float)(1 / row->probability));
    return true;
}

/* What a person casts in the arena past the day's number is left out, whatever the board is of.
 * False without memory. */
static bool is_over_cap(struct loading *loading, const struct vote_row *row, bool *over)
{
    struct stored_state *state = loading->state;
    int64_t key[2] = {row->voter, row->at_ms / DAY_MS};
    uint32_t day;
    bool added;
    *over = false;
    if (!state->filter.daily_votes || !row->voter || row->source == BATTLE_IMPORT ||
        row->judge != JUDGE_HUMAN)
        return true;
    if (!hash_keys_add(&state->days, hash_bytes((const char *)key, sizeof key), &day, &added))
        return err_set(loading->err, ERR_MEMORY, "out of memory");
    if (day >= state->cast_room) {
        size_t room = 2 * ((size_t)day + 32);
        uint32_t *cast = realloc(state->cast, room * sizeof *cast);
        if (!cast)
            return err_set(loading->err, ERR_MEMORY, "out of memory");
        state->cast = cast;
        state->cast_room = room;
    }
    if (added)
        state->cast[day] = 0;
    *over = state->cast[day] >= state->filter.daily_votes;
    state->cast[day] += !*over;
    return true;
}

static bool on_vote(void *user, const struct vote_row *row)
{
    struct loading *loading = user;
    if (loading->state->filter.up_to && row->seq > loading->state->filter.up_to)
        return false;
    loading->votes->last_seq = row->seq;
    if (row->counted != VOTE_COUNTED) {
        loading->votes->not_counted++;
        return true;
    }
    bool over;
    loading->failed = !is_over_cap(loading, row, &over);
    if (loading->failed || over) {
        loading->votes->over_cap += over;
        return !loading->failed;
    }
    if (loading->votes->catalogue)
        catalogue_add(loading->votes->catalogue, row->tags, outcome_of(row->winner));
    if (is_wanted(loading, row) && !add(loading, row))
        loading->failed = true;
    return !loading->failed;
}

bool stored_is_newest(const struct versions *versions, const struct version_record *record,
                      int64_t until)
{
    for (size_t i = 0; i < versions->count; i++) {
        const struct version_record *other = &versions->list[i];
        if (until && other->id > until)
            continue;
        if (other->competitor == record->competitor && other->imported <= record->imported &&
            (other->imported < record->imported || other->id > record->id))
            return false;
    }
    return true;
}

static bool label_until(const struct versions *versions, int64_t version, int64_t until,
                        struct buf *out)
{
    const struct version_record *record = versions_find(versions, version);
    if (!record || !buf_add_string(out, record->name))
        return false;
    if (stored_is_newest(versions, record, until))
        return true;
    return record->imported ? buf_add_string(out, "@imported")
                            : buf_printf(out, "@%.8s", record->digest);
}

bool stored_label(const struct versions *versions, int64_t version, struct buf *out)
{
    return label_until(versions, version, 0, out);
}

static void forget_names(struct stored_votes *votes)
{
    for (size_t i = 0; votes->names && i < votes->named; i++)
        free(votes->names[i]);
    free(votes->names);
    votes->names = NULL;
    votes->named = 0;
}

static bool name_models(struct stored_votes *votes, struct db *db, struct err *err)
{
    struct versions versions;
    if (!versions_load(db, &versions, err))
        return false;
    forget_names(votes);
    votes->names = calloc(votes->models ? votes->models : 1, sizeof *votes->names);
    votes->named = votes->names ? votes->models : 0;
    bool ok = votes->names != NULL;
    int64_t until = votes->state->filter.versions;
    votes->last_version = versions.count ? versions.list[versions.count - 1].id : 0;
    for (size_t i = 0; ok && i < votes->models; i++) {
        struct buf label;
        buf_init(&label, 1024);
        ok = label_until(&versions, votes->versions[i], until, &label) &&
             (votes->names[i] = buf_take(&label, NULL));
        buf_done(&label);
    }
    versions_done(&versions);
    return ok || err_set(err, ERR_STORE, "a vote's competitor version cannot be found");
}

static void write_notes(struct stored_votes *votes)
{
    const struct {
        uint64_t votes;
        const char *words;
    } said[] = {
        {votes->unstyled, "do not say how their answers look: there both sides count as alike"},
        {votes->over_cap, "were left out: a voter's votes beyond the day's number do not count"},
        {votes->undrawn,
         "were left out: nobody knows with which probability their pair was drawn"}};
    size_t count = 0;
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        if (!said[i].votes)
            continue;
        snprintf(votes->note[count], sizeof votes->note[count], "%" PRIu64 " votes %s",
                 said[i].votes, said[i].words);
        votes->notes[count] = votes->note[count];
        count++;
    }
    votes->notes[count] = NULL;
}

void stored_votes_voters(const struct stored_votes *votes, int64_t *number)
{
    const struct hash_keys *keys = &votes->state->voters;
    for (size_t i = 0; i < keys->capacity; i++)
        if (keys->keys[i])
            number[keys->values[i]] = (int64_t)keys->keys[i];
}

struct leaderboard_votes stored_votes_input(const struct stored_votes *votes)
{
    return (struct leaderboard_votes){.tally = &votes->tally,
                                      .names = (const char *const *)votes->names,
                                      .ballots = &votes->ballots,
                                      .features = votes->ballots.features ? STYLE_NAMES : NULL,
                                      .notes = votes->notes};
}

bool stored_votes_more(struct stored_votes *votes, struct db *db, struct err *err)
{
    struct stored_state *state = votes->state;
    struct loading loading = {.votes = votes, .state = state, .err = err};
    struct vote_filter filter = VOTE_FILTER_ALL;
    filter.after = votes->last_seq;
    filter.judge = state->filter.judge;
    filter.with_tags = state->select.count > 0 || votes->catalogue;
    buf_init(&loading.scratch, 1 << 20);
    bool ok = votes_each(db, &filter, on_vote, &loading, err) && !loading.failed;
    buf_done(&loading.scratch);
    votes->ballots.voters = state->voters.count;
    votes->ballots.prompts = state->prompts.count;
    write_notes(votes);
    return ok && name_models(votes, db, err);
}

static bool choose(struct stored_state *state, const struct stored_filter *filter, struct err *err)
{
    state->filter = *filter;
    if (!filter->category || strcmp(filter->category, "overall") == 0)
        return true;
    return select_category(&state->select, &state->spec, filter->category, err);
}

struct stored_votes *stored_votes_load(struct db *db, const struct stored_filter *filter,
                                       struct err *err)
{
    struct stored_votes *votes = calloc(1, sizeof *votes);
    struct stored_state *state = calloc(1, sizeof *state);
    if (!votes || !state) {
        free(votes);
        free(state);
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    votes->state = state;
    tally_init(&votes->tally);
    ballots_init(&votes->ballots, filter->style ? STYLE_FEATURES : 0);
    votes->ballots.weighted = filter->weighted;
    hash_keys_init(&state->days, false);
    hash_keys_init(&state->voters, false);
    hash_keys_init(&state->prompts, false);
    bool good = !filter->catalogue || (votes->catalogue = catalogue_new(err));
    if (good && choose(state, filter, err) && stored_votes_more(votes, db, err))
        return votes;
    stored_votes_free(votes);
    return NULL;
}

void stored_votes_free(struct stored_votes *votes)
{
    if (!votes)
        return;
    forget_names(votes);
    hash_keys_done(&votes->state->voters);
    hash_keys_done(&votes->state->prompts);
    hash_keys_done(&votes->state->days);
    catalogue_free(votes->catalogue);
    free(votes->state->cast);
    free(votes->state);
    free(votes->versions);
    ballots_done(&votes->ballots);
    tally_done(&votes->tally);
    free(votes);
}
