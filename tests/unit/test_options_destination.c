/* What the command line says of the SSH server that is gone through. */
#include "proxy/options.h"

#include <sys/socket.h>

#include "tests/unit/options_run.h"

Test(options_destination, what_needs_a_destination_says_so)
{
    static const char *const table[][3] = {
        {"-J", "box"},        {"-p22"},
        {"-l", "me"},         {"-Fnone"},
        {"-c", "aes*"},       {"-m", "hmac*"},
        {"-i", "/dev/null"},  {"--connections=2"},
        {"--server-nodelay"}, {"-G"},
        {"-P", "tag"},        {"-R", "1080"},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        options_refuse(table[i], "needs a destination");
    options_refuse(ARGS("-D1", "-R2:h:3"), "-R 2:h:3: needs a destination");
}

Test(options_destination, a_destination_and_what_is_said_of_it)
{
    struct settings *s = options_accept(
        ARGS("-Fnone", "-D1", "alice@Box:2022", "-vq", "-4", "-b127.0.0.2",
             "--connections=2", "--server-nodelay", "-Cc", "aes256-ctr"));

    cr_assert_str_eq(s->ssh->given, "Box");
    cr_assert_str_eq(s->ssh->host, "box");
    cr_assert_str_eq(s->ssh->user, "alice");
    cr_assert_eq(s->ssh->port, 2022);
    cr_assert_eq(s->ssh->family, AF_INET);
    cr_assert_eq(s->family, AF_INET);
    cr_assert_str_eq(s->ssh->bind_host, "127.0.0.2");
    cr_assert_null(s->bind_host);
    cr_assert(s->ssh->compression);
    cr_assert_str_eq(s->ssh->ciphers, "aes256-ctr");
    cr_assert(s->ssh->server_nodelay);
    cr_assert_eq(s->connections, 2);
    settings_destroy(s);
}

Test(options_destination, destination_takes_no_command_nor_another)
{
    options_refuse(ARGS("-Fnone", "h", "ls"), "destination ls: there is a");
    options_refuse(ARGS("-Fnone", "--", "h", "-v"), "no command can be run");
    options_refuse(ARGS("--via=ssh://a", "--via=ssh://b"), "there is a dest");
    options_refuse(ARGS("--via=ssh:b", "--via=tcp:", "h"), "not a way out");
    options_refuse(ARGS("-"), "destination -: ");
    options_refuse(ARGS("u@"), "destination u@: has no host");
    options_refuse(ARGS("h:0"), "port must be 1 to 65535");
    options_refuse(ARGS("a;b"), "has a character that no host's name has");
    options_refuse(ARGS("-l", "a;b", "h"), "-l a;b: user has a character");
    options_refuse(ARGS("-oUser=`a`", "h"), "user has a character");
}

Test(options_destination, of_port_and_user_the_first_counts)
{
    struct settings *s = options_accept(
        ARGS("-Fnone", "-oPort=1", "-p2", "a@h:3", "-lb", "-oUser=c"));

    cr_assert_eq(s->ssh->port, 1);
    cr_assert_str_eq(s->ssh->user, "a");
    settings_destroy(s);
}

Test(options_destination, via_ssh_is_a_destination)
{
    struct settings *s =
        options_accept(ARGS("-Fnone", "--via", "ssh://u%40x@[::1]:22/"));

    cr_assert_str_eq(s->ssh->host, "::1");
    cr_assert_str_eq(s->ssh->user, "u@x");
    cr_assert_null(s->forwards);
    settings_destroy(s);
}

Test(options_destination, jump_through_several)
{
    struct settings *s = options_accept(
        ARGS("-Fnone", "-J", "a@one:1,ssh://two:2", "three", "-lme"));
    struct sshdest *two = s->ssh->jump;

    cr_assert_str_eq(two->host, "two");
    cr_assert_eq(two->port, 2);
    cr_assert_str_neq(two->user, "me");
    cr_assert_str_eq(two->jump->host, "one");
    cr_assert_str_eq(two->jump->user, "a");
    cr_assert_eq(two->jump->port, 1);
    cr_assert_null(two->jump->jump);
    settings_destroy(s);
    options_refuse(ARGS("-Fnone", "-Ja", "-Jb", "c"), "only one -J");
    options_refuse(ARGS("-Fnone", "-oProxyCommand=x", "-Jb", "c"), "ProxyComm");
    options_refuse(ARGS("-Fnone", "-Jc", "c"), "-J c: would jump through");
    options_refuse(ARGS("-Fnone", "-J,b", "c"), "-J ,b: has no host");
}
