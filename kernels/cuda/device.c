/* The CUDA runtime is linked statically: it finds the driver when it is first called, and says so
 * where there is none, so that this program starts anywhere.
 *
 * Streams are non-blocking ones (nothing here uses the default stream), which lets one model's
 * stream run while another's memory is being allocated. Recording is relaxed to the recording
 * thread alone: another thread may load a model meanwhile. */
#include "kernels/cuda/device.h"

#include "kernels/cuda/stream.h"

#include <stdio.h>
#include <stdlib.h>

#define TEXT_OF_(x) #x
#define TEXT_OF(x) TEXT_OF_(x)

struct cuda_graph {
    cudaGraphExec_t exec;
};

struct cuda_event {
    cudaEvent_t event;
};

/* A failure is also kept as the thread's "last error": taking it leaves none for a later call. */
static int status(cudaError_t error)
{
    if (error != cudaSuccess)
        cudaGetLastError();
    return (int)error;
}

/* --- Devices --- */

int cuda_count(void)
{
    int count = 0;
    return status(cudaGetDeviceCount(&count)) ? 0 : count;
}

const char *cuda_count_text(void)
{
    int count = 0, driver = 0;
    cudaError_t error = cudaGetDeviceCount(&count);
    status(error);
    if (error == cudaSuccess)
        return count ? "there are some" : "there is none";
    if (error != cudaErrorInsufficientDriver)
        return cudaGetErrorString(error);
    status(cudaDriverGetVersion(&driver)); /* 0: there is none */
    return driver ? "the NVIDIA driver is older than the CUDA runtime in this program (" TEXT_OF(
                        CUDART_VERSION) "): update the driver"
                  : "no NVIDIA driver is installed";
}

bool cuda_count_is_wrong(void)
{
    int count = 0, driver = 0;
    cudaError_t error = cudaGetDeviceCount(&count);
    status(error);
    return error != cudaSuccess && error != cudaErrorNoDevice &&
           !status(cudaDriverGetVersion(&driver)) && driver;
}

int cuda_describe(int number, struct cuda_info *info)
{
    struct cudaDeviceProp p;
    int failed = status(cudaGetDeviceProperties(&p, number));
    if (failed)
        return failed;
    *info = (struct cuda_info){
        .major = p.major,
        .minor = p.minor,
        .multiprocessors = p.multiProcessorCount,
        .shared_bytes = (int)p.sharedMemPerBlockOptin,
        .memory = p.totalGlobalMem,
        .l2_bytes = (size_t)p.l2CacheSize,
    };
    snprintf(info->name, sizeof info->name, "%.63s", p.name);
    return 0;
}

int cuda_use(int number)
{
    return status(cudaSetDevice(number));
}

const char *cuda_status_text(int code)
{
    return cudaGetErrorString((cudaError_t)code);
}

bool cuda_status_is_memory(int code)
{
    return code == (int)cudaErrorMemoryAllocation;
}

/* Errors after which the process's context on the device is unusable, by the runtime's own
 * documentation. */
bool cuda_status_is_lost(int code)
{
    static const cudaError_t LOST[] = {
        cudaErrorIllegalAddress,
        cudaErrorLaunchTimeout,
        cudaErrorAssert,
        cudaErrorHardwareStackError,
        cudaErrorIllegalInstruction,
        cudaErrorMisalignedAddress,
        cudaErrorInvalidAddressSpace,
        cudaErrorInvalidPc,
        cudaErrorLaunchFailure,
        cudaErrorECCUncorrectable,
        cudaErrorNvlinkUncorrectable,
        cudaErrorDevicesUnavailable,
        cudaErrorContextIsDestroyed,
        cudaErrorUnknown,
        cudaErrorExternalDevice,
    };
    for (size_t i = 0; i < sizeof LOST / sizeof *LOST; i++)
        if (code == (int)LOST[i])
            return true;
    return false;
}

/* --- Memory --- */

int cuda_free_memory(size_t *bytes)
{
    size_t total;
    return status(cudaMemGetInfo(bytes, &total));
}

int cuda_alloc(void **memory, size_t bytes)
{
    *memory = NULL;
    return status(cudaMalloc(memory, bytes ? bytes : 1));
}

