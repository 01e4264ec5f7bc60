/* What the program was told to do: the outcome of the command line, checked.
 * Immutable once the workers run. */
#ifndef CULVERT_PROXY_SETTINGS_H
#define CULVERT_PROXY_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "auth/permitopen.h"
#include "auth/rules.h"
#include "auth/sources.h"
#include "proxy/route.h"
#include "transport/base/addr.h"
#include "transport/base/log.h"
#include "transport/base/target.h"
#include "transport/ssh/sshdest.h"

/* What speaks on a forward's listening side. */
enum forward_kind {
    FORWARD_SOCKS,   /* -D, -R port: the client says where to, by SOCKS or HTTP
                      * CONNECT */
    FORWARD_FIXED,   /* -L, -R: always to the same target */
    FORWARD_STDIO,   /* -W: standard input and output are the client */
    FORWARD_GATEWAY, /* --gateway: our SSH server, for agents */
};

/* Where to listen, as it was written: resolved when the listener opens. */
enum listen_where {
    LISTEN_LOOPBACK, /* nothing or localhost was said: 127.0.0.1 and ::1 */
    LISTEN_ANY,      /* "*" or empty, or -g without an address */
    LISTEN_HOST,     /* host */
    LISTEN_UNIX,     /* path in host */
};

struct forward {
    enum forward_kind kind;
    bool is_remote; /* -R: the SSH server listens, and is asked to by the host
                     * as it was written; "localhost" for LISTEN_LOOPBACK, ""
                     * for LISTEN_ANY. FORWARD_SOCKS or FORWARD_FIXED, never
                     * LISTEN_UNIX */
    enum listen_where where;
    bool from_agent; /* what an agent asks the gateway for by itself, or who
                      * came to a port of one: never of the settings' */
    bool bind_given; /* an address was written, so that -g changes nothing */
    char host[TARGET_NAME_MAX + 1]; /* LISTEN_HOST and LISTEN_UNIX */
    unsigned port;                  /* 0 picks one */
    struct target target;           /* FORWARD_FIXED and FORWARD_STDIO */
    const char *text; /* as it was given, for messages; settings->texts has
                       * it */
    struct forward *next;
};

/* Where ports listen that agents ask the gateway for: sshd's GatewayPorts. */
enum gateway_ports {
    GATEWAY_PORTS_NO, /* on loopback, whatever they ask for */
    GATEWAY_PORTS_YES,
    GATEWAY_PORTS_CLIENTSPECIFIED,
};

/* A way out. With neither a server nor an agent: plain TCP from here. */
struct settings_way {
    struct sshdest *ssh; /* the server, or NULL */
    char *agent; /* back through the agent of that name; "": of the name that
                  * the session has; or NULL */
    char *word;  /* for the log: "tcp", "ssh" for the destination, of other
                  * servers "ssh://user@host:port", and "reverse:NAME",
                  * "reverse" where the session names it */
};

/* Room for the word of most; longer ones are cut. */
#define SETTINGS_WORD_MAX 400

/* Where plain TCP is among the ways, always. */
#define SETTINGS_WAY_TCP 0

struct settings {
    struct forward *forwards;  /* in the order given; with control_word what is
                                * asked for, and nothing of ssh_config's files */
    struct sshdest_list texts; /* of the forwards */
    unsigned workers;          /* 0: as many as there are processors */

    struct sshdest *ssh;  /* the destination, owned; or NULL */
    unsigned connections; /* --connections: at most so many links to a server */

    struct settings_way *ways; /* with ssh as one of them, if it is there */
    unsigned way_count;
    unsigned local_way;    /* that sessions of local forwards leave by, */
    unsigned remote_way;   /* and those of remote ones, */
    unsigned agent_way;    /* and what agents ask the gateway for, */
    struct routes *routes; /* unless their target says otherwise; never NULL */
    unsigned reverse_way;  /* that of the agent "", where there is a gateway;
                            * else SETTINGS_WAY_TCP */

    /* The control socket (-M, -S, ControlMaster and ControlPath by -o). */
    bool control_master; /* -M: listen on it */
    char *control_path;  /* tokens expanded; or NULL */
    char *control_word;  /* -O: what to ask of the program that listens there,
                          * instead of running; or NULL */
    char *control_name;  /* -O kick: the agent's name; else NULL */

