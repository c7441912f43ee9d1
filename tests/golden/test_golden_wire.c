/* Bytes of earlier releases: every sync message, card, receipt and capsule content is still written as it was, and the files are
 * still read. SMARTNODE_GOLDEN=write makes the files anew; a file that changed is a break of the protocol. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/pass.h"
#include "tests/support/event_samples.h"
#include "tests/support/proto_samples.h"

enum { GOLDEN_BYTES_MAX = 65536, LINE_BYTES = 32 };

static void
path_of(char out[128], const char *name)
{
    snprintf(out, 128, "tests/golden/%s", name);
}

static bool
writing(void)
{
    const char *mode = getenv("SMARTNODE_GOLDEN");
    return mode && strcmp(mode, "write") == 0;
}

static void
read_file(const char *name, struct buf *out)
{
    char path[128];
    path_of(path, name);
    buf_init(out, GOLDEN_BYTES_MAX);
    FILE *f = fopen(path, "rb");
    if (!f)
        fail_msg("%s is missing", path);
    size_t n = fread(buf_reserve(out, GOLDEN_BYTES_MAX), 1, GOLDEN_BYTES_MAX, f);
    buf_added(out, n);
    fclose(f);
}

/* Compares text with the file, or makes the file. */
static void
golden_text(const char *name, struct slice text)
{
    char path[128];
    path_of(path, name);
    if (writing()) {
        FILE *f = fopen(path, "wb");
        assert_non_null(f);
        assert_int_equal(fwrite(text.data, 1, text.len, f), text.len);
        assert_int_equal(fclose(f), 0);
    }
    struct buf b;
    read_file(name, &b);
    if (!slice_eq(buf_slice(&b), text))
        fail_msg("%s differs", path);
    buf_free(&b);
}

static void
golden_bytes(const char *prefix, const char *name, struct slice bytes)
{
    char file[96], hex[2 * LINE_BYTES + 1];
    snprintf(file, sizeof(file), "%s-%s.hex", prefix, name);
    struct buf text;
    buf_init(&text, GOLDEN_BYTES_MAX);
    for (size_t at = 0; at < bytes.len; at += LINE_BYTES) {
        hex_encode(bytes.data + at, bytes.len - at < LINE_BYTES ? bytes.len - at : LINE_BYTES, hex);
        buf_put(&text, hex, strlen(hex));
        buf_put_u8(&text, '\n');
    }
    golden_text(file, buf_slice(&text));
    buf_free(&text);
}

static void
messages(void **state)
{
    struct sample_message all[SAMPLE_MESSAGES_MAX];
    size_t n = sample_messages(all);
    for (size_t i = 0; i < n; i++) {
        struct err err = {0};
        struct buf b;
        buf_init(&b, GOLDEN_BYTES_MAX);
        assert_int_equal(message_encode(&all[i].m, &b, &err), 0);
        golden_bytes("wire", all[i].name, buf_slice(&b));
        buf_free(&b);
    }
}

static void
cards(void **state)
{
    struct sample_unit u;
    struct unit_card back;
    struct err err = {0};
    struct buf text, file;
    bool first_root;
    sample_unit_init(&u, 1);
    buf_init(&text, CARD_TEXT_MAX);
    assert_int_equal(card_write(&u.card, &u.signing, &text, &err), 0);
    golden_text("card-full.txt", buf_slice(&text));
    buf_clear(&text);
    u.card.n_endpoints = 0;
    assert_int_equal(card_write(&u.card, &u.signing, &text, &err), 0);
    golden_text("card-unreachable.txt", buf_slice(&text));
    read_file("card-full.txt", &file);
    assert_int_equal(card_read(buf_slice(&file), &back, &first_root, &err), 0);
    char words[FINGERPRINT_WORDS_MAX + 1];
    card_fingerprint(&back, words);
    size_t len = strlen(words);
    words[len] = '\n'; /* a text file ends in a line end */
    golden_text("card-fingerprint.txt", slice_of(words, len + 1));
    buf_free(&file);
    buf_free(&text);
    sample_unit_release(&u);
}

static void
receipts(void **state)
{
    struct sample_unit u;
    sample_unit_init(&u, 1);
    for (uint64_t seq = 1; seq <= SAMPLE_EVENTS; seq++) {
        struct err err = {0};
        struct receipt r = sample_receipt(&u, seq), back;
        struct log_id log;
        struct event_header h;
        struct buf text, file, scratch;
        char name[32];
        snprintf(name, sizeof(name), "receipt-%d.txt", (int)seq);
        buf_init(&text, RECEIPT_TEXT_MAX);
        buf_init(&scratch, RECEIPT_BYTES_MAX);
        assert_int_equal(receipt_write(&r, &text, &err), 0);
        golden_text(name, buf_slice(&text));
        read_file(name, &file);
        assert_int_equal(receipt_read(buf_slice(&file), &scratch, &back, &err), 0);
        assert_int_equal(receipt_verify(&back, &u.card, &log, &h, &err), 0);
        assert_int_equal(h.seq, seq);
        buf_free(&file);
        buf_free(&text);
        buf_free(&scratch);
    }
    sample_unit_release(&u);
}

