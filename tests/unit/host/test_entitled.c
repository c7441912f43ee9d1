/* Who may have which capsule (docs/PROTOCOL.md §12.7), asked of the home and of a relay that knows nothing of the home but its log: every
 * right, and that each ends where it should. Invented persons only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

#include "node/host/entitled.h"
#include "proto/pass.h"
#include "tests/support/node.h"
#include "tests/support/register.h"

enum { IDENTITY = 1, CONTACT = 2 };

struct fixture {
    struct test_node n;
    struct test_unit host, third;
    struct test_log log; /* of the host */
    struct subject_id member;
    struct position admitted;
    enum residency residency;
    int32_t today;
};

static int
setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    test_node_make(&f->n);
    test_unit_make(&f->host, "DE", 3);
    test_unit_make(&f->third, "SE", 4);
    test_log_start(&f->log, &f->host, 1, NULL, 0);
    test_node_deliver(&f->n, &f->log);
    f->member = test_node_admit(&f->n, 1);
    struct log_row row = test_node_log(&f->n);
    f->admitted = (struct position){row.id, row.head_seq};
    f->today = f->n.today;
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;
    test_log_release(&f->log);
    test_node_remove(&f->n);
    free(f);
    return 0;
}

/* ---- doing ---- */

static struct api_result
access_op(struct fixture *f, const struct access_request *req)
{
    struct api_op *op = calloc(1, sizeof(*op));
    struct err err = {0};
    assert_non_null(op);
    op->kind = OP_ACCESS;
    op->status_on_success = 201;
    op->access = *req;
    if (test_node_exec(&f->n, op, &err) != 0 || op->result.err.code != 0)
        fail_msg("%s%s", err.text, op->result.err.text);
    struct api_result ret = op->result;
    free(op);
    return ret;
}

static struct api_result
grant(struct fixture *f, uint16_t classes, int32_t from, int32_t until)
{
    struct access_request q = {.action = ACCESS_GRANT,
                               .member = f->member,
                               .host = f->host.id,
                               .classes = classes,
                               .purpose = 1,
                               .from = {from},
                               .until = {until}};
    return access_op(f, &q);
}

static struct api_result
issue(struct fixture *f, uint16_t classes)
{
    struct pass pass = {.unit = f->n.identity.unit};
    struct access_request q = {
        .action = ACCESS_ISSUE, .member = f->member, .classes = classes, .from = DATE_NONE, .until = DATE_NONE};
    struct box_secret secret;
    memset(pass.secret, 0x5a, sizeof(pass.secret));
    pass_keypair(&pass, &q.pass_key, &secret);
    return access_op(f, &q);
}

static void
revoke(struct fixture *f, struct subject_id access)
{
    struct access_request q = {.action = ACCESS_REVOKE, .member = f->member, .has_access = true, .access = access};
    (void)access_op(f, &q);
}

/* ---- asking ---- */

/* own: as whom the question is answered; the home's settings are the home's alone. */
static bool
asked_of(struct fixture *f, const struct unit_id *own, const struct unit_id *asker, bool keeper,
         const struct position *at, uint8_t class)
{
    struct err err = {0};
    struct log_row log;
    struct stored_event ev;
    struct event_header h;
    bool ret = false, found = false;
    struct entitled_by by = {.vault = f->n.vault, .own = *own, .residency = f->residency, .today = {f->today}};
    assert_int_equal(db_begin_read(f->n.db, &by.txn, &err), 0);
    assert_int_equal(evlog_find(by.txn, &at->log, &log, &err), 0);
    assert_int_equal(evlog_event(by.txn, log.no, at->seq, &ev, &err), 0);
    assert_int_equal(event_header_decode(ev.header, &h, &err), 0);
    struct entitled_to what = {.log = &log, .header = &h, .payload = ev.payload};
    for (uint8_t i = 0; i < h.n_capsules && !found; i++) {
        found = h.capsules[i].class == class;
        what.index = i;
    }
    assert_true(found);
    assert_int_equal(entitled(&by, asker, keeper, &what, &ret, &err), 0);
    db_abort(&by.txn);
    return ret;
}

