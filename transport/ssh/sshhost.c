/* libssh 0.10 takes no host certificates: it doesn't offer their algorithms,
 * so a server that has both shows its plain key, and @cert-authority lines
 * alone can't vouch for it. */
#include "transport/ssh/sshhost.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transport/base/log.h"
#include "transport/ssh/sshhost_add.h"
#include "transport/ssh/sshhost_files.h"
#include "transport/ssh/sshknown.h"

/* A program that gives an answer for a person may give the same for ever. */
#define ANSWERS_MAX 10

/* One check, with what its messages need. */
struct check {
    struct sshlogin_run *run;
    struct sshhost_key key;
    struct sshhost_found found;
    char name[SSHKNOWN_NAME_MAX];
    char short_type[16]; /* "ED25519" */
    char *base64;        /* libssh's */
    char *print;         /* "SHA256:...", libssh's */
};

bool
sshhost_name(const struct sshdest *dest, char *buf)
{
    if (dest->host_key_alias)
        return sshknown_name(buf, dest->host_key_alias, 22);
    return sshknown_name(buf, dest->host, dest->port);
}

static const char *
short_type(const ssh_key key)
{
    switch ((int)ssh_key_type(key)) {
    case SSH_KEYTYPE_ED25519:
        return "ED25519";
    case SSH_KEYTYPE_RSA:
        return "RSA";
    case SSH_KEYTYPE_DSS:
        return "DSA";
    default:
        return "ECDSA";
    }
}

static bool
read_key(struct check *check)
{
    unsigned char *hash = NULL;
    size_t len = 0;
    ssh_key key = NULL;

    if (ssh_get_server_publickey(check->run->session, &key) != SSH_OK)
        return false;
    check->key.type = ssh_key_type_to_char(ssh_key_type(key));
    snprintf(check->short_type, sizeof(check->short_type), "%s",
             short_type(key));
    if (ssh_pki_export_pubkey_base64(key, &check->base64) == SSH_OK &&
        ssh_get_publickey_hash(key, SSH_PUBLICKEY_HASH_SHA256, &hash, &len) ==
            SSH_OK)
        check->print =
            ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, len);
    if (check->print)
        snprintf(check->run->host_print, sizeof(check->run->host_print), "%s",
                 check->print);
    ssh_clean_pubkey_hash(&hash);
    ssh_key_free(key);
    check->key.base64 = check->base64;
    check->key.name = check->name;
    return check->print != NULL;
}

/* --- what each finding leads to ------------------------------------------- */

static void
say_changed(const struct check *check)
{
    const struct check *c = check;

    log_write(LOG_ERROR, "@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@"
                         "@@@@@@@");
    log_write(LOG_ERROR, "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!"
                         "     @");
    log_write(LOG_ERROR, "@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@"
                         "@@@@@@@");
    log_write(LOG_ERROR, "Someone may be listening in right now "
                         "(man-in-the-middle attack), or the host key has "
                         "just been changed.");
    log_write(LOG_ERROR, "The %s key that %s sent has the fingerprint %s.",
              c->short_type, c->run->who, c->print);
    log_write(LOG_ERROR, "Another %s key is known for %s, in %s:%u.",
              c->short_type, c->name, c->found.file, c->found.line);
    log_write(LOG_ERROR, "Ask the server's administrator; if the change is "
                         "right, remove the old key with:");
    log_write(LOG_ERROR, "  ssh-keygen -f '%s' -R '%s'", c->found.file,
              c->name);
}

static enum err
judge_changed(struct check *check)
{
    struct sshlogin_run *run = check->run;

    say_changed(check);
    if (run->dest->strict != SSHDEST_STRICT_NO)
        return sshlogin_fail(run, ERR_HOST_KEY,
                             "Host key verification failed: the key has "
                             "changed, another one is in %s:%u",
                             check->found.file, check->found.line);
    /* As ssh, which opens none of its forwards then. */
    if (run->dest->listens)
        return sshlogin_fail(run, ERR_HOST_KEY,
                             "Host key verification failed: the key has "
                             "changed, another one is in %s:%u; nothing is "
                             "forwarded to such a server, though "
                             "StrictHostKeyChecking is no",
                             check->found.file, check->found.line);
    log_write(LOG_WARN,
              "going on, as StrictHostKeyChecking is no; without password "
              "and keyboard-interactive authentication, so that nobody "
              "in the middle gets a password");
    run->no_secrets = true;
    return ERR_OK;
}

static enum err
judge_revoked(struct check *check, const char *where)
{
    log_write(LOG_ERROR, "The %s host key of %s, %s, is marked as revoked.",
              check->short_type, check->run->who, check->print);
    return sshlogin_fail(check->run, ERR_HOST_KEY,
                         "Host key verification failed: the key is revoked "
                         "in %s",
                         where);
}

/* What stands for "yes, this key" in the process's memory: a file that can't
 * be written must not lead to a question for each link. */
static char *
note_of(const struct check *check)
{
    char *note = NULL;

    if (asprintf(&note, "host key %s %s %s", check->name, check->key.type,
                 check->base64) < 0)
        return NULL;
    return note;
}

static void
accept_key(struct check *check)
{
    char *note = note_of(check);
    bool is_new = !note || sshcred_note(check->run->cred, note);

    free(note);
    if (is_new && sshhost_add(check->run->dest, &check->key))
        log_write(LOG_WARN,
                  "permanently added '%s' (%s) to the list of known hosts",
                  check->name, check->short_type);
}

static bool
was_accepted(const struct check *check)
{
    char *note = note_of(check);
    bool was = note && sshcred_has_note(check->run->cred, note);

    free(note);
    return was;
}

