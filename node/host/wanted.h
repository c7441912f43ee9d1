/* Asking for the capsules that this node may have of other units' members, as soon as their events are applied, not first at the desk:
 * docs/PROTOCOL.md §12.7. Walks the events of other units' logs as they are applied and asks for what entitled.h allows; an event that
 * gives a right (a grant, a pass, an offer) brings in what of that member is in force already. A new day, and a start, look at everything
 * again: grants begin and end by the calendar. And every few minutes it looks at the rights themselves, the grants, passes and handovers as they
 * stand: some come about by an event that gives nothing, as when an offer is taken back and the other one holds, a restriction is lifted, or what
 * an event waited for has come. Units whose keeper this node is are left to keeper.h, which asks for all they have.
 *
 * What nobody gives is asked for again, half a second later at first, an hour in the end, each capsule by itself: what is never to be had must not
 * hold up what comes in a moment. Bounded: at most WANTED_MAX at a time, of
 * which those that were refused before make room. The net thread's. */
#ifndef SMARTNODE_HOST_WANTED_H
#define SMARTNODE_HOST_WANTED_H

#include "node/host/entitled.h"

enum {
    WANTED_MAX = 4096,
    WANTED_ASKED_MAX = 256, /* of them unanswered at a time */
    WANTED_EVENTS_PER_TURN = 2048,
    WANTED_RIGHTS_PER_TURN = 64,
    WANTED_RIGHTS_MS = 300000, /* from one look at the rights to the next: 100,000 of them cost a second */
    WANTED_RETRY_MS =
        500, /* doubles while it does not come: a writer puts key capsules into its vault a moment after the event */
    WANTED_RETRY_MS_MAX = 3600000,
    WANTED_TRIES_COUNTED = 13, /* twice as long so often is beyond that */
};

enum wanted_state { WANTED_NEW = 1, WANTED_ASKED, WANTED_MISSING };

struct wanted_one {
    struct position at;
    struct unit_id unit; /* who wrote it, and is asked first */
    struct hash hash;
    uint8_t index;
    uint8_t state; /* enum wanted_state */
    uint8_t tries; /* that were in vain, up to WANTED_TRIES_COUNTED */
    int64_t at_ms; /* WANTED_MISSING: when it is asked for again; 0 = not said yet */
};

struct wanted_log {
    uint32_t no;
    uint64_t looked;
};

struct wanted {
    struct vault *vault;
    struct unit_id own;
    uint32_t n_known; /* logs up to this number are in the list, or are our own */
    size_t n_logs, cap_logs;
    struct wanted_log *logs;
    struct wanted_one *list; /* WANTED_MAX */
    size_t n, n_asked;
    struct civil_date day; /* of the last walk from the start */
    int64_t retry_at_ms;   /* of the first that is asked for again, or before it; 0 = nothing is missing */
    bool again;
    /* The look at the rights: grants and passes first, then handovers. */
    enum { RIGHTS_IDLE, RIGHTS_ACCESSES, RIGHTS_HANDOVERS } rights;
    bool rights_begun; /* rights_after is the last that was looked at */
    uint8_t rights_after[KEY_ACCESS > KEY_HANDOVER ? KEY_ACCESS : KEY_HANDOVER];
    int64_t rights_at_ms; /* of the next one */
};

typedef void wanted_need(void *arg, const struct unit_id *unit, const struct position *at, uint8_t index,
                         const struct hash *hash);
struct wanted_turn {
    struct db *db;
    struct civil_date today;
    int64_t now_ms;
    bool (*skip)(void *arg, const struct unit_id *unit); /* units of which everything is kept */
    wanted_need *need;                                   /* hands a question to the core */
    void *arg;
};

int wanted_init(struct wanted *w, struct vault *vault, const struct unit_id *own, struct err *err) NODISCARD;
void wanted_release(struct wanted *w);
/* Looks further and asks. *ret_more: there is more to do now. Errors of storage; the walk goes on from where it stood. */
int wanted_turn(struct wanted *w, const struct wanted_turn *t, bool *ret_more, struct err *err) NODISCARD;
/* A capsule of class 4 that a host says is about a member of ours (kind 86): wanted whoever's it looks to be. One that is not held as an
 * event yet is looked for again. */
void wanted_work(struct wanted *w, const struct position *at);
/* What became of a question; false: it was not ours. */
bool wanted_got(struct wanted *w, const struct position *at, uint8_t index);
bool wanted_missing(struct wanted *w, const struct position *at, uint8_t index, int64_t now_ms);
/* Looks at everything again soon: units were pinned, or one is back; a log was cut back to where it was forked; or what came was lost before it was
 * stored. */
void wanted_again(struct wanted *w);
/* Only what is missing is asked for at once. */
void wanted_retry(struct wanted *w);

#endif
