/* Keeping other units' capsules, unreadable to this node, so that the loss of their disk does not lose the names. docs/PROTOCOL.md
 * §12.7. The operator names the units (keep in smartnode.conf); each of them must name this node its keeper.
 * Walks the headers of their logs, asks for what is not held, a bounded number at a time. The net thread's. */
#ifndef SMARTNODE_HOST_KEEPER_H
#define SMARTNODE_HOST_KEEPER_H

#include "node/host/config.h"
#include "node/host/peers.h"
#include "storage/vault.h"

enum {
    KEEPER_OUTSTANDING_MAX = 256,
    KEEPER_EVENTS_PER_TURN = 2048,
    KEEPER_RETRY_MS = 60000, /* what nobody gave is asked for again */
};

struct keeper_log {
    struct log_id id;
    uint32_t no;
    uint64_t looked; /* up to here everything is held or asked for */
};

struct keeper {
    struct db *db;
    struct vault *vault;
    uint8_t n_units;
    char units[CONFIG_KEEP_MAX][UNIT_CODE_MAX];
    size_t n_logs, cap_logs;
    struct keeper_log *logs;
    uint32_t n_known; /* log numbers up to this were looked at */
    uint32_t outstanding;
    uint64_t kept;
    int64_t retry_ms; /* when to look from the start again, once nothing is outstanding; 0 = not */
};

void keeper_init(struct keeper *k, struct db *db, struct vault *vault, const struct config *config);
void keeper_release(struct keeper *k);
/* Looks for what is missing and hands it to `need` (unit, position, index, hash). *ret_more: there is more to look at now. */
int keeper_turn(struct keeper *k, struct peers *peers, int64_t now_ms,
                void (*need)(void *arg, const struct unit_id *unit, const struct position *at, uint8_t index,
                             const struct hash *hash),
                void *arg, bool *ret_more, struct err *err) NODISCARD;
/* What became of n that were asked for: stored, or not to be had for now. */
void keeper_got(struct keeper *k, uint32_t n);
void keeper_missing(struct keeper *k, uint32_t n, int64_t now_ms);
/* Whether this node keeps the unit's capsules. */
bool keeper_keeps(const struct keeper *k, struct peers *peers, const struct unit_id *unit);
/* Looks at everything again: the pinned units have changed. */
void keeper_again(struct keeper *k);

#endif
