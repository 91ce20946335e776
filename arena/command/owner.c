/* libcurl speaks HTTP over a unix socket, so this is the same API that a browser uses. */
#include "command/owner.h"

#include <curl/curl.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"
#include "store/directory.h"

enum { ANSWER_SECONDS = 600 }; /* an import of millions on a slow disk */

static size_t on_bytes(char *bytes, size_t size, size_t count, void *user)
{
    return buf_add(user, bytes, size * count) ? size * count : 0;
}

/* The owner's reply, or its refusal as an error of ours. */
static enum owner_answer read_reply(long status, struct text text, json_t **reply, struct err *err)
{
    json_t *body = json_read(text, "the server's reply", err);
    if (!body)
        return OWNER_REFUSED;
    if (status < 300) {
        *reply = body;
        return OWNER_DONE;
    }
    const char *message =
        json_string_value(json_object_get(json_object_get(body, "error"), "message"));
    err_set(err, status < 500 ? ERR_BAD_REQUEST : ERR_BUSY, "%s",
            message ? message : "the server refused");
    json_decref(body);
    return OWNER_REFUSED;
}

static enum owner_answer perform(CURL *easy, const char *owner, json_t **reply, struct err *err)
{
    struct buf buf;
    long status = 0;
    buf_init(&buf, LIMIT_BODY_BYTES);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &buf);
    CURLcode code = curl_easy_perform(easy);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    enum owner_answer answer = OWNER_REFUSED;
    if (code == CURLE_OK)
        answer = read_reply(status, buf_text(&buf), reply, err);
    else
        err_set(err, ERR_BUSY, "the data directory belongs to %s, which does not answer: %s", owner,
                curl_easy_strerror(code));
    buf_done(&buf);
    return answer;
}

/* `body` NULL: a GET. */
static enum owner_answer ask(const char *data, const char *path, const json_t *body, json_t **reply,
                             struct err *err)
{
    char owner[256], url[256];
    if (!directory_is_owned(data, owner, sizeof owner))
        return OWNER_ABSENT;
    CURL *easy = curl_easy_init();
    char *socket_path = file_join(data, "arena.sock"),
         *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    enum owner_answer answer = OWNER_REFUSED;
    snprintf(url, sizeof url, "http://localhost%s", path);
    if (easy && socket_path && (text || !body) && headers) {
        curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, socket_path);
        curl_easy_setopt(easy, CURLOPT_URL, url);
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
        if (text)
            curl_easy_setopt(easy, CURLOPT_POSTFIELDS, text);
        curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long)ANSWER_SECONDS);
        curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(easy, CURLOPT_PROXY, "");
        answer = perform(easy, owner, reply, err);
    } else {
        err_set(err, ERR_MEMORY, "out of memory");
    }
    curl_slist_free_all(headers);
    free(text);
    free(socket_path);
    curl_easy_cleanup(easy);
    return answer;
}

enum owner_answer owner_post(const char *data, const char *path, const json_t *body, json_t **reply,
                             struct err *err)
{
    return ask(data, path, body, reply, err);
}

enum owner_answer owner_get(const char *data, const char *path, json_t **reply, struct err *err)
{
    return ask(data, path, NULL, reply, err);
}
