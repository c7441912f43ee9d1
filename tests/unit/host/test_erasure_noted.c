/* Between an order of erasure and its carrying out, also within one group: the keys that it takes are in the vault still, and are given to nobody,
 * escrowed no more, and nothing is sealed with them that is entered meanwhile; nor does a host keep one that it opens afterwards. Invented persons only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/command/keys.h"
#include "storage/received.h"
#include "tests/support/node.h"

enum {
    IDENTITY = 1 << (CLASS_IDENTITY - 1),
    CONTACT = 1 << (CLASS_CONTACT - 1),
    BANK = 1 << (CLASS_BANK - 1),
    ACTIVITY = 1 << (CLASS_ACTIVITY - 1),
    OPS_MAX = 4,
    KEYS_MAX = 32
};

struct fixture {
    struct test_node n;
    struct test_unit host;
    struct test_log log; /* of the host */
    struct subject_id member;
    struct slot_keys before; /* of the first generation */
    struct api_op ops[OPS_MAX];
    size_t n_ops;
};

static int
setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct db_txn *txn;
    struct keyslot *slots = NULL;
    struct err err = {0};
    size_t n = 0;
    assert_non_null(f);
    test_node_make(&f->n);
    test_unit_make(&f->host, "DE", 3);
    test_log_start(&f->log, &f->host, 1, NULL, 0);
    test_node_deliver(&f->n, &f->log);
    f->member = test_node_admit(&f->n, 1);
    assert_int_equal(engine_vault_flush(f->n.engine, &err), 0);
    assert_int_equal(db_begin_read(f->n.db, &txn, &err), 0);
    assert_int_equal(keyslots_all(txn, &f->member, &slots, &n, &err), 0);
    assert_int_equal(n, 1);
    db_abort(&txn);
    assert_int_equal(vault_slot(f->n.vault, slots[0].slot, &f->before, &err), 0);
    free(slots);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;
    test_node_check(&f->n);
    test_log_release(&f->log);
    test_node_remove(&f->n);
    free(f);
    return 0;
}

/* ---- one group ---- */

static struct api_op *
add(struct fixture *f, enum api_op_kind kind)
{
    assert_in_range(f->n_ops, 0, OPS_MAX - 1);
    f->ops[f->n_ops] = (struct api_op){.kind = kind, .status_on_success = 201};
    return &f->ops[f->n_ops++];
}

static void
order(struct fixture *f, uint16_t classes)
{
    const struct retention_settings settings = RETENTION_DEFAULT;
    struct erase_request *r = &add(f, OP_ERASE)->erase.request;
    *r = (struct erase_request){.action = ERASE_ORDER,
                                .member = f->member,
                                .classes = classes,
                                .ground = GROUND_WRONGLY_HELD,
                                .effective = DATE_NONE,
                                .until = DATE_NONE};
    retention_rules_of("BE", &settings, &r->rules);
}

static void
grant(struct fixture *f, uint16_t classes)
{
    add(f, OP_ACCESS)->access = (struct access_request){.action = ACCESS_GRANT,
                                                        .member = f->member,
                                                        .host = f->host.id,
                                                        .classes = classes,
                                                        .purpose = 1,
                                                        .from = DATE_NONE,
                                                        .until = DATE_NONE};
}

static struct person_input *
change(struct fixture *f)
{
    struct member_request *r = &add(f, OP_MEMBER)->member.request;
    *r = (struct member_request){
        .action = ACTION_CHANGE_DATA, .has_subject = true, .subject = f->member, .effective = DATE_NONE};
    return &r->person;
}

static void
commit(struct fixture *f)
{
    static const struct actor_id actor = {{0xAC}};
    struct err err = {0};
    assert_int_equal(engine_begin(f->n.engine, &err), 0);
    for (size_t i = 0; i < f->n_ops; i++) {
        assert_int_equal(engine_exec(f->n.engine, &actor, &f->ops[i], &err), 0);
        if (f->ops[i].result.err.code != 0)
            fail_msg("operation %zu: %s: %s", i, f->ops[i].result.err.field, f->ops[i].result.err.text);
    }
    assert_int_equal(engine_commit(f->n.engine, &err), 0);
    assert_int_equal(engine_vault_flush(f->n.engine, &err), 0);
    f->n_ops = 0;
}

