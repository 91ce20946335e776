/* The finder: has an in-house model look for personal data in what exports may let out, in the
 * background, beside the patterns (personal.h).
 *
 * It only adds: what it finds joins the review queue (review.h), and nothing that it says, or fails
 * to say, lets a text out or waits for it. It looks at a battle when that is over and its voter
 * agreed to export, piece by piece (search.h), as a guest of the spare time that people leave
 * (competitor/spare.h); what is left to do is found in the store, so a restart goes on where it
 * stopped. Texts are shown to an in-house model alone. Loop's thread only. */
#ifndef ARENA_EVAL_FINDER_H
#define ARENA_EVAL_FINDER_H

#include "competitor/spare.h"

struct finder;
struct store;
struct workers;

struct finder_options {
    struct spare *spare;
    struct workers *workers;
    struct store *store;
    const struct roster *roster;
    const char *model; /* an in-house competitor's name; NULL, "off": nobody looks */
    bool at_home;      /* nobody is asked to agree: as good as agreed */
    int64_t quiet_ms;
};

#define FINDER_OFF "off"
#define FINDER_QUIET_SECONDS 10

/* Waits for the store: at start-up. Returns new and begins; *out is NULL where nobody looks.
 * ERR_CONFIG when the model is nobody's or a rival's. */
bool finder_start(struct finder **out, const struct finder_options *options, struct err *err);

/* After the spare time has stopped, the workers and the store are freed. NULL is allowed. */
void finder_free(struct finder *finder);

#endif
