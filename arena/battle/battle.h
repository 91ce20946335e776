/* One battle as it runs: two lanes, the pacer between them and the viewers, the event log. It
 * streams a turn from the question to the end of both answers; what is stored, voted and replied
 * is the hall's.
 *
 * Both sides of a blind battle are held to the smaller of their token limits: an answer that is
 * cut off must not tell whose it is. Who thinks within its limit keeps its own.
 *
 * A lane that failed (a transport failure, no answer) is given to another competitor as long as
 * nothing was shown and it is the first turn, at most LIMIT_SWAPS times; else the turn has
 * failed. Loop's thread only; the host owns it. */
#ifndef ARENA_BATTLE_BATTLE_H
#define ARENA_BATTLE_BATTLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "battle/eventlog.h"
#include "battle/lane.h"
#include "battle/pacer.h"
#include "battle/story.h"
#include "competitor/competitor.h"
#include "competitor/health.h"
#include "loop/loop.h"

struct battle;

/* What a battle needs of its host; one for all battles. */
struct battle_host {
    struct loop *loop;
    struct lane_gate *gate;
    bool unpaced; /* text goes out as it comes: to measure what the pacer is worth */
    /* Whom to ask instead of the failed competitor on `side`; NULL: nobody. */
    struct competitor *(*substitute)(void *user, struct battle *battle, int side);
    /* The turn streams no more: both answers stand in the story, or (failed) they do not. Must
     * not free the battle. */
    void (*settled)(void *user, struct battle *battle, bool failed);
    void *user;
};

/* Something went wrong with a competitor: kept beside the board. */
struct battle_incident {
    struct story_side side, against; /* whose it was, who stood on the other side; owned */
    int lane;                        /* that it failed on */
    bool swapped;                    /* else the battle became void by it */
    enum chat_error_class error;
};

/* An answer, or a failure, of one of its competitors: counted when the battle is over. */
struct battle_note {
    struct health *health;
    struct health_fact fact;
};

struct battle {
    struct story story;
    const struct battle_host *host;
    struct competitor *competitor[2]; /* held; NULL: no longer in the roster */
    struct lane lane[2];
    struct pacer pacer;
    struct eventlog *log;
    struct loop_timer tick, watch;
    bool in_house_only; /* its voter lets no rival have the prompt: not as a substitute either */
    bool lowered[2];    /* asked for less than configured: as little as the other may say */
    bool streaming;
    bool looking; /* inside battle_look */
    int regenerations, swaps;
    struct battle_incident incidents[LIMIT_SWAPS + 2];
    size_t incident_count;
    struct battle_note *notes; /* owned; at most LIMIT_BATTLE_NOTES */
    size_t note_count;
    int64_t started_ns, opened_ns, ended_ns; /* of the turn; 0: not yet */
};

/* Returns new; takes the story's content. `first_event` is the id of its log's first event. */
struct battle *battle_new(const struct battle_host *host, struct story *story, uint64_t first_event,
                          struct err *err);
void battle_free(struct battle *battle);

/* They are stored. */
void battle_forget_incidents(struct battle *battle);

/* Holds a side's competitor (NULL: it is no longer in the roster) for as long as the battle
 * lives. */
void battle_keep(struct battle *battle, int side, struct competitor *competitor);

/* Puts a competitor on a side, and its names into the story. */
bool battle_set_side(struct battle *battle, int side, struct competitor *competitor,
                     struct err *err);

/* Does this side's answer tell whose it is? `competitor` NULL: one that is no longer here is known
 * by its name and maker alone. */
bool battle_gives_away(const struct story_side *side, const struct competitor *competitor,
                       struct text answer);

/* Asks both sides the story's last turn; its answers, if any, are forgotten. `again`: a `reset`
 * goes out first. */
void battle_stream(struct battle *battle, bool again);

/* Both lanes end as they were shown; `settled` is called before this returns. Only while
 * streaming. */
void battle_stop(struct battle *battle);

/* Both lanes are cut off; nothing is settled. */
void battle_cut(struct battle *battle);

/* Events to the viewers, and the log's end. */
void battle_tell_ready(struct battle *battle);
void battle_tell_voted(struct battle *battle);
void battle_tell_void(struct battle *battle, const char *code);

/* Writes the whole log anew from the story: for a battle that came back from the store. */
void battle_retell(struct battle *battle);

/* What the voter sees of the turn that streams; empty texts otherwise. */
void battle_shown(const struct battle *battle, struct text shown[2]);

/* The battle is over: what was noted of its competitors is counted now, and not before, so that no
 * figure tells who answers. */
void battle_count(struct battle *battle);

/* True when a further turn has room in the log. */
bool battle_has_room(const struct battle *battle);

#endif
