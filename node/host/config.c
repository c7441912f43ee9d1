/* Configuration through inih. See config.h. */
#include "node/host/config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    CONFIG_FILE_MAX = 65536,
    MAP_GIB_MAX = 16384,
    HTTP_THREADS_MAX = 64,
    LOOKUPS_PER_HOUR_MAX = 100000,
    FOREIGN_DAYS_MAX = 3650
};

void
config_defaults(struct config *c)
{
    *c = (struct config){.http_port = 8440,
                         .http_threads = 1,
                         .map_gib = 256,
                         .vault_map_gib = 64,
                         .unit_gib_max = 64,
                         .lookups_per_hour = 60,
                         .foreign_days_max = 30 /* FOREIGN_DAYS_DEFAULT of node/command/guest.h */,
                         .retention = {-1, -1, -1, -1, -1},
                         .vault_backup_days = 35,
                         .silent_days = 7};
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

/* tcp://HOST:PORT; port 0 = any free one, where one listens */
static bool
endpoint(const char *value, uint64_t port_min)
{
    const char *colon = strrchr(value, ':');
    uint64_t port;
    return strncmp(value, "tcp://", 6) == 0 && strlen(value) <= ENDPOINT_BYTES_MAX && colon > value + 6 &&
           number(colon + 1, port_min, UINT16_MAX, &port);
}

/* An address as the server takes it: numeric. */
static bool
address(const char *value)
{
    uint8_t bytes[16];
    return inet_pton(AF_INET, value, bytes) == 1 || inet_pton(AF_INET6, value, bytes) == 1;
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

static bool
log_format(const char *value, enum log_format *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(log_format_names); i++) {
        if (strcmp(log_format_names[i], value) == 0) {
            *ret = (enum log_format)i;
            return true;
        }
    }
    return false;
}

/* ---- the keys ---- */

enum key {
    SYNC_LISTEN,
    SYNC_ADVERTISE,
    SYNC_RESIDENCY,
    SYNC_UNIT_GIB_MAX,
    SYNC_LOOKUPS_PER_HOUR,
    SYNC_FOREIGN_DAYS_MAX,
    SYNC_KEEP,
    HTTP_LISTEN,
    HTTP_PORT,
    HTTP_THREADS,
    HTTP_TLS_CERT,
    HTTP_TLS_KEY,
    STORAGE_MAP_GIB,
    STORAGE_VAULT_MAP_GIB,
    LOG_FORMAT,
    CLOCK_ALLOW_BACK,
    RETENTION_REGISTER, /* these five in the order of config.retention */
    RETENTION_WORK,
    RETENTION_CONTACT,
    RETENTION_BANK,
    RETENTION_REFUSED,
    RETENTION_VAULT_BACKUP,
    RETENTION_SILENT,
    KEYS_N
};

static const struct {
    const char *section, *name;
    unsigned times; /* it may be given */
    const char *rule;
} KEYS[KEYS_N] = {
    [SYNC_LISTEN] = {"sync", "listen", 1, "tcp://ADDRESS:PORT, or none"},
    [SYNC_ADVERTISE] = {"sync", "advertise", CONFIG_ADVERTISE_MAX, "tcp://HOST:PORT as the peers reach it"},
    [SYNC_RESIDENCY] = {"sync", "residency", 1, "travelling, granted or federation"},
    [SYNC_UNIT_GIB_MAX] = {"sync", "unit_gib_max", 1, "a whole number of GiB from 0 to 16384"},
    [SYNC_LOOKUPS_PER_HOUR] = {"sync", "lookups_per_hour", 1, "a whole number from 0 to 100000"},
    [SYNC_FOREIGN_DAYS_MAX] = {"sync", "foreign_days_max", 1, "a whole number of days from 0 (however long) to 3650"},
    [SYNC_KEEP] = {"sync", "keep", CONFIG_KEEP_MAX, "a unit's code, 2 to 8 of A-Z and 0-9; one on each line"},
    [HTTP_LISTEN] = {"http", "listen", 1, "a numeric address, such as 127.0.0.1, 0.0.0.0 or ::1"},
    [HTTP_PORT] = {"http", "port", 1, "a port from 0 to 65535 (0: any free one)"},
    [HTTP_THREADS] = {"http", "threads", 1, "a whole number from 1 to 64"},
    [HTTP_TLS_CERT] = {"http", "tls_cert", 1, "the path of a PEM file"},
    [HTTP_TLS_KEY] = {"http", "tls_key", 1, "the path of a PEM file"},
    [STORAGE_MAP_GIB] = {"storage", "map_gib", 1, "a whole number of GiB from 1 to 16384"},
    [STORAGE_VAULT_MAP_GIB] = {"storage", "vault_map_gib", 1, "a whole number of GiB from 1 to 16384"},
    [LOG_FORMAT] = {"log", "format", 1, "auto, journal, json or text"},
    [CLOCK_ALLOW_BACK] = {"clock", "allow_clock_back", 1, "yes or no"},
    [RETENTION_REGISTER] = {"retention", "register_years", 1, "a whole number of years from 0 to 100"},
    [RETENTION_WORK] = {"retention", "work_years", 1, "a whole number of years from 0 to 100"},
    [RETENTION_CONTACT] = {"retention", "contact_days", 1, "a whole number of days from 0 to 36525"},
    [RETENTION_BANK] = {"retention", "bank_days", 1, "a whole number of days from 0 to 36525"},
    [RETENTION_REFUSED] = {"retention", "refused_days", 1, "a whole number of days from 0 to 36525"},
    [RETENTION_VAULT_BACKUP] = {"retention", "vault_backup_days", 1, "a whole number of days from 0 to 35"},
    [RETENTION_SILENT] = {"retention", "silent_days", 1, "a whole number of days from 1 to 365"},
};

static bool
set_sync(struct config *c, enum key key, const char *value)
{
    uint64_t v = 0;
    bool ok;
    switch ((int)key) {
    case SYNC_LISTEN: return (strcmp(value, "none") == 0 || endpoint(value, 0)) && text(value, c->sync_listen);
    case SYNC_ADVERTISE:
        if (!endpoint(value, 1))
            return false;
        snprintf(c->advertise[c->n_advertise++], ENDPOINT_BYTES_MAX + 1, "%s", value);
        return true;
    case SYNC_RESIDENCY: return residency(value, &c->residency);
    case SYNC_LOOKUPS_PER_HOUR: return number(value, 0, LOOKUPS_PER_HOUR_MAX, &c->lookups_per_hour);
    case SYNC_UNIT_GIB_MAX: return number(value, 0, MAP_GIB_MAX, &c->unit_gib_max);
    case SYNC_FOREIGN_DAYS_MAX:
        ok = number(value, 0, FOREIGN_DAYS_MAX, &v);
        c->foreign_days_max = ok ? (uint32_t)v : c->foreign_days_max;
        return ok;
    default:
        if (!unit_code_ok(value))
            return false;
        snprintf(c->keep[c->n_keep++], UNIT_CODE_MAX, "%s", value);
        return true;
    }
}

static bool
set_retention(struct config *c, enum key key, const char *value)
{
    enum { YEARS_MAX = 100, DAYS_MAX = 36525, BACKUP_DAYS_MAX = 35, SILENT_DAYS_MAX = 365 };
    bool days = key >= RETENTION_CONTACT;
    uint64_t v = 0;
    if (key == RETENTION_VAULT_BACKUP || key == RETENTION_SILENT) {
        bool backup = key == RETENTION_VAULT_BACKUP;
        if (!number(value, backup ? 0 : 1, backup ? BACKUP_DAYS_MAX : SILENT_DAYS_MAX, &v))
            return false;
        *(backup ? &c->vault_backup_days : &c->silent_days) = (uint32_t)v;
        return true;
    }
    if (!number(value, 0, days ? DAYS_MAX : YEARS_MAX, &v))
        return false;
    c->retention[key - RETENTION_REGISTER] = (int32_t)v;
    return true;
}

static bool
set(struct config *c, enum key key, const char *value)
{
    uint64_t v = 0;
    bool ok;
    switch (key) {
    case HTTP_LISTEN: return address(value) && text(value, c->http_listen);
    case HTTP_PORT:
        ok = number(value, 0, UINT16_MAX, &v);
        c->http_port = ok ? (uint16_t)v : c->http_port;
        return ok;
    case HTTP_THREADS:
        ok = number(value, 1, HTTP_THREADS_MAX, &v);
        c->http_threads = ok ? (unsigned)v : c->http_threads;
        return ok;
    case HTTP_TLS_CERT: return text(value, c->tls_cert);
    case HTTP_TLS_KEY: return text(value, c->tls_key);
    case STORAGE_MAP_GIB: return number(value, 1, MAP_GIB_MAX, &c->map_gib);
    case STORAGE_VAULT_MAP_GIB: return number(value, 1, MAP_GIB_MAX, &c->vault_map_gib);
    case LOG_FORMAT: return log_format(value, &c->log_format);
    case CLOCK_ALLOW_BACK: return yes_no(value, &c->allow_clock_back);
    default: return key >= RETENTION_REGISTER ? set_retention(c, key, value) : set_sync(c, key, value);
    }
}

/* ---- reading ---- */

struct loading {
    struct config *config;
    struct config_mistakes *mistakes;
    const char *at; /* what is left of the file */
    unsigned line, lines[KEYS_N], times[KEYS_N];
    bool begins, taken; /* the line given last is a whole one; it was a key's, or is no mistake */
};

static void mistake(struct config_mistakes *m, unsigned line, const char *field, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
static void
mistake(struct config_mistakes *m, unsigned line, const char *field, const char *fmt, ...)
{
    va_list ap;
    if (m->n == CONFIG_MISTAKES_MAX) {
        m->more++;
        return;
    }
    struct config_mistake *x = &m->list[m->n++];
    x->line = line;
    snprintf(x->field, sizeof(x->field), "%s", field);
    va_start(ap, fmt);
    vsnprintf(x->text, sizeof(x->text), fmt, ap);
    va_end(ap);
}

/* Letters to be put in, left out or changed, up to 3: near enough to ask whether that was meant. */
static unsigned
distance(const char *a, const char *b, unsigned most)
{
    if (*a == '\0' || *b == '\0')
        return (unsigned)(strlen(a) + strlen(b));
    if (*a == *b)
        return distance(a + 1, b + 1, most);
    if (most == 0)
        return 1;
    unsigned change = distance(a + 1, b + 1, most - 1), leave = distance(a + 1, b, most - 1),
             put = distance(a, b + 1, most - 1);
    unsigned least = change < leave ? change : leave;
    return 1 + (least < put ? least : put);
}

static void
unknown_key(struct loading *l, const char *section, const char *name, const char *field)
{
    enum { NEAR = 2 };
    for (size_t i = 0; i < KEYS_N; i++) {
        if (strcmp(KEYS[i].name, name) == 0 || distance(KEYS[i].name, name, NEAR) <= NEAR) {
            mistake(l->mistakes, l->line, field, "unknown key %.40s in [%.20s]; did you mean %s in [%s]?", name,
                    section, KEYS[i].name, KEYS[i].section);
            return;
        }
    }
    mistake(l->mistakes, l->line, field,
            "unknown key %.40s in [%.20s]; take it out, or look it up in OPERATIONS, chapter Configuration", name,
            section);
}

static int
on_line(void *arg, const char *section, const char *name, const char *value)
{
    struct loading *l = arg;
    char field[ERR_FIELD_MAX];
    size_t i = 0;
    l->taken = true;
    snprintf(field, sizeof(field), "%.20s.%.40s", section, name);
    while (i < KEYS_N && (strcmp(KEYS[i].section, section) != 0 || strcmp(KEYS[i].name, name) != 0))
        i++;
    if (i == KEYS_N) {
        unknown_key(l, section, name, field);
        return 1;
    }
    if (l->times[i]++ == 0)
        l->lines[i] = l->line;
    if (l->times[i] > KEYS[i].times && KEYS[i].times == 1)
        mistake(l->mistakes, l->line, field, "%s is set in line %u already; keep one of the two", name, l->lines[i]);
    else if (l->times[i] > KEYS[i].times)
        mistake(l->mistakes, l->line, field, "%s is given more than %u times; take some out", name, KEYS[i].times);
    else if (!set(l->config, (enum key)i, value))
        mistake(l->mistakes, l->line, field, "%s = %.60s cannot be; give %s", name, value, KEYS[i].rule);
    return 1;
}

/* A line that is neither empty, a comment, a section nor a key's is one that the parser could do nothing with. */
static void
end_line(struct loading *l)
{
    if (l->line > 0 && !l->taken)
        mistake(l->mistakes, l->line, "", "not key = value; mend the line, or begin it with ; as a comment");
    l->taken = true;
}

static bool
needs_no_key(const char *line, size_t len)
{
    size_t at = 0;
    while (at < len && (line[at] == ' ' || line[at] == '\t' || line[at] == '\r'))
        at++;
    return at == len || line[at] == ';' || line[at] == '#' || (line[at] == '[' && memchr(line + at, ']', len - at));
}

/* Gives the parser line by line (in pieces, if one is longer than it takes), which is how the number of each is known. */
static char *
next_line(char *out, int max, void *arg)
{
    struct loading *l = arg;
    size_t len = strcspn(l->at, "\n");
    if (l->begins) {
        end_line(l);
        if (*l->at == '\0')
            return NULL;
        l->line++;
        l->taken = needs_no_key(l->at, len);
    }
    if (len >= (size_t)max - 1) {
        if (l->begins)
            mistake(l->mistakes, l->line, "", "longer than a line can be; a value has at most %d bytes", max - 32);
        l->begins = false;
        l->taken = true;
        len = (size_t)max - 1;
        memcpy(out, l->at, len);
        out[len] = '\0';
        l->at += len;
        return out;
    }
    memcpy(out, l->at, len);
    out[len] = '\0';
    l->at += len + (l->at[len] == '\n');
    l->begins = true;
    return out;
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

static void
read_mistakes(const char *file, struct config *c, struct config_mistakes *m)
{
    struct loading l = {.config = c, .mistakes = m, .at = file, .begins = true, .taken = true};
    if (ini_parse_stream(next_line, &l, on_line, &l) < 0)
        mistake(m, 0, "", "the parser has no memory");
    bool cert = c->tls_cert[0] != '\0';
    if (cert != (c->tls_key[0] != '\0'))
        mistake(m, l.lines[cert ? HTTP_TLS_CERT : HTTP_TLS_KEY], "http.tls_cert",
                "tls_cert and tls_key go together; set %s too, or none", cert ? "tls_key" : "tls_cert");
}

int
config_check(const char *path, struct config *ret, struct config_mistakes *ret_mistakes, struct err *err)
{
    struct config c;
    struct config_mistakes *m = ret_mistakes;
    char *file = malloc(CONFIG_FILE_MAX), more[48] = "";
    m->n = m->more = 0;
    if (!file)
        return err_set(err, ERR_NOMEM, "%s: out of memory", path);
    config_defaults(&c);
    int rc = read_file(path, file, CONFIG_FILE_MAX, err);
    if (rc == 0)
        read_mistakes(file, &c, m);
    free(file);
    if (rc != 0)
        return rc;
    if (m->n == 0) {
        *ret = c;
        return 0;
    }
    if (m->n + m->more > 1)
        snprintf(more, sizeof(more), " (and %zu more)", m->n + m->more - 1);
    return err_field(err, ERR_INVALID, m->list[0].field, "%s line %u: %s%s", path, m->list[0].line, m->list[0].text,
                     more);
}

int
config_load(const char *path, struct config *ret, struct err *err)
{
    struct config_mistakes *m = malloc(sizeof(*m));
    if (!m)
        return err_set(err, ERR_NOMEM, "%s: out of memory", path);
    int rc = config_check(path, ret, m, err);
    free(m);
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
    fprintf(
        f,
        "; so many questions of one unit whether somebody is a member here are answered; 0 = none\nlookups_per_hour = %llu\n",
        (unsigned long long)c->lookups_per_hour);
    fprintf(
        f,
        "; members of a unit stay closed here once it was not heard of for so many days; 0 = never\nforeign_days_max = %u\n",
        c->foreign_days_max);
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
            "[log]\n; auto, journal, json or text\nformat = %s\n\n"
            "[clock]\n; write although the clock stands before the last event\nallow_clock_back = %s\n",
            (unsigned long long)c->map_gib, (unsigned long long)c->vault_map_gib, log_format_names[c->log_format],
            c->allow_clock_back ? "yes" : "no");
    fprintf(
        f,
        "\n[retention]\n; how long copies of the vault are kept (0: none are made); days until a unit that has not confirmed "
        "an erasure\n; raises an alarm\nvault_backup_days = %u\nsilent_days = %u\n",
        c->vault_backup_days, c->silent_days);
    for (size_t i = 0; i < CONFIG_RETENTION_N; i++)
        if (c->retention[i] >= 0)
            fprintf(f, "%s = %d\n", KEYS[RETENTION_REGISTER + i].name, c->retention[i]);
        else
            fprintf(f, "; %s =\n", KEYS[RETENTION_REGISTER + i].name);
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
