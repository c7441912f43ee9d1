/* Samples for tests of the protocol. See proto_samples.h. */
#include "tests/support/proto_samples.h"

#include <stdio.h>

static void
fill(void *to, uint8_t first, size_t len)
{
    uint8_t *p = to;
    for (size_t i = 0; i < len; i++)
        p[i] = (uint8_t)(first + i);
}

#define FILL(field, first) fill(&(field), (first), sizeof(field))

static struct slice
filled(uint8_t *memory, size_t len, uint8_t first)
{
    fill(memory, first, len);
    return slice_of(memory, len);
}

static struct head heads[2];
static uint8_t frames[300], capsule[121], hashes[3 * HASH_BYTES], others[2 * HASH_BYTES], opening[80], payload[90],
    receipt[400], entries[LOOKUP_ENTRIES_STEP * LOOKUP_ENTRY_BYTES];

static struct message
hello(bool production, bool echo)
{
    struct message m = {.type = MSG_HELLO};
    m.hello.version_min = 1;
    m.hello.version_max = production ? 300 : 1;
    FILL(m.hello.nonce, 1);
    FILL(m.hello.federation, 20);
    FILL(m.hello.unit, 60);
    m.hello.production = production;
    m.hello.has_echo = echo;
    if (echo)
        FILL(m.hello.echo, 99);
    if (production)
        snprintf(m.hello.program, sizeof(m.hello.program), "smartnode 0.1.0");
    return m;
}

static struct message
head_list(size_t n, bool full, bool more)
{
    struct message m = {.type = MSG_HEADS};
    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        FILL(heads[i].log, (uint8_t)(i * 50));
        FILL(heads[i].unit, (uint8_t)(i * 50 + 7));
        FILL(heads[i].chain, (uint8_t)(i * 50 + 9));
        heads[i].seq = i ? INT64_MAX : 1;
    }
    m.heads.heads = n > 0 ? heads : NULL;
    m.heads.n = n;
    m.heads.full = full;
    m.heads.more = more;
    return m;
}

static struct message
gone(uint64_t seq, bool has_index)
{
    struct message m = {.type = MSG_GONE};
    FILL(m.gone.log, 3);
    m.gone.seq = seq;
    m.gone.has_index = has_index;
    m.gone.reason = has_index ? GONE_ERASED : GONE_NOT_HELD;
    return m;
}

static struct message
evidence(bool two_sided)
{
    struct message m = {.type = MSG_EVIDENCE};
    FILL(m.evidence.log, 4);
    m.evidence.first = 5;
    FILL(m.evidence.before, 6);
    m.evidence.header_hashes = filled(hashes, sizeof(hashes), 7);
    FILL(m.evidence.seal, 8);
    m.evidence.has_other = two_sided;
    if (two_sided) {
        m.evidence.other_hashes = filled(others, sizeof(others), 17);
        FILL(m.evidence.other_seal, 18);
        m.evidence.opening_header = filled(opening, sizeof(opening), 19);
        m.evidence.opening_payload = filled(payload, sizeof(payload), 20);
    }
    return m;
}

static struct message
fingerprints(size_t n)
{
    struct message m = {.type = MSG_FINGERPRINTS};
    m.fingerprints.rules_version = 1;
    FILL(m.fingerprints.heads_hash, 11);
    m.fingerprints.n = n;
    for (size_t i = 0; i < n; i++) {
        m.fingerprints.tables[i].table = (uint32_t)i + 1;
        FILL(m.fingerprints.tables[i].fingerprint, (uint8_t)i);
    }
    return m;
}

/* Elements of RFC 9497, appendix A.1.1. */
static struct message
admission_ask(void)
{
    struct message m = {.type = MSG_ADMISSION_ASK};
    m.admission_ask.number = 12;
    m.admission_ask.bucket = 0xd7;
    MUST(hex_decode("609a0ae68c15a3cf6903766461307e5c8bb2f95e7e6550e1ffa2dc99e412803c", m.admission_ask.blinded.b,
                    OPRF_ELEMENT_BYTES));
    return m;
}

