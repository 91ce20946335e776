/* The loop's order, timers, descriptors and messages, and the workers behind it. */
#include "testing.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "loop/loop.h"
#include "loop/worker.h"

static char trace[256];

static void note(void *data)
{
    size_t used = strlen(trace);
    snprintf(trace + used, sizeof trace - used, "%s", (const char *)data);
}

static void timers_run_in_order_and_can_be_stopped(void **state)
{
    (void)state;
    struct loop *loop = loop_new(NULL);
    trace[0] = '\0';
    clock_freeze(0, 0);
    static const char *const NAMES[] = {"a", "b", "c", "d", "e"};
    static const int64_t WHEN[] = {30, 10, 50, 20, 40};
    struct loop_timer timers[5];
    for (int i = 0; i < 5; i++) {
        timers[i] = (struct loop_timer){.expired = note, .user = (void *)NAMES[i]};
        loop_timer_start(loop, &timers[i], WHEN[i]);
    }
    loop_timer_stop(loop, &timers[4]);
    loop_timer_start(loop, &timers[2], 25); /* moved */
    clock_freeze(100, 0);
    loop_turn(loop, 0);
    assert_string_equal(trace, "bdca");
    clock_freeze(-1, -1);
    loop_free(loop);
}

static void many_timers_keep_the_heap(void **state)
{
    (void)state;
    enum { COUNT = 500 };
    static struct loop_timer timers[COUNT];
    static char none[] = "";
    struct loop *loop = loop_new(NULL);
    clock_freeze(0, 0);
    for (int round = 0; round < 20; round++)
        for (int i = 0; i < COUNT; i++) {
            timers[i].expired = note;
            timers[i].user = none;
            if ((i * 7 + round) % 3)
                loop_timer_start(loop, &timers[i], (i * 7919 + round * 104729) % 10007);
            else
                loop_timer_stop(loop, &timers[i]);
        }
    for (int64_t now = 0; now <= 10007; now += 500) {
        clock_freeze(now, 0);
        loop_turn(loop, 0);
        for (int i = 0; i < COUNT; i++)
            assert_true(!timers[i].place || timers[i].when > now);
    }
    clock_freeze(-1, -1);
    loop_free(loop);
}

struct pipe_end {
    struct loop *loop;
    struct loop_fd handle, *other;
    int calls;
};

static void stop_both(void *user, uint32_t events)
{
    struct pipe_end *end = user;
    (void)events;
    end->calls++;
    loop_fd_stop(end->loop, &end->handle);
    loop_fd_stop(end->loop, end->other);
}

static void a_stopped_descriptor_is_never_called(void **state)
{
    (void)state;
    struct loop *loop = loop_new(NULL);
    int pipes[2][2];
    struct pipe_end ends[2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pipe(pipes[i]), 0);
        assert_int_equal(write(pipes[i][1], "x", 1), 1);
        ends[i] = (struct pipe_end){.loop = loop, .other = &ends[1 - i].handle};
        ends[i].handle = (struct loop_fd){.fd = pipes[i][0], .ready = stop_both, .user = &ends[i]};
        assert_true(loop_fd_start(loop, &ends[i].handle, EPOLLIN));
    }
    loop_turn(loop, 100);
    loop_turn(loop, 0);
    assert_int_equal(ends[0].calls + ends[1].calls,
                     1); /* both were ready; the first stopped the second */
    for (int i = 0; i < 2; i++) {
        close(pipes[i][0]);
        close(pipes[i][1]);
    }
    loop_free(loop);
}

enum { POSTS = 20000 };

struct counting {
    struct loop *loop;
    int next[2], out_of_order;
};

struct post {
    struct counting *counting;
    int thread, number;
};

static void count(void *data)
{
    struct post *post = data;
    struct counting *counting = post->counting;
    counting->out_of_order += post->number != counting->next[post->thread]++;
    if (counting->next[0] == POSTS && counting->next[1] == POSTS)
        loop_stop(counting->loop);
    free(post);
}

static void *post_many(void *data)
{
    struct post *first = data;
    for (int i = 0; i < POSTS; i++) {
        struct post *post = malloc(sizeof *post);
        *post = (struct post){first->counting, first->thread, i};
        loop_post(first->counting->loop, count, post);
    }
    return NULL;
}

static void messages_of_two_threads_all_arrive_in_order(void **state)
{
    (void)state;
    struct counting counting = {.loop = loop_new(NULL)};
    struct post firsts[2] = {{&counting, 0, 0}, {&counting, 1, 0}};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, post_many, &firsts[i]);
    loop_run(counting.loop);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(counting.out_of_order, 0);
    loop_free(counting.loop);
}

struct sum {
    struct loop *loop;
    int value, done, cancelled, expected;
};

static void add_one(void *data)
{
    struct sum *sum = *(struct sum **)data;
    __atomic_add_fetch(&sum->value, 1, __ATOMIC_RELAXED);
}

static void added(void *data, bool cancelled)
{
    struct sum *sum = *(struct sum **)data;
    sum->cancelled += cancelled;
    if (++sum->done == sum->expected)
        loop_stop(sum->loop);
    free(data);
}

static bool submit(struct workers *workers, struct sum *sum)
{
    struct sum **job = malloc(sizeof *job);
    *job = sum;
    if (workers_submit(workers, add_one, added, job, NULL))
        return true;
    free(job);
    return false;
}

static void workers_do_every_job_once(void **state)
{
    (void)state;
    struct sum sum = {.loop = loop_new(NULL), .expected = 500};
    struct workers *workers = workers_new(sum.loop, 2, NULL);
    for (int i = 0; i < sum.expected; i++)
        assert_true(submit(workers, &sum));
    loop_run(sum.loop);
    assert_int_equal(sum.value, 500);
    assert_int_equal(sum.cancelled, 0);
    int more = 0;
    sum.expected = -1;
    for (int i = 0; i < 5000; i++)
        more += submit(workers, &sum);
    workers_free(workers);
    loop_turn(sum.loop, 0);
    assert_int_equal(sum.done, 500 + more); /* run or handed back, none lost */
    assert_int_equal(sum.value + sum.cancelled, 500 + more);
    loop_free(sum.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_run_in_order_and_can_be_stopped),
        cmocka_unit_test(many_timers_keep_the_heap),
        cmocka_unit_test(a_stopped_descriptor_is_never_called),
        cmocka_unit_test(messages_of_two_threads_all_arrive_in_order),
        cmocka_unit_test(workers_do_every_job_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
