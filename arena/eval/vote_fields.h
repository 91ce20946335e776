/* From a record of a vote file to a vote to store: what ranking reads of it (board/vote_row.h), and
 * what is kept beside: its time, judge, turns, style counts, and the tags that categories select
 * by.
 *
 * A layout is built once for a file; a reader belongs to one thread. What a vote borrows lives
 * until the next record. */
#ifndef ARENA_EVAL_VOTE_FIELDS_H
#define ARENA_EVAL_VOTE_FIELDS_H

#include "board/chunks.h"
#include "board/vote_row.h"
#include "store/vote_import.h"

#define VOTE_FIELDS_TAGS 24
#define VOTE_FIELDS_TAGS_MAX (64u << 10) /* bytes of one vote's tags */

struct vote_layout {
    struct votefile_options options;
    struct vote_format format;
    size_t tag[VOTE_FIELDS_TAGS], tags;
    size_t time[3], turns[2], judge_kind, counted, anony;
    size_t counts[2][STYLE_FEATURES], texts[2][2];
};

/* `options` is copied; its texts are borrowed. */
bool vote_layout_init(struct vote_layout *layout, const struct votefile_options *options,
                      struct err *err);

struct vote_reader {
    struct vote_layout *layout;
    struct vote_decoder decoder;
    struct buf tags, scratch;
};

void vote_reader_init(struct vote_reader *reader, struct vote_layout *layout);
void vote_reader_done(struct vote_reader *reader);

/* Makes a vote of reader->decoder.fields; its key is empty where the record has no id. */
bool vote_reader_take(struct vote_reader *reader, struct vote_import *vote, struct err *err);

/* Outcomes and stored winners are the same four, named apart in two rooms that do not know each
 * other. */
enum winner vote_fields_winner(enum outcome outcome);
enum outcome vote_fields_outcome(enum winner winner);

#endif
