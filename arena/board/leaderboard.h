/* A leaderboard: everything a board shows, computed once from votes and then never changed.
 *
 * `arena rank`, `arena leaderboard`, GET /api/leaderboard and the stored boards all build one with
 * leaderboard_fit and draw it with render.h, so that they cannot disagree. It is a pure function of
 * the votes and the options. A finished leaderboard is immutable: threads may share it; whoever
 * holds it frees it once, when nobody reads it any more. leaderboard_fit of 130 models takes
 * milliseconds: call it on a worker, with a snapshot of the tally. */
#ifndef ARENA_BOARD_LEADERBOARD_H
#define ARENA_BOARD_LEADERBOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "rating/ballot.h"
#include "rating/connect.h"
#include "rating/groups.h"
#include "rating/tally.h"

/* Stored with every published board; changes when the numbers could. */
#define LEADERBOARD_VERSION "arena-2"

enum leaderboard_method { LEADERBOARD_BT, LEADERBOARD_ELO };
enum leaderboard_interval {
    LEADERBOARD_CI_DEFAULT, /* clustered where voters or prompts are known, else sandwich */
    LEADERBOARD_CI_SANDWICH,
    LEADERBOARD_CI_CLUSTERED,
    LEADERBOARD_CI_BOOTSTRAP
};
enum leaderboard_ties {
    LEADERBOARD_TIES_HALF,
    LEADERBOARD_TIES_DAVIDSON,
    LEADERBOARD_TIES_RAO_KUPPER,
    LEADERBOARD_TIES_GROUNDED
};

struct leaderboard_options {
    enum leaderboard_method method;
    enum leaderboard_interval interval;
    enum leaderboard_ties ties;
    bool reweighted;
    bool style;        /* control for the ballots' features */
    bool position;     /* control for the side a model was shown on */
    bool compatible;   /* arena-rank's objective and standard errors, its shortcomings included; its
                          style is reweighted */
    bool weighted;     /* by the ballots' own weights */
    bool simultaneous; /* rank ranges that hold for all pairs at once */
    bool detail; /* rank distribution, fragility, other tie conventions: for pages, not for every
                    vote */
    uint64_t min_votes;
    const char *anchor; /* a model whose rating is anchor_rating; NULL: the ranked models' mean is
                           `initial`. Borrowed */
    double anchor_rating;
    double confidence; /* 0.95 */
    size_t rounds;     /* bootstrap, 100 */
    uint64_t seed;
    int threads;
    double elo_k;                /* 4 */
    double initial, scale, base; /* 1000, 400, 10: a rating is initial + scale log_base e^theta */
    const char
        *category; /* what the votes were selected by, for the title; NULL: "overall". Borrowed */
};

void leaderboard_options_init(struct leaderboard_options *options); /* the defaults named above */

/* Rating points of one unit of natural strength: scale / ln base. */
double leaderboard_alpha(const struct leaderboard_options *options);

/* Refuses combinations that mean nothing (Elo with ties of its own, …). */
bool leaderboard_options_check(const struct leaderboard_options *options, struct err *err);

struct leaderboard_votes {
    const struct tally *tally;
    const char *const *names; /* one per model, unique */
    const struct ballots
        *ballots; /* may be NULL: then intervals are not clustered, no style, no elo */
    const struct groups *groups; /* of all the ballots, kept from fit to fit; NULL: made for each */
    const char *const *features; /* names of the ballots' features, or NULL */
    uint64_t skipped;            /* votes that the reader left out, said in a warning */
    const char *const
        *notes; /* what else the reader has to say, among the warnings; NULL-terminated, or NULL */
    uint64_t capped;    /* votes over a daily cap, said likewise */
    bool sides_unknown; /* aggregated counts: nobody knows who was shown first */
    bool absent_hidden; /* a model without votes is not listed: it is of another board */
};

struct leaderboard_model {
    char *name;
    double rating, rating_lower, rating_upper; /* bounds are NAN where there are none */
    double rating_median;                      /* of the bootstrap's draws; NAN without */
    double standard_error;                     /* in rating points */
    uint32_t rank, rank_lower, rank_upper;
    double best; /* probability of being the best of the ranked */
    struct tally_record record;
    double win_rate; /* (wins + ties / 2) / votes */
    double
        absolute;   /* grounded: strength over the bad threshold, in rating points; NAN otherwise */
    uint32_t model; /* its number in the tally */
};

struct leaderboard_unranked {
    char *name;
    struct tally_record record;
    char *reason; /* a sentence for people: what is missing */
    uint32_t model;
};

struct leaderboard_coefficient {
    char *name;
    double value, standard_error; /* natural scale, per standard deviation of the feature (position:
                                     per side) */
};

/* "N votes would have to vanish for #1 to change" and who matters too much. */
struct leaderboard_fragility {
    bool known;
    uint64_t votes_to_flip;         /* 0: no number of removals found */
    char *flips_to;                 /* the model that would be first; NULL where none */
    double top_voter_share;         /* share of votes of the busiest voter; NAN without voters */
    uint32_t top_voter_rank_change; /* largest change of rank when one voter is left out */
};

#define LEADERBOARD_HISTORY_MAX 24

/* Ratings at the end of some days, with `detail` and where the votes' days are known. */
struct leaderboard_history {
    size_t count;                          /* 0: none */
    uint16_t day[LEADERBOARD_HISTORY_MAX]; /* since 1970-01-01 */
    double *rating; /* count x model_count, in the order of `models`; NAN: not ranked then */
};

struct leaderboard {
    struct leaderboard_options options; /* `anchor` and `category` point into this object */
    const char *method;                 /* "bt" or "elo" */
    const char *interval;               /* "sandwich", "clustered", "bootstrap", "none" */
    uint64_t votes;                     /* all that were accepted */
    uint64_t votes_used;                /* those among ranked models */
    uint64_t skipped;
    struct leaderboard_model *models; /* best first */
    size_t model_count;
    struct leaderboard_unranked *unranked; /* by votes, then name */
    size_t unranked_count;
    char **warnings;
    size_t warning_count;
    struct leaderboard_coefficient *coefficients; /* style, position */
    size_t coefficient_count;
    double tie_parameter;  /* Davidson's mu, Rao-Kupper's eta, grounded's eta; NAN for half */
    double loss, gradient; /* of the fit */
    uint32_t voters, prompts;
    double *margin; /* model_count^2, in the order of `models`: half-width of the interval of a
                     * difference of ratings;       NULL where there are no intervals */
    double *distribution; /* model_count^2 rank probabilities, with `detail`; NULL otherwise */
    uint32_t *wins;       /* model_count^2: wins of row over column */
    uint32_t *ties;       /* model_count^2: ties and both-bad */
    struct leaderboard_fragility fragility;
    struct leaderboard_history history;
    uint32_t tie_rank_change; /* largest change of rank between tie conventions, with `detail` */
};

/* Returns a new leaderboard (leaderboard_free), or NULL with `err`. A vote set that ranks nobody is
 * no error: every model is then unranked. */
struct leaderboard *leaderboard_fit(const struct leaderboard_votes *votes,
                                    const struct leaderboard_options *options, struct err *err);
void leaderboard_free(struct leaderboard *board);

/* P(model at `i` beats model at `j`) by their ratings (indices into `models`), and its interval. */
struct leaderboard_chance {
    double p, lower, upper;
};
struct leaderboard_chance leaderboard_chance(const struct leaderboard *board, size_t i, size_t j);

#endif
