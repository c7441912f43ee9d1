/* Keeping other units' capsules, unreadable to this node, so that the loss of their disk does not lose the names. docs/PROTOCOL.md
 * §12.7. The operator names the units (keep in smartnode.conf); each of them must name this node its keeper. A node that was recovered
 * asks for those of its own unit in the same way (recover.h), from whoever has them; so does one whose disk was set back, once events of its own unit
 * have come back from a peer: their capsules do not come with them.
 * Walks the headers of their logs, asks for what is not held, a bounded number at a time. The net thread's. */
#ifndef SMARTNODE_HOST_KEEPER_H
#define SMARTNODE_HOST_KEEPER_H

#include "node/host/config.h"
#include "node/host/peers.h"
#include "storage/vault.h"

enum {
    KEEPER_OUTSTANDING_MAX = 256,
    KEEPER_EVENTS_PER_TURN = 2048,
    /* What nobody gave is asked for again: soon, since a writer's vault follows its log by a moment; the longer nobody gives it, the later. */
    KEEPER_RETRY_MS = 1000,
    KEEPER_RETRY_MS_MAX = 60000,
    KEEPER_RETRY_OWN_MS_MAX =
        3600000, /* of the own unit: what is gone for good would be asked for each minute for ever */
};

struct keeper_log {
    struct log_id id;
    uint32_t no;
    uint64_t looked; /* up to here everything is held or asked for */
    uint64_t missed; /* the first of these that nobody gave; 0 = none */
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
    int64_t retry_ms; /* when to look again at what was missed, once nothing is outstanding; 0 = not */
    bool all;         /* and from the start of every log */
    int64_t pause_ms; /* so long after what nobody gave */
    bool own;         /* the own unit's too: */
    struct unit_id unit;
};

void keeper_init(struct keeper *k, struct db *db, struct vault *vault, const struct config *config);
void keeper_release(struct keeper *k);
/* This unit's own capsules are wanted too, from the start of its logs; said again, it changes nothing. */
void keeper_own(struct keeper *k, const struct unit_id *unit);
/* Looks for what is missing and hands it to `need` (unit, position, index, hash). *ret_more: there is more to look at now. */
int keeper_turn(struct keeper *k, struct peers *peers, int64_t now_ms,
                void (*need)(void *arg, const struct unit_id *unit, const struct position *at, uint8_t index,
                             const struct hash *hash),
                void *arg, bool *ret_more, struct err *err) NODISCARD;
/* What became of n that were asked for: stored, or lost on the way; of one: nobody gave it for now. */
void keeper_got(struct keeper *k, uint32_t n);
void keeper_lost(struct keeper *k, uint32_t n, int64_t now_ms);
void keeper_missing(struct keeper *k, const struct log_id *log, uint64_t seq, int64_t now_ms);
/* Whether this node keeps the unit's capsules. */
bool keeper_keeps(const struct keeper *k, struct peers *peers, const struct unit_id *unit);
/* Looks at everything again: the pinned units have changed, or a log was cut back to where it was forked. */
void keeper_again(struct keeper *k);

#endif
