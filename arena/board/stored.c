/* One pass over the votes. Versions become model numbers as they first appear; voters and
 * prompts become the small numbers that clustered intervals want. */
#include "board/stored.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "board/codes.h"
#include "board/hash.h"
#include "board/row.h"
#include "board/select.h"
#include "board/style.h"
#include "store/battle_tags.h"
#include "store/exclusions.h"
#include "store/vote_rows.h"
#include "store/votes.h"

#define DAY_MS INT64_C(86400000)
#define CATALOGUE_SECONDS 60 /* new tags show among the categories by then */

struct stored_state {
    struct stored_filter filter;
    struct sieve *sieve;
    int64_t loaded_ns;
    struct hash_keys voters, prompts;
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

static bool no_memory(struct err *err)
{
    return err_set(err, ERR_MEMORY, "out of memory");
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

static bool on_vote(void *user, const struct vote_row *row)
{
    struct loading *loading = user;
    struct stored_votes *votes = loading->votes;
    if (loading->state->filter.up_to && row->seq > loading->state->filter.up_to)
        return false;
    votes->last_seq = row->seq;
    enum sieve_reason reason = sieve_pass(loading->state->sieve, row);
    if (reason != SIEVE_COUNTS) {
        votes->left_out[reason]++;
        loading->failed = reason == SIEVE_FAILED && !no_memory(loading->err);
        return !loading->failed;
    }
    if (votes->catalogue)
        catalogue_add(votes->catalogue, row->tags, outcome_of(row->winner));
    loading->failed = is_wanted(loading, row) && !add(loading, row);
    return !loading->failed;
}

/* Failures count for people's boards: whoever read the answers that did come is a person. */
static bool on_loss(void *user, const struct vote_row *row)
{
    struct loading *loading = user;
    if (!is_wanted(loading, row))
        return true;
    uint64_t before = loading->votes->votes;
    loading->failed = !add(loading, row);
    loading->votes->losses += loading->votes->votes - before;
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

bool stored_votes_mask(struct stored_votes *votes, const struct codes *codes)
{
    for (size_t i = 0; i < votes->named; i++) {
        const char *shown = codes_shown(codes, votes->names[i]);
        char *copy = shown == votes->names[i] ? NULL : strdup(shown);
        if (shown != votes->names[i] && !copy)
            return false;
        if (copy)
            free(votes->names[i]);
        votes->names[i] = copy ? copy : votes->names[i];
    }
    return true;
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
    votes->last_version = until ? until : versions.count ? versions.list[versions.count - 1].id : 0;
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

/* Which warnings stand on the board, with their numbers. */
static size_t write_counts(struct stored_votes *votes)
{
    const uint64_t *out = votes->left_out;
    const struct {
        uint64_t votes;
        const char *words;
    } said[] = {
        {votes->unstyled, "votes do not say how their answers look: there both sides count as "
                          "alike"},
        {out[SIEVE_DAILY],
         "votes were left out: a voter's votes beyond the day's number do not count"},
        {votes->undrawn,
         "votes were left out: nobody knows with which probability their pair was drawn"},
        {out[SIEVE_EXCLUDED], "votes were left out: their voters are excluded"},
        {out[SIEVE_WITHOUT] + out[SIEVE_STAFF] + out[SIEVE_FAST],
         "votes were left out, as asked for: of voters, of staff, or after too short a look"},
        {out[SIEVE_RECOGNISED],
         "votes were left out, as asked for: their voters recognised a model"},
        {votes->losses, "of the votes are nobody's: a competitor failed to answer (void, swapped "
                        "out), which counts as its loss here"}};
    size_t count = 0;
    for (size_t i = 0; i < sizeof said / sizeof *said; i++)
        if (said[i].votes)
            snprintf(votes->note[count++], sizeof votes->note[0], "%" PRIu64 " %s", said[i].votes,
                     said[i].words);
    return count;
}

static void write_notes(struct stored_votes *votes)
{
    size_t count = write_counts(votes);
    for (size_t i = 0; i < count; i++)
        votes->notes[i] = votes->note[i];
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
                                      .groups =
                                          votes->state->filter.grouped ? &votes->groups : NULL,
                                      .features = votes->ballots.features ? STYLE_NAMES : NULL,
                                      .notes = votes->notes};
}

/* --- how far the other lists go --- */

struct tagger_now {
    int64_t id;
};

static void take_tagger(void *user, const struct tagger_record *record)
{
    ((struct tagger_now *)user)->id = record->id;
}

/* Up to where this filter reads, with what it leaves open found in the store. */
static bool find_marks(const struct stored_filter *filter, struct db *db, struct stored_marks *out,
                       struct err *err)
{
    struct tagger_now tagger;
    *out = filter->marks;
    if (out->exclusions == SIEVE_NOW && !exclusions_last(db, &out->exclusions, err))
        return false;
    if (out->tagger == SIEVE_NOW) {
        if (!taggers_current(db, take_tagger, &tagger, err) ||
            !battle_tags_last(db, &out->tags, err))
            return false;
        out->tagger = tagger.id;
    }
    if (!filter->losses)
        out->losses = 0;
    return out->losses != SIEVE_NOW || losses_last(db, &out->losses, err);
}

bool stored_marks_now(struct db *db, struct stored_marks *out, struct err *err)
{
    struct stored_filter filter = {.marks = STORED_MARKS_NOW, .losses = true};
    return find_marks(&filter, db, out, err);
}

bool stored_votes_stale(const struct stored_votes *votes, struct db *db, bool *stale,
                        struct err *err)
{
    const struct stored_state *state = votes->state;
    struct stored_marks now;
    if (!find_marks(&state->filter, db, &now, err))
        return false;
    bool tags = now.tagger != votes->marks.tagger || now.tags != votes->marks.tags;
    bool counts =
        votes->catalogue && clock_mono_ns() - state->loaded_ns > CATALOGUE_SECONDS * CLOCK_S;
    *stale =
        now.exclusions != votes->marks.exclusions || (tags && (state->select.count > 0 || counts));
    return true;
}

bool stored_judge(struct db *db, const struct stored_votes *votes, int *judge, struct err *err)
{
    bool had = votes && votes->votes > votes->losses && votes->state->filter.judge >= 0, people,
         models = false;
    if (had && votes->state->filter.judge == JUDGE_HUMAN) {
        *judge = JUDGE_HUMAN;
        return true;
    }
    if (!votes_judged(db, JUDGE_HUMAN, had ? votes->last_seq : 0, &people, err) ||
        (!people && !had && !votes_judged(db, JUDGE_MODEL, 0, &models, err)))
        return false;
    *judge = !people && (had || models) ? JUDGE_MODEL : JUDGE_HUMAN;
    return true;
}

static bool read_losses(struct loading *loading, struct db *db)
{
    struct stored_votes *votes = loading->votes;
    struct loss_filter filter = {
        .after = votes->marks.losses, .tagger = votes->marks.tagger, .tags = votes->marks.tags};
    struct stored_marks now;
    if (!loading->state->filter.losses || loading->state->filter.judge == JUDGE_MODEL)
        return true;
    if (!find_marks(&loading->state->filter, db, &now, loading->err))
        return false;
    filter.up_to = now.losses;
    votes->marks.losses = now.losses;
    return losses_each(db, &filter, on_loss, loading, loading->err) && !loading->failed;
}

bool stored_votes_more(struct stored_votes *votes, struct db *db, struct err *err)
{
    struct stored_state *state = votes->state;
    struct loading loading = {.votes = votes, .state = state, .err = err};
    struct vote_filter filter = VOTE_FILTER_ALL;
    filter.after = votes->last_seq;
    filter.judge = state->filter.judge;
    filter.campaign = state->filter.campaign;
    filter.with_tags = state->select.count > 0 || votes->catalogue;
    filter.tagger = votes->marks.tagger;
    filter.tags = votes->marks.tags;
    uint8_t hash[DIGEST_SIZE];
    int64_t last;
    buf_init(&loading.scratch, 1 << 20);
    bool ok = votes_last(db, &last, hash, err) && votes_each(db, &filter, on_vote, &loading, err) &&
              !loading.failed && read_losses(&loading, db);
    if (ok && state->filter.up_to && last > state->filter.up_to)
        last = state->filter.up_to;
    if (ok && last > votes->last_seq)
        votes->last_seq = last; /* the last votes may be another kind of judge's */
    buf_done(&loading.scratch);
    votes->ballots.voters = state->voters.count;
    votes->ballots.prompts = state->prompts.count;
    write_notes(votes);
    return ok && (!state->filter.grouped || groups_follow(&votes->groups, &votes->ballots, err)) &&
           name_models(votes, db, err);
}

static bool same_category(const char *one, const char *other)
{
    return strcmp(one ? one : "overall", other ? other : "overall") == 0;
}

bool stored_votes_lead_to(const struct stored_votes *votes, const struct stored_filter *filter)
{
    const struct stored_filter *had = &votes->state->filter;
    const struct stored_marks *marks = &votes->marks;
    bool tagged = votes->state->select.count > 0;
    return had->up_to > 0 && filter->up_to >= had->up_to &&
           same_category(had->category, filter->category) && had->judge == filter->judge &&
           !had->campaign && !filter->campaign && had->style == filter->style &&
           had->weighted == filter->weighted && had->grouped == filter->grouped &&
           had->daily_votes == filter->daily_votes && had->losses == filter->losses &&
           !had->without_count && !filter->without_count && had->fast_ms == filter->fast_ms &&
           had->without_staff == filter->without_staff && !had->without_recognised &&
           !filter->without_recognised && marks->exclusions == filter->marks.exclusions &&
           (!had->losses || marks->losses <= filter->marks.losses) &&
           (!tagged ||
            (marks->tagger == filter->marks.tagger && marks->tags == filter->marks.tags));
}

bool stored_votes_go_on(struct stored_votes *votes, struct db *db,
                        const struct stored_filter *filter, struct err *err)
{
    struct stored_filter *had = &votes->state->filter;
    had->up_to = filter->up_to;
    had->versions = filter->versions;
    had->marks = filter->marks;
    votes->marks.tagger = filter->marks.tagger;
    votes->marks.tags = filter->marks.tags;
    return stored_votes_more(votes, db, err);
}

static bool choose(struct stored_votes *votes, struct db *db, const struct stored_filter *filter,
                   struct err *err)
{
    struct stored_state *state = votes->state;
    struct sieve_options sieve = {.daily_votes = filter->daily_votes,
                                  .without = filter->without,
                                  .without_count = filter->without_count,
                                  .fast_ms = filter->fast_ms,
                                  .without_staff = filter->without_staff,
                                  .without_recognised = filter->without_recognised,
                                  .remarked_by_ms = filter->remarked_by_ms};
    state->filter = *filter;
    state->loaded_ns = clock_mono_ns();
    if (!find_marks(filter, db, &votes->marks, err))
        return false;
    votes->marks.losses = 0; /* none are read yet */
    sieve.exclusions = votes->marks.exclusions;
    if (!(state->sieve = sieve_new(db, &sieve, err)))
        return false;
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
    groups_init(&votes->groups, !filter->style && !filter->weighted);
    hash_keys_init(&state->voters, false);
    hash_keys_init(&state->prompts, false);
    bool good = !filter->catalogue || (votes->catalogue = catalogue_new(err));
    if (good && choose(votes, db, filter, err) && stored_votes_more(votes, db, err))
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
    sieve_free(votes->state->sieve);
    catalogue_free(votes->catalogue);
    free(votes->state);
    free(votes->versions);
    groups_done(&votes->groups);
    ballots_done(&votes->ballots);
    tally_done(&votes->tally);
    free(votes);
}
