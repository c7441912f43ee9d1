/* See activity.h: the fold of an activity, the state on a day, what it adds to the views. docs/PROTOCOL.md §9, §10. */
#include <stdlib.h>

#include "node/rules/activity.h"
#include "node/rules/row.h"

enum phase { PHASE_NONE = 0, PHASE_OPEN = 1, PHASE_CLOSED = 2 };

struct activity_fold {
    enum phase phase;
};

ROW_ENTRY_BEGINS(struct activity_entry);

/* ---- rules ---- */

static bool
known(uint16_t kind, uint16_t version)
{
    return kind >= KIND_ACTIVITY_OPENED && kind <= KIND_ACTIVITY_CANCELLED && event_kind_known(kind, version);
}

static bool
has_facets(uint16_t kind)
{
    return kind == KIND_ACTIVITY_OPENED || kind == KIND_ACTIVITY_CHANGED;
}

static enum void_reason
outside(const void *ctx, const struct fold_item *item, const struct member_world *w)
{
    const struct activity_row *row = ctx;
    const struct activity_entry *e = item->entry;
    return has_facets(e->kind) && !w->office_known(w->arg, &row->unit, &e->facets.office, &e->at) ? VOID_NO_OFFICE
                                                                                                  : VOID_NONE;
}

static void
start(void *state)
{
    struct activity_fold *f = state;
    f->phase = PHASE_NONE;
}

static enum void_reason
step(void *state, const struct fold_item *item, uint32_t other)
{
    struct activity_fold *f = state;
    (void)other;
    if (f->phase == PHASE_CLOSED) {
        return VOID_CLOSED;
    }
    if (item->kind == KIND_ACTIVITY_OPENED) {
        if (f->phase == PHASE_OPEN) {
            return VOID_EXISTS;
        }
        f->phase = PHASE_OPEN;
        return VOID_NONE;
    }
    if (f->phase == PHASE_NONE) {
        return VOID_EXISTS_NOT;
    }
    f->phase = item->kind == KIND_ACTIVITY_CLOSED ? PHASE_CLOSED : PHASE_OPEN;
    return VOID_NONE;
}

static const struct fold_rules rules = {.cancels = KIND_ACTIVITY_CANCELLED,
                                        .known = known,
                                        .role = row_no_role,
                                        .outside = outside,
                                        .start = start,
                                        .step = step};

static int say(const struct row *row, const struct row_entry *e, enum void_reason reason, struct err *err);

const struct row_type activity_row_type = {
    .rules = &rules,
    .what = "activity row",
    .refers = "to correct or to cancel",
    .entry_size = sizeof(struct activity_entry),
    .refs_max = ARRAY_LEN(((struct activity_entry *)NULL)->refs),
    .links_at = offsetof(struct activity_entry, has_links),
    .say = say,
};

/* ---- rows ---- */

void
activity_row_init(struct activity_row *r, const struct unit_id *unit, const struct subject_id *activity)
{
    memset(r, 0, sizeof(*r));
    r->unit = *unit;
    r->activity = *activity;
}

void
activity_row_release(struct activity_row *r)
{
    free(r->entries);
    r->entries = NULL;
    r->n = 0;
    r->cap = 0;
}

void
activity_entry_from_event(const struct position *at, const struct event_header *h, const struct event_payload *p,
                          struct activity_entry *ret)
{
    row_entry_from_event(&activity_row_type, at, h, &p->common, (struct row_entry *)ret);
    if (has_facets(h->kind)) {
        ret->facets = p->activity;
    }
}

bool
activity_entry_unknown(const struct position *at, const struct event_header *h, const struct event_common *c,
                       struct activity_entry *ret)
{
    return row_entry_unknown(&activity_row_type, at, h, c, (struct row_entry *)ret);
}

int
activity_row_add(struct activity_row *r, const struct activity_entry *e, const struct member_world *w,
                 struct missing *ret_missing, struct err *err)
{
    struct activity_fold state;
    struct row row = ROW_OF(&activity_row_type, r, &state);
    int rc = row_add(&row, e, w, ret_missing, err);
    ROW_BACK(r, row);
    return rc;
}

int
activity_row_refold(struct activity_row *r, const struct member_world *w, struct missing *ret_missing, struct err *err)
{
    struct activity_fold state;
    struct row row = ROW_OF(&activity_row_type, r, &state);
    return row_fold(&row, r->n, FOLD_NONE, w, ret_missing, err);
}

static int
say(const struct row *row, const struct row_entry *e, enum void_reason reason, struct err *err)
{
    struct activity_state s;
    char day[DATE_TEXT_MAX];
    activity_state_at(row->ctx, DATE_MAX, &s);
    switch (reason) {
    case VOID_EXISTS: return err_field(err, ERR_CONFLICT, "activity", "activity: it is open already");
    case VOID_EXISTS_NOT:
        return err_field(err, ERR_CONFLICT, "effective_on", "effective_on: the activity is not open in %.7s",
                         date_format(e->effective, day));
    case VOID_CLOSED:
        return err_field(err, ERR_CONFLICT, "effective_on", "effective_on: the activity closed in %.7s",
                         date_format(s.closed, day));
    default: return 0;
    }
}

