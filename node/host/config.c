/* Configuration through inih. See config.h. */
#include "node/host/config.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { CONFIG_FILE_MAX = 65536, MAP_GIB_MAX = 16384, HTTP_THREADS_MAX = 64 };

void
config_defaults(struct config *c)
{
    *c = (struct config){.http_port = 8440, .http_threads = 1, .map_gib = 256, .vault_map_gib = 64, .unit_gib_max = 64};
    snprintf(c->sync_listen, sizeof(c->sync_listen), "tcp://0.0.0.0:7440");
    snprintf(c->http_listen, sizeof(c->http_listen), "127.0.0.1");
}

static bool
number(const char *value, uint64_t min, uint64_t max, uint64_t *ret)
{
    char *end = NULL;
    errno = 0;
    unsigned long long v = strtoull(value, &end, 10);
    if (errno != 0 || end == value || *end != '\0' || value[0] == '-' || v < min || v > max)
        return false;
    *ret = v;
    return true;
}

static bool
yes_no(const char *value, bool *ret)
{
    if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
        return false;
    *ret = strcmp(value, "yes") == 0;
    return true;
}

static bool
text(const char *value, char ret[CONFIG_TEXT_MAX])
{
    if (strlen(value) >= CONFIG_TEXT_MAX || value[0] == '\0')
        return false;
    snprintf(ret, CONFIG_TEXT_MAX, "%s", value);
    return true;
}

static bool
endpoint(const char *value)
{
    const char *colon = strrchr(value, ':');
    return strncmp(value, "tcp://", 6) == 0 && strlen(value) <= ENDPOINT_BYTES_MAX && colon > value + 6 &&
           colon[1] != '\0';
}

static const char *const residencies[] = {"travelling", "granted", "federation"};

static bool
residency(const char *value, enum residency *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(residencies); i++) {
        if (strcmp(value, residencies[i]) == 0) {
            *ret = (enum residency)i;
            return true;
        }
    }
    return false;
}

enum found { FOUND, BAD_VALUE, UNKNOWN_KEY };

static enum found
set_sync(struct config *c, const char *key, const char *value)
{
    if (strcmp(key, "listen") == 0)
        return (strcmp(value, "none") == 0 || endpoint(value)) && text(value, c->sync_listen) ? FOUND : BAD_VALUE;
    if (strcmp(key, "advertise") == 0) {
        if (!endpoint(value) || c->n_advertise == CONFIG_ADVERTISE_MAX)
            return BAD_VALUE;
        snprintf(c->advertise[c->n_advertise++], ENDPOINT_BYTES_MAX + 1, "%s", value);
        return FOUND;
    }
    if (strcmp(key, "residency") == 0)
        return residency(value, &c->residency) ? FOUND : BAD_VALUE;
    if (strcmp(key, "keep") == 0) {
        if (!unit_code_ok(value) || c->n_keep == CONFIG_KEEP_MAX)
            return BAD_VALUE;
        snprintf(c->keep[c->n_keep++], UNIT_CODE_MAX, "%s", value);
        return FOUND;
    }
    if (strcmp(key, "unit_gib_max") == 0)
        return number(value, 0, MAP_GIB_MAX, &c->unit_gib_max) ? FOUND : BAD_VALUE;
    return UNKNOWN_KEY;
}

static enum found
set_http(struct config *c, const char *key, const char *value)
{
    uint64_t v = 0;
    if (strcmp(key, "listen") == 0)
        return text(value, c->http_listen) ? FOUND : BAD_VALUE;
    if (strcmp(key, "port") == 0) {
        if (!number(value, 0, UINT16_MAX, &v))
            return BAD_VALUE;
        c->http_port = (uint16_t)v;
        return FOUND;
    }
    if (strcmp(key, "threads") == 0) {
        if (!number(value, 1, HTTP_THREADS_MAX, &v))
            return BAD_VALUE;
        c->http_threads = (unsigned)v;
        return FOUND;
    }
    if (strcmp(key, "tls_cert") == 0)
        return text(value, c->tls_cert) ? FOUND : BAD_VALUE;
    if (strcmp(key, "tls_key") == 0)
        return text(value, c->tls_key) ? FOUND : BAD_VALUE;
    return UNKNOWN_KEY;
}

static enum found
set_other(struct config *c, const char *section, const char *key, const char *value)
{
    if (strcmp(section, "storage") == 0 && strcmp(key, "map_gib") == 0)
        return number(value, 1, MAP_GIB_MAX, &c->map_gib) ? FOUND : BAD_VALUE;
    if (strcmp(section, "storage") == 0 && strcmp(key, "vault_map_gib") == 0)
        return number(value, 1, MAP_GIB_MAX, &c->vault_map_gib) ? FOUND : BAD_VALUE;
    if (strcmp(section, "log") == 0 && strcmp(key, "format") == 0) {
        c->log_json = strcmp(value, "json") == 0;
        return c->log_json || strcmp(value, "text") == 0 ? FOUND : BAD_VALUE;
    }
    if (strcmp(section, "clock") == 0 && strcmp(key, "allow_clock_back") == 0)
        return yes_no(value, &c->allow_clock_back) ? FOUND : BAD_VALUE;
    return UNKNOWN_KEY;
}

