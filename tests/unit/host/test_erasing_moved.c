/* Erasures of a member who moved: what the former home gave along goes at the new home when either of the two orders it, class by class, and
 * never what the former home keeps itself. Invented persons only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/host/entitled.h"
#include "node/host/erasing_moved.h"
#include "storage/erasures.h"
#include "storage/received.h"
#include "tests/support/node.h"

enum { IDENTITY = 1 << (CLASS_IDENTITY - 1), CONTACT = 1 << (CLASS_CONTACT - 1) };

struct fixture {
    struct test_node old, new;
    struct subject_id member;
    struct position admitted, offered; /* at the old home */
    uint8_t identity, contact, key;    /* which of their capsules */
};

static void
done(struct test_node *n, struct api_op *op)
{
    struct err err = {0};
    if (test_node_exec(n, op, &err) != 0)
        fail_msg("%s", err.text);
    if (op->result.err.code != 0)
        fail_msg("%s: %s", op->result.err.field, op->result.err.text);
    assert_int_equal(engine_vault_flush(n->engine, &err), 0);
}

static void
both(struct fixture *f)
{
    while (test_node_carry(&f->old, &f->new) + test_node_carry(&f->new, &f->old) > 0) {
    }
}

static void
carry_out(struct test_node *n)
{
    struct err err = {0};
    bool rewrote;
    while (engine_erasures_due(n->engine))
        if (engine_erase(n->engine, &rewrote, &err) != 0)
            fail_msg("%s", err.text);
}

static void
erase(struct fixture *f, struct test_node *n, uint16_t classes)
{
    struct api_op *op = calloc(1, sizeof(*op));
    const struct retention_settings settings = RETENTION_DEFAULT;
    assert_non_null(op);
    op->kind = OP_ERASE;
    op->erase.request = (struct erase_request){.action = ERASE_ORDER,
                                               .member = f->member,
                                               .classes = classes,
                                               .ground = GROUND_AUTHORITY,
                                               .effective = DATE_NONE,
                                               .until = DATE_NONE};
    retention_rules_of("BE", &settings, &op->erase.request.rules);
    done(n, op);
    free(op);
    carry_out(n);
    both(f);
    carry_out(&f->old);
    carry_out(&f->new);
}

static void
step(struct fixture *f, struct test_node *n, enum handover_action action)
{
    struct api_op *op = calloc(1, sizeof(*op));
    assert_non_null(op);
    op->kind = OP_HANDOVER;
    struct handover_request *q = &op->handover.request;
    *q =
        (struct handover_request){.action = action, .member = f->member, .effective = DATE_NONE, .proposed = DATE_NONE};
    if (action == HANDOVER_OFFER)
        q->unit = f->new.identity.unit;
    if (action == HANDOVER_ACCEPT) {
        q->has_shares = true;
        q->shares = 1;
        snprintf(op->handover.office_text, sizeof(op->handover.office_text), "Gent");
    }
    if (action == HANDOVER_RECEIVE) {
        q->person.has_identity = q->person.has_contact = true;
        q->person.identity.birth_date = DATE_NONE;
        snprintf(q->person.identity.family_name.s, sizeof(q->person.identity.family_name.s), "Verzonnen");
        snprintf(q->person.identity.given_name.s, sizeof(q->person.identity.given_name.s), "Bram");
        snprintf(q->person.contact.email.s, sizeof(q->person.contact.email.s), "bram@example.org");
    }
    done(n, op);
    free(op);
    both(f);
}

/* The first event of the kind at the old home, and which of its capsules is of the class. */
static struct position
find(struct fixture *f, uint16_t kind, uint8_t class, uint8_t *ret)
{
    struct log_row log = test_node_log(&f->old);
    struct position at = {.log = log.id};
    struct db_txn *txn;
    struct err err = {0};
    bool found = false;
    assert_int_equal(db_begin_read(f->old.db, &txn, &err), 0);
    for (uint64_t seq = 1; !found && seq <= log.head_seq; seq++) {
        struct stored_event ev;
        struct event_header h;
        assert_int_equal(evlog_event(txn, log.no, seq, &ev, &err), 0);
        assert_int_equal(event_header_decode(ev.header, &h, &err), 0);
        for (uint8_t i = 0; h.kind == kind && !found && i < h.n_capsules; i++) {
            found = h.capsules[i].class == class;
            at.seq = seq;
            *ret = i;
        }
    }
    db_abort(&txn);
    assert_true(found);
    return at;
}

