/* An HTTP server of node/api over a real database in a scratch directory, with a writer that the test plays itself, and a client
 * that sends exactly the bytes it is told. */
#ifndef SMARTNODE_TESTS_API_SERVER_H
#define SMARTNODE_TESTS_API_SERVER_H

#include <pthread.h>

#include "node/api/api.h"

enum { ANSWER_BYTES_MAX = 1 << 22 };

struct api_server {
    char dir[256]; /* TEST_PATH_MAX */
    struct db *db;
    struct api *api;
    struct api_deps deps;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int64_t mono_ms, wall_ms;
    enum api_readiness readiness;
    /* The writer. play: called for each job, in the http thread, before it is done; NULL = jobs wait for server_take. */
    void (*play)(struct api_server *s, struct api_job *job);
    enum err_code refuse; /* submit answers this */
    struct api_job *waiting;
    unsigned jobs;
    size_t job_ops[16]; /* operations of the first jobs */
    struct api_op last; /* copy of the last operation */
    uint64_t next_seq;
    void (*prepare)(struct api_server *s); /* set before server_start: fills db and deps before anything listens */
    struct vault *vault;                   /* closed by server_stop */
    char desk[TOKEN_TEXT_MAX], reports[TOKEN_TEXT_MAX], operator_token[TOKEN_TEXT_MAX], expired[TOKEN_TEXT_MAX],
        integration[TOKEN_TEXT_MAX];
};

/* Everything but prepare is overwritten. */
void server_start(struct api_server *s);
void server_stop(struct api_server *s);
/* Waits for a job that play left alone, and takes it. */
struct api_job *server_take(struct api_server *s);
/* Every operation succeeds with the next seq and a subject made of it. */
void server_accept(struct api_server *s, struct api_job *job);

/* A connection; answers end at Content-Length or at the end of the connection. */
int client_open(const struct api_server *s);
void client_send(int fd, const char *bytes, size_t len);
void client_text(int fd, const char *text);
/* Reads one answer, NUL-terminated; false at the end of the connection before any byte. */
bool client_answer(int fd, char *out, size_t cap);
/* True once the server has closed; what it sent before is in out. */
bool client_closed(int fd, char *out, size_t cap);
/* One request on a connection of its own. headers: lines with CRLF, or "". body NULL = none. Returns the status. */
int client_request(const struct api_server *s, const char *method, const char *target, const char *token,
                   const char *headers, const char *body, char *out, size_t cap);
int answer_status(const char *answer);

#endif
