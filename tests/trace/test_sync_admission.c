/* Which logs a core takes at all (docs/PROTOCOL.md §12.5): what a log's first event says is held against what is pinned here,
 * whoever brings the log. The peer that brings it is admitted in all of these, as a relay would be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/syncpair.h"

static struct pair w;

static void
begin(uint32_t nodes)
{
    pair_init(&w, nodes, 1, (struct vnet_faults){.delay_min_ms = 1, .delay_max_ms = 1});
    w.tracing = true;
}

static void
expect_refused(const char *reason)
{
    char line[160];
    pair_link(&w, 0, 1);
    pair_run(&w, 100);
    (void)snprintf(line, sizeof(line), "B: alarm refused: log not admitted: %s\n", reason);
    assert_non_null(strstr(pair_trace(&w), line));
    assert_null(strstr(pair_trace(&w), "B: append"));
    pair_release(&w);
}

static void
a_log_of_a_pinned_unit_is_taken(void **state)
{
    begin(2);
    pair_commit(&w, 0, 1);
    pair_link(&w, 0, 1);
    pair_run(&w, 100);
    assert_non_null(strstr(pair_trace(&w), "B: append L1 1..2 opens\n"));
    pair_release(&w);
}

static void
a_log_certified_by_a_root_key_that_is_not_pinned_is_refused(void **state)
{
    uint8_t seed[32] = {77};
    begin(2);
    crypto_keypair_sign(seed, &w.nodes[0].unit.root, &w.nodes[0].unit.root_secret);
    pair_commit(&w, 0, 1);
    expect_refused("certificate by a root key that is not pinned");
}

static void
a_log_of_another_federation_is_refused(void **state)
{
    begin(2);
    w.nodes[0].unit.federation = crypto_federation("Other");
    pair_commit(&w, 0, 1);
    expect_refused("another federation");
}

static void
a_production_log_is_refused_by_a_test_node(void **state)
{
    begin(2);
    w.nodes[0].unit.production = true;
    pair_commit(&w, 0, 1);
    expect_refused("test against production");
}

/* Heads of a unit that is not trusted are not even asked for; these name a trusted unit, and the log says otherwise. */
static void
a_log_of_a_unit_that_is_not_trusted_is_refused_whatever_its_heads_say(void **state)
{
    struct unit_id own;
    begin(3);
    own = w.nodes[0].unit.id;
    w.nodes[0].unit.id = w.nodes[2].unit.id;
    pair_trust(&w, 1, 2, false, NULL);
    pair_commit(&w, 0, 1);
    w.nodes[0].unit.id = own;
    w.nodes[0].logs[0].unit = own;
    pair_restart(&w, 0, false);
    expect_refused("unit UA is not trusted");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_of_a_pinned_unit_is_taken),
        cmocka_unit_test(a_log_certified_by_a_root_key_that_is_not_pinned_is_refused),
        cmocka_unit_test(a_log_of_another_federation_is_refused),
        cmocka_unit_test(a_production_log_is_refused_by_a_test_node),
        cmocka_unit_test(a_log_of_a_unit_that_is_not_trusted_is_refused_whatever_its_heads_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
