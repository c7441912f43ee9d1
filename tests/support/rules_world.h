/* A world around rows, made by hand: logs, which positions are held, which offices were opened. Every position has a chain
 * value that follows from it. For tests of the rules. */
#ifndef SMARTNODE_TESTS_SUPPORT_RULES_WORLD_H
#define SMARTNODE_TESTS_SUPPORT_RULES_WORLD_H

#include "node/rules/member.h"

enum { WORLD_POSITIONS_MAX = 64 };

struct world {
    struct dag *dag;
    struct member_world w;
    size_t n_hidden, n_offices;
    struct position hidden[WORLD_POSITIONS_MAX]; /* not held; everything else is */
    struct position opened[WORLD_POSITIONS_MAX]; /* of office number i */
    int broken;                                  /* what chain_at returns if not 0 */
};

void world_init(struct world *w);
void world_release(struct world *w);
/* The log whose id is 32 times this byte. */
struct log_id world_log(uint8_t byte);
struct position world_at(uint8_t log, uint64_t seq);
/* Adds it to the dag with up to two predecessors (seq 0 = none). */
void world_add_log(struct world *w, uint8_t log, struct position a, struct position b);
struct chain_value world_chain(const struct position *at);
void world_hide(struct world *w, struct position at);
void world_hold(struct world *w, struct position at);
/* Office number i (the i-th call) is opened there. Its id is 16 times i + 1. */
struct office_id world_office(struct world *w, struct position at);
struct event_ref world_ref(enum ref_role role, struct position to);

#endif
