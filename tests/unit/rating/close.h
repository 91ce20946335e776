/* Comparing doubles, with a name for what was compared. */
#ifndef TESTS_RATING_CLOSE_H
#define TESTS_RATING_CLOSE_H

#include <math.h>

#include "tests/testing.h"

static inline void assert_close(double got, double want, double tolerance, const char *what)
{
    if (!(fabs(got - want) <= tolerance))
        fail_msg("%s: %.12g, not %.12g", what, got, want);
}

static inline void assert_between(double got, double low, double high, const char *what)
{
    if (!(got >= low && got <= high))
        fail_msg("%s: %.6g is not from %g to %g", what, got, low, high);
}

#endif
