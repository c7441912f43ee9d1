/* Unit cards. See card.h, docs/PROTOCOL.md §11. */
#include "proto/card.h"

#include "proto/armour.h"
#include "proto/fields.h"
#include "sync.pb-c.h"

#define LABEL "UNIT CARD"
#define BODY_FIXED(m) FIELD_FIXED_OF(struct card_body, card.m)

/* As the fields of a card's body are read: the number of a list is a size_t. */
struct card_body {
    struct unit_card card;
    size_t n_endpoints;
};

struct card_frame {
    uint32_t suite;
    struct slice body;
    struct seal signature;
};

enum { PORT_MAX = 65535 };

static const struct field_rule BODY[] = {
    BODY_FIXED(unit),
    FIELD_RANGE_OF(FIELD_TEXT, struct card_body, card.unit_code, 2, UNIT_CODE_MAX - 1),
    FIELD_RANGE_OF(FIELD_TEXT, struct card_body, card.unit_name.s, 1, NAME_BYTES_MAX),
    BODY_FIXED(root_key),
    BODY_FIXED(federation),
    FIELD_RANGE_OF(FIELD_TEXT, struct card_body, card.federation_name.s, 1, NAME_BYTES_MAX),
    FIELD_FLAG_OF(struct card_body, card.production),
    FIELD_RANGE_OF(FIELD_U64, struct card_body, card.serial, 1, UINT64_MAX),
    BODY_FIXED(signing_key),
    BODY_FIXED(exchange_key),
    BODY_FIXED(transport_key),
    BODY_FIXED(recovery_key),
    BODY_FIXED(certificate),
    {.as = FIELD_LIST,
     FIELD_OFFSET(struct card_body, card.endpoints),
     .min = 1,
     .max = CARD_ENDPOINTS_MAX,
     .element_bytes = ENDPOINT_BYTES_MAX + 1,
     .count = offsetof(struct card_body, n_endpoints)},
    {.as = FIELD_DATE, .required = true, FIELD_OFFSET(struct card_body, card.issued_on)},
};
static const struct fields BODY_FIELDS = {&smartnode__card_body__descriptor, BODY};
static const struct field_path BODY_PATH = {NULL, "card"};

static const struct field_rule FRAME[] = {
    FIELD_RANGE_OF(FIELD_U32, struct card_frame, suite, 0, UINT32_MAX),
    FIELD_RANGE_OF(FIELD_BYTES, struct card_frame, body, 1, CARD_TEXT_MAX),
    FIELD_FIXED_OF(struct card_frame, signature),
};
static const struct fields FRAME_FIELDS = {&smartnode__card__descriptor, FRAME};

static int check_values(const struct unit_card *card, struct err *err);
static int check_proofs(const struct unit_card *card, struct err *err);
static struct hash body_hash(struct slice body);

int
card_write(const struct unit_card *card, const struct sign_secret *signing, struct buf *out, struct err *err)
{
    struct card_body from = {.card = *card, .n_endpoints = card->n_endpoints};
    struct buf body, frame;
    buf_init(&body, CARD_TEXT_MAX);
    buf_init(&frame, CARD_TEXT_MAX);
    int rc = fields_write(&BODY_FIELDS, &BODY_PATH, &from, &body, err);
    if (rc < 0)
        goto done;
    rc = check_values(card, err);
    if (rc < 0)
        goto done;
    rc = check_proofs(card, err);
    if (rc < 0)
        goto done;
    struct hash hash = body_hash(buf_slice(&body));
    struct card_frame f = {
        .suite = SUITE_1,
        .body = buf_slice(&body),
        .signature = crypto_sign_purpose(signing, PURPOSE_CARD, slice_of(hash.b, sizeof(hash.b))),
    };
    /* A card that its readers would refuse never leaves, for one signed by another key than it names. */
    rc = crypto_verify(card->signing_key, PURPOSE_CARD, slice_of(hash.b, sizeof(hash.b)), &f.signature, "card", err);
    if (rc < 0)
        goto done;
    rc = fields_write(&FRAME_FIELDS, &BODY_PATH, &f, &frame, err);
    if (rc == 0)
        rc = armour_write(LABEL, buf_slice(&frame), out, err);
done:
    buf_free(&frame);
    buf_free(&body);
    return rc;
}

