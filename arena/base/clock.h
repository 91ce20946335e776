/* The only places that read a clock or wait. A test may set both, so that timeouts, expiry and
 * retries are tested without sleeping. Any thread. */
#ifndef ARENA_BASE_CLOCK_H
#define ARENA_BASE_CLOCK_H

#include <stdint.h>

int64_t clock_mono_ns(void); /* never goes back; for durations and deadlines */
int64_t clock_wall_ms(void); /* Unix time in milliseconds; for records only: it may jump */
int64_t clock_cpu_ns(void);  /* what this thread has computed; for how much work something was */

/* For tests: from now on both clocks stand still at these values (until set again). Negative
 * values give real time. */
void clock_freeze(int64_t mono_ns, int64_t wall_ms);

#define CLOCK_MS INT64_C(1000000)
#define CLOCK_S INT64_C(1000000000)

#endif
