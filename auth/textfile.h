/* Files of lines that say who may come in: the users file, authorized keys.
 * Read whole, unless others could have written them, and cut into lines in
 * place. */
#ifndef CULVERT_AUTH_TEXTFILE_H
#define CULVERT_AUTH_TEXTFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "transport/base/err.h"

/* A file's text; a zeroed one holds nothing. */
struct textfile {
    char *text; /* len bytes, and one more to put a NUL into */
    size_t len;
    char *at;    /* where the next line starts */
    size_t line; /* the number of the last one, from 1 on */
};

/* Reads a file of less than max bytes, a power of two of at least 4096.
 * Returns ERR_OK and gives what is in *file (textfile_wipe); else an error and
 * "FILE: why" in message, of size bytes, *file untouched: what is no regular
 * file is one, as is a file with any of the mode's bits in refused: those who
 * can write to it. */
enum err textfile_read(const char *path, size_t max, mode_t refused,
                       struct textfile *file, char *message, size_t size);

/* The same from bytes in memory, copied. Returns ERR_OK or ERR_NO_MEMORY. */
enum err textfile_copy(const char *text, size_t len, struct textfile *file);

/* Wipes and frees what it holds. */
void textfile_wipe(struct textfile *file);

/* Cuts off the next line and lends it, with a NUL where it ends; a CR at its
 * end and a byte order mark before the first line are left out. Returns false
 * after the last. */
bool textfile_next(struct textfile *file, char **line, size_t *len);

/* A line of a file, and where to tell what is wrong with it. */
struct textfile_spot {
    const char *path;
    size_t line;
    char *message; /* of size bytes */
    size_t size;
};

/* Writes "FILE:LINE: what is wrong", cut to its size. Returns
 * ERR_MALFORMED. */
enum err textfile_fail(const struct textfile_spot *spot, const char *format,
                       ...) __attribute__((format(printf, 2, 3)));

#endif
