/* The lock guards what other threads touch: the inbox, the list of those alive, the counters. All
 * else (waiting and running lists, pages, requests' state) is the scheduler's own, and steps and
 * callbacks run without the lock, so that a callback may submit or cancel.
 *
 * A turn of the thread's loop waits for one step of each model. Before it does, a model on a device
 * is given the step after that one too, whose tokens are still being drawn: the device goes from
 * one to the other by itself. What a request does is then known one step late: a token drawn past
 * its end is thrown away, and its pages and memory stay until the last step with it has landed.
 * Nobody in a step under way is made to give pages back: where that is needed no step is started
 * ahead, and the next turn finds all landed. */
#include "engine/scheduler.h"

#include "engine/error.h"
#include "engine/threads.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    GUESSING_REQUESTS =
        4, /* more requests decoding at once share each read of the weights well enough already */
};

struct queue {
    struct request *first, **end;
};

/* A step that a backend has been given. */
struct flight {
    struct engine_model *model;
    struct backend_step step;
    struct request **requests; /* of its slices */
    bool submitted, has_guesses;
    struct engine_error error;
};

enum { MOST_SLICES = 2 * SCHEDULER_MAX_RUNNING }; /* a turn starts two steps of a model at most */

/* What the steps of a turn point to. */
struct turn {
    struct backend_slice slices[MOST_SLICES];
    struct request *requests[MOST_SLICES];
    struct flight flights[MOST_SLICES];
    int slice_count, flight_count;
};

struct scheduler {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t news;
    /* Under the lock. */
    struct queue inbox;
    struct request *alive;
    int alive_count;
    uint64_t last_id;
    bool stop, look; /* look: something other than an arrival has changed (a cancel, a model) */
    struct engine_model *models;
    struct engine_metrics metrics;
    /* The thread's own. */
    struct queue waiting;
    struct request *running[SCHEDULER_MAX_RUNNING]; /* in the order of admission */
    int running_count, max_running, max_alive;
    int lingering;                                     /* over, but in a step under way */
    bool settle;                                       /* let all steps land before the next ones */
    uint64_t steps, preempted, guessed, guessed_right; /* copied to the metrics between steps */
    struct turn turns[2]; /* in turns: a step that runs ahead lands in the turn after its own */
    struct turn *turn;
};

/* --- Lists --- */

static void queue_init(struct queue *queue)
{
    queue->first = NULL;
    queue->end = &queue->first;
}

static void queue_append(struct queue *queue, struct request *r)
{
    r->next = NULL;
    *queue->end = r;
    queue->end = &r->next;
}

/* In front of all that have its priority; the background stands behind the others. */
static void queue_prepend(struct queue *queue, struct request *r)
{
    struct request **link = &queue->first;
    while (r->background && *link && !(*link)->background)
        link = &(*link)->next;
    r->next = *link;
    *link = r;
    if (!r->next)
        queue->end = &r->next;
}

/* Behind all that have its priority. */
static void queue_insert(struct queue *queue, struct request *r)
{
    struct request **link = &queue->first;
    if (r->background) {
        queue_append(queue, r);
        return;
    }
    while (*link && !(*link)->background)
        link = &(*link)->next;
    r->next = *link;
    *link = r;
    if (!r->next)
        queue->end = &r->next;
}

/* Takes out the request that `link` points to. */
static struct request *queue_remove(struct queue *queue, struct request **link)
{
    struct request *r = *link;
    *link = r->next;
    if (queue->end == &r->next)
        queue->end = link;
    r->next = NULL;
    return r;
}

static void running_remove(struct scheduler *s, struct request *r)
{
    int i = 0;
    while (s->running[i] != r)
        i++;
    s->running_count--;
    memmove(&s->running[i], &s->running[i + 1],
            (size_t)(s->running_count - i) * sizeof *s->running);
}

/* --- Ends --- */

static void count_end(struct scheduler *s, const struct request *r, enum engine_finish finish)
{
    struct engine_metrics *m = &s->metrics;
    double now = request_clock();
    m->cancelled += finish == ENGINE_CANCELLED;
    m->failed += finish == ENGINE_FAILED;
    m->prompt_tokens += (uint64_t)r->prompt;
    m->cached_tokens += (uint64_t)r->cached;
    m->output_tokens += r->prompt ? r->tokens.count - (size_t)r->prompt : 0;
    if (r->first_token > 0) {
        m->prefill_seconds += r->first_token - r->admitted;
        m->decode_seconds += now - r->first_token;
    }
}

