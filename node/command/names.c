/* Words and their numbers. See names.h. */
#include "node/command/names.h"

static const char *const CATEGORIES[] = {[CATEGORY_A] = "A", [CATEGORY_B] = "B", [CATEGORY_C] = "C"};
static const char *const PERSON_TYPES[] = {[PERSON_NATURAL] = "natural", [PERSON_LEGAL] = "legal"};
static const char *const STATUSES[] = {
    [STATUS_NONE] = "none",     [STATUS_APPLIED] = "applied", [STATUS_REFUSED] = "refused",
    [STATUS_MEMBER] = "member", [STATUS_LEFT] = "left",       [STATUS_MERGED] = "merged",
};
static const char *const LEFT_REASONS[] = {
    [LEFT_NONE] = "none",         [LEFT_RESIGNED] = "resigned", [LEFT_WITHDRAWN] = "withdrawn",
    [LEFT_EXCLUDED] = "excluded", [LEFT_DECEASED] = "deceased", [LEFT_MOVED] = "moved",
    [LEFT_DOUBLE] = "double",
};
static const char *const OUTCOMES[] = {
    [OUTCOME_APPLIED] = "applied",   [OUTCOME_REPLACED] = "replaced", [OUTCOME_VOID] = "void",
    [OUTCOME_CONFLICT] = "conflict", [OUTCOME_WAITING] = "waiting",   [OUTCOME_UNKNOWN] = "unknown",
};
static const struct {
    const char *name;
    uint16_t kind;
} ACTIONS[] = {
    [ACTION_APPLY] = {"apply", KIND_APPLICATION_RECEIVED},
    [ACTION_REFUSE] = {"refuse", KIND_APPLICATION_REFUSED},
    [ACTION_ADMIT] = {"admit", KIND_MEMBER_ADMITTED},
    [ACTION_SUBSCRIBE] = {"subscribe", KIND_SHARES_SUBSCRIBED},
    [ACTION_CHANGE_CATEGORY] = {"change_category", KIND_CATEGORY_CHANGED},
    [ACTION_CHANGE_DATA] = {"change_data", KIND_DATA_CHANGED},
    [ACTION_REQUEST_WITHDRAWAL] = {"request_withdrawal", KIND_WITHDRAWAL_REQUESTED},
    [ACTION_GRANT_WITHDRAWAL] = {"grant_withdrawal", KIND_WITHDRAWAL_GRANTED},
    [ACTION_REFUSE_WITHDRAWAL] = {"refuse_withdrawal", KIND_WITHDRAWAL_REFUSED},
    [ACTION_RESIGN] = {"resign", KIND_MEMBER_RESIGNED},
    [ACTION_EXCLUDE] = {"exclude", KIND_MEMBER_EXCLUDED},
    [ACTION_DECEASE] = {"decease", KIND_MEMBER_DECEASED},
    [ACTION_REPAY] = {"repay", KIND_SHARES_REPAID},
    [ACTION_NAME_REPRESENTATIVE] = {"name_representative", KIND_REPRESENTATIVE_NAMED},
    [ACTION_END_REPRESENTATIVE] = {"end_representative", KIND_REPRESENTATIVE_ENDED},
    [ACTION_GIVE_CONSENT] = {"give_consent", KIND_CONSENT_GIVEN},
    [ACTION_WITHDRAW_CONSENT] = {"withdraw_consent", KIND_CONSENT_WITHDRAWN},
};

static const char *
name_of(const char *const *names, size_t n, size_t i)
{
    return i < n && names[i] ? names[i] : "unknown";
}

/* Index of text among the names; 0 (which none of the parsed lists uses) if it is not there. */
static uint8_t
index_of(const char *const *names, size_t n, const char *text)
{
    for (size_t i = 1; i < n && text; i++)
        if (strcmp(names[i], text) == 0)
            return (uint8_t)i;
    return 0;
}

int
category_parse(const char *text, uint8_t *ret, struct err *err)
{
    uint8_t i = index_of(CATEGORIES, ARRAY_LEN(CATEGORIES), text);
    if (i == 0)
        return err_field(err, ERR_INVALID, "category", "category: only A, B and C exist");
    *ret = i;
    return 0;
}

int
person_type_parse(const char *text, uint8_t *ret, struct err *err)
{
    uint8_t i = index_of(PERSON_TYPES, ARRAY_LEN(PERSON_TYPES), text);
    if (i == 0)
        return err_field(err, ERR_INVALID, "person_type", "person type: only natural and legal exist");
    *ret = i;
    return 0;
}

int
member_action_parse(const char *text, enum member_action *ret, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(ACTIONS) && text; i++) {
        if (strcmp(ACTIONS[i].name, text) == 0) {
            *ret = (enum member_action)i;
            return 0;
        }
    }
    return err_field(err, ERR_INVALID, "action", "no such action");
}

