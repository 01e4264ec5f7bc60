/* What the parts of the gateway share; for them alone. */
#ifndef CULVERT_PROXY_GATEWAY_PARTS_H
#define CULVERT_PROXY_GATEWAY_PARTS_H

#include <ev.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "auth/authkeys.h"
#include "proxy/gateway.h"
#include "proxy/settings.h"
#include "transport/base/admit.h"
#include "transport/base/log.h"
#include "transport/reverse/registry.h"
#include "transport/ssh/sshserver.h"

struct gateway {
    struct shared *shared;
    struct worker *control;
    struct sshhostkeys host_keys;
    struct sshserver *server;
    struct registry *registry;
    atomic_bool stopped;

    pthread_mutex_t lock;  /* for keys */
    struct authkeys *keys; /* NULL: there are none to log in by */
    struct stat loaded;    /* the file that they are from */
    ev_timer watch;        /* whether that has changed */

    struct forward port_forward;   /* of a client of an agent's port, */
    struct forward direct_forward; /* and of an agent's own wish */
};

/* --- gateway_admit.c ------------------------------------------------------ */

/* Judges logins, for a struct gateway. */
extern const struct admit_ops gateway_admit_ops;

/* Whether that is the agent of some key. Thread: any. */
bool gateway_names_agent(struct gateway *gateway, const char *name);

/* --- gateway_agents.c ----------------------------------------------------- */

/* What agents ask for, of a struct gateway. */
extern const struct registry_ops gateway_registry_ops;

#endif
