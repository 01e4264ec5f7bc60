/* Which agent a dial goes by: agents and their ports as they are in memory,
 * with no link behind them. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "transport/base/clock.h"
#include "transport/reverse/registry_parts.h"

#define AGENTS 3

struct bed {
    struct registry *registry;
    struct member members[2];
    struct agent agents[AGENTS];
    struct agentport ports[AGENTS];
    struct claim claims[AGENTS];
};

/* Three agents called home, the last the newest, each with port 1080 + its
 * index, asked for by "localhost". */
static struct bed *
bed_create(void)
{
    const struct registry_config config = {.workers = 2};
    struct bed *bed = calloc(1, sizeof(*bed));

    cr_assert_eq(registry_create(&config, &bed->registry), ERR_OK);
    for (unsigned i = 0; i < 2; i++)
        bed->members[i] =
            (struct member){.registry = bed->registry, .index = i};
    for (unsigned i = 0; i < AGENTS; i++) {
        struct agent *agent = &bed->agents[i];
        struct claim *claim = &bed->claims[i];

        agent->registry = bed->registry;
        agent->member = &bed->members[i % 2];
        strcpy(agent->name, "home");
        bed->ports[i].number = 1080 + i;
        claim->agent = agent;
        claim->port = &bed->ports[i];
        strcpy(claim->address, "localhost");
        LL_APPEND(agent->claims, claim);
        DL_PREPEND(bed->registry->agents, agent);
    }
    return bed;
}

static void
bed_end(struct bed *bed)
{
    registry_destroy(bed->registry);
    free(bed);
}

/* The index of the agent that is picked, or -1. */
static int
pick(struct bed *bed, const char *name, const char *listened, unsigned port)
{
    const struct registry_ask ask = {
        .name = name, .listened = listened, .port = port};
    struct claim *claim = NULL;
    struct agent *agent = registry_pick(bed->registry, &ask, &claim);

    if (!agent)
        return -1;
    cr_assert_eq(claim->agent, agent);
    return (int)(agent - bed->agents);
}

Test(registry, the_newest_of_those_that_are_alike)
{
    struct bed *bed = bed_create();

    cr_assert_eq(pick(bed, "home", NULL, 0), 2);
    cr_assert_eq(pick(bed, "HOME", NULL, 0), 2);
    cr_assert_eq(pick(bed, "hom", NULL, 0), -1);
    bed_end(bed);
}

Test(registry, the_least_busy)
{
    struct bed *bed = bed_create();

    atomic_store(&bed->agents[2].load.channels, 2);
    atomic_store(&bed->agents[1].load.opening, 1);
    cr_assert_eq(pick(bed, "home", NULL, 0), 0);
    atomic_store(&bed->agents[0].load.channels, 5);
    cr_assert_eq(pick(bed, "home", NULL, 0), 1);
    bed_end(bed);
}

Test(registry, one_that_owes_an_answer_is_the_last_choice)
{
    struct bed *bed = bed_create();

    atomic_store(&bed->agents[2].is_suspect, true);
    atomic_store(&bed->agents[1].load.channels, 9);
    atomic_store(&bed->agents[0].load.channels, 10);
    cr_assert_eq(pick(bed, "home", NULL, 0), 1);
    atomic_store(&bed->agents[0].is_suspect, true);
    atomic_store(&bed->agents[1].is_suspect, true);
    cr_assert_eq(pick(bed, "home", NULL, 0), 2);
    bed_end(bed);
}

Test(registry, one_that_was_kicked_is_none)
{
    struct bed *bed = bed_create();

    cr_assert_eq(registry_kick(bed->registry, "Home"), 3);
    cr_assert_eq(registry_kick(bed->registry, "home"), 0);
    cr_assert_eq(pick(bed, "home", NULL, 0), -1);
    bed_end(bed);
}

Test(registry, ports_that_are_no_socks_are_left_out_for_a_while)
{
    struct bed *bed = bed_create();

    for (int i = 0; i < AGENTS; i++) {
        bed->claims[i].nature = CLAIM_FIXED;
        bed->claims[i].judged_until = clock_seconds() + 10;
    }
    cr_assert_eq(pick(bed, "home", NULL, 0), -1);
    cr_assert(registry_is_deaf(bed->registry, "home"));
    cr_assert_not(registry_is_deaf(bed->registry, "other"));
    bed->claims[1].judged_until = clock_seconds() - 1;
    cr_assert_eq(pick(bed, "home", NULL, 0), 1);
    cr_assert_not(registry_is_deaf(bed->registry, "home"));
    cr_assert_not(registry_has_other(bed->registry, "home", &bed->claims[1]));
    cr_assert(registry_has_other(bed->registry, "home", &bed->claims[0]));
    bed_end(bed);
}

Test(registry, ports_that_were_silent_are_the_last_choice)
{
    struct bed *bed = bed_create();

    bed->claims[2].nature = bed->claims[1].nature = CLAIM_SILENT;
    bed->claims[2].judged_until = bed->claims[1].judged_until =
        clock_seconds() + 10;
    atomic_store(&bed->agents[0].load.channels, 50);
    cr_assert_eq(pick(bed, "home", NULL, 0), 0);
    cr_assert(registry_has_other(bed->registry, "home", &bed->claims[2]));
    cr_assert_not(registry_has_other(bed->registry, "home", &bed->claims[0]));
    bed->agents[0].claims = NULL;
    cr_assert_eq(pick(bed, "home", NULL, 0), 2);
    cr_assert_not(registry_is_deaf(bed->registry, "home"));
    bed_end(bed);
}

