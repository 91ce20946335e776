/* Paged attention: right against a plain softmax in double precision, the reference's bits from
 * every set, and the same bits however a prompt is cut into calls and ranges. */
#include "tests/unit/kernels/kernel_data.h"

struct sequence {
    struct kernel_attention a;
    int length;
    float *queries, *keys, *values;
    uint8_t *cache;
    int32_t *pages;
};

/* A sequence of `length` positions whose pages lie in a shuffled cache full of other bytes. */
static void sequence_init(struct sequence *s, enum kernel_kv type, int heads, int kv_heads,
                          int head_dim, int length, float size)
{
    int pages = (length + 31) / 32;
    size_t stride = kernel_kv_page_bytes(type, kv_heads, head_dim) + 64,
           kv = (size_t)(kv_heads * head_dim);
    s->length = length;
    s->queries = random_floats((size_t)(length * heads * head_dim), size);
    s->keys = random_floats((size_t)length * kv, size);
    s->values = random_floats((size_t)length * kv, 1);
    s->cache = aligned_new((size_t)(pages + 2) * stride);
    memset(s->cache, 0xff,
           (size_t)(pages + 2) * stride); /* NaNs: whatever is read unwritten shows */
    s->pages = malloc((size_t)pages * sizeof(*s->pages));
    assert_non_null(s->pages);
    for (int i = 0; i < pages; i++)
        s->pages[i] = i;
    for (int i = pages - 1; i > 0; i--) {
        int j = random_below(i + 1), page = s->pages[i];
        s->pages[i] = s->pages[j];
        s->pages[j] = page;
    }
    size_t width = (size_t)(heads * head_dim);
    s->a =
        (struct kernel_attention){heads, kv_heads, head_dim, 0,          1 / sqrtf((float)head_dim),
                                  0,     0,        length,   s->queries, NULL,
                                  width, width,    s->cache, stride,     s->pages,
                                  type};
}

static void sequence_done(struct sequence *s)
{
    free(s->queries);
    free(s->keys);
    free(s->values);
    free(s->cache);
    free(s->pages);
}

static void store(const struct kernels *k, struct sequence *s, int first, int last)
{
    size_t kv = (size_t)(s->a.kv_heads * s->a.head_dim);
    for (int p = first; p < last; p++)
        k->kv_store(s->a.type, s->cache + (size_t)s->pages[p / 32] * s->a.page_stride, p % 32,
                    s->a.kv_heads, s->a.head_dim, s->keys + (size_t)p * kv,
                    s->values + (size_t)p * kv);
}

/* Queries [q, end) of one KV head by parts, made in any order. */
static void attend_in_parts(const struct kernels *k, const struct kernel_attention *a, int kv_head,
                            int q, int end)
{
    int spans = (a->position + end - 1) / KERNEL_KV_SPAN + 1,
        rows = (end - q) * (a->heads / a->kv_heads);
    size_t size = (size_t)rows * kernel_attention_part(a->head_dim);
    float *parts = aligned_new((size_t)spans * size * sizeof *parts);
    for (int i = 0, first = random_below(spans); i < spans; i++) {
        int span = (first + i) % spans;
        k->attention_span(a, kv_head, q, end, span, parts + (size_t)span * size);
    }
    k->attention_join(a, kv_head, q, end, spans, parts);
    free(parts);
}

/* Runs positions [first, last), already stored, cut at random. */
static void attend(const struct kernels *k, const struct sequence *s, int first, int last,
                   float *out)
{
    struct kernel_attention a = s->a;
    a.position = first;
    a.count = last - first;
    a.queries = s->queries + (size_t)first * a.query_stride;
    a.out = out + (size_t)first * a.out_stride;
    for (int h = 0; h < a.kv_heads; h++)
        for (int q = 0; q < a.count;) {
            int n = 1 + random_below(a.count - q);
            if (random_below(2))
                k->attention(&a, h, q, q + n);
            else
                attend_in_parts(k, &a, h, q, q + n);
            q += n;
        }
}

/* Prefill in steps of at most `step` positions. */
static void prefill(const struct kernels *k, struct sequence *s, int step, float *out)
{
    for (int p = 0; p < s->length;) {
        int n = step < s->length - p ? step : s->length - p;
        store(k, s, p, p + n);
        attend(k, s, p, p + n, out);
        p += n;
    }
}

/* What pages give back of keys or values; nothing is lost of those with 16 bits, which the bounds
 * below allow for. */
