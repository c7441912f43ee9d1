/* Events of activities and invoices in the writer: whose keys seal them, links that are there before them, operations of several events
 * that are whole or not at all, what a start and a search do where the vault lost something. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sodium.h>
#include <stdlib.h>

#include "node/host/links.h"
#include "storage/keyslots.h"
#include "tests/support/node.h"

static const struct actor_id ACTOR = {{0xAC}};

struct work_node {
    struct test_node n;
    struct office_id office;
    struct subject_id member;
};

static struct office_id
office_of(struct test_node *n)
{
    struct command_ctx ctx = {.vault = n->vault, .unit = n->identity.unit};
    struct office_id id;
    struct err err = {0};
    assert_int_equal(db_begin_read(n->db, &ctx.txn, &err), 0);
    if (office_find(&ctx, "Gent", &id, &err) != 0)
        fail_msg("%s", err.text);
    db_abort(&ctx.txn);
    return id;
}

static int
setup(void **state)
{
    struct work_node *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    test_node_make(&w->n);
    w->office = office_of(&w->n);
    w->member = test_node_admit(&w->n, 1);
    *state = w;
    return 0;
}

static int
teardown(void **state)
{
    struct work_node *w = *state;
    test_node_remove(&w->n);
    free(w);
    db_fail_after(0);
    return 0;
}

static struct civil_date
month_of_today(void)
{
    return month_first(month_number((struct civil_date){TEST_NODE_TODAY}));
}

static void
common_make(struct draft *d, uint16_t kind, struct subject_id subject, enum date_precision precision)
{
    *d = (struct draft){.kind = kind, .payload = {.kind = kind}, .subject = subject};
    d->payload.common = (struct event_common){
        .has_actor = true,
        .has_subject = true,
        .has_effective = true,
        .has_salt = true,
        .actor = ACTOR,
        .subject = subject,
        .effective = precision == PRECISION_MONTH ? month_of_today() : (struct civil_date){TEST_NODE_TODAY},
        .precision = precision};
}

static void
activity_make(const struct work_node *w, struct draft *d, uint8_t id, struct subject_id member, const char *number)
{
    struct activity_links l = {.member = member, .day = {TEST_NODE_TODAY}, .last_day = DATE_NONE};
    struct err err = {0};
    common_make(d, KIND_ACTIVITY_OPENED, (struct subject_id){{id}}, PRECISION_MONTH);
    d->payload.activity = (struct activity_facets){.office = w->office, .sector = 2};
    snprintf(l.number.s, sizeof(l.number.s), "%s", number);
    d->key_subject = d->link_member = member;
    d->has_link = true;
    d->n_capsules = 1;
    d->capsules[0].class = CLASS_ACTIVITY;
    buf_init(&d->capsules[0].plain, CAPSULE_BYTES_MAX);
    if (activity_links_encode(&l, &d->capsules[0].plain, &err) != 0)
        fail_msg("%s", err.text);
}

/* All drafts as one operation in one group; they are released. */
static int
write_drafts(struct test_node *n, struct draft *drafts, size_t count, struct err *err)
{
    struct api_op *op = calloc(1, sizeof(*op));
    assert_non_null(op);
    op->kind = OP_COUNT;
    op->count.step = COUNT_WRITE;
    op->count.drafts = drafts;
    op->count.n = count;
    int rc = test_node_exec(n, op, err);
    assert_int_equal(op->result.err.code, ERR_NONE);
    free(op);
    for (size_t i = 0; i < count; i++)
        draft_release(&drafts[i]);
    return rc;
}

static void
open_activity(struct work_node *w, uint8_t id, struct subject_id member, const char *number)
{
    struct draft d;
    struct err err = {0};
    activity_make(w, &d, id, member, number);
    if (write_drafts(&w->n, &d, 1, &err) != 0)
        fail_msg("%s", err.text);
}

static bool
linked(struct test_node *n, uint8_t id, const struct subject_id *member)
{
    struct vault_link l;
    struct err err;
    struct subject_id entity = {{id}};
    int rc = vault_link_get(n->vault, &entity, &l, &err);
    return rc == 0 && TYPE_EQ(&l.member, member) && l.flags == LINK_ACTIVITY;
}

