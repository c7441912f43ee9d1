/* The data directory and what stands in it. See datadir.h. */
#include "node/host/datadir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LOCK_TEXT_MAX = 32, ZONE_REFRESH_MS = 1000 };
#define GIB ((size_t)1 << 30)
#define DATADIR_DEFAULT "/var/lib/smartnode"

static const char META_UNIT[] = "unit";
#define LOCK_HEARS " hears SIGHUP"

int
path_join(const char *dir, const char *name, char ret[PATH_BYTES_MAX], struct err *err)
{
    int n = snprintf(ret, PATH_BYTES_MAX, "%s/%s", dir, name);
    return n >= 0 && n < PATH_BYTES_MAX ? 0 : err_set(err, ERR_LIMIT, "%.100s…: path too long", dir);
}

int
datadir_find(const char *given, char ret[PATH_BYTES_MAX], struct err *err)
{
    const char *from = given ? given : getenv("SMARTNODE_DATA");
    if (!from)
        from = access("node.key", F_OK) == 0 ? "." : DATADIR_DEFAULT;
    if (strlen(from) >= PATH_BYTES_MAX - 64)
        return err_set(err, ERR_LIMIT, "the data directory's path is too long");
    snprintf(ret, PATH_BYTES_MAX, "%s", from);
    return 0;
}

struct wall_ms
wall_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (struct wall_ms){(int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000};
}

struct mono_ms
mono_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (struct mono_ms){(int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000};
}

void
random_fill(void *arg, uint8_t *out, size_t len)
{
    (void)arg;
    randombytes_buf(out, len);
}

/* A lock of the open file (not of the process, and not flock's): whoever only asks for the holder never holds it. */
static struct flock
whole_file(short type)
{
    return (struct flock){.l_type = type, .l_whence = SEEK_SET};
}

static long
holder(const char *path, bool *ret_hears)
{
    char file[PATH_BYTES_MAX], text[LOCK_TEXT_MAX] = "";
    struct flock l = whole_file(F_WRLCK);
    long pid = 0;
    *ret_hears = false;
    if (path_join(path, "lock", file, NULL) != 0)
        return 0;
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    if (fcntl(fd, F_OFD_GETLK, &l) == 0 && l.l_type != F_UNLCK && read(fd, text, sizeof(text) - 1) > 0) {
        pid = strtol(text, NULL, 10);
        *ret_hears = strstr(text, LOCK_HEARS) != NULL;
    }
    close(fd);
    return pid;
}

long
datadir_holder(const char *path)
{
    bool hears;
    return holder(path, &hears);
}

void
datadir_nudge(const char *path)
{
    bool hears;
    long pid = holder(path, &hears);
    if (pid > 0 && hears)
        kill((pid_t)pid, SIGHUP);
}

static bool
write_holder(const struct datadir *d, const char *what)
{
    char text[LOCK_TEXT_MAX];
    int n = snprintf(text, sizeof(text), "%ld%s\n", (long)getpid(), what);
    return ftruncate(d->lock_fd, 0) == 0 && pwrite(d->lock_fd, text, (size_t)n, 0) == n;
}

void
datadir_announce(struct datadir *d)
{
    (void)write_holder(d, LOCK_HEARS); /* else a peer that is pinned is taken up by hand, or at the next start */
}

static int
lock(struct datadir *d, struct err *err)
{
    char file[PATH_BYTES_MAX];
    struct flock l = whole_file(F_WRLCK);
    int rc = path_join(d->path, "lock", file, err);
    if (rc != 0)
        return rc;
    d->lock_fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (d->lock_fd < 0)
        return err_errno(err, "%s", file);
    if (fcntl(d->lock_fd, F_OFD_SETLK, &l) != 0) {
        bool taken = errno == EAGAIN || errno == EACCES;
        rc = taken ? err_set(err, ERR_BUSY, "%s: in use by process %ld; one node at a time may write a data directory",
                             d->path, datadir_holder(d->path))
                   : err_errno(err, "lock %s", file);
        close(d->lock_fd);
        d->lock_fd = -1;
        return rc;
    }
    return write_holder(d, "") ? 0 : err_errno(err, "%s", file);
}

/* The vault's key: from the service manager, else from the directory. A new node's is always in the directory. */
static int
read_vault_key(const char *dir, bool create, uint8_t ret[32], struct err *err)
{
    char file[PATH_BYTES_MAX];
    const char *handed = create ? NULL : getenv("CREDENTIALS_DIRECTORY");
    if (handed && path_join(handed, VAULT_KEY_CREDENTIAL, file, err) == 0 && access(file, F_OK) == 0)
        return secret_credential_read(file, ret, err);
    int rc = path_join(dir, "vault.key", file, err);
    if (rc == 0)
        rc = secret_file_read(file, ret, err);
    return rc == ERR_NOTFOUND ? err_set(err, ERR_NOTFOUND,
                                        "%s: is not there, and no credential " VAULT_KEY_CREDENTIAL
                                        " was handed over; put the copy of vault.key back",
                                        file)
                              : rc;
}

