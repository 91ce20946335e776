/* Which votes a board is of: categories by LMArena's names, and filters on any field of a vote.
 *
 * A filter is FIELD=VALUE, !=, >=, <=, > or <; two numbers compare as numbers, anything else as
 * text (ISO dates sort as text). A category is a fixed set of filters over the fields of LMArena's
 * published votes (code, language, turns, the category_tag object); a word that is none of them
 * selects votes whose `category` or `language` is that word, or whose category_tag has a true
 * member of that name: where no vote has it, the word is unknown (select_unknown). All terms must
 * hold. Any thread may match; one builds. */
#ifndef ARENA_BOARD_SELECT_H
#define ARENA_BOARD_SELECT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "board/row.h"
#include "rating/tally.h"

#define SELECT_CLAUSES_MAX 16
#define SELECT_TERMS_MAX 4   /* alternatives in a clause */
#define SELECT_ADDENDS_MAX 8 /* fields that one term adds up */
#define SELECT_TEXT_MAX 200  /* bytes of a filter */

struct select_term {
    size_t field[SELECT_ADDENDS_MAX];
    size_t fields;
    char op; /* = ! > < G (>=) L (<=) */
    struct text value;
    double number;
    bool numeric;
};

struct select_clause {
    char text[SELECT_TEXT_MAX + 1]; /* the filter, cut up in place; terms borrow from it */
    struct select_term terms[SELECT_TERMS_MAX];
    size_t count;
};

struct select {
    struct select_clause clauses[SELECT_CLAUSES_MAX];
    size_t count;
    bool decisive; /* ties and both-bad left out */
};

/* Adds the filters of a category ("overall" has none), or one FIELD=VALUE; their fields are added
 * to `spec`. */
bool select_category(struct select *select, struct row_spec *spec, const char *category,
                     struct err *err);
bool select_known(const char *category); /* one of LMArena's names */

/* Says that no vote is of this category, and which are known. Returns false. */
bool select_unknown(const char *category, struct err *err);

bool select_filter(struct select *select, struct row_spec *spec, const char *filter,
                   struct err *err);

/* True when every clause holds; `scratch` is room for unescaping. */
bool select_matches(const struct select *select, const struct row_spec *spec,
                    const struct row_field *fields, enum outcome outcome, struct buf *scratch);

#endif
