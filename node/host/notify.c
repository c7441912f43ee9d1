/* sd_notify(3), where it is there. A file of its own: its header's socket constants would clash with the names of messages. */
#include "node/host/notify.h"

#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

void
notify_manager(const char *state)
{
#ifdef HAVE_SYSTEMD
    sd_notify(0, state);
#else
    (void)state;
#endif
}