static void
carry_out(struct fixture *f)
{
    struct err err = {0};
    bool rewrote = false;
    for (int i = 0; i < 8 && engine_erasures_due(f->n.engine); i++)
        assert_int_equal(engine_erase(f->n.engine, &rewrote, &err), 0);
    assert_false(engine_erasures_due(f->n.engine));
    assert_true(rewrote);
}

/* ---- what there is ---- */

/* The keys in the key capsules from a position on, sealed to the host or under the escrow key of the day. */
static size_t
sealed_from(struct fixture *f, uint64_t from, enum key_use use, struct keyed_class ret[KEYS_MAX])
{
    const struct log_row log = test_node_log(&f->n);
    struct data_key escrow;
    struct err err = {0};
    size_t n = 0;
    assert_int_equal(vault_escrow_get(f->n.vault, (struct civil_date){f->n.today}, &escrow, &err), 0);
    for (uint64_t seq = from; seq <= log.head_seq; seq++)
        for (uint8_t i = 0; i < HEADER_CAPSULES_MAX; i++) {
            const struct position at = {log.id, seq};
            struct key_capsule_content content;
            struct buf bytes, plain;
            buf_init(&bytes, CAPSULE_BYTES_MAX);
            buf_init(&plain, CAPSULE_BYTES_MAX);
            if (vault_capsule_get(f->n.vault, &at, i, &bytes, &err) == 0 &&
                (use == KEY_USE_GRANT ? capsule_open_sealed(&f->host.exchange_secret, &f->host.exchange, CLASS_KEY,
                                                            buf_slice(&bytes), &plain, &err)
                                      : capsule_open(&escrow, CLASS_KEY, buf_slice(&bytes), &plain, &err)) == 0 &&
                key_capsule_decode(buf_slice(&plain), use, &f->n.identity.unit, &f->member, &content, &err) == 0)
                for (size_t k = 0; k < content.n_keys; k++) {
                    assert_in_range(n, 0, KEYS_MAX - 1);
                    ret[n++] = content.keys[k];
                }
            buf_free(&bytes);
            buf_free(&plain);
        }
    return n;
}

static bool
has(const struct keyed_class *keys, size_t n, const struct fixture *f, uint8_t class)
{
    bool found = false;
    for (size_t i = 0; i < n; i++)
        found |= memcmp(&keys[i].key, &f->before.keys[vault_class_index(class)], KEY_BYTES) == 0;
    return found;
}

/* ---- tests ---- */

static void
no_grant_hands_on_what_is_going(void **state)
{
    struct fixture *f = *state;
    struct keyed_class keys[KEYS_MAX];
    uint64_t from = test_node_log(&f->n).head_seq + 1;
    order(f, ACTIVITY | CONTACT);
    grant(f, IDENTITY | CONTACT | ACTIVITY);
    commit(f);
    grant(f, ACTIVITY);
    commit(f);
    size_t n = sealed_from(f, from, KEY_USE_GRANT, keys);
    assert_true(n > 0);
    assert_true(has(keys, n, f, CLASS_IDENTITY));
    assert_false(has(keys, n, f, CLASS_CONTACT));
    assert_false(has(keys, n, f, CLASS_ACTIVITY));
    carry_out(f);
    for (size_t i = 0; i < n; i++) { /* by the counting key of now */
        struct db_txn *txn;
        struct subject_id here, there = counting_pseudonym(&keys[i].key);
        struct err err = {0};
        if (keys[i].class != CLASS_COUNTING || keys[i].generation != 2024)
            continue;
        assert_int_equal(db_begin_read(f->n.db, &txn, &err), 0);
        assert_int_equal(member_pseudonym(txn, f->n.vault, &f->member, 2024, &here, &err), 0);
        assert_memory_equal(&here, &there, sizeof(here));
        db_abort(&txn);
    }
}

static void
what_is_entered_meanwhile_stays(void **state)
{
    struct fixture *f = *state;
    struct person_input *p;
    order(f, CONTACT);
    p = change(f);
    p->has_contact = true;
    snprintf(p->contact.email.s, sizeof(p->contact.email.s), "new@example.org");
    commit(f);
    p = change(f);
    p->has_identity = true;
    p->identity.birth_date = DATE_NONE;
    snprintf(p->identity.family_name.s, sizeof(p->identity.family_name.s), "Dubois");
    commit(f);
    carry_out(f);
    test_node_reads(&f->n, &f->member, "Dubois", "new@example.org");
}

