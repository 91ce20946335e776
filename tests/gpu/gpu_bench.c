/* How fast the GPU's backend is on models of real shapes, against what the device can do at most:
 * rates of reading and of matrix products are measured first, bytes and operations are counted.
 * Steps go the way that the engine's do (packed, copied, given to the stream, waited for), so that
 * the host's share is in the figures. Prints a table. Each shape is a process of its own, so
 * that a failure costs no other one; --quick takes toy shapes, for trying this out on the host's
 * shim. */
#include "tests/gpu/shapes.h"

#include "engine/engine.h"
#include "engine/sampler.h"
#include "kernels/cuda/gemm.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    MOST_ROWS = 64,
    RUNS = 21,
    WARM_UPS = 4,
    CHATS = 32,
    PROMPT = 500,
    ANSWER = 300,
    MOST_SECONDS = 60
};

static const struct shape_facts SHAPES[] = {
    {"8B", "llama", KERNEL_BF16, 32, 4096, 32, 8, 128, 14336, 128256, 0, 0, false},
    {"SmolLM2-135M", "llama", KERNEL_BF16, 30, 576, 9, 3, 64, 1536, 49152, 0, 0, true},
    {"8B", "llama", KERNEL_Q8_0, 32, 4096, 32, 8, 128, 14336, 128256, 0, 0, false},
    {"8B", "llama", KERNEL_Q4_0, 32, 4096, 32, 8, 128, 14336, 128256, 0, 0, false},
    {"30B-A3B", "qwen3moe", KERNEL_Q8_0, 48, 2048, 32, 4, 128, 768, 151936, 128, 8, false},
    {"30B-A3B", "qwen3moe", KERNEL_Q4_0, 48, 2048, 32, 4, 128, 768, 151936, 128, 8, false},
    {"SmolLM2-135M", "llama", KERNEL_Q4_1, 30, 576, 9, 3, 64, 1536, 49152, 0, 0, true},
};
static const struct shape_facts TOYS[] = {
    {"toy", "llama", KERNEL_BF16, 2, 64, 4, 2, 16, 96, 300, 0, 0, false},
    {"toy experts", "qwen3moe", KERNEL_Q8_0, 2, 64, 4, 2, 16, 96, 300, 4, 2, false},
};

struct bench {
    struct cuda_info device;
    double read_rate, work_rate; /* bytes and operations a second */
    int runs;                    /* of which the median counts */
    bool quick;
};

static void must(int failed, const char *what)
{
    if (!failed)
        return;
    fprintf(stderr, "%s: %s\n", what, cuda_status_text(failed));
    exit(1);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, by_size);
    return values[count / 2];
}

/* --- The device's own rates --- */

/* Seconds of `what`, by the stream's own clock; the median of several. */
static double time_of(const struct bench *b, struct cuda_stream *stream, int (*what)(void *context),
                      void *context)
{
    struct cuda_event *from, *to;
    double seconds[RUNS];
    must(cuda_event_new(&from) || cuda_event_new(&to), "events");
    for (int i = -WARM_UPS; i < b->runs; i++) {
        float milliseconds;
        must(cuda_event_record(from, stream), "an event");
        must(what(context), "a measured kernel");
        must(cuda_event_record(to, stream), "an event");
        must(cuda_event_milliseconds(from, to, &milliseconds), "a measured kernel");
        seconds[i < 0 ? 0 : i] = (double)milliseconds * 1e-3;
    }
    cuda_event_free(from);
    cuda_event_free(to);
    return median(seconds, b->runs);
}

struct reading {
    void *memory;
    size_t bytes;
    float *sink;
    struct cuda_stream *stream;
};

static int read_all(void *context)
{
    struct reading *r = context;
    return cuda_read_stream(r->memory, r->bytes, r->sink, r->stream);
}

static void measure_reading(struct bench *b, struct cuda_stream *stream)
{
    struct reading r = {.bytes = b->quick ? 1 << 16 : (size_t)4 << 30, .stream = stream};
    void *sink;
    must(cuda_alloc(&r.memory, r.bytes) || cuda_alloc(&sink, 1 << 20), "memory to read");
    r.sink = sink;
    must(cuda_random(r.memory, KERNEL_BF16, r.bytes / 2, 5, 1, stream), "random numbers");
    b->read_rate = (double)r.bytes / time_of(b, stream, read_all, &r);
    cuda_release(r.memory);
    cuda_release(sink);
}

struct multiplying {
    struct cuda_gemm *gemm;
    struct cuda_gemm_shape shape;
    void *w, *x, *out;
};