static bool
has(struct test_node *n, const struct position *at, uint8_t index)
{
    struct log_row log;
    struct slice bytes;
    struct db_txn *txn;
    struct buf key;
    struct err err = {0};
    buf_init(&key, CAPSULE_BYTES_MAX);
    assert_int_equal(db_begin_read(n->db, &txn, &err), 0);
    assert_int_equal(evlog_find(txn, &at->log, &log, &err), 0);
    bool there = capsules_get(txn, log.no, at->seq, index, &bytes, &err) == 0 ||
                 vault_capsule_get(n->vault, at, index, &key, &err) == 0;
    db_abort(&txn);
    buf_free(&key);
    return there;
}

/* What the net carries: a capsule of the main environment. */
static void
fetch(struct fixture *f, const struct position *at, uint8_t index)
{
    struct log_row log;
    struct slice bytes;
    struct db_txn *txn;
    struct err err = {0};
    assert_int_equal(db_begin_read(f->old.db, &txn, &err), 0);
    assert_int_equal(evlog_find(txn, &at->log, &log, &err), 0);
    assert_int_equal(capsules_get(txn, log.no, at->seq, index, &bytes, &err), 0);
    assert_int_equal(engine_begin(f->new.engine, &err), 0);
    assert_int_equal(engine_put_wanted(f->new.engine, &at->log, at->seq, index, bytes, &err), 0);
    assert_int_equal(engine_commit(f->new.engine, &err), 0);
    db_abort(&txn);
}

static size_t
keys_of(struct fixture *f, uint8_t class)
{
    struct received_key keys[8];
    struct received_filter filter = {.unit = &f->old.identity.unit, .class = class, .on = DATE_NONE};
    struct err err = {0};
    size_t n = 0;
    assert_int_equal(received_list(f->new.vault, &f->member, &filter, keys, ARRAY_LEN(keys), &n, NULL, &err), 0);
    return n;
}

static int
setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct buf key;
    struct err err = {0};
    assert_non_null(f);
    test_node_make(&f->old);
    test_node_make_as(&f->new, "SE", 9);
    f->member = test_node_admit(&f->old, 1);
    assert_int_equal(engine_vault_flush(f->old.engine, &err), 0);
    f->old.today += 30;
    f->new.today += 30;
    both(f);
    step(f, &f->old, HANDOVER_OFFER);
    step(f, &f->new, HANDOVER_ACCEPT);
    step(f, &f->old, HANDOVER_COMPLETE);
    f->admitted = find(f, KIND_MEMBER_ADMITTED, CLASS_IDENTITY, &f->identity);
    (void)find(f, KIND_MEMBER_ADMITTED, CLASS_CONTACT, &f->contact);
    f->offered = find(f, KIND_HANDOVER_OFFERED, CLASS_KEY, &f->key);
    fetch(f, &f->admitted, f->identity);
    fetch(f, &f->admitted, f->contact);
    buf_init(&key, CAPSULE_BYTES_MAX);
    assert_int_equal(vault_capsule_get(f->old.vault, &f->offered, f->key, &key, &err), 0);
    const struct key_capsule sealed = {.at = f->offered, .index = f->key, .bytes = buf_slice(&key)};
    assert_int_equal(vault_capsules_put(f->new.vault, &sealed, 1, &err), 0);
    buf_free(&key);
    struct received_key given = {.subject = f->member,
                                 .unit = f->old.identity.unit,
                                 .class = CLASS_IDENTITY,
                                 .generation = 1,
                                 .from = f->offered,
                                 .kind = KIND_HANDOVER_OFFERED,
                                 .until = DATE_NONE,
                                 .key = {{9}}};
    assert_int_equal(received_put(f->new.vault, &given, 1, &err), 0);
    given.class = CLASS_CONTACT;
    assert_int_equal(received_put(f->new.vault, &given, 1, &err), 0);
    step(f, &f->new, HANDOVER_RECEIVE);
    assert_true(has(&f->new, &f->admitted, f->identity) && has(&f->new, &f->admitted, f->contact));
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;
    test_node_check(&f->old);
    test_node_check(&f->new);
    test_node_remove(&f->old);
    test_node_remove(&f->new);
    free(f);
    return 0;
}

