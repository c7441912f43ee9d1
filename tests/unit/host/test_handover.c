/* Members who move, through two engines that get each other's runs: what each desk may do when, what is written together, what it comes to on both
 * sides. Invented persons only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

#include "node/command/person_open.h"
#include "node/host/moved_work.h"
#include "tests/support/node.h"

struct fixture {
    struct test_node old, new;
    struct subject_id member;
};

static int
setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    test_node_make(&f->old);
    test_node_make_as(&f->new, "SE", 9);
    f->member = test_node_admit(&f->old, 1);
    f->old.today += 30;
    f->new.today += 30;
    *state = f;
    return 0;
}

static void
both(struct fixture *f)
{
    while (test_node_carry(&f->old, &f->new) + test_node_carry(&f->new, &f->old) > 0) {
    }
}

static int
teardown(void **state)
{
    struct fixture *f = *state;
    both(f);
    test_node_check(&f->old);
    test_node_check(&f->new);
    test_node_remove(&f->old);
    test_node_remove(&f->new);
    free(f);
    return 0;
}

static struct api_result
run(struct test_node *n, const struct handover_request *req, const char *office)
{
    struct api_op *op = calloc(1, sizeof(*op));
    struct err err = {0};
    assert_non_null(op);
    op->kind = OP_HANDOVER;
    op->status_on_success = 200;
    op->handover.request = *req;
    snprintf(op->handover.office_text, sizeof(op->handover.office_text), "%s", office);
    if (test_node_exec(n, op, &err) != 0)
        fail_msg("%s", err.text);
    struct api_result ret = op->result;
    free(op);
    assert_int_equal(engine_vault_flush(n->engine, &err), 0);
    return ret;
}

static struct handover_request
asking(const struct fixture *f, enum handover_action action)
{
    return (struct handover_request){
        .action = action, .member = f->member, .effective = DATE_NONE, .proposed = DATE_NONE};
}

static void
done(struct test_node *n, const struct handover_request *req, const char *office)
{
    struct api_result r = run(n, req, office);
    if (r.err.code != 0)
        fail_msg("%s: %s", r.err.field, r.err.text);
}

static void
refused(struct test_node *n, const struct handover_request *req, const char *office, int code, const char *field)
{
    struct api_result r = run(n, req, office);
    assert_int_equal(r.err.code, code);
    assert_string_equal(r.err.field, field);
}

static struct member_state
state_of(struct test_node *n, const struct unit_id *unit, struct subject_id subject, struct civil_date as_of)
{
    struct db_txn *txn;
    struct slice value;
    struct err err = {0};
    struct member_row row;
    struct member_state s = {.status = STATUS_NONE};
    uint8_t key[KEY_MEMBER];
    key_member(key, &subject, unit);
    assert_int_equal(db_begin_read(n->db, &txn, &err), 0);
    if (db_get(txn, TABLE_MEMBERS, slice_of(key, sizeof(key)), &value, &err) == 0) {
        assert_int_equal(member_row_decode(value, unit, &subject, &row, &err), 0);
        member_state_at(&row, as_of, &s);
        member_row_release(&row);
    }
    db_abort(&txn);
    return s;
}

static enum handover_turn
turn_of(struct test_node *n, const struct fixture *f)
{
    struct db_txn *txn;
    struct err err = {0};
    struct handover_view v;
    struct command_ctx ctx = {.vault = n->vault, .unit = n->identity.unit};
    assert_int_equal(db_begin_read(n->db, &txn, &err), 0);
    ctx.txn = txn;
    assert_int_equal(handover_of(&ctx, &f->member, &v, &err), 0);
    db_abort(&txn);
    return v.turn;
}

static void
offer(struct fixture *f)
{
    struct handover_request q = asking(f, HANDOVER_OFFER);
    q.unit = f->new.identity.unit;
    q.proposed = (struct civil_date){f->old.today + 5};
    done(&f->old, &q, "");
    both(f);
}

static void
accept_offer(struct fixture *f)
{
    struct handover_request q = asking(f, HANDOVER_ACCEPT);
    q.has_shares = true;
    q.shares = 2;
    done(&f->new, &q, "Gent");
    both(f);
}

static struct handover_request
receiving(const struct fixture *f)
{
    struct handover_request q = asking(f, HANDOVER_RECEIVE);
    q.person.has_identity = true;
    q.person.identity.birth_date = DATE_NONE;
    snprintf(q.person.identity.family_name.s, sizeof(q.person.identity.family_name.s), "Verzonnen");
    snprintf(q.person.identity.given_name.s, sizeof(q.person.identity.given_name.s), "Aline");
    return q;
}

static void
the_four_steps_move_a_member(void **state)
{
    struct fixture *f = *state;
    both(f);
    assert_int_equal(turn_of(&f->old, f), TURN_NOBODY);
    offer(f);
    assert_int_equal(turn_of(&f->old, f), TURN_THEY_ACCEPT);
    assert_int_equal(turn_of(&f->new, f), TURN_WE_ACCEPT);
    accept_offer(f);
    assert_int_equal(turn_of(&f->old, f), TURN_WE_COMPLETE);
    assert_int_equal(turn_of(&f->new, f), TURN_THEY_COMPLETE);
    struct handover_request q = asking(f, HANDOVER_COMPLETE);
    q.voted = true;
    done(&f->old, &q, "");
    assert_int_equal(turn_of(&f->old, f), TURN_THEY_RECEIVE);
    both(f);
    assert_int_equal(turn_of(&f->new, f), TURN_WE_RECEIVE);
    struct civil_date moved = {f->old.today + 5}, before = {f->old.today + 4};
    struct member_state s = state_of(&f->old, &f->old.identity.unit, f->member, moved);
    assert_int_equal(s.status, STATUS_LEFT);
    assert_int_equal(s.left_reason, LEFT_MOVED);
    assert_int_equal(s.n_owed, 0); /* repaid with the move */
    assert_int_equal(state_of(&f->new, &f->new.identity.unit, f->member, before).status, STATUS_NONE);
    s = state_of(&f->new, &f->new.identity.unit, f->member, moved);
    assert_int_equal(s.status, STATUS_MEMBER);
    assert_int_equal(s.shares, 2);
    assert_true(s.voted);
    /* Nothing else is written about somebody who was not received yet. */
    struct api_op *op = calloc(1, sizeof(*op));
    struct err err = {0};
    op->kind = OP_MEMBER;
    op->member.request = (struct member_request){
        .action = ACTION_RESIGN, .has_subject = true, .subject = f->member, .effective = {f->new.today + 9}};
    assert_int_equal(test_node_exec(&f->new, op, &err), 0);
    assert_int_equal(op->result.err.code, ERR_CONFLICT);
    q = receiving(f);
    done(&f->new, &q, "");
    assert_int_equal(turn_of(&f->new, f), TURN_NOBODY);
    refused(&f->new, &q, "", ERR_CONFLICT, "subject"); /* once is enough */
    op->result = (struct api_result){0};
    assert_int_equal(test_node_exec(&f->new, op, &err), 0);
    assert_int_equal(op->result.err.code, 0);
    free(op);
    both(f);
    assert_int_equal(turn_of(&f->old, f), TURN_NOBODY);
}

