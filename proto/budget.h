/* Messages in protobuf from outside: checked on the wire, then unpacked under a memory budget. docs/PROTOCOL.md §4, §14.
 * For the sources of proto/ that read generated types; no other room includes this. */
#ifndef SMARTNODE_PROTO_BUDGET_H
#define SMARTNODE_PROTO_BUDGET_H

#include <protobuf-c/protobuf-c.h>

#include "proto/base/bytes.h"

enum { BUDGET_FACTOR = 4, BUDGET_BASE_BYTES = 65536 };

/* An allocator for protobuf-c that gives out at most `left` bytes at any one time. It points at itself: do not move or copy it
 * while a message unpacked with it lives. One thread. */
struct budget {
    ProtobufCAllocator allocator;
    size_t left;
    bool exhausted; /* an allocation was refused */
};

/* Room for one message of this size: 4 × size + 64 KiB. */
void budget_init(struct budget *b, size_t message_bytes);

/* Walks a message of this type, and the sub messages that the type names, without unpacking it. ERR_INVALID (field = name of
 * the field, if it has one) for: a varint that is cut, not shortest or over 64 bits; field number 0 or over 2^29−1; groups; a
 * length beyond the end; a known field of another wire type; a field that may occur once and occurs again; a 32-bit or
 * boolean field whose value does not fit; a string that is not text_ok. Unknown fields are accepted. ERR_LIMIT for more than
 * fields_max fields, those of sub messages counted. Allocates nothing. */
int message_check(const ProtobufCMessageDescriptor *type, struct slice bytes, size_t fields_max,
                  struct err *err) NODISCARD;

/* message_check, then unpacks. ERR_NOMEM over the budget. *ret is the caller's: message_free with the same budget. */
int message_unpack(const ProtobufCMessageDescriptor *type, struct slice bytes, size_t fields_max, struct budget *b,
                   ProtobufCMessage **ret, struct err *err) NODISCARD;
void message_free(ProtobufCMessage *m, struct budget *b); /* m may be NULL */

/* Packs into out. Errors stick to out (buf_check). */
void message_pack(const ProtobufCMessage *m, struct buf *out);

/* One field on the wire, for readers that need no generated type. */
struct wire_field {
    uint32_t number;
    uint8_t wire_type;  /* 0 varint, 1 fixed64, 2 bytes, 5 fixed32 */
    uint64_t value;     /* of wire type 0 */
    struct slice bytes; /* of wire types 1, 2 and 5; borrowed */
};

/* Next field. False at the end, and with r->failed set at what message_check calls malformed in any type. */
bool wire_field_next(struct reader *r, struct wire_field *ret);

#endif
