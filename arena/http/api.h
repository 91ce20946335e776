/* The handlers of the routes, a file for each area of the API. Each answers its request once, at
 * once or later. */
#ifndef ARENA_HTTP_API_H
#define ARENA_HTTP_API_H

#include "http/request.h"

/* api_status.c */
void api_healthz(struct http_request *request);
void api_metrics(struct http_request *request);

/* api_battles.c: each maps to one action of the hall */
void api_battle_list(struct http_request *request);
void api_battle_start(struct http_request *request);
void api_battle_get(struct http_request *request);
void api_battle_events(struct http_request *request);
void api_queue_next(struct http_request *request);
void api_battle_turn(struct http_request *request);
void api_battle_vote(struct http_request *request);
void api_battle_feedback(struct http_request *request);
void api_battle_reveal(struct http_request *request);
void api_battle_private(struct http_request *request);
void api_battle_stop(struct http_request *request);
void api_battle_skip(struct http_request *request);
void api_battle_regenerate(struct http_request *request);

/* api_board.c */
void api_leaderboard(struct http_request *request);

/* api_publications.c */
void api_publication_list(struct http_request *request);
void api_publication_add(struct http_request *request);

/* api_exclusions.c */
void api_exclusion_add(struct http_request *request);

/* api_models.c */
void api_models(struct http_request *request);

/* api_roster.c */
void api_roster(struct http_request *request);
void api_roster_change(struct http_request *request);
void api_roster_versions(struct http_request *request);

/* api_access.c */
void api_access_ask(struct http_request *request);
void api_access_state(struct http_request *request);
void api_access_key(struct http_request *request);

/* api_requests.c */
void api_request_list(struct http_request *request);
void api_request_decide(struct http_request *request);

/* api_voters.c */
void api_person_list(struct http_request *request);
void api_person_change(struct http_request *request);
void api_person_signout(struct http_request *request);
void api_invitation_list(struct http_request *request);

/* api_suspects.c */
void api_suspect_list(struct http_request *request);
void api_account_appeal(struct http_request *request);

/* api_sampling.c */
void api_sampling(struct http_request *request);

/* api_moderation.c */
void api_moderation(struct http_request *request);

/* api_audit.c */
void api_audit_list(struct http_request *request);

/* api_keys.c */
void api_key_list(struct http_request *request);
void api_key_create(struct http_request *request);
void api_key_revoke(struct http_request *request);

/* api_review.c */
void api_review_list(struct http_request *request);
void api_review_decide(struct http_request *request);

/* api_eval.c */
void api_eval_run(struct http_request *request);
void api_eval_resume(struct http_request *request);
void api_eval_stop(struct http_request *request);

/* api_why.c */
void api_why(struct http_request *request);
void api_why_lost(struct http_request *request);
void api_why_battle(struct http_request *request);
void api_eval_list(struct http_request *request);
void api_eval_report(struct http_request *request);
void api_eval_prompt(struct http_request *request);

/* api_import.c */
void api_import(struct http_request *request);

/* api_people.c */
void api_consent_get(struct http_request *request);
void api_consent_set(struct http_request *request);
void api_join(struct http_request *request);
void api_invitation_create(struct http_request *request);
void api_invitation_revoke(struct http_request *request);

/* api_campaigns.c */
void api_campaign_list(struct http_request *request);
void api_campaign_get(struct http_request *request);
void api_campaign_create(struct http_request *request);
void api_campaign_expect(struct http_request *request);
void api_campaign_report(struct http_request *request);
void api_campaign_stop(struct http_request *request);
void api_queue(struct http_request *request);

/* api_account.c */
void api_login(struct http_request *request);
void api_logout(struct http_request *request);
void api_account_get(struct http_request *request);
void api_account_password(struct http_request *request);
void api_account_confirm(struct http_request *request);
void api_account_link(struct http_request *request);
void api_account_erase(struct http_request *request);

/* api_account_data.c */
void api_account_data(struct http_request *request);
void api_account_leaderboard(struct http_request *request);

/* api_v1.c: the OpenAI dialect */
void api_v1_chat(struct http_request *request);
void api_v1_models(struct http_request *request);
void api_v1_model(struct http_request *request);

#endif
