/* /api/why and GET /api/evals: what whoever runs evaluations reads, on a worker. */
#include "http/api.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "board/live.h"
#include "eval/browse.h"
#include "eval/evals.h"
#include "eval/why.h"
#include "http/errand.h"
#include "store/votes.h"

enum { PAGE = 50, WORD_BYTES = 256 };
#define WHY_BYTES (16u << 20)
#define RUN_BYTES (32u << 20)

/* What is asked for; "": not given. */
struct look {
    struct json_out out;
    char model[WORD_BYTES], rival[WORD_BYTES], category[WORD_BYTES], part[64];
    int judge;
    int64_t before, prompt, min_votes, daily_votes;
    struct browse_working working;
};

typedef bool reading(struct look *look, struct db *db, struct err *err);

/* --- as one object --- */

#define READ(name, read)                                                                           \
    static bool name(struct errand *errand, struct db *db, struct err *err)                        \
    {                                                                                              \
        return read_object(errand, db, read, err);                                                 \
    }

static bool read_object(struct errand *errand, struct db *db, reading *read, struct err *err)
{
    struct look *look = errand->data;
    if (!store_read_begin(db, err))
        return false;
    look->out = json_out_to(&errand->out);
    json_put_open(&look->out, NULL, '{');
    bool ok = read(look, db, err);
    json_put_close(&look->out, '}');
    store_read_end(db);
    return ok;
}

static struct why_options options_of(const struct look *look)
{
    return (struct why_options){look->model, look->judge, look->min_votes, look->daily_votes};
}

static bool find_why(struct look *look, struct db *db, struct err *err)
{
    struct why_options options = options_of(look);
    return why_models(&look->out, db, err) &&
           (!look->model[0] || why_tables(&look->out, db, &options, err));
}
READ(read_why, find_why)

static bool find_lost(struct look *look, struct db *db, struct err *err)
{
    struct why_lost wish = {.of = options_of(look),
                            .rival = look->rival[0] ? look->rival : NULL,
                            .category = look->category[0] ? look->category : NULL,
                            .before = look->before,
                            .limit = PAGE};
    return why_lost(&look->out, db, &wish, err);
}
READ(read_lost, find_lost)

static bool find_battle(struct look *look, struct db *db, struct err *err)
{
    return why_battle(&look->out, db, look->part, err);
}
READ(read_battle, find_battle)

static bool find_runs(struct look *look, struct db *db, struct err *err)
{
    return browse_runs(&look->out, db, &look->working, err);
}
READ(read_runs, find_runs)

static bool find_run(struct look *look, struct db *db, struct err *err)
{
    return browse_run(&look->out, db, look->part, err);
}
READ(read_run, find_run)

static bool find_prompt(struct look *look, struct db *db, struct err *err)
{
    return browse_prompt(&look->out, db, look->part, look->prompt, err);
}
READ(read_prompt, find_prompt)

/* --- what is asked for --- */

static bool take_word(const struct http_request *request, const char *name, char word[WORD_BYTES],
                      struct err *err)
{
    struct text text = http_request_query(request, name);
    if (text.length >= WORD_BYTES)
        return err_set(err, ERR_BAD_REQUEST, "\"%s\" is longer than any name", name);
    snprintf(word, WORD_BYTES, "%.*s", (int)text.length, text.data ? text.data : "");
    return true;
}

static bool take_judge(const struct http_request *request, int *judge, struct err *err)
{
    static const struct {
        struct text word;
        int judge;
    } WHOSE[] = {{{"", 0}, WHY_JUDGE_BOARD},
                 {{"any", 3}, -1},
                 {{"human", 5}, JUDGE_HUMAN},
                 {{"model", 5}, JUDGE_MODEL}};
    struct text said = http_request_query(request, "votes");
    for (size_t k = 0; k < sizeof WHOSE / sizeof *WHOSE; k++)
        if (text_equal(said, WHOSE[k].word)) {
            *judge = WHOSE[k].judge;
            return true;
        }
    return err_set(err, ERR_BAD_REQUEST, "votes is any, human or model");
}

static bool take_look(const struct http_request *request, struct look *look, struct err *err)
{
    snprintf(look->part, sizeof look->part, "%s", request->part);
    live_rules(request->context->live, &look->min_votes, &look->daily_votes);
    if (request->context->evals)
        look->working.count = evals_working(request->context->evals, look->working.id);
    return take_word(request, "model", look->model, err) &&
           take_word(request, "rival", look->rival, err) &&
           take_word(request, "category", look->category, err) &&
           take_judge(request, &look->judge, err) &&
           http_request_query_int(request, "before", &look->before, err) &&
           http_request_query_int(request, "prompt", &look->prompt, err);
}

static void free_look(struct errand *errand)
{
    free(errand->data);
}

static void look_up(struct http_request *request, size_t most,
                    bool (*read)(struct errand *errand, struct db *db, struct err *err))
{
    struct err err = {ERR_MEMORY, "out of memory"};
    struct errand *errand = errand_new(request, most);
    if (!errand)
        return;
    errand->data = calloc(1, sizeof(struct look));
    errand->done = free_look;
    errand->read = read;
    if (errand->data && take_look(request, errand->data, &err))
        errand_send(errand);
    else
        errand_refuse(errand, &err);
}

void api_why(struct http_request *request)
{
    look_up(request, WHY_BYTES, read_why);
}

void api_why_lost(struct http_request *request)
{
    look_up(request, WHY_BYTES, read_lost);
}

void api_why_battle(struct http_request *request)
{
    look_up(request, WHY_BYTES, read_battle);
}

void api_eval_list(struct http_request *request)
{
    look_up(request, WHY_BYTES, read_runs);
}

void api_eval_report(struct http_request *request)
{
    look_up(request, RUN_BYTES, read_run);
}

void api_eval_prompt(struct http_request *request)
{
    look_up(request, WHY_BYTES, read_prompt);
}