static void
by_the_new_homes_order_what_the_old_one_gave_goes_there_and_stays_at_the_old_one(void **state)
{
    struct fixture *f = *state;
    erase(f, &f->new, CONTACT);
    assert_false(has(&f->new, &f->admitted, f->contact));
    assert_true(has(&f->new, &f->admitted, f->identity));
    assert_int_equal(keys_of(f, CLASS_CONTACT), 0);
    assert_int_equal(keys_of(f, CLASS_IDENTITY), 1);
    assert_false(has(&f->new, &f->offered, f->key)); /* the key could be opened out of it again */
    assert_true(has(&f->old, &f->admitted, f->contact));
    assert_true(has(&f->old, &f->offered, f->key));
    fetch(f, &f->admitted, f->contact); /* the old home would give it again */
    assert_false(has(&f->new, &f->admitted, f->contact));
}

static void
by_the_old_homes_order_its_capsules_and_keys_go_at_the_new_one(void **state)
{
    struct fixture *f = *state;
    erase(f, &f->old, IDENTITY);
    assert_false(has(&f->old, &f->admitted, f->identity));
    assert_false(has(&f->new, &f->admitted, f->identity));
    assert_true(has(&f->new, &f->admitted, f->contact));
    assert_int_equal(keys_of(f, CLASS_IDENTITY), 0);
    assert_int_equal(keys_of(f, CLASS_CONTACT), 1);
    assert_false(has(&f->new, &f->offered, f->key));
}

static void
the_home_that_a_member_left_for_another_is_known(void **state)
{
    struct fixture *f = *state;
    struct unit_id homes[ERASING_HOMES_MAX];
    struct db_txn *txn;
    struct err err = {0};
    size_t n = 9;
    assert_int_equal(db_begin_read(f->new.db, &txn, &err), 0);
    assert_int_equal(erasing_moved_homes(txn, &f->member, &f->new.identity.unit, homes, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_memory_equal(&homes[0], &f->old.identity.unit, sizeof(homes[0]));
    assert_int_equal(erasing_moved_homes(txn, &f->member, &f->old.identity.unit, homes, &n, &err), 0);
    assert_int_equal(n, 0);
    db_abort(&txn);
}

static void
a_keeper_of_the_old_home_keeps_its_copies_without_a_key(void **state)
{
    static const char kept[][UNIT_CODE_MAX] = {"BE"};
    struct fixture *f = *state;
    struct db_txn *txn;
    struct err err = {0};
    assert_int_equal(db_begin_read(f->new.db, &txn, &err), 0);
    assert_true(entitled_is_kept(txn, kept, 1, &f->old.identity.unit));
    assert_false(entitled_is_kept(txn, kept, 1, &f->new.identity.unit));
    assert_false(entitled_is_kept(txn, NULL, 0, &f->old.identity.unit));
    db_abort(&txn);
    test_node_close(&f->new);
    f->new.keep = kept;
    f->new.n_keep = 1;
    test_node_open(&f->new);
    erase(f, &f->new, CONTACT);
    assert_true(has(&f->new, &f->admitted, f->contact));
    assert_int_equal(keys_of(f, CLASS_CONTACT), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            by_the_new_homes_order_what_the_old_one_gave_goes_there_and_stays_at_the_old_one, setup, teardown),
        cmocka_unit_test_setup_teardown(by_the_old_homes_order_its_capsules_and_keys_go_at_the_new_one, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_home_that_a_member_left_for_another_is_known, setup, teardown),
        cmocka_unit_test_setup_teardown(a_keeper_of_the_old_home_keeps_its_copies_without_a_key, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
