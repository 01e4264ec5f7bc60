/* Names that a server was seen to resolve quickly, not long ago.
 *
 * sshd looks names up one at a time and stands still meanwhile, with all the
 * channels of the connection. A name that may take long is better asked for
 * where few streams are. */
#ifndef CULVERT_TRANSPORT_SSH_SSHNAMES_H
#define CULVERT_TRANSPORT_SSH_SSHNAMES_H

#include <stdbool.h>

struct sshname;

/* Zero is empty. */
struct sshnames {
    struct sshname *names;
    unsigned count;
};

/* now: clock_seconds(). */
bool sshnames_is_known(struct sshnames *names, const char *name, double now);

/* Notes that it was resolved quickly, or wasn't. Where memory is short nothing
 * is noted. */
void sshnames_note(struct sshnames *names, const char *name, bool quick,
                   double now);

void sshnames_clear(struct sshnames *names);

#endif
