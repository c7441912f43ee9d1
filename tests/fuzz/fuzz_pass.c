/* Any bytes as the text of a pass: first as they are, then as what a text with the right check holds, so that the fuzzer need not
 * find a hash. What is accepted has one text, which reads back as the same. */
#include "proto/pass.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 512, CHECK = 4 };

static void
read_text(struct slice text)
{
    struct err err;
    struct pass pass, again;
    struct box_public pk;
    struct box_secret sk;
    char written[PASS_TEXT_MAX];
    memset(&pass, 0, sizeof(pass));
    memset(&again, 0, sizeof(again));
    if (pass_decode(text, &pass, &err) < 0)
        return;
    pass_encode(&pass, written);
    MUST(strlen(written) == PASS_TEXT_LEN);
    MUST(pass_decode(slice_of(written, PASS_TEXT_LEN), &again, &err) == 0 && TYPE_EQ(&pass, &again));
    pass_keypair(&pass, &pk, &sk);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    struct err err;
    uint8_t bytes[INPUT_MAX + CHECK + 1] = {0};
    char text[4 + (INPUT_MAX + CHECK) * 8 / 5 + 1] = "SN1:";
    size_t n = 4;
    MUST(crypto_init(&err) == 0);
    read_text(slice_of(data, size));
    if (size > INPUT_MAX)
        return 0;
    if (size > 0)
        memcpy(bytes, data, size);
    struct hash hash = crypto_hash1("smart.pass-check", slice_of(bytes, size));
    memcpy(bytes + size, hash.b, CHECK);
    for (size_t bit = 0; bit < (size + CHECK) * 8; bit += 5)
        text[n++] = alphabet[(bytes[bit / 8] << 8 | bytes[bit / 8 + 1]) >> (11 - bit % 8) & 31];
    read_text(slice_of(text, n));
    return 0;
}
