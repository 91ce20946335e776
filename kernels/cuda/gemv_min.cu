/* GEMV of the types with a scale and a minimum a block: a file of its own, so that they compile side by side. */
#include "kernels/cuda/gemv.cuh"

int gemv_q4_1(const gemv_plan &p, int grid_y, struct cuda_stream *stream)
{
    return run_gemv<KERNEL_Q4_1>(p, grid_y, stream);
}

int gemv_q5_1(const gemv_plan &p, int grid_y, struct cuda_stream *stream)
{
    return run_gemv<KERNEL_Q5_1>(p, grid_y, stream);
}
