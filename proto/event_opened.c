/* The payload that opens a log, and root statements. See event.h; docs/PROTOCOL.md §7. */
#include <stdlib.h>

#include "proto/budget.h"
#include "proto/event_payload.h"

int
payload_read_log_opened(const Smartnode__LogOpened *m, struct log_opened *ret, struct err *err)
{
    const struct {
        const char *name;
        protobuf_c_boolean has;
        const ProtobufCBinaryData *from;
        void *to;
        size_t len;
    } fixed[] = {
        {"unit_id", m->has_unit_id, &m->unit_id, ret->unit.b, HASH_BYTES},
        {"federation", m->has_federation, &m->federation, ret->federation.b, HASH_BYTES},
        {"nonce", m->has_nonce, &m->nonce, ret->nonce, sizeof(ret->nonce)},
        {"root_key", m->has_root_key, &m->root_key, ret->root_key.b, KEY_BYTES},
        {"signing_key", m->has_signing_key, &m->signing_key, ret->signing_key.b, KEY_BYTES},
        {"exchange_key", m->has_exchange_key, &m->exchange_key, ret->exchange_key.b, KEY_BYTES},
        {"transport_key", m->has_transport_key, &m->transport_key, ret->transport_key.b, KEY_BYTES},
        {"recovery_key", m->has_recovery_key, &m->recovery_key, ret->recovery_key.b, KEY_BYTES},
        {"certificate", m->has_certificate, &m->certificate, ret->certificate.b, SIG_BYTES},
    };
    for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
        if (!payload_bytes_are(fixed[i].has, fixed[i].from, fixed[i].to, fixed[i].len))
            return payload_field_wrong(err, fixed[i].name);
    if (!payload_text_is(m->unit_code, ret->unit_code, 2, UNIT_CODE_MAX - 1) || !unit_code_ok(ret->unit_code))
        return payload_field_wrong(err, "unit_code");
    if (m->has_production && m->production != 1)
        return payload_field_wrong(err, "production");
    ret->production = m->has_production;
    if (!m->has_serial || m->serial < 1)
        return payload_field_wrong(err, "serial");
    ret->serial = m->serial;
    if (m->has_root_statement != m->has_root_signature || (m->has_root_statement && m->root_statement.len == 0))
        return payload_field_wrong(err, "root_statement");
    ret->has_root_statement = m->has_root_statement;
    if (ret->has_root_statement && !payload_bytes_are(1, &m->root_signature, ret->root_signature.b, SIG_BYTES))
        return payload_field_wrong(err, "root_signature");
    if (m->program && !payload_text_is(m->program, ret->program, 1, PROGRAM_BYTES_MAX))
        return payload_field_wrong(err, "program");
    return 0;
}

void
payload_write_log_opened(const struct event_payload *p, struct payload_message *m)
{
    const struct log_opened *o = &p->log_opened;
    Smartnode__LogOpened *l = &m->log_opened;
    l->has_unit_id = l->has_federation = l->has_nonce = l->has_root_key = l->has_signing_key = 1;
    l->has_exchange_key = l->has_transport_key = l->has_recovery_key = l->has_serial = l->has_certificate = 1;
    l->unit_id = payload_bin(o->unit.b, HASH_BYTES);
    l->unit_code = (char *)(uintptr_t)o->unit_code;
    l->federation = payload_bin(o->federation.b, HASH_BYTES);
    l->has_production = o->production;
    l->production = o->production;
    l->nonce = payload_bin(o->nonce, sizeof(o->nonce));
    l->root_key = payload_bin(o->root_key.b, KEY_BYTES);
    l->signing_key = payload_bin(o->signing_key.b, KEY_BYTES);
    l->exchange_key = payload_bin(o->exchange_key.b, KEY_BYTES);
    l->transport_key = payload_bin(o->transport_key.b, KEY_BYTES);
    l->recovery_key = payload_bin(o->recovery_key.b, KEY_BYTES);
    l->serial = o->serial;
    l->certificate = payload_bin(o->certificate.b, SIG_BYTES);
    l->has_root_statement = l->has_root_signature = o->has_root_statement;
    l->root_statement = payload_bin(o->root_statement.data, o->root_statement.len);
    l->root_signature = payload_bin(o->root_signature.b, SIG_BYTES);
    l->program = o->program[0] ? (char *)(uintptr_t)o->program : NULL;
}

