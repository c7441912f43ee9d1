/* Whom this node's operator trusts: pinned unit cards with settings, in TABLE_PEERS. docs/PROTOCOL.md §11.
 * Row: version u8 = 1, flags u8 (1 = keeper), pinned at (ms, i64), number of own endpoints u8 and each as length u8 and text (replace
 * the card's when there are any), then the card's armoured text. */
#ifndef SMARTNODE_HOST_TRUST_H
#define SMARTNODE_HOST_TRUST_H

#include "node/host/identity.h"
#include "storage/db.h"

enum { TRUST_MAX = 256, TRUST_ENDPOINTS_MAX = 4 };

struct trusted {
    struct unit_card card;
    bool keeper; /* holds all capsules of our unit, unreadable to it */
    struct wall_ms pinned_at;
    uint8_t n_endpoints; /* the operator's own, instead of the card's */
    char endpoints[TRUST_ENDPOINTS_MAX][ENDPOINT_BYTES_MAX + 1];
};

/* Pins a card in a write transaction; an older card of the same unit and root key is replaced. ERR_FEDERATION (another federation,
 * test against production), ERR_EXISTS (our own unit; a code that another pinned card has), ERR_CONFLICT (another root key for a unit
 * that is pinned, or an older card), and what card_read refuses. settings may be NULL; its card is not read. */
int trust_pin(struct db_txn *txn, const struct identity *own, struct slice card_text, const struct trusted *settings,
              struct err *err) NODISCARD;
int trust_remove(struct db_txn *txn, const struct unit_id *unit, struct err *err) NODISCARD; /* ERR_NOTFOUND */
int trust_find(struct db_txn *txn, const struct unit_id *unit, struct trusted *ret, struct err *err) NODISCARD;
/* All, in the order of unit ids. *ret is heap. */
int trust_list(struct db_txn *txn, struct trusted **ret, size_t *ret_n, struct err *err) NODISCARD;

#endif
