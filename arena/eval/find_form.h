/* How a model is asked for the personal data in a piece of text, and what counts as an answer.
 *
 * One question: examples, then the piece. One form: {"found":[{"kind","text"},…]}, held to a JSON
 * Schema where the model's engine can. The piece is the model's to read, not to obey: all that it
 * can bring about is a find more or a find less of its own, and a find that does not stand in the
 * piece word for word is dropped. Pure; any thread. */
#ifndef ARENA_EVAL_FIND_FORM_H
#define ARENA_EVAL_FIND_FORM_H

#include "competitor/competitor.h"
#include "store/finds.h"

/* Stored with every finder; changes when the question or the form does. */
#define FIND_METHOD "arena-finds-1"

#define FIND_MOST 16        /* finds in one answer */
#define FIND_TEXT_BYTES 160 /* of one: an address with everything; not a whole piece */
#define FIND_ANSWER_TOKENS 512
#define FIND_ANSWER_BYTES 8192

extern const char FIND_SCHEMA[]; /* of the answer */

/* The messages of the question; they borrow the piece and static text. Gives their number. */
#define FIND_MESSAGES 8
size_t find_form_ask(struct text piece, struct chat_message messages[FIND_MESSAGES]);

/* Takes an answer: what of it stands in the piece (kind, and the first place), and how many finds
 * do not. False when it has not the form. */
struct find_answer {
    struct find_record finds[FIND_MOST];
    size_t count, invented;
};
bool find_form_read(struct text piece, struct text said, struct find_answer *out);

#endif
