/* A handshake holds pointers into the pair that it was given, so a replaced pair is kept until the
 * next one comes: by then every handshake begun with it is over, since pairs are exchanged at most
 * once in LIMIT_REQUEST_SECONDS, which is also what a handshake may take. */
#include "http/tls.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"

enum { PEM_BYTES = 256 << 10, CHAIN_MOST = 16 };

struct pair {
    gnutls_pcert_st chain[CHAIN_MOST];
    unsigned count;
    gnutls_privkey_t key;
};

/* When and what a file was: a renewal moves at least one of these. */
struct stamp {
    struct timespec changed;
    ino_t inode;
    off_t size;
};

struct tls {
    char *certificate, *key;
    struct stamp stamps[2];
    int64_t exchanged_ns;
    struct pair *current, *before;
};

static void pair_free(struct pair *pair)
{
    if (!pair)
        return;
    for (unsigned i = 0; i < pair->count; i++)
        gnutls_pcert_deinit(&pair->chain[i]);
    if (pair->key)
        gnutls_privkey_deinit(pair->key);
    free(pair);
}

static gnutls_datum_t datum_of(const struct buf *buf)
{
    return (gnutls_datum_t){(unsigned char *)buf->data, (unsigned)buf->length};
}

static bool read_chain(struct pair *pair, const char *path, const struct buf *text, struct err *err)
{
    gnutls_datum_t pem = datum_of(text);
    unsigned count = CHAIN_MOST;
    int code = gnutls_pcert_list_import_x509_raw(pair->chain, &count, &pem, GNUTLS_X509_FMT_PEM, 0);
    if (code < 0)
        return err_set(err, ERR_CONFIG, "%s holds no PEM certificates that can be read: %s", path,
                       gnutls_strerror(code));
    pair->count = count;
    return true;
}

static bool read_key(struct pair *pair, const char *path, const struct buf *text, struct err *err)
{
    gnutls_datum_t pem = datum_of(text);
    int code = gnutls_privkey_init(&pair->key);
    if (code >= 0)
        code = gnutls_privkey_import_x509_raw(pair->key, &pem, GNUTLS_X509_FMT_PEM, NULL, 0);
    return code >= 0 || err_set(err, ERR_CONFIG,
                                "%s holds no PEM key (without a passphrase) that can be read: %s",
                                path, gnutls_strerror(code));
}

/* The same public key on both sides. */
static bool belong_together(struct pair *pair)
{
    unsigned char ids[2][64];
    size_t sizes[2] = {sizeof ids[0], sizeof ids[1]};
    gnutls_pubkey_t public;
    if (gnutls_pubkey_init(&public) < 0)
        return false;
    bool same = gnutls_pubkey_import_privkey(public, pair->key, 0, 0) >= 0 &&
                gnutls_pubkey_get_key_id(public, 0, ids[0], &sizes[0]) >= 0 &&
                gnutls_pubkey_get_key_id(pair->chain[0].pubkey, 0, ids[1], &sizes[1]) >= 0 &&
                sizes[0] == sizes[1] && memcmp(ids[0], ids[1], sizes[0]) == 0;
    gnutls_pubkey_deinit(public);
    return same;
}

static bool read_pair(const struct tls *tls, struct pair *pair, struct err *err)
{
    struct buf chain, key;
    buf_init(&chain, PEM_BYTES);
    buf_init(&key, PEM_BYTES);
    bool good = file_read(tls->certificate, &chain, err) && file_read(tls->key, &key, err) &&
                read_chain(pair, tls->certificate, &chain, err) &&
                read_key(pair, tls->key, &key, err);
    if (good && !belong_together(pair))
        good = err_set(err, ERR_CONFIG, "the certificate in %s is not that of the key in %s",
                       tls->certificate, tls->key);
    secret_wipe(key.data, key.length);
    buf_done(&key);
    buf_done(&chain);
    return good;
}

static struct pair *pair_new(const struct tls *tls, struct err *err)
{
    struct pair *pair = calloc(1, sizeof *pair);
    if (!pair) {
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    if (read_pair(tls, pair, err))
        return pair;
    pair_free(pair);
    return NULL;
}

static struct stamp stamp_of(const char *path)
{
    struct stat file;
    if (stat(path, &file) != 0)
        return (struct stamp){.size = -1};
    return (struct stamp){file.st_mtim, file.st_ino, file.st_size};
}

static bool same_stamp(const struct stamp *a, const struct stamp *b)
{
    return a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec &&
           a->inode == b->inode && a->size == b->size;
}

struct tls *tls_new(const char *certificate, const char *key, struct err *err)
{
    struct tls *tls = calloc(1, sizeof *tls);
    if (tls) {
        tls->certificate = strdup(certificate);
        tls->key = strdup(key);
    }
    if (!tls || !tls->certificate || !tls->key) {
        err_set(err, ERR_MEMORY, "out of memory");
        tls_free(tls);
        return NULL;
    }
    tls->stamps[0] = stamp_of(certificate);
    tls->stamps[1] = stamp_of(key);
    tls->current = pair_new(tls, err);
    if (tls->current)
        return tls;
    tls_free(tls);
    return NULL;
}

void tls_free(struct tls *tls)
{
    if (!tls)
        return;
    pair_free(tls->before);
    pair_free(tls->current);
    free(tls->certificate);
    free(tls->key);
    free(tls);
}

void tls_refresh(struct tls *tls)
{
    struct stamp now[2] = {stamp_of(tls->certificate), stamp_of(tls->key)};
    int64_t time_ns = clock_mono_ns();
    if ((same_stamp(&now[0], &tls->stamps[0]) && same_stamp(&now[1], &tls->stamps[1])) ||
        time_ns - tls->exchanged_ns < (tls->before ? LIMIT_REQUEST_SECONDS : 0) * CLOCK_S)
        return;
    memcpy(tls->stamps, now, sizeof now);
    struct err err = ERR_INIT;
    struct pair *fresh = pair_new(tls, &err);
    if (!fresh) {
        log_warning("http", "the old certificate stays: %s", err.message);
        return;
    }
    pair_free(tls->before);
    tls->before = tls->current;
    tls->current = fresh;
    tls->exchanged_ns = time_ns;
    log_note("http", "a new certificate is in use: %s", tls->certificate);
}

void tls_current(const struct tls *tls, gnutls_pcert_st **chain, unsigned *count,
                 gnutls_privkey_t *key)
{
    *chain = tls->current->chain;
    *count = tls->current->count;
    *key = tls->current->key;
}
