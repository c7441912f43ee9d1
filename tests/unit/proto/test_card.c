/* Unit cards: what is read is what was written and signed, and nothing else is read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "proto/armour.h"
#include "sync.pb-c.h"
#include "tests/support/proto_samples.h"

struct fixture {
    struct sample_unit unit, other;
    struct buf text;   /* of the unit's card */
    struct buf binary; /* the same without armour */
};

static int
setup(void **state)
{
    static struct fixture f;
    struct err err = {0};
    sample_unit_init(&f.unit, 1);
    sample_unit_init(&f.other, 101);
    buf_init(&f.text, CARD_TEXT_MAX);
    buf_init(&f.binary, CARD_TEXT_MAX);
    *state = &f;
    return card_write(&f.unit.card, &f.unit.signing, &f.text, &err) ||
           armour_read("UNIT CARD", buf_slice(&f.text), CARD_TEXT_MAX, &f.binary, &err);
}

static int
teardown(void **state)
{
    struct fixture *f = *state;
    sample_unit_release(&f->unit);
    sample_unit_release(&f->other);
    buf_free(&f->text);
    buf_free(&f->binary);
    return 0;
}

/* Reads text, expecting rc; on failure the outputs must be untouched. */
static void
expect_text(struct slice text, int rc)
{
    struct err err = {0};
    struct unit_card card;
    bool first_root;
    memset(&card, 0xA5, sizeof(card));
    memset(&first_root, 0, sizeof(first_root));
    int got = card_read(text, &card, &first_root, &err);
    if (got != rc && !(rc > 0 && got < 0))
        fail_msg("%d (%s) instead of %d", got, err.text, rc);
    if (got < 0)
        assert_int_equal(((uint8_t *)&card)[0], 0xA5);
}

enum { ANY_FAILURE = 1 };

static void
expect_binary(struct slice binary, int rc)
{
    struct err err = {0};
    struct buf text;
    buf_init(&text, 2 * CARD_TEXT_MAX);
    assert_int_equal(armour_write("UNIT CARD", binary, &text, &err), 0);
    expect_text(buf_slice(&text), rc);
    buf_free(&text);
}

static void
a_card_comes_back(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    struct unit_card card;
    bool first_root = false;
    assert_int_equal(card_read(buf_slice(&f->text), &card, &first_root, &err), 0);
    assert_true(first_root);
    assert_string_equal(card.unit_code, "BE");
    assert_string_equal(card.unit_name.s, f->unit.card.unit_name.s);
    assert_int_equal(card.serial, 3);
    assert_int_equal(card.n_endpoints, 2);
    assert_string_equal(card.endpoints[1], "tcp://[2001:db8::1]:65535");
    assert_int_equal(card.issued_on.days, f->unit.card.issued_on.days);
    assert_false(card.production);
    struct buf again;
    buf_init(&again, CARD_TEXT_MAX);
    assert_int_equal(card_write(&card, &f->unit.signing, &again, &err), 0);
    assert_true(slice_eq(buf_slice(&again), buf_slice(&f->text)));
    buf_free(&again);
}

static void
protobuf_c_reads_the_same(void **state)
{
    struct fixture *f = *state;
    Smartnode__Card *card = smartnode__card__unpack(NULL, f->binary.len, f->binary.data);
    assert_non_null(card);
    assert_int_equal(card->suite, 1);
    Smartnode__CardBody *body = smartnode__card_body__unpack(NULL, card->body.len, card->body.data);
    assert_non_null(body);
    assert_string_equal(body->federation_name, "sample federation");
    assert_int_equal(body->n_endpoint, 2);
    assert_int_equal(body->issued_on, f->unit.card.issued_on.days);
    assert_memory_equal(body->recovery_key.data, f->unit.card.recovery_key.b, KEY_BYTES);
    smartnode__card_body__free_unpacked(body, NULL);
    smartnode__card__free_unpacked(card, NULL);
}

static void
white_space_and_crlf_around_a_card_are_tolerated(void **state)
{
    struct fixture *f = *state;
    struct buf b;
    buf_init(&b, 4 * CARD_TEXT_MAX);
    buf_put(&b, " \r\n\t\n", 5);
    for (size_t i = 0; i < f->text.len; i++) {
        if (f->text.data[i] == '\n')
            buf_put_u8(&b, '\r');
        buf_put_u8(&b, f->text.data[i]);
    }
    buf_put(&b, "\n\n ", 3);
    expect_text(buf_slice(&b), 0);
    buf_free(&b);
    /* the last line may lack its end */
    expect_text(slice_of(f->text.data, f->text.len - 1), 0);
}

