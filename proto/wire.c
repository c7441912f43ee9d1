/* Sync messages: one table of rules for each, and what no table can say. See wire.h, docs/PROTOCOL.md §12.2, §14.
 * Decoding is bounded by the message's own length: nothing is unpacked into generated types, frames and capsules are borrowed,
 * and the one allocation (heads) is no larger than the bytes that it came from. */
#include "proto/wire.h"

#include <stdlib.h>

#include "proto/budget.h"
#include "proto/card.h"
#include "proto/fields.h"
#include "sync.pb-c.h"

#define SEQ_MAX ((uint64_t)INT64_MAX)
#define SEQ_OF(m) FIELD_RANGE_OF(FIELD_U64, struct message, m, 1, SEQ_MAX)
#define FIXED_OF(m) FIELD_FIXED_OF(struct message, m)
#define INDEX_OF(m) FIELD_RANGE_OF(FIELD_U32, struct message, m, 0, HEADER_CAPSULES_MAX - 1)
#define FLAG_OF(m) FIELD_FLAG_OF(struct message, m)
#define NUMBER_OF(m) FIELD_RANGE_OF(FIELD_U64, struct message, m, 0, UINT64_MAX)
#define OPTIONAL_BYTES_OF(m, shortest, longest)                                                 \
    {                                                                                           \
        .as = FIELD_BYTES, FIELD_OFFSET(struct message, m), .min = (shortest), .max = (longest) \
    }

enum {
    WIRE_LENGTH = 2, /* the wire type of messages */
    /* Shortest encodings of one element: what an array of them takes in memory is bounded by the message. */
    HEAD_WIRE_MIN = 3 * (2 + HASH_BYTES) + 2,
    TABLE_WIRE_MIN = 2 + 2 + HASH_BYTES,
    /* Reasons of later versions are carried, they are no fault. */
    REASON_MAX = 255,
    EVIDENCE_BYTES_MAX = EVIDENCE_HASHES_MAX * HASH_BYTES,
    TABLE_NUMBER_MAX = 255, /* one byte in a fingerprint, §13 */
};
_Static_assert(sizeof(struct head) <= HEAD_WIRE_MIN, "heads in memory are no larger than on the wire");
_Static_assert(sizeof(enum gone_reason) == sizeof(uint32_t), "reasons are stored as 32 bits");
_Static_assert(sizeof(enum bye_reason) == sizeof(uint32_t), "reasons are stored as 32 bits");
_Static_assert(sizeof(enum admission_status) == sizeof(uint32_t), "reasons are stored as 32 bits");

static const struct field_rule HELLO[] = {
    FIELD_RANGE_OF(FIELD_U32, struct message, hello.version_min, 1, UINT32_MAX),
    FIELD_RANGE_OF(FIELD_U32, struct message, hello.version_max, 1, UINT32_MAX),
    FIXED_OF(hello.nonce),
    FIXED_OF(hello.federation),
    FLAG_OF(hello.production),
    FIXED_OF(hello.unit),
    FIELD_TEXT_OF(struct message, hello.program, PROGRAM_BYTES_MAX),
    {.as = FIELD_FIXED,
     FIELD_OFFSET(struct message, hello.echo),
     .has = offsetof(struct message, hello.has_echo),
     .min = ID_BYTES,
     .max = ID_BYTES},
};

static const struct field_rule HEAD[] = {
    FIELD_FIXED_OF(struct head, log),
    FIELD_FIXED_OF(struct head, unit),
    FIELD_RANGE_OF(FIELD_U64, struct head, seq, 1, SEQ_MAX),
    FIELD_FIXED_OF(struct head, chain),
};
static const struct fields HEAD_FIELDS = {&smartnode__head__descriptor, HEAD};