static void
the_escrow_of_a_second_order_has_nothing_of_the_first(void **state)
{
    struct fixture *f = *state;
    struct keyed_class keys[KEYS_MAX];
    struct person_input *p = change(f);
    p->has_bank = true;
    snprintf(p->bank.iban.s, sizeof(p->bank.iban.s), "BE68539007547034");
    commit(f);
    uint64_t from = test_node_log(&f->n).head_seq + 1;
    order(f, CONTACT);
    commit(f);
    order(f, BANK);
    commit(f);
    size_t n = sealed_from(f, from, KEY_USE_ESCROW_DATA, keys);
    assert_true(has(keys, n, f, CLASS_IDENTITY));
    assert_false(has(keys, n, f, CLASS_CONTACT));
    carry_out(f);
    n = sealed_from(f, from, KEY_USE_ESCROW_DATA, keys);
    assert_true(has(keys, n, f, CLASS_IDENTITY));
    assert_false(has(keys, n, f, CLASS_CONTACT));
    assert_false(has(keys, n, f, CLASS_BANK));
}

/* ---- a host ---- */

static struct received_key
given(const struct fixture *f, uint8_t class, uint32_t generation, const struct position *from)
{
    struct received_key k = {.subject = f->member,
                             .unit = f->n.identity.unit,
                             .class = class,
                             .generation = generation,
                             .from = *from,
                             .kind = KIND_ACCESS_GRANTED,
                             .until = DATE_NONE};
    memset(&k.key, 0x40 + class, sizeof(k.key));
    return k;
}

static bool
kept(struct test_node *host, const struct fixture *f, uint8_t class, uint32_t generation)
{
    const struct received_filter filter = {.class = class, .on = DATE_NONE};
    struct received_key k;
    struct err err = {0};
    return received_get(host->vault, &f->member, &filter, generation, &k, &err) == 0;
}

/* The host's upkeep read the key capsules before the order reached it, or they lie side by side with it. */
static void
a_key_that_is_opened_after_the_order_was_carried_out_is_not_kept(void **state)
{
    struct fixture *f = *state;
    struct test_node host = {0};
    struct api_op op = {.kind = OP_GUEST, .guest.step = GUEST_KEYS};
    struct err err = {0};
    bool rewrote = false;
    test_node_make_as(&host, "FR", 7);
    struct position before = {test_node_log(&f->n).id, test_node_log(&f->n).head_seq};
    order(f, CONTACT | ACTIVITY);
    commit(f);
    grant(f, CONTACT);
    commit(f);
    struct position after = {test_node_log(&f->n).id, test_node_log(&f->n).head_seq};
    assert_true(test_node_carry(&f->n, &host) > 0);
    assert_true(engine_erasures_due(host.engine));
    while (engine_erasures_due(host.engine))
        assert_int_equal(engine_erase(host.engine, &rewrote, &err), 0);
    struct received_key keys[] = {given(f, CLASS_IDENTITY, 1, &before), given(f, CLASS_CONTACT, 1, &before),
                                  given(f, CLASS_CONTACT, 2, &after), given(f, CLASS_ACTIVITY, 1, &before),
                                  given(f, CLASS_COUNTING, 2024, &before)};
    op.guest.received = keys;
    op.guest.n_received = ARRAY_LEN(keys);
    assert_int_equal(test_node_exec(&host, &op, &err), 0);
    assert_true(kept(&host, f, CLASS_IDENTITY, 1));
    assert_true(kept(&host, f, CLASS_CONTACT, 2));
    assert_false(kept(&host, f, CLASS_CONTACT, 1));
    assert_false(kept(&host, f, CLASS_ACTIVITY, 1));
    assert_false(kept(&host, f, CLASS_COUNTING, 2024));
    keys[0] = given(f, CLASS_COUNTING, 2024, &after);
    op.guest.n_received = 1;
    assert_int_equal(test_node_exec(&host, &op, &err), 0);
    assert_true(kept(&host, f, CLASS_COUNTING, 2024));
    test_node_remove(&host);
}

int
main(void)
{
#define NOTED_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        NOTED_TEST(no_grant_hands_on_what_is_going),
        NOTED_TEST(what_is_entered_meanwhile_stays),
        NOTED_TEST(the_escrow_of_a_second_order_has_nothing_of_the_first),
        NOTED_TEST(a_key_that_is_opened_after_the_order_was_carried_out_is_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
