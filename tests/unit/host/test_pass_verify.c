/* A pass at the desk of another unit: every reason to refuse it, each found out in its order, and what a good one opens. The desk reads the
 * very rows and capsules that the home wrote, as it would after fetching them; it is another unit by the id it gives. Invented persons only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

#include "node/command/pass_verify.h"
#include "node/host/ownlog.h"
#include "proto/pass.h"
#include "tests/support/node.h"

enum { IDENTITY = 1, CONTACT = 2, BANK = 4 };
#define HOUR_MS INT64_C(3600000)

struct fixture {
    struct test_node n; /* the home */
    struct test_unit desk;
    struct test_log log; /* of the desk's unit */
    struct subject_id member;
    struct pass pass;
    struct api_result issued;
    /* of the desk */
    int32_t today;
    bool known;
    int64_t age_ms;
    uint32_t days_max;
    bool own, production;
    struct pass_seen seen;
};

static const struct actor_id ACTOR = {{0xAC}};

static struct api_result
run_op(struct fixture *f, struct api_op *op)
{
    struct err err = {0};
    if (test_node_exec(&f->n, op, &err) != 0)
        fail_msg("%s", err.text);
    if (op->result.err.code != 0)
        fail_msg("%s: %s", op->result.err.field, op->result.err.text);
    struct api_result ret = op->result;
    free(op);
    assert_int_equal(engine_vault_flush(f->n.engine, &err), 0);
    return ret;
}

static struct api_op *
new_op(enum api_op_kind kind)
{
    struct api_op *op = calloc(1, sizeof(*op));
    assert_non_null(op);
    op->kind = kind;
    return op;
}

static void
issue(struct fixture *f, uint16_t classes, int32_t from, int32_t until)
{
    struct api_op *op = new_op(OP_ACCESS);
    struct box_secret secret;
    static uint8_t n;
    f->pass = (struct pass){.unit = f->n.identity.unit, .production = f->n.identity.production};
    memcpy(f->pass.federation, f->n.identity.federation.b, sizeof(f->pass.federation));
    memset(f->pass.id.b, ++n, sizeof(f->pass.id.b));
    memset(f->pass.secret, 0x5a, sizeof(f->pass.secret));
    op->access = (struct access_request){.action = ACCESS_ISSUE,
                                         .member = f->member,
                                         .has_access = true,
                                         .classes = classes,
                                         .from = {from},
                                         .until = {until},
                                         .stale_hours_max = 48};
    memcpy(op->access.access.b, f->pass.id.b, ID_BYTES);
    pass_keypair(&f->pass, &op->access.pass_key, &secret);
    f->issued = run_op(f, op);
}

static int
setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    test_node_make(&f->n);
    test_unit_make(&f->desk, "DE", 3);
    test_log_start(&f->log, &f->desk, 1, NULL, 0);
    test_node_deliver(&f->n, &f->log);
    f->member = test_node_admit(&f->n, 1);
    f->today = TEST_NODE_TODAY;
    f->known = true;
    f->age_ms = HOUR_MS;
    f->days_max = 30;
    issue(f, IDENTITY | CONTACT, TEST_NODE_TODAY, TEST_NODE_TODAY + 10);
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

/* ---- the desk ---- */

static bool
known_at(void *arg, const struct unit_id *unit, struct wall_ms *ret)
{
    const struct fixture *f = arg;
    assert_memory_equal(unit, &f->pass.unit, sizeof(*unit));
    ret->ms = f->n.now_ms - f->age_ms;
    return f->known;
}

