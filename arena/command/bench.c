/* `arena bench`: how fast the engine is on this machine, beside what the machine can do; and how
 * well a model predicts a text. Each figure is the best of several runs, with the median beside it:
 * others may use the machine too.
 *
 * Runs alone: opens no data directory, and any number may run at once (they slow each other down,
 * of course). */
#include "command/command.h"

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "engine/engine.h"
#include "engine/peaks.h"

enum {
    RUNS = 5,
    PROMPT = 16,           /* tokens before a decode run */
    REPORT_MOST = 1 << 16, /* bytes of a report */
    TEXT_MOST = 256 << 20, /* bytes of a text for perplexity */
    BATCH_MOST = 256,
};

static int fail_engine(const struct engine_error *error)
{
    fprintf(stderr, "arena bench: %s\n", error->message);
    return error->code == ENGINE_DEVICE || error->code == ENGINE_MEMORY ||
                   error->code == ENGINE_BUSY
               ? EXIT_NO
               : EXIT_USAGE;
}

/* --- Requests that are waited for --- */

struct batch {
    pthread_mutex_t lock;
    pthread_cond_t ended;
    int left;
    struct engine_result results[BATCH_MOST];
    int count;
};

static void batch_end(void *user, const struct engine_result *result)
{
    struct batch *batch = user;
    pthread_mutex_lock(&batch->lock);
    batch->results[batch->count++] = *result;
    if (!--batch->left)
        pthread_cond_signal(&batch->ended);
    pthread_mutex_unlock(&batch->lock);
}

/* Tokens that have not been computed before, so that no prefix is known. */
static void draw_prompt(int32_t *tokens, int count, int vocabulary)
{
    static uint64_t state = 88172645463325252u;
    for (int i = 0; i < count; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        tokens[i] = (int32_t)(state % (uint64_t)vocabulary);
    }
}

/* Runs `requests` at once, each `prompt` random tokens and then `decode` of its own, and waits for
 * all. */
static bool run_batch(struct engine_model *model, int requests, int prompt, int decode,
                      struct batch *batch, struct engine_error *error)
{
    struct engine_model_info info;
    int32_t *tokens = malloc((size_t)prompt * sizeof *tokens);
    engine_model_info(model, &info);
    pthread_mutex_lock(&batch->lock); /* no end is counted before all have started */
    batch->left = batch->count = 0;
    bool ok = tokens;
    for (int i = 0; i < requests && ok; i++) {
        draw_prompt(tokens, prompt, info.vocabulary);
        struct engine_request request = {.tokens = tokens,
                                         .token_count = (size_t)prompt,
                                         .max_tokens = decode,
                                         .sampling = {.temperature = 0},
                                         .ignore_eos = true,
                                         .no_guesses = true,
                                         .on_end = batch_end,
                                         .user = batch};
        ok = engine_submit(model, &request, error) != 0;
        batch->left += ok;
    }
    while (batch->left)
        pthread_cond_wait(&batch->ended, &batch->lock);
    pthread_mutex_unlock(&batch->lock);
    free(tokens);
    for (int i = 0; i < batch->count && ok; i++)
        if (batch->results[i].finish == ENGINE_FAILED) {
            *error = batch->results[i].error;
            ok = false;
        }
    return ok;
}

/* --- Figures --- */

struct figure {
    double best, median;
};

struct bench {
    const char *model_path, *device, *kv;
    int64_t threads, prefill, decode, batch;
    int format;
    struct engine *engine;
    struct engine_model *model;
    struct engine_model_info info;
    double load_seconds, read_rate, int8_rate;
    struct figure prefill_rate, decode_rate, batch_rate; /* tokens a second */
};

