/* What a record must have is checked in one place, for ranking and for importing alike, so that
 * both refuse the same records with the same words. */
#include "board/vote_row.h"

#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "board/day.h"

#define WEIGHT_MOST 1e9
#define FIELD_MAX (1u << 20) /* of an unescaped name, id, voter or prompt */

enum { SCRATCH_A, SCRATCH_B, SCRATCH_ID, SCRATCH_VOTER, SCRATCH_PROMPT, SCRATCH_OTHER };

static bool add_candidates(struct row_spec *spec, const char *named, bool guess,
                           const char *const *known, size_t *fields, size_t *count)
{
    *count = 0;
    for (size_t k = 0; k < VOTE_CANDIDATES; k++) {
        const char *path = named ? (k ? NULL : named) : guess ? known[k] : NULL;
        if (!path)
            continue;
        fields[*count] = row_spec_add(spec, path);
        if (fields[(*count)++] == ROW_FIELDS_MAX)
            return false;
    }
    return true;
}

static bool add_style(struct vote_format *format)
{
    static const char *const COUNTS[2][STYLE_FEATURES] = {
        {"conv_metadata.sum_assistant_a_tokens", "conv_metadata.header_count_a",
         "conv_metadata.list_count_a", "conv_metadata.bold_count_a"},
        {"conv_metadata.sum_assistant_b_tokens", "conv_metadata.header_count_b",
         "conv_metadata.list_count_b", "conv_metadata.bold_count_b"}};
    static const char *const TEXTS[2][2] = {{"conversation_a", "response_a"},
                                            {"conversation_b", "response_b"}};
    bool ok = true;
    for (int side = 0; side < 2; side++) {
        for (int k = 0; k < STYLE_FEATURES; k++)
            ok = (format->style[side][k] = row_spec_add(&format->spec, COUNTS[side][k])) <
                     ROW_FIELDS_MAX &&
                 ok;
        for (int k = 0; k < 2; k++)
            ok = (format->text[side][k] = row_spec_add(&format->spec, TEXTS[side][k])) <
                     ROW_FIELDS_MAX &&
                 ok;
    }
    return ok;
}

bool vote_format_init(struct vote_format *format, const struct votefile_options *options,
                      struct err *err)
{
    static const char *const IDS[VOTE_CANDIDATES] = {"id", "question_id"};
    static const char *const VOTERS[VOTE_CANDIDATES] = {"judge_hash", "judge", "voter"};
    static const char *const PROMPTS[VOTE_CANDIDATES] = {"prompt_id", "prompt"};
    static const char *const TIMES[VOTE_CANDIDATES] = {"tstamp", "timestamp"};
    static const char *const ONE_HOT[3] = {"winner_model_a", "winner_model_b", "winner_tie"};
    bool own = options->columns[0] != NULL;
    struct row_spec *spec = &format->spec;
    *format = (struct vote_format){.options = options};
    format->a = row_spec_add(spec, own ? options->columns[0] : "model_a");
    format->b = row_spec_add(spec, own ? options->columns[1] : "model_b");
    format->winner = row_spec_add(spec, own ? options->columns[2] : "winner");
    for (int k = 0; k < 3 && !own; k++)
        format->one_hot[k] = row_spec_add(spec, ONE_HOT[k]);
    if (!add_candidates(spec, options->id, !own, IDS, format->id, &format->ids) ||
        !add_candidates(spec, options->voter, !own, VOTERS, format->voter, &format->voters) ||
        !add_candidates(spec, options->prompt, !own, PROMPTS, format->prompt, &format->prompts) ||
        ((options->days || options->daily_cap) &&
         !add_candidates(spec, options->time, !own, TIMES, format->time, &format->times)) ||
        (options->weight &&
         (format->weight = row_spec_add(spec, options->weight)) == ROW_FIELDS_MAX) ||
        (options->style && !add_style(format)))
        return err_set(err, ERR_BAD_REQUEST, "more than %d fields asked for", ROW_FIELDS_MAX);
    for (int k = 0; k < VOTEFILE_CATEGORIES_MAX && options->categories[k]; k++)
        if (!select_category(&format->category[format->categories++], spec, options->categories[k],
                             err))
            return false;
    for (int k = 0; k < VOTEFILE_FILTERS_MAX && options->filters[k]; k++)
        if (!select_filter(&format->filter, spec, options->filters[k], err))
            return false;
    return true;
}

