/* Two and three nodes' sockets in one thread: who may connect, what arrives, who is named, what happens to the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <zmq.h>

#include "node/net/net.h"
#include "proto/crypto.h"

enum { PATIENCE = 400, POLL_MS = 25 }; /* turns until a test gives up: about 10 s */

struct side {
    struct net *net;
    struct box_public key;
    struct box_secret secret;
    struct unit_id unit;
    struct box_public trusted;
    struct unit_id trusted_unit;
    bool trusts;
    uint32_t conn;
    unsigned messages, downs, refused;
    uint8_t last[64];
    size_t last_len;
    struct unit_id last_unit;
};

static bool
admit(void *arg, const struct box_public *key, struct unit_id *ret)
{
    struct side *s = arg;
    if (!s->trusts || !TYPE_EQ(key, &s->trusted))
        return false;
    *ret = s->trusted_unit;
    return true;
}

static void
side_init(struct side *s, uint8_t seed, bool listens)
{
    uint8_t raw[32];
    memset(raw, seed, sizeof(raw));
    *s = (struct side){.trusts = true};
    crypto_keypair_box(raw, &s->key, &s->secret);
    memset(s->unit.b, seed, sizeof(s->unit.b));
    struct net_config c = {
        .public_key = s->key, .listen = listens ? "tcp://127.0.0.1:*" : NULL, .admit = admit, .arg = s};
    memcpy(c.secret_key, s->secret.b, KEY_BYTES);
    struct err err;
    assert_int_equal(net_new(&c, &s->net, &err), 0);
}

static void
trust(struct side *a, const struct side *b)
{
    a->trusted = b->key;
    a->trusted_unit = b->unit;
}

static void
turn(struct side *s)
{
    struct net_event ev;
    assert_int_equal(net_poll(s->net, POLL_MS, &ev, NULL), 0);
    if (ev.type == NET_UP)
        s->conn = ev.conn;
    s->downs += ev.type == NET_DOWN;
    s->refused += ev.type == NET_REFUSED;
    if (ev.type == NET_MESSAGE) {
        s->messages++;
        s->last_unit = ev.unit;
        s->last_len = ev.bytes.len;
        memcpy(s->last, ev.bytes.data, ev.bytes.len < sizeof(s->last) ? ev.bytes.len : sizeof(s->last));
    }
}

static void
pair(struct side *listener, struct side *dialler)
{
    struct err err;
    side_init(listener, 1, true);
    side_init(dialler, 2, false);
    trust(listener, dialler);
    trust(dialler, listener);
    assert_int_equal(net_dial(dialler->net, &listener->unit, &listener->key, net_listen_endpoint(listener->net), &err),
                     0);
}

static void
test_a_message_names_the_unit_of_the_key_that_sent_it(void **state)
{
    (void)state;
    struct side a, b;
    pair(&a, &b);
    for (int i = 0; i < PATIENCE && b.conn == 0; i++)
        turn(&b), turn(&a);
    assert_int_not_equal(b.conn, 0);
    assert_true(net_send(b.net, b.conn, slice_of("hello", 5)));
    for (int i = 0; i < PATIENCE && a.messages == 0; i++)
        turn(&a), turn(&b);
    assert_int_equal(a.messages, 1);
    assert_int_equal(a.last_len, 5);
    assert_memory_equal(a.last_unit.b, b.unit.b, sizeof(b.unit.b));
    assert_true(net_send(a.net, a.conn, slice_of("back", 4)));
    for (int i = 0; i < PATIENCE && b.messages == 0; i++)
        turn(&b), turn(&a);
    assert_memory_equal(b.last, "back", 4);
    assert_memory_equal(b.last_unit.b, a.unit.b, sizeof(a.unit.b));
    net_free(&a.net);
    net_free(&b.net);
}

static void
test_a_key_that_is_not_trusted_gets_no_connection_and_is_told_so(void **state)
{
    (void)state;
    struct side a, b;
    pair(&a, &b);
    a.trusts = false;
    for (int i = 0; i < PATIENCE && b.refused == 0; i++)
        turn(&b), turn(&a);
    assert_true(b.refused > 0);
    assert_int_equal(b.conn, 0);
    assert_int_equal(a.conn, 0);
    net_free(&a.net);
    net_free(&b.net);
}

