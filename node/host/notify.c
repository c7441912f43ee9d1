/* sd_notify(3) and sd_journal_sendv(3), where they are there. A file of its own: constants of their headers would clash with the names
 * of messages and of log levels. */
#include "node/host/notify.h"

#ifdef HAVE_SYSTEMD
#include <unistd.h>

#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>
#endif

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

void
notify_manager(const char *state)
{
#ifdef HAVE_SYSTEMD
    sd_notify(0, state);
#else
    (void)state;
#endif
}

bool
notify_journal(const struct iovec *fields, size_t n)
{
#ifdef HAVE_SYSTEMD
    /* Where there is no journal sd_journal_sendv says that all is well. */
    return access(JOURNAL_SOCKET, F_OK) == 0 && sd_journal_sendv(fields, (int)n) == 0;
#else
    (void)fields;
    (void)n;
    return false;
#endif
}