static const struct field_rule HEADS[] = {
    {.as = FIELD_LIST,
     FIELD_OFFSET(struct message, heads.heads),
     .min = HEAD_WIRE_MIN,
     .max = MESSAGE_HEADS_MAX,
     .element = &HEAD_FIELDS,
     .element_bytes = sizeof(struct head),
     .count = offsetof(struct message, heads.n),
     .by_pointer = true},
    FLAG_OF(heads.full),
    FLAG_OF(heads.more),
};

static const struct field_rule WANT[] = {
    FIXED_OF(want.log),     SEQ_OF(want.from),
    FIXED_OF(want.before),  FIELD_RANGE_OF(FIELD_U64, struct message, want.credit_bytes, CREDIT_MIN, INT64_MAX),
    NUMBER_OF(want.number),
};

static const struct field_rule BATCH[] = {
    FIXED_OF(batch.run.log),
    SEQ_OF(batch.run.first),
    FIELD_RANGE_OF(FIELD_U32, struct message, batch.run.count, 1, RUN_EVENTS_MAX),
    FIELD_RANGE_OF(FIELD_BYTES, struct message, batch.run.frames, 1, RUN_BYTES_MAX),
    FIXED_OF(batch.run.seal),
    NUMBER_OF(batch.number),
};

static const struct field_rule CAPSULE_WANT[] = {
    FIXED_OF(capsule_want.log),
    SEQ_OF(capsule_want.seq),
    INDEX_OF(capsule_want.index),
};

static const struct field_rule CAPSULE[] = {
    FIXED_OF(capsule.log),
    SEQ_OF(capsule.seq),
    INDEX_OF(capsule.index),
    FIELD_RANGE_OF(FIELD_BYTES, struct message, capsule.bytes, 1, CAPSULE_BYTES_MAX),
};

static const struct field_rule GONE[] = {
    FIXED_OF(gone.log),
    /* absent: the whole log */
    {.as = FIELD_U64, FIELD_OFFSET(struct message, gone.seq), .max = SEQ_MAX},
    {.as = FIELD_U32,
     FIELD_OFFSET(struct message, gone.index),
     .has = offsetof(struct message, gone.has_index),
     .max = HEADER_CAPSULES_MAX - 1},
    FIELD_RANGE_OF(FIELD_U32, struct message, gone.reason, 1, REASON_MAX),
};

static const struct field_rule EVIDENCE[] = {
    FIXED_OF(evidence.log),
    SEQ_OF(evidence.first),
    FIXED_OF(evidence.before),
    FIELD_RANGE_OF(FIELD_BYTES, struct message, evidence.header_hashes, HASH_BYTES, EVIDENCE_BYTES_MAX),
    FIXED_OF(evidence.seal),
    OPTIONAL_BYTES_OF(evidence.other_hashes, HASH_BYTES, EVIDENCE_BYTES_MAX),
    {.as = FIELD_FIXED,
     FIELD_OFFSET(struct message, evidence.other_seal),
     .has = offsetof(struct message, evidence.has_other),
     .min = SIG_BYTES,
     .max = SIG_BYTES},
    OPTIONAL_BYTES_OF(evidence.opening_header, 1, HEADER_BYTES_MAX),
    OPTIONAL_BYTES_OF(evidence.opening_payload, 1, PAYLOAD_BYTES_MAX),
};

static const struct field_rule BYE[] = {
    FIELD_RANGE_OF(FIELD_U32, struct message, bye.reason, 1, REASON_MAX),
    FIELD_TEXT_OF(struct message, bye.text, NAME_BYTES_MAX),
};

static const struct field_rule CREDIT[] = {
    NUMBER_OF(credit.number),
    FIELD_RANGE_OF(FIELD_U64, struct message, credit.bytes, 0, INT64_MAX),
};

static const struct field_rule EVENT_WANT[] = {
    FIXED_OF(event_want.log),
    SEQ_OF(event_want.seq),
};

static const struct field_rule EVENT_AT[] = {
    FIXED_OF(event_at.log),
    SEQ_OF(event_at.seq),
    FIELD_RANGE_OF(FIELD_BYTES, struct message, event_at.receipt, 1, RECEIPT_BYTES_MAX),
};

