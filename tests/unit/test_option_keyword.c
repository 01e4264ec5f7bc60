#include <sys/socket.h>

#include "proxy/sshconf_table.h"
#include "tests/unit/options_run.h"

Test(option_keyword, act_on_the_settings)
{
    struct settings *s = options_accept(
        ARGS("-o", "AddressFamily=inet6", "-oBindAddress 192.0.2.7", "-o",
             "bindinterface = lo", "-o", "ConnectTimeout=1m", "-o",
             "DynamicForward 1080", "-o", "LocalForward 8080 db:5432", "-o",
             "exitonforwardfailure=yes", "-o", "LogLevel=VERBOSE", "-o",
             "StreamLocalBindMask=0117", "-o", "StreamLocalBindUnlink yes",
             "-o", "ForkAfterAuthentication=yes"));

    cr_assert_eq(s->family, AF_INET6);
    cr_assert_str_eq(s->bind_host, "192.0.2.7");
    cr_assert_str_eq(s->bind_device, "lo");
    cr_assert_float_eq(s->connect_timeout, 60, 0);
    cr_assert_eq(s->forwards->kind, FORWARD_SOCKS);
    cr_assert_eq(s->forwards->next->kind, FORWARD_FIXED);
    cr_assert_str_eq(s->forwards->next->target.name, "db");
    cr_assert(s->exit_on_forward_failure);
    cr_assert_eq(s->log.level, LOG_VERBOSE);
    cr_assert_eq(s->socket_mask, 0117);
    cr_assert(s->unlink_socket);
    cr_assert(s->background);
    settings_destroy(s);
}

Test(option_keyword, first_one_counts_and_an_option_more)
{
    struct settings *s =
        options_accept(ARGS("-D1", "-oConnectTimeout=5", "-oConnectTimeout=6"));

    cr_assert_float_eq(s->connect_timeout, 5, 0);
    settings_destroy(s);
    s = options_accept(ARGS("-D1", "-oConnectTimeout=5", "--connect-timeout=7",
                            "-oConnectTimeout=6"));
    cr_assert_float_eq(s->connect_timeout, 7, 0);
    settings_destroy(s);
    s = options_accept(ARGS("-D1", "-4", "-oAddressFamily=inet6"));
    cr_assert_eq(s->family, AF_INET);
    settings_destroy(s);
}

Test(option_keyword, value_may_stand_in_quotes)
{
    struct settings *s =
        options_accept(ARGS("-D1", "-o", "BindAddress=\"192.0.2.7\""));

    cr_assert_str_eq(s->bind_host, "192.0.2.7");
    settings_destroy(s);
    options_refuse(ARGS("-D1", "-o", "BindAddress=\"192.0.2.7"), "quote");
}

Test(option_keyword, malformed_ones_name_what_was_typed)
{
    static const char *const table[] = {
        "Foo=1",
        "",
        "=1",
        "GatewayPorts",
        "GatewayPorts=",
        "GatewayPorts=maybe",
        "GatewayPorts=yes no",
        "ConnectTimeout=x",
        "ConnectTimeout==5",
        "LocalForward=8080:h:80",
        "LocalForward 8080",
        "DynamicForward=70000",
        "LogLevel=loud",
        "StreamLocalBindMask=9",
        "AddressFamily=inet4",
        "BindInterface=an-interface-with-a-long-name",
        "Compressio=yes",
        "Compressions=yes",
        "RemoteForward=8080:h:80",
        "PermitRemoteOpen=a",
        "PermitRemoteOpen=a:1 any",
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char word[80];

        snprintf(word, sizeof(word), "-o %s: ", table[i]);
        options_refuse(ARGS("-D1", "-o", table[i]), word);
    }
}

Test(option_keyword, what_would_go_another_way_needs_a_destination)
{
    static const char *const table[] = {"ProxyJump=box",
                                        "ProxyCommand=nc %h %p", "HostName=box",
                                        "RemoteForward 1 h:2"};

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        options_refuse(ARGS("-D1", "-o", table[i]), "needs a destination");
}

Test(option_keyword, what_is_not_there_is_refused)
{
    options_refuse(ARGS("-D1", "-oRemoteForward=/s h:2"), "Unix socket");
    options_refuse(ARGS("-D1", "-oRemoteCommand=ls"), "is not supported");
    options_refuse(ARGS("-D1", "-oTunnel=yes"), "is not supported");
    options_refuse(ARGS("-D1", "-oPKCS11Provider=/x"), "is not supported");
    options_refuse(ARGS("-D1", "-oControlMaster=ask"), "is not supported");
    options_refuse(ARGS("-D1", "-oHost=x"), "for files");
    options_refuse(ARGS("-D1", "-oMatch=all"), "for files");
    options_refuse(ARGS("-D1", "-oInclude=x"), "for files");
}

Test(option_keyword, refusing_ones_may_be_off)
{
    settings_destroy(options_accept(
        ARGS("-D1", "-oProxyJump=none", "-oControlMaster=no",
             "-oControlPath=none", "-oTunnel=no", "-oPKCS11Provider=none")));
}

Test(option_keyword, those_without_effect_are_one_warning)
{
    struct options_run run;

    options_run(ARGS("-D1", "-oCompression=yes", "-AX", "-oPort=22", "-oport=3",
                     "-oServerAliveInterval=15", "-oPermitRemoteOpen=a:1"),
                &run);
    cr_assert_eq(run.result, OPTIONS_RUN);
    cr_assert_str_eq(
        run.err, "culvert: warning: without effect here: -A, -X, "
                 "Compression, PermitRemoteOpen, Port, ServerAliveInterval\n");
    settings_destroy(run.settings);
}

Test(option_keyword, all_of_them_in_one_command_line)
{
    struct options_run run;
    const char *args[3] = {"-D1"};
    char text[80];
    const struct sshconf_entry *entry;

    for (size_t i = 0; (entry = sshconf_table_at(i)); i++) {
        snprintf(text, sizeof(text), "-o%s=no", entry->name);
        args[1] = text;
        options_run(args, &run);
        cr_assert_null(strstr(run.err, "not a keyword"), "%s", entry->name);
        settings_destroy(run.settings);
    }
}

Test(option_keyword, unknown_ones_that_are_to_be_ignored)
{
    settings_destroy(options_accept(ARGS(
        "-D1", "-oIgnoreUnknown=Foo*,!foobar,ba?", "-oFOOD=1", "-oBaz x y")));
    options_refuse(ARGS("-D1", "-oIgnoreUnknown=Foo*,!foobar", "-oFooBar=1"),
                   "FooBar");
    options_refuse(ARGS("-D1", "-oFoo=1", "-oIgnoreUnknown=Foo"), "Foo");
}
