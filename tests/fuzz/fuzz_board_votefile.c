/* Any bytes as a vote file: JSON lines, CSV, aggregated or gzip; strict and lenient, plain and with
 * every option. What is accepted must add up. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "board/votefile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_with(const uint8_t *data, size_t size, const struct votefile_options *options)
{
    struct votefile file;
    struct err err = ERR_INIT;
    struct text text = {(const char *)data, size};
    struct chunks *chunks = chunks_open_memory(text, "fuzz", &err);
    if (chunks && votefile_read(&file, chunks, options, &err)) {
        uint64_t sum = 0;
        for (size_t k = 0; k < file.tally.models; k++)
            sum += tally_record(&file.tally, k).votes;
        if (sum != 2 * file.tally.votes)
            abort();
        if (!file.aggregated && file.boards == 1 &&
            file.records != file.tally.votes + file.filtered + votefile_skipped(&file))
            abort();
        votefile_done(&file);
    } else if (err.code == ERR_NONE || !err.message[0]) {
        abort();
    }
    chunks_free(chunks);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct votefile_options variants[] = {
        {.threads = 1},
        {.threads = 1, .lenient = true, .ballots = true},
        {.threads = 1, .lenient = true, .style = true},
        {.threads = 1, .lenient = true, .weight = "weight", .inverse = true, .days = true},
        {.threads = 1, .lenient = true, .categories = {"coding", "english", "overall"}},
        {.threads = 1,
         .lenient = true,
         .categories = {"hard_english_6"},
         .filters = {"turn>=2", "language!=x"}},
        {.threads = 1,
         .lenient = true,
         .columns = {"left", "right", "winner"},
         .id = "id",
         .voter = "worker",
         .prompt = "prompt"},
    };
    for (size_t k = 0; k < sizeof variants / sizeof *variants; k++)
        read_with(data, size, &variants[k]);
    return 0;
}
