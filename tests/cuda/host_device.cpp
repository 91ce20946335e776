/* The host in a device's place (kernels/cuda/device.h): memory is the heap's, filled with NaNs; a
 * stream runs what it is given as late as a device may, when it is waited for, so that whoever
 * changes or frees something too early is found out; a recording keeps closures and hands them to
 * the stream at each launch of its graph. There is one device, as small as it can be while it still
 * has several multiprocessors, so that loops over blocks of work go round. */
#include "tests/cuda/host.h"

#include <algorithm>
#include <deque>
#include <functional>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <vector>

enum { MULTIPROCESSORS = 3, SHARED_BYTES = 227 * 1024, ALIGNMENT = 256 };
static const size_t MEMORY = (size_t)8 << 30;

struct cuda_graph {
    std::vector<std::function<void(void)>> work;
};

struct cuda_stream {
    struct cuda_graph *recording;
    std::deque<std::function<void(void)>> given; /* not yet run */
};

struct cuda_event {
    struct cuda_stream *stream;
    int ahead; /* times that it was recorded and not yet reached */
    struct timespec at;
};

static int failure; /* what calls that reach the device answer, once a test says so */
static std::vector<struct cuda_stream *> streams;

static int fails_after, fails_with, devices = 1, should_be_one;
static const char *why_none = "the host stands in for a device";
static size_t said_free = MEMORY, really_free = SIZE_MAX;

extern "C" void host_fail(int status)
{
    failure = status;
    fails_after = 0;
}

extern "C" void host_fail_after(int pieces, int status)
{
    fails_after = pieces;
    fails_with = status;
}

extern "C" void host_set_devices(int count, const char *why, int is_wrong)
{
    should_be_one = is_wrong;
    devices = count;
    why_none = why;
}

extern "C" void host_set_memory(size_t said, size_t real)
{
    said_free = said;
    really_free = real;
}

int device_multiprocessors(void)
{
    return MULTIPROCESSORS;
}

size_t device_shared_bytes(void)
{
    return SHARED_BYTES;
}

int host_submit(struct cuda_stream *stream, std::function<void(void)> work)
{
    if (fails_after && !--fails_after)
        failure = fails_with;
    if (failure)
        return failure;
    if (stream->recording)
        stream->recording->work.push_back(work);
    else
        stream->given.push_back(work);
    return STATUS_OK;
}

/* What a lost device had been given is gone. */
static void run_next(struct cuda_stream *stream)
{
    std::function<void(void)> work = stream->given.front();
    stream->given.pop_front();
    if (!failure)
        work();
}

static void run_all(struct cuda_stream *stream)
{
    while (!stream->given.empty())
        run_next(stream);
}

bool host_is_recording(const struct cuda_stream *stream)
{
    return stream->recording;
}

/* --- Devices --- */

int cuda_count(void)
{
    return devices;
}

const char *cuda_count_text(void)
{
    return why_none;
}

bool cuda_count_is_wrong(void)
{
    return should_be_one;
}

int cuda_describe(int number, struct cuda_info *info)
{
    if (number)
        return STATUS_MISUSE;
    *info = {};
    snprintf(info->name, sizeof info->name, "host");
    info->major = 9;
    info->multiprocessors = MULTIPROCESSORS;
    info->shared_bytes = SHARED_BYTES;
    info->memory = MEMORY;
    info->l2_bytes = (size_t)50 << 20;
    return STATUS_OK;
}

int cuda_use(int number)
{
    return number ? STATUS_MISUSE : STATUS_OK;
}

const char *cuda_status_text(int status)
{
    static const char *const TEXTS[] = {"no error", "out of memory", "misuse"};
    return status >= 0 && status < 3 ? TEXTS[status] : "unknown";
}

bool cuda_status_is_lost(int status)
{
    return status > STATUS_MISUSE;
}

bool cuda_status_is_memory(int status)
{
    return status == STATUS_MEMORY;
}

/* --- Memory --- */

