#include "auth/authkeys_option.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/unit/authkeys_help.h"

static bool
may_open(const struct grant *grant, const char *host, uint16_t port)
{
    struct target target;

    cr_assert_eq(target_set_host(&target, host, strlen(host), port), ERR_OK);
    return grant_may_open(grant, &target);
}

/* Whether ports are forwarded with these options. */
static bool
forwards(const char *line)
{
    struct grant *grant = grant_of(line);
    bool opens = may_open(grant, "h", 80);

    cr_expect_eq(opens, grant_may_listen(grant, "localhost", 8080), "%s", line);
    grant_unref(grant);
    return opens;
}

Test(authkeys_option, no_options_allow_all)
{
    struct grant *grant = grant_of(KEY);

    cr_expect(may_open(grant, "h", 80));
    cr_expect(grant_may_listen(grant, "", 0));
    cr_expect_null(grant_agent(grant));
    grant_unref(grant);
}

Test(authkeys_option, last_word_on_forwarding_counts)
{
    cr_expect(!forwards("restrict " KEY));
    cr_expect(!forwards("no-port-forwarding " KEY));
    cr_expect(forwards("port-forwarding " KEY));
    cr_expect(forwards("restrict,port-forwarding " KEY));
    cr_expect(!forwards("port-forwarding,restrict " KEY));
    cr_expect(!forwards("restrict,port-forwarding,no-port-forwarding " KEY));
    cr_expect(forwards("no-port-forwarding,port-forwarding " KEY));
}

Test(authkeys_option, names_are_known_without_regard_to_case)
{
    cr_expect(!forwards("RESTRICT " KEY));
    cr_expect(!forwards("No-Port-Forwarding " KEY));
    cr_expect(forwards("x11-forwarding,COMMAND=\"x\" " KEY));
}

Test(authkeys_option, what_has_no_effect_is_accepted)
{
    cr_expect(forwards(
        "pty,no-pty,agent-forwarding,no-agent-forwarding,"
        "X11-forwarding,no-X11-forwarding,user-rc,no-user-rc,"
        "no-touch-required,command=\"/bin/false\","
        "environment=\"A=1\",environment=\"B=2\",principals=\"a,b\" " KEY));
}

Test(authkeys_option, what_cannot_be_kept_to_is_an_error)
{
    expect_fault("cert-authority " KEY,
                 "f:1: cert-authority: certificates are not supported");
    expect_fault("verify-required " KEY,
                 "f:1: verify-required: whether a key has verified its user is "
                 "not looked at");
    expect_fault("tunnel=\"0\" " KEY, "f:1: tunnel: there are no tun devices");
    expect_fault("tunnel " KEY, "f:1: tunnel: there are no tun devices");
    expect_fault("# a\nrestrict,cert-authority " KEY,
                 "f:2: cert-authority: certificates are not supported");
}

Test(authkeys_option, unknown_ones_are_errors)
{
    expect_fault("restricted " KEY, "f:1: restricted: an unknown option");
    expect_fault("no-restrict " KEY, "f:1: no-restrict: an unknown option");
    expect_fault("pty,colour=\"red\" " KEY, "f:1: colour: an unknown option");
    expect_fault("permit " KEY, "f:1: permit: an unknown option");
}

Test(authkeys_option, commas_are_between_them)
{
    static const char comma[] = "f:1: a comma without an option";

    expect_fault(",restrict " KEY, comma);
    expect_fault("restrict, " KEY, comma);
    expect_fault("restrict,,pty " KEY, comma);
    expect_fault("restrict, pty " KEY, comma);
    expect_fault("restrict,=\"x\" " KEY, "f:1: a value without an option");
    expect_fault("\"restrict\" " KEY, "f:1: a value without an option");
    expect_fault("agent=\"a\"pty " KEY,
                 "f:1: agent: a comma or a blank is expected behind it");
    expect_fault("restrict=\"yes\" " KEY,
                 "f:1: restrict: a comma or a blank is expected behind it");
    expect_fault("restrict\"\" " KEY,
                 "f:1: restrict: a comma or a blank is expected behind it");
}

Test(authkeys_option, values_stand_in_quotes)
{
    expect_fault("agent " KEY, "f:1: agent: agent=\"...\" is expected");
    expect_fault("agent=home " KEY, "f:1: agent: agent=\"...\" is expected");
    expect_fault("agent= " KEY, "f:1: agent: agent=\"...\" is expected");
    expect_fault("agent\"home\" " KEY, "f:1: agent: agent=\"...\" is expected");
    expect_fault("agent=\\\"home\\\" " KEY,
                 "f:1: agent: agent=\"...\" is expected");
    expect_fault("agent=\"home " KEY, "f:1: agent: a quote that is not closed");
    expect_fault("command=\"x\\\" " KEY,
                 "f:1: command: a quote that is not closed");
}

