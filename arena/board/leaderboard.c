/* The order of work: who can be ranked (enough votes, one connected and separable group), the
 * estimate over those alone, then one table best first. Everything is allocated in one object that
 * leaderboard_free takes apart. */
#include "board/leaderboard.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "board/detail.h"
#include "board/estimate.h"
#include "rating/bradley_terry.h"
#include "rating/cluster.h"
#include "rating/rank.h"

#define BEST_DRAWS 4096
#define WARNINGS_MAX 32
#define VOTES_FEW 20 /* of a model: with fewer, intervals hold less often than they say */

void leaderboard_options_init(struct leaderboard_options *options)
{
    *options = (struct leaderboard_options){.anchor_rating = RATING_INITIAL,
                                            .confidence = 0.95,
                                            .rounds = 100,
                                            .seed = 42,
                                            .threads = 1,
                                            .elo_k = 4,
                                            .initial = RATING_INITIAL,
                                            .scale = RATING_SCALE,
                                            .base = RATING_BASE};
}

bool leaderboard_options_check(const struct leaderboard_options *options, struct err *err)
{
    bool elo = options->method == LEADERBOARD_ELO, half = options->ties == LEADERBOARD_TIES_HALF;
    bool context = options->style || options->position;
    const struct {
        bool bad;
        const char *why;
    } RULES[] = {
        {elo && (!half || context || options->reweighted || options->compatible),
         "elo has no --ties, --style, --position, --reweighted or --compatible"},
        {elo && (options->interval == LEADERBOARD_CI_SANDWICH ||
                 options->interval == LEADERBOARD_CI_CLUSTERED),
         "elo has bootstrap intervals only"},
        {context && !half, "--style and --position count a tie as half; leave --ties out"},
        {!half && options->reweighted, "--reweighted counts a tie as half; leave --ties out"},
        {!half && options->compatible, "arena-rank counts a tie as half; leave --ties out"},
        {options->compatible && options->interval == LEADERBOARD_CI_CLUSTERED,
         "arena-rank has no clustered intervals"},
        {options->compatible && options->position,
         "arena-rank has no position term (its centring wipes it out)"},
        {options->weighted && (elo || !half || options->compatible),
         "--weight is for Bradley-Terry with a tie as half: leave --method, --ties and "
         "--compatible out"},
        {(context || !half || options->weighted) && options->interval == LEADERBOARD_CI_BOOTSTRAP,
         "the bootstrap is for plain Bradley-Terry and Elo; leave --ci out"},
    };
    for (size_t k = 0; k < sizeof RULES / sizeof *RULES; k++)
        if (RULES[k].bad)
            return err_set(err, ERR_BAD_REQUEST, "%s", RULES[k].why);
    return true;
}

/* Everything needed while a board is being made. */
struct build {
    const struct leaderboard_votes *votes;
    struct leaderboard *board;
    struct connect connect;
    struct tally ranked;          /* the ranked models' votes */
    int32_t *map;                 /* model -> ranked number, or -1 */
    uint32_t *models;             /* ranked number -> model */
    struct tally_record *records; /* of every model */
    struct estimate estimate;
    int32_t anchor; /* ranked number or -1 */
};

__attribute__((format(printf, 2, 3))) static void warn(struct leaderboard *board,
                                                       const char *format, ...)
{
    va_list args;
    char *line = NULL;
    if (board->warning_count == WARNINGS_MAX)
        return;
    va_start(args, format);
    if (vasprintf(&line, format, args) < 0)
        line = NULL;
    va_end(args);
    if (line)
        board->warnings[board->warning_count++] = line;
}

static bool no_memory(struct err *err)
{
    return err_set(err, ERR_MEMORY, "no memory for a leaderboard");
}

static bool start(struct build *build, const struct leaderboard_votes *votes,
                  const struct leaderboard_options *options, struct err *err)
{
    size_t n = votes->tally->models;
    *build = (struct build){.votes = votes, .anchor = -1};
    tally_init(&build->ranked);
    struct leaderboard *board = build->board = calloc(1, sizeof *board);
    build->map = calloc(n + 1, sizeof *build->map);
    build->models = calloc(n + 1, sizeof *build->models);
    build->records = calloc(n + 1, sizeof *build->records);
    if (!board || !build->map || !build->models || !build->records)
        return no_memory(err);
    board->options = *options;
    if (options->compatible && options->style)
        board->options.reweighted = true; /* that package's default for votes with a context */
    board->options.anchor = board->options.category = NULL;
    board->warnings = calloc(WARNINGS_MAX, sizeof *board->warnings);
    if (!board->warnings ||
        (options->anchor && !(board->options.anchor = strdup(options->anchor))) ||
        (options->category && !(board->options.category = strdup(options->category))))
        return no_memory(err);
    board->method = options->method == LEADERBOARD_ELO ? "elo" : "bt";
    board->interval = "none";
    board->votes = votes->tally->votes;
    board->skipped = votes->skipped;
    board->tie_parameter = board->loss = board->gradient = NAN;
    return true;
}

