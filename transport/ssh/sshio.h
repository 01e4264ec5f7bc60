/* What stands between libssh and a link's socket.
 *
 * libssh 0.10 polls and reads 4,096 bytes at a time, and sends each packet by
 * itself. It calls poll, recv and send as ordinary dynamic symbols: ours, in
 * the program, serve a descriptor that is attached here from a large
 * read-ahead, and take what is sent into one queue, which is flushed once a
 * turn; any other descriptor goes straight to the system call. The queue's
 * length is also how much is still unsent, which libssh does not tell. */
#ifndef CULVERT_TRANSPORT_SSH_SSHIO_H
#define CULVERT_TRANSPORT_SSH_SSHIO_H

#include <stdbool.h>
#include <stddef.h>

#include "transport/base/err.h"

struct sshio;

/* Takes over a non-blocking descriptor's poll, recv and send on this thread
 * from now on; the descriptor stays its owner's. */
enum err sshio_attach(int fd, struct sshio **io);

/* Gives them back; call it before the descriptor is closed. */
void sshio_detach(struct sshio *io);

/* Reads ahead, at most `most` bytes. Returns ERR_OK with *got > 0, ERR_AGAIN,
 * ERR_EOF, or what failed; the last two are told to libssh behind what was
 * read before. */
enum err sshio_fill(struct sshio *io, size_t most, size_t *got);

/* Bytes read ahead that libssh has not taken. */
size_t sshio_unread(const struct sshio *io);

/* Sends what is queued. Returns ERR_OK when all is out, ERR_AGAIN, or what
 * failed. */
enum err sshio_flush(struct sshio *io);

/* Bytes queued. */
size_t sshio_unsent(const struct sshio *io);

#endif
