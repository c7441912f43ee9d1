/* Erasures where two instances of one node write, a node and its clone: an order takes the keys that each of them has when it learns of it,
 * however it counts them, and none that begin later; and what was written side by side with an order is found by the next. Invented persons
 * only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "node/command/rows.h"
#include "storage/erasures.h"
#include "storage/keyslots.h"
#include "tests/support/node.h"

enum { CONTACT = 1 << (CLASS_CONTACT - 1) };

struct twins {
    struct test_node a, b;
};

/* ---- a node and its clone ---- */

static void
copy_data(const char *from_dir, const char *to_dir, const char *which)
{
    char from[TEST_PATH_MAX + 32], to[TEST_PATH_MAX + 32];
    snprintf(from, sizeof(from), "%s/%s/data.mdb", from_dir, which);
    snprintf(to, sizeof(to), "%s/%s", to_dir, which);
    assert_int_equal(mkdir(to, 0700), 0);
    snprintf(to, sizeof(to), "%s/%s/data.mdb", to_dir, which);
    test_file_copy(from, to);
}

static void
part(struct twins *t)
{
    test_node_close(&t->a);
    t->b = t->a;
    t->b.random += 1000;
    test_dir_make(t->b.dir);
    test_dir_make(t->b.scratch);
    copy_data(t->a.dir, t->b.dir, "main");
    copy_data(t->a.dir, t->b.dir, "vault");
    test_node_open(&t->a);
    test_node_open(&t->b);
}

static int
setup(void **state)
{
    struct twins *t = calloc(1, sizeof(*t));
    assert_non_null(t);
    test_node_make(&t->a);
    *state = t;
    return 0;
}

static int
teardown(void **state)
{
    struct twins *t = *state;
    test_node_remove(&t->a);
    test_node_remove(&t->b);
    free(t);
    return 0;
}

static void
carry(const struct test_node *from, struct test_node *to)
{
    while (test_node_carry(from, to) > 0) {
    }
}

/* ---- desks ---- */

static struct position
done(struct test_node *n, struct api_op *op)
{
    test_node_done(n, op);
    return op->result.position;
}

/* The code of its refusal, or ERR_NONE. */
static int
erase_contact(struct test_node *n, const struct subject_id *member)
{
    struct api_op *op = calloc(1, sizeof(*op));
    const struct retention_settings settings = RETENTION_DEFAULT;
    struct err err = {0};
    assert_non_null(op);
    op->kind = OP_ERASE;
    op->erase.request = (struct erase_request){
        .action = ERASE_ORDER, .member = *member, .classes = CONTACT, .effective = DATE_NONE, .until = DATE_NONE};
    retention_rules_of("BE", &settings, &op->erase.request.rules);
    assert_int_equal(test_node_exec(n, op, &err), 0);
    int code = (int)op->result.err.code;
    free(op);
    return code;
}

static struct position
change_contact(struct test_node *n, const struct subject_id *member, int32_t on)
{
    struct api_op *op = calloc(1, sizeof(*op));
    assert_non_null(op);
    op->kind = OP_MEMBER;
    op->member.request = (struct member_request){
        .action = ACTION_CHANGE_DATA, .has_subject = true, .subject = *member, .effective = {on}};
    op->member.request.person.has_contact = true;
    op->member.request.person.identity.birth_date = DATE_NONE;
    op->member.request.person.contact = (struct person_contact){.email = {"later@example.org"}};
    struct position at = done(n, op);
    free(op);
    return at;
}

/* ---- looking ---- */

/* Keys of the class that the node has of the member. */
static size_t
keys(struct test_node *n, const struct subject_id *member, uint8_t class)
{
    struct keyslot_key *ret = NULL;
    struct db_txn *txn;
    struct err err = {0};
    size_t count = 0;
    assert_int_equal(db_begin_read(n->db, &txn, &err), 0);
    assert_int_equal(keyslots_class(txn, n->vault, member, NULL, class, SIZE_MAX, &ret, &count, &err), 0);
    keyslot_keys_free(&ret, count);
    db_abort(&txn);
    return count;
}

static bool
is_erased(struct test_node *n, const struct position *at)
{
    struct db_txn *txn;
    struct err err = {0};
    bool is = false;
    assert_int_equal(db_begin_read(n->db, &txn, &err), 0);
    assert_int_equal(tombstone_find(txn, at, 0, &is, NULL, &err), 0);
    db_abort(&txn);
    return is;
}

static uint16_t
left_over(struct test_node *n, const struct subject_id *member)
{
    struct command_ctx ctx = {.vault = n->vault, .unit = n->identity.unit};
    struct member_row row;
    struct err err = {0};
    uint16_t classes = 0;
    assert_int_equal(db_begin_read(n->db, &ctx.txn, &err), 0);
    assert_int_equal(rows_member(&ctx, member, &row, &err), 0);
    assert_int_equal(retention_left_over(&ctx, &row, &classes, &err), 0);
    member_row_release(&row);
    db_abort(&ctx.txn);
    return classes;
}