static void
verify_text(struct fixture *f, const char *text)
{
    struct db_txn *txn;
    struct err err = {0};
    assert_int_equal(db_begin_read(f->n.db, &txn, &err), 0);
    struct command_ctx ctx = {.txn = txn,
                              .vault = f->n.vault,
                              .unit = f->own ? f->n.identity.unit : f->desk.id,
                              .actor = ACTOR,
                              .today = {f->today}};
    struct pass_check check = {.ctx = &ctx,
                               .federation = f->n.identity.federation,
                               .production = f->production,
                               .now = {f->n.now_ms},
                               .foreign_days_max = f->days_max,
                               .known_at = known_at,
                               .arg = f};
    if (pass_verify(&check, slice_of(text, strlen(text)), &f->seen, &err) != 0)
        fail_msg("%s", err.text);
    db_abort(&txn);
}

static void
verify(struct fixture *f)
{
    char text[PASS_TEXT_MAX];
    pass_encode(&f->pass, text);
    verify_text(f, text);
}

static void
refused(struct fixture *f, enum pass_refusal why, const char *word)
{
    verify(f);
    assert_string_equal(pass_refusal_word(f->seen.refusal), word);
    assert_int_equal(f->seen.refusal, why);
    assert_true(f->seen.text[0] != '\0');
    assert_int_equal(f->seen.opened, 0);
    assert_int_equal(f->seen.n_keys, 0);
    assert_false(f->seen.person.has_identity || f->seen.person.has_contact);
}

static void
good(struct fixture *f)
{
    verify(f);
    if (f->seen.refusal != PASS_GOOD)
        fail_msg("%s", f->seen.text);
}

static void
write_drafts(struct fixture *f, struct draft *d, size_t n)
{
    struct api_op *op = new_op(OP_COUNT);
    op->count.step = COUNT_WRITE;
    op->count.drafts = d;
    op->count.n = n;
    run_op(f, op);
}

static struct draft
draft_of(struct fixture *f, uint16_t kind)
{
    struct draft d;
    memset(&d, 0, sizeof(d));
    d.kind = d.payload.kind = kind;
    d.payload.common = (struct event_common){.has_actor = true,
                                             .actor = ACTOR,
                                             .has_subject = true,
                                             .subject = f->member,
                                             .has_effective = true,
                                             .effective = {TEST_NODE_TODAY}};
    d.subject = d.key_subject = f->member;
    return d;
}

/* ---- what opens ---- */

static void
a_good_pass_opens_what_it_names_and_leaves_the_keys_to_work_with(void **state)
{
    struct fixture *f = *state;
    bool class4 = false, year = false;
    good(f);
    assert_int_equal(f->seen.opened, IDENTITY | CONTACT);
    assert_string_equal(f->seen.person.identity.family_name.s, "Verzonnenab");
    assert_string_equal(f->seen.person.contact.email.s, "m1@example.org");
    assert_memory_equal(&f->seen.member, &f->member, sizeof(f->member));
    assert_int_equal(f->seen.age_ms, HOUR_MS);
    assert_int_equal(f->seen.state.facts.until.days, TEST_NODE_TODAY + 10);
    assert_false(f->seen.own);
    for (size_t i = 0; i < f->seen.n_keys; i++) {
        const struct received_key *k = &f->seen.keys[i];
        assert_true(k->class == CLASS_ACTIVITY || k->class == CLASS_COUNTING); /* names open with the secret alone */
        assert_int_equal(k->until.days, TEST_NODE_TODAY + 10);
        assert_int_equal(k->kind, KIND_PASS_ISSUED);
        assert_int_equal(k->from.seq, f->issued.position.seq);
        class4 |= k->class == CLASS_ACTIVITY;
        year |= k->class == CLASS_COUNTING && k->generation == 2024;
    }
    assert_true(class4 && year);
    pass_seen_wipe(&f->seen);
    assert_int_equal(f->seen.n_keys, 0);
}

static void
only_the_classes_named_open(void **state)
{
    struct fixture *f = *state;
    issue(f, CONTACT, TEST_NODE_TODAY, TEST_NODE_TODAY + 10);
    good(f);
    assert_int_equal(f->seen.opened, CONTACT);
    assert_false(f->seen.person.has_identity);
}

