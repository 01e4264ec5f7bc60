#include "transport/ssh/sshauth.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transport/base/clock.h"
#include "transport/base/log.h"
#include "transport/ssh/sshauth_ask.h"
#include "transport/ssh/sshauth_keys.h"

/* A server may wait for a person's telephone, or for its own directory
 * service: sshd gives a login 120 seconds by itself (LoginGraceTime). */
#define STEP_SECONDS 150.

/* How long a wait is at most before libssh is called again: for what it could
 * not write at once. */
#define TICK_MS 100

/* How often a server may say "right, and now another": one that always did
 * would keep us for ever. */
#define PARTIAL_MAX 8

/* A banner is shown as far as this. */
#define BANNER_MAX 4096

enum method {
    METHOD_GSSAPI,
    METHOD_PUBLICKEY,
    METHOD_INTERACTIVE,
    METHOD_PASSWORD,
};

#define METHODS 4

/* In ssh's own order. */
static const struct {
    const char *name;
    int bit; /* in ssh_userauth_list */
} methods[METHODS] = {
    {"gssapi-with-mic", SSH_AUTH_METHOD_GSSAPI_MIC},
    {"publickey", SSH_AUTH_METHOD_PUBLICKEY},
    {"keyboard-interactive", SSH_AUTH_METHOD_INTERACTIVE},
    {"password", SSH_AUTH_METHOD_PASSWORD},
};

struct auth {
    struct sshlogin_run *run;
    struct sshauth_keys *keys;
    enum method order[METHODS];
    size_t count;
    bool spent[METHODS];
};

static bool
is_lost(const struct sshlogin_run *run)
{
    return *run->cancelled || !ssh_is_connected(run->session) ||
           ssh_get_fd(run->session) < 0;
}

bool
sshauth_again(struct sshlogin_run *run, struct sshauth_wait *wait, int answer)
{
    struct pollfd readable = {.events = POLLIN};
    double start = clock_seconds();

    if (answer != SSH_AUTH_AGAIN || is_lost(run) ||
        wait->seconds >= STEP_SECONDS)
        return false;
    readable.fd = ssh_get_fd(run->session);
    poll(&readable, 1, TICK_MS);
    wait->seconds += clock_seconds() - start;
    return true;
}

enum sshauth_result
sshauth_result(struct sshlogin_run *run, int answer)
{
    switch (answer) {
    case SSH_AUTH_SUCCESS:
        return SSHAUTH_DONE;
    case SSH_AUTH_PARTIAL:
        return SSHAUTH_PARTIAL;
    case SSH_AUTH_AGAIN:
        if (is_lost(run))
            return SSHAUTH_BROKEN;
        sshlogin_fail(run, ERR_TIMED_OUT,
                      "the server fell silent during authentication: timed "
                      "out");
        return SSHAUTH_BROKEN;
    case SSH_AUTH_ERROR:
        return is_lost(run) ? SSHAUTH_BROKEN : SSHAUTH_DENIED;
    default:
        return SSHAUTH_DENIED;
    }
}

void
sshauth_list_add(char *list, size_t size, const char *format, ...)
{
    size_t len = strlen(list);
    va_list args;
    int n = 0;

    if (len > 0 && len < size)
        n = snprintf(list + len, size - len, "; ");
    if (n < 0 || len + (size_t)n >= size)
        return;
    len += (size_t)n;
    va_start(args, format);
    vsnprintf(list + len, size - len, format, args);
    va_end(args);
}

/* --- which methods, in which order ---------------------------------------- */

static bool
is_allowed(const struct sshlogin_run *run, enum method method)
{
    const struct sshdest *dest = run->dest;
    bool may_ask = !dest->batch_mode && !run->no_secrets;

    switch (method) {
    case METHOD_GSSAPI:
        return dest->gssapi_auth;
    case METHOD_PUBLICKEY:
        return dest->pubkey_auth;
    case METHOD_INTERACTIVE:
        return dest->kbdint_auth && may_ask;
    case METHOD_PASSWORD:
        return dest->password_auth && may_ask;
    }
    return false;
}

static void
add_method(struct auth *auth, const char *name, size_t len)
{
    for (unsigned i = 0; i < METHODS; i++) {
        bool is_named = strlen(methods[i].name) == len &&
                        memcmp(methods[i].name, name, len) == 0;

        for (size_t j = 0; j < auth->count; j++)
            is_named &= auth->order[j] != i;
        if (is_named && is_allowed(auth->run, (enum method)i))
            auth->order[auth->count++] = (enum method)i;
    }
}

static void
set_order(struct auth *auth)
{
    const char *list = auth->run->dest->preferred;

    if (!list)
        list = "gssapi-with-mic,publickey,keyboard-interactive,password";
    while (*list) {
        size_t len = strcspn(list, ",");

        add_method(auth, list, len);
        list += len;
        list += *list == ',';
    }
}

/* The first that the server takes and that has not been of no use. */
static bool
next_method(const struct auth *auth, enum method *method)
{
    int offered = ssh_userauth_list(auth->run->session, NULL);

    for (size_t i = 0; i < auth->count; i++) {
        *method = auth->order[i];
        if (!auth->spent[*method] && (offered & methods[*method].bit))
            return true;
    }
    return false;
}

static enum sshauth_result
try_keys(struct auth *auth)
{
    if (!auth->keys)
        auth->keys = sshauth_keys_create(auth->run);
    return auth->keys ? sshauth_keys_try(auth->keys) : SSHAUTH_DENIED;
}

