#include <criterion/criterion.h>
#include <string.h>

#include "proxy/settings.h"
#include "tests/unit/options_run.h"

/* The word of the way out that a host's name leads to, by a local forward. */
static const char *
word_for(const struct settings *s, const char *host, bool is_remote)
{
    const struct forward forward = {.is_remote = is_remote};
    struct target target;

    cr_assert_eq(target_set_host(&target, host, strlen(host), 80), ERR_OK);
    return s->ways[settings_way_of(s, &forward, &target)].word;
}

Test(option_way, without_a_destination_all_leave_by_tcp)
{
    struct settings *s = options_accept(ARGS("-D1"));

    cr_assert_eq(s->way_count, 1);
    cr_assert_str_eq(word_for(s, "h", false), "tcp");
    cr_assert(settings_has_way(s, false, false));
    cr_assert_not(settings_has_way(s, false, true));
    settings_destroy(s);
}

Test(option_way, a_destination_is_the_way_of_local_forwards)
{
    struct settings *s = options_accept(ARGS("-Fnone", "-D1", "gw"));

    cr_assert_eq(s->way_count, 2);
    cr_assert_eq(s->ways[1].ssh, s->ssh);
    cr_assert_str_eq(word_for(s, "h", false), "ssh");
    cr_assert_str_eq(word_for(s, "h", true), "tcp");
    cr_assert_not(settings_has_way(s, false, false));
    settings_destroy(s);
}

Test(option_way, via_beside_a_destination_is_the_way_of_all)
{
    struct settings *s =
        options_accept(ARGS("-Fnone", "-D1", "--via=tcp:", "gw"));

    cr_assert_str_eq(s->ssh->host, "gw");
    cr_assert_str_eq(word_for(s, "h", false), "tcp");
    cr_assert_str_eq(word_for(s, "h", true), "tcp");
    settings_destroy(s);
    s = options_accept(ARGS("-Fnone", "-D1", "gw", "--via", "ssh:"));
    cr_assert_str_eq(word_for(s, "h", true), "ssh");
    settings_destroy(s);
}

Test(option_way, a_server_by_via_has_nothing_of_the_destination)
{
    struct settings *s =
        options_accept(ARGS("-Fnone", "--via=ssh://Bob@Other:2022", "-lalice",
                            "-p22", "-C", "-D1", "gw"));

    cr_assert_str_eq(s->ssh->user, "alice");
    cr_assert_str_eq(s->ssh->host, "gw");
    cr_assert_eq(s->way_count, 3);
    cr_assert_str_eq(s->ways[2].ssh->user, "Bob");
    cr_assert_eq(s->ways[2].ssh->port, 2022);
    cr_assert_not(s->ways[2].ssh->compression);
    cr_assert(s->ways[2].ssh->listens);
    cr_assert_str_eq(word_for(s, "h", false), "ssh://Bob@other:2022");
    cr_assert_str_eq(word_for(s, "h", true), "ssh://Bob@other:2022");
    settings_destroy(s);
}

/* What says whether --via is beside one is looked for behind other options'
 * values. */
Test(option_way, a_destination_is_found_wherever_it_is)
{
    static const char *const beside[][8] = {
        {"-Fnone", "--via=ssh://u@a", "-D", "1", "gw"},
        {"-Fnone", "-vD1", "--via", "ssh://u@a", "--workers", "2", "gw"},
        {"gw", "-Fnone", "-D1", "--via", "ssh://u@a"},
        {"-F", "none", "-D1", "--via", "ssh://u@a", "--", "gw"},
    };
    struct settings *s;

    for (size_t i = 0; i < sizeof(beside) / sizeof(beside[0]); i++) {
        s = options_accept(beside[i]);
        cr_assert_str_eq(s->ssh->host, "gw");
        cr_assert_str_eq(word_for(s, "h", false), "ssh://u@a");
        settings_destroy(s);
    }
    s = options_accept(ARGS("-Fnone", "--via", "ssh://a", "--workers", "2",
                            "-D", "1", "-v", "-l", "u"));
    cr_assert_str_eq(s->ssh->host, "a");
    settings_destroy(s);
}

