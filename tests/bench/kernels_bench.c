/* How fast the matrix products and attention are, as shares of what this machine can do,
 * measured in the same run: decode against the read rate over a buffer of the same size, prefill
 * against the int8 peak. Best of many short runs, since neighbours disturb. Usage: bench_kernels
 * [SET] [TYPE] [THREADS].
 *
 * The matrices are SmolLM2-135M's: a layer's four shapes, each as often as the model has it, so
 * that a pass over them reads what one token of decode reads. */
#include "kernels/kernels.h"
#include "tests/bench/kernels_peak.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum { THREADS_MOST = 16, LAYERS = 30, SHAPES = 5, TOKENS_MOST = 512 };

static const struct shape {
    const char *name;
    int rows, columns, count;
} SHAPE[SHAPES] = {
    {"qkv    960 x  576", 960, 576, LAYERS},  {"out    576 x  576", 576, 576, LAYERS},
    {"up    3072 x  576", 3072, 576, LAYERS}, {"down   576 x 1536", 576, 1536, LAYERS},
    {"logits 49152 x 576", 49152, 576, 1},
};

/* Time that this thread ran: what it waited for a core that others held is not the kernels'
 * doing. */
static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* On huge pages, as the engine keeps its weights: a fifth faster to read. */
static void *buffer(size_t bytes)
{
    size_t huge = 2 << 20, whole = (bytes + 8192 + huge - 1) / huge * huge;
    void *p = aligned_alloc(huge, whole);
    if (!p) {
        fprintf(stderr, "bench_kernels: %zu bytes cannot be had\n", bytes);
        exit(1);
    }
    madvise(p, whole, MADV_HUGEPAGE);
    memset(p, 1, whole);
    return p;
}

/* --- One job on all threads --- */

struct job {
    void (*run)(void *data, int thread, int threads);
    void *data;
    int thread, threads;
    pthread_barrier_t *start;
    double seconds;
};

static void *job_thread(void *data)
{
    struct job *j = data;
    pthread_barrier_wait(j->start);
    double start = now();
    j->run(j->data, j->thread, j->threads);
    j->seconds = now() - start;
    return NULL;
}

/* The seconds of the slowest thread, best of `runs`. */
static double best_seconds(void (*run)(void *, int, int), void *data, int threads, int runs)
{
    double best = 1e9;
    for (int i = 0; i < runs; i++) {
        pthread_t id[THREADS_MOST];
        struct job job[THREADS_MOST];
        pthread_barrier_t start;
        pthread_barrier_init(&start, NULL, (unsigned)threads);
        double slowest = 0;
        for (int t = 0; t < threads; t++) {
            job[t] = (struct job){run, data, t, threads, &start, 0};
            pthread_create(&id[t], NULL, job_thread, &job[t]);
        }
        for (int t = 0; t < threads; t++) {
            pthread_join(id[t], NULL);
            slowest = job[t].seconds > slowest ? job[t].seconds : slowest;
        }
        pthread_barrier_destroy(&start);
        best = slowest < best ? slowest : best;
    }
    return best;
}

/* --- Limits --- */

struct memory {
    uint8_t *data;
    size_t bytes;
};

static void run_read(void *data, int thread, int threads)
{
    struct memory *m = data;
    size_t share = m->bytes / (size_t)threads / 64 * 64;
    peak_read(m->data + share * (size_t)thread, share);
}

static void run_products(void *data, int thread, int threads)
{
    (void)thread;
    (void)threads;
    peak_products(*(int64_t *)data);
}

/* --- Products --- */

struct work {
    const struct kernels *k;
    struct kernel_matrix *w;
    int matrices;
    struct kernel_activations x;
    float *out;
};

static void run_work(void *data, int thread, int threads)
{
    struct work *work = data;
    for (int i = 0; i < work->matrices; i++) {
        struct kernel_activations x = work->x;
        int panels = kernel_matrix_panels(&work->w[i]);
        x.columns = work->w[i].columns;
        x.stride = (size_t)x.columns;
        work->k->matmul(&work->w[i], &x, work->out, (size_t)work->w[i].rows,
                        panels * thread / threads, panels * (thread + 1) / threads);
    }
}

