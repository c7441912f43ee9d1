/* See row.h. docs/PROTOCOL.md §10. */
#include <stdlib.h>

#include "node/rules/row.h"

struct row_entry *
row_at(const struct row *r, size_t i)
{
    return (struct row_entry *)(void *)((uint8_t *)r->entries + i * r->type->entry_size);
}

/* ---- entries from events ---- */

static void
start(const struct row_type *t, const struct position *at, const struct event_header *h, const struct event_common *c,
      struct row_entry *ret)
{
    memset((void *)ret, 0, t->entry_size);
    ret->at = *at;
    ret->kind = h->kind;
    ret->kind_version = h->kind_version;
    ret->effective = c->has_effective ? c->effective : DATE_NONE;
    ret->outcome = OUTCOME_APPLIED;
}

static bool
has_links(const struct event_header *h)
{
    for (uint8_t i = 0; i < h->n_capsules; i++) {
        if (h->capsules[i].class == CLASS_ACTIVITY) {
            return true;
        }
    }
    return false;
}

void
row_entry_from_event(const struct row_type *t, const struct position *at, const struct event_header *h,
                     const struct event_common *c, struct row_entry *ret)
{
    start(t, at, h, c, ret);
    ret->n_refs = fold_refs_take(t->rules, h, ret->refs, t->refs_max);
    if (t->links_at != 0) {
        *(bool *)((uint8_t *)ret + t->links_at) = has_links(h);
    }
}

bool
row_entry_unknown(const struct row_type *t, const struct position *at, const struct event_header *h,
                  const struct event_common *c, struct row_entry *ret)
{
    if (!h->must_understand) {
        return false;
    }
    start(t, at, h, c, ret);
    ret->outcome = OUTCOME_UNKNOWN;
    return true;
}

uint8_t
row_no_role(uint16_t kind, bool *ret_required, uint16_t *ret_target)
{
    *ret_required = false;
    *ret_target = kind;
    return 0;
}

/* ---- entries in their order ---- */

size_t
row_place_of(const struct row *r, const struct dag *dag, const struct position *at, bool *ret_there)
{
    size_t i = r->n;
    int order = 1;
    while (i > 0 && (order = fold_compare(dag, at, &row_at(r, i - 1)->at)) < 0) {
        i--;
    }
    *ret_there = i > 0 && order == 0;
    return i;
}

int
row_insert(struct row *r, size_t i, const void *entry, struct err *err)
{
    if (r->n == r->cap) {
        size_t cap = r->cap == 0 ? 2 : r->cap * 2;
        void *more = realloc(r->entries, cap * r->type->entry_size);
        if (more == NULL) {
            return err_set(err, ERR_NOMEM, "%s: out of memory", r->type->what);
        }
        r->entries = more;
        r->cap = cap;
    }
    memmove((void *)row_at(r, i + 1), (const void *)row_at(r, i), (r->n - i) * r->type->entry_size);
    memcpy((void *)row_at(r, i), entry, r->type->entry_size);
    r->n++;
    return 0;
}

void
row_remove(struct row *r, size_t i)
{
    memmove((void *)row_at(r, i), (const void *)row_at(r, i + 1), (r->n - i - 1) * r->type->entry_size);
    r->n--;
}

/* Entry `from` moves to place `to`; those between close up. By swaps: without memory, and rare. */
static void
row_rotate(struct row *r, size_t from, size_t to)
{
    const size_t size = r->type->entry_size;
    while (from != to) {
        size_t next = from < to ? from + 1 : from - 1;
        uint8_t *a = (uint8_t *)(void *)row_at(r, from), *b = (uint8_t *)(void *)row_at(r, next);
        for (size_t k = 0; k < size; k++) {
            uint8_t t = a[k];
            a[k] = b[k];
            b[k] = t;
        }
        from = next;
    }
}

/* ---- folding ---- */

static void
fill(const struct row_type *t, struct fold_item *item, const struct row_entry *e)
{
    memset(item, 0, sizeof(*item));
    item->at = &e->at;
    item->entry = e;
    item->kind = e->kind;
    item->kind_version = e->kind_version;
    item->day = e->effective.days;
    item->n_refs = e->n_refs;
    item->refs = e->refs;
    item->outcome = e->outcome;
    item->reason = e->reason;
    item->departure = t->rules->departure != NULL && t->rules->departure(e);
    item->arrival = t->rules->arrival != NULL && t->rules->arrival(e, &item->arrival_reason);
}

