/* What follows a commit of the main environment into the vault: entries of the blind index and key capsules. They are collected
 * while a group is written, kept when it commits, and written to the vault when there is time, in one commit; a start completes what a
 * stop left out, by reading the own logs from the vault's cursor and opening the own capsules. What does not open (a damaged slot or
 * capsule) is named in the log and passed over. A representative is found as the member that it stands for; whoever was found by a former
 * name still is. What activities and invoices need is there before their commit (node/host/links.h).
 * docs/STORAGE.md "Vault".
 * Belongs to the engine and its thread. */
#ifndef SMARTNODE_HOST_INDEXER_H
#define SMARTNODE_HOST_INDEXER_H

#include "node/command/command.h"
#include "node/host/identity.h"
#include "storage/evlog.h"
#include "storage/vault.h"

struct indexer {
    struct db *db;
    struct vault *vault;
    const struct identity *identity;
    struct index_entry *entries; /* kept ones, then those of the open group */
    size_t n, n_kept, cap;
    struct buf capsules;    /* kept: log id ‖ seq u64 ‖ index u8 ‖ length u32 ‖ bytes */
    uint64_t seq, seq_kept; /* of the own log, followed so far */
    struct log_id log, log_kept;
    unsigned warnings; /* of this start */
    uint64_t warned;   /* seq of the last event that a line was about */
};

void indexer_init(struct indexer *x, struct db *db, struct vault *vault, const struct identity *identity);
void indexer_release(struct indexer *x);
void indexer_begin(struct indexer *x);
void indexer_rollback(struct indexer *x);
/* An event was written: what is kept from now on is of the log up to it. */
void indexer_follow(struct indexer *x, const struct position *at);
/* Tokens of what was entered about subject in the event at position, which is followed. */
int indexer_add(struct indexer *x, const struct person_input *p, const struct subject_id *subject,
                const struct position *at, struct err *err) NODISCARD;
/* The group is durable: keep its entries and key capsules (in the form above). */
void indexer_commit(struct indexer *x, const struct buf *group_capsules);
/* More is held back than may be: the vault could not be written for long. Nothing with personal data is taken until it can. */
bool indexer_full(const struct indexer *x);
bool indexer_pending(const struct indexer *x, bool *ret_urgent);
int indexer_flush(struct indexer *x, struct err *err) NODISCARD;
int indexer_complete(struct indexer *x, struct err *err) NODISCARD;

/* Key capsules as they are kept between events and vault (log id ‖ seq ‖ index ‖ length u32 ‖ bytes, one after the other): a list on the
 * heap that borrows from them. ERR_NOMEM. */
int key_capsules_list(struct slice kept, struct key_capsule **ret, size_t *ret_n, struct err *err) NODISCARD;

#endif
