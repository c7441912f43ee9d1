/* Keys and certificate of a custodian. See custody.h. */
#include "proto/custody.h"

#include <sodium.h>

#include "proto/armour.h"

enum { FORMAT = 1, CHECK_BYTES = 16, BODY_MAX = 2048 };

static const char KEYS_LABEL[] = "CUSTODIAN KEYS", CERTIFICATE_LABEL[] = "CUSTODIAN CERTIFICATE";

void
custody_seeds(const uint8_t secret[CUSTODY_SECRET_BYTES], struct custody_seeds *ret)
{
    uint8_t *const seeds[] = {ret->signing, ret->exchange, ret->transport};
    for (uint8_t i = 0; i < ARRAY_LEN(seeds); i++) {
        uint8_t which = (uint8_t)(i + 1);
        struct slice parts[] = {slice_of(secret, CUSTODY_SECRET_BYTES), slice_of(&which, 1)};
        struct hash h = crypto_hash_parts("smart.custodian", parts, ARRAY_LEN(parts));
        memcpy(seeds[i], h.b, sizeof(h.b));
        sodium_memzero(&h, sizeof(h));
    }
}

static void
put_keys(const struct custody_keys *k, struct buf *b)
{
    buf_put(b, k->unit.b, sizeof(k->unit.b));
    buf_put(b, k->federation.b, sizeof(k->federation.b));
    buf_put_u8(b, k->production);
    buf_put(b, k->signing.b, sizeof(k->signing.b));
    buf_put(b, k->exchange.b, sizeof(k->exchange.b));
    buf_put(b, k->transport.b, sizeof(k->transport.b));
}

static void
get_keys(struct reader *r, struct custody_keys *k)
{
    reader_copy(r, k->unit.b, sizeof(k->unit.b));
    reader_copy(r, k->federation.b, sizeof(k->federation.b));
    uint8_t production = reader_u8(r);
    k->production = production == 1;
    r->failed |= production > 1;
    reader_copy(r, k->signing.b, sizeof(k->signing.b));
    reader_copy(r, k->exchange.b, sizeof(k->exchange.b));
    reader_copy(r, k->transport.b, sizeof(k->transport.b));
}

static int
seal_text(const char *label, struct buf *body, struct buf *out, struct err *err)
{
    struct hash check = crypto_hash1("smart.custody", buf_slice(body));
    buf_put(body, check.b, CHECK_BYTES);
    int rc = buf_check(body, "custodian", err);
    return rc == 0 ? armour_write(label, buf_slice(body), out, err) : rc;
}

/* The body behind its format byte. */
static int
open_text(const char *label, struct slice text, struct buf *body, struct reader *ret, struct err *err)
{
    int rc = armour_read(label, text, CUSTODY_TEXT_MAX, body, err);
    if (rc != 0)
        return rc;
    if (body->len < 1 + CHECK_BYTES)
        return err_set(err, ERR_INVALID, "too short to be a custodian's text");
    struct slice all = slice_of(body->data, body->len - CHECK_BYTES);
    struct hash check = crypto_hash1("smart.custody", all);
    if (memcmp(check.b, body->data + all.len, CHECK_BYTES) != 0)
        return err_set(err, ERR_INVALID, "the text was changed or cut on its way");
    *ret = reader_of(all);
    if (reader_u8(ret) != FORMAT)
        return err_set(err, ERR_VERSION, "of a later version of the program");
    return 0;
}

int
custody_keys_write(const struct custody_keys *k, struct buf *out, struct err *err)
{
    uint8_t memory[BODY_MAX];
    struct buf body;
    buf_fixed(&body, memory, sizeof(memory));
    buf_put_u8(&body, FORMAT);
    put_keys(k, &body);
    return seal_text(KEYS_LABEL, &body, out, err);
}

int
custody_keys_read(struct slice text, struct custody_keys *ret, struct err *err)
{
    struct custody_keys k;
    struct reader r;
    struct buf body;
    buf_init(&body, BODY_MAX);
    int rc = open_text(KEYS_LABEL, text, &body, &r, err);
    if (rc == 0)
        get_keys(&r, &k);
    if (rc == 0 && !reader_done(&r))
        rc = err_set(err, ERR_INVALID, "not the keys of a custodian");
    buf_free(&body);
    if (rc == 0)
        *ret = k;
    return rc;
}

void
custody_words(const struct custody_keys *k, char out[FINGERPRINT_WORDS_MAX])
{
    uint8_t memory[BODY_MAX];
    struct buf body;
    buf_fixed(&body, memory, sizeof(memory));
    put_keys(k, &body);
    struct hash h = crypto_hash1("smart.custody", buf_slice(&body));
    proquint_encode(h.b, 16, out);
}

