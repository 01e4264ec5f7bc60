#include "transport/ssh/sshlogin_run.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum err
sshlogin_fail(struct sshlogin_run *run, enum err err, const char *format, ...)
{
    int len = snprintf(run->text, sizeof(run->text), "%s: ", run->who);
    va_list args;

    va_start(args, format);
    if (len >= 0 && (size_t)len < sizeof(run->text))
        vsnprintf(run->text + len, sizeof(run->text) - (size_t)len, format,
                  args);
    va_end(args);
    return err;
}

/* The length of the well-formed UTF-8 sequence (RFC 3629 4) of a character
 * that shows, beyond ASCII; else 0. */
static size_t
shown_length(const unsigned char *text)
{
    size_t len = text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;
    unsigned code = text[0] & (0xffu >> (len + 1));

    if (text[0] < 0xc2 || text[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if ((text[i] & 0xc0) != 0x80) /* a NUL too */
            return 0;
        code = code << 6 | (text[i] & 0x3f);
    }
    if ((len == 3 && code < 0x800) || (len == 4 && code < 0x10000) ||
        code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
        return 0;
    /* C1 controls; what turns the direction of writing, or breaks lines. */
    if (code < 0xa0 || (code >= 0x2028 && code <= 0x202e) ||
        (code >= 0x2066 && code <= 0x2069))
        return 0;
    return len;
}

char *
sshlogin_clean(const char *text, char *out, size_t size)
{
    const unsigned char *in = (const unsigned char *)text;
    size_t at = 0;

    while (*in && at + 1 < size) {
        size_t len = shown_length(in);

        if (len > 0 && at + len >= size)
            break;
        if (len > 0) {
            memmove(out + at, in, len);
            at += len;
            in += len;
            continue;
        }
        if (*in == '\t' || *in == '\n' || *in == '\r')
            out[at++] = ' ';
        else
            out[at++] = *in >= ' ' && *in < 0x7f ? (char)*in : '?';
        in++;
    }
    out[at] = 0;
    return out;
}

/* A disconnect message: "Received SSH_MSG_DISCONNECT: 2:Too many ..." */
static enum err
fail_disconnect(struct sshlogin_run *run, const char *step, const char *message)
{
    char said[256];
    const char *try = "";

    sshlogin_clean(message, said, sizeof(said));
    if (strcasestr(said, "too many authentication failures"))
        try = "; give the right key with -i and -o IdentitiesOnly=yes";
    return sshlogin_fail(run, *try ? ERR_AUTH_FAILED : ERR_PROTOCOL,
                         "the server ended the connection during %s: \"%s\"%s",
                         step, said, try);
}

enum err
sshlogin_fail_session(struct sshlogin_run *run, const char *step)
{
    const char *error = ssh_get_error(run->session);
    const char *message;
    char said[512];

    if (*run->cancelled)
        return sshlogin_fail(run, ERR_SHUTDOWN, "given up");
    /* Not by ssh_get_disconnect_message, which puts an error of its own in the
     * place of what was last said. */
    message = strstr(error, "SSH_MSG_DISCONNECT: ");
    if (message)
        return fail_disconnect(run, step, strchr(message, ' ') + 1);
    if (strstr(error, "Timeout"))
        return sshlogin_fail(run, ERR_TIMED_OUT,
                             "the server fell silent during %s: timed out",
                             step);
    /* "Success" is of a socket's error that was read before. */
    if (strstr(error, "disconnected") || strstr(error, "reset") ||
        strstr(error, "Broken pipe") || strstr(error, "Remote host closed") ||
        strstr(error, "Success"))
        return sshlogin_fail(
            run, ERR_RESET, "the server closed the connection during %s", step);
    sshlogin_clean(error, said, sizeof(said));
    return sshlogin_fail(run, ERR_PROTOCOL, "%s failed: %s", step,
                         *said ? said : "the server sent what can't be read");
}
