/* The prompt's tokens are any tokens: what counts is that both see the same ones. Logits are
 * compared by the size of their difference against their spread: rounding to 16 bits through a few
 * layers moves them by a hundredth, a wrong kernel by about one. The last token is drawn several
 * times over, since a device may record its steps and replay them. */
#include "engine/selfcheck.h"

#include "engine/cache.h"
#include "engine/error.h"
#include "engine/sampler.h"

#include <math.h>
#include <stdlib.h>

enum { PAGES = SELFCHECK_PROMPT / CACHE_BLOCK + 1, TOPS = 8, DRAWS = 3 };

static const double ALLOWED = 0.1; /* of the logits' spread */

struct side {
    struct backend *backend;
    struct backend_model *model;
    float *logits; /* of the prompt's tokens */
};

struct check {
    struct side device, host;
    int vocabulary;
    int32_t tokens[SELFCHECK_PROMPT];
    struct engine_error *why;
};

static bool run(struct side *side, struct backend_slice *slice, struct engine_error *why)
{
    struct backend_step step = {slice, 1};
    const struct backend_ops *ops = side->backend->ops;
    return ops->submit(side->model, &step, why) && ops->wait(side->model, why);
}

static const int32_t PAGE_NUMBERS[PAGES] = {1, 0};

static bool read_prompt(struct check *c, struct side *side)
{
    struct backend_slice slice = {.tokens = c->tokens,
                                  .count = SELFCHECK_PROMPT,
                                  .pages = PAGE_NUMBERS,
                                  .logits = side->logits};
    return run(side, &slice, c->why);
}

static double mean_of(const float *values, int count)
{
    double sum = 0;
    for (int i = 0; i < count; i++)
        sum += (double)values[i];
    return sum / count;
}

/* Standard deviation of a row of logits. */
static double spread_of(const float *row, int count)
{
    double mean = mean_of(row, count), sum = 0;
    for (int i = 0; i < count; i++)
        sum += ((double)row[i] - mean) * ((double)row[i] - mean);
    return sqrt(sum / count) + 1e-6;
}

static bool compare_prompt(struct check *c)
{
    for (int t = 0; t < SELFCHECK_PROMPT; t++) {
        const float *a = c->device.logits + (size_t)t * (size_t)c->vocabulary;
        const float *b = c->host.logits + (size_t)t * (size_t)c->vocabulary;
        double sum = 0;
        for (int i = 0; i < c->vocabulary; i++)
            sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        double away = sqrt(sum / c->vocabulary) / spread_of(b, c->vocabulary);
        if (!(away < ALLOWED))
            return engine_fail(c->why, ENGINE_DEVICE,
                               "after token %d of a prompt its logits differ from the CPU's by "
                               "%.2g of their spread (%.2g is allowed)",
                               t, away, ALLOWED);
    }
    return true;
}

static double log_sum(const float *row, int count)
{
    double most = -INFINITY, sum = 0;
    for (int i = 0; i < count; i++)
        most = fmax(most, (double)row[i]);
    for (int i = 0; i < count; i++)
        sum += exp((double)row[i] - most);
    return most + log(sum);
}

/* A draw that was wanted with its likeliest tokens. */
struct drawn {
    struct backend_slice slice;
    int32_t made;
    float logprob;
    struct engine_logprob top[TOPS];
};

/* `token` (NULL: what the step before draws) at `position`, with a greedy draw. */
static void want_draw(struct check *c, struct drawn *d, const int32_t *token, int position,
                      struct sampler *sampler)
{
    d->made = -1;
    d->slice = (struct backend_slice){.tokens = token,
                                      .count = 1,
                                      .position = position,
                                      .pages = PAGE_NUMBERS,
                                      .samples = 1,
                                      .sampler = sampler,
                                      .tops = c->vocabulary < TOPS ? c->vocabulary : TOPS,
                                      .made = &d->made,
                                      .logprobs = &d->logprob,
                                      .top = d->top};
}

/* The likeliest tokens must be what the CPU says of them: `row` are its logits. */
static bool compare_tops(struct check *c, const struct drawn *d, const float *row)
{
    double norm = log_sum(row, c->vocabulary), allowed = ALLOWED * spread_of(row, c->vocabulary);
    bool good = d->slice.made_count == 1 && d->made == d->top[0].token;
    for (int i = 0; i < d->slice.tops && good; i++)
        good = d->top[i].token >= 0 && d->top[i].token < c->vocabulary &&
               fabs((double)row[d->top[i].token] - norm - (double)d->top[i].logprob) < 4 * allowed;
    return good || engine_fail(c->why, ENGINE_DEVICE, "its draws differ from the CPU's");
}

