/* What an order of erasure, a restriction and its lifting refuse, with the field at fault; and that of a person whose records were merged
 * all are ordered. Invented persons only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/command/rows.h"
#include "tests/support/node.h"

enum {
    IDENTITY = 1 << (CLASS_IDENTITY - 1),
    CONTACT = 1 << (CLASS_CONTACT - 1),
    BANK = 1 << (CLASS_BANK - 1),
    ACTIVITY = 1 << (CLASS_ACTIVITY - 1),
    NOTE = 1 << (CLASS_NOTE - 1),
};

struct world {
    struct test_node n;
    struct api_op op; /* of the last request */
    struct subject_id member;
};

static int
setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    struct err err = {0};
    assert_non_null(w);
    test_node_make(&w->n);
    w->member = test_node_admit(&w->n, 1);
    assert_int_equal(engine_vault_flush(w->n.engine, &err), 0);
    *state = w;
    return 0;
}

static int
teardown(void **state)
{
    struct world *w = *state;
    test_node_remove(&w->n);
    free(w);
    return 0;
}

/* A request as it would be done; what a test needs otherwise it changes. */
static struct erase_request *
request(struct world *w, enum erase_action action, uint16_t classes)
{
    const struct retention_settings settings = RETENTION_DEFAULT;
    w->op = (struct api_op){.kind = OP_ERASE};
    w->op.erase.request = (struct erase_request){
        .action = action, .member = w->member, .classes = classes, .effective = DATE_NONE, .until = DATE_NONE};
    retention_rules_of("BE", &settings, &w->op.erase.request.rules);
    return &w->op.erase.request;
}

