/* The handlers of the routes, a file for each area of the API. Each answers its request once, at once or later. */
#ifndef ARENA_HTTP_API_H
#define ARENA_HTTP_API_H

#include "http/request.h"

/* api_status.c */
void api_healthz(struct request *request);
void api_metrics(struct request *request);

/* api_battles.c: each maps to one action of the hall */
void api_battle_list(struct request *request);
void api_battle_start(struct request *request);
void api_battle_get(struct request *request);
void api_battle_events(struct request *request);
void api_battle_turn(struct request *request);
void api_battle_vote(struct request *request);
void api_battle_feedback(struct request *request);
void api_battle_reveal(struct request *request);
void api_battle_stop(struct request *request);
void api_battle_skip(struct request *request);
void api_battle_regenerate(struct request *request);

/* api_board.c */
void api_leaderboard(struct request *request);

/* api_models.c */
void api_models(struct request *request);

#endif
