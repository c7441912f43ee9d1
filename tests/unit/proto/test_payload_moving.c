/* Payloads about members who move: kinds 20, 21 and 64 to 99. What every kind has in common: test_payload.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proto/event.h"
#include "tests/support/event_samples.h"

static void
assert_encodes(const struct event_payload *p, const char *field, int line)
{
    struct buf out;
    struct err err = {0};
    buf_init(&out, PAYLOAD_BYTES_MAX);
    int rc = event_payload_encode(p, &out, &err);
    if ((rc == 0) != (field == NULL) || (field && (rc != ERR_INVALID || strcmp(err.field, field) != 0 || out.len != 0)))
        fail_msg("line %d: %s gives %d, field '%s'", line, event_kind_name(p->kind), rc, err.field);
    buf_free(&out);
}

/* field NULL: it is in bounds. */
#define CASE(k, change, name)                       \
    do {                                            \
        struct event_payload p = sample_payload(k); \
        change;                                     \
        assert_encodes(&p, name, __LINE__);         \
    } while (0)

/* The sample of a kind as bytes, with one place of it replaced, and bytes after it. */
static int
decode_changed(uint16_t kind, const char *from, size_t from_len, const char *to, size_t to_len, const char *tail,
               size_t tail_len)
{
    struct event_payload p = sample_payload(kind), ret;
    struct buf b, changed;
    buf_init(&b, PAYLOAD_BYTES_MAX);
    buf_init(&changed, 2 * PAYLOAD_BYTES_MAX);
    assert_int_equal(event_payload_encode(&p, &b, NULL), 0);
    const uint8_t *at = from_len > 0 ? memmem(b.data, b.len, from, from_len) : b.data;
    assert_non_null(at);
    size_t head = (size_t)(at - b.data);
    buf_put(&changed, b.data, head);
    buf_put(&changed, to, to_len);
    buf_put(&changed, at + from_len, b.len - head - from_len);
    buf_put(&changed, tail, tail_len);
    int rc = event_payload_decode(kind, 1, buf_slice(&changed), &ret, NULL);
    buf_free(&b);
    buf_free(&changed);
    return rc;
}

#define REPLACED(kind, from, to) decode_changed(kind, from, sizeof(from) - 1, to, sizeof(to) - 1, "", 0)
#define FOLLOWED(kind, tail) decode_changed(kind, "", 0, "", 0, tail, sizeof(tail) - 1)

static void
a_custodian_may_be_nobody_but_when_a_unit_closes(void **state)
{
    CASE(KIND_CUSTODIAN_NAMED, p.custodian.has_unit = false, NULL);
    CASE(KIND_UNIT_CLOSED, p.custodian.has_unit = false, "custodian");
    assert_int_equal(REPLACED(KIND_CUSTODIAN_NAMED, "\x42\x20", "\x42\x1F"), ERR_INVALID);
}

static void
terms_of_a_handover_are_those_of_an_admission(void **state)
{
    static const uint16_t kinds[] = {KIND_HANDOVER_ACCEPTED, KIND_HANDOVER_COMPLETED};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        uint16_t k = kinds[i];
        CASE(k, p.handover.terms.category = 0, "category");
        CASE(k, p.handover.terms.category = 4, "category");
        CASE(k, p.handover.terms.person_type = 3, "person_type");
        CASE(k, p.handover.terms.person_type = PERSON_LEGAL, "person_type"); /* of category B */
        CASE(k, (p.handover.terms.person_type = PERSON_LEGAL, p.handover.terms.category = CATEGORY_C), NULL);
        CASE(k, p.handover.terms.shares = 0, "shares");
        CASE(k, p.handover.terms.shares = SHARES_MAX, NULL);
        CASE(k, p.handover.terms.shares = SHARES_MAX + 1, "shares");
        CASE(k, p.handover.terms.share_price_minor = 0, "share_price_minor");
        CASE(k, p.handover.terms.share_price_minor = SHARE_PRICE_MINOR_MAX + 1, "share_price_minor");
        CASE(k, p.handover.terms.currency[0] = 's', "currency");
        assert_int_equal(REPLACED(k, "\x5A\x10", "\x5A\x0F"), ERR_INVALID); /* the office */
        assert_int_equal(REPLACED(k, "\x72\x03SEK", ""), ERR_INVALID);
    }
    CASE(KIND_HANDOVER_OFFERED, p.handover.proposed = DATE_NONE, "proposed_on");
    CASE(KIND_HANDOVER_OFFERED, p.handover.proposed.days = DATE_MAX.days + 1, "proposed_on");
}

