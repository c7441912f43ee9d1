/* Events as they were written, with what became of them; receipts; conflicts. Nothing here is personal: capsules are named, not
 * opened. */
#include "node/api/request.h"

enum { CURSOR_TEXT_MAX = 32 };

static void
put_amount(struct json_out *j, const struct share_amount *a)
{
    if (a->shares != 0) {
        json_put_uint(j, "shares", a->shares);
        json_put_int(j, "amount_minor", a->amount_minor);
        json_put_text(j, "currency", a->currency);
    }
}

/* Kinds 44 and up. */
static void
put_work(struct json_out *j, const struct event_payload *p)
{
    switch (p->kind) {
    case KIND_SHARES_REPAID: put_amount(j, &p->repaid); break;
    case KIND_REPRESENTATIVE_NAMED:
    case KIND_REPRESENTATIVE_ENDED:
    case KIND_MEMBER_MERGED: json_put_hex(j, "other", p->other.b, ID_BYTES); break;
    case KIND_MEMBER_ABSORBED:
        json_put_hex(j, "other", p->absorbed.from.b, ID_BYTES);
        put_amount(j, &p->absorbed.brought);
        break;
    case KIND_CONSENT_GIVEN:
    case KIND_CONSENT_WITHDRAWN:
        json_put_uint(j, "purpose", p->consent.purpose);
        if (p->consent.text_version[0] != '\0') {
            json_put_text(j, "text_version", p->consent.text_version);
        }
        break;
    case KIND_ACTIVITY_OPENED:
    case KIND_ACTIVITY_CHANGED: put_work_facets(j, &p->activity); break;
    case KIND_INVOICE_ISSUED:
        put_work_facets(j, &p->invoice.facets);
        json_put_int(j, "amount_minor", p->invoice.amount_minor);
        json_put_text(j, "currency", p->invoice.currency);
        json_put_uint(j, "rate_bp", p->invoice.rate_bp);
        json_put_int(j, "contribution_minor", p->invoice.contribution_minor);
        break;
    case KIND_INVOICE_CREDITED:
        json_put_int(j, "amount_minor", p->credit.amount_minor);
        json_put_int(j, "contribution_minor", p->credit.contribution_minor);
        break;
    case KIND_POSTING_ISSUED:
    case KIND_POSTING_CHANGED:
        json_put_text(j, "country", p->posting.country);
        put_month(j, "last_month", p->posting.last_month);
        break;
    case KIND_PERSON_ACTIVE: json_put_uint(j, "cells", p->active.n); break;
    case KIND_PERIOD_CLOSED:
        json_put_uint(j, "year", p->closed.year);
        json_put_uint(j, "figures", p->closed.n);
        break;
    default: break;
    }
}

static void
put_facets(struct json_out *j, const struct event_payload *p)
{
    switch (p->kind) {
    case KIND_UNIT_DESCRIBED:
        json_put_text(j, "name", p->unit.name.s);
        json_put_text(j, "currency", p->unit.currency);
        json_put_int(j, "share_price_minor", p->unit.share_price_minor);
        json_put_uint(j, "contribution_bp", p->unit.contribution_bp);
        break;
    case KIND_OFFICE_OPENED:
    case KIND_OFFICE_CHANGED: put_office_facts(j, &p->office); break;
    case KIND_APPLICATION_RECEIVED:
    case KIND_MEMBER_ADMITTED:
        json_put_text(j, "category", category_word(p->admission.category));
        json_put_text(j, "person_type", person_type_word(p->admission.person_type));
        json_put_hex(j, "office", p->admission.office.b, ID_BYTES);
        if (p->kind == KIND_MEMBER_ADMITTED) {
            json_put_uint(j, "shares", p->admission.shares);
            json_put_int(j, "share_price_minor", p->admission.share_price_minor);
            json_put_text(j, "currency", p->admission.currency);
        }
        break;
    case KIND_SHARES_SUBSCRIBED:
        json_put_uint(j, "shares", p->shares.shares);
        json_put_int(j, "share_price_minor", p->shares.share_price_minor);
        json_put_text(j, "currency", p->shares.currency);
        break;
    case KIND_CATEGORY_CHANGED: json_put_text(j, "category", category_word(p->category)); break;
    case KIND_DATA_CHANGED:
        if (p->data.has_office) {
            json_put_hex(j, "office", p->data.office.b, ID_BYTES);
        }
        break;
    default: put_work(j, p); break;
    }
}

