/* Sync messages as plain structs. docs/PROTOCOL.md §12.2. Generated protobuf types stay inside wire.c; decoding
 * copies no frames, takes no more memory than the message has bytes, and refuses what is over its bounds. Pure, any thread. */
#ifndef SMARTNODE_PROTO_WIRE_H
#define SMARTNODE_PROTO_WIRE_H

#include "proto/oprf.h"
#include "proto/verify.h"

enum {
    MESSAGE_BYTES_MAX = 1048576,
    MESSAGE_HEADS_MAX = 4096,
    MESSAGE_TABLES_MAX = 32,
    SYNC_VERSION = 1,
    EVIDENCE_HASHES_MAX = 512,
    CREDIT_MIN = 524288,
    CREDIT_MAX = 16777216,
    CREDIT_PER_RUN = 64,
};

enum message_type {
    MSG_UNKNOWN = 0,
    MSG_HELLO = 1,
    MSG_HEADS = 2,
    MSG_WANT = 3,
    MSG_BATCH = 4,
    MSG_CAPSULE_WANT = 5,
    MSG_CAPSULE = 6,
    MSG_GONE = 7,
    MSG_EVIDENCE = 8,
    MSG_BYE = 9,
    MSG_CREDIT = 10,
    MSG_EVENT_WANT = 11,
    MSG_EVENT_AT = 12,
    MSG_FINGERPRINTS = 13,
    MSG_PING = 14,
    MSG_ADMISSION_ASK = 15,
    MSG_ADMISSION_ANSWER = 16,
};

enum bye_reason {
    BYE_SHUTDOWN = 1,
    BYE_VERSION = 2,
    BYE_FEDERATION = 3,
    BYE_PRODUCTION = 4,
    BYE_UNTRUSTED = 5,
    BYE_MALFORMED = 6,
    BYE_LIMIT = 7,
    BYE_WRONG_UNIT = 8,
};

enum gone_reason { GONE_NOT_HELD = 1, GONE_ERASED = 2, GONE_NOT_FOR_YOU = 3, GONE_DROPPED = 4 };

enum admission_status { ADMISSION_ANSWERED = 1, ADMISSION_RATE_LIMIT = 2, ADMISSION_NOT_AVAILABLE = 3 };

struct head {
    struct log_id log;
    struct unit_id unit;
    uint64_t seq;
    struct chain_value chain;
};

struct table_fingerprint {
    uint32_t table;
    struct hash fingerprint;
};

struct message {
    enum message_type type;
    union {
        struct {
            uint32_t version_min, version_max;
            uint8_t nonce[ID_BYTES];
            struct federation_id federation;
            bool production, has_echo;
            uint8_t echo[ID_BYTES];
            struct unit_id unit;
            char program[PROGRAM_BYTES_MAX + 1];
        } hello;
        struct {
            struct head *heads;
            size_t n;
            bool full, more;
        } heads; /* decode: owned by the message */
        struct {
            struct log_id log;
            uint64_t from;
            struct chain_value before;
            uint64_t credit_bytes, number;
        } want;
        struct {
            struct run run;
            uint64_t number;
        } batch; /* run.frames borrows from the decoded bytes */
        struct {
            struct log_id log;
            uint64_t seq;
            uint32_t index;
        } capsule_want;
        struct {
            struct log_id log;
            uint64_t seq;
            uint32_t index;
            struct slice bytes;
        } capsule;
        struct {
            struct log_id log;
            uint64_t seq;
            bool has_index;
            uint32_t index;
            enum gone_reason reason;
        } gone;
        struct {
            struct log_id log;
            uint64_t first;
            struct chain_value before;
            struct slice header_hashes;
            struct seal seal;
            bool has_other;
            struct slice other_hashes;
            struct seal other_seal;
            struct slice opening_header, opening_payload; /* empty if absent */
        } evidence;
        struct {
            enum bye_reason reason;
            char text[NAME_BYTES_MAX + 1];
        } bye;
        struct {
            uint64_t number;
            uint64_t bytes;
        } credit;
        struct {
            struct log_id log;
            uint64_t seq;
        } event_want;
        struct {
            struct log_id log;
            uint64_t seq;
            struct slice receipt;
        } event_at;
        struct {
            uint32_t rules_version;
            struct hash heads_hash;
            struct table_fingerprint tables[MESSAGE_TABLES_MAX];
            size_t n;
        } fingerprints;
        struct {
            bool reply_wanted;
        } ping;
        struct {
            uint64_t number;
            uint8_t bucket;
            struct oprf_element blinded;
        } admission_ask;
        struct {
            uint64_t number;
            enum admission_status status;
            bool has_evaluated; /* and entries: with ADMISSION_ANSWERED alone */
            struct oprf_element evaluated;
            struct slice entries;
        } admission_answer;
    };
};

/* The bounds of both directions: seq 1 … 2^63−1 (in Gone 0 = the log), capsule index below 16, credit of a Want at least
 * CREDIT_MIN, run within §5's limits, reasons 1 … 255 (those of later versions have no name), tables 1 … 255, evidence of at most
 * EVIDENCE_HASHES_MAX whole hashes a branch, second branch and opening event each whole or absent, elements of the group,
 * LOOKUP_ENTRIES_STEP … LOOKUP_ENTRIES_MAX entries in steps (§12.8). */
/* Appends the encoding. ERR_LIMIT over MESSAGE_BYTES_MAX, ERR_INVALID for values out of bounds. */
int message_encode(const struct message *m, struct buf *out, struct err *err) NODISCARD;
/* Reads one message; slices inside borrow from bytes; message_release frees the rest. A message of a later version gives
 * type MSG_UNKNOWN and 0. ERR_INVALID malformed or out of bounds (field as "heads.head.chain"), ERR_LIMIT
 * size or count, ERR_NOMEM. */
int message_decode(struct slice bytes, struct message *ret, struct err *err) NODISCARD;
void message_release(struct message *m);
const char *message_name(enum message_type type);
const char *bye_reason_name(enum bye_reason reason);

#endif
