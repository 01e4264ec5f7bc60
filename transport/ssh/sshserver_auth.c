/* One request at a time: while one is being judged, nothing more is read of the
 * peer. There is no state between requests but how many failed: each brings its
 * user and its key or password along, and is granted or refused as it is
 * (RFC 4252 5), so that a user name that changes on the way can't be mixed up.
 *
 * libssh 0.10 swallows some requests without an answer, for which the peer
 * would wait: those with a signature that is wrong, and keys of a kind that it
 * does not know. They are seen in its log alone, and refused by way of another
 * request's message, of which libssh uses nothing but the session. Rejected:
 * its callbacks, which want the answer at once. */
#define SSH_SUPPRESS_DEPRECATED
#include "transport/ssh/sshserver_parts.h"

#include <nettle/base64.h>
#include <stdlib.h>
#include <string.h>

/* What libssh logs of each request that it reads, before it looks closer. */
#define HEARD_REQUEST "ssh_packet_userauth_request: Auth request for service "
#define HEARD_GSSAPI  HEARD_REQUEST "ssh-connection, method gssapi-with-mic "

/* A refused request's message serves as the handle for the next ones, unless
 * there is a password in it. */
static void
dispose(struct sshserver_login_run *run, ssh_message message)
{
    if (!run->handle && ssh_message_type(message) == SSH_REQUEST_AUTH &&
        ssh_message_subtype(message) == SSH_AUTH_METHOD_NONE)
        run->handle = message;
    else
        ssh_message_free(message); /* which wipes a password */
}

static void
forget_request(struct sshserver_login_run *run)
{
    free(run->key);
    run->key = NULL;
    if (run->message)
        dispose(run, run->message);
    run->message = NULL;
}

static bool
end(struct sshserver_login_run *run, enum sshserver_end end, const char *why)
{
    sshserver_login_end(run, end, why);
    return false;
}

/* Refuses what is being judged: a try that failed. The last one has no answer
 * but the end: a client that went on after it would never read why. */
static bool
refuse(struct sshserver_login_run *run, const char *why)
{
    run->why = why;
    if (++run->tries >= SSHSERVER_TRIES_MAX)
        return end(run, SSHSERVER_FAILED, why);
    ssh_message_reply_default(run->message);
    forget_request(run);
    return true;
}

static bool
refuse_and_blame(struct sshserver_login_run *run, const char *why)
{
    run->is_blamed = true;
    return refuse(run, why);
}

/* --- what is granted ------------------------------------------------------ */

static void
release(struct sshserver_login_run *run, void *grant)
{
    const struct sshserver_config *config = &run->loop->server->config;

    config->admit->release(config->admit_arg, grant);
}

/* Requests that were sent ahead have nobody to go to any more. None can be of
 * another kind: before its success, libssh reads no others. */
static void
drop_requests(struct sshserver_login_run *run)
{
    ssh_message message;

    while ((message = ssh_message_get(run->session)))
        ssh_message_free(message);
}

static bool
succeed(struct sshserver_login_run *run, void *grant)
{
    struct sshserver_login *login = calloc(1, sizeof(*login));

    if (!login) {
        release(run, grant);
        return end(run, SSHSERVER_OUR, "out of memory");
    }
    login->grant = grant;
    memcpy(login->user, run->user, sizeof(login->user));
    memcpy(login->print, run->print, sizeof(login->print));
    run->login = login;
    drop_requests(run);
    if (ssh_message_auth_reply_success(run->message, 0) != SSH_OK)
        return end(run, SSHSERVER_LEFT, "libssh can't answer");
    forget_request(run);
    run->state = SSHSERVER_LEAVING;
    return true;
}

/* A key would do, if it is the peer's. */
static bool
say_key_would_do(struct sshserver_login_run *run, void *grant)
{
    int rc = ssh_message_auth_reply_pk_ok_simple(run->message);

    release(run, grant);
    forget_request(run);
    return rc == SSH_OK || end(run, SSHSERVER_LEFT, "libssh can't answer");
}

static bool
take_answer(struct sshserver_login_run *run)
{
    const struct admit_ask *ask = &run->ask;
    bool is_question =
        ask->key && ssh_message_auth_publickey_state(run->message) !=
                        SSH_PUBLICKEY_STATE_VALID;

    if (ask->err == ERR_OK)
        return is_question ? say_key_would_do(run, ask->grant)
                           : succeed(run, ask->grant);
    if (ask->err != ERR_AUTH_FAILED && ask->err != ERR_DENIED)
        return refuse(run, err_text(ask->err));
    return refuse_and_blame(run, ask->why && *ask->why ? ask->why
                                                       : err_text(ask->err));
}

static void
on_answered(struct admit_ask *ask)
{
    struct sshserver_login_run *run = ask->owner;

    run->is_asking = false;
    if (take_answer(run) &&
        (run->state != SSHSERVER_AUTH || sshserver_auth_look(run)))
        sshserver_login_step(run);
}

/* --- what is asked -------------------------------------------------------- */

static bool
ask(struct sshserver_login_run *run, size_t key_len, const char *password)
{
    const struct sshserver_config *config = &run->loop->server->config;

    run->ask = (struct admit_ask){
        .worker = run->loop->worker,
        .user = run->user,
        .peer = &run->peer,
        .key = run->key,
        .key_len = key_len,
        .password = password,
        .answered = on_answered,
        .owner = run,
        .why = "",
    };
    run->is_asking = config->admit->start(config->admit_arg, &run->ask);
    return run->is_asking || end(run, SSHSERVER_OUR, err_text(ERR_NO_MEMORY));
}

