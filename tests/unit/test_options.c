/* The command line's letters and words, and how it ends without a proxy. */
#include "proxy/options.h"

#include <sys/socket.h>
#include <sys/stat.h>

#include "tests/unit/options_run.h"

Test(options, defaults)
{
    struct settings *s = options_accept(ARGS("-D", "1080"));

    cr_assert_eq(options_count_forwards(s), 1);
    cr_assert_str_eq(s->forwards->text, "1080");
    cr_assert_eq(s->workers, 0);
    cr_assert_eq(s->family, AF_UNSPEC);
    cr_assert_null(s->bind_host);
    cr_assert_null(s->bind_device);
    cr_assert_not(s->gateway_ports);
    cr_assert_not(s->exit_on_forward_failure);
    cr_assert_not(s->background);
    cr_assert_not(s->unlink_socket);
    cr_assert_eq(s->socket_mask, 0177);
    cr_assert_eq(s->log.level, LOG_INFO);
    cr_assert_eq(s->log.format, LOG_TEXT);
    cr_assert_null(s->log.path);
    cr_assert(sources_empty(s->sources));
    cr_assert(rules_empty(s->rules));
    cr_assert_null(s->users_path);
    cr_assert_float_eq(s->handshake_timeout, 30, 0);
    cr_assert_float_eq(s->connect_timeout, 20, 0);
    cr_assert_float_eq(s->idle_timeout, 0, 0);
    cr_assert_float_eq(s->half_closed_timeout, 600, 0);
    cr_assert_float_eq(s->drain_timeout, 30, 0);
    cr_assert_eq(s->max_sessions, 0);
    cr_assert_eq(s->max_per_source, 0);
    settings_destroy(s);
}

Test(options, letters_in_a_bundle)
{
    struct settings *s =
        options_accept(ARGS("-fNTvvD1080", "-6D", "1081", "-L8080:h:80"));

    cr_assert(s->background);
    cr_assert_eq(s->log.level, LOG_DEBUG);
    cr_assert_eq(s->family, AF_INET6);
    cr_assert_eq(options_count_forwards(s), 3);
    cr_assert_eq(s->forwards->port, 1080);
    cr_assert_eq(s->forwards->next->port, 1081);
    cr_assert_eq(s->forwards->next->next->port, 8080);
    settings_destroy(s);
}

Test(options, long_ones_take_their_value_either_way)
{
    struct settings *s = options_accept(
        ARGS("-D1", "--workers=3", "--idle-timeout", "1h30m",
             "--handshake-timeout=5", "--half-closed-timeout", "off",
             "--drain-timeout=1m", "--max-sessions=100", "--max-per-source",
             "10", "--via", "tcp:", "--log-format=json", "--permit=*.example",
             "--deny", ":25"));

    cr_assert_eq(s->workers, 3);
    cr_assert_float_eq(s->idle_timeout, 5400, 0);
    cr_assert_float_eq(s->handshake_timeout, 5, 0);
    cr_assert_float_eq(s->half_closed_timeout, 0, 0);
    cr_assert_float_eq(s->drain_timeout, 60, 0);
    cr_assert_eq(s->max_sessions, 100);
    cr_assert_eq(s->max_per_source, 10);
    cr_assert_eq(s->log.format, LOG_JSON);
    cr_assert_not(rules_empty(s->rules));
    settings_destroy(s);
}

Test(options, the_way_out)
{
    struct settings *s = options_accept(
        ARGS("-D1", "-4", "-b", "127.0.0.2", "-Blo", "-E", "/tmp/log"));

    cr_assert_eq(s->family, AF_INET);
    cr_assert_str_eq(s->bind_host, "127.0.0.2");
    cr_assert_str_eq(s->bind_device, "lo");
    cr_assert_str_eq(s->log.path, "/tmp/log");
    settings_destroy(s);
}

Test(options, quiet_and_verbose_in_turn)
{
    struct settings *s = options_accept(ARGS("-D1", "-q"));

    cr_assert_eq(s->log.level, LOG_QUIET);
    settings_destroy(s);
    s = options_accept(ARGS("-D1", "-qv"));
    cr_assert_eq(s->log.level, LOG_VERBOSE);
    settings_destroy(s);
    s = options_accept(ARGS("-D1", "-vvvvv"));
    cr_assert_eq(s->log.level, LOG_DEBUG);
    settings_destroy(s);
}

