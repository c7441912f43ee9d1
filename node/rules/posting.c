/* See posting.h: the fold of a posting and its months. docs/PROTOCOL.md §9, §10. */
#include "node/rules/posting.h"

#include <stdlib.h>

#include "node/rules/row.h"

struct posting_fold {
    bool exists;
    uint16_t first, last; /* month numbers */
};

ROW_ENTRY_BEGINS(struct posting_entry);

/* ---- rules ---- */

static bool
known(uint16_t kind, uint16_t version)
{
    return kind >= KIND_POSTING_ISSUED && kind <= KIND_POSTING_CANCELLED && event_kind_known(kind, version);
}

static bool
has_facts(uint16_t kind)
{
    return kind == KIND_POSTING_ISSUED || kind == KIND_POSTING_CHANGED;
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
    struct posting_fold *f = state;
    memset(f, 0, sizeof(*f));
}

static enum void_reason
step(void *state, const struct fold_item *item, uint32_t other)
{
    struct posting_fold *f = state;
    const struct posting_entry *e = item->entry;
    uint16_t month = month_number(e->effective), last = month_number(e->facts.last_month);
    (void)other;
    if (e->kind == KIND_POSTING_ISSUED) {
        if (f->exists) {
            return VOID_EXISTS;
        }
        *f = (struct posting_fold){.exists = true, .first = month, .last = last};
        return VOID_NONE;
    }
    if (!f->exists) {
        return VOID_EXISTS_NOT;
    }
    if (month > f->last + 1) {
        return VOID_CLOSED;
    }
    if (last > f->first + POSTING_MONTHS_MAX) {
        return VOID_POSTING_LONG;
    }
    f->last = last;
    return VOID_NONE;
}

static const struct fold_rules rules = {.cancels = KIND_POSTING_CANCELLED,
                                        .known = known,
                                        .role = row_no_role,
                                        .outside = outside,
                                        .start = start,
                                        .step = step};

static int say(const struct row *row, const struct row_entry *e, enum void_reason reason, struct err *err);

const struct row_type posting_row_type = {
    .rules = &rules,
    .what = "posting row",
    .refers = "to correct or to cancel",
    .entry_size = sizeof(struct posting_entry),
    .refs_max = ARRAY_LEN(((struct posting_entry *)NULL)->refs),
    .links_at = offsetof(struct posting_entry, has_links),
    .say = say,
};

/* ---- rows ---- */

void
posting_row_init(struct posting_row *r, const struct unit_id *unit, const struct subject_id *posting)
{
    memset(r, 0, sizeof(*r));
    r->unit = *unit;
    r->posting = *posting;
}

void
posting_row_release(struct posting_row *r)
{
    free(r->entries);
    r->entries = NULL;
    r->n = 0;
    r->cap = 0;
}

void
posting_entry_from_event(const struct position *at, const struct event_header *h, const struct event_payload *p,
                         struct posting_entry *ret)
{
    row_entry_from_event(&posting_row_type, at, h, &p->common, (struct row_entry *)ret);
    if (has_facts(h->kind)) {
        ret->facts = p->posting;
    }
}

bool
posting_entry_unknown(const struct position *at, const struct event_header *h, const struct event_common *c,
                      struct posting_entry *ret)
{
    return row_entry_unknown(&posting_row_type, at, h, c, (struct row_entry *)ret);
}

int
posting_row_add(struct posting_row *r, const struct posting_entry *e, const struct member_world *w,
                struct missing *ret_missing, struct err *err)
{
    struct posting_fold state;
    struct row row = ROW_OF(&posting_row_type, r, &state);
    int rc = row_add(&row, e, w, ret_missing, err);
    ROW_BACK(r, row);
    return rc;
}

int
posting_row_refold(struct posting_row *r, const struct member_world *w, struct missing *ret_missing, struct err *err)
{
    struct posting_fold state;
    struct row row = ROW_OF(&posting_row_type, r, &state);
    return row_fold(&row, r->n, FOLD_NONE, w, ret_missing, err);
}

static int
say(const struct row *row, const struct row_entry *e, enum void_reason reason, struct err *err)
{
    struct posting_state s;
    char day[DATE_TEXT_MAX];
    posting_state_of(row->ctx, &s);
    switch (reason) {
    case VOID_EXISTS: return err_field(err, ERR_CONFLICT, "posting", "posting: it is recorded already");
    case VOID_EXISTS_NOT:
        return err_field(err, ERR_CONFLICT, "effective_on", "effective_on: the posting has not begun in %.7s",
                         date_format(e->effective, day));
    case VOID_CLOSED:
        return err_field(err, ERR_CONFLICT, "effective_on", "effective_on: the posting ended in %.7s",
                         date_format(s.facts.last_month, day));
    case VOID_POSTING_LONG:
        return err_field(err, ERR_CONFLICT, "to", "to: the posting would be longer than %d months", POSTING_MONTHS_MAX);
    default: return 0;
    }
}

