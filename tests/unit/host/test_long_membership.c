/* One record after a thousand passes that were ended, each with new keys: what was entered under early keys is found, and what must be possible of
 * everybody is. The record is made once and the tests follow one another, as its years would. Invented persons only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/command/person_open.h"
#include "node/command/room.h"
#include "node/command/rows.h"
#include "proto/pass.h"
#include "storage/keyslots.h"
#include "tests/support/node.h"

enum {
    ENDED = 1020,
    WORKED_AT = 100, /* ended before there was work */
    IDENTITY = 1 << (CLASS_IDENTITY - 1),
    CONTACT = 1 << (CLASS_CONTACT - 1),
    OPS_PER_GROUP = 64,
};

struct life {
    struct test_node n;
    struct api_op op; /* of the last request */
    struct subject_id member, invoice;
    struct box_public pass_key;
    unsigned in_group;
};

static void
commit(struct life *l)
{
    struct err err = {0};
    if (l->in_group > 0 && engine_commit(l->n.engine, &err) != 0)
        fail_msg("%s", err.text);
    l->in_group = 0;
    assert_int_equal(engine_vault_flush(l->n.engine, &err), 0);
}

/* Several in a group: what is asked for does not depend on it. */
static struct api_result *
exec(struct life *l)
{
    static const struct actor_id actor = {{0xAC}};
    struct err err = {0};
    if (l->in_group++ == 0 && engine_begin(l->n.engine, &err) != 0)
        fail_msg("%s", err.text);
    if (engine_exec(l->n.engine, &actor, &l->op, &err) != 0)
        fail_msg("%s", err.text);
    if (l->in_group == OPS_PER_GROUP)
        commit(l);
    return &l->op.result;
}

static struct api_result *
done(struct life *l)
{
    if (exec(l)->err.code != 0)
        fail_msg("%s: %s", l->op.result.err.field, l->op.result.err.text);
    return &l->op.result;
}

static void
refused(struct life *l, int code, const char *field)
{
    uint64_t head = test_node_log(&l->n).head_seq;
    exec(l);
    commit(l);
    assert_int_equal(l->op.result.err.code, code);
    assert_string_equal(l->op.result.err.field, field);
    assert_int_equal(test_node_log(&l->n).head_seq, head);
}

static void
pass_op(struct life *l)
{
    l->op = (struct api_op){.kind = OP_ACCESS,
                            .access = {.action = ACCESS_ISSUE,
                                       .member = l->member,
                                       .classes = IDENTITY | CONTACT,
                                       .from = DATE_NONE,
                                       .until = DATE_NONE,
                                       .pass_key = l->pass_key}};
}

static void
revoke_op(struct life *l, const struct subject_id *access)
{
    l->op = (struct api_op){
        .kind = OP_ACCESS,
        .access = {.action = ACCESS_REVOKE, .member = l->member, .has_access = true, .access = *access}};
}

static void
pass_and_end(struct life *l)
{
    pass_op(l);
    struct subject_id pass = done(l)->subject;
    revoke_op(l, &pass);
    done(l);
}

static struct member_request *
member_op(struct life *l, enum member_action action)
{
    l->op = (struct api_op){.kind = OP_MEMBER};
    l->op.member.request =
        (struct member_request){.action = action, .has_subject = true, .subject = l->member, .effective = {l->n.today}};
    return &l->op.member.request;
}

static void
address_op(struct life *l, const char *email)
{
    struct member_request *q = member_op(l, ACTION_CHANGE_DATA);
    q->person.has_contact = true;
    snprintf(q->person.contact.email.s, sizeof(q->person.contact.email.s), "%s", email);
}

static struct erase_request *
erase_op(struct life *l, enum erase_action action, uint16_t classes)
{
    const struct retention_settings settings = RETENTION_DEFAULT;
    commit(l); /* an order lists what is stored */
    l->op = (struct api_op){.kind = OP_ERASE};
    l->op.erase.request = (struct erase_request){
        .action = action, .member = l->member, .classes = classes, .effective = DATE_NONE, .until = DATE_NONE};
    retention_rules_of("BE", &settings, &l->op.erase.request.rules);
    return &l->op.erase.request;
}

