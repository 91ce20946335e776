/* From a record's fields to a vote: which fields are what, and what makes a record no vote.
 *
 * LMArena's names are known (model_a, model_b, winner, also the Kaggle set's
 * winner_model_a/_b/_tie; id or question_id; judge_hash, judge or voter; prompt_id or prompt). With
 * columns of one's own nothing else is guessed: voter, prompt and id are then only what is named. A
 * format is built once and read by any thread; a decoder belongs to one. */
#ifndef ARENA_BOARD_VOTE_ROW_H
#define ARENA_BOARD_VOTE_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "board/row_json.h"
#include "board/select.h"
#include "board/style.h"
#include "board/votefile.h"

#define VOTE_CANDIDATES 3

struct vote_format {
    const struct votefile_options *options; /* borrowed */
    struct row_spec spec;
    struct select filter;
    struct select category[VOTEFILE_CATEGORIES_MAX];
    size_t categories;
    size_t a, b, winner;
    size_t one_hot[3]; /* winner_model_a, winner_model_b, winner_tie */
    size_t id[VOTE_CANDIDATES], voter[VOTE_CANDIDATES], prompt[VOTE_CANDIDATES];
    size_t time[VOTE_CANDIDATES], weight;
    size_t ids, voters, prompts, times; /* how many candidates */
    size_t style[2][STYLE_FEATURES];    /* counts of the two sides */
    size_t text[2][2];                  /* conversation, response */
};

struct vote {
    struct text a, b;
    struct text id, voter, prompt; /* empty: not known. All borrow the record or the decoder */
    enum outcome outcome;
    uint16_t day;            /* as in struct ballot; with options->days or ->daily_cap */
    float weight;            /* with options->weight */
    uint32_t boards;         /* a bit for each category it is of (without categories: 1) */
    float x[STYLE_FEATURES]; /* with options->style */
};

enum vote_status { VOTE_TAKEN, VOTE_FILTERED, VOTE_REFUSED };

struct vote_decoder {
    const struct vote_format *format;
    struct row_field fields[ROW_FIELDS_MAX];
    struct row_shape shape;
    struct buf scratch[6];
};

bool vote_format_init(struct vote_format *format, const struct votefile_options *options,
                      struct err *err);

/* Takes a CSV file's header line. */
bool vote_format_header(struct vote_format *format, struct text line, struct err *err);

void vote_decoder_init(struct vote_decoder *decoder, const struct vote_format *format);
void vote_decoder_done(struct vote_decoder *decoder);

/* A name that may be shown: UTF-8 without control characters. Checked by whoever meets a name for
 * the first time. */
bool vote_name_check(struct text name, struct err *err);

/* Whether the record says who voted, or on what; its fields are filled. */
bool vote_names_anybody(struct vote_decoder *decoder);

/* Makes a vote of decoder->fields (filled by row_read). VOTE_REFUSED sets `err` and *skip. */
enum vote_status vote_decode(struct vote_decoder *decoder, struct vote *vote,
                             enum votefile_skip *skip, struct err *err);

#endif
