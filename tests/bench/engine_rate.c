/* Tokens a second of CPU time, for machines that others use too: what a thread waited for a core is
 * not the engine's doing. One kind of work a call, so that it can take turns with another engine:
 *
 *     bench_engine_rate MODEL THREADS REQUESTS PROMPT ANSWER RUNS
 *
 * ANSWER 1 measures prompts; more measures the tokens after the first, the same prompts' time taken
 * off. Best and median of RUNS. */
#include "engine/engine.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { RUNS_MOST = 64, PROMPT_MOST = 8192, VOCABULARY_USED = 30000 };

struct work {
    struct engine_model *model;
    int requests, prompt, answer;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    int left;
};

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void on_end(void *user, const struct engine_result *result)
{
    struct work *work = user;
    (void)result;
    pthread_mutex_lock(&work->lock);
    if (!--work->left)
        pthread_cond_signal(&work->ended);
    pthread_mutex_unlock(&work->lock);
}

static void fail(const struct engine_error *error)
{
    fprintf(stderr, "bench_engine_rate: %s\n", error->message);
    exit(1);
}

/* Seconds for all requests, each with a prompt nobody has seen. */
static double run(struct work *work, int answer)
{
    static int32_t tokens[PROMPT_MOST];
    struct engine_error error = {0};
    double start = cpu_seconds();
    pthread_mutex_lock(&work->lock);
    work->left = work->requests;
    for (int i = 0; i < work->requests; i++) {
        for (int t = 0; t < work->prompt; t++)
            tokens[t] = rand() % VOCABULARY_USED;
        struct engine_request request = {.tokens = tokens,
                                         .token_count = (size_t)work->prompt,
                                         .max_tokens = answer,
                                         .ignore_eos = true,
                                         .no_guesses = true,
                                         .on_end = on_end,
                                         .user = work};
        if (!engine_submit(work->model, &request, &error))
            fail(&error);
    }
    while (work->left)
        pthread_cond_wait(&work->ended, &work->lock);
    pthread_mutex_unlock(&work->lock);
    return cpu_seconds() - start;
}

static int order(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(struct work *work, int runs)
{
    double seconds[RUNS_MOST];
    for (int i = 0; i < runs; i++) {
        double prompts = work->answer > 1 ? run(work, 1) : 0;
        seconds[i] = run(work, work->answer) - prompts;
    }
    qsort(seconds, (size_t)runs, sizeof *seconds, order);
    double tokens = work->requests * (work->answer > 1 ? work->answer - 1 : work->prompt);
    printf("per CPU second: best %.1f, median %.1f tokens/s\n", tokens / seconds[0],
           tokens / seconds[runs / 2]);
}

static int number(const char *text, int most)
{
    long value = strtol(text, NULL, 10);
    if (value < 1 || value > most) {
        fprintf(stderr, "bench_engine_rate: %s is not between 1 and %d\n", text, most);
        exit(2);
    }
    return (int)value;
}

int main(int argc, char **argv)
{
    if (argc != 7) {
        fprintf(stderr, "usage: bench_engine_rate MODEL THREADS REQUESTS PROMPT ANSWER RUNS\n");
        return 2;
    }
    struct engine_error error = {0};
    struct engine_options options = {.device = "cpu", .threads = number(argv[2], 256)};
    struct engine_load_options load = {0};
    struct engine *engine = engine_new(&options, &error);
    struct work work = {.requests = number(argv[3], 256),
                        .prompt = number(argv[4], PROMPT_MOST),
                        .answer = number(argv[5], PROMPT_MOST),
                        .lock = PTHREAD_MUTEX_INITIALIZER,
                        .ended = PTHREAD_COND_INITIALIZER};
    if (!engine || !(work.model = engine_load(engine, argv[1], &load, &error)))
        fail(&error);
    measure(&work, number(argv[6], RUNS_MOST));
    engine_free(engine);
    return 0;
}