static struct message
admission_answer(enum admission_status status)
{
    struct message m = {.type = MSG_ADMISSION_ANSWER};
    m.admission_answer.number = 12;
    m.admission_answer.status = status;
    m.admission_answer.has_evaluated = status == ADMISSION_ANSWERED;
    if (status != ADMISSION_ANSWERED)
        return m;
    MUST(hex_decode("7ec6578ae5120958eb2db1745758ff379e77cb64fe77b0b2d8cc917ea0869c7e", m.admission_answer.evaluated.b,
                    OPRF_ELEMENT_BYTES));
    m.admission_answer.entries = filled(entries, sizeof(entries), 21);
    return m;
}

size_t
sample_messages(struct sample_message *out)
{
    struct message want = {.type = MSG_WANT}, batch = {.type = MSG_BATCH}, capsule_want = {.type = MSG_CAPSULE_WANT};
    struct message capsule_is = {.type = MSG_CAPSULE}, bye = {.type = MSG_BYE}, credit = {.type = MSG_CREDIT};
    struct message event_want = {.type = MSG_EVENT_WANT}, event_at = {.type = MSG_EVENT_AT}, ping = {.type = MSG_PING};
    FILL(want.want.log, 1);
    want.want.from = 1000;
    FILL(want.want.before, 2);
    want.want.credit_bytes = CREDIT_MIN;
    want.want.number = 0;
    FILL(batch.batch.run.log, 1);
    batch.batch.run.first = 1000;
    batch.batch.run.count = RUN_EVENTS_MAX;
    batch.batch.run.frames = filled(frames, sizeof(frames), 3);
    FILL(batch.batch.run.seal, 4);
    batch.batch.number = UINT64_MAX;
    FILL(capsule_want.capsule_want.log, 1);
    capsule_want.capsule_want.seq = 2;
    FILL(capsule_is.capsule.log, 1);
    capsule_is.capsule.seq = 2;
    capsule_is.capsule.index = HEADER_CAPSULES_MAX - 1;
    capsule_is.capsule.bytes = filled(capsule, sizeof(capsule), 5);
    bye.bye.reason = BYE_MALFORMED;
    snprintf(bye.bye.text, sizeof(bye.bye.text), "heads.head.chain: of another length");
    credit.credit.number = 7;
    FILL(event_want.event_want.log, 1);
    event_want.event_want.seq = 77;
    FILL(event_at.event_at.log, 1);
    event_at.event_at.seq = 77;
    event_at.event_at.receipt = filled(receipt, sizeof(receipt), 6);
    struct message ping_reply = ping;
    ping_reply.ping.reply_wanted = true;

    struct sample_message all[] = {
        {"hello", hello(false, false)},
        {"hello-full", hello(true, true)},
        {"heads", head_list(2, true, true)},
        {"heads-change", head_list(1, false, false)},
        {"heads-none", head_list(0, true, false)},
        {"want", want},
        {"batch", batch},
        {"capsule-want", capsule_want},
        {"capsule", capsule_is},
        {"gone-log", gone(0, false)},
        {"gone-event", gone(9, false)},
        {"gone-capsule", gone(9, true)},
        {"evidence", evidence(false)},
        {"evidence-two-sided", evidence(true)},
        {"bye", bye},
        {"credit", credit},
        {"event-want", event_want},
        {"event-at", event_at},
        {"fingerprints", fingerprints(7)},
        {"fingerprints-none", fingerprints(0)},
        {"ping", ping},
        {"ping-reply", ping_reply},
        {"admission-ask", admission_ask()},
        {"admission-answer", admission_answer(ADMISSION_ANSWERED)},
        {"admission-answer-limit", admission_answer(ADMISSION_RATE_LIMIT)},
    };
    _Static_assert(ARRAY_LEN(all) <= SAMPLE_MESSAGES_MAX, "room for all samples");
    memcpy(out, all, sizeof(all));
    return ARRAY_LEN(all);
}