static void
a_completion_says_what_happens_to_open_activities(void **state)
{
    CASE(KIND_HANDOVER_COMPLETED, p.handover.activities = 0, "activities");
    CASE(KIND_HANDOVER_COMPLETED, p.handover.activities = ACTIVITIES_CLOSED, NULL);
    CASE(KIND_HANDOVER_COMPLETED, p.handover.activities = ACTIVITIES_TAKEN_ALONG + 1, "activities");
    CASE(KIND_HANDOVER_COMPLETED, p.handover.voted = false, NULL);
    assert_int_equal(REPLACED(KIND_HANDOVER_COMPLETED, "\x78\x01\x80\x01\x02", "\x78\x00\x80\x01\x02"), ERR_INVALID);
    assert_int_equal(REPLACED(KIND_HANDOVER_COMPLETED, "\x78\x01\x80\x01\x02", "\x78\x01"), ERR_INVALID);
    /* fields 15 and 16 are not of an acceptance: a later version's, whatever they are */
    assert_int_equal(FOLLOWED(KIND_HANDOVER_ACCEPTED, "\x78\x00\x82\x01\x01x"), 0);
}

static void
bounds_of_doubles(void **state)
{
    CASE(KIND_DOUBLE_SETTLED, p.doubled.outcome = 0, "outcome");
    CASE(KIND_DOUBLE_SETTLED, p.doubled.outcome = DOUBLE_TWO_PERSONS, NULL);
    CASE(KIND_DOUBLE_SETTLED, p.doubled.outcome = DOUBLE_OTHER_GIVEN_UP, NULL);
    CASE(KIND_DOUBLE_SETTLED, p.doubled.outcome = DOUBLE_OTHER_GIVEN_UP + 1, "outcome");
    CASE(KIND_DOUBLE_SETTLED, p.doubled.reason = 0, "reason");
    CASE(KIND_DOUBLE_SETTLED, p.doubled.reason = UINT16_MAX, NULL);
    assert_int_equal(REPLACED(KIND_DOUBLE_SETTLED, "\x58\xAC\x02", "\x58\x80\x80\x04"), ERR_INVALID); /* 65,536 */
    /* a member who has moved keeps the id, so that the records of two units can have the same */
    CASE(KIND_DOUBLE_DECLARED, p.doubled.subject = p.common.subject, NULL);
    assert_int_equal(REPLACED(KIND_DOUBLE_DECLARED, "\x4A\x10", "\x4A\x0F"), ERR_INVALID);
}