static void
work(struct life *l)
{
    l->op = (struct api_op){.kind = OP_ACTIVITY};
    l->op.activity.request = (struct activity_request){.action = WORK_OPEN_ACTIVITY,
                                                       .member = l->member,
                                                       .effective = {l->n.today},
                                                       .has_sector = true,
                                                       .sector = 2,
                                                       .has_number = true,
                                                       .number.s = "P-100"};
    struct subject_id activity = done(l)->subject;
    l->op = (struct api_op){.kind = OP_INVOICE};
    l->op.invoice.request = (struct invoice_request){.has_activity = true,
                                                     .activity = activity,
                                                     .effective = {l->n.today},
                                                     .has_amount = true,
                                                     .amount_minor = 50000,
                                                     .has_number = true,
                                                     .number.s = "F-100"};
    l->invoice = done(l)->subject;
}

static int
live(void **state)
{
    struct life *l = calloc(1, sizeof(*l));
    struct pass pass = {.production = false};
    struct box_secret secret;
    assert_non_null(l);
    test_node_make(&l->n);
    memset(pass.secret, 0x5a, sizeof(pass.secret));
    pass_keypair(&pass, &l->pass_key, &secret);
    l->member = test_node_admit(&l->n, 1);
    for (int i = 0; i < ENDED; i++) {
        if (i == WORKED_AT)
            work(l);
        pass_and_end(l);
    }
    commit(l);
    *state = l;
    return 0;
}

static int
end(void **state)
{
    struct life *l = *state;
    test_node_check(&l->n);
    test_node_remove(&l->n);
    free(l);
    return 0;
}

/* ---- what there is ---- */

static struct command_ctx
look(struct life *l)
{
    struct command_ctx ctx = {.vault = l->n.vault, .unit = l->n.identity.unit, .today = {l->n.today}};
    struct err err = {0};
    commit(l);
    assert_int_equal(db_begin_read(l->n.db, &ctx.txn, &err), 0);
    return ctx;
}

static size_t
events(struct life *l)
{
    struct command_ctx ctx = look(l);
    struct member_row row;
    struct err err = {0};
    assert_int_equal(rows_member(&ctx, &l->member, &row, &err), 0);
    size_t n = row.n;
    member_row_release(&row);
    db_abort(&ctx.txn);
    return n;
}

static size_t
generations(struct life *l)
{
    struct command_ctx ctx = look(l);
    struct keyslot *slots = NULL;
    struct err err = {0};
    size_t n = 0;
    assert_int_equal(keyslots_all(ctx.txn, &l->member, &slots, &n, &err), 0);
    free(slots);
    db_abort(&ctx.txn);
    return n;
}

/* Whether a class in force is under the newest keys. */
static bool
is_fresh(struct life *l, uint8_t class)
{
    struct command_ctx ctx = look(l);
    struct member_row row;
    struct position at;
    struct log_row log;
    struct keyslot_key *keys = NULL;
    struct err err = {0};
    size_t n = 0;
    bool opened = false;
    assert_int_equal(rows_member(&ctx, &l->member, &row, &err), 0);
    assert_true(member_capsule_position(&row, class, &at));
    assert_int_equal(evlog_find(ctx.txn, &at.log, &log, &err), 0);
    assert_int_equal(keyslots_class(ctx.txn, l->n.vault, &l->member, NULL, class, 1, &keys, &n, &err), 0);
    assert_int_equal(n, 1);
    for (uint8_t i = 0; i < HEADER_CAPSULES_MAX; i++) {
        struct slice bytes;
        struct buf plain;
        buf_init(&plain, CAPSULE_BYTES_MAX);
        opened |= capsules_get(ctx.txn, log.no, at.seq, i, &bytes, &err) == 0 &&
                  capsule_open(&keys[0].key, class, bytes, &plain, &err) == 0;
        buf_free(&plain);
    }
    keyslot_keys_free(&keys, n);
    member_row_release(&row);
    db_abort(&ctx.txn);
    return opened;
}

