/* What must be refused before anything from outside is stored. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proto/verify.h"
#include "tests/support/event_samples.h"

static struct sample_log sample, plain;

static int
setup(void **state)
{
    sample_log_init(&sample, true);
    sample_log_init(&plain, false);
    return 0;
}

static int
teardown(void **state)
{
    sample_log_release(&sample);
    sample_log_release(&plain);
    return 0;
}

/* ---- runs ---- */

static int
verify(const struct run *run, const struct chain_value *before)
{
    struct chain_value after;
    memset(&after, 0xEE, sizeof(after));
    int rc = verify_run(run, before, &sample.opened.signing_key, &after, NULL);
    if (rc == 0)
        assert_memory_equal(after.b, sample.chain[run->first + run->count - 1].b, HASH_BYTES);
    else
        assert_int_equal(after.b[0], 0xEE);
    return rc;
}

static void
a_whole_log_verifies_from_its_start(void **state)
{
    struct run run = sample_run(&sample);
    assert_int_equal(verify(&run, &sample.chain[0]), 0);
}

static void
a_log_verifies_in_runs_cut_anywhere(void **state)
{
    for (unsigned cut = 1; cut < SAMPLE_LOG_EVENTS; cut++) {
        struct buf frames;
        buf_init(&frames, RUN_BYTES_MAX);
        for (unsigned n = cut + 1; n <= SAMPLE_LOG_EVENTS; n++)
            event_frame_put(&frames, buf_slice(&sample.header[n]), buf_slice(&sample.payload[n]));
        struct run run = {.log = sample.log,
                          .first = cut + 1,
                          .count = SAMPLE_LOG_EVENTS - cut,
                          .frames = buf_slice(&frames),
                          .seal = sample.seal};
        assert_int_equal(verify(&run, &sample.chain[cut]), 0);
        assert_int_equal(verify(&run, &sample.chain[cut - 1]), ERR_FORGED);
        buf_free(&frames);
    }
}

