/* A reply that waits until what was done stands in the audit log: for acts that are no record of
 * the store themselves. Loop's thread. */
#ifndef ARENA_HTTP_NOTED_H
#define ARENA_HTTP_NOTED_H

#include "base/buf.h"
#include "http/request.h"

/* Answers with `reply` (JSON); all is copied. */
void noted_reply(struct http_request *request, unsigned status, const char *act, const char *detail,
                 struct text reply);

#endif
