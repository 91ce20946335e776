/* Tags are kept as they are written: raw JSON for JSON, strings for CSV, under the names that
 * categories ask for, so that a category selects the same votes from the store as from the file. */
#include "eval/vote_fields.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "base/utf8.h"

#define CRITERIA "category_tag.criteria_v0.1."
/* Whole members first; with dots are the columns that a flattened CSV has instead. */
static const char *const TAGS[] = {
    "language",
    "category",
    "is_code",
    "is_refusal",
    "category_tag",
    "dedup_tag",
    "conv_metadata",
    "turn",
    "evaluation_session_id",
    "evaluation_order",
    "category_tag.math_v0.1.math",
    "category_tag.creative_writing_v0.1.creative_writing",
    "category_tag.if_v0.1.if",
    CRITERIA "specificity",
    CRITERIA "domain_knowledge",
    CRITERIA "complexity",
    CRITERIA "problem_solving",
    CRITERIA "creativity",
    CRITERIA "technical_accuracy",
    CRITERIA "real_world",
    "conv_metadata.turns",
    "conv_metadata.sum_user_tokens",
    "dedup_tag.sampled",
};
enum { FLAT_TAGS = 10 }; /* those from here are for CSV only */

static const char *const COUNTS[2][STYLE_FEATURES] = {
    {"conv_metadata.sum_assistant_a_tokens", "conv_metadata.header_count_a",
     "conv_metadata.list_count_a", "conv_metadata.bold_count_a"},
    {"conv_metadata.sum_assistant_b_tokens", "conv_metadata.header_count_b",
     "conv_metadata.list_count_b", "conv_metadata.bold_count_b"}};
static const char *const TEXTS[2][2] = {{"conversation_a", "response_a"},
                                        {"conversation_b", "response_b"}};

static bool want(struct row_spec *spec, const char *path, size_t *field)
{
    *field = row_spec_add(spec, path);
    return *field < ROW_FIELDS_MAX;
}

bool vote_layout_init(struct vote_layout *layout, const struct votefile_options *options,
                      struct err *err)
{
    *layout = (struct vote_layout){.options = *options};
    if (!vote_format_init(&layout->format, &layout->options, err))
        return false;
    struct row_spec *spec = &layout->format.spec;
    bool ok = want(spec, "tstamp", &layout->time[0]) && want(spec, "timestamp", &layout->time[1]) &&
              want(spec, "created_at", &layout->time[2]) && want(spec, "turn", &layout->turns[0]) &&
              want(spec, "conv_metadata.turns", &layout->turns[1]) &&
              want(spec, "judge_kind", &layout->judge_kind) &&
              want(spec, "counted", &layout->counted) && want(spec, "anony", &layout->anony);
    for (size_t k = 0; ok && k < sizeof TAGS / sizeof *TAGS; k++)
        ok = want(spec, TAGS[k], &layout->tag[layout->tags++]);
    for (int side = 0; ok && side < 2; side++) {
        for (int k = 0; ok && k < STYLE_FEATURES; k++)
            ok = want(spec, COUNTS[side][k], &layout->counts[side][k]);
        for (int k = 0; ok && k < 2; k++)
            ok = want(spec, TEXTS[side][k], &layout->texts[side][k]);
    }
    return ok || err_set(err, ERR_INTERNAL, "more than %d fields are read", ROW_FIELDS_MAX);
}

void vote_reader_init(struct vote_reader *reader, struct vote_layout *layout)
{
    reader->layout = layout;
    vote_decoder_init(&reader->decoder, &layout->format);
    buf_init(&reader->tags, VOTE_FIELDS_TAGS_MAX);
    buf_init(&reader->scratch, CHUNK_RECORD_MAX);
}

void vote_reader_done(struct vote_reader *reader)
{
    vote_decoder_done(&reader->decoder);
    buf_done(&reader->tags);
    buf_done(&reader->scratch);
}

static bool is_there(const struct row_field *field)
{
    return field->kind != ROW_ABSENT && field->kind != ROW_NULL && field->raw.length > 0;
}

/* --- time --- */

#define TIME_MOST 1e15 /* milliseconds: a year of five digits is no vote's */

static bool read_digits(const char **at, int digits, int *out)
{
    *out = 0;
    for (; digits; digits--, ++*at) {
        if (**at < '0' || **at > '9')
            return false;
        *out = 10 * *out + (**at - '0');
    }
    return true;
}

/* "2025-06-18 10:41:39.25" with T or a blank, with or without seconds' parts, Z or +hh:mm; no zone
 * is UTC. */