/* Why a key that should be known is not, in a few words. */
static const char *
why_unknown(const struct check *check)
{
    if (check->found.has_authority)
        return "; only a certificate authority is known for it, and host "
               "certificates can't be checked here: add its plain key";
    if (check->found.has_other)
        return "; keys of other types are known for it";
    return "";
}

static enum err
refuse_unknown(struct check *check, const char *why)
{
    struct sshlogin_run *run = check->run;

    return sshlogin_fail(run, ERR_HOST_KEY,
                         "Host key verification failed: no %s key is known "
                         "for %s%s (it is %s), "
                         "%s",
                         check->short_type, check->name, why_unknown(check),
                         check->print, why);
}

static bool
is_word(const char *answer, const char *word)
{
    return strcasecmp(answer, word) == 0;
}

/* Whether a person takes the key. */
static enum err
ask_person(struct check *check)
{
    struct sshlogin_run *run = check->run;
    char answer[SSHASK_ANSWER_MAX];
    char addr[ADDR_TEXT_MAX + 3] = "";
    char prompt[3072];
    char host[ADDR_TEXT_MAX];
    enum err err;

    if (run->remote.sa.sa_family != AF_UNSPEC)
        snprintf(addr, sizeof(addr), " (%s)",
                 addr_format_host(&run->remote, host));
    snprintf(prompt, sizeof(prompt),
             "The authenticity of host '%s%s' can't be established.\n"
             "%s key fingerprint is %s.\n"
             "%s"
             "Are you sure you want to continue connecting "
             "(yes/no/[fingerprint])? ",
             check->name, addr, check->short_type, check->print,
             check->found.has_other
                 ? "Keys of other types are known for this host.\n"
                 : "");
    for (unsigned asked = 0; asked < ANSWERS_MAX; asked++) {
        err = sshcred_ask(run->cred, SSHASK_CONFIRM, prompt, answer,
                          sizeof(answer));
        if (err)
            return refuse_unknown(check, "and there is nobody to ask");
        if (is_word(answer, "yes") || strcmp(answer, check->print) == 0)
            return ERR_OK;
        if (is_word(answer, "no") || !*answer || *run->cancelled)
            return refuse_unknown(check, "as it was not confirmed");
        snprintf(prompt, sizeof(prompt),
                 "Please type 'yes', 'no' or the fingerprint: ");
    }
    return refuse_unknown(check, "as it was not confirmed");
}

static enum err
judge_unknown(struct check *check)
{
    const struct sshdest *dest = check->run->dest;
    enum err err = ERR_OK;

    if (was_accepted(check))
        return ERR_OK;
    switch (dest->strict) {
    case SSHDEST_STRICT_YES:
        return refuse_unknown(check, "as StrictHostKeyChecking is yes");
    case SSHDEST_STRICT_ASK:
        err = dest->batch_mode
                  ? refuse_unknown(check, "as BatchMode asks nobody")
                  : ask_person(check);
        break;
    case SSHDEST_STRICT_ACCEPT_NEW:
    case SSHDEST_STRICT_NO:
        break;
    }
    if (!err)
        accept_key(check);
    return err;
}

/* A server on another port than 22 may be known by its name alone. */
static void
find_without_port(struct check *check)
{
    const struct sshdest *dest = check->run->dest;
    char name[SSHKNOWN_NAME_MAX];
    struct sshhost_key key = check->key;
    struct sshhost_found found;

    if (dest->host_key_alias || dest->port == 22 ||
        !sshknown_name(name, dest->host, 22))
        return;
    key.name = name;
    found = sshhost_find(dest, &key);
    if (found.error || found.state == SSHHOST_SAME ||
        found.state == SSHHOST_REVOKED)
        check->found = found;
}

static enum err
judge(struct check *check)
{
    const char *file = NULL;
    char where[512];

    switch (sshhost_revoked(check->run->dest, &check->key, &file)) {
    case SSHHOST_NOT_REVOKED:
        break;
    case SSHHOST_IS_REVOKED:
        return judge_revoked(check, file);
    case SSHHOST_UNREADABLE:
        return sshlogin_fail(check->run, ERR_HOST_KEY,
                             "Host key verification failed: the list of "
                             "revoked keys %s can't be read (a binary one "
                             "can't be used here)",
                             file);
    }
    check->found = sshhost_find(check->run->dest, &check->key);
    if (!check->found.error && check->found.state == SSHHOST_NEW)
        find_without_port(check);
    if (check->found.error)
        return sshlogin_fail(check->run, err_from_errno(check->found.error),
                             "the host key can't be checked: %s: %s",
                             check->found.unread, strerror(check->found.error));
    switch (check->found.state) {
    case SSHHOST_SAME:
        return ERR_OK;
    case SSHHOST_NEW:
        return judge_unknown(check);
    case SSHHOST_CHANGED:
        return judge_changed(check);
    case SSHHOST_REVOKED:
        break;
    }
    snprintf(where, sizeof(where), "%s:%u", check->found.file,
             check->found.line);
    return judge_revoked(check, where);
}

enum err
sshhost_check(struct sshlogin_run *run)
{
    const struct sshdest *dest = run->dest;
    struct check *check = calloc(1, sizeof(*check));
    enum err err;

    if (!check)
        return sshlogin_fail(run, ERR_NO_MEMORY, "out of memory");
    check->run = run;
    if (!sshhost_name(dest, check->name))
        err = sshlogin_fail(run, ERR_HOST_KEY, "the host's name is too long");
    else if (!read_key(check))
        err = sshlogin_fail(run, ERR_HOST_KEY, "the host key can't be read");
    else if (dest->no_host_check_for_localhost &&
             addr_is_loopback(&run->remote))
        err = ERR_OK;
    else
        err = judge(check);
    ssh_string_free_char(check->base64);
    ssh_string_free_char(check->print);
    free(check);
    return err;
}