/* The last token again, alone. */
static bool compare_draw(struct check *c, struct sampler *sampler)
{
    int last = SELFCHECK_PROMPT - 1;
    struct drawn drawn;
    want_draw(c, &drawn, c->tokens + last, last, sampler);
    return run(&c->device, &drawn.slice, c->why) &&
           compare_tops(c, &drawn, c->host.logits + (size_t)last * (size_t)c->vocabulary);
}

/* A step that is given before the one it follows has drawn. */
static bool compare_ahead(struct check *c, struct sampler *sampler)
{
    const struct backend_ops *ops = c->device.backend->ops;
    int last = SELFCHECK_PROMPT - 1;
    struct drawn first, second;
    if (!c->device.model->on_device)
        return true;
    want_draw(c, &first, c->tokens + last, last, sampler);
    want_draw(c, &second, NULL, last + 1, sampler);
    struct backend_step steps[] = {{&first.slice, 1}, {&second.slice, 1}};
    if (!ops->submit(c->device.model, &steps[0], c->why))
        return false;
    bool behind = ops->submit(c->device.model, &steps[1], c->why);
    if (!ops->wait(c->device.model, c->why) || !behind || !ops->wait(c->device.model, c->why))
        return false;
    struct backend_slice same = {.tokens = &first.made,
                                 .count = 1,
                                 .position = last + 1,
                                 .pages = PAGE_NUMBERS,
                                 .logits = c->host.logits};
    if (first.made < 0 || first.made >= c->vocabulary)
        return engine_fail(c->why, ENGINE_DEVICE, "it drew what is no token");
    return run(&c->host, &same, c->why) && compare_tops(c, &second, c->host.logits);
}

static bool load_side(struct check *c, struct side *side, const struct config *config,
                      const struct gguf *file, const struct backend_load *options)
{
    size_t count = (size_t)SELFCHECK_PROMPT * (size_t)c->vocabulary;
    side->model = side->backend->ops->load(side->backend, config, file, options, c->why);
    if (!side->model)
        return false;
    if (side->model->pages < PAGES)
        return engine_fail(c->why, ENGINE_MEMORY, "no room for a short prompt");
    side->logits = malloc(count * sizeof *side->logits);
    return side->logits || engine_no_memory(c->why, "a check's logits");
}

static void side_done(struct side *side)
{
    if (side->model)
        side->backend->ops->unload(side->model);
    free(side->logits);
}

static bool compare(struct check *c, const struct config *config, const struct gguf *file,
                    const struct backend_load *options)
{
    struct sampler *sampler = sampler_new(&(struct engine_sampling){0}, c->vocabulary, c->why);
    bool ok = sampler && load_side(c, &c->device, config, file, options) &&
              load_side(c, &c->host, config, file, options) && read_prompt(c, &c->device) &&
              read_prompt(c, &c->host) && compare_prompt(c);
    for (int i = 0; i < DRAWS && ok; i++)
        ok = compare_draw(c, sampler);
    ok = ok && compare_ahead(c, sampler);
    sampler_free(sampler);
    return ok;
}

bool selfcheck_run(struct backend *device, struct backend *host, const struct config *config,
                   const struct gguf *file, const struct backend_load *options,
                   struct engine_error *why)
{
    struct config first = *config;
    struct check check = {.device = {.backend = device},
                          .host = {.backend = host},
                          .vocabulary = config->vocabulary,
                          .why = why};
    struct backend_load load = *options;
    load.partial = true;
    load.kv_bytes = (size_t)256 << 20;
    if (first.layers > SELFCHECK_LAYERS)
        first.layers = SELFCHECK_LAYERS;
    for (int i = 0; i < SELFCHECK_PROMPT; i++)
        check.tokens[i] = (int32_t)((uint64_t)(i + 1) * 2654435761u % (uint64_t)config->vocabulary);
    bool same = compare(&check, &first, file, &load);
    side_done(&check.device);
    side_done(&check.host);
    return same;
}
