/* Counting the people of a month from its invoices: each once, again only what changed, whole after a stop at any point, and nothing lost
 * that comes meanwhile. And the operations that lead there, as the writer carries them out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

#include "node/command/keys.h"
#include "node/host/counting.h"
#include "node/host/links.h"
#include "tests/support/node.h"

enum { PEOPLE = 300, LATER = TEST_NODE_TODAY + 40 }; /* more than one group; the month is over by then */

struct counted_node {
    struct test_node n;
    struct subject_id members[PEOPLE];
    struct api_op *op;
    /* of run() */
    unsigned ops, fail_at;  /* the fail_at-th does not come back: 0 = off */
    bool issue_in_between;  /* at the first events */
    uint64_t groups_of_max; /* greatest number of events in one */
};

static uint16_t
month(void)
{
    return month_number((struct civil_date){TEST_NODE_TODAY});
}

static int
exec_one(struct counted_node *c)
{
    struct err err = {0};
    if (test_node_exec(&c->n, c->op, &err) != 0)
        fail_msg("%s", err.text);
    return c->op->result.err.code;
}

static void
must_exec(struct counted_node *c)
{
    if (exec_one(c) != ERR_NONE)
        fail_msg("%s: %s", c->op->result.err.field, c->op->result.err.text);
}

static struct subject_id
open_activity(struct counted_node *c, const char *member_no, const char *number)
{
    *c->op = (struct api_op){.kind = OP_ACTIVITY};
    struct activity_request *r = &c->op->activity.request;
    r->action = WORK_OPEN_ACTIVITY;
    r->effective = (struct civil_date){TEST_NODE_TODAY};
    r->has_sector = r->has_number = true;
    r->sector = 2;
    snprintf(r->number.s, sizeof(r->number.s), "%s", number);
    snprintf(c->op->activity.member_no, sizeof(c->op->activity.member_no), "%s", member_no);
    snprintf(c->op->activity.office_text, sizeof(c->op->activity.office_text), "Gent");
    must_exec(c);
    return c->op->result.subject;
}

static struct subject_id
issue(struct counted_node *c, const char *activity_no, const char *number)
{
    *c->op = (struct api_op){.kind = OP_INVOICE};
    struct invoice_request *r = &c->op->invoice.request;
    r->effective = (struct civil_date){TEST_NODE_TODAY};
    r->has_amount = r->has_number = true;
    r->amount_minor = 12345;
    snprintf(r->number.s, sizeof(r->number.s), "%s", number);
    snprintf(c->op->invoice.activity_no, sizeof(c->op->invoice.activity_no), "%s", activity_no);
    must_exec(c);
    return c->op->result.subject;
}

/* Everybody has an activity; everybody but the last an invoice. */
static int
setup(void **state)
{
    struct counted_node *c = calloc(1, sizeof(*c));
    char text[32];
    struct err err = {0};
    assert_non_null(c);
    c->op = calloc(1, sizeof(*c->op));
    assert_non_null(c->op);
    test_node_make(&c->n);
    for (unsigned i = 0; i < PEOPLE; i++) {
        test_node_admission(c->op, i);
        must_exec(c);
        c->members[i] = c->op->result.subject;
    }
    assert_int_equal(engine_vault_flush(c->n.engine, &err), 0); /* numbers are found in the index */
    for (unsigned i = 0; i < PEOPLE; i++) {
        char activity[32];
        snprintf(text, sizeof(text), "M-%u", i);
        snprintf(activity, sizeof(activity), "P-%u", i);
        open_activity(c, text, activity);
        snprintf(text, sizeof(text), "F-%u", i);
        if (i + 1 < PEOPLE)
            issue(c, activity, text);
    }
    c->n.today = LATER;
    c->n.now_ms += (int64_t)(LATER - TEST_NODE_TODAY) * 86400000;
    *state = c;
    return 0;
}

static int
teardown(void **state)
{
    struct counted_node *c = *state;
    test_node_remove(&c->n);
    free(c->op);
    free(c);
    return 0;
}

