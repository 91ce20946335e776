/* Connections: who is there, and until when.
 *
 * libmicrohttpd's own timeout only sees inactivity: a client that sends a byte a second holds its
 * slot for ever. So every connection has one deadline for what it is doing now (sending a request,
 * taking a reply, idling) and a sweep once a second shuts those down that are past it. Streams have
 * none: their own rules end them (stream.h). A peer lives from libmicrohttpd's notice of a new
 * connection to its notice of the end. Loop's thread only. */
#ifndef ARENA_HTTP_PEER_H
#define ARENA_HTTP_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PEER_ADDRESS_SIZE 46 /* INET6_ADDRSTRLEN */

struct tls;

struct peer {
    int fd;
    int64_t deadline; /* clock_mono_ns; INT64_MAX: none */
    bool administers; /* came over the data directory's socket */
    bool loopback;
    bool proxy;                      /* one of those whose word about others is believed */
    char address[PEER_ADDRESS_SIZE]; /* "192.0.2.7"; "" over the data directory's socket */
    bool bad_escape;       /* the request line under way holds an escape that is not allowed */
    bool busy;             /* a request is under way */
    const struct tls *tls; /* whose certificate it is shown; NULL: plain HTTP */
    struct peer *next, **link;
};

struct peers {
    const char *const *proxies; /* addresses, NULL-terminated; NULL: none */
    struct peer *first;
    size_t count;
};

/* Sets the socket's limits (send buffer, TCP_USER_TIMEOUT) and adds it. NULL without memory. */
struct peer *peers_add(struct peers *peers, int fd);
void peers_remove(struct peers *peers, struct peer *peer); /* frees it; NULL is allowed */

/* Does this text name one of the proxies? */
bool peers_know_proxy(const struct peers *peers, const char *address);

void peer_due(struct peer *peer, int seconds); /* from now; 0: no deadline */
bool peer_left(const struct peer *peer);       /* has it closed its end, or gone? */
void peer_cut(struct peer *peer); /* shuts the socket down; libmicrohttpd then sees its end */

void peers_sweep(struct peers *peers, int64_t now_ns); /* cuts who is past its deadline */
void peers_cut_idle(struct peers *peers);              /* cuts who has no request under way */
void peers_cut_all(struct peers *peers);

#endif
