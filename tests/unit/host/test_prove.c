/* The proof of an erasure finds what is planted, wherever it lies, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "node/host/prove.h"
#include "tests/support/storage.h"

enum { MAP_BYTES = 64 * 1024 * 1024, CONTACT = 1 << 1, BIG = 3 << 20, CHUNK = 1 << 20 };

static const uint8_t WRAP_KEY[KEY_BYTES] = {1, 2, 3};

struct place {
    char dir[TEST_PATH_MAX], vault_dir[TEST_PATH_MAX + 8];
    struct vault *vault;
    struct prove_needles *needles;
    struct vault_probe *probe;
    uint64_t hits[PROVE_KINDS], offset;
    unsigned files, skipped;
};

static int
setup(void **state)
{
    struct place *p = calloc(1, sizeof(*p));
    struct err err;
    assert_non_null(p);
    test_dir_make(p->dir);
    snprintf(p->vault_dir, sizeof(p->vault_dir), "%s/vault", p->dir);
    assert_int_equal(mkdir(p->vault_dir, 0700), 0);
    struct vault_opts opts = {.path = p->vault_dir, .map_bytes = MAP_BYTES, .wrap_key = WRAP_KEY, .create = true};
    assert_int_equal(vault_open(&opts, &p->vault, &err), 0);
    assert_int_equal(prove_needles_new(&p->needles, &err), 0);
    *state = p;
    return 0;
}

static int
teardown(void **state)
{
    struct place *p = *state;
    vault_close(&p->vault);
    vault_probe_free(&p->probe);
    prove_needles_free(&p->needles);
    test_dir_remove(p->dir);
    free(p);
    return 0;
}

static void
plant(const struct place *p, const char *name, size_t size, size_t offset, struct slice what)
{
    char path[TEST_PATH_MAX + 32];
    uint8_t *bytes = malloc(size);
    assert_non_null(bytes);
    randombytes_buf_deterministic(bytes, size, (const uint8_t[randombytes_SEEDBYTES]){5});
    if (what.len > 0)
        memcpy(bytes + offset, what.data, what.len);
    snprintf(path, sizeof(path), "%s/%s", p->dir, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    fclose(f);
    free(bytes);
}

static void
on_hit(void *arg, const struct prove_hit *hit)
{
    struct place *p = arg;
    p->hits[hit->kind]++;
    p->offset = hit->offset;
}

static void
on_file(void *arg, const struct prove_file *file)
{
    struct place *p = arg;
    p->files += !file->skipped;
    p->skipped += file->skipped;
}

static struct prove_result
search(struct place *p, struct prove_what what)
{
    struct prove_report report = {.hit = on_hit, .file = on_file, .arg = p};
    struct prove_result r = {0};
    struct err err;
    memset(p->hits, 0, sizeof(p->hits));
    p->files = p->skipped = 0;
    what.threads = 2;
    assert_int_equal(prove_search(p->dir, &what, &report, &r, &err), 0);
    assert_memory_equal(r.hits, p->hits, sizeof(p->hits));
    assert_int_equal(r.files, p->files);
    return r;
}

static void
a_destroyed_slot_is_found_until_the_vault_is_rewritten(void **state)
{
    struct place *p = *state;
    struct slot_keys keys;
    struct err err;
    assert_int_equal(vault_take(p->vault, &keys, &err), 0);
    struct vault_erase_slot slot = {keys.slot, CONTACT};
    struct vault_erase what = {.slots = &slot, .n_slots = 1};
    assert_int_equal(vault_probe_new(p->vault, &slot, 1, NULL, 0, &p->probe, &err), 0);
    assert_int_equal(vault_erase(p->vault, &what, NULL, &err), 0);
    struct prove_result r = search(p, (struct prove_what){.probe = p->probe});
    assert_true(r.hits[PROVE_KEY] > 0); /* the control: erased, not rewritten */
    assert_true(r.hits[PROVE_ROW] > 0);
    assert_false(prove_clean(&r));
    assert_int_equal(p->skipped, 1);
    assert_int_equal(vault_rewrite(p->vault, NULL, &err), 0);
    r = search(p, (struct prove_what){.probe = p->probe});
    assert_int_equal(r.hits[PROVE_KEY], 0);
    assert_int_equal(r.hits[PROVE_ROW], 1);
    assert_true(prove_clean(&r));
}

