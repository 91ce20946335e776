/* Secrets that are handed out once and stored only as a digest: session tokens, invitations,
 * keys. 32 random bytes in base64url; with 256 bits of randomness a plain SHA-256 keeps them
 * safe at rest. Pure, any thread. */
#ifndef ARENA_PEOPLE_TOKENS_H
#define ARENA_PEOPLE_TOKENS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/digest.h"

#define TOKEN_LENGTH 43

void token_new(char token[TOKEN_LENGTH + 1]);

/* False where the text cannot be a token (length, alphabet); else its digest. */
bool token_hash(struct text token, uint8_t hash[DIGEST_SIZE]);

#endif
