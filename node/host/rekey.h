/* New online keys by the root key, and what the root says of the logs so far: revocation, resume of a frozen log, logs to be taken
 * back. docs/PROTOCOL.md §7 (root statement), docs/OPERATIONS.md "Keys". */
#ifndef SMARTNODE_HOST_REKEY_H
#define SMARTNODE_HOST_REKEY_H

#include "node/host/datadir.h"

enum { REKEY_LOGS_MAX = 32 };

/* A log named by the beginning of its id in hex, at least 6 digits. */
struct rekey_named {
    const char *log;
    bool has_seq; /* else: as far as it is held */
    uint64_t seq;
};

struct rekey_options {
    bool revoke;    /* every earlier signing key is void, also for what it sealed and this node does not hold */
    bool transport; /* a new transport key too; always so with revoke */
    size_t n_resume, n_cut, n_void;
    struct sign_public
        void_keys[REKEY_LOGS_MAX]; /* a custodian's: void from now on, what is held here of their logs stands */
    struct rekey_named resume[REKEY_LOGS_MAX]; /* frozen: goes on existing as it is held here */
    struct rekey_named cut[REKEY_LOGS_MAX];    /* stands up to seq; 0: nothing of it */
};

struct rekey_position {
    struct standing_position at;
    uint64_t head, beyond; /* events held, and of those beyond the position: they become void */
    bool frozen;
};

struct rekey_plan {
    uint64_t serial; /* of the new certificate */
    bool transport;
    bool has_statement;
    uint64_t statement_serial;
    size_t n_void_keys;
    struct sign_public void_keys[VOID_KEYS_MAX];
    size_t n_positions;
    struct rekey_position positions[STANDING_MAX];
};

/* What would be done with what the database holds. ERR_NOTFOUND (no such log of the unit), ERR_INVALID (several fit, not frozen, a
 * position that is not held), ERR_LIMIT, db errors. */
int rekey_plan(struct db *db, const struct identity *id, const struct rekey_options *o, struct rekey_plan *ret,
               struct err *err) NODISCARD;

/* Does it: node.key is replaced (the old one stays beside it as node.key.old), the successor log is opened under the new keys and
 * carries the statement if there is one, the state is rebuilt if that takes something back. d is open as DATADIR_WRITER and has the
 * new identity afterwards. If it stops half-way, the same again is right: what an interrupted one left is overtaken. ERR_DENIED:
 * not the root key of this unit; nothing was done. */
int rekey_do(struct datadir *d, const struct rekey_plan *plan, const uint8_t root_seed[32],
             int (*progress)(void *arg, uint64_t done, uint64_t total), void *arg, struct err *err) NODISCARD;

#endif
