/* Receipts: that an event stands in a log, for whoever has a card of the unit. See card.h, docs/PROTOCOL.md §11. */
#include "proto/armour.h"
#include "proto/card.h"
#include "proto/fields.h"
#include "sync.pb-c.h"

#define LABEL "RECEIPT"

struct receipt_frame {
    uint32_t suite;
    struct receipt r;
};

static const struct field_rule RECEIPT[] = {
    FIELD_RANGE_OF(FIELD_U32, struct receipt_frame, suite, 0, UINT32_MAX),
    FIELD_RANGE_OF(FIELD_BYTES, struct receipt_frame, r.opening_header, 1, HEADER_BYTES_MAX),
    FIELD_RANGE_OF(FIELD_BYTES, struct receipt_frame, r.opening_payload, 1, PAYLOAD_BYTES_MAX),
    FIELD_FIXED_OF(struct receipt_frame, r.chain_before),
    FIELD_RANGE_OF(FIELD_BYTES, struct receipt_frame, r.header, 1, HEADER_BYTES_MAX),
    FIELD_RANGE_OF(FIELD_BYTES, struct receipt_frame, r.payload, 1, PAYLOAD_BYTES_MAX),
    {.as = FIELD_BYTES, FIELD_OFFSET(struct receipt_frame, r.later_hashes), .max = RECEIPT_LATER_MAX * HASH_BYTES},
    FIELD_FIXED_OF(struct receipt_frame, r.seal),
};
static const struct fields RECEIPT_FIELDS = {&smartnode__receipt__descriptor, RECEIPT};
static const struct field_path RECEIPT_PATH = {NULL, "receipt"};

static int check_later(const struct receipt *r, struct err *err);
static int check_issuer(const struct log_opened *opened, const struct unit_card *card, struct err *err);
static int check_event(const struct receipt *r, const struct log_id *log, const struct event_header *h,
                       struct err *err);

int
receipt_encode(const struct receipt *r, struct buf *out, struct err *err)
{
    struct receipt_frame frame = {.suite = SUITE_1, .r = *r};
    int rc = check_later(r, err);
    return rc < 0 ? rc : fields_write(&RECEIPT_FIELDS, &RECEIPT_PATH, &frame, out, err);
}

int
receipt_decode(struct slice bytes, struct receipt *ret, struct err *err)
{
    struct receipt_frame frame = {0};
    if (bytes.len > RECEIPT_BYTES_MAX)
        return fields_fail(&RECEIPT_PATH, NULL, ERR_LIMIT, "too large", err);
    int rc = fields_read(&RECEIPT_FIELDS, &RECEIPT_PATH, bytes, &frame, err);
    if (rc < 0)
        return rc;
    if (frame.suite != SUITE_1)
        return fields_fail(&RECEIPT_PATH, "suite", ERR_VERSION, "not supported", err);
    rc = check_later(&frame.r, err);
    if (rc == 0)
        *ret = frame.r;
    return rc;
}

int
receipt_write(const struct receipt *r, struct buf *out, struct err *err)
{
    struct buf bytes;
    buf_init(&bytes, RECEIPT_BYTES_MAX);
    int rc = receipt_encode(r, &bytes, err);
    if (rc == 0)
        rc = armour_write(LABEL, buf_slice(&bytes), out, err);
    buf_free(&bytes);
    return rc;
}

int
receipt_read(struct slice text, struct buf *scratch, struct receipt *ret, struct err *err)
{
    size_t before = scratch->len;
    int rc = armour_read(LABEL, text, RECEIPT_TEXT_MAX, scratch, err);
    return rc < 0 ? rc : receipt_decode(slice_of(scratch->data + before, scratch->len - before), ret, err);
}