static bool read_date(const char *at, int64_t *ms)
{
    struct tm tm = {0};
    int year, month, sign = 1, hours = 0, minutes = 0;
    if (!read_digits(&at, 4, &year) || *at++ != '-' || !read_digits(&at, 2, &month) ||
        *at++ != '-' || !read_digits(&at, 2, &tm.tm_mday) || month < 1 || month > 12)
        return false;
    tm.tm_year = year - 1900;
    tm.tm_mon = month - 1;
    double part = 0;
    if (*at == 'T' || *at == ' ') {
        at++;
        if (!read_digits(&at, 2, &tm.tm_hour) || *at++ != ':' || !read_digits(&at, 2, &tm.tm_min))
            return false;
        if (*at == ':' && (at++, !read_digits(&at, 2, &tm.tm_sec)))
            return false;
        if (*at == '.' || *at == ',')
            for (double unit = 0.1; *++at >= '0' && *at <= '9'; unit /= 10)
                part += unit * (*at - '0');
    }
    if (*at == '+' || *at == '-') {
        sign = *at++ == '-' ? -1 : 1;
        if (!read_digits(&at, 2, &hours) || (*at == ':' && (at++, false)) ||
            !read_digits(&at, 2, &minutes))
            return false;
    } else if (*at == 'Z') {
        at++;
    }
    *ms = ((int64_t)timegm(&tm) - sign * (hours * 3600 + minutes * 60)) * 1000 +
          (int64_t)(part * 1000);
    return *at == '\0';
}

/* Seconds, milliseconds, microseconds or nanoseconds since 1970, told by their size, or a date. */
static bool read_time(const struct row_field *field, int64_t *ms)
{
    char text[48], *end;
    if (field->raw.length >= sizeof text)
        return false;
    memcpy(text, field->raw.data, field->raw.length);
    text[field->raw.length] = '\0';
    double number = strtod(text, &end);
    if (*end != '\0' || !isfinite(number))
        return read_date(text, ms);
    double scale = fabs(number) > 1e17   ? 1e-6
                   : fabs(number) > 1e14 ? 1e-3
                   : fabs(number) > 1e11 ? 1
                                         : 1000;
    *ms = (int64_t)fmin(fmax(number * scale, -TIME_MOST), TIME_MOST);
    return fabs(number * scale) < TIME_MOST;
}

static bool take_time(const struct vote_reader *reader, struct vote_import *vote, struct err *err)
{
    for (int k = 0; k < 3; k++) {
        size_t number = reader->layout->time[k];
        const struct row_field *field = &reader->decoder.fields[number];
        if (!is_there(field))
            continue;
        return read_time(field, &vote->at_ms) ||
               err_set(err, ERR_FORMAT,
                       "\"%s\" is no time (seconds since 1970, or YYYY-MM-DD HH:MM:SS)",
                       reader->layout->format.spec.path[number]);
    }
    return true;
}

/* --- style, turns, judge --- */

static struct style_counts take_style(struct vote_reader *reader, int side)
{
    const struct vote_layout *layout = reader->layout;
    const struct row_field *fields = reader->decoder.fields;
    struct style style = {{0}};
    bool complete = true;
    for (int k = 0; k < STYLE_FEATURES; k++)
        complete = row_sum(&fields[layout->counts[side][k]], &style.count[k]) && complete;
    for (int k = 0; k < 2 && !complete; k++) {
        const struct row_field *field = &fields[layout->texts[side][k]];
        struct text text;
        if (!is_there(field) || !row_text(&layout->format.spec, field, &reader->scratch, &text))
            continue;
        style = (struct style){{0}};
        complete = k == 0 ? style_add_conversation(&style, text) : field->kind == ROW_STRING;
        if (complete && k == 1)
            style_add(&style, text);
    }
    if (!complete)
        return (struct style_counts){-1, -1, -1, -1};
    return (struct style_counts){
        (int64_t)style.count[STYLE_TOKENS], (int64_t)style.count[STYLE_HEADERS],
        (int64_t)style.count[STYLE_LISTS], (int64_t)style.count[STYLE_BOLD]};
}

static void take_turns(const struct vote_reader *reader, struct vote_import *vote)
{
    for (int k = 0; k < 2 && vote->turns == 0; k++) {
        double turns;
        const struct row_field *field = &reader->decoder.fields[reader->layout->turns[k]];
        if (is_there(field) && row_sum(field, &turns) && turns >= 0 && turns < 1e6)
            vote->turns = (int)turns;
    }
}

