/* Sync messages: both directions agree with each other and with protobuf-c, and what is out of bounds is refused by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proto/budget.h"
#include "sync.pb-c.h"
#include "tests/support/proto_samples.h"

enum { LEN = 2, VARINT = 0, ENCODED_MAX = MESSAGE_BYTES_MAX };

static void
encode(const struct message *m, struct buf *out)
{
    struct err err = {0};
    buf_init(out, ENCODED_MAX);
    int rc = message_encode(m, out, &err);
    if (rc != 0)
        fail_msg("%s: %s", message_name(m->type), err.text);
}

/* Decodes, expecting rc, and field if it is not NULL; what comes out is released. */
static void
expect(struct slice bytes, int rc, const char *field)
{
    struct err err = {0};
    struct message m;
    memset(&m, 0xA5, sizeof(m));
    int got = message_decode(bytes, &m, &err);
    if (got != rc)
        fail_msg("%d (%s) instead of %d (%s)", got, err.text, rc, field ? field : "");
    if (got == 0)
        message_release(&m);
    else
        assert_int_equal(((uint8_t *)&m)[0], 0xA5);
    if (field)
        assert_string_equal(err.field, field);
}

static void
put_field(struct buf *b, uint32_t number, uint32_t wire, const void *data, size_t len)
{
    buf_put_varint(b, (uint64_t)number << 3 | wire);
    if (wire == LEN)
        buf_put_varint(b, len);
    buf_put(b, data, len);
}

/* A message with one member whose body is given. */
static void
expect_body(enum message_type type, const struct buf *body, int rc, const char *field)
{
    struct buf b;
    buf_init(&b, 2 * ENCODED_MAX);
    put_field(&b, type, LEN, body->data, body->len);
    assert_false(b.failed);
    expect(buf_slice(&b), rc, field);
    buf_free(&b);
}

static struct message
sample(const char *name)
{
    struct sample_message all[SAMPLE_MESSAGES_MAX];
    size_t n = sample_messages(all);
    for (size_t i = 0; i < n; i++)
        if (strcmp(all[i].name, name) == 0)
            return all[i].m;
    fail_msg("no sample %s", name);
    return (struct message){0};
}

static struct slice
body_of(struct slice message)
{
    struct reader r = reader_of(message);
    struct wire_field f;
    assert_true(wire_field_next(&r, &f));
    return f.bytes;
}

static void
every_sample_survives_both_ways(void **state)
{
    struct sample_message all[SAMPLE_MESSAGES_MAX];
    size_t n = sample_messages(all);
    for (size_t i = 0; i < n; i++) {
        struct buf a, b;
        struct err err = {0};
        struct message m;
        encode(&all[i].m, &a);
        assert_int_equal(message_decode(buf_slice(&a), &m, &err), 0);
        assert_int_equal(m.type, all[i].m.type);
        encode(&m, &b);
        assert_int_equal(a.len, b.len);
        assert_memory_equal(a.data, b.data, a.len);
        message_release(&m);
        buf_free(&a);
        buf_free(&b);
    }
}

static void
protobuf_c_reads_and_writes_the_same_bytes(void **state)
{
    struct sample_message all[SAMPLE_MESSAGES_MAX];
    size_t n = sample_messages(all);
    for (size_t i = 0; i < n; i++) {
        struct buf a, b;
        encode(&all[i].m, &a);
        Smartnode__SyncMessage *m = smartnode__sync_message__unpack(NULL, a.len, a.data);
        assert_non_null(m);
        assert_null(m->base.unknown_fields);
        buf_init(&b, ENCODED_MAX);
        size_t len = smartnode__sync_message__get_packed_size(m);
        assert_int_equal(len, a.len);
        buf_added(&b, smartnode__sync_message__pack(m, buf_reserve(&b, len)));
        assert_memory_equal(a.data, b.data, len);
        smartnode__sync_message__free_unpacked(m, NULL);
        buf_free(&a);
        buf_free(&b);
    }
}

