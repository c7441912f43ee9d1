/* The search of a proof. See prove.h. Files one after the other, the chunks of one by several threads; each chunk is read with so much
 * of the next one that whatever begins in it can be seen whole. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "node/host/datadir.h"
#include "node/host/prove_private.h"
#include "proto/base/map.h"

enum {
    CHUNK_BYTES = 1 << 20,
    THREADS_MAX = 8,
    TICK_NS = 250000000,
    CAPSULE_VERSIONS = 2,  /* the first byte of a capsule is 1 or 2 (docs/PROTOCOL.md §6) */
    CAPSULE_OPEN = 1 + 24, /* version, nonce */
    DEPTH_MAX = 16,
};

struct found {
    uint64_t offset;
    enum prove_kind kind;
    size_t which;
};

struct search {
    const struct prove_what *what;
    struct prove_result result;
    const struct prove_report *report;
    struct map hashes; /* of commitments → number */
    uint32_t *lengths; /* different ones of commitments */
    size_t n_lengths, reach;
    unsigned threads;
    uint64_t total; /* bytes of all files, as far as it is known before */

    /* of the file that is searched */
    const struct vault_probe *probe;
    int fd;
    uint64_t size;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    uint64_t next; /* offset of the next chunk */
    uint64_t done;
    unsigned running;
    int failed; /* errno */
    struct found *found;
    size_t n_found, cap_found;
};

const char *
prove_kind_name(enum prove_kind kind)
{
    static const char *const NAMES[PROVE_KINDS] = {"key", "key-capsule", "needle", "ciphertext", "row"};
    return kind < PROVE_KINDS ? NAMES[kind] : "unknown";
}

bool
prove_clean(const struct prove_result *r)
{
    return r->hits[PROVE_KEY] == 0 && r->hits[PROVE_KEY_CAPSULE] == 0 && r->hits[PROVE_NEEDLE] == 0;
}

/* ---- what is looked for ---- */

static int
compare_u32(const void *a, const void *b)
{
    uint32_t x, y;
    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return x < y ? -1 : x > y;
}

static int
prepare(struct search *s, struct err *err)
{
    const struct prove_what *w = s->what;
    map_init(&s->hashes, HASH_BYTES, sizeof(uint64_t), PROVE_COMMITMENTS_MAX, NULL);
    if (w->n_commitments > PROVE_COMMITMENTS_MAX)
        return err_set(err, ERR_LIMIT, "more than %d capsules to look for", PROVE_COMMITMENTS_MAX);
    s->lengths = calloc(w->n_commitments + 1, sizeof(*s->lengths));
    bool ok = s->lengths != NULL;
    for (size_t i = 0; i < w->n_commitments && ok; i++) {
        uint64_t *number = map_put(&s->hashes, &w->commitments[i].hash, NULL);
        ok = number != NULL;
        if (ok)
            *number = i;
        if (ok && w->commitments[i].bytes > 0 && w->commitments[i].bytes <= CAPSULE_BYTES_MAX)
            s->lengths[s->n_lengths++] = w->commitments[i].bytes;
    }
    if (!ok)
        return err_set(err, ERR_NOMEM, "out of memory");
    qsort(s->lengths, s->n_lengths, sizeof(*s->lengths), compare_u32);
    size_t n = 0;
    for (size_t i = 0; i < s->n_lengths; i++)
        if (i == 0 || s->lengths[i] != s->lengths[i - 1])
            s->lengths[n++] = s->lengths[i];
    s->n_lengths = n;
    s->reach = n > 0 ? s->lengths[n - 1] : 0;
    size_t probe = w->probe ? vault_probe_reach(w->probe) : 0;
    size_t needles = w->needles ? prove_needles_reach(w->needles) : 0;
    s->reach = s->reach > probe ? s->reach : probe;
    s->reach = s->reach > needles ? s->reach : needles;
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    s->threads = w->threads ? w->threads : cpus > 0 ? (unsigned)cpus : 1;
    s->threads = s->threads > THREADS_MAX ? THREADS_MAX : s->threads;
    return 0;
}

/* ---- a chunk ---- */

static void
add_found(struct search *s, uint64_t offset, enum prove_kind kind, size_t which)
{
    pthread_mutex_lock(&s->lock);
    if (s->n_found == s->cap_found) {
        size_t cap = s->cap_found ? s->cap_found * 2 : 64;
        struct found *more = reallocarray(s->found, cap, sizeof(*more));
        if (more) {
            s->found = more;
            s->cap_found = cap;
        } else {
            s->failed = ENOMEM;
        }
    }
    if (s->n_found < s->cap_found)
        s->found[s->n_found++] = (struct found){offset, kind, which};
    pthread_mutex_unlock(&s->lock);
}