/* Ten lines at most for a vault of any size. */
static void
brought_along(void *arg, uint64_t done, uint64_t all)
{
    uint64_t *told = arg, tenth = all > 0 ? done * 10 / all : 10;
    if (tenth > *told)
        log_line(LOG_NOTICE, "vault: of an older format, brought along: %llu of %llu rows", (unsigned long long)done,
                 (unsigned long long)all);
    *told = tenth;
}

static int
open_environments(struct datadir *d, enum datadir_mode mode, bool create, struct err *err)
{
    char main_dir[PATH_BYTES_MAX], vault_dir[PATH_BYTES_MAX];
    uint8_t wrap[32];
    bool read_only = mode == DATADIR_READER;
    uint64_t told = 0;
    int rc = path_join(d->path, "main", main_dir, err);
    if (rc == 0)
        rc = path_join(d->path, "vault", vault_dir, err);
    if (rc == 0)
        rc = read_vault_key(d->path, create, wrap, err);
    if (rc != 0)
        return rc;
    struct db_opts main_opts = {.path = main_dir,
                                .map_bytes = d->config.map_gib * GIB,
                                .kind = DB_MAIN,
                                .create = create,
                                .read_only = read_only};
    struct vault_opts vault_opts = {.path = vault_dir,
                                    .map_bytes = d->config.vault_map_gib * GIB,
                                    .wrap_key = wrap,
                                    .create = create,
                                    .read_only = read_only,
                                    .progress = brought_along,
                                    .progress_arg = &told};
    rc = db_open(&main_opts, &d->db, err);
    if (rc != 0)
        err_wrap(err, "open %s", main_dir);
    if (rc == 0) {
        rc = vault_open(&vault_opts, &d->vault, err);
        if (rc != 0)
            err_wrap(err, "open %s", vault_dir);
    }
    sodium_memzero(wrap, sizeof(wrap));
    return rc;
}

/* The environment says whose data it holds; another unit's key beside it is a mistake that must not write anything. */
static int
check_unit(struct datadir *d, struct err *err)
{
    struct db_txn *txn = NULL;
    struct slice unit;
    int rc = db_begin_read(d->db, &txn, err);
    if (rc == 0)
        rc = db_get(txn, TABLE_META, slice_of(META_UNIT, sizeof(META_UNIT) - 1), &unit, err);
    if (rc == 0 && !slice_eq(unit, slice_of(d->identity.unit.b, sizeof(d->identity.unit.b))))
        rc = err_set(err, ERR_CONFLICT,
                     "%s holds the data of another unit than node.key's (%s); put the right node.key beside it",
                     d->path, d->identity.unit_code);
    if (rc == ERR_NOTFOUND)
        rc = err_set(err, ERR_CORRUPT, "%s: does not say whose data it holds", d->path);
    db_abort(&txn);
    return rc;
}

static int
load_files(struct datadir *d, const struct config *config, struct err *err)
{
    char file[PATH_BYTES_MAX];
    int rc = path_join(d->path, "node.key", file, err);
    if (rc == 0)
        rc = identity_load(file, &d->identity, err);
    if (rc == ERR_NOTFOUND)
        return err_set(err, ERR_NOTFOUND, "%s: no node here; smartnode init makes one, --data names another directory",
                       d->path);
    if (rc == 0 && config) {
        d->config = *config;
        return 0;
    }
    if (rc == 0)
        rc = path_join(d->path, "smartnode.conf", file, err);
    if (rc == 0)
        rc = config_load(file, &d->config, err);
    if (rc == ERR_NOTFOUND) {
        config_defaults(&d->config);
        rc = 0;
    }
    return rc;
}

static int
open_with(const char *path, enum datadir_mode mode, const struct config *config, struct datadir *ret, struct err *err)
{
    struct datadir d = {.lock_fd = -1};
    snprintf(d.path, sizeof(d.path), "%s", path);
    int rc = crypto_init(err);
    if (rc == 0)
        rc = load_files(&d, config, err);
    if (rc == 0 && mode == DATADIR_WRITER)
        rc = lock(&d, err);
    if (rc == 0)
        rc = open_environments(&d, mode, false, err);
    if (rc == 0)
        rc = check_unit(&d, err);
    if (rc != 0)
        datadir_close(&d);
    else
        *ret = d;
    identity_wipe(&d.identity);
    return rc;
}

int
datadir_open(const char *path, enum datadir_mode mode, struct datadir *ret, struct err *err)
{
    return open_with(path, mode, NULL, ret, err);
}

