/* What tests may ask of the shim: in which order threads and blocks take their turns (they run
 * everything under more than one), how much ran, and a device that is lost. */
#ifndef TESTS_CUDA_SHIM_ORDER_H
#define TESTS_CUDA_SHIM_ORDER_H

#include <stddef.h>

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

/* The same, but after so many more pieces of work have been given to streams. */
void host_fail_after(int pieces, int status);

/* How many devices there are and, where none, why, and whether there should be one. */
void host_set_devices(int count, const char *why, int is_wrong);

/* Bytes of memory that are said to be free, and bytes that may really be taken from here on. */
void host_set_memory(size_t said, size_t real);

#ifdef __cplusplus
}
#endif

#endif
