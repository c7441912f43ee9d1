/* What the sources of payloads share: the generated types, and how fields are read and written. Private to proto/event_*.c. */
#ifndef SMARTNODE_PROTO_EVENT_PAYLOAD_H
#define SMARTNODE_PROTO_EVENT_PAYLOAD_H

#include "events.pb-c.h"
#include "proto/event.h"

/* Bounds on fields of one message, those of sub messages counted (§14), so that what protobuf-c makes of a message that is
 * in bounds always fits its budget, and no node's verdict on a payload differs from another's. */
enum {
    PAYLOAD_FIELDS_MAX = 512,
    ROOT_STATEMENT_FIELDS_MAX = 1280,
    ROOT_STATEMENT_BUDGET_BYTES = 65536, /* counted as at least this large */
};

/* One payload to be packed; which member, the kind says. */
struct payload_message {
    union {
        ProtobufCMessage base;
        Smartnode__Common common;
        Smartnode__LogOpened log_opened;
        Smartnode__EscrowOpened escrow;
        Smartnode__UnitDescribed unit;
        Smartnode__Office office;
        Smartnode__Application application;
        Smartnode__Admission admission;
        Smartnode__Shares shares;
        Smartnode__CategoryChanged category;
        Smartnode__DataChanged data;
        uint8_t room[sizeof(Smartnode__LogOpened)];
    };
    char *languages[UNIT_LANGUAGES_MAX];
};

#define BEGINS_AS_COMMON(type)                                                                \
    _Static_assert(offsetof(type, salt) == offsetof(Smartnode__Common, salt) &&               \
                       offsetof(type, has_actor) == offsetof(Smartnode__Common, has_actor) && \
                       sizeof(type) <= sizeof(Smartnode__LogOpened),                          \
                   #type)
BEGINS_AS_COMMON(Smartnode__LogOpened);
BEGINS_AS_COMMON(Smartnode__EscrowOpened);
BEGINS_AS_COMMON(Smartnode__UnitDescribed);
BEGINS_AS_COMMON(Smartnode__Office);
BEGINS_AS_COMMON(Smartnode__Application);
BEGINS_AS_COMMON(Smartnode__Admission);
BEGINS_AS_COMMON(Smartnode__Shares);
BEGINS_AS_COMMON(Smartnode__CategoryChanged);
BEGINS_AS_COMMON(Smartnode__DataChanged);

/* ERR_INVALID that names the field. */
int payload_field_wrong(struct err *err, const char *field) NODISCARD;
/* Copies a bytes field of exactly len bytes; false if it is absent or of another length. */
bool payload_bytes_are(protobuf_c_boolean has, const ProtobufCBinaryData *b, void *out, size_t len);
/* Copies a string of min to max bytes and its NUL; false if it is absent or of another length. */
bool payload_text_is(const char *s, char *out, size_t min, size_t max);
/* For packing only: borrows. */
ProtobufCBinaryData payload_bin(const void *p, size_t len);

/* Kind 1 (event_opened.c). The root statement's slice is left to the caller, which knows the payload's bytes. */
int payload_read_log_opened(const Smartnode__LogOpened *m, struct log_opened *ret, struct err *err) NODISCARD;
void payload_write_log_opened(const struct event_payload *p, struct payload_message *m);

#endif
