/* The node's own keys on disk. See identity.h. */
#include "node/host/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/verify.h"

enum { KEY_FILE_MAX = 16384, KEY_FILE_FORMAT = 1, KEY_PATH_MAX = 4096 + 16 };

static int
certify(struct identity *id, const struct sign_secret *root, struct err *err)
{
    uint8_t memory[512];
    struct buf body;
    buf_fixed(&body, memory, sizeof(memory));
    certificate_body(&id->unit, &id->federation, id->production, id->serial, &id->signing_key, &id->exchange_key,
                     &id->transport_key, &id->recovery_key, &body);
    int rc = buf_check(&body, "certificate", err);
    if (rc == 0)
        id->certificate = crypto_sign_purpose(root, PURPOSE_CERTIFICATE, buf_slice(&body));
    return rc;
}

static void
derive(struct identity *id, const uint8_t exchange_seed[32], const uint8_t transport_seed[32])
{
    crypto_keypair_sign(id->signing_seed, &id->signing_key, &id->signing_secret);
    crypto_keypair_box(exchange_seed, &id->exchange_key, &id->exchange_secret);
    crypto_keypair_box(transport_seed, &id->transport_key, &id->transport_secret);
}

/* The key file takes ; for a remark and drops space at the ends: read back, it would be another federation. */
static bool
name_can_be_kept(const char *name)
{
    size_t n = strlen(name);
    return n > 0 && !strpbrk(name, ";\r\n") && name[0] != ' ' && name[0] != '\t' && name[n - 1] != ' ' &&
           name[n - 1] != '\t';
}

int
identity_create(struct identity *id, void (*draw)(void *arg, uint8_t *out, size_t len), void *arg,
                struct identity_offline *ret_offline, struct err *err)
{
    uint8_t exchange_seed[32], transport_seed[32], recovery_seed[32];
    struct sign_secret root_secret;
    if (!name_can_be_kept(id->unit_name.s))
        return err_field(err, ERR_INVALID, "name", "the unit's name cannot hold ; or begin or end with a space");
    if (!name_can_be_kept(id->federation_name.s))
        return err_field(err, ERR_INVALID, "federation",
                         "the federation's name cannot hold ; or begin or end with a space");
    draw(arg, id->signing_seed, 32);
    draw(arg, exchange_seed, 32);
    draw(arg, transport_seed, 32);
    draw(arg, recovery_seed, 32);
    draw(arg, ret_offline->root_seed, 32);
    derive(id, exchange_seed, transport_seed);
    crypto_keypair_sign(ret_offline->root_seed, &id->root_key, &root_secret);
    crypto_keypair_box(recovery_seed, &id->recovery_key, &ret_offline->recovery_secret);
    id->unit = crypto_unit_id(id->root_key);
    id->federation = crypto_federation(id->federation_name.s);
    id->serial = 1;
    int rc = certify(id, &root_secret, err);
    sodium_memzero(&root_secret, sizeof(root_secret));
    sodium_memzero(exchange_seed, sizeof(exchange_seed));
    sodium_memzero(transport_seed, sizeof(transport_seed));
    sodium_memzero(recovery_seed, sizeof(recovery_seed));
    return rc;
}

/* The name of a new file is durable when its directory is. */
static int
flush_directory(const char *path, struct err *err)
{
    char dir[4096];
    const char *slash = strrchr(path, '/');
    int n = slash == path ? snprintf(dir, sizeof(dir), "/")
            : slash       ? snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path)
                          : snprintf(dir, sizeof(dir), ".");
    if (n < 0 || (size_t)n >= sizeof(dir))
        return err_set(err, ERR_LIMIT, "%.100s…: path too long", path);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, "%s", dir);
    int rc = fsync(fd) == 0 ? 0 : err_errno(err, "flush %s", dir);
    close(fd);
    return rc;
}

