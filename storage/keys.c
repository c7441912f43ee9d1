/* Tables by name, environment and fingerprint number; composition of keys. See keys.h, docs/STORAGE.md. */
#include "storage/keys.h"

#include "proto/base/bytes.h"

static const struct {
    const char *name;
    enum db_kind kind;
    uint8_t fingerprint_no; /* docs/PROTOCOL.md §13 */
} TABLES[TABLE_COUNT_ALL] = {
    [TABLE_META] = {"meta", DB_MAIN, 0},
    [TABLE_LOGS] = {"logs", DB_MAIN, 0},
    [TABLE_LOG_BY_ID] = {"log-by-id", DB_MAIN, 0},
    [TABLE_RUNS] = {"runs", DB_MAIN, 0},
    [TABLE_CAPSULES] = {"capsules", DB_MAIN, 0},
    [TABLE_EVIDENCE] = {"evidence", DB_MAIN, 0},
    [TABLE_WAITING] = {"waiting", DB_MAIN, 0},
    [TABLE_KEYSLOTS] = {"keyslots", DB_MAIN, 0},
    [TABLE_IDEMPOTENCY] = {"idempotency", DB_MAIN, 0},
    [TABLE_IDEM_TIME] = {"idempotency-time", DB_MAIN, 0},
    [TABLE_TOKENS] = {"tokens", DB_MAIN, 0},
    [TABLE_PEERS] = {"peers", DB_MAIN, 0},
    [TABLE_CHANGES] = {"changes", DB_MAIN, 0},
    [TABLE_CHANGES_UPTO] = {"changes-upto", DB_MAIN, 0},
    [TABLE_ARRIVED] = {"arrived", DB_MAIN, 0},
    [TABLE_UNCOUNTED] = {"uncounted", DB_MAIN, 0},
    [TABLE_ACCESS_OF] = {"access-of", DB_MAIN, 0},
    [TABLE_LOOKUP_QUESTIONS] = {"lookup-questions", DB_MAIN, 0},
    [TABLE_TOMBSTONES] = {"tombstones", DB_MAIN, 0},
    [TABLE_ERASURES] = {"erasures", DB_MAIN, 0},
    [TABLE_ERASURES_DUE] = {"erasures-due", DB_MAIN, 0},
    [TABLE_MEMBERS] = {"members", DB_MAIN, 1},
    [TABLE_OFFICES] = {"offices", DB_MAIN, 2},
    [TABLE_UNITS] = {"units", DB_MAIN, 3},
    [TABLE_COUNTS] = {"counts", DB_MAIN, 4},
    [TABLE_VOIDS] = {"voids", DB_MAIN, 5},
    [TABLE_CONFLICTS] = {"conflicts", DB_MAIN, 6},
    [TABLE_CAPITAL] = {"capital", DB_MAIN, 7},
    [TABLE_ACTIVITIES] = {"activities", DB_MAIN, 8},
    [TABLE_INVOICES] = {"invoices", DB_MAIN, 9},
    [TABLE_ACTIVE] = {"active", DB_MAIN, 10},
    [TABLE_WORK] = {"work", DB_MAIN, 11},
    [TABLE_PEOPLE] = {"people", DB_MAIN, 12},
    [TABLE_SHARE_OPS] = {"share-operations", DB_MAIN, 13},
    [TABLE_PERIODS] = {"periods", DB_MAIN, 14},
    [TABLE_POSTINGS] = {"postings", DB_MAIN, 15},
    [TABLE_HANDOVERS] = {"handovers", DB_MAIN, 19},
    [TABLE_DOUBLES] = {"doubles", DB_MAIN, 18},
    [TABLE_ACCESS] = {"access", DB_MAIN, 16},
    [TABLE_CONFIRMATIONS] = {"confirmations", DB_MAIN, 17},
    [TABLE_VAULT_META] = {"vault-meta", DB_VAULT, 0},
    [TABLE_SLOTS] = {"slots", DB_VAULT, 0},
    [TABLE_BLIND_INDEX] = {"blind-index", DB_VAULT, 0},
    [TABLE_INDEX_LISTS] = {"index-lists", DB_VAULT, 0},
    [TABLE_INDEX_CURSOR] = {"index-cursor", DB_VAULT, 0},
    [TABLE_ESCROW] = {"escrow", DB_VAULT, 0},
    [TABLE_KEY_CAPSULES] = {"key-capsules", DB_VAULT, 0},
    [TABLE_LINKS] = {"links", DB_VAULT, 0},
    [TABLE_LOOKUP_OUTPUTS] = {"lookup-outputs", DB_VAULT, 0},
    [TABLE_LOOKUP_RESULTS] = {"lookup-results", DB_VAULT, 0},
    [TABLE_LOOKUP_RECORDS] = {"lookup-records", DB_VAULT, 0},
    [TABLE_RECEIVED] = {"received", DB_VAULT, 0},
    [TABLE_RECEIVED_BY] = {"received-by", DB_VAULT, 0},
    [TABLE_OPENINGS] = {"openings", DB_VAULT, 0},
    [TABLE_LOOKS] = {"looks", DB_VAULT, 0},
    [TABLE_OPENED] = {"opened", DB_VAULT, 0},
    [TABLE_LOOKED] = {"looked", DB_VAULT, 0},
    [TABLE_ASKS] = {"asks", DB_VAULT, 0},
    [TABLE_VISITS] = {"visits", DB_VAULT, 0},
    [TABLE_VISITED] = {"visited", DB_VAULT, 0},
    [TABLE_TAKEN] = {"taken", DB_VAULT, 0},
    [TABLE_PARTED] = {"parted", DB_VAULT, 0},
};

