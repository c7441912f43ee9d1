/* What the sources of this room share: the state of an apply, order of logs (apply.c), changes of entities (event.c, entity.c,
 * entity_work.c, views.c), the waiting index (waiting.c), root statements (standing.c). Not for other rooms. */
#ifndef SMARTNODE_APPLY_PRIVATE_H
#define SMARTNODE_APPLY_PRIVATE_H

#include "node/apply/apply.h"
#include "node/rules/access.h"
#include "node/rules/counting.h"
#include "node/rules/entry.h"
#include "node/rules/invoice.h"
#include "node/rules/posting.h"
#include "proto/base/map.h"
#include "storage/changes.h"

/* Decoded office rows kept for office_known, which every admission asks. Direct-mapped. */
enum { OFFICE_CACHE = 256, CHAINS_KEPT = 16, FACES_KEPT = 256 };

/* Value of a row of TABLE_WAITING: an entity type, then the entity key (none for a log). */
enum { WAITING_VALUE_MAX = 1 + KEY_ENTITY };

struct entity {
    enum entity_type type;
    struct unit_id unit;
    struct subject_id subject; /* zero for a unit */
};

/* Rows of TABLE_CONFLICTS, TABLE_WAITING, TABLE_HANDOVERS and TABLE_DOUBLES that an entity's row stands for. */
struct mark {
    uint8_t table; /* enum table */
    uint8_t reason;
    uint8_t len;
    uint8_t key[KEY_DOUBLE];
};
struct marks {
    struct mark *v;
    size_t n, cap;
};

/* What a row adds to the views, before and after a change, each in the row's own order. */
enum view {
    VIEW_COUNTS, /* struct contribution */
    VIEW_SHARES, /* struct position: operations on shares */
    VIEW_WORK,   /* struct work_contribution */
    VIEW_PEOPLE, /* struct people_contribution */
    VIEWS_N
};
struct list {
    void *v;
    size_t n, cap;
};

struct numbers {
    uint32_t *v;
    size_t n, cap;
};

struct waiter {
    uint32_t log_no, next; /* index + 1 */
};

struct office_slot {
    bool used;
    struct place_row row;
};

struct apply {
    struct db *db;
    struct state *state;
    struct dag *dag;
    struct apply_stats stats;

    struct db_txn *txn;            /* of the call in progress */
    const struct event *event;     /* at hand */
    const struct log_row *current; /* log that is being applied: its stored row lags behind */
    struct err world_error;        /* of office_known, which cannot return one */

    /* Events of the own log that are applied but not stored yet. */
    struct log_id pending_log;
    uint64_t pending_first;
    struct chain_value *pending;
    size_t n_pending, cap_pending;

    struct numbers queue; /* logs that may go on */
    /* Logs that wait: log id of the predecessor → index + 1 of the first of waiters; log no → position it waits for. */
    struct map wait_heads, wait_of;
    struct waiter *waiters;
    size_t n_waiters, cap_waiters;
    uint32_t free_waiter; /* index + 1 */

    /* Closings of units (kind 21): unit → index + 1 of the first. */
    struct map closed;
    struct closing {
        struct position at;
        uint32_t next; /* index + 1 of the unit's next one; 0 = none */
    } * closings;
    size_t n_closings, cap_closings;
    struct
        closing_asked { /* the log asked about last since one came, and where what it says ends to have effect; 0 = nowhere */
        bool known;
        struct log_id log;
        uint64_t from;
    } closing_asked;

    struct map missing; /* log id → number of rows of TABLE_WAITING that name a position of it */
    bool restood;       /* see apply_restood */
    struct map decided; /* unit ‖ log id → seq: standing positions of logs that are not held */

    struct office_slot offices[OFFICE_CACHE];
    struct { /* of rows as they are stored, while an event or a desk's question is at hand (kin.c) */
        struct member_row *v;
        size_t n, cap;
    } faces;
    struct evlog_chains chains[CHAINS_KEPT]; /* of runs that references point into */
    struct buf bytes;                        /* an encoded row */
    struct list before[VIEWS_N], after[VIEWS_N];
    struct marks marks_before, marks_after;
    struct list outcomes;                           /* of a member's row before the event: enum outcome */
    struct activity_cell cells[ACTIVITY_CELLS_MAX]; /* of the event at hand */
    struct period_figure figures[FIGURES_MAX];

