/* However a step is cut into tasks, and in whatever order they run: the bits of whole pieces. */
#include "engine/attention.h"
#include "tests/unit/kernels/kernel_data.h"

enum { HEADS = 6, KV_HEADS = 2, DIM = 16, WIDTH = HEADS * DIM, SLICES = 3, LENGTH = 1700 };

/* Slices of one cache whose pages all slices share. */
struct setting {
    struct backend_slice slices[SLICES];
    struct backend_step step;
    struct kernel_attention a;
    float *queries;
    int rows;
};

static void fill_cache(struct setting *s)
{
    const struct kernels *k = kernels_choose(NULL);
    int pages = (LENGTH + KERNEL_KV_BLOCK - 1) / KERNEL_KV_BLOCK;
    size_t stride = kernel_kv_page_bytes(KERNEL_KV_F16, KV_HEADS, DIM);
    uint8_t *cache = aligned_new((size_t)pages * stride);
    int32_t *numbers = calloc((size_t)pages, sizeof *numbers);
    float *keys = random_floats(LENGTH * KV_HEADS * DIM, 1),
          *values = random_floats(LENGTH * KV_HEADS * DIM, 1);
    assert_non_null(numbers);
    for (int i = 0; i < pages; i++)
        numbers[i] = pages - 1 - i;
    for (int p = 0; p < LENGTH; p++)
        k->kv_store(KERNEL_KV_F16, cache + (size_t)numbers[p / KERNEL_KV_BLOCK] * stride,
                    p % KERNEL_KV_BLOCK, KV_HEADS, DIM, keys + p * KV_HEADS * DIM,
                    values + p * KV_HEADS * DIM);
    free(keys);
    free(values);
    s->a.cache = cache;
    s->a.page_stride = stride;
    s->a.pages = numbers;
}

static void setting_init(struct setting *s)
{
    *s = (struct setting){.step = {.slices = s->slices, .count = SLICES}};
    s->a = (struct kernel_attention){.heads = HEADS,
                                     .kv_heads = KV_HEADS,
                                     .head_dim = DIM,
                                     .scale = 0.25F,
                                     .query_stride = WIDTH,
                                     .out_stride = WIDTH,
                                     .type = KERNEL_KV_F16};
    fill_cache(s);
    for (int i = 0; i < SLICES; i++) {
        s->slices[i].count = 1 + random_below(i == 0 ? 70 : 3);
        s->slices[i].position = random_below(LENGTH - s->slices[i].count + 1);
        s->rows += s->slices[i].count;
    }
    s->queries = random_floats((size_t)(s->rows * WIDTH), 1);
}

static void setting_done(struct setting *s)
{
    free((void *)(uintptr_t)s->a.cache);
    free((void *)(uintptr_t)s->a.pages);
    free(s->queries);
}

static void run_task(const struct setting *s, struct attention_plan *plan, int number, float *out)
{
    const struct attention_task *task = &plan->tasks[number];
    struct kernel_attention a = s->a;
    a.position = s->slices[task->slice].position;
    a.count = s->slices[task->slice].count;
    a.queries = s->queries + task->first_row * WIDTH;
    a.out = out + task->first_row * WIDTH;
    attention_plan_run(plan, task, kernels_choose(NULL), &a);
}

/* Two layers, the second from the other end: pieces are ready for it. */
static int run(const struct setting *s, int threads, float *out)
{
    struct attention_plan plan;
    assert_true(attention_plan_init(&plan, HEADS, KV_HEADS, DIM, s->rows, threads));
    attention_plan_begin(&plan, &s->step);
    int count = plan.count, first = random_below(count);
    for (int i = 0; i < count; i++)
        run_task(s, &plan, (first + i) % count, out);
    memset(out, 0, (size_t)(s->rows * WIDTH) * sizeof *out);
    for (int i = count; i-- > 0;)
        run_task(s, &plan, i, out);
    attention_plan_done(&plan);
    return count;
}

static void test_cuts(void **state)
{
    (void)state;
    bool cut = false;
    for (int trial = 0; trial < 20; trial++) {
        struct setting s;
        setting_init(&s);
        s.a.window = trial % 2 ? 1 + random_below(LENGTH) : 0;
        size_t bytes = (size_t)(s.rows * WIDTH) * sizeof(float);
        float *want = aligned_new(bytes), *out = aligned_new(bytes);
        int whole = run(&s, 1, want);
        cut |= run(&s, 64, out) > whole;
        assert_memory_equal(out, want, bytes);
        free(want);
        free(out);
        setting_done(&s);
    }
    assert_true(cut);
}

/* A step whose parts find no room stays whole. */
static void test_no_room(void **state)
{
    (void)state;
    struct attention_plan plan;
    struct backend_slice slice = {.position = 1 << 30, .count = 1};
    struct backend_step step = {.slices = &slice, .count = 1};
    assert_true(attention_plan_init(&plan, HEADS, KV_HEADS, DIM, 1, 8));
    attention_plan_begin(&plan, &step);
    assert_int_equal(plan.count, KV_HEADS);
    assert_false(plan.shared);
    attention_plan_done(&plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cuts),
        cmocka_unit_test(test_no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
