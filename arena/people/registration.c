/* A pair with a known winner is a pair of the queue like any other, between two versions that stand
 * for "the better" and "the worse": voters cannot tell it apart, and boards never see it. */
#include "people/registration.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/answers.h"
#include "store/audit.h"
#include "store/competitors.h"
#include "store/queue_insert.h"

#define QUESTION_BYTES (64u << 10)

struct gold {
    char *prompt, *answer[2]; /* the better first */
};

struct registration {
    struct question question;
    char id[STORE_ID_SIZE], actor[STORE_ID_SIZE];
    struct gold *gold;
    size_t gold_count;
    char *spec; /* NULL: none */
    int64_t now_ms;
};

const char *registration_id(const struct registration *registration)
{
    return registration->id;
}

const struct question *registration_question(const struct registration *registration)
{
    return &registration->question;
}

void registration_free(struct registration *registration)
{
    for (size_t i = 0; registration && i < registration->gold_count; i++) {
        free(registration->gold[i].prompt);
        free(registration->gold[i].answer[0]);
        free(registration->gold[i].answer[1]);
    }
    if (registration) {
        free(registration->gold);
        free(registration->spec);
    }
    free(registration);
}

static bool copy_gold(struct registration *registration, const struct campaign_wish *wish)
{
    registration->gold = calloc(wish->gold_count + 1, sizeof *registration->gold);
    for (size_t i = 0; registration->gold && i < wish->gold_count; i++) {
        struct gold *gold = &registration->gold[registration->gold_count++];
        *gold = (struct gold){strdup(wish->gold[i].prompt),
                              {strdup(wish->gold[i].better), strdup(wish->gold[i].worse)}};
        if (!gold->prompt || !gold->answer[0] || !gold->answer[1])
            return false;
    }
    return registration->gold != NULL;
}

struct registration *registration_new(const struct campaign_wish *wish, struct err *err)
{
    struct registration *registration = calloc(1, sizeof *registration);
    if (!registration || wish->gold_count > REGISTRATION_GOLD_MAX) {
        free(registration);
        err_set(err, registration ? ERR_TOO_LARGE : ERR_MEMORY,
                "%d pairs with a known winner are the most", REGISTRATION_GOLD_MAX);
        return NULL;
    }
    registration->question = *wish->question;
    registration->question.gold = (int64_t)wish->gold_count;
    registration->now_ms = clock_wall_ms();
    random_id(registration->id);
    snprintf(registration->actor, sizeof registration->actor, "%s", wish->actor);
    if (wish->spec)
        registration->spec = json_dumps(wish->spec, JSON_COMPACT);
    bool good = question_check(&registration->question, err) &&
                (!wish->spec || registration->spec || err_set(err, ERR_MEMORY, "out of memory")) &&
                (copy_gold(registration, wish) || err_set(err, ERR_MEMORY, "out of memory"));
    if (good)
        return registration;
    registration_free(registration);
    return NULL;
}

/* --- storing --- */

static bool store_side(struct db *tx, int side, int64_t now_ms, int64_t *version,
                       char digest[DIGEST_HEX + 1], struct err *err)
{
    static const char *const NAMES[] = {"(known to be better)", "(known to be worse)"};
    uint8_t sum[DIGEST_SIZE];
    digest_of(NAMES[side], strlen(NAMES[side]), sum);
    hex_encode(sum, sizeof sum, digest);
    struct version_record record = {.name = NAMES[side], .digest = digest, .effective = "{}"};
    return competitors_register(tx, &record, now_ms, version, err);
}

static bool store_answer(struct db *tx, const struct gold *gold, int side, int64_t version,
                         const char *digest, int64_t now_ms, int64_t *id, struct err *err)
{
    struct answer_record record = {.version = version,
                                   .text = text_of(gold->answer[side]),
                                   .finish = "stop",
                                   .input_tokens = -1,
                                   .output_tokens = -1,
                                   .reasoning_tokens = -1,
                                   .cached_tokens = -1,
                                   .cache_write_tokens = -1,
                                   .cost_usd = (double)NAN,
                                   .created_ms = now_ms};
    answers_key(digest, text_of(gold->prompt), text_of(gold->answer[side]), record.key);
    return answers_insert(tx, &record, id, err);
}

static bool store_gold(struct db *tx, const struct registration *registration, struct err *err)
{
    char digest[2][DIGEST_HEX + 1];
    int64_t version[2], id;
    for (int side = 0; registration->gold_count && side < 2; side++)
        if (!store_side(tx, side, registration->now_ms, &version[side], digest[side], err))
            return false;
    for (size_t i = 0; i < registration->gold_count; i++) {
        const struct gold *gold = &registration->gold[i];
        struct queue_turn turn = {.prompt = text_of(gold->prompt)};
        struct queue_item item = {.campaign = registration->id,
                                  .kind = QUEUE_GOLD,
                                  .gold = WINNER_A,
                                  .version_a = version[0],
                                  .version_b = version[1],
                                  .overlap = LIMIT_SESSIONS, /* everybody may be tested with it */
                                  .created_ms = registration->now_ms};
        if (!store_answer(tx, gold, 0, version[0], digest[0], item.created_ms, &turn.answer_a,
                          err) ||
            !store_answer(tx, gold, 1, version[1], digest[1], item.created_ms, &turn.answer_b,
                          err) ||
            !queue_insert_item(tx, &item, &turn, 1, &id, err))
            return false;
    }
    return true;
}

bool registration_store(struct db *tx, struct registration *registration, struct err *err)
{
    const struct question *question = &registration->question;
    struct campaign_record record = {.same_model_rate = question->same_model_rate,
                                     .gold_rate = question->gold_rate,
                                     .created_ms = registration->now_ms};
    struct buf json;
    buf_init(&json, QUESTION_BYTES);
    struct json_out out = json_out_to(&json);
    question_write(&out, NULL, question);
    record.question = buf_text(&json);
    if (registration->spec)
        record.spec = text_of(registration->spec);
    memcpy(record.id, registration->id, sizeof record.id);
    memcpy(record.title, question->title, sizeof record.title);
    memcpy(record.cohort, question->cohort, sizeof record.cohort);
    struct audit_record audit = {.at_ms = registration->now_ms,
                                 .actor = registration->actor,
                                 .act = "campaign create",
                                 .detail = registration->id};
    bool good = (!json.failed || err_set(err, ERR_TOO_LARGE, "the question is too long")) &&
                campaigns_insert(tx, &record, err) && store_gold(tx, registration, err) &&
                audit_add(tx, &audit, err);
    buf_done(&json);
    return good;
}
