#include "proxy/options.h"

#include <sys/socket.h>
#include <sys/stat.h>

#include "tests/unit/options_run.h"

static unsigned
count(const struct settings *settings)
{
    unsigned n = 0;

    for (struct forward *f = settings->forwards; f; f = f->next)
        n++;
    return n;
}

Test(options, defaults)
{
    struct settings *s = options_accept(ARGS("-D", "1080"));

    cr_assert_eq(count(s), 1);
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
    cr_assert_eq(count(s), 3);
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

Test(options, what_needs_a_destination_says_so)
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

Test(options, what_is_not_there_is_refused)
{
    options_refuse(ARGS("-D1", "-w", "0:0"), "-w 0:0: is not supported");
    options_refuse(ARGS("-D1", "-Ilib"), "-I lib: is not supported");
    options_refuse(ARGS("-D1", "-Qcipher"), "-Q cipher: is not supported");
    options_refuse(ARGS("-D1", "--config=f"), "--config f: comes in a");
    options_refuse(ARGS("-D1", "--metrics=9"), "--metrics 9: comes in a");
    options_refuse(ARGS("--connections=0", "h"), "at least 1");
}

Test(options, a_destination_and_what_is_said_of_it)
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

Test(options, destination_takes_no_command_nor_another)
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

Test(options, of_port_and_user_the_first_counts)
{
    struct settings *s = options_accept(
        ARGS("-Fnone", "-oPort=1", "-p2", "a@h:3", "-lb", "-oUser=c"));

    cr_assert_eq(s->ssh->port, 1);
    cr_assert_str_eq(s->ssh->user, "a");
    settings_destroy(s);
}

Test(options, via_ssh_is_a_destination)
{
    struct settings *s =
        options_accept(ARGS("-Fnone", "--via", "ssh://u%40x@[::1]:22/"));

    cr_assert_str_eq(s->ssh->host, "::1");
    cr_assert_str_eq(s->ssh->user, "u@x");
    cr_assert_null(s->forwards);
    settings_destroy(s);
}

Test(options, jump_through_several)
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

Test(options, control_socket)
{
    struct options_run run;
    struct settings *s =
        options_accept(ARGS("-Fnone", "-MS/tmp/%p-%h", "-p7", "Box"));

    cr_assert(s->control_master);
    cr_assert_str_eq(s->control_path, "/tmp/7-box");
    settings_destroy(s);
    s = options_accept(ARGS("-S/tmp/x", "-Oforward", "-D1", "-L2:h:3"));
    cr_assert_str_eq(s->control_word, "forward");
    cr_assert_eq(count(s), 2);
    cr_assert_not(s->control_master);
    settings_destroy(s);
    s = options_accept(ARGS("-D1", "-oControlMaster=auto", "-Snone"));
    cr_assert(s->control_master);
    cr_assert_null(s->control_path);
    settings_destroy(s);
    options_run(ARGS("-MD1"), &run);
    cr_assert(strstr(run.err, "warning: -M: no control socket without"));
    settings_destroy(run.settings);
    options_refuse(ARGS("-Ocheck"), "no control socket");
    options_refuse(ARGS("-Oproxy", "-Sx"), "-O proxy: must be check");
    options_refuse(ARGS("-Ocheck", "-Sx", "-Wh:1"), "cannot go with -O");
    options_refuse(ARGS("-MD1", "-S/tmp/%h"), "no token here");
}

/* NAME stands where ssh has the destination. */
Test(options, kick_an_agent)
{
    static const char *const table[][5] = {
        {"-Okick", "-S/x", "home"},
        {"home", "-S", "/x", "-O", "kick"},
        {"-vOkick", "home", "-S/x"},
        {"-S/x", "-Ocheck", "-Okick", "--", "home"},
        {"-S", "/x", "home", "-Okick"},
    };
    struct settings *s;

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        const char *args[6] = {NULL};

        memcpy(args, table[i], sizeof(table[i]));
        s = options_accept(args);
        cr_assert_str_eq(s->control_word, "kick");
        cr_assert_str_eq(s->control_name, "home");
        cr_assert_str_eq(s->control_path, "/x");
        cr_assert_null(s->ssh);
        settings_destroy(s);
    }
    s = options_accept(ARGS("-Okick", "-Ocheck", "-S/x", "home"));
    cr_assert_null(s->control_name);
    settings_destroy(s);
    options_refuse(ARGS("-Okick", "-S/x"), "-O kick: needs the NAME");
    options_refuse(ARGS("-Okick", "-S/x", ""), "-O kick : a name has 1 to 255");
    options_refuse(ARGS("-Okick", "-S/x", "a", "b"),
                   "-O kick b: there is a name already");
    options_refuse(ARGS("-Okick", "home"), "no control socket was named");
    options_refuse(ARGS("-S/x", "home", "-O"), "-O: has no value");
}

