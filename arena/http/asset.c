/* Responses are shared by all requests that want the same bytes: serving a file is a look-up and a
 * reference. */
#include "http/asset.h"

#include <stdlib.h>
#include <string.h>

#include "http/guard.h"
#include "http/response.h"

enum form { FORM_PLAIN, FORM_GZIP, FORMS };

enum { ASSET_FOLDER_BYTES = 64 };

#define FOREVER "public, max-age=31536000, immutable"

struct shelf {
    struct MHD_Response *whole[FORMS], *forever[FORMS], *unchanged[FORMS];
};

struct assets {
    struct shelf *shelves; /* ASSET_COUNT */
};

static struct text bytes_of(const struct asset *asset, enum form form)
{
    const unsigned char *from = form == FORM_GZIP ? asset->gzip : asset->data;
    const unsigned char *to = form == FORM_GZIP ? asset->gzip_end : asset->data_end;
    return (struct text){(const char *)from, (size_t)(to - from)};
}

static bool has_form(const struct asset *asset, enum form form)
{
    return form == FORM_PLAIN || asset->gzip != asset->gzip_end;
}

static bool fill(struct shelf *shelf, const struct asset *asset, enum form form, bool https)
{
    static const struct text NOTHING = {"", 0};
    struct response_headers headers = {.policy = RESPONSE_PAGE,
                                       .https = https,
                                       .content_type = asset->content_type,
                                       .etag = form == FORM_GZIP ? asset->etag_gzip : asset->etag,
                                       .encoding = form == FORM_GZIP ? "gzip" : NULL};
    struct text bytes = bytes_of(asset, form);
    shelf->whole[form] = response_prepare(bytes, false, &headers);
    shelf->unchanged[form] = response_prepare(NOTHING, false, &headers);
    headers.cache_control = FOREVER;
    shelf->forever[form] = response_prepare(bytes, false, &headers);
    return shelf->whole[form] && shelf->unchanged[form] && shelf->forever[form];
}

struct assets *assets_new(bool https, struct err *err)
{
    struct assets *assets = calloc(1, sizeof *assets);
    bool fine = assets && (assets->shelves = calloc(ASSET_COUNT + 1, sizeof *assets->shelves));
    for (size_t i = 0; fine && i < ASSET_COUNT; i++)
        for (enum form form = FORM_PLAIN; fine && form < FORMS; form++)
            fine =
                !has_form(&ASSETS[i], form) || fill(&assets->shelves[i], &ASSETS[i], form, https);
    if (fine)
        return assets;
    assets_free(assets);
    err_set(err, ERR_MEMORY, "out of memory");
    return NULL;
}

static void drop(struct MHD_Response *response)
{
    if (response)
        MHD_destroy_response(response);
}

void assets_free(struct assets *assets)
{
    if (!assets)
        return;
    for (size_t i = 0; assets->shelves && i < ASSET_COUNT; i++)
        for (enum form form = FORM_PLAIN; form < FORMS; form++) {
            drop(assets->shelves[i].whole[form]);
            drop(assets->shelves[i].forever[form]);
            drop(assets->shelves[i].unchanged[form]);
        }
    free(assets->shelves);
    free(assets);
}

static int compare(const void *url, const void *asset)
{
    return strcmp(url, ((const struct asset *)asset)->url);
}

static const struct asset *find(const char *url)
{
    return bsearch(url, ASSETS, ASSET_COUNT, sizeof *ASSETS, compare);
}

/* A page that serves all addresses of one folder stands in the table as "/folder/" and a star. */
static const struct asset *find_page(const char *url)
{
    char pattern[ASSET_FOLDER_BYTES];
    const struct asset *asset = find(url);
    const char *slash = strrchr(url, '/');
    size_t length = slash ? (size_t)(slash - url) + 1 : 0;
    if (asset || length < 2 || !slash[1] || length + 2 > sizeof pattern)
        return asset;
    memcpy(pattern, url, length);
    memcpy(pattern + length, "*", 2);
    return find(pattern);
}

/* "?v=" with the tag, without its quotes. */
static bool names_version(const struct http_request *request, const struct asset *asset)
{
    struct text version = http_request_query(request, "v");
    return version.length && version.length + 2 == strlen(asset->etag) &&
           memcmp(version.data, asset->etag + 1, version.length) == 0;
}

static void serve(const struct assets *assets, struct http_request *request,
                  const struct asset *asset)
{
    const struct shelf *shelf = &assets->shelves[asset - ASSETS];
    bool compressed = has_form(asset, FORM_GZIP) &&
                      guard_accepts(http_request_header(request, "Accept-Encoding"), "gzip");
    enum form form = compressed ? FORM_GZIP : FORM_PLAIN;
    struct text known = http_request_header(request, "If-None-Match");
    if (guard_matches(known, asset->etag) || guard_matches(known, asset->etag_gzip))
        response_shared(request, MHD_HTTP_NOT_MODIFIED, shelf->unchanged[form]);
    else
        response_shared(request, MHD_HTTP_OK,
                        names_version(request, asset) ? shelf->forever[form] : shelf->whole[form]);
}

bool assets_answer(struct assets *assets, struct http_request *request)
{
    const struct asset *asset = find_page(request->path);
    struct err err = ERR_INIT;
    if (!asset)
        return false;
    if (strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0) {
        serve(assets, request, asset);
        return true;
    }
    request->allow = "GET, HEAD";
    err_set(&err, ERR_METHOD, "this address answers %s", request->allow);
    response_error(request, &err);
    return true;
}

bool assets_missing(struct assets *assets, struct http_request *request)
{
    const struct asset *asset = find("/404");
    if (!asset)
        return false;
    response_shared(request, MHD_HTTP_NOT_FOUND, assets->shelves[asset - ASSETS].whole[FORM_PLAIN]);
    return true;
}
