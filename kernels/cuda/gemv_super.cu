/* GEMV of the types with super-blocks: a file of its own, so that they compile side by side. */
#include "kernels/cuda/gemv.cuh"

int gemv_q4_k(const gemv_plan &p, int grid_y, struct cuda_stream *stream)
{
    return run_gemv<KERNEL_Q4_K>(p, grid_y, stream);
}

int gemv_q5_k(const gemv_plan &p, int grid_y, struct cuda_stream *stream)
{
    return run_gemv<KERNEL_Q5_K>(p, grid_y, stream);
}

int gemv_q6_k(const gemv_plan &p, int grid_y, struct cuda_stream *stream)
{
    return run_gemv<KERNEL_Q6_K>(p, grid_y, stream);
}
