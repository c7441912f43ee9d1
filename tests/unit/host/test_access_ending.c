/* The end of grants and passes at the home: a revocation begins a new generation, which the revoked one does not have and every other one
 * gets; the keys of the next year; what the daily upkeep does. Invented persons only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

#include "node/command/rows.h"
#include "node/host/access_upkeep.h"
#include "tests/support/access_home.h"

static struct position
admission_of(struct access_home *f)
{
    struct db_txn *txn;
    struct err err = {0};
    struct member_row row;
    struct position at = {0};
    assert_int_equal(db_begin_read(f->n.db, &txn, &err), 0);
    const struct command_ctx ctx = {.txn = txn, .unit = f->n.identity.unit, .vault = f->n.vault};
    assert_int_equal(rows_member(&ctx, &f->member, &row, &err), 0);
    for (size_t i = 0; i < row.n; i++)
        at = row.entries[i].kind == KIND_MEMBER_ADMITTED ? row.entries[i].at : at;
    member_row_release(&row);
    db_abort(&txn);
    return at;
}

static void
new_address(struct access_home *f, const char *email)
{
    struct api_op *op = calloc(1, sizeof(*op));
    assert_non_null(op);
    op->kind = OP_MEMBER;
    op->member.request = (struct member_request){.action = ACTION_CHANGE_DATA,
                                                 .has_subject = true,
                                                 .subject = f->member,
                                                 .effective = DATE_NONE,
                                                 .person.has_contact = true};
    snprintf(op->member.request.person.contact.email.s, sizeof(op->member.request.person.contact.email.s), "%s", email);
    test_node_done(&f->n, op);
    free(op);
}

/* ---- ending ---- */

static void
a_revocation_begins_a_generation_that_only_the_others_get(void **state)
{
    struct access_home *f = *state;
    struct keyed_class old[KEYS_MAX], others[KEYS_MAX], pass_keys[KEYS_MAX];
    struct box_public pk;
    struct box_secret sk;
    struct access_request q = home_granting(f, IDENTITY | CONTACT);
    struct api_result gone = home_done(f, &q);
    size_t n_old = home_sealed_to_host(f, &gone.position, old);
    struct subject_id stays = home_done(f, &q).subject;
    q = home_issuing(f, CONTACT);
    struct subject_id pass = home_done(f, &q).subject;
    struct api_result end = home_revoke(f, gone.subject);
    assert_memory_equal(&end.subject, &gone.subject, sizeof(gone.subject));
    assert_int_equal(home_header_at(f, &end.position).kind, KIND_ACCESS_REVOKED);
    struct position at = end.position;
    at.seq++;
    assert_int_equal(home_header_at(f, &at).kind, KIND_DATA_CHANGED);
    assert_int_equal(home_header_at(f, &at).n_capsules, 3); /* identity, contact, escrow */
    assert_int_equal(test_node_log(&f->n).head_seq, end.position.seq + 3);
    assert_false(home_opens(f, old, n_old, CLASS_IDENTITY));
    assert_false(home_opens(f, old, n_old, CLASS_CONTACT));
    test_node_reads(&f->n, &f->member, "Verzonnenab", "m1@example.org");

    size_t n = 0, n_pass = 0;
    pass_keypair(&f->pass, &pk, &sk);
    for (int i = 0; i < 2; i++) {
        at.seq++;
        assert_int_equal(home_header_at(f, &at).kind, KIND_ACCESS_RENEWED);
        n += home_sealed_to_host(f, &at, others + n);
        n_pass += home_sealed(f, &at, KEY_USE_PASS, &sk, &pk, pass_keys + n_pass);
    }
    assert_true(home_opens(f, others, n, CLASS_IDENTITY));
    assert_true(home_opens(f, others, n, CLASS_CONTACT));
    assert_true(home_has_key(others, n, CLASS_ACTIVITY, 2));
    assert_true(home_opens(f, pass_keys, n_pass, CLASS_CONTACT));
    assert_false(home_opens(f, pass_keys, n_pass, CLASS_IDENTITY)); /* not named */
    assert_true(home_has_key(pass_keys, n_pass, CLASS_COUNTING, 2024));
    assert_false(home_access(f, stays).revoked || home_access(f, pass).revoked);

    /* What is entered afterwards too. */
    new_address(f, "elsewhere@example.org");
    assert_false(home_opens(f, old, n_old, CLASS_CONTACT));
    assert_true(home_opens(f, others, n, CLASS_CONTACT));
    assert_true(home_opens(f, pass_keys, n_pass, CLASS_CONTACT));
    struct access_request again = {.action = ACCESS_REVOKE, .has_access = true, .access = gone.subject};
    home_refused(f, &again, ERR_CONFLICT, "access");
}

