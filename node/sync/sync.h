/* The exchange between units as a pure function: step(state, now, event) → effects. docs/PROTOCOL.md §12.
 *
 * The core decides what to ask of whom, what to believe and whom to tell; it verifies every run itself (proto/verify.h) before
 * it asks for an append. It has no clock, socket, store or randomness: the host carries out the effects and reports back by
 * events. Every table has a named limit below; the work for one message is bounded by its size and the number of sessions.
 *
 * Order is part of the contract: the host carries out the effects of a step in their order, and gives events in the order in
 * which they happened. What is announced or served is durable, because the core learns of it only afterwards (LOG_HELD, APPENDED).
 * At the start the host gives UNIT_TRUST for every unit, then LOG_HELD for every log, then PROOF_KEPT for every proof about a log
 * that it does not hold, then LOCAL_WRITER, then connections.
 *
 * One thread at a time for one core. */
#ifndef SMARTNODE_NODE_SYNC_H
#define SMARTNODE_NODE_SYNC_H

#include "proto/wire.h"

enum {
    SYNC_SESSIONS_MAX = 512,      /* connections at a time; a further CONN_UP is answered by CLOSE */
    SYNC_UNITS_MAX = 1024,        /* units with a trust entry */
    SYNC_ROOT_KEYS_MAX = 4,       /* pinned for one unit */
    SYNC_LOGS_MAX = 262144,       /* logs known, held or not */
    SYNC_LOGS_UNHELD_MAX = 16384, /* of them named by somebody and not held */
    SYNC_CLAIMS_MAX = 8192,       /* heads remembered for a peer */
    SYNC_WANTS_MAX = 256,         /* open at a peer, and served to a peer */
    SYNC_WANTS_FIRST_MAX = 16,    /* of those at a peer, for logs whose first event is not held */
    SYNC_READS_MAX = 4,           /* READ effects unanswered for a session */
    SYNC_CAPSULE_WANTS_MAX = 64,  /* unanswered in a session, either direction */
    SYNC_EVENT_WANTS_MAX = 16,
    SYNC_ADMISSION_ASKS_MAX = 16,      /* unanswered in a session, either direction (§12.8) */
    SYNC_ADMISSIONS_MAX = 256,         /* ADMISSION_ASK not yet answered */
    SYNC_CAPSULES_MAX = 1024,          /* CAPSULE_NEEDED not yet answered */
    SYNC_PROOFS_MAX = 256,             /* frozen logs whose proof is kept for passing on */
    SYNC_INFLIGHT_BYTES_MAX = 4194304, /* of one log, verified and not yet durable; more waits for credit */
    SYNC_WANT_CREDIT_BYTES = 1048576,  /* what a Want opens with */
    SYNC_HELLO_MS = 5000,
    SYNC_PING_MS = 5000,
    SYNC_SILENCE_MS = 15000,
    SYNC_HEADS_MS = 20,
    SYNC_STALL_MS = 4000,
    SYNC_MOVE_MS = 250,        /* a want at a peer that claims no more moves to one that does */
    SYNC_DISREGARD_MS = 10000, /* doubling to */
    SYNC_DISREGARD_MAX_MS = 600000,
    SYNC_REFUSED_MS = 600000, /* a refused log is not asked for again */
    SYNC_APPEND_PAUSE_MS = 5000,
    SYNC_CHECK_MS = 1000, /* a peer's head below ours is compared when it has stood this long */
    SYNC_FINGERPRINTS_MS = 60000,
    SYNC_CLOSED_MS = 60000,
    SYNC_CLOSED_BYE_MS = 10000,
    SYNC_CAPSULE_MS = 5000, /* without an answer: the next session */
    SYNC_ADMISSION_MS = 30000,
};

struct sync_config {
    struct unit_id unit; /* our own */
    struct federation_id federation;
    bool production;
    char program[PROGRAM_BYTES_MAX + 1];
    uint8_t seed[ID_BYTES]; /* random, drawn by the host at each start; nonces and table hashing come from it */
};

/* ---- events: what happened. Slices and pointers are borrowed for the call. ---------------------------------------------- */

