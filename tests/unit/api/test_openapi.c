/* docs/openapi.yaml and the table of routes say the same: every route with its method and roles, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <ctype.h>

#include "node/api/router.h"

enum { LINE_MAX_BYTES = 1024, ROUTES_MAX = 128 };

/* One operation of the description. */
struct described {
    char path[128], method[8];
    unsigned roles;
    bool idempotency, if_match;
};

static struct described described[ROUTES_MAX];
static size_t n_described;

static unsigned
roles_read(const char *list)
{
    static const char *const names[] = {"desk", "reports", "operator", "integration", "member"};
    unsigned roles = 0;

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strstr(list, names[i]) != NULL) {
            roles |= role_from_name(names[i]);
        }
    }
    return roles;
}

static void
line_read(char *line, char *path)
{
    struct described *d = n_described > 0 ? &described[n_described - 1] : NULL;
    size_t len = strcspn(line, ":\n");

    if (strncmp(line, "  /", 3) == 0) {
        snprintf(path, 128, "%.*s", (int)(len - 2), line + 2);
    } else if (strncmp(line, "    ", 4) == 0 && line[4] != ' ' && strncmp(line + 4, "parameters", 10) != 0) {
        assert_true(n_described < ROUTES_MAX);
        d = &described[n_described++];
        snprintf(d->path, sizeof(d->path), "%s", path);
        snprintf(d->method, sizeof(d->method), "%.*s", (int)(len - 4), line + 4);
        for (char *p = d->method; *p != '\0'; p++) {
            *p = (char)toupper((unsigned char)*p);
        }
    } else if (d != NULL && strncmp(line, "      x-roles: ", 15) == 0) {
        d->roles = roles_read(line + 15);
    } else if (d != NULL && strstr(line, "parameters/idempotencyKey\"") != NULL) {
        d->idempotency = true;
    } else if (d != NULL && strstr(line, "parameters/ifMatch\"") != NULL) {
        d->if_match = true;
    }
}

static int
description_read(void **state)
{
    FILE *f = fopen("docs/openapi.yaml", "r");
    char line[LINE_MAX_BYTES], path[128] = "";
    bool in_paths = false;

    (void)state;
    assert_non_null(f);
    while (fgets(line, sizeof(line), f) != NULL) {
        if (line[0] != ' ') {
            in_paths = strcmp(line, "paths:\n") == 0;
        } else if (in_paths) {
            line_read(line, path);
        }
    }
    fclose(f);
    return 0;
}

static const struct described *
described_find(const struct route *r)
{
    for (size_t i = 0; i < n_described; i++) {
        if (strcmp(described[i].path, r->pattern) == 0 && strcmp(described[i].method, r->method) == 0) {
            return &described[i];
        }
    }
    return NULL;
}

static void
every_route_is_described(void **state)
{
    size_t n;
    const struct route *routes = router_table(&n);

    for (size_t i = 0; i < n; i++) {
        const struct described *d = described_find(&routes[i]);
        if (d == NULL) {
            fail_msg("%s %s is not in docs/openapi.yaml", routes[i].method, routes[i].pattern);
        }
        if (d->roles != routes[i].roles) {
            fail_msg("%s %s: x-roles differ", routes[i].method, routes[i].pattern);
        }
        assert_int_equal(d->if_match, (routes[i].flags & ROUTE_IF_MATCH) != 0);
        assert_int_equal(d->idempotency,
                         (routes[i].flags & ROUTE_WRITES) != 0 && strcmp(routes[i].method, "POST") == 0);
    }
}

static void
nothing_else_is_described(void **state)
{
    size_t n;

    (void)router_table(&n);
    assert_int_equal(n_described, n);
}

static void
finds_routes_by_whole_segments(void **state)
{
    struct slice params[ROUTE_PARAMS_MAX];
    char allowed[64];
    const struct route *r = router_find("HEAD", "/v1/events/ab/12", params, allowed, sizeof(allowed));

    assert_non_null(r);
    assert_string_equal(r->pattern, "/v1/events/{log}/{seq}");
    assert_true(slice_eq(params[1], slice_of("12", 2)));
    assert_null(router_find("GET", "/v1/members/", params, allowed, sizeof(allowed)));
    assert_string_equal(allowed, "");
    assert_null(router_find("GET", "/v1/member", params, allowed, sizeof(allowed)));
    assert_null(router_find("GET", "/v1/members/a/b/c", params, allowed, sizeof(allowed)));
    assert_null(router_find("PUT", "/v1/members/a", params, allowed, sizeof(allowed)));
    assert_string_equal(allowed, "GET, PATCH");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_is_described),
        cmocka_unit_test(nothing_else_is_described),
        cmocka_unit_test(finds_routes_by_whole_segments),
    };
    return cmocka_run_group_tests(tests, description_read, NULL);
}