/* The member's record is cancelled, the access ends, the record comes back. */
static void
a_revocation_begins_new_keys_also_where_nothing_is_to_be_sealed_anew(void **state)
{
    struct access_home *f = *state;
    struct keyed_class old[KEYS_MAX], others[KEYS_MAX];
    struct access_request q = home_granting(f, CONTACT);
    struct api_result gone = home_done(f, &q);
    size_t n_old = home_sealed_to_host(f, &gone.position, old);
    home_done(f, &q);
    struct api_op *op = calloc(1, sizeof(*op));
    struct err err = {0};
    assert_non_null(op);
    struct position admitted = admission_of(f);
    op->kind = OP_CANCEL;
    op->cancel = (struct cancel_request){.what = CANCEL_MEMBER, .subject = f->member, .event = admitted};
    assert_int_equal(test_node_exec(&f->n, op, &err), 0);
    assert_int_equal(op->result.err.code, 0);
    struct api_result end = home_revoke(f, gone.subject);
    assert_int_equal(home_header_at(f, &end.position).n_capsules, 1); /* escrow */
    struct position renewed = {end.position.log, end.position.seq + 1};
    size_t n = home_sealed_to_host(f, &renewed, others);
    *op = (struct api_op){.kind = OP_MEMBER};
    op->member.request = (struct member_request){.action = ACTION_ADMIT,
                                                 .has_subject = true,
                                                 .subject = f->member,
                                                 .has_corrects = true,
                                                 .corrects = admitted,
                                                 .effective = DATE_NONE};
    assert_int_equal(test_node_exec(&f->n, op, &err), 0);
    assert_int_equal(op->result.err.code, 0);
    free(op);
    new_address(f, "again@example.org");
    assert_false(home_opens(f, old, n_old, CLASS_CONTACT));
    assert_true(home_opens(f, others, n, CLASS_CONTACT));
}

static void
data_that_begins_later_is_sealed_anew_too(void **state)
{
    struct access_home *f = *state;
    struct keyed_class old[KEYS_MAX];
    struct access_request q = home_granting(f, CONTACT);
    struct api_result gone = home_done(f, &q);
    size_t n_old = home_sealed_to_host(f, &gone.position, old);
    f->n.today += 40; /* an address of a month ahead */
    new_address(f, "ahead@example.org");
    f->n.today -= 40;
    assert_true(home_opens(f, old, n_old, CLASS_CONTACT));
    home_revoke(f, gone.subject);
    assert_false(home_opens(f, old, n_old, CLASS_CONTACT));
    test_node_reads(&f->n, &f->member, "Verzonnenab", "ahead@example.org");
}

static void
a_grant_that_begins_later_can_be_revoked_before(void **state)
{
    struct access_home *f = *state;
    struct access_request q = home_granting(f, CONTACT);
    q.from.days = TEST_NODE_TODAY + 30;
    struct subject_id access = home_done(f, &q).subject;
    home_revoke(f, access);
    struct access_state s = home_access(f, access);
    assert_true(s.revoked);
    assert_false(access_stands(&s, (struct civil_date){TEST_NODE_TODAY + 31}));
}

static void
what_is_over_is_not_revoked(void **state)
{
    struct access_home *f = *state;
    struct access_request q = home_granting(f, CONTACT);
    q.until.days = TEST_NODE_TODAY + 1;
    struct access_request end = {.action = ACCESS_REVOKE, .has_access = true, .access = home_done(f, &q).subject};
    f->n.today += 2;
    f->n.now_ms += 2 * 86400000LL;
    home_refused(f, &end, ERR_CONFLICT, "access");
}

