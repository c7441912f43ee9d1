/* Whose record another unit's capsule is, nothing says in clear: the class 4 keys of this unit's members to whom others have or had access are
 * tried, by their hash. Private to guests.c; in the upkeep's thread. */
#ifndef SMARTNODE_HOST_GUESTS_KEYS_H
#define SMARTNODE_HOST_GUESTS_KEYS_H

#include "storage/db.h"
#include "storage/vault.h"

struct member_key {
    struct subject_id member;
    struct data_key key;
};
/* vault and unit are the caller's to fill, the rest is zero at first. */
struct guests_keys {
    struct vault *vault;
    struct unit_id unit;
    struct member_key *v; /* locked pages */
    size_t n, cap, last;
    bool granted, offered; /* loaded: members with grants or passes; those who were ever offered to another unit */
};

/* Opens a capsule of the class with whichever key fits; appends to plain. Keys are loaded when they are needed: those of grants and passes first; of
 * offers, for which all rows of the unit are read, only where these do not fit, once. ERR_NOTFOUND: none does. ERR_NOMEM, and errors of storage. */
int guests_keys_open(struct guests_keys *k, struct db_txn *txn, uint8_t class, struct slice capsule, struct buf *plain,
                     struct subject_id *ret, struct err *err) NODISCARD;
void guests_keys_free(struct guests_keys *k);

#endif
