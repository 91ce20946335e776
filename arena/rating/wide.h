/* Two versions of a hot loop, one for processors with AVX2, chosen when the program starts. Both
 * do the same operations on the same numbers in the same order, several numbers at a time: the
 * digits are the same (AVX2 alone has no fused multiply-add). Elsewhere it says nothing. */
#ifndef ARENA_RATING_WIDE_H
#define ARENA_RATING_WIDE_H

#include <stddef.h> /* __GLIBC__ */

#if defined(__SANITIZE_THREAD__)
#define WIDE_NOT /* it is not ready when the choice is made */
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WIDE_NOT
#endif
#endif

#if defined(__x86_64__) && defined(__GLIBC__) && !defined(WIDE_NOT)
#define WIDE __attribute__((target_clones("avx2", "default")))
#else
#define WIDE
#endif

#endif
