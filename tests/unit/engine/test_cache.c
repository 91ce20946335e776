/* The KV cache's tables: shared beginnings, exact comparison, the order in which pages are given
 * up; and a long random run against a plain model of who holds what. */
#include "engine/cache.h"
#include "testing.h"

static void fill(int32_t *tokens, int count, int from)
{
    for (int i = 0; i < count; i++)
        tokens[i] = from + i;
}

static struct cache *make(int pages)
{
    struct engine_error error;
    struct cache *cache = cache_new(pages, &error);
    assert_non_null(cache);
    return cache;
}

static void compute(struct cache *cache, struct cache_sequence *s, const int32_t *tokens, int count)
{
    cache_match(cache, s, tokens, count);
    assert_true(cache_extend(cache, s, count));
    cache_commit(cache, s, tokens, count);
}

static void test_a_known_beginning_is_shared(void **state)
{
    (void)state;
    struct cache *cache = make(20);
    struct cache_sequence a = {0}, b = {0}, c = {0};
    int32_t tokens[200], other[200];
    fill(tokens, 200, 0);
    fill(other, 200, 0);
    other[40] = 9999;
    compute(cache, &a, tokens, 100);
    assert_int_equal(cache_match(cache, &b, tokens, 100), 96);
    assert_int_equal(cache_match(cache, &c, other, 100), 32);
    assert_memory_equal(a.pages, b.pages, 3 * sizeof *a.pages);
    assert_int_equal(c.pages[0], a.pages[0]);
    assert_int_equal(cache_free_pages(cache), 20 - 4);
    cache_release(cache, &a);
    assert_int_equal(cache_free_pages(cache), 20 - 3);
    cache_release(cache, &b);
    cache_release(cache, &c);
    assert_int_equal(cache_free_pages(cache), 20);
    cache_sequence_done(&a);
    cache_sequence_done(&b);
    cache_sequence_done(&c);
    cache_free(cache);
}

/* One token at least is left to compute: its logits are what the request wants. */
static void test_a_whole_prompt_is_never_taken(void **state)
{
    (void)state;
    struct cache *cache = make(20);
    struct cache_sequence a = {0}, b = {0}, c = {0};
    int32_t tokens[64];
    fill(tokens, 64, 0);
    compute(cache, &a, tokens, 64);
    assert_int_equal(cache_match(cache, &b, tokens, 64), 32);
    c.root = 1;
    assert_int_equal(cache_match(cache, &c, tokens, 64), 0); /* another root shares nothing */
    cache_release(cache, &a);
    cache_release(cache, &b);
    cache_sequence_done(&a);
    cache_sequence_done(&b);
    cache_sequence_done(&c);
    cache_free(cache);
}

static void test_the_oldest_end_goes_first(void **state)
{
    (void)state;
    struct cache *cache = make(4);
    struct cache_sequence a = {0}, b = {0}, c = {0};
    int32_t first[200], second[200];
    fill(first, 200, 0);
    fill(second, 200, 1000);
    compute(cache, &a, first, 96);
    cache_release(cache, &a);
    assert_true(
        cache_extend(cache, &b, 64)); /* the page that was never used, then the end of `first` */
    assert_int_equal(cache_match(cache, &c, first, 96), 64);
    assert_false(cache_extend(cache, &c, 97));
    cache_release(cache, &b);
    cache_release(cache, &c);
    cache_sequence_done(&a);
    cache_sequence_done(&b);
    cache_sequence_done(&c);
    cache_free(cache);
}

enum { RUNNERS = 6, LENGTH = 160, PAGES = 14 };

/* What each page was last written with, kept beside the cache; a match must name pages that hold
 * just those tokens, at those positions, after those tokens. */
static void test_a_random_life(void **state)
{
    (void)state;
    static int32_t content[PAGES][LENGTH]; /* all tokens up to the page's end */
    static int32_t tokens[RUNNERS][LENGTH];
    struct cache *cache = make(PAGES);
    struct cache_sequence s[RUNNERS] = {0};
    uint64_t random = 7;
    for (int round = 0; round < 20000; round++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        int r = (int)(random >> 33) % RUNNERS, length = 1 + (int)(random >> 40) % LENGTH;
        if (s[r].count) {
            cache_release(cache, &s[r]);
            continue;
        }
        for (int i = 0; i < length; i++)
            tokens[r][i] = i % 32 ? i : (int32_t)((random >> (20 + i / 32 * 3)) & 1);
        int known = cache_match(cache, &s[r], tokens[r], length);
        assert_true(known < length && known % CACHE_BLOCK == 0);
        for (int p = 0; p < known / CACHE_BLOCK; p++)
            assert_memory_equal(content[s[r].pages[p]], tokens[r],
                                (size_t)(p + 1) * CACHE_BLOCK * sizeof(int32_t));
        if (!cache_extend(cache, &s[r], length)) {
            cache_release(cache, &s[r]);
            continue;
        }
        for (int p = known / CACHE_BLOCK; p < length / CACHE_BLOCK; p++)
            memcpy(content[s[r].pages[p]], tokens[r],
                   (size_t)(p + 1) * CACHE_BLOCK * sizeof(int32_t));
        cache_commit(cache, &s[r], tokens[r], length);
    }
    for (int r = 0; r < RUNNERS; r++) {
        cache_release(cache, &s[r]);
        cache_sequence_done(&s[r]);
    }
    assert_int_equal(cache_free_pages(cache), PAGES);
    cache_free(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_known_beginning_is_shared),
        cmocka_unit_test(test_a_whole_prompt_is_never_taken),
        cmocka_unit_test(test_the_oldest_end_goes_first),
        cmocka_unit_test(test_a_random_life),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