static enum sshauth_result
try_gssapi(struct sshlogin_run *run)
{
    struct sshauth_wait wait = {0};
    int answer;

    do
        answer = ssh_userauth_gssapi(run->session);
    while (sshauth_again(run, &wait, answer));
    return sshauth_result(run, answer);
}

static enum sshauth_result
try_method(struct auth *auth, enum method method)
{
    struct sshlogin_run *run = auth->run;

    if (log_enabled(LOG_VERBOSE))
        log_write(LOG_VERBOSE, "%s: authentication by %s", run->who,
                  methods[method].name);
    switch (method) {
    case METHOD_GSSAPI:
        return try_gssapi(run);
    case METHOD_PUBLICKEY:
        return try_keys(auth);
    case METHOD_INTERACTIVE:
        return sshauth_interactive(run);
    case METHOD_PASSWORD:
        return sshauth_password(run);
    }
    return SSHAUTH_DENIED;
}

/* --- what is said --------------------------------------------------------- */

/* A server's greeting, which may be a warning that the law asks for: once. */
static void
show_banner(struct sshlogin_run *run)
{
    char *banner = ssh_get_issue_banner(run->session);
    char note[SSHLOGIN_WHO_MAX + 16];
    char line[512];
    char *rest = banner;
    char *part;

    snprintf(note, sizeof(note), "banner %s", run->who);
    if (!banner || !sshcred_note(run->cred, note)) {
        ssh_string_free_char(banner);
        return;
    }
    if (strlen(banner) > BANNER_MAX)
        banner[BANNER_MAX] = 0;
    while ((part = strsep(&rest, "\n"))) {
        part[strcspn(part, "\r")] = 0;
        if (*part || rest)
            log_write(LOG_INFO, "%s", sshlogin_clean(part, line, sizeof(line)));
    }
    ssh_string_free_char(banner);
}

/* "publickey,password": what the server would go on with. */
static void
list_offered(struct sshlogin_run *run, char *list, size_t size)
{
    int offered = ssh_userauth_list(run->session, NULL);
    size_t len = 0;

    list[0] = 0;
    for (size_t i = 0; i < METHODS && len < size; i++)
        if (offered & methods[i].bit)
            len += (size_t)snprintf(list + len, size - len, "%s%s",
                                    len > 0 ? "," : "", methods[i].name);
}

static enum err
fail_denied(struct auth *auth)
{
    struct sshlogin_run *run = auth->run;
    const struct sshdest *dest = run->dest;
    int offered = ssh_userauth_list(run->session, NULL);
    const char *story = auth->keys ? sshauth_keys_story(auth->keys) : "";
    const char *no_key = "";
    const char *no_ask = "";
    char list[96];

    list_offered(run, list, sizeof(list));
    if ((offered & SSH_AUTH_METHOD_PUBLICKEY) && !*story)
        no_key = auth->keys ? "; there was no key to try: name one with -i, or "
                              "start an agent"
                            : "; publickey was not tried, as "
                              "PubkeyAuthentication or "
                              "PreferredAuthentications says";
    if (dest->batch_mode &&
        (offered & (SSH_AUTH_METHOD_PASSWORD | SSH_AUTH_METHOD_INTERACTIVE)))
        no_ask = "; BatchMode asks for no password";
    /* An agent that is heard again may have the key. */
    return sshlogin_fail(run,
                         auth->keys && sshauth_keys_agent_silent(auth->keys)
                             ? ERR_TIMED_OUT
                             : ERR_AUTH_FAILED,
                         "Permission denied (%s)%s%s%s%s", list,
                         *story ? "; " : "", story, no_key, no_ask);
}

/* "None" is how the server's methods are learned (RFC 4252 5.2). */
static enum sshauth_result
try_none(struct sshlogin_run *run)
{
    struct sshauth_wait wait = {0};
    int answer;

    do
        answer = ssh_userauth_none(run->session, NULL);
    while (sshauth_again(run, &wait, answer));
    return sshauth_result(run, answer);
}

static enum sshauth_result
authenticate(struct auth *auth)
{
    struct sshlogin_run *run = auth->run;
    enum sshauth_result result = try_none(run);
    unsigned partial = 0;
    enum method method;

    show_banner(run);
    while (result != SSHAUTH_DONE && result != SSHAUTH_BROKEN &&
           !*run->cancelled && next_method(auth, &method)) {
        result = try_method(auth, method);
        if (result == SSHAUTH_DENIED ||
            (result == SSHAUTH_PARTIAL && ++partial > PARTIAL_MAX))
            auth->spent[method] = true;
    }
    return result;
}

enum err
sshauth_log_in(struct sshlogin_run *run)
{
    struct auth auth = {.run = run};
    enum err err = ERR_OK;

    ssh_set_blocking(run->session, 0);
    set_order(&auth);
    switch (authenticate(&auth)) {
    case SSHAUTH_DONE:
        show_banner(run);
        break;
    case SSHAUTH_PARTIAL:
    case SSHAUTH_DENIED:
        err = *run->cancelled ? ERR_SHUTDOWN : fail_denied(&auth);
        break;
    case SSHAUTH_BROKEN:
        err = run->text[0] ? ERR_TIMED_OUT
                           : sshlogin_fail_session(run, "authentication");
        break;
    }
    sshauth_keys_destroy(auth.keys);
    return err;
}
