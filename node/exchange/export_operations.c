/* The register entry by entry, and its share register. See export.h. Entries are written in the order of their dates, over all members, so that
 * a merge finds both records as they were on its day; on one day in the order in which they were recorded, as the fold takes them. */
#include <stdlib.h>

#include "node/command/names.h"
#include "node/command/rows.h"
#include "node/exchange/export_private.h"
#include "node/host/entry_read.h"
#include "node/view/view.h"

enum { PAGE = 256, NO_VERB = VERB_POSTING_CHANGE + 1 };

/* Where an entry stands in the file; its member is read again when its turn comes. */
struct place {
    int32_t day;
    uint32_t depth, log_no;
    uint64_t seq; /* of the first event of its slot */
    struct subject_id subject;
    uint32_t entry;
    bool arrival;
};

struct places {
    size_t n, cap;
    struct place *all;
};

static int
compare_places(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->day != y->day)
        return x->day < y->day ? -1 : 1;
    if (x->arrival != y->arrival) /* §10: it comes before all else of its day */
        return x->arrival ? -1 : 1;
    if (x->depth != y->depth)
        return x->depth < y->depth ? -1 : 1;
    if (x->log_no != y->log_no)
        return x->log_no < y->log_no ? -1 : 1;
    return x->seq < y->seq ? -1 : x->seq > y->seq;
}

static int
add_place(struct places *p, const struct place *one, struct err *err)
{
    if (p->n == p->cap) {
        size_t cap = p->cap > 0 ? 2 * p->cap : 1024;
        struct place *all = realloc(p->all, cap * sizeof(*all));
        if (!all)
            return err_set(err, ERR_NOMEM, "export: out of memory");
        p->all = all;
        p->cap = cap;
    }
    p->all[p->n++] = *one;
    return 0;
}

/* The operation that an entry is in the file; NO_VERB: it is none. What only two units can say together, and what is erased or restricted, is
 * nothing that an import could repeat: docs/FILES.md. */
static unsigned
verb_of(const struct member_row *row, size_t i)
{
    const struct member_entry *e = &row->entries[i];
    for (unsigned action = ACTION_APPLY; action <= ACTION_WITHDRAW_CONSENT; action++)
        if (member_action_kind((enum member_action)action) == e->kind)
            return action;
    if (e->kind == KIND_MEMBER_MERGED)
        return VERB_MERGE;
    if (e->kind == KIND_HANDOVER_COMPLETED)
        return e->arrival ? VERB_ARRIVED : VERB_MOVED;
    if (e->kind != KIND_DOUBLE_SETTLED || e->settled != DOUBLE_THIS_GIVEN_UP)
        return NO_VERB;
    struct member_state before, then;
    member_state_at(row, (struct civil_date){e->effective.days - 1}, &before);
    member_state_at(row, e->effective, &then);
    bool left = then.status == STATUS_LEFT && then.left_reason == LEFT_DOUBLE &&
                then.left_on.days == e->effective.days && before.status == STATUS_MEMBER;
    for (size_t k = 0; k < i; k++) /* of several the first made her leave */
        left = left &&
               (row->entries[k].kind != KIND_DOUBLE_SETTLED || row->entries[k].outcome != OUTCOME_APPLIED ||
                row->entries[k].settled != DOUBLE_THIS_GIVEN_UP || row->entries[k].effective.days != e->effective.days);
    return left ? VERB_DOUBLE : NO_VERB;
}

/* What stands: the filler of every slot but the empty ones. The other half of a merge is written by the import of the first. */
static int
places_of(struct exporter *x, const struct member_row *row, struct places *p, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; i < row->n && rc == 0; i++) {
        const struct member_entry *first = &row->entries[i];
        struct log_row log;
        if (first->outcome != OUTCOME_APPLIED && first->outcome != OUTCOME_REPLACED)
            continue;
        bool slot_begins = true;
        size_t filler = member_slot_filler(row, i);
        for (size_t k = 0; k < i && slot_begins; k++)
            slot_begins = (row->entries[k].outcome != OUTCOME_APPLIED && row->entries[k].outcome != OUTCOME_REPLACED) ||
                          member_slot_filler(row, k) != filler;
        const struct member_entry *e = &row->entries[filler];
        if (!slot_begins || e->outcome != OUTCOME_APPLIED || e->kind == KIND_ENTRY_CANCELLED ||
            verb_of(row, filler) == NO_VERB)
            continue;
        rc = evlog_find(x->txn, &first->at.log, &log, err);
        if (rc == 0)
            rc = add_place(p,
                           &(struct place){.day = e->effective.days,
                                           .depth = log.depth,
                                           .log_no = log.no,
                                           .seq = first->at.seq,
                                           .subject = row->subject,
                                           .entry = (uint32_t)filler,
                                           .arrival = e->arrival},
                           err);
    }
    return rc;
}

