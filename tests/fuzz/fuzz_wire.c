/* Any bytes as a sync message: what decodes is within its bounds and encodes again to a message that decodes to the same bytes. */
#include "proto/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
encode(const struct message *m, struct buf *out)
{
    struct err err;
    buf_init(out, MESSAGE_BYTES_MAX);
    MUST(message_encode(m, out, &err) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err;
    struct message m, again;
    if (message_decode(slice_of(data, size), &m, &err) < 0)
        return 0;
    if (m.type != MSG_UNKNOWN) {
        struct buf a, b;
        encode(&m, &a);
        MUST(a.len <= size);
        MUST(message_decode(buf_slice(&a), &again, &err) == 0);
        encode(&again, &b);
        MUST(slice_eq(buf_slice(&a), buf_slice(&b)));
        message_release(&again);
        buf_free(&a);
        buf_free(&b);
    }
    message_release(&m);
    return 0;
}
