/* PEM on the disk, so that `openssl pkeyutl -verify` needs nothing of ours; raw bytes inside. */
#include "base/sign.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/file.h"

#define KEY_FILE "arena.key"
#define PUBLIC_FILE "arena.pub"
enum { PEM_BYTES = 4096 };

/* The folder's file of that name; new, NULL without memory. */
static char *path_in(const char *folder, const char *name, struct err *err)
{
    char *path = file_join(folder, name);
    if (!path)
        err_set(err, ERR_MEMORY, "out of memory");
    return path;
}

static bool write_pem(const char *folder, const char *name, BIO *pem, unsigned mode,
                      struct err *err)
{
    char *bytes = NULL, *path = path_in(folder, name, err);
    long length = BIO_get_mem_data(pem, &bytes);
    bool ok = path && file_write(path, (struct text){bytes, (size_t)length}, mode, err);
    free(path);
    return ok;
}

static bool write_pair(const char *folder, EVP_PKEY *key, struct err *err)
{
    BIO *secret = BIO_new(BIO_s_secmem()), *open = BIO_new(BIO_s_mem());
    bool ok = secret && open &&
              PEM_write_bio_PrivateKey(secret, key, NULL, NULL, 0, NULL, NULL) == 1 &&
              PEM_write_bio_PUBKEY(open, key) == 1;
    if (!ok)
        err_set(err, ERR_MEMORY, "the signing key could not be written");
    ok = ok && write_pem(folder, PUBLIC_FILE, open, 0644, err) &&
         write_pem(folder, KEY_FILE, secret, 0600, err);
    BIO_free(secret);
    BIO_free(open);
    return ok;
}

static EVP_PKEY *make_key(const char *folder, struct err *err)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    if (!key) {
        err_set(err, ERR_INTERNAL, "libcrypto cannot make an Ed25519 key");
        return NULL;
    }
    if (write_pair(folder, key, err))
        return key;
    EVP_PKEY_free(key);
    return NULL;
}

/* A key that others can read may have signed anything. */
static bool is_secret(const char *path, struct err *err)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return err_sys(err, ERR_IO, errno, "%s: cannot look at it", path);
    return (info.st_mode & 077) == 0 ||
           err_set(err, ERR_CONFIG, "%s can be read by others: chmod 600 it", path);
}

static EVP_PKEY *read_key(const char *path, bool secret, struct err *err)
{
    struct buf pem;
    EVP_PKEY *key = NULL;
    buf_init(&pem, PEM_BYTES);
    if ((!secret || is_secret(path, err)) && file_read(path, &pem, err)) {
        BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.length);
        key = secret ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL)
                     : PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
        BIO_free(bio);
        if (!key || EVP_PKEY_get_base_id(key) != EVP_PKEY_ED25519) {
            err_set(err, ERR_FORMAT, "%s: no Ed25519 key in PEM form", path);
            EVP_PKEY_free(key);
            key = NULL;
        }
    }
    if (pem.data)
        secret_wipe(pem.data, pem.length);
    buf_done(&pem);
    return key;
}

static bool raw_public(EVP_PKEY *key, uint8_t out[SIGN_KEY_SIZE], struct err *err)
{
    size_t length = SIGN_KEY_SIZE;
    return (EVP_PKEY_get_raw_public_key(key, out, &length) == 1 && length == SIGN_KEY_SIZE) ||
           err_set(err, ERR_INTERNAL, "libcrypto gives no public key");
}

static bool sign_with(EVP_PKEY *key, struct text text, uint8_t signature[SIGN_SIZE],
                      struct err *err)
{
    size_t length = SIGN_SIZE;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool ok =
        context && EVP_DigestSignInit(context, NULL, NULL, NULL, key) == 1 &&
        EVP_DigestSign(context, signature, &length, (const uint8_t *)text.data, text.length) == 1;
    EVP_MD_CTX_free(context);
    return ok || err_set(err, ERR_INTERNAL, "libcrypto cannot sign");
}

bool sign_text(const char *folder, struct text text, uint8_t signature[SIGN_SIZE],
               uint8_t public_key[SIGN_KEY_SIZE], struct err *err)
{
    char *path = path_in(folder, KEY_FILE, err);
    if (!path)
        return false;
    EVP_PKEY *key = access(path, F_OK) == 0 ? read_key(path, true, err) : make_key(folder, err);
    free(path);
    bool ok = key && raw_public(key, public_key, err) && sign_with(key, text, signature, err);
    EVP_PKEY_free(key);
    return ok;
}

bool sign_check(struct text text, const uint8_t signature[SIGN_SIZE],
                const uint8_t public_key[SIGN_KEY_SIZE])
{
    EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public_key, SIGN_KEY_SIZE);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = key && context && EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1 &&
                EVP_DigestVerify(context, signature, SIGN_SIZE, (const uint8_t *)text.data,
                                 text.length) == 1;
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    return good;
}

bool sign_public_key(const char *folder, uint8_t public_key[SIGN_KEY_SIZE], struct err *err)
{
    char *path = path_in(folder, PUBLIC_FILE, err);
    if (!path)
        return false;
    EVP_PKEY *key = NULL;
    if (access(path, F_OK) != 0)
        err_set(err, ERR_NOT_FOUND, "%s: nothing was signed here yet", path);
    else
        key = read_key(path, false, err);
    free(path);
    bool ok = key && raw_public(key, public_key, err);
    EVP_PKEY_free(key);
    return ok;
}
