/* A moment and not the boards' bytes: there are hundreds of boards (category, style, method, judge)
 * of which few are ever looked at, and each is a function of what is named here. */
#include "board/publication.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "board/aside.h"
#include "store/votes.h"

struct publication *publication_hold(struct publication *publication)
{
    if (publication)
        publication->holds++;
    return publication;
}

void publication_release(struct publication *publication)
{
    if (!publication || --publication->holds)
        return;
    free(publication->reliability);
    free(publication->tagger);
    free(publication);
}

static struct publication *new (struct err *err)
{
    struct publication *publication = calloc(1, sizeof *publication);
    if (publication)
        publication->holds = 1;
    else
        err_set(err, ERR_MEMORY, "out of memory");
    return publication;
}

/* --- taking one --- */

/* What stands beside a board, read as for one and kept as text. */
static bool take_aside(struct publication *publication, struct db *db, struct err *err)
{
    struct aside aside;
    struct buf list;
    aside_init(&aside);
    buf_init(&list, RENDER_MAX);
    bool good = aside_refresh(&aside, db, err);
    if (good) {
        struct json_out out = json_out_to(&list);
        reliability_write(&aside.reliability, &out, NULL);
        publication->blinding = aside.blinding;
        publication->reliability = buf_take(&list, NULL);
        if (aside.tagger.length)
            publication->tagger = buf_take(&aside.tagger, NULL);
        good = publication->reliability || err_set(err, ERR_MEMORY, "out of memory");
    }
    buf_done(&list);
    aside_done(&aside);
    return good;
}

static bool take(struct publication *publication, struct db *db, struct err *err)
{
    return votes_last(db, &publication->seq, publication->hash, err) &&
           db_one_int(db, "SELECT max(id) FROM competitor_versions", DB_NONE, 0,
                      &publication->versions, err) &&
           stored_judge(db, NULL, &publication->judge, err) &&
           stored_marks_now(db, &publication->marks, err) && take_aside(publication, db, err);
}

struct publication *publication_take(struct db *db, struct err *err)
{
    struct publication *publication = new (err);
    if (!publication || !store_read_begin(db, err)) {
        publication_release(publication);
        return NULL;
    }
    publication->at_ms = clock_wall_ms();
    bool good = take(publication, db, err);
    store_read_end(db);
    if (good)
        return publication;
    publication_release(publication);
    return NULL;
}

/* --- to the store and back --- */

bool publication_store(struct db *tx, struct publication *publication, const char *actor,
                       const char *note, struct err *err)
{
    struct publication_record record = {.at_ms = publication->at_ms,
                                        .actor = actor,
                                        .note = note,
                                        .seq = publication->seq,
                                        .versions = publication->versions,
                                        .judge = publication->judge,
                                        .exclusions = publication->marks.exclusions,
                                        .tagger = publication->marks.tagger,
                                        .tags = publication->marks.tags,
                                        .losses = publication->marks.losses,
                                        .reliability = text_of(publication->reliability),
                                        .asked = publication->blinding.answered,
                                        .named_right = publication->blinding.right,
                                        .named_wrong = publication->blinding.wrong,
                                        .unnamed = publication->blinding.unnamed};
    if (publication->tagger)
        record.tagger_said = text_of(publication->tagger);
    memcpy(record.hash, publication->hash, sizeof record.hash);
    if (!publications_insert(tx, &record, err))
        return false;
    publication->id = record.id;
    return true;
}

static void read_one(void *user, const struct publication_record *record)
{
    struct publication *publication = user;
    publication->id = record->id;
    publication->at_ms = record->at_ms;
    publication->seq = record->seq;
    publication->versions = record->versions;
    publication->judge = (int)record->judge;
    publication->marks = (struct stored_marks){.exclusions = record->exclusions,
                                               .tagger = record->tagger,
                                               .tags = record->tags,
                                               .losses = record->losses};
    publication->blinding = (struct blinding){.answered = record->asked,
                                              .right = record->named_right,
                                              .wrong = record->named_wrong,
                                              .unnamed = record->unnamed};
    memcpy(publication->hash, record->hash, sizeof publication->hash);
    publication->reliability = strndup(record->reliability.data, record->reliability.length);
    if (record->tagger_said.data)
        publication->tagger = strndup(record->tagger_said.data, record->tagger_said.length);
}

bool publication_newest(struct db *db, struct publication **out, struct err *err)
{
    *out = NULL;
    struct publication *publication = new (err);
    if (!publication)
        return false;
    bool good = publications_each(db, 1, read_one, publication, err);
    if (good && publication->id && !publication->reliability)
        good = err_set(err, ERR_MEMORY, "out of memory");
    if (good && publication->id)
        *out = publication_hold(publication);
    publication_release(publication);
    return good;
}

/* --- its boards --- */

void publication_filter(const struct publication *publication, struct published *published,
                        bool any_judge, struct stored_filter *out)
{
    static const struct publication NOTHING = {.judge = JUDGE_HUMAN};
    const struct publication *its = publication ? publication : &NOTHING;
    if (any_judge)
        published->judge = its->judge;
    published->versions = its->versions;
    published->marks = its->marks;
    published_filter(published, out);
    out->up_to = its->seq ? its->seq : -1;
    out->remarked_by_ms = its->at_ms;
}

void publication_write(const struct publication *publication, struct json_out *out, const char *key)
{
    if (!publication) {
        json_put_null(out, key);
        return;
    }
    json_put_open(out, key, '{');
    json_put_int(out, "id", publication->id);
    json_put_int(out, "at_ms", publication->at_ms);
    json_put_int(out, "votes", publication->seq);
    json_put_close(out, '}');
}
