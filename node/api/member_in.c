/* Operations on members and offices (activities and invoices: work_in.c) as they are asked for: in a request of their own or as a line of
 * a batch. One table for both. */
#include "node/api/request.h"
#include "node/command/names.h"

enum {
    F_CATEGORY = 1,
    F_TYPE = 2,
    F_OFFICE = 4,
    F_SHARES = 8,
    F_PERSON = 16,
    F_PRICE = 32,
    F_AMOUNT = 64,
    F_OTHER = 128,
    F_PURPOSE = 256,
    F_VERSION = 512,
    F_APPLICATION = F_CATEGORY | F_TYPE | F_OFFICE | F_PERSON
};

struct member_op {
    const char *name;   /* in a batch */
    const char *suffix; /* of the route; NULL = none of its own */
    enum member_action action;
    unsigned allowed, required;
    bool makes_member; /* without an id: a new one */
};

static const struct member_op member_ops[] = {
    {"member.apply", NULL, ACTION_APPLY, F_APPLICATION, F_CATEGORY | F_TYPE | F_OFFICE, true},
    {"member.admit", "/admit", ACTION_ADMIT, F_APPLICATION | F_SHARES | F_PRICE,
     F_CATEGORY | F_TYPE | F_OFFICE | F_SHARES, true},
    {"member.shares", "/shares", ACTION_SUBSCRIBE, F_SHARES | F_PRICE, F_SHARES, false},
    {"member.category", NULL, ACTION_CHANGE_CATEGORY, F_CATEGORY, F_CATEGORY, false},
    {"member.data", NULL, ACTION_CHANGE_DATA, F_OFFICE | F_PERSON, 0, false},
    {"member.refuse", "{id}/refuse", ACTION_REFUSE, 0, 0, false},
    {"member.withdrawal", "{id}/withdrawal", ACTION_REQUEST_WITHDRAWAL, 0, 0, false},
    {"member.withdrawal.grant", "/withdrawal/grant", ACTION_GRANT_WITHDRAWAL, 0, 0, false},
    {"member.withdrawal.refuse", "/withdrawal/refuse", ACTION_REFUSE_WITHDRAWAL, 0, 0, false},
    {"member.resign", "/resign", ACTION_RESIGN, 0, 0, false},
    {"member.exclude", "/exclude", ACTION_EXCLUDE, 0, 0, false},
    {"member.death", "/death", ACTION_DECEASE, 0, 0, false},
    {"member.repay", "/repayments", ACTION_REPAY, F_SHARES | F_AMOUNT, F_SHARES, false},
    {"member.representative", "/representatives", ACTION_NAME_REPRESENTATIVE, F_OTHER | F_PERSON, 0, false},
    {"member.representative.end", NULL, ACTION_END_REPRESENTATIVE, F_OTHER, F_OTHER, false},
    {"member.consent", "/consents", ACTION_GIVE_CONSENT, F_PURPOSE | F_VERSION, F_PURPOSE, false},
    {"member.consent.withdraw", NULL, ACTION_WITHDRAW_CONSENT, F_PURPOSE, F_PURPOSE, false},
};

static const struct member_op *
op_of_action(enum member_action action)
{
    for (size_t i = 0; i < ARRAY_LEN(member_ops); i++) {
        if (member_ops[i].action == action) {
            return &member_ops[i];
        }
    }
    return NULL;
}

static const struct member_op *
op_of_pattern(const char *pattern)
{
    size_t len = strlen(pattern);

    for (size_t i = 0; i < ARRAY_LEN(member_ops); i++) {
        size_t n = member_ops[i].suffix != NULL ? strlen(member_ops[i].suffix) : len + 1;
        if (n <= len && strcmp(pattern + len - n, member_ops[i].suffix) == 0) {
            return &member_ops[i];
        }
    }
    return NULL;
}

void
op_member_init(struct api_op *op, enum member_action action, uint16_t status)
{
    op_init(op, OP_MEMBER, status);
    op->member.request.action = action;
    op->member.request.effective = DATE_NONE;
    op->member.request.person.identity.birth_date = DATE_NONE;
}

