#include "auth/grant.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "auth/grant_build.h"
#include "auth/permitlisten.h"
#include "auth/permitopen.h"

struct grant {
    atomic_uint refs;
    bool forwards;
    struct permitopen *open;     /* NULL allows all */
    struct permitlisten *listen; /* likewise */
    char agent[GRANT_AGENT_MAX + 1];
};

bool
grant_agent_is_legal(const char *name)
{
    size_t len = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                              "abcdefghijklmnopqrstuvwxyz"
                              "0123456789_-");

    return len > 0 && len <= GRANT_AGENT_MAX && !name[len];
}

struct grant *
grant_create(const char *agent)
{
    struct grant *grant = calloc(1, sizeof(*grant));

    if (!grant)
        return NULL;
    atomic_init(&grant->refs, 1);
    grant->forwards = true;
    if (agent)
        grant_set_agent(grant, agent);
    return grant;
}

struct grant *
grant_ref(struct grant *grant)
{
    atomic_fetch_add_explicit(&grant->refs, 1, memory_order_relaxed);
    return grant;
}

void
grant_unref(struct grant *grant)
{
    if (!grant ||
        atomic_fetch_sub_explicit(&grant->refs, 1, memory_order_acq_rel) != 1)
        return;
    permitopen_destroy(grant->open);
    permitlisten_destroy(grant->listen);
    free(grant);
}

void
grant_set_agent(struct grant *grant, const char *agent)
{
    assert(grant_agent_is_legal(agent));
    strncpy(grant->agent, agent, GRANT_AGENT_MAX);
}

void
grant_set_forwarding(struct grant *grant, bool allowed)
{
    grant->forwards = allowed;
}

enum err
grant_permit_open(struct grant *grant, const char *text, const char **why)
{
    /* Words of PermitRemoteOpen; sshd takes them for hosts with no port. */
    if (strcasecmp(text, "any") == 0 || strcasecmp(text, "none") == 0) {
        *why = "not host:port";
        return ERR_MALFORMED;
    }
    if (!grant->open)
        grant->open = permitopen_create();
    if (!grant->open)
        return ERR_NO_MEMORY;
    return permitopen_add(grant->open, text, why);
}

enum err
grant_permit_listen(struct grant *grant, const char *text, const char **why)
{
    if (!grant->listen)
        grant->listen = permitlisten_create();
    if (!grant->listen)
        return ERR_NO_MEMORY;
    return permitlisten_add(grant->listen, text, why);
}

const char *
grant_agent(const struct grant *grant)
{
    return grant->agent[0] ? grant->agent : NULL;
}

bool
grant_may_open(const struct grant *grant, const struct target *target)
{
    return grant->forwards && permitopen_allows(grant->open, target);
}

bool
grant_may_listen(const struct grant *grant, const char *address, unsigned port)
{
    return grant->forwards && permitlisten_allows(grant->listen, address, port);
}