enum sync_event_type {
    SYNC_CONN_UP = 1,
    SYNC_CONN_DOWN,
    SYNC_MESSAGE,
    SYNC_LOG_HELD,
    SYNC_PROOF_KEPT,
    SYNC_LOCAL_WRITER,
    SYNC_APPENDED,
    SYNC_APPEND_FAILED,
    SYNC_READ_DONE,
    SYNC_CHAIN_DONE,
    SYNC_EVIDENCE_DONE,
    SYNC_EVENT_DONE,
    SYNC_CAPSULE_DONE,
    SYNC_CAPSULE_NEEDED,
    SYNC_ADMISSION_ASK,
    SYNC_ADMISSION_DONE,
    SYNC_UNIT_TRUST,
    SYNC_FINGERPRINTS,
    SYNC_TICK,
    SYNC_SHUTDOWN,
};

/* A log as the store has it. Given at the start for every log, for a log that this process opens, and whenever something changed that was
 * not an APPEND of ours: a root statement, a cut back to a fork, the end of a freeze. head_seq may go down. */
struct sync_log {
    struct log_id log;
    struct unit_id unit;
    struct sign_public signing_key;
    uint64_t head_seq; /* durable; 0: all of it was cut off, it is wanted again from 1 */
    struct chain_value head_chain;
    uint64_t stands_to;              /* UINT64_MAX: all of it (§7) */
    struct chain_value stands_chain; /* at stands_to, if 0 < stands_to ≤ head_seq */
    bool frozen;
    struct slice proof; /* as FREEZE gave it (an encoded Evidence message), or empty */
    uint8_t n_predecessors;
    struct event_ref predecessors[HEADER_REFS_MAX]; /* references of role 1 of event 1; others are ignored */
};

enum sync_read_result {
    SYNC_READ_RUN = 1,  /* chain fits (or was not to be compared); run from exactly `from`, ending at a seal */
    SYNC_READ_AT_HEAD,  /* chain fits, from = head + 1 */
    SYNC_READ_NOT_HELD, /* no such log, or less than from − 1 of it */
    SYNC_READ_DIFFERS,  /* our chain value at from − 1 is another: evidence is ours around from − 1 */
};

/* Our own branch, as evlog_evidence or from a given first: header hashes from `first` to a seal. At most EVIDENCE_HASHES_MAX. */
struct sync_branch {
    uint64_t first;
    struct chain_value before;
    struct slice header_hashes;
    struct seal seal;
};

struct sync_event {
    enum sync_event_type type;
    union {
        struct {
            uint32_t conn;
            struct unit_id unit;
            bool dialled;
        } conn_up; /* unit from the ZAP User-Id; ids are not reused while up */
        struct {
            uint32_t conn;
        } conn_down;
        struct {
            uint32_t conn;
            struct slice bytes;
        } message;
        struct sync_log log_held;
        struct {
            struct log_id log;
            struct slice proof;
        } proof_kept; /* a proof that FREEZE gave, of a log of which nothing is held */
        struct {
            struct log_id log;
        } local_writer; /* this process writes that log (after its LOG_HELD): nothing received is appended to it */
        struct {
            struct log_id log;
            uint64_t seq;
            struct chain_value chain;
        } appended; /* durable up to seq; one may stand for several APPENDs. Also own commits to the LOCAL_WRITER log */
        struct {
            struct log_id log;
        } append_failed; /* and every APPEND of that log given before is dropped by the host */
        struct {
            uint32_t conn;
            uint64_t number;
            enum sync_read_result result;
            struct run run;
            struct sync_branch ours;
        } read_done;
        struct {
            uint32_t conn;
            struct log_id log;
            uint64_t seq;
            bool held;
            struct chain_value chain;
        } chain_done;
        struct {
            uint32_t conn;
            struct log_id log;
            bool held;
            struct sync_branch ours;
        } evidence_done;
        struct {
            uint32_t conn;
            struct log_id log;
            uint64_t seq;
            enum gone_reason gone; /* 0 = receipt */
            struct slice receipt;
        } event_done;
        struct {
            uint32_t conn;
            struct log_id log;
            uint64_t seq;
            uint32_t index;
            enum gone_reason gone; /* 0 = bytes */
            struct slice bytes;
        } capsule_done;
        struct {
            struct unit_id unit;
            struct log_id log;
            uint64_t seq;
            uint32_t index;
            struct hash hash;
        } capsule_needed;
        /* Asks that unit; number: the host's, of no other question under way. Followed by ADMISSION_ANSWERED or _UNANSWERED, once, if
         * not by an error of memory: the host keeps a deadline of its own, beyond SYNC_ADMISSION_MS. */
        struct {
            struct unit_id unit;
            uint64_t number;
            uint8_t bucket;
            struct oprf_element blinded;
        } admission_ask;
        struct {
            uint32_t conn;
            uint64_t number;
            enum admission_status status;
            struct oprf_element evaluated; /* with ADMISSION_ANSWERED alone, as the entries: whole steps of them */
            struct slice entries;
        } admission_done;
        struct {
            struct unit_id unit;
            bool admitted, full /* over its stored bytes: nothing more is wanted */;
            char code[UNIT_CODE_MAX];
            uint8_t n_root_keys;
            struct sign_public root_keys[SYNC_ROOT_KEYS_MAX];
        } unit_trust; /* our own unit too */
        struct {
            uint32_t rules_version;
            struct hash heads_hash;
            size_t n;
            struct table_fingerprint tables[MESSAGE_TABLES_MAX];
        } fingerprints;
    };
};

