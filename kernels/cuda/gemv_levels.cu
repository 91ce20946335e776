/* GEMV of the types whose codes are looked up: a file of its own, so that they compile side by side. */
#include "kernels/cuda/gemv.cuh"

int gemv_iq4_nl(const gemv_plan &p, int grid_y, struct cuda_stream *stream)
{
    return run_gemv<KERNEL_IQ4_NL>(p, grid_y, stream);
}

int gemv_mxfp4(const gemv_plan &p, int grid_y, struct cuda_stream *stream)
{
    return run_gemv<KERNEL_MXFP4>(p, grid_y, stream);
}
