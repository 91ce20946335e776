/* A board's votes are owned by whoever works on them: the loop hands the whole board to a worker
 * and touches only its waiting list until the fit comes back. So the worker adds the newest
 * votes to what it kept from the last time, without a copy and without a lock, and a fit costs
 * what is new plus the fit itself. */
#include "board/live.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "board/influence.h"
#include "board/publication.h"
#include "board/published.h"
#include "board/render.h"
#include "board/select.h"
#include "board/snapshot.h"
#include "loop/loop.h"
#include "loop/worker.h"
#include "store/boards.h"
#include "store/store.h"
#include "store/votes.h"

#define LIVE_SEED 42 /* of what is drawn at random; stored with every board */

struct waiter {
    void (*reply)(void *user, struct live_snapshot *snapshot, const struct err *err);
    void *user;
    int64_t seq; /* the votes that the board must have */
    struct waiter *next;
};

enum influence_asked { INFLUENCE_NONE, INFLUENCE_OF_MODELS, INFLUENCE_WITH_VOTERS };

struct board {
    struct live *live;
    struct published published; /* what it is of */
    bool people; /* the kind of judge was not asked for: people's, or whose votes there are */
    enum influence_asked influence;
    struct live_snapshot *snapshot; /* NULL: never made */
    bool fitting, kept;             /* kept: the snapshot stands in the history */
    struct waiter *waiters;
    struct publication *publication; /* LIVE_PUBLISHED: held; of the fit under way, or the last */
    int64_t asked_ns, stored_ns, fit_ns;
    /* news of them that the fit under way, or the last, has heard */
    uint64_t tags, exclusions, remarks, names;

    /* the worker's while `fitting` */
    struct db *db;
    struct stored_votes *votes;
    struct aside aside;
    struct live_snapshot *made;
    struct sampling *sampling;      /* of the default board; NULL: none */
    int64_t worked_ns, computed_ns; /* with the waiting, and without */
    uint8_t hash[DIGEST_SIZE];      /* of the last vote in `made` */
    struct err err;
};

struct live {
    struct live_options options;
    struct board *board[LIMIT_BOARDS]; /* [0]: the default */
    size_t count;
    int64_t seq;
    uint64_t tags, exclusions, remarks, names; /* how often there was news */
    struct loop_timer keeper;
    struct publication *publication; /* held; NULL: none */
    struct sampling *sampling;
    uint64_t fits;
    int64_t last_fit_ns;
    void (*ready)(void *user, const struct err *err);
    void *ready_user;
    bool closing;
};

/* --- a fit, on a worker --- */

/* Lets go of votes that are no longer what loading would give: another kind of judge, an exclusion,
 * new tags. */
static bool drop_stale(struct board *board, struct err *err)
{
    int judge = board->published.judge;
    bool stale = false;
    if ((board->people && !stored_judge(board->db, board->votes, &judge, err)) ||
        (board->votes && !stored_votes_stale(board->votes, board->db, &stale, err)))
        return false;
    if (stale || judge != board->published.judge) {
        stored_votes_free(board->votes);
        board->votes = NULL;
    }
    if (board->people)
        board->published.judge = judge;
    return true;
}

static bool load_or_more(struct board *board, struct err *err)
{
    struct stored_filter filter;
    if (!drop_stale(board, err))
        return false;
    if (board->votes)
        return stored_votes_more(board->votes, board->db, err);
    published_filter(&board->published, &filter);
    filter.catalogue = true;
    filter.grouped = !board->published.elo;
    filter.versions = 0;
    filter.marks = STORED_MARKS_NOW;
    return (board->votes = stored_votes_load(board->db, &filter, err)) != NULL;
}

/* Votes that will not be added to: they go with the fit. */
static bool load_published(struct board *board, struct err *err)
{
    struct stored_filter filter;
    publication_filter(board->publication, &board->published, board->people, &filter);
    filter.catalogue = true;
    board->aside.publication = board->publication;
    board->aside.trail.made_ns = 0;
    if (board->publication)
        memcpy(board->hash, board->publication->hash, sizeof board->hash);
    return (board->votes = stored_votes_load(board->db, &filter, err)) != NULL;
}

