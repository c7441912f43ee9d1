/* Receipts: one verifies against the card of its unit as it was written, and in no other way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "sync.pb-c.h"
#include "tests/support/proto_samples.h"

struct fixture {
    struct sample_unit unit, other;
};

static int
setup(void **state)
{
    static struct fixture f;
    sample_unit_init(&f.unit, 1);
    sample_unit_init(&f.other, 101);
    *state = &f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;
    sample_unit_release(&f->unit);
    sample_unit_release(&f->other);
    return 0;
}

static int
verify(const struct receipt *r, const struct unit_card *card)
{
    struct err err = {0};
    struct log_id log;
    struct event_header h;
    memset(&log, 0xA5, sizeof(log));
    int rc = receipt_verify(r, card, &log, &h, &err);
    if (rc < 0)
        assert_int_equal(log.b[0], 0xA5);
    return rc;
}

static int
verify_binary(struct slice bytes, const struct unit_card *card)
{
    struct err err = {0};
    struct receipt r;
    int rc = receipt_decode(bytes, &r, &err);
    return rc < 0 ? rc : verify(&r, card);
}

static void
a_receipt_of_each_event_verifies(void **state)
{
    struct fixture *f = *state;
    for (uint64_t seq = 1; seq <= SAMPLE_EVENTS; seq++) {
        struct err err = {0};
        struct receipt r = sample_receipt(&f->unit, seq), back;
        struct buf text, scratch;
        struct log_id log;
        struct event_header h;
        buf_init(&text, RECEIPT_TEXT_MAX);
        buf_init(&scratch, RECEIPT_TEXT_MAX);
        assert_int_equal(receipt_write(&r, &text, &err), 0);
        assert_int_equal(receipt_read(buf_slice(&text), &scratch, &back, &err), 0);
        assert_int_equal(receipt_verify(&back, &f->unit.card, &log, &h, &err), 0);
        assert_int_equal(h.seq, seq);
        assert_int_equal(h.kind, seq == 1 ? KIND_LOG_OPENED : KIND_MEMBER_RESIGNED);
        assert_memory_equal(&log, &f->unit.log, sizeof(log));
        buf_free(&text);
        buf_free(&scratch);
    }
}

static void
protobuf_c_reads_the_same(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    struct receipt r = sample_receipt(&f->unit, 2);
    struct buf b;
    buf_init(&b, RECEIPT_BYTES_MAX);
    assert_int_equal(receipt_encode(&r, &b, &err), 0);
    Smartnode__Receipt *m = smartnode__receipt__unpack(NULL, b.len, b.data);
    assert_non_null(m);
    assert_int_equal(m->suite, 1);
    assert_true(slice_eq(r.header, slice_of(m->header.data, m->header.len)));
    assert_int_equal(m->later_hashes.len, 2 * HASH_BYTES);
    assert_memory_equal(m->seal.data, r.seal.b, SIG_BYTES);
    smartnode__receipt__free_unpacked(m, NULL);
    buf_free(&b);
}

static void
every_flipped_bit_of_a_receipt_is_noticed(void **state)
{
    struct fixture *f = *state;
    for (uint64_t seq = 1; seq <= SAMPLE_EVENTS; seq++) {
        struct err err = {0};
        struct receipt r = sample_receipt(&f->unit, seq);
        struct buf b;
        buf_init(&b, RECEIPT_BYTES_MAX);
        assert_int_equal(receipt_encode(&r, &b, &err), 0);
        assert_int_equal(verify_binary(buf_slice(&b), &f->unit.card), 0);
        for (size_t bit = 0; bit < b.len * 8; bit++) {
            b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
            if (verify_binary(buf_slice(&b), &f->unit.card) == 0)
                fail_msg("receipt of %d verifies with bit %zu flipped", (int)seq, bit);
            b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        buf_free(&b);
    }
}

static void
every_flipped_bit_of_its_text_is_noticed(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    struct receipt r = sample_receipt(&f->unit, SAMPLE_EVENTS);
    struct buf text, scratch;
    buf_init(&text, RECEIPT_TEXT_MAX);
    buf_init(&scratch, RECEIPT_TEXT_MAX);
    assert_int_equal(receipt_write(&r, &text, &err), 0);
    for (size_t bit = 0; bit < text.len * 8; bit++) {
        struct receipt back;
        buf_clear(&scratch);
        text.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        if (receipt_read(buf_slice(&text), &scratch, &back, &err) == 0 && verify(&back, &f->unit.card) == 0)
            fail_msg("text verifies with bit %zu flipped", bit);
        text.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    buf_free(&text);
    buf_free(&scratch);
}

static void
a_card_of_another_unit_root_or_federation_does_not_fit(void **state)
{
    struct fixture *f = *state;
    struct receipt r = sample_receipt(&f->unit, 2);
    assert_int_equal(verify(&r, &f->other.card), ERR_FORGED);
    struct unit_card card = f->unit.card;
    card.unit = f->other.card.unit;
    assert_int_equal(verify(&r, &card), ERR_FORGED);
    card = f->unit.card;
    card.root_key = f->other.card.root_key;
    assert_int_equal(verify(&r, &card), ERR_FORGED);
    card = f->unit.card;
    card.federation.b[0] ^= 1;
    assert_int_equal(verify(&r, &card), ERR_FORGED);
    card = f->unit.card;
    card.production = true;
    assert_int_equal(verify(&r, &card), ERR_FORGED);
    card = f->unit.card;
    card.signing_key = f->other.card.signing_key; /* rotated since: the log's own key counts */
    card.serial++;
    assert_int_equal(verify(&r, &card), 0);
}

