/* The HTTP interface: one server over libmicrohttpd, its reads on read transactions of its own, its writes as jobs for the
 * writer. docs/openapi.yaml describes the routes and their rules.
 *
 * A write: the http thread parses and checks the form, suspends the connection and hands an api_job to `submit`. The writer runs
 * the operations in order, each against the rows as its transaction sees them, fills `result` of every one, commits, and calls
 * the job's done from its own thread. An operation that fails leaves the others alone (a request has one, a batch group up to
 * API_JOB_OPS_MAX). If the commit fails every result gets that error before done.
 *
 * What the writer does for one operation (all its events in one commit or none; a merge has two, of which result names the one of the
 * record that is given up):
 *   1. if `idempotent`: TABLE_IDEMPOTENCY by idem_key (node/api/idem.h). Same request hash: result from the row, replayed = true,
 *      nothing written. Another request hash: ERR_EXISTS, field "idempotency-key".
 *   2. OP_MEMBER with office_text: office_find → request.has_office, request.office; with member_no: its member → request.subject. Office and unit operations with has_if_match:
 *      ERR_CONFLICT, field "if-match", unless api_office_tag / api_unit_tag of the state as of today is if_match.
 *   3. command_…, append, apply; or the row of TABLE_TOKENS or TABLE_PEERS.
 *   4. result.status = status_on_success; if idempotent also the rows of TABLE_IDEMPOTENCY and TABLE_IDEM_TIME.
 * Threads: see each function. */
#ifndef SMARTNODE_API_H
#define SMARTNODE_API_H

#include "node/api/token.h"
#include "node/command/access.h"
#include "node/command/custody.h"
#include "node/command/double.h"
#include "node/command/erase.h"
#include "node/command/guest.h"
#include "node/command/handover.h"
#include "node/view/view.h"
#include "proto/card.h"
#include "storage/asks.h"
#include "storage/received.h"
#include "storage/vault.h"

enum {
    API_JOB_OPS_MAX = 1024, /* operations of one job: a few commits' worth, so that a batch cannot hold the writer */
    API_BODY_BYTES_MAX = 1048576,     /* of a JSON request */
    API_BATCH_BYTES_MAX = 67108864,   /* of POST /v1/batch */
    API_BATCH_LINES_MAX = 131072,     /* bounds the answer, which is kept until the upload ends */
    API_BATCH_LINE_BYTES_MAX = 65536, /* of one line */
    API_BATCHES_MAX = 4,              /* at the same time: each holds a job of about 4 MiB and its answer */
    API_PEERS_MAX = 256,
    API_WARNINGS_MAX = 16,
    API_WARNING_BYTES_MAX = 400,
};

enum api_op_kind {
    OP_MEMBER = 1,
    OP_OFFICE_OPEN,
    OP_OFFICE_CHANGE,
    OP_OFFICE_CLOSE,
    OP_UNIT_DESCRIBE,
    OP_TOKEN_CREATE,
    OP_TOKEN_REVOKE,
    OP_TOKEN_END, /* all of a member */
    OP_PEER_TRUST,
    OP_PEER_REMOVE,
    OP_ACTIVITY,
    OP_INVOICE,
    OP_CANCEL,
    OP_MERGE,
    OP_CLOSE_PERIOD,
    OP_POSTING,
    OP_ACCESS, /* grants and passes */
    OP_HANDOVER,
    OP_CUSTODY, /* who stands in for the unit; its closing */
    OP_ERASE,
    OP_DOUBLE,
    OP_KEYS_KEEP, /* what a pass of another unit leaves here goes into the vault */
    OP_ASK,       /* a member asks something of the unit, or the desk has dealt with it: no event */
    OP_SETTLE,    /* a host's proposal is declined: no event */
    OP_PROPOSE,   /* a contact, for a visitor's home (kind 86) */
    OP_GUEST,     /* the host's own, as the next (node/host/guests.h) */
    OP_COUNT,     /* the host's own (node/host/counting.h): no route leads to it */
};

/* Counting a month: marks it as being counted; stores the events that were worked out meanwhile, a group's worth at a time; takes the mark
 * away unless an invoice of the month changed since it was set. Whoever is stopped between begins anew. */