static void
text_read(struct json_in *in, const char *key, struct person_text *t)
{
    (void)json_in_text(in, key, false, t->s, sizeof(t->s));
}

void
contact_read(struct json_in *part, struct person_contact *c)
{
    text_read(part, "email", &c->email);
    text_read(part, "phone", &c->phone);
    text_read(part, "street", &c->street);
    text_read(part, "postcode", &c->postcode);
    text_read(part, "city", &c->city);
    text_read(part, "country", &c->country);
}

/* Each nested object is closed before the next is opened; its errors go up by themselves. */
void
person_read(struct json_in *in, struct person_input *p)
{
    struct json_in person, part;

    if (!json_in_object(in, "person", &person)) {
        return;
    }
    if (json_in_object(&person, "identity", &part)) {
        p->has_identity = true;
        text_read(&part, "member_no", &p->identity.member_no);
        text_read(&part, "given_name", &p->identity.given_name);
        text_read(&part, "family_name", &p->identity.family_name);
        text_read(&part, "legal_name", &p->identity.legal_name);
        text_read(&part, "language", &p->identity.language);
        (void)json_in_date(&part, "birth_date", false, &p->identity.birth_date);
        (void)!json_in_done(&part);
    }
    if (json_in_object(&person, "contact", &part)) {
        p->has_contact = true;
        contact_read(&part, &p->contact);
        (void)!json_in_done(&part);
    }
    if (json_in_object(&person, "bank", &part)) {
        p->has_bank = true;
        text_read(&part, "iban", &p->bank.iban);
        (void)!json_in_done(&part);
    }
    (void)!json_in_done(&person);
}

void
numbered_read(struct json_in *in, const char *key, bool required,
              int (*parse)(const char *text, uint16_t *ret, struct err *err), uint16_t *ret)
{
    char text[64];
    uint16_t number;
    if (json_in_text(in, key, required, text, sizeof(text))) {
        struct err err = {0};
        if (parse(text, &number, &err) != 0) {
            json_in_fail(in, key, err.text);
        } else {
            *ret = number;
        }
    }
}

/* Prices of old days, and what was paid out: only where the unit's price of the day is not the one. */
static void
money_read(struct json_in *in, const struct member_op *m, struct member_request *q)
{
    uint64_t v = 0;
    if (m->allowed & F_PRICE && json_in_uint(in, "share_price_minor", false, SHARE_PRICE_MINOR_MAX, &v)) {
        q->has_price = true;
        q->share_price_minor = (int64_t)v;
    }
    if (m->allowed & F_AMOUNT && json_in_uint(in, "amount_minor", false, (uint64_t)REPAID_MINOR_MAX, &v)) {
        q->has_amount = true;
        q->amount_minor = (int64_t)v;
    }
    if (m->allowed & (F_PRICE | F_AMOUNT)) {
        (void)json_in_text(in, "currency", q->has_price, q->currency, sizeof(q->currency));
    }
}

static void
fields_read(struct json_in *in, const struct member_op *m, struct api_op *op)
{
    struct member_request *q = &op->member.request;
    /* What a correction does not say stays as it was. */
    const unsigned required = json_in_has(in, "corrects") ? 0 : m->required;
    size_t i;

    (void)json_in_date(in, "effective_on", false, &q->effective);
    if (m->allowed & F_CATEGORY && json_in_choice(in, "category", required & F_CATEGORY, category_words, 3, &i)) {
        q->category = (uint8_t)(i + 1);
    }
    if (m->allowed & F_TYPE && json_in_choice(in, "person_type", required & F_TYPE, person_type_words, 2, &i)) {
        q->person_type = (uint8_t)(i + 1);
    }
    if (m->allowed & F_OFFICE) {
        (void)json_in_text(in, "office", required & F_OFFICE, op->member.office_text, sizeof(op->member.office_text));
    }
    if (m->allowed & F_SHARES) {
        q->has_shares = json_in_uint(in, "shares", required & F_SHARES, SHARES_MAX, &q->shares);
    }
    if (m->allowed & F_PERSON) {
        person_read(in, &q->person);
    }
    money_read(in, m, q);
    if (m->allowed & F_OTHER) {
        q->has_other = json_in_hex(in, "other", required & F_OTHER, q->other.b, ID_BYTES);
    }
    if (m->allowed & F_PURPOSE) {
        numbered_read(in, "purpose", required & F_PURPOSE, purpose_parse, &q->consent.purpose);
    }
    if (m->allowed & F_VERSION) {
        (void)json_in_text(in, "text_version", false, q->consent.text_version, sizeof(q->consent.text_version));
    }
    q->has_note = json_in_text(in, "note", false, q->note.s, sizeof(q->note.s));
    q->has_corrects = json_in_event(in, "corrects", false, &q->corrects);
    (void)json_in_bool(in, "adjusts_closed", &q->adjusts_closed);
}