static void
no_bit_of_a_run_can_be_changed(void **state)
{
    struct buf frames;
    buf_init(&frames, RUN_BYTES_MAX);
    buf_put(&frames, sample.frames.data, sample.frames.len);
    struct run run = sample_run(&sample);
    run.frames = buf_slice(&frames);
    for (size_t bit = 0; bit < 8 * frames.len; bit += 3) {
        frames.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_not_equal(verify(&run, &sample.chain[0]), 0);
        frames.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(verify(&run, &sample.chain[0]), 0);
    for (size_t len = 0; len < frames.len; len += 7) {
        run.frames = slice_of(frames.data, len);
        assert_int_equal(verify(&run, &sample.chain[0]), ERR_INVALID);
    }
    buf_free(&frames);
}

static void
a_run_that_misnames_itself_is_refused(void **state)
{
    struct run run = sample_run(&sample);
    run.count--;
    assert_int_equal(verify(&run, &sample.chain[0]), ERR_INVALID);
    run.count += 2;
    assert_int_equal(verify(&run, &sample.chain[0]), ERR_INVALID);
    run.count = 0;
    assert_int_equal(verify(&run, &sample.chain[0]), ERR_INVALID);
    run.count = RUN_EVENTS_MAX + 1;
    assert_int_equal(verify(&run, &sample.chain[0]), ERR_LIMIT);
    run = sample_run(&sample);
    run.frames.len = RUN_BYTES_MAX + 1;
    assert_int_equal(verify(&run, &sample.chain[0]), ERR_LIMIT);
    run = sample_run(&sample);
    run.first = 2;
    assert_int_equal(verify(&run, &sample.chain[0]), ERR_INVALID);
    run.first = 0;
    assert_int_equal(verify(&run, &sample.chain[0]), ERR_INVALID);
    run.first = UINT64_MAX;
    assert_int_equal(verify(&run, &sample.chain[0]), ERR_INVALID);
    run = sample_run(&sample);
    run.log.b[0] ^= 1;
    assert_int_equal(verify(&run, &sample.chain[0]), ERR_FORGED);
    run = sample_run(&sample);
    run.seal.b[0] ^= 1;
    assert_int_equal(verify(&run, &sample.chain[0]), ERR_FORGED);
    run = sample_run(&sample);
    assert_int_equal(verify(&run, &sample.chain[1]), ERR_FORGED);
    struct chain_value after;
    assert_int_equal(verify_run(&run, &sample.chain[0], &sample.opened.root_key, &after, NULL), ERR_FORGED);
    /* Sealed by the right key, but under the id of another log. */
    run.log.b[0] ^= 1;
    run.seal = crypto_seal(&sample.signing_secret, &run.log, SAMPLE_LOG_EVENTS, &sample.chain[SAMPLE_LOG_EVENTS]);
    assert_int_equal(verify(&run, &sample.chain[0]), ERR_FORGED);
}

static void
a_run_with_an_absent_payload_is_refused(void **state)
{
    struct buf frames;
    buf_init(&frames, RUN_BYTES_MAX);
    event_frame_put(&frames, buf_slice(&sample.header[1]), buf_slice(&sample.payload[1]));
    event_frame_put(&frames, buf_slice(&sample.header[2]), slice_of(NULL, 0));
    struct run run = {.log = sample.log, .first = 1, .count = 2, .frames = buf_slice(&frames)};
    run.seal = crypto_seal(&sample.signing_secret, &sample.log, 2, &sample.chain[2]);
    assert_int_equal(verify(&run, &sample.chain[0]), ERR_FORGED);
    buf_free(&frames);
}

/* ---- first events ---- */

static int
verify_first(struct slice header, struct slice payload)
{
    struct event_header h;
    struct log_opened o;
    struct log_id log = crypto_log_id(header);
    return verify_first_event(&log, header, payload, &h, &o, NULL);
}

static void
a_first_event_gives_the_keys_of_its_log(void **state)
{
    struct event_header h;
    struct log_opened o;
    assert_int_equal(
        verify_first_event(&plain.log, buf_slice(&plain.header[1]), buf_slice(&plain.payload[1]), &h, &o, NULL), 0);
    assert_int_equal(h.seq, 1);
    assert_memory_equal(o.signing_key.b, plain.opened.signing_key.b, KEY_BYTES);
    assert_false(o.has_root_statement);
    assert_int_equal(verify_first(buf_slice(&sample.header[1]), buf_slice(&sample.payload[1])), 0);
    struct log_id other = plain.log;
    other.b[3] ^= 1;
    assert_int_equal(
        verify_first_event(&other, buf_slice(&plain.header[1]), buf_slice(&plain.payload[1]), &h, &o, NULL),
        ERR_FORGED);
    assert_int_equal(verify_first(buf_slice(&plain.header[1]), buf_slice(&sample.payload[1])), ERR_FORGED);
    assert_int_equal(verify_first(buf_slice(&plain.header[2]), buf_slice(&plain.payload[2])), ERR_INVALID);
    assert_int_equal(verify_first(slice_of("x", 1), buf_slice(&plain.payload[1])), ERR_INVALID);
}

/* Encodes header and opening anew after a change and verifies them. */
static int
verify_changed(const struct event_header *change_h, const struct log_opened *change_o)
{
    struct event_header h = *change_h;
    struct event_payload p = sample_payload(KIND_LOG_OPENED);
    struct buf header, payload;
    buf_init(&header, HEADER_BYTES_MAX);
    buf_init(&payload, PAYLOAD_BYTES_MAX);
    p.log_opened = *change_o;
    assert_int_equal(event_payload_encode(&p, &payload, NULL), 0);
    sample_commit(&h, buf_slice(&payload));
    assert_int_equal(event_header_encode(&h, &header, NULL), 0);
    int rc = verify_first(buf_slice(&header), buf_slice(&payload));
    buf_free(&header);
    buf_free(&payload);
    return rc;
}

static void
a_first_event_that_breaks_the_rules_is_refused(void **state)
{
    struct event_header good = sample.headers[1], h = good;
    const struct log_opened *o = &sample.opened;
    assert_int_equal(verify_changed(&h, o), 0);
    h.must_understand = false;
    assert_int_equal(verify_changed(&h, o), ERR_INVALID);
    h = good;
    h.seq = 2;
    assert_int_equal(verify_changed(&h, o), ERR_INVALID);
    h = good;
    h.kind_version = 2;
    assert_int_equal(verify_changed(&h, o), ERR_INVALID);
    h = good;
    h.n_capsules = 1;
    h.capsules[0] = (struct capsule_commitment){.class = 1, .bytes = 121};
    assert_int_equal(verify_changed(&h, o), ERR_INVALID);
    h = good;
    h.n_refs = 2;
    h.refs[1] = h.refs[0];
    assert_int_equal(verify_changed(&h, o), ERR_INVALID);
    h.refs[1].log.b[0] ^= 1;
    assert_int_equal(verify_changed(&h, o), 0);
}

static void
a_certificate_vouches_for_every_field_of_its_body(void **state)
{
    const struct event_header *h = &plain.headers[1];
    struct log_opened good = plain.opened;
    uint8_t *fields[] = {good.unit.b,          good.federation.b,   good.signing_key.b, good.exchange_key.b,
                         good.transport_key.b, good.recovery_key.b, good.root_key.b,    good.certificate.b};
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        fields[i][5] ^= 1;
        assert_int_equal(verify_changed(h, &good), ERR_FORGED);
        fields[i][5] ^= 1;
    }
    good.serial++;
    assert_int_equal(verify_changed(h, &good), ERR_FORGED);
    good.serial--;
    good.production = true;
    assert_int_equal(verify_changed(h, &good), ERR_FORGED);
    good.production = false;
    assert_int_equal(verify_changed(h, &good), 0);
}

