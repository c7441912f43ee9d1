/* The logs of the units as a graph: who is whose predecessor, how deep, and which position lies in whose past.
 * docs/PROTOCOL.md §7 ("past", "depth"). Pure data, filled by apply from the log rows and by tests by hand.
 * One thread at a time: questions too keep what they learn. They cost one sweep over the source's past for all of one source (dag.c). */
#ifndef SMARTNODE_RULES_DAG_H
#define SMARTNODE_RULES_DAG_H

#include "proto/event.h"

enum { DAG_LOGS_MAX = 1048576 };

struct dag;

int dag_new(struct dag **ret, struct err *err) NODISCARD;
void dag_free(struct dag **d);
/* Adds a log whose predecessors were all added before (ERR_WAITING otherwise; unknown predecessors must not be passed).
 * Same log again: nothing. *ret_depth = 1 + deepest predecessor. */
int dag_add(struct dag *d, const struct log_id *log, const struct position *predecessors, size_t n, uint32_t *ret_depth,
            struct err *err) NODISCARD;
bool dag_has(const struct dag *d, const struct log_id *log);
uint32_t dag_depth(const struct dag *d, const struct log_id *log); /* 0 if unknown */
/* The last seq of `of` that is in the past of every event of `log` by way of predecessors; 0 if none. log itself: 0. */
uint64_t dag_past_of(const struct dag *d, const struct log_id *log, const struct log_id *of);
/* a in the past of b by position alone (references are the fold's business). */
bool dag_before(const struct dag *d, const struct position *a, const struct position *b);

#endif
