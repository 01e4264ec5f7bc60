#include "transport/ssh/sshlogin_kex.h"

#include <errno.h>
#include <libssh/callbacks.h>
#include <libssh/server.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "transport/base/log.h"
#include "transport/ssh/sshaes.h"
#include "transport/ssh/sshhost.h"
#include "transport/ssh/sshhost_files.h"
#include "transport/ssh/sshknown.h"

/* Where AES instructions are, aes-gcm is twice as fast end to end as libssh's
 * first choice, chacha20; without them it is the other way round. */
#define AES_CIPHERS    "aes128-gcm@openssh.com,aes256-gcm@openssh.com"
#define CHACHA_CIPHERS "chacha20-poly1305@openssh.com"
#define OLD_CIPHERS    "aes128-ctr,aes192-ctr,aes256-ctr"

/* "None", for libssh, which takes 0 for a default of its own. */
#define NO_TIMEOUT_SECONDS (24. * 3600.)

/* What libssh calls the lines before the server's version. */
#define HEARD_MARK "ssh_protocol_version_exchange: "

/* ssh reads as many (RFC 4253 4.2 has no limit). */
#define HEARD_LINES_MAX 1024

/* For a host whose name libssh does not take. */
#define STAND_IN_HOST "server"

/* Those lines are told at this level. */
#define HEARD_LEVEL SSH_LOG_DEBUG

/* A line before the version. Endless ones would keep us as long as the
 * time-out allows, which may be for ever. */
static void
hear(struct sshlogin_run *run, const char *line)
{
    if (!run->heard[0])
        sshlogin_clean(line, run->heard, sizeof(run->heard));
    if (++run->heard_lines == HEARD_LINES_MAX)
        shutdown(run->fd, SHUT_RDWR);
}

static void
on_message(int level, const char *function, const char *message, void *arg)
{
    struct sshlogin_run *run = arg;
    const char *heard = strstr(message, HEARD_MARK);
    char line[256];

    (void)function;
    if (run && heard)
        hear(run, heard + strlen(HEARD_MARK));
    if (log_enabled(LOG_DEBUG) && level < SSH_LOG_FUNCTIONS)
        log_write(LOG_DEBUG, "libssh: %s",
                  sshlogin_clean(message, line, sizeof(line)));
}

void
sshlogin_listen(struct sshlogin_run *run)
{
    ssh_set_log_userdata(run);
    ssh_set_log_callback(on_message);
    ssh_set_log_level(HEARD_LEVEL);
}

void
sshlogin_set_patience(struct sshlogin_run *run, double seconds)
{
    long whole = (long)seconds;
    long micro = (long)((seconds - (double)whole) * 1e6);

    ssh_options_set(run->session, SSH_OPTIONS_TIMEOUT, &whole);
    ssh_options_set(run->session, SSH_OPTIONS_TIMEOUT_USEC, &micro);
}

/* --- options -------------------------------------------------------------- */

/* Sets a list of algorithms of both directions, unless there is none. */
static bool
set_lists(struct sshlogin_run *run, enum ssh_options_e one,
          enum ssh_options_e other, const char *list)
{
    return !list || (ssh_options_set(run->session, one, list) == SSH_OK &&
                     ssh_options_set(run->session, other, list) == SSH_OK);
}

static const char *
default_ciphers(void)
{
    return sshaes_is_fast() ? AES_CIPHERS "," CHACHA_CIPHERS "," OLD_CIPHERS
                            : CHACHA_CIPHERS "," AES_CIPHERS "," OLD_CIPHERS;
}

static bool
set_host_keys(struct sshlogin_run *run)
{
    const struct sshdest *dest = run->dest;
    const char *list = dest->host_key_algorithms;
    char name[SSHKNOWN_NAME_MAX];
    char ordered[1024];

    if (!list || dest->host_keys_by_known) {
        if (!sshhost_name(dest, name))
            return false;
        list = sshhost_algorithms(dest, name, ordered, sizeof(ordered));
    }
    return ssh_options_set(run->session, SSH_OPTIONS_HOSTKEYS, list) == SSH_OK;
}

