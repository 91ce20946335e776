/* Work that the last block of several to finish does for all of them. */
#ifndef KERNELS_CUDA_TICKET_CUH
#define KERNELS_CUDA_TICKET_CUH

#include "kernels/cuda/ptx.cuh"

/* Is this the last of `blocks` blocks to finish? What the others wrote before can be read then.
 * Called by every thread; `ticket` is zero before the first and left zero by the last. */
static __device__ bool is_last(unsigned *ticket, int blocks)
{
    __shared__ bool last;
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0) {
        last = atomicAdd(ticket, 1u) == (unsigned)blocks - 1;
        if (last)
            *ticket = 0;
    }
    __syncthreads();
    __threadfence();
    return last;
}

#endif
