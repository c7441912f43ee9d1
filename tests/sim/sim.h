/* The simulator: several nodes in one process on virtual time. Each node is the real sync core, the real engine and a real LMDB
 * environment; network, clock, randomness and faults come from one seed, so that a failing seed replays with one command.
 *
 * main.c runs seeds, coverage.c counts what happened in them; world.c has time, the queue of events and the ledger; node.c carries out the effects of a core, held.c says what it holds, group.c commits; net.c moves
 * messages; fetch.c asks for capsules, upkeep.c does what a node does by itself; answers.c what ends in the vault; workload*.c write and know what must come of it (model.h); counting.c counts months; rawlog.c writes logs by hand: of later versions,
 * concurrent, forked; faults.c breaks things, crashes.c between
 * every two steps; resume.c ends forks; checks.c says what must hold, checks_moving.c of members who move, checks_access.c of
 * grants that stand, checks_capsules.c of capsules, recount.c counts again
 * slowly; winding.c ends a unit, mass.c hands its members over, figures.c sees that what was said of it stays, custody.c has somebody write for a unit that is gone. One thread. */
#ifndef SMARTNODE_TESTS_SIM_H
#define SMARTNODE_TESTS_SIM_H

#include "node/host/engine.h"
#include "node/host/keeper.h"
#include "node/host/netreads.h"
#include "node/host/wanted.h"
#include "node/sync/sync.h"
#include "proto/base/map.h"
#include "proto/pass.h"
#include "storage/taken.h"
#include "tests/sim/model.h"

enum {
    SIM_UNITS_MAX = 9,
    SIM_NODES_MAX = 12, /* clones and forks are nodes too */
    SIM_CONNS_MAX = 512,
    SIM_LOGS_MAX = 1024, /* in the ledger */
    SIM_PATH_MAX = 256,
    SIM_MAP_BYTES = 256 * 1024 * 1024,
    SIM_FAIL_TEXT = 512,
    SIM_AGAIN_MAX = 24,
    SIM_KINDS_MAX = 257,
    SIM_PASSES_MAX = 256,
    SIM_VISITING_MAX = 64,
    SIM_FIGURES_MAX = 96,
    ERASED_ROW_BYTES = 16,
};

struct world;

/* ---- randomness: splitmix64 ---- */
struct rng {
    uint64_t state;
};
uint64_t rng_next(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t n);            /* 0 … n − 1; n ≥ 1 */
int64_t rng_between(struct rng *r, int64_t a, int64_t b); /* both inclusive */
bool rng_chance(struct rng *r, unsigned permille);
void rng_fill(void *rng, uint8_t *out, size_t len);

struct sim_options {
    uint64_t seed, seeds;
    unsigned nodes, events, jobs; /* 0 = from the seed, or the default */
    bool narrate, keep;
};

/* What a run must have in it: coverage.c. Classes of erasures in their order. */
enum sim_cover {
    COVER_GRANT,
    COVER_PASS,
    COVER_REVOCATION,
    COVER_RENEWAL,
    COVER_DESTROYED,
    COVER_PASS_GOOD,
    COVER_PASS_HOME_AWAY,
    COVER_PASS_REFUSED,
    COVER_LOOK,
    COVER_STANDS,
    COVER_RECORD,
    COVER_PROPOSAL,
    COVER_GUEST_ACTIVITY,
    COVER_GUEST_INVOICE,
    COVER_POSTING,
    COVER_OFFER,
    COVER_WITHDRAWAL,
    COVER_ACCEPTANCE,
    COVER_COMPLETION,
    COVER_BY_NODE,
    COVER_BY_DESK,
    COVER_CLOSED_YEAR,
    COVER_TAKEN,
    COVER_TAKEN_OPENED,
    COVER_MOVED_CLOSED,
    COVER_DOUBLE,
    COVER_SETTLED,
    COVER_MERGE,
    COVER_MERGE_UNDONE,
    COVER_ERASED_IDENTITY,
    COVER_ERASED_CONTACT,
    COVER_ERASED_BANK,
    COVER_ERASED_ACTIVITY,
    COVER_ERASED_NOTE,
    COVER_RESTRICTION,
    COVER_LIFTED,
    COVER_IMPORT,
    COVER_RESTORE,
    COVER_COUNT,
    COVER_CUSTODIAN,
    COVER_WOUND_DOWN,
    COVER_CUSTODIAN_COMPLETED,
    COVER_CUSTODIAN_WITHDREW,
    COVER_CAME_BACK,
    COVER_MASS,
    COVER_MASS_RESUMED,
    COVER_ANSWERED,
    COVER_N
};

