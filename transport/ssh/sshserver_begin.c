/* A login's beginning: whether it is its turn, and the session that it gets. */
#include "transport/ssh/sshserver_parts.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include "transport/base/clock.h"
#include "transport/ssh/sshaes.h"

/* What sshd says to those it keeps out. */
#define NOT_ALLOWED "Not allowed at this time\r\n"

#define RUN_OF(pointer, member)                                         \
    ((struct sshserver_login_run *)(void *)((char *)(pointer)-offsetof( \
        struct sshserver_login_run, member)))

static int
methods(const struct sshserver_config *config)
{
    int keys = config->admit->has_keys(config->admit_arg)
                   ? SSH_AUTH_METHOD_PUBLICKEY
                   : 0;
    int passwords = config->admit->has_passwords(config->admit_arg)
                        ? SSH_AUTH_METHOD_PASSWORD
                        : 0;

    return keys | passwords;
}

/* A client's first bytes are its version, and what it sends when it has ours:
 * one round trip. */
static double
patience(const struct sshserver_login_run *run)
{
    struct tcp_info info;
    socklen_t len = sizeof(info);
    double round_trip = 0;

    if (getsockopt(run->fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0)
        round_trip = info.tcpi_rtt / 1e6;
    return run->loop->server->times.peek + (round_trip < 1 ? round_trip : 1);
}

/* Makes the session, which sends our version and is told of nothing that there
 * is to read. */
static bool
open_session(struct sshserver_login_run *run)
{
    const int on = 1;

    setsockopt(run->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    run->session = ssh_new();
    if (!run->session)
        return false; /* Where memory is short it can't be told whether libssh
                       * has it now, as there may be no socket to ask: rather is
                       * it lost than closed twice. */
    run->is_taken = true;
    if (ssh_bind_accept_fd(run->loop->bind, run->session, run->fd) != SSH_OK)
        return false;
    sshserver_set_nonblocking(run->fd);
    ssh_set_blocking(run->session, 0);
    ssh_set_auth_methods(run->session, methods(&run->loop->server->config));
    if (sshio_attach(run->fd, &run->io) != ERR_OK ||
        ssh_handle_key_exchange(run->session) != SSH_AGAIN)
        return false;
    run->event = ssh_event_new();
    return run->event &&
           ssh_event_add_session(run->event, run->session) == SSH_OK;
}

static void
begin(struct sshserver_login_run *run)
{
    DL_DELETE(run->loop->queue, run);
    DL_APPEND(run->loop->logins, run);
    run->state = sshaes_is_fast() ? SSHSERVER_PEEKING : SSHSERVER_EXCHANGE;
    sshserver_login_watch(run, patience(run));
    if (!open_session(run))
        sshserver_login_end(run, SSHSERVER_OUR, "out of memory");
    else
        sshserver_login_step(run);
}

static void
on_displaced(struct mail *mail)
{
    struct sshserver_login_run *run = RUN_OF(mail, displaced);

    run->is_displaced = false;
    if (run->has_ended)
        free(run);
    else
        sshserver_login_end(run, SSHSERVER_OUR,
                            "too many logins: a newer one takes its place");
}

/* Under the lock, so that it can't be freed meanwhile; on any loop. */
static void
displace(struct sshsource_guest *guest)
{
    struct sshserver_login_run *run = RUN_OF(guest, guest);

    run->is_displaced = true;
    run->displaced.run = on_displaced;
    worker_post(run->loop->worker, &run->displaced);
}

/* As far as the socket takes it. */
static void
say(int fd, const char *word)
{
    ssize_t n = send(fd, word, strlen(word), MSG_NOSIGNAL);

    (void)n; /* it may be gone: nothing to do about it */
}

/* Ends one that has no session yet, with a word for it or without (NULL). */
static void
turn_away(struct sshserver_login_run *run, const char *why, const char *word)
{
    sshserver_log_turned_away(run->loop, &run->peer, why);
    if (word)
        say(run->fd, word);
    deadline_stop(&run->exchange);
    deadline_stop(&run->whole);
    close(run->fd);
    sshserver_login_forget(run);
}

void
sshserver_login_retry(struct sshserver_login_run *run)
{
    struct sshserver *server = run->loop->server;
    struct sshsource_guest *victim;
    enum sshsource_answer answer;

    pthread_mutex_lock(&server->lock);
    answer = sshsource_enter(&server->sources, &run->guest, &run->peer,
                             clock_seconds(), &victim);
    if (victim)
        displace(victim);
    pthread_mutex_unlock(&server->lock);
    switch (answer) {
    case SSHSOURCE_IN:
        begin(run);
        break;
    case SSHSOURCE_WAIT:
        break;
    case SSHSOURCE_BARRED:
        turn_away(run, "kept out after failed logins", NOT_ALLOWED);
        break;
    case SSHSOURCE_CROWDED:
        turn_away(run, "too many logins", NULL);
        break;
    case SSHSOURCE_NO_MEMORY:
        turn_away(run, "out of memory", NULL);
        break;
    }
}

void
sshserver_login_start(struct sshserver_loop *loop, int fd,
                      const union addr *peer)
{
    struct sshserver_login_run *run = calloc(1, sizeof(*run));

    if (!run) {
        close(fd);
        return;
    }
    run->loop = loop;
    run->fd = fd;
    run->peer = *peer;
    run->why = "";
    addr_unmap(&run->peer);
    DL_APPEND(loop->queue, run);
    deadline_start(&loop->exchange, &run->exchange);
    deadline_start(&loop->whole, &run->whole);
    sshserver_login_retry(run);
}