enum count_step { COUNT_BEGIN = 1, COUNT_WRITE, COUNT_END };
enum { COUNT_GROUP_EVENTS = 256 };

/* Members of other units here (node/host/guests.h): capsules that were opened leave the list of those that arrived; keys that were in them go into the vault; records for a home are
 * written, and how far the own logs were read for them; that ends are to be confirmed is noted, in a commit before what the accesses gave is destroyed; when units were heard of. */
enum guest_step { GUEST_OPENED = 1, GUEST_KEYS, GUEST_RECORD, GUEST_OWED, GUEST_FORGET, GUEST_CONFIRM, GUEST_KNOWN };
enum { GUEST_PLACES_MAX = 512, GUEST_UNITS_MAX = 256 };
struct guest_place {
    uint32_t log_no; /* 0 in a place of a key capsule: it is in the vault */
    struct position at;
    uint8_t index;
    bool erased; /* OPENED: what it holds was erased before it came, by an order: it goes and does not come again */
    struct position erased_by;
};
struct guest_work_order {
    enum guest_step step;
    /* OPENED, FORGET: capsules; RECORD: positions up to which the own logs were read; CONFIRM: ends that are owed no more */
    size_t n_places;
    struct guest_place *places;
    struct received_key *received; /* KEYS */
    size_t n_received;
    size_t
        n_refused; /* KEYS, by the writer: events whose keys were not kept, because there are too many of their member */
    struct draft *drafts; /* RECORD, CONFIRM */
    size_t n_drafts;
    size_t
        n_keys; /* FORGET: events whose keys go; OWED: what ended accesses and is to be confirmed once nothing of them is left */
    struct position *keys;
    size_t n_units; /* KNOWN */
    struct unit_id *units;
    struct wall_ms *known_at;
};

/* Filled by the writer. */
struct api_result {
    struct err err;  /* code ERR_NONE = success */
    uint16_t status; /* HTTP status that is answered, also at a replay */
    bool replayed;
    bool has_position;        /* not for tokens and peers */
    struct position position; /* of the event */
    bool has_subject;
    struct subject_id subject; /* the member, office, activity, invoice or posting */
    uint32_t
        keys_left; /* of an offer and a completion: earlier keys of activities for which there was no room; nothing at a replay */
    uint8_t representatives; /* of a company that moves: how many the new home is to name anew; nothing at a replay */
};

