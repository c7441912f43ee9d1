/* Fingerprints as sums of row hashes (docs/PROTOCOL.md §13), for the two files of the state. */
#ifndef SMARTNODE_STORAGE_STATE_PRIVATE_H
#define SMARTNODE_STORAGE_STATE_PRIVATE_H

#include "storage/state.h"

struct hash fingerprint_of_row(enum table t, struct slice key, struct slice value);
/* Four 64-bit little-endian lanes, without carry between them. */
void fingerprint_add(struct hash *sum, const struct hash *h);
void fingerprint_subtract(struct hash *sum, const struct hash *h);
/* As stored; zero if the table never had a row. */
int fingerprint_get(struct db_txn *txn, enum table t, struct hash *ret, struct err *err) NODISCARD;
int fingerprint_put(struct db_txn *txn, enum table t, const struct hash *sum, struct err *err) NODISCARD;

#endif
