/* A directory for a unit whose own is gone: made from another's, it has the same logs, opens the same names with the recovery key, and what
 * was erased stays so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/host/hearing.h"
#include "node/host/recover.h"
#include "node/host/rekey.h"
#include "storage/keyslots.h"
#include "tests/support/node.h"

struct home {
    char data[TEST_PATH_MAX + 16];
    struct datadir d;
    struct engine *engine;
};

struct world {
    char dir[TEST_PATH_MAX];
    struct identity_offline offline;
    struct home gone, back;
};

static void
home_start(struct home *h)
{
    struct err err = {0};
    if (datadir_open(h->data, DATADIR_WRITER, &h->d, &err) != 0 || datadir_engine(&h->d, &h->engine, &err) != 0)
        fail_msg("%s", err.text);
}

static void
home_stop(struct home *h)
{
    engine_free(&h->engine);
    datadir_close(&h->d);
}

static void
home_make(struct home *h, const char *dir, const char *name, const struct identity *id)
{
    struct config config;
    struct err err = {0};
    snprintf(h->data, sizeof(h->data), "%s/%s", dir, name);
    config_defaults(&config);
    config.map_gib = config.vault_map_gib = 1;
    if (datadir_create(h->data, &config, id, &err) != 0)
        fail_msg("%s", err.text);
    home_start(h);
}

static void
exec(struct home *h, struct api_op *op)
{
    static const struct actor_id actor = {{0xAC}};
    struct err err = {0};
    int rc = engine_begin(h->engine, &err);
    if (rc == 0)
        rc = engine_exec(h->engine, &actor, op, &err);
    if (rc == 0)
        rc = engine_commit(h->engine, &err);
    if (rc == 0)
        rc = engine_vault_flush(h->engine, &err);
    if (rc != 0 || op->result.err.code != ERR_NONE)
        fail_msg("%s %s %s", err.text, op->result.err.field, op->result.err.text);
}

static void
describe(struct home *h)
{
    struct api_op *op = calloc(1, sizeof(*op));
    assert_non_null(op);
    op->kind = OP_OFFICE_OPEN;
    op->office.effective = (struct civil_date){10000};
    op->office.facts = (struct office_facts){.country = "BE"};
    snprintf(op->office.facts.name.s, sizeof(op->office.facts.name.s), "Gent");
    snprintf(op->office.facts.city.s, sizeof(op->office.facts.city.s), "Gent");
    exec(h, op);
    memset(op, 0, sizeof(*op));
    op->kind = OP_UNIT_DESCRIBE;
    op->unit.effective = (struct civil_date){10000};
    op->unit.facts =
        (struct unit_described){.country = "BE", .currency = "EUR", .n_languages = 1, .share_price_minor = 3000};
    snprintf(op->unit.facts.name.s, sizeof(op->unit.facts.name.s), "Imaginaria");
    snprintf(op->unit.facts.time_zone.s, sizeof(op->unit.facts.time_zone.s), "UTC");
    snprintf(op->unit.facts.languages[0], sizeof(op->unit.facts.languages[0]), "nl");
    exec(h, op);
    free(op);
}

static struct subject_id
admit(struct home *h, unsigned i)
{
    struct api_op *op = calloc(1, sizeof(*op));
    assert_non_null(op);
    test_node_admission(op, i);
    exec(h, op);
    struct subject_id subject = op->result.subject;
    free(op);
    return subject;
}

/* A unit with two members, and a directory made for it by the root key. */
static void
world_make(struct world *w)
{
    struct identity id = {.production = false}, fresh;
    struct err err = {0};
    memset(w, 0, sizeof(*w));
    test_dir_make(w->dir);
    snprintf(id.unit_code, sizeof(id.unit_code), "BE");
    snprintf(id.unit_name.s, sizeof(id.unit_name.s), "Imaginaria");
    snprintf(id.federation_name.s, sizeof(id.federation_name.s), "Test");
    assert_int_equal(crypto_init(&err), 0);
    assert_int_equal(identity_create(&id, random_fill, NULL, &w->offline, &err), 0);
    home_make(&w->gone, w->dir, "gone", &id);
    describe(&w->gone);
    assert_int_equal(identity_rekey(&id, w->offline.root_seed, 2, true, random_fill, NULL, &fresh, &err), 0);
    home_make(&w->back, w->dir, "back", &fresh);
}

