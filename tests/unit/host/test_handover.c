/* Members who move, through two engines that get each other's runs: what each desk may do when, what is written together, what it comes to on both
 * sides. What becomes of activities: test_handover_along.c. Invented persons only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

#include "node/command/person_open.h"
#include "storage/asks.h"
#include "tests/support/movers.h"

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

static void
the_four_steps_move_a_member(void **state)
{
    struct movers *f = *state;
    move_both(f);
    assert_int_equal(move_turn(&f->old, f), TURN_NOBODY);
    move_offer(f);
    assert_int_equal(move_turn(&f->old, f), TURN_THEY_ACCEPT);
    assert_int_equal(move_turn(&f->new, f), TURN_WE_ACCEPT);
    move_accept(f);
    assert_int_equal(move_turn(&f->old, f), TURN_WE_COMPLETE);
    assert_int_equal(move_turn(&f->new, f), TURN_THEY_COMPLETE);
    struct handover_request q = move_asking(f, HANDOVER_COMPLETE);
    q.voted = true;
    move_done(&f->old, &q, "");
    assert_int_equal(move_turn(&f->old, f), TURN_THEY_RECEIVE);
    move_both(f);
    assert_int_equal(move_turn(&f->new, f), TURN_WE_RECEIVE);
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
    q = move_receiving(f);
    move_done(&f->new, &q, "");
    assert_int_equal(move_turn(&f->new, f), TURN_NOBODY);
    move_refused(&f->new, &q, "", ERR_CONFLICT, "subject"); /* once is enough */
    op->result = (struct api_result){0};
    assert_int_equal(test_node_exec(&f->new, op, &err), 0);
    assert_int_equal(op->result.err.code, 0);
    free(op);
    move_both(f);
    assert_int_equal(move_turn(&f->old, f), TURN_NOBODY);
}

