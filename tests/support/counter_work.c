/* Work at the counter: what the writer does with capsules and links, and apply with rows. See counter.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "node/command/posting.h"
#include "storage/keyslots.h"
#include "tests/support/counter.h"

static void
open_vault(struct counter *k)
{
    static const uint8_t wrap_key[KEY_BYTES] = {7};
    struct log_opened opened = {.unit = k->ctx.unit};
    struct event_header first = {.suite = SUITE_1};
    struct log_row row;
    struct err err;
    test_dir_make(k->vault_dir);
    struct vault_opts opts = {.path = k->vault_dir,
                              .map_bytes = TEST_MAP_BYTES,
                              .wrap_key = wrap_key,
                              .create = true,
                              .volatile_for_simulation = true};
    if (vault_open(&opts, &k->vault, &err) != 0)
        fail_msg("vault: %s", err.text);
    assert_int_equal(evlog_create(k->txn, &k->log, &opened, &first, &row, &err), 0);
    k->log_no = row.no;
    k->ctx.vault = k->vault;
}

int
counter_setup_vault(void **state)
{
    counter_setup(state);
    open_vault(*state);
    return 0;
}

int
counter_setup_vault_with_state(void **state)
{
    counter_setup_with_state(state);
    open_vault(*state);
    return 0;
}

void
counter_give_keys(struct counter *k, const struct subject_id *member)
{
    struct slot_keys keys;
    struct err err;
    assert_int_equal(vault_take(k->vault, &keys, &err), 0);
    assert_int_equal(keyslot_put(k->txn, member, 1, keys.slot, &err), 0);
}

void
counter_forget_keys(struct counter *k, const struct subject_id *member)
{
    uint8_t key[ID_BYTES + 4];
    struct err err;
    memcpy(key, member->b, ID_BYTES);
    be32_put(key + ID_BYTES, 1);
    assert_int_equal(db_del(k->txn, TABLE_KEYSLOTS, slice_of(key, sizeof(key)), &err), 0);
}

/* ---- capsules and links ---- */

static void
link_of(struct counter *k, const struct draft *d, const struct activity_links *l)
{
    bool posting = d->kind >= KIND_POSTING_ISSUED, invoice = d->kind >= KIND_INVOICE_ISSUED && !posting;
    struct vault_link link = {.entity = d->subject,
                              .member = d->link_member,
                              .flags = posting   ? LINK_POSTING
                                       : invoice ? LINK_INVOICE
                                                 : LINK_ACTIVITY};
    struct index_entry entries[2] = {{.subject = d->subject}, {.subject = d->subject}};
    enum index_field field = posting ? INDEX_POSTING_NO : invoice ? INDEX_INVOICE_NO : INDEX_ACTIVITY_NO;
    struct err err;
    assert_true(d->has_link);
    assert_memory_equal(&d->link_member, &l->member, sizeof(l->member));
    (posting ? index_postings_of : index_work_of)(k->vault, &l->member, entries[0].token);
    bool number =
        l->number.s[0] != '\0' && index_work_number(k->vault, field, l->number.s, entries[1].token, &err) == 0;
    assert_int_equal(vault_links_stage(k->vault, &link, entries, number ? 2 : 1, &err), 0);
}

static void
capsules_of(struct counter *k, const struct draft *d, const struct position *at)
{
    uint8_t nonce[CAPSULE_NONCE_BYTES] = {0};
    struct slot_keys keys;
    struct activity_links links;
    struct buf capsule;
    struct err err;
    uint32_t generation;
    uint64_t damaged;
    for (uint8_t i = 0; i < d->n_capsules && k->vault != NULL; i++) {
        struct slice plain = buf_slice(&d->capsules[i].plain);
        assert_int_equal(d->capsules[i].class, CLASS_ACTIVITY);
        assert_int_equal(keyslots_newest(k->txn, k->vault, &d->key_subject, NULL, &keys, &generation, &damaged, &err),
                         0);
        buf_init(&capsule, CAPSULE_BYTES_MAX);
        be64_put(nonce, at->seq);
        assert_int_equal(
            capsule_seal(&keys.keys[vault_class_index(CLASS_ACTIVITY)], CLASS_ACTIVITY, nonce, plain, &capsule, &err),
            0);
        assert_int_equal(capsules_put(k->txn, k->log_no, at->seq, i, buf_slice(&capsule), &err), 0);
        assert_int_equal(activity_links_decode(plain, &links, &err), 0);
        link_of(k, d, &links);
        buf_free(&capsule);
    }
}

/* ---- rows ---- */

