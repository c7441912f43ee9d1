/* See export.h. */
#include "node/host/export.h"

#include <stdlib.h>

#include "node/api/json_out.h"
#include "node/command/names.h"
#include "node/command/person_open.h"
#include "node/host/import.h"
#include "node/host/person_read.h"
#include "node/view/view.h"

enum { PAGE = 64, OFFICES_MAX = 1024, LINE_BYTES_MAX = 65536, OFFICE_HEX = 33 };

static const unsigned ALL_CLASSES = 1U << CLASS_IDENTITY | 1U << CLASS_CONTACT | 1U << CLASS_BANK;

struct exporter {
    struct datadir *d;
    struct db_txn *txn;
    enum export_form form;
    FILE *to;
    struct office_info *offices;
    size_t n_offices;
    struct buf line;
    struct export_result result;
};

/* A member in the words of the columns; empty texts are left empty. */
struct cells {
    char applied[DATE_TEXT_MAX], admitted[DATE_TEXT_MAX], refused[DATE_TEXT_MAX], left[DATE_TEXT_MAX],
        birth[DATE_TEXT_MAX];
    char shares[24], office[NAME_BYTES_MAX + OFFICE_HEX];
    const char *columns[IMPORT_MEMBER_COLUMNS];
};

static void
put_date(char out[DATE_TEXT_MAX], struct civil_date d)
{
    if (date_is_none(d))
        out[0] = '\0';
    else
        date_format(d, out);
}

/* The last applied entry of a kind up to a day. */
static const struct member_entry *
last_entry(const struct member_row *row, uint16_t kind, struct civil_date until)
{
    const struct member_entry *found = NULL;
    for (size_t i = 0; i < row->n; i++) {
        const struct member_entry *e = &row->entries[i];
        if (e->kind == kind && e->outcome == OUTCOME_APPLIED && e->effective.days <= until.days &&
            (!found || e->effective.days >= found->effective.days))
            found = e;
    }
    return found;
}

static bool
is_leaving(uint16_t kind)
{
    return kind == KIND_MEMBER_RESIGNED || kind == KIND_MEMBER_EXCLUDED || kind == KIND_MEMBER_DECEASED ||
           kind == KIND_WITHDRAWAL_GRANTED;
}

/* No application, if what came of it was another membership. */
static struct civil_date
applied_on(const struct member_row *row, struct civil_date until)
{
    const struct member_entry *a = last_entry(row, KIND_APPLICATION_RECEIVED, until);
    for (size_t i = 0; a && i < row->n; i++) {
        const struct member_entry *e = &row->entries[i];
        if (is_leaving(e->kind) && e->outcome == OUTCOME_APPLIED && e->effective.days >= a->effective.days &&
            e->effective.days < until.days)
            return DATE_NONE;
    }
    return a ? a->effective : DATE_NONE;
}

static uint64_t
shares_taken(const struct member_row *row, struct civil_date joined)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < row->n; i++) {
        const struct member_entry *e = &row->entries[i];
        bool buys = e->kind == KIND_MEMBER_ADMITTED || e->kind == KIND_SHARES_SUBSCRIBED;
        if (buys && e->outcome == OUTCOME_APPLIED && e->effective.days >= joined.days)
            sum += e->shares;
    }
    return sum;
}

static void
office_text(const struct exporter *x, const struct office_id *id, char *out, size_t cap)
{
    char hex[HEX16_MAX];
    for (size_t i = 0; i < x->n_offices; i++) {
        if (TYPE_EQ(&x->offices[i].id, id)) {
            snprintf(out, cap, "%s", x->offices[i].state.facts.name.s);
            return;
        }
    }
    snprintf(out, cap, "%s", hex_encode(id->b, ID_BYTES, hex));
}

static void
fill_dates(struct cells *c, const struct member_row *row, const struct member_state *now)
{
    bool was_member = !date_is_none(now->joined_on);
    const struct member_entry *refusal = last_entry(row, KIND_APPLICATION_REFUSED, DATE_MAX);
    put_date(c->applied, applied_on(row, was_member ? now->joined_on : DATE_MAX));
    put_date(c->admitted, now->joined_on);
    put_date(c->refused, !was_member && now->status == STATUS_REFUSED && refusal ? refusal->effective : DATE_NONE);
    put_date(c->left, now->status == STATUS_LEFT ? now->left_on : DATE_NONE);
    if (was_member)
        snprintf(c->shares, sizeof(c->shares), "%llu", (unsigned long long)shares_taken(row, now->joined_on));
}