static struct kernel_matrix matrix_new(enum kernel_type type, int rows, int columns)
{
    const struct kernel_type_info *info = kernel_type_info((uint32_t)type);
    size_t bytes = (size_t)rows * (size_t)(columns / info->block) * (size_t)info->bytes;
    uint8_t *tensor = buffer(bytes);
    for (size_t i = 0; i < bytes; i++)
        tensor[i] = ((uint8_t)(i * 2654435761u >> 13) & 0x3f) | 0x20; /* no denormals */
    struct kernel_matrix w = {type, rows, columns, NULL};
    w.data = buffer(kernel_matrix_bytes(&w));
    kernel_matrix_pack(&w, tensor, 0, kernel_matrix_panels(&w));
    free(tensor);
    return w;
}

static double read_rate(size_t bytes, int threads)
{
    struct memory m = {buffer(bytes), bytes};
    double seconds = best_seconds(run_read, &m, threads, 30);
    free(m.data);
    return (double)bytes / seconds;
}

/* A pass over every matrix of the model, as decode does it. */
static void bench_decode(struct work *all, int threads)
{
    size_t bytes = 0;
    for (int i = 0; i < all->matrices; i++)
        bytes += kernel_matrix_bytes(&all->w[i]);
    double rate = read_rate(bytes, threads);
    printf("model %.1f MB, read rate %.1f GB/s\n", (double)bytes / 1e6, rate / 1e9);
    static const int TOKENS[] = {1, 2, 3, 4, 5, 6, 8, 12, 16};
    for (size_t i = 0; i < sizeof(TOKENS) / sizeof(TOKENS[0]); i++) {
        all->x.tokens = TOKENS[i];
        double seconds = best_seconds(run_work, all, threads, 20);
        printf("  %3d tokens: %7.1f tok/s, %5.1f GB/s, %3.0f %% of the read rate\n", TOKENS[i],
               TOKENS[i] / seconds, (double)bytes / seconds / 1e9,
               100 * (double)bytes / seconds / rate);
    }
}

static void bench_prefill(struct work *all, int threads, double peak)
{
    double total = 0, operations = 0;
    for (int s = 0; s < SHAPES; s++) {
        struct work one = *all;
        for (int i = 0; i < s; i++)
            one.w += SHAPE[i].count;
        one.matrices = 1;
        one.x.tokens = TOKENS_MOST;
        double seconds = best_seconds(run_work, &one, threads, SHAPE[s].rows > 10000 ? 5 : 40);
        double work = 2.0 * SHAPE[s].rows * SHAPE[s].columns * TOKENS_MOST;
        printf("  %d tokens, %s: %7.1f GOPS, %3.0f %% of the peak\n", TOKENS_MOST, SHAPE[s].name,
               work / seconds / 1e9, 100 * work / seconds / peak);
        if (SHAPE[s].count > 1) {
            total += seconds * SHAPE[s].count;
            operations += work * SHAPE[s].count;
        }
    }
    printf("  prefill without logits: %.0f tok/s, %.0f GOPS, %.0f %% of the peak\n",
           TOKENS_MOST / total, operations / total / 1e9, 100 * operations / total / peak);
}

static void activations_init(const struct kernels *k, struct kernel_activations *x)
{
    size_t count = (size_t)TOKENS_MOST * 1536;
    float *values = buffer(count * sizeof(float));
    for (size_t i = 0; i < count; i++)
        values[i] = (float)(i * 2654435761u >> 8 & 0xffff) / 65536 - 0.5f;
    *x = (struct kernel_activations){
        TOKENS_MOST, 1536,          values,
        1536,        buffer(count), buffer(count / 32 * sizeof(struct kernel_block))};
    k->quantize(x, 0, TOKENS_MOST);
}

static void bench_type(const struct kernels *k, enum kernel_type type, int threads, double peak)
{
    struct kernel_matrix w[4 * LAYERS + 1];
    struct work all = {.k = k, .w = w};
    int block = kernel_type_info((uint32_t)type)->block;
    for (int s = 0; s < SHAPES; s++)
        for (int i = 0; i < SHAPE[s].count; i++) /* K-quants: the next width that they can have */
            w[all.matrices++] =
                matrix_new(type, SHAPE[s].rows, (SHAPE[s].columns + block - 1) / block * block);
    activations_init(k, &all.x);
    all.out = buffer((size_t)TOKENS_MOST * 49152 * sizeof(float));
    printf("%s, %s, %d thread%s: ", k->name, kernel_type_info((uint32_t)type)->name, threads,
           threads > 1 ? "s" : "");
    bench_decode(&all, threads);
    if (block == 32)
        bench_prefill(&all, threads, peak);
    for (int i = 0; i < all.matrices; i++)
        free(w[i].data);
    free((void *)(uintptr_t)all.x.values);
    free(all.x.quants);
    free(all.x.blocks);
    free(all.out);
}

