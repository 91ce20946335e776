/* Answers are read prompt by prompt, so memory is that of the page alone; a page that would pass
 * its limit ends with a word that says so. */
#include "eval/report_parts.h"

#include <string.h>

#include "board/page.h"

#define PAGES_MAX (REPORT_MAX / 2)

static void take_answer(void *user, const struct answer_record *record)
{
    sheet_preformatted(user, record->text.length ? record->text : record->refusal);
}

static bool add_side(const struct report *report, size_t prompt, size_t sample, size_t side,
                     struct db *db, struct buf *out, struct err *err)
{
    const struct results *results = &report->results;
    size_t at = eval_conversation(&results->plan, prompt, sample, side);
    const struct conversation *conversation = &results->state.conversations[at];
    if (!conversation->turns)
        return true;
    buf_add_string(out, "<div><h3>");
    page_escaped(out, results->plan.sides[side].name);
    buf_add_string(out, "</h3>");
    for (size_t turn = 0; turn < conversation->turns; turn++) {
        if (conversation->turns > 1)
            buf_printf(out, "<p>turn %zu</p>", turn + 1);
        if (!answers_get(db, state_answers(&results->state, at)[turn], take_answer, out, err))
            return false;
    }
    buf_add_string(out, "</div>");
    return true;
}

/* "X beats Y (the judge)" */
static void add_vote(const struct results *results, const struct eval_vote *vote, struct buf *out)
{
    static const char *const WORDS[] = {" beats ", " beats ", " ties with ", " is as bad as "};
    const struct eval_pair *pair = &results->plan.pairs[vote->pair];
    bool person = vote->rater >= results->plan.spec.judge_count, turned = vote->winner == WINNER_B;
    buf_add_string(out, "<p>");
    page_escaped(out, results->plan.sides[pair->side[turned]].name);
    buf_add_string(out, WORDS[vote->winner]);
    page_escaped(out, results->plan.sides[pair->side[!turned]].name);
    buf_add_string(out, " (");
    page_escaped(out, person ? "a person" : results->plan.judges[vote->rater].name);
    buf_add_string(out, ")</p>");
}

static void add_votes(const struct report *report, size_t prompt, size_t sample, struct buf *out)
{
    const struct results *results = &report->results;
    for (size_t k = 0; k < results->vote_count; k++) {
        const struct eval_pair *pair = &results->plan.pairs[results->votes[k].pair];
        if (pair->prompt == prompt && pair->sample == sample)
            add_vote(results, &results->votes[k], out);
    }
}

static void add_question(const struct eval_prompt *prompt, size_t number, struct buf *out)
{
    size_t k;
    const json_t *turn;
    const char *first = json_string_value(json_array_get(prompt->turns, 0));
    char opening[97];
    size_t length = strcspn(first, "\n");
    length = length < sizeof opening - 1 ? length : sizeof opening - 1;
    while (length && ((unsigned char)first[length] & 0xc0) == 0x80)
        length--; /* not within a character */
    memcpy(opening, first, length);
    opening[length] = '\0';
    buf_printf(out, "<section class=\"p\" id=\"p%zu\"><h3><a href=\"#p%zu\">%zu. ", number + 1,
               number + 1, number + 1);
    page_escaped(out, opening);
    buf_add_string(out, "</a> <small>");
    page_escaped(out, prompt->category);
    buf_add_string(out, "</small></h3><div class=\"b\">");
    json_array_foreach(prompt->turns, k, turn)
        sheet_preformatted(out, (struct text){json_string_value(turn), json_string_length(turn)});
}

static void add_steps(size_t prompt, size_t count, struct buf *out)
{
    buf_add_string(out, "<p>");
    if (prompt)
        buf_printf(out, "<a href=\"#p%zu\">previous</a> ", prompt);
    if (prompt + 1 < count)
        buf_printf(out, "<a href=\"#p%zu\">next</a> ", prompt + 2);
    buf_add_string(out, "<a href=\"#pages\">close</a></p>");
}

/* The prompt that the address names is the one that is open: a link opens a section in every
 * browser without a script, and a <details> only in some. */
bool report_pages(const struct report *report, struct db *db, struct buf *out, struct err *err)
{
    const struct eval_plan *plan = &report->results.plan;
    buf_add_string(out, "<h2 id=\"pages\">Every prompt, its answers side by side</h2>\n");
    for (size_t prompt = 0; prompt < plan->prompts.count; prompt++) {
        if (out->length > PAGES_MAX) {
            buf_add_string(out, "<p class=\"note\">The page is full: arena export battles has the "
                                "rest.</p>");
            return true;
        }
        add_question(&plan->prompts.list[prompt], prompt, out);
        for (size_t sample = 0; sample < plan->samples; sample++) {
            buf_add_string(out, "<div class=\"sides\">");
            for (size_t side = 0; side < plan->spec.competitor_count; side++)
                if (!add_side(report, prompt, sample, side, db, out, err))
                    return false;
            buf_add_string(out, "</div>");
            add_votes(report, prompt, sample, out);
        }
        add_steps(prompt, plan->prompts.count, out);
        buf_add_string(out, "</div></section>\n");
    }
    return true;
}
