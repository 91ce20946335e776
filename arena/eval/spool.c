/* Elements are cut by a scanner that knows only strings and brackets; what is inside is left to
 * whoever reads the records, so that malformed JSON is refused there, with its place. Line ends
 * between tokens become blanks: inside strings JSON has none. Only Open WebUI's records are read
 * here, because one of them may hold several comparisons or none. */
#include "eval/spool.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "board/chunks.h"

struct splitter {
    struct spool *spool;
    const char *what;
    FILE *out;
    struct buf record;
    int depth, base;              /* brackets open now; around a record */
    bool string, escaped, opened; /* opened: the array's bracket was read */
    bool feedback, plain;
    uint64_t records;
};

/* --- Open WebUI --- */

static void put_vote(struct buf *line, const json_t *row, const char *model, const char *other,
                     int64_t rating, size_t index)
{
    struct json_out out = json_out_to(line);
    const json_t *created = json_object_get(row, "created_at"),
                 *data = json_object_get(row, "data");
    char id[160];
    snprintf(id, sizeof id, "%.120s:%zu", json_string_value(json_object_get(row, "id")), index);
    json_put_open(&out, NULL, '{');
    json_put_cstring(&out, "id", id);
    json_put_cstring(&out, "model_a", model);
    json_put_cstring(&out, "model_b", other);
    json_put_cstring(&out, "winner", rating > 0 ? "model_a" : "model_b");
    if (json_is_string(json_object_get(row, "user_id")))
        json_put_cstring(&out, "judge_hash", json_string_value(json_object_get(row, "user_id")));
    if (json_is_number(created))
        json_put_real(&out, "tstamp", json_number_value(created));
    const json_t *tags = json_object_get(data, "tags");
    if (json_is_array(tags)) {
        json_put_open(&out, "category_tag", '{');
        for (size_t k = 0; k < json_array_size(tags) && k < 32; k++)
            if (json_is_string(json_array_get(tags, k)))
                json_put_bool(&out, json_string_value(json_array_get(tags, k)), true);
        json_put_close(&out, '}');
    }
    json_put_close(&out, '}');
    buf_add_char(line, '\n');
}

static bool is_rating(const json_t *value, int64_t *rating)
{
    *rating = json_is_string(value) ? strtoll(json_string_value(value), NULL, 10)
                                    : json_integer_value(value);
    return *rating == 1 || *rating == -1;
}

/* A rating is a comparison with each sibling that was shown beside it. */
static bool write_feedback(struct splitter *splitter, struct err *err)
{
    char what[64];
    snprintf(what, sizeof what, "record %llu", (unsigned long long)splitter->records);
    json_t *row = json_read(buf_text(&splitter->record), what, err);
    if (!row)
        return err_prefix(err, "%s", splitter->what);
    const json_t *data = json_object_get(row, "data"),
                 *siblings = json_object_get(data, "sibling_model_ids");
    const char *model = json_string_value(json_object_get(data, "model_id"));
    struct buf line;
    size_t written = 0;
    int64_t rating = 0;
    buf_init(&line, SPOOL_RECORD_MAX);
    bool compares = model && is_rating(json_object_get(data, "rating"), &rating) &&
                    json_is_string(json_object_get(row, "id"));
    for (size_t k = 0; compares && k < json_array_size(siblings); k++) {
        const char *other = json_string_value(json_array_get(siblings, k));
        if (other && strcmp(other, model) != 0)
            put_vote(&line, row, model, other, rating, written++);
    }
    splitter->spool->left_out += written == 0;
    struct text lines = buf_text(&line); /* none at all where nothing was compared */
    bool ok = !line.failed && fwrite(lines.data, 1, lines.length, splitter->out) == lines.length;
    buf_done(&line);
    json_decref(row);
    return ok || err_set(err, ERR_IO, "cannot write a temporary file");
}

/* --- cutting --- */

static bool end_record(struct splitter *splitter, struct err *err)
{
    splitter->records++;
    bool ok = true;
    if (splitter->feedback)
        ok = write_feedback(splitter, err);
    else if (!buf_add_char(&splitter->record, '\n') ||
             fwrite(splitter->record.data, 1, splitter->record.length, splitter->out) !=
                 splitter->record.length)
        ok = err_set(err, ERR_IO, "cannot write a temporary file");
    buf_clear(&splitter->record);
    return ok;
}

static void step_string(struct splitter *splitter, char c)
{
    if (splitter->escaped)
        splitter->escaped = false;
    else if (c == '\\')
        splitter->escaped = true;
    else if (c == '"')
        splitter->string = false;
}

