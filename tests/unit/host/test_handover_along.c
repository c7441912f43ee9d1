/* The activities of members who move: closed by the old home, or taken along and opened by the new one when the month is over, wherever a stop
 * comes. Invented persons only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

#include "node/host/moved_work.h"
#include "node/host/taken_work.h"
#include "tests/support/movers.h"

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
                           .run = test_node_by_engine,
                           .arg = n};
    if (moved_work_run(&m, &closed, &err) != 0)
        fail_msg("%s", err.text);
    return closed;
}

static void
open_at_old_home(struct movers *f, size_t n)
{
    struct api_op *op = calloc(1, sizeof(*op));
    struct err err = {0};
    assert_non_null(op);
    for (size_t i = 0; i < n; i++) {
        *op = (struct api_op){.kind = OP_ACTIVITY, .status_on_success = 201};
        op->activity.request = (struct activity_request){.action = WORK_OPEN_ACTIVITY,
                                                         .member = f->member,
                                                         .effective = DATE_NONE,
                                                         .has_sector = true,
                                                         .sector = (uint16_t)(i % 8 + 1)};
        assert_int_equal(test_node_exec(&f->old, op, &err), 0);
        assert_int_equal(op->result.err.code, 0);
    }
    free(op);
    assert_int_equal(engine_vault_flush(f->old.engine, &err), 0);
}

static void
activities_of_who_moved_are_closed_when_the_month_is_over(void **state)
{
    struct movers *f = *state;
    move_both(f);
    open_at_old_home(f, 3);
    assert_int_equal(close_moved(&f->old), 0); /* of a member nothing is closed */
    move_offer(f);
    move_accept(f);
    struct handover_request q = move_asking(f, HANDOVER_COMPLETE);
    uint64_t before = test_node_log(&f->old).head_seq;
    move_done(&f->old, &q, "");
    assert_int_equal(test_node_log(&f->old).head_seq,
                     before + 2); /* the completion and the repayment, nothing that names an activity */
    f->old.today += 5;
    assert_int_equal(close_moved(&f->old), 0); /* not in the month of the move */
    f->old.today += 40;
    f->old.now_ms += INT64_C(45) * 86400000;
    assert_int_equal(close_moved(&f->old), 3);
    assert_int_equal(close_moved(&f->old), 0);
}

/* ---- activities that are taken along ---- */

/* As far as the reception, with a dossier of n activities. */
static void
arrive_on(struct movers *f, struct civil_date day, size_t n, struct dossier *dossier)
{
    *dossier = (struct dossier){.first_joined = DATE_NONE, .n_activities = n};
    for (size_t i = 0; i < n; i++) {
        dossier->activities[i] = (struct dossier_activity){.sector = (uint16_t)(i + 1), .opened = DATE_NONE};
        snprintf(dossier->activities[i].title.s, sizeof(dossier->activities[i].title.s), "Koor %zu", i + 1);
    }
    move_both(f);
    move_offer(f);
    move_accept(f);
    struct handover_request q = move_asking(f, HANDOVER_COMPLETE);
    q.activities = ACTIVITIES_TAKEN_ALONG;
    q.effective = day;
    move_done(&f->old, &q, "");
    move_both(f);
}

/* The member moves and is received in the same month. */
static void
arrive_with(struct movers *f, size_t n, struct dossier *dossier)
{
    arrive_on(f, DATE_NONE, n, dossier);
}

static void
receive_with(struct movers *f, const struct dossier *dossier)
{
    struct handover_request q = move_receiving(f);
    q.dossiers = dossier;
    q.n_dossiers = 1;
    move_done(&f->new, &q, "");
}

static size_t
waiting_of(struct test_node *n, const struct movers *f)
{
    struct err err = {0};
    size_t count = 0;
    assert_int_equal(taken_count(n->vault, &f->member, &count, &err), 0);
    return count;
}

