/* The in-house model's engine: a GGUF file or a folder of safetensors in, tokens out, many
 * requests in one running batch.
 *
 * Public boundary of engine/ and kernels/; it knows nothing of arena/. An engine owns one
 * scheduler thread and its compute threads; several models may be loaded into it, share both,
 * and stay until engine_unload or engine_free. A request is a conversation (or token ids) and
 * sampling settings; its text comes back in whole UTF-8 characters through callbacks on the
 * scheduler's thread, then exactly one end, after a cancel too. Callbacks must be short and must
 * not call engine_free or engine_logits.
 *
 *     struct engine *engine = engine_new(&(struct engine_options){0}, &error);
 *     struct engine_model *model = engine_load(engine, "model.gguf", NULL, &error);
 *     uint64_t id = engine_submit(model, &request, &error);   // 0: refused, error says why
 *     engine_cancel(engine, id);                               // any thread, at most one step late
 *
 * Every function may be called from any thread unless it says otherwise. */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct engine;
struct engine_model;

enum engine_error_code {
    ENGINE_OK,
    ENGINE_IO,          /* the file cannot be read */
    ENGINE_FORMAT,      /* the file is damaged or not what it says it is */
    ENGINE_UNSUPPORTED, /* a sound file of a kind this engine does not run */
    ENGINE_MEMORY,      /* not enough memory */
    ENGINE_REQUEST,     /* the request makes no sense (an unknown role, a setting out of range) */
    ENGINE_TOO_LONG,    /* the prompt does not fit the context */
    ENGINE_BUSY,        /* the queue is full: try again later */
    ENGINE_DEVICE,      /* the device failed */
};

/* What went wrong, where, and what to do: one line. Given by the caller. */
struct engine_error {
    enum engine_error_code code;
    char message[384];
};

struct engine_options {
    const char *device;  /* "auto" (default: a CUDA device where there is one and it computes what
                            the CPU does), "cpu", "cuda" or "cuda:N" */
    int threads;         /* compute threads; 0: one a core this process may use */
    int max_requests;    /* running at once, over all models; 0: 16 */
    int max_queue;       /* waiting at most; 0: 256 */
    size_t kv_bytes;     /* KV cache of each model at most; 0: on the CPU a quarter of memory, at
                            most 2 GiB; on a GPU half of what is free, at most 16 GiB */
    const char *kernels; /* NULL: the best this CPU has; else "scalar", "avx2", "avxvnni", "avx512"
                            (for tests and benchmarks) */
};

/* Returns new, to be freed by engine_free; NULL on failure, with `error` filled. */
struct engine *engine_new(const struct engine_options *options, struct engine_error *error);

/* Ends every request (finish ENGINE_CANCELLED), joins the threads, frees the models. NULL is
 * allowed. */
void engine_free(struct engine *engine);

struct engine_load_options {
    int context; /* longest prompt plus answer in tokens; 0: the model's own, at most 8192 */
    const char *chat_template; /* NULL: the model's own; else a name ("chatml", "llama3", …) or
                                  Jinja source */
    const char *weights;       /* NULL: as stored; "q8_0", "q4_1": quantise at load */
    const char *kv;            /* NULL or "f16"; "q8": keys and values in half the memory */
};

/* Reads, checks and repacks a model: `path` is a GGUF file, or a folder with config.json,
 * tokenizer.json and safetensors. Blocking (call it before serving, or on a worker). Returns
 * borrowed: the engine owns it and keeps it until engine_unload or engine_free. NULL on failure. */
struct engine_model *engine_load(struct engine *engine, const char *path,
                                 const struct engine_load_options *options,
                                 struct engine_error *error);

/* The model's requests go on to their ends; then its memory is given back. The caller must not use
 * it again. */
void engine_unload(struct engine_model *model);

struct engine_model_info {
    const char
        *name; /* general.name, or the file's name; borrowed from the model, like all text here */
    const char *architecture; /* "llama", … */
    const char *type;         /* the type most of its weights have: "Q4_1" */
    const char
        *chat_template;  /* the one in use: a name ("chatml"), or what the model's own is called */
    const char *device;  /* "cpu (avx512)", "cuda:0 (NVIDIA H200)" */
    const char *warning; /* why it does not run on the device that was there, or NULL */
    uint64_t parameters;
    uint64_t weight_bytes;     /* read for one token at batch 1 */
    uint64_t layer_parameters; /* that take part for every token of a prompt: without the output
                                  matrix */
    int context;
    int vocabulary;
};

void engine_model_info(const struct engine_model *model, struct engine_model_info *info);

struct engine_message {
    const char *role; /* "system", "user" or "assistant" */
    const char
        *text; /* UTF-8, `length` bytes; may hold anything: it can never form a special token */
    size_t length;
};

