/* Samples of what is about members who move: kinds 20, 21 and 64 to 99, guest records and dossiers. See event_samples.h. */
#include "tests/support/event_samples.h"

static void
fill_handover(struct event_payload *p)
{
    sample_fill(p->handover.other.b, HASH_BYTES, p->kind == KIND_HANDOVER_ACCEPTED ? 0xB5 : 0x5E);
    p->handover.proposed = p->kind == KIND_HANDOVER_OFFERED ? date_from_ymd(2026, 4, 1) : DATE_NONE;
    if (p->kind == KIND_HANDOVER_OFFERED)
        return;
    p->handover.terms = (struct admission){
        .category = CATEGORY_B, .person_type = PERSON_NATURAL, .shares = 4, .share_price_minor = 25000};
    sample_fill(p->handover.terms.office.b, ID_BYTES, 0x50);
    memcpy(p->handover.terms.currency, "SEK", CURRENCY_MAX);
    if (p->kind == KIND_HANDOVER_ACCEPTED)
        return;
    p->handover.voted = true;
    p->handover.activities = ACTIVITIES_TAKEN_ALONG;
}

static void
fill_access(struct event_payload *p)
{
    struct access *a = &p->access;
    a->until = DATE_NONE;
    if (p->kind == KIND_ACCESS_REVOKED) {
        a->reason = ACCESS_END_LOST;
        return;
    }
    sample_fill(a->member.b, ID_BYTES, 0x5B);
    a->classes = 1 << (CLASS_IDENTITY - 1) | 1 << (CLASS_CONTACT - 1);
    a->until = date_from_ymd(2026, 12, 31);
    if (p->kind == KIND_ACCESS_GRANTED) {
        sample_fill(a->host.b, HASH_BYTES, 0xDE);
        a->purpose = 3;
        return;
    }
    a->stale_hours_max = 72;
    sample_fill(a->pass_key.b, KEY_BYTES, 0x9A);
}

static void
fill_erasure(struct event_payload *p)
{
    static const uint8_t classes[] = {CLASS_IDENTITY, CLASS_CONTACT, CLASS_BANK};
    static struct erased_place places[3];
    struct erasure *e = &p->erasure;
    e->n_classes = p->kind == KIND_RESTRICTION_LIFTED ? 1 : ARRAY_LEN(classes);
    memcpy(e->classes, classes, e->n_classes);
    e->until = DATE_NONE;
    if (p->kind != KIND_RESTRICTION_LIFTED)
        e->ground = GROUND_ASKED;
    if (p->kind == KIND_RESTRICTION_ORDERED)
        e->until = date_from_ymd(2033, 12, 31);
    if (p->kind != KIND_ERASURE_ORDERED)
        return;
    e->has_generation = true;
    e->generation = 2;
    sample_fill(places[0].log.b, HASH_BYTES, 0xD1);
    sample_fill(places[1].log.b, HASH_BYTES, 0xD1);
    sample_fill(places[2].log.b, HASH_BYTES, 0xD3);
    places[0].seq = 9;
    places[0].indexes = 7;
    places[1].seq = 300;
    places[1].indexes = 1;
    places[2].seq = 2;
    places[2].indexes = 0x8000;
    e->n_places = ARRAY_LEN(places);
    e->places = places;
}