static double *kept(const struct sequence *s, const float *x)
{
    int dim = s->a.head_dim, heads = s->length * s->a.kv_heads;
    double *out = malloc((size_t)(heads * dim) * sizeof *out);
    assert_non_null(out);
    for (int h = 0; h < heads; h++, x += dim) {
        float largest = 0;
        for (int d = 0; d < dim; d++)
            largest = fmaxf(largest, fabsf(x[d]));
        for (int d = 0; d < dim; d++)
            out[h * dim + d] =
                s->a.type == KERNEL_KV_F16 ? (double)x[d]
                : largest > 0 ? rint((double)(x[d] * (127 / largest))) * (double)(largest / 127)
                              : 0;
    }
    return out;
}

static double score(const struct sequence *s, const double *keys, int query, int head, int position)
{
    const struct kernel_attention *a = &s->a;
    int kv_head = head / (a->heads / a->kv_heads);
    const float *q = s->queries + (query * a->heads + head) * a->head_dim;
    const double *k = keys + (position * a->kv_heads + kv_head) * a->head_dim;
    double sum = 0;
    for (int d = 0; d < a->head_dim; d++)
        sum += (double)q[d] * k[d];
    sum *= a->scale;
    return a->softcap > 0 ? a->softcap * tanh(sum / a->softcap) : sum;
}

static void exact_row(const struct sequence *s, const double *keys, const double *values, int query,
                      int head, double *out)
{
    const struct kernel_attention *a = &s->a;
    int low = a->window && query >= a->window ? query - a->window + 1 : 0,
        kv_head = head / (a->heads / a->kv_heads);
    double total = 0, largest = -1e300;
    memset(out, 0, (size_t)a->head_dim * sizeof(double));
    for (int p = low; p <= query; p++)
        largest = fmax(largest, score(s, keys, query, head, p));
    for (int p = low; p <= query; p++) {
        double weight = exp(score(s, keys, query, head, p) - largest);
        const double *v = values + (p * a->kv_heads + kv_head) * a->head_dim;
        total += weight;
        for (int d = 0; d < a->head_dim; d++)
            out[d] += weight * v[d];
    }
    for (int d = 0; d < a->head_dim; d++)
        out[d] /= total;
}

/* All rows. Returns new. */
static double *exact(const struct sequence *s)
{
    double *keys = kept(s, s->keys), *values = kept(s, s->values),
           *out = malloc((size_t)s->length * s->a.out_stride * sizeof *out);
    assert_non_null(out);
    for (int q = 0; q < s->length; q++)
        for (int h = 0; h < s->a.heads; h++)
            exact_row(s, keys, values, q, h, out + (size_t)q * s->a.out_stride + h * s->a.head_dim);
    free(keys);
    free(values);
    return out;
}

/* Scores of hundreds make a rounded query's error larger. */
static void check_exact(const struct sequence *s, const float *out, double bound)
{
    double *want = exact(s), error = nmse(out, want, (size_t)s->length * s->a.out_stride);
    if (!(error < bound))
        fail_msg("head_dim %d, window %d: nmse %g", s->a.head_dim, s->a.window, error);
    free(want);
}

static const struct {
    int heads, kv_heads, head_dim, length, window;
    float softcap, size;
} CASES[] = {
    {9, 3, 64, 100, 0, 0, 1},    {8, 4, 8, 70, 0, 0, 1},    {4, 1, 80, 33, 0, 0, 1},
    {2, 2, 128, 65, 40, 0, 1},   {4, 2, 256, 40, 0, 50, 1}, {7, 1, 20, 200, 33, 30, 1},
    {6, 2, 96, 97, 1, 0, 1},     {3, 3, 48, 1, 0, 0, 1},    {5, 1, 64, 64, 32, 0, 30},
    {1, 1, 512, 34, 0, 0, 1},    {2, 1, 16, 260, 64, 0, 0}, {3, 1, 20, 1100, 0, 0, 3},
    {2, 1, 8, 1200, 600, 20, 1}, {1, 1, 16, 1050, 5, 0, 1}, {1, 1, 8, 512, 0, 0, 1},
    {1, 1, 8, 513, 0, 0, 1},
};

