/* One tally is changed in place: a voter's votes are taken out, what is left is fitted, and they
 * are put back. Point estimates need no more than that; the first-order effects of fragility.h are
 * cheaper, but say nothing of who drops out of the ranked. */
#include "board/influence.h"

#include <math.h>
#include <stdlib.h>

#include "base/json.h"
#include "rating/bradley_terry.h"
#include "rating/connect.h"

struct voter {
    uint32_t number, votes;
    size_t at; /* its first among `ballots` */
};

struct search {
    struct influence *out;
    const struct leaderboard *board;
    const struct ballots *all;
    struct tally tally, ranked;
    struct voter *voters;
    uint32_t *ballots; /* numbers of the votes, voter by voter */
    bool *keep;
    int32_t *map; /* model -> ranked number, or -1 */
    struct tally_record *records;
};

static int by_votes(const void *a, const void *b)
{
    const struct voter *one = a, *other = b;
    if (one->votes != other->votes)
        return one->votes < other->votes ? 1 : -1;
    return (one->number > other->number) - (one->number < other->number);
}

/* Every voter's votes side by side, the busiest voter first. */
static void list_voters(struct search *search)
{
    const struct ballots *all = search->all;
    size_t at = 0;
    for (uint32_t v = 0; v < all->voters; v++)
        search->voters[v] = (struct voter){.number = v};
    for (size_t k = 0; k < all->count; k++)
        if (all->rows[k].voter != BALLOT_NONE)
            search->voters[all->rows[k].voter].votes++;
    for (uint32_t v = 0; v < all->voters; at += search->voters[v++].votes)
        search->voters[v].at = at;
    for (size_t k = 0; k < all->count; k++)
        if (all->rows[k].voter != BALLOT_NONE)
            search->ballots[search->voters[all->rows[k].voter].at++] = (uint32_t)k;
    for (uint32_t v = 0; v < all->voters; v++)
        search->voters[v].at -= search->voters[v].votes;
    if (all->voters)
        qsort(search->voters, all->voters, sizeof *search->voters, by_votes);
}

static bool start(struct search *search, const struct leaderboard_votes *votes, struct err *err)
{
    size_t n = votes->tally->models, voters = search->all->voters;
    tally_init(&search->tally);
    tally_init(&search->ranked);
    search->voters = calloc(voters + 1, sizeof *search->voters);
    search->ballots = calloc(search->all->count + 1, sizeof *search->ballots);
    search->keep = calloc(n + 1, sizeof *search->keep);
    search->map = calloc(n + 1, sizeof *search->map);
    search->records = calloc(n + 1, sizeof *search->records);
    search->out->models = calloc(search->board->model_count + 1, sizeof *search->out->models);
    if (!search->voters || !search->ballots || !search->keep || !search->map || !search->records ||
        !search->out->models)
        return err_set(err, ERR_MEMORY, "no memory to leave voters out");
    list_voters(search);
    return tally_copy(&search->tally, votes->tally, err);
}

static void finish(struct search *search)
{
    tally_done(&search->tally);
    tally_done(&search->ranked);
    free(search->voters);
    free(search->ballots);
    free(search->keep);
    free(search->map);
    free(search->records);
}

/* As leaderboard_fit decides who is ranked. */
static bool find_ranked(struct search *search, struct err *err)
{
    const struct tally *tally = &search->tally;
    uint64_t least = search->board->options.min_votes;
    struct connect connect;
    int32_t ranked = 0;
    tally_records(tally, search->records);
    for (size_t i = 0; i < tally->models; i++)
        search->keep[i] = search->records[i].votes > 0 && search->records[i].votes >= least;
    if (!connect_find(&connect, tally, search->keep, err))
        return false;
    for (size_t i = 0; i < tally->models; i++)
        search->map[i] = connect.reason[i] == CONNECT_RANKED ? ranked++ : -1;
    connect_done(&connect);
    tally_done(&search->ranked); /* it only ever grows */
    tally_init(&search->ranked);
    return tally_select(&search->ranked, tally, search->map, (size_t)ranked, err);
}

static int32_t rank_of(const double *theta, size_t n, int32_t i)
{
    int32_t rank = 1;
    for (size_t j = 0; j < n; j++)
        rank += theta[j] > theta[i];
    return rank;
}

/* Is this what says most of a model so far: that it loses its rank, then how many ranks it moves,
 * then how far its rating does? */
static bool says_more(const struct influence_model *most, bool unranked, int32_t places,
                      double change)
{
    if (most->unranked || unranked)
        return !most->unranked;
    if (abs(places) != abs(most->places))
        return abs(places) > abs(most->places);
    return most->places == 0 && fabs(change) > fabs(most->rating);
}