struct candidate {
    const char *name;
    struct tally_record record;
    uint32_t model;
};

/* Better records first: who won what share, of how many votes; only equals by name. */
static int by_record(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    double points_x = (double)(2 * x->record.wins + x->record.ties + x->record.both_bad),
           points_y = (double)(2 * y->record.wins + y->record.ties + y->record.both_bad);
    double share_x = points_x / (double)x->record.votes,
           share_y = points_y / (double)y->record.votes;
    if (share_x != share_y)
        return share_x < share_y ? 1 : -1;
    if (x->record.votes != y->record.votes)
        return x->record.votes < y->record.votes ? 1 : -1;
    if (x->record.wins != y->record.wins)
        return x->record.wins < y->record.wins ? 1 : -1;
    return strcmp(x->name, y->name);
}

/* Numbers the ranked models by their records, so that what is drawn by chance depends neither on
 * the order of the votes nor on the names. */
static bool number_ranked(struct build *build, size_t ranked, struct err *err)
{
    struct candidate *candidates = calloc(ranked + 1, sizeof *candidates);
    if (!candidates)
        return no_memory(err);
    for (size_t k = 0; k < ranked; k++) {
        uint32_t model = build->models[k];
        candidates[k] =
            (struct candidate){build->votes->names[model], build->records[model], model};
    }
    qsort(candidates, ranked, sizeof *candidates, by_record);
    for (size_t k = 0; k < ranked; k++) {
        build->models[k] = candidates[k].model;
        build->map[candidates[k].model] = (int32_t)k;
    }
    free(candidates);
    return true;
}

/* Online Elo ranks whoever has votes: it is a running score, defined whatever the outcomes. */
static bool find_ranked(struct build *build, struct err *err)
{
    const struct tally *tally = build->votes->tally;
    const struct leaderboard_options *options = &build->board->options;
    size_t n = tally->models;
    bool *keep = calloc(n + 1, sizeof *keep);
    if (!keep)
        return no_memory(err);
    tally_records(tally, build->records);
    for (size_t i = 0; i < n; i++)
        keep[i] = build->records[i].votes > 0 && build->records[i].votes >= options->min_votes;
    bool ok = connect_find(&build->connect, tally, keep, err);
    size_t ranked = 0;
    for (size_t i = 0; ok && i < n; i++) {
        bool in = options->method == LEADERBOARD_ELO ? keep[i]
                                                     : build->connect.reason[i] == CONNECT_RANKED;
        build->map[i] = -1;
        if (in)
            build->models[ranked++] = (uint32_t)i;
    }
    free(keep);
    return ok && number_ranked(build, ranked, err) &&
           tally_select(&build->ranked, tally, build->map, ranked, err);
}

static bool find_anchor(struct build *build, struct err *err)
{
    const char *anchor = build->board->options.anchor;
    if (!anchor)
        return true;
    for (size_t i = 0; i < build->votes->tally->models; i++) {
        if (strcmp(build->votes->names[i], anchor) != 0)
            continue;
        build->anchor = build->map[i];
        if (build->anchor < 0)
            warn(build->board,
                 "the anchor %s is not ranked; the ranked models' mean is 1000 instead", anchor);
        return true;
    }
    return err_set(err, ERR_BAD_REQUEST, "no model \"%s\" to anchor on", anchor);
}

