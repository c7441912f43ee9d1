/* The end of the process when one of our own invariants does not hold, or the disk cannot be trusted. The one place below host/
 * and api/ that writes anything. */
#include "proto/base/check.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void
say(const char *text)
{
    ssize_t ignored = write(STDERR_FILENO, text, strlen(text));
    (void)ignored;
}

void
check_failed(const char *cond, const char *file, int line)
{
    char digits[12];
    int i = (int)sizeof(digits) - 1;
    digits[i] = '\0';
    do {
        digits[--i] = (char)('0' + line % 10);
        line /= 10;
    } while (line > 0 && i > 0);
    say("smartnode: internal invariant broken: ");
    say(cond);
    say(" at ");
    say(file);
    say(":");
    say(digits + i);
    say("\n");
    abort();
}

void
check_last_words(const char *line)
{
    say(line);
    say("\n");
}
