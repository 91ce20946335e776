/* A pair of voter and address stands in an open table at a place that both choose, so that a vote
 * costs one HMAC and a look; who shares is found by sorting, which only an administrator's page
 * asks for. */
#include "people/addresses.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/random.h"

enum { KEY_BYTES = 32, NAME_BYTES = (ADDRESS_NAME_SIZE - 1) / 2, PREFIX_BYTES = 8 };
enum { PLACES = 2 * LIMIT_ADDRESSES };

struct sighting {
    char voter[STORE_ID_SIZE]; /* "": free */
    uint8_t name[NAME_BYTES];
};

struct addresses {
    uint8_t key[KEY_BYTES];
    int64_t made_ns;
    size_t count;
    struct sighting seen[PLACES];
};

struct addresses *addresses_new(void)
{
    struct addresses *addresses = calloc(1, sizeof *addresses);
    if (addresses != NULL)
        addresses_rotate(addresses);
    return addresses;
}

void addresses_free(struct addresses *addresses)
{
    if (addresses != NULL)
        secret_wipe(addresses->key, sizeof addresses->key);
    free(addresses);
}

void addresses_rotate(struct addresses *addresses)
{
    random_bytes(addresses->key, sizeof addresses->key);
    memset(addresses->seen, 0, sizeof addresses->seen);
    addresses->count = 0;
    addresses->made_ns = clock_mono_ns();
}

void addresses_keep(struct addresses *addresses)
{
    if (clock_mono_ns() - addresses->made_ns >= ADDRESS_KEY_HOURS * 3600 * CLOCK_S)
        addresses_rotate(addresses);
}

/* The bytes that count; what is no address counts as its text. */
static size_t read_address(const char *address, uint8_t out[16])
{
    static const uint8_t MAPPED[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (inet_pton(AF_INET, address, out) == 1)
        return 4;
    if (inet_pton(AF_INET6, address, out) != 1)
        return 0;
    if (memcmp(out, MAPPED, sizeof MAPPED) != 0)
        return PREFIX_BYTES;
    memmove(out, out + sizeof MAPPED, 4);
    return 4;
}

static void name_of(const struct addresses *addresses, const char *address,
                    uint8_t out[DIGEST_SIZE])
{
    uint8_t bytes[16];
    size_t length = read_address(address, bytes);
    const void *what = length != 0 ? (const void *)bytes : address;
    digest_keyed(addresses->key, KEY_BYTES, what, length != 0 ? length : strlen(address), out);
}

void addresses_name(struct addresses *addresses, const char *address, char out[ADDRESS_NAME_SIZE])
{
    uint8_t digest[DIGEST_SIZE];
    addresses_keep(addresses);
    name_of(addresses, address, digest);
    hex_encode(digest, NAME_BYTES, out);
}

/* --- who came from where --- */

static size_t place_of(const struct sighting *sighting)
{
    uint64_t hash;
    memcpy(&hash, sighting->name, sizeof hash);
    for (const char *c = sighting->voter; *c != '\0'; c++)
        hash = (hash ^ (unsigned char)*c) * UINT64_C(0x9e3779b97f4a7c15);
    return (hash ^ hash >> 32) % PLACES;
}

static bool same(const struct sighting *a, const struct sighting *b)
{
    return memcmp(a->name, b->name, NAME_BYTES) == 0 && strcmp(a->voter, b->voter) == 0;
}

void addresses_saw(struct addresses *addresses, const char *voter, const char *address)
{
    struct sighting sighting = {.voter = ""};
    uint8_t digest[DIGEST_SIZE];
    addresses_keep(addresses);
    name_of(addresses, address, digest);
    memcpy(sighting.name, digest, NAME_BYTES);
    snprintf(sighting.voter, sizeof sighting.voter, "%s", voter);
    size_t place = place_of(&sighting);
    while (addresses->seen[place].voter[0] != '\0' && !same(&addresses->seen[place], &sighting))
        place = (place + 1) % PLACES;
    if (addresses->seen[place].voter[0] != '\0' || addresses->count == LIMIT_ADDRESSES)
        return;
    addresses->seen[place] = sighting;
    addresses->count++;
}

/* Its places stay taken, by nobody: others' may lie behind them. */
void addresses_forget(struct addresses *addresses, const char *voter)
{
    for (size_t i = 0; i < PLACES; i++)
        if (strcmp(addresses->seen[i].voter, voter) == 0) {
            addresses->seen[i] = (struct sighting){.voter = "-"};
            random_bytes(addresses->seen[i].name, NAME_BYTES);
        }
}

static int by_name(const void *a, const void *b)
{
    return memcmp(((const struct sighting *)a)->name, ((const struct sighting *)b)->name,
                  NAME_BYTES);
}

static int by_voter(const void *a, const void *b)
{
    return strcmp(((const struct address_sharing *)a)->voter,
                  ((const struct address_sharing *)b)->voter);
}

/* Of a voter with several addresses the one with the most company holds. */
static size_t join_voters(struct address_sharing *list, size_t count)
{
    size_t kept = 0;
    qsort(list, count, sizeof *list, by_voter);
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || strcmp(list[kept - 1].voter, list[i].voter) != 0)
            list[kept++] = list[i];
        else if (list[i].others > list[kept - 1].others)
            list[kept - 1].others = list[i].others;
    }
    return kept;
}

struct address_sharing *addresses_sharing(const struct addresses *addresses, size_t *count)
{
    size_t n = 0;
    *count = 0;
    struct sighting *sorted = calloc(addresses->count + 1, sizeof *sorted);
    struct address_sharing *list = calloc(addresses->count + 1, sizeof *list);
    if (sorted == NULL || list == NULL || addresses->count == 0) {
        free(sorted);
        free(list);
        return NULL;
    }
    for (size_t i = 0; i < PLACES; i++)
        if (addresses->seen[i].voter[0] != '\0')
            sorted[n++] = addresses->seen[i];
    qsort(sorted, n, sizeof *sorted, by_name);
    for (size_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && by_name(&sorted[from], &sorted[to]) == 0;)
            to++;
        for (size_t i = from; i < to; i++) {
            memcpy(list[i].voter, sorted[i].voter, sizeof list[i].voter);
            list[i].others = to - from - 1;
        }
    }
    free(sorted);
    *count = join_voters(list, n);
    return list;
}

int64_t address_sharing_of(const struct address_sharing *list, size_t count, const char *voter)
{
    struct address_sharing wanted = {.others = 0};
    snprintf(wanted.voter, sizeof wanted.voter, "%s", voter);
    const struct address_sharing *found =
        list != NULL ? bsearch(&wanted, list, count, sizeof *list, by_voter) : NULL;
    return found != NULL ? (int64_t)found->others : -1;
}