static int
collect(struct exporter *x, struct places *p, struct err *err)
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
                rc = places_of(x, &rows[i], p, err);
            after = rows[i].subject;
            member_row_release(&rows[i]);
        }
        started = true;
    }
    free(rows);
    if (rc == 0 && p->n > 0)
        qsort(p->all, p->n, sizeof(*p->all), compare_places);
    return rc;
}

static bool
buys(const struct member_entry *e)
{
    return e->kind == KIND_MEMBER_ADMITTED || e->kind == KIND_SHARES_SUBSCRIBED || e->arrival;
}

static void
put_facts(struct sheet *s, const struct member_entry *e)
{
    char name[NUMBERED_NAME_MAX];
    bool repaid = e->kind == KIND_SHARES_REPAID, bought = buys(e);
    if (e->category != 0)
        sheet_text(s, COLUMN_CATEGORY, category_name(e->category));
    if (e->person_type != 0)
        sheet_text(s, COLUMN_PERSON_TYPE, person_type_name(e->person_type));
    if (e->has_office)
        sheet_id(s, COLUMN_OFFICE, e->office.b);
    if (repaid || bought) {
        sheet_int(s, COLUMN_SHARES, (int64_t)e->shares);
        sheet_text(s, COLUMN_CURRENCY, e->currency);
    }
    if (bought)
        sheet_money(s, COLUMN_SHARE_PRICE, e->share_price_minor, e->currency);
    if (repaid)
        sheet_money(s, COLUMN_AMOUNT, e->amount_minor, e->currency);
    if (e->has_other)
        sheet_id(s, COLUMN_OTHER, e->other.b);
    if (e->purpose != 0)
        sheet_text(s, COLUMN_PURPOSE, purpose_name(e->purpose, name));
    sheet_text(s, COLUMN_TEXT_VERSION, e->text_version);
}

/* Where she went or came from, for whoever reads the register that it is imported into; nothing where a note was made then. */
static void
note_unit(struct exporter *x, const struct member_entry *e, unsigned verb, struct person_note *note)
{
    const char *what = verb == VERB_MOVED     ? "moved to unit"
                       : verb == VERB_ARRIVED ? "came from unit"
                                              : "double of a record of unit";
    struct slice value;
    struct err ignored;
    struct place_row unit;
    if ((verb != VERB_MOVED && verb != VERB_ARRIVED && verb != VERB_DOUBLE) || note->s[0] != '\0' ||
        rows_get(&x->ctx, TABLE_UNITS, slice_of(e->home.b, sizeof(e->home.b)), &value, &ignored) != 0 ||
        place_row_decode(value, &e->home, NULL, &unit, &ignored) != 0)
        return;
    snprintf(note->s, sizeof(note->s), "%s %s", what, unit.unit_code);
    place_row_release(&unit);
}

/* The name of who arrived came with what the unit said next: that it received her. */
static int
read_person(struct exporter *x, const struct member_row *row, size_t i, struct person_input *ret, struct err *err)
{
    const struct member_entry *arrival = &row->entries[i];
    for (size_t k = 0; arrival->arrival && k < row->n; k++) {
        const struct member_entry *e = &row->entries[k];
        if (e->kind == KIND_HANDOVER_RECEIVED && e->outcome == OUTCOME_APPLIED && e->n_refs == 1 &&
            TYPE_EQ(&e->refs[0].log, &arrival->at.log) && e->refs[0].seq == arrival->at.seq)
            i = k;
    }
    return entry_person_read(x->txn, x->d->vault, row, i, ret, err);
}

/* Somebody whose name is gone keeps a place in the figures: a register takes nobody in without a name. */
static void
name_nameless(struct exporter *x, const struct member_row *row, const struct member_entry *e, struct person_input *p)
{
    bool first = true;
    for (size_t i = 0; i < row->n && first; i++) {
        const struct member_entry *o = &row->entries[i];
        first = o == e || o->outcome != OUTCOME_APPLIED || o->kind != KIND_APPLICATION_RECEIVED ||
                o->effective.days > e->effective.days;
    }
    bool enters = e->kind == KIND_APPLICATION_RECEIVED || e->kind == KIND_MEMBER_ADMITTED || e->arrival;
    if (p->has_identity || !first || !enters)
        return;
    x->nameless++;
    p->has_identity = true;
    p->identity.birth_date = DATE_NONE;
    snprintf(e->person_type == PERSON_LEGAL ? p->identity.legal_name.s : p->identity.family_name.s,
             sizeof(p->identity.family_name.s), IMPORT_NO_NAME);
}

