/* Proxies append to X-Forwarded-For, some as a second line of it, so the last line counts and is
 * read from its end: what stands further left is the client's own word. */
#include "http/proxied.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "base/utf8.h"
#include "http/server_internal.h"
#include "people/addresses.h"

#define FORWARDED "X-Forwarded-For"

/* --- the address --- */

struct header_search {
    const char *name;
    struct text value; /* of the last line of that name */
    int lines;
};

static enum MHD_Result look_for(void *user, enum MHD_ValueKind kind, const char *name,
                                size_t name_length, const char *value, size_t length)
{
    (void)kind, (void)name_length;
    struct header_search *search = user;
    if (strcasecmp(name, search->name) == 0) {
        search->value = (struct text){value ? value : "", value ? length : 0};
        search->lines++;
    }
    return MHD_YES;
}

static struct header_search find_header(const struct http_request *request, const char *name)
{
    struct header_search search = {.name = name, .value = {"", 0}};
    if (request->connection)
        MHD_get_connection_values_n(request->connection, MHD_HEADER_KIND, look_for, &search);
    return search;
}

/* Takes the last of a comma-separated list's entries off its end, without the spaces around it. */
static struct text cut_last(struct text *list)
{
    size_t start = list->length;
    while (start && list->data[start - 1] != ',')
        start--;
    struct text entry = {list->data + start, list->length - start};
    list->length = start ? start - 1 : 0;
    while (entry.length && entry.data[0] == ' ') {
        entry.data++;
        entry.length--;
    }
    while (entry.length && entry.data[entry.length - 1] == ' ')
        entry.length--;
    return entry;
}

static bool read_address(struct text entry, char out[PEER_ADDRESS_SIZE])
{
    struct in6_addr ignored;
    if (!entry.length || entry.length >= PEER_ADDRESS_SIZE)
        return false;
    memcpy(out, entry.data, entry.length);
    out[entry.length] = '\0';
    return inet_pton(AF_INET, out, &ignored) == 1 || inet_pton(AF_INET6, out, &ignored) == 1;
}

void proxied_address(const struct http_request *request, char out[PEER_ADDRESS_SIZE])
{
    char entry[PEER_ADDRESS_SIZE];
    memcpy(out, request->peer->address, PEER_ADDRESS_SIZE);
    if (!request->peer->proxy)
        return;
    struct text list = find_header(request, FORWARDED).value;
    while (list.length && read_address(cut_last(&list), entry)) {
        memcpy(out, entry, sizeof entry);
        if (!peers_know_proxy(server_peers(request->server), entry))
            return;
    }
}

/* --- who it is --- */

static bool lists(const char *const *names, const char *name)
{
    for (; names && *names; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return false;
}

static enum voter_role role_of(const struct http_context *context, const char *name)
{
    return lists(context->administrators, name) ? ROLE_ADMIN
           : lists(context->analysts, name)     ? ROLE_ANALYST
                                                : ROLE_VOTER;
}

bool proxied_take_rate(struct http_request *request, enum rate_kind kind, struct err *err)
{
    char address[PEER_ADDRESS_SIZE], who[ADDRESS_NAME_SIZE];
    const struct http_context *context = request->context;
    if (!context->rates || !context->addresses || request->peer->administers)
        return true;
    proxied_address(request, address);
    addresses_name(context->addresses, address, who);
    return rates_take(context->rates, kind, who, &request->retry_after, err);
}

bool proxied_take_own_rate(struct http_request *request, enum rate_kind kind, struct err *err)
{
    const struct http_context *context = request->context;
    return context->auth == AUTH_LOCAL || !context->rates || !request->has_voter ||
           rates_take(context->rates, kind, request->voter.id, &request->retry_after, err);
}

void proxied_saw(const struct http_request *request)
{
    char address[PEER_ADDRESS_SIZE];
    const struct http_context *context = request->context;
    if (!context->addresses || context->auth == AUTH_LOCAL || request->peer->administers)
        return;
    proxied_address(request, address);
    addresses_saw(context->addresses, request->voter.id, address);
}

bool proxied_voter(struct http_request *request, struct err *err)
{
    const struct http_context *context = request->context;
    if (!request->peer->proxy)
        return err_set(err, ERR_FORBIDDEN, "this arena is reached through its proxy");
    struct header_search search = find_header(request, context->identity);
    char name[VOTER_NAME_SIZE];
    if (!search.value.length)
        return true;
    if (search.lines > 1 || search.value.length >= sizeof name ||
        !utf8_valid(search.value.data, search.value.length))
        return err_set(err, ERR_BAD_REQUEST, "the header %s does not hold one name",
                       context->identity);
    memcpy(name, search.value.data, search.value.length);
    name[search.value.length] = '\0';
    if (!context->sessions)
        return true;
    const struct voter *voter =
        sessions_identify(context->sessions, name, role_of(context, name), err);
    if (!voter)
        return false;
    request->voter = *voter;
    request->voter.role = role_of(context, name); /* the configuration's, whatever is stored */
    request->has_voter = true;
    return true;
}