static void
a_grant_of_activities_has_the_keys_of_before(void **state)
{
    struct access_home *f = *state;
    struct keyed_class keys[KEYS_MAX];
    struct access_request q = home_granting(f, CONTACT);
    home_revoke(f, home_done(f, &q).subject);
    home_revoke(f, home_done(f, &q).subject);
    struct api_result r = home_done(f, &q);
    size_t n = home_sealed_to_host(f, &r.position, keys);
    assert_true(home_has_key(keys, n, CLASS_ACTIVITY, 3) && !home_has_key(keys, n, CLASS_ACTIVITY, 2));
    q = home_granting(f, ACTIVITY);
    r = home_done(f, &q);
    n = home_sealed_to_host(f, &r.position, keys);
    for (uint32_t g = 1; g <= 3; g++)
        assert_true(home_has_key(keys, n, CLASS_ACTIVITY, g));
    assert_false(home_has_key(keys, n, CLASS_CONTACT, 3));
}

/* ---- New Year ---- */

static void
the_next_year_is_given_from_december_on(void **state)
{
    struct access_home *f = *state;
    struct keyed_class keys[KEYS_MAX];
    struct access_request q = home_granting(f, CONTACT);
    struct subject_id access = home_done(f, &q).subject;
    q.until = date_from_ymd(2024, 12, 31);
    struct subject_id ends = home_done(f, &q).subject;
    struct access_request renew = {.action = ACCESS_RENEW, .has_access = true, .access = access};
    uint64_t head = test_node_log(&f->n).head_seq;
    struct civil_date november = date_from_ymd(2024, 11, 30), december = date_from_ymd(2024, 12, 1);
    struct access_state s = home_access(f, access);
    assert_false(access_year_due(&s, november));
    assert_true(access_year_due(&s, december));
    s = home_access(f, ends);
    assert_false(access_year_due(&s, december));
    home_done(f, &renew);
    assert_int_equal(test_node_log(&f->n).head_seq, head); /* nothing is due */
    f->n.now_ms += (int64_t)(december.days - f->n.today) * 86400000;
    f->n.today = december.days;
    struct api_result r = home_done(f, &renew);
    size_t n = home_sealed_to_host(f, &r.position, keys);
    assert_true(home_has_key(keys, n, CLASS_COUNTING, 2025));
    s = home_access(f, access);
    assert_false(access_year_due(&s, date_from_ymd(2025, 11, 30)));
    assert_true(access_year_due(&s, date_from_ymd(2025, 12, 1)));
    head = test_node_log(&f->n).head_seq;
    home_done(f, &renew);
    assert_int_equal(test_node_log(&f->n).head_seq, head);
}

/* ---- one group ---- */

static void
admission_grant_and_revocation_may_stand_in_one_group(void **state)
{
    struct access_home *f = *state;
    struct api_op *ops = calloc(2, sizeof(*ops)), *admitted = calloc(1, sizeof(*admitted));
    struct err err = {0};
    static const struct actor_id actor = {{0xAC}};
    assert_non_null(ops);
    assert_non_null(admitted);
    test_node_admission(admitted, 5);
    ops[0].kind = ops[1].kind = OP_ACCESS;
    ops[0].access = home_granting(f, IDENTITY | CONTACT);
    ops[1].access = (struct access_request){.action = ACCESS_REVOKE, .member = f->member, .has_access = true};
    assert_int_equal(engine_begin(f->n.engine, &err), 0);
    assert_int_equal(engine_exec(f->n.engine, &actor, admitted, &err), 0);
    assert_int_equal(admitted->result.err.code, 0);
    f->member = ops[0].access.member = ops[1].access.member = admitted->result.subject;
    free(admitted);
    assert_int_equal(engine_exec(f->n.engine, &actor, &ops[0], &err), 0);
    assert_int_equal(ops[0].result.err.code, 0);
    ops[1].access.access = ops[0].result.subject;
    assert_int_equal(engine_exec(f->n.engine, &actor, &ops[1], &err), 0);
    assert_int_equal(ops[1].result.err.code, 0);
    assert_int_equal(engine_commit(f->n.engine, &err), 0);
    assert_int_equal(engine_vault_flush(f->n.engine, &err), 0);
    struct keyed_class keys[KEYS_MAX];
    size_t n = home_sealed_to_host(f, &ops[0].result.position, keys);
    assert_true(n > 0);
    assert_false(home_opens(f, keys, n, CLASS_IDENTITY));
    assert_true(home_access(f, ops[0].result.subject).revoked);
    free(ops);
}

