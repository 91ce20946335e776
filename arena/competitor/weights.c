/* A short list: an arena has a handful of checkpoints. A failed load leaves nothing behind. The
 * lock guards the list and its counts, never a load: whoever opens is alone in adding. */
#include "competitor/weights.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "competitor/fingerprint.h"

struct loaded {
    char *path;     /* real */
    char *weights;  /* as configured, or NULL */
    char *kv;       /* likewise */
    char *template; /* likewise */
    int context, users;
    struct weights_model model;
    struct loaded *next;
};

struct weights {
    char *device;
    int threads;
    struct engine *engine;
    pthread_mutex_t lock;
    struct loaded *first;
};

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool copy_or_null(char **out, const char *text)
{
    *out = text ? strdup(text) : NULL;
    return *out || !text;
}

struct weights *weights_new(const char *device, int threads, struct err *err)
{
    struct weights *weights = calloc(1, sizeof *weights);
    if (weights && copy_or_null(&weights->device, device)) {
        weights->threads = threads;
        pthread_mutex_init(&weights->lock, NULL);
        return weights;
    }
    free(weights);
    err_set(err, ERR_MEMORY, "out of memory");
    return NULL;
}

static void loaded_free(struct loaded *loaded)
{
    free(loaded->path);
    free(loaded->weights);
    free(loaded->kv);
    free(loaded->template);
    free(loaded);
}

void weights_stop(struct weights *weights)
{
    if (!weights)
        return;
    engine_free(weights->engine); /* the ends of its requests reach the loop as messages */
    weights->engine = NULL;
}

void weights_free(struct weights *weights)
{
    if (!weights)
        return;
    weights_stop(weights);
    while (weights->first) {
        struct loaded *loaded = weights->first;
        weights->first = loaded->next;
        loaded_free(loaded);
    }
    pthread_mutex_destroy(&weights->lock);
    free(weights->device);
    free(weights);
}

static bool start_engine(struct weights *weights, struct err *err)
{
    struct engine_options options = {.device = weights->device, .threads = weights->threads};
    struct engine_error error = {ENGINE_OK, ""};
    if (!weights->engine)
        weights->engine = engine_new(&options, &error);
    return weights->engine || err_set(err, ERR_UNSUPPORTED, "engine: %s", error.message);
}

/* One more user for what is there already, or NULL. */
static struct loaded *find(struct weights *weights, const struct loaded *wanted)
{
    pthread_mutex_lock(&weights->lock);
    struct loaded *have = weights->first;
    while (have &&
           (strcmp(have->path, wanted->path) != 0 ||
            strcmp(have->model.fingerprint, wanted->model.fingerprint) != 0 ||
            !same_text(have->weights, wanted->weights) || !same_text(have->kv, wanted->kv) ||
            !same_text(have->template, wanted->template) || have->context != wanted->context))
        have = have->next;
    if (have)
        have->users++;
    pthread_mutex_unlock(&weights->lock);
    return have;
}

static struct loaded *describe(const struct competitor_config *config, const char *path,
                               struct err *err)
{
    struct loaded *loaded = calloc(1, sizeof *loaded);
    if (!loaded || !copy_or_null(&loaded->path, path) ||
        !copy_or_null(&loaded->weights, config->weights) ||
        !copy_or_null(&loaded->kv, config->kv) ||
        !copy_or_null(&loaded->template, config->chat_template)) {
        err_set(err, ERR_MEMORY, "out of memory");
    } else {
        loaded->context = config->context;
        if (fingerprint_file(path, loaded->model.fingerprint, err))
            return loaded;
    }
    if (loaded)
        loaded_free(loaded);
    return NULL;
}

static bool load(struct weights *weights, struct loaded *loaded, struct err *err)
{
    struct engine_load_options options = {loaded->context, loaded->template, loaded->weights,
                                          loaded->kv};
    struct engine_error error = {ENGINE_OK, ""};
    if (!start_engine(weights, err))
        return false;
    loaded->model.model = engine_load(weights->engine, loaded->path, &options, &error);
    if (loaded->model.model) {
        struct engine_model_info info;
        engine_model_info(loaded->model.model, &info);
        if (info.warning)
            log_warning("engine", "%s", info.warning);
        return true;
    }
    return err_set(err, error.code == ENGINE_MEMORY ? ERR_MEMORY : ERR_CONFIG, "%s", error.message);
}

const struct weights_model *weights_open(struct weights *weights,
                                         const struct competitor_config *config, const char *folder,
                                         const char *hint, struct err *err)
{
    char *path = file_join(folder, config->path), real[PATH_MAX];
    if (!path || !realpath(path, real)) {
        err_sys(err, ERR_CONFIG, errno, "%s: cannot find the model%s", path ? path : config->path,
                hint);
        free(path);
        return NULL;
    }
    free(path);
    struct loaded *wanted = describe(config, real, err);
    struct loaded *have = wanted ? find(weights, wanted) : NULL;
    if (have || !wanted || !load(weights, wanted, err)) {
        if (wanted)
            loaded_free(wanted);
        return have ? &have->model : NULL;
    }
    wanted->users = 1;
    pthread_mutex_lock(&weights->lock);
    wanted->next = weights->first;
    weights->first = wanted;
    pthread_mutex_unlock(&weights->lock);
    return &wanted->model;
}

void weights_close(struct weights *weights, const struct weights_model *model)
{
    pthread_mutex_lock(&weights->lock);
    struct loaded **link = &weights->first, *gone = NULL;
    while (*link && &(*link)->model != model)
        link = &(*link)->next;
    if (*link && --(*link)->users == 0) {
        gone = *link;
        *link = gone->next;
    }
    pthread_mutex_unlock(&weights->lock);
    if (!gone)
        return;
    if (weights->engine)
        engine_unload(gone->model.model);
    loaded_free(gone);
}

struct engine *weights_engine(const struct weights *weights)
{
    return weights->engine;
}