static int
run(void *arg, const struct actor_id *actor, struct api_op *op, struct err *err)
{
    struct counted_node *c = arg;
    if (c->fail_at > 0 && ++c->ops == c->fail_at)
        return err_set(err, ERR_UNAVAILABLE, "killed");
    if (op->count.step == COUNT_WRITE && op->count.n > c->groups_of_max)
        c->groups_of_max = op->count.n;
    if (op->count.step == COUNT_WRITE && c->issue_in_between) {
        c->issue_in_between = false;
        issue(c, "P-299", "F-299");
    }
    int rc = engine_begin(c->n.engine, err);
    if (rc == 0)
        rc = engine_exec(c->n.engine, actor, op, err);
    if (rc == 0)
        rc = engine_commit(c->n.engine, err);
    if (rc != 0)
        engine_abort(c->n.engine);
    return rc;
}

static int
count(struct counted_node *c, uint16_t which, uint64_t *ret_events, struct err *err)
{
    struct counting k = {
        .db = c->n.db, .vault = c->n.vault, .identity = &c->n.identity, .today = {c->n.today}, .run = run, .arg = c};
    c->ops = 0;
    return counting_run(&k, which, ret_events, err);
}

static uint64_t
must_count(struct counted_node *c)
{
    struct err err = {0};
    uint64_t events = 0;
    if (count(c, 0, &events, &err) != 0)
        fail_msg("%s", err.text);
    return events;
}

/* Cells that are said of a member in the month; -1: nothing was ever said. */
static int
cells_of(struct counted_node *c, const struct subject_id *member)
{
    uint8_t key[KEY_ACTIVE];
    struct subject_id pseudonym;
    struct active_row row;
    struct slice value;
    struct db_txn *txn = NULL;
    struct err err;
    int n = -1;
    assert_int_equal(db_begin_read(c->n.db, &txn, &err), 0);
    assert_int_equal(member_pseudonym(txn, c->n.vault, member, (uint16_t)(1900 + month() / 12), &pseudonym, &err), 0);
    key_active(key, (uint16_t)(1900 + month() / 12), &pseudonym);
    int rc = db_get(txn, TABLE_ACTIVE, slice_of(key, sizeof(key)), &value, &err);
    if (rc == 0) {
        assert_int_equal(active_row_decode(value, (uint16_t)(1900 + month() / 12), &pseudonym, &row, &err), 0);
        for (size_t i = 0; i < row.n; i++)
            n = row.entries[i].month == month() ? row.entries[i].n : n;
        active_row_release(&row);
    }
    db_abort(&txn);
    return n;
}

static void
assert_all_counted(struct counted_node *c, unsigned people)
{
    for (unsigned i = 0; i < PEOPLE; i++)
        assert_int_equal(cells_of(c, &c->members[i]), i < people ? 1 : -1);
    assert_int_equal(test_table_rows(c->n.db, TABLE_ACTIVE), people);
    assert_int_equal(test_table_rows(c->n.db, TABLE_UNCOUNTED), 0);
    test_node_check(&c->n);
}

static void
everybody_with_an_invoice_is_counted_once_and_counting_again_says_nothing(void **state)
{
    struct counted_node *c = *state;
    assert_int_equal(test_table_rows(c->n.db, TABLE_UNCOUNTED), 1);
    assert_int_equal(must_count(c), PEOPLE - 1);
    assert_int_equal(c->groups_of_max, COUNT_GROUP_EVENTS);
    assert_all_counted(c, PEOPLE - 1);
    assert_int_equal(must_count(c), 0);
    struct err err = {0};
    uint64_t events = 9;
    assert_int_equal(count(c, month(), &events, &err), 0);
    assert_int_equal(events, 0);
    assert_all_counted(c, PEOPLE - 1);
}

