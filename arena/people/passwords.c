/* The line: scrypt$LOG2N$R$P$SALT$HASH, salt and hash in hexadecimal. */
#include "people/passwords.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>

#include "base/digest.h"
#include "base/random.h"

enum { SALT_SIZE = 16, HASH_SIZE = 32, LOG2N = 15, BLOCK = 8, PARALLEL = 1, LOG2N_MAX = 20 };

struct line {
    unsigned log2n, r, p;
    uint8_t salt[SALT_SIZE], hash[HASH_SIZE];
};

static bool derive(struct text password, const struct line *line, uint8_t out[HASH_SIZE])
{
    uint64_t n = UINT64_C(1) << line->log2n, memory = 128 * n * line->r + (1 << 20);
    return EVP_PBE_scrypt(password.data, password.length, line->salt, SALT_SIZE, n, line->r,
                          line->p, memory, out, HASH_SIZE) == 1;
}

bool password_hash(struct text password, char out[PASSWORD_HASH_SIZE], struct err *err)
{
    struct line line = {.log2n = LOG2N, .r = BLOCK, .p = PARALLEL};
    char salt[2 * SALT_SIZE + 1], hash[2 * HASH_SIZE + 1];
    if (password.length < PASSWORD_BYTES_MIN || password.length > PASSWORD_BYTES_MAX)
        return err_set(err, ERR_BAD_REQUEST, "a password has %d to %d bytes", PASSWORD_BYTES_MIN,
                       PASSWORD_BYTES_MAX);
    random_bytes(line.salt, SALT_SIZE);
    if (!derive(password, &line, line.hash))
        return err_set(err, ERR_MEMORY, "no memory to hash a password: try again");
    hex_encode(line.salt, SALT_SIZE, salt);
    hex_encode(line.hash, HASH_SIZE, hash);
    snprintf(out, PASSWORD_HASH_SIZE, "scrypt$%u$%u$%u$%s$%s", line.log2n, line.r, line.p, salt,
             hash);
    return true;
}

static bool read_line(const char *stored, struct line *line)
{
    char salt[2 * SALT_SIZE + 1], hash[2 * HASH_SIZE + 1];
    int end = 0;
    return stored != NULL &&
           sscanf(stored, "scrypt$%2u$%2u$%2u$%32[0-9a-f]$%64[0-9a-f]%n", &line->log2n, &line->r,
                  &line->p, salt, hash, &end) == 5 &&
           stored[end] == '\0' && strlen(salt) == 2 * SALT_SIZE && strlen(hash) == 2 * HASH_SIZE &&
           line->log2n >= 1 && line->log2n <= LOG2N_MAX && line->r >= 1 && line->r <= 16 &&
           line->p >= 1 && line->p <= 4 && hex_decode(salt, SALT_SIZE, line->salt) &&
           hex_decode(hash, HASH_SIZE, line->hash);
}

bool password_check(struct text password, const char *stored)
{
    struct line line;
    uint8_t hash[HASH_SIZE] = {0};
    bool known = read_line(stored, &line);
    if (!known)
        line = (struct line){.log2n = LOG2N, .r = BLOCK, .p = PARALLEL};
    if (password.length > PASSWORD_BYTES_MAX || !derive(password, &line, hash))
        return false;
    return digest_same(hash, line.hash, HASH_SIZE) && known;
}
