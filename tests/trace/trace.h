/* A few nodes whose trace is compared line by line: what the programs of this folder share. Included once by each of them. */
#ifndef SMARTNODE_TESTS_TRACE_H
#define SMARTNODE_TESTS_TRACE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/support/syncpair.h"

static struct pair w;

static void
begin(uint32_t nodes)
{
    pair_init(&w, nodes, 1, (struct vnet_faults){.delay_min_ms = 1, .delay_max_ms = 1});
    w.tracing = true;
}

/* The trace since the last look is exactly this. */
static void
expect(const char *trace)
{
    assert_string_equal(pair_trace(&w), trace);
    pair_trace_clear(&w);
}

static void
end(void)
{
    pair_release(&w);
}

#endif
