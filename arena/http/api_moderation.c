/* GET /api/moderation: battles that somebody should look at, with their text cut to what shows what
 * they are about. */
#include "http/api.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "http/errand.h"
#include "store/moderation.h"
#include "store/turns.h"

enum { LIST_BYTES = 8 << 20, PAGE = 25, TEXT_BYTES = 2000, TURNS_SHOWN = 4 };

struct listing {
    struct json_out out;
    struct db *db;
    struct moderation_query query;
    char battle[STORE_ID_SIZE]; /* the query's; "": none */
    int64_t count, next;
    int turns;
    struct err err;
};

/* At most so many bytes, whole characters. */
static void put_cut(struct json_out *out, const char *key, struct text text)
{
    size_t length = text.length < TEXT_BYTES ? text.length : TEXT_BYTES;
    while (length && length < text.length && ((unsigned char)text.data[length] & 0xc0) == 0x80)
        length--;
    if (text.data)
        json_put_string(out, key, (struct text){text.data, length});
    else
        json_put_null(out, key);
}

static struct text said(const struct answer_record *answer)
{
    return answer->text.data ? answer->text : answer->refusal;
}

static bool put_turn(void *user, const struct turn_record *turn)
{
    struct listing *listing = user;
    struct json_out *out = &listing->out;
    static const struct text NOTHING = {NULL, 0};
    json_put_open(out, NULL, '{');
    put_cut(out, "prompt", turn->prompt);
    put_cut(out, "a", turn->answered ? said(&turn->a) : NOTHING);
    put_cut(out, "b", turn->answered ? said(&turn->b) : NOTHING);
    json_put_close(out, '}');
    return ++listing->turns < TURNS_SHOWN;
}

static void put_raw(struct json_out *out, const char *key, struct text json)
{
    if (json.data)
        json_put_raw(out, key, json);
    else
        json_put_null(out, key);
}

static void put_vote(struct json_out *out, const struct moderation_battle *found)
{
    json_put_open(out, "vote", '{');
    json_put_cstring(out, "winner", winner_word(found->winner));
    json_put_cstring(out, "counted", vote_counted_word(found->counted));
    put_raw(out, "reasons", found->reasons);
    put_raw(out, "recognised", found->recognised);
    put_cut(out, "comment", found->comment);
    json_put_close(out, '}');
}

static void put_battle(void *user, const struct moderation_battle *found)
{
    struct listing *listing = user;
    struct json_out *out = &listing->out;
    const struct battle_record *battle = &found->battle;
    if (++listing->count > PAGE || listing->err.code != ERR_NONE)
        return;
    listing->next = battle->number;
    listing->turns = 0;
    json_put_open(out, NULL, '{');
    json_put_cstring(out, "battle_id", battle->id);
    json_put_cstring(out, "voter", battle->voter);
    json_put_cstring(out, "cohort", found->cohort);
    json_put_cstring(out, "state", battle_state_word(battle->state));
    json_put_cstring(out, "mode", battle_mode_word(battle->mode));
    json_put_bool(out, "self_identified", battle->self_identified);
    json_put_cstring(out, "model_a", found->name_a);
    json_put_cstring(out, "model_b", found->name_b);
    json_put_int(out, "created_ms", battle->created_ms);
    if (found->voted)
        put_vote(out, found);
    else
        json_put_null(out, "vote");
    json_put_open(out, "turns", '[');
    turns_each(listing->db, battle->id, put_turn, listing, &listing->err);
    json_put_close(out, ']');
    json_put_close(out, '}');
}

static bool read_battles(struct errand *errand, struct db *db, struct err *err)
{
    struct listing *listing = errand->data;
    listing->out = json_out_to(&errand->out);
    listing->db = db;
    json_put_open(&listing->out, NULL, '{');
    json_put_open(&listing->out, "battles", '[');
    if (!moderation_each(db, &listing->query, put_battle, listing, err))
        return false;
    json_put_close(&listing->out, ']');
    if (listing->count > PAGE)
        json_put_int(&listing->out, "next", listing->next);
    else
        json_put_null(&listing->out, "next");
    json_put_close(&listing->out, '}');
    if (listing->err.code != ERR_NONE)
        *err = listing->err;
    return listing->err.code == ERR_NONE;
}

static void free_data(struct errand *errand)
{
    free(errand->data);
}

void api_moderation(struct http_request *request)
{
    struct err err = {ERR_MEMORY, "out of memory"};
    struct errand *errand = errand_new(request, LIST_BYTES);
    if (!errand)
        return;
    struct listing *listing = errand->data = calloc(1, sizeof *listing);
    errand->read = read_battles;
    errand->done = free_data;
    if (listing && http_request_query_int(request, "before", &listing->query.before, &err)) {
        listing->query.limit = PAGE + 1;
        listing->query.all = text_equal(http_request_query(request, "show"), TEXT("all"));
        struct text battle = http_request_query(request, "battle");
        snprintf(listing->battle, sizeof listing->battle, "%.*s", (int)battle.length, battle.data);
        listing->query.battle = battle.length ? listing->battle : NULL;
        listing->query.all |= battle.length > 0;
        listing->query.at_home = request->context->auth == AUTH_LOCAL;
        errand_send(errand);
        return;
    }
    errand_refuse(errand, &err);
}
