/* Any bytes as a unit card: first as text, then as the bytes within the armour, so that the fuzzer need not learn base64. What is
 * accepted has a fingerprint and is within its bounds. */
#include "proto/armour.h"
#include "proto/card.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
read_text(struct slice text)
{
    struct err err;
    struct unit_card card;
    bool first_root;
    char words[FINGERPRINT_WORDS_MAX];
    if (card_read(text, &card, &first_root, &err) < 0)
        return;
    MUST(card.n_endpoints <= CARD_ENDPOINTS_MAX && unit_code_ok(card.unit_code));
    card_fingerprint(&card, words);
    MUST(strlen(words) == FINGERPRINT_WORDS_MAX - 1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err;
    struct buf text;
    MUST(crypto_init(&err) == 0);
    read_text(slice_of(data, size));
    buf_init(&text, 2 * CARD_TEXT_MAX);
    if (armour_write("UNIT CARD", slice_of(data, size), &text, &err) == 0)
        read_text(buf_slice(&text));
    buf_free(&text);
    return 0;
}