Test(authkeys_option, values_may_hold_commas_blanks_and_quotes)
{
    struct grant *grant =
        grant_of("command=\"a, b \\\"c d\\\" \\ # \\\\\\\"\\\"\","
                 "agent=\"home\" " KEY " \"a comment");

    cr_expect_str_eq(grant_agent(grant), "home");
    grant_unref(grant);
}

Test(authkeys_option, permitopen_allows_those_alone)
{
    struct grant *grant =
        grant_of("permitopen=\"db:5432\",permitopen=\"[2001:db8::1]:*\" " KEY);

    cr_expect(may_open(grant, "db", 5432));
    cr_expect(may_open(grant, "2001:db8::1", 1));
    cr_expect(!may_open(grant, "db", 5433));
    cr_expect(grant_may_listen(grant, "", 0));
    grant_unref(grant);
    cr_expect(!forwards("restrict,permitopen=\"h:80\","
                        "permitlisten=\"8080\" " KEY));
    cr_expect(forwards("restrict,permitopen=\"h:80\","
                       "permitlisten=\"8080\",port-forwarding " KEY));
}

Test(authkeys_option, permitopen_takes_host_and_port)
{
    expect_fault("permitopen=\"any\" " KEY, "f:1: permitopen: not host:port");
    expect_fault("permitopen=\"none\" " KEY, "f:1: permitopen: not host:port");
    expect_fault("permitopen=\"80\" " KEY, "f:1: permitopen: not host:port");
    expect_fault("permitopen=\"h:0\" " KEY,
                 "f:1: permitopen: port must be 1 to 65535, a service's name, "
                 "or *");
}

Test(authkeys_option, permitlisten_allows_those_alone)
{
    struct grant *grant =
        grant_of("permitlisten=\"8080\",permitlisten=\"127.0.0.*:*\" " KEY);

    cr_expect(grant_may_listen(grant, "localhost", 8080));
    cr_expect(grant_may_listen(grant, "", 8080));
    cr_expect(grant_may_listen(grant, "127.0.0.53", 0));
    cr_expect(!grant_may_listen(grant, "localhost", 8081));
    cr_expect(!grant_may_listen(grant, "localhost", 0));
    cr_expect(may_open(grant, "h", 1));
    grant_unref(grant);
    expect_fault("permitlisten=\"localhost\" " KEY,
                 "f:1: permitlisten: port must be 1 to 65535, a service's "
                 "name, or *");
}

Test(authkeys_option, from_says_where_a_key_may_be_used)
{
    struct authkeys *keys =
        authkeys_of("from=\"!10.0.0.1,10.0.0.0/8,2001:db8:*\" " KEY);
    struct grant *grant = NULL;
    const char *why = NULL;

    cr_expect_eq(find_key(keys, PUBKEY_ED25519, "10.0.0.1", 1, &grant, &why),
                 ERR_DENIED);
    cr_expect_str_eq(why, "the key may not be used from there");
    cr_expect_eq(find_key(keys, PUBKEY_ED25519, "11.0.0.1", 1, &grant, &why),
                 ERR_DENIED);
    cr_expect_null(grant);
    cr_expect_eq(find_key(keys, PUBKEY_ED25519, "10.0.0.2", 1, &grant, &why),
                 ERR_OK);
    grant_unref(grant);
    cr_expect_eq(find_key(keys, PUBKEY_ED25519, "2001:db8::9", 1, &grant, &why),
                 ERR_OK);
    grant_unref(grant);
    authkeys_unref(keys);
}

Test(authkeys_option, from_with_a_fault_is_an_error)
{
    expect_fault("from=\"\" " KEY, "f:1: from: an empty pattern");
    expect_fault("from=\"*.example.com\" " KEY,
                 "f:1: from: a host name, and we look up no names of "
                 "addresses: say which addresses");
    expect_fault("from=\"10.0.0.1/8\" " KEY,
                 "f:1: from: address bits are set behind the prefix");
}

Test(authkeys_option, some_may_be_there_once)
{
    expect_fault("from=\"10.0.0.1\",from=\"*\" " KEY,
                 "f:1: from= is there twice");
    expect_fault("agent=\"a\",pty,agent=\"a\" " KEY,
                 "f:1: agent= is there twice");
    expect_fault("command=\"a\",command=\"b\" " KEY,
                 "f:1: command= is there twice");
    expect_fault("principals=\"a\",PRINCIPALS=\"b\" " KEY,
                 "f:1: principals= is there twice");
}

