/* What the host's stand-ins for a device share (host_device.cpp, host_gemm.cpp). */
#ifndef TESTS_CUDA_HOST_H
#define TESTS_CUDA_HOST_H

#include "tests/cuda/shim.h"

#include "kernels/cuda/launch.cuh"

enum { STATUS_OK, STATUS_MEMORY, STATUS_MISUSE };

bool host_is_recording(const struct cuda_stream *stream);

#endif
