/* Prometheus' text format 0.0.4: a family with help and type, then its samples. Any thread. Source:
 * prometheus.io/docs/instrumenting/exposition_formats. */
#ifndef SMARTNODE_API_PROMETHEUS_H
#define SMARTNODE_API_PROMETHEUS_H

#include "proto/base/bytes.h"

/* type: "counter" (name ends in _total) or "gauge". help: one line without backslash. */
void prom_family(struct buf *b, const char *name, const char *type, const char *help);
/* label NULL: none. value of a label: any text without line ends, quoted here. */
void prom_sample(struct buf *b, const char *name, const char *label, const char *label_value, uint64_t v);
/* The same in thousandths, for seconds and ratios. */
void prom_sample_milli(struct buf *b, const char *name, const char *label, const char *label_value, int64_t v);
/* A family of one sample. */
void prom_one(struct buf *b, const char *name, const char *type, const char *help, uint64_t v);
void prom_one_milli(struct buf *b, const char *name, const char *type, const char *help, int64_t v);

#endif
