/* Temporary environments and signed logs. See storage.h. */
#include "tests/support/storage.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { CLOCK_START_S = 1700000000 };

static void
must(int rc, const struct err *err)
{
    if (rc != 0)
        fail_msg("%s: %s", err_name(rc), err->text);
}

/* ---- directories and environments ---- */

void
test_dir_make(char path[TEST_PATH_MAX])
{
    const char *base = getenv("TMPDIR");
    int n = snprintf(path, TEST_PATH_MAX, "%s/smartnode-test-XXXXXX", base && base[0] ? base : "/tmp");
    assert_true(n > 0 && n < TEST_PATH_MAX);
    assert_non_null(mkdtemp(path));
}

void
test_dir_remove(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    if (!dir)
        return;
    while ((entry = readdir(dir))) {
        char inner[TEST_PATH_MAX + 256];
        struct stat st;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name);
        if (lstat(inner, &st) == 0 && S_ISDIR(st.st_mode))
            test_dir_remove(inner);
        else
            unlink(inner);
    }
    closedir(dir);
    rmdir(path);
}

static struct db *
open_db(const char *path, enum db_kind kind, bool volatile_)
{
    struct db_opts opts = {
        .path = path,
        .map_bytes = TEST_MAP_BYTES,
        .kind = kind,
        .create = true,
        .volatile_for_simulation = volatile_,
    };
    struct db *db;
    struct err err;
    must(db_open(&opts, &db, &err), &err);
    return db;
}

void
test_file_copy(const char *from, const char *to)
{
    uint8_t chunk[65536];
    size_t n;
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    assert_non_null(in);
    assert_non_null(out);
    while ((n = fread(chunk, 1, sizeof(chunk), in)) > 0)
        assert_int_equal(fwrite(chunk, 1, n, out), n);
    fclose(in);
    assert_int_equal(fclose(out), 0);
}

struct db *
test_db_open(const char *path, enum db_kind kind)
{
    return open_db(path, kind, false);
}

struct db *
test_db_open_volatile(const char *path, enum db_kind kind)
{
    return open_db(path, kind, true);
}

uint64_t
test_table_rows(struct db *db, enum table t)
{
    struct db_txn *txn;
    struct err err;
    must(db_begin_read(db, &txn, &err), &err);
    uint64_t n = db_table_entries(txn, t);
    db_abort(&txn);
    return n;
}

struct hash
test_db_digest(struct db *db)
{
    struct hash digest = {0};
    struct db_txn *txn;
    struct err err;
    enum db_kind kind = db_kind_of(db);
    must(db_begin_read(db, &txn, &err), &err);
    for (unsigned t = 0; t < TABLE_COUNT_ALL; t++) {
        struct db_cursor *c;
        struct slice key, value;
        if (table_db(t) != kind)
            continue;
        must(db_cursor_open(txn, t, &c, &err), &err);
        int rc = db_cursor_first(c, &key, &value, &err);
        while (rc == 0) {
            uint8_t head[3] = {(uint8_t)t};
            be16_put(head + 1, (uint16_t)key.len);
            struct slice parts[] = {slice_of(digest.b, sizeof(digest.b)), slice_of(head, sizeof(head)), key, value};
            digest = crypto_hash_parts("test.digest", parts, ARRAY_LEN(parts));
            rc = db_cursor_next(c, &key, &value, &err);
        }
        assert_int_equal(rc, ERR_NOTFOUND);
        db_cursor_close(&c);
    }
    db_abort(&txn);
    return digest;
}

/* ---- units ---- */

static void
seed_of(uint8_t out[32], const char *what, const struct test_unit *u, uint8_t seed, uint32_t number)
{
    uint8_t tail[5] = {seed};
    be32_put(tail + 1, number);
    struct slice parts[] = {slice_of(what, strlen(what)), slice_of(u->code, sizeof(u->code)),
                            slice_of(tail, sizeof(tail))};
    struct hash h = crypto_hash_parts("test.seed", parts, ARRAY_LEN(parts));
    memcpy(out, h.b, 32);
}