/* ---- root statements ---- */

enum { STATEMENT_STANDING = 6, STATEMENT_FIELD_MAX = 8, STANDING_FIELD_MAX = 3 }; /* 9 and 10 are reserved */

static int
read_statement(const Smartnode__RootStatement *m, struct root_statement *ret, struct err *err)
{
    if (!payload_bytes_are(m->has_unit_id, &m->unit_id, ret->unit.b, HASH_BYTES))
        return payload_field_wrong(err, "unit_id");
    if (!payload_bytes_are(m->has_federation, &m->federation, ret->federation.b, HASH_BYTES))
        return payload_field_wrong(err, "federation");
    if (m->has_production && m->production != 1)
        return payload_field_wrong(err, "production");
    ret->production = m->has_production;
    if (!payload_bytes_are(m->has_log_nonce, &m->log_nonce, ret->log_nonce, sizeof(ret->log_nonce)))
        return payload_field_wrong(err, "log_nonce");
    if (!payload_bytes_are(m->has_signing_key, &m->signing_key, ret->signing_key.b, KEY_BYTES))
        return payload_field_wrong(err, "signing_key");
    if (!m->has_serial || m->serial < 1)
        return payload_field_wrong(err, "serial");
    ret->serial = m->serial;
    if (m->n_void_key > VOID_KEYS_MAX)
        return payload_field_wrong(err, "void_key");
    if (m->n_standing > STANDING_MAX)
        return payload_field_wrong(err, "standing");
    ret->void_keys = calloc(m->n_void_key + 1, sizeof(*ret->void_keys));
    ret->standing = calloc(m->n_standing + 1, sizeof(*ret->standing));
    if (!ret->void_keys || !ret->standing)
        return err_set(err, ERR_NOMEM, "root statement: out of memory");
    for (size_t i = 0; i < m->n_void_key; i++)
        if (!payload_bytes_are(1, &m->void_key[i], ret->void_keys[i].b, KEY_BYTES))
            return payload_field_wrong(err, "void_key");
    for (size_t i = 0; i < m->n_standing; i++) {
        const Smartnode__StandingPosition *s = m->standing[i];
        struct standing_position *to = &ret->standing[i];
        if (!payload_bytes_are(s->has_log, &s->log, to->log.b, HASH_BYTES) || !s->has_seq || s->seq > INT64_MAX ||
            !payload_bytes_are(s->has_chain, &s->chain, to->chain.b, HASH_BYTES))
            return payload_field_wrong(err, "standing");
        to->seq = s->seq;
        if (to->seq == 0 && memcmp(to->chain.b, to->log.b, HASH_BYTES) != 0)
            return payload_field_wrong(err, "standing");
        for (size_t j = 0; j < i; j++)
            if (TYPE_EQ(&ret->standing[j].log, &to->log))
                return payload_field_wrong(err, "standing");
    }
    ret->n_void_keys = (uint16_t)m->n_void_key;
    ret->n_standing = (uint16_t)m->n_standing;
    return 0;
}

/* A revocation must not be applied by halves: one with a field that this program does not know is refused as such. */
static int
statement_supported(struct slice bytes, struct err *err)
{
    struct reader r = reader_of(bytes);
    struct wire_field f;
    while (wire_field_next(&r, &f)) {
        if (f.number > STATEMENT_FIELD_MAX)
            return err_set(err, ERR_VERSION, "root statement: field %u is not supported", (unsigned)f.number);
        struct reader sub = reader_of(f.bytes);
        struct wire_field g;
        while (f.number == STATEMENT_STANDING && wire_field_next(&sub, &g))
            if (g.number > STANDING_FIELD_MAX)
                return err_set(err, ERR_VERSION, "root statement: field %u of a position is not supported",
                               (unsigned)g.number);
    }
    return 0; /* malformed bytes are the next check's */
}