static void
fill(const struct exporter *x, const struct member_row *row, const struct person_input *p, struct cells *c)
{
    struct member_state now;
    memset(c, 0, sizeof(*c));
    member_state_at(row, DATE_MAX, &now);
    fill_dates(c, row, &now);
    office_text(x, &now.office, c->office, sizeof(c->office));
    put_date(c->birth, p->identity.birth_date);
    const char *const texts[IMPORT_MEMBER_COLUMNS] = {
        [COLUMN_MEMBER_NO] = p->identity.member_no.s,
        [COLUMN_TYPE] = now.person_type ? person_type_name(now.person_type) : "",
        [COLUMN_CATEGORY] = now.category ? category_name(now.category) : "",
        [COLUMN_GIVEN_NAME] = p->identity.given_name.s,
        [COLUMN_FAMILY_NAME] = p->identity.family_name.s,
        [COLUMN_LEGAL_NAME] = p->identity.legal_name.s,
        [COLUMN_BIRTH_DATE] = c->birth,
        [COLUMN_LANGUAGE] = p->identity.language.s,
        [COLUMN_EMAIL] = p->contact.email.s,
        [COLUMN_PHONE] = p->contact.phone.s,
        [COLUMN_STREET] = p->contact.street.s,
        [COLUMN_POSTCODE] = p->contact.postcode.s,
        [COLUMN_CITY] = p->contact.city.s,
        [COLUMN_COUNTRY] = p->contact.country.s,
        [COLUMN_IBAN] = p->bank.iban.s,
        [COLUMN_OFFICE] = c->office,
        [COLUMN_APPLIED_ON] = c->applied,
        [COLUMN_ADMITTED_ON] = c->admitted,
        [COLUMN_REFUSED_ON] = c->refused,
        [COLUMN_SHARES] = c->shares,
        [COLUMN_LEFT_ON] = c->left,
        [COLUMN_LEFT_REASON] = now.status == STATUS_LEFT ? left_reason_name(now.left_reason) : "",
    };
    memcpy(c->columns, texts, sizeof(texts));
}

static void
put_csv(struct exporter *x, const struct cells *c)
{
    for (int i = 0; i < IMPORT_MEMBER_COLUMNS; i++) {
        if (i > 0)
            buf_put_u8(&x->line, ',');
        text_put_csv(&x->line, c->columns[i]);
    }
    buf_put_u8(&x->line, '\n');
}

static void
put_object(struct exporter *x, const struct member_row *row, const struct cells *c)
{
    struct json_out j = json_out_of(&x->line);
    json_open(&j, '{');
    json_put_hex(&j, "id", row->subject.b, ID_BYTES);
    for (int i = 0; i < IMPORT_MEMBER_COLUMNS; i++)
        if (c->columns[i][0] != '\0')
            json_put_text(&j, import_column_names[i], c->columns[i]);
    json_close(&j, '}');
    buf_put_u8(&x->line, '\n');
}

static int
write_line(struct exporter *x, struct err *err)
{
    int rc = buf_check(&x->line, "export", err);
    if (rc == 0 && x->line.len > 0 && fwrite(x->line.data, 1, x->line.len, x->to) != x->line.len)
        rc = err_errno(err, "export");
    buf_clear(&x->line);
    return rc;
}

/* Somebody of whom there is only what went wrong (a void event) is no member to anyone. */
static int
write_member(struct exporter *x, const struct member_row *row, struct err *err)
{
    struct person_input p;
    struct cells c;
    struct member_state now;
    member_state_at(row, DATE_MAX, &now);
    if (now.status == STATUS_NONE)
        return 0;
    int rc = person_open(x->txn, x->d->vault, row, ALL_CLASSES, &p, err);
    if (rc != 0)
        return rc;
    x->result.members++;
    x->result.nameless += !p.has_identity;
    fill(x, row, &p, &c);
    if (x->form == EXPORT_CSV)
        put_csv(x, &c);
    else
        put_object(x, row, &c);
    person_wipe(&p, sizeof(p));
    person_wipe(&c, sizeof(c));
    return write_line(x, err);
}

static int
write_all(struct exporter *x, struct err *err)
{
    const struct unit_id *unit = &x->d->identity.unit;
    struct member_row *rows = calloc(PAGE, sizeof(*rows));
    struct subject_id after;
    bool started = false;
    size_t n = PAGE;
    int rc = rows ? 0 : err_set(err, ERR_NOMEM, "export: out of memory");
    while (rc == 0 && n == PAGE) {
        rc = view_members(x->txn, unit, started ? &after : NULL, PAGE, rows, &n, err);
        if (rc != 0)
            break;
        for (size_t i = 0; i < n; i++) {
            if (rc == 0)
                rc = write_member(x, &rows[i], err);
            after = rows[i].subject;
            member_row_release(&rows[i]);
        }
        started = true;
    }
    free(rows);
    return rc;
}

int
export_members(struct datadir *d, enum export_form form, FILE *to, struct export_result *ret, struct err *err)
{
    struct exporter x = {.d = d, .form = form, .to = to};
    buf_init(&x.line, LINE_BYTES_MAX);
    x.offices = calloc(OFFICES_MAX, sizeof(*x.offices));
    int rc = x.offices ? db_begin_read(d->db, &x.txn, err) : err_set(err, ERR_NOMEM, "export: out of memory");
    if (rc == 0)
        rc = view_offices(x.txn, &d->identity.unit, DATE_MAX, x.offices, OFFICES_MAX, &x.n_offices, err);
    for (int i = 0; rc == 0 && form == EXPORT_CSV && i < IMPORT_MEMBER_COLUMNS; i++) {
        text_put(&x.line, i > 0 ? "," : "");
        text_put(&x.line, import_column_names[i]);
    }
    if (rc == 0 && form == EXPORT_CSV)
        buf_put_u8(&x.line, '\n');
    if (rc == 0)
        rc = write_line(&x, err);
    if (rc == 0)
        rc = write_all(&x, err);
    db_abort(&x.txn);
    buf_free(&x.line);
    free(x.offices);
    if (rc == 0)
        *ret = x.result;
    return rc;
}
