/* Erasing in the vault, keys received from other units, who looked, and the probe that finds what was forgotten. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sodium.h>
#include <stdlib.h>

#include "storage/openings.h"
#include "storage/received.h"
#include "storage/vault_erase.h"
#include "storage/vault_probe.h"
#include "tests/support/storage.h"

enum { MAP_BYTES = 256 * 1024 * 1024, CONTACT = 1 << 1, ACTIVITY = 1 << 4 };

static const uint8_t WRAP_KEY[KEY_BYTES] = {1, 2, 3};

struct place {
    char dir[TEST_PATH_MAX];
    struct vault *vault;
};

static struct vault *
open_vault(const char *dir, bool create)
{
    struct vault_opts opts = {.path = dir, .map_bytes = MAP_BYTES, .wrap_key = WRAP_KEY, .create = create};
    struct vault *v = NULL;
    struct err err;
    return vault_open(&opts, &v, &err) == 0 ? v : NULL;
}

static int
setup(void **state)
{
    struct place *p = calloc(1, sizeof(*p));
    assert_non_null(p);
    test_dir_make(p->dir);
    p->vault = open_vault(p->dir, true);
    assert_non_null(p->vault);
    *state = p;
    return 0;
}

static int
teardown(void **state)
{
    struct place *p = *state;
    db_fail_after(0);
    vault_close(&p->vault);
    test_dir_remove(p->dir);
    free(p);
    return 0;
}

static struct subject_id
subject(uint32_t n)
{
    struct subject_id s = {{0x5a}};
    be32_put(s.b + 12, n);
    return s;
}

static struct position
at(uint64_t seq)
{
    return (struct position){.log = {{7, 7}}, .seq = seq};
}

static struct vault_erased
erase(struct vault *v, const struct vault_erase *what)
{
    struct vault_erased done = {0};
    struct err err;
    assert_int_equal(vault_erase(v, what, &done, &err), 0);
    return done;
}

/* ---- slots, capsules ---- */

static void
classes_are_destroyed_one_by_one_and_a_slot_without_any_goes(void **state)
{
    struct place *p = *state;
    struct slot_keys before, after;
    struct err err;
    assert_int_equal(vault_take(p->vault, &before, &err), 0);
    struct vault_erase_slot slot = {before.slot, CONTACT};
    struct vault_erase what = {.slots = &slot, .n_slots = 1};
    assert_int_equal(erase(p->vault, &what).keys, 1);
    assert_int_equal(vault_slot(p->vault, before.slot, &after, &err), 0);
    for (unsigned c = 0; c < VAULT_CLASSES; c++) {
        assert_int_equal(vault_key_there(&after.keys[c]), c != 1);
        if (c != 1)
            assert_memory_equal(&after.keys[c], &before.keys[c], sizeof(after.keys[c]));
    }
    struct hash digest = test_db_digest(vault_db(p->vault));
    assert_int_equal(erase(p->vault, &what).keys, 0); /* again: nothing is written */
    struct hash again = test_db_digest(vault_db(p->vault));
    assert_memory_equal(&digest, &again, sizeof(digest));
    slot.classes = VAULT_ALL_CLASSES;
    struct vault_erased done = erase(p->vault, &what);
    assert_int_equal(done.keys, VAULT_CLASSES - 1);
    assert_int_equal(done.slots, 1);
    assert_int_equal(vault_slot(p->vault, before.slot, &after, &err), ERR_NOTFOUND);
    done = erase(p->vault, &what);
    assert_int_equal(done.keys + done.slots, 0);
}

static void
a_slot_that_does_not_open_is_deleted(void **state)
{
    struct place *p = *state;
    struct slot_keys keys;
    struct db_txn *txn;
    struct err err;
    uint8_t key[8], rubbish[232] = {3};
    assert_int_equal(vault_take(p->vault, &keys, &err), 0);
    be64_put(key, keys.slot);
    assert_int_equal(db_begin_write(vault_db(p->vault), &txn, &err), 0);
    assert_int_equal(db_put(txn, TABLE_SLOTS, slice_of(key, 8), slice_of(rubbish, sizeof(rubbish)), &err), 0);
    assert_int_equal(db_commit(&txn, &err), 0);
    struct vault_erase_slot slot = {keys.slot, CONTACT};
    struct vault_erased done = erase(p->vault, &(struct vault_erase){.slots = &slot, .n_slots = 1});
    assert_int_equal(done.slots, 1);
    assert_int_equal(vault_slot(p->vault, keys.slot, &keys, &err), ERR_NOTFOUND);
}