int
subject_parse(const char *text, const char *field, struct subject_id *ret, struct err *err)
{
    if (!text || !hex_decode(text, ret->b, sizeof(ret->b)))
        return err_field(err, ERR_INVALID, field, "an id is 32 hexadecimal digits");
    return 0;
}

int
shares_parse(const char *text, uint64_t *ret, struct err *err)
{
    uint64_t n = 0;
    const char *p = text ? text : "";
    for (; *p >= '0' && *p <= '9' && n <= SHARES_MAX; p++)
        n = n * 10 + (uint64_t)(*p - '0');
    if (*p != '\0' || n < 1 || n > SHARES_MAX)
        return err_field(err, ERR_INVALID, "shares", "shares: a whole number from 1 to %d", SHARES_MAX);
    *ret = n;
    return 0;
}

const char *const capital_words[CAPITAL_N] = {
    [CAPITAL_SHARES_IN] = "shares_in",
    [CAPITAL_SHARES_OUT] = "shares_out",
    [CAPITAL_MINOR_IN] = "minor_in",
    [CAPITAL_MINOR_OUT] = "minor_out",
    [CAPITAL_SHARES_MERGED_IN] = "shares_merged_in",
    [CAPITAL_SHARES_MERGED_OUT] = "shares_merged_out",
    [CAPITAL_MINOR_MERGED_IN] = "minor_merged_in",
    [CAPITAL_MINOR_MERGED_OUT] = "minor_merged_out",
    [CAPITAL_SHARES_REPAID] = "shares_repaid",
    [CAPITAL_MINOR_REPAID] = "minor_repaid",
    [CAPITAL_MINOR_FORGONE] = "minor_forgone",
};

const char *
figure_name(uint16_t number, char out[NUMBERED_NAME_MAX])
{
    static const char *const names[] = {
        [FIGURE_MEMBERS] = "members",
        [FIGURE_JOINED] = "joined",
        [FIGURE_RESIGNED] = "resigned",
        [FIGURE_WITHDRAWN] = "withdrawn",
        [FIGURE_EXCLUDED] = "excluded",
        [FIGURE_DECEASED] = "deceased",
        [FIGURE_MOVED_IN] = "moved_in",
        [FIGURE_MOVED_OUT] = "moved_out",
        [FIGURE_CHANGED_IN] = "changed_in",
        [FIGURE_CHANGED_OUT] = "changed_out",
        [FIGURE_APPLIED] = "applied",
        [FIGURE_REFUSED] = "refused",
        [FIGURE_REQUESTED] = "withdrawal_requested",
        [FIGURE_REQUEST_REFUSED] = "withdrawal_refused",
        [FIGURE_MERGED] = "merged",
        [FIGURE_SHARES] = "shares",
        [FIGURE_CAPITAL] = "capital_minor",
        [FIGURE_SHARES_SUBSCRIBED] = "shares_subscribed",
        [FIGURE_CAPITAL_SUBSCRIBED] = "capital_subscribed_minor",
        [FIGURE_SHARES_ENDED] = "shares_ended",
        [FIGURE_CAPITAL_ENDED] = "capital_ended_minor",
        [FIGURE_SHARES_REPAID] = "shares_repaid",
        [FIGURE_CAPITAL_REPAID] = "capital_repaid_minor",
        [FIGURE_INVOICES] = "invoices",
        [FIGURE_TURNOVER] = "turnover_minor",
        [FIGURE_CONTRIBUTION] = "contribution_minor",
        [FIGURE_CREDIT_NOTES] = "credit_notes",
        [FIGURE_CREDITED] = "credited_minor",
        [FIGURE_CONTRIBUTION_BACK] = "contribution_back_minor",
        [FIGURE_ACTIVE_PEOPLE] = "active_people",
    };
    if (number < ARRAY_LEN(names) && names[number])
        return names[number];
    snprintf(out, NUMBERED_NAME_MAX, "figure-%u", number);
    return out;
}

const char *
category_name(uint8_t category)
{
    return name_of(CATEGORIES, ARRAY_LEN(CATEGORIES), category);
}

const char *
person_type_name(uint8_t person_type)
{
    return name_of(PERSON_TYPES, ARRAY_LEN(PERSON_TYPES), person_type);
}

const char *
member_action_name(enum member_action action)
{
    return (size_t)action < ARRAY_LEN(ACTIONS) ? ACTIONS[action].name : "unknown";
}

const char *
member_status_name(enum member_status status)
{
    return name_of(STATUSES, ARRAY_LEN(STATUSES), (size_t)status);
}

const char *
left_reason_name(enum left_reason reason)
{
    return name_of(LEFT_REASONS, ARRAY_LEN(LEFT_REASONS), (size_t)reason);
}

const char *
outcome_name(enum outcome outcome)
{
    return name_of(OUTCOMES, ARRAY_LEN(OUTCOMES), (size_t)outcome);
}

