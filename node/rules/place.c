/* Rows of offices and units. docs/PROTOCOL.md §9, §10: an office is opened, changed, closed; of a unit the last description counts. */
#include <stdlib.h>

#include "node/rules/place.h"
#include "node/rules/row.h"

enum phase { PHASE_NONE = 0, PHASE_OPEN = 1, PHASE_CLOSED = 2 };

struct place_fold {
    enum phase phase;
};

void
place_row_init(struct place_row *r, const struct unit_id *unit, const struct office_id *office)
{
    memset(r, 0, sizeof(*r));
    r->unit = *unit;
    if (office)
        r->office = *office;
}

void
place_row_release(struct place_row *r)
{
    free(r->entries);
    r->entries = NULL;
    r->n = 0;
    r->cap = 0;
}

/* ---- rules ---- */

static bool
known(uint16_t kind, uint16_t version)
{
    return kind >= KIND_UNIT_DESCRIBED && kind <= KIND_UNIT_CLOSED && event_kind_known(kind, version);
}

/* Whoever stands in for a unit is named or not; a closing is final: neither is corrected. */
static bool
of_custody(uint16_t kind)
{
    return kind == KIND_CUSTODIAN_NAMED || kind == KIND_UNIT_CLOSED;
}

static enum void_reason
outside(const void *ctx, const struct fold_item *item, const struct member_world *w)
{
    (void)ctx;
    (void)item;
    (void)w;
    return VOID_NONE;
}

static void
start(void *state)
{
    struct place_fold *f = state;
    f->phase = PHASE_NONE;
}

static enum void_reason
step(void *state, const struct fold_item *item, uint32_t other)
{
    struct place_fold *f = state;
    (void)other;
    if (item->kind == KIND_UNIT_DESCRIBED || of_custody(item->kind)) {
        return VOID_NONE;
    }
    if (f->phase == PHASE_CLOSED) {
        return VOID_OFFICE_CLOSED;
    }
    if (item->kind == KIND_OFFICE_OPENED) {
        if (f->phase == PHASE_OPEN) {
            return VOID_OFFICE_EXISTS;
        }
        f->phase = PHASE_OPEN;
        return VOID_NONE;
    }
    if (f->phase == PHASE_NONE) {
        return VOID_NO_OFFICE;
    }
    f->phase = item->kind == KIND_OFFICE_CLOSED ? PHASE_CLOSED : PHASE_OPEN;
    return VOID_NONE;
}

static const struct fold_rules rules = {
    .known = known, .role = row_no_role, .fixed = of_custody, .outside = outside, .start = start, .step = step};

static int say(const struct row *row, const struct row_entry *e, enum void_reason reason, struct err *err);

ROW_ENTRY_BEGINS(struct place_entry);
const struct row_type place_row_type = {
    .rules = &rules,
    .what = "place row",
    .refers = "to correct or to cancel",
    .entry_size = sizeof(struct place_entry),
    .refs_max = ARRAY_LEN(((struct place_entry *)NULL)->refs),
    .say = say,
};

/* ---- entries ---- */

void
place_entry_from_event(const struct position *at, const struct event_header *h, const struct event_payload *p,
                       struct place_entry *ret)
{
    row_entry_from_event(&place_row_type, at, h, &p->common, (struct row_entry *)ret);
    if (h->kind == KIND_UNIT_DESCRIBED) {
        ret->unit = p->unit;
    } else if (of_custody(h->kind)) {
        ret->has_custodian = p->custodian.has_unit;
        ret->custodian = p->custodian.unit;
    } else if (h->kind != KIND_OFFICE_CLOSED) {
        ret->facts = p->office;
    }
}

bool
place_entry_unknown(const struct position *at, const struct event_header *h, const struct event_common *c,
                    struct place_entry *ret)
{
    return row_entry_unknown(&place_row_type, at, h, c, (struct row_entry *)ret);
}

/* ---- what is folded, and what is only remembered ---- */

