/* A file of votes, whatever its form, as tallies and ballots: JSON lines, CSV, or aggregated
 * counts; gzip; a pipe.
 *
 * JSON lines and CSV have a vote a record, with LMArena's field names or those given. The
 * aggregated form is one object
 * {"models": [names], "X": [[i, j], …], "Y": [[i wins, j wins, ties, both-bad], …]}. Which it is
 * shows in its first bytes. Votes are counted as they stream by, by several threads; the file
 * itself is never held in memory.
 *
 * A record that is malformed, names an unknown outcome, lets a model meet itself or repeats a
 * vote's id is refused with its line number; with `lenient` such records are skipped and counted.
 * Models are numbered by the byte order of their names, so that the order of the votes does not
 * show in the result.
 *
 * Several categories are several tallies and ballots from one pass, over the same models. A
 * category that is none of LMArena's and that no vote has is refused, with the names that are
 * known. */
#ifndef ARENA_BOARD_VOTEFILE_H
#define ARENA_BOARD_VOTEFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "board/chunks.h"
#include "rating/ballot.h"
#include "rating/tally.h"

#define VOTEFILE_NAME_MAX 512 /* bytes of a model's name */
#define VOTEFILE_FILTERS_MAX 8
#define VOTEFILE_CATEGORIES_MAX 16          /* boards from one pass */
#define VOTEFILE_AGGREGATE_MAX (256u << 20) /* 2,048 models' pairs take 60 MB */

struct votefile_options {
    const char *columns[3];          /* A, B and WINNER; NULL: model_a, model_b, winner */
    const char *id, *voter, *prompt; /* NULL: LMArena's own */
    /* A board each; none: one board of every vote. NULL-terminated where fewer, as the filters are.
     */
    const char *categories[VOTEFILE_CATEGORIES_MAX];
    const char *filters[VOTEFILE_FILTERS_MAX]; /* FIELD=VALUE; every board's votes match all */
    bool lenient;
    const char *weight; /* a column of weights; NULL: every vote weighs 1. Implies ballots */
    bool inverse;       /* it holds probabilities: a vote weighs the inverse of its own */
    const char *time;   /* NULL: LMArena's own */
    bool days;          /* keep the day of each vote; implies ballots */
    uint32_t daily_cap; /* votes that a voter's day counts on a board, the first ones; 0: all */
    bool ballots;       /* keep the single votes even where nobody is named */
    bool style;         /* find style features; implies ballots */
    int threads;
};

enum votefile_skip { SKIP_MALFORMED, SKIP_OUTCOME, SKIP_SELF, SKIP_DUPLICATE, SKIPS };

struct votefile_board {
    struct tally tally;
    struct ballots ballots;
};

struct votefile {
    struct tally tally;     /* of the first category */
    struct ballots ballots; /* count 0 unless voters or prompts are named, or asked for */
    struct votefile_board more[VOTEFILE_CATEGORIES_MAX - 1]; /* of the other categories */
    size_t boards;                                           /* 1 and those in `more` */
    char **names;      /* tally.models of them, in byte order, for every board; owned */
    uint64_t records;  /* votes read, skipped and filtered ones too */
    uint64_t named;    /* votes with an id of their own */
    uint64_t filtered; /* of no category, or not matching the filters */
    uint64_t skipped[SKIPS];
    uint64_t capped[VOTEFILE_CATEGORIES_MAX]; /* of each board: over the daily cap */
    bool aggregated;
};

/* Reads everything; `chunks` is used up (and stays the caller's). On failure `file` is empty. */
bool votefile_read(struct votefile *file, struct chunks *chunks,
                   const struct votefile_options *options, struct err *err);
void votefile_done(struct votefile *file);

/* One of the boards, 0 being the first; returned borrowed. */
struct tally *votefile_tally(struct votefile *file, size_t board);
struct ballots *votefile_ballots(struct votefile *file, size_t board);

uint64_t votefile_skipped(const struct votefile *file);  /* all kinds */
const char *votefile_skip_word(enum votefile_skip skip); /* "malformed", …; static */

/* An outcome's word: LMArena's, or the name of the A or B column. False when it is none. */
bool votefile_outcome(struct text word, const struct votefile_options *options,
                      enum outcome *outcome);

#endif