static bool
at_home(struct fixture *f, const struct unit_id *asker, uint8_t class)
{
    return asked_of(f, &f->n.identity.unit, asker, false, &f->admitted, class);
}

static bool
at_relay(struct fixture *f, const struct unit_id *asker, uint8_t class)
{
    return asked_of(f, &f->third.id, asker, false, &f->admitted, class);
}

/* ---- tests ---- */

static void
the_writing_unit_has_all_keepers_have_all_of_their_unit_and_others_nothing(void **state)
{
    struct fixture *f = *state;
    static const uint8_t classes[] = {CLASS_IDENTITY, CLASS_CONTACT, CLASS_KEY};
    for (size_t i = 0; i < ARRAY_LEN(classes); i++) {
        assert_true(at_home(f, &f->n.identity.unit, classes[i]));
        assert_true(asked_of(f, &f->n.identity.unit, &f->host.id, true, &f->admitted, classes[i]));
        assert_false(at_home(f, &f->host.id, classes[i]));
        assert_false(asked_of(f, &f->third.id, &f->host.id, true, &f->admitted, classes[i])); /* not its unit's */
    }
}

static void
a_grant_entitles_its_host_to_the_classes_named_while_it_stands(void **state)
{
    struct fixture *f = *state;
    int32_t today = f->today;
    struct api_result a = grant(f, IDENTITY, today + 2, today + 5);
    assert_false(at_home(f, &f->host.id, CLASS_IDENTITY)); /* not begun */
    f->today = today + 2;
    for (f->residency = RESIDENCY_TRAVELLING; f->residency <= RESIDENCY_GRANTED; f->residency++) {
        assert_true(at_home(f, &f->host.id, CLASS_IDENTITY));
        assert_false(at_home(f, &f->host.id, CLASS_CONTACT));
        assert_false(at_home(f, &f->third.id, CLASS_IDENTITY));
        assert_true(at_relay(f, &f->host.id, CLASS_IDENTITY));
    }
    assert_true(asked_of(f, &f->third.id, &f->host.id, false, &a.position, CLASS_KEY));
    assert_false(asked_of(f, &f->n.identity.unit, &f->third.id, false, &a.position, CLASS_KEY));
    f->residency = RESIDENCY_TRAVELLING;
    f->today = today + 6;
    assert_false(at_home(f, &f->host.id, CLASS_IDENTITY)); /* over */
    assert_false(asked_of(f, &f->n.identity.unit, &f->host.id, false, &a.position, CLASS_KEY));
}

static void
a_revoked_grant_entitles_to_nothing_that_was_sealed_before_or_after(void **state)
{
    struct fixture *f = *state;
    struct api_result a = grant(f, IDENTITY, f->today, DATE_NONE.days);
    assert_true(at_home(f, &f->host.id, CLASS_IDENTITY));
    revoke(f, a.subject);
    struct log_row row = test_node_log(&f->n);
    struct position resealed = {row.id, row.head_seq};
    assert_false(at_home(f, &f->host.id, CLASS_IDENTITY));
    assert_false(asked_of(f, &f->n.identity.unit, &f->host.id, false, &resealed, CLASS_IDENTITY));
    assert_false(asked_of(f, &f->n.identity.unit, &f->host.id, false, &a.position, CLASS_KEY));
}

static void
what_was_replaced_is_nobodys_any_more(void **state)
{
    struct fixture *f = *state;
    (void)grant(f, IDENTITY, f->today, DATE_NONE.days);
    struct api_result second = grant(f, IDENTITY, f->today, DATE_NONE.days);
    revoke(f, second.subject); /* seals anew what is in force */
    struct log_row row = test_node_log(&f->n);
    bool found = false;
    assert_false(at_home(f, &f->host.id, CLASS_IDENTITY));
    for (uint64_t seq = f->admitted.seq + 1; seq <= row.head_seq && !found; seq++) {
        struct db_txn *txn;
        struct stored_event ev;
        struct event_header h;
        struct err err = {0};
        assert_int_equal(db_begin_read(f->n.db, &txn, &err), 0);
        assert_int_equal(evlog_event(txn, row.no, seq, &ev, &err), 0);
        assert_int_equal(event_header_decode(ev.header, &h, &err), 0);
        db_abort(&txn);
        if (h.n_capsules > 0 && h.capsules[0].class == CLASS_IDENTITY) {
            found = true;
            assert_true(
                asked_of(f, &f->n.identity.unit, &f->host.id, false, &(struct position){row.id, seq}, CLASS_IDENTITY));
        }
    }
    assert_true(found);
}

