/* Headers in their one encoding, and frames. */
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

/* ---- headers ---- */

static void
every_sample_header_reads_back_and_encodes_the_same(void **state)
{
    for (unsigned n = 1; n <= SAMPLE_LOG_EVENTS; n++) {
        struct event_header h;
        struct buf again;
        buf_init(&again, HEADER_BYTES_MAX);
        assert_int_equal(event_header_decode(buf_slice(&sample.header[n]), &h, NULL), 0);
        assert_int_equal(h.seq, n);
        assert_int_equal(h.kind, sample_kinds[n - 1]);
        assert_int_equal(h.n_refs, sample.headers[n].n_refs);
        assert_int_equal(h.n_capsules, sample.headers[n].n_capsules);
        assert_memory_equal(h.payload_hash.b, sample.headers[n].payload_hash.b, HASH_BYTES);
        assert_int_equal(event_header_encode(&h, &again, NULL), 0);
        assert_true(slice_eq(buf_slice(&again), buf_slice(&sample.header[n])));
        buf_free(&again);
    }
}

static struct event_header
largest_header(void)
{
    struct event_header h = sample.headers[1];
    h.seq = INT64_MAX;
    h.clock.v = UINT64_MAX;
    h.kind = h.kind_version = UINT16_MAX;
    h.payload_bytes = PAYLOAD_BYTES_MAX;
    h.n_refs = HEADER_REFS_MAX;
    for (unsigned i = 0; i < h.n_refs; i++) {
        h.refs[i].role = UINT8_MAX;
        h.refs[i].seq = INT64_MAX;
    }
    h.n_capsules = HEADER_CAPSULES_MAX;
    for (unsigned i = 0; i < h.n_capsules; i++) {
        h.capsules[i].class = CAPSULE_CLASS_MAX;
        h.capsules[i].bytes = CAPSULE_BYTES_MAX;
    }
    return h;
}

static void
a_header_full_of_references_and_capsules_fits(void **state)
{
    struct event_header h = largest_header(), back;
    struct buf out;
    buf_init(&out, HEADER_BYTES_MAX);
    assert_int_equal(event_header_encode(&h, &out, NULL), 0);
    assert_int_equal(event_header_decode(buf_slice(&out), &back, NULL), 0);
    assert_int_equal(back.n_refs, HEADER_REFS_MAX);
    assert_int_equal(back.n_capsules, HEADER_CAPSULES_MAX);
    assert_int_equal(back.refs[7].seq, INT64_MAX);
    assert_int_equal(back.capsules[15].bytes, CAPSULE_BYTES_MAX);
    buf_free(&out);
}

static void
a_cut_header_is_refused_at_every_length(void **state)
{
    struct slice whole = buf_slice(&sample.header[1]);
    struct event_header h;
    for (size_t len = 0; len < whole.len; len++)
        assert_int_equal(event_header_decode(slice_of(whole.data, len), &h, NULL), ERR_INVALID);
}

