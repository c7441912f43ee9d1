/* Events of the own unit that stand in no row and carry capsules: of a kind or version that this program does not know, malformed, or void
 * as a whole (docs/PROTOCOL.md §10, state table 5). An erasure must find what they hold of a person. What is void by state table 5 is
 * looked up there; unknown kinds stand nowhere, so the own logs are walked, once in the life of a process and afterwards from where the last
 * walk ended: about 0.5 s for a million events, in the writer's thread. By the writer's thread. */
#ifndef SMARTNODE_COMMAND_STRAYS_H
#define SMARTNODE_COMMAND_STRAYS_H

#include "node/command/command.h"
#include "proto/base/map.h"

/* Up to where each log was walked without meeting one. */
struct strays {
    struct map logs;
    uint64_t walked; /* events, by all calls together */
};
void strays_init(struct strays *s);
void strays_release(struct strays *s);

struct stray {
    struct position at;
    uint32_t log_no;
    const struct event_header *header;
    struct slice payload;
};
/* Calls one for each, in no order, one that is found in both ways once for each; other than 0 from it ends the walk and is returned. An
 * event of the open group is not among them. ctx->strays NULL: everything is walked. ERR_NOMEM and errors of storage. */
int strays_each(const struct command_ctx *ctx, int (*one)(void *arg, const struct stray *s, struct err *err), void *arg,
                struct err *err) NODISCARD;

#endif
