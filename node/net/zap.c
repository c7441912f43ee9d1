/* Who may connect: the ZAP handler (RFC 27/ZAP) that libzmq asks for each handshake. See net.h. */
#include <string.h>

#include "node/net/net_private.h"

int
net_open_zap(struct net *n, struct err *err)
{
    n->zap = zmq_socket(n->context, ZMQ_REP);
    if (!n->zap || net_set_int(n->zap, ZMQ_LINGER, 0) != 0 || zmq_bind(n->zap, ZAP_ENDPOINT) != 0) {
        (void)net_zmq_error(err, "ZAP handler");
        return err_set(err, ERR_UNAVAILABLE, "the handler that admits peers cannot start; nothing listens");
    }
    return 0;
}

/* ---- ZAP (RFC 27/ZAP): version, request id, domain, address, identity, mechanism, credentials ---- */
void
net_zap_handle(struct net *n)
{
    char version[8] = "", mechanism[16] = "", domain[32] = "";
    uint8_t request_id[64], key[KEY_BYTES + 1];
    int request_id_len = 0, key_len = 0, frame = 0, more = 1;
    size_t more_len = sizeof(more);
    for (; more; frame++) {
        zmq_msg_t m;
        zmq_msg_init(&m);
        int len = zmq_msg_recv(&m, n->zap, ZMQ_DONTWAIT);
        if (len < 0) {
            zmq_msg_close(&m);
            return;
        }
        const char *p = zmq_msg_data(&m);
        if (frame == 0 && len < (int)sizeof(version))
            memcpy(version, p, (size_t)len);
        else if (frame == 1 && len <= (int)sizeof(request_id))
            memcpy(request_id, p, (size_t)(request_id_len = len));
        else if (frame == 2 && len < (int)sizeof(domain))
            memcpy(domain, p, (size_t)len);
        else if (frame == 5 && len < (int)sizeof(mechanism))
            memcpy(mechanism, p, (size_t)len);
        else if (frame == 6 && len <= KEY_BYTES)
            memcpy(key, p, (size_t)(key_len = len));
        zmq_msg_close(&m);
        zmq_getsockopt(n->zap, ZMQ_RCVMORE, &more, &more_len);
    }
    struct unit_id unit;
    struct box_public public_key;
    bool ok = frame == 7 && strcmp(version, "1.0") == 0 && strcmp(domain, ZAP_DOMAIN) == 0 &&
              strcmp(mechanism, "CURVE") == 0 && key_len == KEY_BYTES;
    if (ok) {
        memcpy(public_key.b, key, KEY_BYTES);
        ok = n->config.admit(n->config.arg, &public_key, &unit);
    }
    char user_id[HEX32_MAX] = "";
    if (ok)
        hex_encode(unit.b, sizeof(unit.b), user_id);
    const char *status = ok ? "200" : "400";
    const char *text = ok ? "OK" : "not trusted";
    zmq_send(n->zap, version, strlen(version), ZMQ_SNDMORE);
    zmq_send(n->zap, request_id, (size_t)request_id_len, ZMQ_SNDMORE);
    zmq_send(n->zap, status, 3, ZMQ_SNDMORE);
    zmq_send(n->zap, text, strlen(text), ZMQ_SNDMORE);
    zmq_send(n->zap, user_id, strlen(user_id), ZMQ_SNDMORE);
    zmq_send(n->zap, "", 0, 0);
}
