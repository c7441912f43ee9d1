/* A network in virtual time for tests: packets between numbered nodes, delivered in the order of their arrival, which a seed
 * decides. Knows nothing of what the packets say. */
#ifndef SMARTNODE_TESTS_VNET_H
#define SMARTNODE_TESTS_VNET_H

#include "proto/base/bytes.h"

enum { VNET_NODES_MAX = 32 };

struct vnet_faults {
    int64_t delay_min_ms, delay_max_ms;
    uint32_t loss_permille, duplicate_permille;
    bool reorder; /* otherwise each direction of a link keeps its order */
};

struct vnet_packet {
    int64_t at_ms;
    uint64_t order;
    uint32_t from, to;
    uint64_t tag;  /* the sender's, e.g. the number of the connection */
    uint8_t *data; /* malloc'd; the receiver frees */
    size_t len;
};

struct vnet {
    uint64_t random;
    uint64_t order;
    struct vnet_faults faults;
    struct vnet_packet *heap;
    size_t n, cap;
    int64_t last[VNET_NODES_MAX][VNET_NODES_MAX];
    bool cut[VNET_NODES_MAX][VNET_NODES_MAX];
    uint64_t sent, lost;
};

void vnet_init(struct vnet *v, uint64_t seed, struct vnet_faults faults);
void vnet_release(struct vnet *v);
uint64_t vnet_random(struct vnet *v, uint64_t below); /* 0 … below − 1; the one source of chance of a test */
void vnet_cut(struct vnet *v, uint32_t a, uint32_t b, bool cut);
/* Copies. What is sent on a cut link is lost; what is under way when it is cut arrives. */
void vnet_send(struct vnet *v, int64_t now_ms, uint32_t from, uint32_t to, uint64_t tag, struct slice bytes);
int64_t vnet_next_ms(const struct vnet *v);                              /* INT64_MAX: nothing under way */
bool vnet_take(struct vnet *v, int64_t now_ms, struct vnet_packet *ret); /* the earliest due */

#endif
