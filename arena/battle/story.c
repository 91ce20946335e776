/* Turns are few and live as long as their battle, so they stand in one array that grows by
 * doubling. */
#include "battle/story.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

void story_side_done(struct story_side *side)
{
    free(side->name);
    free(side->organisation);
    free(side->licence);
    free(side->code_name);
    free(side->effective);
    *side = (struct story_side){0};
}

static void answer_init(struct story_answer *answer)
{
    *answer = (struct story_answer){.output_tokens = -1, .cost_usd = NAN};
    buf_init(&answer->text, LIMIT_ANSWER_BYTES);
}

void story_clear_answers(struct story_turn *turn)
{
    for (int i = 0; i < 2; i++) {
        buf_done(&turn->answer[i].text);
        answer_init(&turn->answer[i]);
    }
    turn->answered = false;
}

void story_init(struct story *story)
{
    *story = (struct story){.pair_probability = NAN, .side_probability = NAN};
}

void story_done(struct story *story)
{
    while (story->turn_count)
        story_drop_turn(story);
    free(story->turns);
    story_side_done(&story->side[0]);
    story_side_done(&story->side[1]);
    story_init(story);
}

static bool room_for_turn(struct story *story)
{
    size_t count = story->turn_count;
    if (count & (count - 1)) /* capacity is the next power of two */
        return true;
    struct story_turn *turns = realloc(story->turns, (count ? 2 * count : 1) * sizeof *turns);
    if (turns)
        story->turns = turns;
    return turns != NULL;
}

struct story_turn *story_add_turn(struct story *story, struct text prompt, struct err *err)
{
    if (story->turn_count >= LIMIT_TURNS) {
        err_set(err, ERR_TOO_LARGE,
                "this battle has %d turns already, which is the most: vote on it", LIMIT_TURNS);
        return NULL;
    }
    struct buf copy;
    buf_init(&copy, LIMIT_PROMPT_BYTES);
    if (!buf_add_text(&copy, prompt) || !room_for_turn(story)) {
        buf_done(&copy);
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    struct story_turn *turn = &story->turns[story->turn_count++];
    turn->prompt = copy;
    answer_init(&turn->answer[0]);
    answer_init(&turn->answer[1]);
    turn->answered = false;
    return turn;
}

void story_drop_turn(struct story *story)
{
    struct story_turn *turn = &story->turns[--story->turn_count];
    story_clear_answers(turn);
    buf_done(&turn->prompt);
}

struct story_turn *story_last(const struct story *story)
{
    return story->turn_count ? &story->turns[story->turn_count - 1] : NULL;
}

static bool copy_string(char **to, const char *from)
{
    *to = from ? strdup(from) : NULL;
    return *to || !from;
}

bool story_set_side(struct story_side *side, const struct story_side *from, struct err *err)
{
    struct story_side copy = *from;
    bool name = copy_string(&copy.name, from->name),
         organisation = copy_string(&copy.organisation, from->organisation);
    bool licence = copy_string(&copy.licence, from->licence),
         effective = copy_string(&copy.effective, from->effective),
         code_name = copy_string(&copy.code_name, from->code_name);
    if (!code_name || !name || !organisation || !licence || !effective) {
        story_side_done(&copy);
        return err_set(err, ERR_MEMORY, "out of memory");
    }
    story_side_done(side);
    *side = copy;
    return true;
}

void story_commitment(const struct story *story, char out[DIGEST_HEX + 1])
{
    char nonce[2 * BATTLE_NONCE_SIZE + 1];
    uint8_t digest[DIGEST_SIZE] = {0};
    struct buf text;
    hex_encode(story->nonce, BATTLE_NONCE_SIZE, nonce);
    buf_init(&text, 4096);
    buf_printf(&text, "%s\n%s\n%s", story->side[0].name, story->side[1].name, nonce);
    if (!text.failed)
        digest_of(text.data, text.length, digest);
    buf_done(&text);
    hex_encode(digest, DIGEST_SIZE, out);
}

bool story_has_code_name(const struct story *story)
{
    return story->side[0].code_name || story->side[1].code_name;
}

bool story_is_told(const struct story *story)
{
    return story->mode != BATTLE_BLIND || (story->voted && story->revealed);
}

/* An id is random, so any function of it that spreads evenly will do. */
bool story_asks_recognised(const struct story *story)
{
    unsigned sum = 0;
    for (const char *at = story->id; *at; at++)
        sum = sum * 31 + (unsigned char)*at;
    return story->mode == BATTLE_BLIND && sum % 5 == 0;
}
