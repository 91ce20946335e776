/* Agreement alone flatters a tagger that always says no, so Cohen's kappa stands beside it. */
#include "board/agreement.h"

#include <math.h>

#include <jansson.h>

#include "base/json.h"
#include "board/tag_sample.h"

void agreement_add(struct agreement *agreement, size_t sample, const struct tag_answers *answers)
{
    const struct tag_sample *its = &TAG_SAMPLE[sample];
    const bool labels[TAG_QUESTIONS] = {[TAG_CRITERIA] = its->hard,
                                        [TAG_CREATIVE] = its->creative,
                                        [TAG_FOLLOWING] = its->following};
    for (int k = 0; k < TAG_QUESTIONS; k++) {
        int verdict = tag_form_verdict((enum tag_question)k, answers);
        if (verdict < 0)
            agreement->of[k].malformed++;
        else
            agreement->of[k].table[labels[k]][verdict]++;
    }
}

static double kappa(const int table[2][2])
{
    double all = table[0][0] + table[0][1] + table[1][0] + table[1][1];
    double observed = (table[0][0] + table[1][1]) / all, people = (table[1][0] + table[1][1]) / all,
           model = (table[0][1] + table[1][1]) / all;
    double chance = people * model + (1 - people) * (1 - model);
    return chance < 1 ? (observed - chance) / (1 - chance) : NAN;
}

bool agreement_write(const struct agreement *agreement, struct buf *out)
{
    struct json_out json = json_out_to(out);
    json_put_open(&json, NULL, '{');
    json_put_int(&json, "sample", TAG_SAMPLE_COUNT);
    for (int k = 0; k < TAG_QUESTIONS; k++) {
        const int(*table)[2] = agreement->of[k].table;
        json_put_open(&json, tag_form_category((enum tag_question)k), '{');
        json_put_int(&json, "agreed", table[0][0] + table[1][1]);
        json_put_int(&json, "of", table[0][0] + table[0][1] + table[1][0] + table[1][1]);
        json_put_fixed(&json, "kappa", kappa(table), 3);
        json_put_int(&json, "malformed", agreement->of[k].malformed);
        json_put_close(&json, '}');
    }
    json_put_close(&json, '}');
    return !out->failed;
}

void agreement_sentence(struct text text, struct buf *out)
{
    json_t *json = text.data ? json_read(text, "an agreement", NULL) : NULL;
    if (!json) {
        buf_add_string(out, "its agreement with people is not measured yet");
        return;
    }
    buf_printf(out, "of %lld prompts labelled by people it agrees on",
               (long long)json_integer_value(json_object_get(json, "sample")));
    for (int k = 0; k < TAG_QUESTIONS; k++) {
        const char *name = tag_form_category((enum tag_question)k);
        const json_t *one = json_object_get(json, name);
        buf_printf(out, "%s %lld of %lld for %s (kappa %.2f)", k ? "," : "",
                   (long long)json_integer_value(json_object_get(one, "agreed")),
                   (long long)json_integer_value(json_object_get(one, "of")), name,
                   json_number_value(json_object_get(one, "kappa")));
    }
    json_decref(json);
}
