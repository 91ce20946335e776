/* Competitors and their immutable versions, as stored.
 *
 * A competitor is a name; a version is everything that shapes its answers (the effective
 * configuration) and the digest of that. A version is never changed: another digest is another
 * version. Votes and answers point at versions. Functions that take `tx` belong into a store
 * job; those that take `db` run there or on any reader. */
#ifndef ARENA_STORE_COMPETITORS_H
#define ARENA_STORE_COMPETITORS_H

#include "store/store.h"

struct version_record {
    int64_t id;         /* given by the store; unique over all competitors */
    int64_t competitor; /* its competitor's number */
    const char *name;
    const char *digest;                 /* DIGEST_HEX characters */
    const char *effective;              /* a JSON object */
    const char *organisation, *licence; /* NULL: not told */
    const char *code_name; /* what voters are told instead of the name; NULL: the name */
    bool in_house;
    bool imported;          /* known only from imported votes */
    bool outputs_may_train; /* may be exported as preference pairs */
    int64_t created_ms;
};

/* Stores the competitor and this version where they are new and gives the version's id. `id`,
 * `competitor` and `created_ms` of the record are not read. The competitor's organisation,
 * licence, … become the record's. */
bool competitors_register(struct db *tx, const struct version_record *record, int64_t now_ms,
                          int64_t *version, struct err *err);

/* The one version that stands for a name in imported votes. */
bool competitors_imported(struct db *tx, struct text name, int64_t now_ms, int64_t *version,
                          struct err *err);

/* "active", "paused" or "retired"; ERR_NOT_FOUND for an unknown name. */
bool competitors_set_state(struct db *tx, const char *name, const char *state, struct err *err);

/* What voters are told instead of the name from now on; NULL: the name itself. Of an unknown name:
 * nothing. */
bool competitors_set_code_name(struct db *tx, const char *name, const char *code_name,
                               struct err *err);

/* The stored state; "" when the name is unknown. */
#define COMPETITOR_STATE_SIZE 16
bool competitors_state(struct db *db, const char *name, char state[COMPETITOR_STATE_SIZE],
                       struct err *err);

/* What each competitor had on the day of this time: battles that were drawn, those that are over,
 * and counted votes on them. */
struct competitor_day {
    int64_t drawn, over, votes;
};
bool competitors_day(struct db *db, int64_t now_ms,
                     void (*each)(void *user, const char *name, const struct competitor_day *day),
                     void *user, struct err *err);

/* Every version, oldest first; the record is borrowed for the call. Stops when `each` returns
 * false. */
bool versions_each(struct db *db, bool (*each)(void *user, const struct version_record *record),
                   void *user, struct err *err);

/* All versions in memory, for finding a name by its id. */
struct versions {
    struct version_record *list; /* sorted by id; text owned */
    size_t count;
};
bool versions_load(struct db *db, struct versions *out, struct err *err);
const struct version_record *versions_find(const struct versions *versions,
                                           int64_t id); /* NULL: unknown */
void versions_done(struct versions *versions);

/* What went wrong with whom, beside the board: counted for a version. */
enum incident_kind { INCIDENT_VOID, INCIDENT_SWAP, INCIDENT_RETRY };
struct incident_record {
    const char *battle; /* its id */
    enum incident_kind kind;
    int64_t version, against; /* who failed, and who stood on the other side */
    int side;                 /* that it failed on: 0 is A */
    const char *code;         /* what the failure was */
    int64_t at_ms;
};
bool incidents_add(struct db *tx, const struct incident_record *record, struct err *err);
/* Of battles that are over alone (imported ones excepted): what a battle under way adds would
 * tell its voter who answers. */
struct incident_count {
    int64_t version, battles; /* times it was drawn for one, those it was swapped out of included */
    int64_t voids, swaps, retries;
    int64_t answers, refusals,
        lengths; /* its answers there, those refused, those cut at the length limit */
};
bool incidents_each(struct db *db, void (*each)(void *user, const struct incident_count *count),
                    void *user, struct err *err);

#endif