static char *reason_text(const struct build *build, size_t model)
{
    static const char *const TEXTS[CONNECT_REASONS] = {
        [CONNECT_RANKED] = "",
        [CONNECT_NO_VOTES] = "no votes",
        [CONNECT_UNDEFEATED] = "undefeated: it has not lost or tied yet, so no finite rating fits",
        [CONNECT_WINLESS] = "winless: it has not won or tied yet, so no finite rating fits",
        [CONNECT_SEPARATED] = "not connected: no chain of votes leads to the ranked models",
        [CONNECT_ALWAYS_WON] =
            "its group has not lost to or tied with the ranked models, so no finite rating fits",
        [CONNECT_ALWAYS_LOST] =
            "its group has not beaten or tied with the ranked models, so no finite rating fits",
    };
    uint64_t votes = build->records[model].votes, least = build->board->options.min_votes;
    char *text = NULL;
    if (votes == 0 || votes >= least) {
        enum connect_reason reason = build->connect.reason[model];
        if (votes > 0 && reason == CONNECT_NO_VOTES) /* all its rivals have too few votes */
            reason = CONNECT_SEPARATED;
        return strdup(TEXTS[reason]);
    }
    if (asprintf(&text, "too few votes: %" PRIu64 " of %" PRIu64, votes, least) < 0)
        return NULL;
    return text;
}

static int by_votes(const void *a, const void *b)
{
    const struct leaderboard_unranked *x = a, *y = b;
    if (x->record.votes != y->record.votes)
        return x->record.votes < y->record.votes ? 1 : -1;
    return strcmp(x->name, y->name);
}

static bool list_unranked(struct build *build, struct err *err)
{
    struct leaderboard *board = build->board;
    size_t n = build->votes->tally->models;
    board->unranked = calloc(n - build->ranked.models + 1, sizeof *board->unranked);
    if (!board->unranked)
        return no_memory(err);
    for (size_t i = 0; i < n; i++) {
        if (build->map[i] >= 0 || (build->votes->absent_hidden && build->records[i].votes == 0))
            continue;
        struct leaderboard_unranked *row = &board->unranked[board->unranked_count++];
        row->model = (uint32_t)i;
        row->record = build->records[i];
        row->name = strdup(build->votes->names[i]);
        row->reason = reason_text(build, i);
        if (!row->name || !row->reason)
            return no_memory(err);
    }
    qsort(board->unranked, board->unranked_count, sizeof *board->unranked, by_votes);
    return true;
}

static int by_rating(const void *a, const void *b)
{
    const struct leaderboard_model *x = a, *y = b;
    if (x->rating != y->rating)
        return x->rating < y->rating ? 1 : -1;
    return strcmp(x->name, y->name);
}

double leaderboard_alpha(const struct leaderboard_options *options)
{
    return options->scale / log(options->base);
}

/* Rating points of a strength. */
static double to_rating(const struct build *build, double theta)
{
    const struct leaderboard_options *options = &build->board->options;
    if (build->anchor >= 0)
        return options->anchor_rating +
               leaderboard_alpha(options) * (theta - build->estimate.theta[build->anchor]);
    return options->initial + leaderboard_alpha(options) * theta;
}

static bool list_models(struct build *build, const struct rank *ranks, const double *best,
                        struct err *err)
{
    struct leaderboard *board = build->board;
    const struct estimate *estimate = &build->estimate;
    double alpha = leaderboard_alpha(&board->options);
    board->models = calloc(estimate->n + 1, sizeof *board->models);
    if (!board->models)
        return no_memory(err);
    for (size_t i = 0; i < estimate->n; i++) {
        struct leaderboard_model *row = &board->models[board->model_count++];
        row->model = build->models[i];
        row->name = strdup(build->votes->names[row->model]);
        if (!row->name)
            return no_memory(err);
        row->rating = to_rating(build, estimate->theta[i]);
        row->rating_lower = to_rating(build, estimate->lower[i]);
        row->rating_upper = to_rating(build, estimate->upper[i]);
        row->rating_median = to_rating(build, estimate->median[i]);
        row->standard_error = alpha * estimate->se[i];
        row->rank = ranks[i].rank;
        row->rank_lower = ranks[i].lower;
        row->rank_upper = ranks[i].upper;
        row->best = best[i];
        row->record = build->records[row->model];
        double ties = (double)(row->record.ties + row->record.both_bad);
        row->win_rate = ((double)row->record.wins + 0.5 * ties) / (double)row->record.votes;
        row->absolute =
            estimate->absolute ? alpha * (estimate->theta[i] + estimate->absolute_shift) : NAN;
    }
    qsort(board->models, board->model_count, sizeof *board->models, by_rating);
    return true;
}

