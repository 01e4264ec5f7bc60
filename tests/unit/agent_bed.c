#include "tests/unit/agent_bed.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "tests/unit/loop_help.h"
#include "transport/base/clock.h"

/* --- the program ---------------------------------------------------------- */

static bool
may_listen(void *arg, void *grant, const char *address, unsigned port)
{
    (void)grant;
    (void)address;
    (void)port;
    return !((struct agent_bed *)arg)->no_rule;
}

static void
on_client(void *arg, unsigned worker, const struct registry_client *client)
{
    struct agent_bed *bed = arg;
    struct agent_bed_client *kept = &bed->clients[bed->client_count];

    if (bed->client_count++ < AGENT_BED_CLIENTS) {
        kept->worker = worker;
        kept->port = client->port;
        strcpy(kept->name, client->name);
        strcpy(kept->listened, client->listened);
    }
    close(client->fd);
}

static void
on_direct(void *arg, unsigned worker, const struct registry_direct *direct)
{
    (void)arg;
    (void)worker;
    stream_close(direct->stream, STREAM_ABORT);
}

static void
on_ended(void *arg, unsigned worker, const void *owner)
{
    (void)worker;
    (void)owner;
    ((struct agent_bed *)arg)->ended++;
}

static bool
has_room(void *arg)
{
    (void)arg;
    return true;
}

static bool
may_take(void *arg, long long descriptors)
{
    (void)descriptors;
    return !((struct agent_bed *)arg)->no_descriptors;
}

static void
take(void *arg, long long descriptors)
{
    ((struct agent_bed *)arg)->taken += descriptors;
}

static void
release(void *arg, void *grant)
{
    (void)grant;
    ((struct agent_bed *)arg)->released++;
}

static const struct registry_ops ops = {
    .may_listen = may_listen,
    .direct = on_direct,
    .ended = on_ended,
    .client = on_client,
    .has_room = has_room,
    .may_take = may_take,
    .take = take,
    .release = release,
};

/* --- its life ------------------------------------------------------------- */

/* A socket that is bound and does not listen keeps a port from everybody but
 * those who ask for it by its number, as the sockets of ports do
 * (SO_REUSEADDR). */
static int
guard(const char *host, unsigned *port)
{
    union addr addr;
    socklen_t len = sizeof(addr);
    int on = 1;
    int fd;

    cr_assert(addr_parse(&addr, host, strlen(host), (uint16_t)*port));
    fd = socket(addr.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, &addr.sa, addr_len(&addr))) {
        int errnum = errno;

        if (fd >= 0)
            close(fd);
        errno = errnum;
        return -1;
    }
    cr_assert_eq(getsockname(fd, &addr.sa, &len), 0);
    *port = addr_port(&addr);
    return fd;
}

/* One that is free in both families, as far as there are two. */
static void
reserve_port(struct agent_bed *bed)
{
    for (int i = 0; i < 20; i++) {
        bed->port = 0;
        bed->guards[0] = guard("127.0.0.1", &bed->port);
        cr_assert_geq(bed->guards[0], 0);
        bed->guards[1] = guard("::1", &bed->port);
        bed->has_v6 = bed->guards[1] >= 0;
        if (bed->has_v6 || errno != EADDRINUSE)
            return;
        close(bed->guards[0]);
    }
    cr_assert_fail("no port is free in both families");
}

void
agent_bed_start(struct agent_bed *bed, enum registry_bind bind)
{
    const struct registry_config config = {
        .ops = &ops,
        .arg = bed,
        .bind = bind,
        .workers = AGENT_BED_WORKERS,
    };

    memset(bed, 0, sizeof(*bed));
    cr_assert_eq(registry_create(&config, &bed->registry), ERR_OK);
    for (unsigned i = 0; i < AGENT_BED_WORKERS; i++) {
        bed->workers[i] = worker_create(i);
        cr_assert(bed->workers[i]);
        cr_assert_eq(
            member_join(bed->registry, bed->workers[i], &bed->members[i]),
            ERR_OK);
    }
    reserve_port(bed);
    agent_bed_turn(bed);
    bed->descriptors = sockets_open_count();
}

