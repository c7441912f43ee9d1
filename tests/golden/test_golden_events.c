/* Stored and signed bytes never change: what this program writes, and what it reads, is compared with files that an earlier one
 * wrote. SMARTNODE_GOLDEN_WRITE=1 writes them anew (only for files of new kinds: a changed file is a changed format), and the
 * corpora of the fuzzers with them. Runs at the root of the source tree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proto/verify.h"
#include "tests/support/event_samples.h"

enum { FILE_BYTES_MAX = 131072, PATH_BYTES_MAX = 256, NAME_MAX_BYTES = 96 };

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

static void
write_file(const char *path, struct slice prefix, struct slice bytes)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(prefix.data, 1, prefix.len, f), prefix.len);
    assert_int_equal(fwrite(bytes.data, 1, bytes.len, f), bytes.len);
    assert_int_equal(fclose(f), 0);
}

/* The bytes of a golden file, valid until the next call. */
static struct slice
golden(const char *name)
{
    static uint8_t bytes[FILE_BYTES_MAX];
    char path[PATH_BYTES_MAX];
    snprintf(path, sizeof(path), "tests/golden/events/%s.bin", name);
    FILE *f = fopen(path, "rb");
    if (!f)
        fail_msg("%s cannot be read", path);
    size_t len = fread(bytes, 1, sizeof(bytes), f);
    fclose(f);
    return slice_of(bytes, len);
}

static void
assert_golden(const char *name, struct slice written)
{
    char path[PATH_BYTES_MAX];
    if (getenv("SMARTNODE_GOLDEN_WRITE")) {
        snprintf(path, sizeof(path), "tests/golden/events/%s.bin", name);
        write_file(path, slice_of(NULL, 0), written);
    }
    struct slice stored = golden(name);
    if (!slice_eq(stored, written))
        fail_msg("%s: %zu bytes written are not the %zu bytes stored", name, written.len, stored.len);
}

static void
write_corpus(const char *target, const char *name, struct slice prefix, struct slice bytes)
{
    char path[PATH_BYTES_MAX];
    if (!getenv("SMARTNODE_GOLDEN_WRITE"))
        return;
    snprintf(path, sizeof(path), "tests/fuzz/corpus/%s/%s", target, name);
    write_file(path, prefix, bytes);
}

static void
every_kind_is_written_as_before_and_read_as_before(void **state)
{
    for (unsigned n = 1; n <= SAMPLE_LOG_EVENTS; n++) {
        char name[NAME_MAX_BYTES];
        uint16_t kind = sample_kinds[n - 1];
        uint8_t chosen = kind == KIND_PERIOD_CLOSED ? UINT8_MAX : (uint8_t)kind; /* as fuzz_payload takes it */
        struct event_payload p;
        struct event_header h;
        struct buf again;
        snprintf(name, sizeof(name), "payload-%02u-%s", kind, event_kind_name(kind));
        assert_golden(name, buf_slice(&sample.payload[n]));
        write_corpus("payload", name, slice_of(&chosen, 1), buf_slice(&sample.payload[n]));
        buf_init(&again, PAYLOAD_BYTES_MAX);
        assert_int_equal(event_payload_decode(kind, 1, golden(name), &p, NULL), 0);
        sample_lists(&p, golden(name));
        assert_int_equal(event_payload_encode(&p, &again, NULL), 0);
        assert_true(slice_eq(buf_slice(&again), golden(name)));
        snprintf(name, sizeof(name), "header-%02u", n);
        assert_golden(name, buf_slice(&sample.header[n]));
        if (n == 1 || n == 8 || n == 9 || kind == KIND_ENTRY_CANCELLED || kind == KIND_INVOICE_ISSUED ||
            kind == KIND_POSTING_CHANGED)
            write_corpus("header", name, slice_of(NULL, 0), buf_slice(&sample.header[n]));
        buf_clear(&again);
        assert_int_equal(event_header_decode(golden(name), &h, NULL), 0);
        assert_int_equal(event_header_encode(&h, &again, NULL), 0);
        assert_true(slice_eq(buf_slice(&again), golden(name)));
        buf_free(&again);
    }
}