void
test_unit_make(struct test_unit *u, const char *code, uint8_t seed)
{
    uint8_t s[32];
    struct err err;
    *u = (struct test_unit){0};
    must(crypto_init(&err), &err);
    snprintf(u->code, sizeof(u->code), "%s", code);
    seed_of(s, "root", u, seed, 0);
    crypto_keypair_sign(s, &u->root, &u->root_secret);
    u->id = crypto_unit_id(u->root);
    u->federation = crypto_federation("test federation");
    seed_of(s, "exchange", u, seed, 0);
    crypto_keypair_box(s, &u->exchange, &u->exchange_secret);
    seed_of(s, "transport", u, seed, 0);
    crypto_keypair_box(s, &u->transport, &u->transport_secret);
    seed_of(s, "recovery", u, seed, 0);
    crypto_keypair_box(s, &u->recovery, &u->recovery_secret);
    seed_of(s, "actor", u, seed, 0);
    memcpy(u->actor.b, s, sizeof(u->actor.b));
}

/* ---- logs ---- */

static void
certify(const struct test_unit *u, struct log_opened *o)
{
    uint8_t memory[CERTIFICATE_BODY_BYTES];
    struct buf body;
    buf_fixed(&body, memory, sizeof(memory));
    certificate_body(&o->unit, &o->federation, o->production, o->serial, &o->signing_key, &o->exchange_key,
                     &o->transport_key, &o->recovery_key, &body);
    o->certificate = crypto_sign_purpose(&u->root_secret, PURPOSE_CERTIFICATE, buf_slice(&body));
}

void
test_log_start_statement(struct test_log *log, const struct test_unit *unit, uint32_t number,
                         const struct log_predecessor *predecessors, size_t n, struct root_statement *statement)
{
    uint8_t seed[32];
    struct err err;
    struct buf encoded;
    struct event_ref refs[HEADER_REFS_MAX];
    struct event_payload p = {.kind = KIND_LOG_OPENED};
    struct log_opened *o = &p.log_opened;
    assert_true(n <= HEADER_REFS_MAX);
    *log = (struct test_log){.unit = unit, .clock = {(uint64_t)CLOCK_START_S * 1000 * 65536 + number}};
    buf_init(&log->frames, RUN_BYTES_MAX);
    buf_init(&encoded, PAYLOAD_BYTES_MAX);
    seed_of(seed, "signing", unit, unit->actor.b[0], number);
    crypto_keypair_sign(seed, &log->signing, &log->signing_secret);
    *o = (struct log_opened){
        .unit = unit->id,
        .federation = unit->federation,
        .root_key = unit->root,
        .signing_key = log->signing,
        .exchange_key = unit->exchange,
        .transport_key = unit->transport,
        .recovery_key = unit->recovery,
        .serial = number + 1,
        .program = "test",
    };
    memcpy(o->unit_code, unit->code, sizeof(o->unit_code));
    seed_of(seed, "nonce", unit, unit->actor.b[0], number);
    memcpy(o->nonce, seed, sizeof(o->nonce));
    certify(unit, o);
    if (statement) {
        statement->unit = o->unit;
        statement->federation = o->federation;
        memcpy(statement->log_nonce, o->nonce, sizeof(o->nonce));
        statement->signing_key = o->signing_key;
        must(root_statement_encode(statement, &encoded, &err), &err);
        o->has_root_statement = true;
        o->root_statement = buf_slice(&encoded);
        struct hash h = crypto_hash1("smart.rootst", o->root_statement);
        o->root_signature = crypto_sign_purpose(&unit->root_secret, PURPOSE_ROOT_STATEMENT, slice_of(h.b, sizeof(h.b)));
    }
    for (size_t i = 0; i < n; i++)
        refs[i] = (struct event_ref){REF_PREDECESSOR, predecessors[i].log, predecessors[i].seq, predecessors[i].chain};
    test_log_event(log, &p, refs, n);
    log->opened = *o;
    log->opened.root_statement = (struct slice){0};
    buf_free(&encoded);
}

void
test_log_start(struct test_log *log, const struct test_unit *unit, uint32_t number,
               const struct log_predecessor *predecessors, size_t n)
{
    test_log_start_statement(log, unit, number, predecessors, n, NULL);
}

void
test_log_release(struct test_log *log)
{
    buf_free(&log->frames);
}

struct log_predecessor
test_log_at(const struct test_log *log)
{
    return (struct log_predecessor){log->id, log->seq, log->chain};
}