/* The steps of what takes several, at each of which nodes die and are parted: crashes.c. */
enum sim_step {
    STEP_ASK,
    STEP_OFFER,
    STEP_WITHDRAW,
    STEP_ACCEPT,
    STEP_COMPLETE,
    STEP_RECEIVE,
    STEP_TAKE_ALONG,
    STEP_CLOSE_LEFT,
    STEP_GRANT,
    STEP_GIVE,
    STEP_ARRIVE,
    STEP_LOOK,
    STEP_PASS,
    STEP_PASS_KEYS,
    STEP_REVOKE,
    STEP_RENEW,
    STEP_OWE,
    STEP_FORGET,
    STEP_FORGET_FILE,
    STEP_CONFIRM,
    STEP_VISIT,
    STEP_VISIT_INVOICE,
    STEP_PROPOSE,
    STEP_ANSWER,
    STEP_RECORD,
    STEP_NOTE,
    STEP_POSTING,
    STEP_DECLARE,
    STEP_SETTLE,
    STEP_MERGE,
    STEP_UNDO,
    STEP_ERASE,
    STEP_ERASE_KEYS,
    STEP_ERASE_FILE,
    STEP_ERASE_CONFIRM,
    STEP_RESTRICT,
    STEP_LIFT,
    STEP_IMPORT,
    STEP_COUNT,
    STEP_CUSTODIAN,
    STEP_LAST_LEAVES,
    STEP_CLOSE_UNIT,
    STEP_STORE,
    STEP_FOLLOW,
    STEP_START,
    STEP_N /* also: none */
};
enum sim_cut { CUT_BEFORE, CUT_WITHIN, CUT_AFTER, CUT_PARTED, CUT_N };
enum { CUT_MET = CUT_N, CUT_COLUMNS }; /* how often the step was committed */

/* What is being done between two points of storage: a group with such a step in it, or what else is. */
struct sim_scope {
    bool armed;
    enum sim_step step;
    enum sim_cut cut;
    unsigned points, target; /* of db_point_hook; CUT_WITHIN ends at which */
};

/* ---- what was signed ---- */

/* One log as its writer committed it, chain value by position. A second branch exists only where the simulator forked the log. */
struct ledger_log {
    struct log_id id;
    int unit;
    struct sign_public key; /* of who writes it */
    uint64_t n, cap;
    struct chain_value *chain; /* after event i + 1 */
    uint64_t must_seq;         /* held by somebody whose disk was not set back: has to be there in the end */
    bool forked;
    uint64_t fork_seq, fork_n;      /* last shared position; events of the other branch */
    struct chain_value *fork_chain; /* after event fork_seq + i + 1 */
    bool resumed;                   /* by a root statement with this position */
    uint64_t stand_seq;
    struct chain_value stand_chain;
};

/* ---- a unit ---- */

struct rawlogs;

