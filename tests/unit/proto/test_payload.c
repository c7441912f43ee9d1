/* Payloads with the rules of every kind, and root statements. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proto/event.h"
#include "tests/support/event_samples.h"

static struct sample_log sample;

static int
setup(void **state)
{
    sample_log_init(&sample, true);
    return 0;
}

static int
teardown(void **state)
{
    sample_log_release(&sample);
    return 0;
}

/* ---- payloads ---- */

static void
every_kind_has_a_name_and_is_known(void **state)
{
    for (unsigned i = 0; i < SAMPLE_LOG_EVENTS; i++) {
        assert_true(event_kind_known(sample_kinds[i], 1));
        assert_false(event_kind_known(sample_kinds[i], 2));
        assert_int_equal(event_kind_from_name(event_kind_name(sample_kinds[i])), sample_kinds[i]);
    }
    assert_true(event_kind_must_understand(KIND_HANDOVER_OFFERED) &&
                event_kind_must_understand(KIND_HANDOVER_RECEIVED));
    assert_true(event_kind_must_understand(KIND_MEMBER_MERGED) && event_kind_must_understand(KIND_DOUBLE_SETTLED));
    assert_false(event_kind_must_understand(KIND_DOUBLE_DECLARED) ||
                 event_kind_must_understand(KIND_RESTRICTION_LIFTED));
    assert_false(event_kind_must_understand(KIND_MEMBER_ADMITTED) || event_kind_must_understand(KIND_UNIT_CLOSED));
    assert_string_equal(event_kind_name(KIND_MEMBER_ADMITTED), "member.admitted");
    assert_false(event_kind_known(KIND_PAYLOADS_DROPPED, 1));
    assert_string_equal(event_kind_name(52), "unknown");
    assert_int_equal(event_kind_from_name("unknown"), 0);
    struct event_payload p;
    assert_int_equal(event_payload_decode(52, 1, buf_slice(&sample.payload[9]), &p, NULL), ERR_UNKNOWN_KIND);
    assert_int_equal(event_payload_decode(34, 2, buf_slice(&sample.payload[9]), &p, NULL), ERR_UNKNOWN_KIND);
    p = (struct event_payload){.kind = KIND_PAYLOADS_DROPPED};
    struct buf out;
    buf_init(&out, PAYLOAD_BYTES_MAX);
    assert_int_equal(event_payload_encode(&p, &out, NULL), ERR_UNKNOWN_KIND);
}

static void
every_sample_payload_reads_back_and_encodes_the_same(void **state)
{
    for (unsigned n = 1; n <= SAMPLE_LOG_EVENTS; n++) {
        struct event_payload p;
        struct buf again;
        buf_init(&again, PAYLOAD_BYTES_MAX);
        assert_int_equal(event_payload_decode(sample_kinds[n - 1], 1, buf_slice(&sample.payload[n]), &p, NULL), 0);
        assert_int_equal(p.kind, sample_kinds[n - 1]);
        sample_lists(&p, buf_slice(&sample.payload[n]));
        assert_int_equal(event_payload_encode(&p, &again, NULL), 0);
        assert_true(slice_eq(buf_slice(&again), buf_slice(&sample.payload[n])));
        buf_free(&again);
    }
}

static void
fields_arrive_where_they_belong(void **state)
{
    struct event_payload p;
    assert_int_equal(event_payload_decode(KIND_MEMBER_ADMITTED, 1, buf_slice(&sample.payload[9]), &p, NULL), 0);
    assert_int_equal(p.admission.category, CATEGORY_C);
    assert_int_equal(p.admission.person_type, PERSON_LEGAL);
    assert_int_equal(p.admission.shares, 3);
    assert_int_equal(p.admission.share_price_minor, 3000);
    assert_string_equal(p.admission.currency, "EUR");
    assert_int_equal(p.admission.office.b[15], 0x0F);
    assert_int_equal(p.common.effective.days, date_from_ymd(2026, 3, 1).days);
    assert_int_equal(p.common.subject.b[0], 0x5B);
    assert_int_equal(event_payload_decode(KIND_SHARES_SUBSCRIBED, 1, buf_slice(&sample.payload[10]), &p, NULL), 0);
    assert_int_equal(p.common.precision, PRECISION_MONTH);
    assert_int_equal(event_payload_decode(KIND_LOG_OPENED, 1, buf_slice(&sample.payload[1]), &p, NULL), 0);
    assert_true(slice_eq(p.log_opened.root_statement, buf_slice(&sample.root_statement)));
    assert_true(p.log_opened.root_statement.data > sample.payload[1].data);
    assert_string_equal(p.log_opened.program, "smartnode 0.1.0");
    assert_memory_equal(p.log_opened.recovery_key.b, sample.opened.recovery_key.b, KEY_BYTES);
}