static void
a_stop_at_any_point_loses_nothing_and_counts_nobody_twice(void **state)
{
    struct counted_node *c = *state;
    struct err err = {0};
    uint64_t events = 0, total = 0;
    int rc;
    c->fail_at = 1;
    do { /* begin, two groups, end: each is the one before which the process is killed */
        rc = count(c, 0, &events, &err);
        total = test_table_rows(c->n.db, TABLE_ACTIVE);
        if (rc != 0)
            assert_int_equal(test_table_rows(c->n.db, TABLE_UNCOUNTED), 1);
        test_node_close(&c->n);
        test_node_open(&c->n);
        c->fail_at++;
        assert_true(c->fail_at < 20);
    } while (rc != 0);
    assert_true(c->fail_at > 4);
    assert_int_equal(total, PEOPLE - 1);
    c->fail_at = 0;
    assert_all_counted(c, PEOPLE - 1);
    assert_int_equal(must_count(c), 0);
}

static void
an_invoice_that_comes_meanwhile_is_counted_in_the_next_turn(void **state)
{
    struct counted_node *c = *state;
    c->issue_in_between = true;
    assert_int_equal(must_count(c), PEOPLE - 1);
    assert_int_equal(test_table_rows(c->n.db, TABLE_UNCOUNTED), 1);
    assert_int_equal(must_count(c), 1);
    assert_all_counted(c, PEOPLE);
}

static void
a_month_that_is_not_over_is_not_counted(void **state)
{
    struct counted_node *c = *state;
    struct err err = {0};
    uint64_t events = 9;
    c->n.today = TEST_NODE_TODAY;
    assert_int_equal(must_count(c), 0);
    assert_int_equal(test_table_rows(c->n.db, TABLE_UNCOUNTED), 1);
    assert_int_equal(count(c, month(), &events, &err), ERR_CONFLICT);
    assert_string_equal(err.field, "month");
}

static int
mark(void *arg, uint16_t which, struct err *err)
{
    struct counted_node *c = arg;
    struct counting k = {.identity = &c->n.identity, .run = run, .arg = c};
    assert_int_equal(test_table_rows(vault_db(c->n.vault), TABLE_LINKS), 0); /* a stop after it loses nothing */
    return counting_mark(&k, which, err);
}

static void
a_month_that_was_counted_without_links_is_counted_again_once_they_are_found(void **state)
{
    struct counted_node *c = *state;
    struct links_search s = {.db = c->n.db, .vault = c->n.vault, .unit = c->n.identity.unit, .mark = mark, .arg = c};
    struct links_found found;
    struct db_txn *txn;
    struct err err = {0};
    uint64_t events = 0;
    assert_int_equal(must_count(c), PEOPLE - 1);
    assert_int_equal(db_begin_write(vault_db(c->n.vault), &txn, &err), 0);
    assert_int_equal(db_clear(txn, TABLE_LINKS, &err), 0);
    assert_int_equal(db_commit(&txn, &err), 0);
    assert_int_equal(count(c, month(), &events, &err), 0);
    assert_int_equal(events, PEOPLE - 1);
    assert_int_equal(test_table_rows(c->n.db, TABLE_UNCOUNTED), 0);
    assert_int_equal(links_restore(&s, &found, &err), 0);
    assert_int_equal(found.linked, 2 * PEOPLE - 1);
    assert_int_equal(test_table_rows(c->n.db, TABLE_UNCOUNTED), 1);
    assert_int_equal(must_count(c), PEOPLE - 1);
    assert_all_counted(c, PEOPLE - 1);
}

static struct position
last_change(struct counted_node *c, const struct subject_id *invoice)
{
    uint8_t key[KEY_INVOICE];
    struct invoice_row row;
    struct invoice_state s;
    struct slice value;
    struct db_txn *txn = NULL;
    struct err err;
    key_invoice(key, &c->n.identity.unit, invoice);
    assert_int_equal(db_begin_read(c->n.db, &txn, &err), 0);
    assert_int_equal(db_get(txn, TABLE_INVOICES, slice_of(key, sizeof(key)), &value, &err), 0);
    assert_int_equal(invoice_row_decode(value, &c->n.identity.unit, invoice, &row, &err), 0);
    invoice_state_at(&row, DATE_MAX, &s);
    invoice_row_release(&row);
    db_abort(&txn);
    return s.last_change;
}

