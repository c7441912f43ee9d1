/* Payloads of every kind, and root statements. The first byte chooses: 0 a root statement, 255 kind 256, 254 a payload of kinds 20 to 99 built
 * from the bytes as values. What decodes must encode, and read back as the same again; no input may make the memory budget decide; the
 * common fields read alike whether the kind is known or not. */
#include "proto/event.h"

enum { CHOOSE_BUILT = 254, MOVING_KINDS = 18 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_statement(struct slice bytes)
{
    struct root_statement s;
    int rc = root_statement_decode(bytes, &s, NULL);
    MUST(rc == 0 || rc == ERR_INVALID || rc == ERR_VERSION);
    if (rc != 0)
        return;
    struct buf out;
    buf_init(&out, PAYLOAD_BYTES_MAX);
    MUST(root_statement_encode(&s, &out, NULL) == 0);
    buf_free(&out);
    root_statement_release(&s);
}

static void
lists_read(struct event_payload *p, struct slice bytes)
{
    static struct activity_cell cells[ACTIVITY_CELLS_MAX];
    static struct period_figure figures[FIGURES_MAX];
    static struct erased_place places[ERASED_PLACES_MAX];
    if (p->kind == KIND_ERASURE_ORDERED) {
        MUST(erased_places_read(bytes, places) == p->erasure.n_places);
        p->erasure.places = places;
    }
    if (p->kind == KIND_PERSON_ACTIVE) {
        MUST(active_cells_read(bytes, cells) == p->active.n);
        p->active.cells = cells;
    }
    if (p->kind == KIND_PERIOD_CLOSED) {
        MUST(closed_figures_read(bytes, figures) == p->closed.n);
        p->closed.figures = figures;
    }
}

static void
check_payload(uint16_t kind, struct slice bytes)
{
    struct event_payload p, again;
    struct event_common c;
    int common = event_common_decode(bytes, &c, NULL);
    MUST(common == 0 || common == ERR_INVALID);
    int rc = event_payload_decode(kind, 1, bytes, &p, NULL);
    if (!event_kind_known(kind, 1)) {
        MUST(rc == ERR_UNKNOWN_KIND);
        return;
    }
    MUST(rc == 0 || rc == ERR_INVALID);
    if (rc != 0) {
        /* Nobody should, and nothing happens. */
        static struct activity_cell cells[ACTIVITY_CELLS_MAX];
        static struct period_figure figures[FIGURES_MAX];
        static struct erased_place places[ERASED_PLACES_MAX];
        MUST(active_cells_read(bytes, cells) <= ACTIVITY_CELLS_MAX &&
             closed_figures_read(bytes, figures) <= FIGURES_MAX &&
             erased_places_read(bytes, places) <= ERASED_PLACES_MAX);
        return;
    }
    MUST(common == 0 && TYPE_EQ(&c.actor, &p.common.actor) && TYPE_EQ(&c.subject, &p.common.subject) &&
         c.effective.days == p.common.effective.days && c.precision == p.common.precision);
    lists_read(&p, bytes);
    struct buf first, second;
    buf_init(&first, 2 * PAYLOAD_BYTES_MAX);
    buf_init(&second, 2 * PAYLOAD_BYTES_MAX);
    MUST(event_payload_encode(&p, &first, NULL) == 0);
    MUST(event_payload_decode(kind, 1, buf_slice(&first), &again, NULL) == 0);
    lists_read(&again, buf_slice(&first));
    MUST(event_payload_encode(&again, &second, NULL) == 0);
    MUST(slice_eq(buf_slice(&first), buf_slice(&second)));
    buf_free(&first);
    buf_free(&second);
}

/* What the bytes say, near the bounds; zeros after their end. */
static uint8_t
draw(struct reader *r)
{
    return reader_left(r) > 0 ? reader_u8(r) : 0;
}

static uint32_t
draw_u32(struct reader *r, uint32_t max)
{
    uint8_t how = draw(r);
    return how == 0 ? max : how == 1 ? max + 1 : how == 2 ? 1 : how * UINT32_C(0x01000193) % (max ? max : 1);
}

static struct civil_date
draw_date(struct reader *r)
{
    uint8_t how = draw(r);
    return how == 0 ? DATE_NONE
                    : (struct civil_date){how == 1   ? DATE_MAX.days
                                          : how == 2 ? DATE_MIN.days - 1
                                                     : how * 100};
}

static void
build_common(struct reader *r, struct event_common *c)
{
    uint8_t has = draw(r);
    c->has_salt = !(has & 1);
    c->has_actor = !(has & 2);
    c->has_subject = !(has & 4);
    c->has_effective = !(has & 8);
    c->precision = has & 16 ? PRECISION_MONTH : PRECISION_DAY;
    c->has_subject_unit = has & 32;
    c->effective = c->has_effective ? draw_date(r) : DATE_NONE;
    if (c->precision == PRECISION_MONTH && c->has_effective && !date_is_none(c->effective))
        c->effective = date_month_start(c->effective);
    memset(c->subject.b, draw(r), sizeof(c->subject.b));
}

static void
build_handover(struct reader *r, struct event_payload *p)
{
    struct admission *t = &p->handover.terms;
    memset(p->handover.other.b, draw(r), HASH_BYTES);
    p->handover.proposed = draw_date(r);
    t->category = draw(r) % 5;
    t->person_type = draw(r) % 4;
    t->shares = draw_u32(r, SHARES_MAX);
    t->share_price_minor = draw_u32(r, SHARE_PRICE_MINOR_MAX);
    memcpy(t->currency, draw(r) % 8 ? "EUR" : "eur", CURRENCY_MAX);
    p->handover.voted = draw(r) & 1;
    p->handover.activities = draw(r) % 4;
}

static void
build_access(struct reader *r, struct access *a)
{
    memset(a->member.b, draw(r), sizeof(a->member.b));
    memset(a->host.b, draw(r), sizeof(a->host.b));
    a->classes = (uint16_t)draw_u32(r, ACCESS_CLASSES_ALL);
    a->purpose = (uint16_t)draw_u32(r, UINT16_MAX);
    a->until = draw_date(r);
    a->stale_hours_max = (uint16_t)draw_u32(r, STALE_HOURS_MAX);
    a->reason = draw(r) % 9;
}

static void
build_erasure(struct reader *r, struct erasure *e)
{
    static struct erased_place places[ERASED_PLACES_MAX + 1];
    e->n_classes = draw(r) % (ERASURE_CLASSES_MAX + 1);
    for (size_t i = 0; i < e->n_classes; i++)
        e->classes[i] = (uint8_t)(draw(r) + i);
    e->ground = draw(r) % 7;
    e->has_generation = draw(r) & 1;
    e->generation = draw_u32(r, UINT32_MAX);
    e->until = draw_date(r);
    e->n_places = draw(r) % ARRAY_LEN(places);
    e->places = places;
    for (size_t i = 0; i < e->n_places; i++) {
        memset(places[i].log.b, (int)(i / 8), HASH_BYTES);
        places[i].seq = i % 8 + draw(r);
        places[i].indexes = (uint16_t)draw_u32(r, UINT16_MAX);
    }
}

static void
build(struct slice bytes)
{
    static const uint8_t kinds[MOVING_KINDS] = {20, 21, 64, 65, 66, 67, 68, 70, 71, 80, 81, 83, 85, 86, 96, 97, 98, 99};
    struct reader r = reader_of(bytes);
    struct event_payload p = {.kind = kinds[draw(&r) % MOVING_KINDS]};
    build_common(&r, &p.common);
    switch (p.kind) {
    case KIND_CUSTODIAN_NAMED:
    case KIND_UNIT_CLOSED: p.custodian.has_unit = draw(&r) & 1; break;
    case KIND_HANDOVER_OFFERED:
    case KIND_HANDOVER_ACCEPTED:
    case KIND_HANDOVER_COMPLETED: build_handover(&r, &p); break;
    case KIND_DOUBLE_DECLARED:
    case KIND_DOUBLE_SETTLED:
        p.doubled.outcome = draw(&r) % 5;
        p.doubled.reason = (uint16_t)draw_u32(&r, UINT16_MAX);
        break;
    case KIND_ACCESS_GRANTED:
    case KIND_ACCESS_REVOKED:
    case KIND_PASS_ISSUED: build_access(&r, &p.access); break;
    case KIND_ERASURE_ORDERED:
    case KIND_RESTRICTION_ORDERED:
    case KIND_RESTRICTION_LIFTED: build_erasure(&r, &p.erasure); break;
    case KIND_COPIES_DESTROYED: p.destroyed = (struct destroyed){draw_date(&r), draw_date(&r)}; break;
    default: break;
    }
    struct buf out;
    buf_init(&out, PAYLOAD_BYTES_MAX);
    int rc = event_payload_encode(&p, &out, NULL);
    MUST(rc == 0 || rc == ERR_INVALID);
    if (rc == 0)
        check_payload(p.kind, buf_slice(&out));
    else
        MUST(out.len == 0);
    buf_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct slice bytes = slice_of(data + 1, size - 1);
    if (data[0] == 0)
        check_statement(bytes);
    else if (data[0] == CHOOSE_BUILT)
        build(bytes);
    else
        check_payload(data[0] == UINT8_MAX ? KIND_PERIOD_CLOSED : data[0], bytes);
    return 0;
}