static int
write_operation(struct exporter *x, const struct place *place, struct err *err)
{
    struct member_row row;
    struct person_input p = {0};
    struct person_note note;
    int rc = view_member(x->txn, &place->subject, &x->ctx.unit, &row, err);
    if (rc != 0)
        return rc;
    const struct member_entry *e = &row.entries[place->entry];
    unsigned verb = verb_of(&row, place->entry);
    sheet_id(&x->sheet, COLUMN_ID, row.subject.b);
    sheet_text(&x->sheet, COLUMN_OP, import_verb_name(verb));
    sheet_date(&x->sheet, COLUMN_EFFECTIVE_ON, e->effective);
    if (verb != VERB_DOUBLE &&
        verb != VERB_MOVED) /* the other record and its reason, what the new home took: not of this register */
        put_facts(&x->sheet, e);
    rc = read_person(x, &row, place->entry, &p, err);
    if (rc == 0)
        rc = entry_note_read(x->txn, x->d->vault, &row, place->entry, &note, err);
    if (rc == 0) {
        if (export_hide(&row, &p) >> (CLASS_NOTE - 1) & 1)
            person_wipe(&note, sizeof(note));
        note_unit(x, e, verb, &note);
        name_nameless(x, &row, e, &p);
        export_person(x, &p);
        sheet_text(&x->sheet, COLUMN_NOTE, note.s);
        rc = export_row(x, err);
        person_wipe(&note, sizeof(note));
    }
    person_wipe(&p, sizeof(p));
    member_row_release(&row);
    return rc;
}

static int
write_operations(struct exporter *x, struct err *err)
{
    struct places p = {0};
    int rc = collect(x, &p, err);
    for (size_t i = 0; rc == 0 && i < p.n; i++)
        rc = write_operation(x, &p.all[i], err);
    free(p.all);
    return rc;
}

const struct export_file export_operations_file = {
    "operations",
    TABLE_OF_OPERATIONS,
    27,
    {COLUMN_ID,          COLUMN_MEMBER_NO,   COLUMN_OP,         COLUMN_EFFECTIVE_ON, COLUMN_CATEGORY,
     COLUMN_PERSON_TYPE, COLUMN_OFFICE,      COLUMN_SHARES,     COLUMN_SHARE_PRICE,  COLUMN_AMOUNT,
     COLUMN_CURRENCY,    COLUMN_OTHER,       COLUMN_PURPOSE,    COLUMN_TEXT_VERSION, COLUMN_NOTE,
     COLUMN_GIVEN_NAME,  COLUMN_FAMILY_NAME, COLUMN_LEGAL_NAME, COLUMN_BIRTH_DATE,   COLUMN_LANGUAGE,
     COLUMN_EMAIL,       COLUMN_PHONE,       COLUMN_STREET,     COLUMN_POSTCODE,     COLUMN_CITY,
     COLUMN_COUNTRY,     COLUMN_IBAN},
    write_operations,
};

/* ---- the share register ---- */

static int
write_share(struct exporter *x, const struct share_operation *op, const struct share_line *l, struct err *err)
{
    bool repaid = op->kind == KIND_SHARES_REPAID;
    bool bought = op->kind == KIND_MEMBER_ADMITTED || op->kind == KIND_SHARES_SUBSCRIBED;
    struct sheet *s = &x->sheet;
    if (!l->stands || (!repaid && !bought))
        return 0; /* what a leaving or a merge does to shares stands in the operations */
    int64_t shares = repaid ? l->repaid_shares : l->shares, minor = repaid ? l->repaid_minor : l->minor;
    if (shares <= 0)
        return 0;
    sheet_id(s, COLUMN_ID, op->subject.b);
    sheet_int(s, COLUMN_NUMBER, (int64_t)op->number);
    sheet_text(s, COLUMN_OP, repaid ? "repaid" : "subscribed");
    sheet_date(s, COLUMN_EFFECTIVE_ON, l->effective);
    sheet_int(s, COLUMN_SHARES, shares);
    if (bought)
        sheet_money(s, COLUMN_SHARE_PRICE, minor / shares, l->currency);
    sheet_money(s, COLUMN_AMOUNT, minor, l->currency);
    sheet_text(s, COLUMN_CURRENCY, l->currency);
    return export_row(x, err);
}

static int
write_shares(struct exporter *x, struct err *err)
{
    struct share_operation *ops = calloc(PAGE, sizeof(*ops));
    uint64_t after = 0;
    uint8_t key[KEY_SHARE_OP];
    size_t n = PAGE;
    int rc = ops ? 0 : err_set(err, ERR_NOMEM, "export: out of memory");
    while (rc == 0 && n == PAGE) {
        rc = view_share_operations(x->txn, &x->ctx.unit, after, after > 0 ? key : NULL, PAGE, ops, &n, err);
        for (size_t i = 0; rc == 0 && i < n; i++) {
            for (size_t k = 0; rc == 0 && k < ops[i].n_lines; k++)
                rc = write_share(x, &ops[i], &ops[i].lines[k], err);
            after = ops[i].number;
            memcpy(key, ops[i].key, sizeof(key));
        }
    }
    free(ops);
    return rc;
}

const struct export_file export_shares_file = {
    "shares",
    TABLE_OF_SHARES,
    8,
    {COLUMN_ID, COLUMN_NUMBER, COLUMN_OP, COLUMN_EFFECTIVE_ON, COLUMN_SHARES, COLUMN_SHARE_PRICE, COLUMN_AMOUNT,
     COLUMN_CURRENCY},
    write_shares,
};
