/* GEMV of the types with one scale a block: a file of its own, so that they compile side by side. */
#include "kernels/cuda/gemv.cuh"

int gemv_q8_0(const gemv_plan &p, int grid_y, struct cuda_stream *stream)
{
    return run_gemv<KERNEL_Q8_0>(p, grid_y, stream);
}

int gemv_q4_0(const gemv_plan &p, int grid_y, struct cuda_stream *stream)
{
    return run_gemv<KERNEL_Q4_0>(p, grid_y, stream);
}

int gemv_q5_0(const gemv_plan &p, int grid_y, struct cuda_stream *stream)
{
    return run_gemv<KERNEL_Q5_0>(p, grid_y, stream);
}
