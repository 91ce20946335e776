/* One query counts everything; it reads all battles, so it is not asked at every vote. */
#include "board/reliability.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

void reliability_done(struct reliability *reliability)
{
    for (size_t i = 0; reliability->names && i < reliability->count; i++)
        free(reliability->names[i]);
    free(reliability->names);
    free(reliability->list);
    *reliability = (struct reliability){.list = NULL};
}

struct counting {
    struct reliability *into;
    size_t room;
    bool failed;
};

static void take(void *user, const struct incident_count *count)
{
    struct counting *counting = user;
    struct reliability *into = counting->into;
    if (!count->battles)
        return;
    if (into->count == counting->room) {
        size_t room = 2 * counting->room + 16;
        struct incident_count *list = realloc(into->list, room * sizeof *list);
        if (!list) {
            counting->failed = true;
            return;
        }
        into->list = list;
        counting->room = room;
    }
    into->list[into->count++] = *count;
}

static bool name_all(struct reliability *fresh, struct db *db, struct err *err)
{
    struct versions versions;
    if (!versions_load(db, &versions, err))
        return false;
    bool good = (fresh->names = calloc(fresh->count + 1, sizeof *fresh->names)) != NULL;
    for (size_t i = 0; good && i < fresh->count; i++) {
        struct buf label;
        buf_init(&label, 1024);
        good = stored_label(&versions, fresh->list[i].version, &label) &&
               (fresh->names[i] = buf_take(&label, NULL));
        buf_done(&label);
    }
    versions_done(&versions);
    return good || err_set(err, ERR_MEMORY, "out of memory");
}

bool reliability_refresh(struct reliability *reliability, struct db *db, struct err *err)
{
    int64_t now = clock_mono_ns(), pause = RELIABILITY_SECONDS * CLOCK_S;
    if (100 * reliability->cost_ns > pause)
        pause = 100 * reliability->cost_ns;
    if (reliability->read_ns && now - reliability->read_ns < pause)
        return true;
    struct reliability fresh = {.read_ns = now};
    struct counting counting = {.into = &fresh};
    bool good = incidents_each(db, take, &counting, err) &&
                (!counting.failed || err_set(err, ERR_MEMORY, "out of memory")) &&
                name_all(&fresh, db, err);
    fresh.cost_ns = clock_mono_ns() - now;
    if (!good) {
        reliability_done(&fresh);
        return false;
    }
    reliability_done(reliability);
    *reliability = fresh;
    return true;
}

static double rate(int64_t part, int64_t of)
{
    return of ? (double)part / (double)of : NAN;
}

void reliability_write(const struct reliability *reliability, struct json_out *out, const char *key)
{
    json_put_open(out, key, '[');
    for (size_t k = 0; k < reliability->count; k++) {
        const struct incident_count *count = &reliability->list[k];
        json_put_open(out, NULL, '{');
        json_put_cstring(out, "model", reliability->names[k]);
        json_put_int(out, "battles", count->battles);
        json_put_int(out, "voids", count->voids);
        json_put_fixed(out, "void_rate", rate(count->voids, count->battles), 6);
        json_put_int(out, "swaps", count->swaps);
        json_put_fixed(out, "swap_rate", rate(count->swaps, count->battles), 6);
        json_put_int(out, "answers", count->answers);
        json_put_int(out, "refusals", count->refusals);
        json_put_fixed(out, "refusal_rate", rate(count->refusals, count->answers), 6);
        json_put_int(out, "length_stops", count->lengths);
        json_put_close(out, '}');
    }
    json_put_close(out, ']');
}

/* --- for people --- */

/* How a table looks in each format: a row of text, six numbers, and what goes around them. */
struct look {
    const char *head, *name, *number, *end, *foot;
    int width; /* of a number; 0: no columns to keep */
};

static const struct look *look_of(enum render_format format)
{
    static const struct look TABLE = {
        "\nFailures and refusals (of the battles that a model was drawn for; of its answers)\n"
        "battles          void             swapped out      answers          refused\n",
        "",
        "",
        "\n",
        "",
        7};
    static const struct look MD = {
        "\n### Failures and refusals\n\n| Model | Battles | Void | Swapped out | Answers | Refused "
        "|\n|---|---:|---:|---:|---:|---:|\n",
        "| ",
        " | ",
        " |\n",
        "",
        0};
    static const struct look HTML = {
        "<h2>Failures and refusals</h2><p>Of the battles that a model was drawn for, and of its "
        "answers.</p><div class=\"scroll\"><table><thead><tr><th class=\"l\">Model</th>"
        "<th>Battles</th><th>Void</th><th>Swapped out</th><th>Answers</th><th>Refused</th></tr>"
        "</thead><tbody>",
        "<tr><td class=\"l\">",
        "</td><td>",
        "</td></tr>\n",
        "</tbody></table></div>\n",
        0};
    return format == RENDER_HTML ? &HTML : format == RENDER_MD ? &MD : &TABLE;
}

static void draw_number(struct buf *out, const struct look *look, int64_t number, double share)
{
    char percent[24] = "";
    if (!isnan(share))
        snprintf(percent, sizeof percent, " (%.1f %%)", 100 * share);
    buf_add_string(out, look->number);
    buf_printf(out, "%*" PRId64 "%-*s", look->width, number, look->width ? 10 : 0, percent);
}

static void draw_row(struct buf *out, const struct look *look, const char *name,
                     const struct incident_count *count, enum render_format format)
{
    bool table = format == RENDER_TABLE;
    buf_add_string(out, look->name);
    if (!table)
        render_words(out, name, format);
    draw_number(out, look, count->battles, NAN);
    draw_number(out, look, count->voids, rate(count->voids, count->battles));
    draw_number(out, look, count->swaps, rate(count->swaps, count->battles));
    draw_number(out, look, count->answers, NAN);
    draw_number(out, look, count->refusals, rate(count->refusals, count->answers));
    if (table)
        buf_printf(out, "  %s", name);
    buf_add_string(out, look->end);
}

void reliability_draw(const struct reliability *reliability, struct buf *out,
                      enum render_format format)
{
    const struct look *look = look_of(format);
    if (!reliability->count)
        return;
    buf_add_string(out, look->head);
    for (size_t k = 0; k < reliability->count; k++)
        draw_row(out, look, reliability->names[k], &reliability->list[k], format);
    buf_add_string(out, look->foot);
}
