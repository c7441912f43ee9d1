/* What the service manager is told: READY=1, WATCHDOG=1, STOPPING=1. Nothing where libsystemd is absent or nobody listens. */
#ifndef SMARTNODE_HOST_NOTIFY_H
#define SMARTNODE_HOST_NOTIFY_H

void notify_manager(const char *state);

#endif