static void
values_arrive_where_they_belong(void **state)
{
    struct buf b;
    struct err err = {0};
    struct message in = sample("hello-full"), m;
    encode(&in, &b);
    assert_int_equal(message_decode(buf_slice(&b), &m, &err), 0);
    assert_int_equal(m.hello.version_min, 1);
    assert_int_equal(m.hello.version_max, 300);
    assert_memory_equal(m.hello.nonce, in.hello.nonce, ID_BYTES);
    assert_memory_equal(m.hello.unit.b, in.hello.unit.b, HASH_BYTES);
    assert_true(m.hello.production && m.hello.has_echo);
    assert_memory_equal(m.hello.echo, in.hello.echo, ID_BYTES);
    assert_string_equal(m.hello.program, "smartnode 0.1.0");
    buf_free(&b);

    in = sample("evidence-two-sided");
    encode(&in, &b);
    assert_int_equal(message_decode(buf_slice(&b), &m, &err), 0);
    assert_int_equal(m.evidence.first, 5);
    assert_true(m.evidence.has_other);
    assert_true(slice_eq(m.evidence.other_hashes, in.evidence.other_hashes));
    assert_memory_equal(m.evidence.other_seal.b, in.evidence.other_seal.b, SIG_BYTES);
    assert_true(slice_eq(m.evidence.opening_payload, in.evidence.opening_payload));
    buf_free(&b);

    in = sample("heads");
    encode(&in, &b);
    assert_int_equal(message_decode(buf_slice(&b), &m, &err), 0);
    assert_int_equal(m.heads.n, 2);
    assert_true(m.heads.full && m.heads.more);
    assert_memory_equal(m.heads.heads, in.heads.heads, 2 * sizeof(struct head));
    message_release(&m);
    message_release(&m); /* twice is harmless */
    buf_free(&b);
}

static void
frames_are_borrowed_from_the_message(void **state)
{
    struct buf b;
    struct err err = {0};
    struct message in = sample("batch"), m;
    encode(&in, &b);
    assert_int_equal(message_decode(buf_slice(&b), &m, &err), 0);
    assert_int_equal(m.batch.run.first, 1000);
    assert_int_equal(m.batch.run.count, RUN_EVENTS_MAX);
    assert_true(m.batch.number == UINT64_MAX);
    assert_true(slice_eq(m.batch.run.frames, in.batch.run.frames));
    assert_true(m.batch.run.frames.data > b.data && m.batch.run.frames.data < b.data + b.len);
    buf_free(&b);
}

static void
a_message_cut_anywhere_is_refused(void **state)
{
    struct sample_message all[SAMPLE_MESSAGES_MAX];
    size_t n = sample_messages(all);
    for (size_t i = 0; i < n; i++) {
        struct buf b;
        encode(&all[i].m, &b);
        for (size_t len = 1; len < b.len; len++)
            expect(slice_of(b.data, len), ERR_INVALID, NULL);
        buf_free(&b);
    }
}

