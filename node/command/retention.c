/* See retention.h. */
#include "node/command/retention.h"

#include "node/command/posting.h"
#include "storage/erasures.h"

static const char GROUND_CONTACT[] = "no longer needed for the purpose (GDPR Art. 5(1)(e), 17(1)(a))";
static const char GROUND_BANK[] = "no longer needed once everything is repaid (GDPR Art. 5(1)(e), 17(1)(a))";
static const char GROUND_REFUSED[] = "defence against claims of an applicant (GDPR Art. 6(1)(f), 17(3)(e))";
static const char GROUND_SET[] = "set by the unit";

enum {
    STEP = 256, /* of a walk over what is a member's */
    CONTACT_DAYS = 180,
    BANK_DAYS = 90,
    REFUSED_DAYS = 180,
    /* of the classes that are asked for; capsules of activity links stay */
    LISTED = 1 << (CLASS_IDENTITY - 1) | 1 << (CLASS_CONTACT - 1) | 1 << (CLASS_BANK - 1) | 1 << (CLASS_NOTE - 1),
};

/* Years from leaving for the register of members, years from the end of the year for accounting documents. Starting points for counsel. */
static const struct {
    char country[3];
    uint8_t register_years, work_years;
    const char *register_law, *work_law;
} COUNTRIES[] = {
    {"AT", 7, 7, "UGB § 212", "UGB § 212, BAO § 132"},
    {"BE", 10, 10, "old Civil Code Art. 2262bis (personal claims)",
     "Code of Economic Law Art. III.86, VAT Code Art. 60"},
    {"DE", 10, 10, "HGB § 257, GenG § 30", "HGB § 257, AO § 147, UStG § 14b"},
    {"ES", 6, 6, "Código de Comercio Art. 30", "Código de Comercio Art. 30, LGT Art. 66"},
    {"FR", 10, 10, "Code de commerce Art. L123-22", "Code de commerce Art. L123-22, LPF Art. L102 B"},
    {"HU", 8, 8, "Act C of 2000 § 169", "Act C of 2000 § 169"},
    {"IT", 10, 10, "Codice civile Art. 2220", "Codice civile Art. 2220"},
    {"NL", 7, 7, "BW 2:10", "AWR Art. 52, BW 2:10"},
    {"SE", 10, 7, "Lag (2018:672) om ekonomiska föreningar, ch. 5", "Bokföringslagen (1999:1078) ch. 7 § 2"},
};

void
retention_rules_of(const char *country, const struct retention_settings *settings, struct retention_rules *ret)
{
    *ret = (struct retention_rules){
        .v = {[RETAIN_CONTACT] = CONTACT_DAYS, [RETAIN_BANK] = BANK_DAYS, [RETAIN_REFUSED] = REFUSED_DAYS},
        .ground = {"longest period of the countries known", "longest period of the countries known", GROUND_CONTACT,
                   GROUND_BANK, GROUND_REFUSED}};
    for (size_t i = 0; i < ARRAY_LEN(COUNTRIES); i++) {
        if (COUNTRIES[i].register_years > ret->v[RETAIN_REGISTER])
            ret->v[RETAIN_REGISTER] = COUNTRIES[i].register_years;
        if (COUNTRIES[i].work_years > ret->v[RETAIN_WORK])
            ret->v[RETAIN_WORK] = COUNTRIES[i].work_years;
    }
    for (size_t i = 0; i < ARRAY_LEN(COUNTRIES); i++) {
        if (strcmp(COUNTRIES[i].country, country) != 0)
            continue;
        ret->v[RETAIN_REGISTER] = COUNTRIES[i].register_years;
        ret->v[RETAIN_WORK] = COUNTRIES[i].work_years;
        ret->ground[RETAIN_REGISTER] = COUNTRIES[i].register_law;
        ret->ground[RETAIN_WORK] = COUNTRIES[i].work_law;
    }
    for (size_t i = 0; i < RETAIN_N; i++) {
        ret->set[i] = settings->v[i] >= 0;
        if (!ret->set[i])
            continue;
        ret->v[i] = (uint32_t)settings->v[i];
        ret->ground[i] = GROUND_SET;
    }
}

static struct civil_date
later_of(struct civil_date a, struct civil_date b)
{
    return a.days > b.days ? a : b;
}

static struct civil_date
add_years(struct civil_date d, uint32_t years)
{
    int year, month, day;
    date_to_ymd(d, &year, &month, &day);
    return date_from_ymd(year + (int)years, month, day);
}

