/* Key capsules that a writer makes: the data keys of a subject under the escrow key in force, and a day's escrow key sealed to
 * the unit's offline recovery key. docs/PROTOCOL.md §6 "Escrow". Pure but for the randomness that is passed in. Any thread. */
#ifndef SMARTNODE_COMMAND_KEYS_H
#define SMARTNODE_COMMAND_KEYS_H

#include "proto/person.h"
#include "storage/keyslots.h"

/* Appends the class 15 capsule (use 2) that seals the keys that the slot has. The same arguments give the same bytes, at any time: the
 * header that commits to them is durable in the main environment before the vault has them, and a start makes them again from
 * the slot (and compares hashes: where a key of the slot was destroyed the bytes are others). ERR_NOTFOUND if the slot has no
 * key. ERR_NOMEM, ERR_LIMIT. */
int member_keys_capsule(const struct data_key *escrow, const struct unit_id *unit, const struct subject_id *subject,
                        uint32_t generation, const struct slot_keys *keys, struct buf *out, struct err *err) NODISCARD;

/* Appends the class 15 capsule (use 1) of kind 2: the escrow key sealed to the recovery key. Random, so it goes into the vault
 * (vault_capsules_put) before the commit of the event that names it. ERR_INVALID for a recovery key of small order. */
int escrow_capsule(const struct box_public *recovery, const struct unit_id *unit, const struct data_key *escrow,
                   void (*draw)(void *arg, uint8_t *out, size_t len), void *draw_arg, struct buf *out,
                   struct err *err) NODISCARD;

/* Counting (§6): a member's year key, and the pseudonym that kind 112 has as its subject. Of somebody who moved here the key of the former
 * home, for the years that it gave one of: both count one person. going: what counts as gone already (may be NULL). Two or three reads, some µs each. Wipe the
 * key. ERR_NOTFOUND: the counting key is gone, or never was. ERR_CORRUPT: its slot does not open. */
int member_year_key(struct db_txn *txn, struct vault *vault, const struct subject_id *member,
                    const struct keys_going *going, uint16_t year, struct data_key *ret, struct err *err) NODISCARD;
int member_pseudonym(struct db_txn *txn, struct vault *vault, const struct subject_id *member, uint16_t year,
                     struct subject_id *ret, struct err *err) NODISCARD;
/* The one by this unit's own counting key alone: under which a member was counted here before the former home's key came. Errors likewise. */
int member_own_pseudonym(struct db_txn *txn, struct vault *vault, const struct subject_id *member, uint16_t year,
                         struct subject_id *ret, struct err *err) NODISCARD;

#endif
