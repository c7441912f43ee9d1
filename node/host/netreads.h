/* Reads that the sync core asks for: runs, chain values, evidence, receipts, capsules. Each in a read transaction of its own;
 * the answer is an event for the core whose slices point into buffers of struct netreads. The net thread's. */
#ifndef SMARTNODE_HOST_NETREADS_H
#define SMARTNODE_HOST_NETREADS_H

#include "node/host/entitled.h"
#include "node/host/netloop.h"
#include "node/host/peers.h"

struct netreads {
    struct db *db;
    struct vault *vault;
    const struct identity *identity;
    enum residency residency;
    struct civil_date (*today)(void *arg);
    void *today_arg;
    struct peers *peers;
    struct buf bytes, hashes;
};

void netreads_init(struct netreads *r, const struct netloop_config *config, struct peers *peers);
void netreads_release(struct netreads *r);
/* Answers READ, READ_CHAIN, READ_EVIDENCE, READ_EVENT, READ_CAPSULE and FINGERPRINTS_NEEDED. An error is one of storage. */
int netreads_answer(struct netreads *r, const struct sync_effect *effect, struct sync_event *ret,
                    struct err *err) NODISCARD;
/* A log as the core wants it. */
int netreads_log(struct db_txn *txn, const struct log_row *row, struct sync_log *ret, struct buf *proof,
                 struct err *err) NODISCARD;
/* The proofs of forks in logs of which nothing is held, for each of which it calls `each`; its bytes are good until it returns. */
int netreads_proofs(struct db_txn *txn, void (*each)(void *arg, const struct log_id *log, struct slice proof),
                    void *arg, struct err *err) NODISCARD;

#endif