static struct taken_found
open_taken(struct test_node *n, bool all)
{
    struct err err = {0};
    struct taken_found found;
    struct taken_work t = {.db = n->db,
                           .vault = n->vault,
                           .unit = n->identity.unit,
                           .today = {n->today},
                           .all = all,
                           .random = test_draw,
                           .random_arg = &n->random,
                           .run = test_node_by_engine,
                           .arg = n};
    if (taken_work_run(&t, &found, &err) != 0)
        fail_msg("%s", err.text);
    return found;
}

/* Activities of the unit's own that are open in the month of the move, and not before. */
static size_t
open_activities(struct test_node *n, struct civil_date moved, uint16_t *ret_order, size_t max)
{
    struct db_txn *txn;
    struct db_cursor *c;
    struct slice key, value;
    struct err err = {0};
    size_t count = 0;
    struct civil_date month = date_month_start(moved), before = {month.days - 1};
    assert_int_equal(db_begin_read(n->db, &txn, &err), 0);
    assert_int_equal(db_cursor_open(txn, TABLE_ACTIVITIES, &c, &err), 0);
    for (int rc = db_cursor_first(c, &key, &value, &err); rc == 0; rc = db_cursor_next(c, &key, &value, &err)) {
        struct subject_id id;
        struct activity_row row;
        struct activity_state s;
        memcpy(id.b, key.data + HASH_BYTES, ID_BYTES);
        assert_int_equal(activity_row_decode(value, &n->identity.unit, &id, &row, &err), 0);
        activity_state_at(&row, before, &s);
        assert_false(s.open);
        activity_state_at(&row, month, &s);
        assert_true(s.open);
        assert_int_equal(s.opened.days, month.days);
        if (ret_order && s.facets.sector <= max)
            ret_order[s.facets.sector - 1] = (uint16_t)row.entries[0].at.seq;
        count++;
        activity_row_release(&row);
    }
    db_cursor_close(&c);
    db_abort(&txn);
    return count;
}

static void
pass_days(struct movers *f, int32_t days)
{
    f->old.today += days;
    f->new.today += days;
    f->old.now_ms += INT64_C(86400000) * days;
    f->new.now_ms += INT64_C(86400000) * days;
}

static void
activities_taken_along_are_opened_when_the_month_is_over_and_not_with_the_reception(void **state)
{
    struct movers *f = *state;
    struct dossier *dossier = calloc(1, sizeof(*dossier));
    uint16_t order[DOSSIER_ACTIVITIES_MAX] = {0};
    struct civil_date moved = {f->old.today + 5};
    assert_non_null(dossier);
    arrive_with(f, DOSSIER_ACTIVITIES_MAX, dossier);
    receive_with(f, dossier);
    assert_int_equal(open_activities(&f->new, moved, NULL, 0), 0); /* the reception alone */
    assert_int_equal(waiting_of(&f->new, f), DOSSIER_ACTIVITIES_MAX);
    assert_int_equal(open_taken(&f->new, false).opened, 0);
    pass_days(f, 31);
    struct taken_found found = open_taken(&f->new, false);
    assert_int_equal(found.opened, DOSSIER_ACTIVITIES_MAX);
    assert_int_equal(found.refused + found.waiting, 0);
    assert_int_equal(waiting_of(&f->new, f), 0);
    assert_int_equal(open_activities(&f->new, moved, order, DOSSIER_ACTIVITIES_MAX), DOSSIER_ACTIVITIES_MAX);
    size_t rising = 0;
    for (size_t i = 1; i < DOSSIER_ACTIVITIES_MAX; i++)
        rising += order[i] > order[i - 1];
    assert_true(rising < DOSSIER_ACTIVITIES_MAX - 8); /* not in the order of the dossier */
    assert_int_equal(open_taken(&f->new, true).opened, 0);
    free(dossier);
}

