/* Between the files of syncpair. */
#ifndef SMARTNODE_TESTS_SYNCPAIR_PRIVATE_H
#define SMARTNODE_TESTS_SYNCPAIR_PRIVATE_H

#include "tests/support/syncpair.h"

struct pair_log *pair_log_create(struct pair_node *node, const struct log_id *id, const struct log_opened *o,
                                 const struct event_header *first);
struct pair_event *pair_log_push(struct pair_log *l, struct slice header, struct slice payload);
struct chain_value pair_chain_at(const struct pair_log *l, size_t seq);
void pair_logs_free(struct pair_node *node);
void pair_seed(const char *what, uint32_t a, uint32_t b, uint8_t out[32]);
struct pair_log *pair_write_opening(struct pair_node *node);
void pair_write_events(struct pair_node *node, struct pair_log *l, uint32_t events, size_t payload_bytes);
bool pair_store_run(struct pair_log *l, const struct run *run);
void pair_read_run(const struct pair_log *l, uint64_t from, struct buf *out, struct run *ret);
void pair_read_branch(const struct pair_log *l, uint64_t first, uint64_t at, struct buf *out, struct sync_branch *ret);
void pair_trace_message(struct pair *w, uint32_t from, uint32_t to, struct slice bytes);
void pair_trace_effect(struct pair *w, const struct pair_node *node, const struct sync_effect *e);
void pair_trace_line(struct pair *w, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
