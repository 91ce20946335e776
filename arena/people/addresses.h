/* Client addresses, without keeping one: an address is known by a keyed hash whose key is random,
 * in memory alone, and replaced after a day; then nothing can tell any more whose it was.
 *
 * Attempts are counted by it (people/rates.h), and for a day it is known which voters came from
 * the same one: many people sit behind one address, so that is a reason to look and no more.
 * Of IPv6 the first 64 bits count: the rest is the client's own choice. Nothing of it is stored,
 * logged or exported. Loop's thread. Limit: LIMIT_ADDRESSES voters' addresses a day; past it
 * further ones are not remembered. */
#ifndef ARENA_PEOPLE_ADDRESSES_H
#define ARENA_PEOPLE_ADDRESSES_H

#include <stddef.h>
#include <stdint.h>

#include "store/store.h"

#define ADDRESS_KEY_HOURS 24
#define ADDRESS_NAME_SIZE 33

struct addresses;

struct addresses *addresses_new(void); /* NULL only without memory */
void addresses_free(struct addresses *addresses);

/* What the address ("192.0.2.7") is called until the key changes. */
void addresses_name(struct addresses *addresses, const char *address, char out[ADDRESS_NAME_SIZE]);

void addresses_saw(struct addresses *addresses, const char *voter, const char *address);
void addresses_forget(struct addresses *addresses, const char *voter); /* who is erased */

/* Changes the key and forgets everything, where its day is over. */
void addresses_keep(struct addresses *addresses);
void addresses_rotate(struct addresses *addresses); /* at once */

/* How many others came from an address of each voter's, in the voters' order. */
struct address_sharing {
    char voter[STORE_ID_SIZE];
    size_t others;
};
/* Returns new (free), `*count` of them; NULL where nobody was seen, or without memory. */
struct address_sharing *addresses_sharing(const struct addresses *addresses, size_t *count);

/* Of such a list: how many others; -1: the voter was not seen. */
int64_t address_sharing_of(const struct address_sharing *list, size_t count, const char *voter);

#endif
