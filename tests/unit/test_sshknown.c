#include "transport/ssh/sshknown.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

/* Lines that ssh-keygen -H has made of "gw.example" and "[127.0.0.1]:2222". */
#define HASHED_NAME \
    "|1|ezaAuQoUUnUfBA8kZdzbJn6Vt6E=|eX89Q5e4AVH5hcvn5F9jjI+Jyns="
#define HASHED_PORT \
    "|1|WR7AUaNKalaCsF6ckXIkyHy3lyg=|mf1mLQWxq2/VOx8g+QSCm/bvNmM="

static bool
read_line(const char *text, struct sshknown_line *line)
{
    return sshknown_read(text, strlen(text), line);
}

static bool
is_about(const char *hosts, const char *name)
{
    struct sshknown_line line = {.hosts = {hosts, strlen(hosts)}};

    return sshknown_matches(&line, name);
}

static void
expect_text(struct sshknown_text text, const char *wanted)
{
    cr_expect_eq(text.len, strlen(wanted), "%s", wanted);
    cr_expect_eq(memcmp(text.at, wanted, text.len), 0, "%s", wanted);
}

Test(sshknown, a_line_is_hosts_type_and_key)
{
    struct sshknown_line line;

    cr_assert(read_line(" a,b\tssh-rsa  AAAA= a comment\r\n", &line));
    cr_expect_eq(line.mark, SSHKNOWN_PLAIN);
    expect_text(line.hosts, "a,b");
    expect_text(line.type, "ssh-rsa");
    expect_text(line.key, "AAAA=");
    cr_expect(sshknown_has_type(&line, "ssh-rsa"));
    cr_expect_not(sshknown_has_type(&line, "ssh-rs"));
    cr_expect(sshknown_has_key(&line, "ssh-rsa", "AAAA="));
    cr_expect_not(sshknown_has_key(&line, "ssh-rsa", "AAAA"));
    cr_expect_not(sshknown_has_key(&line, "ssh-dss", "AAAA="));
}

Test(sshknown, markers_are_told)
{
    struct sshknown_line line;

    cr_assert(read_line("@cert-authority * ssh-rsa AAAA", &line));
    cr_expect_eq(line.mark, SSHKNOWN_CA);
    cr_assert(read_line("@revoked * ssh-rsa AAAA", &line));
    cr_expect_eq(line.mark, SSHKNOWN_REVOKED);
    expect_text(line.hosts, "*");
    cr_assert(read_line("@new-marker * ssh-rsa AAAA", &line));
    cr_expect_eq(line.mark, SSHKNOWN_STRANGE);
}

Test(sshknown, lines_that_say_nothing_are_left_out)
{
    static const char *const texts[] = {
        "",    " \t",          "# a ssh-rsa AAAA", "a",
        "a b", "@revoked a b", "a ssh-rsa A!AA",   "@revoked",
        "\n",  "a ssh-rsa \n", "  # comment",
    };
    struct sshknown_line line;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        cr_expect_not(read_line(texts[i], &line), "%s", texts[i]);
}

Test(sshknown, revoked_keys_stand_alone)
{
    struct sshknown_line line;

    cr_assert(sshknown_read_key("ssh-rsa AAAA me\n", 16, &line));
    cr_expect(sshknown_has_key(&line, "ssh-rsa", "AAAA"));
    cr_expect_not(sshknown_read_key("# ssh-rsa AAAA", 14, &line));
    cr_expect_not(sshknown_read_key("ssh-rsa", 7, &line));
}

Test(sshknown, patterns_match_whole_names_in_any_case)
{
    cr_expect(is_about("gw", "gw"));
    cr_expect(is_about("GW.Example", "gw.example"));
    cr_expect_not(is_about("gw", "gw2"));
    cr_expect_not(is_about("gw2", "gw"));
    cr_expect(is_about("a,gw,b", "gw"));
    cr_expect_not(is_about("a,,b", ""));
    cr_expect(is_about("*.example", "a.b.example"));
    cr_expect_not(is_about("*.example", "example"));
    cr_expect(is_about("10.0.?.1", "10.0.7.1"));
    cr_expect_not(is_about("10.0.?.1", "10.0.77.1"));
    cr_expect(is_about("[gw]:2222", "[gw]:2222"));
    cr_expect_not(is_about("gw", "[gw]:2222"));
    cr_expect(is_about("*", "[gw]:2222"));
    cr_expect(is_about("g**w*", "gw"));
}

Test(sshknown, a_negated_pattern_wins)
{
    cr_expect_not(is_about("*.example,!gw.example", "gw.example"));
    cr_expect_not(is_about("!gw.example,*.example", "gw.example"));
    cr_expect(is_about("!gw.example,*.example", "b.example"));
    cr_expect_not(is_about("!gw.example", "b.example"));
}

Test(sshknown, many_stars_take_no_time)
{
    char pattern[2001];
    char name[1001];

    for (size_t i = 0; i < 1000; i++)
        memcpy(pattern + 2 * i, "*a", 2);
    pattern[2000] = 0;
    memset(name, 'a', 999);
    name[999] = 'b';
    name[1000] = 0;
    cr_expect_not(is_about(pattern, name));
}

Test(sshknown, hashed_names_of_ssh_keygen_are_found)
{
    cr_expect(is_about(HASHED_NAME, "gw.example"));
    cr_expect_not(is_about(HASHED_NAME, "gw2.example"));
    cr_expect(is_about(HASHED_PORT, "[127.0.0.1]:2222"));
    cr_expect_not(is_about(HASHED_PORT, "127.0.0.1"));
}

Test(sshknown, broken_hashes_match_nothing)
{
    static const char *const texts[] = {
        "|1|",          "|1||",    "|1|AAAA",
        "|1|AAAA|AAAA", "|2|AAAA", "|1|!!!!!!!!!!!!!!!!!!!!!!!!!!!=|x",
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        cr_expect_not(is_about(texts[i], "gw.example"), "%s", texts[i]);
}

Test(sshknown, what_is_hashed_is_found_again)
{
    const uint8_t salt[SSHKNOWN_SALT_BYTES] = {1, 2, 3, 255};
    char hashed[SSHKNOWN_HASHED_MAX];

    sshknown_hash(hashed, "[gw]:2222", salt);
    cr_expect(is_about(hashed, "[gw]:2222"));
    cr_expect_not(is_about(hashed, "gw"));
    cr_expect_lt(strlen(hashed), (size_t)SSHKNOWN_HASHED_MAX);
}

Test(sshknown, names_have_a_port_unless_it_is_22)
{
    char name[SSHKNOWN_NAME_MAX];
    char text[SSHKNOWN_NAME_MAX + 1];

    cr_assert(sshknown_name(name, "GW.example", 22));
    cr_expect_str_eq(name, "gw.example");
    cr_assert(sshknown_name(name, "::1", 65535));
    cr_expect_str_eq(name, "[::1]:65535");
    memset(text, 'a', sizeof(text));
    text[sizeof(text) - 1] = 0;
    cr_expect_not(sshknown_name(name, text, 22));
    cr_expect_str_eq(name, "[::1]:65535");
}