static struct event_payload
sample_of(uint16_t kind)
{
    struct event_payload p = sample_payload(kind);
    if (kind == KIND_LOG_OPENED)
        p.log_opened = sample.opened;
    return p;
}

static void
assert_refused(const struct event_payload *p, const char *field)
{
    struct buf out;
    struct err err = {0};
    buf_init(&out, PAYLOAD_BYTES_MAX);
    assert_int_equal(event_payload_encode(p, &out, &err), ERR_INVALID);
    assert_string_equal(err.field, field);
    assert_int_equal(out.len, 0);
    buf_free(&out);
}

#define REFUSED(k, change, name)               \
    do {                                       \
        struct event_payload p = sample_of(k); \
        change;                                \
        assert_refused(&p, name);              \
    } while (0)

static void
common_fields_are_required_as_the_kind_says(void **state)
{
    for (unsigned i = 0; i < SAMPLE_LOG_EVENTS; i++) {
        struct event_payload whole = sample_of(sample_kinds[i]);
        REFUSED(whole.kind, p.common.has_salt = false, "salt");
        REFUSED(whole.kind, p.common.has_subject = !p.common.has_subject, "subject");
        if (whole.common.has_actor)
            REFUSED(whole.kind, p.common.has_actor = false, "actor");
        if (whole.common.has_effective) {
            REFUSED(whole.kind, (p.common.has_effective = false, p.common.precision = PRECISION_DAY), "effective_on");
            REFUSED(whole.kind, p.common.effective.days = DATE_MAX.days + 1, "effective_on");
            REFUSED(whole.kind, p.common.effective.days = DATE_MIN.days - 1, "effective_on");
            REFUSED(whole.kind, (p.common.precision = PRECISION_MONTH, p.common.effective.days++), "precision");
        } else {
            REFUSED(whole.kind, (p.common.has_effective = true, p.common.effective.days = 1), "effective_on");
        }
    }
}

static void
a_register_payload_out_of_bounds_is_malformed(void **state)
{
    REFUSED(KIND_MEMBER_ADMITTED, p.admission.category = 0, "category");
    REFUSED(KIND_MEMBER_ADMITTED, p.admission.category = 4, "category");
    REFUSED(KIND_MEMBER_ADMITTED, p.admission.person_type = 0, "person_type");
    REFUSED(KIND_MEMBER_ADMITTED, p.admission.person_type = 3, "person_type");
    REFUSED(KIND_MEMBER_ADMITTED, p.admission.category = CATEGORY_A, "person_type");
    REFUSED(KIND_APPLICATION_RECEIVED, p.admission.category = CATEGORY_B, "person_type");
    REFUSED(KIND_MEMBER_ADMITTED, p.admission.shares = 0, "shares");
    REFUSED(KIND_MEMBER_ADMITTED, p.admission.shares = SHARES_MAX + 1, "shares");
    REFUSED(KIND_MEMBER_ADMITTED, p.admission.share_price_minor = 0, "share_price_minor");
    REFUSED(KIND_MEMBER_ADMITTED, p.admission.share_price_minor = -1, "share_price_minor");
    REFUSED(KIND_MEMBER_ADMITTED, p.admission.currency[2] = 'r', "currency");
    REFUSED(KIND_SHARES_SUBSCRIBED, p.shares.shares = 0, "shares");
    REFUSED(KIND_SHARES_SUBSCRIBED, p.shares.share_price_minor = SHARE_PRICE_MINOR_MAX + 1, "share_price_minor");
    REFUSED(KIND_SHARES_SUBSCRIBED, p.shares.currency[0] = '\0', "currency");
    REFUSED(KIND_CATEGORY_CHANGED, p.category = 0, "category");
    REFUSED(KIND_ESCROW_OPENED, p.escrow_day.days = DATE_MAX.days + 1, "day");
}

