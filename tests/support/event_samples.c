/* The sample log. See event_samples.h. */
#include "tests/support/event_samples.h"

const uint16_t sample_kinds[SAMPLE_LOG_EVENTS] = {
    KIND_LOG_OPENED,           KIND_ESCROW_OPENED,      KIND_UNIT_DESCRIBED,       KIND_OFFICE_OPENED,
    KIND_OFFICE_CHANGED,       KIND_OFFICE_CLOSED,      KIND_APPLICATION_RECEIVED, KIND_APPLICATION_REFUSED,
    KIND_MEMBER_ADMITTED,      KIND_SHARES_SUBSCRIBED,  KIND_CATEGORY_CHANGED,     KIND_DATA_CHANGED,
    KIND_WITHDRAWAL_REQUESTED, KIND_WITHDRAWAL_GRANTED, KIND_WITHDRAWAL_REFUSED,   KIND_MEMBER_RESIGNED,
    KIND_MEMBER_EXCLUDED,      KIND_MEMBER_DECEASED,    KIND_SHARES_REPAID,        KIND_REPRESENTATIVE_NAMED,
    KIND_REPRESENTATIVE_ENDED, KIND_MEMBER_MERGED,      KIND_MEMBER_ABSORBED,      KIND_CONSENT_GIVEN,
    KIND_CONSENT_WITHDRAWN,    KIND_ENTRY_CANCELLED,    KIND_ACTIVITY_OPENED,      KIND_ACTIVITY_CHANGED,
    KIND_ACTIVITY_CLOSED,      KIND_ACTIVITY_CANCELLED, KIND_INVOICE_ISSUED,       KIND_INVOICE_CREDITED,
    KIND_INVOICE_CANCELLED,    KIND_PERSON_ACTIVE,      KIND_PERIOD_CLOSED,        KIND_POSTING_ISSUED,
    KIND_POSTING_CHANGED,      KIND_POSTING_CANCELLED,  KIND_CUSTODIAN_NAMED,      KIND_UNIT_CLOSED,
    KIND_HANDOVER_OFFERED,     KIND_HANDOVER_ACCEPTED,  KIND_HANDOVER_COMPLETED,   KIND_HANDOVER_WITHDRAWN,
    KIND_HANDOVER_RECEIVED,    KIND_DOUBLE_DECLARED,    KIND_DOUBLE_SETTLED,       KIND_ACCESS_GRANTED,
    KIND_ACCESS_REVOKED,       KIND_PASS_ISSUED,        KIND_ACCESS_RENEWED,       KIND_GUEST_RECORDED,
    KIND_ERASURE_ORDERED,      KIND_COPIES_DESTROYED,   KIND_RESTRICTION_ORDERED,  KIND_RESTRICTION_LIFTED,
};

const unsigned sample_run_ends[SAMPLE_RUNS] = {18, 35, 38, SAMPLE_LOG_EVENTS};

const struct data_key sample_links_key = {{1, 2, 3}}, sample_counting_key = {{6}};

enum { SAMPLE_FRAMES_MAX = 65536, SAMPLE_CLOCK_MS = 1767225600 }; /* 2026-01-01, in seconds */

void
sample_fill(void *out, size_t len, uint8_t v)
{
    memset(out, v, len);
}

void
sample_commit(struct event_header *h, struct slice payload)
{
    h->payload_hash = crypto_hash1("smart.payload", payload);
    h->payload_bytes = (uint32_t)payload.len;
}

static void
fill_text(char *out, size_t max, const char *text)
{
    snprintf(out, max, "%s", text);
}

static bool
is_posting(uint16_t kind)
{
    return kind >= KIND_POSTING_ISSUED && kind <= KIND_POSTING_CANCELLED;
}

static bool
has_subject(uint16_t kind)
{
    return kind > KIND_UNIT_DESCRIBED && kind != KIND_CUSTODIAN_NAMED && kind != KIND_UNIT_CLOSED &&
           kind != KIND_GUEST_RECORDED && kind != KIND_COPIES_DESTROYED && kind != KIND_PERIOD_CLOSED;
}