enum engine_finish { ENGINE_STOP, ENGINE_LENGTH, ENGINE_CANCELLED, ENGINE_FAILED };

struct engine_sampling {
    double temperature; /* 0: always the likeliest token */
    double top_p;       /* 1 (or 0): off */
    double min_p;       /* 0: off */
    int top_k;          /* 0: off */
    double repetition_penalty, presence_penalty, frequency_penalty; /* 1 (or 0), 0, 0: off */
    const struct engine_bias {
        int32_t token;
        double bias;
    } * logit_bias;
    size_t logit_biases;
    uint64_t seed; /* draw k of a request depends on (seed, k) alone */
};

struct engine_logprob {
    int32_t token;
    float logprob;
};

/* One step's news of one request. Borrowed for the call. */
struct engine_delta {
    const char *text; /* whole UTF-8 characters, maybe none; never part of a stop string */
    size_t length;
    const int32_t *tokens; /* the tokens that this step made */
    const float *logprobs; /* of those tokens, natural logarithm; NULL unless asked for */
    const struct engine_logprob
        *top; /* `tops` of the likeliest at each of the tokens, in order; NULL unless asked */
    size_t token_count, tops;
};

struct engine_result {
    enum engine_finish finish;
    struct engine_error error; /* for ENGINE_FAILED */
    int prompt_tokens, cached_tokens, output_tokens;
    double queue_seconds, prefill_seconds, decode_seconds;
};

struct engine_request {
    const struct engine_message *messages; /* copied */
    size_t message_count;
    const int32_t *tokens; /* instead of messages: a prompt as token ids, taken as it is; copied */
    size_t token_count;
    struct engine_sampling sampling;
    int max_tokens;          /* 0: up to the context's end */
    const char *const *stop; /* strings that end the answer and are left out of it; copied */
    size_t stops;
    const char *json_schema; /* NULL: free text; else the answer is a JSON text that this JSON
                                Schema allows, cut off only by max_tokens or a stop string (which
                                part of JSON Schema is understood: engine/schema.h) */
    bool ignore_eos;         /* for benchmarks */
    bool background;         /* computed only while no other request is */
    bool no_guesses; /* for benchmarks: one token a step, even where the text repeats itself */
    bool want_logprobs;
    int top_logprobs;
    void (*on_delta)(void *user, const struct engine_delta *delta);
    void (*on_end)(void *user, const struct engine_result *result);
    void *user;
};

/* Starts a request; returns its id, or 0 with `error` filled (nothing is called back then).
 * Rendering the template and tokenizing happen on the scheduler's thread. */
uint64_t engine_submit(struct engine_model *model, const struct engine_request *request,
                       struct engine_error *error);

/* Ends a request: its on_end comes with ENGINE_CANCELLED at the latest after the step that is
 * running. An id that has ended, or never was, is ignored. */
void engine_cancel(struct engine *engine, uint64_t id);

/* Text to token ids. `special` lets special tokens be recognised in it (for templates and tests,
 * never for what a user wrote). Returns new (caller frees) and stores the count; NULL on
 * failure. */
int32_t *engine_tokenize(const struct engine_model *model, const char *text, size_t length,
                         bool special, bool add_bos, size_t *count, struct engine_error *error);

/* The exact token ids of a conversation with the answer's opening at its end. Returns new. */
int32_t *engine_render(const struct engine_model *model, const struct engine_message *messages,
                       size_t count, size_t *tokens, struct engine_error *error);

/* Token ids to bytes (not always whole characters). Returns new, NUL-terminated. */
char *engine_detokenize(const struct engine_model *model, const int32_t *tokens, size_t count,
                        bool special, size_t *length);

/* The bytes of one token as it stands inside an answer, not always whole characters. With
 * `special` false a special token has none. Returns borrowed from the model. */
const char *engine_token_text(const struct engine_model *model, int32_t token, bool special,
                              size_t *length);

/* Logits (count * vocabulary floats, row i after token i) of a token sequence from an empty
 * cache; for tests, perplexity and benchmarks. Blocking; runs through the scheduler like any
 * request. Returns new. */
float *engine_logits(struct engine_model *model, const int32_t *tokens, size_t count,
                     struct engine_error *error);

/* What the engine is doing: for /metrics. */
struct engine_metrics {
    uint64_t requests, cancelled, failed, prompt_tokens, cached_tokens, output_tokens, steps;
    uint64_t
        preempted; /* requests that gave their KV pages to older ones and were computed again */
    uint64_t guessed,
        guessed_right; /* tokens tried ahead (prompt lookup), and those that were right */
    int running, queued;
    double prefill_seconds, decode_seconds;
    size_t kv_bytes_used, kv_bytes_total;
};
void engine_metrics(const struct engine *engine, struct engine_metrics *metrics);

#endif