/* Writes a new file that nobody else may read, flushed with its directory; after an error it is not there. */
static int
write_private(const char *path, struct slice text, struct err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return errno == EEXIST ? err_set(err, ERR_EXISTS, "%s: is there already and is never replaced", path)
                               : err_errno(err, "%s", path);
    int rc = 0;
    for (size_t done = 0; done < text.len && rc == 0;) {
        ssize_t n = write(fd, text.data + done, text.len - done);
        if (n > 0)
            done += (size_t)n;
        else if (errno != EINTR)
            rc = err_errno(err, "write %s", path);
    }
    if (rc == 0 && fsync(fd) != 0)
        rc = err_errno(err, "flush %s", path);
    if (close(fd) != 0 && rc == 0)
        rc = err_errno(err, "close %s", path);
    if (rc == 0)
        rc = flush_directory(path, err);
    if (rc != 0)
        unlink(path);
    return rc;
}

static int
read_private(const char *path, mode_t forbidden, char *text, size_t max, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? err_set(err, ERR_NOTFOUND, "%s: is not there", path) : err_errno(err, "%s", path);
    struct stat st;
    int rc = 0;
    size_t len = 0;
    if (fstat(fd, &st) != 0)
        rc = err_errno(err, "%s", path);
    else if (st.st_mode & forbidden)
        rc = err_set(err, ERR_DENIED, "%s: others may read it; make it private with chmod 600", path);
    while (rc == 0 && len < max - 1) {
        ssize_t n = read(fd, text + len, max - 1 - len);
        if (n == 0)
            break;
        if (n > 0)
            len += (size_t)n;
        else if (errno != EINTR)
            rc = err_errno(err, "read %s", path);
    }
    close(fd);
    text[len] = '\0';
    if (rc == 0 && len == max - 1)
        rc = err_set(err, ERR_LIMIT, "%s: larger than a key file can be", path);
    return rc;
}

static void
put_text(struct buf *b, const char *key, const char *value)
{
    buf_put(b, key, strlen(key));
    buf_put(b, " = ", 3);
    buf_put(b, value, strlen(value));
    buf_put_u8(b, '\n');
}

static void
put_hex(struct buf *b, const char *key, const uint8_t *bytes, size_t len)
{
    char hex[2 * SIG_BYTES + 1];
    put_text(b, key, hex_encode(bytes, len, hex));
    sodium_memzero(hex, sizeof(hex));
}

int
identity_save(const struct identity *id, const char *path, struct err *err)
{
    struct buf b;
    char serial[24];
    static const char head[] =
        "; smartnode: the secret online keys of one node. Nobody else may read this file. Restore it together\n"
        "; with the data directory, or let the root key certify new keys.\nformat = 1\n";
    buf_init(&b, KEY_FILE_MAX);
    buf_put(&b, head, sizeof(head) - 1);
    snprintf(serial, sizeof(serial), "%llu", (unsigned long long)id->serial);
    put_text(&b, "unit_code", id->unit_code);
    put_text(&b, "unit_name", id->unit_name.s);
    put_text(&b, "federation", id->federation_name.s);
    put_text(&b, "production", id->production ? "yes" : "no");
    put_hex(&b, "unit_id", id->unit.b, sizeof(id->unit.b));
    put_hex(&b, "root_key", id->root_key.b, sizeof(id->root_key.b));
    put_hex(&b, "recovery_key", id->recovery_key.b, sizeof(id->recovery_key.b));
    put_text(&b, "serial", serial);
    put_hex(&b, "certificate", id->certificate.b, sizeof(id->certificate.b));
    put_hex(&b, "signing_seed", id->signing_seed, sizeof(id->signing_seed));
    put_hex(&b, "exchange_secret", id->exchange_secret.b, sizeof(id->exchange_secret.b));
    put_hex(&b, "exchange_key", id->exchange_key.b, sizeof(id->exchange_key.b));
    put_hex(&b, "transport_secret", id->transport_secret.b, sizeof(id->transport_secret.b));
    put_hex(&b, "transport_key", id->transport_key.b, sizeof(id->transport_key.b));
    int rc = buf_check(&b, "key file", err);
    if (rc == 0)
        rc = write_private(path, buf_slice(&b), err);
    buf_free(&b);
    return rc;
}