static void
bounds_of_access(void **state)
{
    CASE(KIND_ACCESS_GRANTED, p.access.classes = 0, "classes");
    CASE(KIND_ACCESS_GRANTED, p.access.classes = ACCESS_CLASSES_ALL, NULL);
    CASE(KIND_ACCESS_GRANTED, p.access.classes = ACCESS_CLASSES_ALL + 1, "classes");
    CASE(KIND_ACCESS_GRANTED, p.access.purpose = 0, "purpose");
    CASE(KIND_ACCESS_GRANTED, p.access.until = DATE_NONE, NULL);
    CASE(KIND_ACCESS_GRANTED, p.access.until.days = DATE_MIN.days - 1, "until");
    CASE(KIND_PASS_ISSUED, p.access.classes = 0, "classes");
    CASE(KIND_PASS_ISSUED, p.access.classes = 16, "classes");
    CASE(KIND_PASS_ISSUED, p.access.until = DATE_NONE, "until");
    CASE(KIND_PASS_ISSUED, p.access.until.days = DATE_MAX.days + 1, "until");
    CASE(KIND_PASS_ISSUED, p.access.stale_hours_max = 0, "stale_hours");
    CASE(KIND_PASS_ISSUED, p.access.stale_hours_max = STALE_HOURS_MAX, NULL);
    CASE(KIND_PASS_ISSUED, p.access.stale_hours_max = STALE_HOURS_MAX + 1, "stale_hours");
    assert_int_equal(REPLACED(KIND_PASS_ISSUED, "\x72\x20", "\x72\x1F"), ERR_INVALID);
    CASE(KIND_ACCESS_REVOKED, p.access.reason = 0, "reason");
    CASE(KIND_ACCESS_REVOKED, p.access.reason = ACCESS_END_NOT_NEEDED + 1, NULL); /* a later program's */
    CASE(KIND_ACCESS_REVOKED, p.access.reason = UINT8_MAX, NULL);
    assert_int_equal(REPLACED(KIND_ACCESS_REVOKED, "\x40\x02", "\x40\x80\x02"), ERR_INVALID); /* 256 */
    CASE(KIND_GUEST_RECORDED, p.common.precision = PRECISION_DAY, "precision");
    assert_int_equal(REPLACED(KIND_GUEST_RECORDED, "\x42\x20", "\x42\x1F"), ERR_INVALID);
}

static void
classes_are_one_to_eight_and_ascend(void **state)
{
    static const uint16_t kinds[] = {KIND_ERASURE_ORDERED, KIND_RESTRICTION_ORDERED, KIND_RESTRICTION_LIFTED};
    static const uint8_t eight[] = {1, 2, 3, 4, 5, 6, 7, 255};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        uint16_t k = kinds[i];
        CASE(k, p.erasure.n_classes = 0, "class");
        CASE(k, (p.erasure.n_classes = 2, p.erasure.classes[0] = p.erasure.classes[1] = 2), "class");
        CASE(k, (p.erasure.n_classes = 2, p.erasure.classes[0] = 3, p.erasure.classes[1] = 2), "class");
        CASE(k, p.erasure.classes[0] = 0, "class");
        CASE(k, (p.erasure.n_classes = 8, memcpy(p.erasure.classes, eight, sizeof(eight))), NULL);
        assert_int_equal(FOLLOWED(k, "\x40\x04\x40\x05\x40\x06\x40\x07\x40\x08"), 0);
        assert_int_equal(FOLLOWED(k, "\x40\x04\x40\x05\x40\x06\x40\x07\x40\x08\x40\x09\x40\x0A\x40\x0B"), ERR_INVALID);
        assert_int_equal(FOLLOWED(k, "\x40\x80\x02"), ERR_INVALID); /* 256 */
        assert_int_equal(FOLLOWED(k, "\x40\x01"), ERR_INVALID);
        assert_int_equal(FOLLOWED(k, "\x42\x02\x04\x05"), ERR_INVALID); /* packed */
        if (k == KIND_RESTRICTION_LIFTED)
            continue;
        CASE(k, p.erasure.ground = 0, "ground");
        CASE(k, p.erasure.ground = GROUND_CONSENT + 1, NULL); /* a later program's */
        CASE(k, p.erasure.ground = UINT8_MAX, NULL);
        assert_int_equal(REPLACED(k, "\x48\x01", "\x48\x80\x02"), ERR_INVALID); /* 256 */
        assert_int_equal(REPLACED(k, "\x48\x01", ""), ERR_INVALID);
        assert_int_equal(REPLACED(k, "\x48\x01", "\x48\x81\x80\x80\x80\x10"), ERR_INVALID); /* 1 in 32 bits only */
    }
    CASE(KIND_RESTRICTION_ORDERED, p.erasure.until = DATE_NONE, NULL);
    CASE(KIND_RESTRICTION_ORDERED, p.erasure.until.days = DATE_MAX.days + 1, "until");
}