int
post_members(struct request *r, struct err *err)
{
    static const char *const statuses[] = {"applied", "admitted"};
    struct json_in in;
    struct api_op *op;
    size_t which = 0;

    int rc = body_open(r, &in, err);
    if (rc != 0) {
        return rc;
    }
    rc = request_op(r, OP_MEMBER, MHD_HTTP_CREATED, &op, err);
    if (rc == 0) {
        (void)json_in_choice(&in, "status", true, statuses, 2, &which);
        op_member_init(op, which == 0 ? ACTION_APPLY : ACTION_ADMIT, MHD_HTTP_CREATED);
        fields_read(&in, op_of_action(op->member.request.action), op);
        op->member.ask = !op->member.request.has_corrects;
    }
    return json_in_end(&in, rc);
}

/* Id from the path and ETag from the head: what every change of an existing member has. */
static int
existing_read(struct request *r, struct api_op *op, struct err *err)
{
    struct member_request *q = &op->member.request;
    int rc = param_hex(r, 0, "member", q->subject.b, ID_BYTES, err);

    if (rc == 0) {
        rc = if_match_position(r, &q->if_match, err);
    }
    q->has_subject = true;
    q->has_if_match = true;
    return rc;
}

static int
change_read(struct request *r, struct json_in *in, const struct member_op *m, struct err *err)
{
    struct api_op *op;
    int rc = request_op(r, OP_MEMBER, MHD_HTTP_OK, &op, err);

    if (rc == 0) {
        op_member_init(op, m->action, MHD_HTTP_OK);
        rc = existing_read(r, op, err);
    }
    if (rc == 0) {
        fields_read(in, m, op);
        op->member.ask = m->action == ACTION_ADMIT && !op->member.request.has_corrects;
    }
    return rc;
}

int
post_member_action(struct request *r, struct err *err)
{
    const struct member_op *m = op_of_pattern(r->route->pattern);
    struct json_in in;

    MUST(m != NULL);
    int rc = body_open(r, &in, err);
    if (rc != 0) {
        return rc;
    }
    rc = change_read(r, &in, m, err);
    return json_in_end(&in, rc);
}

/* POST …/representatives/{person}/end, …/consents/{purpose}/withdraw: what is ended stands in the path. */
int
post_member_end(struct request *r, struct err *err)
{
    bool consent = strstr(r->route->pattern, "/consents/") != NULL;
    const struct member_op *m = op_of_action(consent ? ACTION_WITHDRAW_CONSENT : ACTION_END_REPRESENTATIVE);
    struct member_op without = *m;
    struct json_in in;
    struct subject_id other;
    uint64_t purpose = 0;

    int rc = consent ? param_uint(r, 1, "purpose", &purpose, err) : param_hex(r, 1, "person", other.b, ID_BYTES, err);
    if (rc == 0 && purpose > UINT16_MAX) {
        rc = err_field(err, ERR_INVALID, "purpose", "is a number up to %d", UINT16_MAX);
    }
    if (rc == 0) {
        rc = body_open(r, &in, err);
    }
    if (rc != 0) {
        return rc;
    }
    without.allowed = without.required = 0;
    rc = change_read(r, &in, &without, err);
    if (rc == 0) {
        struct member_request *q = &r->ops[0].member.request;
        q->has_other = !consent;
        q->consent.purpose = (uint16_t)purpose;
        if (!consent) {
            q->other = other;
        }
    }
    return json_in_end(&in, rc);
}