static void
look_for_capsule(struct search *s, struct slice at, uint64_t offset)
{
    /* What follows version and nonce is as good as random, whoever chose the nonce: hash of the key, ciphertext. The lengths ascend. */
    size_t open = s->lengths[0] < CAPSULE_OPEN ? s->lengths[0] : CAPSULE_OPEN;
    if (s->lengths[0] > at.len || !vault_probe_random(slice_of(at.data + open, s->lengths[0] - open)))
        return;
    for (size_t i = 0; i < s->n_lengths && s->lengths[i] <= at.len; i++) {
        struct hash h = capsule_hash(slice_of(at.data, s->lengths[i]));
        const uint64_t *number = map_get(&s->hashes, &h);
        if (!number)
            continue;
        bool key = s->what->commitments[*number].class == CLASS_KEY;
        add_found(s, offset, key ? PROVE_KEY_CAPSULE : PROVE_CIPHERTEXT, (size_t)*number);
    }
}

static void
look(struct search *s, struct slice bytes, size_t starts, uint64_t offset)
{
    const struct prove_what *w = s->what;
    for (size_t i = 0; i < starts; i++) {
        struct slice at = slice_of(bytes.data + i, bytes.len - i);
        struct vault_probe_hit hit;
        size_t needle;
        if (s->probe && vault_probe_at(s->probe, at, &hit))
            add_found(s, offset + i, hit.classes ? PROVE_KEY : PROVE_ROW, hit.row);
        if (s->n_lengths > 0 && at.data[0] >= 1 && at.data[0] <= CAPSULE_VERSIONS)
            look_for_capsule(s, at, offset + i);
        if (w->needles && prove_needles_at(w->needles, at, &needle))
            add_found(s, offset + i, PROVE_NEEDLE, needle);
    }
}

/* Bytes read; fewer at the end of a file that became shorter. */
static ssize_t
read_at(int fd, uint8_t *out, size_t len, uint64_t offset)
{
    size_t got = 0;
    while (got < len) {
        ssize_t n = pread(fd, out + got, len - got, (off_t)(offset + got));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        got += (size_t)n;
    }
    return (ssize_t)got;
}

static void *
search_chunks(void *arg)
{
    struct search *s = arg;
    uint8_t *bytes = malloc(CHUNK_BYTES + s->reach);
    pthread_mutex_lock(&s->lock);
    if (!bytes)
        s->failed = ENOMEM;
    while (s->failed == 0 && s->next < s->size) {
        uint64_t offset = s->next;
        s->next += CHUNK_BYTES;
        pthread_mutex_unlock(&s->lock);
        uint64_t left = s->size - offset;
        size_t len = left < CHUNK_BYTES + s->reach ? (size_t)left : CHUNK_BYTES + s->reach;
        ssize_t n = read_at(s->fd, bytes, len, offset);
        int os = n < 0 ? errno : 0;
        size_t starts = n > CHUNK_BYTES ? CHUNK_BYTES : n > 0 ? (size_t)n : 0;
        look(s, slice_of(bytes, n > 0 ? (size_t)n : 0), starts, offset);
        pthread_mutex_lock(&s->lock);
        s->done += starts;
        if (os != 0)
            s->failed = os;
    }
    s->running--;
    pthread_cond_signal(&s->ended);
    pthread_mutex_unlock(&s->lock);
    free(bytes);
    return NULL;
}

/* ---- a file ---- */

static void
progress(struct search *s)
{
    if (s->report && s->report->progress) {
        uint64_t done = s->result.bytes + s->done;
        pthread_mutex_unlock(&s->lock);
        s->report->progress(s->report->arg, done, done > s->total ? done : s->total);
        pthread_mutex_lock(&s->lock);
    }
}

static void
run_threads(struct search *s)
{
    pthread_t threads[THREADS_MAX];
    unsigned n = 0;
    uint64_t chunks = (s->size + CHUNK_BYTES - 1) / CHUNK_BYTES;
    s->running = chunks < s->threads ? (unsigned)chunks : s->threads;
    unsigned wanted = s->running;
    while (n < wanted && pthread_create(&threads[n], NULL, search_chunks, s) == 0)
        n++;
    pthread_mutex_lock(&s->lock);
    s->running -= wanted - n;
    if (n == 0 && wanted > 0)
        s->failed = EAGAIN;
    while (s->running > 0) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += TICK_NS;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&s->ended, &s->lock, &until);
        progress(s);
    }
    pthread_mutex_unlock(&s->lock);
    while (n > 0)
        pthread_join(threads[--n], NULL);
}

