/* Cores of node/sync on a virtual network, each with a store in memory: the host's part of the contract of sync.h in the
 * smallest form. Deterministic by seed. What the cores do is written down line by line for trace tests. */
#ifndef SMARTNODE_TESTS_SYNCPAIR_H
#define SMARTNODE_TESTS_SYNCPAIR_H

#include "node/sync/sync.h"
#include "tests/support/vnet.h"

enum { PAIR_NODES_MAX = 12, PAIR_PROOFS_MAX = 4 };

struct pair_event {
    uint8_t *header, *payload;
    size_t header_len, payload_len;
    struct chain_value chain;
    bool sealed;
    struct seal seal;
};

struct pair_log {
    struct log_id id;
    struct unit_id unit;
    struct sign_public signing;
    struct event_ref preds[HEADER_REFS_MAX];
    uint8_t n_preds;
    bool frozen;
    struct buf proof;
    struct pair_event *events;
    size_t n;
    uint64_t stands_to;
};

struct pair_proof { /* about a log that is not in the store */
    struct log_id log;
    struct buf bytes;
};

struct pair_append; /* on its way to the store */
struct pair_answer; /* an event for the core, after the step under way */

/* A unit's identity; the fields may be changed before pair_open_log, to make bad logs. */
struct pair_unit {
    struct unit_id id;
    char code[UNIT_CODE_MAX];
    struct sign_public root;
    struct sign_secret root_secret;
    struct federation_id federation;
    bool production;
};

struct pair_node {
    uint32_t index;
    char name; /* A, B, … */
    struct pair_unit unit;
    struct sync *core; /* NULL: not running */
    struct pair_log *logs;
    size_t n_logs;
    struct pair_proof proofs[PAIR_PROOFS_MAX];
    size_t n_proofs;
    struct log_id writing; /* the log that this process writes, if writes */
    struct sign_secret writing_secret;
    bool writes;
    uint32_t opened; /* logs opened so far, for distinct keys */
    int64_t wake_ms, append_delay_ms;
    bool appends_fail, reads_stop;
    struct pair_append *appends;
    struct pair_answer *answers;
    uint32_t epoch[PAIR_NODES_MAX]; /* of the connection to each node; 0: none */
    uint32_t steps;
    uint64_t frozen, alarms[ALARM_LIMIT + 1], capsules_got, capsules_missing;
    enum admission_status admission_status; /* that it answers with; 0: answered */
    uint64_t admissions_answered, admissions_unanswered;
    struct hash table; /* state fingerprint that it reports; zero by default */
};

struct pair {
    struct vnet net;
    int64_t now_ms;
    uint32_t epoch;
    struct pair_node nodes[PAIR_NODES_MAX];
    uint32_t n;
    struct log_id named[64]; /* L1, L2, … in the order of their opening */
    uint32_t n_named;
    bool tracing, trace_pings;
    struct buf trace;
};

void pair_init(struct pair *w, uint32_t n, uint64_t seed,
               struct vnet_faults faults); /* nodes trust each other and run, no links */
void pair_release(struct pair *w);
/* The node opens a log that names its tips, and commits n events to what it writes. */
void pair_open_log(struct pair *w, uint32_t node);
void pair_commit(struct pair *w, uint32_t node, uint32_t events);
void pair_commit_bytes(struct pair *w, uint32_t node, uint32_t events, size_t payload_bytes);
void pair_link(struct pair *w, uint32_t dialler, uint32_t listener); /* CONN_UP on both sides */
void pair_unlink(struct pair *w, uint32_t a, uint32_t b);
/* The process ends and starts again with what its store holds. silently: its peers see no CONN_DOWN. */
void pair_restart(struct pair *w, uint32_t node, bool silently);
/* A second node with the keys, the store and the open log of the first: `to` loses its own. */
void pair_clone(struct pair *w, uint32_t from, uint32_t to);
/* The second holds a log as the first does, however it came by it; its core hears of it at its next start. */
struct pair_log *pair_copy_log(struct pair *w, uint32_t from, uint32_t to, const struct log_id *log);
void pair_trust(struct pair *w, uint32_t node, uint32_t of, bool admitted, const char *code);
void pair_run(struct pair *w, int64_t ms); /* lets time pass */
void pair_step(struct pair *w, uint32_t node, const struct sync_event *ev);
void pair_inject(struct pair *w, uint32_t from, uint32_t to,
                 const struct message *m); /* as if `from`'s core had sent it */
bool pair_equal(const struct pair *w);     /* all running cores offer the same heads, and none claims more */
struct pair_log *pair_find(struct pair_node *node, const struct log_id *log);
const char *pair_name(const struct pair *w, const struct log_id *log, char out[HEX32_MAX]);
/* The trace since the last call; valid until the next line. */
const char *pair_trace(struct pair *w);
void pair_trace_clear(struct pair *w);

#endif
