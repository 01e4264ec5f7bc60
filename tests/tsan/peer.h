/* Agents for the programs here: clients of libssh's, each on a thread of its
 * own, that any server of ours lets in; they have it listen, and serve what
 * comes. */
#ifndef CULVERT_TESTS_TSAN_PEER_H
#define CULVERT_TESTS_TSAN_PEER_H

#include <errno.h>
#include <libssh/libssh.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transport/base/addr.h"
#include "transport/base/admit.h"
#include "transport/loop/worker.h"

/* A greeting and a request for a name of one letter, and the answer. */
#define PEER_ASKED_BYTES  12
#define PEER_ANSWER       "\5\0\5\0\0\1\0\0\0\0\0\0"
#define PEER_ANSWER_BYTES 12

/* How long one looks at its socket before it sees what else there is. */
#define PEER_TICK_MS 5

/* --- admission: everybody ------------------------------------------------- */

static struct {
    atomic_uint granted;
    atomic_uint released;
} peer_grants;

struct peer_answer {
    struct task task;
    struct admit_ask *ask;
};

static inline void
peer_answer(struct task *task)
{
    struct peer_answer *answer = (struct peer_answer *)(void *)task;
    struct admit_ask *ask = answer->ask;

    ask->err = ERR_OK;
    ask->grant = &peer_grants;
    peer_grants.granted++;
    free(answer);
    ask->answered(ask);
}

static inline bool
peer_start(void *arg, struct admit_ask *ask)
{
    struct peer_answer *made = calloc(1, sizeof(*made));

    (void)arg;
    made->task.run = peer_answer;
    made->ask = ask;
    ask->state_ = made;
    worker_defer(ask->worker, &made->task);
    return true;
}

static inline void
peer_cancel(void *arg, struct admit_ask *ask)
{
    struct peer_answer *made = ask->state_;

    (void)arg;
    worker_undefer(ask->worker, &made->task);
    free(made);
}

static inline void
peer_release(void *arg, void *grant)
{
    (void)arg;
    if (grant != &peer_grants)
        abort();
    peer_grants.released++;
}

static inline bool
peer_yes(void *arg)
{
    (void)arg;
    return true;
}

static const struct admit_ops peer_admit = {
    peer_start, peer_cancel, peer_release, peer_yes, peer_yes,
};

/* --- agents --------------------------------------------------------------- */

/* Sockets that stay open to keep ports. */
static unsigned peer_guards;

/* Binds one, which does not listen. Writes -1 where somebody has the port. */
static inline void
peer_guard(const char *host, int *port)
{
    union addr addr;
    socklen_t len = sizeof(addr);
    int on = 1;
    int fd;

    addr_parse(&addr, host, strlen(host), (uint16_t)*port);
    fd = socket(addr.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    peer_guards++;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, &addr.sa, addr_len(&addr)) == 0 &&
        getsockname(fd, &addr.sa, &len) == 0)
        *port = addr_port(&addr);
    else if (errno == EADDRINUSE)
        *port = -1;
}

/* A port of both loopbacks that only those get who ask for it by its number, as
 * sockets of ports do (SO_REUSEADDR): it is kept by sockets that stay open
 * until the program ends. */
static inline int
peer_reserve(void)
{
    int port;

    do {
        port = 0;
        peer_guard("127.0.0.1", &port);
        if (port > 0)
            peer_guard("::1", &port);
    } while (port < 0);
    return port;
}

/* A blocking socket connected to addr, or -1. */
static inline int
peer_dial(const union addr *addr)
{
    int fd = socket(addr->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 && connect(fd, &addr->sa, addr_len(addr)) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Logs in to a server under this name. NULL where it lets nobody in. */
static inline ssh_session
peer_log_in(const union addr *addr, const char *name)
{
    int fd = peer_dial(addr);
    ssh_session session;
    bool off = false;
    long patience = 60;

    if (fd < 0)
        return NULL;
    session = ssh_new();
    ssh_options_set(session, SSH_OPTIONS_PROCESS_CONFIG, &off);
    ssh_options_set(session, SSH_OPTIONS_HOST, "127.0.0.1");
    ssh_options_set(session, SSH_OPTIONS_USER, name);
    ssh_options_set(session, SSH_OPTIONS_TIMEOUT, &patience);
    ssh_options_set(session, SSH_OPTIONS_KNOWNHOSTS, "/dev/null");
    ssh_options_set(session, SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null");
    ssh_options_set(session, SSH_OPTIONS_FD, &fd);
    if (ssh_connect(session) == SSH_OK &&
        ssh_userauth_password(session, NULL, "yes") == SSH_AUTH_SUCCESS)
        return session;
    ssh_free(session); /* with its descriptor */
    return NULL;
}

/* Has the server listen at a port. Not at 0: libssh reads the answer from its
 * last packet, which the one behind that may be. */
static inline bool
peer_listen(ssh_session session, const char *address, int port)
{
    int rc = ssh_channel_listen_forward(session, address, port, NULL);

    return rc == SSH_OK;
}

/* Says its word on a channel, and waits for the end of that; behind a SOCKS
 * port it has been asked for a target before. */
static inline void
peer_speak(ssh_channel channel, bool is_socks, const char *word)
{
    char bytes[PEER_ASKED_BYTES];
    int len = 0;
    int got = 1;

    while (is_socks && len < PEER_ASKED_BYTES && got > 0) {
        got = ssh_channel_read(channel, bytes + len,
                               (uint32_t)(PEER_ASKED_BYTES - len), 0);
        len += got > 0 ? got : 0;
    }
    if (got > 0 && is_socks)
        ssh_channel_write(channel, PEER_ANSWER, PEER_ANSWER_BYTES);
    if (got > 0) {
        ssh_channel_write(channel, word, (uint32_t)strlen(word));
        ssh_channel_send_eof(channel);
    }
    while (got > 0)
        got = ssh_channel_read(channel, bytes, sizeof(bytes), 0);
    ssh_channel_close(channel);
    ssh_channel_free(channel);
}

/* Serves all who have come by now; at socks by SOCKS, at another port with the
 * word alone. Waits a little for the first. */
static inline void
peer_serve(ssh_session session, int socks, const char *word)
{
    struct pollfd news = {.fd = ssh_get_fd(session), .events = POLLIN};
    ssh_channel channel;
    int port = 0;

    if (news.fd >= 0)
        poll(&news, 1, PEER_TICK_MS);
    while ((channel =
                ssh_channel_open_forward_port(session, 0, &port, NULL, NULL)))
        peer_speak(channel, port == socks, word);
}

#endif