static void
fill_common(struct event_payload *p)
{
    struct event_common *c = &p->common;
    c->has_salt = true;
    sample_fill(c->salt, ID_BYTES, (uint8_t)(0x80 + p->kind));
    c->effective = DATE_NONE;
    if (p->kind < KIND_UNIT_DESCRIBED)
        return;
    c->has_actor = c->has_effective = true;
    sample_fill(c->actor.b, ID_BYTES, 0xA1);
    c->effective = date_from_ymd(2026, 3, 1);
    if (p->kind == KIND_SHARES_SUBSCRIBED)
        c->precision = PRECISION_MONTH;
    if ((p->kind >= KIND_ACTIVITY_OPENED && p->kind <= KIND_PERSON_ACTIVE) || is_posting(p->kind))
        c->precision = PRECISION_MONTH;
    if (p->kind == KIND_GUEST_RECORDED)
        c->precision = PRECISION_MONTH;
    if (has_subject(p->kind)) {
        c->has_subject = true;
        sample_fill(c->subject.b, ID_BYTES,
                    p->kind < KIND_APPLICATION_RECEIVED ? 0x0F
                    : p->kind < KIND_ACCESS_GRANTED     ? 0x5B
                    : p->kind < KIND_ERASURE_ORDERED    ? 0xCC
                    : p->kind < KIND_ACTIVITY_OPENED    ? 0x5B
                    : p->kind < KIND_INVOICE_ISSUED     ? 0xAC
                    : is_posting(p->kind)               ? 0xA1
                                                        : 0x1D);
    }
    if (p->kind >= KIND_INVOICE_ISSUED && p->kind <= KIND_INVOICE_CANCELLED)
        be16_put(c->subject.b, month_number(c->effective));
    if (p->kind == KIND_PERSON_ACTIVE) {
        struct data_key year_key;
        counting_year_key(&sample_counting_key, 2026, &year_key);
        c->subject = counting_pseudonym(&year_key);
    }
}

static struct activity_facets
facets(uint16_t sector, bool culture)
{
    struct activity_facets f = {.sector = sector, .culture = culture};
    sample_fill(f.office.b, ID_BYTES, 0x0F);
    return f;
}

static void
fill_work(struct event_payload *p)
{
    static struct activity_cell cells[3];
    static struct period_figure figures[4];
    switch (p->kind) {
    case KIND_ACTIVITY_OPENED: p->activity = facets(2, true); break;
    case KIND_ACTIVITY_CHANGED: p->activity = facets(300, false); break;
    case KIND_INVOICE_ISSUED:
        p->invoice = (struct invoice_facts){
            .facets = facets(2, true), .amount_minor = 125050, .rate_bp = 650, .contribution_minor = 8128};
        fill_text(p->invoice.currency, sizeof(p->invoice.currency), "EUR");
        break;
    case KIND_INVOICE_CREDITED: p->credit = (struct credit_facts){25050, 1628}; break;
    case KIND_PERSON_ACTIVE:
        cells[0] = (struct activity_cell){.facets = facets(2, false), .currency = "EUR"};
        cells[1] = (struct activity_cell){.facets = facets(2, true), .currency = "EUR"};
        cells[2] = (struct activity_cell){.facets = facets(2, true), .currency = "SEK"};
        p->active.n = ARRAY_LEN(cells);
        p->active.cells = cells;
        break;
    case KIND_PERIOD_CLOSED:
        figures[0] = (struct period_figure){.number = FIGURE_MEMBERS, .value = 4711};
        figures[1] = (struct period_figure){.number = FIGURE_MEMBERS, .category = CATEGORY_B, .value = 0};
        figures[2] = (struct period_figure){.number = FIGURE_CAPITAL, .currency = "EUR", .value = 14133000};
        figures[3] = (struct period_figure){.number = FIGURE_TURNOVER, .currency = "SEK", .value = -250};
        p->closed.year = 2025;
        p->closed.n = ARRAY_LEN(figures);
        p->closed.figures = figures;
        break;
    case KIND_POSTING_ISSUED:
    case KIND_POSTING_CHANGED:
        fill_text(p->posting.country, sizeof(p->posting.country), p->kind == KIND_POSTING_ISSUED ? "DE" : "AT");
        p->posting.last_month = date_from_ymd(2026, p->kind == KIND_POSTING_ISSUED ? 8 : 5, 1);
        break;
    default: break;
    }
}

