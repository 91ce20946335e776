/* What a voter agreed to, and to which text of the notice. Every change is a row; the newest
 * counts. */
#ifndef ARENA_STORE_CONSENTS_H
#define ARENA_STORE_CONSENTS_H

#include "store/store.h"

/* Each scope holds the one before it. Stored by word. */
enum consent_scope { CONSENT_NONE, CONSENT_INSIDE, CONSENT_EXPORT, CONSENT_PUBLISH };
const char *
consent_scope_word(enum consent_scope scope); /* "none", "inside", "export", "publish" */
bool consent_scope_from(const char *word, enum consent_scope *scope); /* the last three */

#define CONSENT_NOTICE_SIZE 33

struct consent {
    enum consent_scope scope; /* CONSENT_NONE: was never asked */
    char notice[CONSENT_NOTICE_SIZE];
    int64_t at_ms;
    bool in_house_only; /* this voter's prompts go to our own models alone */
};

bool consents_add(struct db *tx, const char *voter, const struct consent *consent, struct err *err);
bool consents_find(struct db *db, const char *voter, struct consent *out, struct err *err);

/* From four columns: scope, notice, at_ms, in_house_only; NULLs are CONSENT_NONE. */
void consent_read_row(const struct db_rows *rows, int column, struct consent *out);

#endif