/* theta NULL: nobody is ranked. */
static void compare(struct search *search, const double *theta, uint32_t voter)
{
    const struct leaderboard_options *options = &search->board->options;
    for (size_t k = 0; k < search->board->model_count; k++) {
        const struct leaderboard_model *model = &search->board->models[k];
        struct influence_model *most = &search->out->models[k];
        int32_t i = theta ? search->map[model->model] : -1, places = 0;
        double change = 0;
        if (i >= 0) {
            change = options->initial + leaderboard_alpha(options) * theta[i] - model->rating;
            places = rank_of(theta, search->ranked.models, i) - (int32_t)model->rank;
        }
        if (says_more(most, i < 0, places, change))
            most->voter = voter;
        most->unranked |= i < 0;
        if (abs(places) > abs(most->places))
            most->places = places;
        if (fabs(change) > fabs(most->rating))
            most->rating = change;
    }
}

static bool fit_rest(struct search *search, uint32_t voter, struct err *err)
{
    struct bt_pairs pairs;
    struct bt_fit fit;
    if (!find_ranked(search, err))
        return false;
    if (search->ranked.models == 0) {
        compare(search, NULL, voter);
        return true;
    }
    if (!bt_pairs_init(&pairs, &search->ranked, false, err))
        return false;
    bool ok = bt_fit(&fit, &pairs, NULL, err);
    if (ok) {
        compare(search, fit.theta, voter);
        bt_fit_done(&fit);
    }
    bt_pairs_done(&pairs);
    return ok;
}

static bool without(struct search *search, const struct voter *voter, struct err *err)
{
    const uint32_t *its = search->ballots + voter->at;
    bool ok = true;
    for (uint32_t k = 0; k < voter->votes; k++) {
        const struct ballot *row = &search->all->rows[its[k]];
        tally_remove(&search->tally, row->a, row->b, (enum outcome)row->outcome);
    }
    ok = fit_rest(search, voter->number, err);
    for (uint32_t k = 0; ok && k < voter->votes; k++) {
        const struct ballot *row = &search->all->rows[its[k]];
        ok = tally_add(&search->tally, row->a, row->b, (enum outcome)row->outcome, 1, err);
    }
    return ok;
}

static uint32_t most_tried(size_t models)
{
    double n = (double)models, most = models ? INFLUENCE_WORK / (n * n * n) : INFLUENCE_VOTERS;
    return (uint32_t)fmin(fmax(most, INFLUENCE_VOTERS_LEAST), INFLUENCE_VOTERS);
}

bool influence_find(struct influence *influence, const struct leaderboard *board,
                    const struct leaderboard_votes *votes, struct err *err)
{
    struct search search = {.out = influence, .board = board, .all = votes->ballots};
    *influence = (struct influence){.count = board->model_count};
    bool ok = start(&search, votes, err);
    for (size_t k = 0; ok && k < influence->count; k++)
        influence->models[k].voter = -1;
    uint32_t most = most_tried(votes->tally->models);
    for (uint32_t v = 0; ok && v < search.all->voters && search.voters[v].votes; v++) {
        influence->voters++;
        if (influence->tried == most)
            continue;
        influence->tried++;
        ok = without(&search, &search.voters[v], err);
    }
    finish(&search);
    if (!ok)
        influence_done(influence);
    return ok;
}

void influence_done(struct influence *influence)
{
    free(influence->models);
    *influence = (struct influence){.models = NULL};
}

/* --- as JSON --- */

static void write_model(const struct influence_model *its, const char *name, const int64_t *numbers,
                        struct json_out *out)
{
    json_put_open(out, NULL, '{');
    json_put_cstring(out, "model", name);
    json_put_fixed(out, "rating_change", its->rating, 6);
    json_put_int(out, "rank_change", its->places);
    json_put_bool(out, "unranked", its->unranked);
    if (numbers && its->voter >= 0)
        json_put_int(out, "voter", numbers[its->voter]);
    json_put_close(out, '}');
}

bool influence_write(const struct influence *influence, const struct leaderboard *board,
                     const struct stored_votes *named, struct buf *out, struct err *err)
{
    struct json_out json = json_out_to(out);
    int64_t *numbers = named ? calloc(named->ballots.voters + 1, sizeof *numbers) : NULL;
    if (named && !numbers)
        return err_set(err, ERR_MEMORY, "no memory for the voters' numbers");
    if (named)
        stored_votes_voters(named, numbers);
    json_put_open(&json, NULL, '{');
    json_put_int(&json, "voters", influence->voters);
    json_put_int(&json, "tried", influence->tried);
    json_put_open(&json, "models", '[');
    for (size_t k = 0; k < influence->count; k++)
        write_model(&influence->models[k], board->models[k].name, numbers, &json);
    json_put_close(&json, ']');
    json_put_close(&json, '}');
    free(numbers);
    return !out->failed || err_set(err, ERR_MEMORY, "out of memory");
}