/* Returns what was wrong, or NULL. The key exchange's own default has
 * curve25519 first, the cheapest, which is run again at each re-key on the
 * loop. */
static const char *
set_algorithms(struct sshlogin_run *run)
{
    const struct sshdest *dest = run->dest;
    const char *ciphers = dest->ciphers ? dest->ciphers : default_ciphers();

    if (!set_lists(run, SSH_OPTIONS_CIPHERS_C_S, SSH_OPTIONS_CIPHERS_S_C,
                   ciphers))
        return "ciphers";
    if (!set_lists(run, SSH_OPTIONS_HMAC_C_S, SSH_OPTIONS_HMAC_S_C, dest->macs))
        return "MACs";
    if (!set_lists(run, SSH_OPTIONS_KEY_EXCHANGE, SSH_OPTIONS_KEY_EXCHANGE,
                   dest->kex))
        return "key exchange algorithms";
    if (!set_lists(run, SSH_OPTIONS_PUBLICKEY_ACCEPTED_TYPES,
                   SSH_OPTIONS_PUBLICKEY_ACCEPTED_TYPES,
                   dest->pubkey_algorithms))
        return "public key algorithms";
    if (!set_host_keys(run))
        return "host key algorithms";
    return NULL;
}

static bool
set_numbers(struct sshlogin_run *run)
{
    const struct sshdest *dest = run->dest;
    ssh_session session = run->session;
    uint32_t rekey_seconds = dest->rekey_seconds;
    int bits = (int)dest->rsa_min_bits;
    unsigned port = dest->port;

    return ssh_options_set(session, SSH_OPTIONS_PORT, &port) == SSH_OK &&
           (!dest->rekey_bytes ||
            ssh_options_set(session, SSH_OPTIONS_REKEY_DATA,
                            &dest->rekey_bytes) == SSH_OK) &&
           (!rekey_seconds || ssh_options_set(session, SSH_OPTIONS_REKEY_TIME,
                                              &rekey_seconds) == SSH_OK) &&
           (!bits || ssh_options_set(session, SSH_OPTIONS_RSA_MIN_SIZE,
                                     &bits) == SSH_OK) &&
           ssh_options_set(session, SSH_OPTIONS_COMPRESSION,
                           dest->compression ? "yes" : "no") == SSH_OK;
}

/* libssh takes no names that a domain could not have, as "db_1", though it is
 * not the one who looks them up: it needs a name for GSSAPI alone. */
static bool
set_host(struct sshlogin_run *run)
{
    return ssh_options_set(run->session, SSH_OPTIONS_HOST, run->dest->host) ==
               SSH_OK ||
           ssh_options_set(run->session, SSH_OPTIONS_HOST, STAND_IN_HOST) ==
               SSH_OK;
}

