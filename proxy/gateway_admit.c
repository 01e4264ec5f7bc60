/* Who may log in to the gateway: by a key of the authorized_keys file, or by a
 * password of the users file. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "auth/verify.h"
#include "proxy/gateway_parts.h"

/* A question under way. */
struct inquiry {
    struct admit_ask *ask;
    struct gateway *gateway;
    struct task task;
    struct verify *verify; /* a password that is being checked */
};

/* The answer is in the ask: tells it, once the loop is back. */
static void
tell(struct task *task)
{
    struct inquiry *inquiry =
        (struct inquiry *)((char *)task - offsetof(struct inquiry, task));
    struct admit_ask *ask = inquiry->ask;

    ask->state_ = NULL;
    free(inquiry);
    ask->answered(ask);
}

/* --- keys ----------------------------------------------------------------- */

static struct authkeys *
take_keys(struct gateway *gateway)
{
    struct authkeys *keys = NULL;

    pthread_mutex_lock(&gateway->lock);
    if (gateway->keys)
        keys = authkeys_ref(gateway->keys);
    pthread_mutex_unlock(&gateway->lock);
    return keys;
}

bool
gateway_names_agent(struct gateway *gateway, const char *name)
{
    struct authkeys *keys = take_keys(gateway);
    bool names = keys && authkeys_names_agent(keys, name);

    authkeys_unref(keys);
    return names;
}

static void
judge_key(struct gateway *gateway, struct admit_ask *ask)
{
    struct authkeys *keys = take_keys(gateway);
    struct grant *grant = NULL;

    ask->err = ERR_AUTH_FAILED;
    ask->why = "there are no authorized keys";
    if (keys)
        ask->err = authkeys_find(keys, ask->key, ask->key_len, ask->peer,
                                 time(NULL), &grant, &ask->why);
    if (!ask->err) {
        ask->grant = grant;
        ask->why = "";
    }
    authkeys_unref(keys);
}

/* --- passwords ------------------------------------------------------------ */

/* What the password of a user allows: all, by the name that the users file
 * has for it. */
static void
grant_all(struct gateway *gateway, struct admit_ask *ask)
{
    char agent[GRANT_AGENT_MAX + 1] = "";
    bool named = verifier_find_agent(gateway->shared->verifier,
                                     (const uint8_t *)ask->user,
                                     strlen(ask->user), agent);

    ask->grant = grant_create(named ? agent : NULL);
    ask->err = ask->grant ? ERR_OK : ERR_NO_MEMORY;
}

static void
on_verified(void *arg, bool good)
{
    struct inquiry *inquiry = arg;

    inquiry->verify = NULL;
    inquiry->ask->err = ERR_AUTH_FAILED;
    inquiry->ask->why = "wrong user or password";
    if (good)
        grant_all(inquiry->gateway, inquiry->ask);
    tell(&inquiry->task);
}

/* Returns whether it is being judged; else the ask has why not. */
static bool
judge_password(struct inquiry *inquiry)
{
    struct verifier *verifier = inquiry->gateway->shared->verifier;
    struct admit_ask *ask = inquiry->ask;

    ask->err = ERR_AUTH_FAILED;
    ask->why = "there are no users";
    if (!verifier)
        return false;
    ask->why = "";
    ask->err = verify_start(verifier, ask->worker, (const uint8_t *)ask->user,
                            strlen(ask->user), (const uint8_t *)ask->password,
                            strlen(ask->password), on_verified, inquiry,
                            &inquiry->verify);
    return !ask->err;
}

/* --- for the server ------------------------------------------------------- */

static bool
start(void *arg, struct admit_ask *ask)
{
    struct gateway *gateway = arg;
    struct inquiry *inquiry = malloc(sizeof(*inquiry));

    ask->grant = NULL;
    ask->state_ = inquiry;
    if (!inquiry)
        return false;
    *inquiry =
        (struct inquiry){.ask = ask, .gateway = gateway, .task.run = tell};
    if (!*ask->user) { /* nobody could name it */
        ask->err = ERR_AUTH_FAILED;
        ask->why = "no user name";
        worker_defer(ask->worker, &inquiry->task);
        return true;
    }
    if (ask->key)
        judge_key(gateway, ask);
    else if (judge_password(inquiry))
        return true;
    worker_defer(ask->worker, &inquiry->task);
    return true;
}

static void
cancel(void *arg, struct admit_ask *ask)
{
    struct inquiry *inquiry = ask->state_;

    (void)arg;
    if (!inquiry)
        return;
    ask->state_ = NULL;
    verify_cancel(inquiry->verify);
    worker_undefer(ask->worker, &inquiry->task);
    if (!ask->err)
        grant_unref(ask->grant);
    free(inquiry);
}

static void
release(void *arg, void *grant)
{
    (void)arg;
    grant_unref(grant);
}

static bool
has_keys(void *arg)
{
    const struct gateway *gateway = arg;

    return gateway->shared->settings->authorized_keys != NULL;
}

static bool
has_passwords(void *arg)
{
    const struct gateway *gateway = arg;

    return gateway->shared->verifier != NULL;
}

const struct admit_ops gateway_admit_ops = {
    .start = start,
    .cancel = cancel,
    .release = release,
    .has_keys = has_keys,
    .has_passwords = has_passwords,
};
