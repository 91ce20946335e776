/* The lists lie one behind the other at offsets that follow from the bucket alone where the step
 * is one that a graph may run (direct); the pages come last, since only their number is unknown. */
#include "engine/gpu_step.h"

#include "engine/error.h"
#include "engine/gpu_weights.h"
#include "engine/sampler.h"

#include <stdlib.h>
#include <string.h>

enum {
    ALIGNMENT = 16,
    MOST_BIASES = 64 << 10, /* in a step: 64 requests with as many as one may have */
    MOST_CHUNKS = GPU_STEP_TOKENS / GPU_HEAD_ROWS + GPU_SLICES + 1,
    MOST_COUNTS = GPU_DRAWS / GPU_CHAINS + MOST_CHUNKS,
    MOST_TILES = GPU_STEP_TOKENS / CUDA_QUERIES + GPU_SLICES,
};

static const uint32_t SEEN = 1u << 31;

int gpu_bucket(int rows)
{
    int bucket = 1;
    if (rows > 128)
        return (rows + 127) / 128 * 128;
    while (bucket < rows)
        bucket *= 2;
    return bucket;
}

/* --- Buffers --- */

static size_t lists_bytes(int max_pages)
{
    return (size_t)GPU_STEP_TOKENS * (sizeof(struct cuda_row) + sizeof(int32_t)) +
           (size_t)GPU_SLICES * sizeof(struct cuda_span) + (size_t)MOST_TILES * 2 * 4 +
           (size_t)(MOST_COUNTS + GPU_DRAWS + 1) * 4 + GPU_DRAWS * sizeof(struct cuda_draw) +
           (size_t)GPU_SLICES * (size_t)max_pages * sizeof(int32_t) + (size_t)16 * ALIGNMENT;
}

int gpu_places_init(struct gpu_places *p, int max_pages)
{
    const size_t tops = (size_t)GPU_DRAWS * CUDA_MAX_TOPS * sizeof *p->tops;
    *p = (struct gpu_places){.list_bytes = lists_bytes(max_pages), .max_pages = max_pages};
    int failed = cuda_alloc((void **)&p->lists, p->list_bytes);
    if (!failed)
        failed = cuda_alloc((void **)&p->biases, MOST_BIASES * sizeof *p->biases);
    if (!failed)
        failed = cuda_alloc((void **)&p->drawn, GPU_DRAWS * sizeof *p->drawn);
    if (!failed)
        failed = cuda_alloc((void **)&p->tops, tops);
    if (failed)
        gpu_places_done(p);
    return failed;
}

void gpu_places_done(struct gpu_places *p)
{
    cuda_release(p->lists);
    cuda_release(p->biases);
    cuda_release(p->drawn);
    cuda_release(p->tops);
    *p = (struct gpu_places){0};
}

static void words_done(struct gpu_words *w)
{
    cuda_release_host(w->host);
    cuda_release(w->device);
    *w = (struct gpu_words){0};
}

/* Empties the list and makes room for so many words. */
static int words_begin(struct gpu_words *w, size_t words)
{
    w->used = 0;
    if (words <= w->room)
        return 0;
    words_done(w);
    int failed = cuda_alloc_host((void **)&w->host, 2 * words * sizeof *w->host);
    if (!failed)
        failed = cuda_alloc((void **)&w->device, 2 * words * sizeof *w->device);
    if (failed)
        words_done(w);
    else
        w->room = 2 * words;
    return failed;
}

static int words_copy(const struct gpu_words *w, struct cuda_stream *stream)
{
    return w->used ? cuda_copy_in(w->device, w->host, w->used * sizeof *w->host, stream) : 0;
}