static struct seal
certify(const struct sample_unit *u)
{
    const struct unit_card *c = &u->card;
    struct buf body;
    buf_init(&body, CERTIFICATE_BODY_BYTES);
    certificate_body(&c->unit, &c->federation, c->production, c->serial, &c->signing_key, &c->exchange_key,
                     &c->transport_key, &c->recovery_key, &body);
    struct seal s = crypto_sign_purpose(&u->root, PURPOSE_CERTIFICATE, buf_slice(&body));
    buf_free(&body);
    return s;
}

static void
make_card(struct sample_unit *u, uint8_t seed)
{
    struct unit_card *c = &u->card;
    struct box_secret unused;
    uint8_t bytes[32];
    memset(bytes, seed, sizeof(bytes));
    crypto_keypair_sign(bytes, &c->root_key, &u->root);
    bytes[0]++;
    crypto_keypair_sign(bytes, &c->signing_key, &u->signing);
    bytes[0]++;
    crypto_keypair_box(bytes, &c->exchange_key, &unused);
    bytes[0]++;
    crypto_keypair_box(bytes, &c->transport_key, &unused);
    bytes[0]++;
    crypto_keypair_box(bytes, &c->recovery_key, &unused);
    c->unit = crypto_unit_id(c->root_key);
    snprintf(c->unit_code, sizeof(c->unit_code), "BE");
    snprintf(c->unit_name.s, sizeof(c->unit_name.s), "Coopérative d’essai");
    snprintf(c->federation_name.s, sizeof(c->federation_name.s), "sample federation");
    c->federation = crypto_federation(c->federation_name.s);
    c->serial = 3;
    c->n_endpoints = 2;
    snprintf(c->endpoints[0], sizeof(c->endpoints[0]), "tcp://node.example.org:7411");
    snprintf(c->endpoints[1], sizeof(c->endpoints[1]), "tcp://[2001:db8::1]:65535");
    c->issued_on = date_from_ymd(2026, 3, 1);
    c->certificate = certify(u);
}

static void
add_event(struct sample_unit *u, uint64_t seq, const struct event_payload *p)
{
    struct err err;
    buf_init(&u->headers[seq], HEADER_BYTES_MAX);
    buf_init(&u->payloads[seq], PAYLOAD_BYTES_MAX);
    MUST(event_payload_encode(p, &u->payloads[seq], &err) == 0);
    struct event_header h = {
        .suite = SUITE_1,
        .seq = seq,
        .clock = {UINT64_C(1772323200000) << 16 | seq},
        .kind = p->kind,
        .kind_version = 1,
        .must_understand = p->kind == KIND_LOG_OPENED,
        .payload_hash = crypto_hash1("smart.payload", buf_slice(&u->payloads[seq])),
        .payload_bytes = (uint32_t)u->payloads[seq].len,
    };
    MUST(event_header_encode(&h, &u->headers[seq], &err) == 0);
    if (seq == 1) {
        u->log = crypto_log_id(buf_slice(&u->headers[1]));
        u->chain[0] = crypto_chain_start(u->log);
    }
    struct hash hash = crypto_header_hash(buf_slice(&u->headers[seq]));
    memcpy(u->hashes[seq], hash.b, sizeof(hash.b));
    u->chain[seq] = crypto_chain(u->chain[seq - 1], hash);
}

