/* Grants and passes at the home, through the engine: what is sealed to whom, whose keys whom it opens, what a desk is told that asks for what
 * cannot be, and that nothing of it is lost in a crash. Invented persons only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

#include "node/command/keys.h"
#include "node/host/ownlog.h"
#include "tests/support/access_home.h"

/* ---- giving ---- */

static void
a_grant_seals_the_named_classes_and_the_keys_to_work_with(void **state)
{
    struct access_home *f = *state;
    struct keyed_class keys[KEYS_MAX];
    struct access_request q = home_granting(f, CONTACT);
    struct api_result r = home_done(f, &q);
    size_t n = home_sealed_to_host(f, &r.position, keys);
    assert_true(home_has_key(keys, n, CLASS_CONTACT, 1));
    assert_true(home_has_key(keys, n, CLASS_ACTIVITY, 1));
    assert_true(home_has_key(keys, n, CLASS_COUNTING, 2023)); /* not closed yet */
    assert_true(home_has_key(keys, n, CLASS_COUNTING, 2024)); /* TEST_NODE_TODAY is 2024-10-04 */
    assert_int_equal(n, 4);
    assert_true(home_opens(f, keys, n, CLASS_CONTACT));
    assert_false(home_opens(f, keys, n, CLASS_IDENTITY));
    for (size_t i = 0; i < n; i++) {
        if (keys[i].class == CLASS_COUNTING && keys[i].generation == 2024) {
            struct db_txn *txn;
            struct subject_id home, there = counting_pseudonym(&keys[i].key);
            struct err err = {0};
            assert_int_equal(db_begin_read(f->n.db, &txn, &err), 0);
            assert_int_equal(member_pseudonym(txn, f->n.vault, &f->member, 2024, &home, &err), 0);
            assert_memory_equal(&home, &there, sizeof(home));
            db_abort(&txn);
        }
    }
    struct access_state s = home_access(f, r.subject);
    assert_memory_equal(&s.facts.host, &f->host.id, sizeof(f->host.id));
    assert_int_equal(s.from.days, TEST_NODE_TODAY);
    assert_true(date_is_none(s.facts.until));
}

static void
a_pass_opens_with_its_secret_and_with_no_other(void **state)
{
    struct access_home *f = *state;
    struct keyed_class keys[KEYS_MAX];
    struct box_public pk, other_pk;
    struct box_secret sk, other_sk;
    struct access_request q = home_issuing(f, IDENTITY | CONTACT);
    struct api_result r = home_done(f, &q);
    pass_keypair(&f->pass, &pk, &sk);
    size_t n = home_sealed(f, &r.position, KEY_USE_PASS, &sk, &pk, keys);
    assert_true(home_opens(f, keys, n, CLASS_IDENTITY));
    assert_true(home_opens(f, keys, n, CLASS_CONTACT));
    f->pass.secret[0] ^= 1;
    pass_keypair(&f->pass, &other_pk, &other_sk);
    assert_int_equal(home_sealed(f, &r.position, KEY_USE_PASS, &other_sk, &other_pk, keys), 0);
    struct access_state s = home_access(f, r.subject);
    assert_true(s.is_pass);
    assert_int_equal(s.facts.until.days, TEST_NODE_TODAY + PASS_DAYS_DEFAULT);
    assert_int_equal(s.facts.stale_hours_max, STALE_HOURS_DEFAULT);
}