/* Neither a list nor a step has the request any more. */
static void forget(struct scheduler *s, struct request *r)
{
    struct engine_model *model = r->model;
    cache_release(model->cache, &r->sequence);
    request_free(r);
    pthread_mutex_lock(&s->lock);
    model->requests--;
    pthread_mutex_unlock(&s->lock);
}

/* The request, which is in none of the thread's lists any more, is over. */
static void end_request(struct scheduler *s, struct request *r, enum engine_finish finish,
                        const struct engine_error *error)
{
    pthread_mutex_lock(&s->lock);
    if (r->prev_alive)
        r->prev_alive->next_alive = r->next_alive;
    else
        s->alive = r->next_alive;
    if (r->next_alive)
        r->next_alive->prev_alive = r->prev_alive;
    s->alive_count--;
    count_end(s, r, finish);
    pthread_mutex_unlock(&s->lock);
    request_send(r);
    request_end(r, finish, error);
    r->over = true;
    s->lingering += r->flights > 0;
    if (!r->flights)
        forget(s, r);
}

/* --- Arrivals and cancels --- */

static void take_arrivals(struct scheduler *s, struct queue arrivals)
{
    struct engine_error error = {0};
    while (arrivals.first) {
        struct request *r = queue_remove(&arrivals, &arrivals.first);
        if (atomic_load(&r->cancelled))
            end_request(s, r, ENGINE_CANCELLED, NULL);
        else if (request_prepare(r, &error))
            queue_insert(&s->waiting, r);
        else
            end_request(s, r, ENGINE_FAILED, &error);
    }
}

static void drop_cancelled(struct scheduler *s)
{
    for (struct request **link = &s->waiting.first; *link;)
        if (atomic_load(&(*link)->cancelled))
            end_request(s, queue_remove(&s->waiting, link), ENGINE_CANCELLED, NULL);
        else
            link = &(*link)->next;
    for (int i = s->running_count; i-- > 0;) {
        struct request *r = s->running[i];
        if (!atomic_load(&r->cancelled))
            continue;
        running_remove(s, r);
        end_request(s, r, ENGINE_CANCELLED, NULL);
    }
}

/* --- Giving way --- */

/* The request gives its pages back and waits, in front of all others of its priority, to be
 * computed again. */
static void preempt(struct scheduler *s, struct request *r)
{
    running_remove(s, r);
    cache_release(r->model->cache, &r->sequence);
    request_send(r);
    r->planned = 0;
    s->preempted++;
    queue_prepend(&s->waiting, r);
}

/* Of the model's running requests (NULL: of all), or of those in the background; NULL: none. */
static struct request *youngest(const struct scheduler *s, const struct engine_model *model,
                                bool background)
{
    for (int i = s->running_count; i-- > 0;)
        if ((!model || s->running[i]->model == model) && s->running[i]->background >= background)
            return s->running[i];
    return NULL;
}

/* --- Admission --- */

static int pages_for(int positions)
{
    return (positions + CACHE_BLOCK - 1) / CACHE_BLOCK;
}

/* A request starts when its model has pages for all its tokens and one more; known pages count as
 * had. */
static bool admit(struct scheduler *s, struct request *r)
{
    struct cache *cache = r->model->cache;
    int known = 0;
    if (!r->logits)
        known = cache_match(cache, &r->sequence, r->tokens.ids, (int)r->tokens.count);
    int needed = pages_for((int)r->tokens.count + (r->logits ? 0 : 1)) - r->sequence.count;
    if (needed > cache_free_pages(cache)) {
        cache_release(cache, &r->sequence);
        return false;
    }
    r->computed = r->landed = known;
    if (r->admitted == 0) {
        r->admitted = request_clock();
        r->cached = known;
    }
    s->running[s->running_count++] = r;
    return true;
}

static bool is_blocked(struct engine_model *const *blocked, int count,
                       const struct engine_model *model)
{
    for (int i = 0; i < count; i++)
        if (blocked[i] == model)
            return true;
    return false;
}

/* Who is not of the background takes the place of the background, and its pages. They wait behind
 * it then, so its link in the queue stays as it is. */
static bool admit_first(struct scheduler *s, struct request *r)
{
    struct request *victim = NULL;
    while (s->running_count >= s->max_running || !admit(s, r)) {
        bool full = s->running_count >= s->max_running;
        victim = r->background ? NULL : youngest(s, full ? NULL : r->model, true);
        s->settle |= victim && victim->flights;
        if (!victim || victim->flights)
            return false;
        preempt(s, victim);
    }
    return true;
}