/* A field that must be a column: named by the user, or one of the three that make a vote. */
static bool need_column(const struct vote_format *format, uint64_t found, size_t field,
                        struct text line, struct err *err)
{
    if (found >> field & 1)
        return true;
    int shown = (int)(line.length < 200 ? line.length : 200);
    return err_set(err, ERR_FORMAT, "no column \"%s\" (the columns are %.*s)%s",
                   format->spec.path[field], shown, line.data,
                   field <= format->winner ? "; name the columns with --columns A,B,WINNER" : "");
}

/* Leaves only the candidates that are columns of the file. */
static void drop_absent(size_t *fields, size_t *count, uint64_t found)
{
    size_t kept = 0;
    for (size_t k = 0; k < *count; k++)
        if (found >> fields[k] & 1)
            fields[kept++] = fields[k];
    *count = kept;
}

/* A misspelt filter would choose no vote, or all of them. */
static bool need_filters(const struct vote_format *format, uint64_t found, struct text line,
                         struct err *err)
{
    for (size_t k = 0; k < format->filter.count; k++)
        if (!need_column(format, found, format->filter.clauses[k].terms[0].field[0], line, err))
            return false;
    return true;
}

bool vote_format_header(struct vote_format *format, struct text line, struct err *err)
{
    uint64_t found = 0;
    const struct votefile_options *options = format->options;
    if (!row_spec_header(&format->spec, line, &found, err))
        return false;
    if (!options->id)
        drop_absent(format->id, &format->ids, found);
    if (!options->voter)
        drop_absent(format->voter, &format->voters, found);
    if (!options->prompt)
        drop_absent(format->prompt, &format->prompts, found);
    if (!options->time)
        drop_absent(format->time, &format->times, found);
    bool one_hot = !options->columns[0] && (found >> format->one_hot[0] & 1) &&
                   (found >> format->one_hot[1] & 1);
    return need_column(format, found, format->a, line, err) &&
           need_column(format, found, format->b, line, err) &&
           (one_hot || need_column(format, found, format->winner, line, err)) &&
           (!options->id || need_column(format, found, format->id[0], line, err)) &&
           (!options->voter || need_column(format, found, format->voter[0], line, err)) &&
           (!options->prompt || need_column(format, found, format->prompt[0], line, err)) &&
           (!options->weight || need_column(format, found, format->weight, line, err)) &&
           (!options->time || !format->times ||
            need_column(format, found, format->time[0], line, err)) &&
           need_filters(format, found, line, err);
}

void vote_decoder_init(struct vote_decoder *decoder, const struct vote_format *format)
{
    decoder->format = format;
    memset(decoder->fields, 0, sizeof decoder->fields);
    decoder->shape = (struct row_shape){0};
    for (size_t k = 0; k < sizeof decoder->scratch / sizeof *decoder->scratch; k++)
        buf_init(&decoder->scratch[k], FIELD_MAX);
}

void vote_decoder_done(struct vote_decoder *decoder)
{
    for (size_t k = 0; k < sizeof decoder->scratch / sizeof *decoder->scratch; k++)
        buf_done(&decoder->scratch[k]);
}

/* By length first: no two words share one, and comparing with a constant of known length is a load
 * or two. */
static bool common_outcome(struct text word, enum outcome *outcome)
{
    switch (word.length) {
    case 3:
        *outcome = OUTCOME_TIE;
        return memcmp(word.data, "tie", 3) == 0;
    case 7:
        *outcome = word.data[6] == 'a' ? OUTCOME_A : OUTCOME_B;
        return memcmp(word.data, "model_", 6) == 0 && (word.data[6] == 'a' || word.data[6] == 'b');
    case 8:
        *outcome = OUTCOME_BOTH_BAD;
        return memcmp(word.data, "both_bad", 8) == 0;
    case 13:
        *outcome = OUTCOME_BOTH_BAD;
        return memcmp(word.data, "tie (bothbad)", 13) == 0;
    default:
        return false;
    }
}

bool votefile_outcome(struct text word, const struct votefile_options *options,
                      enum outcome *outcome)
{
    if (common_outcome(word, outcome))
        return true;
    for (int side = 0; side < 2 && options->columns[0]; side++) {
        if (text_equal(word, text_of(options->columns[side]))) {
            *outcome = side ? OUTCOME_B : OUTCOME_A;
            return true;
        }
    }
    return false;
}

static bool has_control(struct text text)
{
    for (size_t k = 0; k < text.length; k++)
        if ((unsigned char)text.data[k] < 0x20 || text.data[k] == 0x7f)
            return true;
    return false;
}

