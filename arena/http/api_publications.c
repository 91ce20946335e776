/* /api/publications: an administrator makes the boards as they are now the ones that voters see.
 * The moment is read by a worker, stored with its row in the audit log, then shown. */
#include "http/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/limits.h"
#include "board/live.h"
#include "board/publication.h"
#include "http/errand.h"

#define WHAT "the publication"

enum { LIST_MOST = 100 };

struct publishing {
    struct publication *publication;
    char note[PUBLICATION_NOTE_MAX + 1];
};

static void free_data(struct errand *errand)
{
    struct publishing *publishing = errand->data;
    publication_release(publishing->publication);
    free(publishing);
}

static bool take(struct errand *errand, struct db *db, struct err *err)
{
    struct publishing *publishing = errand->data;
    return (publishing->publication = publication_take(db, err)) != NULL;
}

static bool store(struct errand *errand, struct db *tx, struct err *err)
{
    struct publishing *publishing = errand->data;
    return publication_store(tx, publishing->publication, errand->actor, publishing->note, err);
}

static bool show(struct errand *errand, struct err *err)
{
    (void)err;
    struct publishing *publishing = errand->data;
    struct live *published = errand->request->context->published;
    if (published)
        live_publish(published, publishing->publication);
    struct json_out out = json_out_to(&errand->out);
    errand->status = 201;
    publication_write(publishing->publication, &out, NULL);
    return true;
}

static bool read_note(const struct http_request *request, struct publishing *publishing,
                      struct err *err)
{
    static const char *const KEYS[] = {"note", NULL};
    const char *note = "";
    if (request->json && (!json_only_keys(request->json, KEYS, WHAT, err) ||
                          !json_get_string_or(request->json, "note", WHAT, &note, err)))
        return false;
    if (strlen(note) > PUBLICATION_NOTE_MAX)
        return err_set(err, ERR_BAD_REQUEST, WHAT ": \"note\" has at most %d bytes",
                       PUBLICATION_NOTE_MAX);
    memcpy(publishing->note, note, strlen(note) + 1);
    return true;
}

void api_publication_add(struct http_request *request)
{
    struct err err = {ERR_MEMORY, "out of memory"};
    struct errand *errand = errand_new(request, LIMIT_BODY_BYTES);
    if (!errand)
        return;
    errand->read = take;
    errand->apply = store;
    errand->then = show;
    errand->data = calloc(1, sizeof(struct publishing));
    errand->done = free_data;
    if (errand->data && read_note(request, errand->data, &err))
        errand_send(errand);
    else
        errand_refuse(errand, &err);
}

static void put_one(void *user, const struct publication_record *record)
{
    struct json_out *out = user;
    json_put_open(out, NULL, '{');
    json_put_int(out, "id", record->id);
    json_put_int(out, "at_ms", record->at_ms);
    json_put_int(out, "votes", record->seq);
    json_put_cstring(out, "actor", record->actor);
    json_put_cstring(out, "note", *record->note ? record->note : NULL);
    json_put_close(out, '}');
}

static bool list(struct errand *errand, struct db *db, struct err *err)
{
    struct json_out out = json_out_to(&errand->out);
    json_put_open(&out, NULL, '{');
    json_put_open(&out, "publications", '[');
    if (!publications_each(db, LIST_MOST, put_one, &out, err))
        return false;
    json_put_close(&out, ']');
    json_put_close(&out, '}');
    return true;
}

void api_publication_list(struct http_request *request)
{
    struct errand *errand = errand_new(request, LIMIT_BODY_BYTES);
    if (!errand)
        return;
    errand->read = list;
    errand_send(errand);
}
