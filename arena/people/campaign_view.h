/* Campaigns as their lead sees them, as JSON: `arena campaign`, /api/campaigns and its page show
 * the same. Nothing of this is for voters: it names the models. Blocking, with a reader of its own.
 */
#ifndef ARENA_PEOPLE_CAMPAIGN_VIEW_H
#define ARENA_PEOPLE_CAMPAIGN_VIEW_H

#include "base/buf.h"
#include "base/json.h"
#include "people/presence.h"
#include "store/campaigns.h"

/* {"campaigns":[{"id","title","state","reason","registered","ended","question","progress",
 * "waits_for"}]}, in the order of registration. `waits_for` names the models whose registered
 * version does not answer now; `presence` NULL: nobody answers now, so nothing is said of it. */
bool campaign_view_list(struct db *db, const struct presence *presence, struct buf *out,
                        struct err *err);

/* The same of one, with "results" and "raters" as they stand now; once it has ended with its
 * "report", "signature" and "public_key" (hexadecimal). */
bool campaign_view(struct db *db, const char *id, const struct presence *presence, struct buf *out,
                   struct err *err);

#endif
