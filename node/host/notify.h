/* What the service manager and its journal are told. Nothing where libsystemd is absent or nobody listens. */
#ifndef SMARTNODE_HOST_NOTIFY_H
#define SMARTNODE_HOST_NOTIFY_H

#include <stdbool.h>
#include <stddef.h>

struct iovec;

/* READY=1, WATCHDOG=1, STOPPING=1 (sd_notify). */
void notify_manager(const char *state);
/* One entry of n fields "NAME=value" (sd_journal). False: there is no journal. */
bool notify_journal(const struct iovec *fields, size_t n);

#endif
