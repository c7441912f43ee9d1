/* The routes: method, pattern, roles, parameters, handler. One table, which docs/openapi.yaml mirrors and tests hold to it. */
#ifndef SMARTNODE_API_ROUTER_H
#define SMARTNODE_API_ROUTER_H

#include "node/api/token.h"

struct request;

enum { ROUTE_PARAMS_MAX = 2 };

enum route_flag {
    ROUTE_READS = 1,      /* gets a read transaction */
    ROUTE_WRITES = 2,     /* leaves an operation for the writer */
    ROUTE_IF_MATCH = 4,   /* If-Match required */
    ROUTE_BATCH = 8,      /* NDJSON, streamed */
    ROUTE_BODY_FREE = 16, /* a body is optional (an action without particulars) */
    ROUTE_LIVE = 32,      /* answered also while starting and rebuilding */
    /* How the role member is bound to its own member before any handler is called (own.c). A route has one of them if and only if
     * its roles name ROLE_MEMBER. */
    ROUTE_OWN_PATH = 64,   /* the first {…} of the pattern is the member's id */
    ROUTE_OWN_QUERY = 128, /* a list: ?member= is set to the member's id; beside it only after and limit are taken */
};

struct route {
    const char *method;
    const char *pattern; /* segments; {name} takes one whole segment */
    unsigned roles;      /* set of enum role; 0 = open */
    unsigned flags;
    const char *query; /* names allowed, separated by spaces; NULL = none */
    int (*handle)(struct request *r, struct err *err);
};

const struct route *router_table(size_t *ret_n);
/* The route; params[i] borrows from path. NULL: *ret_allowed is the list for Allow ("GET, POST") if the path has other methods, else
 * empty. HEAD finds GET. */
const struct route *router_find(const char *method, const char *path, struct slice params[ROUTE_PARAMS_MAX],
                                char *ret_allowed, size_t allowed_cap);

#endif