static void
a_row_is_found_at_any_offset_across_chunks_too(void **state)
{
    static const size_t OFFSETS[] = {0, 777, CHUNK - 100, CHUNK - 1, CHUNK, BIG - 232};
    struct place *p = *state;
    struct slot_keys keys;
    struct db_txn *txn;
    struct slice row;
    struct err err;
    uint8_t key[8], bytes[232];
    assert_int_equal(vault_take(p->vault, &keys, &err), 0);
    be64_put(key, keys.slot);
    assert_int_equal(db_begin_read(vault_db(p->vault), &txn, &err), 0);
    assert_int_equal(db_get(txn, TABLE_SLOTS, slice_of(key, 8), &row, &err), 0);
    assert_int_equal(row.len, sizeof(bytes));
    memcpy(bytes, row.data, sizeof(bytes));
    db_abort(&txn);
    struct vault_erase_slot slot = {keys.slot, CONTACT};
    assert_int_equal(vault_probe_new(p->vault, &slot, 1, NULL, 0, &p->probe, &err), 0);
    assert_int_equal(vault_erase(p->vault, &(struct vault_erase){.slots = &slot, .n_slots = 1}, NULL, &err), 0);
    assert_int_equal(vault_rewrite(p->vault, NULL, &err), 0);
    for (size_t i = 0; i < ARRAY_LEN(OFFSETS); i += 2) {
        plant(p, "core", BIG, OFFSETS[i], slice_of(bytes, sizeof(bytes)));
        struct prove_result r = search(p, (struct prove_what){.probe = p->probe});
        assert_int_equal(r.hits[PROVE_KEY], 1);
        if (i > 0)
            assert_false(prove_clean(&r));
    }
}

static void
capsules_are_found_by_what_their_event_commits_to(void **state)
{
    struct place *p = *state;
    struct data_key key = {{6}};
    struct buf capsule;
    struct err err;
    buf_init(&capsule, 4096);
    assert_int_equal(capsule_seal(&key, CLASS_CONTACT, (const uint8_t[24]){9}, slice_of("x", 1), &capsule, &err), 0);
    struct capsule_commitment c[] = {{CLASS_CONTACT, {{1}}, (uint32_t)capsule.len},
                                     {CLASS_CONTACT, capsule_hash(buf_slice(&capsule)), (uint32_t)capsule.len}};
    plant(p, "a", BIG, CHUNK - 50, buf_slice(&capsule));
    plant(p, "b", 40, 0, slice_of(NULL, 0));
    struct prove_result r = search(p, (struct prove_what){.commitments = c, .n_commitments = 2});
    assert_int_equal(r.hits[PROVE_CIPHERTEXT], 1);
    assert_int_equal(p->offset, CHUNK - 50);
    assert_true(prove_clean(&r)); /* noted: it has no key */
    c[1].class = CLASS_KEY;
    r = search(p, (struct prove_what){.commitments = c, .n_commitments = 2});
    assert_int_equal(r.hits[PROVE_KEY_CAPSULE], 1);
    assert_false(prove_clean(&r));
    buf_free(&capsule);
}

