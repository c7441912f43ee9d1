/* Any bytes as a receipt, in binary and as text: what decodes encodes again, and verifying it against a card ends in an answer. */
#include "proto/card.h"
#include "tests/support/proto_samples.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
verify(const struct receipt *r)
{
    static struct sample_unit unit;
    static bool ready;
    struct err err;
    struct log_id log;
    struct event_header h;
    if (!ready)
        sample_unit_init(&unit, 1);
    ready = true;
    if (receipt_verify(r, &unit.card, &log, &h, &err) == 0)
        MUST(TYPE_EQ(&log, &unit.log) && h.seq <= SAMPLE_EVENTS);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err;
    struct receipt r;
    struct buf b;
    buf_init(&b, RECEIPT_BYTES_MAX);
    if (receipt_decode(slice_of(data, size), &r, &err) == 0) {
        MUST(receipt_encode(&r, &b, &err) == 0 && b.len <= size);
        verify(&r);
    }
    buf_free(&b);
    buf_init(&b, RECEIPT_TEXT_MAX);
    if (receipt_read(slice_of(data, size), &b, &r, &err) == 0)
        verify(&r);
    buf_free(&b);
    return 0;
}