static int multiply(void *context)
{
    struct multiplying *m = context;
    return cuda_gemm_run(m->gemm, &m->shape, m->w, m->x, m->out);
}

static void measure_multiplying(struct bench *b, struct cuda_stream *stream)
{
    int n = b->quick ? 32 : 8192;
    const char *why;
    size_t count = (size_t)n * (size_t)n;
    struct multiplying m = {.gemm = cuda_gemm_new(stream, &why),
                            .shape = {KERNEL_BF16, KERNEL_BF16, n, n, n, n, n}};
    if (!m.gemm) {
        fprintf(stderr, "matrix products: %s\n", why);
        b->work_rate = NAN;
        return;
    }
    must(cuda_alloc(&m.w, 2 * count) || cuda_alloc(&m.x, 2 * count) ||
             cuda_alloc(&m.out, 2 * count),
         "matrices");
    must(cuda_random(m.w, KERNEL_BF16, count, 6, 1, stream), "random numbers");
    must(cuda_random(m.x, KERNEL_BF16, count, 7, 1, stream), "random numbers");
    must(cuda_gemm_plan(m.gemm, &m.shape, m.w, m.x, m.out), "a plan");
    b->work_rate = 2.0 * n * n * n / time_of(b, stream, multiply, &m);
    cuda_gemm_free(m.gemm);
    cuda_release(m.w);
    cuda_release(m.x);
    cuda_release(m.out);
}

/* --- Steps --- */

/* Requests at made-up places: request i has pages of its own. Two steps take turns, as the engine's
 * do: while one runs, the next one is behind it, whose tokens are the first one's draws. */
struct batch {
    struct backend_slice slices[2][MOST_ROWS];
    struct backend_step steps[2];
    int32_t *pages, *tokens, made[2][MOST_ROWS];
    struct sampler *samplers[MOST_ROWS];
};

static void batch_open(struct batch *b, const struct shape_model *m, int rows, int each)
{
    int32_t count = m->pages > 0 ? m->pages : 1;
    int pages = (each + KERNEL_KV_BLOCK - 1) / KERNEL_KV_BLOCK;
    struct engine_error error;
    b->pages = malloc((size_t)rows * (size_t)pages * sizeof *b->pages);
    b->tokens = malloc(GPU_STEP_TOKENS * sizeof *b->tokens);
    must(!b->pages || !b->tokens, "memory");
    for (int i = 0; i < rows * pages; i++)
        b->pages[i] = i % count;
    for (int i = 0; i < GPU_STEP_TOKENS; i++)
        b->tokens[i] = (int32_t)((int64_t)(i + 1) * 7919 % m->config.vocabulary);
    for (int i = 0; i < rows; i++)
        b->samplers[i] = sampler_new(&(struct engine_sampling){0}, m->config.vocabulary, &error);
    for (int i = 0; i < 2 * rows; i++)
        b->slices[i / rows][i % rows] =
            (struct backend_slice){.tokens = b->tokens + i % rows,
                                   .count = 1,
                                   .pages = b->pages + i % rows * pages,
                                   .samples = 1,
                                   .sampler = b->samplers[i % rows],
                                   .made = &b->made[i / rows][i % rows]};
}

static void batch_close(struct batch *b, int rows)
{
    for (int i = 0; i < rows; i++)
        sampler_free(b->samplers[i]);
    free(b->pages);
    free(b->tokens);
}

/* Gives the model the slices of `turn`, as the engine's backend does. */
static void give_step(struct shape_model *m, struct batch *b, int turn, int count)
{
    struct engine_error error = {0};
    int failed;
    b->steps[turn] = (struct backend_step){b->slices[turn], count};
    if (!gpu_step_make(&m->steps[turn], &m->steps[!turn], &b->steps[turn], m->stream, &failed,
                       &error)) {
        fprintf(stderr, "%s\n", error.message);
        exit(1);
    }
    must(gpu_forward_run(m->forward, &m->steps[turn]), "a step");
    must(gpu_step_fetch(&m->steps[turn], m->stream), "draws");
}

static void take_step(struct shape_model *m, int turn)
{
    must(gpu_step_wait(&m->steps[turn]), "a step");
    gpu_step_take(&m->steps[turn]);
}

