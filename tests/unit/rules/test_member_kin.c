/* Faces of rows and what may arrive in a row: which entries these are rests on the set of events alone. docs/PROTOCOL.md §10 "Handover". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "node/rules/member_step.h"
#include "tests/support/rules_world.h"

enum { HOME = 1, OLD = 2, OTHER = 3 }; /* units, and their logs */

static struct unit_id
unit(uint8_t n)
{
    struct unit_id id;
    memset(id.b, 0xA0 + n, sizeof(id.b));
    return id;
}

static void
put(struct member_row *row, uint8_t log, uint64_t seq, uint16_t kind, uint8_t home)
{
    struct row r = ROW_OF(&member_row_type, row, NULL);
    struct member_entry e = {.at = world_at(log, seq),
                             .kind = kind,
                             .kind_version = 1,
                             .outcome = OUTCOME_APPLIED,
                             .has_home = home != 0,
                             .home = unit(home)};
    assert_int_equal(row_insert(&r, r.n, &e, NULL), 0);
    ROW_BACK(row, r);
}

static struct member_row
row_of(uint8_t n)
{
    struct member_row row;
    struct unit_id id = unit(n);
    member_row_init(&row, &id, &(struct subject_id){{1}});
    return row;
}

static struct member_row
face_of(const struct member_row *row)
{
    struct member_row face;
    assert_int_equal(member_row_face(row, &face, NULL), 0);
    return face;
}

static void
a_face_has_the_first_so_many_that_name_a_unit_and_no_arrival(void **state)
{
    struct unit_id kin[HANDOVERS_MAX];
    struct member_row row = row_of(HOME);
    (void)state;
    put(&row, HOME, 1, KIND_HANDOVER_COMPLETED, OTHER);
    row.entries[0].arrival = true;
    for (uint64_t i = 0; i < HANDOVERS_MAX; i++) {
        put(&row, HOME, 2 + 2 * i, KIND_HANDOVER_OFFERED, OLD);
        put(&row, HOME, 3 + 2 * i, KIND_HANDOVER_RECEIVED, 0);
    }
    put(&row, HOME, 1000, KIND_HANDOVER_ACCEPTED, OTHER);
    struct member_row face = face_of(&row);
    assert_int_equal(face.n, HANDOVERS_MAX);
    assert_int_equal(member_face_kin(&face, kin), 1); /* neither the arrival nor the one too many names a unit */
    assert_memory_equal(kin[0].b, unit(OLD).b, sizeof(kin[0].b));
    member_row_release(&face);
    member_row_release(&row);
}

static void
faces_differ_for_those_alone_whom_the_difference_names(void **state)
{
    struct member_row row = row_of(HOME);
    struct unit_id old = unit(OLD), other = unit(OTHER);
    (void)state;
    put(&row, HOME, 1, KIND_HANDOVER_OFFERED, OLD);
    put(&row, HOME, 2, KIND_HANDOVER_OFFERED, OTHER);
    struct member_row was = face_of(&row);
    row.entries[1].outcome = OUTCOME_WAITING;
    struct member_row is = face_of(&row);
    assert_true(member_face_same(&was, &is, &old));
    assert_false(member_face_same(&was, &is, &other));
    member_row_release(&is);
    row.n = 1;
    is = face_of(&row);
    assert_true(member_face_same(&was, &is, &old));
    assert_false(member_face_same(&was, &is, &other));
    assert_false(member_face_same(&is, &was, &other));
    member_row_release(&is);
    member_row_release(&was);
    member_row_release(&row);
}

/* Completions of `from`, all of which name the acceptance of it in the new home. */
static struct member_row
completions(uint8_t from, uint64_t acceptance, size_t n)
{
    struct member_row row = row_of(from);
    for (uint64_t i = 0; i < n; i++) {
        put(&row, from, 1 + i, KIND_HANDOVER_COMPLETED, HOME);
        row.entries[i].refs[0] = world_ref(REF_ACCEPTANCE, world_at(HOME, acceptance));
        row.entries[i].n_refs = 1;
    }
    return row;
}

static void
which_completions_may_arrive_rests_neither_on_their_validity_nor_on_what_is_asked_first(void **state)
{
    enum { EACH = MEMBER_ARRIVALS_MAX - 28 };
    struct world w;
    struct position none = world_at(0, 0);
    bool changed;
    (void)state;
    world_init(&w);
    for (uint8_t log = HOME; log <= OTHER; log++) {
        world_add_log(&w, log, none, none);
    }
    struct member_row home = row_of(HOME), kin[2] = {completions(OLD, 1, EACH), completions(OTHER, 2, EACH)};
    put(&home, HOME, 1, KIND_HANDOVER_ACCEPTED, OLD);
    put(&home, HOME, 2, KIND_HANDOVER_ACCEPTED, OTHER);
    put(&home, HOME, 3, KIND_HANDOVER_ACCEPTED, HOME);
    struct member_row face = face_of(&home);
    for (size_t i = 0; i < EACH; i++) {
        kin[0].entries[i].outcome = OUTCOME_VOID;
    }
    for (int first = 0; first < 2; first++) {
        struct member_row found = row_of(HOME), row = row_of(HOME);
        assert_int_equal(member_arrivals_add(&found, &face, &kin[first], w.dag, NULL), 0);
        assert_int_equal(member_arrivals_add(&found, &face, &kin[!first], w.dag, NULL), 0);
        assert_int_equal(found.n, MEMBER_ARRIVALS_MAX);
        assert_int_equal(member_row_arrive(&row, &found, w.dag, &changed, NULL), 0);
        assert_true(changed);
        /* The void ones take up room all the same. */
        assert_int_equal(row.n, MEMBER_ARRIVALS_MAX - EACH);
        assert_true(row.entries[0].arrival && row.entries[0].at.seq == 1);
        assert_memory_equal(row.entries[0].home.b, unit(OTHER).b, sizeof(row.entries[0].home.b));
        assert_int_equal(member_row_arrive(&row, &found, w.dag, &changed, NULL), 0);
        assert_false(changed);
        member_row_release(&row);
        member_row_release(&found);
    }
    /* One that names another's acceptance may not. */
    struct member_row thief = completions(OLD, 2, 1), found = row_of(HOME);
    assert_int_equal(member_arrivals_add(&found, &face, &thief, w.dag, NULL), 0);
    assert_int_equal(found.n, 0);
    member_row_release(&thief);
    member_row_release(&found);
    member_row_release(&face);
    member_row_release(&kin[0]);
    member_row_release(&kin[1]);
    member_row_release(&home);
    world_release(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_face_has_the_first_so_many_that_name_a_unit_and_no_arrival),
        cmocka_unit_test(faces_differ_for_those_alone_whom_the_difference_names),
        cmocka_unit_test(which_completions_may_arrive_rests_neither_on_their_validity_nor_on_what_is_asked_first),
    };
    return cmocka_run_group_tests_name("member kin", tests, NULL, NULL);
}