static void
the_desk_is_told_what_is_wrong_with_a_request(void **state)
{
    struct access_home *f = *state;
    struct access_request q = home_granting(f, 0);
    home_refused(f, &q, ERR_INVALID, "classes");
    q = home_granting(f, 16);
    home_refused(f, &q, ERR_INVALID, "classes");
    q = home_granting(f, IDENTITY);
    q.purpose = 0;
    home_refused(f, &q, ERR_INVALID, "purpose");
    q = home_granting(f, IDENTITY);
    q.host = f->n.identity.unit;
    home_refused(f, &q, ERR_INVALID, "host");
    q.host.b[0] ^= 1;
    home_refused(f, &q, ERR_NOTFOUND, "host");
    q = home_granting(f, IDENTITY);
    q.from.days = TEST_NODE_TODAY - 1;
    home_refused(f, &q, ERR_INVALID, "from");
    q.from.days = TEST_NODE_TODAY + ACCESS_AHEAD_DAYS_MAX + 1;
    home_refused(f, &q, ERR_INVALID, "from");
    q.from.days = TEST_NODE_TODAY + 3;
    q.until.days = TEST_NODE_TODAY + 2;
    home_refused(f, &q, ERR_INVALID, "until");
    q = home_granting(f, IDENTITY);
    q.member.b[0] ^= 1;
    home_refused(f, &q, ERR_NOTFOUND, "member");
    q = home_issuing(f, IDENTITY);
    q.until.days = TEST_NODE_TODAY + PASS_DAYS_MAX + 1;
    home_refused(f, &q, ERR_INVALID, "until");
    q = home_issuing(f, IDENTITY);
    q.stale_hours_max = STALE_HOURS_MAX + 1;
    home_refused(f, &q, ERR_INVALID, "stale_hours");
    q = (struct access_request){.action = ACCESS_REVOKE, .member = f->member};
    home_refused(f, &q, ERR_INVALID, "access");
    q.has_access = true;
    home_refused(f, &q, ERR_NOTFOUND, "access");
    struct access_request g = home_granting(f, IDENTITY);
    q.access = home_done(f, &g).subject;
    q.reason = ACCESS_END_NOT_NEEDED + 1;
    home_refused(f, &q, ERR_INVALID, "reason");
    q.reason = 0;
    q.member = test_node_admit(&f->n, 2); /* of somebody else */
    home_refused(f, &q, ERR_NOTFOUND, "access");
    g.has_access = true;
    g.access = q.access;
    home_refused(f, &g, ERR_CONFLICT, "access"); /* is there already */
}

static void
only_members_have_access_given_and_only_so_many_at_a_time(void **state)
{
    struct access_home *f = *state;
    struct access_request q = home_granting(f, IDENTITY);
    q.until.days = TEST_NODE_TODAY;
    for (int i = 0; i < ACCESS_STANDING_MAX; i++)
        home_done(f, &q);
    home_refused(f, &q, ERR_CONFLICT, "member");
    f->n.today++; /* they are over */
    f->n.now_ms += 86400000;
    q.until = DATE_NONE;
    struct subject_id first = home_done(f, &q).subject;
    struct api_op *op = calloc(1, sizeof(*op));
    struct err err = {0};
    op->kind = OP_MEMBER;
    op->member.request = (struct member_request){
        .action = ACTION_RESIGN, .has_subject = true, .subject = f->member, .effective = DATE_NONE};
    assert_int_equal(test_node_exec(&f->n, op, &err), 0);
    assert_int_equal(op->result.err.code, 0);
    free(op);
    home_refused(f, &q, ERR_CONFLICT, "member");
    /* What the upkeep does with what is left. */
    q = (struct access_request){.action = ACCESS_END_ALL, .member = f->member, .reason = ACCESS_END_LEFT};
    home_done(f, &q);
    assert_true(home_access(f, first).revoked);
    assert_int_equal(home_access(f, first).revoked_why, ACCESS_END_LEFT);
    test_node_reads(&f->n, &f->member, "Verzonnenab", "m1@example.org");
    uint64_t head = test_node_log(&f->n).head_seq;
    home_done(f, &q);
    assert_int_equal(test_node_log(&f->n).head_seq, head);
}

static void
of_a_record_that_was_merged_the_kept_one_is_named(void **state)
{
    struct access_home *f = *state;
    struct subject_id kept = test_node_admit(&f->n, 7);
    struct access_request q = home_granting(f, IDENTITY);
    struct api_op *op = calloc(1, sizeof(*op));
    struct err err = {0};
    char hex[HEX16_MAX];
    assert_non_null(op);
    op->kind = OP_MERGE;
    op->merge = (struct merge_request){.from = f->member, .into = kept, .effective = {f->n.today}};
    assert_int_equal(test_node_exec(&f->n, op, &err), 0);
    if (op->result.err.code != 0)
        fail_msg("%s", op->result.err.text);
    *op = (struct api_op){.kind = OP_ACCESS, .access = q};
    assert_int_equal(test_node_exec(&f->n, op, &err), 0);
    assert_int_equal(op->result.err.code, ERR_CONFLICT);
    assert_string_equal(op->result.err.field, "member");
    assert_non_null(strstr(op->result.err.text, hex_encode(kept.b, ID_BYTES, hex)));
    free(op);
    q.member = kept;
    home_done(f, &q);
}

