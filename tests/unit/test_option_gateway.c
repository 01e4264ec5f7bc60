/* What the command line says of the gateway. */
#include <criterion/criterion.h>
#include <string.h>

#include "auth/grant.h"
#include "proxy/option_forward.h"
#include "tests/unit/options_run.h"

/* A gateway that has all it needs; the files are not looked at here. */
#define GATEWAY "--gateway=2222", "--host-key=k", "--authorized-keys=a"

#define NAME_62 "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

static struct forward
parsed(const char *spec)
{
    struct forward forward;
    const char *why;

    memset(&forward, 0xff, sizeof(forward));
    why = option_forward_parse(OPTION_FORWARD_GATEWAY, spec, &forward);
    cr_assert_null(why, "%s: %s", spec, why);
    cr_assert_eq(forward.kind, FORWARD_GATEWAY);
    cr_assert_not(forward.is_remote);
    cr_assert_eq(forward.text, spec);
    return forward;
}

Test(option_gateway, listens_on_every_address_unless_told)
{
    static const struct {
        const char *spec;
        enum listen_where where;
        const char *host;
        unsigned port;
    } table[] = {
        {"2222", LISTEN_ANY, "", 2222},
        {"0", LISTEN_ANY, "", 0},
        {"ssh", LISTEN_ANY, "", 22},
        {"*:2222", LISTEN_ANY, "", 2222},
        {":2222", LISTEN_ANY, "", 2222},
        {"localhost:2222", LISTEN_LOOPBACK, "", 2222},
        {"LOCALHOST:0", LISTEN_LOOPBACK, "", 0},
        {"127.0.0.1:22", LISTEN_HOST, "127.0.0.1", 22},
        {"[::1]:22", LISTEN_HOST, "::1", 22},
        {"gw.example:22", LISTEN_HOST, "gw.example", 22},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct forward forward = parsed(table[i].spec);

        cr_assert_eq(forward.where, table[i].where, "%s", table[i].spec);
        cr_assert_str_eq(forward.host, table[i].host, "%s", table[i].spec);
        cr_assert_eq(forward.port, table[i].port, "%s", table[i].spec);
        cr_assert_eq(forward.bind_given, strchr(table[i].spec, ':') != NULL);
    }
}

Test(option_gateway, what_is_no_port_is_refused)
{
    static const char *const table[] = {
        "",       "65536",     "-1",     "x",       "h:",        "/run/s",
        "h:/s",   "/s:22",     "::1:22", "1:h:2",   "[::1]",     "h h:1",
        "2222/x", "2222 2223", "[::1",   "1:2:3:4", "1:2:3:4:5",
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct forward forward;

        cr_assert(
            option_forward_parse(OPTION_FORWARD_GATEWAY, table[i], &forward),
            "\"%s\" was taken", table[i]);
    }
    options_refuse(ARGS("--gateway=70000", "--host-key=k", "--users=u"),
                   "--gateway 70000: port must be 0 to 65535");
    options_refuse(ARGS("--gateway", "/run/s"), "--gateway /run/s: not [bind");
    options_refuse(ARGS("--gateway"), "--gateway: has no value");
}

Test(option_gateway, stands_alone)
{
    struct settings *s = options_accept(
        ARGS("--gateway", "localhost:2222", "--host-key", "k1", "--host-key=k2",
             "--authorized-keys", "/etc/keys", "--gateway=*:2223"));

    cr_assert(settings_has_gateway(s));
    cr_assert_eq(s->forwards->kind, FORWARD_GATEWAY);
    cr_assert_eq(s->forwards->where, LISTEN_LOOPBACK);
    cr_assert_eq(s->forwards->next->kind, FORWARD_GATEWAY);
    cr_assert_eq(s->forwards->next->port, 2223);
    cr_assert_eq(s->host_keys.count, 2);
    cr_assert_str_eq(s->host_keys.item[0], "k1");
    cr_assert_str_eq(s->host_keys.item[1], "k2");
    cr_assert_str_eq(s->authorized_keys, "/etc/keys");
    cr_assert_eq(s->agent_ports, GATEWAY_PORTS_NO);
    settings_destroy(s);
}

Test(option_gateway, none_is_there_by_default)
{
    struct settings *s = options_accept(ARGS("-D1"));

    cr_assert_not(settings_has_gateway(s));
    cr_assert_eq(s->host_keys.count, 0);
    cr_assert_null(s->authorized_keys);
    cr_assert_eq(s->reverse_way, SETTINGS_WAY_TCP);
    cr_assert_eq(s->agent_way, SETTINGS_WAY_TCP);
    cr_assert_null(s->ways[SETTINGS_WAY_TCP].agent);
    settings_destroy(s);
}

