/* See kernels_peak.c. Needs AVX-512 VNNI. */
#ifndef TESTS_BENCH_KERNELS_PEAK_H
#define TESTS_BENCH_KERNELS_PEAK_H

#include <stddef.h>
#include <stdint.h>

double
peak_products(int64_t rounds); /* returns the operations done (a multiply and an add are two) */
void peak_read(const uint8_t *from, size_t bytes);

#endif
