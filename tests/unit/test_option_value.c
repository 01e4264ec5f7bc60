#include "proxy/option_value.h"

#include <criterion/criterion.h>
#include <sys/socket.h>

Test(option_value, spans_as_ssh_writes_them)
{
    static const struct {
        const char *text;
        double seconds;
    } table[] = {
        {"30", 30},     {"30s", 30},    {"10m", 600},   {"1h30m", 5400},
        {"1H30", 3630}, {"2d", 172800}, {"1w", 604800}, {"0", 0},
        {"off", 0},     {"none", 0},    {"OFF", 0},     {"0.5", 0.5},
        {"1.5m", 90},   {"1m30s", 90},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        double seconds = -1;
        const char *why = option_value_span(table[i].text, &seconds);

        cr_assert_null(why, "%s: %s", table[i].text, why);
        cr_assert_float_eq(seconds, table[i].seconds, 1e-9, "%s",
                           table[i].text);
    }
}

Test(option_value, spans_that_are_none)
{
    static const char *const table[] = {
        "",   "x",     "-1",  "+1",  "1x",  "1 s", "s",          "1s ",
        ".5", "1.2.3", "inf", "nan", "0x1", "1e9", "9999999999", "99999w",
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        double seconds = -1;

        cr_assert_not_null(option_value_span(table[i], &seconds), "%s",
                           table[i]);
        cr_assert_float_eq(seconds, -1, 0);
    }
}

Test(option_value, ports)
{
    unsigned port = 7;

    cr_assert_null(option_value_port("0", 0, &port));
    cr_assert_eq(port, 0);
    cr_assert_null(option_value_port("65535", 1, &port));
    cr_assert_eq(port, 65535);
    cr_assert_not_null(option_value_port("0", 1, &port));
    cr_assert_not_null(option_value_port("65536", 0, &port));
    cr_assert_not_null(option_value_port("4294967297", 0, &port));
    cr_assert_not_null(option_value_port("no-such-service", 0, &port));
    cr_assert_eq(port, 65535);
}

Test(option_value, limits)
{
    unsigned limit = 7;

    cr_assert_null(option_value_limit("12", 100, &limit));
    cr_assert_eq(limit, 12);
    cr_assert_null(option_value_limit("off", 100, &limit));
    cr_assert_eq(limit, 0);
    cr_assert_not_null(option_value_limit("101", 100, &limit));
    cr_assert_not_null(option_value_limit("-1", 100, &limit));
    cr_assert_not_null(option_value_limit("", 100, &limit));
    cr_assert_not_null(option_value_limit("1x", 100, &limit));
    cr_assert_eq(limit, 0);
}

Test(option_value, flags_masks_and_words)
{
    bool flag = false;
    mode_t mask = 0;
    int family = -1;
    enum log_level level = LOG_INFO;
    enum log_format format = LOG_TEXT;

    cr_assert_null(option_value_flag("Yes", &flag));
    cr_assert(flag);
    cr_assert_null(option_value_flag("false", &flag));
    cr_assert_not(flag);
    cr_assert_not_null(option_value_flag("maybe", &flag));
    cr_assert_null(option_value_mask("0117", &mask));
    cr_assert_eq(mask, 0117);
    cr_assert_not_null(option_value_mask("0178", &mask));
    cr_assert_not_null(option_value_mask("1777", &mask));
    cr_assert_not_null(option_value_mask("", &mask));
    cr_assert_null(option_value_family("inet6", &family));
    cr_assert_eq(family, AF_INET6);
    cr_assert_not_null(option_value_family("inet7", &family));
    cr_assert_null(option_value_level("DEBUG3", &level));
    cr_assert_eq(level, LOG_DEBUG);
    cr_assert_not_null(option_value_level("loud", &level));
    cr_assert_null(option_value_format("json", &format));
    cr_assert_eq(format, LOG_JSON);
    cr_assert_not_null(option_value_format("xml", &format));
}
