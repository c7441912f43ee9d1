/* A node whose logs come back over the network writes nothing before it has heard enough peers completely: its first log is to name
 * the tips of the unit as its predecessors. What is waited for stands in the meta table, so that a restart does not forget it.
 * docs/OPERATIONS.md "The node is gone". */
#ifndef SMARTNODE_HOST_HEARING_H
#define SMARTNODE_HOST_HEARING_H

#include "proto/event.h"
#include "storage/db.h"

/* How many peers; 0 takes the bar away. Any write transaction. */
int hearing_put(struct db_txn *txn, uint32_t peers, struct err *err) NODISCARD;
/* *ret = 0: nothing is waited for. */
int hearing_get(struct db_txn *txn, uint32_t *ret, struct err *err) NODISCARD;
/* ERR_UNAVAILABLE, in words for the desk, while peers are waited for. */
int hearing_check(struct db_txn *txn, struct err *err) NODISCARD;
/* That many peers have said what they hold and all of it is held here. If that is enough, and what is held of the unit's logs is applied,
 * takes the bar away in a commit of its own. *ret: it is gone. Any thread but one that has a write transaction open. */
int hearing_heard(struct db *db, const struct unit_id *unit, uint32_t peers, bool *ret, struct err *err) NODISCARD;

#endif
