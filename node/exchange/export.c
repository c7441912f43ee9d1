/* An export's files, each whole or not at all, and the members' file. See export.h. */
#include "node/exchange/export.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "node/command/names.h"
#include "node/command/person_open.h"
#include "node/command/retention.h"
#include "node/command/rows.h"
#include "node/exchange/export_private.h"
#include "node/view/view.h"

enum { PAGE = 64 };

static const unsigned ALL_CLASSES = 1U << CLASS_IDENTITY | 1U << CLASS_CONTACT | 1U << CLASS_BANK;

int
export_row(struct exporter *x, struct err *err)
{
    int rc = sheet_row(&x->sheet, err);
    if (rc == 0 && x->o && x->o->progress)
        x->o->progress(x->o->progress_arg, x->file, x->sheet.rows);
    return rc;
}

void
export_person(struct exporter *x, const struct person_input *p)
{
    struct sheet *s = &x->sheet;
    if (p->has_identity) {
        sheet_text(s, COLUMN_MEMBER_NO, p->identity.member_no.s);
        sheet_text(s, COLUMN_GIVEN_NAME, p->identity.given_name.s);
        sheet_text(s, COLUMN_FAMILY_NAME, p->identity.family_name.s);
        sheet_text(s, COLUMN_LEGAL_NAME, p->identity.legal_name.s);
        sheet_text(s, COLUMN_LANGUAGE, p->identity.language.s);
        sheet_date(s, COLUMN_BIRTH_DATE, p->identity.birth_date);
    }
    if (p->has_contact) {
        sheet_text(s, COLUMN_EMAIL, p->contact.email.s);
        sheet_text(s, COLUMN_PHONE, p->contact.phone.s);
        sheet_text(s, COLUMN_STREET, p->contact.street.s);
        sheet_text(s, COLUMN_POSTCODE, p->contact.postcode.s);
        sheet_text(s, COLUMN_CITY, p->contact.city.s);
        sheet_text(s, COLUMN_COUNTRY, p->contact.country.s);
    }
    if (p->has_bank)
        sheet_text(s, COLUMN_IBAN, p->bank.iban.s);
}

uint16_t
export_hide(const struct member_row *row, struct person_input *p)
{
    uint16_t hidden = retention_restricted(row);
    p->has_identity = p->has_identity && (hidden & 1U << (CLASS_IDENTITY - 1)) == 0;
    p->has_contact = p->has_contact && (hidden & 1U << (CLASS_CONTACT - 1)) == 0;
    p->has_bank = p->has_bank && (hidden & 1U << (CLASS_BANK - 1)) == 0;
    return hidden;
}

