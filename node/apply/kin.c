/* Rows of one subject in several units: what a handover ties together. docs/PROTOCOL.md §8 "Kin", §10 "Handover".
 * A row looks at the faces of its kin (node/rules/member_kin.c) when it is folded, and takes arrivals from them. A row whose face has changed
 * for a unit is followed by that unit's row, and so on, until nothing changes.
 *
 * That ends. Which entries faces have does not change meanwhile. Whether one is valid rests on events that it names or that lie in its past,
 * all of which were there when it was hashed, so never on itself; what a completion does rests on that, and on completions that are less by
 * (day, log id, seq) (fold_sort_trips). On a chain of such reasons each step into another row leads to an entry of that one's face, and to none twice:
 * HANDOVERS_MAX steps for each row about what is valid, and as many about what has effect.
 * Turns are taken in the order in which they were asked for, so that with all rows that want one each chain is one step nearer to its end. */
#include <stdlib.h>

#include "node/apply/apply_private.h"

static struct entity
entity_of(const struct subject_id *subject, const struct unit_id *unit)
{
    return (struct entity){.type = ENTITY_MEMBER, .unit = *unit, .subject = *subject};
}

static int
load(struct apply *a, const struct entity *e, struct member_row *ret, struct err *err)
{
    uint8_t raw[KEY_MEMBER];
    key_member(raw, &e->subject, &e->unit);
    int rc = entity_member_load(a, e, slice_of(raw, sizeof(raw)), ret, err);
    if (rc != 0)
        member_row_release(ret);
    return rc;
}

/* ---- faces that are kept ---- */

void
kin_clear(struct apply *a)
{
    for (size_t i = 0; i < a->faces.n; i++)
        member_row_release(&a->faces.v[i]);
    a->faces.n = 0;
}

void
kin_free(struct apply *a)
{
    kin_clear(a);
    free(a->faces.v);
    a->faces.v = NULL;
    a->faces.cap = 0;
}

static size_t
face_find(const struct apply *a, const struct subject_id *subject, const struct unit_id *unit)
{
    size_t i = 0;
    while (i < a->faces.n && !(TYPE_EQ(&a->faces.v[i].unit, unit) && TYPE_EQ(&a->faces.v[i].subject, subject)))
        i++;
    return i;
}

void
kin_stored(struct apply *a, const struct entity *e)
{
    size_t i = face_find(a, &e->subject, &e->unit);
    if (i == a->faces.n)
        return;
    member_row_release(&a->faces.v[i]);
    a->faces.v[i] = a->faces.v[--a->faces.n];
}

/* The face of the row as it is stored; valid until the next one is asked for. */
static int
face_of(struct apply *a, const struct entity *e, const struct member_row **ret, struct err *err)
{
    size_t i = face_find(a, &e->subject, &e->unit);
    if (i < a->faces.n) {
        *ret = &a->faces.v[i];
        return 0;
    }
    if (a->faces.n == FACES_KEPT)
        kin_clear(a);
    struct member_row row, face;
    void *v = a->faces.v;
    if (!grow(&v, &a->faces.cap, a->faces.n, sizeof(*a->faces.v)))
        return err_set(err, ERR_NOMEM, "kin: out of memory");
    a->faces.v = v;
    int rc = load(a, e, &row, err);
    if (rc != 0)
        return rc;
    rc = member_row_face(&row, &face, err);
    member_row_release(&row);
    if (rc != 0)
        return rc;
    a->faces.v[a->faces.n] = face;
    *ret = &a->faces.v[a->faces.n++];
    return 0;
}

int
entity_kin(void *arg, const struct subject_id *subject, const struct position *at, struct unit_id *ret_unit,
           struct member_entry *ret)
{
    struct apply *a = arg;
    struct log_row log;
    const struct member_row *face;
    int rc = evlog_find(a->txn, &at->log, &log, NULL);
    if (rc != 0)
        return rc;
    struct entity e = entity_of(subject, &log.unit);
    rc = face_of(a, &e, &face, &a->world_error);
    if (rc != 0)
        return rc;
    size_t i = member_entry_find(face, at);
    if (i == SIZE_MAX)
        return ERR_NOTFOUND;
    *ret = face->entries[i];
    *ret_unit = log.unit;
    return 0;
}

/* ---- turns ---- */

struct units {
    struct unit_id *v;
    size_t n, cap;
};

/* Adds a unit that is not there yet. */
static int
units_add(struct units *u, const struct unit_id *unit, struct err *err)
{
    for (size_t i = 0; i < u->n; i++)
        if (TYPE_EQ(&u->v[i], unit))
            return 0;
    void *v = u->v;
    if (!grow(&v, &u->cap, u->n, sizeof(*u->v)))
        return err_set(err, ERR_NOMEM, "kin: out of memory");
    u->v = v;
    u->v[u->n++] = *unit;
    return 0;
}

