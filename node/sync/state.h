/* Private to node/sync: the state of the core and what its files offer each other. Logs, sessions and units live as long as they
 * are in their tables; pointers to them are stable. `s->now` and `s->out` are those of the step under way. */
#ifndef SMARTNODE_NODE_SYNC_STATE_H
#define SMARTNODE_NODE_SYNC_STATE_H

#include "node/sync/sync.h"
#include "proto/base/map.h"

#define NEVER INT64_MAX

enum session_state { SESSION_CLOSED, SESSION_GREETING, SESSION_OPEN };

struct session;

struct unit {
    struct unit_id id;
    bool admitted, full, full_alarmed;
    char code[UNIT_CODE_MAX];
    uint8_t n_root_keys;
    struct sign_public root_keys[SYNC_ROOT_KEYS_MAX];
    /* two tips in turn */
    struct log_id grown;
    uint32_t turns;
    int64_t tips_alarm_after;
};

/* The one Want of ours for a log. */
struct want {
    struct session *at; /* NULL: none */
    uint64_t number;
    int64_t balance;
    int64_t stall_at;
    bool first; /* opened without event 1 */
};

struct log {
    struct log_id id;
    struct unit_id unit;
    struct sign_public signing_key; /* once held or opening */
    bool held, opening, local, frozen, unsupported, caught_up;
    bool decided;                /* not held, and a root statement names it */
    bool reassigned;             /* somebody's list gave it another unit after it was named */
    uint64_t head_seq, tail_seq; /* durable; verified and given to the host */
    struct chain_value head_chain, tail_chain;
    uint64_t inflight_bytes;
    uint64_t stands_to;
    struct chain_value stands_chain;
    uint64_t need_seq; /* greatest position that a log known here names */
    struct log *need_by;
    /* greatest position that a held log names that stands, with what chain value; apart: others name it there with another one */
    uint64_t named_to;
    struct chain_value named_chain;
    bool named_apart;
    uint8_t n_preds;
    struct {
        struct log *log;
        uint64_t seq;
        struct chain_value chain;
    } * preds;
    struct want want;
    int64_t paused_until, refused_until;
    /* fork */
    uint8_t *proof;
    size_t proof_len;
    uint64_t walk_seq; /* frozen without proof: our branch differs there, the proof lies below */
    struct chain_value walk_chain;
    /* all logs, the least recently changed first */
    uint64_t version;
    struct log *prev, *next;
};

struct claim {
    uint64_t seq;
    struct chain_value chain;
    bool listed;  /* in the list as it is now */
    bool checked; /* compared with ours, or ours asked for */
    bool proof_sent, clone_alarmed;
    int64_t check_at, disregard_until, backoff_ms;
};

/* A Want of a peer. */
struct served {
    struct log *log;
    uint64_t number, next, read_id; /* read_id 0: none under way */
    bool compare;
    struct chain_value before;
    int64_t balance;
};

struct pending_evidence {
    struct log *log; /* NULL: none */
    uint64_t first;
    struct chain_value before;
    struct seal seal;
    uint8_t *hashes;
    size_t hashes_len;
};

struct session {
    uint32_t conn;
    uint64_t ordinal;
    struct unit_id unit;
    bool dialled, has_nonce, has_peer_nonce, heads_heard;
    enum session_state state;
    uint8_t nonce[ID_BYTES], peer_nonce[ID_BYTES];
    uint32_t alarmed; /* bits by bye reason */
    char program[PROGRAM_BYTES_MAX + 1];
    int64_t closed_until, heard, sent, hello_at, echo_after, heads_at, full_heads_at, fingerprints_after, claims_at;
    uint64_t told_version;
    /* asking */
    struct map claims; /* log id → struct claim */
    uint64_t number;
    uint32_t wants, wants_first;
    uint64_t query; /* number of the last Want that only asks for evidence */
    struct pending_evidence evidence;
    uint32_t capsules_asked, admissions_asked;
    /* serving */
    struct served *served; /* SYNC_WANTS_MAX */
    uint32_t n_served, served_turn, reads, capsule_reads, event_reads, admissions_served;
    uint64_t peer_number;
    bool has_fingerprints;
    uint32_t fp_rules, fp_n;
    struct hash fp_heads;
    struct table_fingerprint fp_tables[MESSAGE_TABLES_MAX];
    uint64_t runs_received, runs_sent, dropped;
};

