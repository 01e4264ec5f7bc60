#include "auth/rules.h"

#include <criterion/criterion.h>
#include <string.h>
#include <time.h>

#include "auth/pattern.h"

/* Rules from words: "+pattern" permits, "-pattern" denies; NULL ends. */
static struct rules *
rules_of(const char *const *words)
{
    struct rules *rules = rules_create();

    cr_assert(rules);
    for (; *words; words++) {
        const char *why = "";

        cr_assert_eq(rules_add(rules, **words == '+' ? RULE_PERMIT : RULE_DENY,
                               *words + 1, &why),
                     ERR_OK, "%s: %s", *words, why);
    }
    return rules;
}

#define RULES(...) rules_of((const char *const[]){__VA_ARGS__, NULL})

/* Judges and frees; addr may be NULL. */
static enum rule_verdict
judge(struct rules *rules, const char *host, uint16_t port, const char *addr)
{
    struct target target;
    union addr found;
    enum rule_verdict verdict;

    cr_assert_eq(target_set_host(&target, host, strlen(host), port), ERR_OK);
    if (addr)
        cr_assert(addr_parse(&found, addr, strlen(addr), port));
    verdict = rules_judge(rules, &target, addr ? &found : NULL);
    rules_destroy(rules);
    return verdict;
}

/* Whether a pattern of its own permits the target. */
static bool
hits(const char *pattern, const char *host, uint16_t port)
{
    struct rules *rules = rules_create();
    const char *why = "";

    cr_assert_eq(rules_add(rules, RULE_PERMIT, pattern, &why), ERR_OK, "%s: %s",
                 pattern, why);
    return judge(rules, host, port, NULL) == RULE_ALLOWED;
}

static void
expect_refused(const char *pattern, const char *reason)
{
    struct rules *rules = rules_create();
    const char *why = NULL;

    cr_expect_eq(rules_add(rules, RULE_DENY, pattern, &why), ERR_MALFORMED,
                 "%s", pattern);
    cr_expect(why && strstr(why, reason), "%s: %s", pattern, why);
    cr_expect(rules_empty(rules), "%s", pattern);
    rules_destroy(rules);
}

Test(rules, empty_list_allows_all)
{
    struct rules *rules = rules_create();
    struct target path;

    cr_expect(rules_empty(rules));
    cr_assert_eq(target_set_unix(&path, "/run/x"), ERR_OK);
    cr_expect_eq(rules_judge(rules, &path, NULL), RULE_ALLOWED);
    cr_expect_eq(judge(rules, "a.example", 1, NULL), RULE_ALLOWED);
    cr_expect_eq(judge(rules_create(), "::1", 1, NULL), RULE_ALLOWED);
}

Test(rules, destroy_of_nothing_does_nothing)
{
    rules_destroy(NULL);
}

Test(rules, list_with_one_denial_is_not_empty)
{
    struct rules *rules = RULES("-a.example");

    cr_expect(!rules_empty(rules));
    rules_destroy(rules);
}

Test(rules, name_matches_without_case_and_dot_at_the_end)
{
    cr_expect(hits("db.example", "db.example", 1));
    cr_expect(hits("DB.Example", "db.eXample", 1));
    cr_expect(hits("db.example", "db.example.", 1));
    cr_expect(hits("db.example.", "db.example", 1));
    cr_expect(hits("*.example.", "DB.example", 1));
    cr_expect(!hits("db.example", "xdb.example", 1));
    cr_expect(!hits("db.example", "db.example.org", 1));
    cr_expect(!hits("db.example", "db-example", 1));
}

Test(rules, star_has_the_names_below_and_not_itself)
{
    cr_expect(hits("*.corp.example", "a.corp.example", 1));
    cr_expect(hits("*.corp.example", "a.b.corp.example", 1));
    cr_expect(!hits("*.corp.example", "corp.example", 1));
    cr_expect(!hits("*.corp.example", "xcorp.example", 1));
    cr_expect(!hits("*.corp.example", "a.corp.example.org", 1));
}