static int
body_of(const struct custody_certificate *c, struct buf *body, struct err *err)
{
    certificate_body(&c->keys.unit, &c->keys.federation, c->keys.production, c->serial, &c->keys.signing,
                     &c->keys.exchange, &c->keys.transport, &c->recovery_key, body);
    return buf_check(body, "certificate", err);
}

int
custody_certify(struct custody_certificate *c, const uint8_t root_seed[32], struct err *err)
{
    uint8_t memory[512];
    struct buf body;
    struct sign_secret root;
    buf_fixed(&body, memory, sizeof(memory));
    int rc = body_of(c, &body, err);
    if (rc != 0)
        return rc;
    crypto_keypair_sign(root_seed, &c->root_key, &root);
    c->certificate = crypto_sign_purpose(&root, PURPOSE_CERTIFICATE, buf_slice(&body));
    sodium_memzero(&root, sizeof(root));
    return 0;
}

static bool
name_ok(const struct name *n)
{
    size_t len = strlen(n->s);
    return len > 0 && text_ok(n->s, len);
}

static int
check(const struct custody_certificate *c, struct err *err)
{
    uint8_t memory[512];
    struct buf body;
    struct unit_id unit = crypto_unit_id(c->root_key);
    struct federation_id federation = crypto_federation(c->federation_name.s);
    if (c->serial == 0 || !unit_code_ok(c->unit_code) || !name_ok(&c->unit_name) || !name_ok(&c->federation_name))
        return err_set(err, ERR_INVALID, "not the certificate of a custodian");
    if (!TYPE_EQ(&unit, &c->keys.unit) || !TYPE_EQ(&federation, &c->keys.federation))
        return err_set(err, ERR_FORGED, "certificate: unit or federation do not fit root key or name");
    buf_fixed(&body, memory, sizeof(memory));
    int rc = body_of(c, &body, err);
    return rc == 0 ? crypto_verify(c->root_key, PURPOSE_CERTIFICATE, buf_slice(&body), &c->certificate,
                                   "the custodian's certificate", err)
                   : rc;
}

static void
put_text(struct buf *b, const char *s)
{
    size_t len = strlen(s);
    buf_put_u8(b, (uint8_t)len);
    buf_put(b, s, len);
}

static void
get_text(struct reader *r, char *out, size_t size)
{
    uint8_t len = reader_u8(r);
    if (len >= size) {
        r->failed = true;
        return;
    }
    struct slice s = reader_bytes(r, len);
    r->failed |= s.len > 0 && memchr(s.data, 0, s.len) != NULL;
    if (!r->failed && s.len > 0)
        memcpy(out, s.data, s.len);
}

int
custody_certificate_write(const struct custody_certificate *c, struct buf *out, struct err *err)
{
    uint8_t memory[BODY_MAX];
    struct buf body;
    int rc = check(c, err);
    if (rc != 0)
        return rc;
    buf_fixed(&body, memory, sizeof(memory));
    buf_put_u8(&body, FORMAT);
    put_keys(&c->keys, &body);
    buf_put_u64(&body, c->serial);
    buf_put(&body, c->root_key.b, sizeof(c->root_key.b));
    buf_put(&body, c->recovery_key.b, sizeof(c->recovery_key.b));
    buf_put(&body, c->certificate.b, sizeof(c->certificate.b));
    put_text(&body, c->unit_code);
    put_text(&body, c->unit_name.s);
    put_text(&body, c->federation_name.s);
    return seal_text(CERTIFICATE_LABEL, &body, out, err);
}

int
custody_certificate_read(struct slice text, struct custody_certificate *ret, struct err *err)
{
    struct custody_certificate c = {0};
    struct reader r;
    struct buf body;
    buf_init(&body, BODY_MAX);
    int rc = open_text(CERTIFICATE_LABEL, text, &body, &r, err);
    if (rc == 0) {
        get_keys(&r, &c.keys);
        c.serial = reader_u64(&r);
        reader_copy(&r, c.root_key.b, sizeof(c.root_key.b));
        reader_copy(&r, c.recovery_key.b, sizeof(c.recovery_key.b));
        reader_copy(&r, c.certificate.b, sizeof(c.certificate.b));
        get_text(&r, c.unit_code, sizeof(c.unit_code));
        get_text(&r, c.unit_name.s, sizeof(c.unit_name.s));
        get_text(&r, c.federation_name.s, sizeof(c.federation_name.s));
        if (!reader_done(&r))
            rc = err_set(err, ERR_INVALID, "not the certificate of a custodian");
    }
    if (rc == 0)
        rc = check(&c, err);
    buf_free(&body);
    if (rc == 0)
        *ret = c;
    return rc;
}