static void
put_refs(struct json_out *j, const struct event_header *h)
{
    static const char *const roles[] = {NULL, "predecessor", "corrects", "application", "request",
                                        NULL, NULL,          NULL,       NULL,          "cancels"};

    json_key(j, "refs");
    json_open(j, '[');
    for (size_t i = 0; i < h->n_refs; i++) {
        const struct event_ref *ref = &h->refs[i];
        const struct position at = {ref->log, ref->seq};
        json_open(j, '{');
        json_put_text(j, "role",
                      ref->role < ARRAY_LEN(roles) && roles[ref->role] != NULL ? roles[ref->role] : "unknown");
        put_position(j, &at);
        json_close(j, '}');
    }
    json_close(j, ']');
    json_key(j, "capsules");
    json_open(j, '[');
    for (size_t i = 0; i < h->n_capsules; i++) {
        json_open(j, '{');
        json_put_text(j, "class", class_word(h->capsules[i].class));
        json_put_uint(j, "bytes", h->capsules[i].bytes);
        json_close(j, '}');
    }
    json_close(j, ']');
}

struct fate {
    enum outcome outcome;
    enum void_reason reason;
};

static bool
same_position(const struct position *a, const struct position *b)
{
    return a->seq == b->seq && TYPE_EQ(&a->log, &b->log);
}

static void
fate_of_work(struct request *r, uint16_t kind, const struct log_row *log, const struct event_common *common,
             const struct position *at, struct fate *ret)
{
    struct activity_row activity;
    struct invoice_row invoice;
    if (!common->has_subject) {
        return;
    }
    if (kind < KIND_INVOICE_ISSUED && view_activity(r->txn, &log->unit, &common->subject, &activity, NULL) == 0) {
        for (size_t i = 0; i < activity.n; i++) {
            if (same_position(&activity.entries[i].at, at)) {
                *ret = (struct fate){activity.entries[i].outcome, activity.entries[i].reason};
            }
        }
        activity_row_release(&activity);
    } else if (kind >= KIND_INVOICE_ISSUED && view_invoice(r->txn, &log->unit, &common->subject, &invoice, NULL) == 0) {
        for (size_t i = 0; i < invoice.n; i++) {
            if (same_position(&invoice.entries[i].at, at)) {
                *ret = (struct fate){invoice.entries[i].outcome, invoice.entries[i].reason};
            }
        }
        invoice_row_release(&invoice);
    }
}

static void
fate_of_posting(struct request *r, const struct log_row *log, const struct event_common *common,
                const struct position *at, struct fate *ret)
{
    struct posting_row row;
    if (!common->has_subject || view_posting(r->txn, &log->unit, &common->subject, &row, NULL) != 0) {
        return;
    }
    for (size_t i = 0; i < row.n; i++) {
        if (same_position(&row.entries[i].at, at)) {
            *ret = (struct fate){row.entries[i].outcome, row.entries[i].reason};
        }
    }
    posting_row_release(&row);
}

static bool
fate_in_place(struct request *r, enum table t, struct slice key, const struct log_row *log,
              const struct office_id *office, const struct position *at, struct fate *ret)
{
    struct place_row row;
    struct slice value;
    bool found = false;

    if (db_get(r->txn, t, key, &value, NULL) != 0 || place_row_decode(value, &log->unit, office, &row, NULL) != 0) {
        return false;
    }
    for (size_t i = 0; i < row.n && !found; i++) {
        found = same_position(&row.entries[i].at, at);
        if (found) {
            *ret = (struct fate){row.entries[i].outcome, row.entries[i].reason};
        }
    }
    place_row_release(&row);
    return found;
}