static void
keys_of_a_later_generation_open_with_the_same_secret(void **state)
{
    struct fixture *f = *state;
    struct pass kept = f->pass;
    issue(f, IDENTITY, TEST_NODE_TODAY, TEST_NODE_TODAY + 10);
    struct api_op *op = new_op(OP_ACCESS);
    op->access = (struct access_request){
        .action = ACCESS_REVOKE, .has_access = true, .access = f->issued.subject, .reason = ACCESS_END_LOST};
    run_op(f, op);
    f->pass = kept;
    good(f);
    assert_int_equal(f->seen.opened, IDENTITY | CONTACT);
}

static void
at_home_a_pass_opens_however_long_nobody_was_heard(void **state)
{
    struct fixture *f = *state;
    f->own = true;
    f->known = false;
    good(f);
    assert_true(f->seen.own);
    assert_int_equal(f->seen.age_ms, 0);
}

/* ---- what is refused ---- */

static void
a_text_that_is_no_pass_of_this_federation(void **state)
{
    struct fixture *f = *state;
    char text[PASS_TEXT_MAX];
    verify_text(f, "https://example.org/");
    assert_int_equal(f->seen.refusal, PASS_NOT_A_PASS);
    assert_false(f->seen.has_unit);
    verify_text(f, "SN2:ABCD");
    assert_int_equal(f->seen.refusal, PASS_LATER_VERSION);
    pass_encode(&f->pass, text);
    text[60] = text[60] == 'A' ? 'B' : 'A';
    verify_text(f, text);
    assert_int_equal(f->seen.refusal, PASS_MISTYPED);
    f->production = true;
    refused(f, PASS_OTHER_FEDERATION, "other_federation");
    f->production = false;
    f->pass.federation[0] ^= 1;
    refused(f, PASS_OTHER_FEDERATION, "other_federation");
}

static void
a_pass_of_which_nothing_is_known_here(void **state)
{
    struct fixture *f = *state;
    f->pass.id.b[0] ^= 1;
    refused(f, PASS_UNKNOWN, "unknown_pass");
    assert_non_null(strstr(f->seen.text, "perhaps not yet"));
    assert_non_null(strstr(f->seen.text, "1 h old"));
    f->known = false;
    refused(f, PASS_UNKNOWN, "unknown_pass");
    assert_non_null(strstr(f->seen.text, "never known"));
    f->pass.unit.b[0] ^= 1;
    refused(f, PASS_UNKNOWN_UNIT, "unknown_unit");
}

static void
a_grant_is_no_pass(void **state)
{
    struct fixture *f = *state;
    struct api_op *op = new_op(OP_ACCESS);
    op->access = (struct access_request){.action = ACCESS_GRANT,
                                         .member = f->member,
                                         .host = f->desk.id,
                                         .classes = IDENTITY,
                                         .purpose = 1,
                                         .from = DATE_NONE,
                                         .until = DATE_NONE};
    struct api_result granted = run_op(f, op);
    memcpy(f->pass.id.b, granted.subject.b, ID_BYTES);
    refused(f, PASS_UNKNOWN, "unknown_pass");
}

static void
another_secret_is_forged_whatever_became_of_the_pass(void **state)
{
    struct fixture *f = *state;
    f->pass.secret[15] ^= 1;
    refused(f, PASS_FORGED, "forged");
    f->today += 100;
    refused(f, PASS_FORGED, "forged");
}

static void
a_revoked_pass_is_refused_even_where_it_would_be_over(void **state)
{
    struct fixture *f = *state;
    struct api_op *op = new_op(OP_ACCESS);
    op->access = (struct access_request){.action = ACCESS_REVOKE, .has_access = true, .access = f->issued.subject};
    run_op(f, op);
    refused(f, PASS_REVOKED, "revoked");
    f->today += 100;
    refused(f, PASS_REVOKED, "revoked");
}

