/* A directory for a unit whose own is gone: its logs and those of its peers from a copy of a peer's environment, checked run by run as if
 * they came over the network; its capsules from there; and with the recovery key the data keys from their escrow. docs/OPERATIONS.md
 * "The node is gone", docs/PROTOCOL.md §6 "Escrow", §10 "Custodian". What an erasure (kind 96) lists does not come back, nor do keys
 * of the classes that it names. One thread, no node on the new directory; the peer's own node may run. */
#ifndef SMARTNODE_HOST_RECOVER_H
#define SMARTNODE_HOST_RECOVER_H

#include "node/host/datadir.h"

/* Beyond what is known: a certificate made in advance has to stay ahead of the unit's own rotations of keys. */
enum { RECOVER_SERIAL_STEP = 1000 };

/* What a directory knows of a unit's keys. */
struct recover_known {
    uint32_t logs;
    uint64_t serial; /* greatest in a first event, of other keys than `key`; 0 if none */
    bool revoked;    /* a root statement has voided `key` */
};
/* key may be NULL. */
int recover_known(struct db *db, const struct unit_id *unit, const struct sign_public *key, struct recover_known *ret,
                  struct err *err) NODISCARD;

typedef void recover_progress(void *arg, uint64_t done, uint64_t total);

struct recover_copied {
    uint32_t logs, not_admitted, broken; /* broken: ended where a run did not verify; the network has the rest */
    uint64_t events;
    uint64_t capsules, capsules_missing, capsules_erased; /* of the own unit */
};
/* Pins in `to` whom the peer pins, and the peer itself; not the own unit. ERR_FEDERATION: another federation or kind of operation. */
int recover_pins(struct datadir *from, struct datadir *to, struct err *err) NODISCARD;
/* Copies the logs of the own unit and of the units that `to` pins, and applies them. e: an engine over `to`, no group open. */
int recover_logs(struct db *from, struct datadir *to, struct engine *e, recover_progress *progress, void *arg,
                 struct recover_copied *ret, struct err *err) NODISCARD;
/* Copies the capsules of the own unit's events that `from` holds. */
int recover_capsules(struct datadir *from, struct datadir *to, recover_progress *progress, void *arg,
                     struct recover_copied *ret, struct err *err) NODISCARD;

struct recover_keys_found {
    uint64_t days, days_missing;         /* escrow keys of days: opened; whose capsule is not held */
    uint64_t capsules, missing, locked;  /* key capsules: opened; not held; of a day whose key is not there */
    uint64_t members, keys, keys_erased; /* with keys now; keys that came back; that an erasure keeps away */
};
/* Opens the escrow with the recovery key, puts data keys into slots where they are not, and has index and links made anew by the next
 * start. May be done again, when more capsules have come. ERR_DENIED: not this unit's recovery key. */
int recover_keys(struct datadir *d, const struct box_secret *recovery, recover_progress *progress, void *arg,
                 struct recover_keys_found *ret, struct err *err) NODISCARD;

/* The node fetches from peers what it lacks of its unit's capsules (keeper.h): a new one after a recovery, and every one to which a peer gave
 * events of its own unit. */
int recover_fetch_put(struct db_txn *txn, bool on, struct err *err) NODISCARD;
int recover_fetch_get(struct db_txn *txn, bool *ret, struct err *err) NODISCARD;

#endif