static void check_case(enum kernel_kv type, size_t i)
{
    const struct kernels *sets[SIMD_SETS], *scalar = kernels_choose("scalar");
    int count = simd_sets(sets);
    struct sequence s;
    sequence_init(&s, type, CASES[i].heads, CASES[i].kv_heads, CASES[i].head_dim, CASES[i].length,
                  CASES[i].size);
    s.a.window = CASES[i].window;
    s.a.softcap = CASES[i].softcap;
    size_t bytes = (size_t)s.length * s.a.out_stride * sizeof(float);
    float *want = aligned_new(bytes), *out = aligned_new(bytes);
    prefill(scalar, &s, s.length, want);
    check_exact(&s, want, CASES[i].size > 10 ? 1e-3 : 1e-7);
    for (int set = 0; set < count; set++)
        for (int step = 1 + s.length / 100; step <= s.length;
             step += 1 + random_below(40 + s.length)) {
            memset(s.cache, 0xff, (size_t)(s.length + 31) / 32 * s.a.page_stride);
            memset(out, 0xa5, bytes);
            prefill(sets[set], &s, step, out);
            if (memcmp(out, want, bytes) != 0)
                fail_msg("%s, case %zu, steps of %d: other bits", sets[set]->name, i, step);
        }
    free(want);
    free(out);
    sequence_done(&s);
}

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++)
        check_case(KERNEL_KV_F16, i);
}

static void test_quantized_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++)
        check_case(KERNEL_KV_Q8, i);
}

/* Keys and values of one size lose at most half a step of 127 each: the answer stays close. */
static void test_quantized_is_near(void **state)
{
    (void)state;
    const struct kernels *k = kernels_choose(NULL);
    struct sequence s;
    sequence_init(&s, KERNEL_KV_Q8, 6, 2, 64, 300, 1);
    size_t count = (size_t)s.length * s.a.out_stride;
    float *out = aligned_new(count * sizeof(float));
    prefill(k, &s, 64, out);
    s.a.type = KERNEL_KV_F16; /* exact: what F16 would have kept */
    double *want = exact(&s), error = nmse(out, want, count);
    assert_true(error > 0 && error < 1e-4);
    free(want);
    free(out);
    sequence_done(&s);
}

/* The output may take the queries' own place. */
static void test_in_place(void **state)
{
    (void)state;
    const struct kernels *k = kernels_choose(NULL);
    struct sequence s;
    sequence_init(&s, KERNEL_KV_F16, 6, 2, 64, 50, 1);
    size_t bytes = (size_t)s.length * s.a.out_stride * sizeof(float);
    float *out = aligned_new(bytes);
    prefill(k, &s, 50, out);
    attend(k, &s, 0, 50, s.queries);
    assert_memory_equal(s.queries, out, bytes);
    free(out);
    sequence_done(&s);
}

/* What no scale holds is stored as numbers all the same, by every set: one overflow does not become
 * NaN for all. */
static void test_store_holds(void **state)
{
    (void)state;
    static const float ROWS[][8] = {
        {1e9f, -1e9f, 3, 0.5f, -7, 0, 65503, 1e-8f}, {1, NAN, -2, 0.5f, NAN, 0, 4, 1e-8f},
        {1, 0, INFINITY, -INFINITY, 2, 3, 4, 5},     {3e38f, -3e38f, 3e38f, 0, 0, 0, 0, 1},
        {1e-30f, 2e-30f, -1e-30f, 0, 0, 0, 0, 0},    {0}};
    const struct kernels *sets[SIMD_SETS], *scalar = kernels_choose("scalar");
    int count = simd_sets(sets);
    for (int type = 0; type < 2; type++) {
        enum kernel_kv kv = type ? KERNEL_KV_Q8 : KERNEL_KV_F16;
        size_t bytes = kernel_kv_page_bytes(kv, 1, 8);
        uint8_t *want = aligned_new(bytes), *page = aligned_new(bytes);
        memset(want, 0, bytes);
        for (int i = 0; i < 6; i++)
            scalar->kv_store(kv, want, 5 * i, 1, 8, ROWS[i], ROWS[i]);
        for (int set = 0; set < count; set++) {
            memset(page, 0, bytes);
            for (int i = 0; i < 6; i++)
                sets[set]->kv_store(kv, page, 5 * i, 1, 8, ROWS[i], ROWS[i]);
            assert_memory_equal(page, want, bytes);
        }
        free(want);
        free(page);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_quantized_cases),
        cmocka_unit_test(test_quantized_is_near),
        cmocka_unit_test(test_in_place),
        cmocka_unit_test(test_store_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
