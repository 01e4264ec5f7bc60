#include "transport/ssh/sshauth_agent.h"

#include <errno.h>
#include <nettle/base64.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "transport/ssh/sshlogin_run.h"

/* draft-ietf-sshm-ssh-agent 5 and 6.1 */
#define AGENT_FAILURE            5
#define AGENT_REQUEST_IDENTITIES 11
#define AGENT_IDENTITIES         12
#define AGENT_SIGN_REQUEST       13

/* OpenSSH's own limits. */
#define MESSAGE_MAX (256u * 1024)
#define KEYS_MAX    2048

/* How long an agent may take to tell its keys, which some unlock at a person's
 * word, and to sign, for which one may be asked. One that is reached through a
 * connection that died never answers: a login has other keys, and a link is to
 * be made anew. */
#define LIST_SECONDS 20
#define SIGN_SECONDS 150

/* A message, without its length. */
struct message {
    uint8_t *bytes;
    size_t len;
};

struct sshauth_agent {
    int fd;      /* the agent's */
    int ours[2]; /* libssh's end and the thread's, or -1 */
    ssh_session session;
    pthread_t thread;
    struct message answer; /* the agent's, which the keys point into */
    struct sshauth_agent_key *keys;
    size_t count;

    pthread_mutex_t lock;
    const struct sshauth_agent_offer *shown;
    size_t shown_count;
    size_t signed_count; /* of sshauth_agent_signed */
};

static uint32_t
get_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 |
           (uint32_t)at[2] << 8 | at[3];
}

static uint8_t *
put_u32(uint8_t *at, size_t number)
{
    at[0] = (uint8_t)(number >> 24);
    at[1] = (uint8_t)(number >> 16);
    at[2] = (uint8_t)(number >> 8);
    at[3] = (uint8_t)number;
    return at + 4;
}

static uint8_t *
put_string(uint8_t *at, const void *bytes, size_t len)
{
    at = put_u32(at, len);
    memcpy(at, bytes, len);
    return at + len;
}

/* --- messages ------------------------------------------------------------- */

