/* What LMDB alone can do with the same work: replays a trace of puts (storage/db.h, db_trace_to) onto a copy of the environments that
 * the traced program began with, in the same transactions; and the size of a bare record.
 *   bench_raw replay TRACE MAIN [VAULT]   without VAULT the vault's steps are left out
 *   bench_raw record DIR N                N records of 230 bytes, key included */
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/db.h"
#include "tests/bench/bench.h"

enum { MAP_GIB = 64, VALUE_BYTES_MAX = 1 << 25, RECORD_KEY = 10, RECORD_VALUE = 220, RECORDS_PER_COMMIT = 4096 };

struct env {
    MDB_env *env;
    MDB_dbi dbi[TABLE_COUNT_ALL];
    MDB_txn *txn;
};

static void
ok(int rc, const char *what)
{
    if (rc != 0)
        bench_die("%s: %s", what, mdb_strerror(rc));
}

static void
open_env(struct env *e, const char *dir, unsigned flags)
{
    ok(mdb_env_create(&e->env), "create");
    ok(mdb_env_set_maxdbs(e->env, TABLE_COUNT_ALL), "tables");
    ok(mdb_env_set_mapsize(e->env, (size_t)MAP_GIB << 30), "map");
    ok(mdb_env_open(e->env, dir, MDB_NOTLS | flags, 0600), dir);
}

/* As storage/db.c opens it, so that flush for flush the same is done. */
static void
open_like(struct env *e, const char *dir, enum db_kind kind)
{
    MDB_txn *txn;
    open_env(e, dir, kind == DB_MAIN ? MDB_NORDAHEAD : 0);
    ok(mdb_txn_begin(e->env, NULL, 0, &txn), "begin");
    for (unsigned t = 0; t < TABLE_COUNT_ALL; t++)
        if (table_db(t) == kind)
            ok(mdb_dbi_open(txn, table_name(t), MDB_CREATE, &e->dbi[t]), table_name(t));
    ok(mdb_txn_commit(txn), "commit");
}

struct step {
    enum db_trace_step kind;
    unsigned table;
    MDB_val key;
    size_t value_len;
};

static const uint8_t *
next_step(const uint8_t *p, const uint8_t *end, struct step *ret)
{
    if (end - p < DB_TRACE_HEAD || (size_t)(end - p) < DB_TRACE_HEAD + (size_t)be16_get(p + 2))
        bench_die("the trace ends within a record");
    ret->kind = p[0];
    ret->table = p[1];
    ret->key = (MDB_val){be16_get(p + 2), (void *)(uintptr_t)(p + DB_TRACE_HEAD)};
    ret->value_len = be32_get(p + 4);
    return p + DB_TRACE_HEAD + ret->key.mv_size;
}

static void
do_step(struct env *e, const struct step *s, void *values)
{
    MDB_val k = s->key, v = {s->value_len, values};
    int rc = 0;
    if (s->kind == DB_TRACE_ABORT) {
        if (e->txn)
            mdb_txn_abort(e->txn);
        e->txn = NULL;
        return;
    }
    if (!e->txn)
        ok(mdb_txn_begin(e->env, NULL, 0, &e->txn), "begin");
    switch (s->kind) {
    case DB_TRACE_PUT: ok(mdb_put(e->txn, e->dbi[s->table], &k, &v, 0), "put"); return;
    case DB_TRACE_DEL:
        rc = mdb_del(e->txn, e->dbi[s->table], &k, NULL);
        ok(rc == MDB_NOTFOUND ? 0 : rc, "delete");
        return;
    case DB_TRACE_CLEAR: ok(mdb_drop(e->txn, e->dbi[s->table], 0), "clear"); return;
    default: break;
    }
    ok(mdb_txn_commit(e->txn), "commit");
    e->txn = NULL;
}

static uint8_t *
read_file(const char *path, size_t *ret_len)
{
    FILE *f = fopen(path, "re");
    if (!f || fseek(f, 0, SEEK_END) != 0)
        bench_die("%s: cannot be read", path);
    long len = ftell(f);
    rewind(f);
    uint8_t *bytes = malloc(len > 0 ? (size_t)len : 1);
    if (!bytes || len < 0 || fread(bytes, 1, (size_t)len, f) != (size_t)len)
        bench_die("%s: cannot be read", path);
    fclose(f);
    *ret_len = (size_t)len;
    return bytes;
}

