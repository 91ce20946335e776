/* One table of members serves writing and reading, so that nothing is published that cannot be
 * computed again. */
#include "board/published.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"

static const char WHERE[] = "a stored board's filter";

static const struct {
    const char *name;
    size_t offset;
} NUMBERS[] = {
    {"min_votes", offsetof(struct published, min_votes)},
    {"daily_votes", offsetof(struct published, daily_votes)},
    {"versions", offsetof(struct published, versions)},
    {"exclusions", offsetof(struct published, marks.exclusions)},
    {"tagger", offsetof(struct published, marks.tagger)},
    {"tags", offsetof(struct published, marks.tags)},
    {"losses", offsetof(struct published, marks.losses)},
};
#define NUMBER_COUNT (sizeof NUMBERS / sizeof *NUMBERS)

/* What can be left out by a word, as it is written. */
enum without { WITHOUT_FAST, WITHOUT_RECOGNISED, WITHOUT_STAFF, WITHOUTS };
static const char *const WITHOUT_WORDS[WITHOUTS] = {"fast", "recognised", "staff"};

const char *published_judge_word(int judge)
{
    return judge == PUBLISHED_JUDGE_ANY ? "any" : judge_kind_word((enum judge_kind)judge);
}

bool published_judge_from(const char *word, int *judge)
{
    for (*judge = PUBLISHED_JUDGE_ANY; *judge <= JUDGE_MODEL; ++*judge)
        if (strcmp(word, published_judge_word(*judge)) == 0)
            return true;
    return false;
}

bool published_without_from(const char *words, struct published *published, struct err *err)
{
    bool left_out[WITHOUTS] = {false};
    while (words) {
        const char *comma = strchr(words, ',');
        size_t length = comma ? (size_t)(comma - words) : strlen(words);
        int k = 0;
        while (k < WITHOUTS && !text_equal((struct text){words, length}, text_of(WITHOUT_WORDS[k])))
            k++;
        if (k == WITHOUTS)
            return err_set(err, ERR_BAD_REQUEST,
                           "without is \"%.20s\": it is recognised, staff, fast, or several of "
                           "them with commas between",
                           words);
        left_out[k] = true;
        words = comma ? comma + 1 : NULL;
    }
    published->fast_ms = left_out[WITHOUT_FAST] ? PUBLISHED_FAST_MS : 0;
    published->without_recognised = left_out[WITHOUT_RECOGNISED];
    published->without_staff = left_out[WITHOUT_STAFF];
    return true;
}

bool published_is_whole(const struct published *published)
{
    return !published->fast_ms && !published->without_recognised && !published->without_staff &&
           !published->voters;
}

static void write_without(const struct published *published, struct json_out *json)
{
    const bool left_out[WITHOUTS] = {[WITHOUT_FAST] = published->fast_ms > 0,
                                     [WITHOUT_RECOGNISED] = published->without_recognised,
                                     [WITHOUT_STAFF] = published->without_staff};
    char words[40] = "";
    for (int k = 0; k < WITHOUTS; k++)
        if (left_out[k])
            snprintf(words + strlen(words), sizeof words - strlen(words), "%s%s", *words ? "," : "",
                     WITHOUT_WORDS[k]);
    if (*words)
        json_put_cstring(json, "without", words);
    if (published->fast_ms)
        json_put_int(json, "fast_ms", published->fast_ms);
    if (!published->voters)
        return;
    json_put_open(json, "without_voters", '[');
    for (size_t i = 0; i < published->voters; i++)
        json_put_int(json, NULL, published->voter[i]);
    json_put_close(json, ']');
}

bool published_write(const struct published *published, struct buf *out)
{
    struct json_out json = json_out_to(out);
    json_put_open(&json, NULL, '{');
    json_put_cstring(&json, "category", published->category);
    json_put_bool(&json, "style", published->style);
    json_put_cstring(&json, "judge", published_judge_word(published->judge));
    json_put_cstring(&json, "voids", published->losses ? "losses" : "none");
    write_without(published, &json);
    for (size_t k = 0; k < NUMBER_COUNT; k++) {
        int64_t number;
        memcpy(&number, (const char *)published + NUMBERS[k].offset, sizeof number);
        json_put_int(&json, NUMBERS[k].name, number);
    }
    json_put_close(&json, '}');
    return !out->failed;
}

