/* Everything is computed from two looks at the same object, so it does not matter whose process
 * runs the evaluation. */
#include "command/eval_watch.h"

#include <string.h>
#include <unistd.h>

#include "base/clock.h"

enum { BAR = 24, NAME = 28 };
#define PLAIN_NS (10 * CLOCK_S)

static double number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static const char *name_of(const json_t *side)
{
    const char *name = json_string_value(json_object_get(side, "name"));
    return name ? name : "";
}

void eval_watch_init(struct eval_watch *watch, bool quiet)
{
    *watch = (struct eval_watch){.quiet = quiet, .terminal = isatty(STDERR_FILENO)};
}

/* Calls a second since the first look. */
static double rate_of(struct eval_watch *watch, const json_t *progress)
{
    double done = number(progress, "done"), seconds = number(progress, "seconds");
    if (!watch->began) {
        watch->began = true;
        watch->first_done = done;
        watch->first_s = seconds;
    }
    double passed = seconds - watch->first_s;
    return passed > 0 ? (done - watch->first_done) / passed : 0;
}

static void print_time(FILE *out, double seconds)
{
    long s = (long)seconds;
    if (s >= 3600)
        fprintf(out, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    else
        fprintf(out, "%ld:%02ld", s / 60, s % 60);
}

/* "43 %  3440/8000  98.1/s  0:46 left  $1.23  2 failed" */
static void print_totals(FILE *out, const json_t *progress, double rate)
{
    double done = number(progress, "done"), planned = number(progress, "planned"), failed = 0,
           spent = number(progress, "spent_usd"), budget = number(progress, "budget_usd");
    const json_t *side;
    size_t k;
    json_array_foreach(json_object_get(progress, "sides"), k, side) failed +=
        number(side, "failed");
    fprintf(out, "%3.0f %%  %.0f/%.0f", planned > 0 ? 100 * done / planned : 0, done, planned);
    if (rate > 0 && done < planned) {
        fprintf(out, "  %.1f/s  ", rate);
        print_time(out, (planned - done) / rate);
        fputs(" left", out);
    }
    if (spent > 0 || budget > 0)
        fprintf(out, "  $%.4g", spent);
    if (budget > 0)
        fprintf(out, " of $%.4g", budget);
    if (failed > 0)
        fprintf(out, "  %.0f failed", failed);
}

static void print_side(FILE *out, const json_t *side)
{
    double cooling = number(side, "cooling_s"), retries = number(side, "retries"),
           failed = number(side, "failed"), reused = number(side, "reused"),
           spent = number(side, "spent_usd");
    fprintf(out, "  %-*.*s %6.0f/%.0f", NAME, NAME, name_of(side), number(side, "done"),
            number(side, "planned"));
    if (json_is_true(json_object_get(side, "judge")))
        fputs(" judged", out);
    if (number(side, "under_way") > 0)
        fprintf(out, ", %.0f under way", number(side, "under_way"));
    if (reused > 0)
        fprintf(out, ", %.0f known", reused);
    if (retries > 0)
        fprintf(out, ", %.0f retries", retries);
    if (cooling > 0)
        fprintf(out, ", cooling down %.0f s", cooling);
    if (failed > 0)
        fprintf(out, ", %.0f failed", failed);
    if (spent > 0)
        fprintf(out, ", $%.4g", spent);
}

static void erase(struct eval_watch *watch)
{
    if (watch->lines > 0)
        fprintf(stderr, "\r\033[%dA\033[J", watch->lines);
    watch->lines = 0;
}

static void draw(struct eval_watch *watch, const json_t *progress)
{
    double planned = number(progress, "planned"), rate = rate_of(watch, progress);
    int full = planned > 0 ? (int)(BAR * number(progress, "done") / planned) : 0;
    const json_t *side;
    size_t k;
    erase(watch);
    fputc('[', stderr);
    for (int i = 0; i < BAR; i++)
        fputc(i < full ? '#' : '-', stderr);
    fputs("] ", stderr);
    print_totals(stderr, progress, rate);
    fputc('\n', stderr);
    watch->lines++;
    json_array_foreach(json_object_get(progress, "sides"), k, side)
    {
        print_side(stderr, side);
        fputc('\n', stderr);
        watch->lines++;
    }
    fflush(stderr);
}

static void write_line(struct eval_watch *watch, const json_t *progress)
{
    int64_t now = clock_mono_ns();
    double rate = rate_of(watch, progress);
    const json_t *side;
    size_t k;
    if (watch->plain_ns && now - watch->plain_ns < PLAIN_NS)
        return;
    watch->plain_ns = now;
    fputs("arena eval: ", stderr);
    print_totals(stderr, progress, rate);
    json_array_foreach(json_object_get(progress, "sides"), k, side)
    {
        if (number(side, "retries") > 0 || number(side, "cooling_s") > 0) {
            fputs(" |", stderr);
            print_side(stderr, side);
        }
    }
    fputc('\n', stderr);
}

void eval_watch_show(struct eval_watch *watch, const char *text)
{
    json_t *progress = text && !watch->quiet ? json_loads(text, 0, NULL) : NULL;
    if (progress && watch->terminal)
        draw(watch, progress);
    else if (progress)
        write_line(watch, progress);
    json_decref(progress);
}

void eval_watch_end(struct eval_watch *watch)
{
    if (watch->terminal)
        erase(watch);
}

void eval_watch_print(FILE *out, const json_t *progress)
{
    const json_t *side;
    size_t k;
    print_totals(out, progress, 0);
    fprintf(out, "  after ");
    print_time(out, number(progress, "seconds"));
    fprintf(out, "\n  %.0f pairs, %.0f votes of judges, %.0f malformed, %.0f disagreements\n",
            number(progress, "pairs"), number(progress, "votes"), number(progress, "malformed"),
            number(progress, "disagreements"));
    json_array_foreach(json_object_get(progress, "sides"), k, side)
    {
        print_side(out, side);
        fputc('\n', out);
    }
}