struct api_op {
    enum api_op_kind kind;
    uint16_t status_on_success;
    bool idempotent;
    struct hash idem_key, request_hash;
    bool has_if_match; /* office and unit; members have theirs in the request */
    struct hash if_match;
    /* With the operation what became of a proposal is kept (storage/visits.h): it is accepted with OP_MEMBER, declined with OP_SETTLE. */
    struct {
        uint8_t as; /* enum visit_settled; 0 = there is none */
        struct subject_id member;
        struct position at;
        uint8_t index;
    } settles;
    union {
        struct {
            struct member_request request;        /* personal data: api wipes it */
            char office_text[NAME_BYTES_MAX + 1]; /* id or name as entered; empty = none */
            char member_no[PERSON_TEXT_MAX + 1];  /* instead of request.subject; empty = none */
            bool
                ask; /* somebody new at the desk: other units are asked (docs/PROTOCOL.md §12.8); not in a batch or an import */
        } member;
        struct {
            struct office_id id; /* OPEN: zero = a new one is drawn */
            struct office_facts facts;
            struct civil_date effective;
        } office;
        struct {
            struct unit_described facts;
            struct civil_date effective;
        } unit;
        struct {
            struct hash hash;
            struct token_row row;
        } token; /* create: put; revoke: ERR_NOTFOUND if absent, sets row.revoked; end: revokes all of row.subject */
        struct {
            struct slice card;
        } peer_trust; /* armoured text, checked by card_read; borrowed until done */
        struct {
            struct unit_id unit;
        } peer_remove;
        /* Personal data in these too. Texts that are not empty are looked up before the command: offices as above, numbers by
         * work_find (ERR_NOTFOUND, field "activity_no", "credits_no"; a member's "member_no" by the blind index). */
        struct {
            struct activity_request request;
            char office_text[NAME_BYTES_MAX + 1];
            char member_no[PERSON_TEXT_MAX + 1]; /* instead of request.member */
            char unit_code[UNIT_CODE_MAX];       /* of a visitor: her home; empty = a member of this unit */
            bool
                taken; /* the host's own (node/host/taken_work.h): one that was taken along, by request.member and .activity; the writer fills in the rest */
        } activity;
        struct {
            struct invoice_request request;
            char office_text[NAME_BYTES_MAX + 1];
            char activity_no[PERSON_TEXT_MAX + 1]; /* instead of request.activity */
            char invoice_no[PERSON_TEXT_MAX + 1];  /* of a credit note: the invoice, instead of request.invoice */
        } invoice;
        struct {
            struct posting_request request;
            char member_no[PERSON_TEXT_MAX + 1]; /* instead of request.member */
        } posting;
        struct cancel_request cancel;
        struct merge_request merge;
        struct close_request close;
        struct guest_proposal propose; /* personal data */
        struct guest_work_order guest; /* all borrowed */
        struct access_request access;
        struct custody_request custody;
        struct {
            struct ask ask; /* personal data; id and time are the writer's to fill */
            bool dealt_with;
        } ask;
        struct double_request doubled; /* with a note: personal data */
        struct {
            struct handover_request request;
            char office_text[NAME_BYTES_MAX + 1]; /* id or name; empty = none */
        } handover;
        struct {
            size_t n;
            const struct received_key *keys; /* borrowed until done */
        } kept;
        struct {
            struct erase_request request;
            struct erase_outcome outcome; /* the writer's; nothing at a replay */
        } erase;
        struct {
            enum count_step step;
            uint16_t month;       /* month_number */
            struct draft *drafts; /* of command_count; borrowed */
            size_t n;
            bool counted; /* END, by the writer: nothing had changed */
        } count;
    };
    struct api_result result;
};

struct api_job {
    struct actor_id actor;
    size_t n;
    struct api_op *ops;
    struct api_job *next;              /* the queue's */
    void (*done)(struct api_job *job); /* writer's thread, once, last use of the job by the writer; does not block */
};

enum api_readiness { API_STARTING, API_REBUILDING, API_READY, API_FULL, API_STOPPING };

struct api_status {
    char federation[NAME_BYTES_MAX + 1];
    bool production;
    struct wall_ms started;
    uint32_t rebuild_permille; /* while API_REBUILDING */
    bool has_own_log;
    struct position own_head;
    uint64_t queue_used, queue_max;
    uint64_t map_bytes, map_used_bytes, vault_map_bytes, vault_map_used_bytes;
    uint64_t disk_bytes, disk_free_bytes; /* of the file system that holds the data; free: for this user */
    struct wall_ms last_commit;           /* 0 = none since the start */
    uint64_t waiting;                     /* references and logs that wait for what is not held */
    int64_t waiting_oldest_ms;            /* age of the oldest event among them; 0 if none */
    uint32_t conflicts, peers_connected, peers_trusted;
    /* Double admission, since the start: questions of ours that were answered, of them hits; questions of others answered, and refused;
     * and how many members others are still asked about. */
    uint64_t lookups_asked, lookups_hits, lookups_answered, lookups_refused, lookups_open;
    /* Members who moved here: whose data is not all here yet, and whom only the desk can receive; since when the longest, DATE_NONE = nobody. */
    uint64_t arrivals_waiting, arrivals_for_desk;
    struct civil_date arrivals_since;
    size_t n_warnings;
    char warnings[API_WARNINGS_MAX][API_WARNING_BYTES_MAX + 1];
};

enum api_peer_state { PEER_DOWN, PEER_CONNECTING, PEER_CATCHING_UP, PEER_CURRENT, PEER_REFUSED };