int
card_read(struct slice text, struct unit_card *ret, bool *ret_first_root, struct err *err)
{
    struct card_frame frame = {0};
    struct card_body body = {0};
    struct buf bytes;
    buf_init(&bytes, CARD_TEXT_MAX);
    int rc = armour_read(LABEL, text, CARD_TEXT_MAX, &bytes, err);
    if (rc < 0)
        goto done;
    rc = fields_read(&FRAME_FIELDS, &BODY_PATH, buf_slice(&bytes), &frame, err);
    if (rc < 0)
        goto done;
    if (frame.suite != SUITE_1) {
        rc = fields_fail(&BODY_PATH, "suite", ERR_VERSION, "not supported", err);
        goto done;
    }
    rc = fields_read(&BODY_FIELDS, &BODY_PATH, frame.body, &body, err);
    if (rc < 0)
        goto done;
    body.card.n_endpoints = (uint8_t)body.n_endpoints;
    struct hash hash = body_hash(frame.body);
    rc = crypto_verify(body.card.signing_key, PURPOSE_CARD, slice_of(hash.b, sizeof(hash.b)), &frame.signature, "card",
                       err);
    if (rc < 0)
        goto done;
    rc = check_values(&body.card, err);
    if (rc < 0)
        goto done;
    rc = check_proofs(&body.card, err);
    if (rc < 0)
        goto done;
    struct unit_id of_root = crypto_unit_id(body.card.root_key);
    *ret_first_root = TYPE_EQ(&of_root, &body.card.unit);
    *ret = body.card;
done:
    buf_free(&bytes);
    return rc;
}

void
card_fingerprint(const struct unit_card *card, char out[FINGERPRINT_WORDS_MAX])
{
    const uint8_t production = card->production;
    struct slice parts[] = {
        slice_of(card->unit.b, sizeof(card->unit.b)),
        slice_of(card->root_key.b, sizeof(card->root_key.b)),
        slice_of(card->federation.b, sizeof(card->federation.b)),
        slice_of(&production, 1),
    };
    struct hash hash = crypto_hash_parts("smart.card", parts, ARRAY_LEN(parts));
    proquint_encode(hash.b, FINGERPRINT_WORDS_MAX / 6 * 2, out);
}

static bool
host_ok(const char *host, size_t len)
{
    static const char NAME[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-";
    static const char IPV6[] = "0123456789ABCDEFabcdef:.";
    bool bracketed = len > 2 && host[0] == '[' && host[len - 1] == ']';
    if (bracketed) {
        host++;
        len -= 2;
    }
    return len > 0 && strspn(host, bracketed ? IPV6 : NAME) == len;
}

/* tcp://host:port, the host a name, an IPv4 address or an IPv6 address in brackets. */
static bool
endpoint_ok(const char *endpoint)
{
    static const char SCHEME[] = "tcp://";
    size_t scheme = sizeof(SCHEME) - 1;
    if (strncmp(endpoint, SCHEME, scheme) != 0)
        return false;
    const char *host = endpoint + scheme, *colon = strrchr(host, ':');
    if (!colon || !host_ok(host, (size_t)(colon - host)))
        return false;
    unsigned port = 0;
    size_t digits = strlen(colon + 1);
    if (digits == 0 || digits > 5 || colon[1] == '0')
        return false;
    for (const char *p = colon + 1; *p; p++) {
        if (*p < '0' || *p > '9')
            return false;
        port = port * 10 + (unsigned)(*p - '0');
    }
    return port <= PORT_MAX;
}

static int
check_values(const struct unit_card *card, struct err *err)
{
    if (!unit_code_ok(card->unit_code))
        return fields_fail(&BODY_PATH, "unit_code", ERR_INVALID, "not a unit code", err);
    for (size_t i = 0; i < card->n_endpoints; i++)
        if (!endpoint_ok(card->endpoints[i]))
            return fields_fail(&BODY_PATH, "endpoint", ERR_INVALID, "not of the form tcp://host:port", err);
    return 0;
}

/* That the federation's name has its hash, and that the root key certifies the online keys. */
static int
check_proofs(const struct unit_card *card, struct err *err)
{
    struct federation_id named = crypto_federation(card->federation_name.s);
    if (!TYPE_EQ(&named, &card->federation))
        return fields_fail(&BODY_PATH, "federation", ERR_FORGED, "not the hash of the federation's name", err);
    uint8_t memory[CERTIFICATE_BODY_BYTES];
    struct buf body;
    buf_fixed(&body, memory, sizeof(memory));
    certificate_body(&card->unit, &card->federation, card->production, card->serial, &card->signing_key,
                     &card->exchange_key, &card->transport_key, &card->recovery_key, &body);
    MUST(!body.failed);
    return crypto_verify(card->root_key, PURPOSE_CERTIFICATE, buf_slice(&body), &card->certificate, "certificate", err);
}

static struct hash
body_hash(struct slice body)
{
    return crypto_hash1("smart.card", body);
}