/* Between records only commas, the array's brackets and white space may stand. */
static bool step_between(struct splitter *splitter, char c, struct err *err)
{
    bool array = splitter->base == 1, inside = splitter->depth == splitter->base;
    if (c == '{' && inside) {
        splitter->depth++;
        return buf_add_char(&splitter->record, c);
    }
    if (array && c == '[' && !splitter->opened) {
        splitter->opened = true;
        splitter->depth = 1;
        return true;
    }
    if (array && c == ']' && inside) {
        splitter->depth = 0;
        return true;
    }
    return isspace((unsigned char)c) || (array && inside && c == ',') ||
           err_set(err, ERR_FORMAT, "%s, after record %llu: a JSON object is expected",
                   splitter->what, (unsigned long long)splitter->records);
}

static bool step(struct splitter *splitter, char c, struct err *err)
{
    if (!splitter->string && splitter->depth <= splitter->base)
        return step_between(splitter, c, err);
    if (splitter->string)
        step_string(splitter, c);
    else if (c == '"')
        splitter->string = true;
    else if (c == '{' || c == '[')
        splitter->depth++;
    else if (c == '}' || c == ']')
        splitter->depth--;
    else if (c == '\n' || c == '\r')
        c = ' ';
    if (!buf_add_char(&splitter->record, c))
        return err_set(err, ERR_TOO_LARGE, "%s: record %llu is longer than %u MB", splitter->what,
                       (unsigned long long)splitter->records + 1, SPOOL_RECORD_MAX >> 20);
    return splitter->string || splitter->depth > splitter->base || end_record(splitter, err);
}

static uint64_t no_work(void *context, int worker, const struct chunk *chunk)
{
    (void)context, (void)worker, (void)chunk;
    return 0;
}

static bool split_chunk(void *context, int worker, const struct chunk *chunk, struct err *err)
{
    struct splitter *splitter = context;
    (void)worker;
    if (splitter->plain)
        return fwrite(chunk->data, 1, chunk->length, splitter->out) == chunk->length ||
               err_set(err, ERR_IO, "cannot write a temporary file");
    for (size_t i = 0; i < chunk->length; i++)
        if (!step(splitter, chunk->data[i], err))
            return false;
    return true;
}

static bool split(struct splitter *splitter, struct chunks *chunks, struct err *err)
{
    struct chunk_handler handler = {splitter, no_work, split_chunk};
    splitter->out = tmpfile();
    if (!splitter->out)
        return err_set(err, ERR_IO, "cannot make a temporary file");
    buf_init(&splitter->record, SPOOL_RECORD_MAX);
    bool ok = chunks_run(chunks, &handler, 1, false, err);
    if (ok && !splitter->plain && (splitter->string || splitter->depth != 0))
        ok = err_set(err, ERR_FORMAT, "%s ends inside record %llu", splitter->what,
                     (unsigned long long)splitter->records + 1);
    if (ok && fflush(splitter->out) != 0)
        ok = err_set(err, ERR_IO, "cannot write a temporary file");
    if (ok && (splitter->spool->fd = dup(fileno(splitter->out))) < 0)
        ok = err_set(err, ERR_IO, "cannot keep a temporary file");
    fclose(splitter->out);
    buf_done(&splitter->record);
    return ok;
}

static char first_of(struct text text)
{
    size_t at = text.length >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    while (at < text.length && isspace((unsigned char)text.data[at]))
        at++;
    return at < text.length ? text.data[at] : '\0';
}

/* What the file is, told by how it begins. */
static void recognise(struct splitter *splitter, struct text start)
{
    char first = first_of(start);
    splitter->spool->array = first == '[';
    splitter->base = splitter->spool->array;
    splitter->feedback = (first == '[' || first == '{') &&
                         memmem(start.data, start.length, "\"sibling_model_ids\"", 19) != NULL;
    splitter->plain = !splitter->spool->array && !splitter->feedback;
}

bool spool_make(struct spool *spool, const char *path, struct err *err)
{
    struct splitter splitter = {.spool = spool};
    struct text start;
    *spool = (struct spool){.fd = -1};
    struct chunks *chunks = chunks_open(path, err);
    bool ok = chunks && chunks_peek(chunks, &start, err);
    if (ok) {
        recognise(&splitter, start);
        splitter.what = chunks_name(chunks);
        if (!splitter.plain && start.length >= 3 && start.data[0] == '\xef')
            chunks_skip(chunks, 3, 0);
        if (!splitter.plain || strcmp(path, "-") == 0)
            ok = split(&splitter, chunks, err);
    }
    chunks_free(chunks);
    if (!ok)
        spool_done(spool);
    return ok;
}

void spool_done(struct spool *spool)
{
    if (spool->fd >= 0)
        close(spool->fd);
    spool->fd = -1;
}