/* The median time from step to step of `rows` requests that are all at `position`. */
static double decode_seconds(const struct bench *bench, struct shape_model *m, int rows,
                             int position)
{
    struct batch b = {0};
    double seconds[RUNS], last = 0;
    batch_open(&b, m, rows, position + 1);
    for (int i = 0; i < 2 * rows; i++)
        b.slices[i / rows][i % rows].position = position;
    give_step(m, &b, 0, rows);
    for (int i = 0; i < rows; i++)
        b.slices[0][i].tokens = b.slices[1][i].tokens = NULL;
    for (int i = 0; i < rows; i++)
        b.slices[0][i].follows = b.slices[1][i].follows = i;
    for (int i = -WARM_UPS, turn = 1; i < bench->runs; i++, turn = !turn) {
        give_step(m, &b, turn, rows);
        take_step(m, !turn);
        double time = now();
        seconds[i < 0 ? 0 : i] = time - last;
        last = time;
    }
    must(cuda_stream_wait(m->stream), "the last step");
    batch_close(&b, rows);
    return median(seconds, bench->runs);
}

static double prefill_seconds(const struct bench *bench, struct shape_model *m, int tokens)
{
    struct batch b = {0};
    double seconds[RUNS];
    batch_open(&b, m, 1, tokens);
    b.slices[0][0].count = tokens;
    for (int i = -WARM_UPS; i < bench->runs; i++) {
        double start = now();
        give_step(m, &b, 0, 1);
        take_step(m, 0);
        seconds[i < 0 ? 0 : i] = now() - start;
    }
    batch_close(&b, 1);
    return median(seconds, bench->runs);
}

/* --- The table --- */

static void line(const struct shape_model *m, const char *stage, double seconds, int tokens,
                 double floor)
{
    printf("%-13s %-5s %-24s %9.3f ms %10.0f tokens/s  floor %9.3f ms  %5.1f %%\n", m->facts->name,
           kernel_type_info(m->facts->type)->name, stage, seconds * 1e3, tokens / seconds,
           floor * 1e3, 100 * floor / seconds);
    fflush(stdout);
}

static void bench_decode(const struct bench *b, struct shape_model *m, int rows, int position)
{
    char stage[32];
    double bytes = shape_step_bytes(m, rows, position) / b->read_rate;
    double work = shape_step_work(m, rows, rows, (double)rows * position) / b->work_rate;
    snprintf(stage, sizeof stage, "decode %d at %d", rows, position);
    line(m, stage, decode_seconds(b, m, rows, position), rows, work > bytes ? work : bytes);
}

static void bench_prefill(const struct bench *b, struct shape_model *m, int tokens)
{
    char stage[32];
    double looked = (double)tokens * tokens / 2;
    snprintf(stage, sizeof stage, "prefill %d", tokens);
    line(m, stage, prefill_seconds(b, m, tokens), tokens,
         shape_step_work(m, tokens, 1, looked) / b->work_rate);
}

/* --- Many chats at once --- */

struct chat {
    double arrives, first; /* seconds; first: of its first token */
    int computed, drawn;   /* by the steps given so far */
    int slice;             /* of its last step */
};

/* A step: which chats its slices are of. */
struct chat_step {
    int of[CHATS], count;
};

/* What a step computes of each chat that is there: one token of the decoding ones, then prompts in
 * order under the backend's budgets (backend.h). */
static void plan_chats(struct chat *chats, double time, struct batch *b, int turn,
                       struct chat_step *step)
{
    int left = GPU_STEP_TOKENS;
    step->count = 0;
    for (int i = 0; i < CHATS; i++) {
        if (!chats[i].drawn || chats[i].drawn >= ANSWER)
            continue;
        struct backend_slice *slice = &b->slices[turn][step->count];
        slice->tokens = NULL;
        slice->follows = chats[i].slice;
        slice->count = slice->samples = 1;
        slice->position = PROMPT + chats[i].drawn++ - 1;
        chats[i].slice = step->count;
        step->of[step->count++] = i;
        left--;
    }
    left = step->count && left > 512 ? 512 : left;
    for (int i = 0; i < CHATS && left > 0; i++) {
        int rest = PROMPT - chats[i].computed, part = rest < left ? rest : left;
        if (!rest || chats[i].arrives > time)
            continue;
        struct backend_slice *slice = &b->slices[turn][step->count];
        slice->tokens = b->tokens;
        slice->count = part;
        slice->position = chats[i].computed;
        slice->samples = part == rest;
        chats[i].computed += part;
        chats[i].drawn = slice->samples;
        chats[i].slice = step->count;
        step->of[step->count++] = i;
        left -= part;
    }
}

static void take_chats(struct chat *chats, const struct batch *b, int turn,
                       const struct chat_step *step, double time)
{
    for (int i = 0; i < step->count; i++)
        if (chats[step->of[i]].first <= 0 && b->slices[turn][i].samples)
            chats[step->of[i]].first = time;
}

