/* GET /api/models: who may be met here, and what its reader may do beside. The order is the
 * configuration's and says nothing of any battle. */
#include "http/api.h"

#include <math.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/limits.h"
#include "competitor/roster.h"
#include "http/response.h"
#include "http/route.h"

enum { MODEL_BYTES_MAX = 4096 };

/* Of a model that is not published, its code name and state alone. */
static void write_model(struct json_out *out, const struct competitor *competitor)
{
    const struct competitor_config *config = &competitor->config;
    struct price_rates rates = price_at(&config->prices, clock_wall_ms(), -1);
    bool hidden = config->code_name != NULL;
    if (hidden)
        rates.input = rates.output = (double)NAN;
    json_put_open(out, NULL, '{');
    json_put_cstring(out, "name", competitor_shown_name(config));
    if (hidden)
        json_put_bool(out, "code_name", true);
    json_put_cstring(out, "organisation", hidden ? NULL : config->organisation);
    json_put_cstring(out, "licence", hidden ? NULL : config->licence);
    json_put_bool(out, "in_house", config->in_house && !hidden);
    json_put_cstring(out, "provider", hidden ? NULL : config->provider);
    json_put_cstring(out, "state", competitor_state_word(competitor->availability));
    json_put_open(out, "price", '{');
    json_put_real(out, "input", rates.input);
    json_put_real(out, "output", rates.output);
    json_put_close(out, '}');
    json_put_close(out, '}');
}

/* Which pages this reader need not be shown. */
static void write_may(struct json_out *out, const struct http_request *request)
{
    static const struct {
        const char *word;
        enum voter_act act;
    } ACTS[] = {{"evaluate", ACT_EVALUATE}, {"administer", ACT_ADMINISTER}};
    json_put_open(out, "may", '[');
    for (size_t k = 0; k < sizeof ACTS / sizeof *ACTS; k++) {
        struct err refusal = ERR_INIT;
        if (route_may(request, ACTS[k].act, &refusal))
            json_put_cstring(out, NULL, ACTS[k].word);
    }
    json_put_close(out, ']');
}

void api_models(struct http_request *request)
{
    const struct roster *roster = request->context->roster;
    size_t count = roster ? roster_count(roster) : 0;
    struct buf buf;
    buf_init(&buf, (count + 1) * MODEL_BYTES_MAX);
    struct json_out out = json_out_to(&buf);
    json_put_open(&out, NULL, '{');
    json_put_open(&out, "models", '[');
    for (size_t i = 0; i < count; i++)
        write_model(&out, roster_at(roster, i));
    json_put_close(&out, ']');
    write_may(&out, request);
    json_put_close(&out, '}');
    response_built(request, 200, &buf);
}
