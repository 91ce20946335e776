/* GET /api/audit: what administrators did, newest first, by pages. */
#include "http/api.h"

#include <stdlib.h>

#include "base/json.h"
#include "http/errand.h"
#include "store/audit.h"
#include "store/voters.h"

enum { LIST_BYTES = 1 << 20, PAGE = 50 };

struct listing {
    struct json_out out;
    struct db *db;
    int64_t before, count, next;
};

/* An actor may have a name, or be the command line, or erased since. */
static void put_name(struct listing *listing, const char *actor)
{
    struct err ignored = ERR_INIT;
    struct voter_record voter;
    bool named = voters_find(listing->db, actor, &voter, &ignored) && *voter.name;
    json_put_cstring(&listing->out, "name", named ? voter.name : NULL);
}

static void put_entry(void *user, const struct audit_record *record)
{
    struct listing *listing = user;
    struct json_out *out = &listing->out;
    if (++listing->count > PAGE)
        return;
    listing->next = record->id;
    json_put_open(out, NULL, '{');
    json_put_int(out, "at_ms", record->at_ms);
    json_put_cstring(out, "actor", record->actor);
    put_name(listing, record->actor);
    json_put_cstring(out, "act", record->act);
    json_put_cstring(out, "detail", record->detail);
    json_put_close(out, '}');
}

static bool read_audit(struct errand *errand, struct db *db, struct err *err)
{
    struct listing *listing = errand->data;
    listing->out = json_out_to(&errand->out);
    listing->db = db;
    json_put_open(&listing->out, NULL, '{');
    json_put_open(&listing->out, "entries", '[');
    if (!audit_each(db, listing->before, PAGE + 1, put_entry, listing, err))
        return false;
    json_put_close(&listing->out, ']');
    if (listing->count > PAGE)
        json_put_int(&listing->out, "next", listing->next);
    else
        json_put_null(&listing->out, "next");
    json_put_close(&listing->out, '}');
    return true;
}

static void free_data(struct errand *errand)
{
    free(errand->data);
}

void api_audit_list(struct http_request *request)
{
    struct err err = {ERR_MEMORY, "out of memory"};
    struct errand *errand = errand_new(request, LIST_BYTES);
    if (!errand)
        return;
    struct listing *listing = errand->data = calloc(1, sizeof *listing);
    errand->read = read_audit;
    errand->done = free_data;
    if (listing && http_request_query_int(request, "before", &listing->before, &err))
        errand_send(errand);
    else
        errand_refuse(errand, &err);
}