/* In order; a request that must wait holds up those behind it of the same model only. */
static void admit_waiting(struct scheduler *s)
{
    struct engine_model *blocked[SCHEDULER_MAX_RUNNING];
    int blocked_count = 0;
    for (struct request **link = &s->waiting.first; *link;) {
        struct request *r = *link;
        if (s->running_count >= s->max_running && (r->background || !youngest(s, NULL, true)))
            break;
        if (is_blocked(blocked, blocked_count, r->model)) {
            link = &r->next;
        } else if (admit_first(s, r)) {
            queue_remove(&s->waiting, link);
        } else if (blocked_count < SCHEDULER_MAX_RUNNING) {
            blocked[blocked_count++] = r->model;
            link = &r->next;
        } else {
            break;
        }
    }
}

/* --- Planning a step --- */

/* Does the request stand still because others run? */
static bool gives_way(const struct scheduler *s, const struct request *r)
{
    for (int i = 0; r->background && i < s->running_count; i++)
        if (!s->running[i]->background)
            return true;
    return false;
}

/* Is the page that comes next for `r` among those that `older` is still to compute from the same
 * tokens? */
static bool will_compute(const struct request *older, const struct request *r)
{
    int end = r->computed + CACHE_BLOCK;
    return older->model == r->model && older->is_long == r->is_long && older->landed < end &&
           (int)older->tokens.count >= end && r->computed % CACHE_BLOCK == 0 &&
           !memcmp(older->tokens.ids, r->tokens.ids, (size_t)end * sizeof *r->tokens.ids);
}

/* Pages that others have computed meanwhile are taken; true if waiting for one that is coming is
 * better. */
static bool share_prefix(struct scheduler *s, int index)
{
    struct request *r = s->running[index];
    if (r->logits || request_pending(r) <= CACHE_BLOCK ||
        r->sequence.committed != r->sequence.count ||
        r->computed != r->sequence.count * CACHE_BLOCK)
        return false;
    int known = cache_match(r->model->cache, &r->sequence, r->tokens.ids, (int)r->tokens.count);
    if (known > r->computed) {
        if (r->first_token == 0)
            r->cached += known - r->computed;
        r->computed = r->landed = known;
    }
    for (int i = 0; i < index && request_pending(r) > CACHE_BLOCK; i++)
        if (!gives_way(s, s->running[i]) && will_compute(s->running[i], r))
            return true;
    return false;
}

/* Guessed tokens of the decoding requests, where few decode; returns how many there are. */
static int plan_guesses(struct scheduler *s, const struct engine_model *model, int decoding)
{
    int guesses = 0;
    for (int i = 0; i < s->running_count && decoding <= GUESSING_REQUESTS; i++) {
        struct request *r = s->running[i];
        if (r->model != model || r->planned != 1 || r->logits || r->no_guesses)
            continue;
        request_guess(r, LOOKUP_MOST);
        r->planned += r->guesses;
        guesses += r->guesses;
    }
    return guesses;
}

/* May the request be in the next step? Not with logits of a step under way: they go straight to
 * where the caller wants them, who may leave when that one fails. Nor, held to a schema, behind a
 * token that nobody has seen: what may come next follows from it. */
static bool is_ready(const struct scheduler *s, const struct request *r)
{
    return request_pending(r) > 0 && !gives_way(s, r) && !(r->logits && r->flights) &&
           !(r->mask && r->unknown);
}

/* How many tokens each running request of the model computes in this step: those with one token to
 * go first, then prompts in order. Only known tokens can be guessed on. */
static void plan_step(struct scheduler *s, const struct engine_model *model)
{
    int decoding = 0, left;
    for (int i = 0; i < s->running_count; i++) {
        struct request *r = s->running[i];
        if (r->model != model)
            continue;
        r->guesses = 0;
        r->planned = request_pending(r) == 1 && is_ready(s, r);
        decoding += r->planned;
    }
    if (!model->under_way)
        decoding += plan_guesses(s, model, decoding);
    left = model->backend->step_tokens - decoding;
    if (decoding && left > model->backend->mixed_tokens)
        left = model->backend->mixed_tokens;
    for (int i = 0; i < s->running_count && left > 0; i++) {
        struct request *r = s->running[i];
        if (r->model != model || r->planned || !is_ready(s, r) || share_prefix(s, i))
            continue;
        r->planned = request_pending(r) < left ? request_pending(r) : left;
        left -= r->planned;
    }
}

