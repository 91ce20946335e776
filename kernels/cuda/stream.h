/* What the launchers know of a stream: for the files of this folder alone. */
#ifndef KERNELS_CUDA_STREAM_H
#define KERNELS_CUDA_STREAM_H

#include <cuda_runtime_api.h>
#include <stdbool.h>

struct cuda_stream {
    cudaStream_t stream;
    bool dependent; /* kernels may start before the one ahead of them has ended (sm_90 on) */
};

#endif
