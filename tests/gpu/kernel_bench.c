/* How fast each of the GPU's kernels is by itself, on the shapes of an 8B model: time, bytes a
 * second, and the share of the rate at which the device reads a long stream in the same run; of
 * matrix products, operations a second and the share of what a large square one reaches.
 *
 * Every case is a graph of launches over several copies of its weights or pages, more than the L2
 * holds, timed by events; the median of some runs counts. Contents are random bits made on the
 * device. --quick takes toy shapes, once: for trying this out on the host's shim. */
#include "kernels/cuda/gemm.h"
#include "kernels/cuda/launch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_COPIES = 16, MOST_ROWS = 16, RUNS = 11, WARM_UPS = 2 };

struct bench {
    struct cuda_stream *stream;
    struct cuda_event *from, *to;
    double read_rate, work_rate; /* bytes and operations a second */
    size_t beyond_l2;            /* bytes that a case's copies must have together */
    int warm_ups, runs, shrink;  /* sizes are divided by this */
};

static void must(int status, const char *what)
{
    if (!status)
        return;
    fprintf(stderr, "%s: %s\n", what, cuda_status_text(status));
    exit(1);
}

/* --- Memory: given back after each case --- */

static void *pieces[256];
static int piece_count;

static void *room(const struct bench *b, size_t bytes, enum kernel_type type, float scale)
{
    void *memory;
    size_t each = type == KERNEL_F32 ? 4 : type == KERNEL_Q8_0 ? 1 : 2;
    must(cuda_alloc(&memory, bytes + 256), "memory");
    must(cuda_random(memory, type, (bytes + 255) / each, 7 + (uint64_t)piece_count, scale,
                     b->stream),
         "cuda_random");
    pieces[piece_count++] = memory;
    return memory;
}

static void *floats(const struct bench *b, size_t count)
{
    return room(b, count * sizeof(float), KERNEL_F32, 1);
}

static void *filled(const struct bench *b, const void *from, size_t bytes)
{
    void *memory = room(b, bytes, KERNEL_Q8_0, 1);
    void *host;
    must(cuda_alloc_host(&host, bytes), "host memory");
    memcpy(host, from, bytes);
    must(cuda_copy_in(memory, host, bytes, b->stream), "copy");
    must(cuda_stream_wait(b->stream), "copy");
    cuda_release_host(host);
    return memory;
}

static void release_all(void)
{
    while (piece_count)
        cuda_release(pieces[--piece_count]);
}

/* --- Timing --- */