static void
parts_of_other_receipts_do_not_mix(void **state)
{
    struct fixture *f = *state;
    const struct unit_card *card = &f->unit.card;
    struct receipt a = sample_receipt(&f->unit, 2), b = sample_receipt(&f->unit, 3), o = sample_receipt(&f->other, 2),
                   x;
    x = a;
    x.payload = b.payload;
    assert_int_equal(verify(&x, card), ERR_FORGED);
    x = a;
    x.header = b.header;
    x.payload = b.payload;
    assert_int_equal(verify(&x, card), ERR_FORGED);
    x = a;
    x.later_hashes = b.later_hashes;
    assert_int_equal(verify(&x, card), ERR_FORGED);
    x = o;
    x.opening_header = a.opening_header;
    x.opening_payload = a.opening_payload;
    assert_int_equal(verify(&x, card), ERR_FORGED);
    x = a;
    x.seal = o.seal;
    assert_int_equal(verify(&x, card), ERR_FORGED);
}

/* Even the unit itself, which could sign anything, has but one first event for a log. */
static void
a_first_event_is_the_logs_own(void **state)
{
    struct fixture *f = *state;
    struct receipt r = sample_receipt(&f->unit, 1);
    r.header = buf_slice(&f->other.headers[1]);
    r.payload = buf_slice(&f->other.payloads[1]);
    struct chain_value chain = crypto_chain(r.chain_before, crypto_header_hash(r.header));
    r.later_hashes.len = 0;
    r.seal = crypto_seal(&f->unit.signing, &f->unit.log, 1, &chain);
    assert_int_equal(verify(&r, &f->unit.card), ERR_FORGED);

    r = sample_receipt(&f->unit, 1);
    r.chain_before.b[0] ^= 1;
    chain = crypto_chain(r.chain_before, crypto_header_hash(r.header));
    r.later_hashes.len = 0;
    r.seal = crypto_seal(&f->unit.signing, &f->unit.log, 1, &chain);
    assert_int_equal(verify(&r, &f->unit.card), ERR_FORGED);

    r = sample_receipt(&f->unit, 2);
    r.chain_before.b[0] ^= 1;
    chain = crypto_chain(r.chain_before, crypto_header_hash(r.header));
    r.later_hashes.len = 0;
    r.seal = crypto_seal(&f->unit.signing, &f->unit.log, 2, &chain);
    assert_int_equal(verify(&r, &f->unit.card), ERR_FORGED);
}