static void
a_cancelled_invoice_takes_its_person_out_of_the_month(void **state)
{
    struct counted_node *c = *state;
    assert_int_equal(must_count(c), PEOPLE - 1);
    struct subject_id invoice = issue(c, "P-299", "F-299");
    assert_int_equal(must_count(c), 1);
    assert_int_equal(cells_of(c, &c->members[299]), 1);
    *c->op = (struct api_op){.kind = OP_CANCEL};
    c->op->cancel =
        (struct cancel_request){.what = CANCEL_INVOICE, .subject = invoice, .event = last_change(c, &invoice)};
    must_exec(c);
    assert_int_equal(must_count(c), 1);
    assert_int_equal(cells_of(c, &c->members[299]), 0);
    assert_int_equal(cells_of(c, &c->members[298]), 1);
}

static void
merged_records_are_one_person_and_a_merge_is_two_events_of_one_commit(void **state)
{
    struct counted_node *c = *state;
    struct log_row before = test_node_log(&c->n), after;
    *c->op = (struct api_op){.kind = OP_MERGE};
    c->op->merge =
        (struct merge_request){.from = c->members[0], .into = c->members[1], .effective = {TEST_NODE_TODAY + 1}};
    must_exec(c);
    after = test_node_log(&c->n);
    assert_int_equal(after.head_seq, before.head_seq + 2);
    assert_int_equal(c->op->result.position.seq, before.head_seq + 1);
    assert_memory_equal(&c->op->result.subject, &c->members[0], ID_BYTES);
    assert_int_equal(must_count(c), PEOPLE - 2);
    assert_int_equal(cells_of(c, &c->members[0]), -1);
    assert_int_equal(cells_of(c, &c->members[1]), 1);
    /* Both at once, or none. */
    before = after = test_node_log(&c->n);
    assert_int_equal(exec_one(c), ERR_CONFLICT);
    after = test_node_log(&c->n);
    assert_int_equal(after.head_seq, before.head_seq);
    test_node_check(&c->n);
}

static void
a_merge_whose_commit_fails_leaves_neither_event(void **state)
{
    struct counted_node *c = *state;
    struct log_row before = test_node_log(&c->n), after;
    struct err err = {0};
    unsigned step = 1;
    int rc;
    do {
        *c->op = (struct api_op){.kind = OP_MERGE};
        c->op->merge =
            (struct merge_request){.from = c->members[0], .into = c->members[1], .effective = {TEST_NODE_TODAY + 1}};
        db_fail_after(step++);
        rc = test_node_exec(&c->n, c->op, &err);
        db_fail_after(0);
        after = test_node_log(&c->n);
        assert_int_equal(after.head_seq - before.head_seq, rc == 0 ? 2 : 0);
        assert_true(step < 200);
    } while (rc != 0);
    assert_true(step > 5);
    test_node_check(&c->n);
}

static void
a_year_is_closed_once_its_months_are_counted(void **state)
{
    struct counted_node *c = *state;
    int year, m, d;
    date_to_ymd((struct civil_date){TEST_NODE_TODAY}, &year, &m, &d);
    c->n.today = date_from_ymd(year + 1, 2, 1).days;
    *c->op = (struct api_op){.kind = OP_CLOSE_PERIOD, .close.year = (uint16_t)year};
    assert_int_equal(exec_one(c), ERR_CONFLICT);
    must_count(c);
    *c->op = (struct api_op){.kind = OP_CLOSE_PERIOD, .close.year = (uint16_t)year};
    must_exec(c);
    assert_int_equal(test_table_rows(c->n.db, TABLE_PERIODS), 1);
    assert_int_equal(exec_one(c), ERR_CONFLICT);
    c->op->close.again = true;
    must_exec(c);
    assert_int_equal(test_table_rows(c->n.db, TABLE_PERIODS), 1);
    test_node_check(&c->n);
}