Test(authkeys_option, agent_names_whom_it_is_for)
{
    struct grant *grant = grant_of("agent=\"Home_1-x\" " KEY);

    cr_expect_str_eq(grant_agent(grant), "Home_1-x");
    grant_unref(grant);
    expect_fault("agent=\"\" " KEY,
                 "f:1: agent: a name is 1 to 63 of A-Z, a-z, 0-9, _ and -");
    expect_fault("agent=\"a.b\" " KEY,
                 "f:1: agent: a name is 1 to 63 of A-Z, a-z, 0-9, _ and -");
}

/* The last second in which a key may be used, or 0 when it expires nowhere
 * near expected. */
static bool
expires_at(const char *value, time_t expected)
{
    char line[256];
    struct authkeys *keys;
    struct grant *grant = NULL;
    const char *why = "";
    bool last;

    snprintf(line, sizeof(line), "expiry-time=\"%s\" " KEY, value);
    keys = authkeys_of(line);
    last =
        find_key(keys, PUBKEY_ED25519, "::1", expected, &grant, &why) == ERR_OK;
    grant_unref(grant);
    last = last && find_key(keys, PUBKEY_ED25519, "::1", expected + 1, &grant,
                            &why) == ERR_DENIED;
    cr_expect_str_eq(last ? why : "the key has expired", "the key has expired");
    authkeys_unref(keys);
    return last;
}

Test(authkeys_option, expiry_is_the_last_second)
{
    cr_expect(expires_at("20240229Z", 1709164800));
    cr_expect(expires_at("20240229z", 1709164800));
    cr_expect(expires_at("20240229UTC", 1709164800));
    cr_expect(expires_at("202402292359Z", 1709164800 + 86340));
    cr_expect(expires_at("20240229235959Z", 1709164800 + 86399));
    cr_expect(expires_at("99991231Z", 253402214400));
}

Test(authkeys_option, expiry_without_a_zone_is_local)
{
    setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
    tzset();
    cr_expect(expires_at("20240229", 1709164800 - 3600));
    cr_expect(expires_at("202407011200", 1719835200 - 7200));
    cr_expect(expires_at("202407011200Z", 1719835200));
}

Test(authkeys_option, earliest_expiry_counts)
{
    struct authkeys *keys =
        authkeys_of("expiry-time=\"20240302Z\",expiry-time=\"20240229Z\","
                    "expiry-time=\"20240301Z\" " KEY);
    struct grant *grant = NULL;
    const char *why;

    cr_expect_eq(
        find_key(keys, PUBKEY_ED25519, "::1", 1709164800, &grant, &why),
        ERR_OK);
    grant_unref(grant);
    cr_expect_eq(
        find_key(keys, PUBKEY_ED25519, "::1", 1709164801, &grant, &why),
        ERR_DENIED);
    authkeys_unref(keys);
}

Test(authkeys_option, what_is_no_time_is_an_error)
{
    static const char *const wrong[] = {
        "",
        "2024",
        "2024-02-29",
        "20230229",
        "20241301",
        "20240001",
        "20240100",
        "202401012400",
        "202401012360",
        "20240101235960",
        "20240229235959ZZ",
        "20240229+0100",
        "2024022912",
        "19691231Z",
        "19700101Z",
        "00000000",
        " 20240229",
        "Z",
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char line[256];

        snprintf(line, sizeof(line), "expiry-time=\"%s\" " KEY, wrong[i]);
        expect_fault(line, "f:1: expiry-time: not a time: "
                           "YYYYMMDD[HHMM[SS]][Z] is expected");
    }
}

Test(authkeys_option, span_ends_at_a_blank_out_of_quotes)
{
    cr_expect_eq(authkeys_options_span(""), 0);
    cr_expect_eq(authkeys_options_span(" a"), 0);
    cr_expect_eq(authkeys_options_span("pty a"), 3);
    cr_expect_eq(authkeys_options_span("pty\ta"), 3);
    cr_expect_eq(authkeys_options_span("a=\"b c\" d"), 7);
    cr_expect_eq(authkeys_options_span("a=\"b\\\" c\" d"), 9);
    cr_expect_eq(authkeys_options_span("a=\"b c"), 6);
    cr_expect_eq(authkeys_options_span("a=\"b\\"), 5);
}