/* --- Attention: SmolLM2's 9 query heads on 3 KV heads of 64 --- */

enum { HEADS = 9, KV_HEADS = 3, HEAD_DIM = 64, CONTEXT = 2048 };

struct attention_work {
    const struct kernels *k;
    struct kernel_attention a;
};

static void run_attention(void *data, int thread, int threads)
{
    struct attention_work *work = data;
    for (int layer = 0; layer < LAYERS; layer++)
        for (int i = thread; i < KV_HEADS * 8; i += threads) {
            int count = work->a.count;
            work->k->attention(&work->a, i % KV_HEADS, count * (i / KV_HEADS) / 8,
                               count * (i / KV_HEADS + 1) / 8);
        }
}

static void bench_attention(const struct kernels *k, enum kernel_kv type, int threads)
{
    static int32_t pages[CONTEXT / 32];
    size_t bytes = kernel_kv_page_bytes(type, KV_HEADS, HEAD_DIM);
    uint8_t *cache = buffer(bytes * (CONTEXT / 32));
    size_t rows = (size_t)TOKENS_MOST * HEADS * HEAD_DIM * sizeof(float);
    float *q = buffer(rows), *out = buffer(rows);
    memset(q, 0, rows);
    for (int p = 0; p < CONTEXT; p++) {
        pages[p / 32] = p / 32;
        k->kv_store(type, cache + (size_t)(p / 32) * bytes, p % 32, KV_HEADS, HEAD_DIM, q, q);
    }
    struct attention_work work = {k,
                                  {HEADS, KV_HEADS, HEAD_DIM, 0, 0.125f, 0, 0, TOKENS_MOST, q, out,
                                   HEADS * HEAD_DIM, HEADS * HEAD_DIM, cache, bytes, pages, type}};
    double seconds = best_seconds(run_attention, &work, threads, 5);
    double operations = 4.0 * HEADS * HEAD_DIM * TOKENS_MOST * (TOKENS_MOST + 1) / 2 * LAYERS;
    printf("%s, attention over %s, %d thread%s: prefill of %d %.1f ms, %.0f GFLOPS; ", k->name,
           type == KERNEL_KV_F16 ? "F16" : "Q8", threads, threads > 1 ? "s" : "", TOKENS_MOST,
           seconds * 1e3, operations / seconds / 1e9);
    work.a.position = CONTEXT - 1;
    work.a.count = 1;
    seconds = best_seconds(run_attention, &work, threads, 10);
    printf("one token at %d %.2f ms, %.1f GB/s\n", CONTEXT, seconds * 1e3,
           (double)bytes * (CONTEXT / 32) * LAYERS / seconds / 1e9);
    free(cache);
    free(q);
    free(out);
}

int main(int argc, char **argv)
{
    const struct kernels *k = kernels_choose(argc > 1 ? argv[1] : NULL);
    if (!k) {
        fprintf(stderr, "bench_kernels: this CPU does not run %s\n", argv[1]);
        return 2;
    }
    long only = argc > 3 ? strtol(argv[3], NULL, 10) : 0;
    for (int threads = 1; threads <= 2; threads++) {
        if (only && only != threads)
            continue;
        int64_t rounds = 2000000;
        double peak = threads * 12.0 * 128 * (double)rounds /
                      best_seconds(run_products, &rounds, threads, 10);
        printf("%d thread%s: int8 peak %.0f GOPS\n", threads, threads > 1 ? "s" : "", peak / 1e9);
        bench_attention(k, KERNEL_KV_F16, threads);
        bench_attention(k, KERNEL_KV_Q8, threads);
        for (uint32_t type = 0; type < 64; type++) {
            const struct kernel_type_info *info = kernel_type_info(type);
            bool wanted = info && (argc > 2 ? !strcmp(argv[2], info->name)
                                            : type == KERNEL_Q8_0 || type == KERNEL_Q4_1);
            if (wanted)
                bench_type(k, info->type, threads, peak);
        }
    }
    return 0;
}