int
receipt_check(const struct receipt *r, struct log_id *ret_log, struct log_opened *ret_opened,
              struct event_header *ret_header, struct err *err)
{
    struct event_header opening_header, header;
    struct log_opened opened;
    int rc = check_later(r, err);
    if (rc < 0)
        return rc;
    struct log_id log = crypto_log_id(r->opening_header);
    rc = verify_first_event(&log, r->opening_header, r->opening_payload, &opening_header, &opened, err);
    if (rc < 0)
        return err_wrap(err, "receipt: first event of the log"), rc;
    rc = event_header_decode(r->header, &header, err);
    if (rc < 0)
        return err_wrap(err, "receipt: header"), rc;
    rc = check_event(r, &log, &header, err);
    if (rc < 0)
        return rc;

    struct chain_value chain = crypto_chain(r->chain_before, crypto_header_hash(r->header));
    size_t n_later = r->later_hashes.len / HASH_BYTES;
    for (size_t i = 0; i < n_later; i++) {
        struct hash later;
        memcpy(later.b, r->later_hashes.data + i * HASH_BYTES, HASH_BYTES);
        chain = crypto_chain(chain, later);
    }
    rc = crypto_seal_verify(opened.signing_key, &log, header.seq + n_later, &chain, &r->seal, err);
    if (rc < 0)
        return err_wrap(err, "receipt"), rc;
    *ret_log = log;
    *ret_opened = opened;
    *ret_header = header;
    return 0;
}

int
receipt_verify(const struct receipt *r, const struct unit_card *card, struct log_id *ret_log,
               struct event_header *ret_header, struct err *err)
{
    struct log_id log;
    struct log_opened opened;
    struct event_header header;
    int rc = receipt_check(r, &log, &opened, &header, err);
    if (rc == 0)
        rc = check_issuer(&opened, card, err);
    if (rc < 0)
        return rc;
    *ret_log = log;
    *ret_header = header;
    return 0;
}

static int
check_later(const struct receipt *r, struct err *err)
{
    if (r->later_hashes.len % HASH_BYTES != 0 || r->later_hashes.len > RECEIPT_LATER_MAX * HASH_BYTES)
        return fields_fail(&RECEIPT_PATH, "later_hashes", ERR_INVALID, "not whole hashes, or too many", err);
    return 0;
}

/* That the log is one of the card's unit: its own root key vouches for it, here and under this name. */
static int
check_issuer(const struct log_opened *opened, const struct unit_card *card, struct err *err)
{
    if (!TYPE_EQ(&opened->unit, &card->unit))
        return err_set(err, ERR_FORGED, "receipt: of a log of another unit than the card");
    if (!TYPE_EQ(&opened->root_key, &card->root_key))
        return err_set(err, ERR_FORGED, "receipt: certified by another root key than the card's");
    if (!TYPE_EQ(&opened->federation, &card->federation) || opened->production != card->production)
        return err_set(err, ERR_FORGED, "receipt: of another federation, or test against production");
    return 0;
}

/* That the payload is the one that the header commits to, and that the event can stand where it claims to. */
static int
check_event(const struct receipt *r, const struct log_id *log, const struct event_header *h, struct err *err)
{
    struct hash commitment = crypto_hash1("smart.payload", r->payload);
    if (h->payload_bytes != r->payload.len || !TYPE_EQ(&commitment, &h->payload_hash))
        return fields_fail(&RECEIPT_PATH, "payload", ERR_FORGED, "not the one that the header commits to", err);
    struct chain_value start = crypto_chain_start(*log);
    if (h->seq == 1 && (!slice_eq(r->header, r->opening_header) || !TYPE_EQ(&start, &r->chain_before)))
        return fields_fail(&RECEIPT_PATH, "header", ERR_FORGED, "a first event that is not the log's own", err);
    struct chain_value second = crypto_chain(start, crypto_header_hash(r->opening_header));
    if (h->seq == 2 && !TYPE_EQ(&second, &r->chain_before))
        return fields_fail(&RECEIPT_PATH, "chain_before", ERR_FORGED, "does not follow the log's first event", err);
    if (h->seq > (uint64_t)INT64_MAX - r->later_hashes.len / HASH_BYTES)
        return fields_fail(&RECEIPT_PATH, "later_hashes", ERR_INVALID, "goes beyond the last position", err);
    return 0;
}