/* A key's blob (RFC 4253 6.6). libssh gives it as text alone. */
static uint8_t *
read_blob(ssh_key key, size_t *len)
{
    char *text = NULL;
    uint8_t *blob = NULL;
    struct base64_decode_ctx ctx;
    size_t text_len;

    if (!key || ssh_pki_export_pubkey_base64(key, &text) != SSH_OK)
        return NULL;
    text_len = strlen(text);
    *len = BASE64_DECODE_LENGTH(text_len);
    blob = malloc(*len + 1);
    base64_decode_init(&ctx);
    if (blob && (!base64_decode_update(&ctx, len, blob, text_len, text) ||
                 !base64_decode_final(&ctx))) {
        free(blob);
        blob = NULL;
    }
    ssh_string_free_char(text);
    return blob;
}

static bool
judge_key(struct sshserver_login_run *run)
{
    const struct sshserver_config *config = &run->loop->server->config;
    enum ssh_publickey_state_e state =
        ssh_message_auth_publickey_state(run->message);
    ssh_key key = ssh_message_auth_pubkey(run->message);
    size_t len = 0;

    if (!config->admit->has_keys(config->admit_arg))
        return refuse_and_blame(run, "keys are not accepted");
    if (state != SSH_PUBLICKEY_STATE_NONE && state != SSH_PUBLICKEY_STATE_VALID)
        return refuse_and_blame(run, "a signature that is wrong");
    run->key = read_blob(key, &len);
    if (!run->key || !sshhostkey_print(key, run->print))
        return refuse(run, "a key that can't be read");
    return ask(run, len, NULL);
}

static bool
judge_password(struct sshserver_login_run *run)
{
    const struct sshserver_config *config = &run->loop->server->config;
    const char *password = ssh_message_auth_password(run->message);

    if (!config->admit->has_passwords(config->admit_arg) || !password)
        return refuse_and_blame(run, "passwords are not accepted");
    return ask(run, 0, password);
}

/* Which methods there are is in every refusal. */
static bool
tell_methods(struct sshserver_login_run *run)
{
    ssh_message_reply_default(run->message);
    forget_request(run);
    return true;
}

static bool
judge_request(struct sshserver_login_run *run)
{
    const char *user = ssh_message_auth_user(run->message);
    int method = ssh_message_subtype(run->message);

    if (++run->requests_got > SSHSERVER_REQUESTS_MAX)
        return end(run, SSHSERVER_FAILED, "asks without end");
    run->print[0] = 0;
    if (!user || strlen(user) > SSHSERVER_USER_MAX)
        return refuse_and_blame(run, "a user name that is too long");
    strcpy(run->user, user);
    if (method == SSH_AUTH_METHOD_NONE)
        return tell_methods(run);
    if (method == SSH_AUTH_METHOD_PUBLICKEY)
        return judge_key(run);
    if (method == SSH_AUTH_METHOD_PASSWORD)
        return judge_password(run);
    return refuse_and_blame(run, "a method that is not offered");
}

static bool
judge_service(struct sshserver_login_run *run)
{
    const char *service = ssh_message_service_service(run->message);
    bool is_known = service && strcmp(service, "ssh-userauth") == 0;

    if (is_known)
        ssh_message_service_reply_success(run->message);
    forget_request(run);
    return is_known ||
           end(run, SSHSERVER_LEFT, "asks for a service that there is not");
}

static bool
judge(struct sshserver_login_run *run)
{
    switch (ssh_message_type(run->message)) {
    case SSH_REQUEST_SERVICE:
        return judge_service(run);
    case SSH_REQUEST_AUTH:
        return judge_request(run);
    default:
        return tell_methods(run);
    }
}

/* Answers a request that libssh has swallowed. */
static bool
refuse_swallowed(struct sshserver_login_run *run)
{
    run->requests_got++;
    run->tries++;
    run->is_blamed = true;
    run->why = "a wrong signature, or a key of a kind that is not known";
    if (!run->handle || run->tries >= SSHSERVER_TRIES_MAX)
        return end(run, SSHSERVER_FAILED, run->why);
    ssh_message_reply_default(run->handle);
    return true;
}

bool
sshserver_auth_look(struct sshserver_login_run *run)
{
    while (run->state == SSHSERVER_AUTH && !run->is_asking) {
        run->message = ssh_message_get(run->session);
        if (run->message) {
            if (!judge(run))
                return false;
        } else if (run->requests_seen > run->requests_got) {
            if (!refuse_swallowed(run))
                return false;
        } else {
            break;
        }
    }
    return true;
}

void
sshserver_auth_hear(struct sshserver_login_run *run, const char *line)
{
    if (strncmp(line, HEARD_REQUEST, strlen(HEARD_REQUEST)) != 0)
        return;
    run->requests_seen++;
    if (strncmp(line, HEARD_GSSAPI, strlen(HEARD_GSSAPI)) != 0)
        return;
    /* libssh answers this one by itself, for which it asks the system for
     * credentials of the host's, and the network perhaps; unless there are
     * callbacks, which it looks for next. */
    run->has_gssapi = true;
    ssh_set_server_callbacks(run->session, &run->loop->refusals);
}

void
sshserver_auth_clear(struct sshserver_login_run *run)
{
    const struct sshserver_config *config = &run->loop->server->config;

    if (run->is_asking)
        config->admit->cancel(config->admit_arg, &run->ask);
    run->is_asking = false;
    forget_request(run);
    ssh_message_free(run->handle);
    run->handle = NULL;
    if (run->login)
        release(run, run->login->grant);
    free(run->login);
    run->login = NULL;
}
