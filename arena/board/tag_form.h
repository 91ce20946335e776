/* How a model is asked what a prompt is about, and what counts as an answer.
 *
 * Three questions, each with examples and one form: which of LMArena's seven criteria of hard
 * prompts are met (a list of their numbers, "[1, 4]"), is it creative writing ("yes", "no"), how
 * many demands it makes of the answer ("0" to "5"; instruction following from 4). Anything else is
 * no answer: a tag is never guessed. The prompt is the model's to read, not to obey: all that it
 * can bring about is a wrong tag of its own battle. Pure; any thread. */
#ifndef ARENA_BOARD_TAG_FORM_H
#define ARENA_BOARD_TAG_FORM_H

#include "base/buf.h"
#include "competitor/competitor.h"

/* Stored with every tagger; changes when the questions or the forms do. */
#define TAG_METHOD "arena-tags-1"

enum tag_question { TAG_CRITERIA, TAG_CREATIVE, TAG_FOLLOWING, TAG_QUESTIONS };

#define TAG_CRITERIA_COUNT 7
#define TAG_CRITERIA_HARD 6  /* so many of them make a hard prompt */
#define TAG_FOLLOWING_FROM 4 /* of 5 */

/* What was answered; -1: no answer that counts. */
struct tag_answers {
    int criteria; /* bit k: criterion k + 1 */
    int creative; /* 0, 1 */
    int demands;  /* 0 to 5 */
};
#define TAG_ANSWERS_NONE ((struct tag_answers){-1, -1, -1})

/* The messages of a question about these prompts (cut to LIMIT_TAG_PROMPT_BYTES). They borrow
 * `room`, which is cleared, and static text. Gives their number. */
#define TAG_MESSAGES 10
size_t tag_form_ask(enum tag_question question, struct text prompts, struct buf *room,
                    struct chat_message messages[TAG_MESSAGES]);

/* Takes an answer; false, with the answer left at -1, when it has not the form. */
bool tag_form_read(enum tag_question question, struct text said, struct tag_answers *answers);

/* Is the battle of the category that the question is asked for? -1: not known. */
int tag_form_verdict(enum tag_question question, const struct tag_answers *answers);
const char *tag_form_category(enum tag_question question);

/* Members of category_tag, as LMArena names them. Gives how many answers there were. */
int tag_form_write(const struct tag_answers *answers, struct buf *out);

#endif
