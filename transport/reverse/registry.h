/* The agents: peers that have dialled in to an SSH server of ours, over all
 * workers, and the ports that they have us listen on.
 *
 * An agent is one authenticated SSH connection, which belongs to one worker.
 * Those of one name are one set: a dial by that name goes to the least busy,
 * and to another when that is lost. A port belongs to a name, too: the newest
 * of the set that asked for it has its clients, and when that leaves, the one
 * before.
 *
 * What the registry itself knows is under one lock, held for a few steps at a
 * time; each worker has a member of it, which owns the agents there. */
#ifndef CULVERT_TRANSPORT_REVERSE_REGISTRY_H
#define CULVERT_TRANSPORT_REVERSE_REGISTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "transport/base/addr.h"
#include "transport/base/err.h"
#include "transport/loop/worker.h"
#include "transport/ssh/sshserver.h"
#include "transport/stream.h"

struct registry;

/* An agent's name, as long as a user's. */
#define REGISTRY_NAME_MAX SSHSERVER_USER_MAX

/* Where agents' ports listen (sshd's GatewayPorts). */
enum registry_bind {
    REGISTRY_BIND_LOOPBACK, /* no */
    REGISTRY_BIND_ANY,      /* yes */
    REGISTRY_BIND_AS_ASKED, /* clientspecified */
};

/* An agent wants to go somewhere by itself (direct-tcpip). */
struct registry_direct {
    struct stream *stream; /* given, not yet accepted: closing it refuses */
    const char *host;      /* as it was asked for; lent, as all here */
    unsigned port;
    const char *name;
    const union addr *peer; /* the agent's */
    void *grant;
    const void *owner; /* which agent it is: until `ended` has it */
};

/* Somebody came to a port that an agent has us listen on. */
struct registry_client {
    int fd; /* given: non-blocking */
    const union addr *peer;
    const char *name;     /* of the agents, lent, as is */
    const char *listened; /* the address that it was asked for by, */
    unsigned port;        /* and its port */
};

/* What the program does for it. */
struct registry_ops {
    /* Whether an agent may have us listen (RFC 4254 7.1). */
    bool (*may_listen)(void *arg, void *grant, const char *address,
                       unsigned port);
    void (*direct)(void *arg, unsigned worker,
                   const struct registry_direct *direct);
    /* An agent leaves: what it wanted to go to ends, whatever that still has
     * to take. */
    void (*ended)(void *arg, unsigned worker, const void *owner);
    void (*client)(void *arg, unsigned worker,
                   const struct registry_client
                       *client); /* Whether there are descriptors for one more
                                  * client; whether so many may be
                                  * taken for a port; and that they have been,
                                  * or were given back: then it is negative. */
    bool (*has_room)(void *arg);
    bool (*may_take)(void *arg, long long descriptors);
    void (*take)(void *arg, long long descriptors);
    void (*release)(void *arg, void *grant);
};

struct registry_config {
    const struct registry_ops *ops; /* called on the agent's worker */
    void *arg;
    enum registry_bind bind;
    unsigned workers; /* how many members will join */
};

enum err registry_create(const struct registry_config *config,
                         struct registry **registry);

/* Every member has left. NULL does nothing. */
void registry_destroy(struct registry *registry);

/* Has the worker with the fewest agents take one who logged in (taken), by this
 * name. Thread: any; the workers run. */
void registry_add(struct registry *registry, struct sshserver_login *login,
                  const char *name);

/* Ends all agents of a name. Returns how many there are. Thread: any. */
unsigned registry_kick(struct registry *registry, const char *name);

/* Room for a row's ports; more are left out. */
#define REGISTRY_PORTS_MAX 256

/* One agent, as it was at the moment of asking. */
struct registry_row {
    char name[REGISTRY_NAME_MAX + 1];
    char user[SSHSERVER_USER_MAX + 1];
    char print[SSHHOSTKEY_PRINT_MAX];
    char software[SSHSERVER_SOFTWARE_MAX];
    char ports[REGISTRY_PORTS_MAX]; /* "localhost:1080,*:8080", or "" */
    union addr peer;
    bool is_culvert; /* as far as is known */
    unsigned worker;
    unsigned streams;
    uint64_t in; /* bytes of channels from it */
    uint64_t out;
    unsigned rtt_us;
    double since; /* clock_seconds() */
};

/* Gives all of them in *rows (free). Returns how many; 0 also when out of
 * memory. Thread: any. */
unsigned registry_rows(struct registry *registry, struct registry_row **rows);

#endif
