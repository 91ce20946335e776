/* TLS of the arena's own: the certificate that it shows, read again whenever its files change.
 *
 * libmicrohttpd speaks TLS through GnuTLS and asks for the certificate at every
 * handshake, so that a renewed one is used without a restart. Files that cannot be used leave the
 * old certificate in place and a warning in the log. Loop's thread only. */
#ifndef ARENA_HTTP_TLS_H
#define ARENA_HTTP_TLS_H

#include <gnutls/abstract.h>

#include "base/err.h"

struct tls;

/* Returns new; copies the paths of the two PEM files (the chain with the server's own certificate
 * first; the key without a passphrase). ERR_CONFIG names the file that cannot be used, or says that
 * the two do not belong together. */
struct tls *tls_new(const char *certificate, const char *key, struct err *err);
void tls_free(struct tls *tls); /* after the last connection; NULL is allowed */

/* Reads the files again if one of them has changed since. Cheap: ask it once a second. */
void tls_refresh(struct tls *tls);

/* The current certificate, valid for any handshake begun before the second next change. */
void tls_current(const struct tls *tls, gnutls_pcert_st **chain, unsigned *count,
                 gnutls_privkey_t *key);

#endif