static void
replay(const char *trace, const char *main_dir, const char *vault_dir)
{
    struct env envs[2] = {0};
    size_t len = 0;
    uint64_t puts = 0, commits = 0;
    uint8_t *bytes = read_file(trace, &len);
    void *values = calloc(1, VALUE_BYTES_MAX);
    if (!values)
        bench_die("out of memory");
    open_like(&envs[0], main_dir, DB_MAIN);
    if (vault_dir)
        open_like(&envs[1], vault_dir, DB_VAULT);
    double cpu = bench_cpu_seconds();
    uint64_t begun = bench_ns();
    for (const uint8_t *p = bytes; p < bytes + len;) {
        struct step s;
        p = next_step(p, bytes + len, &s);
        bool ends = s.kind == DB_TRACE_COMMIT || s.kind == DB_TRACE_ABORT;
        enum db_kind kind = ends ? (enum db_kind)s.table : table_db((enum table)s.table);
        if (s.value_len > VALUE_BYTES_MAX)
            bench_die("a value of %zu bytes", s.value_len);
        if (kind == DB_VAULT && !vault_dir)
            continue;
        do_step(&envs[kind == DB_VAULT], &s, values);
        puts += s.kind == DB_TRACE_PUT;
        commits += s.kind == DB_TRACE_COMMIT;
    }
    double seconds = (double)(bench_ns() - begun) / 1e9;
    printf("{\"seconds\": %.6f, \"cpu_seconds\": %.6f, \"puts\": %llu, \"commits\": %llu}\n", seconds,
           bench_cpu_seconds() - cpu, (unsigned long long)puts, (unsigned long long)commits);
    for (size_t i = 0; i < 2; i++) {
        if (envs[i].txn)
            mdb_txn_abort(envs[i].txn);
        if (envs[i].env)
            mdb_env_close(envs[i].env);
    }
    free(values);
    free(bytes);
}

static void
record(const char *dir, uint64_t n)
{
    struct env e = {0};
    MDB_dbi dbi;
    MDB_stat st;
    MDB_envinfo info;
    uint8_t key[RECORD_KEY] = {0}, value[RECORD_VALUE] = {0};
    open_env(&e, dir, MDB_NOSYNC);
    for (uint64_t i = 0; i < n;) {
        ok(mdb_txn_begin(e.env, NULL, 0, &e.txn), "begin");
        ok(mdb_dbi_open(e.txn, "records", MDB_CREATE, &dbi), "table");
        for (uint64_t end = i + RECORDS_PER_COMMIT; i < n && i < end; i++) {
            MDB_val k = {sizeof(key), key}, v = {sizeof(value), value};
            be64_put(key + 2, i);
            ok(mdb_put(e.txn, dbi, &k, &v, MDB_APPEND), "put");
        }
        ok(mdb_txn_commit(e.txn), "commit");
    }
    ok(mdb_txn_begin(e.env, NULL, MDB_RDONLY, &e.txn), "begin");
    ok(mdb_stat(e.txn, dbi, &st), "count");
    ok(mdb_env_info(e.env, &info), "size");
    mdb_txn_abort(e.txn);
    size_t pages = st.ms_branch_pages + st.ms_leaf_pages + st.ms_overflow_pages;
    printf("{\"records\": %llu, \"bytes\": %zu}\n", (unsigned long long)n, pages * st.ms_psize);
    mdb_env_close(e.env);
}

int
main(int argc, char **argv)
{
    if ((argc == 4 || argc == 5) && strcmp(argv[1], "replay") == 0)
        replay(argv[2], argv[3], argc == 5 ? argv[4] : NULL);
    else if (argc == 4 && strcmp(argv[1], "record") == 0)
        record(argv[2], bench_number(argv[3], "N"));
    else
        bench_die("usage: bench_raw replay TRACE MAIN [VAULT] | record DIR N");
    return EXIT_SUCCESS;
}