int
identity_rekey(const struct identity *old, const uint8_t root_seed[32], uint64_t serial, bool transport,
               void (*draw)(void *arg, uint8_t *out, size_t len), void *arg, struct identity *ret, struct err *err)
{
    struct identity id = *old;
    uint8_t exchange_seed[32], transport_seed[32];
    struct sign_public root_key;
    struct sign_secret root_secret;
    crypto_keypair_sign(root_seed, &root_key, &root_secret);
    int rc = TYPE_EQ(&root_key, &old->root_key) ? 0 : err_set(err, ERR_DENIED, "not the root key of this unit");
    if (rc == 0) {
        draw(arg, id.signing_seed, sizeof(id.signing_seed));
        draw(arg, exchange_seed, sizeof(exchange_seed));
        draw(arg, transport_seed, sizeof(transport_seed));
        derive(&id, exchange_seed, transport_seed);
        if (!transport) {
            id.transport_key = old->transport_key;
            id.transport_secret = old->transport_secret;
        }
        id.serial = serial;
        rc = certify(&id, &root_secret, err);
    }
    if (rc == 0)
        *ret = id;
    sodium_memzero(exchange_seed, sizeof(exchange_seed));
    sodium_memzero(transport_seed, sizeof(transport_seed));
    sodium_memzero(&root_secret, sizeof(root_secret));
    identity_wipe(&id);
    return rc;
}

void
identity_of_card(const struct unit_card *card, struct identity *ret)
{
    *ret = (struct identity){.unit = card->unit,
                             .unit_name = card->unit_name,
                             .federation_name = card->federation_name,
                             .federation = card->federation,
                             .production = card->production,
                             .serial = card->serial,
                             .root_key = card->root_key,
                             .recovery_key = card->recovery_key,
                             .signing_key = card->signing_key};
    memcpy(ret->unit_code, card->unit_code, sizeof(ret->unit_code));
}

int
identity_of_custodian(const struct custody_certificate *c, const uint8_t secret[CUSTODY_SECRET_BYTES],
                      struct identity *ret, struct err *err)
{
    struct custody_seeds seeds;
    struct identity id = {.unit = c->keys.unit,
                          .unit_name = c->unit_name,
                          .federation_name = c->federation_name,
                          .federation = c->keys.federation,
                          .production = c->keys.production,
                          .serial = c->serial,
                          .root_key = c->root_key,
                          .recovery_key = c->recovery_key,
                          .certificate = c->certificate};
    memcpy(id.unit_code, c->unit_code, sizeof(id.unit_code));
    custody_seeds(secret, &seeds);
    memcpy(id.signing_seed, seeds.signing, sizeof(id.signing_seed));
    derive(&id, seeds.exchange, seeds.transport);
    sodium_memzero(&seeds, sizeof(seeds));
    int rc = 0;
    if (!TYPE_EQ(&id.signing_key, &c->keys.signing) || !TYPE_EQ(&id.exchange_key, &c->keys.exchange) ||
        !TYPE_EQ(&id.transport_key, &c->keys.transport))
        rc = err_field(err, ERR_DENIED, "custodian-key", "not the custodian's key that this certificate is for");
    else
        *ret = id;
    identity_wipe(&id);
    return rc;
}

static int
flush_dir_of(const char *path, struct err *err)
{
    char dir[KEY_PATH_MAX];
    snprintf(dir, sizeof(dir), "%s", path);
    char *slash = strrchr(dir, '/');
    if (slash)
        slash[slash == dir ? 1 : 0] = '\0';
    int fd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, "%s", dir);
    int rc = fsync(fd) != 0 ? err_errno(err, "flush %s", dir) : 0;
    close(fd);
    return rc;
}

int
identity_replace(const struct identity *id, const char *path, struct err *err)
{
    char fresh[KEY_PATH_MAX], old[KEY_PATH_MAX];
    int n = snprintf(fresh, sizeof(fresh), "%s.new", path);
    if (n < 0 || (size_t)n >= sizeof(fresh))
        return err_set(err, ERR_LIMIT, "%.100s…: path too long", path);
    snprintf(old, sizeof(old), "%s.old", path);
    if (unlink(fresh) != 0 && errno != ENOENT)
        return err_errno(err, "%s", fresh);
    int rc = identity_save(id, fresh, err);
    if (rc == 0 && unlink(old) != 0 && errno != ENOENT)
        rc = err_errno(err, "%s", old);
    if (rc == 0 && link(path, old) != 0)
        rc = err_errno(err, "%s", old);
    if (rc == 0 && rename(fresh, path) != 0)
        rc = err_errno(err, "%s", path);
    return rc == 0 ? flush_dir_of(path, err) : rc;
}

