/* Idempotency-Key on every POST: a request that comes again is answered as the first time, and
 * done once.
 *
 * Battles keep the replies of their keys themselves, in the transaction of the act (battle/op.h).
 * Everything else passes here, before its handler. A route whose replies hold no secret
 * (REPLY_STORED in route.c) has its key reserved in the store, by caller and path, before the act,
 * and the reply added before it is sent: kept for IDEMPOTENCY_HOURS, over restarts too. A key whose
 * request ended with the server stays reserved and is refused: the act was done, or not, but never
 * twice. A route that shows a secret once (links, keys, sessions), and whoever has no voter, is
 * remembered in memory alone, as a digest of what was asked and the reply, until the server ends or
 * others need the room: LIMIT_REPLAYS, LIMIT_REPLAY_BYTES, LIMIT_REPLAY_SECONDS. Only replies that
 * did something are kept; refusals may be tried again with the same key. An event stream is not
 * kept. Loop's thread. */
#ifndef ARENA_HTTP_REPLAY_H
#define ARENA_HTTP_REPLAY_H

#include "http/request.h"

struct replays;
struct replay;

struct replays *replays_new(void); /* NULL only without memory */
void replays_free(struct replays *replays);

/* Of a request that was admitted: true when it is answered here, or handled later. */
bool replay_begin(struct http_request *request);

/* Its reply: true when it is sent later, once it is stored. */
bool replay_end(struct http_request *request, unsigned status, struct text body);

/* It ends without a reply; NULL is allowed. */
void replay_drop(struct replay *replay);

/* It is told that the server ends while its act may be under way: a key in the store stays
 * reserved. NULL is allowed. */
void replay_leave(struct replay *replay);

#endif
