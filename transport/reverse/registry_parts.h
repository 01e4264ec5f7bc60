/* The inside of the registry, shared by its parts alone: registry, member,
 * agent, agentport, agentsession, backdial, reverse. */
#ifndef CULVERT_TRANSPORT_REVERSE_REGISTRY_PARTS_H
#define CULVERT_TRANSPORT_REVERSE_REGISTRY_PARTS_H

#include <ev.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transport/base/log.h"
#include "transport/net/listen.h"
#include "transport/reverse/backtalk.h"
#include "transport/reverse/registry.h"
#include "transport/ssh/sshlink.h"
#include "transport/transport.h"

/* An address that a peer has us listen on, at most as long as a name. */
#define CLAIM_ADDRESS_MAX 255

/* Addresses that one port listens on: of two families. */
#define PORT_SOCKETS_MAX 2

/* What is behind a port at the agent's end. */
enum claim_nature {
    CLAIM_UNKNOWN,
    CLAIM_SOCKS,
    CLAIM_FIXED,  /* something else: it did not answer as SOCKS would */
    CLAIM_SILENT, /* it did not answer */
};

/* An agent's wish that we listen at a port. Under the registry's lock, but the
 * acceptors, which are its worker's. */
struct claim {
    struct agent *agent;
    struct agentport *port;
    char address[CLAIM_ADDRESS_MAX + 1]; /* as it was asked for */
    enum claim_nature nature;
    double judged_until; /* what was found out holds until then */
    struct acceptor acceptors[PORT_SOCKETS_MAX];
    bool is_over;            /* it was cancelled, and accepts still */
    struct claim *next;      /* of the agent, in the order asked for */
    struct claim *port_next; /* of the port, the newest first */
};

/* Sockets that listen for a name. Under the registry's lock. */
struct agentport {
    struct registry *registry;
    char name[REGISTRY_NAME_MAX + 1];
    union addr asked[PORT_SOCKETS_MAX]; /* where, */
    unsigned asked_count;
    int fds[PORT_SOCKETS_MAX];
    unsigned sockets;
    unsigned number;
    struct claim *claims;
    struct claim *holder; /* who accepts; or NULL */
    struct mail settle;   /* has the right one accept */
    bool is_settling;     /* it is on its way, */
    unsigned settles_at;  /* to this worker */
    struct agentport *prev;
    struct agentport *next;
};

/* A session channel that stays open. */
struct agentsession {
    struct agent *agent;
    struct stream *stream;
    bool has_pty;
    bool is_over; /* it was refused what it wants */
    char *text;   /* what is to be said, or NULL */
    size_t text_at;
    struct agentsession *prev;
    struct agentsession *next;
};

struct agent {
    struct registry *registry;
    struct member *member;
    struct sshlink *link; /* its worker's alone */
    struct sshlink_load load;
    char name[REGISTRY_NAME_MAX + 1];
    char user[SSHSERVER_USER_MAX + 1];
    char print[SSHHOSTKEY_PRINT_MAX];
    char software[SSHSERVER_SOFTWARE_MAX];
    union addr peer;
    void *grant;
    double since;
    atomic_bool is_culvert;
    atomic_bool is_suspect; /* it owes an answer for long: the last choice */
    double suspected;       /* when it became so; its worker's */
    bool is_kicked;
    struct claim *claims; /* under the lock */
    struct agentsession *sessions;
    unsigned session_count;
    struct backdial *dials; /* under way by it */
    struct log_limit complaints;
    struct agent *prev; /* of the registry, the newest first; under the lock */
    struct agent *next;
};

/* A worker's part. */
struct member {
    struct registry *registry;
    struct worker *worker;
    unsigned index;
    unsigned instances; /* of the transport, that share it */
    bool stopped;
    bool drains;
    struct backdial *waiting; /* for an agent */
    struct task settle;
    struct mail nudge; /* there may be one now, or one to be ended */
    atomic_bool nudged;
    ev_timer look; /* at agents that owe an answer */
};

struct registry {
    struct registry_config config;
    pthread_mutex_t lock;
    struct member **members; /* by worker */
    struct agent *agents;
    struct agentport *ports;
    unsigned *arriving; /* by worker: agents on their way there */
};

/* How far a dial by an agent has got. */
enum backdial_stage {
    BACKDIAL_WAITING, /* for an agent */
    BACKDIAL_OPENING, /* the channel */
    BACKDIAL_TALKING, /* SOCKS, on it */
};

