/* The hash table, against an array that is searched from end to end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proto/base/map.h"
#include "proto/base/types.h"

enum { KEYS = 512, STEPS = 20000 };

struct model {
    bool there[KEYS];
    uint32_t value[KEYS];
    size_t count;
};

static void
key_of(uint32_t k, uint8_t out[5])
{
    memset(out, 0, 5);
    memcpy(out + 1, &k, sizeof(k));
}

static void
assert_like(const struct map *m, const struct model *model)
{
    size_t seen = 0, cursor = 0;
    const void *key;
    void *value;
    assert_int_equal(m->count, model->count);
    while (map_next(m, &cursor, &key, &value)) {
        uint32_t k, v;
        memcpy(&k, (const uint8_t *)key + 1, sizeof(k));
        memcpy(&v, value, sizeof(v));
        assert_true(k < KEYS && model->there[k]);
        assert_int_equal(v, model->value[k]);
        seen++;
    }
    assert_int_equal(seen, model->count);
}

/* The same steps at every run: mix64 of the step is the dice. */
static void
a_map_does_as_an_array_does(void **state)
{
    struct map m;
    static struct model model;
    uint8_t hash_key[MAP_HASH_KEY_BYTES] = {1, 2, 3};
    map_init(&m, 5, sizeof(uint32_t), KEYS, hash_key);
    for (uint64_t step = 0; step < STEPS; step++) {
        uint64_t dice = mix64(step);
        uint32_t k = (uint32_t)(dice % KEYS), v = (uint32_t)(dice >> 32);
        uint8_t key[5];
        key_of(k, key);
        if (dice >> 20 & 1) {
            bool is_new;
            uint32_t *slot = map_put(&m, key, &is_new);
            assert_non_null(slot);
            assert_int_equal((uintptr_t)slot % 8, 0);
            assert_int_equal(is_new, !model.there[k]);
            assert_int_equal(*slot, is_new ? 0 : model.value[k]);
            model.count += is_new;
            model.there[k] = true;
            *slot = model.value[k] = v;
        } else {
            assert_int_equal(map_remove(&m, key), model.there[k]);
            model.count -= model.there[k];
            model.there[k] = false;
        }
        const uint32_t *got = map_get(&m, key);
        assert_int_equal(got != NULL, model.there[k]);
        if (step % 1000 == 0)
            assert_like(&m, &model);
    }
    assert_like(&m, &model);
    map_clear(&m);
    memset(&model, 0, sizeof(model));
    assert_like(&m, &model);
    map_free(&m);
}

static void
a_map_stops_at_its_bound(void **state)
{
    struct map m;
    uint8_t key[5];
    map_init(&m, 5, 1, 10, NULL);
    for (uint32_t k = 0; k < 10; k++) {
        key_of(k, key);
        assert_non_null(map_put(&m, key, NULL));
    }
    key_of(10, key);
    assert_null(map_put(&m, key, NULL));
    assert_null(map_get(&m, key));
    key_of(3, key);
    assert_non_null(map_put(&m, key, NULL));
    assert_true(map_remove(&m, key));
    key_of(10, key);
    assert_non_null(map_put(&m, key, NULL));
    assert_int_equal(m.count, 10);
    map_free(&m);
}

static void
an_empty_map_has_nothing(void **state)
{
    struct map m;
    uint8_t key[5] = {0};
    size_t cursor = 0;
    map_init(&m, 5, 8, 10, NULL);
    assert_null(map_get(&m, key));
    assert_false(map_remove(&m, key));
    assert_false(map_next(&m, &cursor, NULL, NULL));
    map_clear(&m);
    map_free(&m);
}

/* Tombstones must not fill the table: a bounded map is used for ever. */
static void
a_map_lives_through_many_comings_and_goings(void **state)
{
    struct map m;
    uint8_t key[5];
    map_init(&m, 5, 1, 8, NULL);
    for (uint32_t k = 0; k < 100000; k++) {
        key_of(k, key);
        assert_non_null(map_put(&m, key, NULL));
        if (k >= 7) {
            key_of(k - 7, key);
            assert_true(map_remove(&m, key));
        }
    }
    assert_int_equal(m.count, 7);
    assert_true(m.capacity <= 64);
    map_free(&m);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_map_does_as_an_array_does),
        cmocka_unit_test(a_map_stops_at_its_bound),
        cmocka_unit_test(an_empty_map_has_nothing),
        cmocka_unit_test(a_map_lives_through_many_comings_and_goings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
