/* An agent: one authenticated peer, on its worker. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "transport/base/clock.h"
#include "transport/base/log.h"
#include "transport/reverse/registry_parts.h"

/* A peer that is silent is asked after so many seconds whether it lives, and is
 * gone when it has not answered within so many more. */
#define ALIVE_SECONDS 15
#define ALIVE_COUNT   2

/* Channels that an agent may have at once: more than a browser behind it ever
 * opens, and not so many that one peer takes all descriptors. */
#define CHANNELS_MAX 1024

/* Of the destination of a link that serves only this counts. */
static const struct sshdest peer_dest = {
    .given = (char[]){"agent"},
    .host = (char[]){"agent"},
    .user = (char[]){""},
    .alive_interval = ALIVE_SECONDS,
    .alive_count_max = ALIVE_COUNT,
};

static void
log_agent(const struct agent *agent, const char *state, const char *reason)
{
    char text[ADDR_TEXT_MAX];
    struct log_event event;

    log_begin(&event, LOG_INFO, "agent");
    log_string(&event, "name", agent->name);
    log_string(&event, "state", state);
    log_string(&event, "addr", addr_format(&agent->peer, text));
    log_string(&event, "key", *agent->print ? agent->print : "-");
    log_string(&event, "user", agent->user);
    if (reason) {
        log_seconds(&event, "seconds",
                    (uint64_t)((clock_seconds() - agent->since) * 1000));
        log_string(&event, "reason", reason);
    } else {
        log_string(&event, "software", agent->software);
    }
    log_send(&event);
}

/* --- what the link tells -------------------------------------------------- */

static void
on_down(void *arg, enum err err, const char *text)
{
    struct agent *agent = arg;

    (void)err;
    agent_end(agent, "left", text);
}

static void
offer_direct(struct agent *agent, const struct sshlink_offer *offer)
{
    struct registry *registry = agent->registry;
    const struct registry_direct direct = {
        .stream = offer->stream,
        .host = offer->address,
        .port = offer->port,
        .name = agent->name,
        .peer = &agent->peer,
        .grant = agent->grant,
        .owner = agent,
    };

    registry->config.ops->direct(registry->config.arg, agent->member->index,
                                 &direct);
}

static void
on_offered(void *arg, const struct sshlink_offer *offer)
{
    struct agent *agent = arg;
    struct log_word name;

    if (sshlink_streams(agent->link) > CHANNELS_MAX) {
        log_limited(&agent->complaints, LOG_WARN,
                    "agent %s: more than %d channels; others are refused",
                    log_word(&name, agent->name), CHANNELS_MAX);
        stream_close(offer->stream, STREAM_ABORT);
        return;
    }
    if (offer->kind == SSHLINK_SESSION)
        agentsession_start(agent, offer->stream);
    else
        offer_direct(agent, offer);
}

static enum err
on_listen_asked(void *arg, struct sshlink_asked *asked)
{
    struct agent *agent = arg;

    return asked->ends ? agentport_cancel(agent, asked)
                       : agentport_claim(agent, asked);
}

static bool
on_session_asked(void *arg, struct stream *stream, enum sshlink_request request)
{
    return agentsession_asked(arg, stream, request);
}

static void
on_session_closed(void *arg, struct stream *stream)
{
    (void)arg;
    agentsession_end(stream);
}

/* --- its life ------------------------------------------------------------- */

static struct agent *
create(struct member *member, const struct sshserver_login *login,
       const char *name)
{
    struct agent *agent = calloc(1, sizeof(*agent));

    if (!agent)
        return NULL;
    agent->registry = member->registry;
    agent->member = member;
    snprintf(agent->name, sizeof(agent->name), "%s", name);
    memcpy(agent->user, login->user, sizeof(agent->user));
    memcpy(agent->print, login->print, sizeof(agent->print));
    memcpy(agent->software, login->software, sizeof(agent->software));
    agent->peer = login->peer;
    agent->grant = login->grant;
    agent->since = clock_seconds();
    return agent;
}

void
agent_start(struct member *member, struct sshserver_login *login,
            const char *name)
{
    struct registry *registry = member->registry;
    const struct registry_ops *ops = registry->config.ops;
    struct agent *agent = create(member, login, name);
    struct sshlink_config config = {
        .worker = member->worker,
        .dest = &peer_dest,
        .session = login->session,
        .serves = true,
        .down = on_down,
        .offered = on_offered,
        .listen_asked = on_listen_asked,
        .session_asked = on_session_asked,
        .session_closed = on_session_closed,
        .arg = agent,
    };
    struct log_word word;
    enum err err;

    if (!agent) {
        log_write(LOG_ERROR, "agent %s: %s", log_word(&word, name),
                  err_text(ERR_NO_MEMORY));
        ops->release(registry->config.arg, login->grant);
        sshserver_login_drop(login);
        return;
    }
    config.load = &agent->load;
    login->session = NULL;
    sshserver_login_drop(login);
    err = sshlink_create(&config, &agent->link);
    if (err) {
        log_write(LOG_ERROR, "agent %s: %s", log_word(&word, name),
                  err_text(err));
        ops->release(registry->config.arg, agent->grant);
        free(agent);
        return;
    }
    ops->take(registry->config.arg, 1);
    registry_lock(registry);
    DL_PREPEND(registry->agents, agent);
    registry_unlock(registry);
    log_agent(agent, "connected", NULL);
}

void
agent_end(struct agent *agent, const char *state, const char *reason)
{
    struct registry *registry = agent->registry;
    const struct registry_ops *ops = registry->config.ops;

    registry_lock(registry);
    DL_DELETE(registry->agents, agent);
    registry_unlock(registry);
    agentport_forget(agent);
    backdial_lose(agent);
    agentsession_end_all(agent);
    ops->ended(registry->config.arg, agent->member->index, agent);
    log_agent(agent, state, reason); /* which may be the link's text */
    sshlink_destroy(agent->link);
    ops->release(registry->config.arg, agent->grant);
    ops->take(registry->config.arg, -1);
    free(agent);
}