static struct person_input
person(struct life *l)
{
    struct command_ctx ctx = look(l);
    struct member_row row;
    struct person_input p = {0};
    struct err err = {0};
    assert_int_equal(rows_member(&ctx, &l->member, &row, &err), 0);
    assert_int_equal(person_open(ctx.txn, l->n.vault, &row, 1U << CLASS_IDENTITY | 1U << CLASS_CONTACT, &p, &err), 0);
    member_row_release(&row);
    db_abort(&ctx.txn);
    return p;
}

/* ---- work ---- */

static void
work_of_early_keys_is_found_and_read(void **state)
{
    struct life *l = *state;
    assert_int_equal(generations(l), ENDED + 1);
    struct command_ctx ctx = look(l);
    struct subject_id found, list[8];
    struct invoice_row row;
    struct position at;
    struct activity_links links;
    struct err err = {0};
    size_t n = 0;
    assert_int_equal(work_find(&ctx, INDEX_INVOICE_NO, "F-100", &found, &err), 0);
    assert_memory_equal(&found, &l->invoice, sizeof(found));
    assert_int_equal(work_of_member(&ctx, &l->member, NULL, 8, list, &n, &err), 0);
    assert_int_equal(n, 2);
    assert_int_equal(rows_invoice(&ctx, &found, &row, &err), 0);
    assert_true(invoice_links_position(&row, 0, &at));
    assert_int_equal(work_links_read(&ctx, &found, &at, &links, &err), 0); /* lists, exports, the person's own copy */
    assert_string_equal(links.number.s, "F-100");
    assert_memory_equal(&links.member, &l->member, sizeof(links.member));
    invoice_row_release(&row);
    db_abort(&ctx.txn);
}