int
posting_row_try(const struct posting_row *r, const struct posting_entry *e, const struct member_world *w,
                struct err *err)
{
    struct posting_fold state;
    struct row row = ROW_OF(&posting_row_type, r, &state);
    return row_try(&row, r->n, e, w, NULL, err);
}

/* ---- what a row says ---- */

static struct civil_date
month_before(struct civil_date month)
{
    return date_month_start((struct civil_date){month.days - 1});
}

/* From its month on the entry takes the place of what was said before. */
static void
stay_put(struct posting_state *s, const struct posting_entry *e)
{
    while (s->n > 0 && s->stays[s->n - 1].first_month.days >= e->effective.days) {
        s->n--;
    }
    struct posting_stay *before = s->n > 0 ? &s->stays[s->n - 1] : NULL;
    if (before != NULL && memcmp(before->country, e->facts.country, sizeof(before->country)) == 0) {
        before->last_month = e->facts.last_month;
        return;
    }
    if (before != NULL) {
        before->last_month = month_before(e->effective);
    }
    if (s->n == POSTING_STAYS_MAX) {
        return; /* of a row that no fold wrote */
    }
    struct posting_stay *stay = &s->stays[s->n++];
    memcpy(stay->country, e->facts.country, sizeof(stay->country));
    stay->first_month = e->effective;
    stay->last_month = e->facts.last_month;
}

void
posting_state_of(const struct posting_row *r, struct posting_state *ret)
{
    uint64_t keys[MEMBER_ENTRIES_MAX];
    struct row row = ROW_OF(&posting_row_type, r, NULL);
    size_t n = row_order(&row, keys), issue;
    struct posting_state s;
    memset(&s, 0, sizeof(s));
    s.said = DATE_NONE;
    for (size_t i = 0; i < n; i++) {
        const struct posting_entry *e = &r->entries[row_order_at(keys[i])];
        if (!has_facts(e->kind) || (s.n == 0 && e->kind != KIND_POSTING_ISSUED)) {
            continue;
        }
        s.exists = true;
        s.said = e->effective;
        s.facts = e->facts;
        stay_put(&s, e);
    }
    issue = s.exists ? SIZE_MAX : posting_issue(r);
    if (issue != SIZE_MAX) {
        s.cancelled = true;
        s.said = r->entries[issue].effective;
        s.facts = r->entries[issue].facts;
    }
    if (r->n > 0) {
        s.last_change = r->entries[r->n - 1].at;
    }
    *ret = s;
}

size_t
posting_slot(const struct posting_row *r, size_t i)
{
    struct row row = ROW_OF(&posting_row_type, r, NULL);
    return row_slot_of(&row, i);
}

bool
posting_slot_empty(const struct posting_row *r, size_t i)
{
    struct row row = ROW_OF(&posting_row_type, r, NULL);
    return row_slot_empty(&row, i);
}

bool
posting_slot_links(const struct posting_row *r, size_t i, struct position *ret)
{
    struct row row = ROW_OF(&posting_row_type, r, NULL);
    return row_links_of(&row, row_slot_of(&row, i), ret);
}

size_t
posting_issue(const struct posting_row *r)
{
    size_t emptied = SIZE_MAX;
    for (size_t i = 0; i < r->n; i++) {
        const struct posting_entry *e = &r->entries[i];
        if (e->kind != KIND_POSTING_ISSUED) {
            continue;
        }
        if (e->outcome == OUTCOME_APPLIED) {
            return i;
        }
        if (e->outcome == OUTCOME_REPLACED && posting_slot_empty(r, i)) {
            emptied = i; /* the last one: what the slot said when it was emptied */
        }
    }
    return emptied;
}

bool
posting_links_position(const struct posting_row *r, struct position *ret)
{
    uint64_t keys[MEMBER_ENTRIES_MAX];
    struct row row = ROW_OF(&posting_row_type, r, NULL);
    size_t n = row_order(&row, keys);
    for (int empty = 0; empty < 2; empty++) {
        for (size_t s = n; s-- > 0;) {
            bool is_empty = r->entries[row_order_at(keys[s])].kind == KIND_POSTING_CANCELLED;
            if (is_empty == (empty == 1) && row_links_of(&row, row_order_slot(keys[s]), ret)) {
                return true;
            }
        }
    }
    return false;
}
