#include "proxy/remote.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/permitopen.h"
#include "auth/rules.h"
#include "auth/sources.h"
#include "proxy/forward.h"
#include "proxy/row.h"
#include "proxy/session.h"
#include "transport/base/log.h"
#include "transport/ssh/sshremote.h"

/* Below this a port is root's, on most servers. */
#define PORT_PRIVILEGED 1024

/* What ssh has in the place of a port for a Unix socket, in its messages. */
#define SSH_PORT_UNIX (-2)

struct remote {
    struct remote_config config;
    struct sshremote *remote;
    char server[300]; /* "user@host:port" */

    struct mail news; /* its state has changed */
    atomic_bool has_news;

    /* As far as the control loop knows. */
    struct sshremote_state state;
    bool has_answered;
    bool closes;
    bool has_stood;  /* before now */
    bool said_wrong; /* that it was refused, since it stood last */
};

static const struct forward *
forward_of(const struct remote *remote)
{
    return remote->config.forward;
}

/* --- texts ---------------------------------------------------------------- */

static const char *
host_as_asked(const struct forward *forward)
{
    switch (forward->where) {
    case LISTEN_LOOPBACK:
        return "localhost";
    case LISTEN_ANY:
        return "*";
    case LISTEN_HOST:
    case LISTEN_UNIX:
        return forward->host;
    }
    return "";
}

/* "localhost:8080"; as remote_format. */
static char *
format_listen(const struct remote *remote, char *buf)
{
    const char *host = host_as_asked(forward_of(remote));
    bool bracket = strchr(host, ':') != NULL;

    snprintf(buf, REMOTE_TEXT_MAX, "%s%s%s:%u", bracket ? "[" : "", host,
             bracket ? "]" : "", remote->state.port);
    return buf;
}

/* "localhost:8080 at user@host"; likewise. */
static char *
format_place(const struct remote *remote, char *buf)
{
    size_t len = strlen(format_listen(remote, buf));

    snprintf(buf + len, REMOTE_TEXT_MAX - len, " at %s", remote->server);
    return buf;
}

char *
remote_format(const struct remote *remote, char *buf)
{
    const struct settings *settings = remote->config.shared->settings;
    const struct forward *forward = forward_of(remote);
    unsigned way = settings_way_of(settings, forward, NULL);
    char what[TARGET_TEXT_MAX + 4] = "socks";
    char target[TARGET_TEXT_MAX];
    size_t len = strlen(format_place(remote, buf));

    if (forward->kind == FORWARD_FIXED)
        snprintf(what, sizeof(what), "to %s",
                 target_format(&forward->target, target));
    snprintf(buf + len, REMOTE_TEXT_MAX - len, " (%s, via %s)", what,
             settings->ways[way].word);
    return buf;
}

/* Why the server may have refused. */
static void
explain(const struct remote *remote, char *buf, size_t size)
{
    unsigned port = forward_of(remote)->port;
    const char *root = port > 0 && port < PORT_PRIVILEGED
                           ? "ports below 1024 are for root there; or "
                           : "";
    const char *rules = "AllowTcpForwarding, PermitListen or DisableForwarding "
                        "in its sshd_config forbids it, or restrict, "
                        "no-port-forwarding or permitlisten= in its "
                        "authorized_keys";
    const char *taken = "the port is taken there, or the address is none of "
                        "the server's";

    if (remote->state.err == ERR_PROHIBITED)
        snprintf(buf, size, "%s refuses: %s%s", remote->server, root, rules);
    else if (remote->state.err == ERR_PROTOCOL)
        snprintf(buf, size, "%s picks a port that there is not",
                 remote->server);
    else if (remote->state.err == ERR_ADDR_IN_USE)
        snprintf(buf, size, "%s refuses: %s%s", remote->server, root, taken);
    else
        snprintf(buf, size, "%s refuses: %s; or %s%s", remote->server, taken,
                 root, rules);
}

static void
format_failure(const struct remote *remote, char *why)
{
    char reason[REMOTE_WHY_MAX / 2 + 100];

    explain(remote, reason, sizeof(reason));
    snprintf(why, REMOTE_WHY_MAX,
             "remote port forwarding failed for listen port %u: %s",
             remote->state.port, reason);
}