/* What became of an event: in the row of its entity, or, for those that no entity lists, in the table of voids. */
static struct fate
fate_of(struct request *r, const struct log_row *log, const struct position *at, uint16_t kind,
        const struct event_common *common)
{
    struct fate fate = {OUTCOME_APPLIED, VOID_NONE};
    struct office_id office = {0};
    uint8_t key[KEY_OFFICE], at_key[KEY_POSITION];
    struct slice value;
    struct member_row row;

    if (at->seq > log->stands_to) {
        return (struct fate){OUTCOME_VOID, VOID_KEY};
    }
    if (at->seq > log->applied_seq) {
        return (struct fate){OUTCOME_WAITING, VOID_NONE};
    }
    key_position(at_key, &at->log, at->seq);
    if (db_get(r->txn, TABLE_VOIDS, slice_of(at_key, sizeof(at_key)), &value, NULL) == 0 && value.len == 1) {
        return (struct fate){OUTCOME_VOID, (enum void_reason)value.data[0]};
    }
    if (kind == KIND_UNIT_DESCRIBED) {
        (void)fate_in_place(r, TABLE_UNITS, slice_of(log->unit.b, HASH_BYTES), log, &office, at, &fate);
    } else if (kind >= KIND_OFFICE_OPENED && kind <= KIND_OFFICE_CLOSED && common->has_subject) {
        memcpy(office.b, common->subject.b, ID_BYTES);
        key_office(key, &log->unit, &office);
        (void)fate_in_place(r, TABLE_OFFICES, slice_of(key, sizeof(key)), log, &office, at, &fate);
    } else if (kind >= KIND_ACTIVITY_OPENED && kind <= KIND_INVOICE_CANCELLED) {
        fate_of_work(r, kind, log, common, at, &fate);
    } else if (kind >= KIND_POSTING_ISSUED && kind <= KIND_POSTING_CANCELLED) {
        fate_of_posting(r, log, common, at, &fate);
    } else if (member_kind(kind) && common->has_subject &&
               view_member(r->txn, &common->subject, &log->unit, &row, NULL) == 0) {
        for (size_t i = 0; i < row.n; i++) {
            if (same_position(&row.entries[i].at, at)) {
                fate = (struct fate){row.entries[i].outcome, row.entries[i].reason};
            }
        }
        member_row_release(&row);
    }
    return fate;
}

static void
put_common(struct json_out *j, const struct event_common *c)
{
    if (c->has_subject) {
        json_put_hex(j, "subject", c->subject.b, ID_BYTES);
    }
    if (c->has_actor) {
        json_put_hex(j, "actor", c->actor.b, ID_BYTES);
    }
    if (c->has_effective) {
        json_put_date(j, "effective_on", c->effective);
        json_put_text(j, "precision", c->precision == PRECISION_MONTH ? "month" : "day");
    }
}

int
put_event_fields(struct request *r, struct json_out *j, const struct log_row *log, uint64_t seq,
                 const struct stored_event *e, struct err *err)
{
    const struct position at = {log->id, seq};
    struct event_header h;
    struct event_common common = {0};
    struct event_payload payload;
    char code[UNIT_CODE_MAX];

    int rc = event_header_decode(e->header, &h, err);
    if (rc != 0) {
        return err_set(err, ERR_CORRUPT, "stored header at %llu", (unsigned long long)seq);
    }
    unit_code_of(r, &log->unit, code);
    put_position(j, &at);
    json_put_text(j, "unit", code);
    json_put_time(j, "clock", hlc_wall(h.clock));
    json_put_text(j, "kind", event_kind_name(h.kind));
    json_put_uint(j, "kind_no", h.kind);
    json_put_uint(j, "kind_version", h.kind_version);
    bool readable = e->payload.len > 0 && event_common_decode(e->payload, &common, NULL) == 0;
    if (readable) {
        put_common(j, &common);
    }
    json_key(j, "facets");
    json_open(j, '{');
    if (readable && event_payload_decode(h.kind, h.kind_version, e->payload, &payload, NULL) == 0) {
        put_facets(j, &payload);
    }
    json_close(j, '}');
    put_refs(j, &h);
    struct fate fate = fate_of(r, log, &at, h.kind, &common);
    json_put_text(j, "outcome", outcome_word(fate.outcome));
    if (fate.reason != VOID_NONE) {
        json_put_text(j, "reason", void_reason_text(fate.reason));
    }
    return 0;
}

static int
put_event(struct request *r, struct json_out *j, const struct log_row *log, uint64_t seq, const struct stored_event *e,
          struct err *err)
{
    json_open(j, '{');
    int rc = put_event_fields(r, j, log, seq, e, err);
    json_close(j, '}');
    return rc;
}

