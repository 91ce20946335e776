/* One pass over the campaign's votes; the marks of shared items are kept and judged together at the
 * end. A vote is read in its item's own orientation, whichever side it was shown on. */
#include "people/raters.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rating/sequential.h"
#include "store/queue_insert.h"
#include "store/votes.h"

enum { VALUES = 3 }; /* the item's first is better, neither, its second */

struct mark {
    uint32_t item, rater;
    uint8_t value;
};

struct reading {
    struct raters *raters;
    struct mark *marks;
    size_t count, room;
    struct err *err;
};

static const char SQL[] =
    "SELECT coalesce(s.voter, 0), s.winner, s.read_ms, b.version_a = b.version_b, i.id, i.kind,"
    " i.gold, i.version_a = b.version_a, b.id, f.recognised"
    " FROM battles b JOIN votes s ON s.battle = b.number LEFT JOIN queue_items i ON i.id = b.item"
    " LEFT JOIN feedback f ON f.vote = s.seq"
    " WHERE b.campaign = ?1 AND s.judge = 0 AND (?2 = 0 OR s.seq <= ?2) ORDER BY s.seq";
enum { VOTER, WINNER, READ, SAME, ITEM, KIND, GOLD, STRAIGHT, BATTLE, RECOGNISED };

void raters_done(struct raters *raters)
{
    free(raters->list);
    raters->list = NULL;
    raters->count = 0;
}

static bool rater_of(struct reading *reading, int64_t voter, struct rater **out)
{
    struct raters *raters = reading->raters;
    for (size_t i = 0; i < raters->count; i++) {
        *out = &raters->list[i];
        if ((*out)->voter == voter)
            return true;
    }
    if (raters->count == RATERS_MAX)
        return err_set(reading->err, ERR_TOO_LARGE, "this campaign has more than %d raters",
                       RATERS_MAX);
    if ((raters->count & (raters->count - 1)) == 0) { /* room is the next power of two */
        size_t room = raters->count ? 2 * raters->count : 1;
        struct rater *list = realloc(raters->list, room * sizeof *list);
        if (!list)
            return err_set(reading->err, ERR_MEMORY, "out of memory");
        raters->list = list;
    }
    *out = &raters->list[raters->count++];
    **out = (struct rater){.voter = voter};
    return true;
}

static bool keep_mark(struct reading *reading, struct mark mark)
{
    if (reading->count == reading->room) {
        size_t room = 2 * reading->room + 256;
        struct mark *marks = realloc(reading->marks, room * sizeof *marks);
        if (!marks)
            return err_set(reading->err, ERR_MEMORY, "out of memory");
        reading->marks = marks;
        reading->room = room;
    }
    reading->marks[reading->count++] = mark;
    return true;
}

/* The winner as the item stands. */
static enum winner turned(enum winner winner, bool straight)
{
    return straight             ? winner
           : winner == WINNER_A ? WINNER_B
           : winner == WINNER_B ? WINNER_A
                                : winner;
}

static void count_side(enum winner winner, int64_t *left, int64_t *right)
{
    *left += winner == WINNER_A;
    *right += winner == WINNER_B;
}

static bool take_vote(struct reading *reading, const struct db_rows *rows)
{
    struct raters *raters = reading->raters;
    struct rater *rater = NULL;
    enum winner winner = (enum winner)db_int(rows, WINNER),
                said = turned(winner, db_int(rows, STRAIGHT) != 0);
    int64_t kind = db_int_or(rows, KIND, QUEUE_PAIR);
    if (!rater_of(reading, db_int(rows, VOTER), &rater))
        return false;
    rater->votes++;
    rater->quick += db_int_or(rows, READ, RATER_QUICK_MS) < RATER_QUICK_MS;
    count_side(winner, &rater->left, &rater->right);
    if (db_int(rows, SAME)) {
        raters->same++;
        count_side(winner, &raters->same_left, &raters->same_right);
        return true;
    }
    count_side(winner, &raters->left, &raters->right);
    if (kind == QUEUE_GOLD) {
        bool right = (int64_t)said == db_int_or(rows, GOLD, -1);
        rater->gold++;
        rater->gold_right += right;
        raters->gold++;
        raters->gold_right += right;
        return true;
    }
    uint8_t value = said == WINNER_A ? 0 : said == WINNER_B ? VALUES - 1 : 1;
    return db_is_null(rows, ITEM) ||
           keep_mark(reading, (struct mark){(uint32_t)db_int(rows, ITEM),
                                            (uint32_t)(rater - raters->list), value});
}

/* --- agreement --- */