static size_t
folded(const struct place_row *r)
{
    return r->n < PLACE_ENTRIES_MAX ? r->n : PLACE_ENTRIES_MAX;
}

/* What others rest on by position alone: members on the opening of an office (§10, rule 5), all that a unit writes on its closing. */
static bool
is_rested_on(const struct place_entry *e)
{
    return (e->kind == KIND_OFFICE_OPENED || e->kind == KIND_UNIT_CLOSED) && known(e->kind, e->kind_version);
}

/* An entry that is not folded stays, without facts, if it is the first in its log that others rest on: whether they do must not hang on what
 * came first. Entries of a log stand together, and those of a row are of one kind. */
static void
settle_beyond(struct place_row *r, size_t i)
{
    struct place_entry *e = &r->entries[i];
    bool keep = is_rested_on(e);
    for (size_t k = i; keep && k-- > 0 && TYPE_EQ(&r->entries[k].at.log, &e->at.log);) {
        keep = !is_rested_on(&r->entries[k]);
    }
    if (keep) {
        memset(&e->facts, 0, sizeof(e->facts));
        memset(&e->custodian, 0, sizeof(e->custodian));
        e->has_custodian = false;
        e->n_refs = 0;
        e->outcome = OUTCOME_VOID;
        e->reason = VOID_TOO_MANY;
        r->n = r->n <= PLACE_ROW_MAX ? r->n : PLACE_ROW_MAX;
        return;
    }
    memmove(e, e + 1, (r->n - i - 1) * sizeof(*e));
    r->n--;
}

int
place_row_refold(struct place_row *r, const struct member_world *w, struct missing *ret_missing, struct err *err)
{
    struct place_fold state;
    struct row row = ROW_OF(&place_row_type, r, &state);
    return row_fold(&row, folded(r), FOLD_NONE, w, ret_missing, err);
}

int
place_row_add(struct place_row *r, const struct place_entry *e, const struct member_world *w,
              struct missing *ret_missing, struct err *err)
{
    struct place_fold state;
    struct row row = ROW_OF(&place_row_type, r, &state);
    bool there;
    size_t at = row_place_of(&row, w->dag, &e->at, &there);
    *ret_missing = (struct missing){.has = false};
    if (there) {
        return 0;
    }
    int rc = row_insert(&row, at, e, err);
    if (rc != 0) {
        return rc;
    }
    ROW_BACK(r, row);
    if (at >= PLACE_ENTRIES_MAX) {
        settle_beyond(r, at);
        return 0;
    }
    bool full = r->n > PLACE_ENTRIES_MAX;
    rc = row_fold(&row, folded(r), full ? FOLD_NONE : (uint32_t)at, w, ret_missing, err);
    if (rc != 0) {
        row_remove(&row, at);
        ROW_BACK(r, row);
    } else if (full) {
        settle_beyond(r, PLACE_ENTRIES_MAX);
    }
    return rc;
}

/* ---- the desk's question ---- */

static int
say(const struct row *row, const struct row_entry *e, enum void_reason reason, struct err *err)
{
    struct office_state s = {.closed_on = DATE_NONE};
    char day[DATE_TEXT_MAX];
    (void)office_state_at(row->ctx, DATE_MAX, &s);
    switch (reason) {
    case VOID_OFFICE_EXISTS: return err_field(err, ERR_CONFLICT, "office", "office: it is open already");
    case VOID_OFFICE_CLOSED:
        return err_field(err, ERR_CONFLICT, "effective_on", "effective_on: the office closed on %s",
                         date_format(s.closed_on, day));
    case VOID_NO_OFFICE:
        return err_field(err, ERR_CONFLICT, "effective_on", "effective_on: the office is not open on %s",
                         date_format(e->effective, day));
    default: return 0;
    }
}

int
place_row_try(const struct place_row *r, const struct place_entry *e, const struct member_world *w, struct err *err)
{
    struct place_fold state;
    struct row row = ROW_OF(&place_row_type, r, &state);
    return row_try(&row, folded(r), e, w, NULL, err);
}

