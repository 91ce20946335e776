/* Campaigns as stored: a question that never changes, and at the end a report that never changes
 * either (the database itself refuses both). What they mean is the people room's. */
#ifndef ARENA_STORE_CAMPAIGNS_H
#define ARENA_STORE_CAMPAIGNS_H

#include "base/sign.h"
#include "store/store.h"
#include "store/voters.h"

#define CAMPAIGN_TITLE_SIZE 201

struct campaign_record {
    int64_t number; /* given by the store: the order of registration */
    char id[STORE_ID_SIZE];
    char title[CAMPAIGN_TITLE_SIZE];
    char cohort[VOTER_COHORT_SIZE]; /* "": everybody */
    struct text question;           /* JSON */
    struct text spec;               /* of the evaluation that makes its pairs; data NULL: none */
    double same_model_rate, gold_rate;
    bool ended;
    struct text reason; /* why it ended; data NULL: it runs */
    struct text report; /* the signed bytes; data NULL: none yet */
    uint8_t signature[SIGN_SIZE], public_key[SIGN_KEY_SIZE];
    int64_t created_ms, ended_ms; /* ended 0: not yet */
};

/* `number` and what belongs to the end are not read; `spec` only here. */
bool campaigns_insert(struct db *tx, const struct campaign_record *record, struct err *err);

/* In the order of registration; borrowed for the call. Stops when `each` returns false. */
bool campaigns_each(struct db *db, bool (*each)(void *user, const struct campaign_record *record),
                    void *user, struct err *err);

/* Calls `found` with the one of this id (borrowed for the call); ERR_NOT_FOUND. */
bool campaigns_find(struct db *db, const char *id,
                    void (*found)(void *user, const struct campaign_record *record), void *user,
                    struct err *err);

/* Those that run and whose evaluation was never begun; borrowed for the call. */
bool campaigns_unbegun(struct db *db, void (*each)(void *user, const char *id, struct text spec),
                       void *user, struct err *err);

/* Ends it, with its report, signature and key. ERR_WRONG_STATE when it has ended already,
 * ERR_NOT_FOUND. */
bool campaigns_end(struct db *tx, const struct campaign_record *record, struct err *err);

/* How far it is, or was at the vote `up_to` (0: now). */
struct campaign_progress {
    int64_t votes;    /* counted */
    int64_t controls; /* on pairs with a known answer, or of one model twice */
    int64_t others;   /* kept, not counted, for another reason */
    int64_t voters;
    int64_t items, wanted, taken; /* queue: pairs of models, votes wanted of them, had or
                                     reserved */
    int64_t live;                 /* battles with prompts of the voters' own */
};
bool campaigns_progress(struct db *db, const char *id, int64_t up_to, struct campaign_progress *out,
                        struct err *err);

#endif
