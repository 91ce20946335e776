/* 43 characters carry 258 bits: the last one holds 4 of its 6. */
#include "people/tokens.h"

#include <string.h>

#include "base/random.h"

static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void token_new(char token[TOKEN_LENGTH + 1])
{
    uint8_t bytes[33] = {0}; /* one more, so that the last group can be read whole */
    random_bytes(bytes, 32);
    for (int i = 0; i < TOKEN_LENGTH; i++) {
        int bit = 6 * i, at = bit / 8, shift = 10 - bit % 8;
        unsigned pair = (unsigned)bytes[at] << 8 | bytes[at + 1];
        token[i] = ALPHABET[pair >> shift & 63];
    }
    token[TOKEN_LENGTH] = '\0';
}

bool token_hash(struct text token, uint8_t hash[DIGEST_SIZE])
{
    if (token.length != TOKEN_LENGTH)
        return false;
    for (size_t i = 0; i < token.length; i++)
        if (token.data[i] == '\0' || strchr(ALPHABET, token.data[i]) == NULL)
            return false;
    digest_of(token.data, token.length, hash);
    return true;
}