struct capsule_need {
    struct unit_id unit;
    struct log_id log;
    uint64_t seq;
    uint32_t index;
    struct hash hash;
    struct session *asked; /* NULL: waits for room */
    bool others;           /* the own unit's sessions are through */
    uint64_t ordinal;      /* of the last session asked */
    int64_t deadline;
};

struct question {
    uint64_t number;
    struct session *at;
    int64_t deadline;
};

struct sync {
    struct sync_config config;
    int64_t now;
    struct sync_effects *out;
    bool oom;
    uint64_t counter, ordinal, version, read_id;
    struct map units, logs; /* unit id → struct unit; log id → struct log * */
    struct log *oldest, *newest;
    uint32_t n_logs_unheld;
    struct session *sessions[SYNC_SESSIONS_MAX];
    uint32_t n_sessions;
    struct capsule_need *capsules;
    uint32_t n_capsules, n_proofs, n_admissions;
    struct question admissions[SYNC_ADMISSIONS_MAX];
    struct sync_totals totals; /* without what the sessions count that are there */
    int64_t wake_told, logs_at, limit_alarm_after;
    int64_t fingerprints_at;
    bool starved;
    bool has_fingerprints;
    uint32_t fp_rules, fp_n;
    struct hash fp_heads;
    struct table_fingerprint fp_tables[MESSAGE_TABLES_MAX];
};

/* effects.c */
struct sync_effect *emit(struct sync *s, enum sync_effect_type type, const struct session *p);
uint8_t *emit_block(struct sync *s, size_t len);
struct slice emit_copy(struct sync *s, struct slice bytes);
bool emit_send(struct sync *s, struct session *p, const struct message *m);
void emit_alarm(struct sync *s, enum sync_alarm code, const struct session *p, const struct unit_id *unit,
                const struct log *l, const char *fmt, ...) PRINTF_LIKE(6, 7);

/* logs.c */
struct log *log_find(const struct sync *s, const struct log_id *id);
struct log *log_add(struct sync *s, const struct log_id *id,
                    const struct unit_id *unit); /* found or new; NULL at a limit */
void log_drop(struct sync *s, struct log *l);
void log_changed(struct sync *s, struct log *l);
bool log_tip(const struct log *l);
bool log_decided(const struct log *l); /* by a root statement, and nothing held says otherwise: a fork is no news */
bool log_offered(const struct sync *s, const struct log *l, struct head *ret); /* as it stands in Heads */
int log_set_predecessors(struct sync *s, struct log *l, const struct event_ref *refs, size_t n);
void log_became_held(struct sync *s, struct log *l);
void logs_decide(struct sync *s, struct slice statement);
void logs_rename(struct sync *s, const struct unit_id *unit);                 /* who names its logs, anew */
void log_set_unit(struct sync *s, struct log *l, const struct unit_id *unit); /* as its event 1 says */
struct unit *unit_find(const struct sync *s, const struct unit_id *id);
bool unit_admitted(const struct sync *s, const struct unit_id *id);
struct hash logs_heads_hash(const struct sync *s);
void on_log_held(struct sync *s, const struct sync_log *e);
void logs_gc(struct sync *s);

/* session.c */
struct session *session_find(const struct sync *s, uint32_t conn);
void session_reset(struct sync *s, struct session *p); /* drops wants, claims, served */
void session_bye(struct sync *s, struct session *p, enum bye_reason reason, const char *text, int64_t for_ms);
void session_fault(struct sync *s, struct session *p, enum bye_reason reason, const struct log *l,
                   const struct err *err);