static void
fill_register(struct event_payload *p)
{
    switch (p->kind) {
    case KIND_SHARES_REPAID:
        p->repaid = (struct share_amount){.shares = 5, .amount_minor = 15000};
        fill_text(p->repaid.currency, sizeof(p->repaid.currency), "EUR");
        break;
    case KIND_REPRESENTATIVE_NAMED:
    case KIND_REPRESENTATIVE_ENDED: sample_fill(p->other.b, ID_BYTES, 0x9E); break;
    case KIND_MEMBER_MERGED: sample_fill(p->other.b, ID_BYTES, 0x5C); break;
    case KIND_MEMBER_ABSORBED:
        sample_fill(p->absorbed.from.b, ID_BYTES, 0x5A);
        p->absorbed.brought = (struct share_amount){.shares = 5, .amount_minor = 15000, .owed = true};
        fill_text(p->absorbed.brought.currency, sizeof(p->absorbed.brought.currency), "EUR");
        break;
    case KIND_CONSENT_GIVEN:
        fill_text(p->consent.text_version, sizeof(p->consent.text_version), "2026-01 fr");
        __attribute__((fallthrough));
    case KIND_CONSENT_WITHDRAWN: p->consent.purpose = 1; break;
    default: break;
    }
}

void
sample_lists(struct event_payload *p, struct slice payload)
{
    static struct erased_place places[ERASED_PLACES_MAX];
    if (p->kind == KIND_ERASURE_ORDERED) {
        MUST(erased_places_read(payload, places) == p->erasure.n_places);
        p->erasure.places = places;
    }
    static struct activity_cell cells[ACTIVITY_CELLS_MAX];
    static struct period_figure figures[FIGURES_MAX];
    if (p->kind == KIND_PERSON_ACTIVE) {
        MUST(active_cells_read(payload, cells) == p->active.n);
        p->active.cells = cells;
    }
    if (p->kind == KIND_PERIOD_CLOSED) {
        MUST(closed_figures_read(payload, figures) == p->closed.n);
        p->closed.figures = figures;
    }
}

struct activity_links
sample_links(void)
{
    struct activity_links l = {
        .has_unit = true,
        .has_activity = true,
        .day = date_from_ymd(2026, 3, 14),
        .last_day = DATE_NONE,
        .number = {"2026-0317"},
        .client = {"Théâtre de l’Exemple"},
        .client_number = {"BE0000000097"},
        .text = {"Sound for three evenings"},
    };
    sample_fill(l.member.b, ID_BYTES, 0x5B);
    sample_fill(l.unit.b, HASH_BYTES, 0xB5);
    sample_fill(l.activity.b, ID_BYTES, 0xAC);
    return l;
}

struct activity_links
sample_posting_links(void)
{
    struct activity_links l = {
        .day = date_from_ymd(2026, 3, 14),
        .last_day = date_from_ymd(2026, 8, 31),
        .number = {"A1-2026-0042"},
        .text = {"Summer tour"},
        .has_actor = true,
    };
    sample_fill(l.member.b, ID_BYTES, 0x5B);
    sample_fill(l.actor.b, ID_BYTES, 0xA3);
    return l;
}

