/* A socket left in the data directory by a killed process is removed before ours is bound: the
 * directory's lock has told already that nobody else lives there. */
#include "http/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

enum { BACKLOG = 1024, ACCEPTS_A_TURN = 64, PAUSE_MS = 100 };

static bool read_port(const char *text, in_port_t *port)
{
    char *end = NULL;
    if (*text < '0' || *text > '9')
        return false;
    unsigned long value = strtoul(text, &end, 10);
    *port = htons((uint16_t)value);
    return !*end && value <= 65535;
}

bool listener_read_address(const char *text, struct sockaddr_storage *address, socklen_t *length,
                           struct err *err)
{
    struct sockaddr_in *four = (struct sockaddr_in *)address;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)address;
    char host[64];
    const char *colon = strrchr(text, ':');
    size_t size = colon ? (size_t)(colon - text) : 0;
    in_port_t port = 0;
    *address = (struct sockaddr_storage){0};
    if (!colon || !size || size >= sizeof host || !read_port(colon + 1, &port))
        goto bad;
    memcpy(host, text, size);
    host[size] = '\0';
    if (strcmp(host, "localhost") == 0)
        memcpy(host, "127.0.0.1", sizeof "127.0.0.1");
    if (host[0] == '[' && host[size - 1] == ']') {
        host[size - 1] = '\0';
        *length = sizeof *six;
        six->sin6_family = AF_INET6;
        six->sin6_port = port;
        if (inet_pton(AF_INET6, host + 1, &six->sin6_addr) == 1)
            return true;
    } else {
        *length = sizeof *four;
        four->sin_family = AF_INET;
        four->sin_port = port;
        if (inet_pton(AF_INET, host, &four->sin_addr) == 1)
            return true;
    }
bad:
    return err_set(
        err, ERR_CONFIG,
        "cannot listen on \"%.100s\": an address looks like 127.0.0.1:8080 or [::1]:8080", text);
}

bool listener_is_loopback(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)address)->sin6_addr);
}

/* Out of descriptors: epoll would tell us of the same client again and again, so look away for a
 * moment. */
static void pause_accepting(struct listener *listener)
{
    log_warning("http", "cannot accept a connection: %s", strerror(errno));
    loop_fd_stop(listener->loop, &listener->handle);
    if (!loop_timer_start(listener->loop, &listener->pause, clock_mono_ns() + PAUSE_MS * CLOCK_MS))
        loop_fd_start(listener->loop, &listener->handle, EPOLLIN);
}

static void resume_accepting(void *user)
{
    struct listener *listener = user;
    loop_fd_start(listener->loop, &listener->handle, EPOLLIN);
}

static void on_ready(void *user, uint32_t events)
{
    (void)events;
    struct listener *listener = user;
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        struct sockaddr_storage address = {0};
        socklen_t length = sizeof address;
        int fd = accept4(listener->handle.fd, (struct sockaddr *)&address, &length,
                         SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            listener->accepted(listener->user, fd, (struct sockaddr *)&address, length);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            pause_accepting(listener);
        if (errno != ECONNABORTED && errno != EINTR)
            return;
    }
}

static bool start(struct listener *listener, struct loop *loop, int fd)
{
    listener->loop = loop;
    listener->handle = (struct loop_fd){.fd = fd, .ready = on_ready, .user = listener};
    listener->pause = (struct loop_timer){.expired = resume_accepting, .user = listener};
    return listen(fd, BACKLOG) == 0 && loop_fd_start(loop, &listener->handle, EPOLLIN);
}

bool listener_open_tcp(struct listener *listener, struct loop *loop,
                       const struct sockaddr_storage *address, socklen_t length, struct err *err)
{
    int one = 1, fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (fd >= 0 && bind(fd, (const struct sockaddr *)address, length) == 0 &&
        start(listener, loop, fd))
        return true;
    int errnum = errno;
    if (fd >= 0)
        close(fd);
    if (errnum == EADDRINUSE)
        return err_set(
            err, ERR_CONFLICT,
            "the port is taken by another program: give another one with --listen, or end it");
    return err_sys(err, ERR_IO, errnum, "cannot listen there");
}

bool listener_open_unix(struct listener *listener, struct loop *loop, const char *path,
                        struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return err_set(err, ERR_CONFIG, "the path %s is too long for a socket: at most %zu bytes",
                       path, sizeof address.sun_path - 1);
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    unlink(path);
    mode_t before = umask(0177); /* the socket is 0600 from its first moment */
    bool bound = fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof address) == 0;
    umask(before);
    if (bound && start(listener, loop, fd)) {
        listener->path = strdup(path);
        return true;
    }
    err_sys(err, ERR_IO, errno, "cannot listen on %s", path);
    if (fd >= 0)
        close(fd);
    return false;
}

void listener_close(struct listener *listener)
{
    if (!listener->loop)
        return;
    loop_timer_stop(listener->loop, &listener->pause);
    loop_fd_stop(listener->loop, &listener->handle);
    close(listener->handle.fd);
    if (listener->path)
        unlink(listener->path);
    free(listener->path);
    listener->path = NULL;
    listener->loop = NULL;
}

unsigned listener_port(const struct listener *listener)
{
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;
    if (getsockname(listener->handle.fd, (struct sockaddr *)&address, &length) != 0)
        return 0;
    return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                               : ((struct sockaddr_in *)&address)->sin_port);
}