void
sample_moving_fill(struct event_payload *p)
{
    switch (p->kind) {
    case KIND_CUSTODIAN_NAMED:
    case KIND_UNIT_CLOSED:
        p->custodian.has_unit = true;
        sample_fill(p->custodian.unit.b, HASH_BYTES, 0x5E);
        break;
    case KIND_HANDOVER_OFFERED:
    case KIND_HANDOVER_ACCEPTED:
    case KIND_HANDOVER_COMPLETED: fill_handover(p); break;
    case KIND_DOUBLE_SETTLED:
        p->doubled.outcome = DOUBLE_THIS_GIVEN_UP;
        p->doubled.reason = 300;
        __attribute__((fallthrough));
    case KIND_DOUBLE_DECLARED:
        sample_fill(p->doubled.unit.b, HASH_BYTES, 0xDE);
        sample_fill(p->doubled.subject.b, ID_BYTES, 0x5D);
        break;
    case KIND_ACCESS_GRANTED:
    case KIND_ACCESS_REVOKED:
    case KIND_PASS_ISSUED: fill_access(p); break;
    case KIND_GUEST_RECORDED: sample_fill(p->guest.home.b, HASH_BYTES, 0xB5); break;
    case KIND_ERASURE_ORDERED:
    case KIND_RESTRICTION_ORDERED:
    case KIND_RESTRICTION_LIFTED: fill_erasure(p); break;
    case KIND_COPIES_DESTROYED:
        p->destroyed = (struct destroyed){date_from_ymd(2026, 2, 27), date_from_ymd(2026, 4, 3)};
        break;
    default: break;
    }
}

void
sample_moving_refs(const struct sample_log *s, uint64_t seq, struct event_header *h)
{
    static const struct {
        uint16_t kind;
        uint8_t roles[2];
    } rows[] = {
        {KIND_HANDOVER_ACCEPTED, {REF_OFFER}},   {KIND_HANDOVER_COMPLETED, {REF_OFFER, REF_ACCEPTANCE}},
        {KIND_HANDOVER_WITHDRAWN, {REF_OFFER}},  {KIND_HANDOVER_RECEIVED, {REF_COMPLETION}},
        {KIND_COPIES_DESTROYED, {REF_CONFIRMS}},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].kind != h->kind)
            continue;
        h->refs[h->n_refs++] =
            (struct event_ref){.role = rows[i].roles[0], .log = s->log, .seq = seq - 1, .chain = s->chain[seq - 1]};
        if (rows[i].roles[1] == 0)
            continue;
        struct event_ref *other = &h->refs[h->n_refs++];
        *other = (struct event_ref){.role = rows[i].roles[1], .seq = 300};
        sample_fill(other->log.b, HASH_BYTES, 0xD1);
        sample_fill(other->chain.b, HASH_BYTES, 0xD2);
    }
}

struct guest_record
sample_guest_record(void)
{
    struct guest_record g = {
        .day = date_from_ymd(2026, 3, 14),
        .has_access = true,
        .opened = 2,
        .classes = 1 << (CLASS_IDENTITY - 1) | 1 << (CLASS_CONTACT - 1),
        .pass_shown = true,
        .n_work = 2,
        .n_contact = 1,
        .contact = {.phone = {"+32 2 000 00 00"}, .city = {"Liège"}},
        .text = "Moved within the town",
    };
    sample_fill(g.member.b, ID_BYTES, 0x5B);
    sample_fill(g.unit.b, HASH_BYTES, 0xB5);
    sample_fill(g.actor.b, ID_BYTES, 0xA1);
    sample_fill(g.access.b, ID_BYTES, 0xCC);
    for (size_t i = 0; i < g.n_work; i++) {
        sample_fill(g.work[i].entity, ID_BYTES, i ? 0x1D : 0xAC);
        sample_fill(g.work[i].log.b, HASH_BYTES, 0xD1);
        g.work[i].seq = 300 + i;
        g.work[i].kind = i ? KIND_INVOICE_ISSUED : KIND_ACTIVITY_OPENED;
    }
    return g;
}

const struct dossier *
sample_dossier(void)
{
    static struct dossier d = {
        .first_joined = {16436}, /* 2015-01-01 */
        .n_activities = 2,
        .activities = {{.sector = 2,
                        .culture = true,
                        .number = {"2025-0042"},
                        .title = {"Spring tour"},
                        .opened = {20454}}, /* 2026-01-01 */
                       {.sector = 300, .opened = DATE_NONE}},
        .text = "Has the key of the rehearsal room",
    };
    sample_fill(d.activities[0].activity.b, ID_BYTES, 0xAC);
    sample_fill(d.activities[1].activity.b, ID_BYTES, 0xAD);
    return &d;
}