static void
a_run_and_its_seal_verify_as_before(void **state)
{
    struct run run = sample_run(&sample);
    struct chain_value after;
    struct slice frames = slice_of(sample.frames.data, sample.run_bytes[0]);
    assert_golden("chain", slice_of(sample.chain, (sample_run_ends[0] + 1) * HASH_BYTES));
    assert_golden("seal", slice_of(sample.seals[0].b, SIG_BYTES));
    assert_golden("run", frames);
    run.count = sample_run_ends[0];
    memcpy(run.seal.b, golden("seal").data, sizeof(run.seal.b));
    run.frames = golden("run");
    assert_int_equal(verify_run(&run, &sample.chain[0], &sample.opened.signing_key, &after, NULL), 0);
    assert_memory_equal(after.b, golden("chain").data + sample_run_ends[0] * HASH_BYTES, HASH_BYTES);
    uint8_t head[2 + SIG_BYTES] = {1, (uint8_t)sample_run_ends[0]};
    memcpy(head + 2, sample.seals[0].b, SIG_BYTES);
    write_corpus("run", "log", slice_of(head, sizeof(head)), frames);
    head[1] = 1;
    struct buf one;
    buf_init(&one, FRAME_BYTES_MAX);
    event_frame_put(&one, buf_slice(&sample.header[1]), buf_slice(&sample.payload[1]));
    write_corpus("run", "first", slice_of(head, sizeof(head)), buf_slice(&one));
    buf_free(&one);
}

static void
the_runs_that_follow_verify_as_before(void **state)
{
    for (unsigned n = 1; n < SAMPLE_RUNS; n++) {
        struct run run = sample_run(&sample);
        struct chain_value after;
        char name[NAME_MAX_BYTES];
        unsigned from = sample_run_ends[n - 1];
        size_t at = sample.run_bytes[n - 1];
        run.first = from + 1;
        run.count = sample_run_ends[n] - from;
        snprintf(name, sizeof(name), "chain-%u", n + 1);
        assert_golden(name, slice_of(&sample.chain[from], (run.count + 1) * HASH_BYTES));
        memcpy(after.b, golden(name).data + run.count * HASH_BYTES, HASH_BYTES);
        assert_memory_equal(after.b, sample.chain[sample_run_ends[n]].b, HASH_BYTES);
        snprintf(name, sizeof(name), "seal-%u", n + 1);
        assert_golden(name, slice_of(sample.seals[n].b, SIG_BYTES));
        memcpy(run.seal.b, golden(name).data, sizeof(run.seal.b));
        snprintf(name, sizeof(name), "run-%u", n + 1);
        assert_golden(name, slice_of(sample.frames.data + at, sample.run_bytes[n] - at));
        run.frames = golden(name);
        assert_int_equal(verify_run(&run, &sample.chain[from], &sample.opened.signing_key, &after, NULL), 0);
        assert_memory_equal(after.b, sample.chain[sample_run_ends[n]].b, HASH_BYTES);
    }
}

static void
links_and_pseudonyms_are_made_as_before(void **state)
{
    struct activity_links links = sample_links(), back;
    struct data_key year_key;
    struct buf plain;
    buf_init(&plain, CAPSULE_BYTES_MAX);
    assert_int_equal(activity_links_encode(&links, &plain, NULL), 0);
    assert_golden("links", buf_slice(&plain));
    assert_golden("capsule-4", buf_slice(&sample.links));
    assert_int_equal(activity_links_decode(golden("links"), &back, NULL), 0);
    assert_memory_equal(&links, &back, sizeof(links));
    buf_clear(&plain);
    assert_int_equal(capsule_open(&sample_links_key, CLASS_ACTIVITY, golden("capsule-4"), &plain, NULL), 0);
    assert_true(slice_eq(buf_slice(&plain), golden("links")));
    buf_free(&plain);
    counting_year_key(&sample_counting_key, 2026, &year_key);
    struct subject_id pseudonym = counting_pseudonym(&year_key);
    assert_golden("year-key", slice_of(year_key.b, sizeof(year_key.b)));
    assert_golden("pseudonym", slice_of(pseudonym.b, sizeof(pseudonym.b)));
}

static void
links_of_postings_are_made_as_before(void **state)
{
    struct activity_links links = sample_posting_links(), back;
    struct buf plain;
    buf_init(&plain, CAPSULE_BYTES_MAX);
    assert_int_equal(activity_links_encode(&links, &plain, NULL), 0);
    assert_golden("posting", buf_slice(&plain));
    assert_golden("capsule-posting", buf_slice(&sample.posting_links));
    assert_int_equal(activity_links_decode(golden("posting"), &back, NULL), 0);
    assert_memory_equal(&links, &back, sizeof(links));
    buf_clear(&plain);
    assert_int_equal(capsule_open(&sample_links_key, CLASS_ACTIVITY, golden("capsule-posting"), &plain, NULL), 0);
    assert_true(slice_eq(buf_slice(&plain), golden("posting")));
    buf_free(&plain);
}

