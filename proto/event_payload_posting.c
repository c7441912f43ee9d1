/* Payloads of postings: kinds 224 and 225. See event_payload.h; docs/PROTOCOL.md §9. */
#include "proto/event_payload.h"

enum { COUNTRY_CHARS = 2 };

int
payload_read_posting(const ProtobufCMessage *m, struct slice bytes UNUSED, struct event_payload *ret, struct err *err)
{
    const Smartnode__Posting *p = (const Smartnode__Posting *)m;
    struct posting_facts *f = &ret->posting;
    struct civil_date last = {p->last_month};
    if (!payload_text_is(p->country, f->country, COUNTRY_CHARS, COUNTRY_CHARS) || !payload_country_ok(f->country))
        return payload_field_wrong(err, "country");
    if (!p->has_last_month || !payload_date_ok(last.days) || date_month_start(last).days != last.days)
        return payload_field_wrong(err, "last_month");
    int months = month_number(last) - month_number(ret->common.effective);
    if (months < 0 || months > POSTING_MONTHS_MAX)
        return payload_field_wrong(err, "last_month");
    f->last_month = last;
    return 0;
}

void
payload_write_posting(const struct event_payload *p, struct payload_message *m)
{
    m->posting.country = payload_text(p->posting.country);
    m->posting.has_last_month = 1;
    m->posting.last_month = p->posting.last_month.days;
}