static int order(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static struct figure figure_of(double values[RUNS])
{
    qsort(values, RUNS, sizeof *values, order);
    return (struct figure){values[RUNS - 1], values[RUNS / 2]};
}

/* Tokens a second of the prompts, or of what follows each request's first token. */
static double rate_of(const struct batch *batch, bool prefill)
{
    double tokens = 0, longest = 1e-9;
    for (int i = 0; i < batch->count; i++) {
        const struct engine_result *r = &batch->results[i];
        double seconds = prefill ? r->prefill_seconds : r->decode_seconds;
        tokens += prefill ? r->prompt_tokens : r->output_tokens - 1;
        longest = seconds > longest ? seconds : longest;
    }
    return tokens / longest;
}

static bool measure(struct bench *bench, int requests, int prompt, int decode,
                    struct figure *figure, struct engine_error *error)
{
    struct batch batch = {.lock = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER};
    double rates[RUNS];
    for (int run = 0; run < RUNS; run++) {
        if (!run_batch(bench->model, requests, prompt, decode, &batch, error))
            return false;
        rates[run] = rate_of(&batch, decode == 1);
    }
    *figure = figure_of(rates);
    return true;
}

/* This machine's, which say nothing of a GPU's work (tests/gpu/run measures a GPU's own). Before
 * and after every stage: others use the machine too, and a share of a peak that was taken at
 * a worse moment than the figure would flatter. */
static void measure_peaks(struct bench *bench)
{
    int threads = (int)bench->threads;
    if (!strncmp(bench->info.device, "cuda", 4))
        return;
    bench->read_rate = fmax(bench->read_rate, peaks_read_rate(bench->info.weight_bytes, threads));
    bench->int8_rate = fmax(bench->int8_rate, peaks_int8_rate(threads));
}

static bool measure_all(struct bench *bench, struct engine_error *error)
{
    const struct {
        int requests, prompt, decode;
        struct figure *figure;
        bool wanted;
    } stages[] = {
        {1, (int)bench->prefill, 1, &bench->prefill_rate, bench->prefill > 0},
        {1, PROMPT, (int)bench->decode, &bench->decode_rate, bench->decode > 0},
        {(int)bench->batch, PROMPT, (int)bench->decode, &bench->batch_rate,
         bench->decode > 0 && bench->batch > 0},
    };
    measure_peaks(bench);
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++) {
        if (!stages[i].wanted)
            continue;
        if (!measure(bench, stages[i].requests, stages[i].prompt, stages[i].decode,
                     stages[i].figure, error))
            return false;
        measure_peaks(bench);
    }
    return true;
}

/* --- The report --- */

/* A stage and how many of its tokens share one read of the weights. */
struct stage {
    const char *name, *line; /* of the JSON's keys, of the text */
    struct figure rate;
    double sharing;
    bool wanted;
};

enum { STAGES = 3, STEP_MOST = 512 }; /* STEP_MOST: tokens of a prompt in one step */

static void list_stages(const struct bench *bench, char lines[STAGES][32],
                        struct stage stages[STAGES])
{
    int step = bench->prefill < STEP_MOST ? (int)bench->prefill : STEP_MOST;
    snprintf(lines[0], 32, "prefill %d", (int)bench->prefill);
    snprintf(lines[1], 32, "decode %d", (int)bench->decode);
    snprintf(lines[2], 32, "decode %d x %d", (int)bench->batch, (int)bench->decode);
    stages[0] = (struct stage){"prefill", lines[0], bench->prefill_rate, step, bench->prefill > 0};
    stages[1] = (struct stage){"decode", lines[1], bench->decode_rate, 1, bench->decode > 0};
    stages[2] = (struct stage){"batch", lines[2], bench->batch_rate, (double)bench->batch,
                               bench->decode > 0 && bench->batch > 0};
}

/* Bytes of weights that a stage reads in a second, and operations of the layers' matrices (the
 * output matrix counts where every token goes through it). */
static double bytes_of(const struct bench *bench, const struct stage *stage)
{
    return stage->rate.best / stage->sharing * (double)bench->info.weight_bytes;
}

static double operations_of(const struct bench *bench, const struct stage *stage)
{
    return 2 * stage->rate.best * (double)bench->info.layer_parameters;
}

static void put_rate(struct json_out *out, const char *stage, struct figure figure)
{
    char key[64];
    snprintf(key, sizeof key, "%s_tokens_per_second", stage);
    json_put_fixed(out, key, figure.best, 2);
    snprintf(key, sizeof key, "%s_tokens_per_second_median", stage);
    json_put_fixed(out, key, figure.median, 2);
}

static void put_share(struct json_out *out, const char *stage, const char *unit, double value,
                      double peak)
{
    char key[64];
    snprintf(key, sizeof key, "%s_%s", stage, unit);
    json_put_fixed(out, key, value * 1e-9, 2);
    snprintf(key, sizeof key, "%s_%s_share", stage, unit);
    json_put_fixed(out, key, peak > 0 ? value / peak : (double)NAN, 3);
}