/* ---- effects: what the host shall do -------------------------------------------------------------------------------------- */

enum sync_effect_type {
    SYNC_SEND = 1,
    SYNC_CLOSE,
    SYNC_APPEND,
    SYNC_READ,
    SYNC_READ_CHAIN,
    SYNC_READ_EVIDENCE,
    SYNC_READ_EVENT,
    SYNC_READ_CAPSULE,
    SYNC_CAPSULE_GOT,
    SYNC_CAPSULE_MISSING,
    SYNC_ADMISSION_ASKED,
    SYNC_ADMISSION_ANSWERED,
    SYNC_ADMISSION_UNANSWERED,
    SYNC_FREEZE,
    SYNC_FINGERPRINTS_NEEDED,
    SYNC_ALARM,
    SYNC_WAKE_AT,
};

enum sync_alarm {
    ALARM_HELLO = 1,   /* a peer's Hello does not fit */
    ALARM_MALFORMED,   /* a peer sent what cannot be read, or a run that does not verify, or went over a limit */
    ALARM_REFUSED_LOG, /* first event not admitted */
    ALARM_UNSUPPORTED, /* suite or statement of a later version */
    ALARM_FORK,        /* two sealed histories of one log: frozen */
    ALARM_CLONE, /* a peer has more, or another history, of the log that this process writes: a clone of this node or a stolen key */
    ALARM_TWO_TIPS,  /* two logs of one unit grow in turn: two writers at work */
    ALARM_DIVERGED,  /* equal heads, different fingerprint: table names it */
    ALARM_UNIT_FULL, /* a unit is over its stored bytes and claims more */
    ALARM_LIMIT,     /* a table of this core is full */
};

/* Field by type. Bytes live until the next step or sync_effects_release. */
struct sync_effect {
    enum sync_effect_type type;
    uint32_t conn;
    union {
        struct {
            struct slice bytes;
        } send; /* in order for each conn; a send to a conn that is gone is dropped */
        /* Nothing goes to or is heard from conn for for_ms. The host may leave it up (the core says Hello again afterwards) or
         * drop it, and dials again no sooner than that. */
        struct {
            uint32_t for_ms;
            enum bye_reason reason;
        } close;
        /* A verified run that continues the log (or what of it is in flight). Answer: APPENDED once durable, or APPEND_FAILED. If
         * opened is not NULL, it begins the log: create it first. conn is the giver. */
        struct {
            struct run run;
            struct chain_value chain_after;
            const struct event_header *first_header;
            const struct log_opened *opened;
        } append;
        /* Answer: READ_DONE with conn and number. Compare `before` with the chain value at from − 1 if `compare`. One joined run. */
        struct {
            uint64_t number;
            struct log_id log;
            uint64_t from;
            bool compare;
            struct chain_value before;
        } read;
        struct {
            struct log_id log;
            uint64_t seq;
        } read_chain; /* answer: CHAIN_DONE with conn: our chain value after seq */
        /* Answer: EVIDENCE_DONE with conn: our header hashes from exactly `first` to a seal at or beyond min(at, head). */
        struct {
            struct log_id log;
            uint64_t first, at;
        } read_evidence;
        struct {
            struct log_id log;
            uint64_t seq;
        } read_event; /* answer: EVENT_DONE: receipt in binary, for `unit` */
        struct {
            struct log_id log;
            uint64_t seq;
            uint32_t index;
            struct unit_id unit;
        } read_capsule; /* answer: CAPSULE_DONE; who may have it is the host's decision */
        struct {
            struct log_id log;
            uint64_t seq;
            uint32_t index;
            struct slice bytes;
        } capsule_got; /* hash checked; conn is the giver */
        struct {
            struct log_id log;
            uint64_t seq;
            uint32_t index;
        } capsule_missing; /* nobody gave it; ask again later */
        struct {
            uint64_t number; /* the peer's */
            struct unit_id unit;
            uint8_t bucket;
            struct oprf_element blinded;
        } admission_asked; /* answer: ADMISSION_DONE with conn and number */
        struct {
            uint64_t number;
            struct unit_id unit;
            enum admission_status status; /* or one of a later version */
            struct oprf_element evaluated;
            struct slice entries;
        } admission_answered;
        struct {
            uint64_t number;
        } admission_unanswered; /* no session with that unit, or none that answered; ask again later */
        /* The log stays where it stands. proof: encoded two-sided Evidence message, or empty while it is still being put together (a second
         * FREEZE brings it). held: whether anything of the log is held; if not, the proof is to be kept all the same, and the log
         * is frozen with the first run that comes of it. */
        struct {
            struct log_id log;
            struct unit_id unit;
            uint64_t at;
            bool held;
            struct slice proof;
        } freeze;
        struct {
            struct hash heads_hash;
        } fingerprints_needed; /* answer: FINGERPRINTS, tables and heads_hash of the tips from one snapshot */
        struct {
            enum sync_alarm code;
            struct unit_id unit;
            struct log_id log;
            uint64_t seq;
            uint32_t table;
            char text[ERR_TEXT_MAX];
        } alarm; /* unit, log: zero if none */
        struct {
            struct mono_ms at;
        } wake; /* TICK at that time; a later WAKE_AT replaces it */
    };
};