Test(option_gateway, what_is_missing_is_named)
{
    char users[32];

    options_refuse(ARGS("--gateway=2222", "--authorized-keys=a"),
                   "--gateway 2222: needs --host-key FILE");
    options_refuse(ARGS("--gateway=2222", "--host-key=k"),
                   "--gateway 2222: needs --authorized-keys FILE or --users");
    options_refuse(ARGS("-D1", "--host-key=k"),
                   "--host-key k: needs --gateway");
    options_refuse(ARGS("-D1", "--authorized-keys=a"),
                   "--authorized-keys a: needs --gateway");
    options_refuse(ARGS("--host-key="), "--host-key : is empty");
    options_refuse(ARGS("--authorized-keys="), "--authorized-keys : is empty");
    options_refuse(ARGS(GATEWAY, "--authorized-keys=b"),
                   "--authorized-keys b: there can be only one");
    options_refuse(ARGS(GATEWAY, "-Wh:1"), "--gateway 2222: cannot go with -W");
    options_users_file(users);
    settings_destroy(options_accept(
        ARGS("--gateway=2222", "--host-key=k", "--users", users)));
    remove(users);
}

/* It asks everybody for a key or a password. */
Test(option_gateway, beyond_loopback_is_no_open_proxy)
{
    struct settings *s = options_accept(ARGS(GATEWAY, "-D1"));

    settings_destroy(s);
    options_refuse(ARGS(GATEWAY, "-D*:1"), "-D *:1: refused: this would be");
}

Test(option_gateway, is_no_forward_to_be_cleared)
{
    struct settings *s =
        options_accept(ARGS(GATEWAY, "-D1", "-oClearAllForwardings=yes"));

    cr_assert_eq(s->forwards->kind, FORWARD_GATEWAY);
    cr_assert_null(s->forwards->next);
    settings_destroy(s);
}

Test(option_gateway, goes_with_a_destination)
{
    struct settings *s = options_accept(ARGS("-Fnone", GATEWAY, "-D1", "gw"));

    cr_assert(settings_has_gateway(s));
    cr_assert_str_eq(s->ways[s->local_way].word, "ssh");
    cr_assert_eq(s->agent_way, SETTINGS_WAY_TCP);
    cr_assert_str_eq(s->ways[s->reverse_way].word, "reverse");
    settings_destroy(s);
}

/* --- where agents' ports are ---------------------------------------------- */

static void
assert_ports(const char *option, enum gateway_ports ports,
             enum listen_where local)
{
    struct settings *s = options_accept(ARGS(GATEWAY, "-L1:h:2", option));

    cr_assert_eq(s->agent_ports, ports, "%s", option);
    cr_assert_eq(s->gateway_ports, local == LISTEN_ANY, "%s", option);
    cr_assert_eq(s->forwards->where, LISTEN_ANY, "the gateway itself");
    cr_assert_eq(s->forwards->next->where, local, "%s", option);
    settings_destroy(s);
}

Test(option_gateway, ports_of_agents_are_on_loopback_unless_told)
{
    assert_ports("-v", GATEWAY_PORTS_NO, LISTEN_LOOPBACK);
    assert_ports("-oGatewayPorts=no", GATEWAY_PORTS_NO, LISTEN_LOOPBACK);
    assert_ports("-g", GATEWAY_PORTS_YES, LISTEN_ANY);
    assert_ports("-oGatewayPorts=yes", GATEWAY_PORTS_YES, LISTEN_ANY);
    assert_ports("-oGatewayPorts=ClientSpecified",
                 GATEWAY_PORTS_CLIENTSPECIFIED, LISTEN_LOOPBACK);
}

Test(option_gateway, clientspecified_is_the_gateways)
{
    char path[] = "/tmp/culvert-gateway-XXXXXX";
    FILE *file;

    options_refuse(ARGS("-D1", "-oGatewayPorts=clientspecified"),
                   "-o GatewayPorts=clientspecified: needs --gateway");
    options_refuse(ARGS(GATEWAY, "-oGatewayPorts=some"),
                   "must be yes, no or clientspecified");
    /* ssh's files cannot have it. */
    file = fdopen(mkstemp(path), "w");
    cr_assert(file);
    fputs("GatewayPorts clientspecified\n", file);
    fclose(file);
    options_refuse(ARGS("-F", path, GATEWAY, "gw"),
                   "GatewayPorts: must be yes");
    remove(path);
}

/* --- ways back ------------------------------------------------------------ */

static const struct settings_way *
way_for(const struct settings *s, const char *host)
{
    const struct forward forward = {.kind = FORWARD_SOCKS};
    struct target target;

    cr_assert_eq(target_set_host(&target, host, strlen(host), 80), ERR_OK);
    return &s->ways[settings_way_of(s, &forward, &target)];
}

