/* Erasures and restrictions as this node carries them out (docs/PROTOCOL.md §10 "Erasure"; docs/STORAGE.md): tombstones of capsules that
 * must not exist, what was ordered, and what of it is still to be done here. Tables of the main environment, local to the node. All is put
 * in the transaction that applies the order, and none of it is ever taken back: what was destroyed stays destroyed.
 * Also the layout of a row of state table 17, in which every node holds who has confirmed what. */
#ifndef SMARTNODE_STORAGE_ERASURES_H
#define SMARTNODE_STORAGE_ERASURES_H

#include "storage/db.h"

/* Bits of a set of classes: 1 << class, of classes 1 to 8. */
enum { CLASSES_BITS = 0x1FE };

/* Of a place, for the sake of key_position's order: log id 32 ‖ seq u64 ‖ index u8. */
enum { KEY_TOMBSTONE = KEY_POSITION + 1 };

/* A capsule at this place was erased by the event `by`. The same again keeps the first. */
int tombstone_put(struct db_txn *txn, const struct position *at, uint8_t index, const struct position *by,
                  struct err *err) NODISCARD;
/* *ret: it is erased. ret_by (may be NULL): by which event. */
int tombstone_find(struct db_txn *txn, const struct position *at, uint8_t index, bool *ret, struct position *ret_by,
                   struct err *err) NODISCARD;

enum erasure_state {
    ERASURE_NOTED = 1,     /* tombstones are put, capsules of the main environment are gone; vault keys are there */
    ERASURE_DESTROYED = 2, /* and the vault's file is rewritten; not confirmed yet */
    ERASURE_DONE = 3,
};

/* Day i32 of the newest copy of the vault, in the meta table, put there by whatever copies it; none = not known. */
#define META_VAULT_BACKUP "vault-backup"

/* One order: an event of kind 96, or at hosts 98. */
struct erasure_order {
    struct position at;
    uint16_t kind;
    enum erasure_state state;
    struct unit_id unit; /* whose member */
    struct subject_id subject;
    uint16_t classes;
    uint32_t generation; /* greatest whose keys go; UINT32_MAX = all */
    uint8_t ground;
    struct civil_date effective;
    struct wall_ms done; /* when it was carried out here; 0 = not yet */
};

/* ERR_NOTFOUND. */
int erasure_get(struct db_txn *txn, const struct position *at, struct erasure_order *ret, struct err *err) NODISCARD;
/* Stores it, and with a state other than ERASURE_DONE among what is to be done. */
int erasure_put(struct db_txn *txn, const struct erasure_order *e, struct err *err) NODISCARD;
/* In the order of position, after `after` (NULL = from the start), at most max. due: those that are not done alone. */
int erasures_list(struct db_txn *txn, bool due, const struct position *after, struct erasure_order *ret, size_t max,
                  size_t *ret_n, struct err *err) NODISCARD;
/* How many are due. */
uint64_t erasures_due(struct db_txn *txn);

/* State table 17: log id 32 ‖ seq u64 of what was asked ‖ unit 32 that confirms. Of several words of a unit the one with the greatest
 * (depth, log id, seq) is in the row. */
enum { KEY_CONFIRMATION = KEY_POSITION + 32, CONFIRMATION_ROW_BYTES = 1 + 4 + 32 + 8 + 4 + 1 + 4 + 4 };
struct confirmation {
    uint32_t depth;
    struct position at;          /* of the confirmation */
    struct civil_date effective; /* when it was done, as that unit says */
    bool has_backup;
    struct civil_date backup, backup_gone;
};
void key_confirmation(uint8_t out[KEY_CONFIRMATION], const struct position *asked, const struct unit_id *unit);
void confirmation_encode(const struct confirmation *c, uint8_t out[CONFIRMATION_ROW_BYTES]);
/* ERR_CORRUPT. */
int confirmation_decode(struct slice bytes, struct confirmation *ret, struct err *err) NODISCARD;
/* Who has confirmed, in the order of units, at most max. */
struct confirmed_by {
    struct unit_id unit;
    struct confirmation c;
};
int confirmations_list(struct db_txn *txn, const struct position *asked, struct confirmed_by *ret, size_t max,
                       size_t *ret_n, struct err *err) NODISCARD;

#endif
