/* The one encoding of an event header, and frames. See event.h; docs/PROTOCOL.md §3, §5. Written by hand, because generated
 * code accepts many encodings of what must have one: whatever this decodes, it encodes to the same bytes again. */
#include "proto/event.h"

/* Tags: field number << 3 | wire type. All fit in a byte. */
enum {
    TAG_SUITE = 1 << 3 | 0,
    TAG_SEQ = 2 << 3 | 0,
    TAG_CLOCK = 3 << 3 | 1,
    TAG_KIND = 4 << 3 | 0,
    TAG_KIND_VERSION = 5 << 3 | 0,
    TAG_MUST_UNDERSTAND = 6 << 3 | 0,
    TAG_REFERENCE = 7 << 3 | 2,
    TAG_PAYLOAD_HASH = 8 << 3 | 2,
    TAG_PAYLOAD_BYTES = 9 << 3 | 0,
    TAG_CAPSULE = 10 << 3 | 2,
    TAG_REF_ROLE = 1 << 3 | 0,
    TAG_REF_LOG = 2 << 3 | 2,
    TAG_REF_SEQ = 3 << 3 | 0,
    TAG_REF_CHAIN = 4 << 3 | 2,
    TAG_CAPSULE_CLASS = 1 << 3 | 0,
    TAG_CAPSULE_HASH = 2 << 3 | 2,
    TAG_CAPSULE_BYTES = 3 << 3 | 0,
    SUB_BYTES_MAX = 128, /* of an encoded reference or capsule commitment: its length is one byte */
};

static int
out_of_range(struct err *err, const char *field)
{
    return err_field(err, ERR_INVALID, field, "header: %s out of range", field);
}

static int
header_check(const struct event_header *h, struct err *err)
{
    if (h->suite != SUITE_1)
        return err_field(err, ERR_VERSION, "suite", "header: suite %u is not supported", (unsigned)h->suite);
    if (h->seq < 1 || h->seq > INT64_MAX)
        return out_of_range(err, "seq");
    if (h->clock.v == 0)
        return out_of_range(err, "clock");
    if (h->kind < 1)
        return out_of_range(err, "kind");
    if (h->kind_version < 1)
        return out_of_range(err, "kind_version");
    if (h->payload_bytes < 1 || h->payload_bytes > PAYLOAD_BYTES_MAX)
        return out_of_range(err, "payload_bytes");
    if (h->n_refs > HEADER_REFS_MAX)
        return out_of_range(err, "reference");
    for (unsigned i = 0; i < h->n_refs; i++)
        if (h->refs[i].role < 1 || h->refs[i].seq < 1 || h->refs[i].seq > INT64_MAX)
            return out_of_range(err, "reference");
    if (h->n_capsules > HEADER_CAPSULES_MAX)
        return out_of_range(err, "capsule");
    for (unsigned i = 0; i < h->n_capsules; i++)
        if (h->capsules[i].class < 1 || h->capsules[i].bytes < 1 || h->capsules[i].bytes > CAPSULE_BYTES_MAX)
            return out_of_range(err, "capsule");
    return 0;
}

static void
put_number(struct buf *out, uint8_t tag, uint64_t v)
{
    buf_put_u8(out, tag);
    buf_put_varint(out, v);
}

static void
put_bytes(struct buf *out, uint8_t tag, const void *data, size_t len)
{
    buf_put_u8(out, tag);
    buf_put_varint(out, len);
    buf_put(out, data, len);
}

static void
put_reference(struct buf *out, const struct event_ref *ref)
{
    uint8_t memory[SUB_BYTES_MAX];
    struct buf sub;
    buf_fixed(&sub, memory, sizeof(memory));
    put_number(&sub, TAG_REF_ROLE, ref->role);
    put_bytes(&sub, TAG_REF_LOG, ref->log.b, sizeof(ref->log.b));
    put_number(&sub, TAG_REF_SEQ, ref->seq);
    put_bytes(&sub, TAG_REF_CHAIN, ref->chain.b, sizeof(ref->chain.b));
    MUST(!sub.failed);
    put_bytes(out, TAG_REFERENCE, sub.data, sub.len);
}