static bool load_live(struct board *board, struct err *err)
{
    int64_t last;
    return load_or_more(board, err) && votes_last(board->db, &last, board->hash, err) &&
           aside_refresh(&board->aside, board->db, err);
}

static bool is_published(const struct live *live)
{
    return live->options.view == LIVE_PUBLISHED;
}

/* Are its votes worth their memory? Those of a board that is looked at now and then are not, and
 * who is left out may have changed. */
static bool keeps_votes(const struct board *board)
{
    return !is_published(board->live) && board->influence == INFLUENCE_NONE &&
           published_is_whole(&board->published);
}

/* A category that no vote has, and that is none of LMArena's, is a mistake. */
static bool is_known(const struct board *board, struct err *err)
{
    const char *category = board->published.category;
    return board->votes->votes || select_known(category) || select_unknown(category, err);
}

static bool read_votes(struct board *board, struct err *err)
{
    if (!board->db && !(board->db = store_read_open(store_dir(board->live->options.store), err)))
        return false;
    if (!store_read_begin(board->db, err))
        return false;
    codes_done(&board->aside.codes);
    bool good = (is_published(board->live) ? load_published : load_live)(board, err) &&
                codes_load(&board->aside.codes, board->db, err) && is_known(board, err);
    store_read_end(board->db);
    if (!good) { /* half read is of no use: from the beginning next time */
        stored_votes_free(board->votes);
        board->votes = NULL;
        return false;
    }
    board->published.versions = board->votes->last_version;
    board->published.marks = board->votes->marks;
    return true;
}

static bool add_influence(struct board *board, const struct leaderboard *fitted, struct err *err)
{
    struct influence influence;
    struct leaderboard_votes votes = stored_votes_input(board->votes);
    if (board->influence == INFLUENCE_NONE)
        return true;
    if (!influence_find(&influence, fitted, &votes, err))
        return false;
    const struct stored_votes *named =
        board->influence == INFLUENCE_WITH_VOTERS ? board->votes : NULL;
    buf_clear(&board->aside.influence);
    bool good = influence_write(&influence, fitted, named, &board->aside.influence, err);
    influence_done(&influence);
    return good;
}

/* `bare`: the board by its own names, which is kept. */
static bool seal(struct board *board, struct leaderboard *fitted, struct text bare, struct err *err)
{
    struct buf json, filter;
    struct leaderboard_votes votes = stored_votes_input(board->votes);
    buf_init(&json, RENDER_MAX);
    buf_init(&filter, LIMIT_BODY_BYTES);
    render(&json, fitted, RENDER_JSON, 0);
    if (add_influence(board, fitted, err) &&
        trail_refresh(&board->aside.trail, fitted, &votes, err) &&
        (published_write(&board->published, &filter) ||
         err_set(err, ERR_MEMORY, "out of memory"))) {
        struct live_making making = {board->votes,      &board->aside, fitted,
                                     buf_text(&filter), board->hash,   bare};
        board->made = live_snapshot_new(&json, &making, err);
    }
    buf_done(&filter);
    buf_done(&json);
    return board->made != NULL;
}

/* With code names the board is fitted once more under them: names are in its warnings too. */
static bool make_shown(struct board *board, struct text bare, struct err *err)
{
    struct leaderboard *shown = stored_votes_mask(board->votes, &board->aside.codes)
                                    ? published_fit(&board->published, board->votes, err)
                                    : (err_set(err, ERR_MEMORY, "out of memory"), NULL);
    bool good = shown && seal(board, shown, bare, err);
    leaderboard_free(shown);
    return good;
}

static bool make_both(struct board *board, struct leaderboard *fitted, struct err *err)
{
    struct buf bare;
    if (!board->aside.codes.count)
        return seal(board, fitted, (struct text){NULL, 0}, err);
    buf_init(&bare, RENDER_MAX);
    render(&bare, fitted, RENDER_JSON, 0);
    bool good = bare.failed ? err_set(err, ERR_TOO_LARGE, "the board is too large")
                            : make_shown(board, buf_text(&bare), err);
    buf_done(&bare);
    return good;
}