static bool take_standing(const struct vote_reader *reader, struct vote_import *vote,
                          struct err *err)
{
    const struct row_field *fields = reader->decoder.fields,
                           *judge = &fields[reader->layout->judge_kind],
                           *counted = &fields[reader->layout->counted],
                           *anony = &fields[reader->layout->anony];
    if (is_there(judge) && text_equal(judge->raw, TEXT("model")))
        vote->judge = JUDGE_MODEL;
    else if (is_there(judge) && !text_equal(judge->raw, TEXT("human")))
        return err_set(err, ERR_FORMAT, "\"judge_kind\" is neither human nor model");
    /* FastChat's mark of a battle whose names were shown */
    if (is_there(anony) &&
        (text_equal(anony->raw, TEXT("false")) || text_equal(anony->raw, TEXT("False"))))
        vote->counted = VOTE_NOT_BLIND;
    if (!is_there(counted))
        return true;
    for (int k = VOTE_COUNTED; k <= VOTE_COUNTED_LAST; k++)
        if (text_equal(counted->raw, text_of(vote_counted_word((enum vote_counted)k)))) {
            vote->counted = (enum vote_counted)k;
            return true;
        }
    return err_set(err, ERR_FORMAT, "\"counted\" is not \"counted\" or a reason why not");
}

/* --- tags --- */

static bool put_tag(struct vote_reader *reader, struct json_out *out, size_t number,
                    struct err *err)
{
    const struct row_spec *spec = &reader->layout->format.spec;
    const struct row_field *field = &reader->decoder.fields[number];
    struct text text = field->raw;
    if (!spec->csv && field->kind != ROW_STRING) {
        json_put_raw(out, spec->path[number], text);
        return true;
    }
    if (!row_text(spec, field, &reader->scratch, &text) || !utf8_valid(text.data, text.length))
        return err_set(err, ERR_FORMAT, "\"%s\" is malformed", spec->path[number]);
    json_put_string(out, spec->path[number], text);
    return true;
}

static bool take_tags(struct vote_reader *reader, struct vote_import *vote, struct err *err)
{
    const struct vote_layout *layout = reader->layout;
    size_t tags = layout->format.spec.csv ? layout->tags : FLAT_TAGS;
    bool any = false;
    buf_clear(&reader->tags);
    struct json_out out = json_out_to(&reader->tags);
    json_put_open(&out, NULL, '{');
    for (size_t k = 0; k < tags; k++) {
        if (!is_there(&reader->decoder.fields[layout->tag[k]]))
            continue;
        any = true;
        if (!put_tag(reader, &out, layout->tag[k], err))
            return false;
    }
    json_put_close(&out, '}');
    if (reader->tags.failed || (any && !utf8_valid(reader->tags.data, reader->tags.length)))
        return err_set(err, ERR_FORMAT, "the tags are longer than %u bytes or no UTF-8",
                       VOTE_FIELDS_TAGS_MAX);
    vote->tags = any ? buf_text(&reader->tags) : (struct text){NULL, 0};
    return true;
}

/* --- the whole --- */

enum winner vote_fields_winner(enum outcome outcome)
{
    static const enum winner WINNERS[] = {[OUTCOME_A] = WINNER_A,
                                          [OUTCOME_B] = WINNER_B,
                                          [OUTCOME_TIE] = WINNER_TIE,
                                          [OUTCOME_BOTH_BAD] = WINNER_BOTH_BAD};
    return WINNERS[outcome];
}

enum outcome vote_fields_outcome(enum winner winner)
{
    static const enum outcome OUTCOMES_OF[] = {[WINNER_A] = OUTCOME_A,
                                               [WINNER_B] = OUTCOME_B,
                                               [WINNER_TIE] = OUTCOME_TIE,
                                               [WINNER_BOTH_BAD] = OUTCOME_BOTH_BAD};
    return OUTCOMES_OF[winner];
}

static struct text known(struct text text)
{
    return text.length ? text : (struct text){NULL, 0};
}

bool vote_reader_take(struct vote_reader *reader, struct vote_import *vote, struct err *err)
{
    struct vote read;
    enum votefile_skip skip;
    if (vote_decode(&reader->decoder, &read, &skip, err) != VOTE_TAKEN ||
        !vote_name_check(read.a, err) || !vote_name_check(read.b, err))
        return false;
    if (!utf8_valid(read.voter.data, read.voter.length) ||
        !utf8_valid(read.id.data, read.id.length))
        return err_set(err, ERR_BAD_UTF8, "an id or a voter's name is not UTF-8");
    *vote = (struct vote_import){.key = read.id,
                                 .model_a = read.a,
                                 .model_b = read.b,
                                 .winner = vote_fields_winner(read.outcome),
                                 .voter = known(read.voter),
                                 .prompt = known(read.prompt),
                                 .style_a = take_style(reader, 0),
                                 .style_b = take_style(reader, 1)};
    take_turns(reader, vote);
    return take_time(reader, vote, err) && take_standing(reader, vote, err) &&
           take_tags(reader, vote, err);
}
