/* What lies in a data directory: key files, configuration, the lock; what is refused, and that a refusal changes nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/host/datadir.h"
#include "tests/support/node.h"

enum { TEXT_MAX_TEST = 16384 };

struct place {
    char dir[TEST_PATH_MAX], file[TEST_PATH_MAX + 16], data[TEST_PATH_MAX + 16];
    char text[TEXT_MAX_TEST];
    struct identity id;
    struct config config;
};

static int
setup(void **state)
{
    struct place *p = calloc(1, sizeof(*p));
    assert_non_null(p);
    test_dir_make(p->dir);
    snprintf(p->file, sizeof(p->file), "%s/file", p->dir);
    snprintf(p->data, sizeof(p->data), "%s/data", p->dir);
    test_identity_make(&p->id, "BE", 1);
    config_defaults(&p->config);
    p->config.map_gib = p->config.vault_map_gib = 1;
    *state = p;
    return 0;
}

static int
teardown(void **state)
{
    struct place *p = *state;
    test_dir_remove(p->dir);
    free(p);
    return 0;
}

static void
put(const char *path, const char *text, mode_t mode)
{
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, mode);
    assert_true(fd >= 0);
    assert_int_equal(fchmod(fd, mode), 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void
get(struct place *p, const char *path)
{
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    p->text[fread(p->text, 1, sizeof(p->text) - 1, f)] = '\0';
    fclose(f);
}

/* ---- node.key ---- */

static void
test_key_file_round_trip(void **state)
{
    struct place *p = *state;
    struct identity back;
    struct stat st;
    struct err err = {0};
    assert_int_equal(identity_save(&p->id, p->file, &err), 0);
    assert_int_equal(stat(p->file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(identity_load(p->file, &back, &err), 0);
    assert_memory_equal(&back.unit, &p->id.unit, sizeof(back.unit));
    assert_memory_equal(&back.federation, &p->id.federation, sizeof(back.federation));
    assert_memory_equal(&back.signing_secret, &p->id.signing_secret, sizeof(back.signing_secret));
    assert_memory_equal(&back.exchange_secret, &p->id.exchange_secret, sizeof(back.exchange_secret));
    assert_string_equal(back.unit_code, "BE");
    assert_int_equal(identity_save(&p->id, p->file, &err), ERR_EXISTS);
}

static void
test_key_file_that_others_may_read(void **state)
{
    struct place *p = *state;
    struct identity back;
    struct err err = {0};
    assert_int_equal(identity_save(&p->id, p->file, &err), 0);
    assert_int_equal(chmod(p->file, 0640), 0);
    assert_int_equal(identity_load(p->file, &back, &err), ERR_DENIED);
}

static void
test_key_file_of_a_newer_program(void **state)
{
    struct place *p = *state;
    struct identity back;
    struct err err = {0};
    put(p->file, "format = 2\nsomething = new\n", 0600);
    assert_int_equal(identity_load(p->file, &back, &err), ERR_VERSION);
}

static void
test_key_file_garbage(void **state)
{
    struct place *p = *state;
    struct identity back;
    struct err err = {0};
    put(p->file, "", 0600);
    assert_int_equal(identity_load(p->file, &back, &err), ERR_INVALID);
    put(p->file, "format = 1\nnonsense\n", 0600);
    assert_int_equal(identity_load(p->file, &back, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "line 2"));
    assert_int_equal(identity_load("/nonexistent/node.key", &back, &err), ERR_NOTFOUND);
}

/* Any single digit changed in a key, in the serial or in the names: the parts no longer fit, and no node runs with them. */
static void
test_key_file_whose_parts_do_not_fit(void **state)
{
    static const char *const keys[] = {"unit_id",      "root_key",         "recovery_key",
                                       "certificate",  "signing_seed",     "exchange_secret",
                                       "exchange_key", "transport_secret", "transport_key"};
    struct place *p = *state;
    struct identity back;
    struct err err = {0};
    assert_int_equal(identity_save(&p->id, p->file, &err), 0);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        char wanted[64];
        get(p, p->file);
        snprintf(wanted, sizeof(wanted), "\n%s = ", keys[i]);
        char *at = strstr(p->text, wanted);
        assert_non_null(at);
        at += strlen(wanted) + 20;
        *at = *at == '0' ? '1' : '0';
        char other[TEST_PATH_MAX + 24];
        snprintf(other, sizeof(other), "%s.changed", p->file);
        put(other, p->text, 0600);
        if (identity_load(other, &back, &err) != ERR_INVALID)
            fail_msg("%s is changed and was accepted", keys[i]);
    }
    get(p, p->file);
    char *at = strstr(p->text, "production = no");
    assert_non_null(at);
    memcpy(at, "production=yes ", 15);
    put(p->file, p->text, 0600);
    assert_int_equal(identity_load(p->file, &back, &err), ERR_INVALID);
}

static void
test_names_that_the_key_file_cannot_hold(void **state)
{
    static const char *const bad[] = {"a ;b", " a", "a ", ""};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct identity id = {.unit_code = "BE", .unit_name = {"B"}};
        struct identity_offline offline;
        struct err err = {0};
        uint64_t drawn = 1;
        snprintf(id.federation_name.s, sizeof(id.federation_name.s), "%s", bad[i]);
        assert_int_equal(identity_create(&id, test_draw, &drawn, &offline, &err), ERR_INVALID);
        assert_string_equal(err.field, "federation");
    }
}

