/* The question of a campaign: what is registered before the first vote and never changes. Models
 * with their versions, who votes, on which prompts, when it stops, and how many votes that should
 * take.
 *
 * As JSON it stands in the store and in the report. Plain data, its strings inside: copy it freely.
 * Pure. */
#ifndef ARENA_PEOPLE_QUESTION_H
#define ARENA_PEOPLE_QUESTION_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/digest.h"
#include "base/err.h"
#include "base/json.h"
#include "base/limits.h"
#include "store/campaigns.h"

#define QUESTION_RIVALS_MAX 16 /* each takes its share of the error rate: more shows nothing */
#define QUESTION_CATEGORIES_MAX 8
#define QUESTION_OVERLAP_MAX 100

struct question_model {
    char name[LIMIT_NAME_BYTES + 1];
    char version[DIGEST_HEX + 1];
};

struct question {
    char title[CAMPAIGN_TITLE_SIZE];
    struct question_model model, versus[QUESTION_RIVALS_MAX];
    size_t rivals;
    char categories[QUESTION_CATEGORIES_MAX][LIMIT_NAME_BYTES + 1];
    size_t category_count;
    char cohort[VOTER_COHORT_SIZE]; /* "": everybody */
    bool live;                      /* prompts of the voters' own */
    char prompts[DIGEST_HEX + 1];   /* digest of the file of prompts; "": none */
    int64_t overlap;                /* how many people vote on each pair of the queue */
    double same_model_rate, gold_rate;
    int64_t gold; /* pairs with a known winner */
    double confidence;
    /* when it stops: at the first that holds */
    int64_t votes;    /* this many count; 0: not asked */
    double precision; /* every win rate is known to so many points; 0: not asked */
    double decided; /* every rival is decided against this margin, in points; below 0: not asked */
    /* what was expected */
    double detect, power, ties; /* a win rate, shown with this chance, at this share of ties */
    double votes_a_rival, votes_in_all; /* INFINITY: more than can be had */
    double needed; /* votes in all that show `detect` with that chance, whatever its rule */
};

/* The defaults of everything that need not be said. */
void question_init(struct question *question);

/* Fills what was expected, from the rest. */
void question_expect(struct question *question);

/* ERR_BAD_REQUEST names the member. */
bool question_read(const json_t *object, struct question *out, struct err *err);

/* Says what does not fit together: no rival, no stop rule, no prompts, … */
bool question_check(const struct question *question, struct err *err);

void question_write(struct json_out *out, const char *key, const struct question *question);

/* Each rival's share of the error rate: all intervals together hold at `confidence`. */
double question_alpha(const struct question *question);

#endif
