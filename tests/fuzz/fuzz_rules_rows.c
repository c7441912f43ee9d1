/* Any bytes as a row of state; the first says of which table. What decodes encodes to the same bytes, and everything can be asked of it. */
#include "node/rules/access.h"
#include "node/rules/counting.h"
#include "node/rules/invoice.h"
#include "node/rules/place.h"
#include "node/rules/posting.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct unit_id unit;
static const struct subject_id id = {{5, 208}}; /* an invoice of January 2024 */
static const struct office_id office;

static int
ignore_work(void *arg, const struct work_contribution *c)
{
    (void)arg;
    (void)c;
    return 0;
}

static int
ignore_people(void *arg, const struct people_contribution *c)
{
    (void)arg;
    (void)c;
    return 0;
}

static bool
activities(struct slice bytes, struct buf *out)
{
    struct activity_row r;
    struct activity_state s;
    struct position at;
    if (activity_row_decode(bytes, &unit, &id, &r, NULL) != 0)
        return false;
    MUST(activity_row_encode(&r, out, NULL) == 0 && activity_contributions(&r, ignore_work, NULL) == 0);
    activity_state_at(&r, DATE_MAX, &s);
    (void)activity_links_position(&r, &at);
    activity_row_release(&r);
    return true;
}

static int
ignore_id(void *arg, const struct subject_id *s)
{
    (void)arg;
    (void)s;
    return 0;
}

static bool
accesses(struct slice bytes, struct buf *out)
{
    struct access_row r;
    struct access_state s;
    struct access_keys keys[2];
    if (access_row_decode(bytes, &unit, &id, &r, NULL) != 0)
        return false;
    MUST(access_row_encode(&r, out, NULL) == 0 && access_members(&r, ignore_id, NULL) == 0);
    access_state_of(&r, &s);
    (void)access_stands(&s, DATE_MIN);
    (void)access_keys_of(&r, keys, ARRAY_LEN(keys));
    access_row_release(&r);
    return true;
}

static bool
invoices(struct slice bytes, struct buf *out)
{
    struct invoice_row r;
    struct invoice_state s;
    struct position at;
    if (invoice_row_decode(bytes, &unit, &id, &r, NULL) != 0)
        return false;
    MUST(invoice_row_encode(&r, out, NULL) == 0 && invoice_contributions(&r, ignore_work, NULL) == 0);
    invoice_state_at(&r, DATE_MAX, &s);
    if (r.n > 0)
        (void)invoice_links_position(&r, r.n - 1, &at);
    invoice_row_release(&r);
    return true;
}

static bool
postings(struct slice bytes, struct buf *out)
{
    struct posting_row r;
    struct posting_state s;
    struct position at;
    if (posting_row_decode(bytes, &unit, &id, &r, NULL) != 0)
        return false;
    MUST(posting_row_encode(&r, out, NULL) == 0);
    posting_state_of(&r, &s);
    MUST(s.n <= POSTING_STAYS_MAX);
    (void)posting_links_position(&r, &at);
    posting_row_release(&r);
    return true;
}

static bool
people(struct slice bytes, struct buf *out)
{
    struct active_row r;
    if (active_row_decode(bytes, 2024, &id, &r, NULL) != 0)
        return false;
    MUST(active_row_encode(&r, out, NULL) == 0 && active_contributions(&r, ignore_people, NULL) == 0);
    active_row_release(&r);
    return true;
}

static bool
periods(struct slice bytes, struct buf *out)
{
    struct period_row r;
    if (period_row_decode(bytes, &unit, 2024, &r, NULL) != 0)
        return false;
    MUST(period_row_encode(&r, out, NULL) == 0);
    period_row_release(&r);
    return true;
}

static int
ignore_member(void *arg, const struct contribution *c)
{
    (void)arg;
    (void)c;
    return 0;
}

static bool
members(struct slice bytes, struct buf *out)
{
    struct member_row r;
    struct member_state s;
    struct position at;
    struct capsule_place history[2];
    struct share_line lines[CURRENCIES_OWED_MAX];
    if (member_row_decode(bytes, &unit, &id, &r, NULL) != 0)
        return false;
    MUST(member_row_encode(&r, out, NULL) == 0 && member_contributions(&r, ignore_member, NULL) == 0);
    member_state_at(&r, DATE_MAX, &s);
    (void)member_capsule_position(&r, CLASS_IDENTITY, &at);
    (void)member_representative_capsule(&r, &id, CLASS_IDENTITY, &at);
    (void)member_capsule_history(&r, CLASS_NOTE, history, ARRAY_LEN(history));
    for (size_t i = 0; i < r.n && i < 16; i++) {
        (void)member_share_operation(&r, &r.entries[i]);
        MUST(member_share_lines(&r, i, lines, ARRAY_LEN(lines)) > 0);
    }
    member_row_release(&r);
    return true;
}

static bool
places(struct slice bytes, struct buf *out)
{
    struct place_row r;
    struct office_state s;
    if (place_row_decode(bytes, &unit, &office, &r, NULL) != 0)
        return false;
    MUST(place_row_encode(&r, out, NULL) == 0);
    (void)office_state_at(&r, DATE_MAX, &s);
    place_row_release(&r);
    return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool (*const tables[])(struct slice bytes, struct buf * out) = {activities, invoices, people,   periods,
                                                                           places,     members,  postings, accesses};
    struct buf out;
    if (size == 0)
        return 0;
    struct slice bytes = slice_of(data + 1, size - 1);
    buf_init(&out, MEMBER_ROW_BYTES_MAX);
    if (tables[data[0] % ARRAY_LEN(tables)](bytes, &out))
        MUST(slice_eq(bytes, buf_slice(&out)));
    buf_free(&out);
    return 0;
}
