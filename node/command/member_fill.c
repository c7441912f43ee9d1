/* What the event of a request says in clear. See member_work.h. What is not given is as the event to be corrected has it, of an admission
 * also as the open application has it. */
#include "node/command/member_work.h"
#include "node/command/text.h"

static int fill_admission(struct work *w, struct err *err);
static int fill_price(struct work *w, uint64_t *ret_shares, int64_t *ret_price, char currency[CURRENCY_MAX],
                      struct err *err);
static int fill_category(struct work *w, struct err *err);
static int fill_data(struct work *w, struct err *err);
static int fill_repaid(struct work *w, struct err *err);
static int fill_representative(struct work *w, struct err *err);
static int fill_consent(struct work *w, struct err *err);

int
work_fill(struct work *w, struct err *err)
{
    struct event_payload *p = &w->d.payload;
    switch (w->req->action) {
    case ACTION_APPLY:
    case ACTION_ADMIT: return fill_admission(w, err);
    case ACTION_SUBSCRIBE:
        return fill_price(w, &p->shares.shares, &p->shares.share_price_minor, p->shares.currency, err);
    case ACTION_CHANGE_CATEGORY: return fill_category(w, err);
    case ACTION_CHANGE_DATA: return fill_data(w, err);
    case ACTION_REPAY: return fill_repaid(w, err);
    case ACTION_NAME_REPRESENTATIVE:
    case ACTION_END_REPRESENTATIVE: return fill_representative(w, err);
    case ACTION_GIVE_CONSENT:
    case ACTION_WITHDRAW_CONSENT: return fill_consent(w, err);
    case ACTION_REFUSE:
    case ACTION_REQUEST_WITHDRAWAL:
    case ACTION_GRANT_WITHDRAWAL:
    case ACTION_REFUSE_WITHDRAWAL:
    case ACTION_RESIGN:
    case ACTION_EXCLUDE:
    case ACTION_DECEASE: break;
    }
    return 0;
}

/* ---- admission, category, office ---- */

static int
fill_category(struct work *w, struct err *err)
{
    uint8_t category = w->req->category == 0 && w->base ? w->base->category : w->req->category;
    if (category < CATEGORY_A || category > CATEGORY_C)
        return err_field(err, ERR_INVALID, "category", "category: only A, B and C exist");
    w->d.payload.category = category;
    return 0;
}

static int
fill_data(struct work *w, struct err *err)
{
    const struct member_request *req = w->req;
    struct event_payload *p = &w->d.payload;
    const struct person_input *in = &req->person;
    if (!w->base && !req->has_office && !in->has_identity && !in->has_contact && !in->has_bank && !req->has_note)
        return err_field(err, ERR_INVALID, "person", "nothing to change was given");
    bool kept = !req->has_office && w->base && w->base->has_office;
    p->data.has_office = req->has_office || kept;
    p->data.office = kept ? w->base->office : req->office;
    return 0;
}

static int
fill_admission(struct work *w, struct err *err)
{
    const struct member_request *req = w->req;
    struct admission *a = &w->d.payload.admission;
    const struct member_entry *from = w->base;
    if (!from && req->action == ACTION_ADMIT)
        from = work_open_application(w);
    a->category = req->category == 0 && from ? from->category : req->category;
    a->person_type = req->person_type == 0 && from ? from->person_type : req->person_type;
    a->office = !req->has_office && from ? from->office : req->office;
    if (a->category < CATEGORY_A || a->category > CATEGORY_C)
        return err_field(err, ERR_INVALID, "category", "category: only A, B and C exist");
    if (a->person_type != PERSON_NATURAL && a->person_type != PERSON_LEGAL)
        return err_field(err, ERR_INVALID, "person_type", "person type: only natural and legal exist");
    if (!req->has_office && !from)
        return err_field(err, ERR_INVALID, "office", "office: missing");
    if (!w->found && !req->person.has_identity)
        return err_field(err, ERR_INVALID, a->person_type == PERSON_LEGAL ? "legal_name" : "family_name",
                         "a new member needs a name");
    if (req->action == ACTION_APPLY)
        return 0;
    return fill_price(w, &a->shares, &a->share_price_minor, a->currency, err);
}

/* ---- shares ---- */

static int
unit_price(struct work *w, int64_t *ret_price, char currency[CURRENCY_MAX], struct err *err)
{
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
    *ret_price = unit.share_price_minor;
    memcpy(currency, unit.currency, CURRENCY_MAX);
    return 0;
}

