/* Everything that this node knows of one member, for the member: as JSON, which another system can read (the fields are listed in
 * docs/OPERATIONS.md "What is known of one person"), or as a page that a person can. Restricted classes are given to the member, and to nobody else. */
#include <stdlib.h>

#include "node/api/request.h"
#include "node/command/names.h"
#include "node/command/retention.h"
#include "storage/erasures.h"
#include "storage/keyslots.h"
#include "storage/openings.h"
#include "storage/taken.h"

enum { HISTORY_MAX = 256, WORK_STEP = 128, LOOKS_STEP = 256, HOMES_MAX = 64, ACCESS_STEP = 32, PLAIN_MAX = 8192 };

/* Units beside this one that are or were the home of a record of the person. */
struct other_homes {
    char codes[HOMES_MAX][UNIT_CODE_MAX];
    size_t n;
};

struct exporting {
    struct request *r;
    struct json_out *j;
    struct command_ctx ctx;
    struct subject_id subject;
    struct subject_id kept; /* the record that stands for the person: what is not of one record alone is asked of it */
    struct member_row own;
    bool has_own;
    uint16_t hidden; /* bit (class − 1): restricted, and the asker is not the member */
    struct other_homes *homes;
};

static bool
hides(const struct exporting *x, uint8_t class)
{
    return x->hidden >> (class - 1) & 1;
}

/* ---- records of every home ---- */

static void
add_home(struct exporting *x, const struct member_row *row, const struct member_state *last)
{
    struct other_homes *h = x->homes;
    char code[UNIT_CODE_MAX];
    bool known = false;
    unit_code_of(x->r, &row->unit, code);
    for (size_t i = 0; i < h->n; i++)
        known |= strcmp(h->codes[i], code) == 0;
    if (!known && !TYPE_EQ(&row->unit, &x->ctx.unit) && !date_is_none(last->joined_on) && h->n < HOMES_MAX)
        memcpy(h->codes[h->n++], code, sizeof(code));
}

static int
put_record(struct exporting *x, const struct member_row *row)
{
    struct member_state now;
    member_state_at(row, DATE_MAX, &now);
    add_home(x, row, &now);
    json_open(x->j, '{');
    member_state_write(x->r, x->j, row, &now);
    json_key(x->j, "events");
    json_open(x->j, '[');
    for (size_t i = 0; i < row->n; i++)
        member_entry_write(x->j, &row->entries[i]);
    json_close(x->j, ']');
    json_close(x->j, '}');
    return 0;
}

/* The rows of one subject are neighbours, a row for each unit that was the home. */
static int
put_records(struct exporting *x, struct err *err)
{
    struct db_cursor *cursor = NULL;
    struct slice key, value;
    size_t n = 0;
    json_key(x->j, "records");
    json_open(x->j, '[');
    int rc = db_cursor_open(x->r->txn, TABLE_MEMBERS, &cursor, err);
    if (rc == 0)
        rc = db_cursor_seek(cursor, slice_of(x->subject.b, ID_BYTES), &key, &value, err);
    for (; rc == 0 && n < HOMES_MAX; rc = db_cursor_next(cursor, &key, &value, err)) {
        struct unit_id unit;
        struct member_row row;
        if (key.len != KEY_MEMBER || memcmp(key.data, x->subject.b, ID_BYTES) != 0)
            break;
        memcpy(unit.b, key.data + ID_BYTES, sizeof(unit.b));
        member_row_init(&row, &unit, &x->subject);
        rc = member_row_decode(value, &unit, &x->subject, &row, err);
        if (rc == 0)
            rc = put_record(x, &row);
        n++;
        if (rc == 0 && TYPE_EQ(&unit, &x->ctx.unit)) {
            x->own = row;
            x->has_own = true;
        } else {
            member_row_release(&row);
        }
        if (rc != 0)
            break;
    }
    db_cursor_close(&cursor);
    json_close(x->j, ']');
    if (rc == ERR_NOTFOUND)
        rc = 0;
    if (rc == 0 && n == 0)
        rc = err_set(err, ERR_NOTFOUND, "no such member");
    return rc;
}

