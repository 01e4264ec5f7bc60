/* The load generator of the benchmarks for streams that stand: idle, stalled
 * and slow ones. See generator.h for how it is driven. */
#include "bench/generator.h"

#include "bench/pattern.h"

enum {
    OPEN_MAX_S = 90, /* then no more idle streams are opened */
    MIB_BYTES = 1 << 20,
    SIP_BYTES = 16 * 1024, /* what a slow reader takes at once */
    SIP_US = 1000,         /* and how long it waits then */
    DOZE_BYTES = 64 << 20, /* each time that it has had so much, */
    DOZE_US = 1000 * 1000  /* it stops altogether for so long */
};

/* What an idle stream has carried: a byte out and two back, or a MiB. */
static bool
first_use(const struct load *load, int fd)
{
    char back[2];

    if (!load->after_mib)
        return send_all(fd, "c", 1) && receive_all(fd, back, 2);
    if (!send_all(fd, "m", 1))
        return false;
    for (size_t left = MIB_BYTES; left > 0;) {
        ssize_t n =
            recv(fd, load->block, left < BLOCK_BYTES ? left : BLOCK_BYTES, 0);

        if (n <= 0)
            return false;
        left -= (size_t)n;
    }
    return true;
}

/* Holds idle streams, and at the end asks each whether it still lives. */
static void
run_idle(struct load *load)
{
    int *fd = calloc(load->streams, sizeof(*fd));
    uint64_t start = now_us(), took;
    unsigned up = 0, alive = 0;
    char back[2];

    if (fd == NULL)
        die("calloc");
    while (up < load->streams && load->failed < 3 &&
           now_us() - start < OPEN_MAX_S * 1000000) {
        fd[up] = open_stream(load);
        if (fd[up] >= 0 && first_use(load, fd[up])) {
            up++;
            continue;
        }
        load->failed++;
        if (fd[up] >= 0)
            close(fd[up]);
    }
    took = now_us() - start;
    ready(load);
    for (unsigned i = 0; i < up; i++) {
        alive += send_all(fd[i], "c", 1) && receive_all(fd[i], back, 2);
        if (i + 1 - alive > 10) /* each of the dead costs a time-out */
            break;
    }
    for (unsigned i = 0; i < up; i++)
        close(fd[i]);
    free(fd);
    printf("{\"mode\": \"idle\", \"up\": %u, \"alive\": %u, "
           "\"open_secs\": %.3f, \"failed\": %u}\n",
           up, alive, (double)took / 1e6, load->failed);
}

/* Asks for the origin's file (64 MiB), reads a block of it and stops. Then,
 * told to go on, reads the rest. */
static void
run_stall(struct load *load)
{
    int fd = open_stream(load);
    uint64_t bytes = 0;
    ssize_t n = 0;

    if (fd >= 0 && send_all(fd, "f", 1))
        n = recv(fd, load->block, BLOCK_BYTES, 0);
    ready(load);
    while (n > 0) {
        bytes += (uint64_t)n;
        n = recv(fd, load->block, BLOCK_BYTES, 0);
    }
    if (fd >= 0)
        close(fd);
    printf("{\"mode\": \"stall\", \"bytes\": %llu, \"complete\": %s}\n",
           (unsigned long long)bytes, bytes == 64 << 20 ? "true" : "false");
}

/* Asks for an endless download on each stream and reads none of it. Then, told
 * to go on, reads a little of each. */
static void
run_stalls(struct load *load)
{
    int *fd = calloc(load->streams, sizeof(*fd));
    unsigned alive = 0;

    if (fd == NULL)
        die("calloc");
    for (unsigned i = 0; i < load->streams; i++) {
        fd[i] = open_stream(load);
        load->failed += fd[i] < 0 || !send_all(fd[i], "d", 1);
    }
    ready(load);
    for (unsigned i = 0; i < load->streams; i++) {
        if (fd[i] < 0)
            continue;
        alive += receive_all(fd[i], load->block, BLOCK_BYTES);
        close(fd[i]);
    }
    free(fd);
    printf("{\"mode\": \"stalls\", \"up\": %u, \"alive\": %u, "
           "\"failed\": %u}\n",
           load->streams, alive, load->failed);
}

/* Reads the origin's pattern in small pieces with a pause after each, and a
 * long one from time to time, and looks at every byte. */
static void
run_slow(struct load *load)
{
    int fd = open_stream(load);
    char *expected = load->block + SIP_BYTES;
    uint64_t bytes = 0, awake = 0, start = now_us();
    bool right = fd >= 0 && send_all(fd, "s", 1);
    ssize_t n = 0;

    ready(load);
    while (right && (n = recv(fd, load->block, SIP_BYTES, 0)) > 0) {
        pattern_fill(bytes, expected, (size_t)n);
        right = memcmp(load->block, expected, (size_t)n) == 0;
        bytes += (uint64_t)n;
        usleep(SIP_US);
        if (bytes - awake > DOZE_BYTES) {
            awake = bytes;
            usleep(DOZE_US);
        }
    }
    if (fd >= 0)
        close(fd);
    right = right && n == 0 && bytes == PATTERN_BYTES;
    printf("{\"mode\": \"slow\", \"bytes\": %llu, \"secs\": %.3f, "
           "\"complete\": %s}\n",
           (unsigned long long)bytes, (double)(now_us() - start) / 1e6,
           right ? "true" : "false");
}

/* --- the command ---------------------------------------------------------- */

static bool
run(struct load *load, const char *mode)
{
    if (strcmp(mode, "idle") == 0)
        run_idle(load);
    else if (strcmp(mode, "stall") == 0)
        run_stall(load);
    else if (strcmp(mode, "stalls") == 0)
        run_stalls(load);
    else if (strcmp(mode, "slow") == 0)
        run_slow(load);
    else
        return false;
    return true;
}

int
main(int argc, char **argv)
{
    struct load load = {.streams = 1, .secs = 2};
    bool known = false;

    if (read_options(&load, argc, argv) && optind == argc - 1) {
        load_init(&load);
        known = run(&load, argv[optind]);
        load_release(&load);
    }
    return known ? 0
                 : print_usage("hold -o PORTS [-x PORT | -r PORT] [options] "
                               "idle|stall|stalls|slow");
}
