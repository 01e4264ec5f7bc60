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

char *
sshlogin_clean(const char *text, char *out, size_t size)
{
    size_t at = 0;

    for (; *text && at + 1 < size; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == '\t' || c == '\n' || c == '\r')
            c = ' ';
        out[at++] = c >= ' ' && c < 0x7f ? (char)c : '?';
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
    message = ssh_get_disconnect_message(run->session);
    if (message && *message)
        return fail_disconnect(run, step, message);
    message = strstr(error, "SSH_MSG_DISCONNECT: ");
    if (message)
        return fail_disconnect(run, step, strchr(message, ' ') + 1);
    if (strstr(error, "Timeout"))
        return sshlogin_fail(run, ERR_TIMED_OUT,
                             "the server fell silent during %s: timed out",
                             step);
    if (strstr(error, "disconnected") || strstr(error, "reset") ||
        strstr(error, "Remote host closed"))
        return sshlogin_fail(
            run, ERR_RESET, "the server closed the connection during %s", step);
    sshlogin_clean(error, said, sizeof(said));
    return sshlogin_fail(run, ERR_PROTOCOL, "%s failed: %s", step, said);
}
