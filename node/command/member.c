/* Requests about one member → drafts. See command.h. What is possible is said by node/rules alone; what is written here is only
 * what the rules cannot know: what the desk must give, where references point, what the share costs, which words are well
 * formed. */
#include "node/command/names.h"
#include "node/command/person.h"
#include "node/command/rows.h"

/* What one request gathers on its way to a draft. Holds personal data: released by work_release, which wipes. */
struct work {
    const struct command_ctx *ctx;
    const struct member_request *req;
    struct civil_date effective;
    bool found; /* the member has a row */
    struct member_row row;
    struct member_state now;    /* on the date of effect */
    struct member_state latest; /* with everything that is dated later, too */
    struct person_input person;
    struct draft d;
};

static int find_member(struct work *w, struct err *err);
static int check_match(const struct work *w, struct err *err);
static int fill(struct work *w, struct err *err);
static int fill_admission(struct work *w, struct err *err);
static int fill_price(struct work *w, uint64_t *ret_shares, int64_t *ret_price, char currency[CURRENCY_MAX],
                      struct err *err);
static int refer(struct work *w, struct err *err);
static int check_category(const struct work *w, struct err *err);
static int check_office(const struct work *w, struct err *err);
static int take_person(struct work *w, struct err *err);
static int check_rules(const struct work *w, struct err *err);
static int check_new_keys(struct work *w, struct err *err);

static void
work_release(struct work *w)
{
    member_row_release(&w->row);
    draft_release(&w->d);
    person_wipe(w, sizeof(*w));
}

int
command_member(const struct command_ctx *ctx, const struct member_request *req, struct draft *ret, struct err *err)
{
    struct work w = {.ctx = ctx, .req = req};
    struct subject_id none = {0};
    member_row_init(&w.row, &ctx->unit, &none);
    int rc = draft_date(ctx, req->effective, &w.effective, err);
    if (rc == 0)
        rc = find_member(&w, err);
    if (rc == 0)
        rc = check_match(&w, err);
    if (rc == 0)
        rc = fill(&w, err);
    if (rc == 0)
        rc = take_person(&w, err);
    if (rc == 0)
        rc = check_category(&w, err);
    if (rc == 0)
        rc = refer(&w, err);
    if (rc == 0)
        rc = check_office(&w, err);
    if (rc == 0)
        rc = check_new_keys(&w, err);
    if (rc == 0)
        rc = draft_check_payload(&w.d, err);
    if (rc == 0)
        rc = check_rules(&w, err);
    if (rc == 0) {
        *ret = w.d;
        w.d.n_capsules = 0; /* theirs now */
    }
    work_release(&w);
    return rc;
}

static bool
action_creates(enum member_action action)
{
    return action == ACTION_APPLY || action == ACTION_ADMIT;
}

static int
find_member(struct work *w, struct err *err)
{
    const struct member_request *req = w->req;
    struct subject_id subject = req->subject;
    if (req->has_subject) {
        struct member_row row;
        int rc = rows_member(w->ctx, &subject, &row, err);
        if (rc != 0)
            return rc;
        member_row_release(&w->row);
        w->row = row;
        w->found = true;
    } else if (action_creates(req->action)) {
        w->ctx->random(w->ctx->random_arg, subject.b, sizeof(subject.b));
        member_row_init(&w->row, &w->ctx->unit, &subject);
    } else {
        return err_field(err, ERR_INVALID, "subject", "which member is missing");
    }
    member_state_at(&w->row, w->effective, &w->now);
    member_state_at(&w->row, DATE_MAX, &w->latest);
    draft_init(&w->d, w->ctx, member_action_kind(req->action), &subject, w->effective);
    w->d.new_keys = !w->found;
    return 0;
}

static int
check_match(const struct work *w, struct err *err)
{
    if (!w->req->has_if_match)
        return 0;
    const struct position *seen = &w->req->if_match, *last = &w->latest.last_change;
    if (w->found && seen->seq == last->seq && TYPE_EQ(&seen->log, &last->log))
        return 0;
    return err_field(err, ERR_CONFLICT, "if-match", "the member was changed meanwhile");
}

static int
fill(struct work *w, struct err *err)
{
    struct event_payload *p = &w->d.payload;
    const struct member_request *req = w->req;
    switch (req->action) {
    case ACTION_APPLY:
    case ACTION_ADMIT: return fill_admission(w, err);
    case ACTION_SUBSCRIBE:
        return fill_price(w, &p->shares.shares, &p->shares.share_price_minor, p->shares.currency, err);
    case ACTION_CHANGE_CATEGORY:
        if (req->category < CATEGORY_A || req->category > CATEGORY_C)
            return err_field(err, ERR_INVALID, "category", "category: only A, B and C exist");
        p->category = req->category;
        return 0;
    case ACTION_CHANGE_DATA:
        if (!req->has_office && !req->person.has_identity && !req->person.has_contact && !req->person.has_bank)
            return err_field(err, ERR_INVALID, "person", "nothing to change was given");
        p->data.has_office = req->has_office;
        p->data.office = req->office;
        return 0;
    default: return 0;
    }
}