/* The matrices, in the order of the table. */
static bool fill_matrices(struct build *build, struct err *err)
{
    struct leaderboard *board = build->board;
    const struct estimate *estimate = &build->estimate;
    size_t n = board->model_count;
    board->wins = calloc(n * n + 1, sizeof *board->wins);
    board->ties = calloc(n * n + 1, sizeof *board->ties);
    board->margin = calloc(n * n + 1, sizeof *board->margin);
    if (!board->wins || !board->ties || !board->margin)
        return no_memory(err);
    for (size_t row = 0; row < n; row++) {
        size_t i = (size_t)build->map[board->models[row].model];
        for (size_t column = row + 1; column < n; column++) {
            size_t j = (size_t)build->map[board->models[column].model], here = row * n + column,
                   there = column * n + row;
            struct tally_record met = tally_met(&build->ranked, i, j);
            board->wins[here] = (uint32_t)met.wins;
            board->wins[there] = (uint32_t)met.losses;
            board->ties[here] = board->ties[there] = (uint32_t)(met.ties + met.both_bad);
            board->margin[here] = board->margin[there] =
                leaderboard_alpha(&board->options) * estimate->margin[i * estimate->n + j];
        }
    }
    return true;
}

static bool fill_coefficients(struct build *build, struct err *err)
{
    struct leaderboard *board = build->board;
    const struct estimate *estimate = &build->estimate;
    board->coefficients = calloc(estimate->coefficients + 1, sizeof *board->coefficients);
    if (!board->coefficients)
        return no_memory(err);
    size_t features =
        board->options.style && build->votes->ballots ? build->votes->ballots->features : 0;
    for (size_t k = 0; k < estimate->coefficients; k++) {
        const char *name =
            k < features && build->votes->features ? build->votes->features[k] : "position";
        board->coefficients[k] = (struct leaderboard_coefficient){strdup(name), estimate->value[k],
                                                                  estimate->value_se[k]};
        board->coefficient_count++;
        if (!board->coefficients[k].name)
            return no_memory(err);
    }
    return true;
}

static void warn_estimate(struct leaderboard *board, const struct estimate *estimate)
{
    if (estimate->voters && estimate->voters < CLUSTER_FEW)
        warn(board, "only %u voter%s: intervals are wide and less certain than they look",
             estimate->voters, estimate->voters == 1 ? "" : "s");
    if (estimate->prompts && estimate->prompts < CLUSTER_FEW)
        warn(board, "only %u prompt%s: intervals are wide and less certain than they look",
             estimate->prompts, estimate->prompts == 1 ? "" : "s");
    if (estimate->held)
        warn(board, "these votes are too few, or too alike, to tell every effect of style or "
                    "position: a penalty (half the square of each effect) holds them near 0, and "
                    "the ratings are controlled only in part");
    if (estimate->failed)
        warn(board,
             "%zu of %zu bootstrap rounds had no finite rating for every model and were left out; "
             "the intervals are too narrow",
             estimate->failed, estimate->failed + estimate->rounds);
    if (board->options.compatible)
        warn(board, "compatible with arena-rank: its standard errors understate sparse models");
}

static void warn_votes(struct build *build)
{
    struct leaderboard *board = build->board;
    if (board->skipped)
        warn(board, "%" PRIu64 " vote%s skipped", board->skipped,
             board->skipped == 1 ? " was" : "s were");
    for (const char *const *note = build->votes->notes; note && *note; note++)
        warn(board, "%s", *note);
    if (build->votes->capped)
        warn(board, "%" PRIu64 " vote%s over a voter's daily cap %s left out", build->votes->capped,
             build->votes->capped == 1 ? "" : "s", build->votes->capped == 1 ? "was" : "were");
    if (board->votes == 0)
        warn(board, "no votes");
    else if (build->ranked.models == 0)
        warn(board, "no two models can be put on one scale yet");
    if (build->connect.components > 1 && board->options.method == LEADERBOARD_BT)
        warn(board, "the votes fall into %zu groups that never met; only the largest is ranked",
             build->connect.components);
    size_t separated = 0;
    for (size_t i = 0; i < build->votes->tally->models; i++)
        separated += build->map[i] < 0 && build->connect.reason[i] > CONNECT_NO_VOTES;
    if (separated)
        warn(board, "%zu model%s cannot be ranked by these votes; the reasons stand beside them",
             separated, separated == 1 ? "" : "s");
}

