/* See access.h: the fold of an access, what a row says. docs/PROTOCOL.md §9, §10 "Access". */
#include <stdlib.h>

#include "node/rules/access.h"
#include "node/rules/row.h"

enum phase { PHASE_NONE = 0, PHASE_GIVEN = 1, PHASE_REVOKED = 2 };

struct access_fold {
    enum phase phase;
};

ROW_ENTRY_BEGINS(struct access_entry);

/* ---- rules ---- */

static bool
known(uint16_t kind, uint16_t version)
{
    return kind >= KIND_ACCESS_GRANTED && kind <= KIND_ACCESS_RENEWED && event_kind_known(kind, version);
}

static bool
makes(uint16_t kind)
{
    return kind == KIND_ACCESS_GRANTED || kind == KIND_PASS_ISSUED;
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
    struct access_fold *f = state;
    f->phase = PHASE_NONE;
}

static enum void_reason
step(void *state, const struct fold_item *item, uint32_t other)
{
    struct access_fold *f = state;
    (void)other;
    if (makes(item->kind)) {
        if (f->phase != PHASE_NONE) {
            return VOID_EXISTS;
        }
        f->phase = PHASE_GIVEN;
        return VOID_NONE;
    }
    if (f->phase != PHASE_GIVEN) {
        return f->phase == PHASE_NONE ? VOID_EXISTS_NOT : VOID_CLOSED;
    }
    f->phase = item->kind == KIND_ACCESS_REVOKED ? PHASE_REVOKED : PHASE_GIVEN;
    return VOID_NONE;
}

static const struct fold_rules rules = {
    .cancels = 0, .known = known, .role = row_no_role, .outside = outside, .start = start, .step = step};

static int say(const struct row *row, const struct row_entry *e, enum void_reason reason, struct err *err);

const struct row_type access_row_type = {
    .rules = &rules,
    .what = "access row",
    .refers = "to correct",
    .entry_size = sizeof(struct access_entry),
    .refs_max = 0, /* no kind takes one (§9) */
    .links_at = 0,
    .say = say,
};

/* ---- rows ---- */

void
access_row_init(struct access_row *r, const struct unit_id *unit, const struct subject_id *access)
{
    memset(r, 0, sizeof(*r));
    r->unit = *unit;
    r->access = *access;
}

void
access_row_release(struct access_row *r)
{
    free(r->entries);
    r->entries = NULL;
    r->n = 0;
    r->cap = 0;
}

static uint8_t
key_capsules(const struct event_header *h)
{
    uint8_t ret = 0;
    for (uint8_t i = 0; i < h->n_capsules && i < 8; i++) {
        if (h->capsules[i].class == CLASS_KEY) {
            ret |= (uint8_t)(1U << i);
        }
    }
    return ret;
}

void
access_entry_from_event(const struct position *at, const struct event_header *h, const struct event_payload *p,
                        struct access_entry *ret)
{
    row_entry_from_event(&access_row_type, at, h, &p->common, (struct row_entry *)ret);
    ret->keys = key_capsules(h);
    if (h->kind != KIND_ACCESS_RENEWED) {
        ret->facts = p->access;
    }
}

bool
access_entry_unknown(const struct position *at, const struct event_header *h, const struct event_common *c,
                     struct access_entry *ret)
{
    return row_entry_unknown(&access_row_type, at, h, c, (struct row_entry *)ret);
}

int
access_row_add(struct access_row *r, const struct access_entry *e, const struct member_world *w,
               struct missing *ret_missing, struct err *err)
{
    struct access_fold state;
    struct row row = ROW_OF(&access_row_type, r, &state);
    int rc = row_add(&row, e, w, ret_missing, err);
    ROW_BACK(r, row);
    return rc;
}

int
access_row_refold(struct access_row *r, const struct member_world *w, struct missing *ret_missing, struct err *err)
{
    struct access_fold state;
    struct row row = ROW_OF(&access_row_type, r, &state);
    return row_fold(&row, r->n, FOLD_NONE, w, ret_missing, err);
}