static void
who_is_received_late_has_them_opened_when_that_month_is_over_too(void **state)
{
    struct movers *f = *state;
    struct dossier *dossier = calloc(1, sizeof(*dossier));
    struct civil_date moved = {f->old.today + 5};
    assert_non_null(dossier);
    arrive_with(f, 2, dossier);
    pass_days(f, 31);
    receive_with(f, dossier);
    assert_int_equal(open_taken(&f->new, false).opened, 0);
    assert_int_equal(open_taken(&f->new, false).waiting, 2);
    pass_days(f, 31);
    assert_int_equal(open_taken(&f->new, false).opened, 2);
    assert_int_equal(open_activities(&f->new, moved, NULL, 0), 2);
    free(dossier);
}

static void
who_is_received_before_she_moves_has_them_opened_when_the_month_of_the_move_is_over(void **state)
{
    struct movers *f = *state;
    struct dossier *dossier = calloc(1, sizeof(*dossier));
    struct civil_date moved = {f->old.today + 40};
    assert_non_null(dossier);
    arrive_on(f, moved, 2, dossier);
    receive_with(f, dossier);
    pass_days(f, 41);
    assert_int_equal(open_taken(&f->new, false).opened, 0);
    assert_int_equal(open_taken(&f->new, false).waiting, 2);
    pass_days(f, 31);
    assert_int_equal(open_taken(&f->new, false).opened, 2);
    assert_int_equal(open_activities(&f->new, moved, NULL, 0), 2);
    free(dossier);
}

/* How many capsules of a class the last event but `back` of a node's log has. */
static size_t
capsules_of(struct test_node *n, uint64_t back, uint8_t class)
{
    struct db_txn *txn;
    struct err err = {0};
    struct stored_event ev;
    struct event_header h;
    struct log_row log = test_node_log(n);
    size_t found = 0;
    assert_int_equal(db_begin_read(n->db, &txn, &err), 0);
    assert_int_equal(evlog_event(txn, log.no, log.head_seq - back, &ev, &err), 0);
    assert_int_equal(event_header_decode(ev.header, &h, &err), 0);
    db_abort(&txn);
    for (size_t i = 0; i < h.n_capsules; i++)
        found += h.capsules[i].class == class;
    return found;
}

static void
all_that_are_open_go_along_or_the_move_is_not_completed(void **state)
{
    struct movers *f = *state;
    struct handover_request q = move_asking(f, HANDOVER_COMPLETE);
    q.activities = ACTIVITIES_TAKEN_ALONG;
    move_both(f);
    open_at_old_home(f, TAKEN_MAX + 1);
    move_offer(f);
    move_accept(f);
    move_refused(&f->old, &q, "", ERR_CONFLICT, "activities"); /* one too many */
    q.activities = ACTIVITIES_CLOSED;
    uint64_t before = test_node_log(&f->old).head_seq;
    move_done(&f->old, &q, "");
    assert_int_equal(capsules_of(&f->old, test_node_log(&f->old).head_seq - before - 1, CLASS_DOSSIER),
                     TAKEN_DOSSIERS_MAX);
}

static void
what_does_not_fit_one_capsule_is_in_more(void **state)
{
    struct movers *f = *state;
    enum { OPEN = DOSSIER_ACTIVITIES_MAX + 6 };
    struct dossier *dossiers = calloc(2, sizeof(*dossiers));
    struct handover_request q = move_asking(f, HANDOVER_COMPLETE);
    assert_non_null(dossiers);
    q.activities = ACTIVITIES_TAKEN_ALONG;
    move_both(f);
    open_at_old_home(f, OPEN);
    move_offer(f);
    move_accept(f);
    uint64_t before = test_node_log(&f->old).head_seq;
    move_done(&f->old, &q, "");
    assert_int_equal(capsules_of(&f->old, test_node_log(&f->old).head_seq - before - 1, CLASS_DOSSIER), 2);
    move_both(f);
    for (size_t i = 0; i < OPEN; i++) {
        struct dossier *d = &dossiers[i / DOSSIER_ACTIVITIES_MAX];
        d->first_joined = DATE_NONE;
        d->activities[d->n_activities++] =
            (struct dossier_activity){.sector = (uint16_t)(i % 8 + 1), .opened = DATE_NONE};
    }
    q = move_receiving(f);
    q.dossiers = dossiers;
    q.n_dossiers = 2;
    move_done(&f->new, &q, "");
    assert_int_equal(waiting_of(&f->new, f), OPEN);
    pass_days(f, 31);
    assert_int_equal(open_taken(&f->new, false).opened, OPEN);
    assert_int_equal(waiting_of(&f->new, f), 0);
    free(dossiers);
}