static void put_model(struct json_out *out, const struct bench *bench)
{
    json_put_cstring(out, "model", bench->info.name);
    json_put_cstring(out, "file", bench->model_path);
    json_put_cstring(out, "architecture", bench->info.architecture);
    json_put_cstring(out, "type", bench->info.type);
    json_put_cstring(out, "device", bench->info.device);
    json_put_int(out, "threads", bench->threads);
    json_put_int(out, "parameters", (int64_t)bench->info.parameters);
    json_put_int(out, "weight_bytes", (int64_t)bench->info.weight_bytes);
    json_put_fixed(out, "load_seconds", bench->load_seconds, 3);
    json_put_fixed(out, "read_gigabytes_per_second", bench->read_rate * 1e-9, 2);
    json_put_fixed(out, "int8_gops", bench->int8_rate * 1e-9, 1);
}

static bool print_json(const struct bench *bench)
{
    char lines[STAGES][32];
    struct stage stages[STAGES];
    struct buf buf;
    buf_init(&buf, REPORT_MOST);
    struct json_out out = json_out_to(&buf);
    json_put_open(&out, NULL, '{');
    put_model(&out, bench);
    json_put_int(&out, "prefill_tokens", bench->prefill);
    json_put_int(&out, "decode_tokens", bench->decode);
    json_put_int(&out, "batch", bench->batch);
    list_stages(bench, lines, stages);
    for (const struct stage *stage = stages; stage < stages + STAGES; stage++) {
        if (!stage->wanted)
            continue;
        put_rate(&out, stage->name, stage->rate);
        put_share(&out, stage->name, "gigabytes_per_second", bytes_of(bench, stage),
                  bench->read_rate);
        put_share(&out, stage->name, "gops", operations_of(bench, stage), bench->int8_rate);
    }
    json_put_close(&out, '}');
    bool ok = !buf.failed && printf("%s\n", buf.data) > 0;
    buf_done(&buf);
    return ok;
}

static double percent(double value, double peak)
{
    return peak > 0 ? 100 * value / peak : 0;
}

static bool print_text(const struct bench *bench)
{
    char lines[STAGES][32];
    struct stage stages[STAGES];
    printf("%s (%s, %s) on %s, %d threads: %.1f M parameters, %.1f MB a token, loaded in %.3f s\n"
           "shares are of %.1f GB/s and %.1f GOPS, measured in this run\n",
           bench->info.name, bench->info.architecture, bench->info.type, bench->info.device,
           (int)bench->threads, (double)bench->info.parameters * 1e-6,
           (double)bench->info.weight_bytes * 1e-6, bench->load_seconds, bench->read_rate * 1e-9,
           bench->int8_rate * 1e-9);
    list_stages(bench, lines, stages);
    for (const struct stage *stage = stages; stage < stages + STAGES; stage++) {
        double bytes = bytes_of(bench, stage), operations = operations_of(bench, stage);
        if (stage->wanted)
            printf("%-18s %9.1f tokens/s (median %.1f)  %6.1f GB/s %3.0f %%  %7.1f GOPS %3.0f %%\n",
                   stage->line, stage->rate.best, stage->rate.median, bytes * 1e-9,
                   percent(bytes, bench->read_rate), operations * 1e-9,
                   percent(operations, bench->int8_rate));
    }
    return true;
}

/* --- arena bench engine --- */

static const char *default_model(char path[4096])
{
    const char *folder = getenv("ARENA_MODELS"), *home = getenv("HOME");
    bool named = folder && *folder;
    snprintf(path, 4096, "%s%s/SmolLM2-135M-Instruct.Q4_1.gguf",
             named  ? folder
             : home ? home
                    : "",
             named ? "" : "/.cache/arena");
    return path;
}

static bool open_model(struct bench *bench, int context, struct engine_error *error)
{
    struct engine_options options = {.device = bench->device,
                                     .threads = (int)bench->threads,
                                     .max_requests = bench->batch > 16 ? (int)bench->batch : 16};
    struct engine_load_options load = {.context = context, .kv = bench->kv};
    bench->engine = engine_new(&options, error);
    if (!bench->engine)
        return false;
    double start = (double)clock_mono_ns() * 1e-9;
    bench->model = engine_load(bench->engine, bench->model_path, &load, error);
    bench->load_seconds = (double)clock_mono_ns() * 1e-9 - start;
    if (bench->model)
        engine_model_info(bench->model, &bench->info);
    if (bench->info.warning)
        fprintf(stderr, "arena bench: %s\n", bench->info.warning);
    return bench->model;
}

