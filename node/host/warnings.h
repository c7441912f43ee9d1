/* What is wrong with the node at the moment, for status: the last few things, each once. Pure; the caller holds a lock.
 *
 *   raised ── again ──▶ raised          logged once in WARNINGS_REPEAT_MS: what is tried again and again must not fill the disk with its complaints
 *   raised ── its source is well, or WARNINGS_KEPT_MS have passed ──▶ gone */
#ifndef SMARTNODE_HOST_WARNINGS_H
#define SMARTNODE_HOST_WARNINGS_H

#include "node/api/api.h"

enum { WARNINGS_REPEAT_MS = 60000, WARNINGS_KEPT_MS = 3600000 };

/* Who raised it. What one source raised is settled together; WARNING_ANY never is. */
enum warning_source { WARNING_ANY = 0, WARNING_UPKEEP };

struct warning {
    enum warning_source source;
    struct wall_ms at;
    struct mono_ms logged;
    char text[API_WARNING_BYTES_MAX + 1];
};
/* Zeroed at first. */
struct warnings {
    size_t next;
    struct warning v[API_WARNINGS_MAX];
};

/* Returns whether it is to be logged. A text that is too long is cut. */
bool warnings_raise(struct warnings *w, enum warning_source source, const char *text, struct wall_ms now,
                    struct mono_ms mono);
/* All of that source are over. */
void warnings_settle(struct warnings *w, enum warning_source source);
/* Those that stand, at most max texts; returns how many. */
size_t warnings_list(const struct warnings *w, struct wall_ms now, char (*ret)[API_WARNING_BYTES_MAX + 1], size_t max);

#endif
