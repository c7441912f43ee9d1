/* Every table and every key layout, in one file. docs/STORAGE.md has the same list with the values. Integers in keys are
 * big-endian, so that byte order is number order. */
#ifndef SMARTNODE_STORAGE_KEYS_H
#define SMARTNODE_STORAGE_KEYS_H

#include "proto/base/types.h"

enum db_kind { DB_MAIN = 1, DB_VAULT = 2 };

/* Formats of the directories; a newer one is refused. An older vault is brought along by storage/vault_convert.c. */
enum { MAIN_FORMAT = 1, VAULT_FORMAT = 2 };

enum table {
    /* main: local */
    TABLE_META,      /* text name → value */
    TABLE_LOGS,      /* log no u32 → struct log_row, encoded */
    TABLE_LOG_BY_ID, /* log id 32 → log no u32 */
    TABLE_RUNS,      /* log no u32 ‖ seq of the run's last event u64 → run: see evlog.h */
    TABLE_CAPSULES,  /* log no u32 ‖ seq u64 ‖ index u8 → capsule bytes (never class 15) */
    TABLE_EVIDENCE,  /* log id 32 ‖ n u8 → encoded Evidence message */
    TABLE_WAITING, /* log id 32 ‖ seq u64 of the missing target ‖ log no u32 ‖ seq u64 of who waits → entity type ‖ entity key */
    TABLE_KEYSLOTS,     /* subject 16 ‖ generation u32 → vault slot u64 */
    TABLE_IDEMPOTENCY,  /* hash 32 of (token, key) → request hash 32, status u16, log no u32, seq u64, recorded u64 */
    TABLE_IDEM_TIME,    /* recorded ms u64 ‖ hash 32 → nothing: expiry order */
    TABLE_TOKENS,       /* token hash 32 → token row */
    TABLE_PEERS,        /* unit id 32 → pinned card and operator's settings */
    TABLE_CHANGES,      /* number of the chunk's last event u64 → chunk of the list of changes: see changes.h */
    TABLE_CHANGES_UPTO, /* log no u32 → seq u64 up to which the log is listed */
    TABLE_ARRIVED, /* log no u32 ‖ seq u64 ‖ index u8 → class u8: another unit's capsule came that is yet to be opened (node/host/guests.h) */
    TABLE_UNCOUNTED, /* month u16 → nothing: invoices of the own unit changed there since its people were counted; 1: being counted */
    TABLE_ACCESS_OF, /* member 16 ‖ unit id 32 ‖ access id 16 → nothing: index that follows TABLE_ACCESS, rebuilt with the state */
    TABLE_LOOKUP_QUESTIONS, /* since ms u64 ‖ subject 16 → nothing: members that other units are asked about (lookups.h) */
    TABLE_TOMBSTONES, /* log id 32 ‖ seq u64 ‖ index u8 → position of the erasure: storage/erasures.h, as the next two */
    TABLE_ERASURES,     /* log id 32 ‖ seq u64 of the order → what was ordered, how far it is carried out here */
    TABLE_ERASURES_DUE, /* log id 32 ‖ seq u64 → one byte: not done yet */
    /* main: replicated state, the same on every node with the same events; numbers of docs/PROTOCOL.md §13 */
    TABLE_MEMBERS,    /* subject 16 ‖ unit id 32 → member row (node/rules/member.h) */
    TABLE_OFFICES,    /* unit id 32 ‖ office id 16 → office row */
    TABLE_UNITS,      /* unit id 32 → unit row */
    TABLE_COUNTS,     /* unit id 32 ‖ period 5 ‖ office 16 ‖ category u8 ‖ person type u8 → counters */
    TABLE_VOIDS,      /* log id 32 ‖ seq u64 → reason u8 */
    TABLE_CONFLICTS,  /* entity type u8 ‖ subject 16 ‖ unit id 32 ‖ log id 32 ‖ seq u64 → reason u8 */
    TABLE_CAPITAL,    /* unit id 32 ‖ period 5 ‖ currency 3 → counters */
    TABLE_ACTIVITIES, /* unit id 32 ‖ activity id 16 → activity row (node/rules/activity.h) */
    TABLE_INVOICES,   /* unit id 32 ‖ invoice id 16 (begins with its month) → invoice row */
    TABLE_ACTIVE,     /* year u16 ‖ pseudonym 16 → row of a counted person (node/rules/counting.h) */
    TABLE_WORK, /* unit id 32 ‖ period 5 ‖ office 16 ‖ sector u16 ‖ culture u8 ‖ currency 3 → counters WORK_… */
    TABLE_PEOPLE, /* unit id 32 (zero: overlap) ‖ period 5 ‖ set u8 ‖ office 16 ‖ sector u16 ‖ culture u8 ‖ currency 3 → counters PEOPLE_… */
    TABLE_SHARE_OPS, /* unit id 32 ‖ depth u32 ‖ log id 32 ‖ seq u64 → subject 16: operations on shares in the order of recording */
    TABLE_PERIODS,   /* unit id 32 ‖ year u16 → closed period */
    TABLE_POSTINGS,  /* unit id 32 ‖ posting id 16 → posting row (node/rules/posting.h) */
    TABLE_HANDOVERS, /* unit id 32 ‖ subject 16 → who has to act u8: enum handover_step (node/rules/member.h) */
    TABLE_DOUBLES, /* unit id 32 ‖ subject 16 ‖ other unit id 32 ‖ other subject 16 → how it was settled u8; 0 = not yet */
    TABLE_ACCESS,        /* unit id 32 ‖ access id 16 → access row (node/rules/access.h) */
    TABLE_CONFIRMATIONS, /* log id 32 ‖ seq u64 of what was asked ‖ unit id 32 → last word of the unit */
    /* vault */
    TABLE_VAULT_META,
    TABLE_SLOTS,        /* slot u64 → wrapped class keys */
    TABLE_BLIND_INDEX,  /* of format 1, empty since: token 16 ‖ subject 16 → nothing */
    TABLE_INDEX_LISTS,  /* token 16, or label 16 of a further page → wrapped page: vault_lists.c */
    TABLE_INDEX_CURSOR, /* log no u32 → seq u64 up to which the blind index follows the log */
    TABLE_ESCROW,       /* day i32 (biased) ‖ n u32 → wrapped escrow key */
    TABLE_KEY_CAPSULES, /* log id 32 ‖ seq u64 ‖ index u8 → capsule bytes of class 15 */
    TABLE_LINKS,        /* activity, invoice or posting 16 → wrapped member 16 ‖ flags u8 */
    /* vault, double admission: lookups.h */
    TABLE_LOOKUP_OUTPUTS, /* subject 16 → wrapped output of the member's identity */
    TABLE_LOOKUP_RESULTS, /* subject 16 ‖ unit id 32 → wrapped answer of that unit */
    TABLE_LOOKUP_RECORDS, /* ms u64 ‖ n u32 → wrapped record of a question */
    /* vault, members of other units and who looked: received.h, openings.h */
    TABLE_RECEIVED, /* subject 16 ‖ unit id 32 ‖ class u8 ‖ generation u32 ‖ log id 32 ‖ seq u64 → key of another unit's member */
    TABLE_RECEIVED_BY, /* log id 32 ‖ seq u64 ‖ unit id 32 ‖ subject 16 ‖ class u8 ‖ generation u32 → nothing */
    TABLE_OPENINGS, /* of format 1, empty since: home unit id 32 ‖ subject 16 ‖ day i32 (biased) ‖ actor 16 ‖ access 16 → count u32 ‖ done u32 */
    TABLE_LOOKS, /* of format 1, empty since: subject 16 ‖ day i32 (biased) ‖ actor 16 ‖ purpose u8 → count u32 */
    TABLE_OPENED, /* label 16 → wrapped opening */
    TABLE_LOOKED, /* label 16 of a subject → wrapped journal of who looked */
    TABLE_ASKS,   /* member 16 ‖ id 16 → wrapped request of a member: storage/asks.h */
    TABLE_VISITS, /* of format 1, empty since: member 16 ‖ log id 32 ‖ seq u64 ‖ index u8 → wrapped record of a host */
    TABLE_VISITED, /* label 16 → wrapped record of a host: storage/visits.h */
    TABLE_TAKEN,   /* label 16 of a member → wrapped activities that are yet to be opened: storage/taken.h */
    TABLE_PARTED,  /* label 16 → wrapped pseudonym of a visitor who is gone and not counted yet: storage/parted.h */
    TABLE_COUNT_ALL,
};