struct event_payload
sample_payload(uint16_t kind)
{
    struct event_payload p = {.kind = kind};
    fill_common(&p);
    switch (kind) {
    case KIND_ESCROW_OPENED: p.escrow_day = date_from_ymd(2026, 3, 1); break;
    case KIND_UNIT_DESCRIBED:
        fill_text(p.unit.name.s, sizeof(p.unit.name.s), "Coopérative d’exemple");
        fill_text(p.unit.country, sizeof(p.unit.country), "BE");
        fill_text(p.unit.currency, sizeof(p.unit.currency), "EUR");
        p.unit.n_languages = 2;
        fill_text(p.unit.languages[0], sizeof(p.unit.languages[0]), "fr-BE");
        fill_text(p.unit.languages[1], sizeof(p.unit.languages[1]), "nl");
        fill_text(p.unit.time_zone.s, sizeof(p.unit.time_zone.s), "Europe/Brussels");
        p.unit.contribution_bp = 650;
        p.unit.share_price_minor = 3000;
        break;
    case KIND_OFFICE_OPENED:
    case KIND_OFFICE_CHANGED:
        fill_text(p.office.name.s, sizeof(p.office.name.s), kind == KIND_OFFICE_OPENED ? "Nord" : "Nord et Est");
        fill_text(p.office.city.s, sizeof(p.office.city.s), "Liège");
        fill_text(p.office.country, sizeof(p.office.country), "BE");
        break;
    case KIND_MEMBER_ADMITTED:
        p.admission.shares = 3;
        p.admission.share_price_minor = 3000;
        fill_text(p.admission.currency, sizeof(p.admission.currency), "EUR");
        __attribute__((fallthrough));
    case KIND_APPLICATION_RECEIVED:
        p.admission.category = CATEGORY_C;
        p.admission.person_type = PERSON_LEGAL;
        sample_fill(p.admission.office.b, ID_BYTES, 0x0F);
        break;
    case KIND_SHARES_SUBSCRIBED:
        p.shares.shares = 2;
        p.shares.share_price_minor = 3000;
        fill_text(p.shares.currency, sizeof(p.shares.currency), "EUR");
        break;
    case KIND_CATEGORY_CHANGED: p.category = CATEGORY_B; break;
    case KIND_DATA_CHANGED:
        p.data.has_office = true;
        sample_fill(p.data.office.b, ID_BYTES, 0x0F);
        break;
    default:
        fill_register(&p);
        fill_work(&p);
        sample_moving_fill(&p);
    }
    return p;
}

struct root_statement
sample_root_statement(const struct log_opened *o)
{
    static struct sign_public keys[2];
    static struct standing_position standing[2];
    sample_fill(&keys[0], sizeof(keys[0]), 0xC1);
    sample_fill(&keys[1], sizeof(keys[1]), 0xC2);
    sample_fill(&standing[0].log, HASH_BYTES, 0xD1);
    sample_fill(&standing[0].chain, HASH_BYTES, 0xD2);
    standing[0].seq = 300;
    sample_fill(&standing[1].log, HASH_BYTES, 0xD3);
    sample_fill(&standing[1].chain, HASH_BYTES, 0xD3);
    standing[1].seq = 0;
    struct root_statement s = {
        .unit = o->unit,
        .federation = o->federation,
        .production = o->production,
        .signing_key = o->signing_key,
        .serial = 1,
        .n_void_keys = 2,
        .n_standing = 2,
        .void_keys = keys,
        .standing = standing,
    };
    memcpy(s.log_nonce, o->nonce, sizeof(s.log_nonce));
    return s;
}

static void
fill_opened(struct sample_log *s, bool with_root_statement)
{
    struct log_opened *o = &s->opened;
    struct box_secret unused;
    uint8_t seed[32], memory[CERTIFICATE_BODY_BYTES];
    struct buf body;
    sample_fill(seed, sizeof(seed), 0);
    crypto_keypair_sign(seed, &o->root_key, &s->root_secret);
    sample_fill(seed, sizeof(seed), 1);
    crypto_keypair_sign(seed, &o->signing_key, &s->signing_secret);
    sample_fill(seed, sizeof(seed), 2);
    crypto_keypair_box(seed, &o->exchange_key, &unused);
    sample_fill(seed, sizeof(seed), 3);
    crypto_keypair_box(seed, &o->transport_key, &unused);
    sample_fill(seed, sizeof(seed), 4);
    crypto_keypair_box(seed, &o->recovery_key, &unused);
    o->unit = crypto_unit_id(o->root_key);
    o->federation = crypto_federation("example");
    sample_fill(o->nonce, sizeof(o->nonce), 0x4E);
    o->serial = 1;
    fill_text(o->unit_code, sizeof(o->unit_code), "BE");
    fill_text(o->program, sizeof(o->program), "smartnode 0.1.0");
    buf_fixed(&body, memory, sizeof(memory));
    certificate_body(&o->unit, &o->federation, o->production, o->serial, &o->signing_key, &o->exchange_key,
                     &o->transport_key, &o->recovery_key, &body);
    o->certificate = crypto_sign_purpose(&s->root_secret, PURPOSE_CERTIFICATE, buf_slice(&body));
    if (!with_root_statement)
        return;
    struct root_statement statement = sample_root_statement(o);
    MUST(root_statement_encode(&statement, &s->root_statement, NULL) == 0);
    struct hash hash = crypto_hash1("smart.rootst", buf_slice(&s->root_statement));
    o->has_root_statement = true;
    o->root_statement = buf_slice(&s->root_statement);
    o->root_signature = crypto_sign_purpose(&s->root_secret, PURPOSE_ROOT_STATEMENT, slice_of(hash.b, sizeof(hash.b)));
}

