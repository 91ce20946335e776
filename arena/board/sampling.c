/* The chances are worked out over all competitors at once; a matchmaker that leaves some out
 * scales the rest, which for equation 9 is the same as asking for the rest alone: a pair's gain
 * there depends on that pair only. */
#include "board/sampling.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "rating/pairing.h"
#include "store/competitors.h"

struct sampling {
    size_t models;
    char (*digest)[DIGEST_HEX + 1];
    double *probability; /* of pair i < j: [j (j - 1) / 2 + i] */
};

/* The votes among our models, in our numbers. */
static bool gather(struct tally *into, const struct sampling_input *input, struct err *err)
{
    int32_t *map = malloc((input->tally->models + 1) * sizeof *map);
    if (!map)
        return err_set(err, ERR_MEMORY, "out of memory");
    for (size_t k = 0; k < input->tally->models; k++)
        map[k] = -1;
    for (size_t k = 0; k < input->models; k++)
        if (input->number[k] >= 0)
            map[input->number[k]] = (int32_t)k;
    bool good = tally_select(into, input->tally, map, input->models, err);
    free(map);
    return good;
}

static size_t target_of(const struct sampling_options *options, const struct sampling_input *input)
{
    size_t k = 0;
    while (k < input->models && (!options->target || strcmp(input->name[k], options->target) != 0))
        k++;
    return k;
}

static bool work_out(struct sampling *sampling, const struct sampling_options *options,
                     const struct sampling_input *input, struct err *err)
{
    struct tally tally;
    size_t target = target_of(options, input);
    tally_init(&tally);
    bool good = gather(&tally, input, err);
    if (good && target < input->models)
        good = pairing_target(sampling->probability, &tally, NULL, target, err);
    else if (good)
        good = pairing_spread(sampling->probability, &tally, NULL, err);
    tally_done(&tally);
    return good;
}

struct sampling *sampling_new(const struct sampling_options *options,
                              const struct sampling_input *input, struct err *err)
{
    size_t n = input->models;
    struct sampling *sampling = calloc(1, sizeof *sampling);
    if (sampling) {
        sampling->models = n;
        sampling->digest = calloc(n + 1, sizeof *sampling->digest);
        sampling->probability = calloc(n * n / 2 + 1, sizeof *sampling->probability);
    }
    if (!sampling || !sampling->digest || !sampling->probability) {
        sampling_free(sampling);
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    for (size_t k = 0; k < n; k++)
        snprintf(sampling->digest[k], sizeof *sampling->digest, "%s", input->digest[k]);
    if (n < 2 || work_out(sampling, options, input, err))
        return sampling;
    sampling_free(sampling);
    return NULL;
}

void sampling_free(struct sampling *sampling)
{
    if (!sampling)
        return;
    free(sampling->digest);
    free(sampling->probability);
    free(sampling);
}

/* --- from the store --- */

struct gathering {
    int32_t *number;
    const char **digest, **name;
};

static int32_t number_in(const struct stored_votes *votes, int64_t version)
{
    for (size_t k = 0; k < votes->models; k++)
        if (votes->versions[k] == version)
            return (int32_t)k;
    return -1;
}

static size_t collect(struct gathering *into, const struct stored_votes *votes,
                      const struct versions *versions)
{
    size_t count = 0;
    for (size_t k = 0; k < versions->count; k++) {
        const struct version_record *record = &versions->list[k];
        if (record->imported || !stored_is_newest(versions, record, 0))
            continue;
        into->number[count] = number_in(votes, record->id);
        into->digest[count] = record->digest;
        into->name[count++] = record->name;
    }
    return count;
}

struct sampling *sampling_of_votes(const struct sampling_options *options,
                                   const struct stored_votes *votes, struct db *db, struct err *err)
{
    struct versions versions;
    struct sampling *sampling = NULL;
    if (!versions_load(db, &versions, err))
        return NULL;
    size_t room = versions.count + 1;
    struct gathering got = {calloc(room, sizeof *got.number), calloc(room, sizeof *got.digest),
                            calloc(room, sizeof *got.name)};
    if (got.number && got.digest && got.name) {
        struct sampling_input input = {&votes->tally, got.number, got.digest, got.name, 0};
        input.models = collect(&got, votes, &versions);
        sampling = sampling_new(options, &input, err);
    } else {
        err_set(err, ERR_MEMORY, "out of memory");
    }
    free(got.number);
    free(got.digest);
    free(got.name);
    versions_done(&versions);
    return sampling;
}

/* --- reading --- */

int sampling_find(const struct sampling *sampling, const char *digest)
{
    for (size_t k = 0; k < sampling->models; k++)
        if (strcmp(sampling->digest[k], digest) == 0)
            return (int)k;
    return -1;
}

double sampling_chance(const struct sampling *sampling, int i, int j)
{
    size_t low = (size_t)(i < j ? i : j), high = (size_t)(i < j ? j : i);
    return sampling->probability[high * (high - 1) / 2 + low];
}