static void
capsule_contents(void **state)
{
    struct err err = {0};
    struct person_identity identity = sample_identity();
    struct person_contact contact = sample_contact();
    struct person_bank bank = {.iban = {"BE71096123456769"}};
    struct key_capsule_content day = sample_key_capsule(KEY_USE_ESCROW_DAY),
                               data = sample_key_capsule(KEY_USE_ESCROW_DATA);
    struct buf b;
    buf_init(&b, CAPSULE_BYTES_MAX);
    assert_int_equal(person_identity_encode(&identity, &b, &err), 0);
    golden_bytes("person", "identity", buf_slice(&b));
    buf_clear(&b);
    assert_int_equal(person_contact_encode(&contact, &b, &err), 0);
    golden_bytes("person", "contact", buf_slice(&b));
    buf_clear(&b);
    assert_int_equal(person_bank_encode(&bank, &b, &err), 0);
    golden_bytes("person", "bank", buf_slice(&b));
    buf_clear(&b);
    assert_int_equal(key_capsule_encode(&day, &b, &err), 0);
    golden_bytes("person", "escrow-day", buf_slice(&b));
    buf_clear(&b);
    assert_int_equal(key_capsule_encode(&data, &b, &err), 0);
    golden_bytes("person", "escrow-data", buf_slice(&b));
    buf_clear(&b);
    struct activity_links links = sample_links();
    assert_int_equal(activity_links_encode(&links, &b, &err), 0);
    golden_bytes("person", "links", buf_slice(&b));
    buf_clear(&b);
    struct person_note note = {.s = "Prefers letters"};
    assert_int_equal(person_note_encode(&note, &b, &err), 0);
    golden_bytes("person", "note", buf_slice(&b));
    buf_clear(&b);
    struct key_capsule_content grant = sample_key_capsule(KEY_USE_GRANT);
    assert_int_equal(key_capsule_encode(&grant, &b, &err), 0);
    golden_bytes("person", "grant", buf_slice(&b));
    buf_clear(&b);
    struct guest_record guest = sample_guest_record();
    assert_int_equal(guest_record_encode(&guest, &b, &err), 0);
    golden_bytes("person", "guest", buf_slice(&b));
    buf_clear(&b);
    assert_int_equal(dossier_encode(sample_dossier(), &b, &err), 0);
    golden_bytes("person", "dossier", buf_slice(&b));
    buf_free(&b);
}

/* The pass of docs/PROTOCOL.md §11: text, public key, and the text as somebody typed it. */
static void
passes(void **state)
{
    struct err err = {0};
    struct pass pass, back;
    struct box_public pk;
    struct box_secret sk;
    struct buf file;
    char text[PASS_TEXT_MAX + 1], key[2 * KEY_BYTES + 2];
    memset(&pass, 0, sizeof(pass));
    memset(&back, 0, sizeof(back));
    struct federation_id federation = crypto_federation("example");
    memcpy(pass.federation, federation.b, sizeof(pass.federation));
    memset(pass.unit.b, 0xB1, sizeof(pass.unit.b));
    memset(pass.id.b, 0x1D, sizeof(pass.id.b));
    for (size_t i = 0; i < sizeof(pass.secret); i++)
        pass.secret[i] = (uint8_t)i;
    pass_encode(&pass, text);
    memcpy(text + PASS_TEXT_LEN, "\n", 2);
    golden_text("pass.txt", slice_of(text, PASS_TEXT_LEN + 1));
    pass_keypair(&pass, &pk, &sk);
    hex_encode(pk.b, sizeof(pk.b), key);
    memcpy(key + sizeof(key) - 2, "\n", 2);
    golden_text("pass-key.txt", slice_of(key, sizeof(key) - 1));
    read_file("pass-typed.txt", &file);
    assert_int_equal(pass_decode(buf_slice(&file), &back, &err), 0);
    assert_memory_equal(&back, &pass, sizeof(pass));
    buf_free(&file);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages),         cmocka_unit_test(cards),  cmocka_unit_test(receipts),
        cmocka_unit_test(capsule_contents), cmocka_unit_test(passes),
    };
    return cmocka_run_group_tests_name("golden wire", tests, NULL, NULL);
}
