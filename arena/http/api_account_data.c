/* What a voter may take home, and its own leaderboard: read on a worker. */
#include "http/api.h"

#include <string.h>

#include "base/limits.h"
#include "board/codes.h"
#include "board/leaderboard.h"
#include "board/render.h"
#include "eval/version_labels.h"
#include "http/errand.h"
#include "http/proxied.h"
#include "http/response.h"
#include "rating/tally.h"
#include "store/vote_rows.h"
#include "store/voter_history.h"

static struct errand *own_errand(struct http_request *request)
{
    struct err err = ERR_INIT;
    struct errand *errand = errand_new(request, LIMIT_RESPONSE_BYTES);
    if (!errand || (request->has_voter && proxied_take_own_rate(request, RATE_OWN, &err)))
        return errand;
    if (!request->has_voter)
        err_set(&err, ERR_NOT_FOUND, "nothing is stored of you here yet");
    errand_refuse(errand, &err);
    return NULL;
}

/* --- everything --- */

struct writing {
    struct json_out out;
    char battle[STORE_ID_SIZE]; /* whose turns are being written; "": none */
};

static void put_text(struct json_out *out, const char *key, struct text text)
{
    if (text.data)
        json_put_string(out, key, text);
    else
        json_put_null(out, key);
}

static void put_vote(struct json_out *out, const struct history_turn *turn)
{
    json_put_open(out, "vote", '{');
    json_put_cstring(out, "winner", winner_word(turn->winner));
    json_put_cstring(out, "counted", vote_counted_word(turn->counted));
    json_put_int(out, "at_ms", turn->voted_ms);
    put_text(out, "reasons", turn->reasons);
    put_text(out, "comment", turn->comment);
    put_text(out, "recognised", turn->recognised);
    json_put_close(out, '}');
}

static void end_battle(struct writing *writing)
{
    if (!*writing->battle)
        return;
    json_put_close(&writing->out, ']');
    json_put_close(&writing->out, '}');
}

static void begin_battle(struct writing *writing, const struct history_turn *turn)
{
    struct json_out *out = &writing->out;
    end_battle(writing);
    memcpy(writing->battle, turn->battle, strlen(turn->battle) + 1);
    json_put_open(out, NULL, '{');
    json_put_cstring(out, "battle_id", turn->battle);
    json_put_int(out, "created_ms", turn->created_ms);
    json_put_cstring(out, "state", battle_state_word(turn->state));
    json_put_bool(out, "private", turn->keep_private);
    put_text(out, "model_a", turn->name_a);
    put_text(out, "model_b", turn->name_b);
    if (turn->voted)
        put_vote(out, turn);
    json_put_open(out, "turns", '[');
}

static bool write_turn(void *user, const struct history_turn *turn)
{
    struct writing *writing = user;
    struct json_out *out = &writing->out;
    if (strcmp(writing->battle, turn->battle) != 0)
        begin_battle(writing, turn);
    json_put_open(out, NULL, '{');
    put_text(out, "prompt", turn->prompt);
    put_text(out, "answer_a", turn->answer_a);
    put_text(out, "answer_b", turn->answer_b);
    json_put_close(out, '}');
    return !out->buf->failed;
}

static void write_consent(void *user, const char *scope, const char *notice, int64_t at_ms)
{
    struct json_out *out = user;
    json_put_open(out, NULL, '{');
    json_put_cstring(out, "scope", scope);
    json_put_cstring(out, "notice", notice);
    json_put_int(out, "at_ms", at_ms);
    json_put_close(out, '}');
}

static bool read_data(struct errand *errand, struct db *db, struct err *err)
{
    struct writing writing = {.out = json_out_to(&errand->out)};
    struct json_out *out = &writing.out;
    const struct voter *voter = &errand->voter;
    json_put_open(out, NULL, '{');
    json_put_cstring(out, "voter", voter->id);
    json_put_cstring(out, "name", *voter->name ? voter->name : NULL);
    json_put_cstring(out, "cohort", *voter->cohort ? voter->cohort : NULL);
    json_put_open(out, "consents", '[');
    if (!voter_history_consents(db, voter->id, write_consent, out, err))
        return false;
    json_put_close(out, ']');
    json_put_open(out, "battles", '[');
    if (!voter_history_each(db, voter->id, write_turn, &writing, err))
        return false;
    end_battle(&writing);
    json_put_close(out, ']');
    json_put_close(out, '}');
    return true;
}

void api_account_data(struct http_request *request)
{
    struct errand *errand = own_errand(request);
    if (!errand)
        return;
    errand->read = read_data;
    errand_send(errand);
}

/* --- one's own leaderboard --- */

/* The voter's own counted votes on hidden models, of any version of them. */
struct own_votes {
    const struct version_labels *labels;
    struct tally tally;
    struct err *err;
    bool failed;
};

static bool add_vote(void *user, const struct vote_row *row)
{
    struct own_votes *votes = user;
    const struct versions *versions = &votes->labels->versions;
    const struct version_record *a = versions_find(versions, row->version_a),
                                *b = versions_find(versions, row->version_b);
    static const enum outcome OUTCOME_OF[] = {[WINNER_A] = OUTCOME_A,
                                              [WINNER_B] = OUTCOME_B,
                                              [WINNER_TIE] = OUTCOME_TIE,
                                              [WINNER_BOTH_BAD] = OUTCOME_BOTH_BAD};
    if (a && b && a != b)
        votes->failed =
            !tally_add(&votes->tally, (size_t)(a - versions->list), (size_t)(b - versions->list),
                       OUTCOME_OF[row->winner], 1, votes->err);
    return !votes->failed;
}

static bool fit_board(const struct own_votes *votes, struct buf *out, struct err *err)
{
    struct leaderboard_options options;
    leaderboard_options_init(&options);
    options.min_votes = 0;
    struct leaderboard_votes input = {.tally = &votes->tally,
                                      .names = (const char *const *)votes->labels->labels,
                                      .absent_hidden = true};
    struct leaderboard *board = leaderboard_fit(&input, &options, err);
    bool good = board && (render(out, board, RENDER_JSON, 0) || out->failed);
    leaderboard_free(board);
    return good;
}

static bool read_board(struct errand *errand, struct db *db, struct err *err)
{
    struct version_labels labels;
    struct vote_filter filter = VOTE_FILTER_ALL;
    filter.counted_only = true;
    filter.voter = errand->voter.id;
    if (!version_labels_load(&labels, db, err))
        return false;
    struct codes codes;
    if (!codes_load(&codes, db, err)) {
        version_labels_done(&labels);
        return false;
    }
    bool masked = version_labels_mask(&labels, &codes);
    codes_done(&codes);
    struct own_votes votes = {.labels = &labels, .err = err};
    tally_init(&votes.tally);
    bool good = (masked || err_set(err, ERR_MEMORY, "out of memory")) &&
                tally_grow(&votes.tally, labels.versions.count, err) &&
                votes_each(db, &filter, add_vote, &votes, err) && !votes.failed &&
                fit_board(&votes, &errand->out, err);
    tally_done(&votes.tally);
    version_labels_done(&labels);
    return good;
}

void api_account_leaderboard(struct http_request *request)
{
    struct errand *errand = own_errand(request);
    if (!errand)
        return;
    errand->read = read_board;
    errand_send(errand);
}
