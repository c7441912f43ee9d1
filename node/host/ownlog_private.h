/* What the files of the own log share: ownlog.c (events into runs), ownlog_open.c (the first event), ownlog_keys.c (keys and capsules).
 * Private to them; the public face is ownlog.h. */
#ifndef SMARTNODE_HOST_OWNLOG_PRIVATE_H
#define SMARTNODE_HOST_OWNLOG_PRIVATE_H

#include "node/host/ownlog.h"

/* Tips among the logs that are applied; heap, the caller's. */
int ownlog_tips(struct db_txn *txn, const struct unit_id *unit, struct head **ret, size_t *ret_n,
                struct err *err) NODISCARD;
/* Completes the header (seq, clock, payload) and encodes it into `header`, of which ret_header is a slice. */
int ownlog_emit(struct ownlog *o, struct event_header *h, struct slice payload, struct slice *ret_header,
                struct buf *header, struct err *err) NODISCARD;
/* Applies the event and puts it into a run. ERR_CONFLICT if it would have no effect. */
int ownlog_apply(struct ownlog *o, struct db_txn *txn, struct slice header, struct slice payload,
                 struct err *err) NODISCARD;

/* The escrow key of today is in o->escrow; the day's event is written if it is not yet. */
int ownlog_escrow(struct ownlog *o, struct db_txn *txn, struct err *err) NODISCARD;
/* Keys for the draft's capsules: of each class the newest there is. Classes that no generation has are drawn, and ret_capsule is then the key
 * capsule for the event's last place, else it stays empty. Wipe keys. */
int ownlog_find_keys(struct ownlog *o, struct db_txn *txn, const struct draft *d, struct slot_keys *keys,
                     struct buf *ret_capsule, struct err *err) NODISCARD;
/* Seals the draft's capsules, stores them, puts their commitments into h. */
int ownlog_seal_capsules(struct ownlog *o, struct db_txn *txn, const struct draft *d, const struct slot_keys *keys,
                         uint64_t seq, struct event_header *h, struct err *err) NODISCARD;
/* Seals the keys that the draft names to another unit or a pass: at most 4 capsules, kept for the vault, their commitments in h. */
int ownlog_seal_keys(struct ownlog *o, struct db_txn *txn, const struct draft_seal *s, uint64_t seq,
                     struct event_header *h, struct err *err) NODISCARD;
/* The key capsules of what the draft escrows anew. ERR_LIMIT: more than its event has room for. */
int ownlog_escrow_rest(struct ownlog *o, const struct draft *d, uint64_t seq, struct event_header *h,
                       struct err *err) NODISCARD;
void ownlog_keep_key_capsule(struct ownlog *o, uint64_t seq, uint8_t index, struct slice bytes);

#endif