int gpu_step_init(struct gpu_step *s, const struct gpu_places *places)
{
    const size_t tops = (size_t)GPU_DRAWS * CUDA_MAX_TOPS * sizeof *s->tops;
    *s = (struct gpu_step){.places = places};
    s->chunks = calloc(MOST_CHUNKS, sizeof *s->chunks);
    s->wanted = calloc(GPU_STEP_TOKENS, sizeof *s->wanted);
    s->counted_at = calloc(GPU_DRAWS + 1, sizeof *s->counted_at);
    s->last_draw = calloc(GPU_SLICES, sizeof *s->last_draw);
    int failed = !s->chunks || !s->wanted || !s->counted_at || !s->last_draw;
    if (!failed)
        failed = cuda_event_new(&s->end);
    if (!failed)
        failed = cuda_alloc_host((void **)&s->lists_host, places->list_bytes);
    if (!failed)
        failed = cuda_alloc_host((void **)&s->biases, MOST_BIASES * sizeof *s->biases);
    if (!failed)
        failed = cuda_alloc_host((void **)&s->drawn, GPU_DRAWS * sizeof *s->drawn);
    if (!failed)
        failed = cuda_alloc_host((void **)&s->tops, tops);
    if (failed)
        gpu_step_done(s);
    return failed;
}

void gpu_step_done(struct gpu_step *s)
{
    cuda_event_free(s->end);
    cuda_release_host(s->lists_host);
    cuda_release_host(s->biases);
    cuda_release_host(s->drawn);
    cuda_release_host(s->tops);
    words_done(&s->counted);
    words_done(&s->allowed);
    free(s->chunks);
    free(s->wanted);
    free(s->counted_at);
    free(s->last_draw);
    *s = (struct gpu_step){0};
}

/* --- Placing the lists --- */

/* The host's places of the lists that are being filled. */
struct places {
    struct cuda_row *rows;
    struct cuda_span *spans;
    int32_t *tiles, *wanted, *counts, *chains, *pages;
    struct cuda_draw *draws;
};

