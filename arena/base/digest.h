/* SHA-256, in one call or in pieces, and hexadecimal. libcrypto does the work. Any thread; a
 * `struct digest` belongs to its owner. */
#ifndef ARENA_BASE_DIGEST_H
#define ARENA_BASE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DIGEST_SIZE 32
#define DIGEST_HEX (2 * DIGEST_SIZE)

struct digest; /* a SHA-256 under way */

struct digest *digest_new(void); /* NULL only without memory */
void digest_add(struct digest *digest, const void *bytes, size_t length);
/* Adds the length as 8 bytes, big-endian, then the bytes: so that the fields of a record cannot
 * run into each other. */
void digest_add_field(struct digest *digest, const void *bytes, size_t length);
void digest_finish(struct digest *digest, uint8_t out[DIGEST_SIZE]); /* ends and frees it */

void digest_of(const void *bytes, size_t length, uint8_t out[DIGEST_SIZE]);

/* Keyed: HMAC-SHA-256. */
void digest_keyed(const void *key, size_t key_length, const void *bytes, size_t length,
                  uint8_t out[DIGEST_SIZE]);

void hex_encode(const uint8_t *bytes, size_t count,
                char *out); /* 2 * count characters and a NUL, lower case */
bool hex_decode(const char *hex, size_t count,
                uint8_t *out); /* 2 * count characters; false if one is no digit */

/* True when equal, in a time that does not depend on where they differ. */
bool digest_same(const void *a, const void *b, size_t length);

#endif