static int
verify_with_statement(const struct root_statement *s, const struct sign_secret *by)
{
    struct log_opened o = sample.opened;
    struct buf bytes;
    buf_init(&bytes, PAYLOAD_BYTES_MAX);
    assert_int_equal(root_statement_encode(s, &bytes, NULL), 0);
    struct hash hash = crypto_hash1("smart.rootst", buf_slice(&bytes));
    o.root_statement = buf_slice(&bytes);
    o.root_signature = crypto_sign_purpose(by, PURPOSE_ROOT_STATEMENT, slice_of(hash.b, sizeof(hash.b)));
    int rc = verify_changed(&sample.headers[1], &o);
    buf_free(&bytes);
    return rc;
}

static void
a_root_statement_is_for_one_log_and_by_the_root_key(void **state)
{
    const struct root_statement good = sample_root_statement(&sample.opened);
    struct root_statement s = good;
    assert_int_equal(verify_with_statement(&s, &sample.root_secret), 0);
    assert_int_equal(verify_with_statement(&s, &sample.signing_secret), ERR_FORGED);
    s.unit.b[0] ^= 1;
    assert_int_equal(verify_with_statement(&s, &sample.root_secret), ERR_FORGED);
    s = good;
    s.federation.b[0] ^= 1;
    assert_int_equal(verify_with_statement(&s, &sample.root_secret), ERR_FORGED);
    s = good;
    s.production = !s.production;
    assert_int_equal(verify_with_statement(&s, &sample.root_secret), ERR_FORGED);
    s = good;
    s.log_nonce[0] ^= 1;
    assert_int_equal(verify_with_statement(&s, &sample.root_secret), ERR_FORGED);
    s = good;
    s.signing_key.b[0] ^= 1;
    assert_int_equal(verify_with_statement(&s, &sample.root_secret), ERR_FORGED);
}

/* ---- references and evidence ---- */

