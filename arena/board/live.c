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
#include "board/leaderboard.h"
#include "board/render.h"
#include "board/stored.h"
#include "loop/loop.h"
#include "loop/worker.h"
#include "store/boards.h"
#include "store/store.h"
#include "store/votes.h"

#define SLOW_FIT_NS                                                                                \
    (50 * CLOCK_MS) /* a page need not wait for more: the board it has is seconds old at most */

struct waiter {
    void (*reply)(void *user, struct live_snapshot *snapshot, const struct err *err);
    void *user;
    int64_t seq; /* the votes that the board must have */
    struct waiter *next;
};

struct board {
    struct live *live;
    char category[LIMIT_NAME_BYTES + 1], method[8];
    bool style;
    struct live_snapshot *snapshot; /* NULL: never made */
    bool fitting;
    struct waiter *waiters;
    int64_t asked_ns, stored_ns, fit_ns;

    /* the worker's while `fitting` */
    struct db *db;
    struct stored_votes *votes;
    struct reliability reliability;
    struct live_snapshot *made;
    struct sampling *sampling; /* of the default board; NULL: none */
    int64_t worked_ns;
    uint8_t hash[DIGEST_SIZE]; /* of the last vote in `made` */
    struct err err;
};

struct live {
    struct live_options options;
    struct board *board[LIMIT_BOARDS]; /* [0]: the default */
    size_t count;
    int64_t seq;
    struct sampling *sampling;
    uint64_t fits;
    int64_t last_fit_ns;
    void (*ready)(void *user, const struct err *err);
    void *ready_user;
    bool closing;
};

/* --- a fit, on a worker --- */

static bool read_votes(struct board *board, struct err *err)
{
    struct stored_filter filter = {.category = board->category,
                                   .judge = -1,
                                   .style = board->style,
                                   .daily_votes = board->live->options.daily_votes,
                                   .catalogue = true};
    int64_t last;
    if (!board->db && !(board->db = store_read_open(store_dir(board->live->options.store), err)))
        return false;
    if (!store_read_begin(board->db, err))
        return false;
    bool good = true;
    if (!board->votes)
        good = (board->votes = stored_votes_load(board->db, &filter, err)) != NULL;
    else
        good = stored_votes_more(board->votes, board->db, err);
    good = good && votes_last(board->db, &last, board->hash, err) &&
           reliability_refresh(&board->reliability, board->db, err);
    store_read_end(board->db);
    if (!good) { /* half read is of no use: from the beginning next time */
        stored_votes_free(board->votes);
        board->votes = NULL;
    }
    return good;
}

static void choose_options(const struct board *board, struct leaderboard_options *options)
{
    leaderboard_options_init(options);
    options->method = strcmp(board->method, "elo") == 0 ? LEADERBOARD_ELO : LEADERBOARD_BT;
    options->style = board->style;
    options->min_votes = board->live->options.min_votes;
    options->category = strcmp(board->category, "overall") == 0 ? NULL : board->category;
}

static bool make(struct board *board, struct err *err)
{
    struct leaderboard_options options;
    struct buf json;
    if (!read_votes(board, err))
        return false;
    choose_options(board, &options);
    struct leaderboard_votes votes = stored_votes_input(board->votes);
    struct leaderboard *fitted = leaderboard_fit(&votes, &options, err);
    if (!fitted)
        return false;
    buf_init(&json, RENDER_MAX);
    render(&json, fitted, RENDER_JSON, 0);
    leaderboard_free(fitted);
    board->made = live_snapshot_new(&json, board->votes, &board->reliability, err);
    buf_done(&json);
    return board->made != NULL;
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
    int64_t start = clock_mono_ns();
    board->err.code = ERR_NONE;
    bool made = make(board, &board->err);
    board->worked_ns = clock_mono_ns() - start;
    if (made && board == board->live->board[0])
        choose_pairs(board);
}

/* --- history --- */

struct history {
    struct live_snapshot *snapshot;
    char filter[LIMIT_NAME_BYTES + 128], method[32];
    uint8_t hash[DIGEST_SIZE];
    int64_t now_ms;
};

