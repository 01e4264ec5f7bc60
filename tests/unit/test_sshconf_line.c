#include "proxy/sshconf_line.h"

#include <criterion/criterion.h>

/* A line must come apart as keyword, rest, and words up to a NULL. */
static void
splits(const char *text, const char *keyword, const char *rest,
       const char *const words[])
{
    struct sshconf_line line;
    const char *why = sshconf_line_split(text, &line);
    size_t i;

    cr_assert_null(why, "%s: %s", text, why);
    cr_assert_str_eq(line.keyword, keyword, "%s", text);
    cr_assert_str_eq(line.rest, rest, "%s", text);
    for (i = 0; words[i]; i++) {
        cr_assert_lt(i, line.count, "%s", text);
        cr_assert_str_eq(line.words[i], words[i], "%s", text);
    }
    cr_assert_eq(line.count, i, "%s", text);
    sshconf_line_clear(&line);
}

Test(sshconf_line, keyword_and_words)
{
    splits("Port 22\n", "Port", "22", (const char *[]){"22", NULL});
    splits("\t Port\t=  22  \r\n", "Port", "22", (const char *[]){"22", NULL});
    splits("Port=22", "Port", "22", (const char *[]){"22", NULL});
    splits("Port==22", "Port", "=22", (const char *[]){"=22", NULL});
    splits("\"Port\" 22", "Port", "22", (const char *[]){"22", NULL});
    splits("Host\"a b\"c", "Host", "\"a b\"c", (const char *[]){"a bc", NULL});
    splits("Host a  b\tc", "Host", "a  b\tc",
           (const char *[]){"a", "b", "c", NULL});
    splits("Host", "Host", "", (const char *[]){NULL});
}

Test(sshconf_line, nothing)
{
    static const char *const table[] = {"",    "\n", "  \t\r\n", "# Port 22",
                                        "  #", "=",  "\"\" x"};

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct sshconf_line line;

        cr_assert_null(sshconf_line_split(table[i], &line));
        cr_assert_str_eq(line.keyword, "", "%s", table[i]);
        cr_assert_eq(line.count, 0);
        sshconf_line_clear(&line);
    }
}

Test(sshconf_line, quotes_backslashes_and_comments)
{
    splits("K \"a b\" 'c d'", "K", "\"a b\" 'c d'",
           (const char *[]){"a b", "c d", NULL});
    splits("K a\"b c\"d", "K", "a\"b c\"d", (const char *[]){"ab cd", NULL});
    splits("K \"it's\" '\"'", "K", "\"it's\" '\"'",
           (const char *[]){"it's", "\"", NULL});
    splits("K a\\ b \\\"c \\\\d \\e", "K", "a\\ b \\\"c \\\\d \\e",
           (const char *[]){"a b", "\"c", "\\d", "\\e", NULL});
    splits("K \"a\\ b\\\"\"", "K", "\"a\\ b\\\"\"",
           (const char *[]){"a\\ b\"", NULL});
    splits("K a # b", "K", "a # b", (const char *[]){"a", NULL});
    splits("K a#b", "K", "a#b", (const char *[]){"a#b", NULL});
    splits("K \"\" x", "K", "\"\" x", (const char *[]){"", "x", NULL});
}

Test(sshconf_line, quote_that_stays_open)
{
    static const char *const table[] = {"K \"a", "K 'a\" b", "K a\\\\\"b"};

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct sshconf_line line;

        cr_assert_str_eq(sshconf_line_split(table[i], &line),
                         "has no closing quote", "%s", table[i]);
        sshconf_line_clear(&line);
    }
}

Test(sshconf_line, glob)
{
    cr_assert(sshconf_line_glob("*", "", false));
    cr_assert(sshconf_line_glob("a*c", "abbc", false));
    cr_assert(sshconf_line_glob("*.b?", "a.b.bc", false));
    cr_assert(sshconf_line_glob("", "", false));
    cr_assert(sshconf_line_glob("A", "a", true));
    cr_assert_not(sshconf_line_glob("A", "a", false));
    cr_assert_not(sshconf_line_glob("a?", "a", false));
    cr_assert_not(sshconf_line_glob("a*c", "abcd", false));
    cr_assert_not(sshconf_line_glob("[a]", "a", false));
}

Test(sshconf_line, list)
{
    cr_assert(sshconf_line_matches("x,a*", "ab", false));
    cr_assert_not(sshconf_line_matches("x,a*", "b", false));
    cr_assert_not(sshconf_line_matches("a*,!ab", "ab", false));
    cr_assert_not(sshconf_line_matches("!ab", "c", false));
    cr_assert_not(sshconf_line_matches("", "a", false));
    cr_assert(sshconf_line_matches("!x,AB", "ab", true));
}
