#include "tests/unit/sshserver_bed.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <nettle/base64.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/loop_help.h"
#include "transport/base/clock.h"

/* --- admission ------------------------------------------------------------ */

struct answer {
    struct task task;
    struct admit_ask *ask;
    struct sshserver_bed *bed;
};

static bool
is_good(const struct sshserver_bed *bed, const struct admit_ask *ask)
{
    if (!ask->key)
        return strcmp(ask->password, SSHSERVER_BED_PASSWORD) == 0;
    return ask->key_len == bed->blob_len &&
           memcmp(ask->key, bed->blob, ask->key_len) == 0;
}

static void
answer(struct task *task)
{
    struct answer *answer = (struct answer *)(void *)task;
    struct admit_ask *ask = answer->ask;

    ask->err = ERR_AUTH_FAILED;
    ask->why = "no such key";
    if (is_good(answer->bed, ask)) {
        ask->err = ERR_OK;
        ask->grant = answer->bed;
        answer->bed->granted++;
    }
    free(answer);
    ask->answered(ask);
}

static bool
start(void *arg, struct admit_ask *ask)
{
    struct sshserver_bed *bed = arg;
    struct answer *made;

    if (bed->lacks_memory)
        return false;
    made = calloc(1, sizeof(*made));
    made->task.run = answer;
    made->ask = ask;
    made->bed = bed;
    ask->state_ = made;
    bed->asked++;
    if (!bed->mute)
        worker_defer(ask->worker, &made->task);
    return true;
}

static void
cancel(void *arg, struct admit_ask *ask)
{
    struct answer *made = ask->state_;

    made->bed->cancelled++;
    worker_undefer(ask->worker, &made->task);
    free(made);
    (void)arg;
}

static void
release(void *arg, void *grant)
{
    struct sshserver_bed *bed = arg;

    if (grant != bed)
        abort();
    bed->released++;
}

static bool
yes(void *arg)
{
    (void)arg;
    return true;
}

static const struct admit_ops admit = {
    .start = start,
    .cancel = cancel,
    .release = release,
    .has_keys = yes,
    .has_passwords = yes,
};

/* --- the server ----------------------------------------------------------- */

static void
on_arrived(void *arg, struct sshserver_login *login)
{
    struct sshserver_bed *bed = arg;

    pthread_mutex_lock(&bed->lock);
    bed->logins[bed->count++] = login;
    pthread_cond_broadcast(&bed->news);
    pthread_mutex_unlock(&bed->lock);
}

static bool
has_room(void *arg, unsigned logins)
{
    (void)logins;
    return !((struct sshserver_bed *)arg)->full;
}

static void
make_keys(struct sshserver_bed *bed)
{
    char path[80];
    char print[SSHHOSTKEY_PRINT_MAX];
    char message[256];
    char *text;
    bool made;
    struct base64_decode_ctx ctx;

    snprintf(path, sizeof(path), "%s/host", bed->dir);
    cr_assert_eq(sshhostkeys_load(&bed->keys, path, &made, print, message,
                                  sizeof(message)),
                 ERR_OK, "%s", message);
    cr_assert(made);
    cr_assert_eq(ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &bed->good), SSH_OK);
    cr_assert_eq(ssh_pki_export_pubkey_base64(bed->good, &text), SSH_OK);
    bed->blob_len = BASE64_DECODE_LENGTH(strlen(text));
    bed->blob = malloc(bed->blob_len + 1);
    base64_decode_init(&ctx);
    cr_assert(base64_decode_update(&ctx, &bed->blob_len, bed->blob,
                                   strlen(text), text));
    ssh_string_free_char(text);
}

void
sshserver_bed_start(struct sshserver_bed *bed, unsigned loops,
                    const struct sshserver_times *times)
{
    const struct sshserver_times usual = {20., 30., 0.3};
    struct sshserver_config config = {
        .keys = &bed->keys,
        .admit = &admit,
        .admit_arg = bed,
        .loops = loops,
        .arrived = on_arrived,
        .has_room = has_room,
        .arg = bed,
    };

    memset(bed, 0, sizeof(*bed));
    pthread_mutex_init(&bed->lock, NULL);
    pthread_cond_init(&bed->news, NULL);
    strcpy(bed->dir, "/tmp/sshserver-bed-XXXXXX");
    cr_assert(mkdtemp(bed->dir));
    make_keys(bed);
    cr_assert_eq(
        sshserver_create_timed(&config, times ? times : &usual, &bed->server),
        ERR_OK);
    bed->listener = sockets_listen(&bed->addr, 1000);
    fcntl(bed->listener, F_SETFL, O_NONBLOCK);
    cr_assert_eq(sshserver_listen(bed->server, bed->listener), ERR_OK);
}