static void
a_unit_or_office_out_of_bounds_is_malformed(void **state)
{
    REFUSED(KIND_UNIT_DESCRIBED, p.unit.name.s[0] = '\0', "name");
    REFUSED(KIND_UNIT_DESCRIBED, p.unit.name.s[0] = '\n', "name");
    REFUSED(KIND_UNIT_DESCRIBED, p.unit.name.s[0] = (char)0xFF, "name");
    REFUSED(KIND_UNIT_DESCRIBED, p.unit.country[1] = 'e', "country");
    REFUSED(KIND_UNIT_DESCRIBED, p.unit.currency[1] = '1', "currency");
    REFUSED(KIND_UNIT_DESCRIBED, p.unit.n_languages = 0, "language");
    REFUSED(KIND_UNIT_DESCRIBED, p.unit.languages[1][0] = '_', "language");
    REFUSED(KIND_UNIT_DESCRIBED, p.unit.languages[1][1] = '\0', "language");
    REFUSED(KIND_UNIT_DESCRIBED, p.unit.time_zone.s[6] = ' ', "time_zone");
    REFUSED(KIND_UNIT_DESCRIBED, (memset(p.unit.time_zone.s, 'x', 65), p.unit.time_zone.s[65] = '\0'), "time_zone");
    REFUSED(KIND_UNIT_DESCRIBED, p.unit.contribution_bp = 10001, "contribution_bp");
    REFUSED(KIND_UNIT_DESCRIBED, p.unit.share_price_minor = 0, "share_price_minor");
    REFUSED(KIND_OFFICE_CHANGED, p.office.city.s[0] = '\0', "city");
    REFUSED(KIND_OFFICE_OPENED, p.office.country[0] = '\0', "country");
}

static void
an_opening_out_of_bounds_is_malformed(void **state)
{
    REFUSED(KIND_LOG_OPENED, p.log_opened.unit_code[0] = '1', "unit_code");
    REFUSED(KIND_LOG_OPENED, p.log_opened.serial = 0, "serial");
    REFUSED(KIND_LOG_OPENED, p.log_opened.root_statement.len = 0, "root_statement");
    REFUSED(KIND_LOG_OPENED, p.log_opened.program[0] = '\t', "program");
}

/* A payload with bytes after it, as if a later version had written them. */
static int
decode_with(uint16_t kind, const void *tail, size_t len)
{
    static struct buf b;
    struct event_payload ignored;
    unsigned n = 1;
    while (sample_kinds[n - 1] != kind)
        n++;
    buf_init(&b, 2 * PAYLOAD_BYTES_MAX);
    buf_put(&b, sample.payload[n].data, sample.payload[n].len);
    buf_put(&b, tail, len);
    int rc = event_payload_decode(kind, 1, buf_slice(&b), &ignored, NULL);
    buf_free(&b);
    return rc;
}

#define DECODE_WITH(kind, tail) decode_with(kind, tail, sizeof(tail) - 1)

static void
unknown_fields_are_accepted(void **state)
{
    for (unsigned i = 0; i < SAMPLE_LOG_EVENTS; i++) {
        assert_int_equal(DECODE_WITH(sample_kinds[i], "\xF8\x07\x01\xF8\x07\x01"), 0);     /* 127, twice */
        assert_int_equal(DECODE_WITH(sample_kinds[i], "\xFA\x07\x03\x0B\xFF\x00"), 0);     /* never looked into */
        assert_int_equal(DECODE_WITH(sample_kinds[i], "\xFD\x07xxxx\xF9\x07yyyyyyyy"), 0); /* fixed */
        assert_int_equal(DECODE_WITH(sample_kinds[i], "\xF8\xFF\xFF\xFF\x0F\x00"), 0);     /* 2^29 - 1 */
    }
}