int
root_statement_decode(struct slice bytes, struct root_statement *ret, struct err *err)
{
    struct budget budget;
    ProtobufCMessage *m;
    if (bytes.len > PAYLOAD_BYTES_MAX)
        return err_set(err, ERR_INVALID, "root statement: larger than %d bytes", PAYLOAD_BYTES_MAX);
    int rc = statement_supported(bytes, err);
    if (rc != 0)
        return rc;
    budget_init(&budget, ROOT_STATEMENT_BUDGET_BYTES);
    rc = message_unpack(&smartnode__root_statement__descriptor, bytes, ROOT_STATEMENT_FIELDS_MAX, &budget, &m, err);
    if (rc == ERR_LIMIT)
        return err_set(err, ERR_INVALID, "root statement: more than %d fields", ROOT_STATEMENT_FIELDS_MAX);
    if (rc != 0)
        return err_wrap(err, "root statement");
    struct root_statement s = {0};
    rc = read_statement((const Smartnode__RootStatement *)m, &s, err);
    message_free(m, &budget);
    if (rc != 0) {
        root_statement_release(&s);
        return err_wrap(err, "root statement");
    }
    *ret = s;
    return 0;
}

int
root_statement_encode(const struct root_statement *s, struct buf *out, struct err *err)
{
    if (s->n_void_keys > VOID_KEYS_MAX)
        return payload_field_wrong(err, "void_key");
    if (s->n_standing > STANDING_MAX)
        return payload_field_wrong(err, "standing");
    ProtobufCBinaryData keys[VOID_KEYS_MAX];
    Smartnode__StandingPosition positions[STANDING_MAX];
    Smartnode__StandingPosition *pointers[STANDING_MAX];
    for (unsigned i = 0; i < s->n_void_keys; i++)
        keys[i] = payload_bin(s->void_keys[i].b, KEY_BYTES);
    for (unsigned i = 0; i < s->n_standing; i++) {
        smartnode__standing_position__init(&positions[i]);
        positions[i].has_log = positions[i].has_seq = positions[i].has_chain = 1;
        positions[i].log = payload_bin(s->standing[i].log.b, HASH_BYTES);
        positions[i].seq = s->standing[i].seq;
        positions[i].chain = payload_bin(s->standing[i].chain.b, HASH_BYTES);
        pointers[i] = &positions[i];
    }
    Smartnode__RootStatement m;
    smartnode__root_statement__init(&m);
    m.has_unit_id = m.has_federation = m.has_log_nonce = 1;
    m.unit_id = payload_bin(s->unit.b, HASH_BYTES);
    m.federation = payload_bin(s->federation.b, HASH_BYTES);
    m.has_production = m.production = s->production;
    m.log_nonce = payload_bin(s->log_nonce, sizeof(s->log_nonce));
    m.has_signing_key = m.has_serial = 1;
    m.signing_key = payload_bin(s->signing_key.b, KEY_BYTES);
    m.serial = s->serial;
    m.n_void_key = s->n_void_keys;
    m.void_key = keys;
    m.n_standing = s->n_standing;
    m.standing = pointers;
    size_t before = out->len;
    message_pack(&m.base, out);
    int rc = buf_check(out, "root statement", err);
    if (rc != 0)
        return rc;
    struct root_statement check;
    rc = root_statement_decode(slice_of(out->data + before, out->len - before), &check, err);
    if (rc != 0) {
        out->len = before;
        return rc;
    }
    root_statement_release(&check);
    return 0;
}

void
root_statement_release(struct root_statement *s)
{
    free(s->void_keys);
    free(s->standing);
    *s = (struct root_statement){0};
}
