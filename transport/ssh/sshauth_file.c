#include "transport/ssh/sshauth_file.h"

#include <errno.h>
#include <fcntl.h>
#include <nettle/base64.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "transport/base/log.h"

/* An RSA key of 16,384 bits takes 13 KB. */
#define FILE_MAX (64u * 1024)

static bool
can_read(const char *path)
{
    return access(path, R_OK) == 0;
}

static int
never_ask(const char *prompt, char *buf, size_t len, int echo, int verify,
          void *arg)
{
    (void)prompt;
    (void)buf;
    (void)len;
    (void)echo;
    (void)verify;
    *(bool *)arg = true;
    return -1;
}

/* A text that the caller frees with wipe; NULL with errno. */
static char *
read_text(int fd)
{
    char *text = calloc(1, FILE_MAX + 1);
    size_t len = 0;
    ssize_t n = 1;

    while (text && len < FILE_MAX && n > 0) {
        n = read(fd, text + len, FILE_MAX - len);
        if (n > 0)
            len += (size_t)n;
    }
    return text;
}

static void
wipe(char *text)
{
    if (text)
        explicit_bzero(text, FILE_MAX + 1);
    free(text);
}

/* A private key's text, unless others could read it too. */
static enum err
read_private(const char *path, char **text)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    struct stat st;

    if (fd < 0)
        return err_from_errno(errno);
    if (fstat(fd, &st) == 0 && st.st_uid == getuid() && (st.st_mode & 077)) {
        log_write(LOG_WARN, "WARNING: UNPROTECTED PRIVATE KEY FILE!");
        log_write(LOG_WARN,
                  "permissions %04o for '%s' are too open: others can read "
                  "it, so it is not used; chmod 600 mends that",
                  (unsigned)(st.st_mode & 0777), path);
        close(fd);
        return ERR_NOT_PERMITTED;
    }
    *text = read_text(fd);
    close(fd);
    return *text ? ERR_OK : ERR_NO_MEMORY;
}

/* The public half of what has nothing beside it. */
static void
import_public(struct sshauth_file *file)
{
    bool asked = false;
    ssh_key key = NULL;
    char *text = NULL;

    if (ssh_pki_import_pubkey_file(file->path, &file->public_key) == SSH_OK)
        return;
    file->public_key = NULL;
    if (read_private(file->path, &text) != ERR_OK)
        return;
    if (ssh_pki_import_privkey_base64(text, NULL, never_ask, &asked, &key) ==
        SSH_OK) {
        if (ssh_pki_export_privkey_to_pubkey(key, &file->public_key) != SSH_OK)
            file->public_key = NULL;
        file->private_key = key;
    }
    wipe(text);
}

void
sshauth_file_open(struct sshauth_file *file, const char *path)
{
    char *beside = NULL;

    *file = (struct sshauth_file){.path = path};
    file->is_there = can_read(path);
    if (asprintf(&beside, "%s.pub", path) < 0)
        return;
    if (!can_read(beside) ||
        ssh_pki_import_pubkey_file(beside, &file->public_key) != SSH_OK) {
        file->public_key = NULL;
        if (file->is_there)
            import_public(file);
    }
    free(beside);
    if (file->public_key &&
        ssh_pki_export_pubkey_base64(file->public_key, &file->base64) != SSH_OK)
        file->base64 = NULL;
}

void
sshauth_file_close(struct sshauth_file *file)
{
    ssh_key_free(file->public_key);
    ssh_key_free(file->private_key);
    ssh_string_free_char(file->base64);
    *file = (struct sshauth_file){0};
}

/* Asks until the passphrase fits. ssh gives a key as many tries as a
 * password. */