/* Number and member lead to the activity. */
static void
assert_found(struct test_node *n, uint8_t id, const struct subject_id *member, const char *number)
{
    uint8_t tokens[2][VAULT_TOKEN_BYTES];
    struct subject_id found[8], entity = {{id}};
    struct err err;
    index_work_of(n->vault, member, tokens[0]);
    assert_int_equal(index_work_number(n->vault, INDEX_ACTIVITY_NO, number, tokens[1], &err), 0);
    for (int i = 0; i < 2; i++) {
        size_t count = 0;
        bool is = false;
        assert_int_equal(vault_index_find(n->vault, tokens[i], NULL, 8, found, &count, &err), 0);
        for (size_t j = 0; j < count; j++)
            is |= TYPE_EQ(&found[j], &entity);
        assert_true(is);
    }
}

/* The last event of the own log. */
static struct event_header
last_header(struct test_node *n, struct log_row *ret_log)
{
    struct db_txn *txn = NULL;
    struct stored_event ev;
    struct event_header h;
    struct err err;
    *ret_log = test_node_log(n);
    assert_int_equal(db_begin_read(n->db, &txn, &err), 0);
    assert_int_equal(evlog_event(txn, ret_log->no, ret_log->head_seq, &ev, &err), 0);
    assert_int_equal(event_header_decode(ev.header, &h, &err), 0);
    db_abort(&txn);
    return h;
}

/* ---- whose keys ---- */

static void
the_capsule_is_sealed_with_the_members_key_of_its_class(void **state)
{
    struct work_node *w = *state;
    struct db_txn *txn = NULL;
    struct log_row log;
    struct slice capsule;
    struct buf plain;
    struct activity_links l;
    struct err err = {0};
    open_activity(w, 7, w->member, "P-7");
    struct event_header h = last_header(&w->n, &log);
    assert_int_equal(h.kind, KIND_ACTIVITY_OPENED);
    assert_int_equal(h.n_capsules, 1); /* no key capsule: the member has all keys */
    assert_int_equal(h.capsules[0].class, CLASS_ACTIVITY);
    assert_int_equal(db_begin_read(w->n.db, &txn, &err), 0);
    assert_int_equal(capsules_get(txn, log.no, h.seq, 0, &capsule, &err), 0);
    buf_init(&plain, CAPSULE_BYTES_MAX);
    assert_int_equal(keyslots_open(txn, w->n.vault, &w->member, CLASS_ACTIVITY, capsule, &plain, &err), 0);
    assert_int_equal(activity_links_decode(buf_slice(&plain), &l, &err), 0);
    assert_string_equal(l.number.s, "P-7");
    assert_memory_equal(&l.member, &w->member, ID_BYTES);
    buf_free(&plain);
    db_abort(&txn);
    assert_true(linked(&w->n, 7, &w->member));
    assert_found(&w->n, 7, &w->member, "p 7");
    test_node_check(&w->n);
}

/* As a release without these classes left it. */
static void
cut_slot(struct test_node *n, uint64_t slot)
{
    struct slot_keys k;
    uint8_t key[8], aad[9] = {3}, row[24 + 128 + 16], wrap[32] = {7};
    struct db_txn *txn;
    struct err err;
    assert_int_equal(vault_slot(n->vault, slot, &k, &err), 0);
    be64_put(key, slot);
    be64_put(aad + 1, slot);
    memset(row, 9, 24);
    crypto_aead_xchacha20poly1305_ietf_encrypt(row + 24, NULL, k.keys[0].b, 128, aad, sizeof(aad), NULL, row, wrap);
    assert_int_equal(db_begin_write(vault_db(n->vault), &txn, &err), 0);
    assert_int_equal(db_put(txn, TABLE_SLOTS, slice_of(key, 8), slice_of(row, sizeof(row)), &err), 0);
    assert_int_equal(db_commit(&txn, &err), 0);
}

enum { GENERATIONS_MAX = 16 };

static size_t
generations(struct test_node *n, struct subject_id who, struct keyslot ret[GENERATIONS_MAX])
{
    struct db_txn *txn = NULL;
    struct keyslot *all = NULL;
    size_t count = 0;
    struct err err;
    assert_int_equal(db_begin_read(n->db, &txn, &err), 0);
    assert_int_equal(keyslots_all(txn, &who, &all, &count, &err), 0);
    db_abort(&txn);
    assert_in_range(count, 0, GENERATIONS_MAX);
    if (count > 0)
        memcpy(ret, all, count * sizeof(*ret));
    free(all);
    return count;
}