/* As after a start with a copy of another age. */
static void
begin_again(struct test_node *n)
{
    struct err err = {0};
    assert_int_equal(vault_meta_put(n->vault, "erasures-mark", slice_of((const uint8_t *)"of another age..", 16), &err),
                     0);
    test_node_close(n);
    n->random += 7000;
    test_node_open(n);
    assert_true(engine_erasures_due(n->engine));
    test_node_erase_due(n);
}

/* ---- */

static void
an_order_of_one_who_has_no_keys_takes_what_is_there_and_nothing_that_begins_later(void **state)
{
    struct twins *t = *state;
    part(t);
    struct subject_id member = test_node_admit(&t->b, 1);
    carry(&t->b, &t->a);
    assert_int_equal(keys(&t->a, &member, CLASS_CONTACT), 0);
    assert_int_equal(erase_contact(&t->a, &member), ERR_NONE);
    test_node_erase_due(&t->a);
    carry(&t->a, &t->b);
    test_node_erase_due(&t->b);
    assert_int_equal(keys(&t->b, &member, CLASS_CONTACT), 0);
    assert_int_equal(keys(&t->b, &member, CLASS_IDENTITY), 1);
    change_contact(&t->a, &member, t->a.today);
    change_contact(&t->b, &member, t->b.today);
    begin_again(&t->a);
    begin_again(&t->b);
    assert_int_equal(keys(&t->a, &member, CLASS_CONTACT), 1);
    assert_int_equal(keys(&t->b, &member, CLASS_CONTACT), 1);
}

/* The second generation of the one, the first of the other. */
static void
an_order_takes_what_another_instance_sealed_however_it_counts(void **state)
{
    struct twins *t = *state;
    part(t);
    struct subject_id member = test_node_admit(&t->b, 1);
    assert_int_equal(erase_contact(&t->b, &member), ERR_NONE);
    test_node_erase_due(&t->b);
    change_contact(&t->b, &member, t->b.today);
    assert_int_equal(keys(&t->b, &member, CLASS_CONTACT), 1);
    carry(&t->b, &t->a);
    test_node_erase_due(&t->a);
    change_contact(&t->a, &member, t->a.today);
    assert_int_equal(keys(&t->a, &member, CLASS_CONTACT), 1);
    assert_int_equal(erase_contact(&t->a, &member), ERR_NONE);
    test_node_erase_due(&t->a);
    assert_int_equal(keys(&t->a, &member, CLASS_CONTACT), 0);
    carry(&t->a, &t->b);
    test_node_erase_due(&t->b);
    assert_int_equal(keys(&t->b, &member, CLASS_CONTACT), 0);
}

static void
what_was_written_beside_an_order_is_listed_by_the_next(void **state)
{
    struct twins *t = *state;
    struct subject_id member = test_node_admit(&t->a, 1);
    struct err err = {0};
    assert_int_equal(engine_vault_flush(t->a.engine, &err), 0);
    part(t);
    /* in a deeper log, so that the order stands last in the row */
    test_node_admit(&t->a, 2);
    test_node_close(&t->a);
    t->a.random += 2000;
    test_node_open(&t->a);
    struct position beside = change_contact(&t->b, &member, t->b.today);
    assert_int_equal(erase_contact(&t->a, &member), ERR_NONE);
    test_node_erase_due(&t->a);
    assert_int_equal(left_over(&t->a, &member), 0);
    assert_int_equal(erase_contact(&t->a, &member), ERR_CONFLICT); /* nothing is there */
    carry(&t->b, &t->a);
    assert_int_equal(left_over(&t->a, &member), CONTACT);
    assert_false(is_erased(&t->a, &beside));
    assert_int_equal(erase_contact(&t->a, &member), ERR_NONE);
    assert_true(is_erased(&t->a, &beside));
    assert_int_equal(left_over(&t->a, &member), 0);
    assert_int_equal(erase_contact(&t->a, &member), ERR_CONFLICT);
    test_node_erase_due(&t->a);
    carry(&t->a, &t->b);
    test_node_erase_due(&t->b);
    assert_true(is_erased(&t->b, &beside));
    assert_int_equal(keys(&t->b, &member, CLASS_CONTACT), 0);
    test_node_check(&t->a);
    test_node_check(&t->b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            an_order_of_one_who_has_no_keys_takes_what_is_there_and_nothing_that_begins_later, setup, teardown),
        cmocka_unit_test_setup_teardown(an_order_takes_what_another_instance_sealed_however_it_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_written_beside_an_order_is_listed_by_the_next, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