Test(options, malformed_ones_name_option_and_value)
{
    static const struct {
        const char *args[3];
        const char *word;
    } table[] = {
        {{"-D", "70000"}, "-D 70000: port must be 0 to 65535"},
        {{"-D70000"}, "-D 70000: port"},
        {{"-L", "8080:h"}, "-L 8080:h: "},
        {{"-W", "h"}, "-W h: "},
        {{"-D"}, "-D: has no value"},
        {{"--users"}, "--users: has no value"},
        {{"--users="}, "--users : is empty"},
        {{"-E", ""}, "-E : is empty"},
        {{"-b", ""}, "-b : has no value"},
        {{"-Z"}, "-Z: no such option"},
        {{"-gZ"}, "-Z: no such option"},
        {{"--user=x"}, "--user=x: no such option"},
        {{"--an-option-with-a-name-longer-than-any-that-there-is"},
         "no such option"},
        {{"--help=x"}, "--help x: takes no value"},
        {{"--workers=x"}, "--workers x: "},
        {{"--workers=9999"}, "--workers 9999: "},
        {{"--idle-timeout", "soon"}, "--idle-timeout soon: "},
        {{"--max-sessions=-1"}, "--max-sessions -1: "},
        {{"--log-format=xml"}, "--log-format xml: "},
        {{"--allow-from=10.0.0.0/33"}, "--allow-from 10.0.0.0/33: "},
        {{"--allow-from=nowhere"}, "--allow-from nowhere: "},
        {{"--permit="}, "--permit : "},
        {{"--deny="}, "--deny : "},
        {{"--via=pigeon:"}, "--via pigeon:: "},
        {{"-B", "an-interface-with-a-long-name"}, "-B an-int"},
        {{"-W", "h:1"}, NULL},
        {{"-Wa:1", "-Wb:2"}, "-W b:2: there can be only one"},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (table[i].word)
            options_refuse(table[i].args, table[i].word);
        else
            settings_destroy(options_accept(table[i].args));
    }
}

Test(options, what_is_not_there_is_refused)
{
    options_refuse(ARGS("-D1", "-w", "0:0"), "-w 0:0: is not supported");
    options_refuse(ARGS("-D1", "-Ilib"), "-I lib: is not supported");
    options_refuse(ARGS("-D1", "-Qcipher"), "-Q cipher: is not supported");
    options_refuse(ARGS("-D1", "--config=f"), "--config f: comes in a");
    options_refuse(ARGS("-D1", "--metrics=9"), "--metrics 9: comes in a");
    options_refuse(ARGS("--connections=0", "h"), "at least 1");
}

Test(options, accepted_for_the_sake_of_ssh)
{
    struct options_run run;

    settings_destroy(options_accept(ARGS("-NTaknxD1")));
    options_run(ARGS("-AACKXYtsye", "none", "-D1"), &run);
    cr_assert_eq(run.result, OPTIONS_RUN);
    cr_assert_str_eq(run.err, "culvert: warning: without effect here: -A, -K, "
                              "-X, -Y, -t, -s, -y, -e, -C\n");
    settings_destroy(run.settings);
    settings_destroy(options_accept(ARGS("-AqD1")));
}

Test(options, no_argument_is_a_short_usage)
{
    struct options_run run;

    options_run((const char *const[]){NULL}, &run);
    cr_assert_eq(run.result, OPTIONS_USAGE);
    cr_assert(strncmp(run.err, "usage: culvert", 14) == 0);
    cr_assert_str_eq(run.out, "");
}

Test(options, help_and_version_go_to_standard_output)
{
    static const char *const table[] = {"-h", "--help", "-V", "--version"};

    for (size_t i = 0; i < 4; i++) {
        struct options_run run;

        options_run(ARGS(table[i], "-Z"), &run);
        cr_assert_eq(run.result, OPTIONS_EXIT_OK);
        cr_assert_str_eq(run.err, "");
        cr_assert(strlen(run.out) > 8);
        cr_assert(strstr(run.out, i < 2 ? "--allow-from" : CULVERT_VERSION));
    }
}

Test(options, a_wrong_users_file_is_told_at_once)
{
    char path[32];

    options_users_file(path);
    cr_assert_eq(chmod(path, 0666), 0);
    options_refuse(ARGS("-D1", "--users", path), path);
    unlink(path);
    options_refuse(ARGS("-D1", "--users", path), "--users /tmp/culvert-users");
}

Test(options, check_config)
{
    struct options_run run;
    char path[32];

    options_users_file(path);
    options_run(ARGS("--check-config", "-D1", "--users", path), &run);
    unlink(path);
    cr_assert_eq(run.result, OPTIONS_EXIT_OK);
    cr_assert_str_eq(run.out, "ok\n");
    cr_assert_str_eq(run.err, "");
    options_refuse(ARGS("--check-config", "-D1", "--users", path), path);
    options_refuse(ARGS("--check-config", "-D", "x y"), "-D x y");
    options_refuse(ARGS("--check-config"), "nothing to do");
}