static void
who_received_a_member_opens_him_with_keys_of_its_own(void **state)
{
    struct fixture *f = *state;
    struct db_txn *txn;
    struct err err = {0};
    struct slice value;
    struct member_row row;
    struct person_input person;
    uint8_t key[KEY_MEMBER];
    both(f);
    offer(f);
    accept_offer(f);
    struct handover_request q = asking(f, HANDOVER_COMPLETE);
    done(&f->old, &q, "");
    both(f);
    q = receiving(f);
    done(&f->new, &q, "");
    key_member(key, &f->member, &f->new.identity.unit);
    assert_int_equal(db_begin_read(f->new.db, &txn, &err), 0);
    assert_int_equal(db_get(txn, TABLE_MEMBERS, slice_of(key, sizeof(key)), &value, &err), 0);
    assert_int_equal(member_row_decode(value, &f->new.identity.unit, &f->member, &row, &err), 0);
    assert_int_equal(person_open(txn, f->new.vault, &row, 1U << CLASS_IDENTITY, &person, &err), 0);
    assert_true(person.has_identity);
    assert_string_equal(person.identity.family_name.s, "Verzonnen");
    member_row_release(&row);
    db_abort(&txn);
}

static void
an_offer_can_be_withdrawn_until_it_is_completed(void **state)
{
    struct fixture *f = *state;
    both(f);
    struct handover_request withdraw = asking(f, HANDOVER_WITHDRAW), complete = asking(f, HANDOVER_COMPLETE);
    refused(&f->old, &withdraw, "", ERR_CONFLICT, "subject");
    offer(f);
    refused(&f->old, &complete, "", ERR_CONFLICT, "subject"); /* nobody accepted */
    accept_offer(f);
    done(&f->old, &withdraw, "");
    both(f);
    refused(&f->old, &complete, "", ERR_CONFLICT, "subject");
    assert_int_equal(turn_of(&f->old, f), TURN_NOBODY);
    struct civil_date later = {f->old.today + 50};
    assert_int_equal(state_of(&f->new, &f->old.identity.unit, f->member, later).status, STATUS_MEMBER);
    assert_int_equal(state_of(&f->new, &f->new.identity.unit, f->member, later).status, STATUS_NONE);
    offer(f); /* and made again */
    accept_offer(f);
    done(&f->old, &complete, "");
}