/* Last effective entry of a kind; DATE_NONE = none. */
static struct civil_date
last_of(const struct member_row *row, uint16_t kind)
{
    struct civil_date last = DATE_NONE;
    for (size_t i = 0; i < row->n; i++)
        if (row->entries[i].kind == kind && row->entries[i].outcome == OUTCOME_APPLIED)
            last = later_of(last, row->entries[i].effective);
    return last;
}

static struct retention_date
after_days(const struct retention_rules *rules, enum retention_what what, struct civil_date from)
{
    return (struct retention_date){true, {from.days + (int32_t)rules->v[what] + 1}, what};
}

/* Of who left: what each class waits for. */
static struct retention_date
left_due(const struct retention_rules *rules, const struct member_row *row, const struct member_state *s, uint8_t class,
         struct civil_date last_work)
{
    struct retention_date none = {.has = false};
    struct civil_date settled = later_of(s->left_on, last_of(row, KIND_SHARES_REPAID));
    int year, month, day;
    switch (class) {
    case CLASS_IDENTITY:
        return (struct retention_date){
            true, {add_years(s->left_on, rules->v[RETAIN_REGISTER]).days + 1}, RETAIN_REGISTER};
    case CLASS_ACTIVITY:
        if (date_is_none(last_work))
            return after_days(rules, RETAIN_CONTACT, s->left_on);
        date_to_ymd(last_work, &year, &month, &day);
        /* the day after the last one of the year that is so many years later */
        return (struct retention_date){true,
                                       later_of(date_from_ymd(year + (int)rules->v[RETAIN_WORK] + 1, 1, 1),
                                                (struct civil_date){s->left_on.days + 1}),
                                       RETAIN_WORK};
    case CLASS_BANK: return s->n_owed > 0 ? none : after_days(rules, RETAIN_BANK, settled);
    default: return s->n_owed > 0 ? none : after_days(rules, RETAIN_CONTACT, settled);
    }
}

struct retention_date
retention_due(const struct retention_rules *rules, const struct member_row *row, uint8_t class,
              struct civil_date last_work)
{
    struct member_state s;
    member_state_at(row, DATE_MAX, &s);
    if (s.status == STATUS_LEFT)
        return left_due(rules, row, &s, class, last_work);
    if (s.status == STATUS_REFUSED)
        return after_days(rules, RETAIN_REFUSED, last_of(row, KIND_APPLICATION_REFUSED));
    return (struct retention_date){.has = false};
}

bool
retention_holds(const struct member_row *row, uint8_t class)
{
    struct member_state s;
    struct position at;
    struct capsule_place place;
    member_state_at(row, DATE_MAX, &s);
    if (s.erased >> (class - 1) & 1)
        return false;
    if (class == CLASS_ACTIVITY)
        return true;
    if (class == CLASS_NOTE)
        return member_capsule_history(row, class, &place, 1) > 0;
    return member_capsule_position(row, class, &at);
}

/* Of one event of the row: classes of its capsules that no erasure took. */
static int
left_of(const struct command_ctx *ctx, const struct position *at, uint16_t of, uint16_t *ret, struct err *err)
{
    struct log_row log;
    struct stored_event ev;
    struct event_header h;
    int rc = evlog_find(ctx->txn, &at->log, &log, err);
    if (rc == 0 && !TYPE_EQ(&log.unit, &ctx->unit))
        return 0; /* not this unit's to erase */
    if (rc == 0)
        rc = evlog_event(ctx->txn, log.no, at->seq, &ev, err);
    if (rc == ERR_NOTFOUND) { /* of the open group */
        err_clear(err);
        return 0;
    }
    if (rc == 0)
        rc = event_header_decode(ev.header, &h, err);
    for (uint8_t i = 0; rc == 0 && i < h.n_capsules; i++) {
        uint8_t class = h.capsules[i].class;
        bool erased = true;
        if (class <= CLASS_NOTE && of >> (class - 1) & 1)
            rc = tombstone_find(ctx->txn, at, i, &erased, NULL, err);
        if (rc == 0 && !erased)
            *ret |= (uint16_t)(1U << (class - 1));
    }
    return rc;
}

int
retention_left_over(const struct command_ctx *ctx, const struct member_row *row, uint16_t *ret, struct err *err)
{
    struct member_state s;
    uint16_t left = 0;
    int rc = 0;
    member_state_at(row, DATE_MAX, &s);
    uint16_t of = s.erased & LISTED;
    for (size_t i = 0; rc == 0 && of != 0 && i < row->n; i++) {
        const struct member_entry *e = &row->entries[i];
        if (e->kind != KIND_REPRESENTATIVE_NAMED && e->outcome != OUTCOME_UNKNOWN && (e->capsule_mask & of) != 0)
            rc = left_of(ctx, &e->at, of, &left, err);
    }
    if (rc == 0)
        *ret = left;
    return rc;
}