void session_over_limit(struct sync *s, struct session *p, const char *what);
void session_timers(struct sync *s, struct session *p);
int64_t session_next(const struct sync *s, const struct session *p);
void on_conn_up(struct sync *s, uint32_t conn, const struct unit_id *unit, bool dialled);
void session_remove(struct sync *s, struct session *p);
void on_message(struct sync *s, struct session *p, struct slice bytes);

/* heads.c */
void heads_send(struct sync *s, struct session *p, bool full);
void on_heads(struct sync *s, struct session *p, const struct message *m);
void claims_check(struct sync *s, struct session *p);
void on_chain_done(struct sync *s, struct session *p, const struct sync_event *ev);
bool heads_equal(const struct sync *s, const struct session *p);

/* want.c */
void log_timer(struct sync *s, int64_t at);
uint64_t claim_seq(const struct log *l, const struct claim *c); /* 0 if NULL or not listed; not beyond what stands */
void want_schedule(struct sync *s, struct log *l);
void want_close(struct sync *s, struct log *l, bool tell);
void want_disregard(struct sync *s, struct session *p, struct log *l);
void want_credit(struct sync *s, struct log *l);
bool want_send(struct sync *s, struct session *p, const struct log *l, uint64_t from, const struct chain_value *before);
void wants_timers(struct sync *s);
void on_gone_log(struct sync *s, struct session *p, struct log *l);

/* receive.c */
void on_batch(struct sync *s, struct session *p, const struct message *m);
void on_appended(struct sync *s, struct log *l, uint64_t seq, const struct chain_value *chain);
void on_append_failed(struct sync *s, struct log *l);
int opened_admitted(struct sync *s, const struct log_opened *o, const struct event_header *h, struct err *err);

/* serve.c */
void on_want(struct sync *s, struct session *p, const struct message *m);
void on_credit(struct sync *s, struct session *p, const struct message *m);
void on_read_done(struct sync *s, struct session *p, const struct sync_event *ev);
void serve_log(struct sync *s, struct log *l); /* its head moved */
void on_event_want(struct sync *s, struct session *p, const struct message *m);
void on_event_done(struct sync *s, struct session *p, const struct sync_event *ev);
void on_capsule_want(struct sync *s, struct session *p, const struct message *m);
void on_capsule_done(struct sync *s, struct session *p, const struct sync_event *ev);

/* fork.c */
void on_evidence(struct sync *s, struct session *p, const struct message *m);
void on_evidence_done(struct sync *s, struct session *p, const struct sync_event *ev);
void fork_query(struct sync *s, struct session *p, struct log *l, uint64_t seq, const struct chain_value *chain);
void fork_pass_on(struct sync *s, struct session *p, struct log *l, struct claim *c);
void fork_repeat(struct sync *s, struct session *p, struct log *l);
void fork_offer(struct sync *s, struct session *p); /* every proof about a unit of which the peer has something */
void fork_keep_proof(struct sync *s, struct log *l, struct slice proof);
void on_proof_kept(struct sync *s, const struct sync_event *ev);
void pending_evidence_clear(struct session *p);

/* capsules.c */
void on_capsule_needed(struct sync *s, const struct sync_event *ev);
void on_capsule(struct sync *s, struct session *p, const struct message *m);
void on_gone_capsule(struct sync *s, struct session *p, const struct message *m);
void capsules_session_lost(struct sync *s, struct session *p);
void capsules_pump(struct sync *s);
int64_t capsules_next(const struct sync *s);

/* admission.c */
int on_admission_ask(struct sync *s, const struct sync_event *ev, struct err *err);
void on_admission_answer(struct sync *s, struct session *p, const struct message *m);
void on_admission_message(struct sync *s, struct session *p, const struct message *m);
void on_admission_done(struct sync *s, struct session *p, const struct sync_event *ev);
void admissions_session_lost(struct sync *s, struct session *p);
void admissions_timer(struct sync *s);
int64_t admissions_next(const struct sync *s);

/* fingerprints.c */
void fingerprints_timer(struct sync *s);
void on_fingerprints_own(struct sync *s, const struct sync_event *ev);
void on_fingerprints(struct sync *s, struct session *p, const struct message *m);

static inline int64_t
earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

#endif
