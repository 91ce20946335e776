/* An errand whose reply is there from the start. */
#include "http/noted.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "http/errand.h"
#include "store/audit.h"

struct noting {
    char act[64], detail[256];
};

static bool store_note(struct errand *errand, struct db *tx, struct err *err)
{
    const struct noting *noting = errand->data;
    struct audit_record record = {.at_ms = clock_wall_ms(),
                                  .actor = errand->actor,
                                  .act = noting->act,
                                  .detail = noting->detail};
    return audit_add(tx, &record, err);
}

static void free_data(struct errand *errand)
{
    free(errand->data);
}

void noted_reply(struct http_request *request, unsigned status, const char *act, const char *detail,
                 struct text reply)
{
    struct err err = {ERR_MEMORY, "out of memory"};
    struct errand *errand = errand_new(request, reply.length + 1);
    if (!errand)
        return;
    struct noting *noting = errand->data = malloc(sizeof *noting);
    errand->done = free_data;
    errand->status = status;
    errand->apply = store_note;
    if (!noting || !buf_add_text(&errand->out, reply)) {
        errand_refuse(errand, &err);
        return;
    }
    snprintf(noting->act, sizeof noting->act, "%s", act);
    snprintf(noting->detail, sizeof noting->detail, "%s", detail);
    errand_send(errand);
}