/* What was said of the two is said of one person, and of two again. */
static void
a_merge_and_its_undoing_count_the_months_of_both_records_again(void **state)
{
    struct counted_node *c = *state;
    assert_int_equal(must_count(c), PEOPLE - 1);
    assert_int_equal(test_table_rows(c->n.db, TABLE_UNCOUNTED), 0);
    *c->op = (struct api_op){.kind = OP_MERGE};
    c->op->merge =
        (struct merge_request){.from = c->members[0], .into = c->members[299], .effective = {TEST_NODE_TODAY + 1}};
    must_exec(c);
    assert_int_equal(test_table_rows(c->n.db, TABLE_UNCOUNTED), 1);
    assert_int_equal(must_count(c), 2);
    assert_int_equal(cells_of(c, &c->members[0]), 0);
    assert_int_equal(cells_of(c, &c->members[299]), 1);
    *c->op = (struct api_op){.kind = OP_MERGE};
    c->op->merge = (struct merge_request){.undo = true, .from = c->members[0]};
    must_exec(c);
    assert_int_equal(test_table_rows(c->n.db, TABLE_UNCOUNTED), 1);
    assert_int_equal(must_count(c), 2);
    assert_int_equal(cells_of(c, &c->members[0]), 1);
    assert_int_equal(cells_of(c, &c->members[299]), 0);
    test_node_check(&c->n);
}

static void
numbers_that_are_not_there_are_refused_by_name(void **state)
{
    struct counted_node *c = *state;
    *c->op = (struct api_op){.kind = OP_ACTIVITY};
    c->op->activity.request = (struct activity_request){
        .action = WORK_OPEN_ACTIVITY, .effective = {TEST_NODE_TODAY}, .has_sector = true, .sector = 2};
    snprintf(c->op->activity.member_no, sizeof(c->op->activity.member_no), "M-9999");
    assert_int_equal(exec_one(c), ERR_NOTFOUND);
    assert_string_equal(c->op->result.err.field, "member_no");
    *c->op = (struct api_op){.kind = OP_INVOICE};
    c->op->invoice.request.effective = (struct civil_date){TEST_NODE_TODAY};
    snprintf(c->op->invoice.activity_no, sizeof(c->op->invoice.activity_no), "P-9999");
    assert_int_equal(exec_one(c), ERR_NOTFOUND);
    assert_string_equal(c->op->result.err.field, "activity_no");
    *c->op = (struct api_op){.kind = OP_INVOICE};
    c->op->invoice.request.credit = true;
    c->op->invoice.request.effective = (struct civil_date){TEST_NODE_TODAY};
    snprintf(c->op->invoice.invoice_no, sizeof(c->op->invoice.invoice_no), "F-9999");
    assert_int_equal(exec_one(c), ERR_NOTFOUND);
    assert_string_equal(c->op->result.err.field, "credits_no");
}

int
main(void)
{
#define COUNT_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        COUNT_TEST(everybody_with_an_invoice_is_counted_once_and_counting_again_says_nothing),
        COUNT_TEST(a_stop_at_any_point_loses_nothing_and_counts_nobody_twice),
        COUNT_TEST(an_invoice_that_comes_meanwhile_is_counted_in_the_next_turn),
        COUNT_TEST(a_month_that_is_not_over_is_not_counted),
        COUNT_TEST(a_cancelled_invoice_takes_its_person_out_of_the_month),
        COUNT_TEST(merged_records_are_one_person_and_a_merge_is_two_events_of_one_commit),
        COUNT_TEST(a_merge_whose_commit_fails_leaves_neither_event),
        COUNT_TEST(a_month_that_was_counted_without_links_is_counted_again_once_they_are_found),
        COUNT_TEST(a_merge_and_its_undoing_count_the_months_of_both_records_again),
        COUNT_TEST(a_year_is_closed_once_its_months_are_counted),
        COUNT_TEST(numbers_that_are_not_there_are_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
