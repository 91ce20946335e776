/* Time of reading a file of votes and of one refit of its board, without the process around it:
 * what a vote costs a worker, and what the packages from PyPI are compared with in-process. Run by
 * hand:
 *
 *     bench_board [FILE [ROUNDS [THREADS]]]
 *
 * FILE is the fixtures' 1,670,250 aggregated battles unless named. The least of ROUNDS, and CPU
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

int main(int argc, char **argv)
{
    char path[4096];
    const char *folder = getenv("ARENA_FIXTURES");
    int rounds = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 100;
    int threads = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 2;
    struct err err = ERR_INIT;
    struct times least_read = {1e9, 1e9}, least_fit = {1e9, 1e9}, least_group = {1e9, 1e9};
    bool ok = true;
    snprintf(path, sizeof path, "%s/ranking/leaderbot/chatbotarena_20240814.json",
             folder ? folder : ".");
    for (int round = 0; ok && round < rounds; round++) {
        struct votefile file = {0};
        struct times start = now();
        ok = read_votes(&file, argc > 1 ? argv[1] : path, threads, &err);
        keep_least(&least_read, start);
        struct groups groups;
        groups_init(&groups, true);
        start = now();
        ok = ok && groups_follow(&groups, &file.ballots, &err);
        keep_least(&least_group, start);
        for (int again = 0; ok && again < REFITS; again++) {
            start = now();
            ok = fit(&file, &groups, threads, &err);
            keep_least(&least_fit, start);
        }
        groups_done(&groups);
        votefile_done(&file);
    }
    if (!ok) {
        fprintf(stderr, "bench_board: %s\n", err.message);
        return 1;
    }
    printf("read %.2f ms (CPU %.2f), group %.2f ms (CPU %.2f), refit with intervals %.2f ms (CPU "
           "%.2f), least of %d\n",
           least_read.wall, least_read.cpu, least_group.wall, least_group.cpu, least_fit.wall,
           least_fit.cpu, rounds);
    return 0;
}
