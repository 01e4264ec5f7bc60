#include "proxy/settings.h"

#include <stdlib.h>

/* A client that has said nothing for half a minute will not. */
#define HANDSHAKE_TIMEOUT 30.0

/* Less than the two minutes after which common clients give up by
 * themselves, so that they get our reason. */
#define CONNECT_TIMEOUT 20.0

/* One side has ended, and the other says nothing: most often a peer that
 * vanished. */
#define HALF_CLOSED_TIMEOUT 600.0

/* How long sessions may go on after SIGTERM. */
#define DRAIN_TIMEOUT 30.0

/* Most links to one SSH server. */
#define CONNECTIONS 4

/* ssh's: a socket for its owner alone. */
#define SOCKET_MASK 0177

struct settings *
settings_create(void)
{
    struct settings *settings = calloc(1, sizeof(*settings));

    if (!settings)
        return NULL;
    settings->family = AF_UNSPEC;
    settings->socket_mask = SOCKET_MASK;
    settings->connections = CONNECTIONS;
    settings->log.level = LOG_INFO;
    settings->handshake_timeout = HANDSHAKE_TIMEOUT;
    settings->connect_timeout = CONNECT_TIMEOUT;
    settings->half_closed_timeout = HALF_CLOSED_TIMEOUT;
    settings->drain_timeout = DRAIN_TIMEOUT;
    settings->sources = sources_create();
    settings->rules = rules_create();
    if (!settings->sources || !settings->rules) {
        settings_destroy(settings);
        return NULL;
    }
    return settings;
}

void
settings_destroy(struct settings *settings)
{
    struct forward *forward;

    if (!settings)
        return;
    while ((forward = settings->forwards)) {
        settings->forwards = forward->next;
        free(forward);
    }
    sshdest_list_clear(&settings->texts);
    sources_destroy(settings->sources);
    rules_destroy(settings->rules);
    permitopen_destroy(settings->remote_open);
    sshdest_destroy(settings->ssh);
    free(settings->control_path);
    free(settings->control_word);
    free(settings->bind_host);
    free(settings->bind_device);
    free(settings->users_path);
    free(settings);
}

/* Whether someone who is not on this machine can reach a listener of ours, and
 * no source rule keeps anyone out. */
static bool
is_reachable(const struct settings *settings, const struct forward *forward,
             const union addr *addr)
{
    return !forward->is_remote && forward->where != LISTEN_UNIX &&
           !addr_is_loopback(addr) && sources_empty(settings->sources);
}

bool
settings_open_proxy(const struct settings *settings,
                    const struct forward *forward, const union addr *addr)
{
    return forward->kind == FORWARD_SOCKS && !settings->users_path &&
           !settings->ssh && is_reachable(settings, forward, addr);
}

bool
settings_open_forward(const struct settings *settings,
                      const struct forward *forward, const union addr *addr)
{
    bool open = forward->kind == FORWARD_FIXED ||
                (forward->kind == FORWARD_SOCKS && settings->ssh &&
                 !settings->users_path);

    return open && is_reachable(settings, forward, addr);
}
