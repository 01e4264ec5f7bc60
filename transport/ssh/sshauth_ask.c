#include "transport/ssh/sshauth_ask.h"

#include <stdio.h>
#include <string.h>

#include "transport/base/log.h"

/* A server may ask for more rounds than a person has patience for. */
#define ROUNDS_MAX 16

/* A server's own words, as far as they are shown. */
#define WORDS_MAX 512

/* What an answer is kept under. A name alone is not enough: behind a jump host
 * "root@localhost" is another server, which is not to be sent what was typed
 * for the first. */
static void
make_key(const struct sshlogin_run *run, const char *method,
         char key[SSHLOGIN_KEY_MAX])
{
    snprintf(key, SSHLOGIN_KEY_MAX, "%s %s %s", method, run->who,
             run->host_print);
}

static enum sshauth_result
send_password(struct sshlogin_run *run, const char *password)
{
    struct sshauth_wait wait = {0};
    int answer;

    do
        answer = ssh_userauth_password(run->session, NULL, password);
    while (sshauth_again(run, &wait, answer));
    return sshauth_result(run, answer);
}

enum sshauth_result
sshauth_password(struct sshlogin_run *run)
{
    enum sshauth_result result = SSHAUTH_DENIED;
    char answer[SSHASK_ANSWER_MAX];
    char prompt[SSHLOGIN_WHO_MAX + 32];
    char key[SSHLOGIN_KEY_MAX];
    bool asked = false;

    snprintf(prompt, sizeof(prompt), "%s@%s's password: ", run->dest->user,
             run->dest->host);
    make_key(run, "password", key);
    for (unsigned tried = 0;
         result == SSHAUTH_DENIED && tried < run->dest->password_prompts;
         tried++) {
        if (tried > 0)
            log_write(LOG_ERROR, "%s: Permission denied, please try again.",
                      run->who);
        if (sshcred_secret(run->cred, key, prompt, tried, &asked, answer,
                           sizeof(answer)) != ERR_OK ||
            *run->cancelled)
            break;
        result = send_password(run, answer);
    }
    if (result != SSHAUTH_DONE && result != SSHAUTH_PARTIAL)
        sshcred_forget(run->cred, key);
    explicit_bzero(answer, sizeof(answer));
    return result;
}

/* --- keyboard-interactive ------------------------------------------------- */

/* One try of it, over its rounds. */
struct talk {
    struct sshlogin_run *run;
    unsigned tried;   /* tries before this one */
    unsigned answers; /* given so far in this try */
    bool stale;       /* what was kept from another login proved wrong */
    bool once;        /* one that can't be given again */
    char key[SSHLOGIN_KEY_MAX];
    char password[SSHASK_ANSWER_MAX];
};

/* A password's prompt, in some of the ways that servers write it; what names
 * a code, a token or a challenge is none, even "one-time password". */
static bool
looks_like_password(const char *prompt)
{
    static const char *const others[] = {
        "one-time",  "one time", "otp",      "code", "token",
        "challenge", "s/key",    "response", "pin",  "new"};

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (strcasestr(prompt, others[i]))
            return false;
    return strcasestr(prompt, "password") || strcasestr(prompt, "passwort") ||
           strcasestr(prompt, "mot de passe") || strcasestr(prompt, "pass:");
}

/* What the server says above its questions. */
static void
say_words(struct talk *talk, const char *words)
{
    char line[WORDS_MAX];

    while (words && *words) {
        size_t len = strcspn(words, "\r\n");

        snprintf(line, sizeof(line), "%.*s",
                 (int)(len < sizeof(line) ? len : sizeof(line) - 1), words);
        sshlogin_clean(line, line, sizeof(line));
        if (*line)
            log_write(LOG_INFO, "%s: %s", talk->run->who, line);
        words += len;
        words += strspn(words, "\r\n");
    }
}