static void
a_pass_travels_unless_the_home_says_only_grants(void **state)
{
    struct fixture *f = *state;
    struct api_result pass = issue(f, IDENTITY);
    assert_true(at_home(f, &f->third.id, CLASS_IDENTITY));
    assert_true(at_relay(f, &f->host.id, CLASS_IDENTITY));
    assert_false(at_home(f, &f->third.id, CLASS_CONTACT));
    assert_true(asked_of(f, &f->third.id, &f->host.id, false, &pass.position, CLASS_KEY));
    f->residency = RESIDENCY_GRANTED;
    assert_false(at_home(f, &f->third.id, CLASS_IDENTITY));
    f->residency = RESIDENCY_TRAVELLING;
    revoke(f, pass.subject);
    assert_false(at_home(f, &f->third.id, CLASS_IDENTITY));
    assert_false(asked_of(f, &f->third.id, &f->host.id, false, &pass.position, CLASS_KEY));
}

static void
the_federation_has_what_names_persons_and_no_keys(void **state)
{
    struct fixture *f = *state;
    f->residency = RESIDENCY_FEDERATION;
    assert_true(at_home(f, &f->third.id, CLASS_IDENTITY));
    assert_true(at_home(f, &f->third.id, CLASS_CONTACT));
    assert_false(at_home(f, &f->third.id, CLASS_KEY));
    assert_false(
        at_relay(f, &f->host.id, CLASS_IDENTITY)); /* the relay's own residency says nothing of the home's members */
}

static void
an_offer_entitles_the_new_home_until_it_is_withdrawn(void **state)
{
    struct fixture *f = *state;
    struct api_op *op = calloc(1, sizeof(*op));
    struct err err = {0};
    assert_non_null(op);
    op->kind = OP_HANDOVER;
    op->handover.request = (struct handover_request){.action = HANDOVER_OFFER,
                                                     .member = f->member,
                                                     .unit = f->host.id,
                                                     .effective = DATE_NONE,
                                                     .proposed = {f->today + 5}};
    assert_int_equal(test_node_exec(&f->n, op, &err), 0);
    if (op->result.err.code != 0)
        fail_msg("%s", op->result.err.text);
    struct position offer = op->result.position;
    f->residency = RESIDENCY_GRANTED;
    assert_true(at_home(f, &f->host.id, CLASS_IDENTITY));
    assert_true(at_relay(f, &f->host.id, CLASS_CONTACT));
    assert_true(asked_of(f, &f->third.id, &f->host.id, false, &offer, CLASS_KEY));
    assert_false(at_home(f, &f->third.id, CLASS_IDENTITY));
    assert_false(asked_of(f, &f->third.id, &f->third.id, false, &offer, CLASS_KEY));
    op->handover.request = (struct handover_request){
        .action = HANDOVER_WITHDRAW, .member = f->member, .effective = DATE_NONE, .proposed = DATE_NONE};
    assert_int_equal(test_node_exec(&f->n, op, &err), 0);
    assert_int_equal(op->result.err.code, 0);
    assert_false(at_home(f, &f->host.id, CLASS_IDENTITY));
    free(op);
}