static bool make(struct board *board, struct err *err)
{
    if (!read_votes(board, err))
        return false;
    struct leaderboard *fitted = published_fit(&board->published, board->votes, err);
    bool good = fitted && make_both(board, fitted, err);
    leaderboard_free(fitted);
    if (!keeps_votes(board)) {
        stored_votes_free(board->votes);
        board->votes = NULL;
    }
    return good;
}

/* A board without it is no worse: draws are uniform then. */
static void choose_pairs(struct board *board)
{
    const struct sampling_options *options = &board->live->options.sampling;
    struct err err = ERR_INIT;
    if (options->rule == SAMPLING_UNIFORM)
        return;
    board->sampling = sampling_of_votes(options, board->votes, board->db, &err);
    if (!board->sampling)
        log_warning("board", "pairs are drawn uniformly: %s", err.message);
}

static void work(void *data)
{
    struct board *board = data;
    int64_t start = clock_mono_ns(), computed = clock_cpu_ns();
    board->err.code = ERR_NONE;
    bool made = make(board, &board->err);
    board->worked_ns = clock_mono_ns() - start;
    board->computed_ns = clock_cpu_ns() - computed;
    if (made && board == board->live->board[0] && !is_published(board->live))
        choose_pairs(board);
}

/* --- history --- */

struct history {
    struct live_snapshot *snapshot;
    char method[32];
    int64_t now_ms, seed;
};

static bool store_history(struct db *tx, void *data, struct err *err)
{
    const struct history *history = data;
    struct board_record record = {.filter = history->snapshot->filter.data,
                                  .method = history->method,
                                  .last_seq = history->snapshot->seq,
                                  .seed = history->seed,
                                  .json = history->snapshot->bare,
                                  .created_ms = history->now_ms};
    int64_t id;
    bool there;
    memcpy(record.data_hash, history->snapshot->hash, sizeof record.data_hash);
    if (!boards_have(tx, &record, &there, err) || there)
        return there;
    return boards_insert(tx, &record, &id, err);
}

static void history_stored(void *data, const struct err *err)
{
    struct history *history = data;
    if (err->code != ERR_NONE)
        log_warning("board", "a board could not be kept: %s", err->message);
    live_release(history->snapshot);
    free(history);
}

/* What stood for a while and what stands last is kept, not every board between. */
static void keep(struct board *board)
{
    struct err err = ERR_INIT;
    if (board->kept || !board->snapshot || !board->snapshot->seq ||
        board->influence != INFLUENCE_NONE || !published_is_whole(&board->published))
        return;
    struct history *history = calloc(1, sizeof *history);
    if (!history)
        return;
    history->now_ms = clock_wall_ms();
    history->seed = board->published.seed;
    snprintf(history->method, sizeof history->method, "%s/%s", board->published.elo ? "elo" : "bt",
             LEADERBOARD_VERSION);
    board->kept = true;
    board->stored_ns = clock_mono_ns();
    history->snapshot = live_hold(board->snapshot);
    struct store_job job = {store_history, history_stored, history};
    if (!store_submit(board->live->options.store, &job, &err))
        history_stored(history, &err);
}

static void keep_history(struct board *board)
{
    if (!board->stored_ns || is_published(board->live) ||
        clock_mono_ns() - board->stored_ns >= LIVE_HISTORY_SECONDS * CLOCK_S)
        keep(board);
}

static void keep_all(void *user)
{
    struct live *live = user;
    for (size_t i = 0; i < live->count; i++)
        if (!live->board[i]->fitting)
            keep_history(live->board[i]);
    loop_timer_start(live->options.loop, &live->keeper,
                     clock_mono_ns() + LIVE_HISTORY_SECONDS * CLOCK_S);
}

/* --- boards, on the loop --- */

static void fit(struct board *board);