static void
test_secret_file(void **state)
{
    struct place *p = *state;
    uint8_t secret[32] = {1, 2, 3}, back[32];
    struct err err = {0};
    assert_int_equal(secret_file_write(p->file, "a secret", secret, &err), 0);
    assert_int_equal(secret_file_read(p->file, back, &err), 0);
    assert_memory_equal(secret, back, sizeof(back));
    assert_int_equal(secret_file_write(p->file, "a secret", secret, &err), ERR_EXISTS);
    put(p->file, "; nothing\n", 0600);
    assert_int_equal(secret_file_read(p->file, back, &err), ERR_INVALID);
    put(p->file, "secret = 0102\n", 0600);
    assert_int_equal(secret_file_read(p->file, back, &err), ERR_INVALID);
}

/* ---- smartnode.conf ---- */

static void
test_config_round_trip_of_every_key(void **state)
{
    struct place *p = *state;
    struct err err = {0};
    struct config c, back;
    memset(&c, 0, sizeof(c));
    memset(&back, 0, sizeof(back));
    snprintf(c.sync_listen, sizeof(c.sync_listen), "tcp://0.0.0.0:7441");
    c.n_advertise = 2;
    snprintf(c.advertise[0], sizeof(c.advertise[0]), "tcp://a.example.org:1");
    snprintf(c.advertise[1], sizeof(c.advertise[1]), "tcp://[2001:db8::1]:2");
    c.residency = RESIDENCY_FEDERATION;
    c.unit_gib_max = 7;
    c.lookups_per_hour = 0;
    c.foreign_days_max = 12;
    c.n_keep = 2;
    snprintf(c.keep[0], sizeof(c.keep[0]), "NL");
    snprintf(c.keep[1], sizeof(c.keep[1]), "FR");
    snprintf(c.http_listen, sizeof(c.http_listen), "::1");
    c.http_port = 8441;
    c.http_threads = 3;
    snprintf(c.tls_cert, sizeof(c.tls_cert), "/etc/cert.pem");
    snprintf(c.tls_key, sizeof(c.tls_key), "/etc/key.pem");
    c.map_gib = 3;
    c.vault_map_gib = 2;
    c.vault_backup_days = 0;
    c.silent_days = 21;
    c.log_format = LOG_FORMAT_JSON;
    c.allow_clock_back = true;
    assert_int_equal(config_write(p->file, &c, &err), 0);
    if (config_load(p->file, &back, &err) != 0)
        fail_msg("%s", err.text);
    assert_string_equal(back.sync_listen, c.sync_listen);
    assert_int_equal(back.n_advertise, 2);
    assert_string_equal(back.advertise[0], c.advertise[0]);
    assert_string_equal(back.advertise[1], c.advertise[1]);
    assert_int_equal(back.residency, c.residency);
    assert_int_equal(back.unit_gib_max, 7);
    assert_int_equal(back.lookups_per_hour, 0);
    assert_int_equal(back.foreign_days_max, 12);
    assert_int_equal(back.n_keep, 2);
    assert_string_equal(back.keep[0], "NL");
    assert_string_equal(back.keep[1], "FR");
    assert_string_equal(back.http_listen, c.http_listen);
    assert_int_equal(back.http_port, 8441);
    assert_int_equal(back.http_threads, 3);
    assert_string_equal(back.tls_cert, c.tls_cert);
    assert_string_equal(back.tls_key, c.tls_key);
    assert_int_equal(back.map_gib, 3);
    assert_int_equal(back.vault_map_gib, 2);
    assert_int_equal(back.vault_backup_days, 0);
    assert_int_equal(back.silent_days, 21);
    assert_int_equal(back.log_format, LOG_FORMAT_JSON);
    assert_true(back.allow_clock_back);
    assert_int_equal(config_write(p->file, &c, &err), ERR_EXISTS);
}