int
retention_capsule_erased(struct db_txn *txn, const struct position *at, uint8_t class, bool *ret, struct err *err)
{
    struct log_row log;
    struct stored_event ev;
    struct event_header h;
    bool erased = false;
    int rc = evlog_find(txn, &at->log, &log, err);
    if (rc == 0)
        rc = evlog_event(txn, log.no, at->seq, &ev, err);
    if (rc == 0)
        rc = event_header_decode(ev.header, &h, err);
    for (uint8_t i = 0; rc == 0 && i < h.n_capsules; i++)
        if (h.capsules[i].class == class)
            rc = tombstone_find(txn, at, i, &erased, NULL, err);
    if (rc != 0 && rc != ERR_NOTFOUND)
        return rc;
    err_clear(err);
    *ret = erased;
    return 0;
}

uint16_t
retention_restricted(const struct member_row *row)
{
    struct member_state s;
    member_state_at(row, DATE_MAX, &s);
    return s.restricted;
}

struct civil_date
retention_erased_on(const struct member_row *row, uint8_t class)
{
    struct civil_date last = DATE_NONE;
    for (size_t i = 0; i < row->n; i++) {
        const struct member_entry *e = &row->entries[i];
        if (e->kind == KIND_ERASURE_ORDERED && e->outcome == OUTCOME_APPLIED && e->classes >> (class - 1) & 1)
            last = date_is_none(last) ? e->effective : later_of(last, e->effective);
    }
    return last;
}

int
retention_check_erased(const struct member_row *row, uint8_t class, struct civil_date on, const char *field,
                       struct err *err)
{
    static const char *const words[] = {"identity", "contact", "bank", "activity", "note"};
    struct civil_date erased = retention_erased_on(row, class);
    char day[DATE_TEXT_MAX];
    MUST(class >= CLASS_IDENTITY && class <= CLASS_NOTE);
    if (date_is_none(erased) || on.days >= erased.days)
        return 0;
    return err_field(err, ERR_CONFLICT, field,
                     "%s: %s was erased on %s; what is dated before that day is not entered again", field,
                     words[class - 1], date_format(erased, day));
}

/* Month of the last invoice; those that are nobody's any more are passed over. */
static int
last_invoice(const struct command_ctx *ctx, const struct subject_id *member, struct civil_date *ret, struct err *err)
{
    struct subject_id found[STEP], after;
    size_t n = STEP;
    int rc = 0;
    for (bool first = true; rc == 0 && n == STEP; first = false) {
        rc = work_of_member(ctx, member, first ? NULL : &after, STEP, found, &n, err);
        for (size_t i = 0; rc == 0 && i < n; i++) {
            struct vault_link link;
            rc = vault_link_get(ctx->vault, &found[i], &link, err);
            if (rc == 0 && (link.flags & LINK_INVOICE) != 0)
                *ret = later_of(*ret, month_first(invoice_id_month(&found[i])));
            rc = rc == ERR_NOTFOUND ? 0 : rc; /* erased meanwhile */
        }
        if (n > 0)
            after = found[n - 1];
    }
    return rc;
}

/* Month in which the last posting ends. It is in clear, so it holds also where a capsule cannot be read; one that was cancelled counts as it
 * was, as a cancelled invoice does. */
static int
last_posting(const struct command_ctx *ctx, const struct subject_id *member, struct civil_date *ret, struct err *err)
{
    struct subject_id found[STEP], after;
    size_t n = STEP;
    int rc = 0;
    for (bool first = true; rc == 0 && n == STEP; first = false) {
        rc = postings_of_member(ctx, member, first ? NULL : &after, STEP, found, &n, err);
        for (size_t i = 0; rc == 0 && i < n; i++) {
            struct posting_row row;
            struct posting_state s;
            rc = rows_posting(ctx, &found[i], &row, err);
            if (rc == 0) {
                posting_state_of(&row, &s);
                posting_row_release(&row);
                if (s.exists || s.cancelled)
                    *ret = later_of(*ret, s.facts.last_month);
            }
            rc = rc == ERR_NOTFOUND ? 0 : rc; /* never committed */
        }
        if (n > 0)
            after = found[n - 1];
    }
    return rc;
}

int
retention_last_work(const struct command_ctx *ctx, const struct subject_id *member, struct civil_date *ret,
                    struct err *err)
{
    struct civil_date last = DATE_NONE;
    int rc = last_invoice(ctx, member, &last, err);
    if (rc == 0)
        rc = last_posting(ctx, member, &last, err);
    if (rc == 0) {
        *ret = last;
        err_clear(err);
    }
    return rc;
}