static bool
is_cancellation(uint16_t kind)
{
    return kind == KIND_ENTRY_CANCELLED || kind == KIND_ACTIVITY_CANCELLED || kind == KIND_INVOICE_CANCELLED ||
           kind == KIND_POSTING_CANCELLED;
}

static void
fill_capsules(const struct sample_log *s, struct event_header *h)
{
    static const uint8_t person[] = {CLASS_IDENTITY, CLASS_CONTACT, CLASS_KEY}, links[] = {CLASS_ACTIVITY};
    static const uint8_t moving[] = {CLASS_KEY, CLASS_DOSSIER}, guest[] = {CLASS_GUEST};
    const uint8_t *classes = person;
    if (h->kind == KIND_MEMBER_ADMITTED || h->kind == KIND_REPRESENTATIVE_NAMED || h->kind == KIND_HANDOVER_RECEIVED)
        h->n_capsules = ARRAY_LEN(person);
    if (h->kind == KIND_HANDOVER_OFFERED || h->kind == KIND_HANDOVER_COMPLETED) {
        h->n_capsules = ARRAY_LEN(moving);
        classes = moving;
    }
    if (h->kind == KIND_ACCESS_GRANTED || h->kind == KIND_PASS_ISSUED || h->kind == KIND_ACCESS_RENEWED) {
        h->n_capsules = 1;
        classes = moving;
    }
    if (h->kind == KIND_GUEST_RECORDED) {
        h->n_capsules = ARRAY_LEN(guest);
        classes = guest;
    }
    if (h->kind == KIND_ACTIVITY_OPENED || h->kind == KIND_ACTIVITY_CHANGED || h->kind == KIND_INVOICE_ISSUED ||
        h->kind == KIND_INVOICE_CREDITED || h->kind == KIND_POSTING_ISSUED || h->kind == KIND_POSTING_CHANGED) {
        h->n_capsules = ARRAY_LEN(links);
        classes = links;
    }
    for (unsigned i = 0; i < h->n_capsules; i++) {
        h->capsules[i].class = classes[i];
        sample_fill(h->capsules[i].hash.b, HASH_BYTES, (uint8_t)(0xE0 + i));
        h->capsules[i].bytes = 57 + 64 * (i + 1);
    }
    if (h->kind == KIND_INVOICE_ISSUED) {
        h->capsules[0].hash = capsule_hash(buf_slice(&s->links));
        h->capsules[0].bytes = (uint32_t)s->links.len;
    }
    if (h->kind == KIND_POSTING_ISSUED) {
        h->capsules[0].hash = capsule_hash(buf_slice(&s->posting_links));
        h->capsules[0].bytes = (uint32_t)s->posting_links.len;
    }
}

static void
seal_links(const struct activity_links *links, uint8_t first, struct buf *ret)
{
    const uint8_t nonce[CAPSULE_NONCE_BYTES] = {first, 4};
    struct buf plain;
    buf_init(&plain, CAPSULE_BYTES_MAX);
    buf_init(ret, CAPSULE_BYTES_MAX);
    MUST(activity_links_encode(links, &plain, NULL) == 0);
    MUST(capsule_seal(&sample_links_key, CLASS_ACTIVITY, nonce, buf_slice(&plain), ret, NULL) == 0);
    buf_free(&plain);
}