static void
the_desk_may_have_them_opened_before(void **state)
{
    struct movers *f = *state;
    struct dossier *dossier = calloc(1, sizeof(*dossier));
    assert_non_null(dossier);
    struct civil_date moved = {f->old.today + 5};
    arrive_with(f, 2, dossier);
    receive_with(f, dossier);
    pass_days(f, 5);
    assert_int_equal(open_taken(&f->new, false).waiting, 2);
    assert_int_equal(open_taken(&f->new, true).opened, 2);
    assert_int_equal(waiting_of(&f->new, f), 0);
    assert_int_equal(open_activities(&f->new, moved, NULL, 0), 2);
    free(dossier);
}

/* The list is in the vault, the group is lost: nobody opens what is in it, and the reception that comes about has a list of its own. */
static void
a_stop_between_the_list_and_the_reception_loses_and_doubles_nothing(void **state)
{
    struct movers *f = *state;
    struct dossier *dossier = calloc(1, sizeof(*dossier));
    struct api_op *op = calloc(1, sizeof(*op));
    struct err err = {0};
    static const struct actor_id actor = {{0xAC}};
    assert_non_null(dossier);
    assert_non_null(op);
    arrive_with(f, 3, dossier);
    op->kind = OP_HANDOVER;
    op->handover.request = move_receiving(f);
    op->handover.request.dossiers = dossier;
    op->handover.request.n_dossiers = 1;
    assert_int_equal(engine_begin(f->new.engine, &err), 0);
    assert_int_equal(engine_exec(f->new.engine, &actor, op, &err), 0);
    assert_int_equal(op->result.err.code, 0);
    engine_abort(f->new.engine);
    test_node_close(&f->new);
    test_node_open(&f->new);
    assert_int_equal(waiting_of(&f->new, f), 3);
    pass_days(f, 31);
    struct taken_found found = open_taken(&f->new, true);
    assert_int_equal(found.opened + found.refused, 0);
    assert_int_equal(found.waiting, 3);
    receive_with(f, dossier);
    assert_int_equal(waiting_of(&f->new, f), 3);
    assert_int_equal(open_taken(&f->new, true).opened, 3);
    assert_int_equal(open_activities(&f->new, (struct civil_date){f->old.today - 26}, NULL, 0), 3);
    free(op);
    free(dossier);
}

static void
a_stop_between_the_opening_and_the_list_opens_nothing_twice(void **state)
{
    struct movers *f = *state;
    struct dossier *dossier = calloc(1, sizeof(*dossier));
    struct taken_activity *list = calloc(TAKEN_MAX, sizeof(*list));
    struct err err = {0};
    size_t n = 0;
    assert_non_null(dossier);
    assert_non_null(list);
    arrive_with(f, 3, dossier);
    receive_with(f, dossier);
    assert_int_equal(taken_list(f->new.vault, &f->member, list, &n, &err), 0);
    assert_int_equal(n, 3);
    pass_days(f, 31);
    assert_int_equal(open_taken(&f->new, false).opened, 3);
    assert_int_equal(taken_put(f->new.vault, &f->member, list, n, &err), 0); /* as if it had not been taken away yet */
    struct taken_found found = open_taken(&f->new, false);
    assert_int_equal(found.opened + found.refused + found.waiting, 0);
    assert_int_equal(waiting_of(&f->new, f), 0);
    assert_int_equal(open_activities(&f->new, (struct civil_date){f->old.today - 26}, NULL, 0), 3);
    free(list);
    free(dossier);
}