static bool
read_all(int fd, uint8_t *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = recv(fd, bytes, len, 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

static bool
write_all(int fd, const uint8_t *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

/* Reads a message, whose bytes are the caller's to free. */
static bool
receive(int fd, struct message *message)
{
    uint8_t head[4];
    uint32_t len;

    if (!read_all(fd, head, sizeof(head)))
        return false;
    len = get_u32(head);
    if (len == 0 || len > MESSAGE_MAX)
        return false;
    message->bytes = malloc(len);
    message->len = len;
    if (message->bytes && read_all(fd, message->bytes, len))
        return true;
    free(message->bytes);
    message->bytes = NULL;
    return false;
}

static bool
send_message(int fd, const uint8_t *bytes, size_t len)
{
    uint8_t head[4];

    put_u32(head, len);
    return write_all(fd, head, sizeof(head)) && write_all(fd, bytes, len);
}

/* --- the agent's keys ----------------------------------------------------- */

/* Takes a string of len bytes off *at, or NULL. */
static const uint8_t *
take_string(const struct message *message, size_t *at, size_t *len)
{
    const uint8_t *string;

    if (message->len - *at < 4)
        return NULL;
    *len = get_u32(message->bytes + *at);
    if (message->len - *at - 4 < *len)
        return NULL;
    string = message->bytes + *at + 4;
    *at += 4 + *len;
    return string;
}

static bool
add_key(struct sshauth_agent *agent, size_t *at)
{
    struct sshauth_agent_key *key = &agent->keys[agent->count];
    const uint8_t *comment;
    size_t comment_len;
    char *text;

    key->blob = take_string(&agent->answer, at, &key->len);
    comment = key->blob ? take_string(&agent->answer, at, &comment_len) : NULL;
    if (!comment || key->len == 0)
        return false;
    agent->count++;
    key->base64 = calloc(1, BASE64_ENCODE_RAW_LENGTH(key->len) + 1);
    key->comment = calloc(1, comment_len + 1);
    text = strndup((const char *)comment, comment_len);
    if (key->base64)
        base64_encode_raw(key->base64, key->len, key->blob);
    if (key->comment && text)
        sshlogin_clean(text, key->comment, comment_len + 1);
    free(text);
    return key->base64 && key->comment;
}

static bool
list_keys(struct sshauth_agent *agent)
{
    const uint8_t request = AGENT_REQUEST_IDENTITIES;
    size_t at = 5;
    uint32_t count;

    if (!send_message(agent->fd, &request, 1) ||
        !receive(agent->fd, &agent->answer) || agent->answer.len < at ||
        agent->answer.bytes[0] != AGENT_IDENTITIES)
        return false;
    count = get_u32(agent->answer.bytes + 1);
    if (count > KEYS_MAX)
        return false;
    agent->keys = calloc(count + 1, sizeof(*agent->keys));
    if (!agent->keys)
        return false;
    while (agent->count < count)
        if (!add_key(agent, &at))
            return false;
    return true;
}

/* How long each call waits from now on; connect(2) too. */
static void
set_patience(int fd, int seconds)
{
    const struct timeval wait = {.tv_sec = seconds};

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
}

static enum err
connect_to(const char *path, int *fd)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int made;

    if (strlen(path) >= sizeof(addr.sun_path))
        return ERR_NO_SUCH_PATH;
    strcpy(addr.sun_path, path);
    made = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (made < 0)
        return err_from_errno(errno);
    set_patience(made, LIST_SECONDS);
    if (connect(made, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
        enum err err = err_from_errno(errno);

        close(made);
        return err;
    }
    *fd = made;
    return ERR_OK;
}

enum err
sshauth_agent_create(const char *path, struct sshauth_agent **agent)
{
    struct sshauth_agent *made = calloc(1, sizeof(*made));
    enum err err;

    if (!made)
        return ERR_NO_MEMORY;
    made->fd = made->ours[0] = made->ours[1] = -1;
    pthread_mutex_init(&made->lock, NULL);
    err = connect_to(path, &made->fd);
    errno = 0;
    if (!err && !list_keys(made))
        err = errno == EAGAIN ? ERR_TIMED_OUT : ERR_PROTOCOL;
    if (err) {
        sshauth_agent_destroy(made);
        return err;
    }
    set_patience(made->fd, SIGN_SECONDS);
    *agent = made;
    return ERR_OK;
}

size_t
sshauth_agent_count(const struct sshauth_agent *agent)
{
    return agent->count;
}

const struct sshauth_agent_key *
sshauth_agent_key(const struct sshauth_agent *agent, size_t index)
{
    return &agent->keys[index];
}

/* --- what libssh sees ----------------------------------------------------- */

/* The public key that an offer stands for. */
static const uint8_t *
offered_blob(const struct sshauth_agent *agent,
             const struct sshauth_agent_offer *offer, size_t *len)
{
    const struct sshauth_agent_key *key = &agent->keys[offer->index];

    *len = offer->certificate ? offer->len : key->len;
    return offer->certificate ? offer->certificate : key->blob;
}

static const char *
comment_of(const struct sshauth_agent *agent, size_t shown)
{
    return agent->keys[agent->shown[shown].index].comment;
}

/* Answers with those that are shown. */
static bool
answer_keys(struct sshauth_agent *agent)
{
    size_t size = 1 + 4;
    uint8_t *answer, *end;
    size_t len;
    bool sent;

    for (size_t i = 0; i < agent->shown_count; i++) {
        offered_blob(agent, &agent->shown[i], &len);
        size += 4 + len + 4 + strlen(comment_of(agent, i));
    }
    answer = malloc(size);
    if (!answer)
        return false;
    answer[0] = AGENT_IDENTITIES;
    end = put_u32(answer + 1, agent->shown_count);
    for (size_t i = 0; i < agent->shown_count; i++) {
        const uint8_t *blob = offered_blob(agent, &agent->shown[i], &len);

        end = put_string(end, blob, len);
        end =
            put_string(end, comment_of(agent, i), strlen(comment_of(agent, i)));
    }
    sent = send_message(agent->ours[1], answer, (size_t)(end - answer));
    free(answer);
    return sent;
}

/* Which of those shown is to sign, or NULL. */
static const struct sshauth_agent_offer *
find_offer(struct sshauth_agent *agent, const uint8_t *blob, size_t len)
{
    for (size_t i = 0; i < agent->shown_count; i++) {
        size_t offered_len;
        const uint8_t *offered =
            offered_blob(agent, &agent->shown[i], &offered_len);

        if (offered_len == len && memcmp(offered, blob, len) == 0) {
            agent->signed_count = i + 1;
            return &agent->shown[i];
        }
    }
    return NULL;
}

/* What libssh wants signed, for the agent: in the place of a certificate that
 * the agent doesn't have stands its key. */
static bool
pass_request(struct sshauth_agent *agent, const struct message *request)
{
    const struct sshauth_agent_offer *offer = NULL;
    const struct sshauth_agent_key *key;
    const uint8_t *blob;
    size_t at = 1;
    size_t len;
    uint8_t *made, *end;
    bool sent;

    blob = take_string(request, &at, &len);
    if (blob)
        offer = find_offer(agent, blob, len);
    if (!offer)
        return false;
    key = &agent->keys[offer->index];
    made = malloc(1 + 4 + key->len + (request->len - at));
    if (!made)
        return false;
    made[0] = request->bytes[0];
    end = put_string(made + 1, key->blob, key->len);
    memcpy(end, request->bytes + at, request->len - at);
    end += request->len - at;
    sent = send_message(agent->fd, made, (size_t)(end - made));
    free(made);
    return sent;
}

static bool
answer_request(struct sshauth_agent *agent, const struct message *request)
{
    const uint8_t failure = AGENT_FAILURE;
    struct message answer = {0};
    bool sent;

    if (request->bytes[0] == AGENT_REQUEST_IDENTITIES)
        return answer_keys(agent);
    if (request->bytes[0] == AGENT_SIGN_REQUEST &&
        pass_request(agent, request) && receive(agent->fd, &answer))
        sent = send_message(agent->ours[1], answer.bytes, answer.len);
    else
        sent = send_message(agent->ours[1], &failure, 1);
    free(answer.bytes);
    return sent;
}

static void *
thread_main(void *arg)
{
    struct sshauth_agent *agent = arg;
    struct message request;
    bool goes_on = true;

    pthread_setname_np(pthread_self(), "agent");
    while (goes_on && receive(agent->ours[1], &request)) {
        pthread_mutex_lock(&agent->lock);
        goes_on = answer_request(agent, &request);
        pthread_mutex_unlock(&agent->lock);
        free(request.bytes);
    }
    /* libssh, which may wait for an answer, sees that none comes. */
    shutdown(agent->ours[1], SHUT_RDWR);
    return NULL;
}

/* The thread inherits the login's signal mask, which blocks all. */
static enum err
start(struct sshauth_agent *agent, ssh_session session)
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, agent->ours) < 0) {
        agent->ours[0] = agent->ours[1] = -1;
        return err_from_errno(errno);
    }
    if (pthread_create(&agent->thread, NULL, thread_main, agent) != 0) {
        close(agent->ours[0]);
        close(agent->ours[1]);
        agent->ours[0] = agent->ours[1] = -1;
        return ERR_NO_RESOURCES;
    }
    agent->session = session;
    ssh_set_agent_socket(session, agent->ours[0]);
    return ERR_OK;
}

