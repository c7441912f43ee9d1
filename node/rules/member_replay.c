/* See member_step.h: which entry fills a slot, the order of a row's applied entries, and a row replayed to a day. docs/PROTOCOL.md §10. */
#include "node/rules/member_step.h"

uint32_t
member_index_of(const struct member_row *r, const struct log_id *log, uint64_t seq)
{
    for (size_t i = 0; i < r->n; i++) {
        if (r->entries[i].at.seq == seq && TYPE_EQ(&r->entries[i].at.log, log)) {
            return (uint32_t)i;
        }
    }
    return FOLD_NONE;
}

/* Bounded, for a row that a disk has damaged. */
uint32_t
member_slot_of(const struct member_row *r, uint32_t i)
{
    for (size_t step_no = 0; step_no < r->n; step_no++) {
        uint32_t next = FOLD_NONE;
        for (uint8_t k = 0; k < r->entries[i].n_refs; k++) {
            const struct event_ref *ref = &r->entries[i].refs[k];
            if (fold_ref_of_slot(ref)) {
                next = member_index_of(r, &ref->log, ref->seq);
            }
        }
        if (next == FOLD_NONE) {
            break;
        }
        i = next;
    }
    return i;
}

/* The filler of a slot: its last valid entry in the order of the row. */
uint32_t
member_filler_of(const struct member_row *r, uint32_t slot)
{
    uint32_t found = slot;
    for (uint32_t i = 0; i < r->n; i++) {
        enum outcome o = r->entries[i].outcome;
        if ((o == OUTCOME_APPLIED || o == OUTCOME_CONFLICT) && member_slot_of(r, i) == slot) {
            found = i;
        }
    }
    return found;
}

size_t
member_slot_filler(const struct member_row *r, size_t i)
{
    return member_filler_of(r, member_slot_of(r, (uint32_t)i));
}

size_t
member_entry_find(const struct member_row *r, const struct position *at)
{
    uint32_t i = member_index_of(r, &at->log, at->seq);
    return i == FOLD_NONE ? SIZE_MAX : i;
}

static struct fold_trip
trip_of(const void *ctx, uint32_t filler)
{
    const struct member_row *r = ctx;
    return (struct fold_trip){.at = &r->entries[filler].at, .departure = member_departs(&r->entries[filler])};
}

/* Among arrivals, departures count that have no effect too, as they do in the fold. */
static void
order_trips(const struct member_row *r, struct member_order *ret)
{
    for (uint32_t i = 0; i < r->n; i++) {
        const struct member_entry *e = &r->entries[i];
        if (e->outcome == OUTCOME_CONFLICT && member_departs(e)) {
            ret->keys[ret->n++] = fold_key(e->effective.days, i, i);
        }
    }
    fold_sort(ret->keys, ret->n);
    fold_sort_trips(ret->keys, ret->n, r, trip_of);
    size_t n = 0;
    for (size_t i = 0; i < ret->n; i++) {
        if (r->entries[ret->keys[i] & 0xffff].outcome == OUTCOME_APPLIED) {
            ret->keys[n++] = ret->keys[i];
        }
    }
    ret->n = n;
}

void
member_order_of(const struct member_row *r, struct member_order *ret)
{
    bool arrivals = false;
    ret->n = 0;
    for (uint32_t i = 0; i < r->n; i++) {
        if (r->entries[i].outcome == OUTCOME_APPLIED) {
            const struct member_entry *e = &r->entries[i];
            uint32_t slot = member_slot_of(r, i);
            arrivals = arrivals || e->arrival;
            ret->keys[ret->n++] =
                e->arrival ? fold_key_early(e->effective.days, slot, i) : fold_key(e->effective.days, slot, i);
        }
    }
    if (arrivals) {
        order_trips(r, ret);
    } else {
        fold_sort(ret->keys, ret->n);
    }
}

const struct member_entry *
member_order_at(const struct member_row *r, const struct member_order *o, size_t i)
{
    return &r->entries[o->keys[i] & 0xffff];
}

void
member_order_step(const struct member_row *r, const struct member_order *o, size_t i, struct member_fold *f)
{
    const struct member_entry *e = member_order_at(r, o, i);
    uint32_t other = FOLD_NONE;
    for (uint8_t k = 0; k < e->n_refs; k++) {
        const struct event_ref *ref = &e->refs[k];
        uint32_t target = fold_ref_of_slot(ref) ? FOLD_NONE : member_index_of(r, &ref->log, ref->seq);
        other = target == FOLD_NONE ? other : member_slot_of(r, target);
    }
    (void)member_step(f, e, (uint32_t)(o->keys[i] >> 16 & 0xffff), other);
}

void
member_fold_to(const struct member_row *r, struct civil_date as_of, struct member_fold *ret)
{
    struct member_order o;
    member_order_of(r, &o);
    member_fold_start(ret);
    for (size_t i = 0; i < o.n && member_order_at(r, &o, i)->effective.days <= as_of.days; i++) {
        member_order_step(r, &o, i, ret);
    }
}
