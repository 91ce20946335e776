/* One JSON form for the request, the store and the report: what is asked for is what is
 * registered. */
#include "people/question.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "rating/power.h"

#define WHAT "the question"

void question_init(struct question *question)
{
    *question = (struct question){.overlap = 2,
                                  .same_model_rate = 0.02,
                                  .gold_rate = 0.02,
                                  .confidence = 0.95,
                                  .decided = -1,
                                  .detect = 0.55,
                                  .power = 0.8,
                                  .ties = 0.25};
}

double question_alpha(const struct question *question)
{
    return (1 - question->confidence) / (double)(question->rivals ? question->rivals : 1);
}

/* The cheapest of the rules asked for ends it. */
void question_expect(struct question *question)
{
    double alpha = question_alpha(question), rival = INFINITY,
           margin = 0.5 - fmax(question->decided, 0) / 100,
           shown =
               power_to_decide(question->detect, question->ties, margin, alpha, question->power, 1);
    question->needed = shown * (double)question->rivals;
    if (question->precision > 0)
        rival =
            power_to_measure(question->detect, question->ties, question->precision / 100, alpha);
    if (question->decided >= 0)
        rival = fmin(rival, shown);
    question->votes_a_rival = rival;
    question->votes_in_all = rival * (double)question->rivals;
    if (question->votes > 0 && !(question->votes_in_all <= (double)question->votes)) {
        question->votes_in_all = (double)question->votes;
        question->votes_a_rival = question->votes_in_all / (double)question->rivals;
    }
}

/* --- in --- */

static bool copy_string(const json_t *object, const char *key, char *out, size_t size,
                        struct err *err)
{
    const char *text = "";
    const json_t *value = json_object_get(object, key);
    if (json_is_null(value))
        return true;
    if (!json_get_string_or(object, key, WHAT, &text, err))
        return false;
    if (strlen(text) >= size)
        return err_set(err, ERR_BAD_REQUEST, WHAT ": \"%s\" is longer than %zu bytes", key,
                       size - 1);
    memcpy(out, text, strlen(text) + 1);
    return true;
}

static bool read_model(const json_t *value, struct question_model *out, struct err *err)
{
    static const char *const KEYS[] = {"name", "version", NULL};
    if (!json_is_object(value))
        return err_set(err, ERR_BAD_REQUEST, WHAT ": a model is {\"name\", \"version\"}");
    return json_only_keys(value, KEYS, WHAT, err) &&
           copy_string(value, "name", out->name, sizeof out->name, err) &&
           copy_string(value, "version", out->version, sizeof out->version, err);
}

static bool read_models(const json_t *object, struct question *out, struct err *err)
{
    const json_t *versus = json_object_get(object, "versus");
    if (!read_model(json_object_get(object, "model"), &out->model, err))
        return false;
    out->rivals = json_array_size(versus);
    if (!out->rivals || out->rivals > QUESTION_RIVALS_MAX)
        return err_set(err, ERR_BAD_REQUEST, WHAT ": \"versus\": expected 1 to %d models",
                       QUESTION_RIVALS_MAX);
    for (size_t i = 0; i < out->rivals; i++)
        if (!read_model(json_array_get(versus, i), &out->versus[i], err))
            return false;
    return true;
}

static bool read_categories(const json_t *object, struct question *out, struct err *err)
{
    const json_t *list = json_object_get(object, "categories");
    out->category_count = json_array_size(list);
    if (out->category_count > QUESTION_CATEGORIES_MAX)
        return err_set(err, ERR_BAD_REQUEST, WHAT ": \"categories\": %d are the most",
                       QUESTION_CATEGORIES_MAX);
    for (size_t i = 0; i < out->category_count; i++) {
        const char *name = json_string_value(json_array_get(list, i));
        if (!name || !*name || strlen(name) > LIMIT_NAME_BYTES)
            return err_set(err, ERR_BAD_REQUEST, WHAT ": \"categories\": expected names");
        memcpy(out->categories[i], name, strlen(name) + 1);
    }
    return true;
}

/* null is "not asked". */
static bool read_number(const json_t *object, const char *key, double low, double high, double *out,
                        struct err *err)
{
    return json_is_null(json_object_get(object, key)) ||
           json_get_number_or(object, key, WHAT, low, high, out, err);
}

static bool read_stop(const json_t *object, struct question *out, struct err *err)
{
    static const char *const KEYS[] = {"votes", "precision", "decided", NULL};
    const json_t *stop = json_object_get(object, "stop");
    double votes = 0;
    if (!json_is_object(stop))
        return err_set(err, ERR_BAD_REQUEST, WHAT ": \"stop\": expected an object");
    if (!json_only_keys(stop, KEYS, WHAT ": \"stop\"", err) ||
        !read_number(stop, "votes", 1, 1e9, &votes, err) ||
        !read_number(stop, "precision", 0.1, 50, &out->precision, err) ||
        !read_number(stop, "decided", 0, 49, &out->decided, err))
        return false;
    out->votes = (int64_t)votes;
    return true;
}

