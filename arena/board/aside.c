/* The members are written apart and put before the object's last bracket, so that the board's
 * own renderer knows nothing of the arena around it. */
#include "board/aside.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "board/agreement.h"
#include "board/page.h"
#include "board/publication.h"
#include "store/battle_tags.h"

#define TAGGER_BYTES 4096

void aside_init(struct aside *aside)
{
    *aside = (struct aside){.reliability = {.list = NULL}};
    buf_init(&aside->influence, RENDER_MAX);
    buf_init(&aside->tagger, TAGGER_BYTES);
    buf_init(&aside->tagger_line, TAGGER_BYTES);
}

void aside_done(struct aside *aside)
{
    codes_done(&aside->codes);
    reliability_done(&aside->reliability);
    trail_done(&aside->trail);
    buf_done(&aside->influence);
    buf_done(&aside->tagger);
    buf_done(&aside->tagger_line);
}

/* --- who tags --- */

struct telling {
    struct aside *aside;
    struct db *db;
    struct err *err;
    bool good;
};

static void tell_tagger(void *user, const struct tagger_record *record)
{
    struct telling *telling = user;
    struct battle_tags_count count;
    struct buf *out = &telling->aside->tagger;
    telling->good = true;
    if (!record->id)
        return;
    telling->good = battle_tags_count(telling->db, record->id, &count, telling->err);
    struct json_out json = json_out_to(out);
    json_put_open(&json, NULL, '{');
    json_put_cstring(&json, "model", record->name);
    json_put_cstring(&json, "version", record->version);
    json_put_cstring(&json, "method", record->method);
    json_put_int(&json, "tagged", count.tagged);
    json_put_int(&json, "malformed", count.malformed);
    if (record->agreement.data)
        json_put_raw(&json, "agreement", record->agreement);
    json_put_close(&json, '}');
    if (count.tagged + count.malformed == 0)
        return;
    buf_printf(&telling->aside->tagger_line,
               "creative_writing, hard_prompts and instruction_following are as %s says (version "
               "%.8s; %" PRId64 " battles tagged, %" PRId64 " answers in no form that counts); ",
               record->name, record->version, count.tagged, count.malformed);
    agreement_sentence(record->agreement, &telling->aside->tagger_line);
}

bool aside_is_due(const struct aside *aside)
{
    return aside->late && clock_mono_ns() - aside->told_ns >= 100 * aside->telling_ns;
}

bool aside_refresh(struct aside *aside, struct db *db, struct err *err)
{
    struct telling telling = {aside, db, err, false};
    int64_t now = clock_mono_ns();
    if (!reliability_refresh(&aside->reliability, db, err) ||
        !blinding_refresh(&aside->blinding, db, err))
        return false;
    aside->late = aside->told_ns && now - aside->told_ns < 100 * aside->telling_ns;
    if (aside->late)
        return true;
    buf_clear(&aside->tagger);
    buf_clear(&aside->tagger_line);
    bool good = taggers_current(db, tell_tagger, &telling, err) && telling.good;
    aside->told_ns = clock_mono_ns();
    aside->telling_ns = aside->told_ns - now;
    return good;
}

/* --- as JSON --- */

/* Rows with models' names, as this board's readers may see them. */
static void put_rows(struct json_out *out, const char *key, const struct codes *codes,
                     struct text rows)
{
    char *masked = codes->count ? codes_mask(codes, rows) : NULL;
    if (!codes->count)
        json_put_raw(out, key, rows);
    else if (masked)
        json_put_raw(out, key, text_of(masked));
    else
        out->buf->failed = true;
    free(masked);
}

static void put_reliability(struct json_out *out, const struct aside *aside)
{
    struct buf rows;
    buf_init(&rows, RENDER_MAX);
    struct json_out list = json_out_to(&rows);
    reliability_write(&aside->reliability, &list, NULL);
    put_rows(out, "reliability", &aside->codes, buf_text(&rows));
    buf_done(&rows);
}

static void write_now(struct json_out *out, const struct aside *aside, size_t models)
{
    if (aside->view == ASIDE_LIVE)
        json_put_bool(out, "live", true);
    put_reliability(out, aside);
    blinding_write(&aside->blinding, models, out, "blinding");
    if (aside->tagger.length)
        put_rows(out, "tagger", &aside->codes, buf_text(&aside->tagger));
}

static void write_then(struct json_out *out, const struct aside *aside, size_t models)
{
    const struct publication *publication = aside->publication;
    static const struct blinding NOBODY;
    publication_write(publication, out, "published");
    put_rows(out, "reliability", &aside->codes,
             publication ? text_of(publication->reliability) : TEXT("[]"));
    blinding_write(publication ? &publication->blinding : &NOBODY, models, out, "blinding");
    if (publication && publication->tagger)
        put_rows(out, "tagger", &aside->codes, text_of(publication->tagger));
}

static void write_members(struct json_out *out, const struct aside *aside,
                          const struct stored_votes *votes, const struct leaderboard *board,
                          struct text filter)
{
    json_put_raw(out, "filter", filter);
    if (votes->catalogue)
        catalogue_write(votes->catalogue, out, "categories");
    if (aside->view == ASIDE_PUBLISHED)
        write_then(out, aside, votes->models);
    else
        write_now(out, aside, votes->models);
    if (aside->influence.length)
        json_put_raw(out, "influence", buf_text(&aside->influence));
    if (board)
        trail_write(&aside->trail, board, out);
}

bool aside_append(struct buf *json, const struct aside *aside, const struct stored_votes *votes,
                  const struct leaderboard *board, struct text filter)
{
    struct buf members;
    buf_init(&members, RENDER_MAX);
    struct json_out out = json_out_to(&members);
    json_put_open(&out, NULL, '{');
    write_members(&out, aside, votes, board, filter);
    json_put_close(&out, '}');
    const char *end = json->length ? memrchr(json->data, '}', json->length) : NULL;
    if (end && !members.failed && members.length > 2) {
        json->length = (size_t)(end - json->data);
        buf_add_char(json, ',');
        buf_add(json, members.data + 1, members.length - 1);
    }
    bool good = !json->failed && !members.failed;
    buf_done(&members);
    return good;
}

/* --- for people --- */

bool aside_draw(struct buf *text, const struct aside *aside, size_t models,
                enum render_format format)
{
    bool page = format == RENDER_HTML;
    if (format == RENDER_CSV || format == RENDER_JSON)
        return true;
    if (page)
        page_reopen(text);
    reliability_draw(&aside->reliability, text, format);
    blinding_draw(&aside->blinding, models, text, format);
    if (aside->tagger_line.length) {
        buf_add_string(text, page ? "<p class=\"note\">" : "\n");
        render_words(text, aside->tagger_line.data, format);
        buf_add_string(text, page ? "</p>\n" : "\n");
    }
    if (page)
        page_close(text);
    return !text->failed;
}
