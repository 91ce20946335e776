/* Pieces are aligned, apart from one another, writable to their end, and larger than a chunk
 * where asked. */
#include "engine/slab.h"

#include "kernels/kernels.h"
#include "testing.h"

static void test_pieces_are_aligned_and_apart(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 0, 64, 65, 3 << 20, 63 << 20, 5, 80 << 20, 7};
    unsigned char *pieces[sizeof sizes / sizeof *sizes];
    struct slab slab = {0};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        pieces[i] = slab_take(&slab, sizes[i]);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % KERNEL_ALIGNMENT, 0);
        if (sizes[i])
            pieces[i][0] = pieces[i][sizes[i] - 1] = (unsigned char)(i + 1);
    }
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i])
            assert_true(pieces[i][0] == i + 1 && pieces[i][sizes[i] - 1] == i + 1);
    slab_done(&slab);
    slab_done(&slab);
}

static void test_what_cannot_be_had_is_refused(void **state)
{
    (void)state;
    struct slab slab = {0};
    assert_null(slab_take(&slab, SIZE_MAX));
    assert_null(slab_take(&slab, SIZE_MAX / 4));
    assert_non_null(slab_take(&slab, 100));
    slab_done(&slab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces_are_aligned_and_apart),
        cmocka_unit_test(test_what_cannot_be_had_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