void
agent_bed_end(struct agent_bed *bed)
{
    while (bed->registry->agents)
        agent_bed_remove(bed->registry->agents);
    agent_bed_settle(bed);
    cr_expect_null(bed->registry->ports);
    cr_expect_eq(bed->taken, 0);
    cr_expect_eq(sockets_open_count(), bed->descriptors);
    for (unsigned i = 0; i < AGENT_BED_WORKERS; i++)
        member_leave(bed->members[i]);
    for (unsigned i = 0; i < AGENT_BED_WORKERS; i++)
        worker_destroy(bed->workers[i]);
    registry_destroy(bed->registry);
    close(bed->guards[0]);
    if (bed->has_v6)
        close(bed->guards[1]);
}

/* --- agents --------------------------------------------------------------- */

struct agent *
agent_bed_add(struct agent_bed *bed, const char *name, unsigned worker)
{
    struct agent *agent = calloc(1, sizeof(*agent));

    agent->registry = bed->registry;
    agent->member = bed->members[worker];
    snprintf(agent->name, sizeof(agent->name), "%s", name);
    addr_parse(&agent->peer, "192.0.2.1", 9, 22);
    DL_PREPEND(bed->registry->agents, agent);
    return agent;
}

void
agent_bed_remove(struct agent *agent)
{
    DL_DELETE(agent->registry->agents, agent);
    agentport_forget(agent);
    cr_assert_null(agent->claims);
    free(agent);
}

static struct agent_bed *
bed_of(const struct agent *agent)
{
    return agent->registry->config.arg;
}

enum err
agent_bed_claim(struct agent *agent, const char *address)
{
    struct sshlink_asked asked = {.address = address,
                                  .port = bed_of(agent)->port};
    enum err err = agentport_claim(agent, &asked);

    if (!err)
        cr_assert_eq(asked.bound, asked.port);
    return err;
}

enum err
agent_bed_cancel(struct agent *agent, const char *address)
{
    const struct sshlink_asked asked = {
        .address = address, .port = bed_of(agent)->port, .ends = true};

    return agentport_cancel(agent, &asked);
}

/* --- what comes of them --------------------------------------------------- */

void
agent_bed_settle(struct agent_bed *bed)
{
    bool any;

    do {
        any = false;
        for (unsigned i = 0; i < AGENT_BED_WORKERS; i++)
            any = worker_settle(bed->workers[i]) || any;
    } while (any);
}

void
agent_bed_turn(struct agent_bed *bed)
{
    for (unsigned i = 0; i < AGENT_BED_WORKERS; i++)
        loop_turns(bed->workers[i], 2);
}

int
agent_bed_knock(struct agent_bed *bed, const char *host)
{
    union addr addr;
    int fd;

    cr_assert(addr_parse(&addr, host, strlen(host), (uint16_t)bed->port));
    fd = socket(addr.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockets_be_patient(fd);
    if (connect(fd, &addr.sa, addr_len(&addr)) == 0)
        return fd;
    close(fd);
    return -1;
}

int
agent_bed_visit(struct agent_bed *bed, const char *host)
{
    double until = clock_seconds() + LOOP_PATIENCE_SECONDS;
    unsigned before = bed->client_count;
    int fd = agent_bed_knock(bed, host);

    if (fd < 0)
        return -1;
    while (bed->client_count == before) {
        cr_assert_lt(clock_seconds(), until, "nobody accepts");
        agent_bed_turn(bed);
    }
    close(fd);
    cr_assert_eq(bed->client_count, before + 1);
    cr_assert_lt(before, AGENT_BED_CLIENTS);
    return (int)bed->clients[before].worker;
}
