#include "transport/ssh/sshauth_keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transport/base/log.h"
#include "transport/ssh/sshauth_agent.h"
#include "transport/ssh/sshauth_file.h"

/* One offer: a key of the agent or of a file, or a certificate for one. */
struct offer {
    bool is_agents;
    size_t agent_index;
    struct sshauth_file *file; /* of a key that isn't the agent's */
    const struct sshauth_certificate *certificate; /* or NULL */
};

struct sshauth_keys {
    struct sshlogin_run *run;
    struct sshauth_agent *agent; /* or NULL */
    struct sshauth_file *files;
    size_t files_count;
    struct sshauth_certificate *certificates;
    size_t certificates_count;
    struct offer *offers; /* the agent's come first */
    size_t offers_count;
    struct sshauth_agent_offer *shown; /* as many */
    size_t next;                       /* the offer that is made next */
    bool is_agent_silent;
    char story[512];
};

/* --- gathering ------------------------------------------------------------ */

static void
open_agent(struct sshauth_keys *keys)
{
    const char *path = keys->run->dest->identity_agent;
    enum err err;

    if (!path || !*path)
        return;
    err = sshauth_agent_create(path, &keys->agent);
    if (err && log_enabled(LOG_VERBOSE))
        log_write(LOG_VERBOSE, "agent %s: %s", path, err_text(err));
    keys->is_agent_silent = err == ERR_TIMED_OUT || err == ERR_AGAIN;
    if (keys->is_agent_silent)
        sshauth_list_add(keys->story, sizeof(keys->story),
                         "the agent at %s did not answer", path);
}

static void
open_files(struct sshauth_keys *keys)
{
    const struct sshdest *dest = keys->run->dest;
    char note[512];

    for (size_t i = 0; i < dest->identities.count; i++) {
        struct sshauth_file *file = &keys->files[keys->files_count++];
        const char *path = dest->identities.item[i];

        sshauth_file_open(file, path);
        if (file->is_there || file->public_key || !dest->identities_given)
            continue;
        snprintf(note, sizeof(note), "missing %s", path);
        sshauth_list_add(keys->story, sizeof(keys->story),
                         "key file %s can't be read", path);
        if (sshcred_note(keys->run->cred, note))
            log_write(LOG_WARN,
                      "warning: identity file %s not accessible: no such "
                      "file, or not permitted",
                      path);
    }
}

static void
open_certificate(struct sshauth_keys *keys, const char *path)
{
    struct sshauth_certificate *made =
        &keys->certificates[keys->certificates_count];

    if (sshauth_certificate_open(made, path))
        keys->certificates_count++;
}

static void
open_certificates(struct sshauth_keys *keys)
{
    const struct sshdest *dest = keys->run->dest;

    for (size_t i = 0; i < dest->certificates.count; i++)
        open_certificate(keys, dest->certificates.item[i]);
    for (size_t i = 0; i < dest->identities.count; i++) {
        char *path = NULL;

        if (asprintf(&path, "%s-cert.pub", dest->identities.item[i]) < 0)
            return;
        open_certificate(keys, path);
        free(path);
    }
}

/* Adds a key, behind the certificates that are for it. */
static void
add_offers(struct sshauth_keys *keys, struct offer offer, const char *base64)
{
    for (size_t i = 0; base64 && i < keys->certificates_count; i++) {
        offer.certificate = &keys->certificates[i];
        if (sshauth_certificate_fits(offer.certificate, base64))
            keys->offers[keys->offers_count++] = offer;
    }
    offer.certificate = NULL;
    keys->offers[keys->offers_count++] = offer;
}

static bool
agent_has(const struct sshauth_keys *keys, const struct sshauth_file *file,
          size_t *index)
{
    size_t count = keys->agent ? sshauth_agent_count(keys->agent) : 0;

    for (size_t i = 0; file->base64 && i < count; i++)
        if (strcmp(sshauth_agent_key(keys->agent, i)->base64, file->base64) ==
            0) {
            *index = i;
            return true;
        }
    return false;
}

static bool
is_listed(const struct sshauth_keys *keys, size_t agent_index)
{
    size_t index;

    for (size_t i = 0; i < keys->files_count; i++)
        if (agent_has(keys, &keys->files[i], &index) && index == agent_index)
            return true;
    return false;
}