static void
test_config_names_line_and_key(void **state)
{
    static const struct {
        const char *text, *field, *line;
    } cases[] = {
        {"[sync]\nlisten = none\nlisten_on = x\n", "sync.listen_on", "line 3"},
        {"[http]\nport = 70000\n", "http.port", "line 2"},
        {"[http]\n\nport = 80x\n", "http.port", "line 3"},
        {"[sync]\nlisten = udp://x:1\n", "sync.listen", "line 2"},
        {"[sync]\nkeep = nl\n", "sync.keep", "line 2"},
        {"[storage]\nmap_gib = 0\n", "storage.map_gib", "line 2"},
        {"[clock]\nallow_clock_back = maybe\n", "clock.allow_clock_back", "line 2"},
        {"[log]\nformat = xml\n", "log.format", "line 2"},
        {"[nosuch]\nkey = 1\n", "nosuch.key", "line 2"},
    };
    struct place *p = *state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct config c;
        struct err err = {0};
        put(p->file, cases[i].text, 0644);
        assert_int_equal(config_load(p->file, &c, &err), ERR_INVALID);
        assert_string_equal(err.field, cases[i].field);
        assert_non_null(strstr(err.text, cases[i].line));
    }
}

static bool
names(const struct config_mistakes *m, unsigned line, const char *field, const char *text)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->list[i].line == line && strcmp(m->list[i].field, field) == 0 && strstr(m->list[i].text, text))
            return true;
    return false;
}

static void
test_config_check_names_every_mistake_with_what_to_do(void **state)
{
    struct place *p = *state;
    static struct config_mistakes m;
    struct config c;
    struct err err = {0};
    put(p->file,
        "; a comment\n[http]\nport = 70000\nprot = 1\n\njust words\nlisten = localhost\n[sync]\nlisten = none\n"
        "listen = none\nnonsense = 1\n[http\nthreads = 0\n[storage]\nmap_gib=2\n",
        0644);
    assert_int_equal(config_check(p->file, &c, &m, &err), ERR_INVALID);
    assert_true(names(&m, 3, "http.port", "a port from 0 to 65535"));
    assert_true(names(&m, 4, "http.prot", "did you mean port in [http]?"));
    assert_true(names(&m, 6, "", "not key = value"));
    assert_true(names(&m, 7, "http.listen", "numeric address"));
    assert_true(names(&m, 10, "sync.listen", "in line 9 already"));
    assert_true(names(&m, 11, "sync.nonsense", "unknown key"));
    assert_true(names(&m, 12, "", "not key = value"));
    assert_int_equal(m.n, 8);
    assert_non_null(strstr(err.text, "line 3"));
    assert_non_null(strstr(err.text, "and 7 more"));
}

static void
test_config_of_endless_mistakes_counts_what_it_does_not_list(void **state)
{
    struct place *p = *state;
    static struct config_mistakes m;
    static char text[8 * 1000 + 1];
    struct config c;
    struct err err = {0};
    for (size_t i = 0; i < 1000; i++)
        memcpy(text + 8 * i, "words  \n", 8);
    put(p->file, text, 0644);
    assert_int_equal(config_check(p->file, &c, &m, &err), ERR_INVALID);
    assert_int_equal(m.n, CONFIG_MISTAKES_MAX);
    assert_int_equal(m.more, 1000 - CONFIG_MISTAKES_MAX);
}