struct api_peer {
    struct unit_id unit;
    char code[UNIT_CODE_MAX];
    struct name name;
    char fingerprint[FINGERPRINT_WORDS_MAX];
    uint8_t n_endpoints;
    char endpoints[CARD_ENDPOINTS_MAX][ENDPOINT_BYTES_MAX + 1];
    enum api_peer_state state;
    char reason[API_WARNING_BYTES_MAX + 1]; /* why it is down or refused, or empty */
    bool keeper;                            /* of this unit's capsules */
    uint64_t lag_events;                    /* that it has announced and this node does not hold */
    uint64_t unannounced_events;            /* of this unit, that it has not announced; 0 while it is not connected */
    int64_t lag_ms; /* since this node last held all that it had announced, or started; 0 when current */
    bool heard;
    struct wall_ms last_heard;
};

/* Filled by the host; borrowed for the life of the server. Every callback may be called from any http thread and must not block
 * beyond a short lock. */
struct api_deps {
    struct db *db;
    struct vault *vault; /* NULL on a mirror: no personal data, no search */
    struct unit_id unit;
    char unit_code[UNIT_CODE_MAX];
    struct federation_id federation; /* what a pass says */
    bool production;
    struct retention_settings retention;
    void *arg; /* of all callbacks */
    /* Queues a job; done follows exactly once, unless an error is returned: ERR_BUSY queue full, ERR_UNAVAILABLE starting, rebuilding
     * or stopping, ERR_FULL. */
    int (*submit)(void *arg, struct api_job *job, struct err *err);
    struct wall_ms (*now_wall)(void *arg);
    struct mono_ms (*now_mono)(void *arg);
    struct civil_date (*today)(void *arg);               /* in the unit's own time zone */
    void (*random)(void *arg, uint8_t *out, size_t len); /* new tokens */
    enum api_readiness (*readiness)(void *arg);
    void (*status)(void *arg, struct api_status *ret);
    size_t (*peers)(void *arg, struct api_peer *ret, size_t max);
    uint32_t
        foreign_days_max; /* how old knowledge of another unit may be before its members stay closed (guest_knowledge); 0 = however old */
    bool passes_stay; /* residency `granted`: nothing of this unit's members travels by a pass */
    /* When this node last knew that it held all of the unit's events; false = never. Own unit: not asked. */
    bool (*unit_known_at)(void *arg, const struct unit_id *unit, struct wall_ms *ret);
    /* Writes all that is pending for other units of what was done with their members here (kind 86); returns at once. */
    void (*record_guests)(void *arg);
    /* Opens what members who moved here took along and waits (storage/taken.h); returns at once. */
    void (*open_taken)(void *arg);
    void (*metrics)(void *arg, struct buf *out); /* appends Prometheus text of the other rooms */
    void (*log)(void *arg, const char *line);    /* NULL = silent; never personal data */
};

struct api_config {
    const char *listen;             /* numeric IPv4 or IPv6 address; NULL = 127.0.0.1 */
    uint16_t port;                  /* 0 = any free one, see api_port */
    unsigned threads;               /* 0 = 1 */
    unsigned connections_max;       /* 0 = 512 */
    unsigned connections_per_ip;    /* 0 = no limit (a proxy in front) */
    uint32_t idle_s;                /* 0 = 10 */
    int64_t request_ms;             /* whole head and body; 0 = 10,000 */
    const char *tls_key, *tls_cert; /* PEM texts, both or neither */
};

struct api;

/* Starts listening. ERR_INVALID (address, TLS), ERR_IO, ERR_NOMEM. config and its texts are copied as far as needed. */
int api_start(const struct api_deps *deps, const struct api_config *config, struct api **ret,
              struct err *err) NODISCARD;
uint16_t api_port(const struct api *a);
/* Something was committed: who waits for changes looks again. Any thread; short. */
void api_changed(struct api *a);
/* Closes connections whose request is over its deadline, answers who has waited long enough for changes. Any one thread, about once a second. */
void api_tick(struct api *a, struct mono_ms now);
/* Refuses new writes, ends the waiting for changes, waits until every job in the writer's hands is done (so the writer must still run), stops, frees. */
void api_stop(struct api **a);

/* The state that an ETag of an office or unit stands for. Any thread. */
struct hash api_office_tag(const struct office_id *office, const struct office_state *state);
struct hash api_unit_tag(const struct unit_described *facts);

#endif