static void
what_a_desk_cannot_do_it_is_told(void **state)
{
    struct fixture *f = *state;
    struct handover_request q = asking(f, HANDOVER_OFFER);
    q.unit = f->old.identity.unit;
    refused(&f->old, &q, "", ERR_INVALID, "unit");
    q.unit = f->new.identity.unit;
    refused(&f->old, &q, "", ERR_NOTFOUND, "unit"); /* nothing of it has come yet */
    both(f);
    q.proposed = (struct civil_date){TEST_NODE_TODAY};
    refused(&f->old, &q, "", ERR_CONFLICT, "proposed");
    q.proposed = (struct civil_date){f->old.today + 4000};
    refused(&f->old, &q, "", ERR_INVALID, "proposed");
    q = asking(f, HANDOVER_ACCEPT);
    refused(&f->new, &q, "Gent", ERR_CONFLICT, "subject");
    offer(f);
    q = asking(f, HANDOVER_OFFER);
    q.unit = f->new.identity.unit;
    refused(&f->old, &q, "", ERR_CONFLICT, "subject");
    q = asking(f, HANDOVER_ACCEPT);
    refused(&f->new, &q, "", ERR_INVALID, "office");
    refused(&f->new, &q, "Utopia", ERR_NOTFOUND, "office");
    q.unit = f->new.identity.unit;
    refused(&f->new, &q, "Gent", ERR_NOTFOUND, "subject");
    q = receiving(f);
    refused(&f->new, &q, "", ERR_NOTFOUND, "subject");
    accept_offer(f);
    q = receiving(f);
    refused(&f->new, &q, "", ERR_CONFLICT, "subject");
    q = asking(f, HANDOVER_COMPLETE);
    q.activities = 7;
    refused(&f->old, &q, "", ERR_INVALID, "activities");
    q.activities = 0;
    q.effective = (struct civil_date){TEST_NODE_TODAY};
    refused(&f->old, &q, "", ERR_CONFLICT, "effective_on");
}

static int
run_by_engine(void *arg, const struct actor_id *actor, struct api_op *op, struct err *err)
{
    (void)actor;
    return test_node_exec(arg, op, err);
}

static uint64_t
close_moved(struct test_node *n)
{
    struct err err = {0};
    uint64_t closed = 0;
    struct moved_work m = {.db = n->db,
                           .vault = n->vault,
                           .unit = n->identity.unit,
                           .today = {n->today},
                           .random = test_draw,
                           .random_arg = &n->random,
                           .run = run_by_engine,
                           .arg = n};
    if (moved_work_run(&m, &closed, &err) != 0)
        fail_msg("%s", err.text);
    return closed;
}

static void
activities_of_who_moved_are_closed_when_the_month_is_over(void **state)
{
    struct fixture *f = *state;
    struct api_op *op = calloc(1, sizeof(*op));
    struct err err = {0};
    assert_non_null(op);
    both(f);
    for (uint16_t sector = 1; sector <= 3; sector++) {
        *op = (struct api_op){.kind = OP_ACTIVITY, .status_on_success = 201};
        op->activity.request = (struct activity_request){.action = WORK_OPEN_ACTIVITY,
                                                         .member = f->member,
                                                         .effective = DATE_NONE,
                                                         .has_sector = true,
                                                         .sector = sector};
        assert_int_equal(test_node_exec(&f->old, op, &err), 0);
        assert_int_equal(op->result.err.code, 0);
    }
    free(op);
    assert_int_equal(close_moved(&f->old), 0); /* of a member nothing is closed */
    offer(f);
    accept_offer(f);
    struct handover_request q = asking(f, HANDOVER_COMPLETE);
    uint64_t before = test_node_log(&f->old).head_seq;
    done(&f->old, &q, "");
    assert_int_equal(test_node_log(&f->old).head_seq,
                     before + 2); /* the completion and the repayment, nothing that names an activity */
    f->old.today += 5;
    assert_int_equal(close_moved(&f->old), 0); /* not in the month of the move */
    f->old.today += 40;
    f->old.now_ms += INT64_C(45) * 86400000;
    assert_int_equal(close_moved(&f->old), 3);
    assert_int_equal(close_moved(&f->old), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_four_steps_move_a_member, setup, teardown),
        cmocka_unit_test_setup_teardown(who_received_a_member_opens_him_with_keys_of_its_own, setup, teardown),
        cmocka_unit_test_setup_teardown(an_offer_can_be_withdrawn_until_it_is_completed, setup, teardown),
        cmocka_unit_test_setup_teardown(what_a_desk_cannot_do_it_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(activities_of_who_moved_are_closed_when_the_month_is_over, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
