/* Votes are sorted by what they are on, so that those to compare stand together. */
#include "eval/accord.h"

#include <stdlib.h>
#include <string.h>

#include "store/vote_rows.h"

enum { JUDGES = 64 };

struct opinion {
    uint64_t prompt;
    int64_t low, high; /* versions */
    int64_t voter;
    uint8_t winner; /* for `low` standing first; both-bad is a tie */
    bool person;
};

struct opinions {
    struct opinion *list;
    size_t count, room;
    bool failed;
};

/* [1]: without ties */
struct counter {
    int64_t voter; /* 0: people among themselves */
    size_t same[2], all[2];
};

static bool take(void *user, const struct vote_row *row)
{
    static const uint8_t MIRROR[] = {WINNER_B, WINNER_A, WINNER_TIE, WINNER_TIE};
    struct opinions *opinions = user;
    bool turned = row->version_a > row->version_b;
    if (!row->prompt || row->version_a == row->version_b)
        return true;
    if (opinions->count == opinions->room) {
        size_t room = opinions->room ? 2 * opinions->room : 1024;
        struct opinion *list = realloc(opinions->list, room * sizeof *list);
        if (!list) {
            opinions->failed = true;
            return false;
        }
        opinions->list = list;
        opinions->room = room;
    }
    uint8_t plain = row->winner > WINNER_TIE ? WINNER_TIE : (uint8_t)row->winner;
    opinions->list[opinions->count++] =
        (struct opinion){.prompt = row->prompt,
                         .low = turned ? row->version_b : row->version_a,
                         .high = turned ? row->version_a : row->version_b,
                         .voter = row->voter,
                         .winner = turned ? MIRROR[plain] : plain,
                         .person = row->judge == JUDGE_HUMAN};
    return true;
}

static int compare(const void *a, const void *b)
{
    const struct opinion *x = a, *y = b;
    if (x->prompt != y->prompt)
        return x->prompt < y->prompt ? -1 : 1;
    if (x->low != y->low)
        return x->low < y->low ? -1 : 1;
    return x->high < y->high ? -1 : x->high > y->high;
}

static void count_two(struct counter *counter, const struct opinion *a, const struct opinion *b)
{
    bool same = a->winner == b->winner, tie = a->winner == WINNER_TIE || b->winner == WINNER_TIE;
    counter->all[0]++;
    counter->same[0] += same;
    counter->all[1] += !tie;
    counter->same[1] += same && !tie;
}

static struct counter *counter_of(struct counter *counters, size_t *count, int64_t voter)
{
    for (size_t k = 0; k < *count; k++)
        if (counters[k].voter == voter)
            return &counters[k];
    if (*count == JUDGES)
        return NULL;
    counters[*count].voter = voter;
    return &counters[(*count)++];
}

static void count_group(const struct opinion *group, size_t size, struct counter *counters,
                        size_t *count)
{
    for (size_t i = 0; i < size; i++)
        for (size_t j = 0; j < size; j++) {
            const struct opinion *a = &group[i], *b = &group[j];
            bool judge = !a->person && b->person, people = a->person && b->person && i < j;
            struct counter *counter =
                judge || people ? counter_of(counters, count, judge ? a->voter : 0) : NULL;
            if (counter && (judge || a->voter != b->voter || !a->voter))
                count_two(counter, a, b);
        }
}

static bool name_of(struct db *db, int64_t voter, char *out, size_t size, struct err *err)
{
    struct db_rows rows;
    snprintf(out, size, "%s", voter ? "a judge without a name" : "people, with one another");
    if (!voter)
        return true;
    if (!db_select(db, &rows, "SELECT name FROM voters WHERE number = ? AND name IS NOT NULL",
                   DB_VALUES(DB_INT(voter)), err))
        return false;
    if (db_next(&rows))
        db_copy(&rows, 0, out, size);
    return db_end(&rows, err);
}

static void add_share(struct sheet *sheet, size_t hits, size_t count)
{
    struct share share = share_of(hits, count);
    if (count)
        sheet_add(sheet, "%.1f %% (%.1f–%.1f)", 100 * share.share, 100 * share.lower,
                  100 * share.upper);
    else
        sheet_add(sheet, "-");
    sheet_add(sheet, "%zu", count);
}

bool accord_sheet(struct sheet *sheet, struct db *db, struct err *err)
{
    static const char *const HEADS[] = {"who agrees with people", "with ties",   "comparisons",
                                        "without ties",           "comparisons", NULL};
    struct vote_filter filter = VOTE_FILTER_ALL;
    struct opinions opinions = {0};
    struct counter counters[JUDGES] = {0};
    size_t count = 0;
    char name[256];
    filter.counted_only = true;
    sheet_init(sheet, "Judges and people", 1, HEADS);
    bool ok = votes_each(db, &filter, take, &opinions, err) &&
              (!opinions.failed || err_set(err, ERR_MEMORY, "no memory for the votes"));
    if (ok && opinions.count)
        qsort(opinions.list, opinions.count, sizeof *opinions.list, compare);
    for (size_t from = 0, to; ok && from < opinions.count; from = to) {
        for (to = from + 1;
             to < opinions.count && compare(&opinions.list[from], &opinions.list[to]) == 0; to++)
            ;
        count_group(opinions.list + from, to - from, counters, &count);
    }
    for (size_t k = 0; ok && k < count; k++) {
        if (!counters[k].all[0])
            continue;
        ok = name_of(db, counters[k].voter, name, sizeof name, err);
        sheet_add(sheet, "%s", name);
        add_share(sheet, counters[k].same[0], counters[k].all[0]);
        add_share(sheet, counters[k].same[1], counters[k].all[1]);
    }
    if (!sheet->count)
        sheet_note(sheet, "Nowhere have a model and a person voted on the same pair.");
    free(opinions.list);
    return ok;
}
