/* What must come of one unit's accepted operations in a history without concurrent events, from the text of docs/PROTOCOL.md §9, §10 and
 * written apart from node/rules and node/command on purpose: the same mistake is less likely to be made twice.
 *
 * A model is the list of what was written, in that order; everything else is worked out anew at each question, so that taking back
 * what a lost group wrote is cutting the list. model.c has the list and the verdicts, model_plan.c what an operation would write, model_member.c plays members, model_work.c
 * activities, invoices and postings, model_moving.c knows who moves. See sim.h. */
#ifndef SMARTNODE_TESTS_SIM_MODEL_H
#define SMARTNODE_TESTS_SIM_MODEL_H

#include "node/api/api.h"

enum model_sort {
    SORT_MEMBER = 1,
    SORT_OFFICE,
    SORT_UNIT,
    SORT_ACTIVITY,
    SORT_INVOICE,
    SORT_PERIOD,
    SORT_POSTING,
    SORT_MOVING, /* of whom, or of what, the model says no more than that */
    SORT_ACCESS
};

struct model_event {
    uint64_t order; /* 1, 2, … */
    struct position at;
    enum model_sort sort;
    uint16_t kind;
    struct subject_id entity; /* an office's id too; zero: the unit */
    uint64_t slot;            /* order of the first event of its slot */
    bool empties;             /* a cancellation */
    int32_t date;
    uint8_t category, person_type;
    bool has_office, owed, has_request;
    struct office_id office;
    uint64_t shares, request; /* request: slot of the one that is decided */
    int64_t minor;            /* paid, repaid, brought; price of the unit; amount */
    char currency[CURRENCY_MAX];
    struct subject_id other;    /* representative, other record; of work whose it is */
    struct subject_id activity; /* of an invoice */
    uint16_t purpose, rate_bp, year;
    struct activity_facets facets;
    int64_t contribution;
    int32_t from, to; /* of a posting: its days */
    char country[3];
    struct unit_id unit; /* of a handover the other one, of a grant the host */
};

struct model {
    size_t n, cap, mark;
    struct model_event *events;
    int32_t today; /* by the clock of who asks */
    bool closed;   /* the unit */
};

enum model_verdict { MODEL_UNKNOWN, MODEL_ACCEPT, MODEL_REFUSE };
struct model *model_new(void);
void model_free(struct model **m);
/* Fills in what a desk would work out for itself before it asks. */
void model_prepare(const struct model *m, struct api_op *op);
enum model_verdict model_judge(const struct model *m, const struct api_op *op);
/* Takes over what was written; known = false: the history has concurrent branches, only what and where is kept. */
void model_accept(struct model *m, const struct api_op *op, bool known);
/* What was accepted since the last mark is taken back, or stays. */
void model_rollback(struct model *m);
void model_mark(struct model *m);

/* Entities of a sort in the order of their first event; false beyond the last. */
bool model_entity(const struct model *m, enum model_sort sort, size_t i, struct subject_id *ret);
size_t model_entities(const struct model *m, enum model_sort sort);
/* An event by number of a sort (taken modulo how many there are); NULL if there are none. */
const struct model_event *model_pick(const struct model *m, enum model_sort sort, uint64_t number);

/* ---- what an operation would write: model_plan.c ---- */

struct model_plan {
    const struct model *m;
    bool ok; /* a desk would not be refused before the rules are asked */
    size_t n;
    struct model_event e[2];
};
void model_make_plan(const struct model *m, const struct api_op *op, struct model_plan *ret);
bool model_is_of(const struct model_event *e, enum model_sort sort, const struct subject_id *entity);
int model_year_of(int32_t date);

/* ---- members who move: model_moving.c ---- */