uint16_t
member_action_kind(enum member_action action)
{
    MUST((size_t)action < ARRAY_LEN(ACTIONS));
    return ACTIONS[action].kind;
}

/* ---- registries of numbers, additive: a number without a name is as good as one with ---- */

struct numbered {
    uint16_t number;
    const char *name;
};

static const struct numbered sectors[] = {
    {1, "performing arts"},
    {2, "music"},
    {3, "audiovisual and film"},
    {4, "visual arts"},
    {5, "design and fashion"},
    {6, "writing and translation"},
    {7, "photography"},
    {8, "heritage"},
    {32, "information technology"},
    {33, "communication and marketing"},
    {34, "consulting"},
    {35, "training and education"},
    {36, "events"},
    {37, "care and well-being"},
    {38, "crafts and construction"},
    {39, "transport and delivery"},
    {40, "hospitality and tourism"},
    {41, "research"},
    {42, "journalism"},
    {43, "administration"},
    {63, "other"},
};
static const struct numbered purposes[] = {
    {1, "newsletter"}, {2, "directory of members"},        {3, "pictures"}, {4, "studies"},
    {5, "partners"},   {6, "statistics by third parties"},
};

static const struct numbered grant_purposes[] = {
    {1, "service at the desk"}, {2, "work abroad"}, {3, "event or training"}, {4, "space"},
    {5, "legal or tax duty"},   {63, "other"},
};

static const struct numbered double_reasons[] = {
    {1, "joined there first"},
    {2, "wish of the member"},
    {3, "recorded twice by mistake"},
    {4, "not the same person"},
};

enum { NAMES_LISTED_MAX = 6 };

static int
numbered_parse(const struct numbered *names, size_t n, const char *field, const char *text, uint16_t *ret,
               struct err *err)
{
    char *end = NULL;
    for (size_t i = 0; text != NULL && i < n; i++) {
        if (strcasecmp(names[i].name, text) == 0) {
            *ret = names[i].number;
            return 0;
        }
    }
    char known[ERR_TEXT_MAX / 2];
    size_t at = 0;
    unsigned long number = text != NULL && *text >= '0' && *text <= '9' ? strtoul(text, &end, 10) : 0;
    if (end == NULL || *end != '\0' || number < 1 || number > UINT16_MAX) {
        /* All where they are few; of the sectors one shows what is meant. */
        for (size_t i = n > NAMES_LISTED_MAX ? 1 : 0; i < (n > NAMES_LISTED_MAX ? 2 : n) && at < sizeof(known); i++) {
            at += (size_t)snprintf(known + at, sizeof(known) - at, "%s“%s”", at > 0 ? ", " : "", names[i].name);
        }
        return err_field(err, ERR_INVALID, field, "is neither a name of the registry (%s%s) nor its number",
                         n > NAMES_LISTED_MAX ? "such as " : "", known);
    }
    *ret = (uint16_t)number;
    return 0;
}

static const char *
numbered_name(const struct numbered *names, size_t n, uint16_t number, char out[NUMBERED_NAME_MAX])
{
    for (size_t i = 0; i < n; i++) {
        if (names[i].number == number) {
            return names[i].name;
        }
    }
    snprintf(out, NUMBERED_NAME_MAX, "%u", number);
    return out;
}

int
sector_parse(const char *text, uint16_t *ret, struct err *err)
{
    return numbered_parse(sectors, ARRAY_LEN(sectors), "sector", text, ret, err);
}

int
purpose_parse(const char *text, uint16_t *ret, struct err *err)
{
    return numbered_parse(purposes, ARRAY_LEN(purposes), "purpose", text, ret, err);
}

int
grant_purpose_parse(const char *text, uint16_t *ret, struct err *err)
{
    return numbered_parse(grant_purposes, ARRAY_LEN(grant_purposes), "purpose", text, ret, err);
}

int
double_reason_parse(const char *text, uint16_t *ret, struct err *err)
{
    return numbered_parse(double_reasons, ARRAY_LEN(double_reasons), "reason", text, ret, err);
}

const char *
double_reason_name(uint16_t reason, char out[NUMBERED_NAME_MAX])
{
    return numbered_name(double_reasons, ARRAY_LEN(double_reasons), reason, out);
}

const char *
grant_purpose_name(uint16_t purpose, char out[NUMBERED_NAME_MAX])
{
    return numbered_name(grant_purposes, ARRAY_LEN(grant_purposes), purpose, out);
}

const char *
sector_name(uint16_t sector, char out[NUMBERED_NAME_MAX])
{
    return numbered_name(sectors, ARRAY_LEN(sectors), sector, out);
}

const char *
purpose_name(uint16_t purpose, char out[NUMBERED_NAME_MAX])
{
    return numbered_name(purposes, ARRAY_LEN(purposes), purpose, out);
}