static void
key_capsules_go_by_position_and_index(void **state)
{
    struct place *p = *state;
    struct key_capsule c[] = {{at(1), 0, slice_of("a", 1)}, {at(1), 1, slice_of("b", 1)}, {at(2), 0, slice_of("c", 1)}};
    struct vault_erase_capsule gone[] = {{at(1), 1}, {at(9), 0}, {at(1), 1}};
    struct buf out;
    struct err err;
    buf_init(&out, 64);
    assert_int_equal(vault_capsules_put(p->vault, c, 3, &err), 0);
    assert_int_equal(erase(p->vault, &(struct vault_erase){.capsules = gone, .n_capsules = 3}).capsules, 1);
    assert_int_equal(vault_capsule_get(p->vault, &c[0].at, 0, &out, &err), 0);
    assert_int_equal(vault_capsule_get(p->vault, &c[1].at, 1, &out, &err), ERR_NOTFOUND);
    assert_int_equal(vault_capsule_get(p->vault, &c[2].at, 0, &out, &err), 0);
    buf_free(&out);
}

/* Where a visitor's access ends while the desk writes work in the same commit. */
static void
key_capsules_go_while_links_are_staged(void **state)
{
    struct place *p = *state;
    struct key_capsule c = {at(1), 0, slice_of("a", 1)};
    struct vault_erase_capsule gone = {at(1), 0};
    struct vault_link link = {.entity = subject(1), .member = subject(2), .flags = LINK_INVOICE}, found;
    struct err err;
    assert_int_equal(vault_capsules_put(p->vault, &c, 1, &err), 0);
    assert_int_equal(vault_links_stage(p->vault, &link, NULL, 0, &err), 0);
    assert_int_equal(erase(p->vault, &(struct vault_erase){.capsules = &gone, .n_capsules = 1}).capsules, 1);
    assert_int_equal(vault_links_commit(p->vault, &err), 0);
    assert_int_equal(vault_link_get(p->vault, &link.entity, &found, &err), 0);
}

/* ---- index and links ---- */

static struct index_entry
entry(uint32_t token, uint32_t of)
{
    struct index_entry e = {.subject = subject(of)};
    be32_put(e.token, token);
    return e;
}

static void
what_finds_a_person_goes_and_nothing_of_others(void **state)
{
    struct place *p = *state;
    /* members 1 and 2; activities 11 and 12 of 1, 21 of 2 */
    struct index_entry entries[] = {entry(1, 1),  entry(2, 1),  entry(1, 2),    entry(3, 2),
                                    entry(4, 11), entry(5, 12), entry(104, 11), entry(6, 21)};
    struct vault_link links[] = {{.entity = subject(11), .member = subject(1), .flags = LINK_ACTIVITY},
                                 {.entity = subject(12), .member = subject(1), .flags = LINK_INVOICE},
                                 {.entity = subject(21), .member = subject(2), .flags = LINK_ACTIVITY}};
    struct vault_link link;
    struct subject_id gone = subject(1);
    const struct vault_erase_linked linked = {.member = gone, .all = true};
    struct err err;
    bool has;
    assert_int_equal(vault_links_put(p->vault, links, 3, entries, 8, &err), 0);
    struct vault_erase single = {.entries = &entries[1], .n_entries = 1};
    assert_int_equal(erase(p->vault, &single).entries, 1);
    struct vault_erase what = {.indexed = &gone, .n_indexed = 1, .linked = &linked, .n_linked = 1};
    struct vault_erased done = erase(p->vault, &what);
    assert_int_equal(done.links, 2);
    assert_int_equal(done.entries, 4); /* one of the member, three of its activities */
    static const bool stays[] = {false, false, true, true, false, false, false, true};
    for (size_t i = 0; i < ARRAY_LEN(stays); i++) {
        assert_int_equal(vault_index_has(p->vault, entries[i].token, &entries[i].subject, &has, &err), 0);
        assert_int_equal(has, stays[i]);
    }
    assert_int_equal(vault_link_get(p->vault, &links[0].entity, &link, &err), ERR_NOTFOUND);
    assert_int_equal(vault_link_get(p->vault, &links[1].entity, &link, &err), ERR_NOTFOUND);
    assert_int_equal(vault_link_get(p->vault, &links[2].entity, &link, &err), 0);
    done = erase(p->vault, &what);
    assert_int_equal(done.links + done.entries, 0);
}