static bool read_name(struct vote_decoder *decoder, size_t field, int scratch, struct text *name,
                      struct err *err)
{
    const struct row_spec *spec = &decoder->format->spec;
    const struct row_field *found = &decoder->fields[field];
    if (found->kind == ROW_ABSENT || found->kind == ROW_NULL)
        return err_set(err, ERR_FORMAT, "no field \"%s\"", spec->path[field]);
    if (found->kind != ROW_STRING && found->kind != ROW_NUMBER)
        return err_set(err, ERR_FORMAT, "\"%s\" is not a model's name", spec->path[field]);
    if (!row_text(spec, found, &decoder->scratch[scratch], name))
        return err_set(err, ERR_FORMAT, "\"%s\" holds a malformed escape", spec->path[field]);
    if (name->length == 0 || name->length > VOTEFILE_NAME_MAX)
        return err_set(err, ERR_FORMAT, "\"%s\" is %s", spec->path[field],
                       name->length ? "too long" : "empty");
    return true;
}

/* An optional text: the first candidate that is there. */
static bool read_optional(struct vote_decoder *decoder, const size_t *fields, size_t count,
                          int scratch, struct text *text, struct err *err)
{
    const struct row_spec *spec = &decoder->format->spec;
    *text = TEXT("");
    for (size_t k = 0; k < count && text->length == 0; k++)
        if (decoder->fields[fields[k]].kind != ROW_ABSENT &&
            !row_text(spec, &decoder->fields[fields[k]], &decoder->scratch[scratch], text))
            return err_set(err, ERR_FORMAT, "\"%s\" is malformed or longer than %u bytes",
                           spec->path[fields[k]], FIELD_MAX);
    return true;
}

/* The Kaggle set's three columns of 0 and 1. */
static bool read_one_hot(const struct vote_decoder *decoder, enum outcome *outcome)
{
    static const enum outcome OUTCOMES_OF[3] = {OUTCOME_A, OUTCOME_B, OUTCOME_TIE};
    int set = 0;
    for (int k = 0; k < 3; k++) {
        const struct row_field *field = &decoder->fields[decoder->format->one_hot[k]];
        if (field->raw.length == 1 && field->raw.data[0] == '1') {
            *outcome = OUTCOMES_OF[k];
            set++;
        }
    }
    return set == 1;
}

static bool read_outcome(struct vote_decoder *decoder, enum outcome *outcome, struct err *err)
{
    const struct vote_format *format = decoder->format;
    const struct row_field *field = &decoder->fields[format->winner];
    struct text word = {0};
    if (field->kind == ROW_ABSENT && !format->options->columns[0] && read_one_hot(decoder, outcome))
        return true;
    if (field->kind == ROW_ABSENT || field->kind == ROW_NULL)
        return err_set(err, ERR_FORMAT, "no field \"%s\"", format->spec.path[format->winner]);
    if (row_text(&format->spec, field, &decoder->scratch[SCRATCH_OTHER], &word) &&
        votefile_outcome(word, format->options, outcome))
        return true;
    int shown = (int)(word.length < 60 ? word.length : 60);
    bool printable = utf8_valid(word.data, (size_t)shown) &&
                     !has_control((struct text){word.data, (size_t)shown});
    return err_set(err, ERR_FORMAT,
                   "\"%.*s\" is no outcome (model_a, model_b, tie, both_bad, or the name of the A "
                   "or B column)",
                   printable ? shown : 0, word.data);
}

/* The file's own counts, each for itself; what it does not count is counted in its texts. */
static bool read_style(struct vote_decoder *decoder, struct vote *vote, struct err *err)
{
    const struct vote_format *format = decoder->format;
    struct style sides[2];
    for (int side = 0; side < 2; side++) {
        const struct row_field *conversation = &decoder->fields[format->text[side][0]];
        const struct row_field *response = &decoder->fields[format->text[side][1]];
        bool complete = true;
        sides[side] = (struct style){0};
        for (int k = 0; k < STYLE_FEATURES; k++)
            complete = row_sum(&decoder->fields[format->style[side][k]], &sides[side].count[k]) &&
                       complete;
        if (complete)
            continue;
        struct text text;
        bool from_conversation = conversation->kind != ROW_ABSENT && conversation->kind != ROW_NULL;
        sides[side] = (struct style){0};
        buf_clear(&decoder->scratch[SCRATCH_OTHER]);
        if (!row_text(&format->spec, from_conversation ? conversation : response,
                      &decoder->scratch[SCRATCH_OTHER], &text) ||
            (from_conversation ? !style_add_conversation(&sides[side], text)
                               : response->kind != ROW_STRING))
            return err_set(err, ERR_FORMAT,
                           "neither style counts (numbers of 0 or more in conv_metadata) nor a "
                           "conversation or "
                           "response to count in");
        if (!from_conversation)
            style_add(&sides[side], text);
    }
    style_difference(&sides[0], &sides[1], vote->x);
    return true;
}

