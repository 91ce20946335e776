/* A loaded model: its tokenizer and template, its sizes, the tables of its KV cache and its handle
 * in the backend.
 *
 * Made and freed by the engine; immutable from then on but for `cache` and the flights, which are
 * the scheduler's, and for what its lock guards. */
#ifndef ENGINE_MODEL_H
#define ENGINE_MODEL_H

#include "engine/backend.h"
#include "engine/cache.h"
#include "engine/template.h"
#include "engine/tokenizer.h"

struct scheduler;
struct flight;

struct engine_model {
    struct scheduler *scheduler;
    struct config config;
    struct tokenizer *tokenizer;
    struct template *template; /* NULL: the model can only be given token ids or plain text, and */
    struct engine_error template_error; /* this says why */
    struct backend_model *backend;
    struct cache *cache;
    struct mask_vocabulary *vocabulary;   /* NULL: answers cannot follow a schema, and */
    struct engine_error vocabulary_error; /* this says why */
    int context;                          /* prompt and answer at most */
    char *name;
    char warning[384]; /* why it does not run where it was meant to; empty: it does */
    struct flight *under_way, *ahead; /* steps given to the backend, the older one first */
    int requests; /* that are not freed yet; under the scheduler's lock, as is */
    bool leaving; /* no more will come: freed when the last has ended */
    struct engine_model *next;
};

/* Where a model may run. `device` NULL: on the host alone; `host` NULL: on the device alone; both:
 * on the device if it is sound there (selfcheck.h), else on the host, with a warning.
 * `missing`: why there is no device though there should be one, or empty. */
struct model_backends {
    struct backend *device, *host;
    char missing[200];
};

/* What a test may change; all zero for the real thing. */
struct model_override {
    const struct architecture *facts; /* instead of the table's row */
};

/* Returns new; NULL with `error` filled. `kv_bytes` 0: as the backend sees fit. */
struct engine_model *model_new(const struct model_backends *backends, const char *path,
                               const struct engine_load_options *options, size_t kv_bytes,
                               const struct model_override *override, struct engine_error *error);
void model_free(struct engine_model *model);

/* engine_load with an override, for tests. */
struct engine_model *engine_load_with(struct engine *engine, const char *path,
                                      const struct engine_load_options *options,
                                      const struct model_override *override,
                                      struct engine_error *error);

#endif