/* Pages for what the request is to compute; the youngest make room, which may be itself: its plan
 * is void then. False: there are none while a step is under way. */
static bool reserve_pages(struct scheduler *s, struct request *r)
{
    while (r->planned && !cache_extend(r->model->cache, &r->sequence, r->computed + r->planned)) {
        struct request *victim = youngest(s, r->model, true);
        if (r->model->under_way)
            return false;
        preempt(s, victim ? victim : youngest(s, r->model, false));
    }
    return true;
}

/* The model's planned requests of one priority, older ones first. */
static int list_planned(const struct scheduler *s, const struct engine_model *model,
                        bool background, struct request **out)
{
    int count = 0;
    for (int i = 0; i < s->running_count; i++) {
        struct request *r = s->running[i];
        if (r->model == model && r->planned && r->background == background)
            out[count++] = r;
    }
    return count;
}

/* The step, as the flight's slices. Those who come first take what pages they need first, so that a
 * victim (whose plan is then void) has not been given any. */
static void make_slices(struct scheduler *s, struct flight *flight)
{
    struct request *planned[SCHEDULER_MAX_RUNNING];
    int count = list_planned(s, flight->model, false, planned);
    count += list_planned(s, flight->model, true, planned + count);
    for (int i = 0; i < count; i++)
        if (!reserve_pages(s, planned[i]))
            return;
    for (int i = 0; i < count; i++) {
        struct request *r = planned[i];
        int number = flight->step.count;
        if (!r->planned)
            continue;
        flight->requests[number] = r;
        flight->has_guesses |= r->guesses > 0;
        flight->step.slices[number] = request_slice(r, number);
        flight->step.count++;
    }
}

/* --- Running a step --- */

/* The request's share of a step that has come out well. */
static void take_result(struct scheduler *s, struct request *r, const struct backend_slice *slice)
{
    enum engine_finish finish;
    bool over = request_take(r, slice, &finish);
    if (slice->samples > 1) {
        s->guessed += (uint64_t)slice->samples - 1;
        s->guessed_right += (uint64_t)slice->made_count - 1;
    }
    cache_commit(r->model->cache, &r->sequence, r->tokens.ids, r->landed);
    if (!r->model->backend->on_device)
        request_send(r); /* else while the next step runs */
    if (!over)
        return;
    running_remove(s, r);
    end_request(s, r, finish, NULL);
}

/* Hands out what a step that has ended has made, or its failure. */
static void hand_out(struct scheduler *s, const struct flight *flight, bool ok)
{
    for (int i = 0; i < flight->step.count; i++) {
        struct request *r = flight->requests[i];
        r->flights--;
        if (r->over) {
            if (r->flights)
                continue;
            s->lingering--;
            forget(s, r);
        } else if (ok) {
            take_result(s, r, &flight->step.slices[i]);
        } else {
            running_remove(s, r);
            end_request(s, r, ENGINE_FAILED, &flight->error);
        }
    }
}

/* Gives the model a step, behind the one under way if there is one. */
static void launch(struct scheduler *s, struct engine_model *model)
{
    struct turn *turn = s->turn;
    struct flight *flight = &turn->flights[turn->flight_count];
    *flight = (struct flight){.model = model,
                              .requests = turn->requests + turn->slice_count,
                              .step = {turn->slices + turn->slice_count, 0}};
    plan_step(s, model);
    make_slices(s, flight);
    if (!flight->step.count)
        return;
    turn->flight_count++;
    turn->slice_count += flight->step.count;
    flight->submitted =
        model->backend->backend->ops->submit(model->backend, &flight->step, &flight->error);
    if (model->under_way)
        model->ahead = flight;
    else
        model->under_way = flight;
}

/* Few requests decode, and what they have said so far repeats itself: guesses, for which the last
 * token must be known, save more than a step ahead does. */
static bool may_be_guessed(const struct scheduler *s, const struct engine_model *model)
{
    int drawing = 0;
    bool foreseen = false;
    for (int i = 0; i < s->running_count; i++) {
        struct request *r = s->running[i];
        if (r->model != model || !r->unknown)
            continue;
        if (++drawing > GUESSING_REQUESTS)
            return false;
        if (!r->no_guesses && !r->logits)
            request_guess(r, 1);
        foreseen |= r->guesses > 0;
        r->guesses = 0;
    }
    return foreseen;
}