int
activity_row_try(const struct activity_row *r, const struct activity_entry *e, const struct member_world *w,
                 struct err *err)
{
    struct activity_fold state;
    struct row row = ROW_OF(&activity_row_type, r, &state);
    return row_try(&row, r->n, e, w, NULL, err);
}

/* ---- what a row says ---- */

void
activity_state_at(const struct activity_row *r, struct civil_date as_of, struct activity_state *ret)
{
    uint64_t keys[MEMBER_ENTRIES_MAX];
    struct row row = ROW_OF(&activity_row_type, r, NULL);
    size_t n = row_order(&row, keys);
    struct activity_state s;
    memset(&s, 0, sizeof(s));
    s.opened = DATE_NONE;
    s.closed = DATE_NONE;
    for (size_t i = 0; i < n; i++) {
        const struct activity_entry *e = &r->entries[row_order_at(keys[i])];
        if (e->effective.days > as_of.days) {
            break;
        }
        if (e->kind == KIND_ACTIVITY_OPENED) {
            s.exists = true;
            s.open = true;
            s.opened = e->effective;
        } else if (e->kind == KIND_ACTIVITY_CLOSED) {
            s.open = false;
            s.closed = e->effective;
        }
        if (has_facets(e->kind)) {
            s.facets = e->facets;
        }
    }
    if (r->n > 0) {
        s.last_change = r->entries[r->n - 1].at;
    }
    *ret = s;
}

size_t
activity_slot(const struct activity_row *r, size_t i)
{
    struct row row = ROW_OF(&activity_row_type, r, NULL);
    return row_slot_of(&row, i);
}

bool
activity_slot_empty(const struct activity_row *r, size_t i)
{
    struct row row = ROW_OF(&activity_row_type, r, NULL);
    return row_slot_empty(&row, i);
}

bool
activity_slot_links(const struct activity_row *r, size_t i, struct position *ret)
{
    struct row row = ROW_OF(&activity_row_type, r, NULL);
    return row_links_of(&row, row_slot_of(&row, i), ret);
}

bool
activity_links_position(const struct activity_row *r, struct position *ret)
{
    uint64_t keys[MEMBER_ENTRIES_MAX];
    struct row row = ROW_OF(&activity_row_type, r, NULL);
    size_t n = row_order(&row, keys);
    for (int empty = 0; empty < 2; empty++) {
        for (size_t s = n; s-- > 0;) {
            bool is_empty = r->entries[row_order_at(keys[s])].kind == KIND_ACTIVITY_CANCELLED;
            if (is_empty == (empty == 1) && row_links_of(&row, row_order_slot(keys[s]), ret)) {
                return true;
            }
        }
    }
    return false;
}

/* ---- contributions ---- */

struct emission {
    int (*emit)(void *arg, const struct work_contribution *c);
    void *arg;
    int64_t record_key;
};

static int
emit_cell(const struct emission *em, struct civil_date month, const struct activity_facets *facets, int opened,
          int closed, int open)
{
    struct work_contribution c;
    memset(&c, 0, sizeof(c));
    c.month = month;
    c.facets = *facets;
    c.v[WORK_OPENED] = opened;
    c.v[WORK_CLOSED] = closed;
    c.v[WORK_OPEN] = open;
    c.v[WORK_RECORD_KEYS] = open * em->record_key;
    return em->emit(em->arg, &c);
}

int
activity_contributions(const struct activity_row *r, int (*emit)(void *arg, const struct work_contribution *c),
                       void *arg)
{
    struct emission em = {.emit = emit, .arg = arg, .record_key = member_record_key(&r->activity)};
    uint64_t keys[MEMBER_ENTRIES_MAX];
    struct row row = ROW_OF(&activity_row_type, r, NULL);
    size_t n = row_order(&row, keys);
    const struct activity_facets *is = NULL;
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++) {
        const struct activity_entry *e = &r->entries[row_order_at(keys[i])];
        if (e->kind == KIND_ACTIVITY_OPENED) {
            rc = emit_cell(&em, e->effective, &e->facets, 1, 0, 1);
            is = &e->facets;
        } else if (e->kind == KIND_ACTIVITY_CHANGED && is != NULL && !facets_equal(is, &e->facets)) {
            rc = emit_cell(&em, e->effective, is, 0, 0, -1);
            rc = rc != 0 ? rc : emit_cell(&em, e->effective, &e->facets, 0, 0, 1);
            is = &e->facets;
        } else if (e->kind == KIND_ACTIVITY_CLOSED && is != NULL) {
            rc = emit_cell(&em, e->effective, is, 0, 1, -1);
        }
    }
    return rc;
}