static int bench_engine(struct bench *bench)
{
    struct engine_error error = {0};
    bool ok = open_model(bench, 0, &error) && measure_all(bench, &error);
    int code = ok ? EXIT_OK : fail_engine(&error);
    if (ok && !(bench->format ? print_json : print_text)(bench))
        code = EXIT_NO;
    engine_free(bench->engine);
    return code;
}

/* --- arena bench perplexity --- */

struct perplexity {
    const char *text_path;
    int64_t context, chunks;
    int32_t *tokens;
    size_t token_count;
    bool has_bos;
    double sum; /* of negative log-likelihoods */
    int64_t scored, done;
};

static double negative_log_likelihood(const float *logits, int count, int32_t token)
{
    double largest = -INFINITY, sum = 0;
    for (int i = 0; i < count; i++)
        largest = logits[i] > (float)largest ? (double)logits[i] : largest;
    for (int i = 0; i < count; i++)
        sum += exp((double)logits[i] - largest);
    return largest + log(sum) - (double)logits[token];
}

/* One chunk from an empty cache; the second half of it is scored, each token by what came before
 * it. */
static bool score_chunk(const struct bench *bench, struct perplexity *p, int64_t chunk,
                        struct engine_error *error)
{
    int vocabulary = bench->info.vocabulary;
    int32_t *tokens = p->tokens + chunk * p->context, first = tokens[0];
    if (p->has_bos)
        tokens[0] = p->tokens[0];
    float *logits = engine_logits(bench->model, tokens, (size_t)p->context, error);
    for (int64_t i = p->context / 2; logits && i < p->context - 1; i++, p->scored++)
        p->sum += negative_log_likelihood(logits + i * vocabulary, vocabulary, tokens[i + 1]);
    tokens[0] = first;
    p->done += logits != NULL;
    bool ok = logits;
    free(logits);
    return ok;
}

static bool read_tokens(const struct bench *bench, struct perplexity *p, struct err *err,
                        struct engine_error *error)
{
    struct buf text;
    buf_init(&text, TEXT_MOST);
    if (file_read(p->text_path, &text, err)) {
        size_t alone = 0;
        int32_t *bos = engine_tokenize(bench->model, "", 0, false, true, &alone, error);
        p->has_bos = bos && alone;
        free(bos);
        p->tokens = engine_tokenize(bench->model, text.data ? text.data : "", text.length, false,
                                    true, &p->token_count, error);
    }
    buf_done(&text);
    return p->tokens;
}

static void print_perplexity(const struct bench *bench, const struct perplexity *p)
{
    double value = exp(p->sum / (double)p->scored);
    if (!bench->format) {
        printf("perplexity %.4f over %d tokens (%d chunks of %d)\n", value, (int)p->scored,
               (int)p->done, (int)p->context);
        return;
    }
    struct buf buf;
    buf_init(&buf, REPORT_MOST);
    struct json_out out = json_out_to(&buf);
    json_put_open(&out, NULL, '{');
    json_put_cstring(&out, "model", bench->info.name);
    json_put_cstring(&out, "file", bench->model_path);
    json_put_fixed(&out, "perplexity", value, 4);
    json_put_int(&out, "context", p->context);
    json_put_int(&out, "chunks", p->done);
    json_put_int(&out, "scored", p->scored);
    json_put_close(&out, '}');
    printf("%s\n", buf.data);
    buf_done(&buf);
}

static int run_perplexity(struct bench *bench, struct perplexity *p)
{
    struct engine_error error = {0};
    struct err err = ERR_INIT;
    if (!open_model(bench, (int)p->context, &error))
        return fail_engine(&error);
    if (!read_tokens(bench, p, &err, &error))
        return err.code != ERR_NONE ? command_fail(&command_bench, &err) : fail_engine(&error);
    int64_t whole = (int64_t)p->token_count / p->context;
    int64_t chunks = p->chunks && p->chunks < whole ? p->chunks : whole;
    if (!chunks) {
        fprintf(stderr, "arena bench: %s has %zu tokens, fewer than one chunk of %d\n",
                p->text_path, p->token_count, (int)p->context);
        return EXIT_USAGE;
    }
    for (int64_t i = 0; i < chunks; i++) {
        if (!score_chunk(bench, p, i, &error))
            return fail_engine(&error);
        fprintf(stderr, "chunk %d of %d: perplexity %.4f\n", (int)i + 1, (int)chunks,
                exp(p->sum / (double)p->scored));
    }
    print_perplexity(bench, p);
    return EXIT_OK;
}

