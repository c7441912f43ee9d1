/* A step of an import as a line of POST /v1/batch. See import_http.h. */
#include "node/api/json_out.h"
#include "node/command/names.h"
#include "node/exchange/import_http.h"

static void
put_given(struct json_out *j, const char *key, const char *text)
{
    if (text[0] != '\0')
        json_put_text(j, key, text);
}

static void
put_person(struct json_out *j, const struct person_input *p)
{
    if (!p->has_identity && !p->has_contact && !p->has_bank)
        return;
    json_key(j, "person");
    json_open(j, '{');
    if (p->has_identity) {
        json_key(j, "identity");
        json_open(j, '{');
        put_given(j, "member_no", p->identity.member_no.s);
        put_given(j, "given_name", p->identity.given_name.s);
        put_given(j, "family_name", p->identity.family_name.s);
        put_given(j, "legal_name", p->identity.legal_name.s);
        put_given(j, "language", p->identity.language.s);
        if (!date_is_none(p->identity.birth_date))
            json_put_date(j, "birth_date", p->identity.birth_date);
        json_close(j, '}');
    }
    if (p->has_contact) {
        json_key(j, "contact");
        json_open(j, '{');
        put_given(j, "email", p->contact.email.s);
        put_given(j, "phone", p->contact.phone.s);
        put_given(j, "street", p->contact.street.s);
        put_given(j, "postcode", p->contact.postcode.s);
        put_given(j, "city", p->contact.city.s);
        put_given(j, "country", p->contact.country.s);
        json_close(j, '}');
    }
    if (p->has_bank) {
        json_key(j, "bank");
        json_open(j, '{');
        put_given(j, "iban", p->bank.iban.s);
        json_close(j, '}');
    }
    json_close(j, '}');
}

/* What a step of a member says beside the member; `first`: the row's own content goes with it. */
static void
put_member(struct json_out *j, const struct import_job *job, unsigned verb, bool first)
{
    const struct import_row *row = &job->row;
    bool table = row->type == TABLE_OF_MEMBERS, enters = verb == ACTION_APPLY || verb == ACTION_ADMIT;
    char name[NUMBERED_NAME_MAX];
    if (table && !enters)
        return;
    if (row->category != 0)
        json_put_text(j, "category", category_name(row->category));
    if (row->person_type != 0)
        json_put_text(j, "person_type", person_type_name(row->person_type));
    if (job->office)
        json_put_hex(j, "office", job->office->id.b, ID_BYTES);
    if (table ? verb == ACTION_ADMIT : row->has_shares)
        json_put_uint(j, "shares", row->shares);
    if (row->has_price)
        json_put_int(j, "share_price_minor", row->share_price_minor);
    if (row->has_amount)
        json_put_int(j, "amount_minor", row->amount_minor);
    if (row->has_price || row->has_amount)
        json_put_text(j, "currency", row->currency);
    if (row->has_other)
        json_put_hex(j, "other", row->other.b, ID_BYTES);
    if (row->consent.purpose != 0)
        json_put_text(j, "purpose", purpose_name(row->consent.purpose, name));
    put_given(j, "text_version", row->consent.text_version);
    put_given(j, "note", row->note.s);
    if (first)
        put_person(j, &row->person);
}

static void
put_who(struct json_out *j, const struct import_job *job, unsigned verb)
{
    const struct import_row *row = &job->row;
    if (job->has_subject)
        json_put_hex(j, "id", job->subject.b, ID_BYTES);
    else if (row->has_id)
        json_put_hex(j, "id", row->id.b, ID_BYTES);
    else if (verb != ACTION_APPLY && verb != ACTION_ADMIT)
        json_put_text(j, "member_no", row->member_no);
}

static void
put_activity(struct json_out *j, const struct import_job *job, const struct import_step *s)
{
    const struct import_row *row = &job->row;
    char name[NUMBERED_NAME_MAX];
    if (row->has_entity)
        json_put_bool(j, "as_recorded", true);
    if (job->has_subject || row->has_entity)
        json_put_hex(j, "activity", job->has_subject ? job->subject.b : row->entity.b, ID_BYTES);
    json_put_date(j, "effective_on", s->on);
    if (s->verb == VERB_ACTIVITY_CLOSE)
        return;
    if (s->verb == VERB_ACTIVITY_OPEN) {
        if (job->has_member || row->has_id)
            json_put_hex(j, "member", job->has_member ? job->member.b : row->id.b, ID_BYTES);
        else
            json_put_text(j, "member_no", row->member_no);
        put_given(j, "member_unit", row->member_unit);
        put_given(j, "activity_no", row->number.s);
    }
    if (row->has_sector)
        json_put_text(j, "sector", sector_name(row->sector, name));
    if (row->has_culture)
        json_put_bool(j, "culture", row->culture);
    if (job->office)
        json_put_hex(j, "office", job->office->id.b, ID_BYTES);
    put_given(j, "text", row->text.s);
}