static bool may_run_ahead(const struct scheduler *s, const struct engine_model *model)
{
    const struct flight *flight = model->under_way;
    return flight && flight->submitted && model->backend->on_device && !flight->has_guesses &&
           !s->settle && !may_be_guessed(s, model);
}

/* Waits for the model's older step. */
static void land(struct scheduler *s, struct engine_model *model)
{
    struct flight *flight = model->under_way;
    struct backend_model *backend = model->backend;
    bool ok = flight->submitted && backend->backend->ops->wait(backend, &flight->error);
    hand_out(s, flight, ok);
    model->under_way = model->ahead;
    model->ahead = NULL;
    s->steps++;
}

/* --- The thread --- */

static void publish(struct scheduler *s)
{
    s->metrics.steps = s->steps;
    s->metrics.preempted = s->preempted;
    s->metrics.guessed = s->guessed;
    s->metrics.guessed_right = s->guessed_right;
    s->metrics.running = s->running_count + s->lingering;
    s->metrics.queued = s->alive_count - s->running_count;
    s->metrics.kv_bytes_used = s->metrics.kv_bytes_total = 0;
    for (const struct engine_model *m = s->models; m; m = m->next) {
        int pages = cache_pages(m->cache);
        s->metrics.kv_bytes_total += (size_t)pages * m->backend->page_bytes;
        s->metrics.kv_bytes_used +=
            (size_t)(pages - cache_free_pages(m->cache)) * m->backend->page_bytes;
    }
}

static struct queue take_inbox(struct scheduler *s)
{
    struct queue arrivals;
    queue_init(&arrivals);
    pthread_mutex_lock(&s->lock);
    if (s->inbox.first) {
        arrivals = s->inbox;
        queue_init(&s->inbox);
    }
    pthread_mutex_unlock(&s->lock);
    return arrivals;
}

/* Waits until there is something to do; returns false when it is time to stop. */
static bool collect(struct scheduler *s, struct queue *arrivals, struct engine_model **models)
{
    pthread_mutex_lock(&s->lock);
    publish(s);
    while (!s->stop && !s->look && !s->inbox.first && !s->running_count && !s->waiting.first &&
           !s->lingering)
        pthread_cond_wait(&s->news, &s->lock);
    *models = s->models;
    s->look = false;
    bool go_on = !s->stop;
    pthread_mutex_unlock(&s->lock);
    *arrivals = take_inbox(s);
    return go_on;
}

static void end_all(struct scheduler *s, struct queue arrivals, struct engine_model *models)
{
    for (struct engine_model *model = models; model; model = model->next)
        while (model->under_way)
            land(s, model);
    while (arrivals.first)
        end_request(s, queue_remove(&arrivals, &arrivals.first), ENGINE_CANCELLED, NULL);
    while (s->waiting.first)
        end_request(s, queue_remove(&s->waiting, &s->waiting.first), ENGINE_CANCELLED, NULL);
    while (s->running_count)
        end_request(s, s->running[--s->running_count], ENGINE_CANCELLED, NULL);
}

/* While the devices compute: the last step's news to whoever waits for it, and the templates and
 * tokens of those who have come. */
static void work_beside(struct scheduler *s, const struct engine_model *models)
{
    bool beside = false;
    for (const struct engine_model *m = models; m; m = m->next)
        beside |= m->under_way && m->under_way->submitted && m->backend->on_device;
    for (int i = 0; i < s->running_count; i++)
        request_send(s->running[i]);
    if (beside)
        take_arrivals(s, take_inbox(s));
}

static void run_steps(struct scheduler *s, struct engine_model *models)
{
    s->turn = s->turn == s->turns ? s->turns + 1 : s->turns;
    s->turn->slice_count = s->turn->flight_count = 0;
    for (struct engine_model *model = models; model; model = model->next)
        if (!model->under_way)
            launch(s, model);
    for (struct engine_model *model = models; model; model = model->next)
        if (may_run_ahead(s, model))
            launch(s, model);
    work_beside(s, models);
    for (struct engine_model *model = models; model; model = model->next)
        if (model->under_way)
            land(s, model);
}

/* Takes the first model that may go out of the list; NULL: there is none. */
static struct engine_model *take_leaver(struct scheduler *s)
{
    pthread_mutex_lock(&s->lock);
    struct engine_model **link = &s->models;
    while (*link && !((*link)->leaving && !(*link)->requests))
        link = &(*link)->next;
    struct engine_model *model = *link;
    if (model)
        *link = model->next;
    pthread_mutex_unlock(&s->lock);
    return model;
}