/* What decodes after a flip is a message that this program could have sent. */
static void
a_flipped_bit_gives_a_sound_message_or_none(void **state)
{
    struct sample_message all[SAMPLE_MESSAGES_MAX];
    size_t n = sample_messages(all);
    for (size_t i = 0; i < n; i++) {
        struct buf b, again;
        encode(&all[i].m, &b);
        for (size_t bit = 0; bit < b.len * 8; bit++) {
            struct err err = {0};
            struct message m;
            b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
            if (message_decode(buf_slice(&b), &m, &err) == 0) {
                if (m.type != MSG_UNKNOWN) {
                    encode(&m, &again);
                    buf_free(&again);
                }
                message_release(&m);
            }
            b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        buf_free(&b);
    }
}

/* Copies a body without field number n (drop), or with that field twice. */
static void
without_or_twice(struct slice body, uint32_t number, bool twice, struct buf *out)
{
    struct reader r = reader_of(body);
    struct wire_field f;
    buf_init(out, ENCODED_MAX);
    const uint8_t *from = r.p;
    while (wire_field_next(&r, &f)) {
        for (int k = f.number != number ? 1 : twice ? 2 : 0; k > 0; k--)
            buf_put(out, from, (size_t)(r.p - from));
        from = r.p;
    }
}

static void
every_required_field_is_missed_by_name(void **state)
{
    static const struct {
        const char *sample;
        uint32_t number;
        const char *field;
    } required[] = {
        {"hello", 1, "hello.version_min"},
        {"hello", 2, "hello.version_max"},
        {"hello", 3, "hello.nonce"},
        {"hello", 4, "hello.federation"},
        {"hello", 6, "hello.unit_id"},
        {"want", 1, "want.log"},
        {"want", 2, "want.from"},
        {"want", 3, "want.chain_before"},
        {"want", 4, "want.credit_bytes"},
        {"want", 5, "want.number"},
        {"batch", 1, "batch.log"},
        {"batch", 2, "batch.first"},
        {"batch", 3, "batch.count"},
        {"batch", 4, "batch.frames"},
        {"batch", 5, "batch.seal"},
        {"batch", 6, "batch.number"},
        {"capsule-want", 1, "capsule_want.log"},
        {"capsule-want", 2, "capsule_want.seq"},
        {"capsule-want", 3, "capsule_want.index"},
        {"capsule", 1, "capsule.log"},
        {"capsule", 2, "capsule.seq"},
        {"capsule", 3, "capsule.index"},
        {"capsule", 4, "capsule.bytes"},
        {"gone-event", 1, "gone.log"},
        {"gone-event", 4, "gone.reason"},
        {"gone-capsule", 2, "gone.index"},
        {"evidence", 1, "evidence.log"},
        {"evidence", 2, "evidence.first"},
        {"evidence", 3, "evidence.chain_before"},
        {"evidence", 4, "evidence.header_hashes"},
        {"evidence", 5, "evidence.seal"},
        {"evidence-two-sided", 6, "evidence.other_seal"},
        {"evidence-two-sided", 7, "evidence.other_seal"},
        {"evidence-two-sided", 8, "evidence.opening_payload"},
        {"evidence-two-sided", 9, "evidence.opening_payload"},
        {"bye", 1, "bye.reason"},
        {"credit", 1, "credit.number"},
        {"credit", 2, "credit.bytes"},
        {"event-want", 1, "event_want.log"},
        {"event-want", 2, "event_want.seq"},
        {"event-at", 1, "event_at.log"},
        {"event-at", 2, "event_at.seq"},
        {"event-at", 3, "event_at.receipt"},
        {"fingerprints", 1, "fingerprints.rules_version"},
        {"fingerprints", 2, "fingerprints.heads_hash"},
        {"admission-ask", 1, "admission_ask.number"},
        {"admission-ask", 2, "admission_ask.bucket"},
        {"admission-ask", 3, "admission_ask.blinded"},
        {"admission-answer", 1, "admission_answer.number"},
        {"admission-answer", 2, "admission_answer.status"},
        {"admission-answer", 3, "admission_answer.evaluated"},
        {"admission-answer", 4, "admission_answer.entries"},
    };
    for (size_t i = 0; i < ARRAY_LEN(required); i++) {
        struct buf b, body;
        struct message m = sample(required[i].sample);
        encode(&m, &b);
        without_or_twice(body_of(buf_slice(&b)), required[i].number, false, &body);
        expect_body(m.type, &body, ERR_INVALID, required[i].field);
        buf_free(&body);
        buf_free(&b);
    }
}

static void
a_single_field_may_not_come_twice(void **state)
{
    struct sample_message all[SAMPLE_MESSAGES_MAX];
    size_t n = sample_messages(all);
    for (size_t i = 0; i < n; i++) {
        struct buf b, body;
        encode(&all[i].m, &b);
        struct slice whole = body_of(buf_slice(&b));
        for (uint32_t number = 1; number <= 9; number++) {
            bool list =
                (all[i].m.type == MSG_HEADS && number == 1) || (all[i].m.type == MSG_FINGERPRINTS && number == 3);
            without_or_twice(whole, number, true, &body);
            expect_body(all[i].m.type, &body, list || body.len == whole.len ? 0 : ERR_INVALID, NULL);
            buf_free(&body);
        }
        buf_free(&b);
    }
}

static void
one_message_holds_one_known_member(void **state)
{
    struct buf a, b, both;
    struct message ping = sample("ping"), bye = sample("bye");
    encode(&ping, &a);
    encode(&bye, &b);
    buf_init(&both, ENCODED_MAX);
    buf_put(&both, a.data, a.len);
    buf_put(&both, b.data, b.len);
    expect(buf_slice(&both), ERR_INVALID, "bye");
    buf_clear(&both);
    buf_put(&both, a.data, a.len);
    buf_put(&both, a.data, a.len);
    expect(buf_slice(&both), ERR_INVALID, "ping");
    buf_free(&a);
    buf_free(&b);
    buf_free(&both);
}

static void
a_later_version_is_passed_over(void **state)
{
    struct buf b;
    struct message m, ping = sample("ping-reply");
    struct err err = {0};
    assert_int_equal(message_decode(slice_of(NULL, 0), &m, &err), 0);
    assert_int_equal(m.type, MSG_UNKNOWN);

    buf_init(&b, ENCODED_MAX);
    put_field(&b, 17, LEN, "new", 3);
    put_field(&b, 99, 5, "1234", 4);
    put_field(&b, 100, 1, "12345678", 8);
    assert_int_equal(message_decode(buf_slice(&b), &m, &err), 0);
    assert_int_equal(m.type, MSG_UNKNOWN);
    message_release(&m);

    /* and one that says it in old words, too */
    assert_int_equal(message_encode(&ping, &b, &err), 0);
    assert_int_equal(message_decode(buf_slice(&b), &m, &err), 0);
    assert_int_equal(m.type, MSG_PING);
    assert_true(m.ping.reply_wanted);
    buf_free(&b);

    /* unknown fields within a known member */
    buf_init(&b, ENCODED_MAX);
    put_field(&b, 2, LEN, "x", 1);
    put_field(&b, 2, LEN, "y", 1);
    expect_body(MSG_PING, &b, 0, NULL);
    buf_free(&b);
}

static void
malformed_wire_is_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } cases[] = {
        {"\x03\x04", 2},                                      /* field 0 */
        {"\x7B\x7C", 2},                                      /* a group, unknown */
        {"\x0B\x0C", 2},                                      /* a group in place of hello */
        {"\x72\x04\x08\x81\x80\x00", 6},                      /* ping with a varint longer than its shortest form */
        {"\x72\x02\x08\x02", 4},                              /* a flag of 2 */
        {"\x72\x02\x0B\x0C", 4},                              /* a group within ping */
        {"\x70\x01", 2},                                      /* ping as a number */
        {"\x72\x02\x0A\x00", 4},                              /* a flag as bytes */
        {"\x7E\x00", 2},                                      /* wire type 6 */
        {"\x72\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 11}, /* length 2^64−1 */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        expect(slice_of(cases[i].bytes, cases[i].len), ERR_INVALID, NULL);
}

static void
put_head(struct buf *out, uint64_t seq, size_t chain_len)
{
    uint8_t zero[HASH_BYTES + 1] = {0};
    struct buf head;
    buf_init(&head, 256);
    put_field(&head, 1, LEN, zero, HASH_BYTES);
    put_field(&head, 2, LEN, zero, HASH_BYTES);
    buf_put_varint(&head, 3 << 3 | VARINT);
    buf_put_varint(&head, seq);
    put_field(&head, 4, LEN, zero, chain_len);
    put_field(out, 1, LEN, head.data, head.len);
    buf_free(&head);
}

static void
heads_are_bounded_in_number_length_and_position(void **state)
{
    struct buf body;
    buf_init(&body, ENCODED_MAX);
    for (int i = 0; i < MESSAGE_HEADS_MAX; i++)
        put_head(&body, 5, HASH_BYTES);
    expect_body(MSG_HEADS, &body, 0, NULL);
    put_head(&body, 5, HASH_BYTES);
    expect_body(MSG_HEADS, &body, ERR_LIMIT, "heads.head");
    buf_clear(&body);
    put_head(&body, 5, HASH_BYTES);
    put_head(&body, 5, HASH_BYTES + 1);
    expect_body(MSG_HEADS, &body, ERR_INVALID, "heads.head.chain");
    buf_clear(&body);
    put_head(&body, UINT64_C(1) << 63, HASH_BYTES);
    expect_body(MSG_HEADS, &body, ERR_INVALID, "heads.head.seq");
    buf_clear(&body);
    /* 1 MiB of empty elements costs nothing */
    for (int i = 0; i < 100000; i++)
        put_field(&body, 1, LEN, NULL, 0);
    expect_body(MSG_HEADS, &body, ERR_INVALID, "heads.head");
    buf_free(&body);
}

static void
expect_refused(const struct message *m, int rc, const char *field)
{
    struct err err = {0};
    struct buf b;
    buf_init(&b, ENCODED_MAX);
    buf_put_u8(&b, 7);
    int got = message_encode(m, &b, &err);
    if (got != rc)
        fail_msg("%d (%s) instead of %d (%s)", got, err.text, rc, field);
    assert_string_equal(err.field, field);
    assert_int_equal(b.len, 1);
    buf_free(&b);
}

/* Encoding and decoding go by the same tables; here each bound is met from one side and then passed. */
static void
values_out_of_bounds_are_not_sent(void **state)
{
    static uint8_t big[RUN_BYTES_MAX + 1];
    struct buf b;
    struct message m = sample("batch");
    m.batch.run.frames = slice_of(big, RUN_BYTES_MAX);
    encode(&m, &b);
    buf_free(&b);
    m.batch.run.frames.len++;
    expect_refused(&m, ERR_INVALID, "batch.frames");
    m = sample("batch");
    m.batch.run.count = RUN_EVENTS_MAX + 1;
    expect_refused(&m, ERR_INVALID, "batch.count");
    m.batch.run.count = 0;
    expect_refused(&m, ERR_INVALID, "batch.count");
    m.batch.run.count = 2;
    m.batch.run.first = INT64_MAX;
    expect_refused(&m, ERR_INVALID, "batch.count");
    m.batch.run.first = 0;
    expect_refused(&m, ERR_INVALID, "batch.first");

    m = sample("capsule-want");
    m.capsule_want.index = HEADER_CAPSULES_MAX;
    expect_refused(&m, ERR_INVALID, "capsule_want.index");
    m = sample("capsule");
    m.capsule.bytes = slice_of(big, CAPSULE_BYTES_MAX + 1);
    expect_refused(&m, ERR_INVALID, "capsule.bytes");
    m.capsule.bytes.len = 0;
    expect_refused(&m, ERR_INVALID, "capsule.bytes");
    m = sample("want");
    m.want.credit_bytes = CREDIT_MIN - 1;
    expect_refused(&m, ERR_INVALID, "want.credit_bytes");
    m = sample("gone-capsule");
    m.gone.seq = 0;
    expect_refused(&m, ERR_INVALID, "gone.index");
    m = sample("hello");
    m.hello.version_min = 2;
    expect_refused(&m, ERR_INVALID, "hello.version_max");
    m = sample("hello-full");
    memset(m.hello.program, 'x', sizeof(m.hello.program));
    expect_refused(&m, ERR_INVALID, "hello.program");
    memcpy(m.hello.program, "a\nb", 4);
    expect_refused(&m, ERR_INVALID, "hello.program");
    m = sample("fingerprints");
    m.fingerprints.n = MESSAGE_TABLES_MAX + 1;
    expect_refused(&m, ERR_LIMIT, "fingerprints.table");
    m.fingerprints.n = 1;
    m.fingerprints.tables[0].table = 256;
    expect_refused(&m, ERR_INVALID, "fingerprints.table.table");
    m = sample("admission-ask");
    memset(m.admission_ask.blinded.b, 0, OPRF_ELEMENT_BYTES);
    expect_refused(&m, ERR_INVALID, "admission_ask.blinded");
    m = sample("admission-answer");
    m.admission_answer.evaluated.b[0] ^= 1; /* negative */
    expect_refused(&m, ERR_INVALID, "admission_answer.evaluated");
    m = sample("admission-answer");
    m.admission_answer.entries.len -= LOOKUP_ENTRY_BYTES;
    expect_refused(&m, ERR_INVALID, "admission_answer.entries");
    m.admission_answer.entries = slice_of(big, (LOOKUP_ENTRIES_MAX + LOOKUP_ENTRIES_STEP) * LOOKUP_ENTRY_BYTES);
    expect_refused(&m, ERR_INVALID, "admission_answer.entries");
    m = sample("admission-answer");
    m.admission_answer.status = ADMISSION_RATE_LIMIT;
    expect_refused(&m, ERR_INVALID, "admission_answer.evaluated");
    m = (struct message){.type = MSG_UNKNOWN};
    expect_refused(&m, ERR_INVALID, "");
    m.type = (enum message_type)17;
    expect_refused(&m, ERR_INVALID, "");
}

static void
evidence_is_whole_hashes_of_whole_branches(void **state)
{
    static uint8_t hashes[(EVIDENCE_HASHES_MAX + 1) * HASH_BYTES];
    struct buf b;
    struct message m = sample("evidence-two-sided");
    m.evidence.header_hashes = slice_of(hashes, EVIDENCE_HASHES_MAX * HASH_BYTES);
    encode(&m, &b);
    expect(buf_slice(&b), 0, NULL);
    buf_free(&b);
    m.evidence.header_hashes.len++;
    expect_refused(&m, ERR_INVALID, "evidence.header_hashes");
    m.evidence.header_hashes.len = HASH_BYTES + 1;
    expect_refused(&m, ERR_INVALID, "evidence.header_hashes");
    m.evidence.header_hashes.len = 2 * HASH_BYTES;
    m.evidence.first = INT64_MAX;
    expect_refused(&m, ERR_INVALID, "evidence.header_hashes");
    m = sample("evidence-two-sided");
    m.evidence.has_other = false;
    expect_refused(&m, ERR_INVALID, "evidence.other_seal");
    m = sample("evidence");
    m.evidence.has_other = true;
    expect_refused(&m, ERR_INVALID, "evidence.other_seal");
    m = sample("evidence-two-sided");
    m.evidence.opening_payload.len = 0;
    expect_refused(&m, ERR_INVALID, "evidence.opening_payload");
}

static void
a_message_is_at_most_1_mib(void **state)
{
    uint8_t *bytes = test_calloc(1, MESSAGE_BYTES_MAX + 1);
    expect(slice_of(bytes, MESSAGE_BYTES_MAX + 1), ERR_LIMIT, NULL);
    expect(slice_of(bytes, MESSAGE_BYTES_MAX), ERR_INVALID, NULL);
    test_free(bytes);
    struct buf small;
    struct err err = {0};
    struct message m = sample("batch");
    buf_init(&small, 100);
    assert_int_equal(message_encode(&m, &small, &err), ERR_LIMIT);
    assert_int_equal(small.len, 0);
    buf_free(&small);
}

static void
messages_and_reasons_have_names(void **state)
{
    assert_string_equal(message_name(MSG_EVENT_AT), "event_at");
    assert_string_equal(message_name(MSG_UNKNOWN), "unknown");
    assert_string_equal(message_name((enum message_type)99), "unknown");
    assert_string_equal(bye_reason_name(BYE_MALFORMED), "malformed");
    assert_string_equal(bye_reason_name((enum bye_reason)200), "unknown");
    /* a reason of a later version is no fault */
    struct buf b;
    struct message m = sample("bye");
    m.bye.reason = (enum bye_reason)200;
    encode(&m, &b);
    expect(buf_slice(&b), 0, NULL);
    buf_free(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_sample_survives_both_ways),
        cmocka_unit_test(protobuf_c_reads_and_writes_the_same_bytes),
        cmocka_unit_test(values_arrive_where_they_belong),
        cmocka_unit_test(frames_are_borrowed_from_the_message),
        cmocka_unit_test(a_message_cut_anywhere_is_refused),
        cmocka_unit_test(a_flipped_bit_gives_a_sound_message_or_none),
        cmocka_unit_test(every_required_field_is_missed_by_name),
        cmocka_unit_test(a_single_field_may_not_come_twice),
        cmocka_unit_test(one_message_holds_one_known_member),
        cmocka_unit_test(a_later_version_is_passed_over),
        cmocka_unit_test(malformed_wire_is_refused),
        cmocka_unit_test(heads_are_bounded_in_number_length_and_position),
        cmocka_unit_test(values_out_of_bounds_are_not_sent),
        cmocka_unit_test(evidence_is_whole_hashes_of_whole_branches),
        cmocka_unit_test(a_message_is_at_most_1_mib),
        cmocka_unit_test(messages_and_reasons_have_names),
    };
    return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