static void
put_capsule(struct buf *out, const struct capsule_commitment *c)
{
    uint8_t memory[SUB_BYTES_MAX];
    struct buf sub;
    buf_fixed(&sub, memory, sizeof(memory));
    put_number(&sub, TAG_CAPSULE_CLASS, c->class);
    put_bytes(&sub, TAG_CAPSULE_HASH, c->hash.b, sizeof(c->hash.b));
    put_number(&sub, TAG_CAPSULE_BYTES, c->bytes);
    MUST(!sub.failed);
    put_bytes(out, TAG_CAPSULE, sub.data, sub.len);
}

int
event_header_encode(const struct event_header *h, struct buf *out, struct err *err)
{
    int rc = header_check(h, err);
    if (rc != 0)
        return rc;
    uint8_t memory[HEADER_BYTES_MAX];
    struct buf b;
    buf_fixed(&b, memory, sizeof(memory));
    put_number(&b, TAG_SUITE, h->suite);
    put_number(&b, TAG_SEQ, h->seq);
    buf_put_u8(&b, TAG_CLOCK);
    buf_put_fixed64_le(&b, h->clock.v);
    put_number(&b, TAG_KIND, h->kind);
    put_number(&b, TAG_KIND_VERSION, h->kind_version);
    if (h->must_understand)
        put_number(&b, TAG_MUST_UNDERSTAND, 1);
    for (unsigned i = 0; i < h->n_refs; i++)
        put_reference(&b, &h->refs[i]);
    put_bytes(&b, TAG_PAYLOAD_HASH, h->payload_hash.b, sizeof(h->payload_hash.b));
    put_number(&b, TAG_PAYLOAD_BYTES, h->payload_bytes);
    for (unsigned i = 0; i < h->n_capsules; i++)
        put_capsule(&b, &h->capsules[i]);
    if (b.failed)
        return err_set(err, ERR_LIMIT, "header: larger than %d bytes", HEADER_BYTES_MAX);
    buf_put(out, b.data, b.len);
    return buf_check(out, "header", err);
}

/* ---- decoding: every step fails the reader that finds another tag than the one encoding has there ---- */

static bool
next_is(const struct reader *r, uint8_t tag)
{
    return reader_left(r) > 0 && *r->p == tag;
}

static void
expect_tag(struct reader *r, uint8_t tag)
{
    if (reader_u8(r) != tag)
        r->failed = true;
}

static uint64_t
expect_number(struct reader *r, uint8_t tag, uint64_t max)
{
    expect_tag(r, tag);
    uint64_t v = reader_varint(r);
    if (v < 1 || v > max)
        r->failed = true;
    return r->failed ? 0 : v;
}

static void
expect_hash(struct reader *r, uint8_t tag, uint8_t out[HASH_BYTES])
{
    expect_tag(r, tag);
    if (reader_varint(r) != HASH_BYTES)
        r->failed = true;
    reader_copy(r, out, HASH_BYTES);
}

static struct reader
expect_message(struct reader *r, uint8_t tag)
{
    expect_tag(r, tag);
    uint64_t len = reader_varint(r);
    if (len > SUB_BYTES_MAX)
        r->failed = true;
    return reader_of(reader_bytes(r, r->failed ? 0 : (size_t)len));
}

static void
expect_reference(struct reader *r, struct event_ref *ret)
{
    struct reader sub = expect_message(r, TAG_REFERENCE);
    ret->role = (uint8_t)expect_number(&sub, TAG_REF_ROLE, UINT8_MAX);
    expect_hash(&sub, TAG_REF_LOG, ret->log.b);
    ret->seq = expect_number(&sub, TAG_REF_SEQ, INT64_MAX);
    expect_hash(&sub, TAG_REF_CHAIN, ret->chain.b);
    if (!reader_done(&sub))
        r->failed = true;
}