int
export_hides(struct exporter *x, const struct subject_id *member, uint8_t class, bool *ret, struct err *err)
{
    struct member_row row;
    struct person_input none = {0};
    int rc = view_member(x->txn, member, &x->ctx.unit, &row, err);
    *ret = false;
    if (rc != 0)
        return rc == ERR_NOTFOUND ? 0 : rc; /* a guest's */
    *ret = export_hide(&row, &none) >> (class - 1) & 1;
    member_row_release(&row);
    return 0;
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
is_leaving(const struct member_entry *e)
{
    return e->kind == KIND_MEMBER_RESIGNED || e->kind == KIND_MEMBER_EXCLUDED || e->kind == KIND_MEMBER_DECEASED ||
           e->kind == KIND_WITHDRAWAL_GRANTED || (e->kind == KIND_HANDOVER_COMPLETED && !e->arrival) ||
           (e->kind == KIND_DOUBLE_SETTLED && e->settled == DOUBLE_THIS_GIVEN_UP);
}

/* No application, if what came of it was another membership. */
static struct civil_date
applied_on(const struct member_row *row, struct civil_date until)
{
    const struct member_entry *a = last_entry(row, KIND_APPLICATION_RECEIVED, until);
    for (size_t i = 0; a && i < row->n; i++) {
        const struct member_entry *e = &row->entries[i];
        if (is_leaving(e) && e->outcome == OUTCOME_APPLIED && e->effective.days >= a->effective.days &&
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
        bool buys = e->kind == KIND_MEMBER_ADMITTED || e->kind == KIND_SHARES_SUBSCRIBED || e->arrival;
        if (buys && e->outcome == OUTCOME_APPLIED && e->effective.days >= joined.days)
            sum += e->shares;
    }
    return sum;
}

static void
put_office(struct exporter *x, const struct office_id *id)
{
    struct place_row row;
    struct office_state state;
    struct err ignored;
    bool named = false;
    if (rows_office(&x->ctx, id, &row, &ignored) == 0) {
        named = office_state_at(&row, DATE_MAX, &state);
        place_row_release(&row);
    }
    if (named)
        sheet_text(&x->sheet, COLUMN_OFFICE, state.facts.name.s);
    else
        sheet_id(&x->sheet, COLUMN_OFFICE, id->b);
}

static void
put_dates(struct sheet *s, const struct member_row *row, const struct member_state *now)
{
    bool was_member = !date_is_none(now->joined_on);
    const struct member_entry *refusal = last_entry(row, KIND_APPLICATION_REFUSED, DATE_MAX);
    sheet_date(s, COLUMN_APPLIED_ON, applied_on(row, was_member ? now->joined_on : DATE_MAX));
    sheet_date(s, COLUMN_ADMITTED_ON, now->joined_on);
    if (!was_member && now->status == STATUS_REFUSED && refusal)
        sheet_date(s, COLUMN_REFUSED_ON, refusal->effective);
    if (was_member)
        sheet_int(s, COLUMN_SHARES, (int64_t)shares_taken(row, now->joined_on));
    if (now->status != STATUS_LEFT)
        return;
    sheet_date(s, COLUMN_LEFT_ON, now->left_on);
    sheet_text(s, COLUMN_LEFT_REASON, left_reason_name(now->left_reason));
}

/* Somebody of whom there is only what went wrong (a void event) is no member to anyone. */
static int
write_member(struct exporter *x, const struct member_row *row, struct err *err)
{
    struct person_input p;
    struct member_state now;
    member_state_at(row, DATE_MAX, &now);
    if (now.status == STATUS_NONE)
        return 0;
    int rc = person_open(x->txn, x->d->vault, row, ALL_CLASSES, &p, err);
    if (rc != 0)
        return rc;
    (void)export_hide(row, &p);
    x->nameless += !p.has_identity;
    sheet_id(&x->sheet, COLUMN_ID, row->subject.b);
    export_person(x, &p);
    person_wipe(&p, sizeof(p));
    if (now.person_type != 0)
        sheet_text(&x->sheet, COLUMN_TYPE, person_type_name(now.person_type));
    if (now.category != 0)
        sheet_text(&x->sheet, COLUMN_CATEGORY, category_name(now.category));
    put_office(x, &now.office);
    put_dates(&x->sheet, row, &now);
    return export_row(x, err);
}

static int
write_members(struct exporter *x, struct err *err)
{
    struct member_row *rows = calloc(PAGE, sizeof(*rows));
    struct subject_id after;
    bool started = false;
    size_t n = PAGE;
    int rc = rows ? 0 : err_set(err, ERR_NOMEM, "export: out of memory");
    while (rc == 0 && n == PAGE) {
        rc = view_members(x->txn, &x->ctx.unit, started ? &after : NULL, PAGE, rows, &n, err);
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

/* The id is the last column, so that its absence in a CSV file (that people look at) leaves the others as they are. */
const struct export_file export_members_file = {
    "members",
    TABLE_OF_MEMBERS,
    IMPORT_MEMBER_COLUMNS + 1,
    {COLUMN_MEMBER_NO,  COLUMN_TYPE,     COLUMN_CATEGORY, COLUMN_GIVEN_NAME,  COLUMN_FAMILY_NAME, COLUMN_LEGAL_NAME,
     COLUMN_BIRTH_DATE, COLUMN_LANGUAGE, COLUMN_EMAIL,    COLUMN_PHONE,       COLUMN_STREET,      COLUMN_POSTCODE,
     COLUMN_CITY,       COLUMN_COUNTRY,  COLUMN_IBAN,     COLUMN_OFFICE,      COLUMN_APPLIED_ON,  COLUMN_ADMITTED_ON,
     COLUMN_REFUSED_ON, COLUMN_SHARES,   COLUMN_LEFT_ON,  COLUMN_LEFT_REASON, COLUMN_ID},
    write_members,
};

/* ---- files ---- */

static void
exporter_init(struct exporter *x, struct datadir *d)
{
    *x = (struct exporter){
        .d = d, .ctx = {.vault = d->vault, .unit = d->identity.unit, .today = datadir_today(d), .random = random_fill}};
}

static int
write_file(struct exporter *x, const struct export_file *f, enum export_form form, size_t n_columns, FILE *to,
           struct err *err)
{
    x->nameless = 0;
    int rc = sheet_open(&x->sheet, to, form, f->columns, n_columns, err);
    if (rc == 0)
        rc = f->write(x, err);
    return rc;
}

int
export_members(struct datadir *d, enum export_form form, FILE *to, struct export_result *ret, struct err *err)
{
    const struct export_file *f = &export_members_file;
    struct exporter x;
    exporter_init(&x, d);
    int rc = db_begin_read(d->db, &x.txn, err);
    x.ctx.txn = x.txn;
    if (rc == 0)
        rc = write_file(&x, f, form, form == EXPORT_CSV ? IMPORT_MEMBER_COLUMNS : f->n_columns, to, err);
    db_abort(&x.txn);
    if (rc == 0)
        *ret = (struct export_result){.members = x.sheet.rows, .nameless = x.nameless};
    sheet_close(&x.sheet);
    return rc;
}

static const struct export_file *const FILES[EXPORT_FILES] = {
    &export_units_file,      &export_offices_file,  &export_members_file,  &export_operations_file, &export_shares_file,
    &export_activities_file, &export_invoices_file, &export_postings_file, &export_periods_file,
};

/* Written beside its place, then moved there. */
static int
write_to_dir(struct exporter *x, const struct export_file *f, const char *end, struct err *err)
{
    char path[PATH_BYTES_MAX], part[PATH_BYTES_MAX + 8];
    int n = snprintf(path, sizeof(path), "%s/%s.%s", x->o->dir, f->name, end);
    if (n < 0 || n >= (int)sizeof(path))
        return err_set(err, ERR_LIMIT, "%.100s…: path too long", x->o->dir);
    snprintf(part, sizeof(part), "%s.part", path);
    int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FILE *to = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!to)
        return err_errno(err, "%s", part);
    x->file = f->name;
    int rc = write_file(x, f, x->o->form, f->n_columns, to, err);
    if (rc == 0 && (fflush(to) != 0 || fsync(fd) != 0))
        rc = err_errno(err, "%s", part);
    fclose(to);
    if (rc == 0 && rename(part, path) != 0)
        rc = err_errno(err, "%s", path);
    if (rc != 0)
        unlink(part);
    return rc;
}

int
export_register(struct datadir *d, const struct export_options *o, struct export_written *ret, struct err *err)
{
    struct exporter x;
    exporter_init(&x, d);
    x.o = o;
    memset(ret, 0, sizeof(*ret));
    int rc = db_begin_read(d->db, &x.txn, err);
    x.ctx.txn = x.txn;
    for (size_t i = 0; rc == 0 && i < EXPORT_FILES; i++) {
        if (o->only != TABLE_OF_ANYTHING && FILES[i]->type != o->only)
            continue;
        rc = write_to_dir(&x, FILES[i], o->form == EXPORT_CSV ? "csv" : "ndjson", err);
        ret->files[ret->n].name = FILES[i]->name;
        ret->files[ret->n].rows = x.sheet.rows;
        ret->files[ret->n].nameless = x.nameless;
        ret->n++;
        sheet_close(&x.sheet);
    }
    db_abort(&x.txn);
    return rc;
}