static bool store_history(struct db *tx, void *data, struct err *err)
{
    const struct history *history = data;
    struct board_record record = {.filter = history->filter,
                                  .method = history->method,
                                  .last_seq = history->snapshot->seq,
                                  .json = history->snapshot->bare,
                                  .created_ms = history->now_ms};
    int64_t id;
    memcpy(record.data_hash, history->hash, sizeof record.data_hash);
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

static void write_filter(const struct board *board, char *out, size_t size)
{
    struct buf text;
    buf_init(&text, size - 1);
    struct json_out json = json_out_to(&text);
    json_put_open(&json, NULL, '{');
    json_put_cstring(&json, "category", board->category);
    json_put_bool(&json, "style", board->style);
    json_put_int(&json, "min_votes", (int64_t)board->live->options.min_votes);
    json_put_int(&json, "daily_votes", board->live->options.daily_votes);
    json_put_int(&json, "versions", board->votes->last_version);
    json_put_close(&json, '}');
    snprintf(out, size, "%s", text.failed ? "{}" : text.data);
    buf_done(&text);
}

static void keep_history(struct board *board)
{
    int64_t now = clock_mono_ns();
    struct err err = ERR_INIT;
    if (!board->snapshot->seq ||
        (board->stored_ns && now - board->stored_ns < LIVE_HISTORY_SECONDS * CLOCK_S))
        return;
    struct history *history = calloc(1, sizeof *history);
    if (!history)
        return;
    board->stored_ns = now;
    history->snapshot = live_hold(board->snapshot);
    history->now_ms = clock_wall_ms();
    memcpy(history->hash, board->hash, sizeof history->hash);
    snprintf(history->method, sizeof history->method, "%s/%s", board->method, LEADERBOARD_VERSION);
    write_filter(board, history->filter, sizeof history->filter);
    struct store_job job = {store_history, history_stored, history};
    if (!store_submit(board->live->options.store, &job, &err))
        history_stored(history, &err);
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
        take_sampling(live, board);
        live->fits++;
        live->last_fit_ns = board->fit_ns = board->worked_ns;
        if (board->snapshot->seq > live->seq)
            live->seq = board->snapshot->seq;
        keep_history(board);
    }
    answer_waiters(board, err.code == ERR_NONE ? NULL : &err);
    if (board == live->board[0])
        tell_ready(live, err.code == ERR_NONE ? NULL : &err);
    bool behind = err.code == ERR_NONE && board->snapshot->seq < live->seq;
    if (board->waiters || (behind && board == live->board[0]))
        fit(board);
}

static void fit(struct board *board)
{
    struct err err = {ERR_BUSY, "the arena is shutting down"};
    if (board->fitting)
        return;
    board->fitting = true;
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
    reliability_done(&board->reliability);
    stored_votes_free(board->votes);
    db_close(board->db);
    free(board);
}

static struct board *find_board(const struct live *live, const struct live_query *query)
{
    const char *category = query->category ? query->category : "overall",
               *method = query->method ? query->method : "bt";
    for (size_t i = 0; i < live->count; i++)
        if (strcmp(live->board[i]->category, category) == 0 &&
            strcmp(live->board[i]->method, method) == 0 && live->board[i]->style == query->style)
            return live->board[i];
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

static struct board *add_board(struct live *live, const struct live_query *query, struct err *err)
{
    const char *category = query->category ? query->category : "overall",
               *method = query->method ? query->method : "bt";
    if (strcmp(method, "bt") != 0 && strcmp(method, "elo") != 0) {
        err_set(err, ERR_BAD_REQUEST, "there is no method \"%.20s\": it is bt or elo", method);
        return NULL;
    }
    if (strlen(category) > LIMIT_NAME_BYTES) {
        err_set(err, ERR_NOT_FOUND, "there is no category of such a long name");
        return NULL;
    }
    struct board *board = calloc(1, sizeof *board);
    size_t place = board ? free_place(live) : LIMIT_BOARDS;
    if (place == LIMIT_BOARDS) {
        free(board);
        err_set(err, ERR_BUSY, "too many boards are asked for at once: try again");
        return NULL;
    }
    board->live = live;
    board->style = query->style;
    snprintf(board->category, sizeof board->category, "%s", category);
    snprintf(board->method, sizeof board->method, "%s", method);
    live->board[place] = board;
    return board;
}

/* --- the public face --- */

struct live *live_new(const struct live_options *options, struct err *err)
{
    struct live *live = calloc(1, sizeof *live);
    struct live_query query = {0};
    if (!live) {
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    live->options = *options;
    if (add_board(live, &query, err))
        return live;
    free(live);
    return NULL;
}

void live_start(struct live *live, void (*ready)(void *user, const struct err *err), void *user)
{
    live->ready = ready;
    live->ready_user = user;
    fit(live->board[0]);
}

void live_stop(struct live *live)
{
    if (live)
        live->closing = true;
}

void live_free(struct live *live)
{
    struct err err = {ERR_BUSY, "the arena is shutting down"};
    if (!live)
        return;
    for (size_t i = 0; i < live->count; i++) {
        answer_waiters(live->board[i], &err);
        board_free(live->board[i]);
    }
    sampling_free(live->sampling);
    free(live);
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

void live_ask(struct live *live, const struct live_query *query,
              void (*reply)(void *user, struct live_snapshot *snapshot, const struct err *err),
              void *user)
{
    struct err err = {ERR_MEMORY, "out of memory"};
    struct board *board = find_board(live, query);
    if (!board)
        board = add_board(live, query, &err);
    if (!board) {
        reply(user, NULL, &err);
        return;
    }
    board->asked_ns = clock_mono_ns();
    bool current = board->snapshot && board->snapshot->seq >= live->seq;
    if (board->snapshot && (current || board->fit_ns > SLOW_FIT_NS)) {
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