static void answer_waiters(struct board *board, const struct err *err)
{
    struct waiter *waiter = board->waiters;
    int64_t seq = board->snapshot ? board->snapshot->seq : -1;
    board->waiters = NULL;
    while (waiter) {
        struct waiter *next = waiter->next;
        if (!err && seq < waiter->seq) { /* came after this fit had read its votes */
            waiter->next = board->waiters;
            board->waiters = waiter;
        } else {
            waiter->reply(waiter->user, err ? NULL : board->snapshot, err);
            free(waiter);
        }
        waiter = next;
    }
}

static void tell_ready(struct live *live, const struct err *err)
{
    void (*ready)(void *user, const struct err *err) = live->ready;
    live->ready = NULL;
    if (ready)
        ready(live->ready_user, err);
}

static void take_sampling(struct live *live, struct board *board)
{
    if (board != live->board[0])
        return;
    sampling_free(live->sampling);
    live->sampling = board->sampling;
    board->sampling = NULL;
}

/* Has it heard of every vote, exclusion and, where it is of a category, tag? */
static bool is_current(const struct board *board)
{
    const struct live *live = board->live;
    bool all = strcmp(board->published.category, "overall") == 0;
    return board->snapshot && !board->fitting && board->snapshot->seq >= live->seq &&
           board->exclusions == live->exclusions && board->remarks == live->remarks &&
           board->names == live->names && (all || board->tags == live->tags) &&
           !aside_is_due(&board->aside);
}

static void fitted(void *data, bool cancelled)
{
    struct board *board = data;
    struct live *live = board->live;
    struct err err = board->err;
    board->fitting = false;
    if (cancelled)
        err_set(&err, ERR_BUSY, "the arena is shutting down");
    if (err.code == ERR_NONE) {
        live_release(board->snapshot);
        board->snapshot = board->made;
        board->made = NULL;
        board->kept = false;
        take_sampling(live, board);
        live->fits++;
        live->last_fit_ns = board->worked_ns;
        board->fit_ns = board->computed_ns;
        if (board->snapshot->seq > live->seq)
            live->seq = board->snapshot->seq;
        keep_history(board);
    }
    answer_waiters(board, err.code == ERR_NONE ? NULL : &err);
    if (board == live->board[0])
        tell_ready(live, err.code == ERR_NONE ? NULL : &err);
    bool behind = err.code == ERR_NONE && !is_current(board);
    if (board->waiters || (behind && board == live->board[0]))
        fit(board);
}

static void fit(struct board *board)
{
    struct err err = {ERR_BUSY, "the arena is shutting down"};
    if (board->fitting)
        return;
    board->fitting = true;
    publication_release(board->publication);
    board->publication = publication_hold(board->live->publication);
    board->tags = board->live->tags;
    board->exclusions = board->live->exclusions;
    board->remarks = board->live->remarks;
    board->names = board->live->names;
    if (!board->live->closing &&
        workers_submit(board->live->options.workers, work, fitted, board, &err))
        return;
    board->fitting = false;
    answer_waiters(board, &err);
    if (board == board->live->board[0])
        tell_ready(board->live, &err);
}

static void board_free(struct board *board)
{
    live_release(board->snapshot);
    live_release(board->made);
    sampling_free(board->sampling);
    aside_done(&board->aside);
    publication_release(board->publication);
    stored_votes_free(board->votes);
    db_close(board->db);
    free(board);
}

