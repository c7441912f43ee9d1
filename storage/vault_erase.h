/* What the vault does for an erasure: destroying keys and what finds a person, and rewriting its file, because LMDB leaves deleted
 * values readable in free pages. Which events order it and what is confirmed is not here. docs/STORAGE.md "Erasure".
 *
 * An erasure is vault_erase, then vault_rewrite; only when both have returned 0 are the keys gone from the live files. Both may be
 * done again at any time, after an interruption too. */
#ifndef SMARTNODE_STORAGE_VAULT_ERASE_H
#define SMARTNODE_STORAGE_VAULT_ERASE_H

#include "storage/vault.h"

/* classes: bits 1 << vault_class_index(class). */
struct vault_erase_slot {
    uint64_t slot;
    unsigned classes;
};
struct vault_erase_received {
    struct unit_id unit; /* that sealed them: another unit's order, under whatever id, is none about these */
    struct subject_id subject;
    unsigned classes;
};
struct vault_erase_visitor {
    struct unit_id home;
    struct subject_id subject;
};
/* Links of activities, invoices and postings to a member. all: every one, for the unit whose member it is; else those of a visitor whose home
 * is `home`, and, with earlier, those of an earlier release that do not say. */
struct vault_erase_linked {
    struct subject_id member;
    struct unit_id home;
    bool all, earlier;
};
struct vault_erase_capsule {
    struct position at;
    uint8_t index;
};

/* Everything that one vault transaction destroys; what is absent is n = 0. Borrowed for the call; in any order, repeats are fine. */
struct vault_erase {
    const struct vault_erase_slot *slots; /* keys of these classes become zeros; a slot without any key is deleted */
    size_t n_slots;
    const struct vault_erase_capsule *capsules; /* key capsules */
    size_t n_capsules;
    const struct index_entry *entries; /* single entries of the blind index */
    size_t n_entries;
    /* all entries of the blind index that lead to these subjects, and what double admission keeps of them (storage/lookups.h) */
    const struct subject_id *indexed;
    size_t n_indexed;
    const struct vault_erase_linked *linked; /* links, and the entries that lead to what is linked */
    size_t n_linked;
    const struct vault_erase_received
        *received; /* keys that other units sealed to this one (storage/received.h, parted.h) */
    size_t n_received;
    const struct vault_erase_visitor *openings; /* who looked at these members of other units (storage/openings.h) */
    size_t n_openings;
    const struct subject_id *looks; /* who looked at these members of the own unit */
    size_t n_looks;
};

/* How much was still there; all zero where it had all been done before. */
struct vault_erased {
    uint64_t keys;  /* class keys of slots that opened */
    uint64_t slots; /* rows that went as a whole */
    uint64_t capsules, entries, links, received, openings, lookups;
};

/* One durable vault commit, none if nothing is left to do. Walks the whole index if there are `indexed` or links were found, the
 * whole table of links if there are `linked`: once for all subjects of the call. The table of links is walked as about 1 µs a row.
 * Nothing may be staged (vault_links_stage; MUST) where entries, indexed or linked are named. By the writer's thread. ret may be
 * NULL. A slot that does not open is deleted, a link that does not open is nobody's and stays. ERR_FULL, ERR_NOMEM. */
int vault_erase(struct vault *v, const struct vault_erase *what, struct vault_erased *ret, struct err *err) NODISCARD;

/* Writes the vault into a new file without what was deleted, makes it durable and puts it in the place of the old one. Transactions
 * that are open go on with what they began on; everything that begins afterwards, of any thread, has the new file. Writers of all
 * threads and processes wait meanwhile, readers do not. Returns when the last transaction on the old file has ended: the calling
 * thread has none open on the vault. The old file's bytes are overwritten before its space is given back, unless another process
 * has it open. Killed at any step, the next opening finds the old or the new file, whole, and takes away what is left of the other.
 *
 * ERR_FULL: the disk has no room for the copy. ERR_BUSY: another process is at it. ERR_IO, ERR_NOMEM. After an error the old file
 * stands. ret may be NULL. */
int vault_rewrite(struct vault *v, struct db_rewritten *ret, struct err *err) NODISCARD;

#endif
