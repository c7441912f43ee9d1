/* Any bytes as what a unit and its custodian carry to each other as files: first as text, then as the bytes within the armour, so that the fuzzer
 * need not learn base64. What is accepted is written again to a text that reads back as the same. */
#include "proto/armour.h"
#include "proto/custody.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
read_text(struct slice text)
{
    struct err err;
    struct custody_keys keys, same_keys;
    struct custody_certificate c, same;
    struct buf out;
    char words[FINGERPRINT_WORDS_MAX];
    memset(&keys, 0, sizeof(keys));
    memset(&same_keys, 0, sizeof(same_keys));
    memset(&c, 0, sizeof(c));
    memset(&same, 0, sizeof(same));
    buf_init(&out, 2 * CUSTODY_TEXT_MAX);
    if (custody_keys_read(text, &keys, &err) == 0) {
        custody_words(&keys, words);
        MUST(strlen(words) == FINGERPRINT_WORDS_MAX - 1);
        MUST(custody_keys_write(&keys, &out, &err) == 0);
        MUST(custody_keys_read(buf_slice(&out), &same_keys, &err) == 0);
        MUST(TYPE_EQ(&keys.unit, &same_keys.unit) && TYPE_EQ(&keys.transport, &same_keys.transport));
    }
    buf_clear(&out);
    if (custody_certificate_read(text, &c, &err) == 0) {
        MUST(unit_code_ok(c.unit_code));
        MUST(custody_certificate_write(&c, &out, &err) == 0);
        MUST(custody_certificate_read(buf_slice(&out), &same, &err) == 0 && TYPE_EQ(&c.certificate, &same.certificate));
    }
    buf_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const labels[] = {"CUSTODIAN KEYS", "CUSTODIAN CERTIFICATE"};
    struct err err;
    struct buf text;
    MUST(crypto_init(&err) == 0);
    read_text(slice_of(data, size));
    for (size_t i = 0; i < ARRAY_LEN(labels); i++) {
        buf_init(&text, 4 * CUSTODY_TEXT_MAX);
        if (armour_write(labels[i], slice_of(data, size), &text, &err) == 0)
            read_text(buf_slice(&text));
        buf_free(&text);
    }
    return 0;
}