/* Runs all chats to their ends; a step is always behind the one that runs, if there is any. */
static double run_chats(struct shape_model *m, struct chat *chats)
{
    struct batch b = {0};
    struct chat_step steps[2] = {0};
    double start = now();
    batch_open(&b, m, CHATS, PROMPT + ANSWER);
    for (int turn = 0, left = 1; left; turn = !turn) {
        plan_chats(chats, now() - start, &b, turn, &steps[turn]);
        if (steps[turn].count)
            give_step(m, &b, turn, steps[turn].count);
        if (steps[!turn].count)
            take_step(m, !turn);
        take_chats(chats, &b, !turn, &steps[!turn], now() - start);
        left = steps[turn].count;
        for (int i = 0; i < CHATS; i++)
            left += chats[i].drawn < ANSWER;
    }
    batch_close(&b, CHATS);
    return now() - start;
}

/* 32 chats, a prompt of 500 tokens and an answer of 300 each, that come `apart` seconds one after
 * the other. The floor: all prompts' operations, then as many steps of all chats as answers have
 * tokens. */
static void bench_chats(const struct bench *bench, struct shape_model *m, double apart)
{
    struct chat chats[CHATS] = {0};
    double slowest = 0;
    for (int i = 0; i < CHATS; i++)
        chats[i].arrives = apart * i;
    double seconds = run_chats(m, chats);
    for (int i = 0; i < CHATS; i++)
        slowest = fmax(slowest, chats[i].first - chats[i].arrives);
    double floor = shape_step_work(m, CHATS * PROMPT, CHATS, CHATS * PROMPT * PROMPT / 2.0) /
                       bench->work_rate +
                   ANSWER * shape_step_bytes(m, CHATS, PROMPT + ANSWER / 2) / bench->read_rate;
    line(m, "32 chats 500 + 300", seconds, CHATS * ANSWER, floor);
    printf("%-13s %-5s first token at the latest after %.0f ms\n", m->facts->name,
           kernel_type_info(m->facts->type)->name, slowest * 1e3);
}

static void bench_shape(const struct bench *b, const struct shape_facts *facts)
{
    struct shape_model m;
    bool small = facts->width < 1024;
    int positions = b->quick ? 4096 : small ? 1 << 17 : 1 << 16;
    shape_open(&m, facts, &b->device, positions);
    bench_decode(b, &m, 1, b->quick ? 40 : 128);
    if (!b->quick) {
        bench_decode(b, &m, 1, 4096);
        bench_decode(b, &m, 8, 1024);
        bench_decode(b, &m, 64, 1024);
    } else {
        bench_decode(b, &m, 3, 33);
    }
    bench_prefill(b, &m, b->quick ? 20 : 2048);
    if (!b->quick && facts->type == KERNEL_BF16 && !small)
        bench_chats(b, &m, 0.03);
    shape_close(&m);
}

/* The device's rates, then the shape; a process of its own. */
static void measure(struct bench *b, const struct shape_facts *facts, bool first)
{
    struct cuda_stream *stream;
    must(cuda_use(0), "the device");
    must(cuda_describe(0, &b->device), "the device");
    must(cuda_stream_new(&stream), "a stream");
    measure_reading(b, stream);
    measure_multiplying(b, stream);
    cuda_stream_free(stream);
    if (first)
        printf("%s: reads %.0f GB/s, multiplies %.1f TFLOP/s in bf16\n", b->device.name,
               b->read_rate * 1e-9, b->work_rate * 1e-12);
    bench_shape(b, facts);
}

/* Did it come to its end within MOST_SECONDS? */
static bool measure_apart(struct bench *b, const struct shape_facts *facts, bool first)
{
    int status = 0;
    fflush(stdout);
    pid_t child = fork();
    if (!child) {
        alarm(MOST_SECONDS);
        measure(b, facts, first);
        fflush(stdout);
        _exit(0);
    }
    if (child > 0 && waitpid(child, &status, 0) == child && !status)
        return true;
    printf("FAILED  %s %s (status %d)\n", facts->name, kernel_type_info(facts->type)->name, status);
    return false;
}

int main(int argc, char **argv)
{
    struct bench b = {.quick = argc > 1 && !strcmp(argv[1], "--quick")};
    const struct shape_facts *shapes = b.quick ? TOYS : SHAPES;
    b.runs = b.quick ? 3 : RUNS;
    int count = b.quick ? sizeof TOYS / sizeof *TOYS : sizeof SHAPES / sizeof *SHAPES, failed = 0;
    for (int i = 0; i < count; i++)
        failed += !measure_apart(&b, &shapes[i], i == 0);
    return failed > 0;
}
