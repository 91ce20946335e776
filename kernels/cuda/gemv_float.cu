/* GEMV of the float types: a file of its own, so that they compile side by side. */
#include "kernels/cuda/gemv.cuh"

int gemv_f32(const gemv_plan &p, int grid_y, struct cuda_stream *stream)
{
    return run_gemv<KERNEL_F32>(p, grid_y, stream);
}

int gemv_f16(const gemv_plan &p, int grid_y, struct cuda_stream *stream)
{
    return run_gemv<KERNEL_F16>(p, grid_y, stream);
}

int gemv_bf16(const gemv_plan &p, int grid_y, struct cuda_stream *stream)
{
    return run_gemv<KERNEL_BF16>(p, grid_y, stream);
}