static void
text_around_or_within_a_card_is_refused(void **state)
{
    struct fixture *f = *state;
    struct buf b;
    buf_init(&b, 4 * CARD_TEXT_MAX);
    buf_put(&b, f->text.data, f->text.len);
    buf_put(&b, f->text.data, f->text.len);
    expect_text(buf_slice(&b), ERR_INVALID); /* two cards */
    buf_clear(&b);
    buf_put(&b, "x\n", 2);
    buf_put(&b, f->text.data, f->text.len);
    expect_text(buf_slice(&b), ERR_INVALID);
    buf_clear(&b);
    buf_put(&b, f->text.data, f->text.len);
    buf_put(&b, "x", 1);
    expect_text(buf_slice(&b), ERR_INVALID);
    buf_clear(&b);
    buf_put(&b, f->text.data, f->text.len);
    b.data[100] = '\0';
    expect_text(buf_slice(&b), ERR_INVALID);
    b.data[100] = '*';
    expect_text(buf_slice(&b), ERR_INVALID);
    buf_free(&b);
    expect_text(slice_of(NULL, 0), ERR_INVALID);
    for (size_t len = 0; len < f->text.len - 1; len++)
        expect_text(slice_of(f->text.data, len), ERR_INVALID);
}

static void
too_long_a_text_is_refused(void **state)
{
    struct fixture *f = *state;
    struct buf b;
    buf_init(&b, 2 * CARD_TEXT_MAX);
    buf_put(&b, f->text.data, f->text.len);
    while (b.len <= CARD_TEXT_MAX)
        buf_put_u8(&b, '\n');
    expect_text(buf_slice(&b), ERR_LIMIT);
    expect_text(slice_of(b.data, CARD_TEXT_MAX), 0);
    buf_free(&b);
}