/* What an entity is, in keys of conflicts (replicated: never renumbered) and in rows of the waiting index: ids of different types never meet. */
enum entity_type {
    ENTITY_MEMBER = 1,
    ENTITY_OFFICE = 2,
    ENTITY_UNIT = 3,
    ENTITY_LOG = 4, /* waiting index alone */
    ENTITY_ACTIVITY = 5,
    ENTITY_INVOICE = 6,
    ENTITY_POSTING = 7,
    ENTITY_ACCESS = 8,
};

/* Replicated state tables and their number in fingerprints; 0 for the others. */
uint32_t table_fingerprint_no(enum table t);
const char *table_name(enum table t);
enum db_kind table_db(enum table t);

enum {
    KEY_RUN = 12,
    KEY_CAPSULE = 13,
    KEY_MEMBER = 48,
    KEY_OFFICE = 48,
    KEY_PERIOD = 5,
    KEY_COUNTS = 32 + KEY_PERIOD + 16 + 2,
    KEY_CAPITAL = 32 + KEY_PERIOD + 3,
    KEY_ACTIVITY = 48,
    KEY_INVOICE = 48,
    KEY_ACTIVE = 18,
    KEY_WORK = 32 + KEY_PERIOD + 16 + 2 + 1 + 3,
    KEY_PEOPLE = 32 + KEY_PERIOD + 1 + 16 + 2 + 1 + 3,
    KEY_SHARE_OP = 32 + 4 + 32 + 8,
    KEY_PERIOD_ROW = 34,
    KEY_POSTING = 48,
    KEY_ACCESS = 48,
    KEY_ACCESS_OF = 16 + 32 + 16,
    KEY_POSITION = 40,
    KEY_WAITING = 40 + 12,
    KEY_ENTITY = 48,
    KEY_CONFLICT = 1 + KEY_ENTITY + KEY_POSITION,
    KEY_HANDOVER = KEY_ENTITY,
    KEY_DOUBLE = 2 * KEY_ENTITY,
    KEY_UNCOUNTED = 2,
    KEY_RECEIVED = 16 + 32 + 1 + 4 + 40,
    KEY_OPENING = 32 + 16 + 4 + 16 + 16,
    KEY_LOOK = 16 + 4 + 16 + 1,
    KEY_MAX = 128,
};

