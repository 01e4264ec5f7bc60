/* libev's arrays grow by doubling and never shrink, a few kilobytes to some
 * hundred each, so what is taken from the reserve is never given back to it.
 * Its pages cost nothing until they are used. The hook that libev offers is
 * one for the process and has no argument, hence the state of the file. */
#include "transport/loop/reserve.h"

#include <ev.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define RESERVE_BYTES (2u * 1024 * 1024)
#define ALIGNMENT     16u

static _Alignas(ALIGNMENT) char reserve[RESERVE_BYTES];
static _Atomic(size_t) used;

static bool
is_reserved(const void *block)
{
    const char *at = block;

    return at >= reserve && at < reserve + RESERVE_BYTES;
}

/* A block is preceded by its size. */
static size_t
size_of(void *block)
{
    size_t size = 0;

    if (!block)
        return 0;
    if (!is_reserved(block))
        return malloc_usable_size(block);
    memcpy(&size, (char *)block - ALIGNMENT, sizeof(size));
    return size;
}

static void *
take(size_t size)
{
    size_t need = ALIGNMENT + (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    size_t at = atomic_fetch_add(&used, need);

    if (at + need > RESERVE_BYTES)
        return NULL; /* libev says so, and ends the program */
    memcpy(reserve + at, &size, sizeof(size));
    return reserve + at + ALIGNMENT;
}

/* realloc, as libev wants it: a size of 0 frees. */
static void *
resize(void *block, long wanted)
{
    size_t size = (size_t)wanted;
    size_t old = size_of(block);
    void *grown;

    if (size == 0) {
        if (!is_reserved(block))
            free(block);
        return NULL;
    }
    grown = is_reserved(block) ? malloc(size) : realloc(block, size);
    if (!grown)
        grown = take(size);
    else if (!is_reserved(block))
        return grown; /* realloc has moved what was there */
    if (grown && block)
        memcpy(grown, block, old < size ? old : size);
    if (grown && !is_reserved(block))
        free(block);
    return grown;
}

void
reserve_install(void)
{
    ev_set_allocator(resize);
}