static void
who_may_see_activities_gets_the_keys_of_all_of_them(void **state)
{
    enum { ENDED = 40 };
    struct access_home *f = *state;
    bool got[ENDED + 2] = {false};
    for (int i = 0; i < ENDED; i++) {
        struct access_request q = home_granting(f, CONTACT);
        (void)home_revoke(f, home_done(f, &q).subject);
    }
    struct access_request q = home_granting(f, ACTIVITY);
    struct position at = home_done(f, &q).position;
    for (uint64_t head = test_node_log(&f->n).head_seq; at.seq <= head; at.seq++) {
        struct keyed_class keys[KEYS_MAX];
        size_t n = home_sealed_to_host(f, &at, keys);
        assert_true(home_has_key(keys, n, CLASS_ACTIVITY, ENDED + 1)); /* the newest is with each of them */
        for (size_t k = 0; k < n; k++)
            if (keys[k].class == CLASS_ACTIVITY)
                got[keys[k].generation] = true;
    }
    for (int g = 1; g <= ENDED + 1; g++)
        assert_true(got[g]);
}

/* ---- what stays ---- */

/* Unlike escrows they cannot be made again: whoever was told yes must not lose them in a crash. */
static void
what_was_sealed_is_in_the_vault_when_the_commit_returns(void **state)
{
    struct access_home *f = *state;
    struct api_op *op = calloc(1, sizeof(*op));
    struct keyed_class keys[KEYS_MAX];
    struct err err = {0};
    assert_non_null(op);
    op->kind = OP_ACCESS;
    op->access = home_granting(f, CONTACT);
    assert_int_equal(test_node_exec(&f->n, op, &err), 0);
    struct api_result r = op->result;
    free(op);
    test_node_close(&f->n); /* nothing is written on the way */
    test_node_open(&f->n);
    assert_int_equal(home_sealed_to_host(f, &r.position, keys), 4);
}

static void
the_index_by_member_is_rebuilt_with_the_state(void **state)
{
    struct access_home *f = *state;
    struct access_request q = home_granting(f, CONTACT);
    struct subject_id access = home_done(f, &q).subject;
    struct db_txn *txn;
    struct access_key found[4];
    size_t n = 0;
    struct err err = {0};
    test_node_close(&f->n);
    test_node_open(&f->n);
    assert_int_equal(db_begin_write(f->n.db, &txn, &err), 0);
    assert_int_equal(state_clear(txn, &err), 0);
    assert_int_equal(db_commit(&txn, &err), 0);
    assert_int_equal(test_table_rows(f->n.db, TABLE_ACCESS_OF), 0);
    test_node_close(&f->n);
    test_node_open(&f->n); /* rebuilds */
    assert_int_equal(db_begin_read(f->n.db, &txn, &err), 0);
    assert_int_equal(access_of_member(txn, &f->member, NULL, found, 4, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_memory_equal(&found[0].access, &access, sizeof(access));
    assert_int_equal(access_of_member(txn, &f->member, &found[0], found, 4, &n, &err), 0);
    assert_int_equal(n, 0);
    db_abort(&txn);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_grant_seals_the_named_classes_and_the_keys_to_work_with, access_home_setup,
                                        access_home_teardown),
        cmocka_unit_test_setup_teardown(a_pass_opens_with_its_secret_and_with_no_other, access_home_setup,
                                        access_home_teardown),
        cmocka_unit_test_setup_teardown(the_desk_is_told_what_is_wrong_with_a_request, access_home_setup,
                                        access_home_teardown),
        cmocka_unit_test_setup_teardown(only_members_have_access_given_and_only_so_many_at_a_time, access_home_setup,
                                        access_home_teardown),
        cmocka_unit_test_setup_teardown(of_a_record_that_was_merged_the_kept_one_is_named, access_home_setup,
                                        access_home_teardown),
        cmocka_unit_test_setup_teardown(who_may_see_activities_gets_the_keys_of_all_of_them, access_home_setup,
                                        access_home_teardown),
        cmocka_unit_test_setup_teardown(what_was_sealed_is_in_the_vault_when_the_commit_returns, access_home_setup,
                                        access_home_teardown),
        cmocka_unit_test_setup_teardown(the_index_by_member_is_rebuilt_with_the_state, access_home_setup,
                                        access_home_teardown),
    };
    return cmocka_run_group_tests_name("access", tests, NULL, NULL);
}