static void
an_event_proves_itself_against_a_reference(void **state)
{
    struct event_header h;
    struct slice header = buf_slice(&sample.header[7]), payload = buf_slice(&sample.payload[7]);
    const struct chain_value *before = &sample.chain[6], *at = &sample.chain[7];
    assert_int_equal(verify_event_at(before, header, payload, 7, at, &h, NULL), 0);
    assert_int_equal(h.seq, 7);
    assert_int_equal(verify_event_at(before, header, payload, 8, at, &h, NULL), ERR_FORGED);
    assert_int_equal(verify_event_at(at, header, payload, 7, at, &h, NULL), ERR_FORGED);
    assert_int_equal(verify_event_at(before, header, payload, 7, before, &h, NULL), ERR_FORGED);
    assert_int_equal(verify_event_at(before, header, buf_slice(&sample.payload[8]), 7, at, &h, NULL), ERR_FORGED);
    assert_int_equal(verify_event_at(before, header, slice_of(NULL, 0), 7, at, &h, NULL), ERR_FORGED);
    assert_int_equal(verify_event_at(before, payload, payload, 7, at, &h, NULL), ERR_INVALID);
}

static void
evidence_shows_the_chain_at_every_position(void **state)
{
    struct chain_value at;
    const struct sign_public *key = &sample.opened.signing_key;
    for (unsigned first = 1; first <= SAMPLE_LOG_EVENTS; first++) {
        struct slice hashes = slice_of(&sample.header_hashes[first - 1], (SAMPLE_LOG_EVENTS + 1 - first) * HASH_BYTES);
        for (unsigned n = first - 1; n <= SAMPLE_LOG_EVENTS; n++) {
            assert_int_equal(
                verify_evidence(&sample.log, first, &sample.chain[first - 1], hashes, &sample.seal, key, n, &at, NULL),
                0);
            assert_memory_equal(at.b, sample.chain[n].b, HASH_BYTES);
        }
    }
}

static void
evidence_that_does_not_lead_to_its_seal_is_refused(void **state)
{
    struct chain_value at;
    const struct sign_public *key = &sample.opened.signing_key;
    struct slice all = slice_of(sample.header_hashes, sizeof(sample.header_hashes));
    const struct chain_value *start = &sample.chain[0];
#define EVIDENCE(first, before, hashes, n) \
    verify_evidence(&sample.log, first, before, hashes, &sample.seal, key, n, &at, NULL)
    assert_int_equal(EVIDENCE(1, start, all, 3), 0);
    assert_int_equal(EVIDENCE(1, &sample.chain[1], all, 3), ERR_FORGED);
    assert_int_equal(EVIDENCE(2, &sample.chain[0], all, 3), ERR_FORGED);
    assert_int_equal(EVIDENCE(1, start, slice_of(all.data, all.len - HASH_BYTES), 3), ERR_FORGED);
    assert_int_equal(EVIDENCE(1, start, slice_of(all.data, all.len - 1), 3), ERR_INVALID);
    assert_int_equal(EVIDENCE(1, start, slice_of(NULL, 0), 0), ERR_INVALID);
    assert_int_equal(EVIDENCE(0, start, all, 3), ERR_INVALID);
    assert_int_equal(EVIDENCE(UINT64_MAX, start, all, 3), ERR_INVALID);
    assert_int_equal(EVIDENCE(5, &sample.chain[4], all, 3), ERR_INVALID);
    assert_int_equal(EVIDENCE(1, start, all, SAMPLE_LOG_EVENTS + 1), ERR_INVALID);
#undef EVIDENCE
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_log_verifies_from_its_start),
        cmocka_unit_test(a_log_verifies_in_runs_cut_anywhere),
        cmocka_unit_test(no_bit_of_a_run_can_be_changed),
        cmocka_unit_test(a_run_that_misnames_itself_is_refused),
        cmocka_unit_test(a_run_with_an_absent_payload_is_refused),
        cmocka_unit_test(a_first_event_gives_the_keys_of_its_log),
        cmocka_unit_test(a_first_event_that_breaks_the_rules_is_refused),
        cmocka_unit_test(a_certificate_vouches_for_every_field_of_its_body),
        cmocka_unit_test(a_root_statement_is_for_one_log_and_by_the_root_key),
        cmocka_unit_test(an_event_proves_itself_against_a_reference),
        cmocka_unit_test(evidence_shows_the_chain_at_every_position),
        cmocka_unit_test(evidence_that_does_not_lead_to_its_seal_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