/* ---- what is in capsules ---- */

static void
put_place(struct exporting *x, const struct capsule_place *p)
{
    json_put_date(x->j, "from", p->effective);
    json_put_bool(x->j, "in_force", p->in_force);
    put_position(x->j, &p->at);
}

/* Every version of a class, former ones too: the person has a right to what is kept. */
static int
put_class(struct exporting *x, uint8_t class, const char *key, struct err *err)
{
    struct capsule_place places[HISTORY_MAX];
    int rc = 0;
    json_key(x->j, key);
    json_open(x->j, '[');
    size_t n = hides(x, class) ? 0 : member_capsule_history(&x->own, class, places, HISTORY_MAX);
    for (size_t i = 0; rc == 0 && i < n && i < HISTORY_MAX; i++) {
        struct person_input p;
        rc = person_load_at(x->r, &x->subject, &places[i].at, class, &p, err);
        if (rc != 0)
            break;
        if (p.has_identity || p.has_contact || p.has_bank) {
            json_open(x->j, '{');
            put_place(x, &places[i]);
            person_write(x->j, &p);
            json_close(x->j, '}');
        }
        person_wipe(&p, sizeof(p));
    }
    json_close(x->j, ']');
    return rc;
}

/* ERR_NOTFOUND: erased. */
static int
note_open(struct exporting *x, const struct position *at, struct person_note *ret, struct err *err)
{
    uint8_t room[PLAIN_MAX];
    struct log_row log;
    struct stored_event ev;
    struct event_header h;
    struct buf plain;
    struct slice capsule;
    buf_fixed(&plain, room, sizeof(room));
    int rc = evlog_find(x->r->txn, &at->log, &log, err);
    if (rc == 0)
        rc = evlog_event(x->r->txn, log.no, at->seq, &ev, err);
    if (rc == 0)
        rc = event_header_decode(ev.header, &h, err);
    if (rc != 0)
        return rc;
    rc = ERR_NOTFOUND;
    for (uint8_t i = 0; i < h.n_capsules && rc == ERR_NOTFOUND; i++) {
        if (h.capsules[i].class != CLASS_NOTE)
            continue;
        rc = capsules_get(x->r->txn, log.no, at->seq, i, &capsule, err);
        if (rc == 0)
            rc = keyslots_open(x->r->txn, x->ctx.vault, &x->subject, CLASS_NOTE, capsule, &plain, err);
        if (rc == 0)
            rc = person_note_decode(buf_slice(&plain), ret, err);
    }
    person_wipe(room, sizeof(room));
    return rc;
}

static int
put_notes(struct exporting *x, struct err *err)
{
    struct capsule_place places[HISTORY_MAX];
    int rc = 0;
    json_key(x->j, "notes");
    json_open(x->j, '[');
    size_t n = hides(x, CLASS_NOTE) ? 0 : member_capsule_history(&x->own, CLASS_NOTE, places, HISTORY_MAX);
    for (size_t i = 0; rc == 0 && i < n && i < HISTORY_MAX; i++) {
        struct person_note note;
        rc = note_open(x, &places[i].at, &note, err);
        if (rc == 0) {
            json_open(x->j, '{');
            put_place(x, &places[i]);
            json_put_text(x->j, "text", note.s);
            json_close(x->j, '}');
        }
        person_wipe(&note, sizeof(note));
        rc = rc == ERR_NOTFOUND ? 0 : rc;
    }
    json_close(x->j, ']');
    return rc;
}