struct backdial {
    struct dial *dial;
    struct member *member;
    char name[REGISTRY_NAME_MAX + 1];
    enum backdial_stage stage;
    struct agent *agent;                  /* but while it waits */
    struct claim *claim;                  /* NULL once that is no more */
    char listened[CLAIM_ADDRESS_MAX + 1]; /* its address, */
    unsigned port;                        /* and port */
    struct sshlink_open open;
    struct stream *stream;
    double asked;   /* when the channel was, */
    double talking; /* and SOCKS on it */
    struct backtalk talk;
    uint8_t out[BACKTALK_OUT_MAX];
    size_t out_len;
    size_t out_at;
    struct backdial *prev;
    struct backdial *next;
};

static inline void
registry_lock(struct registry *registry)
{
    pthread_mutex_lock(&registry->lock);
}

static inline void
registry_unlock(struct registry *registry)
{
    pthread_mutex_unlock(&registry->lock);
}

/* --- registry.c ----------------------------------------------------------- */

/* What a dial is looking for. */
struct registry_ask {
    const char *name;
    const char *listened; /* of this port alone; NULL: any that speaks SOCKS */
    unsigned port;
};

/* The agent that a dial should go by now, or NULL; *claim is the port. Under
 * the lock. */
struct agent *registry_pick(struct registry *registry,
                            const struct registry_ask *ask,
                            struct claim **claim);

/* Whether agents of a name have another port that may speak SOCKS. Takes the
 * lock. */
bool registry_has_other(struct registry *registry, const char *name,
                        const struct claim *claim);

/* Whether there are agents of a name with ports, of which none speaks SOCKS.
 * Takes the lock. */
bool registry_is_deaf(struct registry *registry, const char *name);

/* Wakes those that wait, on every worker. */
void registry_nudge(struct registry *registry);

/* --- member.c ------------------------------------------------------------- */

/* Joins, or gives what has joined already. */
enum err member_join(struct registry *registry, struct worker *worker,
                     struct member **member);

/* Its agents' ports accept no more. */
void member_drain(struct member *member);

/* Ends its agents; no dial is under way. */
void member_stop(struct member *member);
void member_leave(struct member *member);
void member_settle_soon(struct member *member);

/* An agent owes an answer: it is to be looked at from now on. */
void member_look_soon(struct member *member);

/* --- agent.c -------------------------------------------------------------- */

/* Puts one who logged in (taken) to work. Thread: the member's worker. */
void agent_start(struct member *member, struct sshserver_login *login,
                 const char *name);

/* Ends it. state: "left", "kicked"; reason: a word. */
void agent_end(struct agent *agent, const char *state, const char *reason);

/* --- agentbind.c ---------------------------------------------------------- */

/* Fills in the addresses that a request leads to. None, where it is no
 * address. */
void agentbind_find(struct agentport *port, enum registry_bind bind,
                    const char *asked);

/* Whether both listen at the same addresses, as far as this machine has them.
 */
bool agentbind_is_same(const struct agentport *a, const struct agentport *b);

/* Makes a port of what is wanted, with its sockets. */
enum err agentbind_open(struct agentport *port, const struct agentport *wanted);

/* Closes so many of its sockets. */
void agentbind_close(struct agentport *port, unsigned count);

/* --- agentport.c ---------------------------------------------------------- */

/* An agent asks us to listen: gives the port in asked->bound. */
enum err agentport_claim(struct agent *agent, struct sshlink_asked *asked);

/* Or no longer. */
enum err agentport_cancel(struct agent *agent,
                          const struct sshlink_asked *asked);

/* It leaves: its claims go. */
void agentport_forget(struct agent *agent);

/* It accepts no more, but keeps its claims. */
void agentport_drain(struct agent *agent);

/* --- agentsession.c ------------------------------------------------------- */

/* Takes up a session that is offered, or refuses it. */
void agentsession_start(struct agent *agent, struct stream *stream);

/* As sshlink's session_asked. */
bool agentsession_asked(struct agent *agent, struct stream *stream,
                        enum sshlink_request request);

/* Its client has closed it. */
void agentsession_end(struct stream *stream);
void agentsession_end_all(struct agent *agent);

/* --- backdial.c ----------------------------------------------------------- */

void backdial_start(struct member *member, const char *name, struct dial *dial);
void backdial_cancel(struct member *member, struct dial *dial);

/* Has those that wait go on, where there is an agent now. */
void backdial_settle(struct member *member);

/* The agent ends: those under way by it look for another. */
void backdial_lose(struct agent *agent);

/* Those by an agent that is silent go by another, if there is one. Returns
 * whether any is under way. */
bool backdial_look(struct agent *agent);

/* A claim is no more. */
void backdial_forget(struct agent *agent, const struct claim *claim);

#endif
