/* Passwords checked off the loops: a helper thread with a queue, and a cache.
 *
 * A password hash takes milliseconds to seconds by design. A good answer is
 * remembered for a minute, keyed by an HMAC under a random key (never the
 * password), so that a browser's hundred connections cost one hash; those that
 * wait while the first is hashed share its answer. A bad answer is never
 * remembered. */
#ifndef CULVERT_AUTH_VERIFY_H
#define CULVERT_AUTH_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/grant.h"
#include "auth/users.h"
#include "transport/base/err.h"
#include "transport/loop/worker.h"

struct verifier;

/* How many checks may wait, the one being hashed aside. */
#define VERIFY_QUEUE_MAX 1000

/* One check under way. Gives nothing: it ends with done, or with
 * verify_cancel. */
struct verify;

/* Starts the helper thread: one, so that a flood of wrong passwords takes at
 * most one processor from the loops. Keeps a reference to users.
 * Returns ERR_OK and gives *verifier (verifier_destroy), ERR_NO_MEMORY or
 * ERR_NO_RESOURCES. */
enum err verifier_create(struct users *users, struct verifier **verifier);

/* Ends the thread, after the hash it is at. No check may be under way; the
 * workers may be gone already. NULL does nothing. */
void verifier_destroy(struct verifier *verifier);

/* Takes other users from now on (keeps a reference), and forgets what it
 * remembered; the check being hashed is still answered by the old ones.
 * Thread: any. */
void verifier_set_users(struct verifier *verifier, struct users *users);

/* Copies the name of a user's agent (users_agent) as the current users have it.
 * Returns false, agent untouched, when none is said. Thread: any. */
bool verifier_find_agent(struct verifier *verifier, const uint8_t *user,
                         size_t len, char agent[GRANT_AGENT_MAX + 1]);

/* users_has of the current users. Thread: any. */
bool verifier_has_user(struct verifier *verifier, const uint8_t *user,
                       size_t len);

/* Starts a check for a session on worker; the bytes are copied (and wiped
 * after use). At most VERIFY_QUEUE_MAX wait; they are served in order, and how
 * many a source may have is the caller's to bound.
 * Returns ERR_OK and *verify (valid until done or cancel); ERR_NO_MEMORY, or
 * ERR_LIMIT when the queue is full: then done is never called.
 * Callback: done, once, on worker's thread, never from inside this call; known
 * good answers come at once by way of the loop. The verify is gone by then.
 * Thread: worker's. */
enum err verify_start(struct verifier *verifier, struct worker *worker,
                      const uint8_t *user, size_t user_len,
                      const uint8_t *password, size_t password_len,
                      void (*done)(void *arg, bool good), void *arg,
                      struct verify **verify);

/* done will not be called. NULL does nothing. Thread: the worker's. */
void verify_cancel(struct verify *verify);

#endif