static void
places_are_at_most_100_and_ascend(void **state)
{
    static struct erased_place places[ERASED_PLACES_MAX + 1], back[ERASED_PLACES_MAX];
    for (size_t i = 0; i < ARRAY_LEN(places); i++)
        places[i] = (struct erased_place){.log = {{(uint8_t)(1 + i / 50)}}, .seq = 1 + i % 50, .indexes = UINT16_MAX};
    CASE(KIND_ERASURE_ORDERED, p.erasure.n_places = 0, NULL);
    CASE(KIND_ERASURE_ORDERED, (p.erasure.places = places, p.erasure.n_places = 101), "capsule");
    struct event_payload full = sample_payload(KIND_ERASURE_ORDERED), ret;
    struct buf b;
    buf_init(&b, PAYLOAD_BYTES_MAX);
    full.erasure.places = places;
    full.erasure.n_places = ERASED_PLACES_MAX;
    assert_int_equal(event_payload_encode(&full, &b, NULL), 0);
    assert_int_equal(event_payload_decode(full.kind, 1, buf_slice(&b), &ret, NULL), 0);
    assert_int_equal(ret.erasure.n_places, ERASED_PLACES_MAX);
    assert_null(ret.erasure.places);
    assert_int_equal(erased_places_read(buf_slice(&b), back), ERASED_PLACES_MAX);
    for (size_t i = 0; i < ERASED_PLACES_MAX; i++)
        assert_true(erased_place_compare(&back[i], &places[i]) == 0 && back[i].indexes == UINT16_MAX);
    assert_true(erased_place_compare(&back[0], &back[1]) < 0 && erased_place_compare(&back[50], &back[49]) > 0);
    buf_free(&b);
    struct erased_place two[2] = {places[3], places[3]};
#define TWO(change, name) CASE(KIND_ERASURE_ORDERED, (change, p.erasure.places = two, p.erasure.n_places = 2), name)
    TWO(two[0] = places[2], NULL);
    TWO(two[0] = places[3], "capsule");
    TWO(two[0] = places[4], "capsule");
    TWO((two[0] = places[2], two[1].seq = INT64_MAX), NULL);
    TWO(two[1].seq = UINT64_C(1) << 63, "capsule.seq");
    TWO((two[1] = places[3], two[0].seq = 0), "capsule.seq");
    TWO((two[0] = places[2], two[0].indexes = 0), "capsule.indexes");
}

static void
a_place_is_judged_as_a_payload_is(void **state)
{
    /* log id of 255, seq 5, indexes 7 */
    uint8_t place[40] = {0x5A, 38, 0x0A, 32};
    memset(place + 4, 0xFF, 32);
    memcpy(place + 36, "\x10\x05\x18\x07", 4);
    static const struct {
        size_t at;
        uint8_t byte;
        int rc;
    } rows[] = {
        {39, 7, 0},
        {39, 0, ERR_INVALID},    /* no indexes */
        {38, 0x10, ERR_INVALID}, /* seq twice */
        {38, 0x20, ERR_INVALID}, /* field 4 instead of 3 */
        {37, 0, ERR_INVALID},    /* seq 0 */
        {36, 0x08, ERR_INVALID}, /* a number in field 1 */
        {4, 0, ERR_INVALID},     /* not after those of the sample */
        {3, 31, ERR_INVALID},
        {1, 39, ERR_INVALID}, /* longer than what follows */
        {1, 36, ERR_INVALID},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char b[sizeof(place)];
        memcpy(b, place, sizeof(place));
        b[rows[i].at] = (char)rows[i].byte;
        assert_int_equal(decode_changed(KIND_ERASURE_ORDERED, "", 0, "", 0, b, sizeof(b)), rows[i].rc);
    }
    assert_int_equal(FOLLOWED(KIND_ERASURE_ORDERED, "\x5A\x00"), ERR_INVALID);
    struct erased_place back[ERASED_PLACES_MAX];
    assert_int_equal(erased_places_read(slice_of(place, sizeof(place)), back), 1);
    assert_true(back[0].seq == 5 && back[0].indexes == 7 && back[0].log.b[31] == 0xFF);
    assert_int_equal(erased_places_read(slice_of(place, sizeof(place) - 1), back), 0);
}

