/* What a former home gave along with a member who moved here, at an erasure that this unit, the home now, orders: an order lists positions of
 * its own logs alone, so the former home's capsules at this node, which it may have by the handover, and the keys to them go without being
 * listed. The former home's own copies are its own to erase. Belongs to erasing.c. */
#ifndef SMARTNODE_HOST_ERASING_MOVED_H
#define SMARTNODE_HOST_ERASING_MOVED_H

#include "node/host/engine.h"
#include "storage/erasures.h"
#include "storage/vault_erase.h"

enum { ERASING_HOMES_MAX = 64 };
/* Units that a member left for `unit`, by a handover or several one after the other; of more than ERASING_HOMES_MAX the rest is left out. */
int erasing_moved_homes(struct db_txn *txn, const struct subject_id *member, const struct unit_id *unit,
                        struct unit_id ret[ERASING_HOMES_MAX], size_t *ret_n, struct err *err) NODISCARD;

/* Capsules of the main environment, for the orders of the own unit that are noted; in groups of its own; may be done again. None of a unit
 * that this node is a keeper for: those are its copies, and have lost their key here. */
int erasing_moved(struct engine *e, const struct erasure_order *orders, size_t n, struct err *err) NODISCARD;
/* Calls for each former home: keys that it sealed to this one, then each key capsule of its offers and completions. */
struct erasing_moved_fns {
    int (*keys)(void *arg, const struct unit_id *unit, struct err *err);
    int (*capsule)(void *arg, const struct vault_erase_capsule *c, struct err *err);
    void *arg;
};
int erasing_moved_vault(const struct engine *e, struct db_txn *txn, const struct erasure_order *o,
                        const struct erasing_moved_fns *fns, struct err *err) NODISCARD;

#endif
