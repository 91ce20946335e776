/* The remote client under load: what an event costs from the socket to the lane.
 *
 *     bench_remote [STREAMS] [EVENTS_A_SECOND] [SECONDS]      500 50 10 by default; 0 events a
 *                                                             second: idle streams
 *     bench_remote serve [EVENTS_A_SECOND] [SECONDS]          the stand-in alone, for another
 *                                                             client; prints its port
 *
 * The stand-in is a process of its own that sends every stream the same recorded bytes, one
 * event a write, as providers do. CPU time is the client's alone, user and system. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "competitor/roster.h"

enum { STREAMS_A_KEY = 20 /* where the limiter of a key begins */, MOST_STREAMS = 4000 };

static const char HEAD[] =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nx-request-id: r\r\n\r\n";
#define CHUNK(delta, finish)                                                                       \
    "data: "                                                                                       \
    "{\"id\":\"chatcmpl-DPTMjXC4ucHgeUZnBD9Yid0GDGoR9\",\"object\":\"chat.completion.chunk\","     \
    "\"created\":"                                                                                 \
    "1774979051,\"model\":\"gpt-4.1-mini-2025-04-14\",\"service_tier\":\"default\",\"system_"      \
    "fingerprint\":\"fp_7d\","                                                                     \
    "\"choices\":[{\"index\":0,\"delta\":" delta ",\"logprobs\":null,\"finish_reason\":" finish    \
    "}],\"usage\":null,"                                                                           \
    "\"obfuscation\":\"0eNKBfTq\"}\n\n"
static const char EVENT[] = CHUNK("{\"content\":\" standing\"}", "null");
static const char LAST[] = CHUNK("{}", "\"stop\"") "data: [DONE]\n\n";

/* --- the stand-in --- */

static void pin(int core)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    sched_setaffinity(0, sizeof set, &set);
}

static int listen_anywhere(int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, length) != 0 || listen(fd, 4096) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &length) != 0) {
        perror("bench_remote");
        exit(1);
    }
    *port = ntohs(address.sin_port);
    return fd;
}

struct stream {
    int fd;
    int64_t began;
    int64_t sent; /* events */
};

/* Answers as soon as a request's first bytes came: nobody reads what it says. */
static void take_connections(int listener, struct stream *streams, size_t *count)
{
    char request[8192];
    int fd;
    while (*count < MOST_STREAMS && (fd = accept(listener, NULL, NULL)) >= 0) {
        if (read(fd, request, sizeof request) > 0 && write(fd, HEAD, sizeof HEAD - 1) > 0)
            streams[(*count)++] = (struct stream){fd, clock_mono_ns(), 0};
    }
}

/* Sends what is due; false when it is over. */
static bool serve_stream(struct stream *stream, double rate, double seconds)
{
    double age = (double)(clock_mono_ns() - stream->began) / 1e9;
    bool ok = true;
    while (ok && (double)stream->sent < fmin(age, seconds) * rate) {
        ok = write(stream->fd, EVENT, sizeof EVENT - 1) > 0;
        stream->sent++;
    }
    if (ok && age < seconds)
        return true;
    if (ok)
        ok = write(stream->fd, LAST, sizeof LAST - 1) > 0;
    close(stream->fd);
    return false;
}

static void serve(int listener, double rate, double seconds)
{
    static struct stream streams[MOST_STREAMS];
    size_t count = 0;
    signal(SIGPIPE, SIG_IGN);
    fcntl(listener, F_SETFL, O_NONBLOCK);
    for (;;) {
        take_connections(listener, streams, &count);
        for (size_t i = 0; i < count;)
            if (serve_stream(&streams[i], rate, seconds))
                i++;
            else
                streams[i] = streams[--count];
        usleep(1000);
    }
}

/* --- the client --- */

struct load {
    struct loop *loop;
    uint64_t events, bytes, failed;
    size_t left;
};

static void on_delta(void *user, enum chat_channel channel, struct text text)
{
    struct load *load = user;
    (void)channel;
    load->events++;
    load->bytes += text.length;
}