/* A certificate in the agent belongs to a listed key as well. */
static bool
is_listed_certificate(const struct sshauth_keys *keys, size_t agent_index)
{
    const struct sshauth_agent_key *key =
        sshauth_agent_key(keys->agent, agent_index);
    struct sshauth_certificate certificate = {.blob = (uint8_t *)key->blob,
                                              .len = key->len};

    for (size_t i = 0; i < keys->files_count; i++)
        if (keys->files[i].base64 &&
            sshauth_certificate_fits(&certificate, keys->files[i].base64))
            return true;
    return false;
}

static void
make_offers(struct sshauth_keys *keys)
{
    size_t agents = keys->agent ? sshauth_agent_count(keys->agent) : 0;
    bool all = !keys->run->dest->identities_only;
    size_t index;

    for (size_t i = 0; i < keys->files_count; i++)
        if (agent_has(keys, &keys->files[i], &index))
            add_offers(keys,
                       (struct offer){.is_agents = true, .agent_index = index},
                       keys->files[i].base64);
    for (size_t i = 0; i < agents; i++)
        if (!is_listed(keys, i) && (all || is_listed_certificate(keys, i)))
            add_offers(keys,
                       (struct offer){.is_agents = true, .agent_index = i},
                       sshauth_agent_key(keys->agent, i)->base64);
    for (size_t i = 0; i < keys->files_count; i++)
        if (keys->files[i].is_there &&
            !agent_has(keys, &keys->files[i], &index))
            add_offers(keys, (struct offer){.file = &keys->files[i]},
                       keys->files[i].base64);
}

struct sshauth_keys *
sshauth_keys_create(struct sshlogin_run *run)
{
    const struct sshdest *dest = run->dest;
    struct sshauth_keys *keys = calloc(1, sizeof(*keys));
    size_t certificates = dest->certificates.count + dest->identities.count;
    size_t most;

    if (!keys)
        return NULL;
    keys->run = run;
    open_agent(keys);
    most = dest->identities.count +
           (keys->agent ? sshauth_agent_count(keys->agent) : 0);
    keys->files = calloc(dest->identities.count + 1, sizeof(*keys->files));
    keys->certificates = calloc(certificates + 1, sizeof(*keys->certificates));
    most = most * (certificates + 1) + 1;
    keys->offers = calloc(most, sizeof(*keys->offers));
    keys->shown = calloc(most, sizeof(*keys->shown));
    if (!keys->files || !keys->certificates || !keys->offers || !keys->shown) {
        sshauth_keys_destroy(keys);
        return NULL;
    }
    open_files(keys);
    open_certificates(keys);
    make_offers(keys);
    return keys;
}

void
sshauth_keys_destroy(struct sshauth_keys *keys)
{
    if (!keys)
        return;
    sshauth_agent_destroy(keys->agent);
    for (size_t i = 0; i < keys->files_count; i++)
        sshauth_file_close(&keys->files[i]);
    for (size_t i = 0; i < keys->certificates_count; i++)
        sshauth_certificate_close(&keys->certificates[i]);
    free(keys->files);
    free(keys->certificates);
    free(keys->offers);
    free(keys->shown);
    free(keys);
}

/* --- offering ------------------------------------------------------------- */

static void
tell_agents(struct sshauth_keys *keys, const struct offer *offer)
{
    sshauth_list_add(
        keys->story, sizeof(keys->story), "tried the agent's key '%s'%s",
        sshauth_agent_key(keys->agent, offer->agent_index)->comment,
        offer->certificate ? " with its certificate" : "");
}

/* A security key's, which somebody has to touch each time: its kind begins so,
 * behind its length. */
static bool
needs_touch(const struct sshauth_keys *keys, const struct offer *offer)
{
    static const char kind[] = "sk-";
    const struct sshauth_agent_key *key =
        sshauth_agent_key(keys->agent, offer->agent_index);
    const size_t len = sizeof(kind) - 1;

    return key->len >= 4 + len && memcmp(key->blob + 4, kind, len) == 0;
}

/* Shows libssh all that are left of the agent's. It stops at one that the
 * server took for a part of what it wants, and at one that would not sign: the
 * rest is for the next call. */