static void
world_remove(struct world *w)
{
    home_stop(&w->gone);
    home_stop(&w->back);
    test_dir_remove(w->dir);
}

static struct recover_copied
copy(struct world *w)
{
    struct recover_copied c = {0};
    struct err err = {0};
    if (recover_logs(w->gone.d.db, &w->back.d, w->back.engine, NULL, NULL, &c, &err) != 0 ||
        recover_capsules(&w->gone.d, &w->back.d, NULL, NULL, &c, &err) != 0)
        fail_msg("%s", err.text);
    return c;
}

/* As the command does: no engine while it works, one afterwards. */
static struct recover_keys_found
open_keys(struct world *w)
{
    struct recover_keys_found f;
    struct err err = {0};
    home_stop(&w->back);
    assert_int_equal(datadir_open(w->back.data, DATADIR_WRITER, &w->back.d, &err), 0);
    if (recover_keys(&w->back.d, &w->offline.recovery_secret, NULL, NULL, &f, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(datadir_engine(&w->back.d, &w->back.engine, &err), 0);
    return f;
}

static size_t
keys_of(struct home *h, const struct subject_id *who, uint8_t class, struct keyslot_key ret[4])
{
    struct db_txn *txn = NULL;
    struct err err = {0};
    struct keyslot_key *all = NULL;
    size_t n = 0;
    assert_int_equal(db_begin_read(h->d.db, &txn, &err), 0);
    assert_int_equal(keyslots_class(txn, h->d.vault, who, NULL, class, 4, &all, &n, &err), 0);
    if (n > 0)
        memcpy(ret, all, n * sizeof(*ret));
    keyslot_keys_free(&all, n);
    db_abort(&txn);
    return n;
}

static void
test_logs_capsules_and_keys_come_back(void **state)
{
    struct world w;
    struct keyslot_key ours[4], theirs[4];
    (void)state;
    world_make(&w);
    struct subject_id a = admit(&w.gone, 1), b = admit(&w.gone, 2);
    struct recover_copied c = copy(&w);
    assert_int_equal(c.logs, 1);
    assert_int_equal(c.capsules_missing + c.broken + c.not_admitted, 0);
    assert_int_equal(keys_of(&w.back, &a, CLASS_IDENTITY, ours), 0);
    struct recover_keys_found f = open_keys(&w);
    assert_int_equal(f.members, 2);
    assert_int_equal(f.keys, 2 * VAULT_CLASSES);
    assert_int_equal(f.missing + f.locked + f.days_missing + f.keys_erased, 0);
    const struct subject_id *const who[] = {&a, &b};
    for (size_t i = 0; i < ARRAY_LEN(who); i++) {
        for (uint8_t class = CLASS_IDENTITY; class <= CLASS_COUNTING; class ++) {
            assert_int_equal(keys_of(&w.gone, who[i], class, theirs), 1);
            assert_int_equal(keys_of(&w.back, who[i], class, ours), 1);
            assert_true(TYPE_EQ(&ours[0].key, &theirs[0].key));
            assert_int_equal(ours[0].generation, theirs[0].generation);
        }
    }
    assert_int_equal(open_keys(&w).keys, 0); /* again: nothing is left to do */
    admit(&w.back, 3);
    world_remove(&w);
}

static void
test_another_recovery_key_opens_nothing(void **state)
{
    struct world w;
    struct recover_keys_found f;
    struct box_secret other = {{5}};
    struct err err = {0};
    (void)state;
    world_make(&w);
    admit(&w.gone, 1);
    copy(&w);
    assert_int_equal(recover_keys(&w.back.d, &other, NULL, NULL, &f, &err), ERR_DENIED);
    world_remove(&w);
}

/* The node wrote about the member before the old keys were there: both open, and the newer one seals on. */
static void
test_keys_made_meanwhile_stay_the_newest(void **state)
{
    struct world w;
    struct keyslot_key old[4], now[4], was[4];
    struct slot_keys fresh;
    struct db_txn *txn = NULL;
    struct err err = {0};
    (void)state;
    world_make(&w);
    struct subject_id who = admit(&w.gone, 1);
    copy(&w);
    assert_int_equal(vault_take(w.back.d.vault, &fresh, &err), 0);
    assert_int_equal(db_begin_write(w.back.d.db, &txn, &err), 0);
    assert_int_equal(keyslot_put(txn, &who, 1, fresh.slot, &err), 0);
    assert_int_equal(db_commit(&txn, &err), 0);
    open_keys(&w);
    assert_int_equal(keys_of(&w.gone, &who, CLASS_CONTACT, old), 1);
    assert_int_equal(keys_of(&w.back, &who, CLASS_CONTACT, now), 2);
    assert_memory_equal(&now[0].key, &fresh.keys[vault_class_index(CLASS_CONTACT)], KEY_BYTES);
    assert_true(TYPE_EQ(&now[1].key, &old[0].key));
    assert_int_equal(now[1].generation, old[0].generation);
    assert_int_equal(open_keys(&w).keys, 0);
    assert_int_equal(keys_of(&w.back, &who, CLASS_CONTACT, was), 2);
    assert_true(TYPE_EQ(&was[0].key, &now[0].key) && TYPE_EQ(&was[1].key, &now[1].key));
    world_remove(&w);
}

static void
change_contact(struct home *h, const struct subject_id *who)
{
    struct api_op *op = calloc(1, sizeof(*op));
    assert_non_null(op);
    op->kind = OP_MEMBER;
    op->member.request = (struct member_request){
        .action = ACTION_CHANGE_DATA, .has_subject = true, .subject = *who, .effective = DATE_NONE};
    op->member.request.person.has_contact = true;
    op->member.request.person.identity.birth_date = DATE_NONE;
    op->member.request.person.contact = (struct person_contact){.email = {"later@example.org"}};
    exec(h, op);
    free(op);
}

static void
erase_contact(struct home *h, const struct subject_id *who)
{
    struct api_op *op = calloc(1, sizeof(*op));
    assert_non_null(op);
    op->kind = OP_ERASE;
    op->erase.request = (struct erase_request){.action = ERASE_ORDER,
                                               .member = *who,
                                               .classes = 1U << (CLASS_CONTACT - 1),
                                               .effective = DATE_NONE,
                                               .until = DATE_NONE};
    exec(h, op);
    free(op);
}

/* The order is in the log, and the directory that is copied has not carried it out yet. */
static void
test_what_an_erasure_lists_does_not_come_back(void **state)
{
    struct world w;
    struct keyslot_key keys[4];
    (void)state;
    world_make(&w);
    struct subject_id who = admit(&w.gone, 1), other = admit(&w.gone, 2);
    erase_contact(&w.gone, &who);
    struct recover_copied c = copy(&w);
    assert_true(c.capsules_erased > 0);
    open_keys(&w);
    assert_int_equal(keys_of(&w.back, &who, CLASS_CONTACT, keys), 0);
    assert_true(keys_of(&w.back, &who, CLASS_IDENTITY, keys) > 0);
    assert_int_equal(keys_of(&w.back, &other, CLASS_CONTACT, keys), 1);
    world_remove(&w);
}

/* An order of a directory without the keys says all of them; it began a first generation of its own afterwards. */
static void
test_keys_made_after_an_order_of_all_come_back(void **state)
{
    struct world w, second = {.dir = ""};
    struct keyslot_key made[4], keys[4];
    struct identity fresh;
    struct err err = {0};
    (void)state;
    world_make(&w);
    struct subject_id who = admit(&w.gone, 1);
    copy(&w);
    assert_int_equal(keys_of(&w.back, &who, CLASS_CONTACT, keys), 0);
    erase_contact(&w.back, &who);
    change_contact(&w.back, &who);
    assert_int_equal(keys_of(&w.back, &who, CLASS_CONTACT, made), 1);
    assert_int_equal(identity_rekey(&w.gone.d.identity, w.offline.root_seed, 3, true, random_fill, NULL, &fresh, &err),
                     0);
    second.offline = w.offline;
    second.gone = w.back;
    home_make(&second.back, w.dir, "again", &fresh);
    copy(&second);
    struct recover_keys_found f = open_keys(&second);
    assert_true(f.keys > 0);
    assert_int_equal(keys_of(&second.back, &who, CLASS_CONTACT, keys), 1);
    assert_true(TYPE_EQ(&keys[0].key, &made[0].key));
    home_stop(&second.back);
    world_remove(&w);
}

static void
test_what_is_known_of_a_units_keys(void **state)
{
    static const struct rekey_options revoke = {.revoke = true};
    static struct rekey_plan plan;
    struct world w;
    struct recover_known k;
    struct err err = {0};
    (void)state;
    world_make(&w);
    admit(&w.gone, 1);
    struct sign_public first = w.gone.d.identity.signing_key, never = {{3}};
    assert_int_equal(recover_known(w.gone.d.db, &w.gone.d.identity.unit, &first, &k, &err), 0);
    assert_true(k.logs == 1 && k.serial == 0 && !k.revoked);
    assert_int_equal(recover_known(w.gone.d.db, &w.gone.d.identity.unit, &never, &k, &err), 0);
    assert_true(k.serial == 1 && !k.revoked);

    struct rekey_options o = revoke; /* a certificate that was never used is taken back with it */
    o.n_void = 1;
    o.void_keys[0] = never;
    engine_free(&w.gone.engine);
    assert_int_equal(rekey_plan(w.gone.d.db, &w.gone.d.identity, &o, &plan, &err), 0);
    assert_int_equal(rekey_do(&w.gone.d, &plan, w.offline.root_seed, NULL, NULL, &err), 0);
    home_stop(&w.gone);
    home_start(&w.gone);
    assert_int_equal(recover_known(w.gone.d.db, &w.gone.d.identity.unit, &first, &k, &err), 0);
    assert_true(k.serial == 2 && k.revoked);
    assert_int_equal(recover_known(w.gone.d.db, &w.gone.d.identity.unit, &never, &k, &err), 0);
    assert_true(k.revoked);
    world_remove(&w);
}

static void
test_nothing_is_written_before_enough_peers_were_heard(void **state)
{
    struct world w;
    struct db_txn *txn = NULL;
    struct err err = {0};
    bool over = true;
    (void)state;
    world_make(&w);
    admit(&w.gone, 1);
    copy(&w);
    assert_int_equal(db_begin_write(w.back.d.db, &txn, &err), 0);
    assert_int_equal(hearing_put(txn, 2, &err), 0);
    assert_int_equal(db_commit(&txn, &err), 0);
    assert_int_equal(db_begin_read(w.back.d.db, &txn, &err), 0);
    assert_int_equal(hearing_check(txn, &err), ERR_UNAVAILABLE);
    db_abort(&txn);

    static const struct actor_id actor = {{0xAC}};
    struct api_op *op = calloc(1, sizeof(*op));
    assert_non_null(op);
    test_node_admission(op, 2);
    assert_int_equal(engine_begin(w.back.engine, &err), 0);
    assert_int_equal(engine_exec(w.back.engine, &actor, op, &err), 0);
    assert_int_equal(op->result.err.code, ERR_UNAVAILABLE);
    engine_abort(w.back.engine);
    free(op);

    assert_int_equal(hearing_heard(w.back.d.db, &w.back.d.identity.unit, 1, &over, &err), 0);
    assert_false(over);
    assert_int_equal(hearing_heard(w.back.d.db, &w.back.d.identity.unit, 2, &over, &err), 0);
    assert_true(over);
    admit(&w.back, 2);
    world_remove(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logs_capsules_and_keys_come_back),
        cmocka_unit_test(test_another_recovery_key_opens_nothing),
        cmocka_unit_test(test_keys_made_meanwhile_stay_the_newest),
        cmocka_unit_test(test_what_an_erasure_lists_does_not_come_back),
        cmocka_unit_test(test_keys_made_after_an_order_of_all_come_back),
        cmocka_unit_test(test_what_is_known_of_a_units_keys),
        cmocka_unit_test(test_nothing_is_written_before_enough_peers_were_heard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
