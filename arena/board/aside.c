/* The members are written apart and put before the object's last bracket, so that the board's
 * own renderer knows nothing of the arena around it. */
#include "board/aside.h"

#include <string.h>

#include "base/json.h"
#include "board/render.h"

static void write_members(struct json_out *out, const struct stored_votes *votes,
                          const struct reliability *reliability)
{
    if (votes->catalogue)
        catalogue_write(votes->catalogue, out, "categories");
    reliability_write(reliability, votes, out, "reliability");
}

bool aside_append(struct buf *json, const struct stored_votes *votes,
                  const struct reliability *reliability)
{
    struct buf members;
    buf_init(&members, RENDER_MAX);
    struct json_out out = json_out_to(&members);
    json_put_open(&out, NULL, '{');
    write_members(&out, votes, reliability);
    json_put_close(&out, '}');
    const char *end = json->length ? memrchr(json->data, '}', json->length) : NULL;
    if (end && !members.failed && members.length > 2) {
        json->length = (size_t)(end - json->data);
        buf_add_char(json, ',');
        buf_add(json, members.data + 1, members.length - 1);
    }
    bool good = !json->failed && !members.failed;
    buf_done(&members);
    return good;
}