static enum sshauth_result
offer_agents(struct sshauth_keys *keys)
{
    struct sshlogin_run *run = keys->run;
    struct sshauth_wait wait = {0};
    size_t first = keys->next;
    size_t count = 0;
    size_t used;
    int answer = SSH_AUTH_DENIED;

    while (first + count < keys->offers_count &&
           keys->offers[first + count].is_agents) {
        const struct offer *offer = &keys->offers[first + count];
        const struct sshauth_certificate *certificate = offer->certificate;

        keys->shown[count++] = (struct sshauth_agent_offer){
            .index = offer->agent_index,
            .certificate = certificate ? certificate->blob : NULL,
            .len = certificate ? certificate->len : 0,
        };
    }
    if (sshauth_agent_show(keys->agent, run->session, keys->shown, count) ==
        ERR_OK)
        do
            answer = ssh_userauth_agent(run->session, NULL);
        while (sshauth_again(run, &wait, answer));
    used = sshauth_agent_signed(keys->agent);
    if (used > 0 && (answer == SSH_AUTH_SUCCESS || answer == SSH_AUTH_PARTIAL))
        run->person |= needs_touch(keys, &keys->offers[first + used - 1]);
    if (used == 0 || answer == SSH_AUTH_DENIED)
        used = count;
    for (; used > 0; used--)
        tell_agents(keys, &keys->offers[keys->next++]);
    return sshauth_result(run, answer);
}

/* Why a key's file is no use, for the story. */
static const char *
why_locked(enum err err, const struct sshlogin_run *run)
{
    if (err == ERR_NOT_PERMITTED)
        return "can be read by others";
    if (err == ERR_MALFORMED)
        return "holds no private key that can be used here (one of a security "
               "key works through an agent)";
    if (err != ERR_PEER_GONE)
        return "can't be read";
    return run->dest->batch_mode
               ? "is encrypted, and BatchMode asks for no passphrase"
               : "is encrypted, and nobody gave its passphrase";
}

/* Whether the server would take the key: asked before a person is asked for
 * its passphrase. */
static enum sshauth_result
ask_server(struct sshauth_keys *keys, const struct offer *offer)
{
    ssh_key key =
        offer->certificate ? offer->certificate->key : offer->file->public_key;
    struct sshauth_wait wait = {0};
    int answer;

    if (!key) /* a PEM file that is encrypted, and no .pub beside it */
        return SSHAUTH_DONE;
    do
        answer = ssh_userauth_try_publickey(keys->run->session, NULL, key);
    while (sshauth_again(keys->run, &wait, answer));
    return sshauth_result(keys->run, answer);
}

static enum sshauth_result
sign_in(struct sshlogin_run *run, const struct sshauth_file *file,
        const struct sshauth_certificate *certificate)
{
    ssh_key key = ssh_key_dup(file->private_key);
    struct sshauth_wait wait = {0};
    int answer = SSH_AUTH_DENIED;

    if (key && (!certificate ||
                ssh_pki_copy_cert_to_privkey(certificate->key, key) == SSH_OK))
        do
            answer = ssh_userauth_publickey(run->session, NULL, key);
        while (sshauth_again(run, &wait, answer));
    ssh_key_free(key);
    return sshauth_result(run, answer);
}

static enum sshauth_result
offer_file(struct sshauth_keys *keys, const struct offer *offer)
{
    struct sshauth_file *file = offer->file;
    struct sshlogin_run *run = keys->run;
    enum sshauth_result result;
    enum err err;

    result = ask_server(keys, offer);
    if (result != SSHAUTH_DONE) {
        sshauth_list_add(keys->story, sizeof(keys->story), "tried key %s%s",
                         file->path,
                         offer->certificate ? " with its certificate" : "");
        return result;
    }
    err = sshauth_file_unlock(file, run);
    if (err) {
        sshauth_list_add(keys->story, sizeof(keys->story), "key %s %s",
                         file->path, why_locked(err, run));
        return SSHAUTH_DENIED;
    }
    sshauth_list_add(keys->story, sizeof(keys->story), "tried key %s",
                     file->path);
    return sign_in(run, file, offer->certificate);
}

enum sshauth_result
sshauth_keys_try(struct sshauth_keys *keys)
{
    enum sshauth_result result = SSHAUTH_DENIED;

    while (result == SSHAUTH_DENIED && keys->next < keys->offers_count &&
           !*keys->run->cancelled) {
        const struct offer *offer = &keys->offers[keys->next];

        if (offer->is_agents) {
            result = offer_agents(keys);
        } else {
            keys->next++;
            result = offer_file(keys, offer);
        }
    }
    return result;
}

bool
sshauth_keys_agent_silent(const struct sshauth_keys *keys)
{
    return keys->is_agent_silent;
}

const char *
sshauth_keys_story(const struct sshauth_keys *keys)
{
    return keys->story;
}