/* ---- upkeep ---- */

static struct access_upkept
upkeep(struct access_home *f)
{
    struct access_upkeep u = {
        .db = f->n.db, .unit = f->n.identity.unit, .today = {f->n.today}, .run = test_node_by_engine, .arg = &f->n};
    struct access_upkept kept;
    struct err err = {0};
    if (access_upkeep_run(&u, &kept, &err) != 0)
        fail_msg("%s", err.text);
    return kept;
}

static void
the_upkeep_renews_in_december_and_ends_with_the_membership(void **state)
{
    struct access_home *f = *state;
    struct access_request q = home_granting(f, CONTACT);
    struct subject_id open = home_done(f, &q).subject;
    q.until = date_from_ymd(2024, 12, 20);
    home_done(f, &q);
    struct subject_id first = f->member;
    f->member = q.member = test_node_admit(&f->n, 2);
    q.until = DATE_NONE;
    struct subject_id other = home_done(f, &q).subject;
    struct access_upkept kept = upkeep(f);
    assert_int_equal(kept.renewed + kept.ended, 0);
    struct api_op *op = calloc(1, sizeof(*op));
    struct err err = {0};
    assert_non_null(op);
    op->kind = OP_MEMBER;
    op->member.request = (struct member_request){
        .action = ACTION_RESIGN, .has_subject = true, .subject = f->member, .effective = DATE_NONE};
    assert_int_equal(test_node_exec(&f->n, op, &err), 0);
    assert_int_equal(op->result.err.code, 0);
    free(op);
    kept = upkeep(f);
    assert_int_equal(kept.ended, 1);
    assert_int_equal(kept.renewed, 0);
    assert_int_equal(home_access(f, other).revoked_why, ACCESS_END_LEFT);
    struct civil_date december = date_from_ymd(2024, 12, 1);
    f->n.now_ms += (int64_t)(december.days - f->n.today) * 86400000;
    f->n.today = december.days;
    kept = upkeep(f);
    assert_int_equal(kept.renewed, 1);
    assert_int_equal(kept.ended, 0);
    assert_int_equal(home_access(f, open).keyed_on.days, december.days);
    kept = upkeep(f);
    assert_int_equal(kept.renewed + kept.ended, 0);
    f->member = first;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_revocation_begins_a_generation_that_only_the_others_get, access_home_setup,
                                        access_home_teardown),
        cmocka_unit_test_setup_teardown(a_revocation_begins_new_keys_also_where_nothing_is_to_be_sealed_anew,
                                        access_home_setup, access_home_teardown),
        cmocka_unit_test_setup_teardown(data_that_begins_later_is_sealed_anew_too, access_home_setup,
                                        access_home_teardown),
        cmocka_unit_test_setup_teardown(a_grant_that_begins_later_can_be_revoked_before, access_home_setup,
                                        access_home_teardown),
        cmocka_unit_test_setup_teardown(what_is_over_is_not_revoked, access_home_setup, access_home_teardown),
        cmocka_unit_test_setup_teardown(a_grant_of_activities_has_the_keys_of_before, access_home_setup,
                                        access_home_teardown),
        cmocka_unit_test_setup_teardown(the_next_year_is_given_from_december_on, access_home_setup,
                                        access_home_teardown),
        cmocka_unit_test_setup_teardown(admission_grant_and_revocation_may_stand_in_one_group, access_home_setup,
                                        access_home_teardown),
        cmocka_unit_test_setup_teardown(the_upkeep_renews_in_december_and_ends_with_the_membership, access_home_setup,
                                        access_home_teardown),
    };
    return cmocka_run_group_tests_name("access ending", tests, NULL, NULL);
}