static void
a_receipt_reaches_over_one_run_at_most(void **state)
{
    static uint8_t hashes[(RECEIPT_LATER_MAX + 1) * HASH_BYTES];
    struct fixture *f = *state;
    struct err err = {0};
    struct receipt r = sample_receipt(&f->unit, 4);
    struct chain_value chain = f->unit.chain[4];
    for (size_t i = 0; i < RECEIPT_LATER_MAX; i++) {
        struct hash h;
        memset(&h, (int)i, sizeof(h));
        memcpy(hashes + i * HASH_BYTES, h.b, sizeof(h.b));
        chain = crypto_chain(chain, h);
    }
    r.later_hashes = slice_of(hashes, RECEIPT_LATER_MAX * HASH_BYTES);
    r.seal = crypto_seal(&f->unit.signing, &f->unit.log, 4 + RECEIPT_LATER_MAX, &chain);
    assert_int_equal(verify(&r, &f->unit.card), 0);
    struct buf b;
    buf_init(&b, RECEIPT_BYTES_MAX);
    assert_int_equal(receipt_encode(&r, &b, &err), 0);
    assert_int_equal(verify_binary(buf_slice(&b), &f->unit.card), 0);
    r.later_hashes.len += HASH_BYTES;
    assert_int_equal(verify(&r, &f->unit.card), ERR_INVALID);
    assert_int_equal(receipt_encode(&r, &b, &err), ERR_INVALID);
    assert_string_equal(err.field, "receipt.later_hashes");
    r.later_hashes.len = HASH_BYTES - 1;
    assert_int_equal(verify(&r, &f->unit.card), ERR_INVALID);
    buf_free(&b);
}

static void
the_largest_receipt_fits_its_bounds(void **state)
{
    static uint8_t bytes[PAYLOAD_BYTES_MAX];
    struct err err = {0};
    struct receipt r = {
        .opening_header = slice_of(bytes, HEADER_BYTES_MAX),
        .opening_payload = slice_of(bytes, PAYLOAD_BYTES_MAX),
        .header = slice_of(bytes, HEADER_BYTES_MAX),
        .payload = slice_of(bytes, PAYLOAD_BYTES_MAX),
        .later_hashes = slice_of(bytes, RECEIPT_LATER_MAX * HASH_BYTES),
    };
    struct receipt back;
    struct buf text, scratch;
    buf_init(&text, RECEIPT_TEXT_MAX);
    buf_init(&scratch, RECEIPT_TEXT_MAX);
    assert_int_equal(receipt_write(&r, &text, &err), 0);
    assert_int_equal(receipt_read(buf_slice(&text), &scratch, &back, &err), 0);
    assert_true(slice_eq(r.later_hashes, back.later_hashes));
    r.payload.len = 0; /* dropped: nothing to show */
    assert_int_equal(receipt_write(&r, &text, &err), ERR_INVALID);
    assert_string_equal(err.field, "receipt.payload");
    buf_free(&text);
    buf_free(&scratch);
}

static void
another_suite_or_armour_is_refused(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    struct receipt r = sample_receipt(&f->unit, 2), back;
    struct buf b, text, scratch;
    buf_init(&b, RECEIPT_BYTES_MAX);
    assert_int_equal(receipt_encode(&r, &b, &err), 0);
    assert_int_equal(b.data[1], 1);
    b.data[1] = 2;
    assert_int_equal(receipt_decode(buf_slice(&b), &back, &err), ERR_VERSION);
    buf_free(&b);
    static uint8_t large[RECEIPT_BYTES_MAX + 1];
    assert_int_equal(receipt_decode(slice_of(large, sizeof(large)), &back, &err), ERR_LIMIT);

    buf_init(&text, CARD_TEXT_MAX);
    buf_init(&scratch, RECEIPT_TEXT_MAX);
    assert_int_equal(card_write(&f->unit.card, &f->unit.signing, &text, &err), 0);
    assert_int_equal(receipt_read(buf_slice(&text), &scratch, &back, &err), ERR_INVALID);
    buf_free(&text);
    buf_free(&scratch);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_receipt_of_each_event_verifies),
        cmocka_unit_test(protobuf_c_reads_the_same),
        cmocka_unit_test(every_flipped_bit_of_a_receipt_is_noticed),
        cmocka_unit_test(every_flipped_bit_of_its_text_is_noticed),
        cmocka_unit_test(a_card_of_another_unit_root_or_federation_does_not_fit),
        cmocka_unit_test(parts_of_other_receipts_do_not_mix),
        cmocka_unit_test(a_first_event_is_the_logs_own),
        cmocka_unit_test(a_receipt_reaches_over_one_run_at_most),
        cmocka_unit_test(the_largest_receipt_fits_its_bounds),
        cmocka_unit_test(another_suite_or_armour_is_refused),
    };
    return cmocka_run_group_tests_name("receipt", tests, setup, teardown);
}