/* A category is an event of its own: a request that changes more is two, each with its ETag. */
int
patch_member(struct request *r, struct err *err)
{
    struct json_in in;

    int rc = body_open(r, &in, err);
    if (rc != 0) {
        return rc;
    }
    bool category = json_in_has(&in, "category");
    rc = change_read(r, &in, op_of_action(category ? ACTION_CHANGE_CATEGORY : ACTION_CHANGE_DATA), err);
    rc = json_in_end(&in, rc);
    if (rc == 0 && !category) {
        const struct api_op *op = &r->ops[0];
        const struct person_input *p = &op->member.request.person;
        if (op->member.office_text[0] == '\0' && !p->has_identity && !p->has_contact && !p->has_bank &&
            !op->member.request.has_note) {
            return err_set(err, ERR_INVALID, "nothing to change: give category, or office and person");
        }
    }
    return rc;
}

void
office_fields_read(struct json_in *in, bool required, struct office_facts *facts, struct civil_date *effective)
{
    *effective = DATE_NONE;
    (void)json_in_text(in, "name", required, facts->name.s, sizeof(facts->name.s));
    (void)json_in_text(in, "city", required, facts->city.s, sizeof(facts->city.s));
    (void)json_in_text(in, "country", required, facts->country, sizeof(facts->country));
    (void)json_in_date(in, "effective_on", false, effective);
}

static void
line_member_read(struct json_in *in, const struct member_op *m, struct api_op *op)
{
    char etag[ETAG_TEXT_MAX];

    op_member_init(op, m->action, m->makes_member ? MHD_HTTP_CREATED : MHD_HTTP_OK);
    struct member_request *q = &op->member.request;
    q->has_subject = json_in_hex(in, "id", false, q->subject.b, ID_BYTES);
    bool named =
        q->has_subject || json_in_text(in, "member_no", false, op->member.member_no, sizeof(op->member.member_no));
    if (!named && !m->makes_member) {
        json_in_fail(in, "id", "is missing: give the member's id, or member_no");
    }
    if (named) {
        op->status_on_success = MHD_HTTP_OK;
    }
    if (json_in_text(in, "if_match", false, etag, sizeof(etag))) {
        q->has_if_match = etag_position_parse(etag, &q->if_match, NULL) == 0;
        if (!q->has_if_match) {
            json_in_fail(in, "if_match", "not an ETag of a member");
        }
    }
    fields_read(in, m, op);
}

int
batch_line_read(struct slice line, struct api_op *op, char key[IDEM_KEY_BYTES_MAX + 1], struct err *err)
{
    struct json_in in;
    char name[32] = "";
    bool found = false;

    int rc = json_in_open(&in, line, err);
    if (rc != 0) {
        return rc;
    }
    key[0] = '\0';
    (void)json_in_text(&in, "op", true, name, sizeof(name));
    if (json_in_text(&in, "idempotency_key", false, key, IDEM_KEY_BYTES_MAX + 1) && key[0] == '\0') {
        json_in_fail(&in, "idempotency_key", "is empty");
    }
    for (size_t i = 0; i < ARRAY_LEN(member_ops) && !found; i++) {
        found = strcmp(member_ops[i].name, name) == 0;
        if (found) {
            line_member_read(&in, &member_ops[i], op);
        }
    }
    found = found || line_work_read(&in, name, op) || line_posting_read(&in, name, op);
    if (!found && strcmp(name, "office.open") == 0) {
        found = true;
        op_init(op, OP_OFFICE_OPEN, MHD_HTTP_CREATED);
        office_fields_read(&in, true, &op->office.facts, &op->office.effective);
    }
    if (!found) {
        json_in_fail(&in, "op", "is not an operation of a batch");
    }
    return json_in_done(&in);
}