void
sample_unit_init(struct sample_unit *u, uint8_t seed)
{
    struct err err;
    MUST(crypto_init(&err) == 0);
    *u = (struct sample_unit){0};
    make_card(u, seed);
    struct event_payload p = {.kind = KIND_LOG_OPENED};
    const struct unit_card *c = &u->card;
    p.common.effective = DATE_NONE;
    p.common.has_salt = true;
    FILL(p.common.salt, seed);
    struct log_opened *o = &p.log_opened;
    o->unit = c->unit;
    memcpy(o->unit_code, c->unit_code, sizeof(o->unit_code));
    o->federation = c->federation;
    FILL(o->nonce, (uint8_t)(seed + 1));
    o->root_key = c->root_key;
    o->signing_key = c->signing_key;
    o->exchange_key = c->exchange_key;
    o->transport_key = c->transport_key;
    o->recovery_key = c->recovery_key;
    o->serial = c->serial;
    o->certificate = c->certificate;
    snprintf(o->program, sizeof(o->program), "smartnode 0.1.0");
    add_event(u, 1, &p);
    for (uint64_t seq = 2; seq <= SAMPLE_EVENTS; seq++) {
        struct event_payload e = {.kind = KIND_MEMBER_RESIGNED};
        e.common =
            (struct event_common){.has_actor = true, .has_subject = true, .has_effective = true, .has_salt = true};
        FILL(e.common.actor, 9);
        FILL(e.common.subject, (uint8_t)seq);
        FILL(e.common.salt, (uint8_t)(seed + seq));
        e.common.effective = date_from_ymd(2026, 2, (int)seq);
        add_event(u, seq, &e);
    }
    u->seal = crypto_seal(&u->signing, &u->log, SAMPLE_EVENTS, &u->chain[SAMPLE_EVENTS]);
}

void
sample_unit_release(struct sample_unit *u)
{
    for (size_t seq = 1; seq <= SAMPLE_EVENTS; seq++) {
        buf_free(&u->headers[seq]);
        buf_free(&u->payloads[seq]);
    }
}

struct receipt
sample_receipt(const struct sample_unit *u, uint64_t seq)
{
    return (struct receipt){
        .opening_header = buf_slice(&u->headers[1]),
        .opening_payload = buf_slice(&u->payloads[1]),
        .chain_before = u->chain[seq - 1],
        .header = buf_slice(&u->headers[seq]),
        .payload = buf_slice(&u->payloads[seq]),
        .later_hashes =
            seq < SAMPLE_EVENTS ? slice_of(u->hashes[seq + 1], (SAMPLE_EVENTS - seq) * HASH_BYTES) : slice_of(NULL, 0),
        .seal = u->seal,
    };
}

struct person_identity
sample_identity(void)
{
    return (struct person_identity){
        .member_no = {"BE-000017"},
        .given_name = {"Zoë"},
        .family_name = {"Muster-Beispiel"},
        .language = {"fr-BE"},
        .birth_date = date_from_ymd(1931, 12, 31),
    };
}

struct person_contact
sample_contact(void)
{
    return (struct person_contact){
        .email = {"zoe@example.org"},
        .phone = {"+32 2 555 01 00"},
        .street = {"Rue de l’Exemple 1"},
        .postcode = {"1000"},
        .city = {"Bruxelles"},
        .country = {"BE"},
    };
}

struct key_capsule_content
sample_key_capsule(enum key_use use)
{
    struct key_capsule_content k = {.use = use};
    FILL(k.unit, 1);
    if (use == KEY_USE_ESCROW_DAY) {
        FILL(k.escrow_key, 2);
        return k;
    }
    FILL(k.subject, 3);
    k.n_keys = 2;
    for (size_t i = 0; i < k.n_keys; i++) {
        k.keys[i].class = (uint8_t)(i ? CLASS_CONTACT : CLASS_IDENTITY);
        k.keys[i].generation = (uint32_t)i * 1000;
        FILL(k.keys[i].key, (uint8_t)(4 + i));
    }
    if (use == KEY_USE_ESCROW_DATA)
        return k;
    k.keys[k.n_keys].class = CLASS_COUNTING;
    k.keys[k.n_keys].generation = 2026;
    FILL(k.keys[k.n_keys].key, 6);
    k.n_keys++;
    return k;
}