static int bench_perplexity(struct bench *bench, struct perplexity *p)
{
    if (!p->text_path) {
        fprintf(stderr, "arena bench: perplexity needs --text FILE\nTry: arena help bench\n");
        return EXIT_USAGE;
    }
    int code = run_perplexity(bench, p);
    free(p->tokens);
    engine_free(bench->engine);
    return code;
}

/* --- The command --- */

static int cores(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) ? 1 : CPU_COUNT(&set);
}

static int run(int argc, char **argv)
{
    static const char *const formats[] = {"text", "json", NULL};
    char path[4096];
    struct bench bench = {.prefill = 512, .decode = 128, .batch = 8, .threads = cores()};
    struct perplexity perplexity = {.context = 512};
    const struct option_spec specs[] = {
        {"model", OPTION_TEXT, &bench.model_path, NULL, 0, 0},
        {"kv", OPTION_TEXT, &bench.kv, NULL, 0, 0},
        {"text", OPTION_TEXT, &perplexity.text_path, NULL, 0, 0},
        {"device", OPTION_TEXT, &bench.device, NULL, 0, 0},
        {"threads", OPTION_INT, &bench.threads, NULL, 1, 256},
        {"prefill", OPTION_INT, &bench.prefill, NULL, 0, 1 << 20},
        {"decode", OPTION_INT, &bench.decode, NULL, 0, 1 << 20},
        {"batch", OPTION_INT, &bench.batch, NULL, 0, BATCH_MOST},
        {"context", OPTION_INT, &perplexity.context, NULL, 8, 1 << 20},
        {"chunks", OPTION_INT, &perplexity.chunks, NULL, 0, 1 << 30},
        {"format", OPTION_CHOICE, &bench.format, formats, 0, 0},
        {NULL, OPTION_FLAG, NULL, NULL, 0, 0}};
    int positional;
    if (!options_read(&command_bench, argc, argv, specs, &positional, 1))
        return EXIT_USAGE;
    if (!bench.model_path)
        bench.model_path = default_model(path);
    if (positional && !strcmp(argv[1], "engine"))
        return bench_engine(&bench);
    if (positional && !strcmp(argv[1], "perplexity"))
        return bench_perplexity(&bench, &perplexity);
    fprintf(stderr,
            "arena bench: say what to measure: engine or perplexity\nTry: arena help bench\n");
    return EXIT_USAGE;
}

const struct command command_bench = {
    "bench", "measure the engine's speed, or a model's perplexity",
    "Usage: arena bench engine [--model FILE] [--threads N] [--prefill N] [--decode N] [--batch N] "
    "[--device D] [--format text|json]\n"
    "       arena bench perplexity --text FILE [--model FILE] [--context N] [--chunks N] "
    "[--threads N] [--format …]\n\n"
    "engine: tokens a second for a prompt, for one answer and for several at once (best of 5, and "
    "median), with the\n"
    "bytes of weights read and the operations of each stage as shares of what this machine can "
    "read "
    "and multiply.\n"
    "perplexity: the text in chunks of --context tokens, the second half of each scored (as "
    "llama-perplexity has it).\n\n"
    "  --model FILE    a GGUF file; the default in-house model without it\n"
    "  --device D      auto (the first CUDA device that computes what the CPU does, else the CPU), "
    "cpu, cuda or cuda:N\n"
    "  --threads N     compute threads; one a core without it\n"
    "  --kv TYPE       f16 (without it) or q8: how keys and values are kept\n"
    "  --prefill N     tokens of the prompt (512); 0 leaves it out\n"
    "  --decode N      tokens of an answer (128); 0 leaves it out\n"
    "  --batch N       answers at once (8); 0 leaves it out\n"
    "  --text FILE     what to score\n"
    "  --context N     tokens of a chunk (512)\n"
    "  --chunks N      chunks at most; all without it\n",
    run};