/* References and capsules as the kinds have them, so that the headers show every field. */
static void
fill_header(const struct sample_log *s, uint64_t seq, struct event_header *h)
{
    h->suite = SUITE_1;
    h->seq = seq;
    h->clock = (struct hlc){(uint64_t)SAMPLE_CLOCK_MS * 1000 * 65536 + seq};
    h->kind = sample_kinds[seq - 1];
    h->kind_version = 1;
    h->must_understand = event_kind_must_understand(h->kind);
    if (h->kind == KIND_LOG_OPENED || h->kind == KIND_APPLICATION_REFUSED || h->kind == KIND_WITHDRAWAL_GRANTED ||
        is_cancellation(h->kind)) {
        h->n_refs = 1;
        h->refs[0].role = h->kind == KIND_LOG_OPENED            ? REF_PREDECESSOR
                          : h->kind == KIND_APPLICATION_REFUSED ? REF_APPLICATION
                          : h->kind == KIND_WITHDRAWAL_GRANTED  ? REF_REQUEST
                                                                : REF_CANCELS;
        h->refs[0].log = s->log;
        h->refs[0].seq = seq > 1 ? seq - 1 : 4711;
        h->refs[0].chain = s->chain[seq - 1];
    }
    sample_moving_refs(s, seq, h);
    fill_capsules(s, h);
}

void
sample_log_init(struct sample_log *s, bool with_root_statement)
{
    memset(s, 0, sizeof(*s));
    MUST(crypto_init(NULL) == 0);
    buf_init(&s->root_statement, PAYLOAD_BYTES_MAX);
    buf_init(&s->frames, SAMPLE_FRAMES_MAX);
    fill_opened(s, with_root_statement);
    struct activity_links links = sample_links(), posting = sample_posting_links();
    seal_links(&links, 7, &s->links);
    seal_links(&posting, 8, &s->posting_links);
    unsigned runs = 0;
    for (uint64_t seq = 1; seq <= SAMPLE_LOG_EVENTS; seq++) {
        struct event_header *h = &s->headers[seq];
        struct event_payload p = sample_payload(sample_kinds[seq - 1]);
        buf_init(&s->header[seq], HEADER_BYTES_MAX);
        buf_init(&s->payload[seq], PAYLOAD_BYTES_MAX);
        if (p.kind == KIND_LOG_OPENED)
            p.log_opened = s->opened;
        MUST(event_payload_encode(&p, &s->payload[seq], NULL) == 0);
        fill_header(s, seq, h);
        sample_commit(h, buf_slice(&s->payload[seq]));
        MUST(event_header_encode(h, &s->header[seq], NULL) == 0);
        if (seq == 1) {
            s->log = crypto_log_id(buf_slice(&s->header[1]));
            s->chain[0] = crypto_chain_start(s->log);
        }
        s->header_hashes[seq - 1] = crypto_header_hash(buf_slice(&s->header[seq]));
        s->chain[seq] = crypto_chain(s->chain[seq - 1], s->header_hashes[seq - 1]);
        event_frame_put(&s->frames, buf_slice(&s->header[seq]), buf_slice(&s->payload[seq]));
        if (seq == sample_run_ends[runs]) {
            s->run_bytes[runs] = s->frames.len;
            s->seals[runs++] = crypto_seal(&s->signing_secret, &s->log, seq, &s->chain[seq]);
        }
    }
    s->seal = s->seals[SAMPLE_RUNS - 1];
}

void
sample_log_release(struct sample_log *s)
{
    for (unsigned i = 1; i <= SAMPLE_LOG_EVENTS; i++) {
        buf_free(&s->header[i]);
        buf_free(&s->payload[i]);
    }
    buf_free(&s->frames);
    buf_free(&s->links);
    buf_free(&s->posting_links);
    buf_free(&s->root_statement);
}

struct run
sample_run(const struct sample_log *s)
{
    return (struct run){
        .log = s->log, .first = 1, .count = SAMPLE_LOG_EVENTS, .frames = buf_slice(&s->frames), .seal = s->seal};
}
