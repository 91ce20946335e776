/* Sums for a straight line by least squares, each shrunk a little before the next answer. */
#include "competitor/tempo.h"

#define KEPT (1 - 1.0 / TEMPO_MEMORY)
#define MOST 0.5 /* of the time to the last character */
#define APART 4  /* characters that lengths must differ by, for a line through them */

void tempo_add(struct tempo *tempo, size_t characters, int64_t first_ns, int64_t last_ns)
{
    double x = (double)characters, first = (double)first_ns / 1e9, last = (double)last_ns / 1e9;
    *tempo = (struct tempo){.answers = KEPT * tempo->answers + 1,
                            .characters = KEPT * tempo->characters + x,
                            .squares = KEPT * tempo->squares + x * x,
                            .first = KEPT * tempo->first + first,
                            .first_by = KEPT * tempo->first_by + first * x,
                            .last = KEPT * tempo->last + last,
                            .last_by = KEPT * tempo->last_by + last * x};
}

static double slope(const struct tempo *tempo, double sum, double sum_by)
{
    double n = tempo->answers, spread = n * tempo->squares - tempo->characters * tempo->characters;
    if (n < TEMPO_LEAST - 1 || spread < n * n * APART * APART)
        return 0;
    double rise = (n * sum_by - tempo->characters * sum) / spread;
    return rise > 0 ? rise : 0;
}

double tempo_pace(const struct tempo *tempo)
{
    return slope(tempo, tempo->last, tempo->last_by);
}

bool tempo_comes_whole(const struct tempo *tempo)
{
    return slope(tempo, tempo->first, tempo->first_by) > MOST * tempo_pace(tempo);
}