struct key_reader {
    struct identity *id;
    unsigned seen;
    int format;
    char bad[64];
};

struct key_field {
    const char *key;
    uint8_t *bytes;
    size_t len;
};

static bool
read_text_value(struct key_reader *r, const char *key, const char *value)
{
    struct identity *id = r->id;
    if (strcmp(key, "format") == 0)
        r->format = (int)strtol(value, NULL, 10);
    else if (strcmp(key, "unit_code") == 0 && unit_code_ok(value))
        snprintf(id->unit_code, sizeof(id->unit_code), "%s", value);
    else if (strcmp(key, "unit_name") == 0)
        snprintf(id->unit_name.s, sizeof(id->unit_name.s), "%s", value);
    else if (strcmp(key, "federation") == 0)
        snprintf(id->federation_name.s, sizeof(id->federation_name.s), "%s", value);
    else if (strcmp(key, "production") == 0)
        id->production = strcmp(value, "yes") == 0;
    else if (strcmp(key, "serial") == 0)
        id->serial = strtoull(value, NULL, 10);
    else
        return false;
    return true;
}

static int
on_key_line(void *arg, const char *section, const char *key, const char *value)
{
    struct key_reader *r = arg;
    struct identity *id = r->id;
    const struct key_field fields[] = {
        {"unit_id", id->unit.b, 32},
        {"root_key", id->root_key.b, 32},
        {"recovery_key", id->recovery_key.b, 32},
        {"certificate", id->certificate.b, 64},
        {"signing_seed", id->signing_seed, 32},
        {"exchange_secret", id->exchange_secret.b, 32},
        {"exchange_key", id->exchange_key.b, 32},
        {"transport_secret", id->transport_secret.b, 32},
        {"transport_key", id->transport_key.b, 32},
    };
    (void)section;
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (strcmp(key, fields[i].key) == 0 && hex_decode(value, fields[i].bytes, fields[i].len)) {
            r->seen |= 1u << i;
            return 1;
        }
    }
    if (read_text_value(r, key, value))
        return 1;
    snprintf(r->bad, sizeof(r->bad), "%s", key);
    return 0;
}

/* Secrets and public keys belong together, and the root has certified them: else peers would refuse all that is written with them. */
static int
check_keys(const struct identity *id, const char *path, struct err *err)
{
    uint8_t memory[512];
    struct buf body;
    struct box_public exchange, transport;
    buf_fixed(&body, memory, sizeof(memory));
    certificate_body(&id->unit, &id->federation, id->production, id->serial, &id->signing_key, &id->exchange_key,
                     &id->transport_key, &id->recovery_key, &body);
    int rc = buf_check(&body, "certificate", err);
    if (rc != 0)
        return rc;
    bool fits =
        crypto_scalarmult_curve25519_base(exchange.b, id->exchange_secret.b) == 0 &&
        crypto_scalarmult_curve25519_base(transport.b, id->transport_secret.b) == 0 &&
        TYPE_EQ(&exchange, &id->exchange_key) && TYPE_EQ(&transport, &id->transport_key) &&
        crypto_verify(id->root_key, PURPOSE_CERTIFICATE, buf_slice(&body), &id->certificate, "certificate", err) == 0;
    return fits ? 0
                : err_set(err, ERR_INVALID, "%s: its keys and the root key's certificate do not fit together", path);
}

