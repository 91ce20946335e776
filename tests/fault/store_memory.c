/* No memory, at every allocation in turn, once and from then on: ours (the linker's --wrap sends
 * our objects' calls here) and SQLite's. A vote is then either stored and acknowledged or
 * refused, the store goes on when memory is back, and nothing leaks (AddressSanitizer's build
 * looks). */
#include "fault/no_memory.h"
#include "fault/store_votes.h"

#include <pthread.h>
#include <sqlite3.h>

#include "base/log.h"
#include "store/vote_rows.h"

static sqlite3_mem_methods real_memory, failing_memory;

static void *sqlite_malloc(int size)
{
    return refuse() ? NULL : real_memory.xMalloc(size);
}

static void *sqlite_realloc(void *old, int size)
{
    return refuse() ? NULL : real_memory.xRealloc(old, size);
}

/* --- one round: open, vote, read, close, with an allocation failing somewhere --- */

static bool is_expected(enum err_code code)
{
    return code == ERR_NONE || code == ERR_MEMORY || code == ERR_STORE || code == ERR_BUSY;
}

static bool count_row(void *user, const struct vote_row *row)
{
    (void)row;
    ++*(int *)user;
    return true;
}

/* What a reader gets is right or an error. */
static void read_all(const struct arena_copy *copy, int at_least)
{
    struct err err = ERR_INIT;
    struct vote_filter filter = VOTE_FILTER_ALL;
    struct versions versions;
    struct db *db = store_read_open(copy->fixture.dir, &err);
    int rows = 0;
    if (db != NULL && votes_each(db, &filter, count_row, &rows, &err))
        assert_in_range(rows, at_least, BATTLES);
    if (db != NULL && versions_load(db, &versions, &err)) {
        assert_int_equal(versions.count, 2);
        versions_done(&versions);
    }
    db_close(db);
}

static void round_of_votes(struct arena_copy *copy, int64_t at, bool sticky,
                           bool acknowledged[BATTLES])
{
    struct err err = ERR_INIT;
    int stored = 0;
    memory_set(at, sticky);
    copy->fixture.store = store_open(copy->fixture.dir, NULL, &err);
    for (int i = 0; copy->fixture.store != NULL && i < 3; i++) {
        enum err_code code = copy_vote(copy, i);
        if (!is_expected(code))
            fail_msg("allocation %lld: vote %d: %s", (long long)at, i, err_word(code));
        acknowledged[i] = code == ERR_NONE;
        stored += acknowledged[i];
    }
    if (copy->fixture.store == NULL && !is_expected(err.code))
        fail_msg("allocation %lld: opening: %s", (long long)at, err.message);
    read_all(copy, stored);
    memory_set(0, false);
    if (copy->fixture.store != NULL) /* memory is back: so is the store */
        assert_int_equal(copy_vote(copy, BATTLES - 1), ERR_NONE);
    acknowledged[BATTLES - 1] = copy->fixture.store != NULL;
    store_close(copy->fixture.store);
}

static int64_t count_allocations(struct arena_copy *copy)
{
    bool acknowledged[BATTLES] = {false};
    copy_restart(copy);
    memory_set(0, false);
    round_of_votes(copy, INT64_MAX, false, acknowledged);
    assert_true(acknowledged[0] && acknowledged[1] && acknowledged[2]);
    copy_restart(copy);
    memory_set(INT64_MAX, false);
    struct err err = ERR_INIT;
    copy->fixture.store = store_open(copy->fixture.dir, NULL, &err);
    for (int i = 0; i < 3; i++)
        copy_vote(copy, i);
    read_all(copy, 3);
    store_close(copy->fixture.store);
    return atomic_load(&allocation.count);
}

static void run_sweep(struct arena_copy *copy, bool sticky, int points)
{
    int64_t allocations = count_allocations(copy),
            step = allocations / points > 0 ? allocations / points : 1;
    int runs = 0;
    for (int64_t at = 1; at <= allocations; at += step, runs++) {
        bool acknowledged[BATTLES] = {false};
        copy_restart(copy);
        round_of_votes(copy, at, sticky, acknowledged);
        struct copy_state state = copy_look(copy, acknowledged);
        if (state.problems > 0 || state.lost > 0)
            fail_msg("allocation %lld: %d lost; %s", (long long)at, state.lost, state.problem);
    }
    print_message("%d of %lld allocations failed, %s\n", runs, (long long)allocations,
                  sticky ? "for good" : "once");
}

static void one_allocation_fails(void **state)
{
    run_sweep(*state, false, 400);
}

static void all_allocations_fail_from_one_on(void **state)
{
    run_sweep(*state, true, 200);
}

static int make(void **state)
{
    struct arena_copy *copy = calloc(1, sizeof *copy);
    log_set_level(LOG_ERROR - 1);
    sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real_memory);
    failing_memory = real_memory;
    failing_memory.xMalloc = sqlite_malloc;
    failing_memory.xRealloc = sqlite_realloc;
    sqlite3_config(SQLITE_CONFIG_MALLOC, &failing_memory);
    copy_make(copy);
    *state = copy;
    return 0;
}

static int done(void **state)
{
    copy_remove(*state);
    free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_allocation_fails),
        cmocka_unit_test(all_allocations_fail_from_one_on),
    };
    return cmocka_run_group_tests(tests, make, done);
}