static void free_leavers(struct scheduler *s)
{
    struct engine_model *model;
    while ((model = take_leaver(s)))
        model_free(model);
}

static void *scheduler_main(void *argument)
{
    struct scheduler *s = argument;
    struct queue arrivals;
    struct engine_model *models;
    threads_lower_priority();
    while (collect(s, &arrivals, &models)) {
        take_arrivals(s, arrivals);
        drop_cancelled(s);
        s->settle = false;
        admit_waiting(s);
        run_steps(s, models);
        free_leavers(s);
    }
    end_all(s, arrivals, models);
    return NULL;
}

/* --- For other threads --- */

struct scheduler *scheduler_new(int max_running, int max_queue, struct engine_error *error)
{
    max_running = max_running ? max_running : SCHEDULER_DEFAULT_RUNNING;
    max_queue = max_queue ? max_queue : SCHEDULER_DEFAULT_QUEUE;
    if (max_running < 1 || max_running > SCHEDULER_MAX_RUNNING || max_queue < 1 ||
        max_queue > 1 << 20) {
        engine_fail(error, ENGINE_REQUEST,
                    "%d requests running and %d waiting: 1 to %d, and 1 to 2^20, are possible",
                    max_running, max_queue, SCHEDULER_MAX_RUNNING);
        return NULL;
    }
    struct scheduler *s = calloc(1, sizeof *s);
    if (!s) {
        engine_no_memory(error, "the scheduler");
        return NULL;
    }
    s->max_running = max_running;
    s->max_alive = max_running + max_queue;
    queue_init(&s->inbox);
    queue_init(&s->waiting);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->news, NULL);
    if (!pthread_create(&s->thread, NULL, scheduler_main, s))
        return s;
    engine_fail(error, ENGINE_MEMORY, "cannot start the scheduler's thread");
    free(s);
    return NULL;
}

struct engine_model *scheduler_free(struct scheduler *s)
{
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_signal(&s->news);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->news);
    struct engine_model *models = s->models;
    free(s);
    return models;
}

void scheduler_add_model(struct scheduler *s, struct engine_model *model)
{
    pthread_mutex_lock(&s->lock);
    model->next = s->models;
    s->models = model;
    s->look = true;
    pthread_cond_signal(&s->news);
    pthread_mutex_unlock(&s->lock);
}

void scheduler_remove_model(struct scheduler *s, struct engine_model *model)
{
    pthread_mutex_lock(&s->lock);
    model->leaving = true;
    s->look = true;
    pthread_cond_signal(&s->news);
    pthread_mutex_unlock(&s->lock);
}

static bool has_room(struct scheduler *s, struct engine_error *error)
{
    if (s->stop)
        return engine_fail(error, ENGINE_BUSY, "the engine is shutting down");
    if (s->alive_count >= s->max_alive)
        return engine_fail(error, ENGINE_BUSY,
                           "%d requests are running or waiting: try again later", s->alive_count);
    return true;
}

uint64_t scheduler_submit(struct scheduler *s, struct request *r, struct engine_error *error)
{
    uint64_t id = 0;
    pthread_mutex_lock(&s->lock);
    if (has_room(s, error)) {
        id = r->id = ++s->last_id;
        r->next_alive = s->alive;
        if (s->alive)
            s->alive->prev_alive = r;
        s->alive = r;
        s->alive_count++;
        s->metrics.requests++;
        r->model->requests++;
        queue_append(&s->inbox, r);
        pthread_cond_signal(&s->news);
    }
    pthread_mutex_unlock(&s->lock);
    if (!id)
        request_free(r);
    return id;
}

void scheduler_cancel(struct scheduler *s, uint64_t id)
{
    pthread_mutex_lock(&s->lock);
    for (struct request *r = s->alive; r; r = r->next_alive)
        if (r->id == id) {
            atomic_store(&r->cancelled, true);
            s->look = true;
            pthread_cond_signal(&s->news);
            break;
        }
    pthread_mutex_unlock(&s->lock);
}

void scheduler_metrics(struct scheduler *s, struct engine_metrics *metrics)
{
    pthread_mutex_lock(&s->lock);
    *metrics = s->metrics;
    metrics->queued = s->alive_count - metrics->running;
    if (metrics->queued < 0)
        metrics->queued = 0;
    pthread_mutex_unlock(&s->lock);
}