struct loading {
    struct config *config;
    char problem[2 * ERR_FIELD_MAX + 64];
    char field[ERR_FIELD_MAX];
};

static int
on_line(void *arg, const char *section, const char *key, const char *value)
{
    struct loading *l = arg;
    enum found found = strcmp(section, "sync") == 0   ? set_sync(l->config, key, value)
                       : strcmp(section, "http") == 0 ? set_http(l->config, key, value)
                                                      : set_other(l->config, section, key, value);
    if (found == FOUND)
        return 1;
    if (l->problem[0] == '\0') {
        snprintf(l->field, sizeof(l->field), "%.20s.%.40s", section, key);
        snprintf(l->problem, sizeof(l->problem), "%s %s", found == UNKNOWN_KEY ? "unknown key" : "bad value for",
                 l->field);
    }
    return 0;
}

static int
read_file(const char *path, char *out, size_t max, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t len = 0;
    if (fd < 0)
        return errno == ENOENT ? err_set(err, ERR_NOTFOUND, "%s: is not there", path) : err_errno(err, "%s", path);
    for (;;) {
        ssize_t n = read(fd, out + len, max - 1 - len);
        if (n == 0)
            break;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            int rc = err_errno(err, "read %s", path);
            close(fd);
            return rc;
        }
        len += (size_t)n;
        if (len == max - 1) {
            close(fd);
            return err_set(err, ERR_LIMIT, "%s: larger than a configuration can be", path);
        }
    }
    close(fd);
    out[len] = '\0';
    return 0;
}

int
config_load(const char *path, struct config *ret, struct err *err)
{
    struct config c;
    struct loading l = {.config = &c};
    char *file = malloc(CONFIG_FILE_MAX);
    if (!file)
        return err_set(err, ERR_NOMEM, "%s: out of memory", path);
    config_defaults(&c);
    int rc = read_file(path, file, CONFIG_FILE_MAX, err);
    int line = rc == 0 ? ini_parse_string(file, on_line, &l) : 0;
    free(file);
    if (rc == 0 && line != 0)
        rc = err_field(err, ERR_INVALID, l.field, "%s line %d: %s", path, line,
                       l.problem[0] ? l.problem : "not key = value");
    if (rc == 0 && (c.tls_cert[0] == '\0') != (c.tls_key[0] == '\0'))
        rc = err_field(err, ERR_INVALID, "http.tls_cert", "%s: tls_cert and tls_key go together", path);
    if (rc == 0)
        *ret = c;
    return rc;
}

static void
write_sync(FILE *f, const struct config *c)
{
    fprintf(
        f,
        "; smartnode. Every key has a default; an unknown one is refused. See OPERATIONS, chapter Configuration.\n\n"
        "[sync]\n; where peers connect; none = this node only dials\nlisten = %s\n",
        c->sync_listen);
    for (uint8_t i = 0; i < c->n_advertise; i++)
        fprintf(f, "advertise = %s\n", c->advertise[i]);
    if (c->n_advertise == 0)
        fprintf(
            f,
            "; the address on the unit card, as peers reach it; may be repeated\n; advertise = tcp://node.example.org:7440\n");
    fprintf(f, "; where capsules of our members may go: travelling, granted, federation\nresidency = %s\n",
            residencies[c->residency]);
    fprintf(f, "; what is stored for one peer unit at most, in GiB\nunit_gib_max = %llu\n",
            (unsigned long long)c->unit_gib_max);
    for (uint8_t i = 0; i < c->n_keep; i++)
        fprintf(f, "keep = %s\n", c->keep[i]);
    if (c->n_keep == 0)
        fprintf(f, "; units that named this node the keeper of their capsules; may be repeated\n; keep = NL\n");
}

static void
write_other(FILE *f, const struct config *c)
{
    fprintf(f, "\n[http]\nlisten = %s\nport = %u\nthreads = %u\n", c->http_listen, c->http_port, c->http_threads);
    if (c->tls_cert[0] != '\0')
        fprintf(f, "tls_cert = %s\ntls_key = %s\n", c->tls_cert, c->tls_key);
    else
        fprintf(f, "; tls_cert = /path/cert.pem\n; tls_key = /path/key.pem\n");
    fprintf(f,
            "\n[storage]\n; address space set aside, sparse on disk\nmap_gib = %llu\nvault_map_gib = %llu\n\n"
            "[log]\n; text or json\nformat = %s\n\n"
            "[clock]\n; write although the clock stands before the last event\nallow_clock_back = %s\n",
            (unsigned long long)c->map_gib, (unsigned long long)c->vault_map_gib, c->log_json ? "json" : "text",
            c->allow_clock_back ? "yes" : "no");
}

int
config_write(const char *path, const struct config *c, struct err *err)
{
    FILE *f = fopen(path, "wxe");
    if (!f)
        return errno == EEXIST ? err_set(err, ERR_EXISTS, "%s: is there already", path) : err_errno(err, "%s", path);
    write_sync(f, c);
    write_other(f, c);
    int rc = ferror(f) != 0 || fflush(f) != 0 || fsync(fileno(f)) != 0 ? err_errno(err, "write %s", path) : 0;
    if (fclose(f) != 0 && rc == 0)
        rc = err_errno(err, "write %s", path);
    if (rc != 0)
        unlink(path);
    return rc;
}