static void
what_is_full_of_zeros_is_not_taken_for_ciphertext_and_ciphertext_is(void **state UNUSED)
{
    enum { ROW = 232, SEEDS = 20000 };
    uint8_t bytes[ROW + 7], seed[randombytes_SEEDBYTES] = {0};
    for (uint32_t i = 0; i < SEEDS; i++) {
        memcpy(seed, &i, sizeof(i));
        randombytes_buf_deterministic(bytes, sizeof(bytes), seed);
        assert_true(vault_probe_random(slice_of(bytes + i % 8, ROW)));
    }
    assert_true(vault_probe_random(slice_of(bytes, 0)));
    for (size_t at = 0; at + 6 <= ROW; at++) {
        randombytes_buf_deterministic(bytes, sizeof(bytes), seed);
        memset(bytes + at, 0, 6);
        assert_false(vault_probe_random(slice_of(bytes, ROW)));
    }
    randombytes_buf_deterministic(bytes, sizeof(bytes), seed);
    for (size_t at = 0; at < ROW; at += 8)
        bytes[at] = 0; /* none beside another, but 29 of them */
    assert_false(vault_probe_random(slice_of(bytes, ROW)));
}

static void
needles_are_found_in_any_case_form_and_encoding(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        bool found;
    } planted[] = {
        {"Zo\xc3\xab M\xc3\xbcller", 12, true},
        {"zo\xc3\x8b M\xc3\x9cLLER", 12, true},
        {"Zoe\xcc\x88 Mu\xcc\x88ller", 14, true},
        {"Z\0o\0\xeb\0 \0m\0\xfc\0L\0l\0e\0r\0", 20, true},
        {"Zoe Muller", 10, false},
    };
    struct place *p = *state;
    struct err err;
    const char *text = "Zo\xc3\xab M\xc3\xbcller";
    assert_int_equal(prove_needles_text(p->needles, slice_of(text, strlen(text)), &err), 0);
    assert_int_equal(prove_needles_raw(p->needles, slice_of("\0\1\2\3\4\5", 6), &err), 0);
    assert_int_equal(prove_needles_count(p->needles), 2);
    for (size_t i = 0; i < ARRAY_LEN(planted); i++) {
        plant(p, "a", 2 * CHUNK, CHUNK - 5, slice_of(planted[i].bytes, planted[i].len));
        struct prove_result r = search(p, (struct prove_what){.needles = p->needles});
        assert_int_equal(r.hits[PROVE_NEEDLE], planted[i].found);
        assert_int_equal(prove_clean(&r), !planted[i].found);
    }
    plant(p, "a", CHUNK, 9, slice_of("\0\1\2\3\4\5", 6));
    assert_int_equal(search(p, (struct prove_what){.needles = p->needles}).hits[PROVE_NEEDLE], 1);
}

static void
needles_that_chance_would_find_are_refused(void **state)
{
    struct place *p = *state;
    struct err err;
    char longest[PROVE_NEEDLE_MAX + 1];
    memset(longest, 'a', sizeof(longest));
    assert_int_equal(prove_needles_text(p->needles, slice_of("abc", 3), &err), ERR_INVALID);
    assert_int_equal(prove_needles_text(p->needles, slice_of("\xff\xff\xff\xff", 4), &err), ERR_INVALID);
    assert_int_equal(prove_needles_raw(p->needles, slice_of("abc", 3), &err), ERR_INVALID);
    assert_int_equal(prove_needles_text(p->needles, slice_of(longest, sizeof(longest)), &err), ERR_LIMIT);
    assert_int_equal(prove_needles_text(p->needles, slice_of(longest, PROVE_NEEDLE_MAX), &err), 0);
    struct prove_result r;
    assert_int_equal(prove_search("/nonexistent", &(struct prove_what){0}, NULL, &r, &err), ERR_NOTFOUND);
    assert_string_equal(prove_kind_name(PROVE_KEY_CAPSULE), "key-capsule");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        T(a_destroyed_slot_is_found_until_the_vault_is_rewritten),
        T(a_row_is_found_at_any_offset_across_chunks_too),
        T(capsules_are_found_by_what_their_event_commits_to),
        cmocka_unit_test(what_is_full_of_zeros_is_not_taken_for_ciphertext_and_ciphertext_is),
        T(needles_are_found_in_any_case_form_and_encoding),
        T(needles_that_chance_would_find_are_refused),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
