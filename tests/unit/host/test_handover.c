/* Members who move, through two engines that get each other's runs: what each desk may do when, what is written together, what it comes to on both
 * sides. Invented persons only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

#include "node/command/person_open.h"
#include "node/host/moved_work.h"
#include "node/host/taken_work.h"
#include "storage/asks.h"
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

/* Each offer that is taken back begins keys. */
static void
keys_for_which_there_is_no_room_are_counted_for_the_desk(void **state)
{
    enum { TAKEN_BACK = 20, WITH_IT = 16 };
    struct fixture *f = *state;
    struct handover_request q = asking(f, HANDOVER_OFFER), back = asking(f, HANDOVER_WITHDRAW);
    q.unit = f->new.identity.unit;
    q.proposed = (struct civil_date){f->old.today + 5};
    both(f);
    for (int i = 0; i < TAKEN_BACK; i++) {
        struct api_result r = run(&f->old, &q, "");
        assert_int_equal(r.err.code, 0);
        assert_int_equal(r.keys_left, i + 1 > WITH_IT ? i + 1 - WITH_IT : 0);
        done(&f->old, &back, "");
    }
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
of_many_who_move_each_is_found(void **state)
{
    struct fixture *f = *state;
    struct subject_id each[40], first = f->member;
    both(f);
    f->old.today -= 30;
    for (unsigned i = 0; i < ARRAY_LEN(each); i++)
        each[i] = test_node_admit(&f->old, 100 + i);
    f->old.today += 30;
    for (unsigned i = 0; i < ARRAY_LEN(each); i += 2) {
        f->member = each[i];
        offer(f);
    }
    for (unsigned i = 0; i < ARRAY_LEN(each); i++) {
        f->member = each[i];
        assert_int_equal(turn_of(&f->old, f), i % 2 == 0 ? TURN_THEY_ACCEPT : TURN_NOBODY);
        assert_int_equal(turn_of(&f->new, f), i % 2 == 0 ? TURN_WE_ACCEPT : TURN_NOBODY);
    }
    f->member = first;
    offer(f);
    accept_offer(f); /* now she has a row at both */
    assert_int_equal(turn_of(&f->old, f), TURN_WE_COMPLETE);
    assert_int_equal(turn_of(&f->new, f), TURN_THEY_COMPLETE);
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
open_at_old_home(struct fixture *f, size_t n)
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
    struct fixture *f = *state;
    both(f);
    open_at_old_home(f, 3);
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

/* ---- activities that are taken along ---- */

/* As far as the reception, with a dossier of n activities; the member moves and is received in the same month. */
static void
arrive_with(struct fixture *f, size_t n, struct dossier *dossier)
{
    *dossier = (struct dossier){.first_joined = DATE_NONE, .n_activities = n};
    for (size_t i = 0; i < n; i++) {
        dossier->activities[i] = (struct dossier_activity){.sector = (uint16_t)(i + 1), .opened = DATE_NONE};
        snprintf(dossier->activities[i].title.s, sizeof(dossier->activities[i].title.s), "Koor %zu", i + 1);
    }
    both(f);
    offer(f);
    accept_offer(f);
    struct handover_request q = asking(f, HANDOVER_COMPLETE);
    q.activities = ACTIVITIES_TAKEN_ALONG;
    done(&f->old, &q, "");
    both(f);
}

static void
receive_with(struct fixture *f, const struct dossier *dossier)
{
    struct handover_request q = receiving(f);
    q.dossiers = dossier;
    q.n_dossiers = 1;
    done(&f->new, &q, "");
}

static size_t
waiting_of(struct test_node *n, const struct fixture *f)
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
                           .run = run_by_engine,
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
pass_days(struct fixture *f, int32_t days)
{
    f->old.today += days;
    f->new.today += days;
    f->old.now_ms += INT64_C(86400000) * days;
    f->new.now_ms += INT64_C(86400000) * days;
}

static void
activities_taken_along_are_opened_when_the_month_is_over_and_not_with_the_reception(void **state)
{
    struct fixture *f = *state;
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
    struct fixture *f = *state;
    struct handover_request q = asking(f, HANDOVER_COMPLETE);
    q.activities = ACTIVITIES_TAKEN_ALONG;
    both(f);
    open_at_old_home(f, TAKEN_MAX + 1);
    offer(f);
    accept_offer(f);
    refused(&f->old, &q, "", ERR_CONFLICT, "activities"); /* one too many */
    q.activities = ACTIVITIES_CLOSED;
    uint64_t before = test_node_log(&f->old).head_seq;
    done(&f->old, &q, "");
    assert_int_equal(capsules_of(&f->old, test_node_log(&f->old).head_seq - before - 1, CLASS_DOSSIER),
                     TAKEN_DOSSIERS_MAX);
}

static void
what_does_not_fit_one_capsule_is_in_more(void **state)
{
    struct fixture *f = *state;
    enum { OPEN = DOSSIER_ACTIVITIES_MAX + 6 };
    struct dossier *dossiers = calloc(2, sizeof(*dossiers));
    struct handover_request q = asking(f, HANDOVER_COMPLETE);
    assert_non_null(dossiers);
    q.activities = ACTIVITIES_TAKEN_ALONG;
    both(f);
    open_at_old_home(f, OPEN);
    offer(f);
    accept_offer(f);
    uint64_t before = test_node_log(&f->old).head_seq;
    done(&f->old, &q, "");
    assert_int_equal(capsules_of(&f->old, test_node_log(&f->old).head_seq - before - 1, CLASS_DOSSIER), 2);
    both(f);
    for (size_t i = 0; i < OPEN; i++) {
        struct dossier *d = &dossiers[i / DOSSIER_ACTIVITIES_MAX];
        d->first_joined = DATE_NONE;
        d->activities[d->n_activities++] =
            (struct dossier_activity){.sector = (uint16_t)(i % 8 + 1), .opened = DATE_NONE};
    }
    q = receiving(f);
    q.dossiers = dossiers;
    q.n_dossiers = 2;
    done(&f->new, &q, "");
    assert_int_equal(waiting_of(&f->new, f), OPEN);
    pass_days(f, 31);
    assert_int_equal(open_taken(&f->new, false).opened, OPEN);
    assert_int_equal(waiting_of(&f->new, f), 0);
    free(dossiers);
}

static void
the_desk_may_have_them_opened_before(void **state)
{
    struct fixture *f = *state;
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
    struct fixture *f = *state;
    struct dossier *dossier = calloc(1, sizeof(*dossier));
    struct api_op *op = calloc(1, sizeof(*op));
    struct err err = {0};
    static const struct actor_id actor = {{0xAC}};
    assert_non_null(dossier);
    assert_non_null(op);
    arrive_with(f, 3, dossier);
    op->kind = OP_HANDOVER;
    op->handover.request = receiving(f);
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
    struct fixture *f = *state;
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
    struct fixture *f = *state;
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
    struct fixture *f = *state;
    f->old.today = f->new.today = date_from_ymd(2026, 2, 1).days;
    both(f);
    close_year(&f->new, 2024, false);
    close_year(&f->new, 2025, false);
    struct handover_request offer = asking(f, HANDOVER_OFFER), accept = asking(f, HANDOVER_ACCEPT),
                            complete = asking(f, HANDOVER_COMPLETE);
    offer.unit = f->new.identity.unit;
    offer.proposed = date_from_ymd(2025, 1, 20);
    done(&f->old, &offer, "");
    both(f);
    refused(&f->new, &accept, "Gent", ERR_CONFLICT, "proposed");
    accept.adjusts_closed = true;
    done(&f->new, &accept, "Gent");
    both(f);
    complete.effective = date_from_ymd(2024, 12, 20); /* about this year nobody asked it */
    refused(&f->old, &complete, "", ERR_CONFLICT, "effective_on");
    complete.effective = date_from_ymd(2025, 3, 1);
    close_year(&f->new, 2025, true); /* with other figures than those that it meant */
    both(f);
    refused(&f->old, &complete, "", ERR_CONFLICT, "effective_on");
    struct handover_request withdraw = asking(f, HANDOVER_WITHDRAW);
    done(&f->old, &withdraw, "");
    both(f);
    done(&f->old, &offer, "");
    both(f);
    done(&f->new, &accept, "Gent");
    both(f);
    close_year(&f->old, 2024, false);
    done(&f->old, &complete, "");
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
    struct fixture *f = *state;
    struct err err = {0};
    both(f);
    for (uint8_t i = 1; i <= 3; i++) {
        struct ask ask = {.member = f->member, .id = {{i}}, .what = i == 3 ? ASK_OTHER : ASK_MOVE, .day = DATE_NONE};
        assert_int_equal(asks_put(f->old.vault, &ask, &err), 0);
    }
    offer(f);
    accept_offer(f);
    bool complete = false;
    for (unsigned at = 1; !complete; at++) {
        struct api_op *op = calloc(1, sizeof(*op));
        assert_non_null(op);
        op->kind = OP_HANDOVER;
        op->handover.request = asking(f, HANDOVER_COMPLETE);
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
    assert_int_equal(turn_of(&f->old, f), TURN_THEY_RECEIVE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_four_steps_move_a_member, setup, teardown),
        cmocka_unit_test_setup_teardown(who_received_a_member_opens_him_with_keys_of_its_own, setup, teardown),
        cmocka_unit_test_setup_teardown(an_offer_can_be_withdrawn_until_it_is_completed, setup, teardown),
        cmocka_unit_test_setup_teardown(keys_for_which_there_is_no_room_are_counted_for_the_desk, setup, teardown),
        cmocka_unit_test_setup_teardown(of_many_who_move_each_is_found, setup, teardown),
        cmocka_unit_test_setup_teardown(what_a_desk_cannot_do_it_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(activities_of_who_moved_are_closed_when_the_month_is_over, setup, teardown),
        cmocka_unit_test_setup_teardown(
            activities_taken_along_are_opened_when_the_month_is_over_and_not_with_the_reception, setup, teardown),
        cmocka_unit_test_setup_teardown(all_that_are_open_go_along_or_the_move_is_not_completed, setup, teardown),
        cmocka_unit_test_setup_teardown(what_does_not_fit_one_capsule_is_in_more, setup, teardown),
        cmocka_unit_test_setup_teardown(the_desk_may_have_them_opened_before, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stop_between_the_list_and_the_reception_loses_and_doubles_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_stop_between_the_opening_and_the_list_opens_nothing_twice, setup, teardown),
        cmocka_unit_test_setup_teardown(what_waits_goes_with_an_erasure_and_when_the_member_has_left, setup, teardown),
        cmocka_unit_test_setup_teardown(requests_to_move_are_dealt_with_if_the_move_is_complete_and_not_if_it_is_not,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(the_new_home_is_asked_once_about_the_years_that_it_has_closed, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
