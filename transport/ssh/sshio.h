/* What stands between libssh and a link's socket.
 *
 * libssh 0.10 polls and reads 4,096 bytes at a time, and sends each packet by
 * itself. It calls poll, recv and send as ordinary dynamic symbols: ours, in
 * the program, serve a descriptor that is attached here from a large
 * read-ahead, and take what is sent into one queue, which is flushed once a
 * turn; any other descriptor goes straight to the system call. The queue's
 * length is also how much is still unsent, which libssh does not tell.
 *
 * Many of libssh's calls, writes among them, poll, and would receive packets
 * from inside. So it is told that there is something to read only while that
 * is meant to be: between sshio_listen(io, true) and (io, false). */
#ifndef CULVERT_TRANSPORT_SSH_SSHIO_H
#define CULVERT_TRANSPORT_SSH_SSHIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transport/base/err.h"

struct sshio;

/* Most that one sshio_fill reads. */
#define SSHIO_FILL_BYTES (64u * 1024)

/* Takes over a non-blocking descriptor's poll, recv and send on this thread
 * from now on; the descriptor stays its owner's. */
enum err sshio_attach(int fd, struct sshio **io);

/* Gives them back; call it before the descriptor is closed, or, where libssh
 * closes it, on the same thread right after. NULL does nothing. */
void sshio_detach(struct sshio *io);

/* Reads ahead, at most `most` bytes, once all that was read before is taken.
 * Returns ERR_OK with *got > 0, ERR_AGAIN, ERR_EOF, or what failed; libssh is
 * not told of the last two. */
enum err sshio_fill(struct sshio *io, size_t most, size_t *got);

/* The same behind what was read before and is not taken yet, as far as there
 * is room for it. */
enum err sshio_fill_behind(struct sshio *io, size_t most, size_t *got);

/* Bytes read ahead that libssh has not taken. */
size_t sshio_unread(const struct sshio *io);

/* Lends those bytes, until the next call that takes or reads some. */
const uint8_t *sshio_look(const struct sshio *io, size_t *len);

/* From now on libssh gets at most so many of them at once; 0: as many as it
 * asks for. */
void sshio_portion(struct sshio *io, size_t bytes);

/* Whether libssh may see them. */
void sshio_listen(struct sshio *io, bool listens);

/* Sends what is queued. Returns ERR_OK when all is out, ERR_AGAIN, or what
 * failed. */
enum err sshio_flush(struct sshio *io);

/* Bytes queued. */
size_t sshio_unsent(const struct sshio *io);

/* Bytes that libssh has sent so far, queued ones included. */
uint64_t sshio_sent(const struct sshio *io);

/* From now on what libssh sends goes to the socket at once, or as far as it
 * goes: a last word. */
void sshio_hurry(struct sshio *io);

/* From now on what libssh sends is dropped: the connection is lost. */
void sshio_discard(struct sshio *io);

#endif