static const struct field_rule TABLE[] = {
    FIELD_RANGE_OF(FIELD_U32, struct table_fingerprint, table, 1, TABLE_NUMBER_MAX),
    FIELD_FIXED_OF(struct table_fingerprint, fingerprint),
};
static const struct fields TABLE_FIELDS = {&smartnode__table_fingerprint__descriptor, TABLE};

static const struct field_rule FINGERPRINTS[] = {
    FIELD_RANGE_OF(FIELD_U32, struct message, fingerprints.rules_version, 1, UINT32_MAX),
    FIXED_OF(fingerprints.heads_hash),
    {.as = FIELD_LIST,
     FIELD_OFFSET(struct message, fingerprints.tables),
     .min = TABLE_WIRE_MIN,
     .max = MESSAGE_TABLES_MAX,
     .element = &TABLE_FIELDS,
     .element_bytes = sizeof(struct table_fingerprint),
     .count = offsetof(struct message, fingerprints.n)},
};

static const struct field_rule PING[] = {
    FLAG_OF(ping.reply_wanted),
};

static const struct field_rule ADMISSION_ASK[] = {
    NUMBER_OF(admission_ask.number),
    FIELD_RANGE_OF(FIELD_U8, struct message, admission_ask.bucket, 0, UINT8_MAX),
    FIXED_OF(admission_ask.blinded),
};

static const struct field_rule ADMISSION_ANSWER[] = {
    NUMBER_OF(admission_answer.number),
    FIELD_RANGE_OF(FIELD_U32, struct message, admission_answer.status, 1, REASON_MAX),
    {.as = FIELD_FIXED,
     FIELD_OFFSET(struct message, admission_answer.evaluated),
     .has = offsetof(struct message, admission_answer.has_evaluated),
     .min = OPRF_ELEMENT_BYTES,
     .max = OPRF_ELEMENT_BYTES},
    OPTIONAL_BYTES_OF(admission_answer.entries, 1, LOOKUP_ENTRIES_MAX *LOOKUP_ENTRY_BYTES),
};

static const struct {
    const char *name;
    struct fields fields;
} MEMBERS[] = {
    [MSG_UNKNOWN] = {"unknown", {NULL, NULL}},
    [MSG_HELLO] = {"hello", {&smartnode__hello__descriptor, HELLO}},
    [MSG_HEADS] = {"heads", {&smartnode__heads__descriptor, HEADS}},
    [MSG_WANT] = {"want", {&smartnode__want__descriptor, WANT}},
    [MSG_BATCH] = {"batch", {&smartnode__batch__descriptor, BATCH}},
    [MSG_CAPSULE_WANT] = {"capsule_want", {&smartnode__capsule_want__descriptor, CAPSULE_WANT}},
    [MSG_CAPSULE] = {"capsule", {&smartnode__capsule_is__descriptor, CAPSULE}},
    [MSG_GONE] = {"gone", {&smartnode__gone__descriptor, GONE}},
    [MSG_EVIDENCE] = {"evidence", {&smartnode__evidence__descriptor, EVIDENCE}},
    [MSG_BYE] = {"bye", {&smartnode__bye__descriptor, BYE}},
    [MSG_CREDIT] = {"credit", {&smartnode__credit__descriptor, CREDIT}},
    [MSG_EVENT_WANT] = {"event_want", {&smartnode__event_want__descriptor, EVENT_WANT}},
    [MSG_EVENT_AT] = {"event_at", {&smartnode__event_at__descriptor, EVENT_AT}},
    [MSG_FINGERPRINTS] = {"fingerprints", {&smartnode__fingerprints__descriptor, FINGERPRINTS}},
    [MSG_PING] = {"ping", {&smartnode__ping__descriptor, PING}},
    [MSG_ADMISSION_ASK] = {"admission_ask", {&smartnode__admission_ask__descriptor, ADMISSION_ASK}},
    [MSG_ADMISSION_ANSWER] = {"admission_answer", {&smartnode__admission_answer__descriptor, ADMISSION_ANSWER}},
};

