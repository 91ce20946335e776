/* What the other modules of this room ask of the server. Not for other rooms. */
#ifndef ARENA_HTTP_SERVER_INTERNAL_H
#define ARENA_HTTP_SERVER_INTERNAL_H

#include <stdint.h>

#include "http/completion.h"
#include "http/request.h"
#include "http/stream.h"

struct replays;

struct http_figures {
    uint64_t requests[6]; /* by the first digit of their status */
    uint64_t turned_away; /* connections past the limit */
    size_t connections, streams;
};

void server_wake(struct http_server *server);       /* libmicrohttpd has something to do */
void server_answered(struct http_request *request); /* its reply stands: wake its connection */
struct MHD_Response *
server_sorry(struct http_server *server); /* a 503 made at start-up; borrowed */
struct replays *server_replays(struct http_server *server);
const struct peers *server_peers(const struct http_server *server);
struct streams *server_streams(struct http_server *server);
struct completions *server_completions(struct http_server *server);
struct http_figures server_figures(const struct http_server *server);

#endif