/* The open application on the date of effect, or the open request: the applied entry of that kind that the fold took last. */
static const struct member_entry *
newest(const struct work *w, uint16_t kind)
{
    const struct member_entry *found = NULL;
    for (size_t i = 0; i < w->row.n; i++) {
        const struct member_entry *e = &w->row.entries[i];
        if (e->kind == kind && e->outcome == OUTCOME_APPLIED && e->effective.days <= w->effective.days &&
            (!found || e->effective.days >= found->effective.days))
            found = e;
    }
    return found;
}

static const struct member_entry *
open_application(const struct work *w)
{
    return w->now.status == STATUS_APPLIED ? newest(w, KIND_APPLICATION_RECEIVED) : NULL;
}

/* What an admission does not say is as the application said it. */
static int
fill_admission(struct work *w, struct err *err)
{
    const struct member_request *req = w->req;
    struct admission *a = &w->d.payload.admission;
    const struct member_entry *application = req->action == ACTION_ADMIT ? open_application(w) : NULL;
    a->category = req->category == 0 && application ? application->category : req->category;
    a->person_type = req->person_type == 0 && application ? application->person_type : req->person_type;
    a->office = !req->has_office && application ? application->office : req->office;
    if (a->category < CATEGORY_A || a->category > CATEGORY_C)
        return err_field(err, ERR_INVALID, "category", "category: only A, B and C exist");
    if (a->person_type != PERSON_NATURAL && a->person_type != PERSON_LEGAL)
        return err_field(err, ERR_INVALID, "person_type", "person type: only natural and legal exist");
    if (!req->has_office && !application)
        return err_field(err, ERR_INVALID, "office", "office: missing");
    if (!w->found && !req->person.has_identity)
        return err_field(err, ERR_INVALID, a->person_type == PERSON_LEGAL ? "legal_name" : "family_name",
                         "a new member needs a name");
    if (req->action == ACTION_APPLY)
        return 0;
    return fill_price(w, &a->shares, &a->share_price_minor, a->currency, err);
}

static int
fill_price(struct work *w, uint64_t *ret_shares, int64_t *ret_price, char currency[CURRENCY_MAX], struct err *err)
{
    if (!w->req->has_shares || w->req->shares < 1 || w->req->shares > SHARES_MAX)
        return err_field(err, ERR_INVALID, "shares", "shares: a whole number from 1 to %d", SHARES_MAX);
    struct place_row row;
    struct unit_described unit;
    bool known = false;
    int rc = rows_unit(w->ctx, &row, err);
    if (rc != 0 && rc != ERR_NOTFOUND)
        return rc;
    if (rc == 0) {
        known = unit_state_at(&row, w->effective, &unit);
        place_row_release(&row);
    }
    if (!known)
        return err_field(err, ERR_CONFLICT, "unit", "the unit has no share price on that day");
    *ret_shares = w->req->shares;
    *ret_price = unit.share_price_minor;
    memcpy(currency, unit.currency, CURRENCY_MAX);
    return 0;
}

/* After the person, so that a legal name left out is named before what follows from the type. */
static int
check_category(const struct work *w, struct err *err)
{
    const struct admission *a = &w->d.payload.admission;
    if (!action_creates(w->req->action) || a->person_type != PERSON_LEGAL || a->category == CATEGORY_C)
        return 0;
    return err_field(err, ERR_INVALID, "category", "category: %s", void_reason_text(VOID_CATEGORY_PERSON));
}

/* §8: roles 3 and 4. The try of the rules would only say that a reference is missing; the desk is told why. */
static int
refer(struct work *w, struct err *err)
{
    const struct member_entry *target = NULL;
    switch (w->req->action) {
    case ACTION_ADMIT:
        target = open_application(w);
        return target ? draft_refer(&w->d, w->ctx, REF_APPLICATION, &target->at, err) : 0;
    case ACTION_REFUSE:
        target = open_application(w);
        if (!target)
            return err_field(err, ERR_CONFLICT, "effective_on", "effective_on: no application is open on that day");
        return draft_refer(&w->d, w->ctx, REF_APPLICATION, &target->at, err);
    case ACTION_GRANT_WITHDRAWAL:
    case ACTION_REFUSE_WITHDRAWAL:
        if (w->now.status == STATUS_MEMBER && w->now.request_open)
            target = newest(w, KIND_WITHDRAWAL_REQUESTED);
        if (!target)
            return err_field(err, ERR_CONFLICT, "effective_on",
                             "effective_on: no withdrawal request is open on that day");
        return draft_refer(&w->d, w->ctx, REF_REQUEST, &target->at, err);
    default: return 0;
    }
}

