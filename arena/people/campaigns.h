/* The campaigns that run: whose battles are drawn among which pairs, and when each ends.
 *
 * A campaign is registered with its question and ends by its rule, looked at after its votes, or
 * because its lead says so; its end is one transaction with its signed report (conclusion.h). What
 * is known here the store knows too: after a restart campaigns go on where they were.
 *
 * Loop's thread only; a worker looks and concludes. At most LIMIT_CAMPAIGNS run at once. */
#ifndef ARENA_PEOPLE_CAMPAIGNS_H
#define ARENA_PEOPLE_CAMPAIGNS_H

#include "base/err.h"
#include "people/question.h"
#include "store/store.h"
#include "store/voters.h"

struct campaigns;
struct loop;
struct workers;

/* All borrowed for the life of the campaigns. */
struct campaigns_options {
    struct workers *workers;
    struct store *store;
    /* A campaign has ended; NULL: nobody asks. */
    void (*ended)(void *user, const char *id);
    void *user;
};

/* Reads those that run; blocks. */
struct campaigns *campaigns_new(const struct campaigns_options *options, struct err *err);
void campaigns_free(struct campaigns *campaigns); /* after the workers; NULL is allowed */

/* What the matchmaker needs of one. */
struct campaign_terms {
    char id[STORE_ID_SIZE], cohort[VOTER_COHORT_SIZE];
    bool live;
    double same_model_rate;
    char model[DIGEST_HEX + 1], versus[QUESTION_RIVALS_MAX][DIGEST_HEX + 1];
    size_t rivals;
};

/* Are these two versions a pair of it, whoever is named first? */
bool campaign_pairs(const struct campaign_terms *terms, const char *one, const char *other);

/* The oldest that wants prompts of this cohort's own; NULL: none. Borrowed until the loop turns. */
const struct campaign_terms *campaigns_live(const struct campaigns *campaigns, const char *cohort);

/* Those that run and that this cohort votes in; borrowed for the call. */
void campaigns_for(const struct campaigns *campaigns, const char *cohort,
                   void (*each)(void *user, const struct campaign_terms *terms), void *user);

/* The one of this id; NULL: none runs. Borrowed until the loop turns. */
const struct campaign_terms *campaigns_terms(const struct campaigns *campaigns, const char *id);

/* A vote of this campaign is committed. */
void campaigns_voted(struct campaigns *campaigns, const char *id);

/* --- what its lead does; each reply is called exactly once, maybe before the call returns --- */

/* Pairs with a known winner, as they enter the queue; borrowed for the call. */
struct campaign_gold {
    const char *prompt, *better, *worse;
};

struct campaign_wish {
    const struct question *question; /* with its versions and what is expected; checked here */
    const struct campaign_gold *gold;
    size_t gold_count;
    const json_t *spec; /* of the evaluation that makes its pairs; NULL: none */
    const char *actor;
};

void campaigns_register(struct campaigns *campaigns, const struct campaign_wish *wish,
                        void (*reply)(void *user, const char *id, const struct err *err),
                        void *user);

/* `why`: for the report. ERR_NOT_FOUND, or ERR_WRONG_STATE when it has ended. */
void campaigns_stop(struct campaigns *campaigns, const char *id, const char *why,
                    void (*reply)(void *user, const struct err *err), void *user);

#endif
