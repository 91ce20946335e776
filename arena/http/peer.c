/* A plain list walked once a second: 8,000 comparisons are cheaper than moving a timer twice with
 * every request. */
#include "http/peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/limits.h"

/* Small enough that a slow reader is felt soon, large enough for any reply of ours at once but the
 * largest. */
enum { SEND_BUFFER_BYTES = 64 << 10 };

static void learn_four(struct peer *peer, const struct in_addr *four)
{
    peer->loopback = ntohl(four->s_addr) >> 24 == 127;
    inet_ntop(AF_INET, four, peer->address, sizeof peer->address);
}

static void learn_six(struct peer *peer, const struct in6_addr *six)
{
    struct in_addr four;
    if (IN6_IS_ADDR_V4MAPPED(six)) {
        memcpy(&four, six->s6_addr + 12, sizeof four);
        learn_four(peer, &four);
        return;
    }
    peer->loopback = IN6_IS_ADDR_LOOPBACK(six);
    inet_ntop(AF_INET6, six, peer->address, sizeof peer->address);
}

static void learn_address(struct peer *peer)
{
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;
    if (getpeername(peer->fd, (struct sockaddr *)&address, &length) != 0)
        return;
    if (address.ss_family == AF_UNIX)
        peer->administers = peer->loopback = true;
    else if (address.ss_family == AF_INET)
        learn_four(peer, &((struct sockaddr_in *)&address)->sin_addr);
    else if (address.ss_family == AF_INET6)
        learn_six(peer, &((struct sockaddr_in6 *)&address)->sin6_addr);
}

/* Addresses have many spellings, so their bytes are compared. */
static bool same_address(const char *a, const char *b)
{
    struct in6_addr one, other;
    for (int family = AF_INET;; family = AF_INET6) {
        if (inet_pton(family, a, &one) == 1 && inet_pton(family, b, &other) == 1)
            return memcmp(&one, &other, family == AF_INET ? 4 : 16) == 0;
        if (family == AF_INET6)
            return false;
    }
}

bool peers_know_proxy(const struct peers *peers, const char *address)
{
    for (const char *const *proxy = peers->proxies; proxy && *proxy; proxy++)
        if (same_address(*proxy, address))
            return true;
    return false;
}

static void limit_socket(int fd)
{
    int size = SEND_BUFFER_BYTES;
    unsigned timeout_ms = LIMIT_STALL_SECONDS * 1000;
    /* Where the system refuses (a unix socket has no TCP options) its defaults do. */
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof timeout_ms);
}

struct peer *peers_add(struct peers *peers, int fd)
{
    struct peer *peer = calloc(1, sizeof *peer);
    if (!peer)
        return NULL;
    peer->fd = fd;
    learn_address(peer);
    peer->proxy = peers_know_proxy(peers, peer->address);
    limit_socket(fd);
    peer_due(peer, LIMIT_REQUEST_SECONDS);
    peer->next = peers->first;
    peer->link = &peers->first;
    if (peer->next)
        peer->next->link = &peer->next;
    peers->first = peer;
    peers->count++;
    return peer;
}

void peers_remove(struct peers *peers, struct peer *peer)
{
    if (!peer)
        return;
    *peer->link = peer->next;
    if (peer->next)
        peer->next->link = peer->link;
    peers->count--;
    free(peer);
}

void peer_due(struct peer *peer, int seconds)
{
    peer->deadline = seconds ? clock_mono_ns() + seconds * CLOCK_S : INT64_MAX;
}

/* POLLRDHUP also where unread bytes stand before the end. */
bool peer_left(const struct peer *peer)
{
    struct pollfd fd = {.fd = peer->fd, .events = POLLRDHUP};
    return poll(&fd, 1, 0) > 0;
}

void peer_cut(struct peer *peer)
{
    shutdown(peer->fd, SHUT_RDWR);
    peer->deadline = INT64_MAX;
}

void peers_sweep(struct peers *peers, int64_t now_ns)
{
    for (struct peer *peer = peers->first; peer; peer = peer->next)
        if (peer->deadline <= now_ns)
            peer_cut(peer);
}

void peers_cut_idle(struct peers *peers)
{
    for (struct peer *peer = peers->first; peer; peer = peer->next)
        if (!peer->busy)
            peer_cut(peer);
}

void peers_cut_all(struct peers *peers)
{
    for (struct peer *peer = peers->first; peer; peer = peer->next)
        peer_cut(peer);
}
