/* Time of reading a file of votes and of one refit of its board, without the process around it:
 * what a vote costs a worker, and what the packages from PyPI are compared with in-process. Run by
 * hand:
 *
 *     bench_board [FILE [ROUNDS [THREADS]]]
 *
 * FILE is the fixtures' 1,670,250 aggregated battles unless named. A refit is that of the arena's
 * own board: the last vote joins tally, ballots and groups, which the votes before it have filled
 * (`group` is what that took), and the board is fitted with intervals. The least of ROUNDS, and CPU
 * time of all threads. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "board/leaderboard.h"
#include "board/votefile.h"

#define REFITS 20 /* of what one round has read */

struct times {
    double wall, cpu; /* ms */
};

struct least {
    struct times read, group, refit;
};

static double cpu_ms(void)
{
    struct timespec at;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &at);
    return (double)at.tv_sec * 1e3 + (double)at.tv_nsec / 1e6;
}

static struct times now(void)
{
    return (struct times){(double)clock_mono_ns() / 1e6, cpu_ms()};
}

static void keep_least(struct times *least, struct times start)
{
    struct times end = now(), took = {end.wall - start.wall, end.cpu - start.cpu};
    least->wall = took.wall < least->wall ? took.wall : least->wall;
    least->cpu = took.cpu < least->cpu ? took.cpu : least->cpu;
}

static bool read_votes(struct votefile *file, const char *path, int threads, struct err *err)
{
    struct chunks *chunks = chunks_open(path, err);
    const struct votefile_options options = {.threads = threads};
    bool ok = chunks && votefile_read(file, chunks, &options, err);
    chunks_free(chunks);
    return ok;
}

static bool fit(const struct votefile *file, const struct groups *groups, int threads,
                struct err *err)
{
    struct leaderboard_options options;
    leaderboard_options_init(&options);
    options.threads = threads;
    const struct leaderboard_votes votes = {.tally = &file->tally,
                                            .names = (const char *const *)file->names,
                                            .ballots = file->ballots.count ? &file->ballots : NULL,
                                            .groups = groups,
                                            .sides_unknown = file->aggregated};
    struct leaderboard *board = leaderboard_fit(&votes, &options, err);
    leaderboard_free(board);
    return board != NULL;
}

static bool add_last(struct votefile *file, struct groups *groups, struct ballot last,
                     struct err *err)
{
    return tally_add(&file->tally, last.a, last.b, (enum outcome)last.outcome, 1, err) &&
           ballots_add(&file->ballots, last, NULL, err) &&
           groups_follow(groups, &file->ballots, err);
}

/* The groups of all votes but REFITS, then those one by one. Aggregated counts have none. */
static bool refit(struct votefile *file, struct least *least, int threads, struct err *err)
{
    struct ballot last[REFITS];
    struct groups groups;
    size_t late = file->ballots.count > REFITS ? REFITS : 0;
    for (size_t k = 0; k < late; k++) {
        last[k] = file->ballots.rows[--file->ballots.count];
        tally_remove(&file->tally, last[k].a, last[k].b, (enum outcome)last[k].outcome);
    }
    groups_init(&groups, true);
    struct times start = now();
    bool ok = groups_follow(&groups, &file->ballots, err);
    keep_least(&least->group, start);
    for (size_t k = REFITS; ok && k-- > 0;) {
        start = now();
        ok = (!late || add_last(file, &groups, last[k], err)) && fit(file, &groups, threads, err);
        keep_least(&least->refit, start);
    }
    groups_done(&groups);
    return ok;
}

int main(int argc, char **argv)
{
    char path[4096];
    const char *folder = getenv("ARENA_FIXTURES");
    int rounds = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 100;
    int threads = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 2;
    struct err err = ERR_INIT;
    struct least least = {{1e9, 1e9}, {1e9, 1e9}, {1e9, 1e9}};
    bool ok = true;
    snprintf(path, sizeof path, "%s/ranking/leaderbot/chatbotarena_20240814.json",
             folder ? folder : ".");
    for (int round = 0; ok && round < rounds; round++) {
        struct votefile file = {0};
        struct times start = now();
        ok = read_votes(&file, argc > 1 ? argv[1] : path, threads, &err);
        keep_least(&least.read, start);
        ok = ok && refit(&file, &least, threads, &err);
        votefile_done(&file);
    }
    if (!ok) {
        fprintf(stderr, "bench_board: %s\n", err.message);
        return 1;
    }
    printf("read %.2f ms (CPU %.2f), group %.2f ms, a vote and the refit with intervals %.2f ms "
           "(CPU %.2f), least of %d\n",
           least.read.wall, least.read.cpu, least.group.wall, least.refit.wall, least.refit.cpu,
           rounds);
    return 0;
}