static int find_member(struct slice bytes, enum message_type *ret_type, struct slice *ret_body, struct err *err);
static int check_across(const struct message *m, struct err *err);

int
message_encode(const struct message *m, struct buf *out, struct err *err)
{
    if (m->type < MSG_HELLO || m->type > MSG_ADMISSION_ANSWER)
        return err_set(err, ERR_INVALID, "message of unknown type %d", (int)m->type);
    const struct fields *fields = &MEMBERS[m->type].fields;
    struct field_path path = {NULL, MEMBERS[m->type].name};
    size_t len;
    int rc = fields_check(fields, &path, m, &len, err);
    if (rc == 0)
        rc = check_across(m, err);
    if (rc < 0)
        return rc;
    size_t tag = (size_t)m->type << 3 | WIRE_LENGTH;
    size_t all = varint_len(tag) + varint_len(len) + len;
    if (all > MESSAGE_BYTES_MAX || all > out->max - out->len)
        return err_set(err, ERR_LIMIT, "%s: larger than its buffer or %d bytes", path.name, MESSAGE_BYTES_MAX);
    size_t before = out->len;
    /* Room for all of it at once: frames are copied once and never moved. */
    if (buf_reserve(out, all)) {
        buf_put_varint(out, tag);
        buf_put_varint(out, len);
        fields_put(fields, m, out);
    }
    rc = buf_check(out, path.name, err);
    if (rc < 0)
        out->len = before;
    return rc;
}

int
message_decode(struct slice bytes, struct message *ret, struct err *err)
{
    if (bytes.len > MESSAGE_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "message larger than %d bytes", MESSAGE_BYTES_MAX);
    struct message m = {.type = MSG_UNKNOWN};
    struct slice body;
    int rc = find_member(bytes, &m.type, &body, err);
    if (rc < 0)
        return rc;
    if (m.type != MSG_UNKNOWN) {
        struct field_path path = {NULL, MEMBERS[m.type].name};
        rc = fields_read(&MEMBERS[m.type].fields, &path, body, &m, err);
        if (rc < 0)
            return rc;
        rc = check_across(&m, err);
        if (rc < 0) {
            message_release(&m);
            return rc;
        }
    }
    *ret = m;
    return 0;
}

void
message_release(struct message *m)
{
    if (m->type == MSG_HEADS) {
        free(m->heads.heads);
        m->heads.heads = NULL;
        m->heads.n = 0;
    }
}

const char *
message_name(enum message_type type)
{
    return type >= MSG_UNKNOWN && type <= MSG_ADMISSION_ANSWER ? MEMBERS[type].name : MEMBERS[MSG_UNKNOWN].name;
}

const char *
bye_reason_name(enum bye_reason reason)
{
    switch (reason) {
    case BYE_SHUTDOWN: return "shutting down";
    case BYE_VERSION: return "version";
    case BYE_FEDERATION: return "federation";
    case BYE_PRODUCTION: return "test against production";
    case BYE_UNTRUSTED: return "not trusted";
    case BYE_MALFORMED: return "malformed";
    case BYE_LIMIT: return "over limit";
    case BYE_WRONG_UNIT: return "wrong unit";
    }
    return "unknown";
}

/* The one member that is known; MSG_UNKNOWN if there is none. */
static int
find_member(struct slice bytes, enum message_type *ret_type, struct slice *ret_body, struct err *err)
{
    enum message_type type = MSG_UNKNOWN;
    struct slice body = {0};
    struct reader r = reader_of(bytes);
    struct wire_field w;
    while (wire_field_next(&r, &w)) {
        if (w.number > MSG_ADMISSION_ANSWER)
            continue;
        struct field_path path = {NULL, MEMBERS[w.number].name};
        if (w.wire_type != WIRE_LENGTH)
            return fields_fail(&path, NULL, ERR_INVALID, "of another type", err);
        if (type != MSG_UNKNOWN)
            return fields_fail(&path, NULL, ERR_INVALID, "a second message in one", err);
        type = (enum message_type)w.number;
        body = w.bytes;
    }
    if (r.failed)
        return err_set(err, ERR_INVALID, "malformed message");
    *ret_type = type;
    *ret_body = body;
    return 0;
}