static void
put_invoice(struct json_out *j, const struct import_job *job, const struct import_step *s)
{
    const struct import_row *row = &job->row;
    bool credit = s->verb == VERB_CREDIT;
    char name[NUMBERED_NAME_MAX];
    if (row->has_entity)
        json_put_bool(j, "as_recorded", true);
    if (job->has_subject || row->has_entity)
        json_put_hex(j, "invoice", job->has_subject ? job->subject.b : row->entity.b, ID_BYTES);
    else if (credit)
        json_put_text(j, "credits_no", row->credits_no.s);
    put_given(j, "invoice_no", row->number.s);
    json_put_date(j, "date", s->on);
    json_put_int(j, "amount_minor", row->amount_minor);
    if (row->has_contribution)
        json_put_int(j, "contribution_minor", row->contribution_minor);
    put_given(j, "client", row->client.s);
    put_given(j, "client_number", row->client_number.s);
    put_given(j, "text", row->text.s);
    if (credit)
        return;
    if (job->has_activity || row->has_activity)
        json_put_hex(j, "activity", job->has_activity ? job->activity.b : row->activity.b, ID_BYTES);
    else
        json_put_text(j, "activity_no", row->activity_no.s);
    put_given(j, "currency", row->currency);
    if (row->has_rate)
        json_put_uint(j, "rate_bp", row->rate_bp);
    if (row->has_sector)
        json_put_text(j, "sector", sector_name(row->sector, name));
    if (row->has_culture)
        json_put_bool(j, "culture", row->culture);
    if (job->office)
        json_put_hex(j, "office", job->office->id.b, ID_BYTES);
}

static void
put_posting(struct json_out *j, const struct import_job *job, const struct import_step *s)
{
    const struct import_row *row = &job->row;
    bool issue = s->verb == VERB_POSTING_ISSUE;
    if (row->has_entity)
        json_put_bool(j, "as_recorded", true);
    if (job->has_subject || row->has_entity)
        json_put_hex(j, "posting", job->has_subject ? job->subject.b : row->entity.b, ID_BYTES);
    if (issue && (job->has_member || row->has_id))
        json_put_hex(j, "member", job->has_member ? job->member.b : row->id.b, ID_BYTES);
    else if (issue)
        json_put_text(j, "member_no", row->member_no);
    json_put_text(j, "country", row->country);
    json_put_date(j, issue ? "from" : "effective_on", s->on);
    json_put_date(j, "to", row->to);
    if (issue || row->has_entity)
        put_given(j, "reference", row->number.s);
    put_given(j, "text", row->text.s);
}

/* The key is of what the row says and of the step, so that a line that is sent again is answered again and not carried out twice. */
static void
put_key(struct json_out *j, const struct import_job *job)
{
    enum { KEY_BYTES_SENT = 16 };
    char text[2 * KEY_BYTES_SENT + 1], key[sizeof(text) + 8];
    snprintf(key, sizeof(key), "%s-%zu", hex_encode(job->key, KEY_BYTES_SENT, text), job->next);
    json_put_text(j, "idempotency_key", key);
}

bool
import_http_line(struct buf *b, const struct import_job *job)
{
    struct json_out j = json_out_of(b);
    const struct import_step *s = &job->row.steps[job->next];
    if (import_verb_name(s->verb)[0] == '\0' && s->verb != VERB_CANCEL_INVOICE)
        return false;
    json_open(&j, '{');
    json_put_text(&j, "op", s->verb == VERB_CANCEL_INVOICE ? "invoice.cancel" : import_verb_name(s->verb));
    put_key(&j, job);
    if (s->verb == VERB_CANCEL_INVOICE) {
        json_put_hex(&j, "invoice", job->subject.b, ID_BYTES);
        json_key(&j, "event");
        json_open(&j, '{');
        json_put_hex(&j, "log", job->at.log.b, HASH_BYTES);
        json_put_uint(&j, "seq", job->at.seq);
        json_close(&j, '}');
    } else if (s->verb == VERB_INVOICE || s->verb == VERB_CREDIT) {
        put_invoice(&j, job, s);
    } else if (s->verb == VERB_POSTING_ISSUE || s->verb == VERB_POSTING_CHANGE) {
        put_posting(&j, job, s);
    } else if (s->verb >= VERB_ACTIVITY_OPEN) {
        put_activity(&j, job, s);
    } else {
        put_who(&j, job, s->verb);
        json_put_date(&j, "effective_on", s->on);
        put_member(&j, job, s->verb, job->row.type != TABLE_OF_MEMBERS || !job->has_subject);
    }
    json_close(&j, '}');
    buf_put_u8(b, '\n');
    return true;
}