static int
compare_found(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static void
tell_file(struct search *s, struct prove_file *file)
{
    file->bytes = s->done;
    if (s->n_found > 1)
        qsort(s->found, s->n_found, sizeof(*s->found), compare_found);
    for (size_t i = 0; i < s->n_found; i++) {
        const struct found *f = &s->found[i];
        struct prove_hit hit = {file->file, f->offset, f->kind, f->which};
        file->hits[f->kind]++;
        s->result.hits[f->kind]++;
        if (s->report && s->report->hit)
            s->report->hit(s->report->arg, &hit);
    }
    s->result.files += !file->skipped;
    s->result.bytes += s->done;
    if (s->report && s->report->file)
        s->report->file(s->report->arg, file);
}

/* What vanished meanwhile (the copy of a rewrite) has nothing in it any more. */
static int
search_file(struct search *s, const char *path, const char *name, struct err *err)
{
    const char *base = strrchr(name, '/');
    struct prove_file file = {.file = name, .skipped = strcmp(base ? base + 1 : name, "lock.mdb") == 0};
    struct stat st;
    s->done = s->next = s->size = 0;
    s->n_found = 0;
    s->failed = 0;
    s->probe = s->what->rows_in_vault_only && strncmp(name, "vault/", 6) != 0 ? NULL : s->what->probe;
    s->fd = file.skipped ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (!file.skipped && s->fd < 0)
        return errno == ENOENT ? 0 : err_errno(err, "%s", path);
    if (!file.skipped) {
        if (fstat(s->fd, &st) != 0 || !S_ISREG(st.st_mode))
            s->failed = S_ISREG(st.st_mode) ? errno : EINVAL;
        else
            s->size = (uint64_t)st.st_size;
        if (s->failed == 0)
            run_threads(s);
        close(s->fd);
    }
    if (s->failed != 0) {
        errno = s->failed;
        return err_errno(err, "%s", path);
    }
    tell_file(s, &file);
    return 0;
}

/* ---- directories ---- */

typedef int on_file(struct search *s, const char *path, const char *name, struct err *err);

static int
add_size(struct search *s, const char *path, const char *name UNUSED, struct err *err UNUSED)
{
    struct stat st;
    if (lstat(path, &st) == 0)
        s->total += (uint64_t)st.st_size;
    return 0;
}

static int
walk(struct search *s, const char *dir, const char *below, unsigned depth, on_file *each, struct err *err)
{
    struct dirent **entries = NULL;
    int n = scandir(dir, &entries, NULL, alphasort), rc = 0;
    if (n < 0)
        return errno == ENOENT && depth > 0 ? 0 : err_errno(err, "%s", dir);
    for (int i = 0; i < n; i++) {
        char path[PATH_BYTES_MAX], name[PATH_BYTES_MAX];
        const char *entry = entries[i]->d_name;
        struct stat st;
        if (rc == 0 && strcmp(entry, ".") != 0 && strcmp(entry, "..") != 0) {
            int len = snprintf(name, sizeof(name), "%s%s%s", below, below[0] ? "/" : "", entry);
            rc = path_join(dir, entry, path, err);
            if (rc == 0 && (len < 0 || (size_t)len >= sizeof(name) || depth > DEPTH_MAX))
                rc = err_set(err, ERR_LIMIT, "%s: too deep", path);
            if (rc == 0 && lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
                rc = walk(s, path, name, depth + 1, each, err);
            else if (rc == 0 && lstat(path, &st) == 0 && S_ISREG(st.st_mode))
                rc = each(s, path, name, err);
        }
        free(entries[i]);
    }
    free(entries);
    return rc;
}

int
prove_search(const char *dir, const struct prove_what *what, const struct prove_report *report,
             struct prove_result *ret, struct err *err)
{
    struct search s = {.what = what, .report = report};
    if (access(dir, F_OK) != 0)
        return err_set(err, ERR_NOTFOUND, "%s: is not there", dir);
    pthread_mutex_init(&s.lock, NULL);
    pthread_cond_init(&s.ended, NULL);
    int rc = prepare(&s, err);
    if (rc == 0)
        rc = walk(&s, dir, "", 0, add_size, err);
    if (rc == 0)
        rc = walk(&s, dir, "", 0, search_file, err);
    map_free(&s.hashes);
    free(s.lengths);
    free(s.found);
    pthread_cond_destroy(&s.ended);
    pthread_mutex_destroy(&s.lock);
    if (rc == 0)
        *ret = s.result;
    return rc;
}
