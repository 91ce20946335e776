/* GET /api/suspects: the voter checks with their reasons, and whom the boards leave out; and a
 * voter's word against it. Fitting a board is a worker's. */
#include "http/api.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "board/published.h"
#include "board/suspects.h"
#include "http/errand.h"
#include "people/addresses.h"
#include "store/appeals.h"
#include "store/exclusions.h"

#define WHAT "the request"

enum { LIST_BYTES = 4 << 20, LISTED = 500 };

/* --- whom the boards leave out --- */

/* Who came from the same address today, as it was when this was asked. */
struct places {
    struct address_sharing *list;
    size_t count;
};

struct listing {
    struct json_out out;
    const struct places *places;
    struct db *db;
    struct err err;
};

static bool put_excluded(void *user, const struct exclusion_record *record)
{
    struct listing *listing = user;
    struct json_out *out = &listing->out;
    struct voter_record voter;
    struct appeal appeal;
    if (!voters_find(listing->db, record->voter_id, &voter, &listing->err) ||
        !appeals_newest(listing->db, record->voter, &appeal, &listing->err))
        return false;
    json_put_open(out, NULL, '{');
    json_put_int(out, "voter", record->voter);
    json_put_cstring(out, "id", record->voter_id);
    json_put_cstring(out, "name", *voter.name ? voter.name : NULL);
    json_put_cstring(out, "cohort", *voter.cohort ? voter.cohort : NULL);
    json_put_int(out, "from_ms", record->from_ms);
    json_put_cstring(out, "note", record->note);
    json_put_int(out, "at_ms", record->at_ms);
    json_put_bool(out, "told", record->told);
    json_put_cstring(out, "appeal", appeal.at_ms >= record->at_ms ? appeal.text : NULL);
    json_put_close(out, '}');
    return true;
}

/* --- who looks strange --- */

static bool find_person(struct db *db, int64_t number, struct voter_record *out, struct err *err)
{
    struct db_rows rows;
    if (!db_select(db, &rows, "SELECT id FROM voters WHERE number = ?", DB_VALUES(DB_INT(number)),
                   err))
        return false;
    *out = (struct voter_record){.number = number};
    if (db_next(&rows))
        db_copy(&rows, 0, out->id, sizeof out->id);
    return db_end(&rows, err) && (!*out->id || voters_find(db, out->id, out, err));
}

/* Many people sit behind one address: it is told, and flags nobody. */
static void put_sharing(struct listing *listing, const char *voter)
{
    int64_t others = address_sharing_of(listing->places->list, listing->places->count, voter);
    if (others >= 0)
        json_put_int(&listing->out, "same_address", others);
    else
        json_put_null(&listing->out, "same_address");
}

static bool put_suspect(struct listing *listing, const struct suspect *suspect,
                        const struct stored_votes *votes)
{
    const struct voter_check *check = &suspect->check;
    struct json_out *out = &listing->out;
    struct voter_record voter;
    if (!find_person(listing->db, suspect->number, &voter, &listing->err))
        return false;
    json_put_open(out, NULL, '{');
    json_put_int(out, "voter", suspect->number);
    json_put_cstring(out, "id", *voter.id ? voter.id : NULL);
    json_put_cstring(out, "name", *voter.name ? voter.name : NULL);
    json_put_cstring(out, "cohort", *voter.cohort ? voter.cohort : NULL);
    json_put_bool(out, "staff", voter.staff);
    json_put_int(out, "votes", check->votes);
    json_put_fixed(out, "side", check->side, 3);
    json_put_fixed(out, "sense", check->sense, 3);
    json_put_fixed(out, "boost", check->boost, 3);
    json_put_cstring(out, "boosted", votes->names[check->boosted]);
    json_put_cstring(out, "reason", suspects_reason(check));
    json_put_real(out, "p", check->p);
    json_put_bool(out, "flagged", check->flagged);
    put_sharing(listing, voter.id);
    json_put_close(out, '}');
    return true;
}

