/* The limit of a look-up: libmicrohttpd with a handler that does nothing but give the same bytes, one thread, as the node runs it.
 *   bench_mhd BYTES     prints the port it listens on; ends when standard input does */
#include <arpa/inet.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bench.h"

enum { BODY_BYTES_MAX = 65536 };

static struct MHD_Response *response;

/* An answer in the first call, before the request was read, would close the connection. */
static enum MHD_Result
handle(void *cls, struct MHD_Connection *c, const char *url, const char *method, const char *version, const char *body,
       size_t *body_len, void **request)
{
    static int seen;
    (void)cls, (void)url, (void)method, (void)version, (void)body, (void)body_len;
    if (!*request) {
        *request = &seen;
        return MHD_YES;
    }
    return MHD_queue_response(c, MHD_HTTP_OK, response);
}

int
main(int argc, char **argv)
{
    static char body[BODY_BYTES_MAX];
    uint64_t len = argc == 2 ? bench_number(argv[1], "BYTES") : 0;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (len < 1 || len > sizeof(body))
        bench_die("usage: bench_mhd BYTES (at most %d)", BODY_BYTES_MAX);
    memset(body, ' ', sizeof(body));
    response = MHD_create_response_from_buffer((size_t)len, body, MHD_RESPMEM_PERSISTENT);
    MHD_add_response_header(response, "Content-Type", "application/json");
    struct MHD_Daemon *d = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_TURBO, 0, NULL, NULL, handle, NULL,
                                            MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&a, MHD_OPTION_END);
    if (!d)
        bench_die("the server does not start");
    printf("%u\n", MHD_get_daemon_info(d, MHD_DAEMON_INFO_BIND_PORT)->port);
    fflush(stdout);
    while (getchar() != EOF)
        ;
    MHD_stop_daemon(d);
    MHD_destroy_response(response);
    return EXIT_SUCCESS;
}