uint32_t
table_fingerprint_no(enum table t)
{
    MUST(t < TABLE_COUNT_ALL);
    return TABLES[t].fingerprint_no;
}

const char *
table_name(enum table t)
{
    MUST(t < TABLE_COUNT_ALL);
    return TABLES[t].name;
}

enum db_kind
table_db(enum table t)
{
    MUST(t < TABLE_COUNT_ALL);
    return TABLES[t].kind;
}

/* ---- keys ---- */

static uint8_t *
put(uint8_t *p, const void *bytes, size_t len)
{
    memcpy(p, bytes, len);
    return p + len;
}

void
key_period(uint8_t out[KEY_PERIOD], enum period_kind kind, struct civil_date d)
{
    int year, month, day;
    date_to_ymd(d, &year, &month, &day);
    uint32_t number = (uint32_t)year;
    if (kind != PERIOD_YEAR)
        number = number * 100 + (uint32_t)month;
    if (kind == PERIOD_DAY)
        number = number * 100 + (uint32_t)day;
    out[0] = (uint8_t)kind;
    be32_put(out + 1, number);
}

void
key_run(uint8_t out[KEY_RUN], uint32_t log_no, uint64_t last_seq)
{
    be32_put(out, log_no);
    be64_put(out + 4, last_seq);
}

void
key_capsule(uint8_t out[KEY_CAPSULE], uint32_t log_no, uint64_t seq, uint8_t index)
{
    be32_put(out, log_no);
    be64_put(out + 4, seq);
    out[12] = index;
}

void
key_member(uint8_t out[KEY_MEMBER], const struct subject_id *subject, const struct unit_id *unit)
{
    put(put(out, subject->b, sizeof(subject->b)), unit->b, sizeof(unit->b));
}

void
key_office(uint8_t out[KEY_OFFICE], const struct unit_id *unit, const struct office_id *office)
{
    put(put(out, unit->b, sizeof(unit->b)), office->b, sizeof(office->b));
}

void
key_position(uint8_t out[KEY_POSITION], const struct log_id *log, uint64_t seq)
{
    be64_put(put(out, log->b, sizeof(log->b)), seq);
}

void
key_counts(uint8_t out[KEY_COUNTS], const struct unit_id *unit, enum period_kind kind, struct civil_date d,
           const struct office_id *office, uint8_t category, uint8_t person_type)
{
    uint8_t *p = put(out, unit->b, sizeof(unit->b));
    key_period(p, kind, d);
    p = put(p + KEY_PERIOD, office->b, sizeof(office->b));
    p[0] = category;
    p[1] = person_type;
}

void
key_capital(uint8_t out[KEY_CAPITAL], const struct unit_id *unit, enum period_kind kind, struct civil_date d,
            const char currency[4])
{
    uint8_t *p = put(out, unit->b, sizeof(unit->b));
    key_period(p, kind, d);
    put(p + KEY_PERIOD, currency, 3);
}

void
key_activity(uint8_t out[KEY_ACTIVITY], const struct unit_id *unit, const struct subject_id *activity)
{
    put(put(out, unit->b, sizeof(unit->b)), activity->b, sizeof(activity->b));
}

void
key_posting(uint8_t out[KEY_POSTING], const struct unit_id *unit, const struct subject_id *posting)
{
    put(put(out, unit->b, sizeof(unit->b)), posting->b, sizeof(posting->b));
}

void
key_invoice(uint8_t out[KEY_INVOICE], const struct unit_id *unit, const struct subject_id *invoice)
{
    put(put(out, unit->b, sizeof(unit->b)), invoice->b, sizeof(invoice->b));
}

void
key_active(uint8_t out[KEY_ACTIVE], uint16_t year, const struct subject_id *pseudonym)
{
    be16_put(out, year);
    put(out + 2, pseudonym->b, sizeof(pseudonym->b));
}

static uint8_t *
put_cell(uint8_t *p, const struct office_id *office, uint16_t sector, bool culture, const char currency[4])
{
    p = put(p, office->b, sizeof(office->b));
    be16_put(p, sector);
    p[2] = culture;
    return put(p + 3, currency, 3);
}

void
key_work(uint8_t out[KEY_WORK], const struct unit_id *unit, enum period_kind kind, struct civil_date d,
         const struct office_id *office, uint16_t sector, bool culture, const char currency[4])
{
    uint8_t *p = put(out, unit->b, sizeof(unit->b));
    key_period(p, kind, d);
    put_cell(p + KEY_PERIOD, office, sector, culture, currency);
}