static void
record_activity(struct counter *k, const struct draft *d, const struct event_header *h, const struct position *at,
                struct buf *out)
{
    uint8_t key[KEY_ACTIVITY];
    struct activity_row row;
    struct activity_entry e;
    struct missing missing;
    struct err err;
    if (rows_activity(&k->ctx, &d->subject, &row, &err) != 0)
        activity_row_init(&row, &k->ctx.unit, &d->subject);
    activity_entry_from_event(at, h, &d->payload, &e);
    assert_int_equal(activity_row_add(&row, &e, &k->world, &missing, &err), 0);
    assert_int_equal(row.entries[row.n - 1].outcome, OUTCOME_APPLIED);
    assert_int_equal(activity_row_encode(&row, out, &err), 0);
    key_activity(key, &k->ctx.unit, &d->subject);
    counter_store(k, TABLE_ACTIVITIES, slice_of(key, sizeof(key)), out);
    activity_row_release(&row);
}

static void
record_invoice(struct counter *k, const struct draft *d, const struct event_header *h, const struct position *at,
               struct buf *out)
{
    uint8_t key[KEY_INVOICE];
    struct invoice_row row;
    struct invoice_entry e;
    struct missing missing;
    struct err err;
    if (rows_invoice(&k->ctx, &d->subject, &row, &err) != 0)
        invoice_row_init(&row, &k->ctx.unit, &d->subject);
    invoice_entry_from_event(at, h, &d->payload, &e);
    assert_int_equal(invoice_row_add(&row, &e, &k->world, &missing, &err), 0);
    assert_int_equal(row.entries[row.n - 1].outcome, OUTCOME_APPLIED);
    assert_int_equal(invoice_row_encode(&row, out, &err), 0);
    key_invoice(key, &k->ctx.unit, &d->subject);
    counter_store(k, TABLE_INVOICES, slice_of(key, sizeof(key)), out);
    invoice_row_release(&row);
}

static void
record_posting(struct counter *k, const struct draft *d, const struct event_header *h, const struct position *at,
               struct buf *out)
{
    uint8_t key[KEY_POSTING];
    struct posting_row row;
    struct posting_entry e;
    struct missing missing;
    struct err err;
    if (rows_posting(&k->ctx, &d->subject, &row, &err) != 0)
        posting_row_init(&row, &k->ctx.unit, &d->subject);
    posting_entry_from_event(at, h, &d->payload, &e);
    assert_int_equal(posting_row_add(&row, &e, &k->world, &missing, &err), 0);
    assert_int_equal(row.entries[row.n - 1].outcome, OUTCOME_APPLIED);
    assert_int_equal(posting_row_encode(&row, out, &err), 0);
    key_posting(key, &k->ctx.unit, &d->subject);
    counter_store(k, TABLE_POSTINGS, slice_of(key, sizeof(key)), out);
    posting_row_release(&row);
}

static void
record_active(struct counter *k, const struct draft *d, const struct position *at, struct buf *out)
{
    uint8_t key[KEY_ACTIVE];
    struct active_row row;
    struct slice value;
    struct err err;
    uint16_t month = month_number(d->payload.common.effective), year = (uint16_t)(1900 + month / 12);
    key_active(key, year, &d->subject);
    active_row_init(&row, year, &d->subject);
    if (rows_get(&k->ctx, TABLE_ACTIVE, slice_of(key, sizeof(key)), &value, &err) == 0)
        assert_int_equal(active_row_decode(value, year, &d->subject, &row, &err), 0);
    assert_int_equal(
        active_row_add(&row, &k->ctx.unit, at, month, d->payload.active.cells, d->payload.active.n, k->dag, &err), 0);
    assert_int_equal(active_row_encode(&row, out, &err), 0);
    counter_store(k, TABLE_ACTIVE, slice_of(key, sizeof(key)), out);
    active_row_release(&row);
}

static void
record_period(struct counter *k, const struct draft *d, const struct position *at, struct buf *out)
{
    uint8_t key[KEY_PERIOD_ROW];
    struct period_row row;
    struct err err;
    period_row_init(&row, &k->ctx.unit, d->payload.closed.year);
    assert_int_equal(period_row_add(&row, at, d->payload.common.effective, d->payload.closed.figures,
                                    d->payload.closed.n, k->dag, &err),
                     0);
    assert_int_equal(period_row_encode(&row, out, &err), 0);
    key_period_row(key, &k->ctx.unit, d->payload.closed.year);
    counter_store(k, TABLE_PERIODS, slice_of(key, sizeof(key)), out);
    period_row_release(&row);
}

void
counter_record_work(struct counter *k, const struct draft *d, const struct event_header *h, const struct position *at)
{
    struct buf out;
    buf_init(&out, MEMBER_ROW_BYTES_MAX);
    capsules_of(k, d, at);
    switch (d->kind) {
    case KIND_PERSON_ACTIVE: record_active(k, d, at, &out); break;
    case KIND_PERIOD_CLOSED: record_period(k, d, at, &out); break;
    case KIND_POSTING_ISSUED:
    case KIND_POSTING_CHANGED:
    case KIND_POSTING_CANCELLED: record_posting(k, d, h, at, &out); break;
    case KIND_INVOICE_ISSUED:
    case KIND_INVOICE_CREDITED:
    case KIND_INVOICE_CANCELLED: record_invoice(k, d, h, at, &out); break;
    default: record_activity(k, d, h, at, &out); break;
    }
    buf_free(&out);
}
