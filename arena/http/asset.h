/* The browser's files, embedded in the binary (cmake/assets.cmake): pages, scripts, styles, fonts
 * and their licences.
 *
 * Each has its ready responses, plain and compressed, made once. Every file is revalidated by its
 * ETag; one that is asked for as "?v=ETAG" never changes and may be kept for a year. Loop's thread.
 */
#ifndef ARENA_HTTP_ASSET_H
#define ARENA_HTTP_ASSET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "http/request.h"

/* One row of the generated table, sorted by url. */
struct asset {
    const char *url, *content_type;
    const char
        *etag; /* quoted; the compressed form's is the same with "-gz" before the last quote */
    const char *etag_gzip;
    const unsigned char *data, *data_end;
    const unsigned char *gzip, *gzip_end; /* equal: compressing gains nothing */
};
extern const struct asset ASSETS[];
extern const size_t ASSET_COUNT;

struct assets;

struct assets *assets_new(bool https, struct err *err);
void assets_free(struct assets *assets);

bool assets_answer(struct assets *assets,
                   struct http_request *request); /* false: no such file; not answered */
bool assets_missing(struct assets *assets,
                    struct http_request *request); /* the 404 page; false: there is none */

#endif