static enum err
set_options(struct sshlogin_run *run)
{
    const struct sshdest *dest = run->dest;
    ssh_session session = run->session;
    bool config = false;
    const char *wrong;

    /* known_hosts are looked up by us: libssh opens its two at each re-key. */
    if (ssh_options_set(session, SSH_OPTIONS_PROCESS_CONFIG, &config) ||
        !set_host(run) ||
        ssh_options_set(session, SSH_OPTIONS_USER, dest->user) ||
        ssh_options_set(session, SSH_OPTIONS_KNOWNHOSTS, "/dev/null") ||
        ssh_options_set(session, SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null") ||
        !set_numbers(run))
        return sshlogin_fail(run, ERR_PROTOCOL, "can't be logged in to: %s",
                             ssh_get_error(session));
    wrong = set_algorithms(run);
    if (wrong)
        return sshlogin_fail(run, ERR_PROTOCOL,
                             "none of the %s that are asked for can be used "
                             "here",
                             wrong);
    sshlogin_set_patience(run, dest->connect_timeout > 0 ? dest->connect_timeout
                                                         : NO_TIMEOUT_SECONDS);
    return ERR_OK;
}

/* A jump's or a proxy command's descriptor is no TCP socket: each call may
 * fail. */
static void
set_socket(int fd, const struct sshdest *dest)
{
    const int on = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (dest->tcp_keepalive)
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

/* What a server asks of us (channels that it opens, its global requests) is
 * refused at once: libssh would put it by for one who takes it, without end and
 * without an answer. */
static int
refuse_request(ssh_session session, ssh_message message, void *arg)
{
    (void)session;
    (void)message;
    (void)arg;
    return 1;
}

/* --- what went wrong ------------------------------------------------------ */

/* "kex error : no match for method KIND: server [A], client [B]" */
static enum err
fail_match(struct sshlogin_run *run, const char *error)
{
    const char *kind = strstr(error, "method ");
    const char *server = strstr(error, "server [");
    const char *client = strstr(error, "], client [");
    char offered[384];

    /* A long list of the server's is cut, and the end not there. */
    if (!kind || !server || !client || client < server)
        return sshlogin_fail(run, ERR_PROTOCOL, "%s",
                             sshlogin_clean(error, offered, sizeof(offered)));
    kind += strlen("method ");
    server += strlen("server [");
    snprintf(offered, sizeof(offered), "%.*s", (int)(client - server), server);
    return sshlogin_fail(run, ERR_PROTOCOL,
                         "no algorithm in common for %.*s; the server offers "
                         "%s",
                         (int)strcspn(kind, ":"), kind,
                         sshlogin_clean(offered, offered, sizeof(offered)));
}

static enum err
fail_version(struct sshlogin_run *run)
{
    const char *error = ssh_get_error(run->session);

    if (run->heard_lines > 0)
        return sshlogin_fail(run, ERR_PROTOCOL,
                             "not an SSH server: it said \"%s\"", run->heard);
    if (strstr(error, "too large banner"))
        return sshlogin_fail(run, ERR_PROTOCOL,
                             "not an SSH server: it sends long lines instead "
                             "of a version");
    if (strstr(error, "disconnected") || strstr(error, "reset") ||
        strstr(error, "Success"))
        return sshlogin_fail(run, ERR_RESET,
                             "the server closed the connection before it said "
                             "its version: it may have too many logins at once "
                             "(MaxStartups) or have banned this address");
    if (strstr(error, "Timeout"))
        return sshlogin_fail(run, ERR_TIMED_OUT,
                             "connected, but the server never said its "
                             "version: timed out (is it an SSH server?)");
    return sshlogin_fail_session(run, "the version exchange");
}

static enum err
fail_kex(struct sshlogin_run *run)
{
    const char *error = ssh_get_error(run->session);

    if (*run->cancelled)
        return sshlogin_fail(run, ERR_SHUTDOWN, "given up");
    if (strstr(error, "no match for method"))
        return fail_match(run, error);
    if (!ssh_get_serverbanner(run->session) ||
        run->heard_lines >= HEARD_LINES_MAX)
        return fail_version(run);
    return sshlogin_fail_session(run, "key exchange");
}

enum err
sshlogin_kex(struct sshlogin_run *run, int fd)
{
    enum err err;

    run->session = ssh_new();
    if (!run->session) {
        close(fd);
        return sshlogin_fail(run, ERR_NO_MEMORY, "out of memory");
    }
    ssh_set_message_callback(run->session, refuse_request, NULL);
    err = set_options(run);
    if (!err && ssh_options_set(run->session, SSH_OPTIONS_FD, &fd) != SSH_OK)
        err = sshlogin_fail(run, ERR_NO_MEMORY, "out of memory");
    if (err) {
        close(fd);
        return err;
    }
    set_socket(fd, run->dest);
    run->fd = fd;
    /* From here on libssh closes the descriptor. */
    if (ssh_connect(run->session) != SSH_OK)
        return fail_kex(run);
    return ERR_OK;
}