/* Whether anybody does, whether this one or what is this one's does, whether an operation is about such a one. */
bool model_moves(const struct model *m);
bool model_is_moved(const struct model *m, const struct subject_id *id);
bool model_concerns_moved(const struct model *m, const struct api_op *op);
enum model_verdict model_judge_moving(const struct model *m, const struct api_op *op);
/* What an accepted operation adds to the list beside what others would; returns how many. */
size_t model_moving_events(const struct model *m, const struct api_op *op, struct model_event ret[2]);

/* ---- playing ---- */

enum { MODEL_CURRENCIES = 8 };
struct model_money {
    char currency[CURRENCY_MAX];
    uint64_t shares;
    int64_t minor;
};
struct model_person {
    struct member_state s; /* but owed and amounts, which are below */
    uint64_t request;
    size_t n_held, n_owed;
    struct model_money held[MODEL_CURRENCIES], owed[MODEL_CURRENCIES];
    /* Of a record that was merged: what passed on, held and owed. */
    size_t n_passed[2];
    struct model_money passed[2][MODEL_CURRENCIES];
};
struct model_capital {
    size_t n;
    struct {
        char currency[CURRENCY_MAX];
        int64_t v[CAPITAL_N];
    } of[MODEL_CURRENCIES];
};
/* What flows into the views, if asked for: between two days, both inclusive; capital of all days up to the last. */
struct model_flows {
    int32_t from, to;
    int64_t counts[COUNTS_N];
    struct model_capital capital;
};
/* What fills the slots of an entity, in the order of the fold, with extra (may be NULL) as if written now. Heap; the caller frees. */
const struct model_event **model_slots(const struct model *m, enum model_sort sort, const struct subject_id *entity,
                                       const struct model_event *extra, size_t *ret_n);
/* Up to a day. False: a step is impossible. */
bool model_person(const struct model *m, const struct subject_id *who, int32_t as_of, const struct model_event *extra,
                  struct model_person *ret, struct model_flows *flows_or_null);
/* Members of the unit, all of them; ret->from and ->to are given. COUNT_MEMBERS: at the end of `to`. */
void model_register(const struct model *m, struct model_flows *ret);
/* The record that was kept in the end. */
struct subject_id model_kept(const struct model *m, const struct subject_id *who);
/* Whether somebody, or the record that was kept, was a member on a day of the month. */
bool model_was_member(const struct model *m, const struct subject_id *who, int32_t month);

struct model_activity {
    bool exists, open;
    int32_t closed;
    struct activity_facets facets;
    struct subject_id owner;
};
bool model_activity(const struct model *m, const struct subject_id *id, int32_t as_of, const struct model_event *extra,
                    struct model_activity *ret);
struct model_invoice {
    bool exists;
    int32_t month;
    const struct model_event *issue;
    int64_t credited, back;
    uint32_t notes;
    struct subject_id owner;
};
bool model_invoice(const struct model *m, const struct subject_id *id, int32_t as_of, const struct model_event *extra,
                   struct model_invoice *ret);
struct model_posting {
    bool exists;
    int32_t from, to, first, last, said; /* days; months: of the issue, the last, of what was said last */
    char country[3];                     /* of what was said last */
    struct subject_id owner;
};
bool model_posting(const struct model *m, const struct subject_id *id, const struct model_event *extra,
                   struct model_posting *ret);
/* Whether the person, or the record that was kept, is posted on one of the days, but for `except`. */
bool model_is_posted(const struct model *m, const struct subject_id *who, int32_t from, int32_t to,
                     const struct subject_id *except);
/* Months that all postings touch. */
int64_t model_months_abroad(const struct model *m);
/* Sums of a currency (empty: all) over the months from … to, both inclusive (first days). */
void model_work(const struct model *m, const char *currency, int32_t from, int32_t to, int64_t ret[WORK_N]);
/* Distinct people of those months; sector 0: all. */
int64_t model_people(const struct model *m, int32_t from, int32_t to, uint16_t sector);
/* Whether what has the date of the event shows in the figures of a closed year. */
bool model_closed(const struct model *m, const struct model_event *e);

#endif