Test(option_gateway, via_an_agent)
{
    struct settings *s =
        options_accept(ARGS("-D1", "--via=reverse:home", GATEWAY));

    cr_assert_str_eq(way_for(s, "h")->agent, "home");
    cr_assert_str_eq(way_for(s, "h")->word, "reverse:home");
    cr_assert_null(way_for(s, "h")->ssh);
    cr_assert_not(settings_has_way(s, false, false));
    cr_assert_not(settings_has_way(s, false, true));
    /* What the agent itself asks for is not to come back to it. */
    cr_assert_eq(s->agent_way, SETTINGS_WAY_TCP);
    cr_assert_str_eq(s->ways[s->reverse_way].agent, "");
    cr_assert_str_eq(s->ways[s->reverse_way].word, "reverse");
    cr_assert_neq(s->reverse_way, s->local_way);
    settings_destroy(s);
}

Test(option_gateway, another_via_holds_for_agents_too)
{
    struct settings *s =
        options_accept(ARGS("-Fnone", GATEWAY, "-D1", "--via=ssh://u@h", "gw"));

    cr_assert_str_eq(s->ways[s->agent_way].word, "ssh://u@h");
    settings_destroy(s);
    s = options_accept(ARGS("-Fnone", GATEWAY, "--via=ssh:", "gw"));
    cr_assert_str_eq(s->ways[s->agent_way].word, "ssh");
    settings_destroy(s);
    s = options_accept(ARGS("-Fnone", GATEWAY, "-D1", "--via=reverse:a", "gw"));
    cr_assert_eq(s->agent_way, SETTINGS_WAY_TCP);
    cr_assert_str_eq(s->ways[s->local_way].word, "reverse:a");
    settings_destroy(s);
}

Test(option_gateway, an_agent_named_twice_is_one_way)
{
    struct settings *s = options_accept(
        ARGS(GATEWAY, "-D1", "--route", "*.home,10.0.0.0/8=reverse:home",
             "--route=b=REVERSE:Home", "--route=c=reverse:work",
             "--route=d=tcp:", "--via=reverse:home"));

    cr_assert_eq(s->way_count, 4); /* tcp, whichever, home and work */
    cr_assert_str_eq(way_for(s, "a.home")->agent, "home");
    cr_assert_str_eq(way_for(s, "10.1.2.3")->agent, "home");
    cr_assert_str_eq(way_for(s, "b")->agent, "home");
    cr_assert_str_eq(way_for(s, "c")->agent, "work");
    cr_assert_str_eq(way_for(s, "d")->word, "tcp");
    cr_assert_str_eq(way_for(s, "e")->agent, "home");
    cr_assert(settings_has_way(s, false, false));
    settings_destroy(s);
}

Test(option_gateway, ways_back_that_are_wrong)
{
    static const char *const names[] = {"",  "a b", "a.b",       "a/b",
                                        "ä", "a@b", NAME_62 "xy"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char via[128], why[160];

        snprintf(via, sizeof(via), "--via=reverse:%s", names[i]);
        snprintf(why, sizeof(why), "--via reverse:%s: an agent's name is 1 to",
                 names[i]);
        options_refuse(ARGS(GATEWAY, "-D1", via), why);
    }
    cr_assert_eq(strlen(NAME_62 "x"), GRANT_AGENT_MAX);
    settings_destroy(
        options_accept(ARGS(GATEWAY, "-D1", "--via=reverse:" NAME_62 "_")));
    settings_destroy(options_accept(ARGS(GATEWAY, "-D1", "--via=reverse:-")));
    options_refuse(ARGS("-D1", "--via=reverse:a"),
                   "--via reverse:a: needs --gateway");
    options_refuse(ARGS("-D1", "--route=h=reverse:a"),
                   "--route h=reverse:a: needs --gateway");
    options_refuse(ARGS("-Fnone", "-D1", "--via=reverse:a", "gw"),
                   "needs --gateway");
}

/* --- with other words ----------------------------------------------------- */

Test(option_gateway, is_no_forward_to_ask_for)
{
    options_refuse(ARGS("-Oforward", "-S/x", GATEWAY),
                   "--gateway 2222: cannot go with -O");
    options_refuse(ARGS("-Ocancel", "-S/x", "--gateway=1", "-D1"),
                   "--gateway 1: cannot go with -O");
    settings_destroy(options_accept(
        ARGS("-Ostatus", "-S/x", "--gateway=1", "--via=reverse:home")));
}

Test(option_gateway, is_printed)
{
    struct options_run run;

    options_run(ARGS("-GFnone", "--gateway=localhost:1", GATEWAY, "gw",
                     "-oGatewayPorts=clientspecified"),
                &run);
    cr_assert_eq(run.result, OPTIONS_EXIT_OK, "%s", run.err);
    cr_assert(strstr(run.out, "\ngateway [localhost]:1\ngateway 2222\n"
                              "hostkey k\nauthorizedkeysfile a\n"));
    cr_assert(strstr(run.out, "\ngatewayports clientspecified\n"));
    options_run(ARGS("-GFnone", "gw"), &run);
    cr_assert_null(strstr(run.out, "hostkey "));
    cr_assert(strstr(run.out, "\ngatewayports no\n"));
}
