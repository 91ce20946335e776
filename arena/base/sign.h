/* Signatures that anybody can check with standard tools: Ed25519 (RFC 8032) by libcrypto.
 *
 * The arena's key is made once, in its data directory: arena.key (PKCS #8 PEM, mode 0600) and
 * arena.pub (PEM, for whoever checks). Reads and writes files: blocking. */
#ifndef ARENA_BASE_SIGN_H
#define ARENA_BASE_SIGN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define SIGN_SIZE 64
#define SIGN_KEY_SIZE 32

/* Signs with the folder's key, made where there is none; gives the public half too. */
bool sign_text(const char *folder, struct text text, uint8_t signature[SIGN_SIZE],
               uint8_t public_key[SIGN_KEY_SIZE], struct err *err);

bool sign_check(struct text text, const uint8_t signature[SIGN_SIZE],
                const uint8_t public_key[SIGN_KEY_SIZE]);

/* The folder's public key, as arena.pub has it; ERR_NOT_FOUND where none was made. */
bool sign_public_key(const char *folder, uint8_t public_key[SIGN_KEY_SIZE], struct err *err);

#endif