static int by_item(const void *a, const void *b)
{
    const struct mark *one = a, *other = b;
    return (one->item > other->item) - (one->item < other->item);
}

/* Each mark against the majority of the others on its item; without one it says nothing. */
static void compare_item(struct raters *raters, const struct mark *marks, size_t count)
{
    int said[VALUES] = {0};
    for (size_t i = 0; i < count; i++)
        said[marks[i].value]++;
    for (size_t i = 0; i < count; i++) {
        struct rater *rater = &raters->list[marks[i].rater];
        int best = -1, most = 0;
        for (int value = 0; value < VALUES; value++) {
            int others = said[value] - (marks[i].value == value);
            best = others > most ? value : others == most ? -1 : best;
            most = others > most ? others : most;
        }
        rater->shared += best >= 0;
        rater->agreed += best == marks[i].value;
    }
}

static bool judge_marks(struct reading *reading)
{
    struct agreement_mark *marks = calloc(reading->count + 1, sizeof *marks);
    if (!marks)
        return err_set(reading->err, ERR_MEMORY, "out of memory");
    if (reading->count)
        qsort(reading->marks, reading->count, sizeof *reading->marks, by_item);
    for (size_t i = 0, next; i < reading->count; i = next) {
        for (next = i; next < reading->count && reading->marks[next].item == reading->marks[i].item;
             next++)
            marks[next] =
                (struct agreement_mark){reading->marks[next].item, reading->marks[next].value};
        compare_item(reading->raters, &reading->marks[i], next - i);
    }
    bool good = agreement_of(marks, reading->count, VALUES, AGREEMENT_ORDINAL,
                             &reading->raters->agreement, reading->err);
    free(marks);
    return good;
}

bool raters_read(struct db *db, const char *campaign, int64_t up_to, struct raters *out,
                 struct err *err)
{
    struct reading reading = {.raters = out, .err = err};
    struct db_rows rows;
    bool good = true;
    *out = (struct raters){.list = NULL};
    if (!db_select(db, &rows, SQL, DB_VALUES(DB_STRING(campaign), DB_INT(up_to)), err))
        return false;
    while (good && db_next(&rows))
        good = take_vote(&reading, &rows);
    good = db_end(&rows, good ? err : NULL) && good && judge_marks(&reading);
    free(reading.marks);
    if (!good)
        raters_done(out);
    return good;
}

/* --- out --- */

static double share(int64_t part, int64_t whole)
{
    return whole ? (double)part / (double)whole : (double)NAN;
}

/* A share with the interval that holds however often one looks. */
static void write_share(struct json_out *out, const char *key, int64_t part, int64_t whole)
{
    struct sequential_interval interval =
        sequential_votes_interval((uint64_t)part, (uint64_t)(whole - part), 0.05);
    json_put_open(out, key, '{');
    json_put_int(out, "votes", whole);
    json_put_fixed(out, "share", share(part, whole), 4);
    json_put_fixed(out, "lower", interval.lower, 4);
    json_put_fixed(out, "upper", interval.upper, 4);
    json_put_close(out, '}');
}

static void write_rater(struct json_out *out, size_t number, const struct rater *rater)
{
    json_put_open(out, NULL, '{');
    json_put_int(out, "rater", (int64_t)number);
    json_put_int(out, "votes", rater->votes);
    json_put_fixed(out, "left", share(rater->left, rater->left + rater->right), 4);
    json_put_int(out, "gold", rater->gold);
    json_put_int(out, "gold_right", rater->gold_right);
    json_put_int(out, "quick", rater->quick);
    json_put_int(out, "shared", rater->shared);
    json_put_int(out, "agreed", rater->agreed);
    json_put_close(out, '}');
}

void raters_write(struct json_out *out, const char *key, const struct raters *raters)
{
    json_put_open(out, key, '{');
    json_put_fixed(out, "alpha", raters->agreement.alpha, 4);
    json_put_int(out, "shared_items", (int64_t)raters->agreement.units);
    json_put_int(out, "shared_votes", (int64_t)raters->agreement.marks);
    write_share(out, "gold_right", raters->gold_right, raters->gold);
    /* with no difference to see, every vote for a side is noise */
    write_share(out, "noise", raters->same_left + raters->same_right, raters->same);
    write_share(out, "left_of_same", raters->same_left, raters->same_left + raters->same_right);
    write_share(out, "left", raters->left, raters->left + raters->right);
    json_put_open(out, "list", '[');
    for (size_t i = 0; i < raters->count; i++)
        write_rater(out, i + 1, &raters->list[i]);
    json_put_close(out, ']');
    json_put_close(out, '}');
}