struct sim_unit {
    int index;
    struct identity identity;
    uint8_t root_seed[32];
    struct box_secret recovery_secret;
    struct identity stand_in; /* under which another writes for it: custody.c */
    struct actor_id actor;
    struct model *model;
    struct rawlogs *raw;           /* NULL: all of its logs are the engine's */
    bool concurrent;               /* its history has concurrent branches: the model cannot say what came of it */
    bool tip_alarms, clone_alarms; /* to be expected */
    bool forked;
    bool counted;         /* all months that are over, in the end */
    int64_t counted_at;   /* by its clock; a clock set ahead since makes months over that nobody counted */
    struct api_op *again; /* what was accepted of late; heap */
    size_t n_again;
    uint64_t ops_left;
    uint32_t names; /* offices and persons so far, for unique names */
    bool has_restricted;
    struct subject_id restricted; /* of late */
    size_t n_visiting;
    struct subject_id visiting[SIM_VISITING_MAX]; /* activities of members of other units */
};

/* ---- a node ---- */

struct sim_append {
    struct sim_append *next;
    struct run run;
    struct chain_value chain_after;
    bool begins;
    struct log_opened opened;
    struct event_header first_header;
    uint8_t bytes[]; /* frames, root statement */
};

struct sim_job {
    struct sim_job *next;
    struct api_op op;
    struct api_op *reply; /* gets the result of what was committed; NULL, or of a caller who waits for it */
    bool imports;         /* somebody of whom something was erased is entered again */
    struct civil_date on; /* of a move: its day, as far as the desk knows it */
    bool must_succeed;    /* possible whatever else happened: only a full disk or a clock set back may refuse it */
};

struct sim_freeze {
    struct sim_freeze *next;
    struct log_id log;
    size_t len;
    uint8_t bytes[];
};

struct sim_capsule {
    struct sim_capsule *next;
    struct log_id log;
    uint64_t seq;
    uint8_t index;
    bool wanted; /* not the keeper's */
    size_t len;
    uint8_t bytes[];
};

struct sim_node {
    struct world *w;
    int index;
    struct sim_unit *unit;
    const struct identity *identity; /* the unit's, or its custodian's for it */
    struct sim_node *made_from;      /* its directory is to be made from what that one holds */
    bool gone, silent;               /* not to be started; nobody hears it, and it hears nobody */
    char name[16];
    char dir[SIM_PATH_MAX], backup[SIM_PATH_MAX];
    bool used, up, stepping, forger, has_backup, disk_full, allow_clock_back;
    bool old;        /* runs a program of before kind 44 (hidden), or one that lacks a kind */
    bool upgraded;   /* state is to be built anew */
    uint16_t hidden; /* 0: all from 44 on */
    uint32_t incarnation;
    struct rng rng;
    int64_t skew_ms;
    struct db *db;
    struct vault *vault;
    struct engine *engine;
    struct sync *sync;
    struct netreads reads;
    struct peers peers;
    struct config config; /* whom it keeps capsules for */
    struct keeper keeper;
    struct wanted wanted;
    int64_t fetch_at;      /* −1 = not planned */
    uint64_t seen_changes; /* struct guests_seen */
    struct civil_date seen_day;
    uint64_t refused_taken;            /* by the last turn */
    bool upkeep_due, sheltered, swept; /* a group of the upkeep runs; it destroyed capsules */
    struct buf proof;
    struct sync_effects effects;
    int64_t tick_at;
    bool own_told;
    struct log_id own_log;
    uint64_t own_head;
    struct sim_append *appends;
    struct sim_job *jobs, *retries; /* of which nobody knows whether they were done: by whoever starts again */
    struct sim_freeze *freezes;
    struct sim_capsule *capsules;
    bool group_due;
    uint64_t held[SIM_LOGS_MAX]; /* durable head by index in the ledger, also while it is down */
    int64_t redial[SIM_NODES_MAX];
};

/* ---- the network ---- */

struct sim_conn {
    bool up;
    uint32_t id;     /* also the name of the connection at both ends; never used again */
    int node[2];     /* 0 = who dialled */
    int64_t last[2]; /* when the last message arrives that was sent from that end */
    bool stuck[2];   /* something sent from that end was lost: nothing later can arrive */
};