static void
exec(struct world *w)
{
    struct err err = {0};
    if (test_node_exec(&w->n, &w->op, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(engine_vault_flush(w->n.engine, &err), 0);
}

static void
done(struct world *w)
{
    exec(w);
    if (w->op.result.err.code != 0)
        fail_msg("%s: %s", w->op.result.err.field, w->op.result.err.text);
}

/* Refused, with the field, and nothing was written. */
static void
refused(struct world *w, int code, const char *field)
{
    uint64_t before = test_node_log(&w->n).head_seq;
    exec(w);
    assert_int_equal(w->op.result.err.code, code);
    assert_string_equal(w->op.result.err.field, field);
    assert_int_equal(test_node_log(&w->n).head_seq, before);
}

static void
resign(struct world *w, const struct subject_id *member)
{
    w->op = (struct api_op){.kind = OP_MEMBER};
    w->op.member.request = (struct member_request){
        .action = ACTION_RESIGN, .has_subject = true, .subject = *member, .effective = {w->n.today}};
    done(w);
}

static struct member_state
state_of(struct world *w, const struct subject_id *member)
{
    struct member_row row;
    struct member_state s;
    struct db_txn *txn;
    struct err err = {0};
    assert_int_equal(db_begin_read(w->n.db, &txn, &err), 0);
    const struct command_ctx ctx = {.txn = txn, .unit = w->n.identity.unit, .vault = w->n.vault};
    assert_int_equal(rows_member(&ctx, member, &row, &err), 0);
    member_state_at(&row, DATE_MAX, &s);
    member_row_release(&row);
    db_abort(&txn);
    return s;
}

/* ---- refusals ---- */

static void
classes_must_be_named_and_be_such_as_can_be_asked_for(void **state)
{
    struct world *w = *state;
    request(w, ERASE_ORDER, 0);
    refused(w, ERR_INVALID, "classes");
    request(w, ERASE_ORDER, 1 << (CLASS_COUNTING - 1));
    refused(w, ERR_INVALID, "classes");
    request(w, ERASE_RESTRICT, CONTACT | 1 << (CLASS_DOSSIER - 1));
    refused(w, ERR_INVALID, "classes");
}

static void
a_ground_that_is_not_one_is_refused(void **state)
{
    struct world *w = *state;
    request(w, ERASE_ORDER, CONTACT)->ground = GROUND_CONSENT + 1;
    refused(w, ERR_INVALID, "ground");
}

static void
a_note_cannot_be_kept_with_the_erasure_of_notes(void **state)
{
    struct world *w = *state;
    struct erase_request *q = request(w, ERASE_ORDER, CONTACT | NOTE);
    q->has_note = true;
    snprintf(q->note.s, sizeof(q->note.s), "letter of 3 May");
    refused(w, ERR_INVALID, "note");
    q = request(w, ERASE_RESTRICT, NOTE); /* nothing goes: it may be said why */
    q->has_note = true;
    snprintf(q->note.s, sizeof(q->note.s), "letter of 3 May");
    done(w);
}

static void
an_order_is_not_dated_in_the_future(void **state)
{
    struct world *w = *state;
    request(w, ERASE_ORDER, CONTACT)->effective = (struct civil_date){w->n.today + 1};
    refused(w, ERR_INVALID, "effective_on");
}

static void
a_restriction_does_not_end_before_it_begins(void **state)
{
    struct world *w = *state;
    request(w, ERASE_RESTRICT, CONTACT)->until = (struct civil_date){w->n.today};
    refused(w, ERR_INVALID, "until");
    request(w, ERASE_RESTRICT, CONTACT)->until = (struct civil_date){w->n.today + 1};
    done(w);
}

static void
nobody_is_erased_who_is_no_member_here(void **state)
{
    struct world *w = *state;
    request(w, ERASE_ORDER, CONTACT)->member = (struct subject_id){{9}};
    exec(w);
    assert_int_equal(w->op.result.err.code, ERR_NOTFOUND);
}

static void
what_changed_since_it_was_read_is_refused(void **state)
{
    struct world *w = *state;
    struct erase_request *q = request(w, ERASE_ORDER, CONTACT);
    q->has_if_match = true;
    q->if_match = (struct position){.log = test_node_log(&w->n).id, .seq = 1};
    refused(w, ERR_CONFLICT, "if-match");
}

static void
the_register_is_kept_while_the_membership_lasts(void **state)
{
    struct world *w = *state;
    request(w, ERASE_ORDER, IDENTITY | CONTACT);
    refused(w, ERR_CONFLICT, "classes"); /* and contact, too, for it was one order */
    request(w, ERASE_ORDER, ACTIVITY);
    refused(w, ERR_CONFLICT, "classes");
    request(w, ERASE_ORDER, IDENTITY)->due_only = true;
    refused(w, ERR_CONFLICT, "classes");
    request(w, ERASE_ORDER, IDENTITY)->ground = GROUND_AUTHORITY;
    done(w);
    assert_int_equal(w->op.erase.outcome.records[0].erased, IDENTITY);
}

static void
what_is_not_there_or_restricted_until_its_date_is_not_ordered_again(void **state)
{
    struct world *w = *state;
    request(w, ERASE_ORDER, BANK);
    refused(w, ERR_CONFLICT, "classes");
    request(w, ERASE_ORDER, CONTACT);
    done(w);
    request(w, ERASE_ORDER, CONTACT);
    refused(w, ERR_CONFLICT, "classes");
    resign(w, &w->member);
    request(w, ERASE_ORDER, IDENTITY);
    done(w);
    assert_int_equal(w->op.erase.outcome.records[0].restricted, IDENTITY);
    request(w, ERASE_ORDER, IDENTITY);
    refused(w, ERR_CONFLICT, "classes");
}

static void
an_erasure_lifts_the_restriction_of_what_it_takes(void **state)
{
    struct world *w = *state;
    request(w, ERASE_RESTRICT, CONTACT | NOTE)->until = (struct civil_date){w->n.today + 300};
    done(w);
    request(w, ERASE_ORDER, CONTACT);
    done(w);
    assert_int_equal(state_of(w, &w->member).restricted, NOTE);
}

static void
only_what_is_restricted_can_be_lifted(void **state)
{
    struct world *w = *state;
    request(w, ERASE_LIFT, CONTACT);
    refused(w, ERR_CONFLICT, "classes");
    request(w, ERASE_RESTRICT, CONTACT);
    done(w);
    request(w, ERASE_LIFT, IDENTITY);
    refused(w, ERR_CONFLICT, "classes");
    request(w, ERASE_LIFT, IDENTITY | CONTACT);
    done(w);
    assert_int_equal(state_of(w, &w->member).restricted, 0);
}

/* ---- records that were merged ---- */

static struct subject_id
merged_into_member(struct world *w, unsigned i)
{
    struct subject_id from = test_node_admit(&w->n, i);
    struct err err = {0};
    assert_int_equal(engine_vault_flush(w->n.engine, &err), 0);
    w->op = (struct api_op){.kind = OP_MERGE};
    w->op.merge = (struct merge_request){.from = from, .into = w->member, .effective = {w->n.today}};
    done(w);
    assert_int_equal(state_of(w, &from).status, STATUS_MERGED);
    return from;
}

static void
all_records_of_a_person_are_erased_whichever_is_named(void **state)
{
    struct world *w = *state;
    const struct erase_outcome *o = &w->op.erase.outcome;
    struct subject_id given_up = merged_into_member(w, 2), kept = w->member;
    request(w, ERASE_ORDER, CONTACT);
    done(w);
    assert_int_equal(o->n, 2);
    assert_memory_equal(&o->records[0].member, &given_up, sizeof(given_up));
    assert_memory_equal(&o->records[1].member, &kept, sizeof(kept));
    assert_int_equal(o->records[0].erased, CONTACT);
    assert_int_equal(o->records[1].erased, CONTACT);
    assert_memory_equal(&w->op.result.subject, &kept, sizeof(kept));
    assert_int_equal(state_of(w, &given_up).erased & CONTACT, CONTACT);
    assert_int_equal(state_of(w, &kept).erased & CONTACT, CONTACT);
    /* legal dates are those of the membership that lasts, for either */
    w->member = given_up;
    request(w, ERASE_ORDER, IDENTITY);
    refused(w, ERR_CONFLICT, "classes");
    resign(w, &kept);
    request(w, ERASE_ORDER, IDENTITY);
    done(w);
    assert_memory_equal(&w->op.result.subject, &given_up, sizeof(given_up));
    assert_int_equal(o->n, 2);
    assert_int_equal(o->records[0].restricted, IDENTITY);
    assert_int_equal(o->records[1].restricted, IDENTITY);
    assert_int_equal(o->records[0].until[0].days, o->records[1].until[0].days);
    assert_int_equal(state_of(w, &kept).restricted, IDENTITY);
    assert_int_equal(state_of(w, &given_up).restricted, IDENTITY);
    request(w, ERASE_LIFT, IDENTITY);
    done(w);
    assert_int_equal(state_of(w, &kept).restricted | state_of(w, &given_up).restricted, 0);
}

static void
one_record_alone_is_erased_where_that_is_asked(void **state)
{
    struct world *w = *state;
    struct subject_id given_up = merged_into_member(w, 2);
    request(w, ERASE_ORDER, CONTACT)->one_record = true;
    done(w);
    assert_int_equal(w->op.erase.outcome.n, 1);
    assert_int_equal(state_of(w, &given_up).erased, 0);
    /* the rest later: of the one that is named nothing is left, of the other it is */
    request(w, ERASE_ORDER, CONTACT);
    done(w);
    assert_int_equal(state_of(w, &given_up).erased & CONTACT, CONTACT);
    request(w, ERASE_ORDER, CONTACT);
    refused(w, ERR_CONFLICT, "classes");
}

static void
a_record_that_is_its_own_again_is_not_taken_along(void **state)
{
    struct world *w = *state;
    struct subject_id other = merged_into_member(w, 2);
    w->op = (struct api_op){.kind = OP_MERGE};
    w->op.merge = (struct merge_request){.from = other, .effective = DATE_NONE, .undo = true};
    done(w);
    request(w, ERASE_ORDER, CONTACT);
    done(w);
    assert_int_equal(w->op.erase.outcome.n, 1);
    assert_int_equal(state_of(w, &other).erased, 0);
}

static void
a_person_of_too_many_records_is_erased_one_by_one(void **state)
{
    struct world *w = *state;
    for (unsigned i = 0; i < ERASE_RECORDS_MAX; i++)
        (void)merged_into_member(w, 2 + i);
    request(w, ERASE_ORDER, CONTACT);
    exec(w);
    assert_int_equal(w->op.result.err.code, ERR_LIMIT);
    request(w, ERASE_ORDER, CONTACT)->one_record = true;
    done(w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(classes_must_be_named_and_be_such_as_can_be_asked_for, setup, teardown),
        cmocka_unit_test_setup_teardown(a_ground_that_is_not_one_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_note_cannot_be_kept_with_the_erasure_of_notes, setup, teardown),
        cmocka_unit_test_setup_teardown(an_order_is_not_dated_in_the_future, setup, teardown),
        cmocka_unit_test_setup_teardown(a_restriction_does_not_end_before_it_begins, setup, teardown),
        cmocka_unit_test_setup_teardown(nobody_is_erased_who_is_no_member_here, setup, teardown),
        cmocka_unit_test_setup_teardown(what_changed_since_it_was_read_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(the_register_is_kept_while_the_membership_lasts, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_not_there_or_restricted_until_its_date_is_not_ordered_again, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_erasure_lifts_the_restriction_of_what_it_takes, setup, teardown),
        cmocka_unit_test_setup_teardown(only_what_is_restricted_can_be_lifted, setup, teardown),
        cmocka_unit_test_setup_teardown(all_records_of_a_person_are_erased_whichever_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(one_record_alone_is_erased_where_that_is_asked, setup, teardown),
        cmocka_unit_test_setup_teardown(a_record_that_is_its_own_again_is_not_taken_along, setup, teardown),
        cmocka_unit_test_setup_teardown(a_person_of_too_many_records_is_erased_one_by_one, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