static void warn_few(struct leaderboard *board)
{
    size_t few = 0;
    for (size_t k = 0; k < board->model_count; k++)
        few += board->models[k].record.votes < VOTES_FEW;
    if (few && board->options.method == LEADERBOARD_BT)
        warn(board, "%zu of %zu models %s fewer than %d votes: %s less certain than %s", few,
             board->model_count, few == 1 ? "has" : "have", VOTES_FEW,
             few == 1 ? "its interval is" : "their intervals are",
             few == 1 ? "it looks" : "they look");
}

static bool assemble(struct build *build, struct err *err)
{
    struct leaderboard *board = build->board;
    const struct estimate *estimate = &build->estimate;
    size_t n = estimate->n;
    const struct detail_input detail = {build->votes, &build->ranked, build->map, build->models,
                                        estimate};
    struct rank *ranks = calloc(n + 1, sizeof *ranks);
    double *best = calloc(n + 1, sizeof *best);
    bool ok = ranks && best;
    ok = ok ? rank_probability_best(best, estimate->theta, &estimate->covariance, BEST_DRAWS,
                                    board->options.seed, err)
            : no_memory(err);
    if (ok) {
        rank_ranges(ranks, estimate->theta, estimate->margin, n);
        ok = list_models(build, ranks, best, err);
        warn_few(board);
    }
    free(ranks);
    free(best);
    return ok && fill_matrices(build, err) && fill_coefficients(build, err) &&
           (!board->options.detail || detail_fill(board, &detail, err));
}

static bool rate(struct build *build, struct err *err)
{
    struct leaderboard *board = build->board;
    struct estimate_input input = {&build->ranked, build->votes, build->map, &board->options,
                                   build->anchor};
    if (build->votes->sides_unknown && board->options.position)
        return err_set(
            err, ERR_BAD_REQUEST,
            "aggregated counts do not say who was shown first: no position to control for");
    if (build->ranked.models == 0)
        return true;
    if (!estimate_fit(&build->estimate, &input, err))
        return false;
    board->votes_used = build->ranked.votes;
    board->interval = build->estimate.interval;
    board->loss = build->estimate.loss;
    board->gradient = build->estimate.gradient;
    board->tie_parameter = build->estimate.tie_parameter;
    board->voters = build->estimate.voters;
    board->prompts = build->estimate.prompts;
    warn_estimate(board, &build->estimate);
    return assemble(build, err);
}

struct leaderboard *leaderboard_fit(const struct leaderboard_votes *votes,
                                    const struct leaderboard_options *options, struct err *err)
{
    struct build build;
    bool ok =
        start(&build, votes, options, err) && find_ranked(&build, err) && find_anchor(&build, err);
    if (ok)
        warn_votes(&build);
    ok = ok && rate(&build, err) && list_unranked(&build, err);
    struct leaderboard *board = build.board;
    connect_done(&build.connect);
    tally_done(&build.ranked);
    estimate_done(&build.estimate);
    free(build.map);
    free(build.models);
    free(build.records);
    if (!ok) {
        leaderboard_free(board);
        return NULL;
    }
    return board;
}

void leaderboard_free(struct leaderboard *board)
{
    if (!board)
        return;
    for (size_t k = 0; k < board->model_count; k++)
        free(board->models[k].name);
    for (size_t k = 0; k < board->unranked_count; k++) {
        free(board->unranked[k].name);
        free(board->unranked[k].reason);
    }
    for (size_t k = 0; k < board->warning_count; k++)
        free(board->warnings[k]);
    for (size_t k = 0; k < board->coefficient_count; k++)
        free(board->coefficients[k].name);
    free(board->models);
    free(board->unranked);
    free(board->warnings);
    free(board->coefficients);
    free(board->margin);
    free(board->distribution);
    free(board->history.rating);
    free(board->wins);
    free(board->ties);
    free(board->fragility.flips_to);
    free((char *)board->options.anchor);
    free((char *)board->options.category);
    free(board);
}

struct leaderboard_chance leaderboard_chance(const struct leaderboard *board, size_t i, size_t j)
{
    double difference = board->models[i].rating - board->models[j].rating;
    double margin = board->margin[i * board->model_count + j];
    double alpha = leaderboard_alpha(&board->options);
    return (struct leaderboard_chance){bt_probability(difference / alpha),
                                       bt_probability((difference - margin) / alpha),
                                       bt_probability((difference + margin) / alpha)};
}