Test(registry, of_one_agents_ports_rather_that_which_is_known)
{
    struct bed *bed = bed_create();
    struct registry_ask ask = {.name = "home"};
    struct claim second = {.agent = &bed->agents[2], .port = &bed->ports[0]};
    struct claim *claim = NULL;

    second.nature = CLAIM_SOCKS;
    LL_APPEND(bed->agents[2].claims, &second);
    registry_pick(bed->registry, &ask, &claim);
    cr_assert_eq(claim, &second);
    bed_end(bed);
}

Test(registry, a_ports_clients_go_to_the_newest_that_asked_for_it)
{
    struct bed *bed = bed_create();

    bed->ports[1].number = bed->ports[2].number = 1080;
    atomic_store(&bed->agents[2].load.channels, 100);
    bed->claims[2].nature = CLAIM_FIXED;
    bed->claims[2].judged_until = clock_seconds() + 10;
    cr_assert_eq(pick(bed, "home", "localhost", 1080), 2);
    cr_assert_eq(pick(bed, "home", "", 1080), -1);
    cr_assert_eq(pick(bed, "home", "localhost", 1081), -1);
    bed->claims[2].is_over = true;
    cr_assert_eq(pick(bed, "home", "localhost", 1080), 1);
    bed_end(bed);
}

Test(registry, agents_without_ports_are_not_asked)
{
    struct bed *bed = bed_create();

    bed->agents[2].claims = NULL;
    cr_assert_eq(pick(bed, "home", NULL, 0), 1);
    bed->agents[1].claims = bed->agents[0].claims = NULL;
    cr_assert_eq(pick(bed, "home", NULL, 0), -1);
    cr_assert_not(registry_is_deaf(bed->registry, "home"));
    bed_end(bed);
}

Test(registry, rows_have_what_is_known)
{
    struct bed *bed = bed_create();
    struct claim all = {.agent = &bed->agents[2], .port = &bed->ports[1]};
    struct registry_row *rows = NULL;

    strcpy(bed->agents[2].user, "fred");
    LL_APPEND(bed->agents[2].claims, &all);
    atomic_store(&bed->agents[2].load.channels, 2);
    cr_assert_eq(registry_rows(bed->registry, &rows), AGENTS);
    cr_assert_str_eq(rows[0].name, "home");
    cr_assert_str_eq(rows[0].user, "fred");
    cr_assert_str_eq(rows[0].ports, "localhost:1082,*:1081");
    cr_assert_eq(rows[0].streams, 2);
    cr_assert_eq(rows[1].worker, 1);
    free(rows);
    bed_end(bed);
}

Test(registry, more_ports_than_a_row_has_room_for_are_left_out)
{
    struct bed *bed = bed_create();
    struct claim *more = calloc(64, sizeof(*more));
    struct registry_row *rows = NULL;

    for (int i = 0; i < 64; i++) {
        more[i].port = &bed->ports[0];
        strcpy(more[i].address, "::1");
        LL_APPEND(bed->agents[2].claims, &more[i]);
    }
    cr_assert_eq(registry_rows(bed->registry, &rows), AGENTS);
    cr_assert_lt(strlen(rows[0].ports), REGISTRY_PORTS_MAX);
    cr_assert_str_eq(rows[0].ports + strlen(rows[0].ports) - 11, ",[::1]:1080");
    free(rows);
    free(more);
    bed_end(bed);
}

/* --- addresses ------------------------------------------------------------ */

/* The addresses that a request leads to, as text. */
static const char *
bound(enum registry_bind bind, const char *asked)
{
    static char text[200];
    struct agentport port = {.number = 80};

    agentbind_find(&port, bind, asked);
    *text = 0;
    for (unsigned i = 0; i < port.asked_count; i++) {
        char one[ADDR_TEXT_MAX];

        strcat(text, i > 0 ? " " : "");
        strcat(text, addr_format_host(&port.asked[i], one));
    }
    return text;
}

Test(agentbind, no_is_loopback_always)
{
    const char *const asked[] = {"",        "*",         "localhost",
                                 "0.0.0.0", "192.0.2.1", "some.name"};

    for (size_t i = 0; i < sizeof(asked) / sizeof(*asked); i++)
        cr_assert_str_eq(bound(REGISTRY_BIND_LOOPBACK, asked[i]),
                         "127.0.0.1 ::1");
    cr_assert_str_eq(bound(REGISTRY_BIND_LOOPBACK, "127.0.0.1"), "127.0.0.1");
    cr_assert_str_eq(bound(REGISTRY_BIND_LOOPBACK, "::1"), "::1");
}

Test(agentbind, yes_is_every_address_always)
{
    const char *const asked[] = {"", "*", "localhost", "127.0.0.1",
                                 "192.0.2.1"};

    for (size_t i = 0; i < sizeof(asked) / sizeof(*asked); i++)
        cr_assert_str_eq(bound(REGISTRY_BIND_ANY, asked[i]), "0.0.0.0 ::");
}

Test(agentbind, clientspecified_is_as_asked)
{
    cr_assert_str_eq(bound(REGISTRY_BIND_AS_ASKED, ""), "0.0.0.0 ::");
    cr_assert_str_eq(bound(REGISTRY_BIND_AS_ASKED, "*"), "0.0.0.0 ::");
    cr_assert_str_eq(bound(REGISTRY_BIND_AS_ASKED, "localhost"),
                     "127.0.0.1 ::1");
    cr_assert_str_eq(bound(REGISTRY_BIND_AS_ASKED, "192.0.2.1"), "192.0.2.1");
    cr_assert_str_eq(bound(REGISTRY_BIND_AS_ASKED, "some.name"), "");
}