Test(options, status_in_json)
{
    struct settings *s =
        options_accept(ARGS("-Ostatus", "-S/x", "--log-format", "json"));

    cr_assert_eq(s->log.format, LOG_JSON);
    settings_destroy(s);
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

Test(options, no_forward_is_nothing_to_do)
{
    options_refuse(ARGS("-v"), "no -D, -L, -R, -W or --gateway");
    options_refuse(ARGS("-D1", "-oClearAllForwardings=yes"), "nothing to do");
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

Test(options, gateway_ports_wherever_it_stands)
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

Test(options, gateway_ports_are_not_the_servers)
{
    struct settings *s = options_accept(ARGS("-gR80:h:80", "-R1080", "h"));

    cr_assert_eq(s->forwards->where, LISTEN_LOOPBACK);
    cr_assert_eq(s->forwards->next->where, LISTEN_LOOPBACK);
    settings_destroy(s);
}

Test(options, remote_forwards)
{
    struct settings *s =
        options_accept(ARGS("-R", "8080:db:80", "-D1", "h", "-R*:1080"));
    struct forward *f = s->forwards;

    cr_assert_eq(count(s), 3);
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

Test(options, a_request_for_a_remote_forward_needs_no_destination)
{
    struct settings *s =
        options_accept(ARGS("-Oforward", "-S/tmp/x", "-R80:h:80"));

    cr_assert(s->forwards->is_remote);
    settings_destroy(s);
}

Test(options, stdio_clears_other_forwards)
{
    struct settings *s = options_accept(ARGS("-D1", "-W", "h:22", "-L2:h:3"));

    cr_assert_eq(count(s), 1);
    cr_assert_eq(s->forwards->kind, FORWARD_STDIO);
    cr_assert(s->exit_on_forward_failure);
    settings_destroy(s);
    s = options_accept(ARGS("-R1", "-Wh:22", "h"));
    cr_assert_eq(count(s), 1);
    settings_destroy(s);
    s = options_accept(ARGS("-oClearAllForwardings=no",
                            "-oExitOnForwardFailure=no", "-D1", "-Wh:22"));
    cr_assert_eq(count(s), 2);
    cr_assert_not(s->exit_on_forward_failure);
    settings_destroy(s);
    options_refuse(ARGS("-fWh:22"), "-W h:22: cannot go to the background");
}

Test(options, an_open_proxy_is_refused)
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

Test(options, a_proxy_that_is_not_open_is_not)
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

Test(options, users_make_a_proxy_closed)
{
    char path[32];
    struct settings *s;

    options_users_file(path);
    s = options_accept(ARGS("-gD1", "--users", path));
    cr_assert_str_eq(s->users_path, path);
    settings_destroy(s);
    unlink(path);
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

/* A name is judged when it has been looked up. */
Test(settings, judges_addresses_of_names)
{
    struct settings *s =
        options_accept(ARGS("-Dbox.example:1", "-Lbox.example:2:h:3"));
    union addr near, far;

    cr_assert(addr_parse(&near, "127.0.0.1", 9, 1));
    cr_assert(addr_parse(&far, "192.0.2.1", 9, 1));
    cr_assert(settings_open_proxy(s, s->forwards, &far));
    cr_assert_not(settings_open_proxy(s, s->forwards, &near));
    cr_assert_not(settings_open_forward(s, s->forwards, &far));
    cr_assert_not(settings_open_proxy(s, s->forwards->next, &far));
    cr_assert(settings_open_forward(s, s->forwards->next, &far));
    cr_assert_not(settings_open_forward(s, s->forwards->next, &near));
    settings_destroy(s);
}

Test(settings, source_rule_makes_a_fixed_forward_safe_users_do_not)
{
    char path[32];
    struct settings *s;
    union addr any;

    options_users_file(path);
    s = options_accept(ARGS("-L*:2:h:3", "--users", path));
    cr_assert(addr_parse(&any, "::", 2, 1));
    cr_assert(settings_open_forward(s, s->forwards, &any));
    settings_destroy(s);
    s = options_accept(ARGS("-L*:2:h:3", "--allow-from=10.0.0.0/8"));
    cr_assert_not(settings_open_forward(s, s->forwards, &any));
    settings_destroy(s);
    unlink(path);
}

/* Who may reach it is not known here; that has a warning of its own. */
Test(settings, what_a_server_listens_for_is_not_ours_to_judge)
{
    struct settings *s =
        options_accept(ARGS("-R*:1", "-R192.0.2.1:2", "-R*:3:h:4", "h"));
    union addr any;

    cr_assert(addr_parse(&any, "::", 2, 1));
    for (struct forward *f = s->forwards; f; f = f->next) {
        cr_assert_not(settings_open_proxy(s, f, &any));
        cr_assert_not(settings_open_forward(s, f, &any));
    }
    settings_destroy(s);
}

Test(settings, destroying_nothing_does_nothing)
{
    settings_destroy(NULL);
}

Test(options, the_control_socket_is_given)
{
    struct settings *settings = options_accept(ARGS("-M", "-S/tmp/x", "-D1"));

    cr_assert(settings->control_master);
    cr_assert_str_eq(settings->control_path, "/tmp/x");
    cr_assert_null(settings->control_word);
    settings_destroy(settings);
}

Test(options, a_request_needs_neither_forward_nor_destination)
{
    struct settings *settings =
        options_accept(ARGS("-O", "check", "-S", "/tmp/x"));

    cr_assert_str_eq(settings->control_word, "check");
    cr_assert_str_eq(settings->control_path, "/tmp/x");
    cr_assert(!settings->control_master);
    settings_destroy(settings);
}

Test(options, a_requests_open_forward_is_the_masters_to_judge)
{
    struct settings *settings =
        options_accept(ARGS("-O", "forward", "-S", "/tmp/x", "-D", "*:1"));

    cr_assert_eq(settings->forwards->where, LISTEN_ANY);
    settings_destroy(settings);
}
