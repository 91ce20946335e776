/* The algorithm is fetched once: EVP_sha256() would look it up again for every digest, which
 * costs more than hashing a short record. */
#include "base/digest.h"

#include <pthread.h>
#include <stdlib.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

struct digest {
    EVP_MD_CTX *context;
};

static EVP_MD *fetched;

static void fetch(void)
{
    fetched = EVP_MD_fetch(NULL, "SHA256", NULL);
}

static const EVP_MD *sha256(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, fetch);
    return fetched ? fetched : EVP_sha256();
}

struct digest *digest_new(void)
{
    struct digest *digest = malloc(sizeof *digest);
    if (!digest)
        return NULL;
    digest->context = EVP_MD_CTX_new();
    if (!digest->context || EVP_DigestInit_ex(digest->context, sha256(), NULL) != 1) {
        EVP_MD_CTX_free(digest->context);
        free(digest);
        return NULL;
    }
    return digest;
}

void digest_add(struct digest *digest, const void *bytes, size_t length)
{
    if (EVP_DigestUpdate(digest->context, bytes, length) != 1)
        abort(); /* cannot fail for SHA-256; a silent wrong digest would be worse */
}

void digest_add_field(struct digest *digest, const void *bytes, size_t length)
{
    uint8_t prefix[8];
    for (int i = 0; i < 8; i++)
        prefix[i] = (uint8_t)((uint64_t)length >> (56 - 8 * i));
    digest_add(digest, prefix, sizeof prefix);
    digest_add(digest, bytes, length);
}

void digest_finish(struct digest *digest, uint8_t out[DIGEST_SIZE])
{
    if (EVP_DigestFinal_ex(digest->context, out, NULL) != 1)
        abort();
    EVP_MD_CTX_free(digest->context);
    free(digest);
}

void digest_of(const void *bytes, size_t length, uint8_t out[DIGEST_SIZE])
{
    if (EVP_Digest(bytes, length, out, NULL, sha256(), NULL) != 1)
        abort();
}

void digest_keyed(const void *key, size_t key_length, const void *bytes, size_t length,
                  uint8_t out[DIGEST_SIZE])
{
    unsigned size = DIGEST_SIZE;
    if (!HMAC(EVP_sha256(), key, (int)key_length, bytes, length, out, &size))
        abort();
}

void hex_encode(const uint8_t *bytes, size_t count, char *out)
{
    static const char DIGITS[] = "0123456789abcdef";
    for (size_t i = 0; i < count; i++) {
        out[2 * i] = DIGITS[bytes[i] >> 4];
        out[2 * i + 1] = DIGITS[bytes[i] & 15];
    }
    out[2 * count] = '\0';
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

bool hex_decode(const char *hex, size_t count, uint8_t *out)
{
    for (size_t i = 0; i < count; i++) {
        int high = hex_digit(hex[2 * i]), low = high < 0 ? -1 : hex_digit(hex[2 * i + 1]);
        if (low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

bool digest_same(const void *a, const void *b, size_t length)
{
    return CRYPTO_memcmp(a, b, length) == 0;
}