Test(option_way, routes_in_their_order)
{
    struct settings *s = options_accept(ARGS(
        "-Fnone", "-D1", "--route", "*.corp,10.0.0.0/8=ssh://u@inner",
        "--route", "*.example:80,443=tcp:", "--route=*.x.example=ssh:", "gw"));

    cr_assert_str_eq(word_for(s, "a.corp", false), "ssh://u@inner");
    cr_assert_str_eq(word_for(s, "10.1.2.3", true), "ssh://u@inner");
    cr_assert_str_eq(word_for(s, "b.x.example", true), "tcp");
    cr_assert_str_eq(word_for(s, "other", false), "ssh");
    cr_assert_str_eq(word_for(s, "other", true), "tcp");
    cr_assert(settings_has_way(s, false, false));
    settings_destroy(s);
}

Test(option_way, a_server_named_twice_is_one_way)
{
    struct settings *s = options_accept(
        ARGS("-Fnone", "-D1", "--route=a=ssh://u@inner", "--route",
             "b=ssh://u@inner:22/", "--route=c=ssh://v@inner",
             "--route=d=ssh://me@gw", "-lme", "gw"));

    cr_assert_eq(s->way_count, 4);
    cr_assert_str_eq(word_for(s, "a", false), "ssh://u@inner");
    cr_assert_str_eq(word_for(s, "b", false), "ssh://u@inner");
    cr_assert_str_eq(word_for(s, "c", false), "ssh://v@inner");
    cr_assert_str_eq(word_for(s, "d", false), "ssh");
    settings_destroy(s);
}

Test(option_way, a_route_needs_no_destination)
{
    struct settings *s = options_accept(
        ARGS("-F", "none", "--connections=2", "-D1", "--route=a=ssh://u@h:1"));

    cr_assert_null(s->ssh);
    cr_assert_str_eq(word_for(s, "a", false), "ssh://u@h:1");
    cr_assert_str_eq(word_for(s, "b", false), "tcp");
    settings_destroy(s);
}

Test(option_way, what_is_wrong_is_named)
{
    options_refuse(ARGS("-D1", "--route=a"), "--route a: must be PATTERNS=");
    options_refuse(ARGS("-D1", "--route==tcp:"), "must be PATTERNS=TRANSPORT");
    options_refuse(ARGS("-D1", "--route=a="), "not a way out");
    options_refuse(ARGS("-D1", "--route=a=tcp:x"), "not a way out");
    options_refuse(ARGS("-D1", "--route=a=ssh://"), "has no host");
    options_refuse(ARGS("-D1", "--route=a,10.0.0.1/8=tcp:"),
                   "pattern \"10.0.0.1/8\": ");
    options_refuse(ARGS("-D1", "--route=a,,b=tcp:"), "pattern \"\": ");
    options_refuse(ARGS("-D1", "--route=a,=tcp:"), "pattern \"\": ");
    options_refuse(ARGS("-D1", "--route=a=ssh:"),
                   "--route a=ssh:: needs a destination");
    options_refuse(ARGS("-D1", "--via=ssh:"), "needs a destination");
    options_refuse(ARGS("-Fnone", "-D1", "--via=tcp:", "--via=ssh:", "h"),
                   "there can be only one --via");
    options_refuse(ARGS("-D1", "--server-nodelay", "--route=a=ssh://b"),
                   "--server-nodelay: needs a destination");
}

/* It would be open to the world by what leaves from here. */
Test(option_way, a_route_by_tcp_makes_an_open_proxy)
{
    struct settings *s = options_accept(
        ARGS("-Fnone", "-D", "*:1", "--route=a=ssh://u@b", "gw"));

    settings_destroy(s);
    options_refuse(ARGS("-Fnone", "-D", "*:1", "--route=a=tcp:", "gw"),
                   "open proxy");
    options_refuse(ARGS("-Fnone", "-D", "*:1", "--via=tcp:", "gw"),
                   "open proxy");
}

Test(option_way, a_server_has_its_own_part_of_the_configuration)
{
    char path[] = "/tmp/culvert-way-XXXXXX";
    FILE *file = fdopen(mkstemp(path), "w");
    struct settings *s;

    cr_assert(file);
    fprintf(file, "Host inner\n HostName 10.0.0.9\n User root\n Port 2222\n"
                  "Host closed\n RefuseConnection gone\n");
    fclose(file);
    s = options_accept(
        ARGS("-F", path, "-D1", "--route=a=ssh://inner", "-lme", "gw"));
    cr_assert_str_eq(word_for(s, "a", false), "ssh://root@10.0.0.9:2222");
    settings_destroy(s);
    options_refuse(ARGS("-F", path, "-D1", "--route=a=ssh://closed", "gw"),
                   "RefuseConnection: gone");
    remove(path);
}
