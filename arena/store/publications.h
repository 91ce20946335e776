/* Which moments of the store were published: what voters see of its figures is as it stood at the
 * newest. Appended, in the same job as the audit's row, and never changed. */
#ifndef ARENA_STORE_PUBLICATIONS_H
#define ARENA_STORE_PUBLICATIONS_H

#include "base/digest.h"
#include "store/store.h"

#define PUBLICATION_NOTE_MAX 500

struct publication_record {
    int64_t id, at_ms;          /* id: given by the store */
    const char *actor;          /* a voter's id, or "command line" */
    const char *note;           /* "": none */
    int64_t seq;                /* the last vote; 0: there was none */
    uint8_t hash[DIGEST_SIZE];  /* the ledger's there */
    int64_t versions, judge;    /* the newest version; whose votes, unless it is said */
    int64_t exclusions, tagger; /* how far the store's lists went */
    int64_t tags, losses;       /* likewise */
    struct text reliability;    /* JSON, as boards show it */
    struct text tagger_said;    /* likewise; no data: nobody tags */
    int64_t asked, named_right; /* of the question whether a model was recognised */
    int64_t named_wrong, unnamed;
};

/* ERR_BAD_REQUEST for a note that is too long. */
bool publications_insert(struct db *tx, struct publication_record *record, struct err *err);

/* Newest first, at most `limit`; borrowed for the call. */
bool publications_each(struct db *db, int64_t limit,
                       void (*each)(void *user, const struct publication_record *record),
                       void *user, struct err *err);

#endif
