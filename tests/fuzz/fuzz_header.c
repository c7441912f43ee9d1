/* Whatever decodes as a header encodes to the very same bytes: there is one encoding. */
#include "proto/event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct event_header h;
    if (event_header_decode(slice_of(data, size), &h, NULL) != 0)
        return 0;
    struct buf out;
    buf_init(&out, HEADER_BYTES_MAX);
    MUST(event_header_encode(&h, &out, NULL) == 0);
    MUST(slice_eq(buf_slice(&out), slice_of(data, size)));
    buf_free(&out);
    return 0;
}