/* An office that the unit does not have is void by the rules; a closed one is only what no desk would mean. */
static int
check_office(const struct work *w, struct err *err)
{
    const struct event_payload *p = &w->d.payload;
    const struct office_id *office;
    if (action_creates(w->req->action))
        office = &p->admission.office;
    else if (w->req->action == ACTION_CHANGE_DATA && p->data.has_office)
        office = &p->data.office;
    else
        return 0;
    struct place_row row;
    int rc = rows_office(w->ctx, office, &row, err);
    if (rc != 0)
        return rc;
    struct office_state state;
    if (office_state_at(&row, w->effective, &state) && !state.open)
        rc = err_field(err, ERR_CONFLICT, "office", "the office is closed on that day");
    place_row_release(&row);
    return rc;
}

/* Encoded persons, whatever class. */
typedef int (*person_encode)(const void *p, struct buf *out, struct err *err);

static int
encode_identity(const void *p, struct buf *out, struct err *err)
{
    return person_identity_encode(p, out, err);
}

static int
encode_contact(const void *p, struct buf *out, struct err *err)
{
    return person_contact_encode(p, out, err);
}

static int
encode_bank(const void *p, struct buf *out, struct err *err)
{
    return person_bank_encode(p, out, err);
}

static int
add_capsule(struct draft *d, uint8_t class, person_encode encode, const void *p, struct err *err)
{
    MUST(d->n_capsules < DRAFT_CAPSULES_MAX);
    struct draft_capsule *c = &d->capsules[d->n_capsules++];
    c->class = class;
    buf_init(&c->plain, CAPSULE_BYTES_MAX);
    return encode(p, &c->plain, err);
}

/* Capsules of the classes given. Someone new without an address gets no capsule for it; for a known member an empty class is
 * the wish to have nothing there any more. */
static int
take_person(struct work *w, struct err *err)
{
    const struct person_input *in = &w->req->person;
    enum member_action action = w->req->action;
    if (!in->has_identity && !in->has_contact && !in->has_bank)
        return 0;
    if (!action_creates(action) && action != ACTION_CHANGE_DATA)
        return err_field(err, ERR_INVALID, "person", "personal data is changed by change_data");
    uint8_t type = action_creates(action) ? w->d.payload.admission.person_type : w->latest.person_type;
    int rc = person_check(in, type, w->ctx->today, &w->person, err);
    if (rc != 0)
        return rc;
    const struct person_input *p = &w->person;
    if (p->has_identity)
        rc = add_capsule(&w->d, CLASS_IDENTITY, encode_identity, &p->identity, err);
    if (rc == 0 && p->has_contact && (w->found || !person_contact_empty(&p->contact)))
        rc = add_capsule(&w->d, CLASS_CONTACT, encode_contact, &p->contact, err);
    if (rc == 0 && p->has_bank && (w->found || !person_bank_empty(&p->bank)))
        rc = add_capsule(&w->d, CLASS_BANK, encode_bank, &p->bank, err);
    return rc;
}

/* A member whose keys this node never had (it wrote no capsule about them) gets them with the first capsule. */
static int
check_new_keys(struct work *w, struct err *err)
{
    if (!w->found || w->d.n_capsules == 0)
        return 0;
    uint8_t from[ID_BYTES + 4] = {0};
    memcpy(from, w->d.subject.b, ID_BYTES);
    struct db_cursor *c;
    struct slice key, value;
    int rc = db_cursor_open(w->ctx->txn, TABLE_KEYSLOTS, &c, err);
    if (rc != 0)
        return rc;
    rc = db_cursor_seek(c, slice_of(from, sizeof(from)), &key, &value, err);
    w->d.new_keys = rc != 0 || key.len < ID_BYTES || memcmp(key.data, from, ID_BYTES) != 0;
    db_cursor_close(&c);
    return rc == ERR_NOTFOUND ? 0 : rc;
}

static int
check_rules(const struct work *w, struct err *err)
{
    struct event_header header;
    struct member_entry entry = {0};
    const struct position next = {0}; /* after everything in the row */
    struct member_world below, world;
    draft_world(w->ctx, &below, &world);
    draft_header(&w->d, &header);
    member_entry_from_event(&next, &header, &w->d.payload, &entry);
    return member_row_try(&w->row, &entry, &world, err);
}