struct sync_effects {
    struct sync_effect *items;
    size_t n;
    /* private */
    size_t cap;
    void **blocks;
    size_t n_blocks, cap_blocks;
};

void sync_effects_init(struct sync_effects *out);
void sync_effects_release(struct sync_effects *out); /* usable again */

/* ---- the core ---------------------------------------------------------------------------------------------------------------- */

struct sync;

/* ERR_INVALID (program not text), ERR_NOMEM. */
int sync_new(const struct sync_config *config, struct sync **ret, struct err *err) NODISCARD;
void sync_free(struct sync **s);

/* Empties out, then fills it. ERR_NOMEM: all sessions start over (greeting, after 1 s) and nothing that was received is lost for
 * good; the effects in out hold and are to be carried out. ERR_INVALID: an event that contradicts the contract above (unknown log
 * in APPENDED, …); it had no effect. now must not go back. */
int sync_step(struct sync *s, struct mono_ms now, const struct sync_event *ev, struct sync_effects *out,
              struct err *err) NODISCARD;

/* H(smart.heads) over the tips, sorted by log id: each log id ‖ seq (8) ‖ chain value. Sorts heads in place. */
struct hash sync_heads_hash(struct head *heads, size_t n);
/* The tips that this core announces, appended up to max; returns how many there are. For status pages and tests. */
size_t sync_heads(const struct sync *s, struct head *ret, size_t max);

/* For status pages, metrics and tests. */
struct sync_session_info {
    uint32_t conn;
    struct unit_id unit;
    bool dialled, open;
    char program[PROGRAM_BYTES_MAX + 1];
    uint32_t wants_open, wants_served, claims;
    struct mono_ms heard, sent;
    uint64_t runs_received, runs_sent, dropped;
};
size_t sync_sessions(const struct sync *s, struct sync_session_info *ret, size_t max);
/* How many logs some open session claims more of than is held here, and by how many events. */
void sync_lag(const struct sync *s, uint32_t *ret_logs, uint64_t *ret_events);
/* The same of each session, in the order of sync_sessions, up to max; returns how many there are. All zero while it is not open.
 * Beside it how many events of the own unit's tips the peer has not announced: on their way, or not yet said. */
struct sync_session_lag {
    bool heads_heard; /* the peer has said what it holds: before that its claims say nothing */
    uint32_t behind_logs;
    uint64_t behind_events, unannounced_events;
};
size_t sync_session_lags(const struct sync *s, struct sync_session_lag *ret, size_t max);
/* Since sync_new, over all sessions, those that are gone too. */
struct sync_totals {
    uint64_t runs_received, runs_sent, dropped;
    uint64_t faults;        /* sessions ended for what the peer sent */
    uint64_t seal_failures; /* among them and refused logs: a hash, chain value, signature or seal that does not fit */
    uint64_t logs_refused;
};
struct sync_totals sync_totals(const struct sync *s);

const char *sync_alarm_name(enum sync_alarm code);
const char *sync_effect_name(enum sync_effect_type type);

#endif
