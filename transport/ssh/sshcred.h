/* Credentials: what a person typed, kept for further links and reconnects.
 *
 * One for the process. Secrets lie in locked memory that no core dump has
 * (mlock, MADV_DONTDUMP), keyed by what was asked for ("alice@gw:22", a key
 * file's path), and are forgotten when they prove wrong.
 * Thread: any; inside is one lock, under which a person is asked, so that two
 * logins don't prompt at once and the second finds the first one's answer. */
#ifndef CULVERT_TRANSPORT_SSH_SSHCRED_H
#define CULVERT_TRANSPORT_SSH_SSHCRED_H

#include <stdbool.h>
#include <stddef.h>

#include "transport/base/err.h"
#include "transport/ssh/sshask.h"

struct sshcred;

/* ask is borrowed until destroy; NULL: nobody is ever asked. */
enum err sshcred_create(const struct sshask *ask, struct sshcred **cred);
void sshcred_destroy(struct sshcred *cred);

/* Another holder of the same: each calls sshcred_destroy, the last one wipes.
 * A login's thread may wait for a person when the program is over him. */
struct sshcred *sshcred_hold(struct sshcred *cred);

/* The secret kept under key, else a person's answer to prompt, which is then
 * kept. tried: how many times the caller has had an answer for this key that
 * proved wrong; above 0 answer still holds the last of them, and what is kept
 * is forgotten if it is just that (else another login has asked already).
 * Returns ERR_OK; ERR_PEER_GONE when there is nobody to ask. *asked is set if
 * a person was. The caller wipes answer. */
enum err sshcred_secret(struct sshcred *cred, const char *key,
                        const char *prompt, unsigned tried, bool *asked,
                        char *answer, size_t size);

/* Asks a person; nothing is kept. */
enum err sshcred_ask(struct sshcred *cred, enum sshask_kind kind,
                     const char *prompt, char *answer, size_t size);

void sshcred_forget(struct sshcred *cred, const char *key);

/* Remembers that something was said or agreed to ("banner gw:22"). Returns
 * whether it is new. */
bool sshcred_note(struct sshcred *cred, const char *note);
bool sshcred_has_note(struct sshcred *cred, const char *note);

/* From now on nobody is asked: the terminal has been given up (-f). */
void sshcred_end_asking(struct sshcred *cred);

#endif