Test(rules, wildcards_are_over_the_whole_name)
{
    cr_expect(hits("db?.example", "db1.example", 1));
    cr_expect(!hits("db?.example", "db.example", 1));
    cr_expect(!hits("db?.example", "db12.example", 1));
    cr_expect(hits("db*", "db1.corp.example", 1));
    cr_expect(hits("*a*b*", "xxaxxbxx", 1));
    cr_expect(!hits("*a*b*", "xxbxxaxx", 1));
    cr_expect(hits("*ab", "aab", 1));
    cr_expect(hits("a*b?c", "abbbxc", 1));
    cr_expect(hits("a**b", "ab", 1));
}

Test(rules, wildcards_of_names_do_not_match_addresses)
{
    cr_expect(!hits("*.*", "10.0.0.1", 1));
    cr_expect(!hits("*e*", "fe80::1", 1));
    cr_expect_eq(judge(RULES("-*.*"), "10.0.0.1", 1, NULL), RULE_ALLOWED);
}

Test(rules, hostile_wildcards_cost_no_more_than_the_product)
{
    char glob[256];
    char name[256];
    struct timespec from;
    struct timespec to;

    for (int i = 0; i < 250; i += 2)
        memcpy(glob + i, "*a", 2);
    strcpy(glob + 250, "b");
    memset(name, 'a', 255);
    name[255] = 0;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
    cr_expect(!hits(glob, name, 1));
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
    /* Backtracking into every star would take longer than the universe. */
    cr_expect(to.tv_sec - from.tv_sec < 5);
}

Test(rules, star_alone_matches_all_hosts)
{
    cr_expect(hits("*", "a.example", 1));
    cr_expect(hits("*", "192.0.2.1", 1));
    cr_expect(hits("*", "::1", 1));
    cr_expect(hits("**", "192.0.2.1", 1));
    cr_expect(hits("*:80", "192.0.2.1", 80));
    cr_expect(!hits("*:80", "192.0.2.1", 81));
}

Test(rules, addresses_and_networks_match_addresses)
{
    cr_expect(hits("192.0.2.1", "192.0.2.1", 1));
    cr_expect(!hits("192.0.2.1", "192.0.2.2", 1));
    cr_expect(hits("10.0.0.0/8", "10.9.8.7", 1));
    cr_expect(!hits("10.0.0.0/8", "11.0.0.1", 1));
    cr_expect(hits("2001:db8::/32", "2001:db8::7", 1));
    cr_expect(hits("::1", "::1", 1));
    cr_expect(hits("[::1]", "::1", 65535));
    cr_expect(hits("10.0.0.0/8", "::ffff:10.1.2.3", 1));
    cr_expect(hits("::ffff:10.0.0.0/104", "10.1.2.3", 1));
}

Test(rules, ports_limit_a_host)
{
    cr_expect(hits("db.example:80", "db.example", 80));
    cr_expect(!hits("db.example:80", "db.example", 81));
    cr_expect(hits("10.0.0.0/8:8000-8099", "10.1.1.1", 8000));
    cr_expect(hits("10.0.0.0/8:8000-8099", "10.1.1.1", 8099));
    cr_expect(!hits("10.0.0.0/8:8000-8099", "10.1.1.1", 8100));
    cr_expect(!hits("10.0.0.0/8:8000-8099", "10.1.1.1", 7999));
    cr_expect(hits("[2001:db8::]/32:80", "2001:db8::9", 80));
    cr_expect(!hits("[2001:db8::]/32:80", "2001:db8::9", 81));
    cr_expect(hits("[::1]:80,443", "::1", 443));
    cr_expect(hits("*.example:22,80-90,443", "a.example", 85));
    cr_expect(!hits("*.example:22,80-90,443", "a.example", 91));
}

Test(rules, ports_alone_are_for_every_host)
{
    cr_expect(hits(":25", "a.example", 25));
    cr_expect(hits(":25", "192.0.2.1", 25));
    cr_expect(hits(":25", "::1", 25));
    cr_expect(!hits(":25", "a.example", 26));
    cr_expect(hits(":1-65535", "a.example", 65535));
}