int cuda_free_memory(size_t *bytes)
{
    *bytes = said_free;
    return STATUS_OK;
}

int cuda_alloc(void **memory, size_t bytes)
{
    *memory = nullptr;
    if (failure)
        return failure;
    if (bytes > MEMORY || bytes > really_free ||
        posix_memalign(memory, ALIGNMENT, bytes ? bytes : 1))
        return STATUS_MEMORY;
    really_free -= really_free < SIZE_MAX ? bytes : 0;
    memset(*memory, 0xff, bytes);
    return STATUS_OK;
}

/* As a device does: it waits for all work. */
void cuda_release(void *memory)
{
    for (struct cuda_stream *stream : streams)
        run_all(stream);
    free(memory);
}

int cuda_alloc_host(void **memory, size_t bytes)
{
    return cuda_alloc(memory, bytes);
}

void cuda_release_host(void *memory)
{
    cuda_release(memory);
}

/* --- Streams --- */

int cuda_stream_new(struct cuda_stream **stream)
{
    *stream = new struct cuda_stream();
    streams.push_back(*stream);
    return STATUS_OK;
}

void cuda_stream_free(struct cuda_stream *stream)
{
    if (!stream)
        return;
    run_all(stream);
    streams.erase(std::find(streams.begin(), streams.end(), stream));
    delete stream;
}

int cuda_stream_wait(struct cuda_stream *stream)
{
    if (stream->recording)
        return STATUS_MISUSE;
    run_all(stream);
    return failure;
}

int cuda_copy_in(void *device, const void *host, size_t bytes, struct cuda_stream *stream)
{
    return host_submit(stream, [=] {
        shim_copied();
        memcpy(device, host, bytes);
    });
}

int cuda_copy_out(void *host, const void *device, size_t bytes, struct cuda_stream *stream)
{
    return host_submit(stream, [=] {
        shim_copied();
        memcpy(host, device, bytes);
    });
}

int cuda_fill(void *device, int byte, size_t bytes, struct cuda_stream *stream)
{
    return host_submit(stream, [=] {
        shim_copied();
        memset(device, byte, bytes);
    });
}

/* --- Graphs --- */

int cuda_record_begin(struct cuda_stream *stream)
{
    if (stream->recording)
        return STATUS_MISUSE;
    stream->recording = new struct cuda_graph();
    return STATUS_OK;
}

int cuda_record_end(struct cuda_stream *stream, struct cuda_graph **graph)
{
    *graph = stream->recording;
    stream->recording = nullptr;
    return *graph ? STATUS_OK : STATUS_MISUSE;
}

int cuda_graph_launch(struct cuda_graph *graph, struct cuda_stream *stream)
{
    for (auto &work : graph->work)
        if (host_submit(stream, work))
            break;
    return failure;
}

void cuda_graph_free(struct cuda_graph *graph)
{
    delete graph;
}

/* --- Events --- */

int cuda_event_new(struct cuda_event **event)
{
    *event = new struct cuda_event();
    return STATUS_OK;
}

void cuda_event_free(struct cuda_event *event)
{
    delete event;
}

int cuda_event_record(struct cuda_event *event, struct cuda_stream *stream)
{
    event->stream = stream;
    event->ahead += !failure && !stream->recording;
    return host_submit(stream, [=] {
        event->ahead--;
        clock_gettime(CLOCK_MONOTONIC, &event->at);
    });
}

/* Runs no more than it must. */
int cuda_event_wait(struct cuda_event *event)
{
    while (event->ahead && !event->stream->given.empty())
        run_next(event->stream);
    return failure;
}

int cuda_event_milliseconds(struct cuda_event *from, struct cuda_event *to, float *milliseconds)
{
    cuda_event_wait(to);
    double seconds = (double)(to->at.tv_sec - from->at.tv_sec) +
                     1e-9 * (double)(to->at.tv_nsec - from->at.tv_nsec);
    *milliseconds = (float)(1e3 * seconds);
    return STATUS_OK;
}