int
identity_load(const char *path, struct identity *ret, struct err *err)
{
    static const unsigned all_fields = (1u << 9) - 1;
    struct identity id = {0};
    struct key_reader r = {.id = &id};
    char text[KEY_FILE_MAX];
    int rc = read_private(path, S_IRWXG | S_IRWXO, text, sizeof(text), err);
    if (rc == 0) {
        int line = ini_parse_string(text, on_key_line, &r);
        if (r.format > KEY_FILE_FORMAT)
            rc = err_set(err, ERR_VERSION, "%s: written by a newer program (format %d)", path, r.format);
        else if (line != 0)
            rc = err_set(err, ERR_INVALID, "%s line %d: %s", path, line, r.bad[0] ? r.bad : "not key = value");
        else if (r.seen != all_fields || r.format != KEY_FILE_FORMAT || id.serial == 0 || !unit_code_ok(id.unit_code))
            rc = err_set(err, ERR_INVALID, "%s: not all keys are there", path);
    }
    sodium_memzero(text, sizeof(text));
    if (rc == 0) {
        id.federation = crypto_federation(id.federation_name.s);
        crypto_keypair_sign(id.signing_seed, &id.signing_key, &id.signing_secret);
        rc = check_keys(&id, path, err);
    }
    if (rc == 0)
        *ret = id;
    identity_wipe(&id);
    return rc;
}

void
identity_wipe(struct identity *id)
{
    sodium_memzero(id, sizeof(*id));
}

int
identity_card(const struct identity *id, const char *const *endpoints, size_t n, struct civil_date today,
              struct buf *out, struct err *err)
{
    struct unit_card card = {.unit = id->unit,
                             .unit_name = id->unit_name,
                             .root_key = id->root_key,
                             .federation = id->federation,
                             .federation_name = id->federation_name,
                             .production = id->production,
                             .serial = id->serial,
                             .signing_key = id->signing_key,
                             .exchange_key = id->exchange_key,
                             .transport_key = id->transport_key,
                             .recovery_key = id->recovery_key,
                             .certificate = id->certificate,
                             .issued_on = today};
    memcpy(card.unit_code, id->unit_code, sizeof(card.unit_code));
    if (n > CARD_ENDPOINTS_MAX)
        return err_field(err, ERR_LIMIT, "endpoint", "more than %d addresses on a card", CARD_ENDPOINTS_MAX);
    for (size_t i = 0; i < n; i++) {
        if (strlen(endpoints[i]) > ENDPOINT_BYTES_MAX)
            return err_field(err, ERR_LIMIT, "endpoint", "an address is longer than %d bytes", ENDPOINT_BYTES_MAX);
        snprintf(card.endpoints[card.n_endpoints++], ENDPOINT_BYTES_MAX + 1, "%s", endpoints[i]);
    }
    return card_write(&card, &id->signing_secret, out, err);
}

int
secret_file_write(const char *path, const char *title, const uint8_t secret[32], struct err *err)
{
    struct buf b;
    buf_init(&b, KEY_FILE_MAX);
    buf_put(&b, "; ", 2);
    buf_put(&b, title, strlen(title));
    buf_put_u8(&b, '\n');
    put_hex(&b, "secret", secret, 32);
    int rc = buf_check(&b, "key file", err);
    if (rc == 0)
        rc = write_private(path, buf_slice(&b), err);
    buf_free(&b);
    return rc;
}

static int
on_secret_line(void *arg, const char *section, const char *key, const char *value)
{
    (void)section;
    return strcmp(key, "secret") == 0 && hex_decode(value, arg, 32);
}

static int
read_secret(const char *path, mode_t forbidden, uint8_t ret[32], struct err *err)
{
    char text[KEY_FILE_MAX];
    uint8_t secret[33] = {0}; /* the last byte stays 0: nothing marks a missing line, so check by use */
    int rc = read_private(path, forbidden, text, sizeof(text), err);
    if (rc == 0 && ini_parse_string(text, on_secret_line, secret) != 0)
        rc = err_set(err, ERR_INVALID, "%s: must hold one line secret = 64 hex digits", path);
    if (rc == 0 && sodium_is_zero(secret, 32))
        rc = err_set(err, ERR_INVALID, "%s: holds no secret", path);
    if (rc == 0)
        memcpy(ret, secret, 32);
    sodium_memzero(text, sizeof(text));
    sodium_memzero(secret, sizeof(secret));
    return rc;
}

int
secret_file_read(const char *path, uint8_t ret[32], struct err *err)
{
    return read_secret(path, S_IRWXG | S_IRWXO, ret, err);
}

int
secret_credential_read(const char *path, uint8_t ret[32], struct err *err)
{
    return read_secret(path, S_IWGRP | S_IRWXO, ret, err);
}
