/* How an answer is read from a row, shared by answers.c and turns.c. */
#ifndef ARENA_STORE_ANSWERS_ROW_H
#define ARENA_STORE_ANSWERS_ROW_H

#include "store/answers.h"

/* The columns of table `t`, in the order that answer_from_row reads. */
#define ANSWER_COLUMNS(t)                                                                          \
    t ".id, " t ".key, " t ".version, " t ".text, " t ".reasoning, " t ".refusal, " t              \
      ".finish, " t ".error_class, " t ".error_message, " t ".input_tokens, " t                    \
      ".output_tokens, " t ".reasoning_tokens, " t ".cached_tokens, " t ".cache_write_tokens, " t  \
      ".cost_usd, " t ".model, " t ".request_id, " t ".sent, " t ".attempts, " t                   \
      ".first_content_ns, " t ".total_ns, " t ".created_ms"
enum { ANSWER_COLUMN_COUNT = 22 };

/* Borrows its text from the row. */
struct answer_record answer_from_row(const struct db_rows *rows, int first);

#endif
