/* Offices and units: opened, changed, closed; the description in force; bytes of their rows. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "node/rules/place.h"
#include "tests/support/rules_world.h"

struct fixture {
    struct world world;
    struct place_row row;
    struct missing missing;
    uint64_t seq[4];
};

static void
setup(struct fixture *f)
{
    struct unit_id unit = {{1}};
    struct office_id office = {{2}};
    memset(f, 0, sizeof(*f));
    world_init(&f->world);
    world_add_log(&f->world, 1, world_at(0, 0), world_at(0, 0));
    world_add_log(&f->world, 2, world_at(1, 20), world_at(0, 0));
    world_add_log(&f->world, 3, world_at(1, 20), world_at(0, 0));
    place_row_init(&f->row, &unit, &office);
}

static void
teardown(struct fixture *f)
{
    place_row_release(&f->row);
    world_release(&f->world);
}

static struct place_entry
entry(struct fixture *f, uint8_t log, uint16_t kind, int day, const char *name)
{
    struct event_header h = {.kind = kind, .kind_version = 1};
    struct event_payload p;
    struct place_entry e;
    memset(&p, 0, sizeof(p));
    p.kind = kind;
    p.common.has_effective = true;
    p.common.effective.days = day;
    if (kind == KIND_UNIT_DESCRIBED) {
        p.unit = (struct unit_described){.country = "BE",
                                         .currency = "EUR",
                                         .n_languages = 2,
                                         .contribution_bp = 650,
                                         .share_price_minor = 3000,
                                         .languages = {"nl", "fr"}};
        memcpy(p.unit.name.s, name, strlen(name));
        memcpy(p.unit.time_zone.s, "Europe/Brussels", 15);
    } else if (kind != KIND_OFFICE_CLOSED) {
        p.office = (struct office_facts){.country = "BE"};
        memcpy(p.office.name.s, name, strlen(name));
        memcpy(p.office.city.s, "Gent", 4);
    }
    struct position at = world_at(log, 2 + ++f->seq[log]);
    place_entry_from_event(&at, &h, &p, &e);
    return e;
}

static const struct place_entry *
add(struct fixture *f, const struct place_entry *e)
{
    assert_int_equal(place_row_add(&f->row, e, &f->world.w, &f->missing, NULL), 0);
    for (size_t i = 0; i < f->row.n; i++) {
        if (f->row.entries[i].at.seq == e->at.seq && TYPE_EQ(&f->row.entries[i].at.log, &e->at.log)) {
            return &f->row.entries[i];
        }
    }
    fail();
    return NULL;
}

static void
put(struct fixture *f, uint8_t log, uint16_t kind, int day, const char *name, enum void_reason want)
{
    struct place_entry e = entry(f, log, kind, day, name);
    assert_int_equal(place_row_try(&f->row, &e, &f->world.w, NULL), want == VOID_NONE ? 0 : ERR_CONFLICT);
    const struct place_entry *is = add(f, &e);
    assert_int_equal(is->reason, want);
    assert_int_equal(is->outcome, want == VOID_NONE ? OUTCOME_APPLIED : OUTCOME_VOID);
}

static void
an_office_is_opened_changed_and_closed(void **state)
{
    struct fixture f;
    struct office_state s;
    setup(&f);
    put(&f, 1, KIND_OFFICE_CHANGED, 5, "none yet", VOID_NO_OFFICE);
    put(&f, 1, KIND_OFFICE_CLOSED, 5, "", VOID_NO_OFFICE);
    put(&f, 1, KIND_OFFICE_OPENED, 10, "Dok", VOID_NONE);
    put(&f, 1, KIND_OFFICE_OPENED, 11, "twice", VOID_OFFICE_EXISTS);
    put(&f, 1, KIND_OFFICE_CHANGED, 15, "Dok Noord", VOID_NONE);
    put(&f, 1, KIND_OFFICE_CLOSED, 12, "", VOID_MAKES_IMPOSSIBLE);
    put(&f, 1, KIND_OFFICE_CLOSED, 20, "", VOID_NONE);
    put(&f, 1, KIND_OFFICE_CHANGED, 21, "too late", VOID_OFFICE_CLOSED);
    put(&f, 1, KIND_OFFICE_OPENED, 21, "again", VOID_OFFICE_CLOSED);
    assert_false(office_state_at(&f.row, (struct civil_date){9}, &s));
    assert_true(office_state_at(&f.row, (struct civil_date){10}, &s));
    assert_string_equal(s.facts.name.s, "Dok");
    assert_true(s.open);
    assert_true(office_state_at(&f.row, (struct civil_date){20}, &s));
    assert_string_equal(s.facts.name.s, "Dok Noord");
    assert_false(s.open);
    assert_int_equal(s.closed_on.days, 20);
    assert_int_equal(s.opened_on.days, 10);
    teardown(&f);
}

static void
concurrent_openings_conflict_and_corrections_replace(void **state)
{
    struct fixture f;
    struct office_state s;
    setup(&f);
    struct place_entry a = entry(&f, 2, KIND_OFFICE_OPENED, 10, "A"), b = entry(&f, 3, KIND_OFFICE_OPENED, 9, "B");
    add(&f, &a);
    add(&f, &b);
    assert_int_equal(f.row.entries[0].outcome, OUTCOME_CONFLICT);
    assert_int_equal(f.row.entries[0].reason, VOID_OFFICE_EXISTS);
    struct place_entry c = entry(&f, 3, KIND_OFFICE_OPENED, 8, "C");
    c.refs[c.n_refs++] = world_ref(REF_CORRECTS, b.at);
    assert_int_equal(add(&f, &c)->outcome, OUTCOME_APPLIED);
    assert_true(office_state_at(&f.row, DATE_MAX, &s));
    assert_string_equal(s.facts.name.s, "C");
    struct place_entry d = entry(&f, 3, KIND_OFFICE_CLOSED, 30, "");
    d.refs[d.n_refs++] = world_ref(REF_CORRECTS, b.at);
    assert_int_equal(add(&f, &d)->reason, VOID_REFERENCE);
    struct place_entry e = entry(&f, 3, KIND_OFFICE_CLOSED, 30, "");
    struct position away = world_at(2, 90);
    world_hide(&f.world, away);
    e.refs[e.n_refs++] = world_ref(REF_CORRECTS, away);
    assert_int_equal(place_row_try(&f.row, &e, &f.world.w, NULL), ERR_CONFLICT);
    assert_int_equal(add(&f, &e)->outcome, OUTCOME_WAITING);
    assert_true(f.missing.has);
    world_hold(&f.world, away);
    assert_int_equal(place_row_refold(&f.row, &f.world.w, &f.missing, NULL), 0);
    assert_false(f.missing.has);
    teardown(&f);
}

static void
an_opening_counts_for_members_from_its_position_on_valid_or_not(void **state)
{
    struct fixture f;
    struct position before = world_at(1, 3), after = world_at(1, 4), tail = world_at(2, 1);
    setup(&f);
    assert_false(office_opened_before(&f.row, f.world.dag, &after));
    put(&f, 1, KIND_OFFICE_OPENED, 10, "Dok", VOID_NONE);
    assert_false(office_opened_before(&f.row, f.world.dag, &before));
    assert_true(office_opened_before(&f.row, f.world.dag, &after));
    assert_true(office_opened_before(&f.row, f.world.dag, &tail));
    teardown(&f);
}

static void
the_last_description_on_or_before_a_day_is_in_force(void **state)
{
    struct fixture f;
    struct unit_described u;
    setup(&f);
    put(&f, 1, KIND_UNIT_DESCRIBED, 20, "Later", VOID_NONE);
    put(&f, 1, KIND_UNIT_DESCRIBED, 10, "Earlier", VOID_NONE);
    assert_false(unit_state_at(&f.row, (struct civil_date){9}, &u));
    assert_true(unit_state_at(&f.row, (struct civil_date){19}, &u));
    assert_string_equal(u.name.s, "Earlier");
    assert_true(unit_state_at(&f.row, (struct civil_date){20}, &u));
    assert_string_equal(u.name.s, "Later");
    struct place_entry e = entry(&f, 1, KIND_OFFICE_OPENED, 1, "x");
    e.kind_version = 2;
    assert_int_equal(place_row_try(&f.row, &e, &f.world.w, NULL), ERR_INVALID);
    teardown(&f);
}

static void
rows_come_back_as_they_were_and_damage_is_noticed(void **state)
{
    for (int unit = 0; unit < 2; unit++) {
        struct fixture f;
        struct buf a, b;
        struct place_row back;
        setup(&f);
        buf_init(&a, MEMBER_ROW_BYTES_MAX);
        buf_init(&b, MEMBER_ROW_BYTES_MAX);
        if (unit) {
            memcpy(f.row.unit_code, "BE", 3);
            put(&f, 1, KIND_UNIT_DESCRIBED, 20, "Smart", VOID_NONE);
        } else {
            put(&f, 1, KIND_OFFICE_OPENED, 20, "Dok", VOID_NONE);
            put(&f, 2, KIND_OFFICE_OPENED, 20, "twice", VOID_OFFICE_EXISTS);
        }
        assert_int_equal(place_row_encode(&f.row, &a, NULL), 0);
        for (size_t n = 0; n < a.len; n++) {
            assert_int_equal(place_row_decode(slice_of(a.data, n), &f.row.unit, &f.row.office, &back, NULL),
                             ERR_CORRUPT);
        }
        assert_int_equal(place_row_decode(buf_slice(&a), &f.row.unit, &f.row.office, &back, NULL), 0);
        assert_int_equal(place_row_encode(&back, &b, NULL), 0);
        assert_true(slice_eq(buf_slice(&a), buf_slice(&b)));
        assert_string_equal(back.unit_code, f.row.unit_code);
        place_row_release(&back);
        buf_free(&a);
        buf_free(&b);
        teardown(&f);
    }
}

static void
an_unknown_version_that_must_be_understood_stops_what_comes_after_it(void **state)
{
    struct fixture f;
    struct event_header h = {.kind = KIND_OFFICE_OPENED, .kind_version = 2};
    struct event_common c;
    struct place_entry e;
    struct position at = world_at(1, 3);
    setup(&f);
    memset(&c, 0, sizeof(c));
    assert_false(place_entry_unknown(&at, &h, &c, &e));
    h.must_understand = true;
    assert_true(place_entry_unknown(&at, &h, &c, &e));
    assert_int_equal(add(&f, &e)->outcome, OUTCOME_UNKNOWN);
    f.seq[1] = 5;
    struct place_entry next = entry(&f, 1, KIND_OFFICE_OPENED, 10, "Dok");
    assert_int_equal(place_row_try(&f.row, &next, &f.world.w, NULL), ERR_CONFLICT);
    assert_int_equal(add(&f, &next)->outcome, OUTCOME_UNKNOWN);
    teardown(&f);
}

static struct place_entry
closing(uint8_t log, uint64_t seq)
{
    struct event_header h = {.kind = KIND_OFFICE_CLOSED, .kind_version = 1};
    struct event_payload p;
    struct place_entry e;
    memset(&p, 0, sizeof(p));
    p.kind = KIND_OFFICE_CLOSED;
    p.common.has_effective = true;
    struct position at = world_at(log, seq);
    place_entry_from_event(&at, &h, &p, &e);
    return e;
}

static void
an_opening_is_known_whatever_else_is_written_and_whenever_it_comes(void **state)
{
    struct buf bytes[2];
    for (int last = 0; last < 2; last++) {
        struct fixture f;
        setup(&f);
        struct place_entry open = entry(&f, 2, KIND_OFFICE_OPENED, 5, "Gent"),
                           again = entry(&f, 2, KIND_OFFICE_OPENED, 9, "Gent");
        struct position before = world_at(2, 3), after = world_at(2, 9);
        for (uint64_t n = 0; n < PLACE_ENTRIES_MAX + 2; n++) {
            struct place_entry e = closing(1, 30 + n);
            if (!last && n == PLACE_ENTRIES_MAX - 1) {
                assert_int_equal(place_row_add(&f.row, &open, &f.world.w, &f.missing, NULL), 0);
            }
            assert_int_equal(place_row_add(&f.row, &e, &f.world.w, &f.missing, NULL), 0);
        }
        if (last) {
            assert_int_equal(place_row_add(&f.row, &open, &f.world.w, &f.missing, NULL), 0);
        }
        assert_int_equal(place_row_add(&f.row, &again, &f.world.w, &f.missing, NULL), 0);
        assert_int_equal(f.row.n, PLACE_ENTRIES_MAX + 1);
        assert_false(office_opened_before(&f.row, f.world.dag, &before));
        assert_true(office_opened_before(&f.row, f.world.dag, &after));
        assert_int_equal(f.row.entries[PLACE_ENTRIES_MAX].reason, VOID_TOO_MANY);
        buf_init(&bytes[last], 1 << 24);
        assert_int_equal(place_row_encode(&f.row, &bytes[last], NULL), 0);
        struct place_row read;
        assert_int_equal(place_row_decode(buf_slice(&bytes[last]), &f.row.unit, &f.row.office, &read, NULL), 0);
        assert_true(office_opened_before(&read, f.world.dag, &after));
        place_row_release(&read);
        teardown(&f);
    }
    assert_true(slice_eq(buf_slice(&bytes[0]), buf_slice(&bytes[1])));
    buf_free(&bytes[0]);
    buf_free(&bytes[1]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_office_is_opened_changed_and_closed),
        cmocka_unit_test(concurrent_openings_conflict_and_corrections_replace),
        cmocka_unit_test(an_opening_counts_for_members_from_its_position_on_valid_or_not),
        cmocka_unit_test(the_last_description_on_or_before_a_day_is_in_force),
        cmocka_unit_test(rows_come_back_as_they_were_and_damage_is_noticed),
        cmocka_unit_test(an_opening_is_known_whatever_else_is_written_and_whenever_it_comes),
        cmocka_unit_test(an_unknown_version_that_must_be_understood_stops_what_comes_after_it),
    };
    return cmocka_run_group_tests_name("place", tests, NULL, NULL);
}
