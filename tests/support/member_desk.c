/* See member_desk.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/support/member_desk.h"

void
desk_setup(struct member_desk *f)
{
    struct unit_id unit = {{1}};
    struct subject_id subject = {{2}};
    memset(f, 0, sizeof(*f));
    world_init(&f->world);
    world_add_log(&f->world, MAIN, world_at(0, 0), world_at(0, 0));
    world_add_log(&f->world, TAIL_A, world_at(MAIN, 20), world_at(0, 0));
    world_add_log(&f->world, TAIL_B, world_at(MAIN, 20), world_at(0, 0));
    world_add_log(&f->world, JOINED, world_at(TAIL_A, 20), world_at(TAIL_B, 20));
    f->office = world_office(&f->world, world_at(MAIN, 2));
    f->other_office = world_office(&f->world, world_at(MAIN, 2));
    memset(&f->no_office, 0xee, sizeof(f->no_office));
    for (size_t i = 0; i < ARRAY_LEN(f->seq); i++) {
        f->seq[i] = 2;
    }
    member_row_init(&f->row, &unit, &subject);
}

void
desk_teardown(struct member_desk *f)
{
    member_row_release(&f->row);
    world_release(&f->world);
}

struct member_entry
desk_entry(struct member_desk *f, uint8_t log, uint16_t kind, int day)
{
    struct member_entry e;
    memset(&e, 0, sizeof(e));
    e.at = world_at(log, ++f->seq[log]);
    e.kind = kind;
    e.kind_version = 1;
    e.effective.days = day;
    e.outcome = OUTCOME_APPLIED;
    if (kind == KIND_APPLICATION_RECEIVED || kind == KIND_MEMBER_ADMITTED) {
        e.category = CATEGORY_A;
        e.person_type = PERSON_NATURAL;
        e.has_office = true;
        e.office = f->office;
    }
    if (kind == KIND_MEMBER_ADMITTED || kind == KIND_SHARES_SUBSCRIBED) {
        e.shares = 2;
        e.share_price_minor = 3000;
        memcpy(e.currency, "EUR", 4);
    }
    e.category = kind == KIND_CATEGORY_CHANGED ? CATEGORY_B : e.category;
    return e;
}

void
desk_refer(struct member_entry *e, enum ref_role role, struct position to)
{
    e->refs[e->n_refs++] = world_ref(role, to);
}

struct position
desk_add(struct member_desk *f, const struct member_entry *e)
{
    assert_int_equal(member_row_add(&f->row, e, &f->world.w, &f->missing, NULL), 0);
    return e->at;
}

struct position
desk_put(struct member_desk *f, uint8_t log, uint16_t kind, int day)
{
    struct member_entry e = desk_entry(f, log, kind, day);
    return desk_add(f, &e);
}

struct position
desk_put_ref(struct member_desk *f, uint8_t log, uint16_t kind, int day, enum ref_role role, struct position to)
{
    struct member_entry e = desk_entry(f, log, kind, day);
    desk_refer(&e, role, to);
    return desk_add(f, &e);
}

const struct member_entry *
desk_at(const struct member_desk *f, struct position p)
{
    for (size_t i = 0; i < f->row.n; i++) {
        if (f->row.entries[i].at.seq == p.seq && TYPE_EQ(&f->row.entries[i].at.log, &p.log)) {
            return &f->row.entries[i];
        }
    }
    fail();
    return NULL;
}

void
desk_expect(const struct member_desk *f, struct position p, enum outcome outcome, enum void_reason reason)
{
    assert_int_equal(desk_at(f, p)->outcome, outcome);
    assert_int_equal(desk_at(f, p)->reason, reason);
}

struct member_state
desk_state_on(const struct member_desk *f, int day)
{
    struct member_state s;
    member_state_at(&f->row, (struct civil_date){day}, &s);
    return s;
}

int
desk_collect(void *arg, const struct contribution *c)
{
    struct desk_totals *t = arg;
    assert_true(t->n < ARRAY_LEN(t->c));
    t->c[t->n++] = *c;
    return 0;
}
