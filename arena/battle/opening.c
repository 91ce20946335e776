/* Three ways to a pair: drawn by the matchmaker among all, drawn among a campaign's pairs for its
 * cohort, or named by the voter (then nobody is blind). The rest of a battle's life does not ask
 * which it was. */
#include "battle/opening.h"

#include <math.h>
#include <string.h>

#include "base/json.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "battle/hall_state.h"
#include "battle/matchmaker.h"
#include "battle/record.h"
#include "battle/view.h"
#include "board/live.h"
#include "competitor/draw.h"
#include "competitor/roster.h"
#include "people/campaigns.h"

#define WHAT "the request"

struct opening {
    enum battle_mode mode;
    struct match match;
    const char *campaign; /* its id; NULL: none */
};

bool opening_may_stream(const struct op *op, struct err *err)
{
    return hall_streaming_of(op->hall, op->voter) < LIMIT_STREAMING_PER_VOTER ||
           err_set(err, ERR_TOO_MANY,
                   "a battle is streaming for you already: wait for it, or stop it");
}

bool opening_prompt(const struct op *op, struct text *out, struct err *err)
{
    const char *prompt;
    if (!json_get_string(op->body, "prompt", WHAT, &prompt, err))
        return false;
    size_t length = json_string_length(json_object_get(op->body, "prompt"));
    if (length > LIMIT_PROMPT_BYTES)
        return err_set(err, ERR_PROMPT_TOO_LONG,
                       "the prompt has %zu bytes, %d are the most: shorten it", length,
                       LIMIT_PROMPT_BYTES);
    if (!utf8_valid(prompt, length))
        return err_set(err, ERR_BAD_UTF8, "the prompt is not UTF-8 from byte %zu on",
                       utf8_find_invalid(prompt, length));
    if (strspn(prompt, " \t\r\n") == length)
        return err_set(err, ERR_PROMPT_EMPTY, "the prompt is empty: write something to answer");
    *out = (struct text){prompt, length};
    return true;
}

/* --- drawn --- */

static size_t count_active(struct competitor *const list[], size_t count)
{
    size_t active = 0;
    for (size_t i = 0; i < count; i++)
        active += list[i]->availability == COMPETITOR_ACTIVE;
    return active;
}

static bool draw_freely(struct op *op, struct match *match, struct err *err)
{
    struct competitor *list[LIMIT_COMPETITORS];
    size_t count = hall_competitors(op->hall, op->in_house_only, list);
    size_t active = count_active(list, count);
    if (op->in_house_only && active < 2)
        return err_set(
            err, ERR_IN_HOUSE,
            "a battle of in-house models alone needs two of them, and %zu %s active: let "
            "rivals answer, or ask the administrator for another in-house model",
            active, active == 1 ? "is" : "are");
    count = draw_filter(list, count, op->now_ms);
    if (active >= 2 && count_active(list, count) < 2)
        return err_set(err, ERR_BUSY,
                       "the models here have had all the battles that they may have "
                       "for now: try again later");
    const struct live *live = op->hall->options.live;
    struct matchmaker_informed informed;
    struct matchmaker_rule rule =
        matchmaker_inform(&informed, live ? live_sampling(live) : NULL, list, count);
    return matchmaker_draw(match, list, count, &rule, &op->hall->rng, err);
}

static double campaign_weight(const void *user, struct competitor *const *list, size_t i, size_t j)
{
    return campaign_pairs(user, list[i]->version, list[j]->version) ? 1 : 0;
}

/* Now and then the same model answers twice: what its voters make of that is their noise. */
static void double_one(struct match *match, double rate, struct rng *rng)
{
    if (rng_uniform(rng) < rate)
        match->side[0] = match->side[1];
    else
        rate = 1 - rate;
    match->pair_probability *= rate;
}

/* False where the campaign's models are not all here: then the battle is an ordinary one. */
static bool draw_for(struct op *op, const struct campaign_terms *terms, struct match *match)
{
    struct competitor *list[LIMIT_COMPETITORS];
    size_t count = hall_competitors(op->hall, op->in_house_only, list);
    struct matchmaker_rule rule = {campaign_weight, terms};
    count = draw_filter(list, count, op->now_ms);
    if (!matchmaker_draw(match, list, count, &rule, &op->hall->rng, NULL))
        return false;
    double_one(match, terms->same_model_rate, &op->hall->rng);
    return true;
}

static bool draw(struct op *op, struct opening *opening, struct err *err)
{
    const struct campaigns *campaigns = op->hall->options.campaigns;
    const struct campaign_terms *terms = campaigns ? campaigns_live(campaigns, op->cohort) : NULL;
    if (terms && draw_for(op, terms, &opening->match)) {
        opening->campaign = terms->id;
        return true;
    }
    return draw_freely(op, &opening->match, err);
}

/* --- named --- */

