/* What ties the rows of one subject in several units: faces, by which they see one another, and arrivals, which they take from one another.
 * docs/PROTOCOL.md §8 "Kin", §10 "Handover". Which entries a face has, who is kin and which completions may be arrivals rests on the set of events
 * alone, never on what is valid: so no bound here can make two rows wait for one another. */
#include <stdlib.h>

#include "node/rules/member_step.h"

bool
member_row_has_kin(const struct member_row *r)
{
    for (size_t i = 0; i < r->n; i++) {
        uint16_t kind = r->entries[i].kind;
        if (kind >= KIND_HANDOVER_OFFERED && kind <= KIND_HANDOVER_RECEIVED) {
            return true;
        }
    }
    return false;
}

bool
member_moving_scarce(const void *entry)
{
    const struct member_entry *e = entry;
    return !e->arrival && e->kind >= KIND_HANDOVER_OFFERED && e->kind <= KIND_HANDOVER_COMPLETED;
}

int
member_row_face(const struct member_row *r, struct member_row *ret, struct err *err)
{
    struct row face = {.type = &member_row_type};
    size_t scarce = 0;
    int rc = 0;
    for (size_t i = 0; i < r->n && scarce < HANDOVERS_MAX && rc == 0; i++) {
        const struct member_entry *e = &r->entries[i];
        if (!member_moving_scarce(e)) {
            continue;
        }
        scarce++;
        if (e->has_home && e->kind_version == 1) {
            rc = row_insert(&face, face.n, e, err);
        }
    }
    if (rc != 0) {
        free(face.entries);
        return rc;
    }
    member_row_init(ret, &r->unit, &r->subject);
    ROW_BACK(ret, face);
    return 0;
}

size_t
member_face_kin(const struct member_row *face, struct unit_id ret[HANDOVERS_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < face->n; i++) {
        const struct unit_id *home = &face->entries[i].home;
        bool there = TYPE_EQ(home, &face->unit);
        for (size_t k = 0; k < n && !there; k++) {
            there = TYPE_EQ(&ret[k], home);
        }
        if (!there) {
            ret[n++] = *home;
        }
    }
    return n;
}

/* The next entry from i on that names a unit; n if there is none. */
static size_t
next_for(const struct member_row *face, size_t i, const struct unit_id *unit)
{
    while (i < face->n && !TYPE_EQ(&face->entries[i].home, unit)) {
        i++;
    }
    return i;
}

bool
member_face_same(const struct member_row *a, const struct member_row *b, const struct unit_id *seen_by)
{
    size_t i = next_for(a, 0, seen_by), k = next_for(b, 0, seen_by);
    while (i < a->n && k < b->n) {
        const struct member_entry *x = &a->entries[i], *y = &b->entries[k];
        if (x->at.seq != y->at.seq || !TYPE_EQ(&x->at.log, &y->at.log) || x->outcome != y->outcome ||
            x->reason != y->reason) {
            return false;
        }
        i = next_for(a, i + 1, seen_by);
        k = next_for(b, k + 1, seen_by);
    }
    return i == a->n && k == b->n;
}

/* Whether `from` may have an arrival for `to` in entry i of its face. */
static bool
arrives(const struct member_row *from, size_t i, const struct member_row *to)
{
    const struct member_entry *e = &from->entries[i];
    const struct event_ref *ref = member_ref_of(e, REF_ACCEPTANCE);
    uint32_t k = e->kind == KIND_HANDOVER_COMPLETED && TYPE_EQ(&e->home, &to->unit) && ref != NULL
                     ? member_index_of(to, &ref->log, ref->seq)
                     : FOLD_NONE;
    return k != FOLD_NONE && to->entries[k].kind == KIND_HANDOVER_ACCEPTED &&
           TYPE_EQ(&to->entries[k].home, &from->unit);
}

int
member_arrivals_add(struct member_row *candidates, const struct member_row *to, const struct member_row *from,
                    const struct dag *dag, struct err *err)
{
    struct row row = ROW_OF(&member_row_type, candidates, NULL);
    int rc = 0;
    for (size_t i = 0; i < from->n && rc == 0; i++) {
        if (!arrives(from, i, to)) {
            continue;
        }
        struct member_entry e = from->entries[i];
        bool there;
        e.home = from->unit;
        size_t at = row_place_of(&row, dag, &e.at, &there);
        if (!there && at < MEMBER_ARRIVALS_MAX) {
            rc = row_insert(&row, at, &e, err);
        }
        if (row.n > MEMBER_ARRIVALS_MAX) {
            row_remove(&row, MEMBER_ARRIVALS_MAX);
        }
        ROW_BACK(candidates, row);
    }
    return rc;
}

/* The arrival that a candidate is; false if it is not valid where it is written. */
static bool
arrival_of(const struct member_entry *candidate, struct member_entry *ret)
{
    enum outcome o = candidate->outcome;
    *ret = *candidate;
    ret->arrival = true;
    ret->origin_reason = o == OUTCOME_APPLIED ? VOID_NONE : (uint8_t)candidate->reason;
    ret->outcome = OUTCOME_APPLIED;
    ret->reason = VOID_NONE;
    ret->capsule_mask = 0;
    return o == OUTCOME_APPLIED || o == OUTCOME_REPLACED || o == OUTCOME_CONFLICT;
}

static bool
same_arrivals(const struct member_row *r, const struct member_row *candidates)
{
    struct member_entry wanted;
    size_t i = 0;
    for (size_t k = 0; k < candidates->n; k++) {
        if (!arrival_of(&candidates->entries[k], &wanted)) {
            continue;
        }
        while (i < r->n && !r->entries[i].arrival) {
            i++;
        }
        if (i == r->n || r->entries[i].at.seq != wanted.at.seq || !TYPE_EQ(&r->entries[i].at.log, &wanted.at.log) ||
            r->entries[i].origin_reason != wanted.origin_reason) {
            return false;
        }
        i++;
    }
    while (i < r->n && !r->entries[i].arrival) {
        i++;
    }
    return i == r->n;
}

int
member_row_arrive(struct member_row *to, const struct member_row *candidates, const struct dag *dag, bool *ret_changed,
                  struct err *err)
{
    struct row row = ROW_OF(&member_row_type, to, NULL);
    struct member_entry arrival;
    int rc = 0;
    *ret_changed = !same_arrivals(to, candidates);
    for (size_t i = row.n; *ret_changed && i-- > 0;) {
        if (to->entries[i].arrival) {
            row_remove(&row, i);
        }
    }
    for (size_t i = 0; *ret_changed && i < candidates->n && rc == 0; i++) {
        bool there;
        if (arrival_of(&candidates->entries[i], &arrival)) {
            rc = row_insert(&row, row_place_of(&row, dag, &arrival.at, &there), &arrival, err);
        }
    }
    ROW_BACK(to, row);
    return rc;
}