static void
expect_capsule(struct reader *r, struct capsule_commitment *ret)
{
    struct reader sub = expect_message(r, TAG_CAPSULE);
    ret->class = (uint8_t)expect_number(&sub, TAG_CAPSULE_CLASS, CAPSULE_CLASS_MAX);
    expect_hash(&sub, TAG_CAPSULE_HASH, ret->hash.b);
    ret->bytes = (uint32_t)expect_number(&sub, TAG_CAPSULE_BYTES, CAPSULE_BYTES_MAX);
    if (!reader_done(&sub))
        r->failed = true;
}

/* After the suite. Counts stop at the bounds, and what is left over then fails the reader at its end. */
static void
read_rest(struct reader *r, struct event_header *h)
{
    h->seq = expect_number(r, TAG_SEQ, INT64_MAX);
    expect_tag(r, TAG_CLOCK);
    h->clock.v = reader_fixed64_le(r);
    if (h->clock.v == 0)
        r->failed = true;
    h->kind = (uint16_t)expect_number(r, TAG_KIND, UINT16_MAX);
    h->kind_version = (uint16_t)expect_number(r, TAG_KIND_VERSION, UINT16_MAX);
    h->must_understand = next_is(r, TAG_MUST_UNDERSTAND) && expect_number(r, TAG_MUST_UNDERSTAND, 1) == 1;
    while (h->n_refs < HEADER_REFS_MAX && next_is(r, TAG_REFERENCE))
        expect_reference(r, &h->refs[h->n_refs++]);
    expect_hash(r, TAG_PAYLOAD_HASH, h->payload_hash.b);
    h->payload_bytes = (uint32_t)expect_number(r, TAG_PAYLOAD_BYTES, PAYLOAD_BYTES_MAX);
    while (h->n_capsules < HEADER_CAPSULES_MAX && next_is(r, TAG_CAPSULE))
        expect_capsule(r, &h->capsules[h->n_capsules++]);
}

int
event_header_decode(struct slice bytes, struct event_header *ret, struct err *err)
{
    if (bytes.len > HEADER_BYTES_MAX)
        return err_set(err, ERR_INVALID, "header: larger than %d bytes", HEADER_BYTES_MAX);
    struct reader r = reader_of(bytes);
    uint64_t suite = expect_number(&r, TAG_SUITE, UINT64_MAX);
    if (!r.failed && suite != SUITE_1)
        return err_field(err, ERR_VERSION, "suite", "header: suite %llu is not supported", (unsigned long long)suite);
    struct event_header h = {.suite = SUITE_1};
    read_rest(&r, &h);
    if (!reader_done(&r))
        return err_set(err, ERR_INVALID, "header: not in its one encoding");
    *ret = h;
    return 0;
}

const struct event_ref *
event_header_ref(const struct event_header *h, enum ref_role role)
{
    for (unsigned i = 0; i < h->n_refs; i++)
        if (h->refs[i].role == role)
            return &h->refs[i];
    return NULL;
}

void
event_frame_put(struct buf *out, struct slice header, struct slice payload)
{
    MUST(header.len > 0 && header.len <= HEADER_BYTES_MAX && payload.len <= PAYLOAD_BYTES_MAX);
    buf_put_varint(out, header.len);
    buf_put(out, header.data, header.len);
    buf_put_varint(out, payload.len);
    buf_put(out, payload.data, payload.len);
}

bool
event_frame_next(struct reader *r, struct slice *ret_header, struct slice *ret_payload)
{
    if (r->failed || reader_left(r) == 0)
        return false;
    uint64_t header_len = reader_varint(r);
    if (header_len < 1 || header_len > HEADER_BYTES_MAX) {
        r->failed = true;
        return false;
    }
    struct slice header = reader_bytes(r, (size_t)header_len);
    uint64_t payload_len = reader_varint(r);
    if (r->failed || payload_len > PAYLOAD_BYTES_MAX) {
        r->failed = true;
        return false;
    }
    struct slice payload = reader_bytes(r, (size_t)payload_len);
    if (r->failed)
        return false;
    *ret_header = header;
    *ret_payload = payload;
    return true;
}
