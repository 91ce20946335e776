/* In which order the shim's threads and blocks take their turns: for tests, which run everything
 * under more than one. And what the shim has counted. */
#ifndef TESTS_CUDA_SHIM_ORDER_H
#define TESTS_CUDA_SHIM_ORDER_H

#ifdef __cplusplus
extern "C" {
#endif

enum shim_order { SHIM_FORWARD, SHIM_BACKWARD, SHIM_SHUFFLED, SHIM_ORDERS };

void shim_set_order(enum shim_order order);

/* Launches so far. */
unsigned long shim_launches(void);

#ifdef __cplusplus
}
#endif

#endif