static void
test_a_server_with_another_key_than_the_card_says_is_refused(void **state)
{
    (void)state;
    struct side a, b, impostor;
    struct err err;
    side_init(&a, 1, false);
    side_init(&b, 2, false);
    side_init(&impostor, 3, true);
    trust(&impostor, &b);
    assert_int_equal(net_dial(b.net, &a.unit, &a.key, net_listen_endpoint(impostor.net), &err), 0);
    for (int i = 0; i < 40; i++)
        turn(&b), turn(&impostor);
    assert_int_equal(b.conn, 0);
    assert_int_equal(impostor.messages, 0);
    net_free(&a.net);
    net_free(&b.net);
    net_free(&impostor.net);
}

static void
test_a_restarted_listener_is_reached_again(void **state)
{
    (void)state;
    struct side a, b;
    struct err err;
    pair(&a, &b);
    for (int i = 0; i < PATIENCE && b.conn == 0; i++)
        turn(&b), turn(&a);
    char endpoint[NET_ENDPOINT_MAX];
    snprintf(endpoint, sizeof(endpoint), "%s", net_listen_endpoint(a.net));
    uint32_t before = b.conn;
    net_free(&a.net);
    for (int i = 0; i < PATIENCE && b.downs == 0; i++)
        turn(&b);
    assert_int_equal(b.downs, 1);
    struct net_config c = {.public_key = a.key, .listen = endpoint, .admit = admit, .arg = &a};
    memcpy(c.secret_key, a.secret.b, KEY_BYTES);
    assert_int_equal(net_new(&c, &a.net, &err), 0);
    for (int i = 0; i < PATIENCE && b.conn == before; i++)
        turn(&b), turn(&a);
    assert_int_not_equal(b.conn, before);
    net_free(&a.net);
    net_free(&b.net);
}

static void
test_a_port_in_use_is_an_error_that_says_so(void **state)
{
    (void)state;
    struct side a;
    struct err err;
    side_init(&a, 1, true);
    struct net_config c = {.public_key = a.key, .listen = net_listen_endpoint(a.net), .admit = admit, .arg = &a};
    memcpy(c.secret_key, a.secret.b, KEY_BYTES);
    struct net *second = NULL;
    assert_int_equal(net_new(&c, &second, &err), ERR_BUSY);
    assert_non_null(strstr(err.text, "in use"));
    assert_null(second);
    net_free(&a.net);
}

static void
test_a_closed_connection_takes_no_more(void **state)
{
    (void)state;
    struct side a, b;
    pair(&a, &b);
    for (int i = 0; i < PATIENCE && b.conn == 0; i++)
        turn(&b), turn(&a);
    net_close(b.net, b.conn, 60000);
    assert_false(net_send(b.net, b.conn, slice_of("x", 1)));
    assert_false(net_send(b.net, 0, slice_of("x", 1)));
    net_free(&a.net);
    net_free(&b.net);
}

static void
test_a_peer_that_does_not_read_is_cut_at_the_bound_of_its_queue(void **state)
{
    (void)state;
    struct side a, b;
    static uint8_t big[1000000];
    pair(&a, &b);
    for (int i = 0; i < PATIENCE && b.conn == 0; i++)
        turn(&b), turn(&a);
    unsigned sent = 0;
    while (net_send(b.net, b.conn, slice_of(big, sizeof(big))))
        sent++;
    assert_true(sent >= NET_QUEUE_BYTES_MAX / sizeof(big));
    assert_true(sent < 400);
    net_free(&a.net);
    net_free(&b.net);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_message_names_the_unit_of_the_key_that_sent_it),
        cmocka_unit_test(test_a_key_that_is_not_trusted_gets_no_connection_and_is_told_so),
        cmocka_unit_test(test_a_server_with_another_key_than_the_card_says_is_refused),
        cmocka_unit_test(test_a_restarted_listener_is_reached_again),
        cmocka_unit_test(test_a_port_in_use_is_an_error_that_says_so),
        cmocka_unit_test(test_a_closed_connection_takes_no_more),
        cmocka_unit_test(test_a_peer_that_does_not_read_is_cut_at_the_bound_of_its_queue),
    };
    return cmocka_run_group_tests_name("net", tests, NULL, NULL);
}