static int by_size(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* The copies of a case, launched one after another. */
struct work {
    int (*launch)(const void *arguments, struct cuda_stream *stream);
    const void *arguments[MOST_COPIES];
    int copies;
};

/* Seconds of one launch. */
static double measure(const struct bench *b, const struct work *w)
{
    struct cuda_graph *graph;
    float times[RUNS];
    must(cuda_stream_wait(b->stream), "preparing");
    must(cuda_record_begin(b->stream), "recording");
    for (int i = 0; i < w->copies; i++)
        must(w->launch(w->arguments[i], b->stream), "launching");
    must(cuda_record_end(b->stream, &graph), "recording");
    for (int run = -b->warm_ups; run < b->runs; run++) {
        must(cuda_event_record(b->from, b->stream), "timing");
        must(cuda_graph_launch(graph, b->stream), "launching");
        must(cuda_event_record(b->to, b->stream), "timing");
        must(cuda_stream_wait(b->stream), "running");
        must(cuda_event_milliseconds(b->from, b->to, &times[run < 0 ? 0 : run]), "timing");
    }
    cuda_graph_free(graph);
    qsort(times, (size_t)b->runs, sizeof *times, by_size);
    return 1e-3 * (double)times[b->runs / 2] / w->copies;
}

static void report(const struct bench *b, const char *name, double seconds, double bytes)
{
    printf("%-44s %9.1f us %8.0f GB/s %6.1f %%\n", name, 1e6 * seconds, 1e-9 * bytes / seconds,
           b->read_rate > 0 ? 100 * bytes / seconds / b->read_rate : 100.0);
    fflush(stdout);
}

static int copies_of(const struct bench *b, double bytes)
{
    double count = (double)b->beyond_l2 / bytes + 1;
    return count < MOST_COPIES ? (int)count : MOST_COPIES;
}

/* --- Reading --- */

struct reading {
    const void *memory;
    size_t bytes;
    float *sink;
};

static int launch_reading(const void *arguments, struct cuda_stream *stream)
{
    const struct reading *r = arguments;
    return cuda_read_stream(r->memory, r->bytes, r->sink, stream);
}

static void bench_reading(struct bench *b)
{
    size_t bytes = ((size_t)2 << 30) / (size_t)(b->shrink * b->shrink);
    struct reading r = {room(b, bytes, KERNEL_Q8_0, 1), bytes, floats(b, 1)};
    struct work w = {launch_reading, {&r}, 1};
    double seconds = measure(b, &w);
    b->read_rate = (double)bytes / seconds;
    report(b, "reading 2 GiB", seconds, (double)bytes);
    release_all();
}

/* --- GEMV --- */

static int launch_gemv(const void *arguments, struct cuda_stream *stream)
{
    return cuda_gemv(arguments, stream);
}

struct product {
    const char *name;
    int rows, columns;
    enum cuda_out kind;
    bool norm;
};

static const struct product PRODUCTS[] = {
    {"qkv", 6144, 4096, CUDA_OUT_STORE, true},      {"output", 4096, 4096, CUDA_OUT_ADD, false},
    {"gate, up", 28672, 4096, CUDA_OUT_SILU, true}, {"down", 4096, 14336, CUDA_OUT_ADD, false},
    {"head", 128256, 4096, CUDA_OUT_STORE, true},
};

static void bench_product(const struct bench *b, enum kernel_type type, const struct product *p,
                          int tokens)
{
    int rows = p->rows / b->shrink, columns = (p->columns / b->shrink + 255) / 256 * 256;
    struct cuda_matrix_layout layout = cuda_matrix_layout(type, rows, columns);
    struct cuda_gemv a[MOST_COPIES];
    struct work w = {.launch = launch_gemv, .copies = copies_of(b, (double)layout.bytes)};
    char name[64];
    for (int i = 0; i < w.copies; i++) {
        /* As halves, codes are random bits, and scales sound ones. */
        uint8_t *memory = room(b, layout.bytes, type == KERNEL_F32 ? type : KERNEL_F16, 0.02f);
        a[i] = (struct cuda_gemv){
            .matrix = cuda_matrix_at(type, rows, columns, memory),
            .in = {.values = floats(b, (size_t)(tokens * columns)),
                   .stride = columns,
                   .columns = columns,
                   .norm = p->norm ? floats(b, (size_t)columns) : NULL,
                   .epsilon = 1e-5f},
            .rows = tokens,
            .kind = p->kind,
            .out = floats(b, (size_t)tokens * (size_t)(rows + 32)),
            .out_stride = rows + 32,
        };
        w.arguments[i] = &a[i];
    }
    snprintf(name, sizeof name, "gemv %s %s, %d x %d, %d tokens", kernel_type_info(type)->name,
             p->name, rows, columns, tokens);
    report(b, name, measure(b, &w), (double)layout.bytes);
    release_all();
}

static void bench_gemv(const struct bench *b)
{
    static const enum kernel_type TYPES[] = {KERNEL_BF16, KERNEL_Q8_0, KERNEL_Q4_0, KERNEL_Q4_1,
                                             KERNEL_Q4_K, KERNEL_Q5_K, KERNEL_Q6_K};
    static const int TOKENS[] = {1, 4, 16};
    for (size_t t = 0; t < sizeof TYPES / sizeof *TYPES; t++)
        for (size_t p = 0; p < sizeof PRODUCTS / sizeof *PRODUCTS; p++)
            for (int i = 0; i < (t < 4 ? 3 : 1); i++)
                bench_product(b, TYPES[t], &PRODUCTS[p], TOKENS[i]);
}

/* --- Matrix products --- */

struct multiplying {
    struct cuda_gemm *gemm;
    struct cuda_gemm_shape shape;
    const void *w, *x;
    void *out;
};

static int launch_multiplying(const void *arguments, struct cuda_stream *stream)
{
    const struct multiplying *m = arguments;
    (void)stream; /* the library's own, which is the same */
    return cuda_gemm_run(m->gemm, &m->shape, m->w, m->x, m->out);
}

static void bench_gemm(struct bench *b, struct cuda_gemm *gemm, const char *name, int rows,
                       int columns, int tokens)
{
    rows /= b->shrink, columns /= b->shrink, tokens = (tokens + b->shrink - 1) / b->shrink;
    struct multiplying m = {
        .gemm = gemm, .shape = {KERNEL_BF16, KERNEL_BF16, rows, tokens, columns, columns, rows}};
    m.w = room(b, (size_t)rows * (size_t)columns * 2, KERNEL_BF16, 1);
    m.x = room(b, (size_t)tokens * (size_t)columns * 2, KERNEL_BF16, 1);
    m.out = room(b, (size_t)tokens * (size_t)rows * 2, KERNEL_BF16, 1);
    must(cuda_gemm_plan(gemm, &m.shape, m.w, m.x, m.out), "a plan");
    struct work w = {launch_multiplying, {&m}, 1};
    double seconds = measure(b, &w), rate = 2.0 * rows * columns * tokens / seconds;
    b->work_rate = b->work_rate > 0 ? b->work_rate : rate;
    printf("gemm bf16 %-9s %6d x %5d, %4d tokens %11.1f us %6.0f TFLOP/s %6.1f %%\n", name, rows,
           columns, tokens, 1e6 * seconds, 1e-12 * rate, 100 * rate / b->work_rate);
    release_all();
}

static void bench_gemms(struct bench *b)
{
    const char *why;
    struct cuda_gemm *gemm = cuda_gemm_new(b->stream, &why);
    if (!gemm) {
        printf("matrix products: %s\n", why);
        return;
    }
    bench_gemm(b, gemm, "square", 8192, 8192, 8192);
    for (int tokens = 2048; tokens >= 64; tokens /= 32)
        for (size_t p = 0; p < sizeof PRODUCTS / sizeof *PRODUCTS - 1; p++)
            bench_gemm(b, gemm, PRODUCTS[p].name, PRODUCTS[p].rows, PRODUCTS[p].columns, tokens);
    cuda_gemm_free(gemm);
}

/* --- Attention --- */

enum { HEADS = 32, KV_HEADS = 8, DIM = 128 };

struct sequences {
    struct cuda_attention a;
    double bytes; /* of keys and values */
};

/* `count` rows, each at `position` of a sequence of its own, or all of one sequence, from 0. */
static struct sequences make_sequences(const struct bench *b, int count, int position, bool one)
{
    int width = (HEADS + 2 * KV_HEADS) * DIM, each = position / KERNEL_KV_BLOCK + 1;
    int sequences = one ? 1 : count, total = sequences * each;
    must(count < 1 || total < 1, "a shape");
    struct cuda_row *rows = calloc((size_t)count, sizeof *rows);
    int32_t *pages = calloc((size_t)total, sizeof *pages);
    if (!rows || !pages)
        must(1, "no memory");
    for (int i = 0; i < count; i++)
        rows[i] = (struct cuda_row){.position = one ? i : position, .pages = one ? 0 : i * each};
    for (int i = 0; i < total; i++)
        pages[i] = (i * 7 + 3) % total;
    struct sequences s = {.bytes = (double)total *
                                   (double)cuda_page_bytes(KERNEL_KV_F16, KV_HEADS, DIM)};
    if (total % 7 == 0) /* then the sevens would meet */
        for (int i = 0; i < total; i++)
            pages[i] = i;
    s.a = (struct cuda_attention){
        .rows = filled(b, rows, (size_t)count * sizeof *rows),
        .pages = filled(b, pages, (size_t)total * sizeof *pages),
        .count = count,
        .heads = HEADS,
        .kv_heads = KV_HEADS,
        .head_dim = DIM,
        .scale = 0.088f,
        .qkv = floats(b, (size_t)count * (size_t)width),
        .qkv_stride = width,
        .rotary = DIM,
        .table = floats(b, (size_t)count * DIM),
        .cache = room(b, (size_t)s.bytes, KERNEL_F16, 1),
        .page_stride = cuda_page_bytes(KERNEL_KV_F16, KV_HEADS, DIM),
        .out = floats(b, (size_t)count * HEADS * DIM),
        .out_stride = HEADS * DIM,
    };
    free(rows);
    free(pages);
    return s;
}

static int launch_decode(const void *arguments, struct cuda_stream *stream)
{
    return cuda_attend_decode(arguments, stream);
}

static void bench_decode(const struct bench *b, int count, int context, int splits)
{
    int position = context / b->shrink - 1;
    struct cuda_decode d[MOST_COPIES];
    struct work w = {.launch = launch_decode, .copies = b->shrink > 1 ? 1 : 4};
    double bytes = 0;
    char name[64];
    for (int i = 0; i < w.copies; i++) {
        struct sequences s = make_sequences(b, count, position, false);
        bytes = s.bytes;
        d[i] =
            (struct cuda_decode){.a = s.a,
                                 .splits = splits,
                                 .parts = floats(b, (size_t)(count * HEADS * splits * (DIM + 2))),
                                 .tickets = floats(b, (size_t)(count * KV_HEADS))};
        must(cuda_fill(d[i].tickets, 0, (size_t)(count * KV_HEADS) * sizeof(unsigned), b->stream),
             "fill");
        w.arguments[i] = &d[i];
    }
    snprintf(name, sizeof name, "decode attention, %d x %d, %d splits", count, position + 1,
             splits);
    report(b, name, measure(b, &w), bytes);
    release_all();
}

static int launch_prefill(const void *arguments, struct cuda_stream *stream)
{
    return cuda_attend_prefill(arguments, stream);
}

static void bench_prefill(const struct bench *b)
{
    int count = 2048 / b->shrink, tiles = (count + CUDA_QUERIES - 1) / CUDA_QUERIES;
    int32_t list[2 * (2048 / CUDA_QUERIES)];
    for (int i = 0; i < tiles; i++) {
        list[2 * i] = 0;
        list[2 * i + 1] = (tiles - 1 - i) * CUDA_QUERIES;
    }
    struct cuda_span span = {.count = count};
    struct sequences s = make_sequences(b, count, count - 1, true);
    struct cuda_prefill p = {.a = s.a,
                             .spans = filled(b, &span, sizeof span),
                             .tiles = filled(b, list, (size_t)(2 * tiles) * sizeof *list),
                             .tile_count = tiles};
    struct work w = {launch_prefill, {&p}, 1};
    double seconds = measure(b, &w), work = 2.0 * HEADS * DIM * count * (double)count;
    printf("%-44s %9.1f us %8.1f TFLOP/s\n", "prefill attention, 2048 queries", 1e6 * seconds,
           1e-12 * work / seconds);
    release_all();
}

/* --- Sampling --- */

static int launch_sample(const void *arguments, struct cuda_stream *stream)
{
    return cuda_sample(arguments, stream);
}

static void bench_sample(const struct bench *b, const char *name, struct cuda_draw draw)
{
    int vocabulary = 128256 / b->shrink;
    int32_t chains[2] = {0, 1}, one = 1;
    draw.penalties = draw.guess = -1;
    struct cuda_sample a = {.logits = floats(b, (size_t)vocabulary),
                            .vocabulary = vocabulary,
                            .stride = vocabulary,
                            .most = 1,
                            .chain_count = filled(b, &one, sizeof one),
                            .chains = filled(b, chains, sizeof chains),
                            .draws = filled(b, &draw, sizeof draw),
                            .drawn = floats(b, 2),
                            .tops = floats(b, 2 * CUDA_MAX_TOPS),
                            .scratch = room(b, cuda_sample_scratch(vocabulary), KERNEL_Q8_0, 1)};
    struct work w = {launch_sample, {&a}, 1};
    report(b, name, measure(b, &w), 4.0 * vocabulary);
    release_all();
}

/* --- Weights to 16 bits --- */

static int launch_dequantize(const void *arguments, struct cuda_stream *stream)
{
    return cuda_dequantize(arguments, stream);
}

static void bench_dequantize(const struct bench *b, enum kernel_type type)
{
    int rows = 28672 / b->shrink, columns = 4096 / b->shrink;
    struct cuda_matrix_layout layout = cuda_matrix_layout(type, rows, columns);
    uint8_t *memory = room(b, layout.bytes, KERNEL_F16, 0.02f);
    size_t out = (size_t)rows * (size_t)columns * sizeof(uint16_t);
    struct cuda_dequantize d = {.matrix = cuda_matrix_at(type, rows, columns, memory),
                                .rows = rows,
                                .out = room(b, out, KERNEL_F16, 1)};
    struct work w = {launch_dequantize, {&d}, 1};
    char name[64];
    snprintf(name, sizeof name, "%s to bfloat16, 28672 x 4096", kernel_type_info(type)->name);
    report(b, name, measure(b, &w), (double)layout.bytes + (double)out);
    release_all();
}

int main(int argc, char **argv)
{
    bool quick = argc > 1 && !strcmp(argv[1], "--quick");
    struct cuda_info info;
    struct bench b = {
        .warm_ups = quick ? 0 : WARM_UPS, .runs = quick ? 1 : RUNS, .shrink = quick ? 64 : 1};
    if (!cuda_count()) {
        fprintf(stderr, "no device: %s\n", cuda_count_text());
        return 1;
    }
    must(cuda_use(0), "device");
    must(cuda_describe(0, &info), "device");
    must(cuda_stream_new(&b.stream), "stream");
    must(cuda_event_new(&b.from), "event");
    must(cuda_event_new(&b.to), "event");
    b.beyond_l2 = quick ? 1 : 4 * info.l2_bytes;
    printf("%s, %d multiprocessors\n", info.name, info.multiprocessors);
    bench_reading(&b);
    bench_gemv(&b);
    bench_decode(&b, 1, 128, 4);
    bench_decode(&b, 1, 4096, 32);
    bench_decode(&b, MOST_ROWS, 4096, 8);
    bench_prefill(&b);
    bench_gemms(&b);
    bench_dequantize(&b, KERNEL_Q4_0);
    bench_dequantize(&b, KERNEL_Q8_0);
    bench_sample(&b, "sampling the likeliest", (struct cuda_draw){.top_p = 1});
    bench_sample(&b, "sampling from all",
                 (struct cuda_draw){.scale = 1, .top_p = 1, .uniform = 0.5});
    bench_sample(&b, "sampling with top_p 0.9",
                 (struct cuda_draw){.scale = 1, .top_p = 0.9, .uniform = 0.5});
    cuda_event_free(b.from);
    cuda_event_free(b.to);
    cuda_stream_free(b.stream);
    return 0;
}