static void
a_member_of_an_earlier_release_gets_the_keys_that_it_lacks_once_and_escrowed(void **state)
{
    struct work_node *w = *state;
    struct keyslot slots[GENERATIONS_MAX];
    struct slot_keys first, second;
    struct log_row log;
    struct err err;
    assert_int_equal(generations(&w->n, w->member, slots), 1);
    cut_slot(&w->n, slots[0].slot);
    open_activity(w, 7, w->member, "P-7");
    struct event_header h = last_header(&w->n, &log);
    assert_int_equal(h.n_capsules, 2);
    assert_int_equal(h.capsules[1].class, CLASS_KEY);
    open_activity(w, 8, w->member, "P-8");
    assert_int_equal(generations(&w->n, w->member, slots), 2);
    assert_int_equal(slots[1].generation, slots[0].generation + 1);
    assert_int_equal(vault_slot(w->n.vault, slots[0].slot, &first, &err), 0);
    assert_int_equal(vault_slot(w->n.vault, slots[1].slot, &second, &err), 0);
    for (size_t c = 0; c < VAULT_CLASSES; c++) {
        assert_int_equal(vault_key_there(&first.keys[c]), c < 4);
        assert_int_equal(vault_key_there(&second.keys[c]), c >= 4);
    }
    /* A crash before the vault followed: the start makes the key capsule again, byte for byte. */
    struct position at = {.log = log.id, .seq = h.seq};
    struct buf out;
    buf_init(&out, CAPSULE_BYTES_MAX);
    assert_int_equal(vault_capsule_get(w->n.vault, &at, 1, &out, &err), ERR_NOTFOUND);
    test_node_close(&w->n);
    test_node_open(&w->n);
    assert_int_equal(vault_capsule_get(w->n.vault, &at, 1, &out, &err), 0);
    struct hash hash = capsule_hash(buf_slice(&out));
    assert_memory_equal(&hash, &h.capsules[1].hash, sizeof(hash));
    buf_free(&out);
    test_node_check(&w->n);
}

/* ---- links before events ---- */

static void
a_link_is_durable_before_its_event_and_one_without_an_event_harms_nobody(void **state)
{
    struct work_node *w = *state;
    struct draft d;
    struct err err = {0};
    uint64_t activities = test_table_rows(w->n.db, TABLE_ACTIVITIES);
    unsigned step = 1;
    int rc;
    do { /* every step may fail */
        activity_make(w, &d, 7, w->member, "P-7");
        db_fail_after(step++);
        rc = write_drafts(&w->n, &d, 1, &err);
        db_fail_after(0);
        bool event = test_table_rows(w->n.db, TABLE_ACTIVITIES) > activities;
        assert_int_equal(event, rc == 0);
        assert_true(!event || linked(&w->n, 7, &w->member));
        assert_true(step < 200);
    } while (rc != 0);
    assert_true(step > 5);
    /* Nothing is left of what failed: the link is there in the vault itself. */
    test_node_close(&w->n);
    test_node_open(&w->n);
    assert_true(linked(&w->n, 7, &w->member));
    assert_found(&w->n, 7, &w->member, "P-7");
    test_node_check(&w->n);
}

static void
a_group_that_is_aborted_leaves_no_link(void **state)
{
    struct work_node *w = *state;
    struct api_op *op = calloc(1, sizeof(*op));
    struct draft d;
    struct err err = {0};
    assert_non_null(op);
    activity_make(w, &d, 7, w->member, "P-7");
    op->kind = OP_COUNT;
    op->count.step = COUNT_WRITE;
    op->count.drafts = &d;
    op->count.n = 1;
    assert_int_equal(engine_begin(w->n.engine, &err), 0);
    assert_int_equal(engine_exec(w->n.engine, &ACTOR, op, &err), 0);
    assert_true(linked(&w->n, 7, &w->member)); /* for what comes after it in the group */
    engine_abort(w->n.engine);
    assert_false(linked(&w->n, 7, &w->member));
    assert_int_equal(test_table_rows(vault_db(w->n.vault), TABLE_LINKS), 0);
    draft_release(&d);
    free(op);
}