int
datadir_check(const char *path, const struct config *config, struct datadir *ret, struct err *err)
{
    return open_with(path, DATADIR_READER, config, ret, err);
}

void
datadir_close(struct datadir *d)
{
    vault_close(&d->vault);
    db_close(&d->db);
    if (d->lock_fd >= 0)
        close(d->lock_fd);
    d->lock_fd = -1;
    identity_wipe(&d->identity);
}

static int
make_dir(const char *parent, const char *name, struct err *err)
{
    char path[PATH_BYTES_MAX];
    int rc = path_join(parent, name, path, err);
    if (rc == 0 && mkdir(path, 0700) != 0)
        rc = errno == EEXIST ? err_set(err, ERR_EXISTS, "%s: is there already", path) : err_errno(err, "%s", path);
    return rc;
}

static int
write_unit(struct datadir *d, struct err *err)
{
    struct db_txn *txn = NULL;
    int rc = db_begin_write(d->db, &txn, err);
    if (rc == 0)
        rc = db_put(txn, TABLE_META, slice_of(META_UNIT, sizeof(META_UNIT) - 1),
                    slice_of(d->identity.unit.b, sizeof(d->identity.unit.b)), err);
    if (rc != 0) {
        db_abort(&txn);
        return rc;
    }
    rc = db_commit(&txn, err);
    return rc == 0 ? apply_rebuild(d->db, NULL, NULL, err) : rc; /* says by which rules the (empty) state was made */
}

/* Beside a configuration, which may be laid out before, the directory is empty: what lies there is somebody's. */
static int
check_empty(const char *path, struct err *err)
{
    DIR *dir = opendir(path);
    int rc = 0;
    if (!dir)
        return errno == ENOENT ? 0 : err_errno(err, "%s", path);
    for (struct dirent *e = readdir(dir); e && rc == 0; e = readdir(dir))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 && strcmp(e->d_name, "smartnode.conf") != 0 &&
            strcmp(e->d_name, "lost+found") != 0)
            rc = err_set(err, ERR_EXISTS,
                         "%s: is not empty (%.60s) and no node's; nothing was changed, give a directory of its own",
                         path, e->d_name);
    closedir(dir);
    return rc;
}

/* Nothing of a node may be there. node.key is written last, so that a stop half-way can be seen. */
int
datadir_check_free(const char *path, struct err *err)
{
    static const char *const names[] = {"node.key", "vault.key", "main", "vault"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char file[PATH_BYTES_MAX];
        int rc = path_join(path, names[i], file, err);
        if (rc != 0)
            return rc;
        if (access(file, F_OK) != 0)
            continue;
        if (i == 0)
            return err_set(err, ERR_EXISTS, "%s: there is a node already; nothing was changed", path);
        return err_set(err, ERR_EXISTS,
                       "%s: %s is there, but no node.key: an init was interrupted, or the key file was moved away. "
                       "Nothing was changed; remove the directory if it never was a node",
                       path, names[i]);
    }
    return check_empty(path, err);
}

struct datadir_before
datadir_before(const char *path)
{
    char file[PATH_BYTES_MAX];
    return (struct datadir_before){.dir = access(path, F_OK) == 0,
                                   .conf =
                                       path_join(path, "smartnode.conf", file, NULL) == 0 && access(file, F_OK) == 0};
}

void
datadir_unmake(const char *path, struct datadir_before before)
{
    static const char *const files[] = {
        "main/data.mdb", "main/lock.mdb", "vault/data.mdb", "vault/lock.mdb", "vault.key", "node.key", "lock"};
    static const char *const dirs[] = {"main", "vault"};
    char file[PATH_BYTES_MAX];
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        if (path_join(path, files[i], file, NULL) == 0)
            unlink(file);
    if (!before.conf && path_join(path, "smartnode.conf", file, NULL) == 0)
        unlink(file);
    for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
        if (path_join(path, dirs[i], file, NULL) == 0)
            rmdir(file);
    if (!before.dir)
        rmdir(path);
}

static int
create_files(struct datadir *d, struct err *err)
{
    char file[PATH_BYTES_MAX];
    uint8_t wrap[32];
    int rc = make_dir(d->path, "vault", err);
    if (rc == 0)
        rc = path_join(d->path, "vault.key", file, err);
    random_fill(NULL, wrap, sizeof(wrap));
    if (rc == 0)
        rc = secret_file_write(
            file, "smartnode: wraps the data keys of this node's vault. Back it up apart from the data.", wrap, err);
    sodium_memzero(wrap, sizeof(wrap));
    if (rc == 0)
        rc = path_join(d->path, "smartnode.conf", file, err);
    if (rc == 0 && access(file, F_OK) != 0)
        rc = config_write(file, &d->config, err);
    /* What was just written, or lay there: a node must be able to start with it. */
    return rc == 0 ? config_load(file, &d->config, err) : rc;
}

