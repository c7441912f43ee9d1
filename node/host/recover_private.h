/* Shared by recover*.c alone. */
#ifndef SMARTNODE_HOST_RECOVER_PRIVATE_H
#define SMARTNODE_HOST_RECOVER_PRIVATE_H

#include "node/host/recover.h"
#include "proto/base/map.h"

/* What erasures of the own unit list: capsules by place, keys by (subject, class). */
struct erased {
    struct map places; /* log id ‖ seq → bits of indexes */
    struct map keys;   /* subject ‖ class → 1 + greatest generation */
    struct map all;    /* subject ‖ class → struct all_until, by orders that name no generation */
};
/* The last order that takes every key that was there. */
struct all_until {
    uint32_t depth; /* of its log; 0: there is none */
    struct position at;
};
int erased_load(struct db *db, const struct unit_id *unit, struct erased *ret, struct err *err) NODISCARD;
void erased_free(struct erased *e);
bool erased_place(const struct erased *e, const struct position *at, uint8_t index);
/* at: of an event with a key capsule that holds the key, of a log of that depth. */
bool erased_key(const struct erased *e, const struct subject_id *subject, const struct keyed_class *key, uint32_t depth,
                const struct position *at);

/* Every event of the own unit's logs, with a read transaction that is good for the call. An error of each ends the walk. */
struct own_event {
    struct db_txn *txn;
    const struct log_row *row;
    const struct event_header *header;
    struct slice payload;
};
typedef int own_event_fn(void *arg, const struct own_event *ev, struct err *err);
int own_events_walk(struct db *db, const struct unit_id *unit, own_event_fn *each, void *arg,
                    struct err *err) NODISCARD;
int own_events_count(struct db *db, const struct unit_id *unit, uint64_t *ret, struct err *err) NODISCARD;

#endif