enum sim_event_type {
    EV_DELIVER = 1,
    EV_DIAL,
    EV_TICK,
    EV_GROUP,
    EV_READ,
    EV_WORK,
    EV_RAW,
    EV_FAULT,
    EV_START,
    EV_VAULT,
    EV_CAPSULE,
    EV_FETCH,
    EV_RESTORE,
    EV_UPKEEP,
    EV_CUT,
    EV_REJOIN,
    EV_COUNT,
    EV_CUSTODY
};

struct sim_event {
    int64_t at;
    uint64_t order;
    enum sim_event_type type;
    int node, other;
    uint32_t incarnation, conn;
    void *data; /* owned by the queue; heap */
    size_t len;
};

/* An activity that a reception was to bring. */
struct sim_taken {
    int unit;
    struct taken_key key;
    struct position received;
};

/* What was answered, or (as 0) who moved away. */
struct sim_answer {
    int unit;
    struct subject_id member;
    struct position at;
    uint8_t index, as;
    int64_t by_wall;
};

/* Keys that a host had to destroy for a revocation. */
struct sim_owed {
    int unit;
    struct position keys, revoked;
};

/* A pass, in somebody's hand. */
struct sim_pass {
    int unit;
    struct subject_id id;
    char text[PASS_TEXT_MAX];
};

/* A data key that an order of erasure was to take, as it was before. */
struct erased_key {
    int unit; /* the home that ordered */
    struct subject_id member;
    uint8_t class;
    uint32_t generation;
    struct position since; /* it was there then */
    struct data_key key;
    uint8_t row[ERASED_ROW_BYTES]; /* the start of what the vault had on the disk */
    bool searched;                 /* for these bytes, by the unit's own node */
};

/* A unit that goes away, and who stands in for it: custody.c. */
enum sim_away { SIM_AWAY_LOST, SIM_AWAY_OFF, SIM_AWAY_UNHEARD, SIM_AWAY_N };
struct sim_custody {
    bool planned, by_root, opens_names, late; /* late: it comes back when everything else has healed */
    bool certified, went, stands, acted, back;
    int unit, custodian;
    enum sim_away away;
    struct custody_certificate certificate;
    uint8_t secret[CUSTODY_SECRET_BYTES];
};

/* A unit that ends once everything is quiet: winding.c. */
struct sim_winding {
    int step;
    struct sim_node *ending, *custodian;
    uint64_t offers_before;
    unsigned declines; /* units that take nobody in, a bit each */
    size_t offered, moved;
    bool broken_off, closed;
};

/* What nodes say of a unit, by day: figures.c. */
struct sim_figures {
    int unit, n_nodes;
    struct civil_date until;
    bool noted[SIM_NODES_MAX];
    uint64_t digest[SIM_NODES_MAX][SIM_FIGURES_MAX];
};

struct world {
    const struct sim_options *options;
    uint64_t seed;
    struct rng rng; /* of the plan; nodes have their own */
    int64_t now_ms;
    bool narrate, failed;
    char failure[SIM_FAIL_TEXT];
    uint64_t trace, n_events, order;
    struct sim_event *queue;
    size_t n_queue, cap_queue;
    char dir[SIM_PATH_MAX];
    char federation[32];

    /* the plan of the seed */
    bool heals, skewed, capsules_travel, hostile, forks, clones, restores, partial_trust, mixed, moves, winds;
    unsigned loss_permille, crash_permille, full_permille;
    int64_t latency_ms_max, chaos_ends_ms;
    bool healing, forging;

    int n_units, n_nodes;
    struct sim_unit units[SIM_UNITS_MAX];
    struct sim_node nodes[SIM_NODES_MAX];
    bool admits[SIM_UNITS_MAX][SIM_UNITS_MAX]; /* row trusts column */
    bool dials[SIM_UNITS_MAX][SIM_UNITS_MAX];
    bool keeps[SIM_UNITS_MAX][SIM_UNITS_MAX];   /* row keeps column's capsules */
    bool blocked[SIM_NODES_MAX][SIM_NODES_MAX]; /* nothing arrives at column from row */
    struct sim_conn conns[SIM_CONNS_MAX];
    uint32_t next_conn;

