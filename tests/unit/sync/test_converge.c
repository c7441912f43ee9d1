/* Cores on a faulty network, by seed: whatever was lost, repeated, reordered, cut or restarted, they end with equal logs.
 * SYNC_SEED=n replays one seed with its trace, SYNC_SEEDS=n runs more of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/support/syncpair.h"

enum { SEEDS = 200, ACTIONS = 60, HEAL_MS = 900000, HEAL_STEP_MS = 5000, STEPS_MAX = 200000 };

static void
act(struct pair *w)
{
    uint32_t a = (uint32_t)vnet_random(&w->net, w->n), b = (uint32_t)vnet_random(&w->net, w->n);
    switch (vnet_random(&w->net, 12)) {
    case 0:
    case 1:
    case 2:
    case 3: pair_commit(w, a, 1 + (uint32_t)vnet_random(&w->net, 5)); break;
    case 4: pair_commit(w, a, 100 + (uint32_t)vnet_random(&w->net, 400)); break;
    case 5: vnet_cut(&w->net, a, b, true); break;
    case 6: vnet_cut(&w->net, a, b, false); break;
    case 7: pair_restart(w, a, vnet_random(&w->net, 2) == 0); break;
    case 8:
        if (a != b && w->nodes[a].epoch[b] == 0)
            pair_link(w, a < b ? a : b, a < b ? b : a);
        break;
    case 9: pair_unlink(w, a, b); break;
    case 10: w->nodes[a].appends_fail = !w->nodes[a].appends_fail; break;
    default: w->nodes[a].append_delay_ms = (int64_t)vnet_random(&w->net, 50); break;
    }
    pair_run(w, (int64_t)vnet_random(&w->net, 1500));
}

/* A ring of links, everything repaired; only delay is left. */
static void
heal(struct pair *w)
{
    for (uint32_t a = 0; a < w->n; a++) {
        w->nodes[a].appends_fail = false;
        for (uint32_t b = 0; b < w->n; b++)
            vnet_cut(&w->net, a, b, false);
    }
    w->net.faults.loss_permille = 0;
    for (uint32_t a = 0; a + 1 < w->n; a++) {
        if (w->nodes[a].epoch[a + 1] == 0)
            pair_link(w, a, a + 1);
    }
}

/* Every log, tips or not, is the same everywhere. */
static bool
stores_equal(struct pair *w)
{
    for (uint32_t i = 0; i < w->n; i++) {
        for (size_t k = 0; k < w->nodes[i].n_logs; k++) {
            const struct pair_log *l = &w->nodes[i].logs[k];
            for (uint32_t j = 0; j < w->n; j++) {
                const struct pair_log *m = pair_find(&w->nodes[j], &l->id);
                if (!m || m->n != l->n || !TYPE_EQ(&m->events[m->n - 1].chain, &l->events[l->n - 1].chain))
                    return false;
            }
        }
    }
    return true;
}

static bool
run_seed(uint64_t seed, bool trace)
{
    static struct pair w;
    struct vnet_faults faults = {.delay_min_ms = 1, .delay_max_ms = 1 + (int64_t)(mix64(seed) % 150)};
    faults.loss_permille = mix64(seed + 7) % 3 == 0 ? 50 : 0;
    faults.duplicate_permille = mix64(seed + 8) % 3 == 0 ? 50 : 0;
    faults.reorder = mix64(seed + 9) % 4 == 0;
    pair_init(&w, 2 + (uint32_t)(mix64(seed + 10) % 4), seed, faults);
    w.tracing = trace;
    for (uint32_t a = 0; a + 1 < w.n; a++)
        pair_link(&w, a, a + 1);
    for (int i = 0; i < ACTIONS; i++)
        act(&w);
    heal(&w);
    int64_t healed = 0;
    for (; healed < HEAL_MS && !(pair_equal(&w) && stores_equal(&w)); healed += HEAL_STEP_MS)
        pair_run(&w, HEAL_STEP_MS);
    bool good = healed < HEAL_MS;
    for (uint32_t i = 0; i < w.n; i++) {
        const struct pair_node *node = &w.nodes[i];
        good = good && node->frozen == 0 && node->steps < STEPS_MAX;
        good = good && node->alarms[ALARM_MALFORMED] == 0 && node->alarms[ALARM_CLONE] == 0 &&
               node->alarms[ALARM_FORK] == 0;
        good = good && node->alarms[ALARM_REFUSED_LOG] == 0;
    }
    if (trace)
        (void)fputs(pair_trace(&w), stdout);
    if (!good || trace)
        print_message("seed %llu: %u nodes, equal after %lld ms\n", (unsigned long long)seed, (unsigned)w.n,
                      (long long)healed);
    pair_release(&w);
    return good;
}

static void
all_cores_end_with_equal_logs_whatever_the_network_does(void **state)
{
    const char *one = getenv("SYNC_SEED"), *many = getenv("SYNC_SEEDS");
    uint64_t first = one ? strtoull(one, NULL, 10) : 1, n = one ? 1 : many ? strtoull(many, NULL, 10) : SEEDS;
    for (uint64_t seed = first; seed < first + n; seed++)
        assert_true(run_seed(seed, one != NULL));
}

static void
the_same_seed_gives_the_same_trace(void **state)
{
    static struct pair w;
    char *traces[2] = {NULL, NULL};
    for (int i = 0; i < 2; i++) {
        pair_init(&w, 3, 42,
                  (struct vnet_faults){.delay_min_ms = 1, .delay_max_ms = 60, .loss_permille = 30, .reorder = true});
        w.tracing = w.trace_pings = true;
        pair_link(&w, 0, 1);
        pair_link(&w, 1, 2);
        for (int k = 0; k < 60; k++)
            act(&w);
        traces[i] = strdup(pair_trace(&w));
        pair_release(&w);
    }
    assert_true(strlen(traces[0]) > 1000);
    assert_string_equal(traces[0], traces[1]);
    free(traces[0]);
    free(traces[1]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_cores_end_with_equal_logs_whatever_the_network_does),
        cmocka_unit_test(the_same_seed_gives_the_same_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
