#include "proxy/forward.h"

#include <stdio.h>
#include <string.h>

#include "proxy/row.h"

const char *
forward_option(const struct forward *forward)
{
    if (forward->is_remote)
        return "-R";
    switch (forward->kind) {
    case FORWARD_SOCKS:
        return "-D";
    case FORWARD_FIXED:
        return "-L";
    case FORWARD_STDIO:
        return "-W";
    case FORWARD_GATEWAY:
        return "--gateway";
    }
    return "";
}

bool
forward_is_alike(const struct forward *a, const struct forward *b)
{
    char a_text[TARGET_TEXT_MAX];
    char b_text[TARGET_TEXT_MAX];

    if (a->kind != b->kind || a->is_remote != b->is_remote ||
        a->where != b->where)
        return false;
    if ((a->where == LISTEN_HOST || a->where == LISTEN_UNIX) &&
        strcmp(a->host, b->host) != 0)
        return false;
    return a->kind == FORWARD_SOCKS || a->kind == FORWARD_GATEWAY ||
           strcmp(target_format(&a->target, a_text),
                  target_format(&b->target, b_text)) == 0;
}

char *
forward_name(const struct forward *forward)
{
    char text[2 * TARGET_TEXT_MAX + 16];
    char host[TARGET_NAME_MAX + 3];
    char target[TARGET_TEXT_MAX] = "";
    char port[16] = "";

    if (forward->where == LISTEN_ANY)
        strcpy(host, "*");
    else if (forward->where == LISTEN_HOST && strchr(forward->host, ':'))
        snprintf(host, sizeof(host), "[%s]", forward->host);
    else
        strcpy(host, forward->host);
    if (forward->kind == FORWARD_FIXED)
        target_format(&forward->target, target);
    if (forward->where != LISTEN_UNIX)
        snprintf(port, sizeof(port), "%s%u", *host ? ":" : "", forward->port);
    snprintf(text, sizeof(text), "%s%s%s%s", host, port, *target ? ":" : "",
             target);
    return strdup(text);
}

static const char *
kind_word(enum forward_kind kind)
{
    switch (kind) {
    case FORWARD_SOCKS:
        return "socks";
    case FORWARD_FIXED:
        return "fixed";
    case FORWARD_STDIO:
        return "stdio";
    case FORWARD_GATEWAY:
        return "gateway";
    }
    return "-";
}

void
forward_fill_row(const struct forward *forward, json_t *row)
{
    char target[TARGET_TEXT_MAX];

    row_text(row, "option", forward_option(forward));
    row_text(row, "kind", kind_word(forward->kind));
    if (forward->kind == FORWARD_FIXED)
        row_text(row, "target", target_format(&forward->target, target));
}