static void
who_received_a_member_opens_him_with_keys_of_its_own(void **state)
{
    struct movers *f = *state;
    struct db_txn *txn;
    struct err err = {0};
    struct slice value;
    struct member_row row;
    struct person_input person;
    uint8_t key[KEY_MEMBER];
    move_both(f);
    move_offer(f);
    move_accept(f);
    struct handover_request q = move_asking(f, HANDOVER_COMPLETE);
    move_done(&f->old, &q, "");
    move_both(f);
    q = move_receiving(f);
    move_done(&f->new, &q, "");
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

/* Each offer that is taken back begins keys. */
static void
keys_for_which_there_is_no_room_are_counted_for_the_desk(void **state)
{
    enum { TAKEN_BACK = 20, WITH_IT = 16 };
    struct movers *f = *state;
    struct handover_request q = move_asking(f, HANDOVER_OFFER), back = move_asking(f, HANDOVER_WITHDRAW);
    q.unit = f->new.identity.unit;
    q.proposed = (struct civil_date){f->old.today + 5};
    move_both(f);
    for (int i = 0; i < TAKEN_BACK; i++) {
        struct api_result r = move_run(&f->old, &q, "");
        assert_int_equal(r.err.code, 0);
        assert_int_equal(r.keys_left, i + 1 > WITH_IT ? i + 1 - WITH_IT : 0);
        move_done(&f->old, &back, "");
    }
}

static void
an_offer_can_be_withdrawn_until_it_is_completed(void **state)
{
    struct movers *f = *state;
    move_both(f);
    struct handover_request withdraw = move_asking(f, HANDOVER_WITHDRAW), complete = move_asking(f, HANDOVER_COMPLETE);
    move_refused(&f->old, &withdraw, "", ERR_CONFLICT, "subject");
    move_offer(f);
    move_refused(&f->old, &complete, "", ERR_CONFLICT, "subject"); /* nobody accepted */
    move_accept(f);
    move_done(&f->old, &withdraw, "");
    move_both(f);
    move_refused(&f->old, &complete, "", ERR_CONFLICT, "subject");
    assert_int_equal(move_turn(&f->old, f), TURN_NOBODY);
    struct civil_date later = {f->old.today + 50};
    assert_int_equal(state_of(&f->new, &f->old.identity.unit, f->member, later).status, STATUS_MEMBER);
    assert_int_equal(state_of(&f->new, &f->new.identity.unit, f->member, later).status, STATUS_NONE);
    move_offer(f); /* and made again */
    move_accept(f);
    move_done(&f->old, &complete, "");
}

static void
of_many_who_move_each_is_found(void **state)
{
    struct movers *f = *state;
    struct subject_id each[40], first = f->member;
    move_both(f);
    f->old.today -= 30;
    for (unsigned i = 0; i < ARRAY_LEN(each); i++)
        each[i] = test_node_admit(&f->old, 100 + i);
    f->old.today += 30;
    for (unsigned i = 0; i < ARRAY_LEN(each); i += 2) {
        f->member = each[i];
        move_offer(f);
    }
    for (unsigned i = 0; i < ARRAY_LEN(each); i++) {
        f->member = each[i];
        assert_int_equal(move_turn(&f->old, f), i % 2 == 0 ? TURN_THEY_ACCEPT : TURN_NOBODY);
        assert_int_equal(move_turn(&f->new, f), i % 2 == 0 ? TURN_WE_ACCEPT : TURN_NOBODY);
    }
    f->member = first;
    move_offer(f);
    move_accept(f); /* now she has a row at both */
    assert_int_equal(move_turn(&f->old, f), TURN_WE_COMPLETE);
    assert_int_equal(move_turn(&f->new, f), TURN_THEY_COMPLETE);
}

static void
what_a_desk_cannot_do_it_is_told(void **state)
{
    struct movers *f = *state;
    struct handover_request q = move_asking(f, HANDOVER_OFFER);
    q.unit = f->old.identity.unit;
    move_refused(&f->old, &q, "", ERR_INVALID, "unit");
    q.unit = f->new.identity.unit;
    move_refused(&f->old, &q, "", ERR_NOTFOUND, "unit"); /* nothing of it has come yet */
    move_both(f);
    q.proposed = (struct civil_date){TEST_NODE_TODAY};
    move_refused(&f->old, &q, "", ERR_CONFLICT, "proposed");
    q.proposed = (struct civil_date){f->old.today + 4000};
    move_refused(&f->old, &q, "", ERR_INVALID, "proposed");
    q = move_asking(f, HANDOVER_ACCEPT);
    move_refused(&f->new, &q, "Gent", ERR_CONFLICT, "subject");
    move_offer(f);
    q = move_asking(f, HANDOVER_OFFER);
    q.unit = f->new.identity.unit;
    move_refused(&f->old, &q, "", ERR_CONFLICT, "subject");
    q = move_asking(f, HANDOVER_ACCEPT);
    move_refused(&f->new, &q, "", ERR_INVALID, "office");
    move_refused(&f->new, &q, "Utopia", ERR_NOTFOUND, "office");
    q.unit = f->new.identity.unit;
    move_refused(&f->new, &q, "Gent", ERR_NOTFOUND, "subject");
    q = move_receiving(f);
    move_refused(&f->new, &q, "", ERR_NOTFOUND, "subject");
    move_accept(f);
    q = move_receiving(f);
    move_refused(&f->new, &q, "", ERR_CONFLICT, "subject");
    q = move_asking(f, HANDOVER_COMPLETE);
    q.activities = 7;
    move_refused(&f->old, &q, "", ERR_INVALID, "activities");
    q.activities = 0;
    q.effective = (struct civil_date){TEST_NODE_TODAY};
    move_refused(&f->old, &q, "", ERR_CONFLICT, "effective_on");
}

static void
close_year(struct test_node *n, uint16_t year, bool again)
{
    struct api_op *op = calloc(1, sizeof(*op));
    struct err err = {0};
    assert_non_null(op);
    op->kind = OP_CLOSE_PERIOD;
    op->close.year = year;
    op->close.again = again;
    assert_int_equal(test_node_exec(n, op, &err), 0);
    if (op->result.err.code != 0)
        fail_msg("%s", op->result.err.text);
    free(op);
}

static void
the_new_home_is_asked_once_about_the_years_that_it_has_closed(void **state)
{
    struct movers *f = *state;
    f->old.today = f->new.today = date_from_ymd(2026, 2, 1).days;
    move_both(f);
    close_year(&f->new, 2024, false);
    close_year(&f->new, 2025, false);
    struct handover_request offer = move_asking(f, HANDOVER_OFFER), accept = move_asking(f, HANDOVER_ACCEPT),
                            complete = move_asking(f, HANDOVER_COMPLETE);
    offer.unit = f->new.identity.unit;
    offer.proposed = date_from_ymd(2025, 1, 20);
    move_done(&f->old, &offer, "");
    move_both(f);
    move_refused(&f->new, &accept, "Gent", ERR_CONFLICT, "proposed");
    accept.adjusts_closed = true;
    move_done(&f->new, &accept, "Gent");
    move_both(f);
    complete.effective = date_from_ymd(2024, 12, 20); /* about this year nobody asked it */
    move_refused(&f->old, &complete, "", ERR_CONFLICT, "effective_on");
    complete.effective = date_from_ymd(2025, 3, 1);
    close_year(&f->new, 2025, true); /* with other figures than those that it meant */
    move_both(f);
    move_refused(&f->old, &complete, "", ERR_CONFLICT, "effective_on");
    struct handover_request withdraw = move_asking(f, HANDOVER_WITHDRAW);
    move_done(&f->old, &withdraw, "");
    move_both(f);
    move_done(&f->old, &offer, "");
    move_both(f);
    move_done(&f->new, &accept, "Gent");
    move_both(f);
    close_year(&f->old, 2024, false);
    move_done(&f->old, &complete, "");
}

static size_t
asks_of(struct test_node *n, const struct subject_id *member, enum ask_what what)
{
    struct ask some[ASKS_MAX];
    struct err err = {0};
    size_t count = 0, found = 0;
    assert_int_equal(asks_list(n->vault, member, NULL, some, ASKS_MAX, &count, &err), 0);
    for (size_t i = 0; i < count; i++)
        found += some[i].what == what;
    return found;
}

/* Wherever a stop comes between the two environments. */
static void
requests_to_move_are_dealt_with_if_the_move_is_complete_and_not_if_it_is_not(void **state)
{
    struct movers *f = *state;
    struct err err = {0};
    move_both(f);
    for (uint8_t i = 1; i <= 3; i++) {
        struct ask ask = {.member = f->member, .id = {{i}}, .what = i == 3 ? ASK_OTHER : ASK_MOVE, .day = DATE_NONE};
        assert_int_equal(asks_put(f->old.vault, &ask, &err), 0);
    }
    move_offer(f);
    move_accept(f);
    bool complete = false;
    for (unsigned at = 1; !complete; at++) {
        struct api_op *op = calloc(1, sizeof(*op));
        assert_non_null(op);
        op->kind = OP_HANDOVER;
        op->handover.request = move_asking(f, HANDOVER_COMPLETE);
        db_fail_after(at);
        complete = test_node_exec(&f->old, op, &err) == 0;
        db_fail_after(0);
        assert_int_equal(op->result.err.code, 0);
        free(op);
        test_node_close(&f->old);
        test_node_open(&f->old);
        assert_int_equal(asks_of(&f->old, &f->member, ASK_MOVE), complete ? 0 : 2);
        assert_int_equal(asks_of(&f->old, &f->member, ASK_OTHER), 1);
        assert_in_range(at, 1, 500);
    }
    assert_int_equal(move_turn(&f->old, f), TURN_THEY_RECEIVE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_four_steps_move_a_member, movers_setup, movers_teardown),
        cmocka_unit_test_setup_teardown(who_received_a_member_opens_him_with_keys_of_its_own, movers_setup,
                                        movers_teardown),
        cmocka_unit_test_setup_teardown(an_offer_can_be_withdrawn_until_it_is_completed, movers_setup, movers_teardown),
        cmocka_unit_test_setup_teardown(keys_for_which_there_is_no_room_are_counted_for_the_desk, movers_setup,
                                        movers_teardown),
        cmocka_unit_test_setup_teardown(of_many_who_move_each_is_found, movers_setup, movers_teardown),
        cmocka_unit_test_setup_teardown(what_a_desk_cannot_do_it_is_told, movers_setup, movers_teardown),
        cmocka_unit_test_setup_teardown(requests_to_move_are_dealt_with_if_the_move_is_complete_and_not_if_it_is_not,
                                        movers_setup, movers_teardown),
        cmocka_unit_test_setup_teardown(the_new_home_is_asked_once_about_the_years_that_it_has_closed, movers_setup,
                                        movers_teardown),
    };
    return cmocka_run_group_tests_name("handover", tests, NULL, NULL);
}