    struct erased_key *erased_keys; /* heap */
    size_t n_erased_keys;
    struct sim_taken *taken; /* heap */
    size_t n_taken;
    struct sim_answer *answers; /* heap */
    size_t n_answers;
    struct sim_owed *owed; /* heap */
    size_t n_owed;
    struct sim_pass *passes; /* heap */
    size_t n_passes;
    uint64_t cover[COVER_N]; /* see coverage_of */
    struct sim_custody custody;
    struct sim_winding ends;
    struct sim_figures figures;

    struct sim_scope scope;
    struct sim_node *acting, *ended; /* whose disk it is; whose process has ended and is to be dropped */
    uint8_t cut_next[STEP_N], cuts_left[STEP_N];
    uint64_t cuts[STEP_N][CUT_COLUMNS];
    bool deep[STEP_N];            /* to be cut within at more than the first point where that can be */
    bool winding, erasing, alone; /* alone: nobody waits for what the node does by itself */

    struct map ledger_index; /* log id → uint32_t */
    struct ledger_log *ledger;
    uint32_t n_ledger;

    struct {
        uint64_t accepted, refused, commits, aborts, crashes, restores, clones, forks, resumes, alarms, forged, cuts,
            raw_events, messages, counted, revoked, rewrites, erased, arrived, taken, lost;
        uint64_t kinds[SIM_KINDS_MAX]; /* accepted, by number; beyond: the last */
    } stats;
};