/* The record of a visit, as any node has it. */
static void
what_a_host_recorded_goes_to_the_home_it_names(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    struct event_payload p = {.kind = KIND_GUEST_RECORDED, .guest = {.home = f->n.identity.unit}};
    struct event_header h = {.kind = KIND_GUEST_RECORDED, .kind_version = 1, .n_capsules = 1};
    struct log_row log = {.unit = f->host.id};
    struct entitled_by by = {.own = f->host.id, .today = {f->today}};
    struct buf payload;
    bool may = false;
    h.capsules[0].class = CLASS_GUEST;
    memcpy(p.common.actor.b, f->host.id.b, ID_BYTES);
    p.common.has_actor = p.common.has_effective = p.common.has_salt = true;
    p.common.effective = date_from_ymd(2024, 3, 1);
    p.common.precision = PRECISION_MONTH;
    buf_init(&payload, PAYLOAD_BYTES_MAX);
    assert_int_equal(event_payload_encode(&p, &payload, &err), 0);
    struct entitled_to what = {.log = &log, .header = &h, .payload = buf_slice(&payload)};
    assert_int_equal(entitled(&by, &f->n.identity.unit, false, &what, &may, &err), 0);
    assert_true(may);
    assert_int_equal(entitled(&by, &f->third.id, false, &what, &may, &err), 0);
    assert_false(may);
    what.payload = slice_of("\xff", 1); /* does not read */
    assert_int_equal(entitled(&by, &f->n.identity.unit, false, &what, &may, &err), 0);
    assert_false(may);
    what.index = 1; /* no such capsule */
    assert_int_equal(entitled(&by, &f->host.id, false, &what, &may, &err), 0);
    assert_false(may);
    buf_free(&payload);
}

/* A row under the id of another unit's member does not open whose the work of that member is. */
static void
a_unit_that_writes_a_row_under_a_visitors_id_gets_nothing(void **state)
{
    struct fixture *f = *state;
    struct test_log third;
    struct err err = {0};
    struct api_op *op = calloc(1, sizeof(*op));
    assert_non_null(op);
    op->kind = OP_ACTIVITY;
    op->status_on_success = 201;
    op->activity.request = (struct activity_request){.action = WORK_OPEN_ACTIVITY,
                                                     .member = f->member,
                                                     .effective = {f->today},
                                                     .has_sector = true,
                                                     .sector = 1,
                                                     .has_culture = true};
    if (test_node_exec(&f->n, op, &err) != 0 || op->result.err.code != 0)
        fail_msg("%s%s", err.text, op->result.err.text);
    struct position opened = op->result.position;
    /* As if it were a visitor's, whose keys are gone. */
    struct subject_id visitor = {{0x77}};
    struct vault_link link = {
        .entity = op->result.subject, .member = visitor, .flags = LINK_ACTIVITY | LINK_OTHER_UNIT};
    assert_int_equal(vault_links_put(f->n.vault, &link, 1, NULL, 0, &err), 0);
    free(op);
    const struct unit_id *own = &f->n.identity.unit;
    assert_false(asked_of(f, own, &f->host.id, false, &opened, CLASS_ACTIVITY));

    test_admission(&f->log, visitor, (struct civil_date){f->today}, visitor, CATEGORY_A, 1);
    test_node_deliver(&f->n, &f->log);
    assert_true(asked_of(f, own, &f->host.id, false, &opened, CLASS_ACTIVITY));
    assert_false(asked_of(f, own, &f->third.id, false, &opened, CLASS_ACTIVITY));

    test_log_start(&third, &f->third, 1, NULL, 0);
    test_admission(&third, visitor, (struct civil_date){f->today}, visitor, CATEGORY_A, 1);
    test_node_deliver(&f->n, &third);
    assert_false(asked_of(f, own, &f->third.id, false, &opened, CLASS_ACTIVITY));
    test_log_release(&third);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_writing_unit_has_all_keepers_have_all_of_their_unit_and_others_nothing,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_grant_entitles_its_host_to_the_classes_named_while_it_stands, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_revoked_grant_entitles_to_nothing_that_was_sealed_before_or_after, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_was_replaced_is_nobodys_any_more, setup, teardown),
        cmocka_unit_test_setup_teardown(a_pass_travels_unless_the_home_says_only_grants, setup, teardown),
        cmocka_unit_test_setup_teardown(the_federation_has_what_names_persons_and_no_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(an_offer_entitles_the_new_home_until_it_is_withdrawn, setup, teardown),
        cmocka_unit_test_setup_teardown(what_a_host_recorded_goes_to_the_home_it_names, setup, teardown),
        cmocka_unit_test_setup_teardown(a_unit_that_writes_a_row_under_a_visitors_id_gets_nothing, setup, teardown),
    };
    return cmocka_run_group_tests_name("entitled", tests, NULL, NULL);
}
