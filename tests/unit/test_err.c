#include "transport/base/err.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

Test(err, every_value_has_a_word_of_its_own)
{
    for (int e = 0; e < ERR_COUNT_; e++) {
        const char *word = err_word((enum err)e);

        cr_assert_not_null(word);
        cr_assert_eq(strspn(word, "abcdefghijklmnopqrstuvwxyz-"), strlen(word));
        cr_assert_gt(strlen(word), 0);
        for (int other = 0; other < e; other++)
            cr_assert_str_neq(word, err_word((enum err)other));
    }
}

Test(err, every_value_has_a_text_on_one_line)
{
    for (int e = 0; e < ERR_COUNT_; e++) {
        const char *text = err_text((enum err)e);

        cr_assert_not_null(text);
        cr_assert_gt(strlen(text), 0);
        cr_assert_null(strpbrk(text, "\r\n"));
        cr_assert_neq(text[strlen(text) - 1], '.');
    }
}

Test(err, what_is_no_value_is_unknown)
{
    cr_assert_str_eq(err_word(ERR_COUNT_), "unknown");
    cr_assert_str_eq(err_text((enum err) - 1), "unknown error");
}

Test(err, errno_is_told_apart)
{
    static const struct {
        int errnum;
        enum err err;
    } rows[] = {
        {0, ERR_OK},
        {EAGAIN, ERR_AGAIN},
        {EWOULDBLOCK, ERR_AGAIN},
        {EINTR, ERR_AGAIN},
        {EINPROGRESS, ERR_AGAIN},
        {ENOMEM, ERR_NO_MEMORY},
        {ENOBUFS, ERR_NO_MEMORY},
        {EMFILE, ERR_NO_DESCRIPTORS},
        {ENFILE, ERR_NO_DESCRIPTORS},
        {ECONNREFUSED, ERR_REFUSED},
        {ECONNRESET, ERR_RESET},
        {EPIPE, ERR_RESET},
        {EHOSTUNREACH, ERR_HOST_UNREACHABLE},
        {EHOSTDOWN, ERR_HOST_UNREACHABLE},
        {ENETUNREACH, ERR_NET_UNREACHABLE},
        {ENETDOWN, ERR_NET_UNREACHABLE},
        {EAFNOSUPPORT, ERR_NET_UNREACHABLE},
        {ETIMEDOUT, ERR_TIMED_OUT},
        {EADDRNOTAVAIL, ERR_ADDR_NOT_AVAILABLE},
        {EADDRINUSE, ERR_ADDR_IN_USE},
        {ENOENT, ERR_NO_SUCH_PATH},
        {EACCES, ERR_NOT_PERMITTED},
        {EPERM, ERR_NOT_PERMITTED},
        {EIO, ERR_IO},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        cr_assert_eq(err_from_errno(rows[i].errnum), rows[i].err, "%s",
                     strerror(rows[i].errnum));
}

Test(err, no_errno_but_0_is_success)
{
    for (int errnum = -1; errnum < 300; errnum++)
        cr_assert_eq(err_from_errno(errnum) == ERR_OK, errnum == 0);
}