static void
assert_sealed(uint8_t class, const char *plain_name, const char *capsule_name, struct slice plain)
{
    const uint8_t nonce[CAPSULE_NONCE_BYTES] = {class, 8, 7};
    struct buf b;
    buf_init(&b, CAPSULE_BYTES_MAX);
    assert_golden(plain_name, plain);
    assert_int_equal(capsule_seal(&sample_links_key, class, nonce, plain, &b, NULL), 0);
    assert_golden(capsule_name, buf_slice(&b));
    buf_clear(&b);
    assert_int_equal(capsule_open(&sample_links_key, class, golden(capsule_name), &b, NULL), 0);
    assert_true(slice_eq(buf_slice(&b), plain));
    buf_free(&b);
}

static void
guest_records_and_dossiers_are_sealed_as_before(void **state)
{
    static struct dossier dossier;
    struct guest_record guest = sample_guest_record();
    struct buf b;
    buf_init(&b, CAPSULE_BYTES_MAX);
    assert_int_equal(guest_record_encode(&guest, &b, NULL), 0);
    assert_sealed(CLASS_GUEST, "guest-record", "capsule-7", buf_slice(&b));
    assert_int_equal(guest_record_decode(golden("guest-record"), &guest, NULL), 0);
    buf_clear(&b);
    assert_int_equal(dossier_encode(sample_dossier(), &b, NULL), 0);
    assert_sealed(CLASS_DOSSIER, "dossier", "capsule-8", buf_slice(&b));
    assert_int_equal(dossier_decode(golden("dossier"), &dossier, NULL), 0);
    buf_free(&b);
}

static void
a_root_statement_is_written_as_before(void **state)
{
    struct root_statement s;
    uint8_t zero = 0;
    assert_golden("root-statement", buf_slice(&sample.root_statement));
    write_corpus("payload", "root-statement", slice_of(&zero, 1), buf_slice(&sample.root_statement));
    assert_int_equal(root_statement_decode(golden("root-statement"), &s, NULL), 0);
    root_statement_release(&s);
}

static void
capsules_are_sealed_as_before_and_open_as_before(void **state)
{
    const struct data_key key = {{1, 2, 3}};
    const uint8_t nonce[24] = {9, 8, 7}, seed[32] = {2}, eph[32] = {3};
    struct box_public pk;
    struct box_secret sk;
    struct buf b;
    buf_init(&b, CAPSULE_BYTES_MAX);
    crypto_keypair_box(seed, &pk, &sk);
    assert_int_equal(capsule_seal(&key, CLASS_NOTE, nonce, slice_of("example", 7), &b, NULL), 0);
    assert_golden("capsule-1", buf_slice(&b));
    buf_clear(&b);
    assert_int_equal(capsule_open(&key, CLASS_NOTE, golden("capsule-1"), &b, NULL), 0);
    assert_true(slice_eq(buf_slice(&b), slice_of("example", 7)));
    buf_clear(&b);
    assert_int_equal(capsule_seal_to(&pk, CLASS_KEY, eph, nonce, slice_of("example", 7), &b, NULL), 0);
    assert_golden("capsule-2", buf_slice(&b));
    buf_clear(&b);
    assert_int_equal(capsule_open_sealed(&sk, &pk, CLASS_KEY, golden("capsule-2"), &b, NULL), 0);
    assert_true(slice_eq(buf_slice(&b), slice_of("example", 7)));
    buf_free(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_written_as_before_and_read_as_before),
        cmocka_unit_test(a_run_and_its_seal_verify_as_before),
        cmocka_unit_test(the_runs_that_follow_verify_as_before),
        cmocka_unit_test(links_and_pseudonyms_are_made_as_before),
        cmocka_unit_test(links_of_postings_are_made_as_before),
        cmocka_unit_test(guest_records_and_dossiers_are_sealed_as_before),
        cmocka_unit_test(a_root_statement_is_written_as_before),
        cmocka_unit_test(capsules_are_sealed_as_before_and_open_as_before),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
