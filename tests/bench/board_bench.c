/* Time of one refit of the real board (129 models, 1,670,250 votes): what a vote costs a worker. Run by hand:
 * ARENA_FIXTURES=… bench_board */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "board/leaderboard.h"
#include "board/votefile.h"

#define ROUNDS 200

int main(void)
{
    char path[4096];
    struct err err = ERR_INIT;
    struct votefile file = {0};
    struct leaderboard_options options;
    const char *folder = getenv("ARENA_FIXTURES");
    snprintf(path, sizeof path, "%s/ranking/leaderbot/chatbotarena_20240814.json", folder ? folder : ".");
    struct chunks *chunks = chunks_open(path, &err);
    if (!chunks || !votefile_read(&file, chunks, &(struct votefile_options){.threads = 1}, &err)) {
        fprintf(stderr, "bench_board: %s\n", err.message);
        chunks_free(chunks);
        return 1;
    }
    leaderboard_options_init(&options);
    const struct leaderboard_votes votes = {.tally = &file.tally, .names = (const char *const *)file.names};
    double least = 1e9;
    for (int round = 0; round < ROUNDS; round++) {
        int64_t start = clock_mono_ns();
        leaderboard_free(leaderboard_fit(&votes, &options, &err));
        double ms = (double)(clock_mono_ns() - start) / 1e6;
        least = ms < least ? ms : least;
    }
    printf("refit with intervals: %.2f ms (least of %d)\n", least, ROUNDS);
    votefile_done(&file);
    chunks_free(chunks);
    return 0;
}
