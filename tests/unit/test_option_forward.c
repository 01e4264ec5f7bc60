#include "proxy/option_forward.h"

#include <criterion/criterion.h>
#include <string.h>

/* 107 bytes: the longest path that a socket can have. */
#define PATH_50  "/2345678901234567890123456789012345678901234567890"
#define PATH_107 PATH_50 PATH_50 "1234567"

struct good {
    enum option_forward_form form;
    const char *spec;
    enum listen_where where;
    const char *host;
    unsigned port;
    const char *target; /* NULL: none */
};

static void
check_good(const struct good *want)
{
    struct forward got;
    char text[TARGET_TEXT_MAX];
    const char *why;

    memset(&got, 0xff, sizeof(got));
    why = option_forward_parse(want->form, want->spec, &got);
    cr_assert_null(why, "%s: %s", want->spec, why);
    cr_assert_eq(got.where, want->where, "%s", want->spec);
    cr_assert_str_eq(got.host, want->host, "%s", want->spec);
    cr_assert_eq(got.port, want->port, "%s", want->spec);
    cr_assert_eq(got.text, want->spec);
    cr_assert_null(got.next);
    if (want->target)
        cr_assert_str_eq(target_format(&got.target, text), want->target, "%s",
                         want->spec);
}

static void
check_bad(enum option_forward_form form, const char *spec)
{
    struct forward got, before;

    memset(&got, 0x5a, sizeof(got));
    before = got;
    cr_assert_not_null(option_forward_parse(form, spec, &got),
                       "\"%s\" was taken", spec);
    cr_assert_arr_eq(&got, &before, sizeof(got), "%s", spec);
}

