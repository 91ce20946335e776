/* What tests may ask of the shim: in which order threads and blocks take their turns (they run
 * everything under more than one), how much ran, and a device that is lost. */
#ifndef TESTS_CUDA_SHIM_ORDER_H
#define TESTS_CUDA_SHIM_ORDER_H

#ifdef __cplusplus
extern "C" {
#endif

enum shim_order { SHIM_FORWARD, SHIM_BACKWARD, SHIM_SHUFFLED, SHIM_ORDERS };

void shim_set_order(enum shim_order order);

/* Launches so far. */
unsigned long shim_launches(void);

/* From here on every call that reaches the device fails with this status, as on a lost one (above
 * 2: cuda_status_is_lost); 0: no longer. */
void host_fail(int status);

#ifdef __cplusplus
}
#endif

#endif
