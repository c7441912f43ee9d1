/* What the sources of payloads share: the generated types, and how fields are read and written. Private to proto/event_*.c. */
#ifndef SMARTNODE_PROTO_EVENT_PAYLOAD_H
#define SMARTNODE_PROTO_EVENT_PAYLOAD_H

#include "events.pb-c.h"
#include "proto/event.h"

/* Bounds on fields of one message, those of sub messages counted (§14), so that what protobuf-c makes of a message that is
 * in bounds always fits its budget, and no node's verdict on a payload differs from another's. */
enum {
    PAYLOAD_FIELDS_MAX = 512,
    PERIOD_FIELDS_MAX = 2560, /* of kind 256, which is read in place */
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
        Smartnode__SharesRepaid repaid;
        Smartnode__Representative representative;
        Smartnode__Merged merged;
        Smartnode__Absorbed absorbed;
        Smartnode__ConsentGiven consent_given;
        Smartnode__ConsentWithdrawn consent_withdrawn;
        Smartnode__Activity activity;
        Smartnode__Invoice invoice;
        Smartnode__CreditNote credit;
        Smartnode__Posting posting;
        Smartnode__Custodian custodian;
        Smartnode__HandoverOffered offered;
        Smartnode__HandoverAccepted accepted;
        Smartnode__HandoverCompleted completed;
        Smartnode__DoubleDeclared declared;
        Smartnode__DoubleSettled settled;
        Smartnode__AccessGranted granted;
        Smartnode__AccessRevoked revoked;
        Smartnode__PassIssued pass;
        Smartnode__GuestRecorded guest;
        Smartnode__CopiesDestroyed destroyed;
        Smartnode__RestrictionOrdered restriction;
        Smartnode__RestrictionLifted lifted;
        uint8_t room[sizeof(Smartnode__LogOpened)];
    };
    char *languages[UNIT_LANGUAGES_MAX];
    uint32_t classes[ERASURE_CLASSES_MAX];
};

#define BEGINS_AS_COMMON(type)                                                                  \
    _Static_assert(offsetof(type, subject_unit) == offsetof(Smartnode__Common, subject_unit) && \
                       offsetof(type, has_actor) == offsetof(Smartnode__Common, has_actor) &&   \
                       sizeof(type) <= sizeof(Smartnode__LogOpened),                            \
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
BEGINS_AS_COMMON(Smartnode__SharesRepaid);
BEGINS_AS_COMMON(Smartnode__Representative);
BEGINS_AS_COMMON(Smartnode__Merged);
BEGINS_AS_COMMON(Smartnode__Absorbed);
BEGINS_AS_COMMON(Smartnode__ConsentGiven);
BEGINS_AS_COMMON(Smartnode__ConsentWithdrawn);
BEGINS_AS_COMMON(Smartnode__Activity);
BEGINS_AS_COMMON(Smartnode__Invoice);
BEGINS_AS_COMMON(Smartnode__CreditNote);
BEGINS_AS_COMMON(Smartnode__Posting);
BEGINS_AS_COMMON(Smartnode__PersonActive);
BEGINS_AS_COMMON(Smartnode__PeriodClosed);
BEGINS_AS_COMMON(Smartnode__Custodian);
BEGINS_AS_COMMON(Smartnode__HandoverOffered);
BEGINS_AS_COMMON(Smartnode__HandoverAccepted);
BEGINS_AS_COMMON(Smartnode__HandoverCompleted);
BEGINS_AS_COMMON(Smartnode__DoubleDeclared);
BEGINS_AS_COMMON(Smartnode__DoubleSettled);
BEGINS_AS_COMMON(Smartnode__AccessGranted);
BEGINS_AS_COMMON(Smartnode__AccessRevoked);
BEGINS_AS_COMMON(Smartnode__PassIssued);
BEGINS_AS_COMMON(Smartnode__GuestRecorded);
BEGINS_AS_COMMON(Smartnode__ErasureOrdered);
BEGINS_AS_COMMON(Smartnode__CopiesDestroyed);
BEGINS_AS_COMMON(Smartnode__RestrictionOrdered);
BEGINS_AS_COMMON(Smartnode__RestrictionLifted);

/* Reads the fields of one kind from its message, or, of a kind that is appended, in place from bytes: m is NULL then, and
 * message_check has passed. ret->common and ret->kind are read already. */
typedef int payload_read_fn(const ProtobufCMessage *m, struct slice bytes, struct event_payload *ret, struct err *err);
/* Fills the message from the payload, of which it borrows. */
typedef void payload_write_fn(const struct event_payload *p, struct payload_message *m);
/* Appends what a list kind has beyond the common fields. */
typedef int payload_append_fn(const struct event_payload *p, struct buf *out, struct err *err);

/* event_payload_register.c */
payload_read_fn payload_read_escrow, payload_read_unit, payload_read_office, payload_read_application,
    payload_read_admission, payload_read_shares, payload_read_category, payload_read_data, payload_read_repaid,
    payload_read_representative, payload_read_merged, payload_read_absorbed, payload_read_consent_given,
    payload_read_consent_withdrawn;
payload_write_fn payload_write_escrow, payload_write_unit, payload_write_office, payload_write_application,
    payload_write_admission, payload_write_shares, payload_write_category, payload_write_data, payload_write_repaid,
    payload_write_representative, payload_write_merged, payload_write_absorbed, payload_write_consent_given,
    payload_write_consent_withdrawn;
/* event_payload_work.c */
payload_read_fn payload_read_activity, payload_read_invoice, payload_read_credit, payload_read_active,
    payload_read_closed;
payload_write_fn payload_write_activity, payload_write_invoice, payload_write_credit;
payload_append_fn payload_append_active, payload_append_closed;
/* event_payload_posting.c */
payload_read_fn payload_read_posting;
payload_write_fn payload_write_posting;

/* event_payload_moving.c */
payload_read_fn payload_read_custodian, payload_read_offered, payload_read_accepted, payload_read_completed,
    payload_read_declared, payload_read_settled, payload_read_granted, payload_read_revoked, payload_read_pass,
    payload_read_guest, payload_read_erasure, payload_read_destroyed, payload_read_restriction, payload_read_lifted;
payload_write_fn payload_write_custodian, payload_write_offered, payload_write_accepted, payload_write_completed,
    payload_write_declared, payload_write_settled, payload_write_granted, payload_write_revoked, payload_write_pass,
    payload_write_guest, payload_write_destroyed, payload_write_restriction, payload_write_lifted;
payload_append_fn payload_append_erasure;

/* ERR_INVALID that names the field. */
int payload_field_wrong(struct err *err, const char *field) NODISCARD;
/* Copies a bytes field of exactly len bytes; false if it is absent or of another length. */
bool payload_bytes_are(protobuf_c_boolean has, const ProtobufCBinaryData *b, void *out, size_t len);
/* Copies a string of min to max bytes and its NUL; false if it is absent or of another length. */
bool payload_text_is(const char *s, char *out, size_t min, size_t max);
/* For packing only: borrows. */
ProtobufCBinaryData payload_bin(const void *p, size_t len);
char *payload_text(const char *s);
/* Two of A–Z. */
bool payload_country_ok(const char *s);
/* Within §2. */
bool payload_date_ok(int64_t days);

/* Kind 1 (event_opened.c). The root statement's slice is left to the caller, which knows the payload's bytes. */
int payload_read_log_opened(const Smartnode__LogOpened *m, struct log_opened *ret, struct err *err) NODISCARD;
void payload_write_log_opened(const struct event_payload *p, struct payload_message *m);

#endif