int
datadir_create(const char *path, const struct config *config, const struct identity *id, struct err *err)
{
    struct datadir d = {.lock_fd = -1, .config = *config, .identity = *id};
    char file[PATH_BYTES_MAX];
    struct datadir_before before = datadir_before(path);
    snprintf(d.path, sizeof(d.path), "%s", path);
    int rc = crypto_init(err);
    if (rc == 0)
        rc = datadir_check_free(path, err);
    if (rc == 0 && mkdir(path, 0700) != 0 && errno != EEXIST)
        rc = err_errno(err, "%s", path);
    if (rc == 0)
        rc = make_dir(path, "main", err); /* whoever makes it makes the node, of two at the same time too */
    if (rc != 0) {
        datadir_close(&d);
        return rc;
    }
    rc = create_files(&d, err);
    if (rc == 0)
        rc = open_environments(&d, DATADIR_WRITER, true, err);
    if (rc == 0)
        rc = write_unit(&d, err);
    if (rc == 0)
        rc = path_join(path, "node.key", file, err);
    if (rc == 0)
        rc = identity_save(id, file, err);
    datadir_close(&d);
    if (rc != 0)
        datadir_unmake(path, before);
    return rc;
}

/* ---- the unit's own time zone ---- */

/* Before the unit is described, as while it comes from a file: the zone that the units of the federation share. In UTC, around midnight, what an
 * export dates today would lie in the future. */
static const char ZONE_UNDESCRIBED[] = "CET-1CEST,M3.5.0,M10.5.0/3";

/* Name of the zone in force. */
static void
zone_name(struct datadir *d, char ret[NAME_BYTES_MAX + 1])
{
    struct db_txn *txn = NULL;
    struct slice value;
    struct place_row row;
    struct unit_described facts;
    static const struct office_id no_office = {{0}};
    snprintf(ret, NAME_BYTES_MAX + 1, "%s", ZONE_UNDESCRIBED);
    if (db_begin_read(d->db, &txn, NULL) == 0 &&
        db_get(txn, TABLE_UNITS, slice_of(d->identity.unit.b, sizeof(d->identity.unit.b)), &value, NULL) == 0 &&
        place_row_decode(value, &d->identity.unit, &no_office, &row, NULL) == 0) {
        if (unit_state_at(&row, DATE_MAX, &facts))
            snprintf(ret, NAME_BYTES_MAX + 1, "%s", facts.time_zone.s);
        place_row_release(&row);
    }
    db_abort(&txn);
}

/* The process's zone is the unit's (TZ), set when it changes, under a lock: it changes once in a unit's life. */
struct civil_date
datadir_today(struct datadir *d)
{
    static pthread_mutex_t zone_lock = PTHREAD_MUTEX_INITIALIZER;
    static _Thread_local struct mono_ms looked;
    static _Thread_local struct tm at;
    struct mono_ms now = mono_now();
    if (looked.ms == 0 || now.ms - looked.ms >= ZONE_REFRESH_MS) {
        char zone[NAME_BYTES_MAX + 1];
        zone_name(d, zone);
        pthread_mutex_lock(&zone_lock);
        const char *old = getenv("TZ");
        if (!old || strcmp(old, zone) != 0) {
            setenv("TZ", zone, 1);
            tzset();
        }
        time_t t = time(NULL);
        localtime_r(&t, &at);
        pthread_mutex_unlock(&zone_lock);
        looked = now;
    }
    return date_from_ymd(at.tm_year + 1900, at.tm_mon + 1, at.tm_mday);
}

static struct wall_ms
engine_now(void *arg)
{
    (void)arg;
    return wall_now();
}

static struct civil_date
engine_today(void *arg)
{
    return datadir_today(arg);
}

int
datadir_engine(struct datadir *d, struct engine **ret, struct err *err)
{
    struct engine_config c = {.db = d->db,
                              .vault = d->vault,
                              .identity = &d->identity,
                              .allow_clock_back = d->config.allow_clock_back,
                              .keep = d->config.keep,
                              .n_keep = d->config.n_keep,
                              .vault_backup_days = d->config.vault_backup_days,
                              .now = engine_now,
                              .today = engine_today,
                              .random = random_fill,
                              .arg = d};
    snprintf(c.program, sizeof(c.program), "smartnode %s", SMARTNODE_VERSION);
    *ret = NULL;
    int rc = engine_new(&c, ret, err);
    if (rc == 0)
        rc = engine_vault_complete(*ret, err);
    if (rc != 0)
        engine_free(ret);
    return rc;
}
