#include "transport/ssh/sshcred.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <utlist.h>

/* A secret has a page of its own: there are few, and what is locked and left
 * out of dumps are pages. */
#define SECRET_BYTES 4096

struct secret {
    struct secret *next;
    char *key;
    char *text; /* SECRET_BYTES, mapped */
};

struct note {
    struct note *next;
    char text[];
};

struct sshcred {
    const struct sshask *ask;
    atomic_uint holders;
    atomic_bool is_silent;
    pthread_mutex_t lock; /* of the secrets; held while a person is asked */
    struct secret *secrets;
    pthread_mutex_t notes_lock;
    struct note *notes;
};

enum err
sshcred_create(const struct sshask *ask, struct sshcred **cred)
{
    struct sshcred *made = calloc(1, sizeof(*made));

    if (!made)
        return ERR_NO_MEMORY;
    made->ask = ask;
    atomic_init(&made->holders, 1);
    atomic_init(&made->is_silent, false);
    pthread_mutex_init(&made->lock, NULL);
    pthread_mutex_init(&made->notes_lock, NULL);
    *cred = made;
    return ERR_OK;
}

struct sshcred *
sshcred_hold(struct sshcred *cred)
{
    atomic_fetch_add(&cred->holders, 1);
    return cred;
}

static void
secret_free(struct secret *secret)
{
    if (secret->text) {
        explicit_bzero(secret->text, SECRET_BYTES);
        munmap(secret->text, SECRET_BYTES);
    }
    free(secret->key);
    free(secret);
}

void
sshcred_destroy(struct sshcred *cred)
{
    struct secret *secret, *next;
    struct note *note, *next_note;

    if (!cred || atomic_fetch_sub(&cred->holders, 1) > 1)
        return;
    LL_FOREACH_SAFE (cred->secrets, secret, next)
        secret_free(secret);
    LL_FOREACH_SAFE (cred->notes, note, next_note)
        free(note);
    pthread_mutex_destroy(&cred->lock);
    pthread_mutex_destroy(&cred->notes_lock);
    free(cred);
}

static struct secret *
find(struct sshcred *cred, const char *key)
{
    struct secret *secret;

    LL_FOREACH (cred->secrets, secret)
        if (strcmp(secret->key, key) == 0)
            return secret;
    return NULL;
}

static void
forget(struct sshcred *cred, struct secret *secret)
{
    LL_DELETE(cred->secrets, secret);
    secret_free(secret);
}

/* Keeping is a comfort: without memory the person is asked again. */
static void
keep(struct sshcred *cred, const char *key, const char *answer)
{
    struct secret *secret = calloc(1, sizeof(*secret));

    if (!secret)
        return;
    secret->key = strdup(key);
    secret->text = mmap(NULL, SECRET_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (secret->text == MAP_FAILED)
        secret->text = NULL;
    if (!secret->key || !secret->text || strlen(answer) >= SECRET_BYTES) {
        secret_free(secret);
        return;
    }
    /* Where RLIMIT_MEMLOCK forbids the lock it may be swapped out: still
     * better than a link that can't be made again. */
    mlock(secret->text, SECRET_BYTES);
    madvise(secret->text, SECRET_BYTES, MADV_DONTDUMP);
    madvise(secret->text, SECRET_BYTES, MADV_WIPEONFORK);
    strcpy(secret->text, answer);
    LL_PREPEND(cred->secrets, secret);
}

/* Under the lock. */
static enum err
ask_person(struct sshcred *cred, enum sshask_kind kind, const char *prompt,
           char *answer, size_t size)
{
    if (!cred->ask || atomic_load(&cred->is_silent))
        return ERR_PEER_GONE;
    return cred->ask->ask(cred->ask->arg, kind, prompt, answer, size);
}

enum err
sshcred_secret(struct sshcred *cred, const char *key, const char *prompt,
               unsigned tried, bool *asked, char *answer, size_t size)
{
    struct secret *secret;
    enum err err = ERR_OK;

    pthread_mutex_lock(&cred->lock);
    secret = find(cred, key);
    if (secret && tried > 0 && strcmp(secret->text, answer) == 0) {
        forget(cred, secret);
        secret = NULL;
    }
    if (secret && strlen(secret->text) < size) {
        strcpy(answer, secret->text);
    } else {
        err = ask_person(cred, SSHASK_SECRET, prompt, answer, size);
        if (!err) {
            *asked = true;
            keep(cred, key, answer);
        }
    }
    pthread_mutex_unlock(&cred->lock);
    return err;
}

enum err
sshcred_ask(struct sshcred *cred, enum sshask_kind kind, const char *prompt,
            char *answer, size_t size)
{
    enum err err;

    pthread_mutex_lock(&cred->lock);
    err = ask_person(cred, kind, prompt, answer, size);
    pthread_mutex_unlock(&cred->lock);
    return err;
}

void
sshcred_forget(struct sshcred *cred, const char *key)
{
    struct secret *secret;

    pthread_mutex_lock(&cred->lock);
    secret = find(cred, key);
    if (secret)
        forget(cred, secret);
    pthread_mutex_unlock(&cred->lock);
}

static bool
has_note(const struct sshcred *cred, const char *text)
{
    const struct note *note;

    LL_FOREACH (cred->notes, note)
        if (strcmp(note->text, text) == 0)
            return true;
    return false;
}

bool
sshcred_note(struct sshcred *cred, const char *text)
{
    size_t size = strlen(text) + 1;
    struct note *note;
    bool is_new;

    pthread_mutex_lock(&cred->notes_lock);
    is_new = !has_note(cred, text);
    note = is_new ? malloc(sizeof(*note) + size) : NULL;
    if (note) {
        memcpy(note->text, text, size);
        LL_PREPEND(cred->notes, note);
    }
    pthread_mutex_unlock(&cred->notes_lock);
    return is_new;
}

bool
sshcred_has_note(struct sshcred *cred, const char *text)
{
    bool found;

    pthread_mutex_lock(&cred->notes_lock);
    found = has_note(cred, text);
    pthread_mutex_unlock(&cred->notes_lock);
    return found;
}

void
sshcred_end_asking(struct sshcred *cred)
{
    atomic_store(&cred->is_silent, true);
}