static void
a_backup_is_gone_on_a_day_after_it_was_made(void **state)
{
    CASE(KIND_COPIES_DESTROYED, p.destroyed = ((struct destroyed){DATE_NONE, DATE_NONE}), NULL);
    CASE(KIND_COPIES_DESTROYED, p.destroyed.backup_on = DATE_NONE, "backup_gone_on");
    CASE(KIND_COPIES_DESTROYED, p.destroyed.backup_gone_on = DATE_NONE, "backup_gone_on");
    CASE(KIND_COPIES_DESTROYED, p.destroyed.backup_gone_on = p.destroyed.backup_on, NULL);
    CASE(KIND_COPIES_DESTROYED, p.destroyed.backup_gone_on.days = p.destroyed.backup_on.days - 1, "backup_gone_on");
    CASE(KIND_COPIES_DESTROYED, p.destroyed.backup_on.days = DATE_MIN.days - 1, "backup_on");
    CASE(KIND_COPIES_DESTROYED, p.destroyed.backup_gone_on.days = DATE_MAX.days + 1, "backup_gone_on");
}

static void
a_unit_does_not_name_itself_where_another_is_meant(void **state)
{
    static const struct {
        uint16_t kind;
        uint8_t fill; /* of the unit in the sample */
        const char *field;
    } rows[] = {{KIND_CUSTODIAN_NAMED, 0x5E, "custodian"}, {KIND_UNIT_CLOSED, 0x5E, "custodian"},
                {KIND_HANDOVER_OFFERED, 0x5E, "to"},       {KIND_HANDOVER_ACCEPTED, 0xB5, "from"},
                {KIND_HANDOVER_COMPLETED, 0x5E, "to"},     {KIND_DOUBLE_DECLARED, 0xDE, "other_unit"},
                {KIND_DOUBLE_SETTLED, 0xDE, "other_unit"}, {KIND_ACCESS_GRANTED, 0xDE, "host"},
                {KIND_GUEST_RECORDED, 0xB5, "home"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct event_payload p = sample_payload(rows[i].kind);
        struct err err = {0};
        struct unit_id writer;
        sample_fill(writer.b, HASH_BYTES, rows[i].fill);
        assert_int_equal(event_payload_check_writer(&p, &writer, &err), ERR_INVALID);
        assert_string_equal(err.field, rows[i].field);
        writer.b[HASH_BYTES - 1] ^= 1;
        assert_int_equal(event_payload_check_writer(&p, &writer, &err), 0);
    }
    /* kinds that name nobody, whatever stands there */
    struct unit_id none = {{0}};
    for (unsigned i = 0; i < SAMPLE_LOG_EVENTS; i++) {
        struct event_payload p = sample_payload(sample_kinds[i]);
        assert_int_equal(event_payload_check_writer(&p, &none, NULL), 0);
    }
    struct event_payload p = sample_payload(KIND_CUSTODIAN_NAMED);
    p.custodian = (struct custodian){0};
    assert_int_equal(event_payload_check_writer(&p, &none, NULL), 0);
}

static struct event_payload
read_back(uint16_t kind)
{
    struct event_payload p = sample_payload(kind), ret;
    struct buf b;
    buf_init(&b, PAYLOAD_BYTES_MAX);
    assert_int_equal(event_payload_encode(&p, &b, NULL), 0);
    memset(&ret, 0xA5, sizeof(ret));
    assert_int_equal(event_payload_decode(kind, 1, buf_slice(&b), &ret, NULL), 0);
    buf_free(&b);
    return ret;
}

static void
fields_of_handovers_and_doubles_arrive_where_they_belong(void **state)
{
    struct event_payload p = read_back(KIND_UNIT_CLOSED);
    assert_true(p.custodian.has_unit && p.custodian.unit.b[31] == 0x5E);
    p = read_back(KIND_HANDOVER_OFFERED);
    assert_int_equal(p.handover.other.b[0], 0x5E);
    assert_int_equal(p.handover.proposed.days, date_from_ymd(2026, 4, 1).days);
    p = read_back(KIND_HANDOVER_COMPLETED);
    assert_int_equal(p.handover.terms.category, CATEGORY_B);
    assert_int_equal(p.handover.terms.person_type, PERSON_NATURAL);
    assert_int_equal(p.handover.terms.office.b[15], 0x50);
    assert_int_equal(p.handover.terms.shares, 4);
    assert_int_equal(p.handover.terms.share_price_minor, 25000);
    assert_string_equal(p.handover.terms.currency, "SEK");
    assert_true(p.handover.voted);
    assert_int_equal(p.handover.activities, ACTIVITIES_TAKEN_ALONG);
    p = read_back(KIND_HANDOVER_ACCEPTED);
    assert_int_equal(p.handover.other.b[0], 0xB5);
    assert_int_equal(p.handover.terms.shares, 4);
    assert_true(!p.handover.voted && p.handover.activities == 0 && date_is_none(p.handover.proposed));
    p = read_back(KIND_DOUBLE_SETTLED);
    assert_true(p.doubled.unit.b[0] == 0xDE && p.doubled.subject.b[15] == 0x5D);
    assert_int_equal(p.doubled.outcome, DOUBLE_THIS_GIVEN_UP);
    assert_int_equal(p.doubled.reason, 300);
}

static void
fields_of_access_and_erasure_arrive_where_they_belong(void **state)
{
    struct event_payload p = read_back(KIND_ACCESS_GRANTED);
    assert_true(p.access.member.b[0] == 0x5B && p.access.host.b[31] == 0xDE);
    assert_int_equal(p.access.classes, 3);
    assert_int_equal(p.access.purpose, 3);
    assert_int_equal(p.access.until.days, date_from_ymd(2026, 12, 31).days);
    p = read_back(KIND_PASS_ISSUED);
    assert_int_equal(p.access.stale_hours_max, 72);
    assert_true(p.access.member.b[0] == 0x5B && p.access.pass_key.b[31] == 0x9A && p.access.purpose == 0);
    p = read_back(KIND_ACCESS_REVOKED);
    assert_true(p.access.reason == ACCESS_END_LOST && date_is_none(p.access.until));
    p = read_back(KIND_GUEST_RECORDED);
    assert_int_equal(p.guest.home.b[31], 0xB5);
    p = read_back(KIND_ERASURE_ORDERED);
    assert_true(p.erasure.n_classes == 3 && p.erasure.classes[2] == CLASS_BANK && p.erasure.ground == GROUND_ASKED);
    assert_true(p.erasure.has_generation && p.erasure.generation == 2 && p.erasure.n_places == 3);
    assert_true(date_is_none(p.erasure.until));
    p = read_back(KIND_RESTRICTION_ORDERED);
    assert_true(p.erasure.n_classes == 3 && !p.erasure.has_generation && p.erasure.n_places == 0);
    assert_int_equal(p.erasure.until.days, date_from_ymd(2033, 12, 31).days);
    p = read_back(KIND_RESTRICTION_LIFTED);
    assert_true(p.erasure.n_classes == 1 && p.erasure.classes[0] == CLASS_IDENTITY && p.erasure.ground == 0);
    p = read_back(KIND_COPIES_DESTROYED);
    assert_int_equal(p.destroyed.backup_on.days, date_from_ymd(2026, 2, 27).days);
    assert_int_equal(p.destroyed.backup_gone_on.days, date_from_ymd(2026, 4, 3).days);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_custodian_may_be_nobody_but_when_a_unit_closes),
        cmocka_unit_test(terms_of_a_handover_are_those_of_an_admission),
        cmocka_unit_test(a_completion_says_what_happens_to_open_activities),
        cmocka_unit_test(bounds_of_doubles),
        cmocka_unit_test(bounds_of_access),
        cmocka_unit_test(classes_are_one_to_eight_and_ascend),
        cmocka_unit_test(places_are_at_most_100_and_ascend),
        cmocka_unit_test(a_place_is_judged_as_a_payload_is),
        cmocka_unit_test(a_backup_is_gone_on_a_day_after_it_was_made),
        cmocka_unit_test(a_unit_does_not_name_itself_where_another_is_meant),
        cmocka_unit_test(fields_of_handovers_and_doubles_arrive_where_they_belong),
        cmocka_unit_test(fields_of_access_and_erasure_arrive_where_they_belong),
    };
    return cmocka_run_group_tests_name("payload of members who move", tests, NULL, NULL);
}