void
key_people(uint8_t out[KEY_PEOPLE], const struct unit_id *unit, enum period_kind kind, struct civil_date d, uint8_t set,
           const struct office_id *office, uint16_t sector, bool culture, const char currency[4])
{
    uint8_t *p = put(out, unit->b, sizeof(unit->b));
    key_period(p, kind, d);
    p[KEY_PERIOD] = set;
    put_cell(p + KEY_PERIOD + 1, office, sector, culture, currency);
}

void
key_share_op(uint8_t out[KEY_SHARE_OP], const struct unit_id *unit, uint32_t depth, const struct log_id *log,
             uint64_t seq)
{
    uint8_t *p = put(out, unit->b, sizeof(unit->b));
    be32_put(p, depth);
    p = put(p + 4, log->b, sizeof(log->b));
    be64_put(p, seq);
}

void
key_entity(uint8_t out[KEY_ENTITY], const struct subject_id *subject, const struct unit_id *unit)
{
    put(put(out, subject->b, sizeof(subject->b)), unit->b, sizeof(unit->b));
}

void
key_conflict(uint8_t out[KEY_CONFLICT], enum entity_type type, const struct subject_id *subject,
             const struct unit_id *unit, const struct log_id *log, uint64_t seq)
{
    out[0] = (uint8_t)type;
    key_entity(out + 1, subject, unit);
    key_position(out + 1 + KEY_ENTITY, log, seq);
}

void
key_access(uint8_t out[KEY_ACCESS], const struct unit_id *unit, const struct subject_id *access)
{
    put(put(out, unit->b, sizeof(unit->b)), access->b, sizeof(access->b));
}

void
key_access_of(uint8_t out[KEY_ACCESS_OF], const struct subject_id *member, const struct unit_id *unit,
              const struct subject_id *access)
{
    put(put(put(out, member->b, sizeof(member->b)), unit->b, sizeof(unit->b)), access->b, sizeof(access->b));
}

void
key_period_row(uint8_t out[KEY_PERIOD_ROW], const struct unit_id *unit, uint16_t year)
{
    be16_put(put(out, unit->b, sizeof(unit->b)), year);
}

void
key_handover(uint8_t out[KEY_HANDOVER], const struct unit_id *unit, const struct subject_id *subject)
{
    put(put(out, unit->b, sizeof(unit->b)), subject->b, sizeof(subject->b));
}

void
key_double(uint8_t out[KEY_DOUBLE], const struct unit_id *unit, const struct subject_id *subject,
           const struct unit_id *other_unit, const struct subject_id *other)
{
    uint8_t *p = put(put(out, unit->b, sizeof(unit->b)), subject->b, sizeof(subject->b));
    put(put(p, other_unit->b, sizeof(other_unit->b)), other->b, sizeof(other->b));
}

/* ---- vault ---- */

void
key_day_put(uint8_t out[4], struct civil_date day)
{
    be32_put(out, (uint32_t)day.days ^ UINT32_C(0x80000000));
}

struct civil_date
key_day_get(const uint8_t in[4])
{
    return (struct civil_date){(int32_t)(be32_get(in) ^ UINT32_C(0x80000000))};
}

void
key_received(uint8_t out[KEY_RECEIVED], const struct subject_id *subject, const struct unit_id *unit, uint8_t class,
             uint32_t generation, const struct position *from)
{
    uint8_t *p = put(put(out, subject->b, sizeof(subject->b)), unit->b, sizeof(unit->b));
    *p++ = class;
    be32_put(p, generation);
    key_position(p + 4, &from->log, from->seq);
}

void
key_received_by(uint8_t out[KEY_RECEIVED], const struct subject_id *subject, const struct unit_id *unit, uint8_t class,
                uint32_t generation, const struct position *from)
{
    key_position(out, &from->log, from->seq);
    uint8_t *p = put(put(out + KEY_POSITION, unit->b, sizeof(unit->b)), subject->b, sizeof(subject->b));
    *p++ = class;
    be32_put(p, generation);
}

void
key_opening(uint8_t out[KEY_OPENING], const struct unit_id *home, const struct subject_id *subject,
            struct civil_date day, const struct actor_id *actor, const struct subject_id *access)
{
    uint8_t *p = put(put(out, home->b, sizeof(home->b)), subject->b, sizeof(subject->b));
    key_day_put(p, day);
    put(put(p + 4, actor->b, sizeof(actor->b)), access->b, sizeof(access->b));
}

void
key_look(uint8_t out[KEY_LOOK], const struct subject_id *subject, struct civil_date day, const struct actor_id *actor,
         uint8_t purpose)
{
    uint8_t *p = put(out, subject->b, sizeof(subject->b));
    key_day_put(p, day);
    p = put(p + 4, actor->b, sizeof(actor->b));
    *p = purpose;
}
