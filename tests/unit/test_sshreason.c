#include "transport/ssh/sshreason.h"

#include <criterion/criterion.h>

Test(sshreason, reasons_of_the_protocol)
{
    cr_assert_eq(sshreason_err(1, "open failed"), ERR_PROHIBITED);
    cr_assert_eq(sshreason_err(3, ""), ERR_UNKNOWN_CHANNEL);
    cr_assert_eq(sshreason_err(4, ""), ERR_NO_RESOURCES);
    cr_assert_eq(sshreason_err(0, ""), ERR_REMOTE_FAILED);
    cr_assert_eq(sshreason_err(4000000000u, "refused"), ERR_REMOTE_FAILED);
}

Test(sshreason, words_of_a_failed_connect)
{
    static const struct {
        const char *text;
        enum err err;
    } cases[] = {
        {"Connection refused", ERR_REFUSED},
        {"No connection could be made because the target machine actively "
         "refused it.",
         ERR_REFUSED},
        {"[Errno 111] Connect call failed ('127.0.0.1', 1)", ERR_REFUSED},
        {"Connection timed out", ERR_TIMED_OUT},
        {"Operation timed out", ERR_TIMED_OUT},
        {"No route to host", ERR_HOST_UNREACHABLE},
        {"Host is down", ERR_HOST_UNREACHABLE},
        {"Host is unreachable", ERR_HOST_UNREACHABLE},
        {"Network is unreachable", ERR_NET_UNREACHABLE},
        {"Network unreachable", ERR_NET_UNREACHABLE},
        {"Name or service not known", ERR_NAME_NOT_FOUND},
        {"nodename nor servname provided, or not known", ERR_NAME_NOT_FOUND},
        {"Temporary failure in name resolution", ERR_NAME_NOT_FOUND},
        {"No address associated with hostname", ERR_NAME_NOT_FOUND},
        {"Name does not resolve", ERR_NAME_NOT_FOUND},
        {"Connection to this host is prohibited", ERR_PROHIBITED},
        {"open failed", ERR_REMOTE_FAILED},
        {"", ERR_REMOTE_FAILED},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        cr_assert_eq(sshreason_err(2, cases[i].text), cases[i].err, "%s",
                     cases[i].text);
}

Test(sshreason, a_line_of_libssh_is_read)
{
    uint32_t channel = 0;
    uint32_t reason = 0;
    const char *text = "";

    cr_assert(
        sshreason_parse("ssh_packet_channel_open_fail: Channel opening "
                        "failure: channel 57 error (2) Connection refused",
                        &channel, &reason, &text));
    cr_assert_eq(channel, 57);
    cr_assert_eq(reason, 2);
    cr_assert_str_eq(text, "Connection refused");
    cr_assert(sshreason_parse("Channel opening failure: channel 4294967295 "
                              "error (1)",
                              &channel, &reason, &text));
    cr_assert_eq(channel, UINT32_MAX);
    cr_assert_eq(reason, 1);
    cr_assert_str_eq(text, "");
}

Test(sshreason, any_other_line_is_left_alone)
{
    static const char *const lines[] = {
        "",
        "channel 43 error (2) refused",
        "Channel opening failure: channel",
        "Channel opening failure: channel x error (2) y",
        "Channel opening failure: channel -1 error (2) y",
        "Channel opening failure: channel 4294967296 error (2) y",
        "Channel opening failure: channel 43 error (",
        "Channel opening failure: channel 43 error (2 y",
        "Global request keepalive@openssh.com failed",
    };
    uint32_t channel = 7;
    uint32_t reason = 8;
    const char *text = "as it was";

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        cr_assert_not(sshreason_parse(lines[i], &channel, &reason, &text), "%s",
                      lines[i]);
    cr_assert_eq(channel, 7);
    cr_assert_eq(reason, 8);
    cr_assert_str_eq(text, "as it was");
}