static int
put_representatives(struct exporting *x, struct err *err)
{
    struct member_state now;
    int rc = 0;
    member_state_at(&x->own, DATE_MAX, &now);
    json_key(x->j, "representatives");
    json_open(x->j, '[');
    for (uint8_t i = 0; rc == 0 && i < now.n_representatives; i++) {
        struct person_input p;
        rc = person_load_representative(x->r, &x->own, &now.representatives[i], &p, err);
        if (rc != 0)
            break;
        json_open(x->j, '{');
        json_put_hex(x->j, "id", now.representatives[i].b, ID_BYTES);
        person_write(x->j, &p);
        json_close(x->j, '}');
        person_wipe(&p, sizeof(p));
    }
    json_close(x->j, ']');
    return rc;
}

/* ---- work ---- */

static int
put_work_of(struct exporting *x, bool invoices, struct err *err)
{
    struct subject_id found[WORK_STEP], after;
    size_t n = WORK_STEP;
    int rc = 0;
    json_key(x->j, invoices ? "invoices" : "activities");
    json_open(x->j, '[');
    for (bool first = true; rc == 0 && n == WORK_STEP && !hides(x, CLASS_ACTIVITY); first = false) {
        rc = work_of_member(&x->ctx, &x->kept, first ? NULL : &after, WORK_STEP, found, &n, err);
        for (size_t i = 0; rc == 0 && i < n; i++) {
            struct vault_link link;
            rc = vault_link_get(x->ctx.vault, &found[i], &link, err);
            if (rc == 0 && ((link.flags & LINK_INVOICE) != 0) == invoices)
                rc = work_write(x->r, x->j, invoices, &found[i], err);
            rc = rc == ERR_NOTFOUND ? 0 : rc; /* erased meanwhile, or not recorded yet */
        }
        if (n > 0)
            after = found[n - 1];
    }
    json_close(x->j, ']');
    return rc;
}

/* Taken along from the old home, and not opened here yet. */
static int
put_waiting(struct exporting *x, struct err *err)
{
    char name[NUMBERED_NAME_MAX], day[DATE_TEXT_MAX];
    size_t n = 0;
    if (hides(x, CLASS_ACTIVITY))
        return 0;
    struct taken_activity *list = calloc(TAKEN_MAX, sizeof(*list));
    if (list == NULL)
        return err_set(err, ERR_NOMEM, "export: out of memory");
    int rc = taken_list(x->ctx.vault, &x->subject, list, &n, err);
    if (rc == 0 && n > 0) {
        json_key(x->j, "activities_waiting");
        json_open(x->j, '[');
        for (size_t i = 0; i < n; i++) {
            json_open(x->j, '{');
            json_put_uint(x->j, "sector", list[i].sector);
            json_put_text(x->j, "sector_name", sector_name(list[i].sector, name));
            json_put_bool(x->j, "culture", list[i].culture);
            json_put_text(x->j, "text", list[i].title.s);
            date_format(list[i].month, day);
            day[7] = '\0';
            json_put_text(x->j, "from", day);
            json_close(x->j, '}');
        }
        json_close(x->j, ']');
    }
    person_wipe(list, TAKEN_MAX * sizeof(*list));
    free(list);
    return rc;
}

static int
put_postings(struct exporting *x, struct err *err)
{
    struct subject_id found[WORK_STEP], after;
    size_t n = WORK_STEP;
    int rc = 0;
    json_key(x->j, "postings");
    json_open(x->j, '[');
    for (bool first = true; rc == 0 && n == WORK_STEP && !hides(x, CLASS_ACTIVITY); first = false) {
        rc = postings_of_member(&x->ctx, &x->kept, first ? NULL : &after, WORK_STEP, found, &n, err);
        for (size_t i = 0; rc == 0 && i < n; i++) {
            rc = posting_write(x->r, x->j, &found[i], err);
            rc = rc == ERR_NOTFOUND ? 0 : rc; /* erased meanwhile, or not recorded yet */
        }
        if (n > 0)
            after = found[n - 1];
    }
    json_close(x->j, ']');
    return rc;
}