    bool has_own;  /* see apply_own_unit */
    bool own_grew; /* see apply_own_grew */
    bool local;    /* apply_local is at work: what it is given, this process says itself */
    struct unit_id own;
    apply_grew *grew; /* see apply_on_growth; NULL = nobody is told */
    void *grew_arg;
};

/* event.c: one event into the rows that it is about. */
struct event {
    struct position at;
    const struct unit_id *unit;
    struct event_header header;
    struct slice payload;
    enum outcome outcome;
    enum void_reason reason;
    bool halt; /* the log cannot go on with this program */
};
int event_apply(struct apply *a, struct event *e, const struct log_row *row, uint64_t seq, struct slice header,
                struct slice payload, struct err *err) NODISCARD;

/* Void, and of no entity's row. */
int event_void(struct apply *a, struct event *e, enum void_reason reason, struct err *err) NODISCARD;

/* erasure.c: orders in the row that have an effect and were not noted before: tombstones, capsules, what is to be done (storage/erasures.h). */
int erasures_note(struct apply *a, const struct member_row *row, struct err *err) NODISCARD;
/* Kind 97. */
int entity_confirmation(struct apply *a, struct event *e, const struct event_payload *p, struct err *err) NODISCARD;

/* entity.c */
int entity_member(struct apply *a, const struct entity *e, const struct member_entry *add, enum outcome *ret,
                  enum void_reason *ret_reason, struct err *err) NODISCARD;
int entity_place(struct apply *a, const struct entity *e, const struct place_entry *add, enum outcome *ret,
                 enum void_reason *ret_reason, struct err *err) NODISCARD;
int entity_refold(struct apply *a, const struct entity *e, struct err *err) NODISCARD;
int entity_unit_code(struct apply *a, const struct unit_id *unit, const char *code, struct err *err) NODISCARD;
void entity_office_cache_clear(struct apply *a);
/* The row as stored, or empty. */
int entity_member_load(struct apply *a, const struct entity *e, struct slice key, struct member_row *row,
                       struct err *err) NODISCARD;
/* Folds the row, which is as stored, again with the arrivals that are among the candidates. *ret_changed: whether it became another; only
 * then anything is stored. */
int entity_member_refold(struct apply *a, const struct entity *e, struct member_row *row,
                         const struct member_row *candidates, bool *ret_changed, struct err *err) NODISCARD;

/* kin.c: rows of one subject in several units, which a handover ties. */
int entity_kin(void *arg, const struct subject_id *subject, const struct position *at, struct unit_id *ret_unit,
               struct member_entry *ret);
/* After a change of the row of a unit, which had the face `was`: its kin of before and of now follow, and theirs, until nothing changes; it
 * may be stored again. */
int kin_settle(struct apply *a, const struct entity *changed, const struct member_row *was,
               const struct member_row *row, struct err *err) NODISCARD;
void kin_stored(struct apply *a, const struct entity *e); /* the row is another one: what is kept of it goes */
void kin_clear(struct apply *a);                          /* whatever is kept */
void kin_free(struct apply *a);

/* closing.c: units that closed. */
int closings_load(struct apply *a, struct db_txn *txn, struct err *err) NODISCARD;
/* Those of a unit are what its row says. */
int closings_of(struct apply *a, const struct place_row *row, struct err *err) NODISCARD;
/* Whether an event of the unit at a position has no effect for that (§10 "Closed units"). */
bool closings_forbid(struct apply *a, const struct unit_id *unit, const struct position *at, uint16_t kind);
int entity_chain_at(void *arg, const struct position *at, struct chain_value *ret);
bool entity_office_known(void *arg, const struct unit_id *unit, const struct office_id *office,
                         const struct position *at);
struct member_world entity_world(struct apply *a);
/* What office_known could not return. */
int entity_world_failed(const struct apply *a, struct err *err) NODISCARD;

/* entity_work.c. add: struct activity_entry or struct invoice_entry by the type of the entity, or NULL to fold again. */
int entity_work(struct apply *a, const struct entity *e, const void *add, enum outcome *ret,
                enum void_reason *ret_reason, struct err *err) NODISCARD;
/* entity_posting.c. add: NULL to fold again. */
int entity_posting(struct apply *a, const struct entity *e, const struct posting_entry *add, enum outcome *ret,
                   enum void_reason *ret_reason, struct err *err) NODISCARD;
/* Kinds 112 and 256, decoded; the lists are read from the payload. */
int entity_active(struct apply *a, const struct event *e, const struct event_payload *p, struct err *err) NODISCARD;
int entity_period(struct apply *a, const struct event *e, const struct event_payload *p, struct err *err) NODISCARD;
/* Something of the own unit may have gone: all its months are counted again. */
int uncounted_all(struct apply *a, struct db_txn *txn, const struct unit_id *unit, struct err *err) NODISCARD;