static int
say(const struct row *row, const struct row_entry *e, enum void_reason reason, struct err *err)
{
    struct access_state s;
    char day[DATE_TEXT_MAX];
    access_state_of(row->ctx, &s);
    switch (reason) {
    case VOID_EXISTS: return err_field(err, ERR_CONFLICT, "access", "access: there is one of this id already");
    case VOID_EXISTS_NOT:
        return s.exists ? err_field(err, ERR_CONFLICT, "effective_on", "effective_on: the access begins on %s",
                                    date_format(s.from, day))
                        : err_field(err, ERR_NOTFOUND, "access", "no such grant or pass");
    case VOID_CLOSED:
        return err_field(err, ERR_CONFLICT, "access", "access: it was revoked on %s", date_format(s.revoked_on, day));
    default: (void)e; return 0;
    }
}

int
access_row_try(const struct access_row *r, const struct access_entry *e, const struct member_world *w, struct err *err)
{
    struct access_fold state;
    struct row row = ROW_OF(&access_row_type, r, &state);
    return row_try(&row, r->n, e, w, NULL, err);
}

/* ---- what a row says ---- */

void
access_state_of(const struct access_row *r, struct access_state *ret)
{
    uint64_t keys[MEMBER_ENTRIES_MAX];
    struct row row = ROW_OF(&access_row_type, r, NULL);
    size_t n = row_order(&row, keys);
    struct access_state s;
    memset(&s, 0, sizeof(s));
    s.from = s.revoked_on = s.keyed_on = s.facts.until = DATE_NONE;
    for (size_t i = 0; i < n; i++) {
        const struct access_entry *e = &r->entries[row_order_at(keys[i])];
        if (makes(e->kind)) {
            s.exists = true;
            s.is_pass = e->kind == KIND_PASS_ISSUED;
            s.facts = e->facts;
            s.from = e->effective;
            s.made = e->at;
        } else if (e->kind == KIND_ACCESS_REVOKED) {
            s.revoked = true;
            s.revoked_on = e->effective;
            s.revoked_why = e->facts.reason;
            s.revoked_by = e->at;
        }
        if (e->keys != 0) {
            s.keyed_on = e->effective; /* they come in the order of dates */
        }
    }
    if (r->n > 0) {
        s.last_change = r->entries[r->n - 1].at;
    }
    *ret = s;
}

bool
access_is_open(const struct access_state *s, struct civil_date on)
{
    return s->exists && !s->revoked && (date_is_none(s->facts.until) || s->facts.until.days >= on.days);
}

bool
access_stands(const struct access_state *s, struct civil_date on)
{
    return access_is_open(s, on) && s->from.days <= on.days;
}

size_t
access_keys_of(const struct access_row *r, struct access_keys *ret, size_t max)
{
    uint64_t keys[MEMBER_ENTRIES_MAX];
    struct row row = ROW_OF(&access_row_type, r, NULL);
    size_t found = 0;
    for (size_t i = row_order(&row, keys); i-- > 0;) {
        const struct access_entry *e = &r->entries[row_order_at(keys[i])];
        if (e->keys == 0) {
            continue;
        }
        if (found < max) {
            ret[found] = (struct access_keys){.at = e->at, .kind = e->kind, .capsules = e->keys};
        }
        found++;
    }
    return found;
}

static bool
names_member(const struct access_entry *e)
{
    return makes(e->kind) && known(e->kind, e->kind_version);
}

int
access_members(const struct access_row *r, int (*emit)(void *arg, const struct subject_id *member), void *arg)
{
    int rc = 0;
    for (size_t i = 0; i < r->n && rc == 0; i++) {
        bool first = names_member(&r->entries[i]);
        for (size_t k = 0; k < i && first; k++) {
            first = !names_member(&r->entries[k]) || !TYPE_EQ(&r->entries[k].facts.member, &r->entries[i].facts.member);
        }
        rc = first ? emit(arg, &r->entries[i].facts.member) : 0;
    }
    return rc;
}
