/* Any bytes as a configuration: whatever is wrong is a mistake with its line, never a crash, and what is taken is within its bounds. */
#include <sys/mman.h>
#include <unistd.h>

#include "node/host/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct config_mistakes mistakes;
    struct config c;
    struct err err = {0};
    char path[64];
    int fd = memfd_create("fuzz-config", MFD_CLOEXEC);
    MUST(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int rc = config_check(path, &c, &mistakes, &err);
    MUST(rc == 0 || err.code == rc);
    MUST(mistakes.n <= CONFIG_MISTAKES_MAX && (rc != 0 || mistakes.n == 0));
    if (rc == 0) {
        MUST(c.n_advertise <= CONFIG_ADVERTISE_MAX && c.n_keep <= CONFIG_KEEP_MAX && c.http_threads > 0);
        for (size_t i = 0; i < c.n_keep; i++)
            MUST(unit_code_ok(c.keep[i]));
    }
    close(fd);
    return 0;
}