static void
what_is_not_well_formed_is_malformed(void **state)
{
    for (unsigned i = 0; i < SAMPLE_LOG_EVENTS; i++) {
        uint16_t kind = sample_kinds[i];
        assert_int_equal(DECODE_WITH(kind, "\x2A\x10"
                                           "0123456789abcdef"),
                         ERR_INVALID);                                                /* salt twice */
        assert_int_equal(DECODE_WITH(kind, "\xFB\x07\xFC\x07"), ERR_INVALID);         /* group */
        assert_int_equal(DECODE_WITH(kind, "\xFE\x07\x01"), ERR_INVALID);             /* wire type 6 */
        assert_int_equal(DECODE_WITH(kind, "\x00\x01"), ERR_INVALID);                 /* field 0 */
        assert_int_equal(DECODE_WITH(kind, "\xF8\xFF\xFF\xFF\x1F\x00"), ERR_INVALID); /* field 2^29 + … */
        assert_int_equal(DECODE_WITH(kind, "\xF8"), ERR_INVALID);                     /* cut tag */
        assert_int_equal(DECODE_WITH(kind, "\xF8\x07"), ERR_INVALID);                 /* no value */
        assert_int_equal(DECODE_WITH(kind, "\xFA\x07\x02x"), ERR_INVALID);            /* length over the end */
        assert_int_equal(DECODE_WITH(kind, "\xF8\x07\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02"), ERR_INVALID);
        assert_int_equal(DECODE_WITH(kind, "\xF8\x07\x81\x00"), ERR_INVALID); /* long varint */
        assert_int_equal(DECODE_WITH(kind, "\x32\x20"
                                           "0123456789abcdef0123456789abcdef"),
                         ERR_INVALID); /* field 6 */
    }
    assert_int_equal(DECODE_WITH(KIND_ESCROW_OPENED, "\x18\x80\x80\x80\x80\x10"), ERR_INVALID); /* over 32 bits */
    assert_int_equal(DECODE_WITH(KIND_MEMBER_RESIGNED, "\x20\x00"), ERR_INVALID);               /* precision 0 */
    assert_int_equal(DECODE_WITH(KIND_MEMBER_RESIGNED, "\x20\x02"), ERR_INVALID);
    assert_int_equal(DECODE_WITH(KIND_MEMBER_RESIGNED, "\x20\x01"), 0);
    assert_int_equal(DECODE_WITH(KIND_MEMBER_RESIGNED, "\x40\x01"), 0);       /* field 8 is not of this kind */
    assert_int_equal(DECODE_WITH(KIND_APPLICATION_RECEIVED, "\x5A\x01x"), 0); /* nor 11 of this one */
    assert_int_equal(DECODE_WITH(KIND_LOG_OPENED, "\x58\x00"), ERR_INVALID);  /* production 0 */
    assert_int_equal(DECODE_WITH(KIND_LOG_OPENED, "\x58\x01"), 0);
}

/* The bound is chosen so that memory never decides. */
static void
at_most_512_fields_are_read(void **state)
{
    static uint8_t tail[2 * 65536];
    for (size_t i = 0; i < sizeof(tail); i += 2)
        tail[i] = 0x78; /* field 15, varint 0 */
    struct event_payload whole = sample_of(KIND_UNIT_DESCRIBED);
    size_t own = 3 + 5 + whole.unit.n_languages + 1;
    assert_int_equal(decode_with(KIND_UNIT_DESCRIBED, tail, 2 * (512 - own)), 0);
    assert_int_equal(decode_with(KIND_UNIT_DESCRIBED, tail, 2 * (512 - own + 1)), ERR_INVALID);
    assert_int_equal(decode_with(KIND_MEMBER_RESIGNED, tail, PAYLOAD_BYTES_MAX), ERR_INVALID);
}

static void
nine_languages_are_malformed(void **state)
{
    assert_int_equal(DECODE_WITH(KIND_UNIT_DESCRIBED, "Z\2deZ\2deZ\2deZ\2deZ\2deZ\2de"), 0);
    assert_int_equal(DECODE_WITH(KIND_UNIT_DESCRIBED, "Z\2deZ\2deZ\2deZ\2deZ\2deZ\2deZ\2de"), ERR_INVALID);
}

static void
the_common_fields_of_an_unknown_kind_are_read(void **state)
{
    struct event_common c;
    struct buf b;
    buf_init(&b, 4096);
    buf_put(&b,
            "\x12\x10"
            "0123456789abcdef"
            "\x2A\x10"
            "fedcba9876543210",
            36);
    buf_put(&b,
            "\x32\x20"
            "0123456789abcdef0123456789abcdef"
            "\x40\x01\x40\x01",
            38);
    assert_int_equal(event_common_decode(buf_slice(&b), &c, NULL), 0);
    assert_true(c.has_subject && c.has_salt && c.has_subject_unit && !c.has_actor && !c.has_effective);
    assert_memory_equal(c.subject.b, "0123456789abcdef", 16);
    assert_memory_equal(c.subject_unit.b, "0123456789abcdef0123456789abcdef", 32);
    assert_true(date_is_none(c.effective));
    buf_put(&b,
            "\x12\x10"
            "0123456789abcdef",
            18);
    assert_int_equal(event_common_decode(buf_slice(&b), &c, NULL), ERR_INVALID);
    assert_int_equal(event_common_decode(slice_of(NULL, 0), &c, NULL), ERR_INVALID);
    buf_free(&b);
}

/* ---- root statements ---- */