static enum err
decrypt(struct sshauth_file *file, struct sshlogin_run *run, const char *text)
{
    char answer[SSHASK_ANSWER_MAX];
    char prompt[512];
    char key[512];
    enum err err = ERR_PEER_GONE;

    snprintf(prompt, sizeof(prompt),
             "Enter passphrase for key '%.400s': ", file->path);
    snprintf(key, sizeof(key), "key %.500s", file->path);
    for (unsigned tried = 0; tried < run->dest->password_prompts; tried++) {
        bool asked = false;

        if (sshcred_secret(run->cred, key, prompt, tried, &asked, answer,
                           sizeof(answer)) != ERR_OK ||
            *run->cancelled)
            break;
        if (!*answer) { /* ssh too: on to the next key */
            sshcred_forget(run->cred, key);
            break;
        }
        if (ssh_pki_import_privkey_base64(text, answer, NULL, NULL,
                                          &file->private_key) == SSH_OK) {
            err = ERR_OK;
            break;
        }
        file->private_key = NULL;
    }
    if (err)
        sshcred_forget(run->cred, key);
    explicit_bzero(answer, sizeof(answer));
    return err;
}

enum err
sshauth_file_unlock(struct sshauth_file *file, struct sshlogin_run *run)
{
    bool is_encrypted = false;
    char *text = NULL;
    enum err err;

    if (file->private_key)
        return ERR_OK;
    err = read_private(file->path, &text);
    if (err)
        return err;
    if (ssh_pki_import_privkey_base64(text, NULL, never_ask, &is_encrypted,
                                      &file->private_key) != SSH_OK) {
        file->private_key = NULL;
        if (!is_encrypted)
            err = ERR_MALFORMED;
        else if (run->dest->batch_mode)
            err = ERR_PEER_GONE;
        else
            err = decrypt(file, run, text);
    }
    wipe(text);
    return err;
}

/* --- certificates --------------------------------------------------------- */

static uint8_t *
decode(const char *base64, size_t *len)
{
    size_t text_len = strlen(base64);
    uint8_t *bytes = malloc(BASE64_DECODE_LENGTH(text_len) + 1);
    struct base64_decode_ctx ctx;

    *len = BASE64_DECODE_LENGTH(text_len);
    base64_decode_init(&ctx);
    if (bytes && (!base64_decode_update(&ctx, len, bytes, text_len, base64) ||
                  !base64_decode_final(&ctx))) {
        free(bytes);
        bytes = NULL;
    }
    return bytes;
}

bool
sshauth_certificate_open(struct sshauth_certificate *certificate,
                         const char *path)
{
    char *base64 = NULL;

    *certificate = (struct sshauth_certificate){0};
    if (!can_read(path) ||
        ssh_pki_import_cert_file(path, &certificate->key) != SSH_OK) {
        certificate->key = NULL;
        return false;
    }
    if (ssh_pki_export_pubkey_base64(certificate->key, &base64) == SSH_OK) {
        certificate->blob = decode(base64, &certificate->len);
        ssh_string_free_char(base64);
    }
    if (!certificate->blob)
        sshauth_certificate_close(certificate);
    return certificate->blob != NULL;
}

void
sshauth_certificate_close(struct sshauth_certificate *certificate)
{
    ssh_key_free(certificate->key);
    free(certificate->blob);
    *certificate = (struct sshauth_certificate){0};
}

/* What is behind the string that starts at at; len when there is none. */
static size_t
skip_string(const uint8_t *bytes, size_t len, size_t at)
{
    size_t string_len;

    if (len - at < 4)
        return len;
    string_len = (size_t)bytes[at] << 24 | (size_t)bytes[at + 1] << 16 |
                 (size_t)bytes[at + 2] << 8 | bytes[at + 3];
    return len - at - 4 < string_len ? len : at + 4 + string_len;
}

bool
sshauth_certificate_fits(const struct sshauth_certificate *certificate,
                         const char *base64)
{
    size_t len = 0;
    uint8_t *blob = decode(base64, &len);
    size_t at, key_at;
    bool fits;

    if (!blob)
        return false;
    /* A key is its kind and its numbers; a certificate is its kind, a nonce,
     * the key's numbers, and more (PROTOCOL.certkeys). */
    key_at = skip_string(blob, len, 0);
    at = skip_string(certificate->blob, certificate->len, 0);
    at = skip_string(certificate->blob, certificate->len, at);
    fits = key_at < len && len - key_at <= certificate->len - at &&
           memcmp(blob + key_at, certificate->blob + at, len - key_at) == 0;
    free(blob);
    return fits;
}
