/* What the files of the look-up share: lookup.c (thread, queue), lookup_ask.c (our questions), lookup_answer.c (those of others). Private to
 * them; the public face is lookup.h. */
#ifndef SMARTNODE_HOST_LOOKUP_PRIVATE_H
#define SMARTNODE_HOST_LOOKUP_PRIVATE_H

#include <pthread.h>

#include "node/command/lookup.h"
#include "node/host/lookup.h"
#include "storage/lookups.h"

struct lookup_taken {
    struct lookup_taken *next;
    struct sync_effect e;
    uint8_t bytes[];
};

/* What is known of a unit that asks or is asked. */
struct lookup_unit {
    struct unit_id unit;
    char code[UNIT_CODE_MAX]; /* empty: not pinned (any more) */
    bool there, askable;
    int64_t not_before_ms; /* it is asked nothing sooner */
    uint32_t open;
    /* token bucket, in thousandths of a question */
    bool filled;
    int64_t tokens, filled_ms, recorded_ms;
};

struct lookup_open {
    uint64_t number;
    struct subject_id subject;
    struct unit_id unit;
    int64_t deadline_ms;
    struct oprf_scalar blind;
    struct oprf_element blinded;
    struct buf input; /* the person in clear */
};

struct lookup {
    struct lookup_config config;
    struct oprf_scalar *key; /* locked page */
    pthread_t thread;
    bool running;
    pthread_mutex_t lock; /* taken, woken, stopping, stats */
    pthread_cond_t wake;
    struct lookup_taken *taken, **taken_end;
    size_t n_taken;
    bool woken, stopping;
    struct lookup_stats stats;
    /* the thread's own */
    bool dirty; /* there may be something to ask */
    struct lookup_unit units[SYNC_UNITS_MAX];
    size_t n_units;
    struct lookup_open open[LOOKUP_OPEN_MAX];
    size_t n_open;
    uint64_t number;
    int64_t housekeeping_ms;
    struct api_peer *peers;
};

/* lookup.c */
void lookup_alarm(struct lookup *l, const struct err *err, const char *what);
struct lookup_unit *lookup_unit(struct lookup *l, const struct unit_id *unit); /* NULL: no room */
void lookup_count(struct lookup *l, uint64_t *counter);
/* The identity of a member or applicant of today, to ask or answer with: ret (of LOOKUP_INPUT_MAX; wiped by whoever frees it) and where it was
 * written. ERR_NOTFOUND: not one, or nothing to ask with; then *ret_member says whether it is one. */
struct lookup_person {
    bool member;
    struct position at;
    uint8_t person_type;
};
int lookup_person(struct lookup *l, struct db_txn *txn, const struct subject_id *subject, struct lookup_person *ret,
                  struct err *err) NODISCARD;
int lookup_person_input(struct lookup *l, struct db_txn *txn, const struct subject_id *subject, struct buf *out,
                        struct err *err) NODISCARD;
/* Whether the state of members is whole; otherwise nobody is asked, and nobody answered. */
bool lookup_state_whole(struct lookup *l);

/* lookup_ask.c */
void lookup_ask(struct lookup *l);
void lookup_answered(struct lookup *l, const struct sync_effect *e);
void lookup_unanswered(struct lookup *l, uint64_t number);
void lookup_deadlines(struct lookup *l);
void lookup_open_end(struct lookup *l, size_t i);
void lookup_drop_gone(struct lookup *l);

/* lookup_answer.c */
void lookup_answer(struct lookup *l, const struct sync_effect *e);

#endif
