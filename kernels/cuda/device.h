/* One GPU as C sees it: memory, streams, graphs, and what went wrong.
 *
 * A thin layer over the CUDA runtime, so that the engine needs none of its headers and the tests
 * can put a host in its place (tests/cuda/). Every call returns 0, or a status of the device that
 * cuda_status_text explains; nothing else reports errors. A status that cuda_status_is_lost means
 * that no call of this process can succeed on that device any more.
 *
 * A thread names its device with cuda_use before its first call. Memory and streams belong to
 * whoever made them. All copies, fills and kernels of a stream run in the order in which they were
 * given, after the call has returned; host memory of copies must be pinned (cuda_alloc_host) and
 * stay as it is until cuda_stream_wait, or cuda_event_wait of an event behind them. */
#ifndef KERNELS_CUDA_DEVICE_H
#define KERNELS_CUDA_DEVICE_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cuda_info {
    char name[64];
    int major, minor; /* compute capability */
    int multiprocessors;
    int shared_bytes; /* a block may have at most, opted in */
    size_t memory, l2_bytes;
};

/* How many there are; 0 where there is no driver or no device (that is no error). */
int cuda_count(void);

/* Why there are none, in a few words. Returns borrowed. */
const char *cuda_count_text(void);

/* There is none, though there is a driver for one: it is too old, say, or has failed. */
bool cuda_count_is_wrong(void);

int cuda_describe(int number, struct cuda_info *info);

/* The calling thread's device from now on. */
int cuda_use(int number);

const char *cuda_status_text(int status);
bool cuda_status_is_lost(int status);
bool cuda_status_is_memory(int status); /* there was not enough of it; all else is as before */

/* --- Memory --- */

int cuda_free_memory(size_t *bytes);
int cuda_alloc(void **memory, size_t bytes); /* aligned to 256; not cleared */
void cuda_release(void *memory);             /* NULL is allowed */
int cuda_alloc_host(void **memory, size_t bytes);
void cuda_release_host(void *memory);

/* --- Streams --- */

struct cuda_stream;
int cuda_stream_new(struct cuda_stream **stream);
void cuda_stream_free(struct cuda_stream *stream); /* waits first; NULL is allowed */
int cuda_stream_wait(struct cuda_stream *stream);
int cuda_copy_in(void *device, const void *host, size_t bytes, struct cuda_stream *stream);
int cuda_copy_out(void *host, const void *device, size_t bytes, struct cuda_stream *stream);
int cuda_fill(void *device, int byte, size_t bytes, struct cuda_stream *stream);

/* --- Graphs --- */

/* Between begin and end what is given to the stream is recorded, not run; the recorded work is
 * then run by launches, with the arguments it was recorded with. Nothing may be allocated, freed
 * or waited for while recording. One thread records at a time. After a failure of either call the
 * stream can be used as before. */
struct cuda_graph;
int cuda_record_begin(struct cuda_stream *stream);
int cuda_record_end(struct cuda_stream *stream, struct cuda_graph **graph);
int cuda_graph_launch(struct cuda_graph *graph, struct cuda_stream *stream);
void cuda_graph_free(struct cuda_graph *graph); /* NULL is allowed */

/* --- Events: places in a stream's work, and the time when it got there --- */

struct cuda_event;
int cuda_event_new(struct cuda_event **event);
void cuda_event_free(struct cuda_event *event); /* NULL is allowed */
int cuda_event_record(struct cuda_event *event, struct cuda_stream *stream);
int cuda_event_wait(struct cuda_event *event); /* until all that was given before it has run */
int cuda_event_milliseconds(struct cuda_event *from, struct cuda_event *to, float *milliseconds);

#ifdef __cplusplus
}
#endif
#endif
