/* A step of an import as a line of POST /v1/batch. See import_http.h. */
#include "node/api/json_out.h"
#include "node/command/names.h"
#include "node/host/import_http.h"

static const char *
op_name(enum member_action action)
{
    switch (action) {
    case ACTION_APPLY: return "member.apply";
    case ACTION_REFUSE: return "member.refuse";
    case ACTION_ADMIT: return "member.admit";
    case ACTION_REQUEST_WITHDRAWAL: return "member.withdrawal";
    case ACTION_GRANT_WITHDRAWAL: return "member.withdrawal.grant";
    case ACTION_RESIGN: return "member.resign";
    case ACTION_EXCLUDE: return "member.exclude";
    default: return "member.death";
    }
}

static void
put_given(struct json_out *j, const char *key, const struct person_text *t)
{
    if (t->s[0] != '\0')
        json_put_text(j, key, t->s);
}

static void
put_person(struct json_out *j, const struct person_input *p)
{
    json_key(j, "person");
    json_open(j, '{');
    json_key(j, "identity");
    json_open(j, '{');
    put_given(j, "member_no", &p->identity.member_no);
    put_given(j, "given_name", &p->identity.given_name);
    put_given(j, "family_name", &p->identity.family_name);
    put_given(j, "legal_name", &p->identity.legal_name);
    put_given(j, "language", &p->identity.language);
    if (!date_is_none(p->identity.birth_date))
        json_put_date(j, "birth_date", p->identity.birth_date);
    json_close(j, '}');
    json_key(j, "contact");
    json_open(j, '{');
    put_given(j, "email", &p->contact.email);
    put_given(j, "phone", &p->contact.phone);
    put_given(j, "street", &p->contact.street);
    put_given(j, "postcode", &p->contact.postcode);
    put_given(j, "city", &p->contact.city);
    put_given(j, "country", &p->contact.country);
    json_close(j, '}');
    json_key(j, "bank");
    json_open(j, '{');
    put_given(j, "iban", &p->bank.iban);
    json_close(j, '}');
    json_close(j, '}');
}

void
import_http_line(struct buf *b, const struct import_job *job, bool known)
{
    struct json_out j = json_out_of(b);
    const struct import_step *s = &job->row.steps[job->next];
    json_open(&j, '{');
    json_put_text(&j, "op", op_name(s->action));
    if (known)
        json_put_hex(&j, "id", job->subject.b, ID_BYTES);
    json_put_date(&j, "effective_on", s->on);
    if (s->action == ACTION_APPLY || s->action == ACTION_ADMIT) {
        json_put_text(&j, "category", category_name(job->row.category));
        json_put_text(&j, "person_type", person_type_name(job->row.type));
        json_put_hex(&j, "office", job->office->id.b, ID_BYTES);
        if (s->action == ACTION_ADMIT)
            json_put_uint(&j, "shares", job->row.shares);
        if (!known)
            put_person(&j, &job->row.person);
    }
    json_close(&j, '}');
    buf_put_u8(b, '\n');
}