/* The first n of the row, and one after them unless it is NULL. */
static void
fill_all(const struct row *r, size_t n, const struct row_entry *more, struct fold *f)
{
    const struct fold_rules *rules = r->type->rules;
    size_t scarce = 0;
    for (size_t i = 0; i < n + (more != NULL); i++) {
        const struct row_entry *e = i < n ? row_at(r, i) : more;
        fill(r->type, &f->items[i], e);
        if (rules->scarce != NULL && rules->scarce(e)) {
            f->items[i].surplus = scarce++ >= rules->scarce_max;
        }
    }
}

static void
write_back(struct row *r, const struct fold *f, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        row_at(r, i)->outcome = f->items[i].outcome;
        row_at(r, i)->reason = f->items[i].reason;
    }
}

int
row_fold(struct row *r, size_t n, uint32_t newest, const struct member_world *w, struct missing *ret_missing,
         struct err *err)
{
    struct fold f;
    int rc = fold_init(&f, r->type->rules, w, r->ctx, r->state, n, err);
    if (rc != 0) {
        return rc;
    }
    fill_all(r, n, NULL, &f);
    rc = fold_update(&f, newest, err);
    if (rc == 0) {
        write_back(r, &f, n);
        *ret_missing = f.missing;
    }
    fold_release(&f);
    return rc;
}

static bool
is_arrival(const struct row *r, size_t i)
{
    enum void_reason reason;
    return r->type->rules->arrival != NULL && r->type->rules->arrival(row_at(r, i), &reason);
}

/* Of the first n entries, those that are the row's own. */
static size_t
own_of(const struct row *r, size_t n)
{
    size_t own = n;
    for (size_t i = 0; i < n && r->type->rules->arrival != NULL; i++) {
        own -= is_arrival(r, i);
    }
    return own;
}

int
row_add(struct row *r, const void *entry, const struct member_world *w, struct missing *ret_missing, struct err *err)
{
    const struct row_entry *e = entry;
    bool there;
    size_t i = row_place_of(r, w->dag, &e->at, &there);
    if (there || own_of(r, i) >= MEMBER_ENTRIES_MAX) {
        *ret_missing = (struct missing){.has = false};
        return 0;
    }
    int rc = row_insert(r, i, entry, err);
    if (rc != 0) {
        return rc;
    }
    /* The last of its own events gives way where there are too many; it waits behind the others until all went well. */
    bool full = own_of(r, r->n) > MEMBER_ENTRIES_MAX;
    size_t last = r->n - 1;
    while (full && is_arrival(r, last)) {
        last--;
    }
    full = full && last != i;
    if (full) {
        row_rotate(r, last, r->n - 1);
    }
    rc = row_fold(r, full ? r->n - 1 : r->n, full ? FOLD_NONE : (uint32_t)i, w, ret_missing, err);
    if (rc != 0) {
        if (full) {
            row_rotate(r, r->n - 1, last);
        }
        row_remove(r, i);
    } else if (full) {
        r->n--;
    }
    return rc;
}

/* ---- the desk's question ---- */

static int
say_common(const struct row *r, uint16_t kind, enum void_reason reason, const struct row_entry *later, struct err *err)
{
    char day[DATE_TEXT_MAX];
    switch (reason) {
    case VOID_MAKES_IMPOSSIBLE:
        if (kind == r->type->rules->cancels) {
            return err_field(err, ERR_CONFLICT, "event",
                             "event: %s of %s, recorded before, rests on it; cancel that one first",
                             event_kind_name(later->kind), date_format(later->effective, day));
        }
        return err_field(err, ERR_CONFLICT, "effective_on",
                         "effective_on: %s of %s, recorded before, would become impossible",
                         event_kind_name(later->kind), date_format(later->effective, day));
    case VOID_REFERENCE:
        return err_field(err, ERR_CONFLICT, "reference", "reference: the event %s is missing, void, or of another kind",
                         r->type->refers);
    case VOID_NO_OFFICE: return err_field(err, ERR_NOTFOUND, "office", "office: the unit has not opened it");
    case VOID_TOO_MANY:
        return err_field(err, ERR_CONFLICT, "subject", "subject: %d events, no more can be recorded", MEMBER_PAST_MAX);
    default: return err_field(err, ERR_CONFLICT, "kind", "kind: it %s", void_reason_text(reason));
    }
}

/* The first n of the row and then e, outcomes and all. */
static int
after(const struct row *r, size_t n, const void *e, const struct fold *f, struct row *ret, struct err *err)
{
    void *entries = malloc((n + 1) * r->type->entry_size);
    if (entries == NULL) {
        return err_set(err, ERR_NOMEM, "%s: out of memory", r->type->what);
    }
    *ret = *r;
    ret->entries = entries;
    ret->cap = ret->n = n + 1;
    if (n > 0) {
        memcpy(entries, r->entries, n * r->type->entry_size);
    }
    memcpy((void *)row_at(ret, n), e, r->type->entry_size);
    write_back(ret, f, n + 1);
    return 0;
}