/* Whole hashes, and no more of them than there are positions. */
static int
check_branch(struct slice hashes, uint64_t first, const struct field_path *path, const char *name, struct err *err)
{
    if (hashes.len % HASH_BYTES != 0)
        return fields_fail(path, name, ERR_INVALID, "not whole hashes", err);
    if (hashes.len > 0 && first > SEQ_MAX - (hashes.len / HASH_BYTES - 1))
        return fields_fail(path, name, ERR_INVALID, "goes beyond the last position", err);
    return 0;
}

static int
check_evidence(const struct message *m, const struct field_path *path, struct err *err)
{
    int rc = check_branch(m->evidence.header_hashes, m->evidence.first, path, "header_hashes", err);
    if (rc == 0)
        rc = check_branch(m->evidence.other_hashes, m->evidence.first, path, "other_hashes", err);
    if (rc < 0)
        return rc;
    if (m->evidence.has_other != (m->evidence.other_hashes.len > 0))
        return fields_fail(path, "other_seal", ERR_INVALID, "a branch is hashes and a seal", err);
    if ((m->evidence.opening_header.len > 0) != (m->evidence.opening_payload.len > 0))
        return fields_fail(path, "opening_payload", ERR_INVALID, "a first event is header and payload", err);
    return 0;
}

/* Statuses of later versions are carried; none but an answer has one. */
static int
check_admission_answer(const struct message *m, const struct field_path *path, struct err *err)
{
    bool answered = m->admission_answer.status == ADMISSION_ANSWERED;
    if (m->admission_answer.has_evaluated != answered)
        return fields_fail(path, "evaluated", ERR_INVALID, answered ? "missing" : "without an answer", err);
    if ((m->admission_answer.entries.len > 0) != answered)
        return fields_fail(path, "entries", ERR_INVALID, answered ? "missing" : "without an answer", err);
    if (m->admission_answer.entries.len % (LOOKUP_ENTRIES_STEP * LOOKUP_ENTRY_BYTES) != 0)
        return fields_fail(path, "entries", ERR_INVALID, "not whole steps of entries", err);
    if (answered && !oprf_element_ok(&m->admission_answer.evaluated))
        return fields_fail(path, "evaluated", ERR_INVALID, "not an element of the group", err);
    return 0;
}

/* Rules between fields. */
static int
check_across(const struct message *m, struct err *err)
{
    struct field_path path = {NULL, MEMBERS[m->type].name};
    switch (m->type) {
    case MSG_HELLO:
        if (m->hello.version_max < m->hello.version_min)
            return fields_fail(&path, "version_max", ERR_INVALID, "below version_min", err);
        return 0;
    case MSG_BATCH:
        if (m->batch.run.first > SEQ_MAX - (m->batch.run.count - 1))
            return fields_fail(&path, "count", ERR_INVALID, "goes beyond the last position", err);
        return 0;
    case MSG_GONE:
        if (m->gone.has_index && m->gone.seq == 0)
            return fields_fail(&path, "index", ERR_INVALID, "without seq", err);
        return 0;
    case MSG_EVIDENCE: return check_evidence(m, &path, err);
    case MSG_ADMISSION_ASK:
        if (!oprf_element_ok(&m->admission_ask.blinded))
            return fields_fail(&path, "blinded", ERR_INVALID, "not an element of the group", err);
        return 0;
    case MSG_ADMISSION_ANSWER: return check_admission_answer(m, &path, err);
    default: return 0;
    }
}