static bool read_weight(struct vote_decoder *decoder, float *weight, struct err *err)
{
    const struct vote_format *format = decoder->format;
    const struct votefile_options *options = format->options;
    double value = 0;
    *weight = 1;
    if (!options->weight)
        return true;
    if (!row_sum(&decoder->fields[format->weight], &value) || !(value > 0) || value > WEIGHT_MOST ||
        value < 1 / WEIGHT_MOST || (options->inverse && value > 1))
        return err_set(err, ERR_FORMAT, "\"%s\" is no %s", options->weight,
                       options->inverse ? "probability above 0" : "weight above 0");
    *weight = (float)(options->inverse ? 1 / value : value);
    return true;
}

static bool read_day(struct vote_decoder *decoder, uint16_t *day, struct err *err)
{
    const struct vote_format *format = decoder->format;
    struct text text;
    *day = 0;
    if (!read_optional(decoder, format->time, format->times, SCRATCH_OTHER, &text, err))
        return false;
    return !text.length || day_read(text, day) ||
           err_set(err, ERR_FORMAT, "\"%s\" is no time", format->spec.path[format->time[0]]);
}

bool vote_name_check(struct text name, struct err *err)
{
    if (utf8_valid(name.data, name.length) && !has_control(name))
        return true;
    return err_set(err, ERR_BAD_UTF8, "a model's name is not plain UTF-8 text");
}

bool vote_names_anybody(struct vote_decoder *decoder)
{
    const struct vote_format *format = decoder->format;
    struct text voter, prompt;
    return (read_optional(decoder, format->voter, format->voters, SCRATCH_VOTER, &voter, NULL) &&
            voter.length) ||
           (read_optional(decoder, format->prompt, format->prompts, SCRATCH_PROMPT, &prompt,
                          NULL) &&
            prompt.length);
}

static bool is_selected(struct vote_decoder *decoder, const struct select *select,
                        enum outcome outcome)
{
    return (!select->count && !select->decisive) ||
           select_matches(select, &decoder->format->spec, decoder->fields, outcome,
                          &decoder->scratch[SCRATCH_OTHER]);
}

static uint32_t boards_of(struct vote_decoder *decoder, enum outcome outcome)
{
    const struct vote_format *format = decoder->format;
    uint32_t boards = 0;
    if (!is_selected(decoder, &format->filter, outcome))
        return 0;
    for (size_t k = 0; k < format->categories; k++)
        boards |= (uint32_t)is_selected(decoder, &format->category[k], outcome) << k;
    return format->categories ? boards : 1;
}

enum vote_status vote_decode(struct vote_decoder *decoder, struct vote *vote,
                             enum votefile_skip *skip, struct err *err)
{
    const struct vote_format *format = decoder->format;
    *skip = SKIP_MALFORMED;
    if (!read_name(decoder, format->a, SCRATCH_A, &vote->a, err) ||
        !read_name(decoder, format->b, SCRATCH_B, &vote->b, err))
        return VOTE_REFUSED;
    *skip = SKIP_OUTCOME;
    if (!read_outcome(decoder, &vote->outcome, err))
        return VOTE_REFUSED;
    *skip = SKIP_SELF;
    if (text_equal(vote->a, vote->b)) {
        bool shown = vote_name_check(vote->a, NULL);
        err_set(err, ERR_FORMAT, "%.*s meets itself", shown ? (int)vote->a.length : 0,
                vote->a.data);
        return VOTE_REFUSED;
    }
    *skip = SKIP_MALFORMED;
    vote->boards = boards_of(decoder, vote->outcome);
    if (!vote->boards)
        return VOTE_FILTERED;
    if (!read_optional(decoder, format->id, format->ids, SCRATCH_ID, &vote->id, err) ||
        !read_optional(decoder, format->voter, format->voters, SCRATCH_VOTER, &vote->voter, err) ||
        !read_optional(decoder, format->prompt, format->prompts, SCRATCH_PROMPT, &vote->prompt,
                       err) ||
        !read_weight(decoder, &vote->weight, err) || !read_day(decoder, &vote->day, err) ||
        (format->options->style && !read_style(decoder, vote, err)))
        return VOTE_REFUSED;
    return VOTE_TAKEN;
}
