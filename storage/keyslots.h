/* Which slots of the vault hold a subject's keys: one for each generation (TABLE_KEYSLOTS of the main environment), the newest with the
 * greatest number. A slot may lack classes; then an earlier or a later generation has them. docs/PROTOCOL.md §6, docs/STORAGE.md.
 * Any transaction; keys are read from the vault at once. Wipe what holds keys. */
#ifndef SMARTNODE_STORAGE_KEYSLOTS_H
#define SMARTNODE_STORAGE_KEYSLOTS_H

#include "storage/erasures.h"
#include "storage/vault.h"

struct keyslot {
    uint32_t generation;
    uint64_t slot;
};
/* All slots of a subject, oldest generation first, in *ret, which is the caller's to free() (NULL if it has none). Each access that is revoked
 * makes one more. */
int keyslots_all(struct db_txn *txn, const struct subject_id *subject, struct keyslot **ret, size_t *ret_n,
                 struct err *err) NODISCARD;
/* Latest generation: ERR_NOTFOUND if there is none. */
int keyslot_find(struct db_txn *txn, const struct subject_id *subject, uint32_t *ret_generation, uint64_t *ret_slot,
                 struct err *err) NODISCARD;
/* Highest slot number that any subject's keys stand in; 0 if none. Walks all of them. */
int keyslot_last(struct db_txn *txn, uint64_t *ret, struct err *err) NODISCARD;
int keyslot_put(struct db_txn *txn, const struct subject_id *subject, uint32_t generation, uint64_t slot,
                struct err *err) NODISCARD;

/* Keys of a member that orders of erasure take which are noted and not carried out yet (storage/erasures.h). They are in the vault still, and are gone
 * for whatever is sealed or written from the commit of the order on: it would hand them on, or be lost with them. Of more than GOING_MAX orders the rest is
 * taken together, by the greatest generation. */
enum { GOING_MAX = 16 };
struct keys_going {
    size_t n;
    struct {
        struct position by;
        unsigned classes; /* bits of vault_class_index */
        uint32_t generation;
    } v[GOING_MAX];
};
int keys_going(struct db_txn *txn, const struct unit_id *unit, const struct subject_id *member, struct keys_going *ret,
               struct err *err) NODISCARD;
/* Bits of vault_class_index of a generation. going may be NULL. */
unsigned keys_going_of(const struct keys_going *going, uint32_t generation);

/* Opens a capsule with the subject's keys of the class, the newest generation first; appends to plain. ERR_NOTFOUND: none of the keys that
 * are there opens it (destroyed, or of a lost vault). ERR_CORRUPT: likewise, and a slot does not open; the text names it. ERR_INVALID,
 * ERR_FORGED: the capsule is damaged. */
int keyslots_open(struct db_txn *txn, struct vault *vault, const struct subject_id *subject, uint8_t class,
                  struct slice capsule, struct buf *plain, struct err *err) NODISCARD;
/* The key of the oldest generation that has one of the class that is not going: of class 6 that is the counting key (§6). Errors as
 * keyslots_open. */
int keyslots_first(struct db_txn *txn, struct vault *vault, const struct subject_id *subject,
                   const struct keys_going *going, uint8_t class, struct data_key *ret, struct err *err) NODISCARD;
/* Keys of a class that are not going, the newest generation first, at most max (SIZE_MAX: all), in *ret, which is the caller's (NULL if there is
 * none), for keyslot_keys_free. A slot that does not open counts as one without keys. */
struct keyslot_key {
    uint32_t generation;
    struct data_key key;
};
int keyslots_class(struct db_txn *txn, struct vault *vault, const struct subject_id *subject,
                   const struct keys_going *going, uint8_t class, size_t max, struct keyslot_key **ret, size_t *ret_n,
                   struct err *err) NODISCARD;
/* Wipes them. */
void keyslot_keys_free(struct keyslot_key **keys, size_t n);
/* Newest key of each class that is not going, by vault_class_index; zeros where there is none. *ret_generation: the greatest, 0 if none. A slot that does
 * not open counts as one without keys; *ret_damaged = its number (0 = none). */
int keyslots_newest(struct db_txn *txn, struct vault *vault, const struct subject_id *subject,
                    const struct keys_going *going, struct slot_keys *ret, uint32_t *ret_generation,
                    uint64_t *ret_damaged, struct err *err) NODISCARD;

#endif