static void on_end(void *user, const struct chat_end *end)
{
    struct load *load = user;
    if (end->finish != CHAT_STOP && end->finish != CHAT_EMPTY && !load->failed++)
        fprintf(stderr, "a stream failed: %s\n", end->error.message);
    if (--load->left == 0)
        loop_stop(load->loop);
}

static json_t *rows(size_t streams, int port)
{
    json_t *list = json_array();
    for (size_t i = 0; i * STREAMS_A_KEY < streams; i++) {
        char name[32], url[64];
        snprintf(name, sizeof name, "rival %zu", i);
        snprintf(url, sizeof url, "http://127.0.0.1:%d/v1/%zu", port, i);
        json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:s,s:i}", "name", name, "provider",
                                              "openai-compatible", "model", "m", "base_url", url,
                                              "retries", 0));
    }
    return list;
}

static double cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static double resident_kib(void)
{
    long pages = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file && fscanf(file, "%ld %ld", &pages, &resident) != 2)
        resident = 0;
    if (file)
        fclose(file);
    return (double)resident * (double)sysconf(_SC_PAGESIZE) / 1024;
}

struct figures {
    double cpu, wall, memory; /* seconds, seconds, KiB */
};

static void watch(struct load *load, struct figures *figures)
{
    double cpu = cpu_seconds();
    int64_t began = clock_mono_ns();
    while (load->left) {
        double now = resident_kib();
        figures->memory = now > figures->memory ? now : figures->memory;
        int64_t until = clock_mono_ns() + CLOCK_S;
        while (load->left && clock_mono_ns() < until)
            loop_turn(load->loop, 100);
    }
    figures->cpu = cpu_seconds() - cpu;
    figures->wall = (double)(clock_mono_ns() - began) / 1e9;
}

static int run(size_t streams, double rate, int port)
{
    struct err err = ERR_INIT;
    struct load load = {.loop = loop_new(&err), .left = streams};
    struct chat_message message = {CHAT_USER, TEXT("Tell me a story.")};
    struct chat_sink sink = {.delta = on_delta, .end = on_end, .user = &load};
    struct figures figures = {0};
    json_t *list = rows(streams, port);
    struct roster *roster =
        load.loop ? roster_open(load.loop, list, &(struct roster_options){.folder = "."}, &err)
                  : NULL;
    if (!roster) {
        fprintf(stderr, "bench_remote: %s\n", err.message);
        return 1;
    }
    double before = resident_kib();
    for (size_t i = 0; i < streams; i++)
        competitor_chat(roster_at(roster, i / STREAMS_A_KEY), &message, 1, NULL, &sink, &err);
    watch(&load, &figures);
    printf("%zu streams, %.0f events/s each, %.1f s: %" PRIu64 " events, %" PRIu64 " failed\n",
           streams, rate, figures.wall, load.events, load.failed);
    printf("CPU %.3f s, %.1f %% of a core", figures.cpu, 100 * figures.cpu / figures.wall);
    if (load.events)
        printf(", %.2f us an event", figures.cpu * 1e6 / (double)load.events);
    printf("\nmemory %.1f KiB a stream\n", (figures.memory - before) / (double)streams);
    roster_free(roster);
    loop_free(load.loop);
    json_decref(list);
    return load.failed ? 1 : 0;
}

int main(int argc, char **argv)
{
    bool alone = argc > 1 && strcmp(argv[1], "serve") == 0;
    size_t streams = argc > 1 && !alone ? strtoul(argv[1], NULL, 10) : 500;
    double rate = argc > 2 ? strtod(argv[2], NULL) : 50,
           seconds = argc > 3 ? strtod(argv[3], NULL) : 10;
    int port, listener = listen_anywhere(&port);
    if (alone) {
        printf("%d\n", port);
        fflush(stdout);
        serve(listener, rate, seconds);
    }
    pid_t child = fork();
    if (child == 0) {
        pin(1);
        serve(listener, rate, seconds);
    }
    close(listener);
    pin(0);
    int code = run(streams, rate, port);
    kill(child, SIGTERM);
    waitpid(child, NULL, 0);
    return code;
}
