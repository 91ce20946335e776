/* Scalar helpers that the reference's two files share. */
#ifndef KERNELS_CPU_SCALAR_H
#define KERNELS_CPU_SCALAR_H

float scalar_exp(float x);  /* see tables.h */
float scalar_tanh(float x); /* absolute error below 2e-7 */

/* Sum of 16 lanes: lane i + lane i + 8, then + 4, + 2, + 1. Overwrites them. */
float scalar_fold(float lanes[16]);

#endif