    int family;        /* -4, -6: AF_INET, AF_INET6; else AF_UNSPEC */
    char *bind_host;   /* -b: source address or name, or NULL */
    char *bind_device; /* -B: interface, or NULL */

    /* The gateway (FORWARD_GATEWAY among the forwards). */
    struct sshdest_list host_keys;  /* --host-key: paths, in the order given */
    char *authorized_keys;          /* --authorized-keys, or NULL */
    enum gateway_ports agent_ports; /* -g, GatewayPorts */

    bool gateway_ports;           /* -g; the forwards have it applied */
    bool exit_on_forward_failure; /* any listener that fails ends the program */
    bool background;              /* -f */
    bool unlink_socket;           /* StreamLocalBindUnlink */
    mode_t socket_mask;           /* StreamLocalBindMask, 0177 */

    struct log_options log; /* its path is borrowed from argv */

    struct sources *sources; /* --allow-from; never NULL, may be empty */
    struct rules *rules;     /* --permit, --deny; never NULL, may be empty */
    char *users_path;        /* --users, or NULL */

    /* PermitRemoteOpen: what clients of -R port may ask for; NULL: all. */
    struct permitopen *remote_open;

    double handshake_timeout; /* seconds; 0 is never, for all of these */
    double connect_timeout;
    double idle_timeout;
    double half_closed_timeout;
    double drain_timeout;
    unsigned max_sessions;   /* of the process; 0 is no limit */
    unsigned max_per_source; /* of one client address; 0 is no limit */
};

/* Returns settings with every default and no forward; NULL when out of
 * memory. Owner: the caller, settings_destroy. */
struct settings *settings_create(void);

void settings_destroy(struct settings *settings);

/* Adds a way out, through ssh (taken, on failure too; but settings->ssh, which
 * it borrows), with a copy of word. Returns ERR_OK and its index; or
 * ERR_NO_MEMORY. */
enum err settings_add_way(struct settings *settings, struct sshdest *ssh,
                          const char *word, unsigned *index);

/* Adds a way out back through an agent, with a copy of its name ("": whichever
 * the session names). Returns as settings_add_way. */
enum err settings_add_reverse(struct settings *settings, const char *agent,
                              unsigned *index);

/* Whether agents may dial in: there is a FORWARD_GATEWAY. */
bool settings_has_gateway(const struct settings *settings);

/* The way out of a session that came in by a forward and wants to go to target
 * (NULL: not known yet). */
unsigned settings_way_of(const struct settings *settings,
                         const struct forward *forward,
                         const struct target *target);

/* Whether a session may leave by plain TCP from here, or (by_ssh) through a
 * server: of a remote forward, or of the others. Back through an agent is
 * neither. */
bool settings_has_way(const struct settings *settings, bool is_remote,
                      bool by_ssh);

/* What to answer where settings_open_proxy is true, behind the forward's
 * text. */
#define SETTINGS_OPEN_PROXY_TEXT                                           \
    "refused: this would be an open proxy, for whoever can reach it; add " \
    "--allow-from CIDR (who may come in) or --users FILE (passwords), or " \
    "--allow-from any if that is really meant"

/* Whether a forward that listens on addr would let strangers connect anywhere
 * from this machine: SOCKS, beyond loopback, that may leave by plain TCP, with
 * neither a source rule nor users. Such a listener is not opened. Never one of
 * the server's (-R): who reaches that is the server's to know; nor a gateway,
 * which asks everybody for a key or a password. */
bool settings_open_proxy(const struct settings *settings,
                         const struct forward *forward, const union addr *addr);

/* Whether a forward that listens on addr is there for whoever can reach it and
 * is opened all the same, as ssh does, with a warning: beyond loopback without
 * a source rule, to a fixed target (which leaves no room for a password), or
 * SOCKS without users that leaves through SSH servers and agents only. Never
 * one of the server's (-R), nor a gateway. */
bool settings_open_forward(const struct settings *settings,
                           const struct forward *forward,
                           const union addr *addr);

#endif