bool published_read(const json_t *filter, struct published *published, struct err *err)
{
    const char *category = "overall", *judge = "any", *voids = "none";
    *published = (struct published){.judge = PUBLISHED_JUDGE_ANY};
    if (!filter || !json_get_string_or(filter, "category", WHERE, &category, err) ||
        !json_get_bool_or(filter, "style", WHERE, &published->style, err) ||
        !json_get_string_or(filter, "judge", WHERE, &judge, err) ||
        !json_get_string_or(filter, "voids", WHERE, &voids, err))
        return false;
    for (size_t k = 0; k < NUMBER_COUNT; k++) {
        int64_t number = 0;
        if (!json_get_int_or(filter, NUMBERS[k].name, WHERE, 0, INT64_MAX, &number, err))
            return false;
        memcpy((char *)published + NUMBERS[k].offset, &number, sizeof number);
    }
    snprintf(published->category, sizeof published->category, "%s", category);
    published->losses = strcmp(voids, "losses") == 0;
    return published_judge_from(judge, &published->judge) ||
           err_set(err, ERR_FORMAT, "%s has an unknown \"judge\"", WHERE);
}

void published_filter(const struct published *published, struct stored_filter *out)
{
    *out = (struct stored_filter){.category = published->category,
                                  .judge = published->judge,
                                  .style = published->style,
                                  .losses = published->losses,
                                  .without_recognised = published->without_recognised,
                                  .without_staff = published->without_staff,
                                  .fast_ms = published->fast_ms,
                                  .without = published->voter,
                                  .without_count = published->voters,
                                  .daily_votes = published->daily_votes,
                                  .versions = published->versions,
                                  .marks = published->marks};
}

/* What a fit says when the votes cannot tell the features apart, and not that something broke. */
static bool is_of_the_votes(const struct err *err)
{
    return err->code == ERR_FORMAT || err->code == ERR_BAD_REQUEST || err->code == ERR_INTERNAL;
}

#define NOTES_MAX (STORED_NOTES + 2)

static struct leaderboard *fit_without_style(struct leaderboard_votes *votes,
                                             struct leaderboard_options *options,
                                             const struct err *why, struct err *err)
{
    const char *notes[NOTES_MAX] = {NULL};
    char note[600];
    size_t count = 0;
    while (votes->notes && votes->notes[count] && count + 2 < NOTES_MAX) {
        notes[count] = votes->notes[count];
        count++;
    }
    snprintf(note, sizeof note, "style is not controlled for: %s", why->message);
    notes[count] = note;
    votes->notes = notes;
    options->style = false;
    return leaderboard_fit(votes, options, err);
}

struct leaderboard *published_fit_as(struct leaderboard_options *options,
                                     const struct stored_votes *votes, struct err *err)
{
    struct leaderboard_votes input = stored_votes_input(votes);
    struct err why = ERR_INIT;
    struct leaderboard *board = leaderboard_fit(&input, options, &why);
    if (!board && options->style && is_of_the_votes(&why) &&
        leaderboard_options_check(options, NULL))
        return fit_without_style(&input, options, &why, err);
    if (!board && err)
        *err = why;
    return board;
}

struct leaderboard *published_fit(const struct published *published,
                                  const struct stored_votes *votes, struct err *err)
{
    struct leaderboard_options options;
    leaderboard_options_init(&options);
    options.method = published->elo ? LEADERBOARD_ELO : LEADERBOARD_BT;
    options.style = published->style;
    if (published->seed)
        options.seed = (uint64_t)published->seed;
    options.min_votes = (uint64_t)published->min_votes;
    options.category = strcmp(published->category, "overall") == 0 ? NULL : published->category;
    return published_fit_as(&options, votes, err);
}
