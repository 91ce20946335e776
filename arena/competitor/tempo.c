/* Sixty-four answers are few enough to look through whenever something is asked. What an answer
 * might have taken is drawn among real ones, not taken from their line: a wait without their noise
 * would be known for what it is. */
#include "competitor/tempo.h"

#include <math.h>

#define SURE 4        /* standard errors that the growth is away from none */
#define TELLING 0.05  /* seconds by which answers' waits must differ: less is lost in the ticks */
#define APART 4       /* characters that lengths must differ by, for a line through them */
#define LEAST_S 0.001 /* no answer is expected sooner */
#define STRETCH 2     /* times, at most, that one of them is stretched or shrunk */
#define ALIKE 8       /* answers about as long, to draw one of */

/* Of the waits over the lengths, by least squares. */
struct line {
    double middle, length, slope; /* at the mean length */
    double spread, error;         /* of the lengths; of the slope */
    double noise;                 /* of the waits about the line */
};

void tempo_add(struct tempo *tempo, size_t characters, int64_t first_ns, int64_t last_ns)
{
    tempo->answers[tempo->count++ % TEMPO_MEMORY] =
        (struct tempo_answer){(double)characters, (double)first_ns / 1e9, (double)last_ns / 1e9};
}

bool tempo_is_known(const struct tempo *tempo)
{
    return tempo->count >= TEMPO_LEAST;
}

static size_t kept(const struct tempo *tempo)
{
    return tempo->count < TEMPO_MEMORY ? tempo->count : TEMPO_MEMORY;
}

enum wait { TO_FIRST, TO_LAST, BETWEEN };

static double wait_of(const struct tempo_answer *answer, enum wait wait)
{
    return wait == TO_FIRST  ? answer->first
           : wait == TO_LAST ? answer->last
                             : answer->last - answer->first;
}

static struct line line_through(const struct tempo *tempo, enum wait wait)
{
    struct line line = {0};
    double xx = 0, xy = 0, yy = 0, n = (double)kept(tempo);
    for (size_t i = 0; i < kept(tempo); i++) {
        line.length += tempo->answers[i].characters / n;
        line.middle += wait_of(&tempo->answers[i], wait) / n;
    }
    for (size_t i = 0; i < kept(tempo); i++) {
        double x = tempo->answers[i].characters - line.length;
        double y = wait_of(&tempo->answers[i], wait) - line.middle;
        xx += x * x;
        xy += x * y;
        yy += y * y;
    }
    line.spread = sqrt(xx / n);
    if (line.spread < APART)
        return line;
    line.slope = fmax(xy / xx, 0);
    line.noise = sqrt(fmax(yy - line.slope * xy, 0) / (n - 2));
    line.error = line.noise / sqrt(xx);
    return line;
}

/* By the line or by the mean, whichever is slower: who speaks in bursts has no time at all between
 * the characters of a short answer. And slower the more one answer differs from another: who halts
 * now and then is to be kept up with too. */
double tempo_pace(const struct tempo *tempo)
{
    if (!tempo_is_known(tempo))
        return 0;
    struct line line = line_through(tempo, BETWEEN);
    double pace = fmax(line.slope, fmax(line.middle, 0) / fmax(line.length, 1));
    return line.middle > 0 ? pace * (1 + line.noise / line.middle) : 0;
}

bool tempo_comes_whole(const struct tempo *tempo)
{
    if (!tempo_is_known(tempo))
        return false;
    struct line line = line_through(tempo, TO_FIRST);
    return line.slope > SURE * line.error && line.slope * line.spread > TELLING;
}

static double expected(const struct line *line, double characters)
{
    return fmax(line->middle + line->slope * (characters - line->length), LEAST_S);
}

/* The answer that is the `rank`-th nearest to that length, of those not yet `taken`. */
static const struct tempo_answer *nearest(const struct tempo *tempo, double characters, int rank)
{
    bool taken[TEMPO_MEMORY] = {false};
    size_t best = 0;
    for (int k = 0; k <= rank; k++) {
        double least = INFINITY;
        for (size_t i = 0; i < kept(tempo); i++) {
            double away = fabs(tempo->answers[i].characters - characters);
            if (!taken[i] && away < least) {
                least = away;
                best = i;
            }
        }
        taken[best] = true;
    }
    return &tempo->answers[best];
}

double tempo_draw(const struct tempo *tempo, size_t characters, double chance)
{
    enum wait wait = tempo_comes_whole(tempo) ? TO_LAST : BETWEEN;
    struct line line = line_through(tempo, wait);
    const struct tempo_answer *like = nearest(tempo, (double)characters, (int)(chance * ALIKE));
    double stretch = expected(&line, (double)characters) / expected(&line, like->characters);
    return wait_of(like, wait) * fmin(fmax(stretch, 1.0 / STRETCH), STRETCH);
}