/* Period of a view row: granularity ('D', 'M', 'Y') and number (yyyymmdd, yyyymm, yyyy). Rows of one granularity are
 * neighbours, in the order of time. */
enum period_kind { PERIOD_DAY = 'D', PERIOD_MONTH = 'M', PERIOD_YEAR = 'Y' };
void key_period(uint8_t out[KEY_PERIOD], enum period_kind kind, struct civil_date d);

void key_run(uint8_t out[KEY_RUN], uint32_t log_no, uint64_t last_seq);
void key_capsule(uint8_t out[KEY_CAPSULE], uint32_t log_no, uint64_t seq, uint8_t index);
void key_member(uint8_t out[KEY_MEMBER], const struct subject_id *subject, const struct unit_id *unit);
void key_office(uint8_t out[KEY_OFFICE], const struct unit_id *unit, const struct office_id *office);
void key_position(uint8_t out[KEY_POSITION], const struct log_id *log, uint64_t seq);
void key_counts(uint8_t out[KEY_COUNTS], const struct unit_id *unit, enum period_kind kind, struct civil_date d,
                const struct office_id *office, uint8_t category, uint8_t person_type);
void key_capital(uint8_t out[KEY_CAPITAL], const struct unit_id *unit, enum period_kind kind, struct civil_date d,
                 const char currency[4]);

void key_activity(uint8_t out[KEY_ACTIVITY], const struct unit_id *unit, const struct subject_id *activity);
void key_invoice(uint8_t out[KEY_INVOICE], const struct unit_id *unit, const struct subject_id *invoice);
void key_active(uint8_t out[KEY_ACTIVE], uint16_t year, const struct subject_id *pseudonym);
/* kind: month or year. currency: empty = zeros. */
void key_work(uint8_t out[KEY_WORK], const struct unit_id *unit, enum period_kind kind, struct civil_date d,
              const struct office_id *office, uint16_t sector, bool culture, const char currency[4]);
void key_people(uint8_t out[KEY_PEOPLE], const struct unit_id *unit, enum period_kind kind, struct civil_date d,
                uint8_t set, const struct office_id *office, uint16_t sector, bool culture, const char currency[4]);
void key_share_op(uint8_t out[KEY_SHARE_OP], const struct unit_id *unit, uint32_t depth, const struct log_id *log,
                  uint64_t seq);
/* Entity key: subject (zeros for a unit) ‖ unit. */
void key_entity(uint8_t out[KEY_ENTITY], const struct subject_id *subject, const struct unit_id *unit);
void key_conflict(uint8_t out[KEY_CONFLICT], enum entity_type type, const struct subject_id *subject,
                  const struct unit_id *unit, const struct log_id *log, uint64_t seq);
void key_handover(uint8_t out[KEY_HANDOVER], const struct unit_id *unit, const struct subject_id *subject);
void key_double(uint8_t out[KEY_DOUBLE], const struct unit_id *unit, const struct subject_id *subject,
                const struct unit_id *other_unit, const struct subject_id *other);
void key_access(uint8_t out[KEY_ACCESS], const struct unit_id *unit, const struct subject_id *access);
void key_access_of(uint8_t out[KEY_ACCESS_OF], const struct subject_id *member, const struct unit_id *unit,
                   const struct subject_id *access);
void key_received(uint8_t out[KEY_RECEIVED], const struct subject_id *subject, const struct unit_id *unit,
                  uint8_t class, uint32_t generation, const struct position *from);
void key_received_by(uint8_t out[KEY_RECEIVED], const struct subject_id *subject, const struct unit_id *unit,
                     uint8_t class, uint32_t generation, const struct position *from);
void key_opening(uint8_t out[KEY_OPENING], const struct unit_id *home, const struct subject_id *subject,
                 struct civil_date day, const struct actor_id *actor, const struct subject_id *access);
void key_look(uint8_t out[KEY_LOOK], const struct subject_id *subject, struct civil_date day,
              const struct actor_id *actor, uint8_t purpose);
/* A day in a key, so that the order of bytes is the order of days; DATE_NONE comes first. */
void key_day_put(uint8_t out[4], struct civil_date day);
struct civil_date key_day_get(const uint8_t in[4]);
void key_period_row(uint8_t out[KEY_PERIOD_ROW], const struct unit_id *unit, uint16_t year);
void key_posting(uint8_t out[KEY_POSTING], const struct unit_id *unit, const struct subject_id *posting);

#endif
