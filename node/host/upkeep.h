/* What a running node does by itself, beside requests and peers, in a thread of its own: finds links again that a restore lost (links.h), and
 * counts the people of months that are over (counting.h). At its start and every hour; what fails is tried again after a minute. Not sooner
 * than that, so that a late invoice and the new count of its month do not stand side by side in the log. What concerns visitors (guests.h) it
 * also looks at soon after something came in, as what concerns members who moved here (arrivals.h); what
 * they took along is opened (taken_work.h), what others left is closed (moved_work.h), when the month is over; before it ends, it writes what is to be told to their homes. docs/ARCHITECTURE.md "Threads". */
#ifndef SMARTNODE_HOST_UPKEEP_H
#define SMARTNODE_HOST_UPKEEP_H

#include "node/host/arrivals.h"
#include "node/host/datadir.h"
#include "node/host/log.h"
#include "node/host/writer.h"

struct upkeep;

struct upkeep_config {
    struct datadir *dir; /* borrowed, as the writer is; both outlive it */
    struct writer *writer;
    /* In its thread, as the next four. A turn failed, and is tried again in a minute; a whole one passed: what failed before is over. */
    void (*failed)(void *arg, const struct log_about *about, const char *text);
    void (*well)(void *arg);
    void (*alarm)(void *arg, const struct log_about *about, const char *text); /* is so, and not tried again */
    void (*want_work)(void *arg, const struct position *at);                   /* see guests.h; may be NULL, both */
    bool (*known_at)(void *arg, const struct unit_id *unit, struct wall_ms *ret);
    void *arg;
};

int upkeep_start(const struct upkeep_config *config, struct upkeep **ret, struct err *err) NODISCARD;
/* Something came in that concerns visitors, or may: looked at soon. Any thread; short. */
void upkeep_wake(struct upkeep *u);
/* Asks for all that is pending for other units to be written now; returns at once. Any thread. */
void upkeep_record(struct upkeep *u);
/* Asks for all that members who moved here took along to be opened now (taken_work.h); returns at once. Any thread. */
void upkeep_open_taken(struct upkeep *u);
/* Of the last turn that ended well; nobody waits before the first. received: since the start. Any thread; short. */
void upkeep_arrivals(struct upkeep *u, struct arrivals_found *ret);
/* Ends what it does at the next group and waits for it; the writer must still run. NULL inside is fine. */
void upkeep_stop(struct upkeep **u);

#endif
