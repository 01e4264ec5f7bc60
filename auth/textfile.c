#include "auth/textfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Doubles a buffer of room bytes, all used. Not by realloc, which would leave
 * a copy of secrets behind. */
static enum err
grow(char **bytes, size_t *room, size_t max)
{
    char *more;

    if (*room >= max)
        return ERR_LIMIT;
    more = malloc(*room * 2);
    if (!more)
        return ERR_NO_MEMORY;
    memcpy(more, *bytes, *room);
    explicit_bzero(*bytes, *room);
    free(*bytes);
    *bytes = more;
    *room *= 2;
    return ERR_OK;
}

/* Reads all of fd into *file, which the caller wipes, on failure too. */
static enum err
read_all(int fd, size_t max, struct textfile *file)
{
    size_t room = 4096;
    enum err err = ERR_OK;
    ssize_t got = 1;

    file->text = malloc(room);
    if (!file->text)
        return ERR_NO_MEMORY;
    while (!err && got != 0) {
        got = read(fd, file->text + file->len, room - file->len);
        if (got > 0)
            file->len += (size_t)got;
        else if (got < 0 && errno != EINTR)
            err = err_from_errno(errno);
        if (!err && file->len == room)
            err = grow(&file->text, &room, max);
    }
    file->at = file->text;
    return err;
}

/* Opens the file, unless others could have written it. */
static enum err
open_trusted(const char *path, mode_t refused, int *fd, char *message,
             size_t size)
{
    struct stat status;
    enum err err;

    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (*fd < 0 || fstat(*fd, &status) < 0) {
        err = err_from_errno(errno);
        snprintf(message, size, "%s: %m", path);
        return err;
    }
    /* Reading anything else could take for ever. */
    if (!S_ISREG(status.st_mode)) {
        snprintf(message, size, "%s: not a regular file", path);
        return ERR_NOT_PERMITTED;
    }
    if (status.st_mode & refused) {
        snprintf(message, size,
                 "%s: others can write to it (chmod %so-w makes it safe)", path,
                 refused & S_IWGRP ? "g" : "");
        return ERR_NOT_PERMITTED;
    }
    return ERR_OK;
}

enum err
textfile_read(const char *path, size_t max, mode_t refused,
              struct textfile *file, char *message, size_t size)
{
    struct textfile made = {.len = 0};
    int fd;
    enum err err = open_trusted(path, refused, &fd, message, size);

    if (!err) {
        err = read_all(fd, max, &made);
        if (err == ERR_LIMIT)
            snprintf(message, size, "%s: %zu bytes or more", path, max);
        else if (err)
            snprintf(message, size, "%s: %m", path);
    }
    if (fd >= 0)
        close(fd);
    if (err)
        textfile_wipe(&made);
    else
        *file = made;
    return err;
}

enum err
textfile_copy(const char *text, size_t len, struct textfile *file)
{
    char *copy = malloc(len + 1);

    if (!copy)
        return ERR_NO_MEMORY;
    if (len > 0)
        memcpy(copy, text, len);
    *file = (struct textfile){.text = copy, .len = len, .at = copy};
    return ERR_OK;
}

void
textfile_wipe(struct textfile *file)
{
    if (file->text)
        explicit_bzero(file->text, file->len);
    free(file->text);
    memset(file, 0, sizeof(*file));
}

bool
textfile_next(struct textfile *file, char **line, size_t *len)
{
    static const char mark[] = "\xef\xbb\xbf";
    char *end = file->text + file->len;
    char *next;
    char *stop;

    /* Some editors put one in front; it would become part of a name. */
    if (file->line == 0 && file->len >= 3 && memcmp(file->at, mark, 3) == 0)
        file->at += 3;
    if (file->at >= end)
        return false;
    next = memchr(file->at, '\n', (size_t)(end - file->at));
    stop = next ? next : end;
    *line = file->at;
    file->at = next ? next + 1 : end;
    file->line++;
    if (stop > *line && stop[-1] == '\r')
        stop--;
    *stop = 0;
    *len = (size_t)(stop - *line);
    return true;
}

enum err
textfile_fail(const struct textfile_spot *spot, const char *format, ...)
{
    va_list args;
    int used =
        snprintf(spot->message, spot->size, "%s:%zu: ", spot->path, spot->line);

    if (used < 0 || (size_t)used >= spot->size)
        return ERR_MALFORMED;
    va_start(args, format);
    vsnprintf(spot->message + used, spot->size - (size_t)used, format, args);
    va_end(args);
    return ERR_MALFORMED;
}