static void
a_root_statement_reads_back(void **state)
{
    struct root_statement s;
    assert_int_equal(root_statement_decode(buf_slice(&sample.root_statement), &s, NULL), 0);
    assert_int_equal(s.n_void_keys, 2);
    assert_int_equal(s.n_standing, 2);
    assert_int_equal(s.void_keys[1].b[0], 0xC2);
    assert_int_equal(s.standing[0].seq, 300);
    assert_int_equal(s.standing[1].seq, 0);
    assert_memory_equal(s.signing_key.b, sample.opened.signing_key.b, KEY_BYTES);
    assert_int_equal(s.serial, 1);
    root_statement_release(&s);
}

static int
encode_statement(const struct root_statement *s)
{
    struct buf out;
    buf_init(&out, PAYLOAD_BYTES_MAX);
    int rc = root_statement_encode(s, &out, NULL);
    buf_free(&out);
    return rc;
}

static void
a_root_statement_out_of_bounds_is_refused(void **state)
{
    static struct sign_public keys[VOID_KEYS_MAX];
    static struct standing_position standing[STANDING_MAX];
    struct root_statement s = sample_root_statement(&sample.opened);
    for (unsigned i = 0; i < STANDING_MAX; i++) {
        standing[i] = s.standing[0];
        be32_put(standing[i].log.b, i);
    }
    s.void_keys = keys;
    s.standing = standing;
    s.n_void_keys = VOID_KEYS_MAX;
    s.n_standing = STANDING_MAX;
    assert_int_equal(encode_statement(&s), 0);
    s.n_standing++;
    assert_int_equal(encode_statement(&s), ERR_INVALID);
    s.n_standing = STANDING_MAX;
    s.n_void_keys++;
    assert_int_equal(encode_statement(&s), ERR_INVALID);
    s.n_void_keys = 0;
    standing[255].log = standing[0].log;
    assert_int_equal(encode_statement(&s), ERR_INVALID);
    s.n_standing = 1;
    assert_int_equal(encode_statement(&s), 0);
    standing[0].seq = 0;
    assert_int_equal(encode_statement(&s), ERR_INVALID);
    s.n_standing = 0;
    s.serial = 0;
    assert_int_equal(encode_statement(&s), ERR_INVALID);
}

static int
decode_statement_with(const char *tail, size_t len)
{
    struct root_statement s;
    struct buf b;
    buf_init(&b, PAYLOAD_BYTES_MAX);
    buf_put(&b, sample.root_statement.data, sample.root_statement.len);
    buf_put(&b, tail, len);
    int rc = root_statement_decode(buf_slice(&b), &s, NULL);
    if (rc == 0)
        root_statement_release(&s);
    buf_free(&b);
    return rc;
}

static void
a_root_statement_with_a_field_unknown_is_unsupported(void **state)
{
    assert_int_equal(decode_statement_with("", 0), 0);
    assert_int_equal(decode_statement_with("\x52\x01x", 3), ERR_VERSION);
    assert_int_equal(decode_statement_with("\x32\x02\x20\x01", 4), ERR_VERSION);
    assert_int_equal(decode_statement_with("\x32\x02\x10\x01", 4), ERR_INVALID);
    assert_int_equal(decode_statement_with("\x40\x01", 2), ERR_INVALID);
    assert_int_equal(decode_statement_with("\x18\x00", 2), ERR_INVALID);
    assert_int_equal(decode_statement_with("\x2A\x01x", 3), ERR_INVALID);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_has_a_name_and_is_known),
        cmocka_unit_test(every_sample_payload_reads_back_and_encodes_the_same),
        cmocka_unit_test(fields_arrive_where_they_belong),
        cmocka_unit_test(common_fields_are_required_as_the_kind_says),
        cmocka_unit_test(a_register_payload_out_of_bounds_is_malformed),
        cmocka_unit_test(a_unit_or_office_out_of_bounds_is_malformed),
        cmocka_unit_test(an_opening_out_of_bounds_is_malformed),
        cmocka_unit_test(unknown_fields_are_accepted),
        cmocka_unit_test(what_is_not_well_formed_is_malformed),
        cmocka_unit_test(at_most_512_fields_are_read),
        cmocka_unit_test(nine_languages_are_malformed),
        cmocka_unit_test(the_common_fields_of_an_unknown_kind_are_read),
        cmocka_unit_test(a_root_statement_reads_back),
        cmocka_unit_test(a_root_statement_out_of_bounds_is_refused),
        cmocka_unit_test(a_root_statement_with_a_field_unknown_is_unsupported),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