static void
every_flipped_bit_of_a_card_is_noticed(void **state)
{
    struct fixture *f = *state;
    for (size_t bit = 0; bit < f->binary.len * 8; bit++) {
        f->binary.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        expect_binary(buf_slice(&f->binary), ANY_FAILURE);
        f->binary.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    expect_binary(buf_slice(&f->binary), 0);
}

static void
every_flipped_bit_of_its_text_is_noticed(void **state)
{
    struct fixture *f = *state;
    for (size_t bit = 0; bit < f->text.len * 8; bit++) {
        f->text.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        expect_text(buf_slice(&f->text), ANY_FAILURE);
        f->text.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    expect_text(buf_slice(&f->text), 0);
}

/* Signs whatever the changed body of a card says, as a holder of the signing key could. */
static void
expect_signed(const struct fixture *f, Smartnode__CardBody *body, uint32_t suite, int rc)
{
    uint8_t bytes[4096], frame[8192];
    size_t len = smartnode__card_body__pack(body, bytes);
    struct hash hash = crypto_hash1("smart.card", slice_of(bytes, len));
    struct seal sig = crypto_sign_purpose(&f->unit.signing, PURPOSE_CARD, slice_of(hash.b, sizeof(hash.b)));
    Smartnode__Card card = SMARTNODE__CARD__INIT;
    card.has_suite = card.has_body = card.has_signature = true;
    card.suite = suite;
    card.body = (ProtobufCBinaryData){len, bytes};
    card.signature = (ProtobufCBinaryData){SIG_BYTES, sig.b};
    expect_binary(slice_of(frame, smartnode__card__pack(&card, frame)), rc);
}

static void
what_a_signature_does_not_cover_is_checked_as_well(void **state)
{
    struct fixture *f = *state;
    Smartnode__Card *card = smartnode__card__unpack(NULL, f->binary.len, f->binary.data);
    Smartnode__CardBody *body = smartnode__card_body__unpack(NULL, card->body.len, card->body.data);
    char *name = body->federation_name, *code = body->unit_code, *endpoint = body->endpoint[0];
    expect_signed(f, body, 1, 0);
    expect_signed(f, body, 2, ERR_VERSION);
    body->federation_name = (char[]){"another federation"};
    expect_signed(f, body, 1, ERR_FORGED);
    body->federation_name = name;
    body->serial++; /* not what the root key has certified */
    expect_signed(f, body, 1, ERR_FORGED);
    body->serial--;
    body->unit_id.data[0] ^= 1;
    expect_signed(f, body, 1, ERR_FORGED);
    body->unit_id.data[0] ^= 1;
    body->has_production = body->production = 1;
    expect_signed(f, body, 1, ERR_FORGED);
    body->has_production = body->production = 0;
    body->unit_code = (char[]){"be"};
    expect_signed(f, body, 1, ERR_INVALID);
    body->unit_code = code;
    body->endpoint[0] = (char[]){"tcp://*:80"};
    expect_signed(f, body, 1, ERR_INVALID);
    body->endpoint[0] = endpoint;
    body->has_issued_on = 0;
    expect_signed(f, body, 1, ERR_INVALID);
    smartnode__card_body__free_unpacked(body, NULL);
    smartnode__card__free_unpacked(card, NULL);
}

static void
endpoints_are_of_one_form(void **state)
{
    static const char *const good[] = {"tcp://a:1", "tcp://192.0.2.7:7411", "tcp://[::1]:65535",
                                       "tcp://node-1.example.org:80"};
    static const char *const bad[] = {"",
                                      "tcp://",
                                      "tcp://host",
                                      "tcp://host:",
                                      "tcp://:80",
                                      "tcp://host:0",
                                      "tcp://host:080",
                                      "tcp://host:65536",
                                      "tcp://host:100000",
                                      "tcp://host:8o",
                                      "tcp://ho st:80",
                                      "tcp://host/x:80",
                                      "tcp://*:80",
                                      "tcp://a:b:80",
                                      "tcp://[]:80",
                                      "tcp://[::1:80",
                                      "tcp://[eth0]:80",
                                      "tcp://a;b:80",
                                      "ipc://host:80",
                                      "TCP://host:80"};
    struct fixture *f = *state;
    struct unit_card card = f->unit.card;
    card.n_endpoints = 1;
    for (size_t i = 0; i < ARRAY_LEN(good) + ARRAY_LEN(bad); i++) {
        bool ok = i < ARRAY_LEN(good);
        struct err err = {0};
        struct buf b;
        buf_init(&b, CARD_TEXT_MAX);
        snprintf(card.endpoints[0], sizeof(card.endpoints[0]), "%s", ok ? good[i] : bad[i - ARRAY_LEN(good)]);
        int rc = card_write(&card, &f->unit.signing, &b, &err);
        if (rc != (ok ? 0 : ERR_INVALID))
            fail_msg("%s: %d", card.endpoints[0], rc);
        if (!ok)
            assert_string_equal(err.field, "card.endpoint");
        buf_free(&b);
    }
}

static void
a_card_that_would_be_refused_is_not_written(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    struct buf b;
    buf_init(&b, CARD_TEXT_MAX);
    assert_int_equal(card_write(&f->unit.card, &f->other.signing, &b, &err), ERR_FORGED);
    struct unit_card card = f->unit.card;
    card.n_endpoints = CARD_ENDPOINTS_MAX + 1;
    assert_int_equal(card_write(&card, &f->unit.signing, &b, &err), ERR_LIMIT);
    card = f->unit.card;
    card.issued_on = DATE_NONE;
    assert_int_equal(card_write(&card, &f->unit.signing, &b, &err), ERR_INVALID);
    assert_string_equal(err.field, "card.issued_on");
    card = f->unit.card;
    card.certificate.b[0] ^= 1;
    assert_int_equal(card_write(&card, &f->unit.signing, &b, &err), ERR_FORGED);
    assert_int_equal(b.len, 0);
    buf_free(&b);
}

/* A unit keeps its id when it changes its root key; who reads the card is told. */
static void
another_root_key_than_the_first_is_told(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    struct unit_card card = f->unit.card, back;
    card.unit = f->other.card.unit;
    struct buf body, text;
    buf_init(&body, CERTIFICATE_BODY_BYTES);
    buf_init(&text, CARD_TEXT_MAX);
    certificate_body(&card.unit, &card.federation, card.production, card.serial, &card.signing_key, &card.exchange_key,
                     &card.transport_key, &card.recovery_key, &body);
    card.certificate = crypto_sign_purpose(&f->unit.root, PURPOSE_CERTIFICATE, buf_slice(&body));
    assert_int_equal(card_write(&card, &f->unit.signing, &text, &err), 0);
    bool first_root = true;
    assert_int_equal(card_read(buf_slice(&text), &back, &first_root, &err), 0);
    assert_false(first_root);
    buf_free(&body);
    buf_free(&text);
}

static void
a_fingerprint_is_of_what_does_not_change(void **state)
{
    struct fixture *f = *state;
    char words[FINGERPRINT_WORDS_MAX], again[FINGERPRINT_WORDS_MAX];
    struct unit_card card = f->unit.card;
    card_fingerprint(&card, words);
    assert_int_equal(strlen(words), 8 * 5 + 7);
    card.serial++;
    card.n_endpoints = 0;
    card.signing_key.b[0] ^= 1;
    card_fingerprint(&card, again);
    assert_string_equal(words, again);
    card.production = true;
    card_fingerprint(&card, again);
    assert_string_not_equal(words, again);
    card = f->unit.card;
    card.root_key.b[31] ^= 1;
    card_fingerprint(&card, again);
    assert_string_not_equal(words, again);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_card_comes_back),
        cmocka_unit_test(protobuf_c_reads_the_same),
        cmocka_unit_test(white_space_and_crlf_around_a_card_are_tolerated),
        cmocka_unit_test(text_around_or_within_a_card_is_refused),
        cmocka_unit_test(too_long_a_text_is_refused),
        cmocka_unit_test(every_flipped_bit_of_a_card_is_noticed),
        cmocka_unit_test(every_flipped_bit_of_its_text_is_noticed),
        cmocka_unit_test(what_a_signature_does_not_cover_is_checked_as_well),
        cmocka_unit_test(endpoints_are_of_one_form),
        cmocka_unit_test(a_card_that_would_be_refused_is_not_written),
        cmocka_unit_test(another_root_key_than_the_first_is_told),
        cmocka_unit_test(a_fingerprint_is_of_what_does_not_change),
    };
    return cmocka_run_group_tests_name("card", tests, setup, teardown);
}
