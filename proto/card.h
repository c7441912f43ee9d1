/* Unit cards and receipts: what people carry from one unit to another as files. docs/PROTOCOL.md §11. Pure. */
#ifndef SMARTNODE_PROTO_CARD_H
#define SMARTNODE_PROTO_CARD_H

#include "proto/event.h"
#include "proto/verify.h"

enum {
    CARD_ENDPOINTS_MAX = 8,
    ENDPOINT_BYTES_MAX = 128,
    CARD_TEXT_MAX = 16384,
    RECEIPT_TEXT_MAX = 262144,
    FINGERPRINT_WORDS_MAX = 48,
    RECEIPT_LATER_MAX = 255, /* with the event itself one run */
    RECEIPT_BYTES_MAX = 2 * (HEADER_BYTES_MAX + PAYLOAD_BYTES_MAX) + RECEIPT_LATER_MAX * HASH_BYTES + 256
};

struct unit_card {
    struct unit_id unit;
    char unit_code[UNIT_CODE_MAX];
    struct name unit_name;
    struct sign_public root_key;
    struct federation_id federation;
    struct name federation_name;
    bool production;
    uint64_t serial;
    struct sign_public signing_key;
    struct box_public exchange_key, transport_key, recovery_key;
    struct seal certificate;
    uint8_t n_endpoints;
    char endpoints[CARD_ENDPOINTS_MAX][ENDPOINT_BYTES_MAX + 1]; /* tcp://host:port */
    struct civil_date issued_on;
};

/* Signs and armours. Appends text to out. Refuses what card_read would: ERR_INVALID, ERR_LIMIT; ERR_FORGED if signing is not the
 * secret of card->signing_key, or certificate or federation do not fit. */
int card_write(const struct unit_card *card, const struct sign_secret *signing, struct buf *out,
               struct err *err) NODISCARD;
/* Reads armoured text (surrounding white space and CRLF tolerated), checks signature, certificate, that unit id and federation
 * name fit their hashes where they can. ERR_INVALID, ERR_FORGED, ERR_VERSION, ERR_LIMIT. Text need not end in NUL.
 * The unit id is the hash of the FIRST root key: for a unit that changed its root the card's root key differs, and
 * *ret_first_root is false; the operator confirms that case. */
int card_read(struct slice text, struct unit_card *ret, bool *ret_first_root, struct err *err) NODISCARD;
/* Eight proquints. */
void card_fingerprint(const struct unit_card *card, char out[FINGERPRINT_WORDS_MAX]);

struct receipt {
    struct slice opening_header, opening_payload; /* borrowed */
    struct chain_value chain_before;
    struct slice header, payload;
    struct slice later_hashes; /* n × 32 */
    struct seal seal;
};

/* The binary form, as EventAt carries it (§12.2). Encode appends to out. Decode borrows from bytes, checks form and bounds alone.
 * ERR_INVALID, ERR_LIMIT, ERR_VERSION. */
int receipt_encode(const struct receipt *r, struct buf *out, struct err *err) NODISCARD;
int receipt_decode(struct slice bytes, struct receipt *ret, struct err *err) NODISCARD;
/* The armoured form. Write appends text to out; read appends the binary form to scratch, which the caller frees, and borrows
 * from it. ERR_INVALID, ERR_LIMIT, ERR_VERSION. */
int receipt_write(const struct receipt *r, struct buf *out, struct err *err) NODISCARD;
int receipt_read(struct slice text, struct buf *scratch, struct receipt *ret, struct err *err) NODISCARD;
/* Checks all that a receipt says of itself: first event and certificate, commitments, chain, seal. Whether the root key, unit,
 * federation and kind of operation in *ret_opened are the right ones is the caller's question. ret_opened borrows from r.
 * ERR_FORGED, ERR_INVALID, ERR_VERSION. */
int receipt_check(const struct receipt *r, struct log_id *ret_log, struct log_opened *ret_opened,
                  struct event_header *ret_header, struct err *err) NODISCARD;
/* receipt_check, and that the log is of the card's unit, root key, federation and kind of operation: ERR_FORGED if not. On
 * success the event's header (and log id) are returned. */
int receipt_verify(const struct receipt *r, const struct unit_card *card, struct log_id *ret_log,
                   struct event_header *ret_header, struct err *err) NODISCARD;

#endif
