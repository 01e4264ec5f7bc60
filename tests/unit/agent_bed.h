/* A registry with members on workers whose loops the test runs, and agents
 * without links, for what becomes of their ports and of dials that wait. */
#ifndef CULVERT_TESTS_UNIT_AGENT_BED_H
#define CULVERT_TESTS_UNIT_AGENT_BED_H

#include <stdbool.h>

#include "transport/reverse/registry_parts.h"

#define AGENT_BED_WORKERS 3

/* Clients that a bed keeps in mind; more are counted. */
#define AGENT_BED_CLIENTS 64

/* A client of a port, as the program was told of it. */
struct agent_bed_client {
    unsigned worker;
    unsigned port;
    char name[REGISTRY_NAME_MAX + 1];
    char listened[CLAIM_ADDRESS_MAX + 1];
};

struct agent_bed {
    struct registry *registry;
    struct worker *workers[AGENT_BED_WORKERS];
    struct member *members[AGENT_BED_WORKERS];
    int guards[2]; /* the reserved port, of both families */
    unsigned port; /* its number, which nobody else is given */
    bool has_v6;
    unsigned descriptors; /* open before anything was asked for */

    struct agent_bed_client clients[AGENT_BED_CLIENTS];
    unsigned client_count;
    long long taken; /* descriptors */
    unsigned released;
    unsigned ended;
    bool no_rule;        /* keys allow no port */
    bool no_descriptors; /* nor are there any */
};

/* Starts with ports on loopback, as GatewayPorts=no has them. */
void agent_bed_start(struct agent_bed *bed, enum registry_bind bind);

/* Agents and members have left, where they have not yet; asserts that nothing
 * is left open or taken. */
void agent_bed_end(struct agent_bed *bed);

/* An agent on a worker, the newest there is. */
struct agent *agent_bed_add(struct agent_bed *bed, const char *name,
                            unsigned worker);

/* It leaves. */
void agent_bed_remove(struct agent *agent);

/* Asks for the reserved port, or no longer, by an address. */
enum err agent_bed_claim(struct agent *agent, const char *address);
enum err agent_bed_cancel(struct agent *agent, const char *address);

/* Runs mail and tasks of all workers until there is none. */
void agent_bed_settle(struct agent_bed *bed);

/* A client of the reserved port, which waits in its queue; -1 where nobody
 * listens. */
int agent_bed_knock(struct agent_bed *bed, const char *host);

/* Knocks, and runs all loops until the client has come in. Returns the worker
 * that accepted it, or -1 where nobody listens. */
int agent_bed_visit(struct agent_bed *bed, const char *host);

/* Runs all loops a few turns. */
void agent_bed_turn(struct agent_bed *bed);

#endif