struct position
test_log_raw(struct test_log *log, uint16_t kind, uint16_t version, bool must_understand, struct slice payload,
             const struct event_ref *refs, size_t n, const struct capsule_commitment *capsules, size_t n_capsules)
{
    struct err err;
    struct buf header;
    struct event_header h = {
        .suite = SUITE_1,
        .seq = log->seq + 1,
        .clock = log->clock,
        .kind = kind,
        .kind_version = version,
        .must_understand = must_understand,
        .n_refs = (uint8_t)n,
        .n_capsules = (uint8_t)n_capsules,
        .payload_hash = crypto_hash1("smart.payload", payload),
        .payload_bytes = (uint32_t)payload.len,
    };
    assert_true(n <= HEADER_REFS_MAX && n_capsules <= HEADER_CAPSULES_MAX);
    for (size_t i = 0; i < n; i++)
        h.refs[i] = refs[i];
    for (size_t i = 0; i < n_capsules; i++)
        h.capsules[i] = capsules[i];
    buf_init(&header, HEADER_BYTES_MAX);
    must(event_header_encode(&h, &header, &err), &err);
    if (log->seq == 0) {
        log->id = crypto_log_id(buf_slice(&header));
        log->chain = crypto_chain_start(log->id);
        log->first = h;
    }
    if (log->seq == log->sealed)
        buf_clear(&log->frames);
    event_frame_put(&log->frames, buf_slice(&header), payload);
    assert_false(log->frames.failed);
    log->chain = crypto_chain(log->chain, crypto_header_hash(buf_slice(&header)));
    log->seq++;
    log->clock.v += 65536;
    buf_free(&header);
    return (struct position){log->id, log->seq};
}

struct position
test_log_event(struct test_log *log, const struct event_payload *p, const struct event_ref *refs, size_t n)
{
    struct err err;
    struct buf payload;
    struct event_payload filled = *p;
    uint8_t salt[32];
    seed_of(salt, "salt", log->unit, log->id.b[0], (uint32_t)log->seq);
    filled.common.has_actor = filled.common.has_salt = true;
    filled.common.actor = log->unit->actor;
    memcpy(filled.common.salt, salt, sizeof(filled.common.salt));
    buf_init(&payload, PAYLOAD_BYTES_MAX);
    must(event_payload_encode(&filled, &payload, &err), &err);
    struct position at =
        test_log_raw(log, p->kind, 1, p->kind == KIND_LOG_OPENED, buf_slice(&payload), refs, n, NULL, 0);
    buf_free(&payload);
    return at;
}

struct position
test_log_filler(struct test_log *log)
{
    struct event_payload p = {.kind = KIND_OFFICE_OPENED};
    uint8_t id[32];
    seed_of(id, "office", log->unit, log->id.b[1], (uint32_t)log->seq);
    p.common.has_subject = p.common.has_effective = true;
    memcpy(p.common.subject.b, id, sizeof(p.common.subject.b));
    p.common.effective = date_from_ymd(2024, 1, 1);
    snprintf(p.office.name.s, sizeof(p.office.name.s), "Office %llu", (unsigned long long)log->seq);
    snprintf(p.office.city.s, sizeof(p.office.city.s), "City");
    memcpy(p.office.country, "XX", 3);
    return test_log_event(log, &p, NULL, 0);
}

void
test_log_seal(struct test_log *log, struct run *ret, struct chain_value *ret_chain_after)
{
    assert_true(log->seq > log->sealed);
    *ret = (struct run){
        .log = log->id,
        .first = log->sealed + 1,
        .count = (uint32_t)(log->seq - log->sealed),
        .frames = buf_slice(&log->frames),
        .seal = crypto_seal(&log->signing_secret, &log->id, log->seq, &log->chain),
    };
    log->sealed = log->seq;
    if (ret_chain_after)
        *ret_chain_after = log->chain;
}

void
test_log_store(struct test_log *log, struct db_txn *txn, struct log_row *ret_row)
{
    struct run run;
    struct chain_value after;
    struct log_row row;
    struct err err;
    test_log_seal(log, &run, NULL);
    int rc = evlog_find(txn, &log->id, &row, &err);
    if (rc == ERR_NOTFOUND)
        rc = evlog_create(txn, &log->id, &log->opened, &log->first, &row, &err);
    must(rc, &err);
    must(verify_run(&run, &row.head_chain, &row.signing_key, &after, &err), &err);
    must(evlog_append(txn, &row, &run, &after, &err), &err);
    if (ret_row)
        *ret_row = row;
}

void
test_log_fill(struct test_log *log, struct db_txn *txn, size_t n, size_t per_run, struct log_row *ret_row)
{
    for (size_t i = 0; i < n; i++) {
        test_log_filler(log);
        if (log->seq - log->sealed >= per_run || i + 1 == n)
            test_log_store(log, txn, ret_row);
    }
}