int
row_try(const struct row *r, size_t n, const void *entry, const struct member_world *w, struct row *ret_after,
        struct err *err)
{
    const struct row_entry *e = entry;
    if (!r->type->rules->known(e->kind, e->kind_version)) {
        return err_field(err, ERR_INVALID, "kind", "kind: %u in version %u is none of a %s", e->kind, e->kind_version,
                         r->type->what);
    }
    struct fold f;
    int rc = fold_init(&f, r->type->rules, w, r->ctx, r->state, n + 1, err);
    if (rc != 0) {
        return rc;
    }
    fill_all(r, n, e, &f);
    f.items[n].outcome = OUTCOME_VOID;
    fold_link(&f);
    bool done = false;
    rc = fold_append(&f, (uint32_t)n, &done, err);
    if (rc == 0 && !done) {
        rc = err_field(err, ERR_CONFLICT, "subject",
                       "subject: an earlier event waits for one that has not arrived, or needs a newer program");
    } else if (rc == 0 && f.items[n].outcome == OUTCOME_WAITING) {
        rc = err_field(err, ERR_CONFLICT, "reference", "reference: the event %s has not arrived yet", r->type->refers);
    } else if (rc == 0 && f.items[n].outcome != OUTCOME_APPLIED) {
        enum void_reason reason = f.items[n].reason;
        rc = r->type->say(r, e, reason, err);
        if (rc == 0) {
            rc = say_common(r, e->kind, reason, reason == VOID_MAKES_IMPOSSIBLE ? f.items[f.impossible].entry : NULL,
                            err);
        }
    }
    if (rc == 0 && ret_after != NULL) {
        rc = after(r, n, e, &f, ret_after, err);
    }
    fold_release(&f);
    return rc;
}

/* ---- slots ---- */

size_t
row_index_of(const struct row *r, const struct log_id *log, uint64_t seq)
{
    size_t k = 0;
    while (k < r->n && (row_at(r, k)->at.seq != seq || !TYPE_EQ(&row_at(r, k)->at.log, log))) {
        k++;
    }
    return k;
}

size_t
row_slot_of(const struct row *r, size_t i)
{
    /* The bound is for rows damaged on disk. */
    for (size_t step = 0; step < r->n; step++) {
        const struct row_entry *e = row_at(r, i);
        size_t k = r->n;
        for (uint8_t ref = 0; ref < e->n_refs && k == r->n; ref++) {
            if (fold_ref_of_slot(&e->refs[ref])) {
                k = row_index_of(r, &e->refs[ref].log, e->refs[ref].seq);
            }
        }
        if (k == r->n) {
            break;
        }
        i = k;
    }
    return i;
}

bool
row_slot_empty(const struct row *r, size_t i)
{
    size_t slot = row_slot_of(r, i);
    for (size_t k = 0; k < r->n; k++) {
        const struct row_entry *e = row_at(r, k);
        if (e->outcome == OUTCOME_APPLIED && e->kind == r->type->rules->cancels && row_slot_of(r, k) == slot) {
            return true;
        }
    }
    return false;
}

size_t
row_order(const struct row *r, uint64_t *keys)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++) {
        const struct row_entry *e = row_at(r, i);
        if (e->outcome == OUTCOME_APPLIED) {
            keys[n++] = fold_key(e->effective.days, (uint32_t)row_slot_of(r, i), (uint32_t)i);
        }
    }
    fold_sort(keys, n);
    return n;
}

size_t
row_order_at(uint64_t key)
{
    return (size_t)(key & 0xffff);
}

size_t
row_order_slot(uint64_t key)
{
    return (size_t)(key >> 16 & 0xffff);
}

/* ---- capsules ---- */

bool
row_links_of(const struct row *r, size_t slot, struct position *ret)
{
    for (size_t i = r->n; i-- > 0;) {
        const struct row_entry *e = row_at(r, i);
        bool stands = e->outcome == OUTCOME_APPLIED || e->outcome == OUTCOME_REPLACED;
        bool links = *(const bool *)((const uint8_t *)e + r->type->links_at);
        if (stands && links && row_slot_of(r, i) == slot) {
            *ret = e->at;
            return true;
        }
    }
    return false;
}

bool
facets_equal(const struct activity_facets *a, const struct activity_facets *b)
{
    return TYPE_EQ(&a->office, &b->office) && a->sector == b->sector && a->culture == b->culture;
}
