/* The two ways to a person, apart from the choice between them (prompt.h). */
#ifndef CULVERT_PROXY_PROMPT_PARTS_H
#define CULVERT_PROXY_PROMPT_PARTS_H

#include <stdbool.h>
#include <stddef.h>

#include "transport/base/err.h"

/* One question. */
struct prompt_question {
    const char *text;
    bool echo;
    int cancel; /* readable when the program ends */
    char *answer;
    size_t size;
};

/* Waits until fd is readable. Returns false when it is over instead. */
bool prompt_wait(const struct prompt_question *question, int fd);

/* By the terminal. Returns ERR_OK; ERR_PEER_GONE: there is none, or nobody
 * answers. */
enum err prompt_terminal(const struct prompt_question *question);

/* By a program, which gets the text as its argument and writes the answer to
 * its standard output. Returns ERR_OK; ERR_PEER_GONE: it can't be run, or it
 * failed. */
enum err prompt_program(const struct prompt_question *question,
                        const char *program);

#endif