Test(rules, denial_wins_whatever_the_order)
{
    cr_expect_eq(judge(RULES("+*", "-bad.example"), "bad.example", 1, NULL),
                 RULE_DENIED);
    cr_expect_eq(judge(RULES("-bad.example", "+*"), "bad.example", 1, NULL),
                 RULE_DENIED);
    cr_expect_eq(
        judge(RULES("-*.example", "+ok.example"), "ok.example", 1, NULL),
        RULE_DENIED);
}

Test(rules, without_permission_what_is_not_denied_is_allowed)
{
    cr_expect_eq(judge(RULES("-bad.example"), "good.example", 1, NULL),
                 RULE_ALLOWED);
    cr_expect_eq(judge(RULES("-:25"), "good.example", 26, NULL), RULE_ALLOWED);
}

Test(rules, with_a_permission_the_rest_is_denied)
{
    cr_expect_eq(judge(RULES("+ok.example"), "other.example", 1, NULL),
                 RULE_DENIED);
    cr_expect_eq(judge(RULES("+ok.example"), "192.0.2.1", 1, NULL),
                 RULE_DENIED);
    cr_expect_eq(judge(RULES("+ok.example", "+:25"), "other.example", 25, NULL),
                 RULE_ALLOWED);
}

Test(rules, name_needs_its_address_for_a_denied_network)
{
    cr_expect_eq(judge(RULES("-10.0.0.0/8"), "a.example", 1, NULL),
                 RULE_NEEDS_ADDR);
    cr_expect_eq(judge(RULES("-10.0.0.0/8"), "a.example", 1, "10.1.1.1"),
                 RULE_DENIED);
    cr_expect_eq(judge(RULES("-10.0.0.0/8"), "a.example", 1, "11.1.1.1"),
                 RULE_ALLOWED);
    cr_expect_eq(judge(RULES("-10.0.0.0/8"), "a.example", 1, "::ffff:10.1.1.1"),
                 RULE_DENIED);
}

Test(rules, name_needs_its_address_for_a_permitted_network)
{
    cr_expect_eq(judge(RULES("+10.0.0.0/8"), "a.example", 1, NULL),
                 RULE_NEEDS_ADDR);
    cr_expect_eq(judge(RULES("+10.0.0.0/8"), "a.example", 1, "10.1.1.1"),
                 RULE_ALLOWED);
    cr_expect_eq(judge(RULES("+10.0.0.0/8"), "a.example", 1, "11.1.1.1"),
                 RULE_DENIED);
}

Test(rules, address_of_another_port_needs_no_look_up)
{
    cr_expect_eq(judge(RULES("-10.0.0.0/8:25"), "a.example", 80, NULL),
                 RULE_ALLOWED);
    cr_expect_eq(judge(RULES("+10.0.0.0/8:25"), "a.example", 80, NULL),
                 RULE_DENIED);
}

Test(rules, name_denied_by_name_is_judged_at_once)
{
    cr_expect_eq(
        judge(RULES("-10.0.0.0/8", "-a.example"), "a.example", 1, NULL),
        RULE_DENIED);
    cr_expect_eq(judge(RULES("-a.example"), "a.example", 1, "11.1.1.1"),
                 RULE_DENIED);
}

Test(rules, name_that_nothing_can_permit_is_denied_at_once)
{
    cr_expect_eq(
        judge(RULES("+ok.example", "-10.0.0.0/8"), "a.example", 1, NULL),
        RULE_DENIED);
}

Test(rules, name_permitted_by_name_stays_so_unless_its_address_is_denied)
{
    cr_expect_eq(judge(RULES("+a.example"), "a.example", 1, "192.0.2.1"),
                 RULE_ALLOWED);
    cr_expect_eq(
        judge(RULES("+a.example", "+10.0.0.0/8"), "a.example", 1, "192.0.2.1"),
        RULE_ALLOWED);
    cr_expect_eq(judge(RULES("+a.example", "-192.0.2.0/24"), "a.example", 1,
                       "192.0.2.1"),
                 RULE_DENIED);
}

Test(rules, address_is_judged_at_once)
{
    cr_expect_eq(judge(RULES("-10.0.0.0/8", "-a.example"), "10.1.1.1", 1, NULL),
                 RULE_DENIED);
    cr_expect_eq(judge(RULES("-10.0.0.0/8", "-a.example"), "11.1.1.1", 1, NULL),
                 RULE_ALLOWED);
    cr_expect_eq(judge(RULES("+10.0.0.0/8"), "11.1.1.1", 1, "11.1.1.1"),
                 RULE_DENIED);
}