static void
work_of_early_keys_goes_on_and_is_counted_and_credited(void **state)
{
    struct life *l = *state;
    struct draft drafts[4];
    struct err err = {0};
    size_t n = 0;
    l->op = (struct api_op){.kind = OP_INVOICE};
    snprintf(l->op.invoice.activity_no, sizeof(l->op.invoice.activity_no), "P-100");
    l->op.invoice.request = (struct invoice_request){
        .effective = {l->n.today}, .has_amount = true, .amount_minor = 700, .has_number = true, .number.s = "F-101"};
    done(l);
    l->op = (struct api_op){.kind = OP_INVOICE};
    snprintf(l->op.invoice.invoice_no, sizeof(l->op.invoice.invoice_no), "F-100");
    l->op.invoice.request =
        (struct invoice_request){.credit = true, .effective = {l->n.today}, .has_amount = true, .amount_minor = 20000};
    done(l);
    struct command_ctx ctx = look(l);
    assert_int_equal(command_count(&ctx, month_number((struct civil_date){l->n.today}), NULL, 4, drafts, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_int_equal(drafts[0].payload.active.n, 1);
    draft_release(&drafts[0]);
    db_abort(&ctx.txn);
}

/* ---- room ---- */

static void
ends_of_access_leave_room_in_the_row(void **state)
{
    struct life *l = *state;
    assert_int_equal(events(l), ROOM_SEALED);
    assert_false(is_fresh(l, CLASS_IDENTITY));
    struct person_input p = person(l);
    assert_string_equal(p.identity.family_name.s, "Verzonnenab");
    assert_string_equal(p.contact.email.s, "m1@example.org");
}

static void
what_stayed_under_earlier_keys_goes_along_with_the_next_change(void **state)
{
    struct life *l = *state;
    address_op(l, "new@example.org");
    done(l);
    assert_true(is_fresh(l, CLASS_CONTACT));
    assert_true(is_fresh(l, CLASS_IDENTITY));
    struct person_input p = person(l);
    assert_string_equal(p.identity.family_name.s, "Verzonnenab");
    assert_string_equal(p.contact.email.s, "new@example.org");
}

static void
what_may_be_left_stops_before_what_must_be_possible(void **state)
{
    struct life *l = *state;
    while (events(l) < ROOM_ORDINARY) {
        address_op(l, events(l) % 2 ? "one@example.org" : "two@example.org");
        done(l);
    }
    address_op(l, "three@example.org");
    refused(l, ERR_CONFLICT, "subject");
    assert_non_null(strstr(l->op.result.err.text, "merge this record"));
    member_op(l, ACTION_SUBSCRIBE)->has_shares = true;
    l->op.member.request.shares = 1;
    refused(l, ERR_CONFLICT, "subject");
}

static void
access_is_given_while_it_can_be_ended_and_not_beyond(void **state)
{
    struct life *l = *state;
    while (generations(l) < ROOM_GENERATIONS - 1)
        pass_and_end(l);
    pass_op(l);
    struct subject_id stays = done(l)->subject, other;
    pass_op(l);
    other = done(l)->subject;
    revoke_op(l, &other); /* the other one is renewed */
    done(l);
    assert_int_equal(generations(l), ROOM_GENERATIONS);
    pass_op(l);
    refused(l, ERR_CONFLICT, "member");
    assert_non_null(strstr(l->op.result.err.text, "no more can be given"));
    revoke_op(l, &stays); /* a lost one */
    done(l);
    assert_int_equal(events(l), ROOM_ORDINARY);
    assert_int_equal(generations(l), ROOM_GENERATIONS + 1);
}

static void
whoever_was_given_much_can_be_restricted_and_leave_and_be_erased(void **state)
{
    struct life *l = *state;
    erase_op(l, ERASE_RESTRICT, CONTACT);
    done(l);
    erase_op(l, ERASE_LIFT, CONTACT);
    done(l);
    erase_op(l, ERASE_ORDER, CONTACT);
    done(l);
    commit(l);
    assert_in_range(l->op.erase.outcome.events, 70, ERASE_ORDERS_MAX);
    member_op(l, ACTION_EXCLUDE);
    done(l);
    member_op(l, ACTION_REPAY)->has_shares = true;
    l->op.member.request.shares = 1;
    done(l);
    erase_op(l, ERASE_ORDER, IDENTITY)->ground = GROUND_AUTHORITY;
    done(l);
    erase_op(l, ERASE_ORDER, 1 << (CLASS_ACTIVITY - 1))->ground = GROUND_AUTHORITY;
    done(l);
    struct command_ctx ctx = look(l);
    struct member_row row;
    struct member_state s;
    struct err err = {0};
    assert_int_equal(rows_member(&ctx, &l->member, &row, &err), 0);
    for (size_t i = 0; i < row.n; i++)
        assert_int_not_equal(row.entries[i].outcome, OUTCOME_VOID);
    member_state_at(&row, DATE_MAX, &s);
    assert_int_equal(s.status, STATUS_LEFT);
    assert_in_range(row.n, ROOM_ORDINARY + 3 * 70, MEMBER_PAST_MAX - 128); /* room for a further order of each class */
    member_row_release(&row);
    db_abort(&ctx.txn);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_of_early_keys_is_found_and_read),
        cmocka_unit_test(work_of_early_keys_goes_on_and_is_counted_and_credited),
        cmocka_unit_test(ends_of_access_leave_room_in_the_row),
        cmocka_unit_test(what_stayed_under_earlier_keys_goes_along_with_the_next_change),
        cmocka_unit_test(what_may_be_left_stops_before_what_must_be_possible),
        cmocka_unit_test(access_is_given_while_it_can_be_ended_and_not_beyond),
        cmocka_unit_test(whoever_was_given_much_can_be_restricted_and_leave_and_be_erased),
    };
    return cmocka_run_group_tests(tests, live, end);
}
