/* Passes as text and back. See pass.h, docs/PROTOCOL.md §11. */
#include "proto/pass.h"

#include <sodium.h>

enum {
    PASS_VERSION = 1,
    CHECK_BYTES = 4,
    BODY_BYTES = PASS_BYTES - CHECK_BYTES,
    DECODED_MAX = PASS_READ_MAX * 5 / 8,
};

static const char BASE32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"; /* RFC 4648, §6 */
static const char MARK[] = "SN", FORM[] = "SN1:";

static void
check_of(const uint8_t *body, size_t len, uint8_t out[CHECK_BYTES])
{
    struct hash hash = crypto_hash1("smart.pass-check", slice_of(body, len));
    memcpy(out, hash.b, CHECK_BYTES);
    pass_wipe(&hash, sizeof(hash));
}

static size_t
base32_encode(const uint8_t *bytes, size_t len, char *out)
{
    uint32_t bits = 0;
    unsigned have = 0;
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        bits = bits << 8 | bytes[i];
        for (have += 8; have >= 5; have -= 5)
            out[n++] = BASE32[bits >> (have - 5) & 31];
    }
    if (have > 0)
        out[n++] = BASE32[bits << (5 - have) & 31];
    return n;
}

/* False for a letter outside the alphabet, for a length that no whole bytes give, and for left-over bits that are not zero. */
static bool
base32_decode(const char *text, size_t len, uint8_t *out, size_t *ret_len)
{
    uint32_t bits = 0;
    unsigned have = 0;
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        const char *at = text[i] ? strchr(BASE32, text[i]) : NULL;
        if (!at)
            return false;
        bits = (bits << 5 | (uint32_t)(at - BASE32)) & 0xFFF;
        have += 5;
        if (have >= 8) {
            have -= 8;
            out[n++] = (uint8_t)(bits >> have);
        }
    }
    *ret_len = n;
    return have < 5 && (bits & ((1u << have) - 1)) == 0;
}

void
pass_encode(const struct pass *pass, char out[PASS_TEXT_MAX])
{
    uint8_t bytes[PASS_BYTES];
    struct buf b;
    buf_fixed(&b, bytes, sizeof(bytes));
    buf_put_u8(&b, PASS_VERSION);
    buf_put(&b, pass->federation, sizeof(pass->federation));
    buf_put_u8(&b, pass->production);
    buf_put(&b, pass->unit.b, sizeof(pass->unit.b));
    buf_put(&b, pass->id.b, sizeof(pass->id.b));
    buf_put(&b, pass->secret, sizeof(pass->secret));
    MUST(!b.failed && b.len == BODY_BYTES);
    check_of(bytes, BODY_BYTES, bytes + BODY_BYTES);
    memcpy(out, FORM, sizeof(FORM) - 1);
    size_t n = sizeof(FORM) - 1 + base32_encode(bytes, sizeof(bytes), out + sizeof(FORM) - 1);
    MUST(n == PASS_TEXT_LEN);
    out[n] = '\0';
    pass_wipe(bytes, sizeof(bytes));
}

/* The text in upper case and without what people put between; its length. */
static size_t
plain_text(struct slice text, char out[PASS_READ_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = (char)text.data[i];
        if (c == ' ' || c == '-' || c == '\t' || c == '\r' || c == '\n')
            continue;
        out[n++] = c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
    }
    return n;
}

/* SN, a number without leading zero, a colon: the form of this version or of a later one. */
static int
check_form(const char *text, size_t len, struct err *err)
{
    size_t form = sizeof(FORM) - 1, at = sizeof(MARK) - 1;
    if (len >= form && memcmp(text, FORM, form) == 0)
        return 0;
    if (len > at && memcmp(text, MARK, at) == 0 && text[at] >= '1' && text[at] <= '9') {
        while (at < len && text[at] >= '0' && text[at] <= '9')
            at++;
        if (at < len && text[at] == ':')
            return err_field(err, ERR_VERSION, "pass", "of a later version of smartnode");
    }
    return err_field(err, ERR_INVALID, "pass", "not the code of a pass");
}

static int
read_bytes(const uint8_t *bytes, size_t len, struct pass *ret, struct err *err)
{
    uint8_t check[CHECK_BYTES];
    if (len <= CHECK_BYTES)
        return err_field(err, ERR_FORGED, "pass", "mistyped or cut off");
    check_of(bytes, len - CHECK_BYTES, check);
    if (memcmp(check, bytes + len - CHECK_BYTES, CHECK_BYTES) != 0)
        return err_field(err, ERR_FORGED, "pass", "mistyped or cut off");
    /* From here on nothing is a slip of the hand. */
    if (bytes[0] > PASS_VERSION)
        return err_field(err, ERR_VERSION, "pass", "of a later version of smartnode");
    struct reader r = reader_of(slice_of(bytes, len - CHECK_BYTES));
    struct pass pass;
    uint8_t version = reader_u8(&r);
    reader_copy(&r, pass.federation, sizeof(pass.federation));
    uint8_t production = reader_u8(&r);
    pass.production = production == 1;
    reader_copy(&r, pass.unit.b, sizeof(pass.unit.b));
    reader_copy(&r, pass.id.b, sizeof(pass.id.b));
    reader_copy(&r, pass.secret, sizeof(pass.secret));
    bool holds = reader_done(&r) && version == PASS_VERSION && production <= 1;
    if (holds)
        *ret = pass;
    pass_wipe(&pass, sizeof(pass));
    return holds ? 0 : err_field(err, ERR_INVALID, "pass", "not the code of a pass");
}

int
pass_decode(struct slice text, struct pass *ret, struct err *err)
{
    char plain[PASS_READ_MAX];
    uint8_t bytes[DECODED_MAX];
    size_t n_bytes = 0;
    if (text.len > PASS_READ_MAX)
        return err_field(err, ERR_LIMIT, "pass", "longer than %d characters", PASS_READ_MAX);
    size_t n = plain_text(text, plain), form = sizeof(FORM) - 1;
    int rc = check_form(plain, n, err);
    if (rc == 0 && !base32_decode(plain + form, n - form, bytes, &n_bytes))
        rc = err_field(err, ERR_FORGED, "pass", "mistyped or cut off");
    if (rc == 0)
        rc = read_bytes(bytes, n_bytes, ret, err);
    pass_wipe(plain, sizeof(plain));
    pass_wipe(bytes, sizeof(bytes));
    return rc;
}

int
pass_fits(const struct pass *pass, const struct federation_id *federation, bool production, struct err *err)
{
    if (memcmp(pass->federation, federation->b, sizeof(pass->federation)) != 0)
        return err_field(err, ERR_FEDERATION, "pass", "of another federation");
    if (pass->production != production)
        return err_field(err, ERR_FEDERATION, "pass", "%s",
                         production ? "of a test federation; this one is real" : "real; this is a test federation");
    return 0;
}

void
pass_keypair(const struct pass *pass, struct box_public *ret_pk, struct box_secret *ret_sk)
{
    struct slice parts[] = {
        slice_of(pass->secret, sizeof(pass->secret)),
        slice_of(pass->unit.b, sizeof(pass->unit.b)),
        slice_of(pass->id.b, sizeof(pass->id.b)),
    };
    struct hash seed = crypto_hash_parts("smart.pass-key", parts, ARRAY_LEN(parts));
    crypto_keypair_box(seed.b, ret_pk, ret_sk);
    pass_wipe(&seed, sizeof(seed));
}

void
pass_wipe(void *memory, size_t len)
{
    sodium_memzero(memory, len);
}