/* What is asked for, in full; the judge is what is said now where nobody says. */
static bool read_query(const struct live_query *query, struct published *out, bool *people,
                       struct err *err)
{
    const char *category = query->category ? query->category : "overall",
               *method = query->method ? query->method : "bt",
               *voids = query->voids ? query->voids : "none";
    *out = (struct published){.style = query->style, .judge = JUDGE_HUMAN};
    *people = !query->judge;
    out->elo = strcmp(method, "elo") == 0;
    out->losses = strcmp(voids, "losses") == 0;
    if (!out->elo && strcmp(method, "bt") != 0)
        return err_set(err, ERR_BAD_REQUEST, "there is no method \"%.20s\": it is bt or elo",
                       method);
    if (!out->losses && strcmp(voids, "none") != 0)
        return err_set(err, ERR_BAD_REQUEST, "voids is \"%.20s\": it is none or losses", voids);
    if (!published_without_from(query->without, out, err))
        return false;
    if (query->voter)
        out->voter[out->voters++] = query->voter;
    if (query->judge && !published_judge_from(query->judge, &out->judge))
        return err_set(err, ERR_BAD_REQUEST, "judge is \"%.20s\": it is human, model or any",
                       query->judge);
    if (out->elo && (out->style || out->losses))
        return err_set(err, ERR_BAD_REQUEST,
                       "elo goes vote by vote: leave style and voids=losses to method=bt");
    if (query->influence && (out->elo || out->style || out->losses))
        return err_set(err, ERR_BAD_REQUEST,
                       "influence is of the plain board: leave method, style and voids out");
    if (strlen(category) > LIMIT_NAME_BYTES)
        return select_unknown("so long a name", err);
    snprintf(out->category, sizeof out->category, "%s", category);
    return true;
}

static bool same_votes(const struct published *one, const struct published *other)
{
    return strcmp(one->category, other->category) == 0 && one->losses == other->losses &&
           one->without_recognised == other->without_recognised &&
           one->without_staff == other->without_staff && one->fast_ms == other->fast_ms &&
           one->voters == other->voters && (!one->voters || one->voter[0] == other->voter[0]);
}

static struct board *find_board(const struct live *live, const struct published *wish, bool people,
                                enum influence_asked influence)
{
    for (size_t i = 0; i < live->count; i++) {
        const struct board *board = live->board[i];
        const struct published *its = &board->published;
        if (same_votes(its, wish) && its->elo == wish->elo && its->style == wish->style &&
            board->influence == influence && board->people == people &&
            (people || its->judge == wish->judge))
            return live->board[i];
    }
    return NULL;
}

/* A place for one more: at the limit that of the board not asked for the longest, never the
 * default's. */
static size_t free_place(struct live *live)
{
    size_t oldest = LIMIT_BOARDS;
    if (live->count < LIMIT_BOARDS)
        return live->count++;
    for (size_t i = 1; i < live->count; i++)
        if (!live->board[i]->fitting && !live->board[i]->waiters &&
            (oldest == LIMIT_BOARDS || live->board[i]->asked_ns < live->board[oldest]->asked_ns))
            oldest = i;
    if (oldest < LIMIT_BOARDS)
        board_free(live->board[oldest]);
    return oldest;
}

static struct board *add_board(struct live *live, const struct published *wish, bool people,
                               enum influence_asked influence, struct err *err)
{
    struct board *board = calloc(1, sizeof *board);
    size_t place = board ? free_place(live) : LIMIT_BOARDS;
    if (place == LIMIT_BOARDS) {
        free(board);
        err_set(err, ERR_BUSY, "too many boards are asked for at once: try again");
        return NULL;
    }
    board->live = live;
    board->published = *wish;
    board->published.min_votes = (int64_t)live->options.min_votes;
    board->published.daily_votes = live->options.daily_votes;
    board->people = people;
    board->influence = influence;
    board->published.seed = LIVE_SEED;
    aside_init(&board->aside);
    static const enum aside_view VIEWS[] = {
        [LIVE_ALL] = ASIDE_PLAIN, [LIVE_STAFF] = ASIDE_LIVE, [LIVE_PUBLISHED] = ASIDE_PUBLISHED};
    board->aside.view = VIEWS[live->options.view];
    live->board[place] = board;
    return board;
}

/* --- the public face --- */

