/* What was said is JSON as the page sends it: a word ("no", "a", "b", "both"), or an object with
 * the names that were guessed ({"sides":"a","a":"NAME"}). */
#include "board/blinding.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"

enum { MANY = 5000 }; /* fewer are read in a moment */

/* From the few who said something to their votes (CROSS: in this order), not through all votes. */
static const char SQL[] =
    "SELECT f.recognised, coalesce(a.code_name, a.name), coalesce(b.code_name, b.name) FROM"
    " feedback f CROSS JOIN votes s ON s.seq = f.vote"
    " JOIN battles g ON g.number = s.battle"
    " JOIN competitor_versions v ON v.id = g.version_a JOIN competitors a ON a.number ="
    " v.competitor JOIN competitor_versions w ON w.id = g.version_b"
    " JOIN competitors b ON b.number = w.competitor"
    " WHERE f.recognised IS NOT NULL AND s.judge = 0 AND g.mode = 0";

/* What is said of one side; NULL in `name`: it is recognised, nobody says as whom. */
static bool says(const json_t *said, const char *side, const char **name)
{
    const char *sides =
        json_string_value(json_is_object(said) ? json_object_get(said, "sides") : said);
    *name = json_string_value(json_object_get(said, side));
    return *name || json_is_true(said) ||
           (sides && (strcmp(sides, side) == 0 || strcmp(sides, "both") == 0));
}

static void count_side(struct blinding *blinding, const json_t *said, const char *side,
                       const char *truth)
{
    const char *name;
    if (!says(said, side, &name))
        return;
    blinding->unnamed += !name;
    blinding->right += name && truth && strcasecmp(name, truth) == 0;
    blinding->wrong += name && !(truth && strcasecmp(name, truth) == 0);
}

bool blinding_refresh(struct blinding *blinding, struct db *db, struct err *err)
{
    int64_t now = clock_mono_ns();
    struct blinding fresh = {.read_ns = now};
    struct db_rows rows;
    if (blinding->answered >= MANY && now - blinding->read_ns < 100 * blinding->cost_ns)
        return true;
    if (!db_select(db, &rows, SQL, DB_NONE, err))
        return false;
    while (db_next(&rows)) {
        struct text text = db_text(&rows, 0);
        json_t *said = json_loadb(text.data, text.length, JSON_DECODE_ANY, NULL);
        fresh.answered++;
        count_side(&fresh, said, "a", db_string(&rows, 1));
        count_side(&fresh, said, "b", db_string(&rows, 2));
        json_decref(said);
    }
    fresh.cost_ns = clock_mono_ns() - now;
    if (!db_end(&rows, err))
        return false;
    *blinding = fresh;
    return true;
}

double blinding_index(const struct blinding *blinding, size_t models)
{
    double chance = models > 2 ? 1 / (double)(models - 1) : 1;
    double known = (double)(blinding->right + blinding->unnamed) - chance * (double)blinding->wrong;
    return blinding->answered ? known / (2 * (double)blinding->answered) : (double)NAN;
}

void blinding_write(const struct blinding *blinding, size_t models, struct json_out *out,
                    const char *key)
{
    json_put_open(out, key, '{');
    json_put_int(out, "answered", blinding->answered);
    json_put_int(out, "recognised", blinding->right + blinding->wrong + blinding->unnamed);
    json_put_int(out, "right", blinding->right);
    json_put_int(out, "wrong", blinding->wrong);
    json_put_fixed(out, "index", blinding_index(blinding, models), 4);
    json_put_close(out, '}');
}

void blinding_draw(const struct blinding *blinding, size_t models, struct buf *text,
                   enum render_format format)
{
    char line[256];
    bool page = format == RENDER_HTML;
    if (!blinding->answered)
        return;
    snprintf(line, sizeof line,
             "blinding index %.3f (0: names are unknown, 1: all are known): of %" PRId64
             " answers recognised %" PRId64 ", %" PRId64 " of them by the wrong name",
             blinding_index(blinding, models), 2 * blinding->answered,
             blinding->right + blinding->wrong + blinding->unnamed, blinding->wrong);
    buf_add_string(text, page ? "<p class=\"note\">" : "\n");
    render_words(text, line, format);
    buf_add_string(text, page ? "</p>\n" : "\n");
}
