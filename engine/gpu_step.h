/* A step as the GPU's kernels read it: rows, spans, pages and draws, packed on the host and copied
 * to fixed places in device memory, so that a recorded graph finds each step's there.
 *
 * Two steps share these places (struct gpu_places): the stream copies the second one's lists in
 * when the first one's kernels have run. What the host packs and what comes back is each step's
 * own. One owner; a step is made, copied, and its results taken before it is made again. No
 * allocation after gpu_step_init but for what penalties know of and what schemas allow, which grows
 * with prompts and with the number of such requests. */
#ifndef ENGINE_GPU_STEP_H
#define ENGINE_GPU_STEP_H

#include "engine/backend.h"
#include "kernels/cuda/launch.h"

enum {
    GPU_STEP_TOKENS = 2048,
    GPU_SLICES = 256,    /* requests in a step */
    GPU_DRAWS = 512,     /* in a step: one a request, and the guesses of a few */
    GPU_HEAD_ROWS = 128, /* rows of logits made at once: bounds the largest buffer */
    GPU_CHAINS = 32,     /* draws' chains of one launch: bounds the sampler's scratch */
};

/* Rows that go through the output matrix together, and the chains of draws among them. */
struct gpu_chunk {
    int first, count; /* of the wanted rows */
    int first_chain, chains;
};

/* Where the step's lists lie in device memory. */
struct gpu_lists {
    const struct cuda_row *rows;
    const struct cuda_span *spans;
    const int32_t *tiles, *wanted, *chain_counts, *chains, *pages;
    const struct cuda_draw *draws;
    const struct cuda_bias *biases;
};

/* In device memory, for all steps of a model. */
struct gpu_places {
    uint8_t *lists;
    struct cuda_bias *biases;
    struct cuda_drawn *drawn, *tops; /* (GPU_DRAWS), (GPU_DRAWS, CUDA_MAX_TOPS) */
    size_t list_bytes;
    int max_pages; /* of a sequence */
};

struct gpu_wanted {
    int slice, index; /* the token's place in its slice */
    int draw;         /* -1: none */
};

/* Words on the host, and where they go on the device. */
struct gpu_words {
    uint32_t *host, *device;
    size_t room, used;
};

struct gpu_step {
    const struct backend_step *step;
    int rows, bucket; /* bucket: rows with padding */
    bool single;      /* one token of each request, nobody wants logits */
    bool direct;      /* a single step whose rows all go through the output matrix as they are: what
                         a graph can run */
    bool has_penalties, has_tops;
    int spans, tile_count, wanted_count, draw_count, chain_count, chunk_count;
    struct gpu_chunk *chunks;
    struct gpu_wanted *wanted;
    struct gpu_lists lists;

    const struct gpu_places *places;
    struct cuda_drawn *drawn, *tops; /* what comes back */
    struct cuda_event *end;

    /* Its own. */
    uint8_t *lists_host;
    size_t used; /* of the lists, by this step */
    struct cuda_bias *biases;
    int bias_count;
    struct gpu_words counted; /* pairs for cuda_count_tokens, chain after chain */
    struct gpu_words allowed; /* of each draw that is held to a mask */
    size_t *counted_at;       /* (GPU_DRAWS + 1): the word where each chain's pairs begin */
    int *last_draw;           /* (GPU_SLICES): of each slice, 0 none, else 1 + its number */
};

/* `max_pages`: of the longest sequence. Returns a status. */
int gpu_places_init(struct gpu_places *places, int max_pages);
void gpu_places_done(struct gpu_places *places);

/* Borrows the places. Returns a status. */
int gpu_step_init(struct gpu_step *step, const struct gpu_places *places);
void gpu_step_done(struct gpu_step *step);

/* Rows with padding: results depend on it, not on the rows. */
int gpu_bucket(int rows);

/* Packs `wanted` and copies it. `before` is the step given to the stream before this one, where
 * slices follow its draws; else it may be NULL. A step over the limits is an error, as is one that
 * the device refuses, with its `status` (else 0). */
bool gpu_step_make(struct gpu_step *step, const struct gpu_step *before,
                   const struct backend_step *wanted, struct cuda_stream *stream, int *status,
                   struct engine_error *error);

/* Copies the draws' results out, behind the kernels that make them. Returns a status. */
int gpu_step_fetch(struct gpu_step *step, struct cuda_stream *stream);

/* Until all of that has run. Returns a status. */
int gpu_step_wait(struct gpu_step *step);

/* After that: hands the results to the slices and their samplers. */
void gpu_step_take(struct gpu_step *step);

#endif