static bool read_expected(const json_t *object, struct question *out, struct err *err)
{
    const json_t *expected = json_object_get(object, "expected");
    out->votes_a_rival = out->votes_in_all = out->needed = INFINITY;
    return !expected ||
           (read_number(expected, "detect", 0.01, 0.99, &out->detect, err) &&
            read_number(expected, "power", 0.01, 0.999, &out->power, err) &&
            read_number(expected, "ties", 0, 0.95, &out->ties, err) &&
            read_number(expected, "votes_a_rival", 0, 1e12, &out->votes_a_rival, err) &&
            read_number(expected, "votes", 0, 1e12, &out->votes_in_all, err) &&
            read_number(expected, "needed", 0, 1e12, &out->needed, err));
}

bool question_read(const json_t *object, struct question *out, struct err *err)
{
    static const char *const KEYS[] = {
        "title", "model",      "versus",  "categories",      "cohort",
        "live",  "prompts",    "overlap", "same_model_rate", "gold_rate",
        "gold",  "confidence", "stop",    "expected",        NULL};
    question_init(out);
    return json_only_keys(object, KEYS, WHAT, err) &&
           copy_string(object, "title", out->title, sizeof out->title, err) &&
           read_models(object, out, err) && read_categories(object, out, err) &&
           copy_string(object, "cohort", out->cohort, sizeof out->cohort, err) &&
           json_get_bool_or(object, "live", WHAT, &out->live, err) &&
           copy_string(object, "prompts", out->prompts, sizeof out->prompts, err) &&
           json_get_int_or(object, "overlap", WHAT, 1, QUESTION_OVERLAP_MAX, &out->overlap, err) &&
           read_number(object, "same_model_rate", 0, 0.5, &out->same_model_rate, err) &&
           read_number(object, "gold_rate", 0, 0.5, &out->gold_rate, err) &&
           json_get_int_or(object, "gold", WHAT, 0, INT64_MAX, &out->gold, err) &&
           read_number(object, "confidence", 0.5, 0.9999, &out->confidence, err) &&
           read_stop(object, out, err) && read_expected(object, out, err);
}

bool question_check(const struct question *question, struct err *err)
{
    for (size_t i = 0; i < question->rivals; i++) {
        if (strcmp(question->versus[i].version, question->model.version) == 0)
            return err_set(err, ERR_BAD_REQUEST, "%s is not compared with itself",
                           question->model.name);
        for (size_t j = 0; j < i; j++)
            if (strcmp(question->versus[i].version, question->versus[j].version) == 0)
                return err_set(err, ERR_BAD_REQUEST, "%s is named twice", question->versus[i].name);
    }
    if (!question->votes && !(question->precision > 0) && question->decided < 0)
        return err_set(err, ERR_BAD_REQUEST,
                       "a campaign needs a rule to stop by: --votes, --precision or --decided");
    if (!question->live && !*question->prompts)
        return err_set(err, ERR_BAD_REQUEST,
                       "a campaign needs prompts: a file of them, \"live\", or both");
    return true;
}

/* --- out --- */

static void write_model(struct json_out *out, const char *key, const struct question_model *model)
{
    json_put_open(out, key, '{');
    json_put_cstring(out, "name", model->name);
    json_put_cstring(out, "version", model->version);
    json_put_close(out, '}');
}

static void write_stop(struct json_out *out, const struct question *question)
{
    json_put_open(out, "stop", '{');
    if (question->votes)
        json_put_int(out, "votes", question->votes);
    if (question->precision > 0)
        json_put_real(out, "precision", question->precision);
    if (question->decided >= 0)
        json_put_real(out, "decided", question->decided);
    json_put_close(out, '}');
}

/* json has no infinity. */
static void write_votes(struct json_out *out, const char *key, double votes)
{
    json_put_real(out, key, isfinite(votes) ? ceil(votes) : (double)NAN);
}

static void write_expected(struct json_out *out, const struct question *question)
{
    json_put_open(out, "expected", '{');
    json_put_real(out, "detect", question->detect);
    json_put_real(out, "power", question->power);
    json_put_real(out, "ties", question->ties);
    write_votes(out, "votes_a_rival", question->votes_a_rival);
    write_votes(out, "votes", question->votes_in_all);
    write_votes(out, "needed", question->needed);
    json_put_close(out, '}');
}

void question_write(struct json_out *out, const char *key, const struct question *question)
{
    json_put_open(out, key, '{');
    json_put_cstring(out, "title", question->title);
    write_model(out, "model", &question->model);
    json_put_open(out, "versus", '[');
    for (size_t i = 0; i < question->rivals; i++)
        write_model(out, NULL, &question->versus[i]);
    json_put_close(out, ']');
    json_put_open(out, "categories", '[');
    for (size_t i = 0; i < question->category_count; i++)
        json_put_cstring(out, NULL, question->categories[i]);
    json_put_close(out, ']');
    json_put_cstring(out, "cohort", *question->cohort ? question->cohort : NULL);
    json_put_bool(out, "live", question->live);
    json_put_cstring(out, "prompts", *question->prompts ? question->prompts : NULL);
    json_put_int(out, "overlap", question->overlap);
    json_put_real(out, "same_model_rate", question->same_model_rate);
    json_put_real(out, "gold_rate", question->gold_rate);
    json_put_int(out, "gold", question->gold);
    json_put_real(out, "confidence", question->confidence);
    write_stop(out, question);
    write_expected(out, question);
    json_put_close(out, '}');
}