/* Decoding is injective: of all headers that differ in one bit, those that decode encode to those very bytes. */
static void
no_header_has_two_encodings(void **state)
{
    uint8_t bytes[HEADER_BYTES_MAX];
    struct slice whole = buf_slice(&sample.header[9]);
    memcpy(bytes, whole.data, whole.len);
    for (size_t bit = 0; bit < 8 * whole.len; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        struct event_header h;
        if (event_header_decode(slice_of(bytes, whole.len), &h, NULL) == 0) {
            struct buf again;
            buf_init(&again, HEADER_BYTES_MAX);
            assert_int_equal(event_header_encode(&h, &again, NULL), 0);
            assert_true(slice_eq(buf_slice(&again), slice_of(bytes, whole.len)));
            buf_free(&again);
        }
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static int
decode_hex_header(const char *start, const char *end)
{
    char text[512];
    uint8_t bytes[256];
    struct event_header h;
    int n = snprintf(text, sizeof(text), "%s4220%064d%s", start, 0, end);
    assert_true(n > 0 && (size_t)n < sizeof(text));
    assert_true(hex_decode(text, bytes, (size_t)n / 2));
    return event_header_decode(slice_of(bytes, (size_t)n / 2), &h, NULL);
}

static void
every_other_encoding_of_a_header_is_refused(void **state)
{
    const char *good = "0801100119010000000000000020012801";
    assert_int_equal(decode_hex_header(good, "4801"), 0);
    assert_int_equal(decode_hex_header("08011001190100000000000000200128013001", "4801"), 0);
    static const struct {
        const char *start, *end;
    } bad[] = {
        {"08011001190100000000000000200128013000", "4801"},               /* default written */
        {"08011001190100000000000000200128013002", "4801"},               /* must-understand 2 */
        {"080110810019010000000000000020012801", "4801"},                 /* long varint */
        {"0801100019010000000000000020012801", "4801"},                   /* seq 0 */
        {"0801108080808080808080800119010000000000000020012801", "4801"}, /* seq 2^63 */
        {"0801100119000000000000000020012801", "4801"},                   /* clock 0 */
        {"08011001190100000000000000208080042801", "4801"},               /* kind 65,536 */
        {"080110011901000000000000002001", "4801"},                       /* no kind version */
        {"1001080119010000000000000020012801", "4801"},                   /* not ascending */
        {"08010801100119010000000000000020012801", "4801"},               /* twice */
        {"0801100119010000000000000020012801", "4800"},                   /* payload of 0 bytes */
        {"0801100119010000000000000020012801", "48818004"},               /* of 65,537 bytes */
        {"0801100119010000000000000020012801", "48015801"},               /* unknown field 11 */
        {"0801100119010000000000000020012801", "48015200"},               /* empty capsule */
        {"08011001190100000000000000200128013a00", "4801"},               /* empty reference */
        {"0800100119010000000000000020012801", "4801"},                   /* suite 0 */
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(decode_hex_header(bad[i].start, bad[i].end), ERR_INVALID);
    assert_int_equal(decode_hex_header("0802100119010000000000000020012801", "4801"), ERR_VERSION);
}

static void
a_header_out_of_bounds_is_not_written(void **state)
{
    struct buf out;
    buf_init(&out, HEADER_BYTES_MAX);
    struct err err;
#define REFUSED(change, code, name)                                  \
    do {                                                             \
        struct event_header h = largest_header();                    \
        change;                                                      \
        assert_int_equal(event_header_encode(&h, &out, &err), code); \
        assert_string_equal(err.field, name);                        \
        assert_int_equal(out.len, 0);                                \
    } while (0)
    REFUSED(h.suite = 2, ERR_VERSION, "suite");
    REFUSED(h.seq = 0, ERR_INVALID, "seq");
    REFUSED(h.seq = (uint64_t)INT64_MAX + 1, ERR_INVALID, "seq");
    REFUSED(h.clock.v = 0, ERR_INVALID, "clock");
    REFUSED(h.kind = 0, ERR_INVALID, "kind");
    REFUSED(h.kind_version = 0, ERR_INVALID, "kind_version");
    REFUSED(h.payload_bytes = 0, ERR_INVALID, "payload_bytes");
    REFUSED(h.payload_bytes = PAYLOAD_BYTES_MAX + 1, ERR_INVALID, "payload_bytes");
    REFUSED(h.n_refs = HEADER_REFS_MAX + 1, ERR_INVALID, "reference");
    REFUSED(h.refs[7].role = 0, ERR_INVALID, "reference");
    REFUSED(h.refs[0].seq = 0, ERR_INVALID, "reference");
    REFUSED(h.n_capsules = HEADER_CAPSULES_MAX + 1, ERR_INVALID, "capsule");
    REFUSED(h.capsules[15].class = 0, ERR_INVALID, "capsule");
    REFUSED(h.capsules[0].bytes = 0, ERR_INVALID, "capsule");
    REFUSED(h.capsules[0].bytes = CAPSULE_BYTES_MAX + 1, ERR_INVALID, "capsule");
#undef REFUSED
    buf_free(&out);
    struct event_header h = largest_header();
    buf_init(&out, 8);
    assert_int_equal(event_header_encode(&h, &out, &err), ERR_LIMIT);
    buf_free(&out);
}

static void
the_first_reference_of_a_role_is_found(void **state)
{
    struct event_header h = largest_header();
    h.refs[2].role = REF_CORRECTS;
    h.refs[3].role = REF_CORRECTS;
    assert_ptr_equal(event_header_ref(&h, REF_CORRECTS), &h.refs[2]);
    assert_null(event_header_ref(&h, REF_REQUEST));
}

/* ---- frames ---- */

static void
frames_come_out_as_they_went_in(void **state)
{
    struct reader r = reader_of(buf_slice(&sample.frames));
    struct slice header, payload;
    for (unsigned n = 1; n <= SAMPLE_LOG_EVENTS; n++) {
        assert_true(event_frame_next(&r, &header, &payload));
        assert_true(slice_eq(header, buf_slice(&sample.header[n])));
        assert_true(slice_eq(payload, buf_slice(&sample.payload[n])));
    }
    assert_false(event_frame_next(&r, &header, &payload));
    assert_false(r.failed);
}

static bool
frame_fails(const char *bytes, size_t len)
{
    struct slice header, payload;
    struct reader r = reader_of(slice_of(bytes, len));
    return !event_frame_next(&r, &header, &payload) && r.failed;
}

static void
a_malformed_frame_fails_the_reader(void **state)
{
    assert_true(frame_fails("\x00\x00", 2));          /* no header */
    assert_true(frame_fails("\x02h", 2));             /* header cut */
    assert_true(frame_fails("\x01h", 2));             /* no payload length */
    assert_true(frame_fails("\x01h\x02p", 4));        /* payload cut */
    assert_true(frame_fails("\x81\x00h\x00", 4));     /* long varint */
    assert_true(frame_fails("\x81\x10h\x00", 4));     /* header of 2,049 */
    assert_true(frame_fails("\x01h\x81\x80\x04", 5)); /* payload of 65,537 */
    assert_false(frame_fails("\x01h\x00", 3));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_sample_header_reads_back_and_encodes_the_same),
        cmocka_unit_test(a_header_full_of_references_and_capsules_fits),
        cmocka_unit_test(a_cut_header_is_refused_at_every_length),
        cmocka_unit_test(no_header_has_two_encodings),
        cmocka_unit_test(every_other_encoding_of_a_header_is_refused),
        cmocka_unit_test(a_header_out_of_bounds_is_not_written),
        cmocka_unit_test(the_first_reference_of_a_role_is_found),
        cmocka_unit_test(frames_come_out_as_they_went_in),
        cmocka_unit_test(a_malformed_frame_fails_the_reader),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
