/* The in-house models in memory: one engine, and every model file that a competitor named.
 *
 * The same file with the same load options is loaded once: two presets of one checkpoint share its
 * weights, its cache and its batch. A file whose content has changed is another model. A model
 * stays until each weights_open that returned it has had its weights_close. weights_open blocks for
 * as long as loading takes and may run on any thread, one call at a time; what it returned may be
 * used from any thread. */
#ifndef ARENA_COMPETITOR_WEIGHTS_H
#define ARENA_COMPETITOR_WEIGHTS_H

#include "base/digest.h"
#include "competitor/competitor.h"
#include "engine/engine.h"

struct weights;

struct weights_model {
    struct engine_model *model;
    char fingerprint[DIGEST_HEX + 1];
};

/* `device` NULL: auto; `threads` 0: the engine's default. Nothing starts before the first model. */
struct weights *weights_new(const char *device, int threads, struct err *err);

/* Ends every request and frees the models: nothing is opened any more, only closed. */
void weights_stop(struct weights *weights);
void weights_free(struct weights *weights); /* stops first; NULL is allowed */

/* The model of an engine competitor, whose path is relative to `folder`. NULL with `err`; `hint`
 * is added where the file is not there. */
const struct weights_model *weights_open(struct weights *weights,
                                         const struct competitor_config *config, const char *folder,
                                         const char *hint, struct err *err);

/* Who opened it will submit nothing more to it: its memory is given back once the last user's
 * requests have ended. Any thread; NULL is allowed. */
void weights_close(struct weights *weights, const struct weights_model *model);

struct engine *weights_engine(const struct weights *weights); /* NULL before the first model */

#endif