Test(rules, unknown_address_decides_nothing)
{
    struct rules *rules = RULES("-10.0.0.0/8");
    union addr none = {.sa.sa_family = AF_UNSPEC};
    struct target target;

    cr_assert_eq(target_set_host(&target, "a.example", 9, 1), ERR_OK);
    cr_expect_eq(rules_judge(rules, &target, &none), RULE_NEEDS_ADDR);
    rules_destroy(rules);
}

Test(rules, any_address_is_judged_as_loopback_too)
{
    cr_expect_eq(judge(RULES("-127.0.0.0/8"), "0.0.0.0", 1, NULL), RULE_DENIED);
    cr_expect_eq(judge(RULES("-127.0.0.0/8"), "::ffff:0.0.0.0", 1, NULL),
                 RULE_DENIED);
    cr_expect_eq(judge(RULES("-[::1]"), "::", 1, NULL), RULE_DENIED);
    cr_expect_eq(judge(RULES("-0.0.0.0"), "0.0.0.0", 1, NULL), RULE_DENIED);
    cr_expect_eq(judge(RULES("-127.0.0.1"), "a.example", 1, "0.0.0.0"),
                 RULE_DENIED);
    cr_expect_eq(judge(RULES("-0.0.0.0"), "127.0.0.1", 1, NULL), RULE_ALLOWED);
}

static enum rule_verdict
judge_path(struct rules *rules)
{
    struct target target;
    enum rule_verdict verdict;

    cr_assert_eq(target_set_unix(&target, "/run/a.example"), ERR_OK);
    verdict = rules_judge(rules, &target, NULL);
    rules_destroy(rules);
    return verdict;
}

Test(rules, path_is_matched_by_star_alone)
{
    cr_expect_eq(judge_path(RULES("-*")), RULE_DENIED);
    cr_expect_eq(judge_path(RULES("+*")), RULE_ALLOWED);
    cr_expect_eq(judge_path(RULES("-*a*")), RULE_ALLOWED);
    cr_expect_eq(judge_path(RULES("-:1-65535")), RULE_ALLOWED);
    cr_expect_eq(judge_path(RULES("-*:1-65535")), RULE_ALLOWED);
    cr_expect_eq(judge_path(RULES("-0.0.0.0/0")), RULE_ALLOWED);
    cr_expect_eq(judge_path(RULES("+*a*", "+:1-65535")), RULE_DENIED);
}

Test(rules, malformed_ports_are_refused)
{
    expect_refused(":", "a port is");
    expect_refused("a.example:", "a port is");
    expect_refused("a.example:http", "a port is");
    expect_refused("a.example:0", "a port is");
    expect_refused("a.example:65536", "a port is");
    expect_refused("a.example:99999999999999999999", "a port is");
    expect_refused("a.example:80,", "a port is");
    expect_refused("a.example:,80", "a port is");
    expect_refused("a.example:80-", "a port is");
    expect_refused("a.example:-80", "a port is");
    expect_refused("a.example:80-90-100", "a port is");
    expect_refused("a.example:80 ", "a port is");
    expect_refused("a.example: 80", "a port is");
    expect_refused("a.example:90-80", "ends before it begins");
    expect_refused(":1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,"
                   "23,24,25,26,27,28,29,30,31,32,33",
                   "too many");
}

Test(rules, malformed_hosts_are_refused)
{
    expect_refused("", "no host");
    expect_refused(".", "no host");
    expect_refused("a b", "a byte that no host name has");
    expect_refused("a\x01", "a byte that no host name has");
    expect_refused("a,b", "a byte that no host name has");
    expect_refused("user@host", "a byte that no host name has");
    expect_refused("a.example/8", "not an IP address");
    expect_refused("[a.example]:80", "not an IP address");
    expect_refused("[::1", "not an IP address");
    expect_refused("[::1]x", "not an IP address");
    expect_refused("[]:80", "not an IP address");
    expect_refused("fe80::1%lo", "not an IP address");
    expect_refused("2001:db8::/32:80", "prefix");
    expect_refused("10.0.0.1/8", "behind the prefix");
    expect_refused("10.0.0.0/33", "0 to 32");
}