/* ---- world.c ---- */
void world_run(struct world *w, const struct sim_options *o, uint64_t seed);
void world_release(struct world *w);
/* The first failure stays; the run ends at the next event. */
void world_fail(struct world *w, const struct sim_node *n, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Mixes into the trace, which must be the same for the same seed. */
void world_trace(struct world *w, uint64_t a, uint64_t b);
uint64_t trace_bytes(struct slice s);
void world_post(struct world *w, int64_t in_ms, enum sim_event_type type, const struct sim_node *n, int other,
                uint32_t conn, void *data, size_t len);
/* Index of a log, or −1. */
int ledger_find(struct world *w, const struct log_id *log);
/* A writer committed an event. */
void ledger_note(struct world *w, const struct sim_node *n, const struct log_id *log, uint64_t seq,
                 const struct chain_value *chain);
/* Whether a node may hold this. */
bool ledger_holds(const struct ledger_log *l, uint64_t seq, const struct chain_value *chain);
/* After a disk was set back: what nobody holds any more need not come back. */
void ledger_lower(struct world *w);

/* ---- node.c ---- */
void node_init(struct world *w, int index, int unit);
void node_start(struct sim_node *n);
int node_open_engine(struct sim_node *n, struct err *err);
/* Which kinds the node's program knows: before anything that looks into events. */
void node_program(const struct sim_node *n);
/* Ends it, if its program is an old one; the next start is of today's. */
void node_upgrade(struct sim_node *n);
/* Drops the process where it stands. */
void node_stop(struct sim_node *n);
void node_release(struct sim_node *n);
void node_step(struct sim_node *n, const struct sync_event *ev);
void node_group_soon(struct sim_node *n);
void node_group(struct sim_node *n);
void node_tick(struct sim_node *n);
void node_read(struct sim_node *n, const struct sync_effect *e);
void node_vault(struct sim_node *n);

/* ---- held.c ---- */
/* Tells the core of a log as the store has it, and notes what is held. */
void node_log_held(struct sim_node *n, const struct log_id *log);
bool node_trusts(const struct sim_node *n, const struct sim_node *other);
int64_t node_wall(const struct sim_node *n);
void node_submit(struct sim_node *n, struct sim_job *job);
void node_note_held(struct sim_node *n, const struct log_id *log, uint64_t head, const struct chain_value *chain);
/* All logs anew, as at the start. */
void node_list_logs(struct sim_node *n);
void node_ask_capsules(struct sim_node *n, struct db_txn *txn, const struct log_row *row, uint64_t from, uint8_t index);
void node_committed(struct sim_node *n, const struct log_id *log, uint64_t before, uint64_t head);

/* ---- fetch.c ---- */
/* Who keeps whose capsules. */
void fetch_plan(struct world *w);
void fetch_start(struct sim_node *n);
void fetch_stop(struct sim_node *n);
void fetch_soon(struct sim_node *n);
void fetch_step(struct sim_node *n);
/* What became of a question. True: it was asked for as one that this node may have. */
bool fetch_got(struct sim_node *n, const struct position *at, uint8_t index);
void fetch_missing(struct sim_node *n, const struct position *at, uint8_t index);
/* Of the keeper's: stored, lost. */
void fetch_stored(struct sim_node *n, uint32_t kept, uint32_t lost, bool wanted_lost);
void fetch_appended(struct sim_node *n, const struct log_id *log);
void fetch_all_logs(struct sim_node *n);
void fetch_connected(struct sim_node *n);

/* ---- upkeep.c ---- */
/* One operation in a group of its own that no crash ends. */
int upkeep_exec(void *n, const struct actor_id *actor, struct api_op *op, struct err *err);
void upkeep_soon(struct sim_node *n);
void upkeep_step(struct sim_node *n);
bool upkeep_turn(struct sim_node *n, bool all);
void upkeep_received(struct sim_node *n, const struct api_op *op);
/* After the last turn: what was due was opened, as far as it was not refused. */
void upkeep_check_opened(struct sim_node *n);
void upkeep_check(struct sim_node *n, struct db_txn *txn);

/* ---- net.c ---- */
/* Nothing arrives from the one at the other. */
bool net_blocked(const struct sim_node *from, const struct sim_node *to);
void net_dial_soon(struct sim_node *n, int other, int64_t in_ms);
void net_dial(struct sim_node *n, int other);
void net_send(struct sim_node *n, uint32_t conn, struct slice bytes);
void net_deliver(struct world *w, const struct sim_event *e);
/* Both ends hear of it, at once if their processes are there. */
void net_cut(struct world *w, struct sim_conn *c);
void net_node_gone(struct sim_node *n);
struct sim_conn *net_conn(struct world *w, uint32_t id);

/* ---- workload.c: a desk; workload_member.c, workload_work.c, workload_moving.c ---- */
void workload_start(struct world *w);
void workload_step(struct sim_node *n);
struct sim_job *workload_describe(struct sim_node *n, bool first);
struct sim_job *workload_office(struct sim_node *n);
void workload_again(struct sim_node *n);
void workload_remember(struct sim_unit *u, const struct api_op *op);
struct civil_date workload_day(struct sim_node *n);
struct sim_job *workload_job(enum api_op_kind kind);
const char *workload_currency(struct sim_node *n);
/* False: there is nobody; then, and now and then, an id of nobody. */
bool workload_somebody(struct sim_node *n, struct subject_id *ret);
struct sim_job *workload_member(struct sim_node *n);
struct sim_job *workload_correct_member(struct sim_node *n);
struct sim_job *workload_merge(struct sim_node *n);
struct sim_job *workload_cancel(struct sim_node *n);
struct sim_job *workload_activity(struct sim_node *n);
struct sim_job *workload_invoice(struct sim_node *n);
struct sim_job *workload_posting(struct sim_node *n);
struct sim_job *workload_close_year(struct sim_node *n);

/* ---- workload_moving.c ---- */
/* A step of a handover, or of an access. */
struct sim_job *workload_moving(struct sim_node *n);
/* Everything is quiet: what is open of handovers is brought to an end by the desks. True: something was written. */
bool moving_finish(struct world *w);
/* Nothing is left open that could be ended. */
void moving_check_finished(struct world *w);

/* Handovers that the unit has part in, as its node sees them; at most max. */
size_t moving_open(struct sim_node *n, struct handover_view *ret, size_t max);
/* What a desk may do with one of them, mostly its turn; an office that may be accepted at. */
void moving_go_on(struct sim_node *n, const struct handover_view *v, struct handover_request *ret);
/* True: it was committed, in a group of its own. */
bool moving_act(struct sim_node *n, enum handover_action action, const struct handover_view *v, struct err *err);
void moving_office(struct sim_node *n, struct handover_request *ret);

/* ---- mass.c: members handed over in bulk ---- */
/* Whom an offer to all would take up: members whom nobody is offered yet. */
size_t mass_members(struct sim_node *n, struct subject_id *ret, size_t max);
void mass_offer(struct sim_node *n, const struct subject_id *who, const struct sim_unit *to, struct civil_date on,
                struct api_op *ret);
/* False: it does not wait for this desk. */
bool mass_step(struct sim_node *n, const struct handover_view *v, const struct sim_unit *from_or_null,
               struct api_op *ret);

/* ---- custody.c: a unit that is gone ---- */
void custody_start(struct world *w);
void custody_step(struct world *w, int step);
void custody_heal(struct world *w);
/* True: the unit was away, and is there again. */
bool custody_return(struct world *w);
/* The unit has its end planned. */
bool custody_of(const struct world *w, const struct sim_node *n);
bool custody_is_stand_in(const struct sim_node *n);
/* NULL: nobody stands in (yet). */
struct sim_node *custody_node(struct world *w);
void custody_certified(struct sim_node *n, struct sim_custody *c);
/* A node for the unit from what w->custody says. False: not now. */
bool custody_stand_in(struct world *w, int unit);
/* The directory of a node that was just opened for the first time is made from n->made_from. */
int custody_fill(struct sim_node *n, struct err *err);

/* ---- workload_guests.c ---- */
/* What a desk does with members of other units: a pass is shown, somebody is looked at, which is done at once (then NULL); or an operation. */
struct sim_job *workload_guest(struct sim_node *n);
/* Fills in an id and a key, and keeps the pass. */
void guests_new_pass(struct sim_node *n, struct access_request *r);

/* ---- answers.c ---- */
/* NULL: nothing waits for an answer. */
struct sim_job *workload_answer(struct sim_node *n);
void answers_before(struct sim_node *n, const struct sim_job *job);
void answers_note(struct sim_node *n, const struct api_op *op);
/* Before an operation of the upkeep is carried out. */
void answers_owed(struct sim_node *n, const struct api_op *op);
/* At the end: the vault follows the logs. */
void answers_check(struct sim_node *n);

/* ---- winding.c ---- */
/* Everything is quiet: a step of the end of a unit, if the seed says so. False: there is none any more. */
bool winding_down(struct world *w);

/* ---- figures.c ---- */
/* What every node says of the unit for the days up to that one; and that it says the same still. */
void figures_note(struct world *w, int unit, struct civil_date until);
void figures_check(struct world *w);

/* ---- coverage.c: what happened, for the end of a run ---- */
/* An operation was committed, or refused in a group that was. */
void coverage_note(struct sim_node *n, const struct sim_job *job);
void coverage_of(const struct world *w, uint64_t ret[COVER_N]);
/* False: with all, something never happened. */
bool coverage_tell(const uint64_t sum[COVER_N], bool all);

/* ---- erased.c ---- */
/* Before the writer takes up an operation, and after it took it. */
void erased_note(struct sim_node *n, const struct api_op *op);
void erased_accepted(struct sim_node *n, const struct api_op *op);
/* Some orders were: the bytes are looked for. */
void erased_carried_out(struct sim_node *n);
void erased_plan_restore(struct sim_node *n);
struct sim_job *workload_import_again(struct sim_node *n);
void erased_check(struct sim_node *n, struct db_txn *txn);

/* ---- counting.c: the months of a node's unit are counted ---- */
void counting_soon(struct sim_node *n);
void counting_step(struct sim_node *n);
/* All months that have invoices or were counted: once everything is quiet. False: this node cannot write. */
bool counting_all(struct sim_node *n);
/* Nothing is left to be said of any of them. */
void counting_check(struct sim_node *n);

/* ---- rawlog.c ---- */
struct rawlogs *rawlogs_new(void);
void rawlogs_free(struct rawlogs **r);
/* One run of a log of the unit, written by hand and stored at n. */
void rawlogs_step(struct sim_node *n);
/* Writes two histories of one log: one at n, one at its copy. False if there is none that can be forked now. */
bool rawlogs_fork(struct sim_node *n, struct sim_node *copy);

/* ---- faults.c ---- */
void faults_plan(struct world *w);
/* Who runs which program. */
void faults_programs(struct world *w);
void faults_start(struct world *w);
void faults_step(struct world *w);
void faults_heal(struct world *w);
/* Copies the disk of the node, or puts the copy back. */
void faults_restore(struct world *w, struct sim_node *n);
bool faults_forge(struct sim_node *n, struct slice bytes, struct buf *out);

/* Nothing goes to or from it any more; until. */
void faults_part(struct sim_node *n);
void faults_rejoin(struct sim_node *n);

/* ---- crashes.c ---- */
/* Which steps of the seed, and how they are cut. */
void crashes_plan(struct world *w);
/* A scope, if it is to be cut; within it the points of storage count. False: it is not. */
bool crashes_begin(struct sim_node *n, enum sim_step step);
/* All of it is durable, if anything was written. */
void crashes_end(struct sim_node *n);
/* It came to nothing. */
void crashes_leave(struct sim_node *n);
/* It was committed. */
void crashes_met(struct sim_node *n, const struct sim_job *job);
/* The step of an operation, or STEP_N. */
enum sim_step crashes_step(const struct sim_node *n, const struct sim_job *job);
/* The node's process ends here. Nobody of it says anything any more (world_fail); it is dropped by crashes_bury, once nothing of it runs. */
void crashes_die(struct sim_node *n);
void crashes_bury(struct world *w);
void crashes_start(struct sim_node *n);
/* Erasures are carried out, in three steps that are told apart by what they write. */
void crashes_erasing(struct sim_node *n, bool on);
/* False: with all, something that can happen never did. */
bool crashes_tell(const uint64_t sum[STEP_N][CUT_COLUMNS], bool all);

/* ---- resume.c ---- */
/* False if there is no fork to end. */
bool resume_forks(struct world *w);
bool resume_holds(struct sim_node *n, const struct ledger_log *l);

/* ---- checks.c ---- */
bool checks_converged(struct world *w, bool tell);
void checks_end(struct world *w);
/* Both trust each other, and one dials. */
bool checks_linked(const struct world *w, const struct sim_node *a, const struct sim_node *b);
void checks_alarm(struct sim_node *n, const struct sync_effect *e);
int sim_copy_dir(const char *from, const char *to);
void sim_remove_dir(const char *path);
void sim_make_node_dirs(const char *dir);

/* ---- checks_capsules.c ---- */
bool checks_capsules(struct world *w, bool tell);

/* ---- checks_moving.c: one home, figures of moves, nothing opened after a revocation ---- */
void checks_access(struct sim_node *n, struct db_txn *txn);
void checks_moving(struct sim_node *n);

/* ---- recount.c: a unit's views at a node against its rows and its model ---- */
void recount_unit(struct sim_node *at, struct db_txn *txn, const struct sim_unit *u);

/* ---- narrate.c ---- */
void say(struct world *w, const struct sim_node *n, const char *fmt, ...) PRINTF_LIKE(3, 4);
const char *short_id(const void *id);
void narrate_message(struct sim_node *from, struct sim_node *to, struct slice bytes);
void narrate_op(struct sim_node *n, const struct api_op *op);

#endif