static void
of_a_visitors_links_those_go_that_are_of_the_home_that_orders_it(void **state)
{
    struct place *p = *state;
    const struct unit_id home = {{1}}, other = {{2}};
    const struct vault_link links[] = {
        {.entity = subject(11), .member = subject(1), .flags = LINK_ACTIVITY | LINK_OTHER_UNIT, .unit = home},
        {.entity = subject(12), .member = subject(1), .flags = LINK_INVOICE | LINK_OTHER_UNIT, .unit = other},
        {.entity = subject(13), .member = subject(1), .flags = LINK_ACTIVITY | LINK_OTHER_UNIT}, /* does not say */
        {.entity = subject(14), .member = subject(1), .flags = LINK_ACTIVITY},
        {.entity = subject(15), .member = subject(2), .flags = LINK_ACTIVITY | LINK_OTHER_UNIT, .unit = home}};
    static const bool gone[][ARRAY_LEN(links)] = {{true}, {true, false, true}, {true, true, true, true}};
    struct vault_erase_linked orders[] = {{.member = subject(1), .home = home},
                                          {.member = subject(1), .home = home, .earlier = true},
                                          {.member = subject(1), .all = true}};
    struct vault_link link;
    struct err err;
    assert_int_equal(vault_links_put(p->vault, links, ARRAY_LEN(links), NULL, 0, &err), 0);
    for (size_t k = 0; k < ARRAY_LEN(orders); k++) {
        struct vault_erase what = {.linked = &orders[k], .n_linked = 1};
        (void)erase(p->vault, &what);
        for (size_t i = 0; i < ARRAY_LEN(links); i++) {
            int rc = vault_link_get(p->vault, &links[i].entity, &link, &err);
            assert_int_equal(rc, gone[k][i] ? ERR_NOTFOUND : 0);
            if (rc == 0)
                assert_memory_equal(&link, &links[i], sizeof(link));
        }
    }
}

static void
many_members_are_erased_in_one_call(void **state)
{
    enum { MEMBERS = 4000, EACH = 5 };
    struct place *p = *state;
    struct index_entry *entries = calloc((size_t)MEMBERS * EACH, sizeof(*entries));
    struct vault_link *links = calloc(MEMBERS, sizeof(*links));
    struct subject_id *gone = calloc(MEMBERS / 2, sizeof(*gone));
    struct vault_erase_linked *linked = calloc(MEMBERS / 2, sizeof(*linked));
    struct err err;
    for (uint32_t m = 0; m < MEMBERS; m++) {
        links[m] = (struct vault_link){.entity = subject(1000000 + m), .member = subject(m), .flags = LINK_ACTIVITY};
        for (uint32_t i = 0; i < EACH; i++)
            entries[m * EACH + i] = entry(m * 2654435761U + i, i == 0 ? 1000000 + m : m);
        if (m % 2 == 1) {
            gone[m / 2] = subject(m);
            linked[m / 2] = (struct vault_erase_linked){.member = subject(m), .all = true};
        }
    }
    assert_int_equal(vault_links_put(p->vault, links, MEMBERS, entries, (size_t)MEMBERS * EACH, &err), 0);
    struct vault_erase what = {.indexed = gone, .n_indexed = MEMBERS / 2, .linked = linked, .n_linked = MEMBERS / 2};
    struct vault_erased done = erase(p->vault, &what);
    assert_int_equal(done.links, MEMBERS / 2);
    assert_int_equal(done.entries, MEMBERS / 2 * EACH);
    assert_int_equal(test_table_rows(vault_db(p->vault), TABLE_INDEX_LISTS), MEMBERS / 2 * EACH);
    assert_int_equal(test_table_rows(vault_db(p->vault), TABLE_LINKS), MEMBERS / 2);
    free(entries);
    free(links);
    free(linked);
    free(gone);
}

/* ---- received keys ---- */

static struct received_key
received(uint32_t of, uint8_t unit, uint8_t class, uint32_t generation, uint64_t from, int32_t until)
{
    struct received_key k = {.subject = subject(of),
                             .unit = {{unit}},
                             .class = class,
                             .generation = generation,
                             .from = at(from),
                             .kind = 80,
                             .until = until ? (struct civil_date){until} : DATE_NONE};
    memset(k.key.b, (int)(generation + class * 16U), sizeof(k.key.b));
    return k;
}

static void
received_keys_are_found_by_age_day_unit_and_event(void **state)
{
    struct place *p = *state;
    struct received_key keys[] = {
        received(1, 1, CLASS_IDENTITY, 1, 10, 0),    received(1, 1, CLASS_IDENTITY, 2, 10, 500),
        received(1, 1, CLASS_IDENTITY, 2, 11, 0),    received(1, 2, CLASS_IDENTITY, 3, 12, 400),
        received(1, 1, CLASS_COUNTING, 2026, 10, 0), received(2, 1, CLASS_IDENTITY, 9, 10, 0),
    };
    struct received_key got[8], one;
    struct subject_id s = subject(1);
    struct unit_id unit = {{1}};
    struct position ten = at(10);
    struct err err;
    size_t n;
    bool more;
    assert_int_equal(received_put(p->vault, keys, ARRAY_LEN(keys), &err), 0);
    struct received_filter f = RECEIVED_ANY;
    assert_int_equal(received_list(p->vault, &s, &f, got, 8, &n, &more, &err), 0);
    assert_int_equal(n, 5);
    assert_false(more);
    assert_memory_equal(&got[1], &keys[1], sizeof(got[1]));
    assert_int_equal(received_list(p->vault, &s, &f, got, 2, &n, &more, &err), 0);
    assert_true(n == 2 && more);
    f.class = CLASS_IDENTITY;
    assert_int_equal(received_newest(p->vault, &s, &f, &one, &err), 0);
    assert_int_equal(one.generation, 3);
    f.on = (struct civil_date){401};
    assert_int_equal(received_newest(p->vault, &s, &f, &one, &err), 0);
    assert_int_equal(one.generation, 2);
    f.from = &ten;
    assert_int_equal(received_newest(p->vault, &s, &f, &one, &err), 0);
    assert_int_equal(one.from.seq, 10);
    f.on = (struct civil_date){501};
    assert_int_equal(received_newest(p->vault, &s, &f, &one, &err), 0);
    assert_int_equal(one.generation, 1);
    f = (struct received_filter){.class = CLASS_COUNTING, .unit = &unit, .on = DATE_NONE};
    assert_int_equal(received_get(p->vault, &s, &f, 2026, &one, &err), 0);
    assert_int_equal(received_get(p->vault, &s, &f, 2025, &one, &err), ERR_NOTFOUND);
    f.class = CLASS_BANK;
    assert_int_equal(received_newest(p->vault, &s, &f, &one, &err), ERR_NOTFOUND);
    assert_int_equal(received_of_event(p->vault, &ten, got, 8, &n, &more, &err), 0);
    assert_int_equal(n, 4);
    assert_false(more);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(got[i].from.seq, 10);
}