static void
events_of_one_operation_are_whole_or_not_at_all(void **state)
{
    struct work_node *w = *state;
    struct draft drafts[2];
    struct log_row before = test_node_log(&w->n), after;
    struct err err = {0};
    activity_make(w, &drafts[0], 7, w->member, "P-7");
    common_make(&drafts[1], KIND_ACTIVITY_CLOSED, (struct subject_id){{99}}, PRECISION_MONTH); /* there is none */
    assert_int_equal(write_drafts(&w->n, drafts, 2, &err), ERR_CONFLICT);
    after = test_node_log(&w->n);
    assert_int_equal(after.head_seq, before.head_seq);
    assert_int_equal(test_table_rows(w->n.db, TABLE_ACTIVITIES), 0);
    assert_false(linked(&w->n, 7, &w->member));
    activity_make(w, &drafts[0], 7, w->member, "P-7");
    common_make(&drafts[1], KIND_ACTIVITY_CLOSED, (struct subject_id){{7}}, PRECISION_MONTH);
    assert_int_equal(write_drafts(&w->n, drafts, 2, &err), 0);
    after = test_node_log(&w->n);
    assert_int_equal(after.head_seq, before.head_seq + 2);
    test_node_check(&w->n);
}

/* ---- what was lost ---- */

static void
lose_links(struct test_node *n, bool index_too)
{
    struct db_txn *txn;
    struct err err;
    assert_int_equal(db_begin_write(vault_db(n->vault), &txn, &err), 0);
    assert_int_equal(db_clear(txn, TABLE_LINKS, &err), 0);
    if (index_too)
        assert_int_equal(db_clear(txn, TABLE_INDEX_LISTS, &err), 0);
    assert_int_equal(db_commit(&txn, &err), 0);
}

static struct links_found
restore_links(struct test_node *n)
{
    struct links_search s = {.db = n->db, .vault = n->vault, .unit = n->identity.unit};
    struct links_found found;
    struct err err = {0};
    if (links_restore(&s, &found, &err) != 0)
        fail_msg("%s", err.text);
    return found;
}

static void
lost_links_are_found_again_by_trying_keys(void **state)
{
    struct work_node *w = *state;
    struct subject_id others[3];
    for (unsigned i = 0; i < 3; i++)
        others[i] = test_node_admit(&w->n, 2 + i);
    open_activity(w, 7, w->member, "P-7");
    open_activity(w, 8, others[1], "P-8");
    open_activity(w, 9, others[1], "P-9");
    lose_links(&w->n, true);
    test_node_close(&w->n); /* a start goes on without them */
    test_node_open(&w->n);
    assert_false(linked(&w->n, 7, &w->member));
    struct links_found found = restore_links(&w->n);
    assert_int_equal(found.linked, 3);
    assert_int_equal(found.missing, 0);
    assert_true(linked(&w->n, 7, &w->member));
    assert_true(linked(&w->n, 8, &others[1]));
    assert_true(linked(&w->n, 9, &others[1]));
    assert_found(&w->n, 9, &others[1], "P-9");
    /* The next search begins behind what was looked at. */
    lose_links(&w->n, false);
    open_activity(w, 10, w->member, "P-10");
    found = restore_links(&w->n);
    assert_int_equal(found.linked + found.missing, 0);
}

static void
a_capsule_that_no_key_opens_is_counted_and_one_that_is_not_held_is_awaited(void **state)
{
    struct work_node *w = *state;
    struct keyslot slots[GENERATIONS_MAX];
    struct subject_id other = test_node_admit(&w->n, 2);
    struct log_row log;
    struct db_txn *txn;
    struct slice bytes;
    struct buf kept;
    uint8_t key[8];
    struct err err;
    open_activity(w, 7, w->member, "P-7");
    open_activity(w, 8, other, "P-8");
    struct event_header h = last_header(&w->n, &log);
    lose_links(&w->n, true);
    assert_int_equal(generations(&w->n, w->member, slots), 1);
    be64_put(key, slots[0].slot);
    assert_int_equal(db_begin_write(vault_db(w->n.vault), &txn, &err), 0);
    assert_int_equal(db_del(txn, TABLE_SLOTS, slice_of(key, 8), &err), 0);
    assert_int_equal(db_commit(&txn, &err), 0);
    buf_init(&kept, CAPSULE_BYTES_MAX);
    assert_int_equal(db_begin_write(w->n.db, &txn, &err), 0);
    assert_int_equal(capsules_get(txn, log.no, h.seq, 0, &bytes, &err), 0);
    buf_put(&kept, bytes.data, bytes.len);
    uint8_t at[KEY_CAPSULE];
    key_capsule(at, log.no, h.seq, 0);
    assert_int_equal(db_del(txn, TABLE_CAPSULES, slice_of(at, sizeof(at)), &err), 0);
    assert_int_equal(db_commit(&txn, &err), 0);
    struct links_found found = restore_links(&w->n);
    assert_int_equal(found.linked, 0);
    assert_int_equal(found.missing, 1);
    assert_int_equal(db_begin_write(w->n.db, &txn, &err), 0);
    assert_int_equal(capsules_put(txn, log.no, h.seq, 0, buf_slice(&kept), &err), 0);
    assert_int_equal(db_commit(&txn, &err), 0);
    found = restore_links(&w->n);
    assert_int_equal(found.linked, 1);
    assert_int_equal(found.missing, 0);
    assert_true(linked(&w->n, 8, &other));
    buf_free(&kept);
}