/* ---- the directory ---- */

static void
make(struct place *p)
{
    struct err err = {0};
    if (datadir_create(p->data, &p->config, &p->id, &err) != 0)
        fail_msg("%s", err.text);
}

static void
test_second_process_is_busy(void **state)
{
    struct place *p = *state;
    struct datadir d;
    struct err err = {0};
    int status = 0;
    make(p);
    assert_int_equal(datadir_holder(p->data), 0);
    assert_int_equal(datadir_open(p->data, DATADIR_WRITER, &d, &err), 0);
    assert_int_equal(datadir_holder(p->data), getpid());
    pid_t child = fork();
    if (child == 0) {
        struct datadir other;
        int rc = datadir_open(p->data, DATADIR_WRITER, &other, &err);
        _exit(rc == ERR_BUSY && strstr(err.text, "in use by process") ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    datadir_close(&d);
    assert_int_equal(datadir_open(p->data, DATADIR_WRITER, &d, &err), 0);
    datadir_close(&d);
}

/* Only who said that it hears is sent the signal: it would end an import. */
static void
test_nudge_leaves_others_alone(void **state)
{
    struct place *p = *state;
    struct datadir d;
    struct err err = {0};
    sigset_t set, pending;
    make(p);
    assert_int_equal(datadir_open(p->data, DATADIR_WRITER, &d, &err), 0);
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    assert_int_equal(sigprocmask(SIG_BLOCK, &set, NULL), 0);
    datadir_nudge(p->data);
    assert_int_equal(sigpending(&pending), 0);
    assert_false(sigismember(&pending, SIGHUP));
    datadir_announce(&d);
    assert_int_equal(datadir_holder(p->data), getpid());
    datadir_nudge(p->data);
    assert_int_equal(sigpending(&pending), 0);
    assert_true(sigismember(&pending, SIGHUP));
    int got = 0;
    assert_int_equal(sigwait(&set, &got), 0);
    assert_int_equal(sigprocmask(SIG_UNBLOCK, &set, NULL), 0);
    datadir_close(&d);
}

static void
test_another_units_key(void **state)
{
    struct place *p = *state;
    struct identity other;
    struct datadir d;
    struct err err = {0};
    char key[TEST_PATH_MAX + 32];
    make(p);
    snprintf(key, sizeof(key), "%s/node.key", p->data);
    test_identity_make(&other, "NL", 9);
    assert_int_equal(unlink(key), 0);
    assert_int_equal(identity_save(&other, key, &err), 0);
    assert_int_equal(datadir_open(p->data, DATADIR_WRITER, &d, &err), ERR_CONFLICT);
}

static void
test_no_node_there(void **state)
{
    struct place *p = *state;
    struct datadir d;
    struct err err = {0};
    assert_int_equal(datadir_open(p->data, DATADIR_WRITER, &d, &err), ERR_NOTFOUND);
    assert_non_null(strstr(err.text, "smartnode init"));
}

static void
test_create_over_a_node_changes_nothing(void **state)
{
    struct place *p = *state;
    struct identity other;
    struct datadir d;
    struct err err = {0};
    make(p);
    test_identity_make(&other, "NL", 9);
    assert_int_equal(datadir_create(p->data, &p->config, &other, &err), ERR_EXISTS);
    assert_int_equal(datadir_open(p->data, DATADIR_WRITER, &d, &err), 0);
    assert_string_equal(d.identity.unit_code, "BE");
    datadir_close(&d);
}

static void
test_create_over_an_interrupted_one_says_so(void **state)
{
    struct place *p = *state;
    struct err err = {0};
    char key[TEST_PATH_MAX + 32];
    make(p);
    snprintf(key, sizeof(key), "%s/node.key", p->data);
    assert_int_equal(unlink(key), 0);
    assert_int_equal(datadir_create(p->data, &p->config, &p->id, &err), ERR_EXISTS);
    assert_non_null(strstr(err.text, "interrupted"));
    snprintf(key, sizeof(key), "%s/main/data.mdb", p->data);
    assert_int_equal(access(key, F_OK), 0);
}

/* A configuration with which no node could start is found before there is a node, and leaves nothing. */
static void
test_create_that_fails_leaves_nothing(void **state)
{
    struct place *p = *state;
    struct err err = {0};
    snprintf(p->config.sync_listen, sizeof(p->config.sync_listen), "nonsense");
    assert_int_equal(datadir_create(p->data, &p->config, &p->id, &err), ERR_INVALID);
    assert_string_equal(err.field, "sync.listen");
    assert_int_not_equal(access(p->data, F_OK), 0);
    snprintf(p->config.sync_listen, sizeof(p->config.sync_listen), "none");
    make(p);
}

static void
test_create_in_a_directory_of_something_else_changes_nothing(void **state)
{
    struct place *p = *state;
    struct err err = {0};
    char file[TEST_PATH_MAX + 32];
    assert_int_equal(mkdir(p->data, 0700), 0);
    snprintf(file, sizeof(file), "%s/thesis.odt", p->data);
    put(file, "x", 0600);
    assert_int_equal(datadir_create(p->data, &p->config, &p->id, &err), ERR_EXISTS);
    assert_non_null(strstr(err.text, "thesis.odt"));
    assert_int_equal(unlink(file), 0);
    assert_int_equal(rmdir(p->data), 0); /* empty */
}

static void
test_a_node_that_is_unmade_leaves_what_was_there_before(void **state)
{
    struct place *p = *state;
    char file[TEST_PATH_MAX + 32];
    struct datadir_before before = datadir_before(p->data);
    make(p);
    datadir_unmake(p->data, before);
    assert_int_not_equal(access(p->data, F_OK), 0);
    assert_int_equal(mkdir(p->data, 0700), 0);
    snprintf(file, sizeof(file), "%s/smartnode.conf", p->data);
    put(file, "[sync]\nlisten = none\n", 0600);
    before = datadir_before(p->data);
    make(p);
    datadir_unmake(p->data, before);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(rmdir(p->data), 0);
}

/* As systemd hands it over: readable by one more user, which the group's bits show. */
static void
test_the_vaults_key_may_come_from_the_service_manager(void **state)
{
    struct place *p = *state;
    struct datadir d;
    struct err err = {0};
    char key[TEST_PATH_MAX + 32], handed[TEST_PATH_MAX + 32];
    make(p);
    snprintf(key, sizeof(key), "%s/vault.key", p->data);
    snprintf(handed, sizeof(handed), "%s/" VAULT_KEY_CREDENTIAL, p->dir);
    assert_int_equal(rename(key, handed), 0);
    assert_int_equal(datadir_open(p->data, DATADIR_READER, &d, &err), ERR_NOTFOUND);
    assert_non_null(strstr(err.text, VAULT_KEY_CREDENTIAL));
    assert_int_equal(setenv("CREDENTIALS_DIRECTORY", p->dir, 1), 0);
    assert_int_equal(chmod(handed, 0440), 0);
    assert_int_equal(datadir_open(p->data, DATADIR_READER, &d, &err), 0);
    datadir_close(&d);
    assert_int_equal(chmod(handed, 0444), 0);
    assert_int_equal(datadir_open(p->data, DATADIR_READER, &d, &err), ERR_DENIED);
    assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_key_file_round_trip),
        T(test_key_file_that_others_may_read),
        T(test_key_file_of_a_newer_program),
        T(test_key_file_garbage),
        T(test_key_file_whose_parts_do_not_fit),
        T(test_names_that_the_key_file_cannot_hold),
        T(test_secret_file),
        T(test_config_round_trip_of_every_key),
        T(test_config_names_line_and_key),
        T(test_config_check_names_every_mistake_with_what_to_do),
        T(test_config_of_endless_mistakes_counts_what_it_does_not_list),
        T(test_second_process_is_busy),
        T(test_nudge_leaves_others_alone),
        T(test_another_units_key),
        T(test_no_node_there),
        T(test_create_over_a_node_changes_nothing),
        T(test_create_over_an_interrupted_one_says_so),
        T(test_create_that_fails_leaves_nothing),
        T(test_create_in_a_directory_of_something_else_changes_nothing),
        T(test_a_node_that_is_unmade_leaves_what_was_there_before),
        T(test_the_vaults_key_may_come_from_the_service_manager),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
