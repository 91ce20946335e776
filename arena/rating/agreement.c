/* Marks sorted by unit are counted unit by unit; both disagreements, the observed and the
 * expected, are sums over pairs of values, so the work is one sort and a small square a unit. */
#include "rating/agreement.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef double histogram[AGREEMENT_VALUES_MAX];

static int by_unit(const void *a, const void *b)
{
    const struct agreement_mark *one = a, *other = b;
    return (one->unit > other->unit) - (one->unit < other->unit);
}

/* The squared distance of values c < k; `total` counts all marks. */
static double distance(enum agreement_metric metric, const histogram total, size_t c, size_t k)
{
    double between = 0;
    switch (metric) {
    case AGREEMENT_NOMINAL:
        return 1;
    case AGREEMENT_INTERVAL:
        return (double)((k - c) * (k - c));
    default:
        for (size_t value = c; value <= k; value++)
            between += total[value];
        between -= (total[c] + total[k]) / 2;
        return between * between;
    }
}

/* Over all pairs of values, how often they meet times how far they are apart. */
static double disagreement(enum agreement_metric metric, const histogram total,
                           const histogram marks, size_t values)
{
    double sum = 0;
    for (size_t k = 1; k < values; k++)
        for (size_t c = 0; c < k; c++)
            sum += marks[c] * marks[k] * distance(metric, total, c, k);
    return sum;
}

/* The marks of the unit at `from`; gives where the next one begins. */
static size_t count_unit(const struct agreement_mark *marks, size_t count, size_t from,
                         histogram out)
{
    size_t at = from;
    memset(out, 0, sizeof(histogram));
    for (; at < count && marks[at].unit == marks[from].unit; at++)
        out[marks[at].value]++;
    return at;
}

static void count_all(const struct agreement_mark *marks, size_t count, struct agreement *out,
                      histogram total)
{
    histogram unit;
    memset(total, 0, sizeof(histogram));
    for (size_t at = 0, next; at < count; at = next) {
        next = count_unit(marks, count, at, unit);
        if (next - at < 2)
            continue;
        out->units++;
        out->marks += next - at;
        for (size_t value = 0; value < AGREEMENT_VALUES_MAX; value++)
            total[value] += unit[value];
    }
}

static double alpha_of(const struct agreement_mark *marks, size_t count, size_t values,
                       enum agreement_metric metric, struct agreement *out)
{
    histogram total, unit;
    double observed = 0;
    count_all(marks, count, out, total);
    for (size_t at = 0, next; at < count; at = next) {
        next = count_unit(marks, count, at, unit);
        if (next - at >= 2)
            observed += disagreement(metric, total, unit, values) / (double)(next - at - 1);
    }
    double expected = disagreement(metric, total, total, values);
    return expected > 0 ? 1 - (double)(out->marks - 1) * observed / expected : NAN;
}

bool agreement_of(const struct agreement_mark *marks, size_t count, size_t values,
                  enum agreement_metric metric, struct agreement *out, struct err *err)
{
    *out = (struct agreement){.alpha = NAN};
    for (size_t i = 0; i < count; i++)
        if (marks[i].value >= values || values > AGREEMENT_VALUES_MAX)
            return err_set(err, ERR_BAD_REQUEST, "a mark's value is %u, of %zu at most %d",
                           marks[i].value, values, AGREEMENT_VALUES_MAX);
    if (count == 0)
        return true;
    struct agreement_mark *sorted = malloc(count * sizeof *sorted);
    if (!sorted)
        return err_set(err, ERR_MEMORY, "no memory for %zu marks", count);
    memcpy(sorted, marks, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, by_unit);
    out->alpha = alpha_of(sorted, count, values, metric, out);
    free(sorted);
    return true;
}
