/* The forwards of a command line beside each other, and which of them would be
 * an open proxy. */
#include "proxy/options.h"

#include "tests/unit/options_run.h"

Test(options_forwards, gateway_ports_wherever_it_stands)
{
    struct settings *s =
        options_accept(ARGS("-L80:h:80", "-g", "-Llocalhost:81:h:80",
                            "-L127.0.0.1:82:h:80", "-L/run/s:h:80"));
    struct forward *f = s->forwards;

    cr_assert_eq(f->where, LISTEN_ANY);
    cr_assert_eq(f->next->where, LISTEN_LOOPBACK);
    cr_assert_eq(f->next->next->where, LISTEN_HOST);
    cr_assert_eq(f->next->next->next->where, LISTEN_UNIX);
    settings_destroy(s);
}

Test(options_forwards, gateway_ports_are_not_the_servers)
{
    struct settings *s = options_accept(ARGS("-gR80:h:80", "-R1080", "h"));

    cr_assert_eq(s->forwards->where, LISTEN_LOOPBACK);
    cr_assert_eq(s->forwards->next->where, LISTEN_LOOPBACK);
    settings_destroy(s);
}

Test(options_forwards, remote_forwards)
{
    struct settings *s =
        options_accept(ARGS("-R", "8080:db:80", "-D1", "h", "-R*:1080"));
    struct forward *f = s->forwards;

    cr_assert_eq(options_count_forwards(s), 3);
    cr_assert(f->is_remote && f->kind == FORWARD_FIXED && f->port == 8080);
    cr_assert_str_eq(f->text, "8080:db:80");
    cr_assert_not(f->next->is_remote);
    cr_assert(f->next->next->is_remote);
    cr_assert_eq(f->next->next->kind, FORWARD_SOCKS);
    cr_assert_eq(f->next->next->where, LISTEN_ANY);
    cr_assert(s->ssh->listens);
    settings_destroy(s);
    s = options_accept(ARGS("-R0:h:1", "h"));
    cr_assert(s->ssh->listens);
    settings_destroy(s);
    options_refuse(ARGS("-R", "80:h:0", "h"), "-R 80:h:0: port must be");
    options_refuse(ARGS("-R/s:h:80", "h"), "-R /s:h:80: the server can be");
}

Test(options_forwards, stdio_clears_other_forwards)
{
    struct settings *s = options_accept(ARGS("-D1", "-W", "h:22", "-L2:h:3"));

    cr_assert_eq(options_count_forwards(s), 1);
    cr_assert_eq(s->forwards->kind, FORWARD_STDIO);
    cr_assert(s->exit_on_forward_failure);
    settings_destroy(s);
    s = options_accept(ARGS("-R1", "-Wh:22", "h"));
    cr_assert_eq(options_count_forwards(s), 1);
    settings_destroy(s);
    s = options_accept(ARGS("-oClearAllForwardings=no",
                            "-oExitOnForwardFailure=no", "-D1", "-Wh:22"));
    cr_assert_eq(options_count_forwards(s), 2);
    cr_assert_not(s->exit_on_forward_failure);
    settings_destroy(s);
    options_refuse(ARGS("-fWh:22"), "-W h:22: cannot go to the background");
}

Test(options_forwards, no_forward_is_nothing_to_do)
{
    options_refuse(ARGS("-v"), "no -D, -L, -R, -W or --gateway");
    options_refuse(ARGS("-D1", "-oClearAllForwardings=yes"), "nothing to do");
}

Test(options_forwards, an_open_proxy_is_refused)
{
    static const char *const table[][3] = {
        {"-D0.0.0.0:1080"},
        {"-D*:1080"},
        {"-D:1080"},
        {"-D[::]:1080"},
        {"-gD1080"},
        {"-D1080", "-g"},
        {"-D192.0.2.1:1"},
        {"-D[2001:db8::1]:1"},
        {"-D[::ffff:192.0.2.1]:1"},
        {"-D1", "-oGatewayPorts=yes"},
        {"-oDynamicForward=*:1"},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        options_refuse(table[i], "open proxy");
        options_refuse(table[i], "--allow-from any");
        options_refuse(table[i], "--users FILE");
    }
    options_refuse(ARGS("-D*:1", "--permit=*.example"), "open proxy");
}

Test(options_forwards, a_proxy_that_is_not_open_is_not)
{
    static const char *const table[][3] = {
        {"-D127.0.0.2:1"},
        {"-D[::1]:1"},
        {"-D[::ffff:127.0.0.1]:1"},
        {"-Dlocalhost:1", "-g"},
        {"-D/run/s", "-g"},
        {"-L*:1:h:2"},
        {"-D*:1", "--allow-from=10.0.0.0/8"},
        {"-D*:1", "--allow-from=any"},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        settings_destroy(options_accept(table[i]));
}

Test(options_forwards, users_make_a_proxy_closed)
{
    char path[32];
    struct settings *s;

    options_users_file(path);
    s = options_accept(ARGS("-gD1", "--users", path));
    cr_assert_str_eq(s->users_path, path);
    settings_destroy(s);
    unlink(path);
}