/* In ssh's words: programs that start it look for them. */
static void
say_allocated(const struct remote *remote)
{
    const struct forward *forward = forward_of(remote);
    const struct target *target = &forward->target;
    char text[ADDR_TEXT_MAX];
    const char *host = "socks";
    int port = 0;

    if (forward->kind == FORWARD_FIXED) {
        host = target->kind == TARGET_ADDR
                   ? addr_format_host(&target->addr, text)
                   : target->name;
        port = target->kind == TARGET_UNIX ? SSH_PORT_UNIX : target->port;
    }
    log_bare("Allocated port %u for remote forward to %s:%d",
             remote->state.port, host, port);
}

void
remote_announce(const struct remote *remote)
{
    char text[REMOTE_TEXT_MAX];

    if (remote->state.phase == SSHREMOTE_STANDS)
        log_ready(forward_of(remote)->port == 0, "listening on %s",
                  remote_format(remote, text));
}

int
remote_describe(const struct remote *remote, char *buf, size_t size)
{
    char text[REMOTE_TEXT_MAX];
    char why[REMOTE_WHY_MAX] = "no answer yet";

    remote_format(remote, text);
    if (remote->state.phase == SSHREMOTE_STANDS)
        return snprintf(buf, size, "listening on %s\n", text);
    if (remote->state.phase == SSHREMOTE_REFUSED)
        explain(remote, why, sizeof(why));
    return snprintf(buf, size, "waiting for %s: %s\n", text, why);
}

void
remote_fill_row(const struct remote *remote, json_t *row)
{
    const struct settings *settings = remote->config.shared->settings;
    const struct forward *forward = forward_of(remote);
    bool stands = remote->state.phase == SSHREMOTE_STANDS;
    char text[REMOTE_TEXT_MAX];
    char why[REMOTE_WHY_MAX] = "no answer yet";

    row_text(row, "state", stands ? "listening" : "waiting");
    row_text(row, "listen", format_listen(remote, text));
    row_text(row, "server", remote->server);
    forward_fill_row(forward, row);
    row_text(row, "via",
             settings->ways[settings_way_of(settings, forward, NULL)].word);
    if (remote->state.phase == SSHREMOTE_REFUSED)
        explain(remote, why, sizeof(why));
    if (!stands)
        row_text(row, "why", why);
}

bool
remote_stands(const struct remote *remote)
{
    return remote->state.phase == SSHREMOTE_STANDS;
}

bool
remote_has_answered(const struct remote *remote)
{
    return remote->has_answered;
}

unsigned
remote_picked_port(const struct remote *remote)
{
    return forward_of(remote)->port > 0 ? 0 : remote->state.port;
}

/* Whether others than the server itself are to reach it. */
static bool
is_for_others(const struct forward *forward)
{
    union addr addr;

    return forward->where == LISTEN_ANY ||
           (forward->where == LISTEN_HOST &&
            !(addr_parse(&addr, forward->host, strlen(forward->host), 0) &&
              addr_is_loopback(&addr)));
}

/* Whether who reaches the server reaches, by this, all that we reach. */
static void
warn_of_exposure(const struct remote *remote)
{
    const struct settings *settings = remote->config.shared->settings;
    const struct forward *forward = forward_of(remote);

    if (forward->kind != FORWARD_SOCKS || !is_for_others(forward) ||
        settings->users_path || !sources_empty(settings->sources) ||
        !rules_empty(settings->rules) ||
        !permitopen_empty(settings->remote_open))
        return;
    log_write(LOG_WARN,
              "-R %s: warning: whoever reaches the port at %s can connect to "
              "all that this machine reaches; --users, --permit or "
              "PermitRemoteOpen restrict that",
              forward->text, remote->server);
}

/* --- news, on the control loop -------------------------------------------- */

static void
answer(struct remote *remote, enum err err, const char *why)
{
    if (remote->has_answered || remote->closes)
        return;
    remote->has_answered = true;
    remote->config.answered(remote->config.owner, err, why);
}