struct live *live_new(const struct live_options *options, struct err *err)
{
    struct live *live = calloc(1, sizeof *live);
    struct published standard = {.category = "overall", .judge = JUDGE_HUMAN};
    if (!live) {
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    live->options = *options;
    live->keeper = (struct loop_timer){.expired = keep_all, .user = live};
    if (add_board(live, &standard, true, INFLUENCE_NONE, err))
        return live;
    free(live);
    return NULL;
}

void live_start(struct live *live, void (*ready)(void *user, const struct err *err), void *user)
{
    live->ready = ready;
    live->ready_user = user;
    loop_timer_start(live->options.loop, &live->keeper,
                     clock_mono_ns() + LIVE_HISTORY_SECONDS * CLOCK_S);
    fit(live->board[0]);
}

void live_stop(struct live *live)
{
    if (!live)
        return;
    live->closing = true;
    loop_timer_stop(live->options.loop, &live->keeper);
    for (size_t i = 0; i < live->count; i++)
        if (!live->board[i]->fitting)
            keep(live->board[i]);
}

void live_free(struct live *live)
{
    struct err err = {ERR_BUSY, "the arena is shutting down"};
    if (!live)
        return;
    loop_timer_stop(live->options.loop, &live->keeper);
    for (size_t i = 0; i < live->count; i++) {
        answer_waiters(live->board[i], &err);
        board_free(live->board[i]);
    }
    sampling_free(live->sampling);
    publication_release(live->publication);
    free(live);
}

const struct sampling_options *live_sampling_options(const struct live *live)
{
    return &live->options.sampling;
}

const struct sampling *live_sampling(const struct live *live)
{
    return live->sampling;
}

void live_changed(struct live *live, int64_t seq)
{
    if (seq > live->seq)
        live->seq = seq;
    fit(live->board[0]);
}

void live_tagged(struct live *live)
{
    live->tags++;
}

void live_publish(struct live *live, struct publication *publication)
{
    publication_hold(publication);
    publication_release(live->publication);
    live->publication = publication;
    live->tags++;
    live->exclusions++;
    live_changed(live, publication->seq);
}

void live_renamed(struct live *live)
{
    live->names++;
    if (live->board[0]->snapshot)
        fit(live->board[0]);
}

void live_excluded(struct live *live)
{
    live->exclusions++;
    fit(live->board[0]);
}

void live_staffed(struct live *live)
{
    live->exclusions++;
}

void live_remarked(struct live *live)
{
    live->remarks++;
    fit(live->board[0]);
}

void live_ask(struct live *live, const struct live_query *query,
              void (*reply)(void *user, struct live_snapshot *snapshot, const struct err *err),
              void *user)
{
    struct err err = {ERR_MEMORY, "out of memory"};
    struct published wish;
    bool people;
    struct board *board = NULL;
    enum influence_asked influence = !query->influence ? INFLUENCE_NONE
                                     : query->named    ? INFLUENCE_WITH_VOTERS
                                                       : INFLUENCE_OF_MODELS;
    if (read_query(query, &wish, &people, &err) &&
        !(board = find_board(live, &wish, people, influence)))
        board = add_board(live, &wish, people, influence, &err);
    if (!board) {
        reply(user, NULL, &err);
        return;
    }
    board->asked_ns = clock_mono_ns();
    int64_t slow_ns = live->options.slow_fit_ns ? live->options.slow_fit_ns : LIVE_SLOW_FIT_NS;
    bool current = is_current(board), waits = board->fit_ns <= slow_ns || is_published(live);
    if (board->snapshot && (current || !waits)) {
        live_hold(board->snapshot);
        struct live_snapshot *snapshot = board->snapshot;
        if (!current)
            fit(board);
        reply(user, snapshot, NULL);
        live_release(snapshot);
        return;
    }
    struct waiter *waiter = malloc(sizeof *waiter);
    if (!waiter) {
        reply(user, NULL, &err);
        return;
    }
    *waiter = (struct waiter){reply, user, live->seq, board->waiters};
    board->waiters = waiter;
    fit(board);
}

struct live_figures live_figures(const struct live *live)
{
    const struct live_snapshot *snapshot = live->board[0]->snapshot;
    return (struct live_figures){.votes = snapshot ? snapshot->votes : 0,
                                 .fits = live->fits,
                                 .last_fit_ns = live->last_fit_ns,
                                 .loading = !snapshot};
}

void live_rules(const struct live *live, int64_t *min_votes, int64_t *daily_votes)
{
    *min_votes = (int64_t)live->options.min_votes;
    *daily_votes = live->options.daily_votes;
}
