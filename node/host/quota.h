/* How many bytes of runs each peer's unit has stored here, and of rows that its words on counted people made (a 2 KB event can make 2,000),
 * against the operator's bound (unit_gib_max): a pinned unit cannot fill this
 * node's disk. docs/PROTOCOL.md §14. Counted in the transaction that stores the runs, in TABLE_META ("bytes-" ‖ unit id → u64). What was
 * rolled back to a fork stays counted. */
#ifndef SMARTNODE_HOST_QUOTA_H
#define SMARTNODE_HOST_QUOTA_H

#include "storage/db.h"

enum {
    QUOTA_PEOPLE_ROW_BYTES =
        128, /* key, two sums, the tree around them at two thirds full; one time: a row that goes stays counted */
};
enum { QUOTA_UNITS_MAX = 64 }; /* units with runs in one group; a group of 4,096 events hardly has as many */

struct quota {
    size_t n;
    struct {
        struct unit_id unit;
        uint64_t bytes;
    } added[QUOTA_UNITS_MAX];
};

void quota_clear(struct quota *q);
/* Remembers bytes of the open group; writes what it holds when it is full. */
int quota_add(struct quota *q, struct db_txn *txn, const struct unit_id *unit, uint64_t bytes,
              struct err *err) NODISCARD;
/* Writes what the group added; before its commit. */
int quota_write(struct quota *q, struct db_txn *txn, struct err *err) NODISCARD;
/* Bytes stored of a unit; 0 if none. Any thread, own transaction. */
int quota_bytes(struct db_txn *txn, const struct unit_id *unit, uint64_t *ret, struct err *err) NODISCARD;

#endif