static void
hear_standing(struct remote *remote)
{
    char text[REMOTE_TEXT_MAX];

    if (!remote->has_stood && forward_of(remote)->port == 0)
        say_allocated(remote);
    /* sshd grants such a request and listens on its loopback all the same. */
    if (!remote->has_stood && is_for_others(forward_of(remote)))
        log_write(LOG_INFO,
                  "-R %s: whether others than %s itself reach it, GatewayPorts "
                  "in its sshd_config says",
                  forward_of(remote)->text, remote->server);
    if (remote->has_stood)
        log_write(LOG_INFO, "listening on %s again",
                  format_place(remote, text));
    else if (remote->has_answered || remote->config.insists)
        log_write(LOG_INFO, "listening on %s", remote_format(remote, text));
    remote->has_stood = true;
    remote->said_wrong = false;
    answer(remote, ERR_OK, "");
}

static void
hear_refusal(struct remote *remote)
{
    const struct settings *settings = remote->config.shared->settings;
    bool ends = !remote->has_answered && settings->exit_on_forward_failure;
    char why[REMOTE_WHY_MAX];

    format_failure(remote, why);
    if (!remote->config.insists || remote->has_answered)
        log_write(remote->said_wrong ? LOG_VERBOSE
                  : ends             ? LOG_FATAL
                                     : LOG_WARN,
                  "-R %s: %s%s", forward_of(remote)->text, why,
                  ends ? "" : "; trying again");
    remote->said_wrong = true;
    answer(remote, remote->state.err, why);
}

static void
on_news(struct mail *mail)
{
    struct remote *remote =
        (struct remote *)((char *)mail - offsetof(struct remote, news));
    struct sshremote_state before = remote->state;

    atomic_store(&remote->has_news, false);
    sshremote_look(remote->remote, &remote->state);
    if (remote->state.phase == SSHREMOTE_CLOSED) {
        /* What told of that may be on its way still. */
        if (atomic_load(&remote->has_news))
            return;
        remote->config.closed(remote->config.owner);
        return;
    }
    if (remote->closes)
        return;
    if (remote->state.stood != before.stood)
        hear_standing(remote);
    if (remote->state.phase == SSHREMOTE_REFUSED &&
        before.phase != SSHREMOTE_REFUSED)
        hear_refusal(remote);
}

/* --- on the workers ------------------------------------------------------- */

static void
on_change(void *arg)
{
    struct remote *remote = arg;

    if (!atomic_exchange(&remote->has_news, true))
        worker_post(remote->config.control, &remote->news);
}

static void
on_stream(void *arg, unsigned worker, struct stream *stream,
          const union addr *peer)
{
    struct remote *remote = arg;
    struct shared *shared = remote->config.shared;
    struct engine *engine = shared->engines[worker];

    if (!limits_have_room(&shared->limits)) {
        /* There is no queue to leave it in. */
        if (limits_note_shortage(&shared->limits))
            log_write(LOG_WARN, "-R %s: %s; clients are refused",
                      forward_of(remote)->text, err_text(ERR_NO_DESCRIPTORS));
        stream_close(stream, STREAM_ABORT);
        return;
    }
    session_start(engine, forward_of(remote), stream, peer);
}

/* --- its life ------------------------------------------------------------- */

enum err
remote_open(const struct remote_config *config, struct remote **out)
{
    struct remote *remote = calloc(1, sizeof(*remote));
    const struct forward *forward = config->forward;
    struct sshremote_config asked = {
        .address = forward->where == LISTEN_ANY ? "" : host_as_asked(forward),
        .port = forward->port,
        .on_stream = on_stream,
        .on_change = on_change,
        .arg = remote,
    };
    enum err err;

    if (!remote)
        return ERR_NO_MEMORY;
    remote->config = *config;
    remote->news.run = on_news;
    remote->state.port = forward->port;
    sshdest_format(config->shared->settings->ssh, remote->server,
                   sizeof(remote->server));
    warn_of_exposure(remote);
    err = sshremote_open(config->shared->pool, &asked, &remote->remote);
    if (err) {
        free(remote);
        return err;
    }
    *out = remote;
    return ERR_OK;
}

void
remote_close(struct remote *remote)
{
    remote->closes = true;
    sshremote_close(remote->remote);
}

void
remote_destroy(struct remote *remote)
{
    if (!remote)
        return;
    sshremote_free(remote->remote);
    free(remote);
}