/* entity_access.c */
int entity_access(struct apply *a, const struct entity *e, const struct access_entry *add, enum outcome *ret,
                  enum void_reason *ret_reason, struct err *err) NODISCARD;

/* views.c: rows of views and of the two indices follow the difference of what a row stood for before and after. */
/* Fill the lists of `ret` (before or after, VIEWS_N of them) that belong to the row. */
int views_of_member(const struct member_row *row, struct list *ret, struct err *err) NODISCARD;
/* Of the last entry alone, where member_last_adds. */
int views_of_last(const struct member_row *row, struct list *ret, struct err *err) NODISCARD;
int views_of_activity(const struct activity_row *row, struct list *ret, struct err *err) NODISCARD;
int views_of_invoice(const struct invoice_row *row, struct list *ret, struct err *err) NODISCARD;
/* month: all of the row that an event of this month can change; 0 = all. */
int views_of_active(const struct active_row *row, uint16_t month, struct list *ret, struct err *err) NODISCARD;
/* The rows of the view follow from before to after. e: what the row is about; NULL for people. */
int views_apply(struct apply *a, enum view view, const struct entity *e, struct err *err) NODISCARD;
/* Those of all entries of a row, which m has afterwards and nothing else. */
int marks_of(struct apply *a, struct marks *m, const struct entity *e, struct row_entries entries,
             struct err *err) NODISCARD;
/* What became of the entry at a position: *ret and *ret_reason are as they were if the row has none. */
void outcome_of(struct row_entries entries, const struct position *at, enum outcome *ret, enum void_reason *ret_reason);
int marks_push(struct marks *m, const struct mark *mark, struct err *err) NODISCARD;
int marks_apply(struct apply *a, const struct entity *e, struct err *err) NODISCARD;

/* waiting.c */
int waiting_load(struct apply *a, struct db_txn *txn, struct err *err) NODISCARD;
int waiting_count(struct apply *a, const uint8_t key[KEY_WAITING], int by, struct err *err) NODISCARD;
/* Refolds the entities that wait for this position. */
int waiting_arrived(struct apply *a, const struct position *at, struct err *err) NODISCARD;
/* Log log_no waits with its event seq for a position; the position itself if only a newer program can go on. */
int waiting_log(struct apply *a, uint32_t log_no, const struct position *on, uint64_t seq, struct err *err) NODISCARD;
int waiting_log_over(struct apply *a, uint32_t log_no, struct err *err) NODISCARD;
/* The other logs that wait for this one are looked at again. */
int waiting_wake(struct apply *a, const struct log_row *log, struct err *err) NODISCARD;
int queue_push(struct apply *a, uint32_t log_no, struct err *err) NODISCARD;

/* standing.c */
/* How far a log stands, held or not. */
int standing_limit(struct apply *a, struct db_txn *txn, const struct unit_id *unit, const struct log_id *log,
                   struct log_row *ret_row, bool *ret_held, uint64_t *ret_limit, struct err *err) NODISCARD;
/* A log that was not looked at before: its stands_to. */
int standing_new_log(struct apply *a, struct log_row *row, struct err *err) NODISCARD;
int standing_load(struct apply *a, struct db_txn *txn, struct err *err) NODISCARD;
int standing_all(struct apply *a, struct db_txn *txn, struct err *err) NODISCARD;

/* settle.c: a standing position that decides, and the history that is held: thaws a frozen log, cuts off another branch. row and its
 * stored form. */
int settle_log(struct db_txn *txn, struct log_row *row, uint64_t seq, const struct chain_value *chain,
               bool *ret_changed, struct err *err) NODISCARD;

/* rebuild.c: the markers in TABLE_META. */
int rebuild_want(struct db_txn *txn, struct err *err) NODISCARD;
/* check.c of one environment against another one that was rebuilt from its logs: check_state.c. */
int check_against_rebuild(struct db *db, struct db_txn *txn, const char *scratch_dir, struct err *err) NODISCARD;
/* "BE log 3f2a91c0" */
enum { LOG_TEXT_MAX = 40 };
const char *check_log_text(struct db_txn *txn, const struct log_row *row, char out[LOG_TEXT_MAX]);

/* Makes room for one more element; false without memory. */
bool grow(void **v, size_t *cap, size_t n, size_t bytes);

#endif