static void
a_pass_is_good_on_its_days_only(void **state)
{
    struct fixture *f = *state;
    issue(f, IDENTITY, TEST_NODE_TODAY + 2, TEST_NODE_TODAY + 4);
    refused(f, PASS_NOT_YET, "not_yet_valid");
    f->today = TEST_NODE_TODAY + 2;
    good(f);
    f->today = TEST_NODE_TODAY + 4;
    good(f);
    f->today = TEST_NODE_TODAY + 5;
    refused(f, PASS_EXPIRED, "expired");
}

static void
whoever_left_shows_a_pass_in_vain(void **state)
{
    struct fixture *f = *state;
    struct api_op *op = new_op(OP_MEMBER);
    op->member.request = (struct member_request){
        .action = ACTION_RESIGN, .has_subject = true, .subject = f->member, .effective = DATE_NONE};
    run_op(f, op);
    refused(f, PASS_LEFT, "left");
}

static void
whoever_moved_is_sent_to_the_new_home(void **state)
{
    struct fixture *f = *state;
    struct draft offer = draft_of(f, KIND_HANDOVER_OFFERED), done = draft_of(f, KIND_HANDOVER_COMPLETED);
    struct event_payload accept;
    struct log_row own;
    offer.payload.common.effective.days++;
    offer.payload.handover = (struct handover){.other = f->desk.id, .proposed = {TEST_NODE_TODAY + 1}};
    write_drafts(f, &offer, 1);
    own = test_node_log(&f->n);
    struct event_ref to_offer = {.role = REF_OFFER, .log = own.id, .seq = own.head_seq, .chain = own.head_chain};

    struct event_payload office;
    memset(&office, 0, sizeof(office));
    office.kind = KIND_OFFICE_OPENED;
    office.common =
        (struct event_common){.has_subject = true, .subject = {{0x0f}}, .has_effective = true, .effective = {10000}};
    office.office = (struct office_facts){.name = {"Berlin"}, .city = {"Berlin"}, .country = "DE"};
    (void)test_log_event(&f->log, &office, NULL, 0);
    memset(&accept, 0, sizeof(accept));
    accept.kind = KIND_HANDOVER_ACCEPTED;
    accept.common = offer.payload.common;
    accept.handover = (struct handover){.other = f->n.identity.unit,
                                        .proposed = DATE_NONE,
                                        .terms = {.category = CATEGORY_A,
                                                  .person_type = PERSON_NATURAL,
                                                  .office = {{0x0f}},
                                                  .shares = 1,
                                                  .share_price_minor = 3000,
                                                  .currency = "EUR"}};
    struct position accepted = test_log_event(&f->log, &accept, &to_offer, 1);
    struct chain_value chain = f->log.chain;
    test_node_deliver(&f->n, &f->log);
    done.payload.common.effective.days = TEST_NODE_TODAY + 1;
    done.payload.handover = accept.handover;
    done.payload.handover.other = f->desk.id;
    done.payload.handover.activities = ACTIVITIES_CLOSED;
    done.n_refs = 2;
    done.refs[0] = to_offer;
    done.refs[1] = (struct event_ref){.role = REF_ACCEPTANCE, .log = accepted.log, .seq = accepted.seq, .chain = chain};
    write_drafts(f, &done, 1);
    good(f); /* to the day */
    f->today++;
    refused(f, PASS_MOVED, "moved");
    assert_memory_equal(&f->seen.moved_to, &f->desk.id, sizeof(f->desk.id));
}

