/* Who can be ranked, and why the others cannot. */
#include "sets.h"

#include "rating/connect.h"

static void won(struct tally *tally, size_t a, size_t b)
{
    assert_true(tally_add(tally, a, b, OUTCOME_A, 1, NULL));
}

static void reasons(void **state)
{
    struct tally tally;
    struct connect connect;
    (void)state;
    tally_init(&tally);
    assert_true(tally_grow(&tally, 11, NULL));
    won(&tally, 0, 1); /* 0, 1, 2 beat each other in a ring */
    won(&tally, 1, 2);
    won(&tally, 2, 0);
    won(&tally, 3, 0);                                          /* undefeated */
    won(&tally, 1, 4);                                          /* winless */
    assert_true(tally_add(&tally, 5, 6, OUTCOME_TIE, 2, NULL)); /* on their own */
    won(&tally, 7, 2); /* 7 and 8 tie with each other and only ever beat the ring */
    assert_true(tally_add(&tally, 7, 8, OUTCOME_BOTH_BAD, 1, NULL));
    won(&tally, 0, 9); /* 9 loses to the ring but beats 4 */
    won(&tally, 9, 4);
    assert_true(connect_find(&connect, &tally, NULL, NULL));
    const enum connect_reason want[11] = {
        CONNECT_RANKED,     CONNECT_RANKED,      CONNECT_RANKED,    CONNECT_UNDEFEATED,
        CONNECT_WINLESS,    CONNECT_SEPARATED,   CONNECT_SEPARATED, CONNECT_ALWAYS_WON,
        CONNECT_ALWAYS_WON, CONNECT_ALWAYS_LOST, CONNECT_NO_VOTES};
    for (int i = 0; i < 11; i++)
        if (connect.reason[i] != want[i])
            fail_msg("model %d: %s, not %s", i, connect_word(connect.reason[i]),
                     connect_word(want[i]));
    assert_int_equal(connect.ranked, 3);
    assert_int_equal(connect.components, 2);
    connect_done(&connect);
    tally_done(&tally);
}

/* A model left out takes its votes with it. */
static void keeping(void **state)
{
    struct tally tally;
    struct connect connect;
    const bool keep[3] = {true, true, false};
    (void)state;
    tally_init(&tally);
    assert_true(tally_grow(&tally, 3, NULL));
    won(&tally, 0, 1);
    won(&tally, 1, 2);
    won(&tally, 2, 0);
    assert_true(connect_find(&connect, &tally, keep, NULL));
    assert_int_equal(connect.ranked, 0);
    assert_int_equal(connect.reason[0], CONNECT_UNDEFEATED);
    connect_done(&connect);
    tally_done(&tally);
}

/* The longest chain there can be: one ring of all models, so one group, without recursion. */
static void long_ring(void **state)
{
    enum { N = 1500 };
    struct tally tally;
    struct connect connect;
    (void)state;
    tally_init(&tally);
    assert_true(tally_grow(&tally, N, NULL));
    for (size_t i = 0; i < N; i++)
        won(&tally, i, (i + 1) % N);
    assert_true(connect_find(&connect, &tally, NULL, NULL));
    assert_int_equal(connect.ranked, N);
    connect_done(&connect);
    assert_true(tally_remove(&tally, N - 1, 0, OUTCOME_A));
    assert_true(connect_find(&connect, &tally, NULL, NULL));
    assert_int_equal(connect.ranked, 0);
    connect_done(&connect);
    tally_done(&tally);
}

/* Against the definition: groups by transitive closure, on random small graphs. */
static void brute_force(void **state)
{
    enum { N = 7 };
    struct rng rng;
    (void)state;
    rng_init(&rng, 3, 0);
    for (int round = 0; round < 400; round++) {
        struct tally tally;
        struct connect connect;
        bool reach[N][N] = {{false}};
        size_t best = 0;
        tally_init(&tally);
        assert_true(tally_grow(&tally, N, NULL));
        for (int k = 0; k < 10; k++) {
            size_t a = (size_t)rng_below(&rng, N), b = (size_t)rng_below(&rng, N);
            if (a == b)
                continue;
            won(&tally, a, b);
            reach[a][b] = true;
        }
        for (int k = 0; k < N; k++)
            for (int i = 0; i < N; i++)
                for (int j = 0; j < N; j++)
                    reach[i][j] |= reach[i][k] && reach[k][j];
        for (int i = 0; i < N; i++) {
            size_t size = 1;
            for (int j = 0; j < N; j++)
                size += i != j && reach[i][j] && reach[j][i];
            best = size > best ? size : best;
        }
        assert_true(connect_find(&connect, &tally, NULL, NULL));
        assert_int_equal(connect.ranked, best > 1 ? best : 0);
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++)
                if (i != j && connect.reason[i] == CONNECT_RANKED &&
                    connect.reason[j] == CONNECT_RANKED)
                    assert_true(reach[i][j]);
        connect_done(&connect);
        tally_done(&tally);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reasons),
        cmocka_unit_test(keeping),
        cmocka_unit_test(long_ring),
        cmocka_unit_test(brute_force),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
