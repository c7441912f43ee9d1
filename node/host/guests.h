/* What a node does by itself about members of other units here, and of its own there (docs/PROTOCOL.md §6, §9 kind 86, §12.7):
 *
 *   arrived  key capsules of grants and offers are opened into the vault; what hosts recorded about our members is opened and kept
 *            (storage/visits.h), and the capsules of work that it names are fetched and linked to their member
 *   record   what was opened and done here of other units' members is written for their homes: several members mixed, in random order
 *   sweep    where a grant or pass has ended, all keys that it gave, its key capsules, and the capsules that no other right covers are destroyed;
 *            an end by revocation is noted before and confirmed in the own log (kind 97) once a whole walk finds nothing left
 *   known    when each unit was known to be complete here last is noted, for after a restart, however the process ended
 *
 * Worked out on read transactions, in the upkeep's thread; stored by the writer (OP_GUEST, OP_KEYS_KEEP). Each step may be done again. */
#ifndef SMARTNODE_HOST_GUESTS_H
#define SMARTNODE_HOST_GUESTS_H

#include "node/host/datadir.h"

enum { GUESTS_STEP = 64 /* capsules or accesses for one operation of the writer */ };

struct guests {
    struct db *db;
    struct vault *vault;
    const struct identity *identity;
    const struct config *config;
    const struct box_secret *older_exchange; /* of a key that was replaced; NULL = none is kept */
    struct civil_date today;
    void (*random)(void *arg, uint8_t *out, size_t len);
    void *random_arg;
    /* As in counting.h. */
    int (*run)(void *arg, const struct actor_id *actor, struct api_op *op, struct err *err);
    bool (*stop)(void *arg);                                 /* NULL = never */
    void (*want_work)(void *arg, const struct position *at); /* a capsule of class 4 to be fetched; NULL = none is */
    bool (*known_at)(void *arg, const struct unit_id *unit, struct wall_ms *ret); /* NULL = nothing is noted */
    void (*said)(void *arg, const char *what, uint64_t n);                        /* for the log; NULL = silent */
    void (*too_many)(void *arg,
                     uint64_t events); /* whose keys were not kept: their members have too many; may be NULL */
    void *arg;
};

/* What is remembered from turn to turn. Zeroed at the start of the process. */
struct guests_seen {
    uint64_t changes;      /* number in the list of changes up to which was looked for what ends an access */
    struct civil_date day; /* of the last full turn; days = 0 at the start is before any */
};

/* One turn. Records are written in a turn that is due, and not as they come about, lest an invoice and the record of it stand side by side in
 * the log; and before anything is destroyed. all: what is of today too. Errors leave the rest to the next turn. ERR_UNAVAILABLE: stopped. */
int guests_turn(const struct guests *g, struct guests_seen *seen, bool due, bool all, struct err *err) NODISCARD;

/* The parts. *ret_n: opened, written, destroyed (places of capsules and events that gave keys; 0: nothing is left that has ended). The sweep asks for
 * a stop as it goes. */
int guests_arrived(const struct guests *g, uint64_t *ret_n, struct err *err) NODISCARD;
int guests_missing_work(const struct guests *g, struct err *err) NODISCARD;
int guests_record(const struct guests *g, bool all, uint64_t *ret_n, struct err *err) NODISCARD;
int guests_sweep(const struct guests *g, uint64_t *ret_n, struct err *err) NODISCARD;
/* Rewrites the vault's file where something was destroyed, and confirms the ends that are not confirmed yet. No transaction of the thread may be
 * open on the vault. */
int guests_confirm(const struct guests *g, bool rewrite, struct err *err) NODISCARD;

/* Notes when units were known to be complete here last, of those of which nothing is noted or something at least so much older. No commit if there
 * are none. */
int guests_note_known(const struct guests *g, int64_t older_ms, struct err *err) NODISCARD;

/* The writer's side: whether a capsule that was stored is to be opened, and puts it on the list. */
int guests_note_arrival(struct db_txn *txn, const struct unit_id *own, const struct log_row *log,
                        const struct event_header *h, struct slice payload, uint8_t index, bool asked_for,
                        struct err *err) NODISCARD;

/* When a unit was known to be complete here, as noted; false: never. */
bool guests_known_at(struct db_txn *txn, const struct unit_id *unit, struct wall_ms *ret);

/* For the files of it, and the writer's side: the first two in its transaction. */
int guests_put_known(struct db_txn *txn, const struct unit_id *unit, struct wall_ms at, struct err *err) NODISCARD;
/* Forgets it of all units. */
int guests_drop_known(struct db_txn *txn, struct err *err) NODISCARD;
/* That the end of an access is to be confirmed, or was. */
int guests_put_owed(struct db_txn *txn, const struct position *ended, bool owed, struct err *err) NODISCARD;
/* Up to this position an own log was read for work done for visitors. */
int guests_put_read(struct db_txn *txn, const struct position *at, struct err *err) NODISCARD;
/* ERR_UNAVAILABLE if a stop is asked for. */
int guests_going(const struct guests *g, struct err *err) NODISCARD;
int guests_run(const struct guests *g, struct api_op *op, struct err *err) NODISCARD;
void guests_context(const struct guests *g, struct db_txn *txn, struct command_ctx *ret);

#endif