static void
what_was_erased_or_is_restricted_stays_closed(void **state)
{
    struct fixture *f = *state;
    struct draft restrict_contact = draft_of(f, KIND_RESTRICTION_ORDERED), erase = draft_of(f, KIND_ERASURE_ORDERED);
    restrict_contact.payload.erasure =
        (struct erasure){.n_classes = 1, .classes = {CLASS_CONTACT}, .ground = GROUND_ASKED, .until = DATE_NONE};
    write_drafts(f, &restrict_contact, 1);
    good(f);
    assert_int_equal(f->seen.opened, IDENTITY);
    assert_int_equal(f->seen.closed, CONTACT);
    assert_false(f->seen.person.has_contact);
    erase.payload.erasure =
        (struct erasure){.n_classes = 1, .classes = {CLASS_IDENTITY}, .ground = GROUND_ASKED, .until = DATE_NONE};
    write_drafts(f, &erase, 1);
    refused(f, PASS_RESTRICTED, "restricted");
    erase.payload.erasure.classes[0] = CLASS_CONTACT;
    write_drafts(f, &erase, 1);
    refused(f, PASS_ERASED, "erased");
}

static void
old_knowledge_refuses_by_the_pass_and_by_the_node(void **state)
{
    struct fixture *f = *state;
    f->age_ms = 48 * HOUR_MS;
    good(f);
    f->age_ms++;
    refused(f, PASS_STALE, "stale");
    f->age_ms = HOUR_MS;
    f->known = false;
    refused(f, PASS_SILENT, "silent");
    f->days_max = 0; /* the operator says so */
    good(f);
    assert_int_equal(f->seen.age_ms, -1);
    f->known = true;
    f->days_max = 1;
    f->age_ms = 25 * HOUR_MS;
    refused(f, PASS_SILENT, "silent");
}

/* The event is here, its capsules are not yet. */
static void
keys_that_have_not_arrived_are_said_to_be_missing(void **state)
{
    struct fixture *f = *state;
    struct vault *home = f->n.vault;
    char dir[TEST_PATH_MAX];
    uint8_t wrap[32] = {9};
    struct err err = {0};
    test_dir_make(dir);
    struct vault_opts opts = {
        .path = dir, .map_bytes = TEST_MAP_BYTES, .wrap_key = wrap, .create = true, .volatile_for_simulation = true};
    assert_int_equal(vault_open(&opts, &f->n.vault, &err), 0);
    refused(f, PASS_NO_KEYS, "no_keys");
    vault_close(&f->n.vault);
    f->n.vault = home;
    test_dir_remove(dir);
    good(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_good_pass_opens_what_it_names_and_leaves_the_keys_to_work_with, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(only_the_classes_named_open, setup, teardown),
        cmocka_unit_test_setup_teardown(keys_of_a_later_generation_open_with_the_same_secret, setup, teardown),
        cmocka_unit_test_setup_teardown(at_home_a_pass_opens_however_long_nobody_was_heard, setup, teardown),
        cmocka_unit_test_setup_teardown(a_text_that_is_no_pass_of_this_federation, setup, teardown),
        cmocka_unit_test_setup_teardown(a_pass_of_which_nothing_is_known_here, setup, teardown),
        cmocka_unit_test_setup_teardown(a_grant_is_no_pass, setup, teardown),
        cmocka_unit_test_setup_teardown(another_secret_is_forged_whatever_became_of_the_pass, setup, teardown),
        cmocka_unit_test_setup_teardown(a_revoked_pass_is_refused_even_where_it_would_be_over, setup, teardown),
        cmocka_unit_test_setup_teardown(a_pass_is_good_on_its_days_only, setup, teardown),
        cmocka_unit_test_setup_teardown(whoever_left_shows_a_pass_in_vain, setup, teardown),
        cmocka_unit_test_setup_teardown(whoever_moved_is_sent_to_the_new_home, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_erased_or_is_restricted_stays_closed, setup, teardown),
        cmocka_unit_test_setup_teardown(old_knowledge_refuses_by_the_pass_and_by_the_node, setup, teardown),
        cmocka_unit_test_setup_teardown(keys_that_have_not_arrived_are_said_to_be_missing, setup, teardown),
    };
    return cmocka_run_group_tests_name("pass_verify", tests, NULL, NULL);
}
