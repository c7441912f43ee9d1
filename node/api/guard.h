/* What libmicrohttpd lets through and a proxy in front may read differently: request smuggling ends here, before a route is looked
 * at. RFC 9112 §6.3 and §5.1. Pure: fed header by header. */
#ifndef SMARTNODE_API_GUARD_H
#define SMARTNODE_API_GUARD_H

#include "proto/base/bytes.h"

struct guard {
    unsigned content_lengths, transfer_encodings, single[4]; /* single: headers that may stand once */
    uint64_t content_length;
    bool chunked;
    const char *wrong; /* first fault, for the answer; NULL = none */
};

void guard_header(struct guard *g, const char *name, size_t name_len, const char *value, size_t value_len);
/* The fault, or NULL if the request may go on. After the last header. */
const char *guard_end(struct guard *g);
/* True if the request target may be used: no NUL hidden in it, only printable ASCII, no slash or backslash written
 * as an escape in the path, which a proxy that looks at paths would not see as one. */
bool guard_target(const char *target);

#endif