/* What hosts did, and said that the contact should be: guest records go by the activity links, under whose key they are. */
static int
put_at_hosts(struct exporting *x, struct err *err)
{
    json_key(x->j, "at_hosts");
    json_open(x->j, '[');
    int rc = hides(x, CLASS_ACTIVITY) ? 0 : visits_export(x->r, x->j, &x->subject, !hides(x, CLASS_CONTACT), err);
    json_close(x->j, ']');
    return rc;
}

/* ---- who may see it, who did ---- */

static void
put_access(struct exporting *x, const struct access_key *key, const struct access_state *s)
{
    char code[UNIT_CODE_MAX];
    unit_code_of(x->r, &key->unit, code);
    json_open(x->j, '{');
    json_put_hex(x->j, "id", key->access.b, ID_BYTES);
    json_put_text(x->j, "what", s->is_pass ? "pass" : "grant");
    json_put_text(x->j, "given_by", code);
    if (!s->is_pass) {
        unit_code_of(x->r, &s->facts.host, code);
        json_put_text(x->j, "host", code);
        json_put_uint(x->j, "purpose", s->facts.purpose);
    }
    put_erasable(x->j, "classes", s->facts.classes);
    json_put_date(x->j, "from", s->from);
    json_put_date(x->j, "until", s->facts.until);
    json_put_date(x->j, "revoked_on", s->revoked_on);
    json_close(x->j, '}');
}

static int
put_accesses(struct exporting *x, struct err *err)
{
    struct access_key keys[ACCESS_STEP], after;
    size_t n = ACCESS_STEP;
    int rc = 0;
    json_key(x->j, "access");
    json_open(x->j, '[');
    for (bool first = true; rc == 0 && n == ACCESS_STEP; first = false) {
        rc = access_of_member(x->r->txn, &x->subject, first ? NULL : &after, keys, ACCESS_STEP, &n, err);
        for (size_t i = 0; rc == 0 && i < n; i++) {
            struct access_row row;
            struct access_state s;
            rc = access_load(&x->ctx, &keys[i], &row, err);
            if (rc != 0)
                break;
            access_state_of(&row, &s);
            if (s.exists)
                put_access(x, &keys[i], &s);
            access_row_release(&row);
        }
        if (n > 0)
            after = keys[n - 1];
    }
    json_close(x->j, ']');
    return rc;
}

static int
put_openings(struct exporting *x, struct err *err)
{
    struct look looks[LOOKS_STEP], after;
    size_t n = LOOKS_STEP;
    int rc = 0;
    json_key(x->j, "openings");
    json_open(x->j, '[');
    for (bool first = true; rc == 0 && n == LOOKS_STEP; first = false) {
        rc = looks_list(x->ctx.vault, &x->subject, DATE_NONE, DATE_NONE, first ? NULL : &after, looks, LOOKS_STEP, &n,
                        err);
        for (size_t i = 0; rc == 0 && i < n; i++) {
            json_open(x->j, '{');
            json_put_date(x->j, "day", looks[i].day);
            json_put_hex(x->j, "actor", looks[i].actor.b, ID_BYTES);
            json_put_uint(x->j, "times", looks[i].count);
            json_close(x->j, '}');
        }
        if (n > 0)
            after = looks[n - 1];
    }
    json_close(x->j, ']');
    return rc;
}

/* ---- erasures ---- */

static void
put_restrictions(struct exporting *x)
{
    struct member_state now;
    json_key(x->j, "restrictions");
    json_open(x->j, '[');
    if (x->has_own) {
        member_state_at(&x->own, x->ctx.today, &now);
        for (uint8_t c = CLASS_IDENTITY; c <= CLASS_NOTE; c++) {
            if ((now.restricted >> (c - 1) & 1) == 0)
                continue;
            json_open(x->j, '{');
            json_put_text(x->j, "class", class_word(c));
            json_put_date(x->j, "until", now.restricted_until[c - 1]);
            json_put_bool(x->j, "left_out_here", hides(x, c));
            json_close(x->j, '}');
        }
    }
    json_close(x->j, ']');
}