enum err
sshauth_agent_show(struct sshauth_agent *agent, ssh_session session,
                   const struct sshauth_agent_offer *offers, size_t count)
{
    pthread_mutex_lock(&agent->lock);
    agent->shown = offers;
    agent->shown_count = count;
    agent->signed_count = 0;
    pthread_mutex_unlock(&agent->lock);
    return agent->session ? ERR_OK : start(agent, session);
}

size_t
sshauth_agent_signed(struct sshauth_agent *agent)
{
    size_t count;

    pthread_mutex_lock(&agent->lock);
    count = agent->signed_count;
    pthread_mutex_unlock(&agent->lock);
    return count;
}

void
sshauth_agent_destroy(struct sshauth_agent *agent)
{
    if (!agent)
        return;
    if (agent->session) {
        /* A link has no use for an agent: libssh forgets the descriptor, or
         * it would close a stranger's at the session's end. */
        ssh_set_agent_socket(agent->session, SSH_INVALID_SOCKET);
        shutdown(agent->ours[0], SHUT_RDWR);
        pthread_join(agent->thread, NULL);
        close(agent->ours[0]);
        close(agent->ours[1]);
    }
    for (size_t i = 0; i < agent->count; i++) {
        free(agent->keys[i].base64);
        free(agent->keys[i].comment);
    }
    free(agent->keys);
    free(agent->answer.bytes);
    if (agent->fd >= 0)
        close(agent->fd);
    pthread_mutex_destroy(&agent->lock);
    free(agent);
}
