#include "transport/base/err.h"

#include <errno.h>

static const char *const words[] = {
#define ERR_WORD(e, word, text) [e] = word,
    ERR_LIST(ERR_WORD)
#undef ERR_WORD
};

static const char *const texts[] = {
#define ERR_TEXT(e, word, text) [e] = text,
    ERR_LIST(ERR_TEXT)
#undef ERR_TEXT
};

enum err
err_from_errno(int errnum)
{
    switch (errnum) {
    case 0:
        return ERR_OK;
    case EAGAIN:
    case EINTR:
    case EINPROGRESS:
        return ERR_AGAIN;
    case ENOMEM:
    case ENOBUFS:
        return ERR_NO_MEMORY;
    case EMFILE:
    case ENFILE:
        return ERR_NO_DESCRIPTORS;
    case ECONNREFUSED:
        return ERR_REFUSED;
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE:
        return ERR_RESET;
    case EHOSTUNREACH:
    case EHOSTDOWN:
        return ERR_HOST_UNREACHABLE;
    case ENETUNREACH:
    case ENETDOWN:
    case EAFNOSUPPORT:
        return ERR_NET_UNREACHABLE;
    case ETIMEDOUT:
        return ERR_TIMED_OUT;
    case EADDRNOTAVAIL:
        return ERR_ADDR_NOT_AVAILABLE;
    case EADDRINUSE:
        return ERR_ADDR_IN_USE;
    case ENOENT:
    case ENOTDIR:
        return ERR_NO_SUCH_PATH;
    case EACCES:
    case EPERM:
        return ERR_NOT_PERMITTED;
    default:
        return ERR_IO;
    }
}

const char *
err_word(enum err err)
{
    return (unsigned)err < ERR_COUNT_ ? words[err] : "unknown";
}

const char *
err_text(enum err err)
{
    return (unsigned)err < ERR_COUNT_ ? texts[err] : "unknown error";
}
