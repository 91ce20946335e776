/* /api/review: battles in whose texts personal data was found, by whom, and what is decided on
 * them. */
#include "http/api.h"

#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"
#include "eval/review.h"
#include "http/errand.h"
#include "http/response.h"
#include "store/reviews.h"

enum { LIST_BYTES = 8 << 20, PAGE = 100 }; /* 256 finds a battle, 160 bytes each */

struct review {
    struct json_out out;
    struct db *db; /* while the list is read */
    struct err err;
    struct review_query query;
    struct review_record record;
};

static void put_kinds(struct json_out *out, unsigned kinds)
{
    json_put_open(out, "found", '[');
    for (int kind = 0; kind < PERSONAL_KINDS; kind++)
        if (kinds & 1u << kind)
            json_put_cstring(out, NULL, personal_word((enum personal_kind)kind));
    json_put_close(out, ']');
}

static void put_find(void *user, const struct find_record *find, struct text text)
{
    struct json_out *out = user;
    json_put_open(out, NULL, '{');
    json_put_cstring(out, "kind", personal_word((enum personal_kind)find->kind));
    json_put_int(out, "turn", find->turn);
    json_put_cstring(out, "part", search_part_word(find->part));
    json_put_string(out, "text", text);
    json_put_close(out, '}');
}

static void put_battle(void *user, const struct battle_row *row, const struct review_finds *found)
{
    struct review *review = user;
    struct json_out *out = &review->out;
    json_put_open(out, NULL, '{');
    json_put_string(out, "battle_id", row->id);
    json_put_int(out, "created_ms", row->created_ms);
    put_kinds(out, found->patterns | found->model);
    json_put_open(out, "by", '[');
    if (found->patterns)
        json_put_cstring(out, NULL, "patterns");
    if (found->model)
        json_put_cstring(out, NULL, "model");
    json_put_close(out, ']');
    json_put_open(out, "finds", '[');
    if (found->model && review->err.code == ERR_NONE)
        review_show(review->db, row, put_find, out, &review->err);
    json_put_close(out, ']');
    json_put_close(out, '}');
}

static void put_share(struct json_out *out, const char *key, int64_t refused, int64_t released)
{
    int64_t decided = refused + released;
    json_put_open(out, key, '{');
    json_put_int(out, "refused", refused);
    json_put_int(out, "released", released);
    json_put_real(out, "precision", decided ? (double)refused / (double)decided : NAN);
    json_put_close(out, '}');
}

/* The model's work and what reviewers make of it; null: no model is configured. */
static bool put_search(struct json_out *out, struct db *db, struct err *err)
{
    struct finder_record finder;
    struct find_figures figures;
    if (!finders_current(db, &finder, err))
        return false;
    if (!finder.id) {
        json_put_null(out, "search");
        return true;
    }
    if (!finds_figures(db, finder.id, &figures, err))
        return false;
    json_put_open(out, "search", '{');
    json_put_cstring(out, "model", finder.name);
    json_put_cstring(out, "version", finder.version);
    json_put_int(out, "searched", figures.searched);
    json_put_int(out, "with_finds", figures.battles);
    json_put_int(out, "alone", figures.alone);
    json_put_int(out, "finds", figures.found);
    json_put_int(out, "invented", figures.invented);
    json_put_int(out, "malformed", figures.malformed);
    json_put_int(out, "unread_bytes", figures.unread);
    put_share(out, "decided", figures.refused, figures.released);
    put_share(out, "decided_alone", figures.alone_refused, figures.alone_released);
    json_put_close(out, '}');
    return true;
}

static bool read_list(struct errand *errand, struct db *db, struct err *err)
{
    struct review *review = errand->data;
    struct json_out *out = &review->out;
    bool own;
    int64_t next;
    if (!battles_are_own(db, &own, err))
        return false;
    review->query.own &= own;
    review->db = db;
    *out = json_out_to(&errand->out);
    json_put_open(out, NULL, '{');
    if (!put_search(out, db, err))
        return false;
    json_put_open(out, "battles", '[');
    if (!review_each(db, &review->query, put_battle, review, &next, err))
        return false;
    json_put_close(out, ']');
    if (next)
        json_put_int(out, "next", next);
    else
        json_put_null(out, "next");
    json_put_close(out, '}');
    if (review->err.code != ERR_NONE)
        *err = review->err;
    return review->err.code == ERR_NONE;
}

static bool add(struct errand *errand, struct db *tx, struct err *err)
{
    struct review *review = errand->data;
    review->record.actor = errand->actor;
    return reviews_add(tx, &review->record, err);
}

static void free_data(struct errand *errand)
{
    free(errand->data);
}

static struct errand *new_errand(struct http_request *request)
{
    struct err err = {ERR_MEMORY, "out of memory"};
    struct errand *errand = errand_new(request, LIST_BYTES);
    if (!errand)
        return NULL;
    errand->done = free_data;
    errand->data = calloc(1, sizeof(struct review));
    if (errand->data)
        return errand;
    errand_refuse(errand, &err);
    return NULL;
}

void api_review_list(struct http_request *request)
{
    struct err err = ERR_INIT;
    struct errand *errand = new_errand(request);
    if (!errand)
        return;
    struct review *review = errand->data;
    review->query.limit = PAGE;
    review->query.own = request->context->auth == AUTH_LOCAL;
    errand->read = read_list;
    if (http_request_query_int(request, "after", &review->query.after, &err))
        errand_send(errand);
    else
        errand_refuse(errand, &err);
}

void api_review_decide(struct http_request *request)
{
    static const char *const KEYS[] = {"release", NULL};
    struct err err = ERR_INIT;
    const json_t *release = json_object_get(request->json, "release");
    struct errand *errand = new_errand(request);
    if (!errand)
        return;
    struct review *review = errand->data;
    snprintf(review->record.battle, sizeof review->record.battle, "%.*s", STORE_ID_SIZE - 1,
             request->part);
    review->record.released = json_is_true(release);
    review->record.at_ms = clock_wall_ms();
    errand->apply = add;
    if (!request->json || !json_only_keys(request->json, KEYS, "the review", &err) ||
        (!json_is_boolean(release) &&
         !err_set(&err, ERR_BAD_REQUEST, "the review: \"release\": expected true or false")))
        errand_refuse(errand, &err);
    else
        errand_send(errand);
}