/* ---- what a row says ---- */

/* The last applied entry of a kind in the order of the fold on or before a day; of kind `also` too. NULL if none. */
static const struct place_entry *
last_of(const struct place_row *r, uint16_t kind, uint16_t also, struct civil_date as_of)
{
    const struct place_entry *last = NULL;
    struct row row = ROW_OF(&place_row_type, r, NULL);
    uint64_t greatest = 0;
    for (size_t i = 0; i < r->n; i++) {
        const struct place_entry *e = &r->entries[i];
        if (e->outcome != OUTCOME_APPLIED || (e->kind != kind && e->kind != also) || e->effective.days > as_of.days) {
            continue;
        }
        uint64_t key = fold_key(e->effective.days, (uint32_t)row_slot_of(&row, i), (uint32_t)i);
        if (key >= greatest) {
            greatest = key;
            last = e;
        }
    }
    return last;
}

bool
office_state_at(const struct place_row *r, struct civil_date as_of, struct office_state *ret)
{
    const struct place_entry *opened = last_of(r, KIND_OFFICE_OPENED, KIND_OFFICE_OPENED, as_of);
    if (opened == NULL) {
        return false;
    }
    const struct place_entry *closed = last_of(r, KIND_OFFICE_CLOSED, KIND_OFFICE_CLOSED, as_of);
    ret->open = closed == NULL;
    ret->facts = last_of(r, KIND_OFFICE_OPENED, KIND_OFFICE_CHANGED, as_of)->facts;
    ret->opened_on = opened->effective;
    ret->closed_on = closed == NULL ? DATE_NONE : closed->effective;
    return true;
}

bool
unit_state_at(const struct place_row *r, struct civil_date as_of, struct unit_described *ret)
{
    const struct place_entry *last = last_of(r, KIND_UNIT_DESCRIBED, KIND_UNIT_DESCRIBED, as_of);
    if (last == NULL) {
        return false;
    }
    *ret = last->unit;
    return true;
}

bool
unit_custodian(const struct place_row *r, struct unit_id *ret)
{
    for (size_t i = folded(r); i-- > 0;) {
        const struct place_entry *e = &r->entries[i];
        if (of_custody(e->kind) && known(e->kind, e->kind_version)) {
            *ret = e->custodian;
            return e->has_custodian;
        }
    }
    return false;
}

bool
unit_closing(const struct place_row *r, struct position *ret, struct civil_date *ret_on)
{
    for (size_t i = 0; i < r->n; i++) {
        const struct place_entry *e = &r->entries[i];
        if (e->kind == KIND_UNIT_CLOSED && known(e->kind, e->kind_version)) {
            *ret = e->at;
            *ret_on = e->effective;
            return true;
        }
    }
    return false;
}

bool
unit_closed_allows(uint16_t kind)
{
    switch (kind) {
    case KIND_LOG_OPENED:
    case KIND_ESCROW_OPENED:
    case KIND_CUSTODIAN_NAMED:
    case KIND_SHARES_REPAID:
    case KIND_HANDOVER_COMPLETED:
    case KIND_HANDOVER_WITHDRAWN:
    case KIND_ACCESS_REVOKED:
    case KIND_ERASURE_ORDERED:
    case KIND_COPIES_DESTROYED:
    case KIND_RESTRICTION_ORDERED:
    case KIND_RESTRICTION_LIFTED:
    case KIND_GUEST_RECORDED:
    case KIND_PERSON_ACTIVE:
    case KIND_PERIOD_CLOSED: return true;
    default: return false;
    }
}

bool
office_opened_before(const struct place_row *r, const struct dag *dag, const struct position *at)
{
    for (size_t i = 0; i < r->n; i++) {
        const struct place_entry *e = &r->entries[i];
        if (e->kind == KIND_OFFICE_OPENED && known(e->kind, e->kind_version) && dag_before(dag, &e->at, at)) {
            return true;
        }
    }
    return false;
}