static bool put_suspects(struct listing *listing, const struct stored_votes *votes,
                         const struct published *published)
{
    struct suspects suspects;
    struct leaderboard *board = published_fit(published, votes, &listing->err);
    bool good = board && suspects_find(&suspects, votes, board, &listing->err);
    if (good) {
        json_put_int(&listing->out, "voters_known", (int64_t)suspects.voters);
        json_put_open(&listing->out, "voters", '[');
        for (size_t k = 0; good && k < suspects.count && k < LISTED; k++)
            good = put_suspect(listing, &suspects.list[k], votes);
        json_put_close(&listing->out, ']');
        suspects_done(&suspects);
    }
    leaderboard_free(board);
    return good;
}

/* People's votes, those of excluded voters too: whoever looks wants to see them. */
static bool read_suspects(struct errand *errand, struct db *db, struct err *err)
{
    struct published published = {.category = "overall", .judge = JUDGE_HUMAN};
    struct stored_filter filter;
    struct listing listing = {.out = json_out_to(&errand->out), .db = db, .places = errand->data};
    published_filter(&published, &filter);
    filter.marks = STORED_MARKS_NOW;
    filter.marks.exclusions = 0;
    struct stored_votes *votes = stored_votes_load(db, &filter, err);
    if (!votes)
        return false;
    published.marks = votes->marks;
    published.versions = votes->last_version;
    json_put_open(&listing.out, NULL, '{');
    json_put_real(&listing.out, "alpha", SUSPECTS_ALPHA);
    json_put_int(&listing.out, "least_votes", VOTER_CHECK_LEAST);
    bool good = put_suspects(&listing, votes, &published);
    json_put_open(&listing.out, "excluded", '[');
    good = good && exclusions_each(db, INT64_MAX, put_excluded, &listing, &listing.err);
    json_put_close(&listing.out, ']');
    json_put_close(&listing.out, '}');
    stored_votes_free(votes);
    if (listing.err.code != ERR_NONE)
        *err = listing.err;
    return good && listing.err.code == ERR_NONE;
}

static void places_done(struct errand *errand)
{
    struct places *places = errand->data;
    free(places->list);
    free(places);
}

void api_suspect_list(struct http_request *request)
{
    struct err err = {ERR_MEMORY, "out of memory"};
    struct errand *errand = errand_new(request, LIST_BYTES);
    if (!errand)
        return;
    struct places *places = errand->data = calloc(1, sizeof *places);
    if (!places) {
        errand_refuse(errand, &err);
        return;
    }
    if (request->context->addresses)
        places->list = addresses_sharing(request->context->addresses, &places->count);
    errand->done = places_done;
    errand->read = read_suspects;
    errand_send(errand);
}

/* --- a voter's word --- */

static bool store_appeal(struct errand *errand, struct db *tx, struct err *err)
{
    return appeals_add(tx, errand->voter.id, errand->data, err);
}

static void free_data(struct errand *errand)
{
    free(errand->data);
}

static bool read_appeal(const struct http_request *request, struct appeal *appeal, struct err *err)
{
    static const char *const KEYS[] = {"text", NULL};
    const char *text;
    if (!request->json)
        return err_set(err, ERR_BAD_REQUEST, "the request has no body");
    if (!json_only_keys(request->json, KEYS, WHAT, err) ||
        !json_get_string(request->json, "text", WHAT, &text, err))
        return false;
    size_t length = strlen(text);
    if (!length || length >= sizeof appeal->text)
        return err_set(err, ERR_BAD_REQUEST, WHAT ": \"text\" has 1 to %zu bytes",
                       sizeof appeal->text - 1);
    memcpy(appeal->text, text, length + 1);
    appeal->at_ms = clock_wall_ms();
    return true;
}

void api_account_appeal(struct http_request *request)
{
    struct err err = {ERR_MEMORY, "out of memory"};
    struct errand *errand = errand_new(request, 256);
    if (!errand)
        return;
    errand->data = calloc(1, sizeof(struct appeal));
    errand->done = free_data;
    errand->apply = store_appeal;
    if (errand->data && !request->has_voter)
        err_set(&err, ERR_NOT_FOUND, "nothing is stored of you here yet");
    else if (errand->data && read_appeal(request, errand->data, &err)) {
        errand_send(errand);
        return;
    }
    errand_refuse(errand, &err);
}
