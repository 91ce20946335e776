/* The tagger: asks a model, in the background, what battles are about (tag_form.h).
 *
 * A battle is tagged after a vote on it, by one question after another, as a guest of the spare
 * time that people leave (competitor/spare.h). What is left to do is the votes without tags in the
 * store, read LIMIT_TAG_QUEUE at a time: a restart goes on where it stopped. Before its first
 * battle a new tagger answers the labelled sample, and its agreement is stored with it. A failure
 * (no answer) is tried again later; an answer in no form that counts is counted and no tag.
 *
 * Loop's thread only. A remote tagger is shown no battle that its voter keeps private. */
#ifndef ARENA_BOARD_TAGGER_H
#define ARENA_BOARD_TAGGER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "competitor/spare.h"

struct tagger;
struct live;
struct store;
struct workers;

struct tagger_options {
    struct spare *spare;
    struct workers *workers;
    struct store *store;
    struct roster *roster;
    struct live *live; /* is told of new tags; NULL: nobody */
    const char *model; /* a competitor's name; NULL: the in-house one; "off": nobody tags */
    int64_t quiet_ms;
};

#define TAGGER_OFF "off"
#define TAGGER_QUIET_SECONDS 10 /* people read for longer than that between two prompts */

/* Whose tags those options ask for; NULL: nobody's. */
struct competitor *tagger_competitor(const struct roster *roster, const char *model);

/* Returns new and begins; *out is NULL where nobody tags. */
bool tagger_start(struct tagger **out, const struct tagger_options *options, struct err *err);

/* After the spare time has stopped and the workers are freed. NULL is allowed. */
void tagger_free(struct tagger *tagger);

#endif