struct settling {
    struct apply *a;
    const struct entity *first;
    struct units turns; /* whose turn it is, each once at a time */
    struct units rows;  /* that had one */
    struct units other; /* of them, those that became others */
    uint64_t left;      /* turns that may follow before another row has its first */
    struct unit_id kin[HANDOVERS_MAX];
};

/* See above; the last steps find nothing changed. */
static uint64_t
turns_max(size_t rows)
{
    return (uint64_t)rows * (2 * (uint64_t)HANDOVERS_MAX * rows + 3);
}

/* Those who see something else in the face now have their turn. */
static int
face_changed(struct settling *s, const struct member_row *was, const struct member_row *is, struct err *err)
{
    int rc = 0;
    for (int which = 0; which < 2; which++) {
        size_t n = member_face_kin(which == 0 ? was : is, s->kin);
        for (size_t i = 0; i < n && rc == 0; i++)
            if (!member_face_same(was, is, &s->kin[i]))
                rc = units_add(&s->turns, &s->kin[i], err);
    }
    return rc;
}

/* Completions of kin that may be arrivals in a row with that face. */
static int
candidates_of(struct settling *s, const struct member_row *face, struct member_row *ret, struct err *err)
{
    size_t n = member_face_kin(face, s->kin);
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++) {
        struct entity e = entity_of(&face->subject, &s->kin[i]);
        const struct member_row *kin;
        rc = face_of(s->a, &e, &kin, err);
        if (rc == 0)
            rc = member_arrivals_add(ret, face, kin, s->a->dag, err);
    }
    return rc;
}

/* One row, which there is, against its kin. */
static int
turn_of(struct settling *s, const struct entity *e, struct member_row *row, struct err *err)
{
    struct member_row was, is, candidates;
    bool changed = false;
    int rc = member_row_face(row, &was, err);
    if (rc != 0)
        return rc;
    member_row_init(&is, &e->unit, &e->subject);
    member_row_init(&candidates, &e->unit, &e->subject);
    rc = candidates_of(s, &was, &candidates, err);
    if (rc == 0)
        rc = entity_member_refold(s->a, e, row, &candidates, &changed, err);
    if (rc == 0 && changed)
        rc = units_add(&s->other, &e->unit, err);
    if (rc == 0 && changed)
        rc = member_row_face(row, &is, err);
    if (rc == 0 && changed)
        rc = face_changed(s, &was, &is, err);
    member_row_release(&was);
    member_row_release(&is);
    member_row_release(&candidates);
    return rc;
}

static int
turn(struct settling *s, const struct unit_id *unit, struct err *err)
{
    struct entity e = entity_of(&s->first->subject, unit);
    struct member_row row;
    int rc = load(s->a, &e, &row, err);
    if (rc != 0)
        return rc;
    size_t before = s->rows.n;
    if (row.n > 0)
        rc = units_add(&s->rows, unit, err);
    if (s->rows.n > before)
        s->left = turns_max(s->rows.n);
    if (rc == 0 && row.n > 0 && s->left-- == 0)
        rc = err_set(err, ERR_CORRUPT, "rows of one member in several units do not settle");
    if (rc == 0 && row.n > 0)
        rc = turn_of(s, &e, &row, err);
    member_row_release(&row);
    s->a->stats.turns++;
    return rc;
}

/* What came into force in rows of other units meanwhile: only now, for what is erased does not come back. */
static int
note_erasures(struct settling *s, struct err *err)
{
    struct member_row row;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < s->other.n; i++) {
        struct entity e = entity_of(&s->first->subject, &s->other.v[i]);
        rc = load(s->a, &e, &row, err);
        if (rc != 0)
            break;
        rc = erasures_note(s->a, &row, err);
        member_row_release(&row);
    }
    return rc;
}

static int
settle(struct settling *s, const struct member_row *was, const struct member_row *is, struct err *err)
{
    int rc = face_changed(s, was, is, err);
    /* The row itself last: what came in, or fell out, may be an acceptance that a completion rests on. */
    if (rc == 0 && s->turns.n > 0)
        rc = units_add(&s->turns, &s->first->unit, err);
    while (rc == 0 && s->turns.n > 0) {
        struct unit_id unit = s->turns.v[0];
        memmove(&s->turns.v[0], &s->turns.v[1], --s->turns.n * sizeof(*s->turns.v));
        rc = turn(s, &unit, err);
    }
    return rc == 0 ? note_erasures(s, err) : rc;
}

int
kin_settle(struct apply *a, const struct entity *changed, const struct member_row *was, const struct member_row *row,
           struct err *err)
{
    struct settling s = {.a = a, .first = changed};
    struct member_row is;
    int rc = member_row_face(row, &is, err);
    if (rc != 0)
        return rc;
    rc = settle(&s, was, &is, err);
    member_row_release(&is);
    free(s.turns.v);
    free(s.rows.v);
    free(s.other.v);
    return rc;
}
