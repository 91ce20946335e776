/* Behind a proxy its port is the scheme's own; with TLS of ours it is the one we listen on. */
#include "http/link.h"

#include <stdio.h>
#include <string.h>

#include "http/server.h"

enum { ORIGIN_BYTES = 320 };

void link_origin(const struct http_request *request, char *out, size_t size)
{
    const struct http_context *context = request->context;
    bool named = context->https && context->hosts && context->hosts[0];
    const char *url = http_server_url(request->server);
    if (named && strncmp(url, "https:", 6) == 0)
        snprintf(out, size, "https://%s:%u", context->hosts[0], http_server_port(request->server));
    else if (named)
        snprintf(out, size, "https://%s", context->hosts[0]);
    else
        snprintf(out, size, "%.*s", (int)(strlen(url) - 1), url);
}

void link_put_invitation(struct json_out *out, const struct http_request *request,
                         const struct invite *invite)
{
    char origin[ORIGIN_BYTES], link[LINK_BYTES_MAX];
    link_origin(request, origin, sizeof origin);
    snprintf(link, sizeof link, "%s/join/%s", origin, invite->token);
    json_put_open(out, NULL, '{');
    json_put_cstring(out, "id", invite->id);
    json_put_cstring(out, "link", link);
    json_put_int(out, "expires_ms", invite->record.expires_ms);
    json_put_close(out, '}');
}