static void
put_erasure_entries(struct exporting *x)
{
    json_key(x->j, "erasures");
    json_open(x->j, '[');
    for (size_t i = 0; x->has_own && i < x->own.n; i++) {
        const struct member_entry *e = &x->own.entries[i];
        if (e->kind != KIND_ERASURE_ORDERED || e->outcome != OUTCOME_APPLIED)
            continue;
        json_open(x->j, '{');
        json_put_date(x->j, "on", e->effective);
        put_erasable(x->j, "classes", e->classes);
        json_put_text(x->j, "ground", ground_word(e->ground));
        put_position(x->j, &e->at);
        json_close(x->j, '}');
    }
    json_close(x->j, ']');
}

/* ---- the whole ---- */

/* What is said of one record; the work of the person is told once, with the record that was asked for. */
static int
put_data(struct exporting *x, bool asked, struct err *err)
{
    int rc = put_class(x, CLASS_IDENTITY, "identity", err);
    if (rc == 0)
        rc = put_class(x, CLASS_CONTACT, "contact", err);
    if (rc == 0)
        rc = put_class(x, CLASS_BANK, "bank", err);
    if (rc == 0)
        rc = put_notes(x, err);
    if (rc == 0)
        rc = put_representatives(x, err);
    if (rc == 0 && asked)
        rc = put_work_of(x, false, err);
    if (rc == 0 && asked)
        rc = put_work_of(x, true, err);
    if (rc == 0)
        rc = put_waiting(x, err);
    if (rc == 0 && asked)
        rc = put_postings(x, err);
    if (rc == 0)
        rc = put_at_hosts(x, err);
    if (rc == 0)
        rc = put_openings(x, err);
    return rc;
}

/* Records are written; so is that somebody looks. */
static int
put_rest(struct exporting *x, bool asked, struct err *err)
{
    int rc = 0;
    if (x->has_own && x->ctx.vault != NULL)
        rc = put_data(x, asked, err);
    if (rc == 0)
        rc = put_accesses(x, err);
    if (rc == 0) {
        put_restrictions(x);
        put_erasure_entries(x);
    }
    if (rc == 0 && x->has_own && x->ctx.vault != NULL)
        rc = look_note(x->r, &x->subject, err);
    return rc;
}

static void
take_hidden(struct exporting *x)
{
    if (x->has_own)
        x->hidden = x->r->token.role == ROLE_MEMBER ? 0 : retention_restricted(&x->own);
}

/* Another record of the same person: what is kept under it is the person's, too. */
static int
put_merged_one(const struct exporting *x, const struct subject_id *record, struct err *err)
{
    struct exporting y = {.r = x->r, .j = x->j, .ctx = x->ctx, .subject = *record, .kept = x->kept, .homes = x->homes};
    json_open(y.j, '{');
    json_put_hex(y.j, "id", record->b, ID_BYTES);
    int rc = put_records(&y, err);
    take_hidden(&y);
    if (rc == 0)
        rc = put_rest(&y, false, err);
    if (y.has_own)
        member_row_release(&y.own);
    json_close(y.j, '}');
    return rc;
}

/* The record that stands for this one today: a merge of a day to come is none yet. */
static int
kept_today(const struct exporting *x, const struct subject_id *record, struct subject_id *ret, struct err *err)
{
    *ret = *record;
    for (size_t i = 0; i < ERASE_RECORDS_MAX; i++) {
        struct member_row row;
        struct member_state s;
        int rc = view_member(x->r->txn, ret, &x->ctx.unit, &row, err);
        if (rc != 0)
            return rc;
        member_state_at(&row, x->ctx.today, &s);
        member_row_release(&row);
        if (s.status != STATUS_MERGED)
            return 0;
        *ret = s.merged_into;
    }
    return 0;
}