Test(option_forward, dynamic_forms)
{
    static const struct good table[] = {
        {OPTION_FORWARD_DYNAMIC, "1080", LISTEN_LOOPBACK, "", 1080, NULL},
        {OPTION_FORWARD_DYNAMIC, "0", LISTEN_LOOPBACK, "", 0, NULL},
        {OPTION_FORWARD_DYNAMIC, "65535", LISTEN_LOOPBACK, "", 65535, NULL},
        {OPTION_FORWARD_DYNAMIC, "localhost:1", LISTEN_LOOPBACK, "", 1, NULL},
        {OPTION_FORWARD_DYNAMIC, "127.0.0.1:1", LISTEN_HOST, "127.0.0.1", 1,
         NULL},
        {OPTION_FORWARD_DYNAMIC, "[::1]:1", LISTEN_HOST, "::1", 1, NULL},
        {OPTION_FORWARD_DYNAMIC, "[fe80::1%eth0]:1", LISTEN_HOST,
         "fe80::1%eth0", 1, NULL},
        {OPTION_FORWARD_DYNAMIC, "0.0.0.0:1", LISTEN_HOST, "0.0.0.0", 1, NULL},
        {OPTION_FORWARD_DYNAMIC, "box.example:1", LISTEN_HOST, "box.example", 1,
         NULL},
        {OPTION_FORWARD_DYNAMIC, ":1", LISTEN_ANY, "", 1, NULL},
        {OPTION_FORWARD_DYNAMIC, "*:1", LISTEN_ANY, "", 1, NULL},
        {OPTION_FORWARD_DYNAMIC, "[]:1", LISTEN_ANY, "", 1, NULL},
        {OPTION_FORWARD_DYNAMIC, "/run/s", LISTEN_UNIX, "/run/s", 0, NULL},
        {OPTION_FORWARD_DYNAMIC, "./s", LISTEN_UNIX, "./s", 0, NULL},
        {OPTION_FORWARD_DYNAMIC, "[/run/a:b]", LISTEN_UNIX, "/run/a:b", 0,
         NULL},
        {OPTION_FORWARD_DYNAMIC, "/run/a\\:b", LISTEN_UNIX, "/run/a:b", 0,
         NULL},
        {OPTION_FORWARD_DYNAMIC, PATH_107, LISTEN_UNIX, PATH_107, 0, NULL},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        check_good(&table[i]);
}

Test(option_forward, dynamic_malformed)
{
    static const char *const table[] = {
        "",         ":",           "::",          "70000",      "65536",
        "-1",       "+1",          " 1",          "1 ",         "0x50",
        "1e3",      "no-service",  "h:",          "h:x y",      "::1080",
        "::1:1080", "[::1]",       "[::1]1080",   "[::1",       "[",
        "a]:1",     "h:1:2",       "h h:1",       "h:/run/s",   "/run/s:1",
        "1:",       "[1::2::3]:1", "99999999999", PATH_107 "8",
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        check_bad(OPTION_FORWARD_DYNAMIC, table[i]);
}

Test(option_forward, local_forms)
{
    static const struct good table[] = {
        {OPTION_FORWARD_LOCAL, "80:h:81", LISTEN_LOOPBACK, "", 80, "h:81"},
        {OPTION_FORWARD_LOCAL, "0:192.0.2.1:81", LISTEN_LOOPBACK, "", 0,
         "192.0.2.1:81"},
        {OPTION_FORWARD_LOCAL, "80:[::1]:81", LISTEN_LOOPBACK, "", 80,
         "[::1]:81"},
        {OPTION_FORWARD_LOCAL, "b:80:h:81", LISTEN_HOST, "b", 80, "h:81"},
        {OPTION_FORWARD_LOCAL, ":80:h:81", LISTEN_ANY, "", 80, "h:81"},
        {OPTION_FORWARD_LOCAL, "*:80:h:81", LISTEN_ANY, "", 80, "h:81"},
        {OPTION_FORWARD_LOCAL, "localhost:80:h:81", LISTEN_LOOPBACK, "", 80,
         "h:81"},
        {OPTION_FORWARD_LOCAL, "[::1]:80:[::2]:81", LISTEN_HOST, "::1", 80,
         "[::2]:81"},
        {OPTION_FORWARD_LOCAL, "80:/run/t", LISTEN_LOOPBACK, "", 80, "/run/t"},
        {OPTION_FORWARD_LOCAL, "80:[/run/t:1]", LISTEN_LOOPBACK, "", 80,
         "/run/t:1"},
        {OPTION_FORWARD_LOCAL, "b:80:/run/t", LISTEN_HOST, "b", 80, "/run/t"},
        {OPTION_FORWARD_LOCAL, "*:80:/run/t", LISTEN_ANY, "", 80, "/run/t"},
        {OPTION_FORWARD_LOCAL, "/run/s:h:81", LISTEN_UNIX, "/run/s", 0, "h:81"},
        {OPTION_FORWARD_LOCAL, "/run/s:[::1]:81", LISTEN_UNIX, "/run/s", 0,
         "[::1]:81"},
        {OPTION_FORWARD_LOCAL, "[/run/s:1]:h:81", LISTEN_UNIX, "/run/s:1", 0,
         "h:81"},
        {OPTION_FORWARD_LOCAL, "/run/s:/run/t", LISTEN_UNIX, "/run/s", 0,
         "/run/t"},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        check_good(&table[i]);
}

Test(option_forward, local_malformed)
{
    static const char *const table[] = {
        "",
        "80",
        "80:h",
        "80:h:",
        "80:h:0",
        "80:h:65536",
        "80::81",
        "80:h h:81",
        "x y:h:81",
        "70000:h:81",
        "a:b:c:d:e",
        "b:80:h:81:",
        "80:::1:81",
        "80:[::1:81",
        "80:[::x]:81",
        "/run/s",
        "/run/s:h",
        "/run/s:80:h:81",
        "h:81:/run/s:1",
        "80:/run/t:81",
        "80:[fe80::1%eth0]:81",
        "127.0.0.1/80/h/81",
        "80/h/81",
        "80:h:" PATH_107 "8",
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        check_bad(OPTION_FORWARD_LOCAL, table[i]);
}

Test(option_forward, local_in_words)
{
    static const struct good table[] = {
        {OPTION_FORWARD_LOCAL_WORDS, "80 h:81", LISTEN_LOOPBACK, "", 80,
         "h:81"},
        {OPTION_FORWARD_LOCAL_WORDS, "b:80 \t [::1]:81 ", LISTEN_HOST, "b", 80,
         "[::1]:81"},
        {OPTION_FORWARD_LOCAL_WORDS, "/run/s /run/t", LISTEN_UNIX, "/run/s", 0,
         "/run/t"},
        {OPTION_FORWARD_LOCAL_WORDS, "[/run/s t] h:81", LISTEN_UNIX, "/run/s t",
         0, "h:81"},
        {OPTION_FORWARD_LOCAL_WORDS, "*:80 /run/t", LISTEN_ANY, "", 80,
         "/run/t"},
    };
    static const char *const bad[] = {
        "80:h:81", "80 ", "80", "80 h", "80 h:81 x", "80:h 81", "80:h:81 x",
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        check_good(&table[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        check_bad(OPTION_FORWARD_LOCAL_WORDS, bad[i]);
}

Test(option_forward, remote_forms)
{
    static const struct good table[] = {
        {OPTION_FORWARD_REMOTE, "80:h:81", LISTEN_LOOPBACK, "", 80, "h:81"},
        {OPTION_FORWARD_REMOTE, "0:192.0.2.1:81", LISTEN_LOOPBACK, "", 0,
         "192.0.2.1:81"},
        {OPTION_FORWARD_REMOTE, "b:80:h:81", LISTEN_HOST, "b", 80, "h:81"},
        {OPTION_FORWARD_REMOTE, "[::1]:80:[::2]:81", LISTEN_HOST, "::1", 80,
         "[::2]:81"},
        {OPTION_FORWARD_REMOTE, ":80:h:81", LISTEN_ANY, "", 80, "h:81"},
        {OPTION_FORWARD_REMOTE, "*:80:h:81", LISTEN_ANY, "", 80, "h:81"},
        {OPTION_FORWARD_REMOTE, "localhost:80:h:81", LISTEN_LOOPBACK, "", 80,
         "h:81"},
        {OPTION_FORWARD_REMOTE, "80:/run/t", LISTEN_LOOPBACK, "", 80, "/run/t"},
        {OPTION_FORWARD_REMOTE, "b:80:[/run/t:1]", LISTEN_HOST, "b", 80,
         "/run/t:1"},
        {OPTION_FORWARD_REMOTE, "1080", LISTEN_LOOPBACK, "", 1080, NULL},
        {OPTION_FORWARD_REMOTE, "0", LISTEN_LOOPBACK, "", 0, NULL},
        {OPTION_FORWARD_REMOTE, "*:1080", LISTEN_ANY, "", 1080, NULL},
        {OPTION_FORWARD_REMOTE, ":0", LISTEN_ANY, "", 0, NULL},
        {OPTION_FORWARD_REMOTE, "LocalHost:1", LISTEN_LOOPBACK, "", 1, NULL},
        {OPTION_FORWARD_REMOTE, "gw.example:1", LISTEN_HOST, "gw.example", 1,
         NULL},
        {OPTION_FORWARD_REMOTE_WORDS, "80 h:81", LISTEN_LOOPBACK, "", 80,
         "h:81"},
        {OPTION_FORWARD_REMOTE_WORDS, "*:80 \t [::1]:81 ", LISTEN_ANY, "", 80,
         "[::1]:81"},
        {OPTION_FORWARD_REMOTE_WORDS, "b:80 /run/t", LISTEN_HOST, "b", 80,
         "/run/t"},
        {OPTION_FORWARD_REMOTE_WORDS, "1080", LISTEN_LOOPBACK, "", 1080, NULL},
        {OPTION_FORWARD_REMOTE_WORDS, "[::1]:1080", LISTEN_HOST, "::1", 1080,
         NULL},
        {OPTION_FORWARD_REMOTE_WORDS, "80:/run/t", LISTEN_LOOPBACK, "", 80,
         "/run/t"},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        check_good(&table[i]);
}

Test(option_forward, remote_malformed)
{
    static const char *const table[] = {
        "",           ":",        "70000",      "h:",         "80:h",
        "80:h:",      "80:h:0",   "80::81",     "h h:1",      "h\n:1",
        "h\x7f:1",    "a]:1:h:2", "a:b:c:d:e",  "80:h h:81",  "::1:80:h:81",
        "80:/run/t:", "b:80:h",   "[::1]1:h:2", "[1::2::3]:1"};
    static const char *const words[] = {"",        "80:h:81",     "80 h",
                                        "80 h:0",  "b:80:/run/t", "80 h:81 x",
                                        "80:h 81", "h h",         "80 1080"};

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        check_bad(OPTION_FORWARD_REMOTE, table[i]);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        check_bad(OPTION_FORWARD_REMOTE_WORDS, words[i]);
}

Test(option_forward, remote_sockets_cannot_be_asked_for)
{
    static const char *const table[] = {"/run/s", "/run/s:h:81",
                                        "/run/s:/run/t", "[/run/a:b]:h:81"};
    struct forward forward;

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        cr_assert(strstr(option_forward_parse(OPTION_FORWARD_REMOTE, table[i],
                                              &forward),
                         "not for a Unix socket"),
                  "%s", table[i]);
    cr_assert(strstr(option_forward_parse(OPTION_FORWARD_REMOTE_WORDS,
                                          "/run/s h:81", &forward),
                     "not for a Unix socket"));
}

Test(option_forward, remote_is_what_the_server_listens_for)
{
    static const struct {
        enum option_forward_form form;
        const char *spec;
        enum forward_kind kind;
        bool is_remote;
    } table[] = {
        {OPTION_FORWARD_REMOTE, "80:h:81", FORWARD_FIXED, true},
        {OPTION_FORWARD_REMOTE, "80:/run/t", FORWARD_FIXED, true},
        {OPTION_FORWARD_REMOTE, "h:80", FORWARD_SOCKS, true},
        {OPTION_FORWARD_REMOTE_WORDS, "80", FORWARD_SOCKS, true},
        {OPTION_FORWARD_REMOTE_WORDS, "80 h:81", FORWARD_FIXED, true},
        {OPTION_FORWARD_LOCAL, "80:h:81", FORWARD_FIXED, false},
        {OPTION_FORWARD_DYNAMIC, "80", FORWARD_SOCKS, false},
    };
    struct forward forward;

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        cr_assert_null(
            option_forward_parse(table[i].form, table[i].spec, &forward));
        cr_assert_eq(forward.kind, table[i].kind, "%s", table[i].spec);
        cr_assert_eq(forward.is_remote, table[i].is_remote, "%s",
                     table[i].spec);
    }
}

Test(option_forward, stdio_forms)
{
    static const struct good table[] = {
        {OPTION_FORWARD_STDIO, "h:22", LISTEN_LOOPBACK, "", 0, "h:22"},
        {OPTION_FORWARD_STDIO, "[::1]:22", LISTEN_LOOPBACK, "", 0, "[::1]:22"},
        {OPTION_FORWARD_STDIO, "192.0.2.1:1", LISTEN_LOOPBACK, "", 0,
         "192.0.2.1:1"},
    };
    static const char *const bad[] = {
        "", "h", "h:", ":22", "h:0", "::1:22", "::1/22", "/run/s", "a:b:1",
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        check_good(&table[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        check_bad(OPTION_FORWARD_STDIO, bad[i]);
}

Test(option_forward, bind_is_given_when_anything_was_written)
{
    struct forward forward;

    cr_assert_null(option_forward_parse(OPTION_FORWARD_DYNAMIC, "1", &forward));
    cr_assert_not(forward.bind_given);
    cr_assert_null(
        option_forward_parse(OPTION_FORWARD_DYNAMIC, "localhost:1", &forward));
    cr_assert(forward.bind_given);
    cr_assert_null(
        option_forward_parse(OPTION_FORWARD_DYNAMIC, ":1", &forward));
    cr_assert(forward.bind_given);
    cr_assert_null(
        option_forward_parse(OPTION_FORWARD_LOCAL, "1:h:2", &forward));
    cr_assert_not(forward.bind_given);
}

Test(option_forward, names_of_255_bytes_and_no_more)
{
    char spec[600] = "1:";

    memset(spec + 2, 'a', TARGET_NAME_MAX);
    strcpy(spec + 2 + TARGET_NAME_MAX, ":2");
    cr_assert_null(option_forward_parse(OPTION_FORWARD_LOCAL, spec,
                                        &(struct forward){.port = 0}));
    strcpy(spec + 2 + TARGET_NAME_MAX, "a:2");
    check_bad(OPTION_FORWARD_LOCAL, spec);
}