void cuda_release(void *memory)
{
    if (memory)
        status(cudaFree(memory));
}

int cuda_alloc_host(void **memory, size_t bytes)
{
    *memory = NULL;
    return status(cudaMallocHost(memory, bytes ? bytes : 1));
}

void cuda_release_host(void *memory)
{
    if (memory)
        status(cudaFreeHost(memory));
}

/* --- Streams --- */

int cuda_stream_new(struct cuda_stream **stream)
{
    int device, major = 0;
    struct cuda_stream *made = calloc(1, sizeof *made);
    *stream = NULL;
    if (!made)
        return (int)cudaErrorMemoryAllocation;
    int failed = status(cudaGetDevice(&device));
    if (!failed)
        failed = status(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device));
    if (!failed)
        failed = status(cudaStreamCreateWithFlags(&made->stream, cudaStreamNonBlocking));
    if (failed) {
        free(made);
        return failed;
    }
    made->dependent = major >= 9;
    *stream = made;
    return 0;
}

void cuda_stream_free(struct cuda_stream *stream)
{
    if (!stream)
        return;
    status(cudaStreamSynchronize(stream->stream));
    status(cudaStreamDestroy(stream->stream));
    free(stream);
}

int cuda_stream_wait(struct cuda_stream *stream)
{
    return status(cudaStreamSynchronize(stream->stream));
}

int cuda_copy_in(void *device, const void *host, size_t bytes, struct cuda_stream *stream)
{
    return status(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, stream->stream));
}

int cuda_copy_out(void *host, const void *device, size_t bytes, struct cuda_stream *stream)
{
    return status(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, stream->stream));
}

int cuda_fill(void *device, int byte, size_t bytes, struct cuda_stream *stream)
{
    return status(cudaMemsetAsync(device, byte, bytes, stream->stream));
}

/* --- Graphs --- */

int cuda_record_begin(struct cuda_stream *stream)
{
    return status(cudaStreamBeginCapture(stream->stream, cudaStreamCaptureModeThreadLocal));
}

int cuda_record_end(struct cuda_stream *stream, struct cuda_graph **graph)
{
    cudaGraph_t recorded = NULL;
    struct cuda_graph *made = calloc(1, sizeof *made);
    int failed = status(cudaStreamEndCapture(stream->stream, &recorded));
    *graph = NULL;
    if (!failed && !made)
        failed = (int)cudaErrorMemoryAllocation;
    if (!failed)
        failed = status(cudaGraphInstantiate(&made->exec, recorded, 0));
    if (recorded)
        status(cudaGraphDestroy(recorded));
    if (failed) {
        free(made);
        return failed;
    }
    *graph = made;
    return 0;
}

int cuda_graph_launch(struct cuda_graph *graph, struct cuda_stream *stream)
{
    return status(cudaGraphLaunch(graph->exec, stream->stream));
}

void cuda_graph_free(struct cuda_graph *graph)
{
    if (!graph)
        return;
    status(cudaGraphExecDestroy(graph->exec));
    free(graph);
}

/* --- Events --- */

int cuda_event_new(struct cuda_event **event)
{
    struct cuda_event *made = calloc(1, sizeof *made);
    *event = NULL;
    int failed = made ? status(cudaEventCreate(&made->event)) : (int)cudaErrorMemoryAllocation;
    if (failed) {
        free(made);
        return failed;
    }
    *event = made;
    return 0;
}

void cuda_event_free(struct cuda_event *event)
{
    if (!event)
        return;
    status(cudaEventDestroy(event->event));
    free(event);
}

int cuda_event_record(struct cuda_event *event, struct cuda_stream *stream)
{
    return status(cudaEventRecord(event->event, stream->stream));
}

int cuda_event_wait(struct cuda_event *event)
{
    return status(cudaEventSynchronize(event->event));
}

int cuda_event_milliseconds(struct cuda_event *from, struct cuda_event *to, float *milliseconds)
{
    int failed = status(cudaEventSynchronize(to->event));
    return failed ? failed : status(cudaEventElapsedTime(milliseconds, from->event, to->event));
}