/* Other records of the same person, which were merged. *ret_all = false: there are more of them. */
static int
put_merged(struct exporting *x, bool *ret_all, struct err *err)
{
    struct subject_id records[ERASE_RECORDS_MAX];
    size_t n = 0;
    json_key(x->j, "merged_records");
    json_open(x->j, '[');
    int rc = erase_records(&x->ctx, &x->subject, records, &n, err);
    *ret_all = rc != ERR_LIMIT;
    if (rc == ERR_LIMIT) {
        err_clear(err);
        rc = 0;
    }
    if (rc == 0)
        rc = kept_today(x, &x->subject, &x->kept, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct subject_id kept;
        rc = kept_today(x, &records[i], &kept, err);
        if (rc == 0 && TYPE_EQ(&kept, &x->kept) && !TYPE_EQ(&records[i], &x->subject))
            rc = put_merged_one(x, &records[i], err);
    }
    json_close(x->j, ']');
    return rc;
}

/* Whose an activity, invoice or posting is only the unit that wrote it knows: another home's are not here to be given. */
static void
put_not_included(struct exporting *x, bool all_records)
{
    char text[2048], homes[HOMES_MAX * (UNIT_CODE_MAX + 2)] = "";
    size_t n = 0;
    json_key(x->j, "other_homes");
    json_open(x->j, '[');
    for (size_t i = 0; i < x->homes->n; i++) {
        json_text(x->j, x->homes->codes[i], strlen(x->homes->codes[i]));
        n += (size_t)snprintf(homes + n, sizeof(homes) - n, "%s%s", i > 0 ? ", " : "", x->homes->codes[i]);
    }
    json_close(x->j, ']');
    snprintf(text, sizeof(text),
             "%s%s%s%sWhat hosts have not told this unit yet; ask those units. Figures in which nobody can be "
             "recognised. Copies of the vault that are kept for a limited time.",
             all_records ? ""
                         : "Other records of the person, which are too many: their ids are in the events, ask for "
                           "each. ",
             n > 0 ? "Activities, invoices, postings and former data of the other units that are or were the "
                     "member's home ("
                   : "",
             homes, n > 0 ? "); ask those units. " : "");
    json_put_text(x->j, "not_included", text);
}

static int
put_all(struct exporting *x, struct err *err)
{
    const struct api_deps *d = &x->r->api->deps;
    bool all = true;
    json_open(x->j, '{');
    json_put_text(x->j, "schema", "smartnode member export 1");
    json_put_time(x->j, "made_at", d->now_wall(d->arg));
    json_put_text(x->j, "made_by_unit", d->unit_code);
    json_put_hex(x->j, "id", x->subject.b, ID_BYTES);
    int rc = put_records(x, err);
    take_hidden(x);
    x->kept = x->subject;
    if (rc == 0 && x->has_own)
        rc = put_merged(x, &all, err);
    if (rc == 0)
        rc = put_rest(x, true, err);
    if (rc == 0)
        put_not_included(x, all);
    json_close(x->j, '}');
    return rc;
}

int
get_member_export(struct request *r, struct err *err)
{
    struct other_homes homes = {.n = 0};
    struct exporting x = {.r = r,
                          .homes = &homes,
                          .ctx = {.txn = r->txn,
                                  .vault = r->api->deps.vault,
                                  .unit = r->api->deps.unit,
                                  .today = r->api->deps.today(r->api->deps.arg)}};
    int rc = param_hex(r, 0, "member", x.subject.b, ID_BYTES, err);
    if (rc == 0 && r->token.role == ROLE_MEMBER && !TYPE_EQ(&x.subject, &r->token.subject))
        rc = err_set(err, ERR_DENIED, "this token shows its own member only");
    if (rc != 0)
        return rc;
    struct json_out j = reply_json(r, MHD_HTTP_OK);
    x.j = &j;
    r->personal = true;
    rc = put_all(&x, err);
    if (x.has_own)
        member_row_release(&x.own);
    if (rc == 0 && wants_type(r, "text/html"))
        rc = page_from_json(r, "What is known of one member", err);
    return rc;
}
