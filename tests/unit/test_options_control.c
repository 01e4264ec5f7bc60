/* The control socket on the command line, and what is asked there by -O. */
#include "proxy/options.h"

#include "tests/unit/options_run.h"

Test(options_control, control_socket)
{
    struct options_run run;
    struct settings *s =
        options_accept(ARGS("-Fnone", "-MS/tmp/%p-%h", "-p7", "Box"));

    cr_assert(s->control_master);
    cr_assert_str_eq(s->control_path, "/tmp/7-box");
    settings_destroy(s);
    s = options_accept(ARGS("-S/tmp/x", "-Oforward", "-D1", "-L2:h:3"));
    cr_assert_str_eq(s->control_word, "forward");
    cr_assert_eq(options_count_forwards(s), 2);
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

Test(options_control, the_control_socket_is_given)
{
    struct settings *settings = options_accept(ARGS("-M", "-S/tmp/x", "-D1"));

    cr_assert(settings->control_master);
    cr_assert_str_eq(settings->control_path, "/tmp/x");
    cr_assert_null(settings->control_word);
    settings_destroy(settings);
}

/* NAME stands where ssh has the destination. */
Test(options_control, kick_an_agent)
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

Test(options_control, status_in_json)
{
    struct settings *s =
        options_accept(ARGS("-Ostatus", "-S/x", "--log-format", "json"));

    cr_assert_eq(s->log.format, LOG_JSON);
    settings_destroy(s);
}

Test(options_control, a_request_needs_neither_forward_nor_destination)
{
    struct settings *settings =
        options_accept(ARGS("-O", "check", "-S", "/tmp/x"));

    cr_assert_str_eq(settings->control_word, "check");
    cr_assert_str_eq(settings->control_path, "/tmp/x");
    cr_assert(!settings->control_master);
    settings_destroy(settings);
}

Test(options_control, a_request_for_a_remote_forward_needs_no_destination)
{
    struct settings *s =
        options_accept(ARGS("-Oforward", "-S/tmp/x", "-R80:h:80"));

    cr_assert(s->forwards->is_remote);
    settings_destroy(s);
}

Test(options_control, a_requests_open_forward_is_the_masters_to_judge)
{
    struct settings *settings =
        options_accept(ARGS("-O", "forward", "-S", "/tmp/x", "-D", "*:1"));

    cr_assert_eq(settings->forwards->where, LISTEN_ANY);
    settings_destroy(settings);
}