static int
fill_price(struct work *w, uint64_t *ret_shares, int64_t *ret_price, char currency[CURRENCY_MAX], struct err *err)
{
    const struct member_request *req = w->req;
    uint64_t shares = !req->has_shares && w->base ? w->base->shares : req->shares;
    if ((!req->has_shares && !w->base) || shares < 1 || shares > SHARES_MAX)
        return err_field(err, ERR_INVALID, "shares", "shares: a whole number from 1 to %d", SHARES_MAX);
    if (req->has_price && (req->share_price_minor < 1 || req->share_price_minor > SHARE_PRICE_MINOR_MAX))
        return err_field(err, ERR_INVALID, "share_price_minor", "share price: from 1 to %d minor units",
                         SHARE_PRICE_MINOR_MAX);
    *ret_shares = shares;
    if (w->base) {
        *ret_price = w->base->share_price_minor;
        memcpy(currency, w->base->currency, CURRENCY_MAX);
    } else if (!req->has_price || req->currency[0] == '\0') {
        int rc = unit_price(w, ret_price, currency, err);
        if (rc != 0)
            return rc;
    }
    if (req->has_price)
        *ret_price = req->share_price_minor;
    if (req->has_price && req->currency[0] != '\0')
        memcpy(currency, req->currency, CURRENCY_MAX);
    if (!currency_ok(currency))
        return err_field(err, ERR_INVALID, "currency", "currency: three capital letters such as EUR");
    return 0;
}

/* What the rules would say less clearly: why nothing can be repaid at all, and in which currency. */
static int
repaid_currency(struct work *w, char currency[CURRENCY_MAX], struct err *err)
{
    const struct member_state *s = &w->now;
    char day[DATE_TEXT_MAX];
    date_format(w->effective, day);
    if (w->req->currency[0] != '\0' || w->base) {
        memcpy(currency, w->req->currency[0] != '\0' ? w->req->currency : w->base->currency, CURRENCY_MAX);
        if (!currency_ok(currency))
            return err_field(err, ERR_INVALID, "currency", "currency: three capital letters such as EUR");
        return 0;
    }
    if (s->n_owed == 0)
        return err_field(err, ERR_CONFLICT, "shares", "shares: nothing is owed on %s%s", day,
                         s->status == STATUS_MEMBER ? ": shares are repaid to those who left" : "");
    if (s->n_owed > 1)
        return err_field(err, ERR_INVALID, "currency", "currency: shares in %s and in %s are owed; say which to repay",
                         s->owed[0].currency, s->owed[1].currency);
    memcpy(currency, s->owed[0].currency, CURRENCY_MAX);
    return 0;
}

/* What is owed on that day has the event to be corrected taken off already: so its amount stays, or a new one is needed. */
static int
repaid_as_before(const struct work *w, struct share_amount *a, struct err *err)
{
    a->amount_minor = w->base->amount_minor;
    if (a->shares == w->base->shares && memcmp(a->currency, w->base->currency, CURRENCY_MAX) == 0)
        return 0;
    return err_field(err, ERR_INVALID, "amount_minor", "amount: missing; other shares than before need their own");
}

static int
fill_repaid(struct work *w, struct err *err)
{
    const struct member_request *req = w->req;
    struct share_amount *a = &w->d.payload.repaid;
    a->shares = !req->has_shares && w->base ? w->base->shares : req->shares;
    if ((!req->has_shares && !w->base) || a->shares < 1 || a->shares > SHARES_HELD_MAX)
        return err_field(err, ERR_INVALID, "shares", "shares: how many are repaid, a whole number from 1");
    int rc = repaid_currency(w, a->currency, err);
    if (rc != 0)
        return rc;
    if (!req->has_amount && w->base)
        return repaid_as_before(w, a, err);
    a->amount_minor = req->amount_minor;
    /* If fewer are owed, the rules say how many. */
    if (!req->has_amount && !member_owed_for(&w->row, w->effective, a->currency, a->shares, &a->amount_minor))
        a->amount_minor = 0;
    if (a->amount_minor < 0 || a->amount_minor > REPAID_MINOR_MAX)
        return err_field(err, ERR_INVALID, "amount_minor", "amount: minor units from 0 to 10^15; repay more in parts");
    return 0;
}

/* ---- representatives, consents ---- */

static int
fill_representative(struct work *w, struct err *err)
{
    const struct member_request *req = w->req;
    struct subject_id *who = &w->d.payload.other;
    bool names = req->action == ACTION_NAME_REPRESENTATIVE;
    if (req->has_other)
        *who = req->other;
    else if (w->base)
        *who = w->base->other;
    else if (names)
        w->ctx->random(w->ctx->random_arg, who->b, sizeof(who->b));
    else
        return err_field(err, ERR_INVALID, "representative", "representative: whose time ends is missing");
    if (TYPE_EQ(who, &w->d.subject))
        return err_field(err, ERR_INVALID, "representative", "representative: nobody represents himself");
    if (names)
        w->d.key_subject = *who;
    return 0;
}

static int
fill_consent(struct work *w, struct err *err)
{
    const struct member_request *req = w->req;
    struct consent *c = &w->d.payload.consent;
    bool given = req->action == ACTION_GIVE_CONSENT;
    c->purpose = req->consent.purpose == 0 && w->base ? w->base->purpose : req->consent.purpose;
    if (c->purpose == 0)
        return err_field(err, ERR_INVALID, "purpose", "purpose: missing");
    if (!given && req->consent.text_version[0] != '\0')
        return err_field(err, ERR_INVALID, "text_version", "text version: goes with a consent that is given");
    if (given && req->consent.text_version[0] == '\0' && w->base) {
        memcpy(c->text_version, w->base->text_version, sizeof(c->text_version));
        return 0;
    }
    return text_clean(req->consent.text_version, "text_version", c->text_version, sizeof(c->text_version), err);
}