static void
events_that_gave_keys_are_listed_once_each(void **state)
{
    struct place *p = *state;
    struct received_key keys[] = {
        received(1, 1, CLASS_IDENTITY, 1, 10, 0),
        received(1, 1, CLASS_ACTIVITY, 1, 10, 0),
        received(2, 2, CLASS_IDENTITY, 1, 11, 0),
        received(1, 1, CLASS_IDENTITY, 2, 12, 0),
    };
    struct received_event got[4];
    struct subject_id s = subject(1);
    struct received_key one[4];
    struct err err;
    size_t n;
    keys[2].kind = 66;
    assert_int_equal(received_put(p->vault, keys, ARRAY_LEN(keys), &err), 0);
    assert_int_equal(received_events(p->vault, NULL, got, 2, &n, &err), 0);
    assert_int_equal(n, 2);
    assert_int_equal(got[0].from.seq, 10);
    assert_int_equal(got[1].from.seq, 11);
    assert_int_equal(got[1].kind, 66);
    assert_memory_equal(&got[1].subject, &keys[2].subject, sizeof(got[1].subject));
    assert_memory_equal(&got[1].unit, &keys[2].unit, sizeof(got[1].unit));
    assert_int_equal(received_events(p->vault, &got[1].from, got, 4, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_int_equal(got[0].from.seq, 12);
    assert_int_equal(received_events(p->vault, &got[0].from, got, 4, &n, &err), 0);
    assert_int_equal(n, 0);
    const struct received_filter f = {.kind = 66, .on = DATE_NONE};
    assert_int_equal(received_list(p->vault, &s, &f, one, 4, &n, NULL, &err), 0);
    assert_int_equal(n, 0);
    s = subject(2);
    assert_int_equal(received_list(p->vault, &s, &f, one, 4, &n, NULL, &err), 0);
    assert_int_equal(n, 1);
}

static void
a_dossier_opens_with_a_key_of_another_class(void **state)
{
    struct place *p = *state;
    struct received_key key = received(1, 1, CLASS_ACTIVITY, 1, 10, 0);
    const struct received_filter f = {.class = CLASS_ACTIVITY, .on = DATE_NONE};
    const uint8_t nonce[CAPSULE_NONCE_BYTES] = {1};
    struct subject_id s = subject(1);
    struct buf capsule, plain;
    struct err err;
    buf_init(&capsule, CAPSULE_BYTES_MAX);
    buf_init(&plain, CAPSULE_BYTES_MAX);
    assert_int_equal(received_put(p->vault, &key, 1, &err), 0);
    assert_int_equal(capsule_seal(&key.key, CLASS_DOSSIER, nonce, slice_of("along", 5), &capsule, &err), 0);
    assert_int_not_equal(received_open(p->vault, &s, &f, buf_slice(&capsule), &plain, &err), 0);
    buf_clear(&plain);
    assert_int_equal(received_open_as(p->vault, &s, &f, CLASS_DOSSIER, buf_slice(&capsule), &plain, &err), 0);
    assert_int_equal(plain.len, 5);
    buf_free(&capsule);
    buf_free(&plain);
}

static void
a_capsule_opens_with_whichever_received_key_fits(void **state)
{
    struct place *p = *state;
    struct received_key keys[] = {received(1, 1, CLASS_CONTACT, 1, 10, 300), received(1, 1, CLASS_CONTACT, 2, 10, 0)};
    struct subject_id s = subject(1);
    struct buf capsule, plain;
    struct err err;
    uint8_t nonce[24] = {4};
    buf_init(&capsule, 4096);
    buf_init(&plain, 4096);
    assert_int_equal(received_put(p->vault, keys, 2, &err), 0);
    assert_int_equal(capsule_seal(&keys[0].key, CLASS_CONTACT, nonce, slice_of("hello", 5), &capsule, &err), 0);
    struct received_filter f = {.class = CLASS_CONTACT, .on = {300}};
    assert_int_equal(received_open(p->vault, &s, &f, buf_slice(&capsule), &plain, &err), 0);
    assert_true(slice_eq(buf_slice(&plain), slice_of("hello", 5)));
    f.on.days = 301; /* the grant of the first key is over */
    assert_int_equal(received_open(p->vault, &s, &f, buf_slice(&capsule), &plain, &err), ERR_NOTFOUND);
    buf_free(&capsule);
    buf_free(&plain);
}

static void
received_keys_end_with_their_event_their_day_or_their_subject(void **state)
{
    struct place *p = *state;
    struct received_key keys[] = {
        received(1, 1, CLASS_IDENTITY, 1, 10, 100), received(1, 1, CLASS_CONTACT, 1, 10, 100),
        received(1, 1, CLASS_IDENTITY, 1, 11, 0),   received(2, 1, CLASS_IDENTITY, 1, 12, 90),
        received(2, 1, CLASS_CONTACT, 1, 13, 0),    received(3, 1, CLASS_CONTACT, 1, 14, 0),
    };
    struct position ended[1];
    struct subject_id s = subject(2);
    struct received_key one;
    struct err err;
    size_t n, n_events;
    assert_int_equal(received_put(p->vault, keys, ARRAY_LEN(keys), &err), 0);
    assert_int_equal(received_del_ended(p->vault, (struct civil_date){90}, NULL, 0, NULL, &n, &err), 0);
    assert_int_equal(n, 0);
    assert_int_equal(received_del_ended(p->vault, (struct civil_date){101}, ended, 1, &n_events, &n, &err), 0);
    assert_int_equal(n, 2);
    assert_int_equal(n_events, 1);
    assert_int_equal(ended[0].seq, 10);
    assert_int_equal(received_del_ended(p->vault, (struct civil_date){101}, ended, 1, &n_events, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_int_equal(ended[0].seq, 12);
    /* the same key from another grant is still there */
    struct subject_id first = subject(1);
    struct received_filter f = {.class = CLASS_IDENTITY, .on = DATE_NONE};
    assert_int_equal(received_newest(p->vault, &first, &f, &one, &err), 0);
    struct position eleven = at(11);
    assert_int_equal(received_del_event(p->vault, &eleven, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_int_equal(received_del_event(p->vault, &eleven, &n, &err), 0);
    assert_int_equal(n, 0);
    assert_int_equal(received_del_subject(p->vault, &s, &n, &err), 0);
    assert_int_equal(n, 1);
    const struct unit_id giver = {{1}}, stranger = {{2}};
    struct vault_erase_received gone[] = {{giver, subject(3), ACTIVITY}, {giver, subject(3), CONTACT}};
    struct vault_erase_received of_stranger = {stranger, subject(3), VAULT_ALL_CLASSES};
    assert_int_equal(erase(p->vault, &(struct vault_erase){.received = &of_stranger, .n_received = 1}).received, 0);
    assert_int_equal(erase(p->vault, &(struct vault_erase){.received = gone, .n_received = 1}).received, 0);
    assert_int_equal(erase(p->vault, &(struct vault_erase){.received = gone, .n_received = 2}).received, 1);
    assert_int_equal(test_table_rows(vault_db(p->vault), TABLE_RECEIVED), 0);
    assert_int_equal(test_table_rows(vault_db(p->vault), TABLE_RECEIVED_BY), 0);
}

static void
a_subject_has_a_limit_of_received_keys(void **state)
{
    struct place *p = *state;
    struct err err;
    struct received_key *keys = calloc(RECEIVED_MAX + 1, sizeof(*keys));
    for (uint32_t i = 0; i <= RECEIVED_MAX; i++)
        keys[i] = received(1, 1, CLASS_IDENTITY, i, 10, 0);
    assert_int_equal(received_put(p->vault, keys, RECEIVED_MAX + 1, &err), ERR_LIMIT);
    assert_int_equal(received_put(p->vault, keys, RECEIVED_MAX, &err), 0);
    assert_int_equal(received_put(p->vault, keys, RECEIVED_MAX, &err), 0); /* the same again */
    assert_int_equal(received_put(p->vault, &keys[RECEIVED_MAX], 1, &err), ERR_LIMIT);
    free(keys);
}

/* ---- who looked ---- */

static void
openings_add_up_and_what_was_written_is_taken_off(void **state)
{
    struct place *p = *state;
    struct opening a = {{{1}}, subject(1), {100}, {{5}}, {{8}}, 2, 1},
                   b = {{{1}}, subject(2), {101}, {{5}}, {{8}}, 1, 4}, got[4];
    struct err err;
    size_t n;
    struct opening both[] = {a, b, a};
    assert_int_equal(openings_note(p->vault, both, 3, &err), 0);
    a.done = 2;
    assert_int_equal(openings_note(p->vault, &a, 1, &err), 0);
    assert_int_equal(openings_list(p->vault, NULL, DATE_NONE, got, 4, &n, &err), 0);
    assert_int_equal(n, 2);
    assert_int_equal(got[0].count, 6);
    assert_int_equal(got[0].done, 3);
    struct opening second;
    assert_int_equal(openings_list(p->vault, &got[0], DATE_NONE, &second, 1, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_memory_equal(&second, &got[1], sizeof(second));
    assert_int_equal(openings_list(p->vault, NULL, (struct civil_date){101}, got, 4, &n, &err), 0);
    assert_int_equal(n, 1);
    /* one more while the writer writes what it had listed */
    a.count = 1;
    assert_int_equal(openings_note(p->vault, &a, 1, &err), 0);
    assert_int_equal(openings_written(p->vault, got, 1, &err), 0);
    assert_int_equal(openings_list(p->vault, NULL, DATE_NONE, got, 4, &n, &err), 0);
    assert_int_equal(n, 2);
    assert_int_equal(got[0].count, 1);
    assert_int_equal(openings_written(p->vault, got, 2, &err), 0);
    assert_int_equal(openings_written(p->vault, got, 2, &err), 0);
    assert_int_equal(test_table_rows(vault_db(p->vault), TABLE_OPENED), 0);
    b = (struct opening){{{1}}, subject(1), {100}, {{5}}, {{9}}, 1, 4}; /* under another grant */
    assert_int_equal(openings_note(p->vault, (struct opening[]){a, b}, 2, &err), 0);
    assert_int_equal(test_table_rows(vault_db(p->vault), TABLE_OPENED), 2);
    assert_int_equal(openings_written(p->vault, (struct opening[]){a, b}, 2, &err), 0);
    struct opening many = {{{1}}, subject(1), {100}, {{5}}, {{8}}, UINT32_MAX, 0};
    assert_int_equal(openings_note(p->vault, &many, 1, &err), 0);
    assert_int_equal(openings_note(p->vault, &many, 1, &err), 0);
    assert_int_equal(openings_list(p->vault, NULL, DATE_NONE, got, 4, &n, &err), 0);
    assert_int_equal(got[0].count, UINT32_MAX);
}

static void
a_journal_says_who_looked_and_ends(void **state)
{
    struct place *p = *state;
    struct look looks[] = {{subject(1), {100}, {{5}}, 1, 1},
                           {subject(1), {102}, {{5}}, 1, 1},
                           {subject(1), {102}, {{5}}, 2, 3},
                           {subject(1), {102}, {{5}}, 2, 1},
                           {subject(2), {99}, {{6}}, 1, 1}};
    struct look got[8];
    struct subject_id one = subject(1);
    struct opening o = {{{1}}, subject(1), {100}, {{5}}, {{8}}, 1, 0};
    struct err err;
    size_t n;
    assert_int_equal(looks_note(p->vault, looks, 5, &err), 0);
    assert_int_equal(looks_list(p->vault, &one, DATE_NONE, DATE_NONE, NULL, got, 8, &n, &err), 0);
    assert_int_equal(n, 3);
    assert_int_equal(got[2].count, 4);
    assert_int_equal(
        looks_list(p->vault, &one, (struct civil_date){101}, (struct civil_date){102}, &got[1], got, 8, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_int_equal(got[0].purpose, 2);
    assert_int_equal(looks_list(p->vault, &one, DATE_NONE, (struct civil_date){101}, NULL, got, 8, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_int_equal(looks_expire(p->vault, (struct civil_date){100}, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_int_equal(openings_note(p->vault, &o, 1, &err), 0);
    struct vault_erase_visitor elsewhere = {{{2}}, one}, here = {{{1}}, one};
    assert_int_equal(erase(p->vault, &(struct vault_erase){.openings = &elsewhere, .n_openings = 1}).openings, 0);
    assert_int_equal(erase(p->vault, &(struct vault_erase){.openings = &here, .n_openings = 1}).openings, 1);
    assert_int_equal(erase(p->vault, &(struct vault_erase){.looks = &one, .n_looks = 1}).openings, 3);
    assert_int_equal(test_table_rows(vault_db(p->vault), TABLE_LOOKED), 0);
    assert_int_equal(test_table_rows(vault_db(p->vault), TABLE_OPENED), 0);
}

/* ---- interrupted ---- */

static void
an_erasure_that_fails_at_any_step_has_changed_nothing_and_can_be_done_again(void **state)
{
    struct place *p = *state;
    struct slot_keys keys;
    struct err err;
    struct index_entry entries[] = {entry(1, 1), entry(2, 1), entry(3, 11)};
    struct vault_link link = {.entity = subject(11), .member = subject(1), .flags = LINK_ACTIVITY};
    struct received_key rk = received(1, 1, CLASS_CONTACT, 1, 10, 0);
    struct key_capsule capsule = {at(1), 0, slice_of("a", 1)};
    struct look look = {subject(1), {100}, {{5}}, 1, 1};
    struct subject_id gone = subject(1);
    struct vault_erase_linked linked = {.member = gone, .all = true};
    struct vault_erase_capsule where = {at(1), 0};
    struct vault_erase_received received_gone = {rk.unit, gone, VAULT_ALL_CLASSES};
    assert_int_equal(vault_take(p->vault, &keys, &err), 0);
    assert_int_equal(vault_links_put(p->vault, &link, 1, entries, 3, &err), 0);
    assert_int_equal(received_put(p->vault, &rk, 1, &err), 0);
    assert_int_equal(vault_capsules_put(p->vault, &capsule, 1, &err), 0);
    assert_int_equal(looks_note(p->vault, &look, 1, &err), 0);
    struct vault_erase_slot slot = {keys.slot, VAULT_ALL_CLASSES};
    struct vault_erase what = {.slots = &slot,
                               .n_slots = 1,
                               .capsules = &where,
                               .n_capsules = 1,
                               .indexed = &gone,
                               .n_indexed = 1,
                               .linked = &linked,
                               .n_linked = 1,
                               .received = &received_gone,
                               .n_received = 1,
                               .looks = &gone,
                               .n_looks = 1};
    struct hash before = test_db_digest(vault_db(p->vault));
    struct vault_erased done;
    unsigned n = 0;
    int rc;
    do {
        struct hash now = test_db_digest(vault_db(p->vault));
        assert_memory_equal(&before, &now, sizeof(now));
        assert_true(++n < 100);
        db_fail_after(n);
        rc = vault_erase(p->vault, &what, &done, &err);
        db_fail_after(0);
        assert_true(rc == 0 || rc == ERR_FULL);
    } while (rc != 0);
    assert_true(n > 8); /* rows of each sort, and the commit */
    assert_int_equal(done.slots, 1);
    assert_int_equal(done.capsules + done.links + done.received + done.openings, 4);
    assert_int_equal(done.entries, 3);
    assert_int_equal(vault_slot(p->vault, keys.slot, &keys, &err), ERR_NOTFOUND);
}

/* ---- the probe ---- */

static void
value_in(struct vault *v, enum table t, struct slice key, uint8_t *out, size_t len)
{
    struct db_txn *txn;
    struct slice row;
    struct err err;
    assert_int_equal(db_begin_read(vault_db(v), &txn, &err), 0);
    assert_int_equal(db_get(txn, t, key, &row, &err), 0);
    assert_true(row.len >= len);
    memcpy(out, row.data + row.len - len, len);
    db_abort(&txn);
}

static void
a_probe_knows_a_row_from_any_other_bytes(void **state)
{
    struct place *p = *state;
    struct slot_keys a, b;
    struct received_key rk = received(1, 1, CLASS_CONTACT, 1, 10, 0);
    struct vault_probe *probe;
    struct vault_probe_hit hit;
    struct err err;
    uint8_t row[232], other[232], got[72], key[8], rkey[KEY_RECEIVED];
    assert_int_equal(vault_take(p->vault, &a, &err), 0);
    assert_int_equal(vault_take(p->vault, &b, &err), 0);
    assert_int_equal(received_put(p->vault, &rk, 1, &err), 0);
    be64_put(key, a.slot);
    value_in(p->vault, TABLE_SLOTS, slice_of(key, 8), row, sizeof(row));
    be64_put(key, b.slot);
    value_in(p->vault, TABLE_SLOTS, slice_of(key, 8), other, sizeof(other));
    key_received(rkey, &rk.subject, &rk.unit, rk.class, rk.generation, &rk.from);
    value_in(p->vault, TABLE_RECEIVED, slice_of(rkey, sizeof(rkey)), got, sizeof(got));
    struct vault_erase_slot slots[] = {{9999, 1}, {a.slot, CONTACT | ACTIVITY}};
    assert_int_equal(vault_probe_new(p->vault, slots, 2, &rk, 1, &probe, &err), 0);
    vault_close(&p->vault); /* it needs no environment */
    assert_true(vault_probe_at(probe, slice_of(row, sizeof(row)), &hit));
    assert_int_equal(hit.kind, VAULT_PROBE_SLOT);
    assert_int_equal(hit.row, 1);
    assert_int_equal(hit.classes, CONTACT | ACTIVITY);
    assert_true(vault_probe_at(probe, slice_of(got, sizeof(got)), &hit));
    assert_int_equal(hit.kind, VAULT_PROBE_RECEIVED);
    assert_int_equal(hit.classes, CONTACT);
    assert_false(vault_probe_at(probe, slice_of(other, sizeof(other)), &hit));
    assert_false(vault_probe_at(probe, slice_of(row, sizeof(row) - 1), &hit));
    row[100] ^= 1;
    assert_false(vault_probe_at(probe, slice_of(row, sizeof(row)), &hit));
    assert_int_equal(vault_probe_reach(probe), sizeof(row));
    vault_probe_free(&probe);
}

static void
a_probe_tells_a_row_whose_class_was_destroyed(void **state)
{
    struct place *p = *state;
    struct slot_keys a;
    struct vault_probe *probe;
    struct vault_probe_hit hit;
    struct err err;
    uint8_t row[232], key[8];
    assert_int_equal(vault_take(p->vault, &a, &err), 0);
    struct vault_erase_slot slot = {a.slot, CONTACT};
    erase(p->vault, &(struct vault_erase){.slots = &slot, .n_slots = 1});
    be64_put(key, a.slot);
    value_in(p->vault, TABLE_SLOTS, slice_of(key, 8), row, sizeof(row));
    assert_int_equal(vault_probe_new(p->vault, &slot, 1, NULL, 0, &probe, &err), 0);
    assert_true(vault_probe_at(probe, slice_of(row, sizeof(row)), &hit));
    assert_int_equal(hit.classes, 0);
    vault_probe_free(&probe);
    static const struct vault_erase_slot many[VAULT_PROBE_ROWS_MAX + 1] = {{1, 1}};
    assert_int_equal(vault_probe_new(p->vault, many, VAULT_PROBE_ROWS_MAX + 1, NULL, 0, &probe, &err), ERR_LIMIT);
}

/* One look costs the same for as many as there are: with a try for each the last lines would take hours. */
static void
a_probe_looks_for_as_many_rows_as_there_are(void **state)
{
    enum { N = 20000, LOOKS = 50000 };
    struct place *p = *state;
    static struct vault_erase_slot slots[N];
    static uint8_t bytes[LOOKS + 232];
    const uint8_t seed[randombytes_SEEDBYTES] = {7};
    struct slot_keys a, b;
    struct vault_probe *probe;
    struct vault_probe_hit hit;
    struct err err;
    uint8_t row[232], other[232], key[8];
    assert_int_equal(vault_take(p->vault, &a, &err), 0);
    assert_int_equal(vault_take(p->vault, &b, &err), 0);
    for (size_t i = 0; i < N; i++)
        slots[i] = (struct vault_erase_slot){1000000 - 7 * i, ACTIVITY};
    slots[N / 3] = (struct vault_erase_slot){a.slot, CONTACT};
    be64_put(key, a.slot);
    value_in(p->vault, TABLE_SLOTS, slice_of(key, 8), row, sizeof(row));
    be64_put(key, b.slot);
    value_in(p->vault, TABLE_SLOTS, slice_of(key, 8), other, sizeof(other));
    assert_int_equal(vault_probe_new(p->vault, slots, N, NULL, 0, &probe, &err), 0);
    assert_true(vault_probe_at(probe, slice_of(row, sizeof(row)), &hit));
    assert_int_equal(hit.row, N / 3);
    assert_int_equal(hit.classes, CONTACT);
    assert_false(vault_probe_at(probe, slice_of(other, sizeof(other)), &hit));
    row[100] ^= 1;
    assert_false(vault_probe_at(probe, slice_of(row, sizeof(row)), &hit));
    randombytes_buf_deterministic(bytes, sizeof(bytes), seed);
    for (size_t i = 0; i < LOOKS; i++)
        assert_false(vault_probe_at(probe, slice_of(bytes + i, 232), &hit));
    vault_probe_free(&probe);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        T(classes_are_destroyed_one_by_one_and_a_slot_without_any_goes),
        T(a_slot_that_does_not_open_is_deleted),
        T(key_capsules_go_by_position_and_index),
        T(key_capsules_go_while_links_are_staged),
        T(what_finds_a_person_goes_and_nothing_of_others),
        T(of_a_visitors_links_those_go_that_are_of_the_home_that_orders_it),
        T(many_members_are_erased_in_one_call),
        T(received_keys_are_found_by_age_day_unit_and_event),
        T(a_capsule_opens_with_whichever_received_key_fits),
        T(events_that_gave_keys_are_listed_once_each),
        T(a_dossier_opens_with_a_key_of_another_class),
        T(received_keys_end_with_their_event_their_day_or_their_subject),
        T(a_subject_has_a_limit_of_received_keys),
        T(openings_add_up_and_what_was_written_is_taken_off),
        T(a_journal_says_who_looked_and_ends),
        T(an_erasure_that_fails_at_any_step_has_changed_nothing_and_can_be_done_again),
        T(a_probe_knows_a_row_from_any_other_bytes),
        T(a_probe_tells_a_row_whose_class_was_destroyed),
        T(a_probe_looks_for_as_many_rows_as_there_are),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