/* A list of `bytes`: its place on the host to `host`, on the device to `device`. */
static void place(struct gpu_step *s, size_t bytes, void *host, void *device)
{
    uint8_t *here = s->lists_host + s->used, *there = s->places->lists + s->used;
    memcpy(host, &here, sizeof here);
    memcpy(device, &there, sizeof there);
    s->used += (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* How much room each list gets: by the bucket for a direct step, else as much as there is. */
static void place_lists(struct gpu_step *s, struct places *p)
{
    size_t rows = (size_t)s->bucket, draws = s->direct ? rows : GPU_DRAWS;
    size_t spans = s->single ? 0 : (size_t)s->step->count;
    size_t tiles = s->single ? 0 : rows / CUDA_QUERIES + spans;
    size_t counts = s->direct ? (rows + GPU_CHAINS - 1) / GPU_CHAINS : MOST_COUNTS;
    s->used = 0;
    place(s, rows * sizeof *p->rows, &p->rows, &s->lists.rows);
    place(s, rows * sizeof *p->wanted, &p->wanted, &s->lists.wanted);
    place(s, spans * sizeof *p->spans, &p->spans, &s->lists.spans);
    place(s, tiles * 2 * sizeof *p->tiles, &p->tiles, &s->lists.tiles);
    place(s, counts * sizeof *p->counts, &p->counts, &s->lists.chain_counts);
    place(s, (draws + 1) * sizeof *p->chains, &p->chains, &s->lists.chains);
    place(s, draws * sizeof *p->draws, &p->draws, &s->lists.draws);
    place(s, 0, &p->pages, &s->lists.pages);
    s->lists.biases = s->places->biases;
}

/* --- Rows, spans, tiles, pages --- */

static int pages_of(const struct backend_slice *slice)
{
    return (slice->position + slice->count + KERNEL_KV_BLOCK - 1) / KERNEL_KV_BLOCK;
}

/* As cuda_row.after. */
static int draw_before(const struct backend_slice *slice, const struct gpu_step *before)
{
    return slice->tokens ? 0 : before->last_draw[slice->follows];
}

static void fill_rows(struct gpu_step *s, const struct gpu_step *before, struct places *p)
{
    int row = 0, page = 0;
    for (int i = 0; i < s->step->count; i++) {
        const struct backend_slice *slice = &s->step->slices[i];
        for (int j = 0; j < slice->count; j++)
            p->rows[row + j] = (struct cuda_row){.token = slice->tokens ? slice->tokens[j] : 0,
                                                 .after = draw_before(slice, before),
                                                 .position = slice->position + j,
                                                 .pages = page,
                                                 .is_long = slice->is_long};
        if (!s->single)
            p->spans[i] = (struct cuda_span){row, slice->count, slice->position, page};
        int pages = pages_of(slice);
        memcpy(p->pages + page, slice->pages, (size_t)pages * sizeof *p->pages);
        page += pages;
        row += slice->count;
    }
    for (; row < s->bucket; row++)
        p->rows[row] = (struct cuda_row){.token = -1};
    s->used += (size_t)page * sizeof *p->pages;
}

/* The costliest first: those that see the most positions. */
static int by_reach(const void *first, const void *second)
{
    const int64_t *a = first, *b = second;
    return (*a < *b) - (*a > *b);
}

static void fill_tiles(struct gpu_step *s, struct places *p)
{
    int64_t keys[MOST_TILES];
    int count = 0;
    for (int i = 0; i < s->step->count && !s->single; i++)
        for (int at = 0; at < s->step->slices[i].count; at += CUDA_QUERIES) {
            int64_t reach = s->step->slices[i].position + at;
            keys[count++] = reach << 24 | (int64_t)i << 12 | at / CUDA_QUERIES;
        }
    qsort(keys, (size_t)count, sizeof *keys, by_reach);
    for (int i = 0; i < count; i++) {
        p->tiles[2 * i] = (int32_t)(keys[i] >> 12 & 0xfff);
        p->tiles[2 * i + 1] = (int32_t)(keys[i] & 0xfff) * CUDA_QUERIES;
    }
    s->tile_count = count;
}

/* --- Draws --- */

/* Room for all that penalties know of and all that masks allow. */
static int begin_words(struct gpu_step *s)
{
    size_t counted = 0, allowed = 0;
    for (int i = 0; i < s->step->count; i++) {
        const struct backend_slice *slice = &s->step->slices[i];
        if (!slice->samples)
            continue;
        allowed += sampler_mask_words(slice->sampler);
        if (sampler_has_penalties(slice->sampler))
            counted += 2 * sampler_seen_count(slice->sampler);
    }
    int failed = words_begin(&s->counted, counted);
    return failed ? failed : words_begin(&s->allowed, allowed);
}

/* What a chain's penalties know of, behind what the chains before it do. */
static void count_tokens(struct gpu_step *s, const struct sampler *sampler)
{
    size_t count = sampler_has_penalties(sampler) ? sampler_seen_count(sampler) : 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t drawn;
        uint32_t *pair = s->counted.host + s->counted.used;
        pair[0] = (uint32_t)sampler_seen_token(sampler, i, &drawn);
        pair[1] = drawn | SEEN;
        s->counted.used += 2;
    }
    s->counted_at[s->chain_count + 1] = s->counted.used;
}

/* What may be drawn, on the device; NULL: anything. */
static const uint32_t *put_allowed(struct gpu_step *s, struct sampler *sampler)
{
    size_t words = sampler_mask_words(sampler), at = s->allowed.used;
    if (!words)
        return NULL;
    sampler_allowed(sampler, s->allowed.host + at);
    s->allowed.used += words;
    return s->allowed.device + at;
}

static int put_biases(struct gpu_step *s, const struct engine_sampling *sampling)
{
    int first = s->bias_count;
    for (size_t i = 0; i < sampling->logit_biases; i++)
        s->biases[s->bias_count++] =
            (struct cuda_bias){sampling->logit_bias[i].token, (float)sampling->logit_bias[i].bias};
    return first;
}

static struct cuda_draw draw_of(const struct backend_slice *slice, int number)
{
    const struct engine_sampling *g = sampler_settings(slice->sampler);
    int index = slice->count - slice->samples + number;
    bool nuclear = g->top_p > 0 && g->top_p < 1;
    return (struct cuda_draw){
        .biases = (int32_t)g->logit_biases,
        .top_k = g->top_k,
        .tops = slice->top ? slice->tops : 0,
        .want_logprob = slice->logprobs != NULL,
        .guess = index + 1 < slice->count ? slice->tokens[index + 1] : -1,
        .scale = g->temperature < 1e-5 ? 0 : (float)(1 / g->temperature),
        .repetition = g->repetition_penalty > 0 ? (float)g->repetition_penalty : 1,
        .presence = (float)g->presence_penalty,
        .frequency = (float)g->frequency_penalty,
        .top_p = nuclear ? g->top_p : 1,
        .min_p = g->min_p,
        .uniform = sampler_uniform(g->seed, slice->draw + (uint64_t)number),
    };
}

/* --- The rows that go through the output matrix --- */

/* A chunk with room for `rows` more. */
static struct gpu_chunk *chunk_for(struct gpu_step *s, int rows)
{
    struct gpu_chunk *last = s->chunk_count ? &s->chunks[s->chunk_count - 1] : NULL;
    if (last && last->count + rows <= GPU_HEAD_ROWS)
        return last;
    s->chunks[s->chunk_count] =
        (struct gpu_chunk){.first = s->wanted_count, .first_chain = s->chain_count};
    return &s->chunks[s->chunk_count++];
}

static void want(struct gpu_step *s, struct places *p, struct gpu_chunk *chunk,
                 struct gpu_wanted wanted, int row)
{
    p->wanted[s->wanted_count] = row;
    s->wanted[s->wanted_count++] = wanted;
    chunk->count++;
}

/* A slice's draws: rows of one chunk, one chain. */
static void want_draws(struct gpu_step *s, struct places *p, int number, int row)
{
    const struct backend_slice *slice = &s->step->slices[number];
    int first = slice->count - slice->samples;
    struct gpu_chunk *chunk = chunk_for(s, slice->samples);
    bool penalised = sampler_has_penalties(slice->sampler);
    int bias = put_biases(s, sampler_settings(slice->sampler));
    const uint32_t *allowed = put_allowed(s, slice->sampler);
    count_tokens(s, slice->sampler);
    for (int i = 0; i < slice->samples; i++) {
        struct cuda_draw *draw = &p->draws[s->draw_count];
        *draw = draw_of(slice, i);
        draw->row = s->direct ? row : chunk->count;
        draw->first_bias = bias;
        draw->penalties = penalised ? chunk->chains % GPU_CHAINS : -1;
        draw->unseen = slice->tokens ? 0 : row + 1;
        draw->allowed = allowed;
        s->has_tops |= draw->tops > 0;
        want(s, p, chunk, (struct gpu_wanted){number, first + i, s->draw_count++}, row + first + i);
    }
    s->has_penalties |= penalised;
    s->last_draw[number] = s->draw_count;
    chunk->chains++;
    p->chains[++s->chain_count] = s->draw_count;
}

static int fill_wanted(struct gpu_step *s, struct places *p)
{
    int row = 0, failed = begin_words(s);
    s->wanted_count = s->draw_count = s->chain_count = s->chunk_count = s->bias_count = 0;
    s->has_penalties = s->has_tops = false;
    p->chains[0] = 0;
    for (int i = 0; i < s->step->count && !failed; row += s->step->slices[i++].count) {
        struct backend_slice *slice = &s->step->slices[i];
        slice->made_count = s->last_draw[i] = 0;
        for (int j = 0; slice->logits && j < slice->count - slice->samples; j++)
            want(s, p, chunk_for(s, 1), (struct gpu_wanted){i, j, -1}, row + j);
        if (slice->samples)
            want_draws(s, p, i, row);
    }
    return failed;
}

/* How many chains each launch of the sampler has: GPU_CHAINS of a chunk at a time. */
static void fill_counts(struct gpu_step *s, struct places *p)
{
    int at = 0;
    for (int i = 0; i < s->chunk_count; i++)
        for (int done = 0; done < s->chunks[i].chains; done += GPU_CHAINS) {
            int left = s->chunks[i].chains - done;
            p->counts[at++] = left < GPU_CHAINS ? left : GPU_CHAINS;
        }
    int room = s->direct ? (s->bucket + GPU_CHAINS - 1) / GPU_CHAINS : at;
    while (at < room)
        p->counts[at++] = 0;
}

/* --- A step --- */

static bool check_slice(const struct gpu_step *s, const struct gpu_step *before,
                        const struct backend_slice *slice)
{
    bool known =
        slice->tokens || (before && slice->count == 1 && slice->follows < before->step->count &&
                          before->last_draw[slice->follows]);
    /* What a mask allows is known for the first draw behind known tokens alone. */
    bool masked = slice->samples && sampler_mask_words(slice->sampler);
    known &= !masked || (slice->tokens && slice->samples == 1);
    return known && slice->samples <= GPU_HEAD_ROWS && pages_of(slice) <= s->places->max_pages;
}

static bool check_step(struct gpu_step *s, const struct gpu_step *before,
                       struct engine_error *error)
{
    int draws = 0;
    size_t biases = 0;
    bool fits = s->step->count <= GPU_SLICES;
    s->rows = 0;
    s->single = true;
    for (int i = 0; i < s->step->count; i++) {
        const struct backend_slice *slice = &s->step->slices[i];
        s->rows += slice->count;
        s->single &= slice->count == 1 && !slice->logits;
        draws += slice->samples;
        if (slice->samples)
            biases += sampler_settings(slice->sampler)->logit_biases;
        fits &= check_slice(s, before, slice);
    }
    if (fits && s->rows <= GPU_STEP_TOKENS && draws <= GPU_DRAWS && biases <= MOST_BIASES)
        return true;
    return engine_fail(error, ENGINE_DEVICE,
                       "a step of %d requests, %d tokens, %d draws and %zu biases: %d, %d, %d and "
                       "%d are possible",
                       s->step->count, s->rows, draws, biases, GPU_SLICES, GPU_STEP_TOKENS,
                       GPU_DRAWS, MOST_BIASES);
}

static int copy_in(struct gpu_step *s, struct cuda_stream *stream)
{
    int failed = cuda_copy_in(s->places->lists, s->lists_host, s->used, stream);
    if (!failed && s->bias_count)
        failed = cuda_copy_in(s->places->biases, s->biases,
                              (size_t)s->bias_count * sizeof *s->biases, stream);
    if (!failed)
        failed = words_copy(&s->counted, stream);
    return failed ? failed : words_copy(&s->allowed, stream);
}

bool gpu_step_make(struct gpu_step *s, const struct gpu_step *before,
                   const struct backend_step *step, struct cuda_stream *stream, int *status,
                   struct engine_error *error)
{
    struct places places;
    s->step = step;
    *status = 0;
    if (!check_step(s, before, error))
        return false;
    s->bucket = gpu_bucket(s->rows);
    s->direct = s->single && s->bucket <= GPU_HEAD_ROWS;
    s->spans = s->single ? 0 : step->count;
    place_lists(s, &places);
    fill_rows(s, before, &places);
    fill_tiles(s, &places);
    *status = fill_wanted(s, &places);
    fill_counts(s, &places);
    if (!*status)
        *status = copy_in(s, stream);
    return !*status || gpu_fail(error, *status, "copying a step");
}

int gpu_step_fetch(struct gpu_step *s, struct cuda_stream *stream)
{
    size_t draws = (size_t)s->draw_count;
    int failed = 0;
    if (draws)
        failed = cuda_copy_out(s->drawn, s->places->drawn, draws * sizeof *s->drawn, stream);
    if (!failed && s->has_tops)
        failed = cuda_copy_out(s->tops, s->places->tops, draws * CUDA_MAX_TOPS * sizeof *s->tops,
                               stream);
    return failed ? failed : cuda_event_record(s->end, stream);
}

int gpu_step_wait(struct gpu_step *s)
{
    return cuda_event_wait(s->end);
}

static void take_draw(const struct gpu_step *s, const struct gpu_wanted *wanted)
{
    struct backend_slice *slice = &s->step->slices[wanted->slice];
    const struct cuda_drawn *drawn = &s->drawn[wanted->draw];
    const struct cuda_drawn *tops = s->tops + (size_t)wanted->draw * CUDA_MAX_TOPS;
    int n = slice->made_count;
    if (drawn->token < 0)
        return; /* an earlier guess was wrong */
    slice->made[n] = drawn->token;
    if (slice->logprobs)
        slice->logprobs[n] = drawn->logprob;
    for (int i = 0; slice->top && i < slice->tops; i++)
        slice->top[n * slice->tops + i] = (struct engine_logprob){tops[i].token, tops[i].logprob};
    sampler_see(slice->sampler, drawn->token, true);
    slice->made_count = n + 1;
}

void gpu_step_take(struct gpu_step *s)
{
    for (int i = 0; i < s->wanted_count; i++)
        if (s->wanted[i].draw >= 0)
            take_draw(s, &s->wanted[i]);
}