void
sshserver_bed_end(struct sshserver_bed *bed)
{
    char path[80];

    sshserver_stop(bed->server);
    for (unsigned i = 0; i < bed->count; i++)
        if (bed->logins[i])
            sshserver_bed_drop(bed, bed->logins[i]);
    sshserver_destroy(bed->server);
    cr_expect_eq(bed->granted, bed->released, "%u granted, %u released",
                 bed->granted, bed->released);
    close(bed->listener);
    sshhostkeys_clear(&bed->keys);
    ssh_key_free(bed->good);
    free(bed->blob);
    snprintf(path, sizeof(path), "%s/host", bed->dir);
    unlink(path);
    rmdir(bed->dir);
    pthread_cond_destroy(&bed->news);
    pthread_mutex_destroy(&bed->lock);
}

/* Takes the oldest; under the lock. */
static struct sshserver_login *
take(struct sshserver_bed *bed)
{
    struct sshserver_login *login = NULL;

    for (unsigned i = 0; i < bed->count && !login; i++) {
        login = bed->logins[i];
        bed->logins[i] = NULL;
    }
    return login;
}

struct sshserver_login *
sshserver_bed_wait(struct sshserver_bed *bed)
{
    struct sshserver_login *login;
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (time_t)LOOP_PATIENCE_SECONDS;
    pthread_mutex_lock(&bed->lock);
    while (!(login = take(bed)))
        if (pthread_cond_timedwait(&bed->news, &bed->lock, &until))
            break;
    pthread_mutex_unlock(&bed->lock);
    return login;
}

void
sshserver_bed_drop(struct sshserver_bed *bed, struct sshserver_login *login)
{
    release(bed, login->grant);
    sshserver_login_drop(login);
}

unsigned
sshserver_bed_guests(struct sshserver_bed *bed)
{
    unsigned guests;

    pthread_mutex_lock(&bed->server->lock);
    guests = bed->server->sources.guests + bed->server->sources.waiting;
    pthread_mutex_unlock(&bed->server->lock);
    return guests;
}

bool
sshserver_bed_settle(struct sshserver_bed *bed, unsigned guests)
{
    double until = clock_seconds() + LOOP_PATIENCE_SECONDS;

    while (sshserver_bed_guests(bed) != guests) {
        if (clock_seconds() > until)
            return false;
        poll(NULL, 0, 2);
    }
    return true;
}

/* --- clients -------------------------------------------------------------- */

int
sshserver_bed_dial(struct sshserver_bed *bed, unsigned from)
{
    union addr addr = bed->addr;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    addr.v4.sin_addr.s_addr = htonl(0x7f000000u + from);
    addr.v4.sin_port = 0;
    if (bind(fd, &addr.sa, sizeof(addr.v4)) ||
        connect(fd, &bed->addr.sa, sizeof(bed->addr.v4))) {
        close(fd);
        return -1;
    }
    sockets_be_patient(fd);
    return fd;
}

ssh_session
sshserver_bed_connect(struct sshserver_bed *bed, unsigned from)
{
    int fd = sshserver_bed_dial(bed, from);
    ssh_session session = ssh_new();
    bool off = false;
    long patience = (long)LOOP_PATIENCE_SECONDS;

    ssh_options_set(session, SSH_OPTIONS_PROCESS_CONFIG, &off);
    ssh_options_set(session, SSH_OPTIONS_HOST, "127.0.0.1");
    ssh_options_set(session, SSH_OPTIONS_USER, "me");
    ssh_options_set(session, SSH_OPTIONS_TIMEOUT, &patience);
    ssh_options_set(session, SSH_OPTIONS_KNOWNHOSTS, "/dev/null");
    ssh_options_set(session, SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null");
    ssh_options_set(session, SSH_OPTIONS_FD, &fd);
    if (fd >= 0 && ssh_connect(session) == SSH_OK)
        return session;
    ssh_free(session);
    return NULL;
}

/* No ssh_disconnect, after which it depends whether the descriptor is open. */
void
sshserver_bed_hang_up(ssh_session session)
{
    ssh_free(session);
}