static bool find_named(const struct op *op, const json_t *name, struct competitor **out,
                       struct err *err)
{
    const char *word = json_string_value(name);
    if (!word)
        return err_set(err, ERR_BAD_REQUEST, WHAT ": \"models\": expected names");
    *out = roster_find_shown(op->hall->options.roster, word);
    if (*out && op->in_house_only && !(*out)->config.in_house)
        return err_set(err, ERR_IN_HOUSE,
                       "\"%.100s\" is a rival's, and this prompt stays with in-house models", word);
    if (*out && (*out)->availability == COMPETITOR_ACTIVE)
        return true;
    return err_set(err, ERR_BAD_REQUEST, "there is no active model \"%.100s\" to talk to", word);
}

static bool take_named(const struct op *op, struct opening *opening, struct err *err)
{
    const json_t *models = json_object_get(op->body, "models");
    size_t wanted = opening->mode == BATTLE_DIRECT ? 1 : 2;
    if (json_array_size(models) != wanted)
        return err_set(err, ERR_BAD_REQUEST, WHAT ": \"models\": expected a list of %zu", wanted);
    opening->match =
        (struct match){.pair_probability = (double)NAN, .side_probability = (double)NAN};
    for (size_t i = 0; i < wanted; i++)
        if (!find_named(op, json_array_get(models, i), &opening->match.side[i], err))
            return false;
    if (wanted == 1)
        opening->match.side[1] = opening->match.side[0];
    else if (opening->match.side[0] == opening->match.side[1])
        return err_set(err, ERR_BAD_REQUEST, "choose two different models to compare");
    return true;
}

static bool choose_sides(struct op *op, struct opening *opening, struct err *err)
{
    const char *mode = "blind";
    if (!json_get_string_or(op->body, "mode", WHAT, &mode, err))
        return false;
    if (!battle_mode_from(mode, &opening->mode))
        return err_set(err, ERR_BAD_REQUEST,
                       WHAT ": \"mode\" is \"%.40s\"; it must be blind, side_by_side or direct",
                       mode);
    if (opening->mode != BATTLE_BLIND)
        return take_named(op, opening, err);
    if (json_object_get(op->body, "models"))
        return err_set(err, ERR_BAD_REQUEST, "in a blind battle nobody chooses the models");
    return draw(op, opening, err);
}

/* --- the battle --- */

static struct battle *new_battle(struct op *op, const struct opening *opening, struct text prompt,
                                 struct err *err)
{
    const struct match *match = &opening->match;
    struct story story;
    story_init(&story);
    random_id(story.id);
    random_bytes(story.nonce, sizeof story.nonce);
    memcpy(story.voter, op->voter, sizeof story.voter);
    snprintf(story.campaign, sizeof story.campaign, "%s",
             opening->campaign ? opening->campaign : "");
    story.state = BATTLE_STREAMING;
    story.mode = opening->mode;
    story.created_ms = op->now_ms;
    story.pair_probability = match->pair_probability;
    story.side_probability = match->side_probability;
    bool good = story_add_turn(&story, prompt, err) != NULL;
    struct battle *battle = good ? battle_new(&op->hall->host, &story, 1, err) : NULL;
    story_done(&story);
    if (battle)
        battle->in_house_only = op->in_house_only;
    if (battle && battle_set_side(battle, 0, match->side[0], err) &&
        battle_set_side(battle, 1, match->side[1], err))
        return battle;
    battle_free(battle);
    return NULL;
}

bool opening_prepare(struct op *op, struct err *err)
{
    struct text prompt;
    struct opening opening = {.mode = BATTLE_BLIND};
    bool wanted = false; /* of this prompt; the voter's own word stands */
    if (!json_get_bool_or(op->body, "in_house_only", WHAT, &wanted, err))
        return false;
    op->in_house_only |= wanted;
    if (!opening_prompt(op, &prompt, err) || !opening_may_stream(op, err) ||
        !choose_sides(op, &opening, err))
        return false;
    if (!residents_make_room(&op->hall->residents))
        return err_set(err, ERR_BUSY,
                       "%d battles are under way, which is the most: try again in a minute",
                       LIMIT_BATTLES_LIVE);
    struct battle *battle = new_battle(op, &opening, prompt, err);
    if (!battle)
        return false;
    op->resident = residents_add(&op->hall->residents, op->hall, battle);
    if (!op->resident) {
        battle_free(battle);
        return err_set(err, ERR_MEMORY, "out of memory");
    }
    op->needs_job = true;
    op->status = 201;
    view_step(&op->out, &battle->story);
    return true;
}

bool opening_apply(struct db *tx, struct op *op, struct err *err)
{
    return record_start(tx, &op->resident->battle->story, op->in_house_only, op->version, err);
}

void opening_committed(struct op *op)
{
    struct battle *battle = op->resident->battle;
    op->hall->figures.started++;
    hall_count_day(op->hall, &battle->story, (struct health_day){.drawn = 1});
    for (int i = 0; i < 2; i++)
        battle->story.side[i].version_id = op->version[i];
    if (!op->hall->stopping)
        battle_stream(battle, false);
}

void opening_undone(struct op *op, const struct err *err)
{
    (void)err;
    residents_remove(&op->hall->residents, op->resident);
    op->resident = NULL;
}