/* Events of one log after seq, until the page is full. */
static int
put_events(struct request *r, struct json_out *j, const struct log_row *log, uint64_t after, size_t *left,
           uint64_t *ret_last, struct err *err)
{
    struct evlog_iter it;
    struct stored_event e;

    *ret_last = after;
    if (after >= log->head_seq) {
        return 0;
    }
    int rc = evlog_iter_init(&it, r->txn, log->no, after + 1, err);
    if (rc != 0) {
        return rc == ERR_NOTFOUND ? 0 : rc;
    }
    while (rc == 0 && *left > 0) {
        rc = evlog_iter_next(&it, &e, err);
        if (rc == 0) {
            rc = put_event(r, j, log, it.seq, &e, err);
            *ret_last = it.seq;
            (*left)--;
        }
    }
    evlog_iter_release(&it);
    return rc == ERR_NOTFOUND ? 0 : rc;
}

/* "no.seq": local number of a log and position in it. Logs are only added, so a cursor stays good under change. */
static int
cursor_read(struct request *r, uint32_t *ret_no, uint64_t *ret_seq, struct err *err)
{
    const char *text = query_text(r, "after");
    unsigned long long no, seq;
    int used = 0;

    *ret_no = 1;
    *ret_seq = 0;
    if (text == NULL) {
        return 0;
    }
    if (strlen(text) >= CURSOR_TEXT_MAX || text[0] < '0' || text[0] > '9' ||
        sscanf(text, "%10llu.%18llu%n", &no, &seq, &used) != 2 || text[used] != '\0' || no == 0 || no > UINT32_MAX) {
        return err_field(err, ERR_INVALID, "after", "is not a cursor of this list");
    }
    *ret_no = (uint32_t)no;
    *ret_seq = seq;
    return 0;
}

struct event_filter {
    bool has_unit, has_log;
    struct unit_id unit;
    struct log_id log;
};

static int
events_page(struct request *r, const struct event_filter *f, uint32_t no, uint64_t seq, size_t limit, struct err *err)
{
    struct json_out j = reply_json(r, MHD_HTTP_OK);
    struct log_row log;
    uint32_t logs = 0;
    char cursor[CURSOR_TEXT_MAX];

    int rc = evlog_count(r->txn, &logs, err);
    json_open(&j, '{');
    json_key(&j, "events");
    json_open(&j, '[');
    while (rc == 0 && no <= logs && limit > 0) {
        rc = evlog_get(r->txn, no, &log, err);
        if (rc == 0 && (!f->has_unit || TYPE_EQ(&log.unit, &f->unit)) && (!f->has_log || TYPE_EQ(&log.id, &f->log))) {
            rc = put_events(r, &j, &log, seq, &limit, &seq, err);
        }
        if (limit > 0) {
            no++;
            seq = 0;
        }
    }
    json_close(&j, ']');
    json_key(&j, "next");
    if (limit == 0) {
        snprintf(cursor, sizeof(cursor), "%u.%llu", (unsigned)no, (unsigned long long)seq);
        json_text(&j, cursor, strlen(cursor));
    } else {
        json_none(&j);
    }
    json_close(&j, '}');
    return rc;
}

int
get_events(struct request *r, struct err *err)
{
    struct event_filter f = {0};
    uint32_t no = 1;
    uint64_t seq = 0;
    size_t limit = 0;

    int rc = query_unit(r, &f.unit, &f.has_unit, err);
    if (rc == 0) {
        rc = query_hex(r, "log", f.log.b, HASH_BYTES, &f.has_log, err);
    }
    if (rc == 0) {
        rc = cursor_read(r, &no, &seq, err);
    }
    if (rc == 0) {
        rc = query_limit(r, &limit, err);
    }
    return rc != 0 ? rc : events_page(r, &f, no, seq, limit, err);
}

/* The event that the path names. */
static int
event_load(struct request *r, struct log_row *ret_log, uint64_t *ret_seq, struct err *err)
{
    struct log_id id;
    int rc = param_hex(r, 0, "log", id.b, HASH_BYTES, err);

    if (rc == 0) {
        rc = param_uint(r, 1, "event", ret_seq, err);
    }
    if (rc == 0) {
        rc = evlog_find(r->txn, &id, ret_log, err);
    }
    if (rc == ERR_NOTFOUND || (rc == 0 && (*ret_seq == 0 || *ret_seq > ret_log->head_seq))) {
        return err_set(err, ERR_NOTFOUND, "no such event");
    }
    return rc;
}