static void
a_damaged_slot_does_not_stop_a_start(void **state)
{
    struct work_node *w = *state;
    struct keyslot slots[GENERATIONS_MAX];
    struct subject_id other;
    struct db_txn *txn;
    uint8_t key[8], junk[24 + 192 + 16] = {1};
    struct index_token tokens[INDEX_TOKENS_MAX];
    struct subject_id found[4];
    size_t n = 0;
    struct err err;
    other = test_node_admit(&w->n, 2); /* neither is in the vault's index yet */
    assert_int_equal(generations(&w->n, w->member, slots), 1);
    be64_put(key, slots[0].slot);
    assert_int_equal(db_begin_write(vault_db(w->n.vault), &txn, &err), 0);
    assert_int_equal(db_put(txn, TABLE_SLOTS, slice_of(key, 8), slice_of(junk, sizeof(junk)), &err), 0);
    assert_int_equal(db_commit(&txn, &err), 0);
    test_node_close(&w->n);
    test_node_open(&w->n);
    assert_int_equal(index_query(w->n.vault, "m2@example.org", tokens, &n, &err), 0);
    assert_int_equal(vault_index_find(w->n.vault, tokens[0].token, NULL, 4, found, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_memory_equal(&found[0], &other, sizeof(other));
    /* What is written for its member from now on has new keys. */
    open_activity(w, 7, w->member, "P-7");
    assert_int_equal(generations(&w->n, w->member, slots), 2);
    assert_true(linked(&w->n, 7, &w->member));
}

static void
assert_search_finds(struct test_node *n, const char *text, struct subject_id who)
{
    struct index_token tokens[INDEX_TOKENS_MAX];
    struct subject_id found[4];
    size_t count = 0;
    struct err err;
    assert_int_equal(index_query(n->vault, text, tokens, &count, &err), 0);
    assert_int_equal(vault_index_find(n->vault, tokens[0].token, NULL, 4, found, &count, &err), 0);
    assert_int_equal(count, 1);
    assert_memory_equal(&found[0], &who, sizeof(who));
}

static struct subject_id
admit_legal(struct test_node *n, struct api_op *op)
{
    struct err err = {0};
    test_node_admission(op, 3);
    struct member_request *r = &op->member.request;
    r->person_type = PERSON_LEGAL;
    r->category = CATEGORY_C;
    r->person.identity = (struct person_identity){.birth_date = DATE_NONE};
    snprintf(r->person.identity.legal_name.s, sizeof(r->person.identity.legal_name.s), "Denkbeeldig Atelier");
    assert_int_equal(test_node_exec(n, op, &err), 0);
    if (op->result.err.code != ERR_NONE)
        fail_msg("%s: %s", op->result.err.field, op->result.err.text);
    return op->result.subject;
}

/* The representative's own keys seal what is known of him, and his name finds whom he represents: also where only a start indexed it. */
static void
a_representative_is_found_as_the_member_that_it_stands_for(void **state)
{
    struct work_node *w = *state;
    struct api_op *op = calloc(1, sizeof(*op));
    struct db_txn *txn = NULL;
    struct stored_event ev;
    struct event_header h;
    struct event_payload payload;
    struct keyslot slots[GENERATIONS_MAX];
    struct err err = {0};
    assert_non_null(op);
    struct subject_id legal = admit_legal(&w->n, op);
    test_node_admission(op, 5);
    op->member.office_text[0] = '\0';
    struct member_request *r = &op->member.request;
    struct person_input person = r->person;
    *r = (struct member_request){.action = ACTION_NAME_REPRESENTATIVE,
                                 .has_subject = true,
                                 .subject = legal,
                                 .effective = {TEST_NODE_TODAY},
                                 .person = person};
    r->person.identity.member_no.s[0] = '\0';
    snprintf(r->person.identity.family_name.s, sizeof(r->person.identity.family_name.s), "Fabelachtig");
    assert_int_equal(test_node_exec(&w->n, op, &err), 0);
    if (op->result.err.code != ERR_NONE)
        fail_msg("%s: %s", op->result.err.field, op->result.err.text);
    struct position at = op->result.position;
    struct log_row log = test_node_log(&w->n);
    assert_int_equal(db_begin_read(w->n.db, &txn, &err), 0);
    assert_int_equal(evlog_event(txn, log.no, at.seq, &ev, &err), 0);
    assert_int_equal(event_header_decode(ev.header, &h, &err), 0);
    assert_int_equal(event_payload_decode(h.kind, h.kind_version, ev.payload, &payload, &err), 0);
    db_abort(&txn);
    assert_int_equal(h.kind, KIND_REPRESENTATIVE_NAMED);
    assert_int_equal(generations(&w->n, payload.other, slots), 1);
    test_node_close(&w->n); /* a crash before the vault followed */
    test_node_open(&w->n);
    assert_search_finds(&w->n, "fabelachtig", legal);
    struct buf out;
    buf_init(&out, CAPSULE_BYTES_MAX);
    assert_int_equal(h.capsules[h.n_capsules - 1].class, CLASS_KEY);
    assert_int_equal(vault_capsule_get(w->n.vault, &at, (uint8_t)(h.n_capsules - 1), &out, &err), 0);
    buf_free(&out);
    free(op);
}

/* ---- the mark of a month ---- */

static bool
mark(struct test_node *n, enum count_step step)
{
    struct api_op *op = calloc(1, sizeof(*op));
    struct err err = {0};
    assert_non_null(op);
    op->kind = OP_COUNT;
    op->count.step = step;
    op->count.month = month_number(month_of_today());
    assert_int_equal(test_node_exec(n, op, &err), 0);
    bool counted = op->count.counted;
    free(op);
    return counted;
}

static void
issue(struct work_node *w, uint8_t id)
{
    struct draft d;
    struct err err = {0};
    struct subject_id invoice = {{0}};
    be16_put(invoice.b, month_number(month_of_today()));
    invoice.b[2] = id;
    common_make(&d, KIND_INVOICE_ISSUED, invoice, PRECISION_MONTH);
    d.payload.invoice = (struct invoice_facts){.facets = {.office = w->office, .sector = 2},
                                               .amount_minor = 10000,
                                               .currency = "EUR",
                                               .rate_bp = 650,
                                               .contribution_minor = 650};
    if (write_drafts(&w->n, &d, 1, &err) != 0)
        fail_msg("%s", err.text);
}

static void
a_month_stays_marked_if_an_invoice_comes_while_it_is_counted(void **state)
{
    struct work_node *w = *state;
    issue(w, 1);
    assert_int_equal(test_table_rows(w->n.db, TABLE_UNCOUNTED), 1);
    assert_false(mark(&w->n, COUNT_END)); /* nobody began */
    mark(&w->n, COUNT_BEGIN);
    issue(w, 2);
    assert_false(mark(&w->n, COUNT_END));
    assert_int_equal(test_table_rows(w->n.db, TABLE_UNCOUNTED), 1);
    mark(&w->n, COUNT_BEGIN);
    test_node_close(&w->n); /* killed in the middle: the month is still named */
    test_node_open(&w->n);
    assert_int_equal(test_table_rows(w->n.db, TABLE_UNCOUNTED), 1);
    mark(&w->n, COUNT_BEGIN);
    assert_true(mark(&w->n, COUNT_END));
    assert_int_equal(test_table_rows(w->n.db, TABLE_UNCOUNTED), 0);
    issue(w, 3);
    assert_int_equal(test_table_rows(w->n.db, TABLE_UNCOUNTED), 1);
}

int
main(void)
{
#define WORK_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        WORK_TEST(the_capsule_is_sealed_with_the_members_key_of_its_class),
        WORK_TEST(a_member_of_an_earlier_release_gets_the_keys_that_it_lacks_once_and_escrowed),
        WORK_TEST(a_link_is_durable_before_its_event_and_one_without_an_event_harms_nobody),
        WORK_TEST(a_group_that_is_aborted_leaves_no_link),
        WORK_TEST(events_of_one_operation_are_whole_or_not_at_all),
        WORK_TEST(lost_links_are_found_again_by_trying_keys),
        WORK_TEST(a_capsule_that_no_key_opens_is_counted_and_one_that_is_not_held_is_awaited),
        WORK_TEST(a_damaged_slot_does_not_stop_a_start),
        WORK_TEST(a_representative_is_found_as_the_member_that_it_stands_for),
        WORK_TEST(a_month_stays_marked_if_an_invoice_comes_while_it_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