static void
what_waits_goes_with_an_erasure_and_when_the_member_has_left(void **state)
{
    struct movers *f = *state;
    struct dossier *dossier = calloc(1, sizeof(*dossier));
    struct api_op *op = calloc(1, sizeof(*op));
    struct err err = {0};
    bool rewrote = false;
    assert_non_null(dossier);
    assert_non_null(op);
    arrive_with(f, 2, dossier);
    receive_with(f, dossier);
    *op = (struct api_op){.kind = OP_MEMBER, .status_on_success = 200};
    op->member.request = (struct member_request){
        .action = ACTION_RESIGN, .has_subject = true, .subject = f->member, .effective = {f->new.today + 9}};
    assert_int_equal(test_node_exec(&f->new, op, &err), 0);
    assert_int_equal(op->result.err.code, 0);
    pass_days(f, 10);
    assert_int_equal(open_taken(&f->new, true).waiting, 2);
    assert_int_equal(waiting_of(&f->new, f), 2); /* the resignation may yet be taken back */
    pass_days(f, 31);
    assert_int_equal(open_taken(&f->new, true).opened, 0);
    assert_int_equal(waiting_of(&f->new, f), 0);
    struct taken_activity a = {.key = {.member = f->member, .activity = {{7}}}, .month = {f->new.today}, .sector = 1};
    assert_int_equal(taken_put(f->new.vault, &f->member, &a, 1, &err), 0);
    *op = (struct api_op){.kind = OP_ERASE, .status_on_success = 200};
    op->erase.request = (struct erase_request){.action = ERASE_ORDER,
                                               .member = f->member,
                                               .classes = 1U << (CLASS_ACTIVITY - 1),
                                               .ground = GROUND_WRONGLY_HELD,
                                               .effective = DATE_NONE,
                                               .until = DATE_NONE};
    assert_int_equal(test_node_exec(&f->new, op, &err), 0);
    if (op->result.err.code != 0)
        fail_msg("%s: %s", op->result.err.field, op->result.err.text);
    while (engine_erasures_due(f->new.engine))
        assert_int_equal(engine_erase(f->new.engine, &rewrote, &err), 0);
    assert_int_equal(waiting_of(&f->new, f), 0);
    free(op);
    free(dossier);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(activities_of_who_moved_are_closed_when_the_month_is_over, movers_setup,
                                        movers_teardown),
        cmocka_unit_test_setup_teardown(
            activities_taken_along_are_opened_when_the_month_is_over_and_not_with_the_reception, movers_setup,
            movers_teardown),
        cmocka_unit_test_setup_teardown(who_is_received_late_has_them_opened_when_that_month_is_over_too, movers_setup,
                                        movers_teardown),
        cmocka_unit_test_setup_teardown(
            who_is_received_before_she_moves_has_them_opened_when_the_month_of_the_move_is_over, movers_setup,
            movers_teardown),
        cmocka_unit_test_setup_teardown(all_that_are_open_go_along_or_the_move_is_not_completed, movers_setup,
                                        movers_teardown),
        cmocka_unit_test_setup_teardown(what_does_not_fit_one_capsule_is_in_more, movers_setup, movers_teardown),
        cmocka_unit_test_setup_teardown(the_desk_may_have_them_opened_before, movers_setup, movers_teardown),
        cmocka_unit_test_setup_teardown(a_stop_between_the_list_and_the_reception_loses_and_doubles_nothing,
                                        movers_setup, movers_teardown),
        cmocka_unit_test_setup_teardown(a_stop_between_the_opening_and_the_list_opens_nothing_twice, movers_setup,
                                        movers_teardown),
        cmocka_unit_test_setup_teardown(what_waits_goes_with_an_erasure_and_when_the_member_has_left, movers_setup,
                                        movers_teardown),
    };
    return cmocka_run_group_tests_name("handover along", tests, NULL, NULL);
}