Test(rules, what_can_only_be_an_address_gone_wrong_is_refused)
{
    expect_refused("10.0.0.256", "not an IP address");
    expect_refused("10.0.0", "not an IP address");
    expect_refused("80", ":80");
    expect_refused("10.0.*", "10.0.0.0/8");
    expect_refused("10.0.0.?", "10.0.0.0/8");
}

Test(rules, name_of_255_bytes_is_taken_and_a_longer_one_refused)
{
    char name[258];

    memset(name, 'a', sizeof(name));
    name[255] = 0;
    cr_expect(hits(name, name, 1));
    name[255] = 'a';
    name[256] = 0;
    expect_refused(name, "longer than 255");
}

Test(pattern, failure_leaves_the_output_alone)
{
    struct pattern pattern;
    const char *why;

    memset(&pattern, 0, sizeof(pattern));
    pattern.name_len = 4711;
    cr_expect_eq(pattern_parse(&pattern, "a.example:0", &why), ERR_MALFORMED);
    cr_expect_eq(pattern.name_len, 4711);
}

Test(rules, deny_all_is_what_permissions_are_taken_from)
{
    struct rules *rules = rules_create();
    struct target target;
    const char *why = NULL;

    cr_assert_eq(rules_add(rules, RULE_DENY, "*", &why), ERR_OK);
    cr_assert_eq(target_set_host(&target, "192.0.2.1", 9, 80), ERR_OK);
    cr_expect_eq(rules_judge(rules, &target, NULL), RULE_DENIED);
    cr_assert_eq(rules_add(rules, RULE_PERMIT, "192.0.2.1", &why), ERR_OK);
    cr_expect_eq(rules_judge(rules, &target, NULL), RULE_ALLOWED);
    cr_assert_eq(target_set_host(&target, "192.0.2.2", 9, 80), ERR_OK);
    cr_expect_eq(rules_judge(rules, &target, NULL), RULE_DENIED);
    rules_destroy(rules);
}

typedef bool (*judge_half)(const struct rules *rules,
                           const struct target *target);

static bool
is_so(judge_half half, struct rules *rules, const char *host)
{
    struct target target;
    bool so;

    cr_assert_eq(target_set_host(&target, host, strlen(host), 80), ERR_OK);
    so = half(rules, &target);
    rules_destroy(rules);
    return so;
}

static bool
denies(struct rules *rules, const char *host)
{
    return is_so(rules_deny, rules, host);
}

static bool
permits(struct rules *rules, const char *host)
{
    return is_so(rules_permit, rules, host);
}

Test(rules, denials_alone_deny_what_they_name)
{
    cr_expect(denies(RULES("-*.home.culvert"), "db.home.culvert"));
    cr_expect(denies(RULES("-*.home.culvert", "+*"), "db.home.culvert"));
    cr_expect_not(denies(RULES("-*.home.culvert"), "db.office.culvert"));
    cr_expect_not(denies(RULES("+10.0.0.0/8"), "db.home.culvert"));
    cr_expect_not(denies(RULES("-10.0.0.0/8"), "db.home.culvert"));
    cr_expect_not(denies(RULES("-*"), "db.home.culvert"));
}

Test(rules, permissions_alone_permit_what_they_name)
{
    cr_expect(permits(rules_create(), "db"));
    cr_expect(permits(RULES("-10.0.0.0/8"), "db"));
    cr_expect(permits(RULES("+10.0.0.0/8", "+db"), "db"));
    cr_expect(permits(RULES("+10.0.0.0/8"), "10.0.0.1"));
    cr_expect(permits(RULES("-10.0.0.0/8", "+:80"), "db"));
    cr_expect_not(permits(RULES("+10.0.0.0/8"), "db"));
    cr_expect_not(permits(RULES("+10.0.0.0/8"), "11.0.0.1"));
    cr_expect_not(permits(RULES("-*"), "db"));
}