int
get_event(struct request *r, struct err *err)
{
    struct log_row log;
    struct stored_event e;
    uint64_t seq;

    int rc = event_load(r, &log, &seq, err);
    if (rc == 0) {
        rc = evlog_event(r->txn, log.no, seq, &e, err);
    }
    if (rc != 0) {
        return rc;
    }
    struct json_out j = reply_json(r, MHD_HTTP_OK);
    return put_event(r, &j, &log, seq, &e, err);
}

int
get_receipt(struct request *r, struct err *err)
{
    struct log_row log;
    struct receipt receipt;
    struct buf scratch;
    uint64_t seq;

    int rc = event_load(r, &log, &seq, err);
    if (rc != 0) {
        return rc;
    }
    buf_init(&scratch, RECEIPT_BYTES_MAX);
    rc = evlog_receipt(r->txn, &log, seq, &scratch, &receipt, err);
    if (rc == 0) {
        buf_clear(r->out);
        rc = receipt_write(&receipt, r->out, err);
        r->status = MHD_HTTP_OK;
        r->content_type = "text/plain; charset=utf-8";
    }
    buf_free(&scratch);
    return rc;
}

static const char *
entity_text(uint8_t type)
{
    switch (type) {
    case ENTITY_MEMBER: return "member";
    case ENTITY_OFFICE: return "office";
    case ENTITY_UNIT: return "unit";
    case ENTITY_ACTIVITY: return "activity";
    case ENTITY_INVOICE: return "invoice";
    case ENTITY_ACCESS: return "access";
    case ENTITY_POSTING: return "posting";
    default: return "unknown";
    }
}

static void
put_conflict(struct request *r, struct json_out *j, struct slice key, struct slice value)
{
    struct position at;
    struct log_row log;
    char code[UNIT_CODE_MAX];

    const uint8_t *position = key.data + 1 + KEY_ENTITY;
    memcpy(at.log.b, position, HASH_BYTES);
    at.seq = be64_get(position + HASH_BYTES);
    json_open(j, '{');
    put_position(j, &at);
    if (evlog_find(r->txn, &at.log, &log, NULL) == 0) {
        unit_code_of(r, &log.unit, code);
        json_put_text(j, "unit", code);
    }
    json_put_text(j, "entity", entity_text(key.data[0]));
    json_put_hex(j, "id", key.data + 1, ID_BYTES);
    json_put_text(j, "reason", void_reason_text(value.len == 1 ? (enum void_reason)value.data[0] : VOID_NONE));
    json_close(j, '}');
}

int
get_conflicts(struct request *r, struct err *err)
{
    uint8_t from[KEY_CONFLICT] = {0};
    struct db_cursor *c = NULL;
    struct slice key = {0}, value;
    size_t limit = 0, n = 0;
    bool has_after = false;

    int rc = query_limit(r, &limit, err);
    if (rc == 0) {
        rc = query_hex(r, "after", from, sizeof(from), &has_after, err);
    }
    if (rc == 0) {
        rc = db_cursor_open(r->txn, TABLE_CONFLICTS, &c, err);
    }
    if (rc != 0) {
        return rc;
    }
    struct json_out j = reply_json(r, MHD_HTTP_OK);
    json_open(&j, '{');
    json_key(&j, "conflicts");
    json_open(&j, '[');
    rc = db_cursor_seek(c, slice_of(from, sizeof(from)), &key, &value, err);
    if (rc == 0 && has_after && slice_eq(key, slice_of(from, sizeof(from)))) {
        rc = db_cursor_next(c, &key, &value, err);
    }
    while (rc == 0 && n < limit) {
        if (key.len == KEY_CONFLICT) {
            put_conflict(r, &j, key, value);
            memcpy(from, key.data, sizeof(from));
            n++;
        }
        rc = db_cursor_next(c, &key, &value, err);
    }
    json_close(&j, ']');
    json_key(&j, "next");
    if (rc == 0) {
        json_hex(&j, from, sizeof(from));
    } else {
        json_none(&j);
    }
    json_close(&j, '}');
    db_cursor_close(&c);
    return rc == ERR_NOTFOUND ? 0 : rc;
}