static enum err
ask(struct talk *talk, bool is_only, unsigned index, char *answer, size_t size)
{
    struct sshlogin_run *run = talk->run;
    char echo = 0;
    const char *words =
        ssh_userauth_kbdint_getprompt(run->session, index, &echo);
    char shown[WORDS_MAX];
    char prompt[WORDS_MAX + SSHLOGIN_WHO_MAX];
    bool asked = false;
    enum err err;

    sshlogin_clean(words ? words : "", shown, sizeof(shown));
    snprintf(prompt, sizeof(prompt), "(%s@%s) %s", run->dest->user,
             run->dest->host, shown);
    if (is_only && talk->answers == 0 && !echo && looks_like_password(shown)) {
        strcpy(answer, talk->password);
        err = sshcred_secret(run->cred, talk->key, prompt, talk->tried, &asked,
                             answer, size);
        if (!err)
            strcpy(talk->password, answer);
        /* It was right once, and is not any more: a code of a kind. */
        talk->once = talk->stale;
        talk->stale |= !asked;
    } else {
        err = sshcred_ask(run->cred, echo ? SSHASK_TEXT : SSHASK_SECRET, prompt,
                          answer, size);
        talk->once = true;
    }
    talk->answers++;
    return err;
}

static enum err
answer_round(struct talk *talk)
{
    ssh_session session = talk->run->session;
    int prompts = ssh_userauth_kbdint_getnprompts(session);
    char answer[SSHASK_ANSWER_MAX];
    enum err err = ERR_OK;

    say_words(talk, ssh_userauth_kbdint_getname(session));
    say_words(talk, ssh_userauth_kbdint_getinstruction(session));
    for (int i = 0; i < prompts && !err; i++) {
        err = ask(talk, prompts == 1, (unsigned)i, answer, sizeof(answer));
        if (!err &&
            ssh_userauth_kbdint_setanswer(session, (unsigned)i, answer) < 0)
            err = ERR_NO_MEMORY;
        explicit_bzero(answer, sizeof(answer));
    }
    return *talk->run->cancelled ? ERR_PEER_GONE : err;
}

/* Sends the request, or the answers of a round. */
static int
send_round(struct sshlogin_run *run)
{
    struct sshauth_wait wait = {0};
    int answer;

    do
        answer = ssh_userauth_kbdint(run->session, NULL, NULL);
    while (sshauth_again(run, &wait, answer));
    return answer;
}

/* *gave_up: nobody answered, and the method is no use. */
static enum sshauth_result
try_once(struct talk *talk, bool *gave_up)
{
    struct sshlogin_run *run = talk->run;
    int answer = send_round(run);

    talk->answers = 0;
    talk->once = false;
    for (unsigned round = 0; answer == SSH_AUTH_INFO; round++) {
        if (round == ROUNDS_MAX || answer_round(talk) != ERR_OK) {
            /* The next request of any method ends this one (RFC 4256 3.1). */
            *gave_up = true;
            return SSHAUTH_DENIED;
        }
        answer = send_round(run);
    }
    /* A server that asks nothing refuses the next time, too. */
    *gave_up = talk->answers == 0;
    return sshauth_result(run, answer);
}

enum sshauth_result
sshauth_interactive(struct sshlogin_run *run)
{
    struct talk talk = {.run = run};
    enum sshauth_result result = SSHAUTH_DENIED;
    bool gave_up = false;

    make_key(run, "interactive", talk.key);
    while (result == SSHAUTH_DENIED && !gave_up && !*run->cancelled &&
           talk.tried < run->dest->password_prompts) {
        if (talk.tried > 0)
            log_write(LOG_ERROR, "%s: Permission denied, please try again.",
                      run->who);
        result = try_once(&talk, &gave_up);
        talk.tried++;
    }
    if (result == SSHAUTH_DONE || result == SSHAUTH_PARTIAL)
        run->person |= talk.once;
    else
        sshcred_forget(run->cred, talk.key);
    explicit_bzero(&talk, sizeof(talk));
    return result;
}
