/* What the load generators share: load (streams that last), storm
 * (connections per second) and hold (streams that stand). Each is one program
 * in one file, so these are functions in a header.
 *
 * Both talk to an origin (origin.c) through a SOCKS5 proxy, through a relay
 * with a fixed target, or directly, and print one line of JSON. With -w they
 * print "ready" when their streams are open and wait for a line on stdin
 * before the measurement, and they print the result only after all their
 * sockets are closed: whoever reads the proxy's use of the CPU at these two
 * moments reads all of the measurement and nothing else. */
#ifndef CULVERT_BENCH_GENERATOR_H
#define CULVERT_BENCH_GENERATOR_H

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum {
    BLOCK_BYTES = 256 * 1024, /* a send or a receive of bulk */
    PORTS_MAX = 64,
    EVENTS_MAX = 256,
    OPEN_TIMEOUT_S = 5, /* of a blocking call while streams are opened */
    REPLY_MAX = 300     /* a SOCKS5 reply with the longest name */
};

enum via { VIA_DIRECT, VIA_RELAY, VIA_SOCKS5 };

struct load {
    enum via via;
    bool by_name; /* ask the proxy for localhost, not for 127.0.0.1 */
    bool waits;
    bool ping_first; /* load beside-...: before the bulk, not after it */
    bool after_mib;  /* hold idle: each stream has had a MiB */
    in_addr_t origin_addr;
    uint16_t proxy_port;
    uint16_t ping_port; /* load beside-...: the ping's own proxy; 0: none */
    uint16_t origin[PORTS_MAX];
    unsigned origins;
    unsigned streams;
    double secs;
    double ramp_secs; /* at the start, reported apart */
    int epoll_fd;
    unsigned opened;  /* streams so far: takes the origin's ports in turn */
    unsigned failed;  /* streams that ended in an error */
    uint32_t *sample; /* latencies, in microseconds; owned */
    size_t samples;
    size_t samples_max;
    char *block; /* what is sent, and where bulk goes; owned */
};

static inline void
die(const char *what)
{
    perror(what);
    exit(1);
}

static inline uint64_t
now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* --- what was measured ---------------------------------------------------- */

static inline void
sample_add(struct load *load, uint64_t us)
{
    if (load->samples == load->samples_max) {
        load->samples_max = load->samples_max * 2 + 65536;
        load->sample =
            realloc(load->sample, load->samples_max * sizeof(*load->sample));
        if (load->sample == NULL)
            die("realloc");
    }
    load->sample[load->samples++] = us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

static inline int
compare_samples(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/* The smallest sample that at least `part` of all are not above. */
static inline uint32_t
percentile(const struct load *load, double part)
{
    size_t rank = (size_t)ceil(part * (double)load->samples);

    return load->samples == 0 ? 0 : load->sample[rank > 0 ? rank - 1 : 0];
}

/* Sorts the samples and prints them as members of a JSON object. */
static inline void
print_samples(struct load *load)
{
    size_t slow = 0;

    qsort(load->sample, load->samples, sizeof(*load->sample), compare_samples);
    while (slow < load->samples &&
           load->sample[load->samples - slow - 1] >= 1000000)
        slow++;
    printf("\"p50_us\": %u, \"p90_us\": %u, \"p99_us\": %u, \"max_us\": %u, "
           "\"over_1s\": %zu, ",
           percentile(load, 0.5), percentile(load, 0.9), percentile(load, 0.99),
           percentile(load, 1), slow);
}

/* Says that the streams are open and waits to be told to go on. */
static inline void
ready(const struct load *load)
{
    int c = 0;

    if (!load->waits)
        return;
    printf("ready\n");
    fflush(stdout);
    while (c != '\n' && c != EOF)
        c = getchar();
}

/* --- SOCKS5 --------------------------------------------------------------- */

static const uint8_t greeting[3] = {5, 1, 0};

/* Writes the request for the next port of the origin. Returns its length. */
static inline size_t
put_request(const struct load *load, unsigned number, uint8_t *out)
{
    static const uint8_t by_name[] = {5,   1,   0,   3,   9,   'l', 'o',
                                      'c', 'a', 'l', 'h', 'o', 's', 't'};
    static const uint8_t by_addr[] = {5, 1, 0, 1, 127, 0, 0, 1};
    uint16_t port = load->origin[number % load->origins];
    size_t len = load->by_name ? sizeof(by_name) : sizeof(by_addr);

    memcpy(out, load->by_name ? by_name : by_addr, len);
    out[len] = (uint8_t)(port >> 8);
    out[len + 1] = (uint8_t)port;
    return len + 2;
}

/* How long a reply is that begins with these bytes; 5 while they are too few
 * to tell. */
static inline size_t
reply_len(const uint8_t *in, size_t have)
{
    if (have < 5)
        return 5;
    if (in[3] == 1)
        return 10;
    if (in[3] == 4)
        return 22;
    return 7 + (size_t)in[4];
}

static inline struct sockaddr_in
next_peer(const struct load *load, unsigned number)
{
    struct sockaddr_in addr = {.sin_family = AF_INET};
    bool direct = load->via == VIA_DIRECT;

    addr.sin_addr.s_addr = direct ? load->origin_addr : htonl(INADDR_LOOPBACK);
    addr.sin_port =
        htons(direct ? load->origin[number % load->origins] : load->proxy_port);
    return addr;
}

/* --- sockets -------------------------------------------------------------- */

/* Waits for events at most until `end_us`. */
static inline int
wait_events(const struct load *load, struct epoll_event *events,
            uint64_t end_us)
{
    uint64_t now = now_us();
    int timeout_ms = now < end_us ? (int)((end_us - now) / 1000) + 1 : 0;

    return epoll_wait(load->epoll_fd, events, EVENTS_MAX, timeout_ms);
}

static inline bool
send_all(int fd, const void *out, size_t len)
{
    return send(fd, out, len, MSG_NOSIGNAL) == (ssize_t)len;
}

/* --- streams that are opened one after the other -------------------------- */

static inline bool
receive_all(int fd, void *in, size_t len)
{
    return recv(fd, in, len, MSG_WAITALL) == (ssize_t)len;
}

static inline bool
shake_hands(const struct load *load, int fd, unsigned number)
{
    uint8_t bytes[REPLY_MAX];
    size_t len = put_request(load, number, bytes);
    uint8_t method[2];

    if (!send_all(fd, greeting, sizeof(greeting)) ||
        !receive_all(fd, method, 2) || method[1] != 0 ||
        !send_all(fd, bytes, len) || !receive_all(fd, bytes, 5) ||
        !receive_all(fd, bytes + 5, reply_len(bytes, 5) - 5))
        return false;
    return bytes[1] == 0;
}

/* Opens a stream to the origin, blocking. Returns its descriptor or -1. */
static inline int
open_stream(struct load *load)
{
    unsigned number = load->opened++;
    struct sockaddr_in addr = next_peer(load, number);
    struct timeval limit = {.tv_sec = OPEN_TIMEOUT_S};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int on = 1;

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0 ||
        (load->via == VIA_SOCKS5 && !shake_hands(load, fd, number))) {
        close(fd);
        return -1;
    }
    return fd;
}

/* --- the command ---------------------------------------------------------- */

/* The options that both take, for their usage texts. */
static inline int
print_usage(const char *call)
{
    fprintf(stderr,
            "usage: %s\n"
            "  -o PORT[,PORT...]  the origin's ports\n"
            "  -a ADDRESS         its address, without a proxy (127.0.0.1)\n"
            "  -x PORT            through a SOCKS5 proxy on 127.0.0.1\n"
            "  -r PORT            through a relay on 127.0.0.1\n"
            "  -d                 ask the proxy for the name localhost\n"
            "  -n N               streams, or connections at a time (1)\n"
            "  -t SECS            how long (2)\n"
            "  -k SECS            of it, what is reported apart (0)\n"
            "  -f                 beside-...: the ping comes first\n"
            "  -p PORT            beside-...: the ping has this proxy\n"
            "  -m                 idle: each stream has had a MiB\n"
            "  -w                 say \"ready\" and wait for a line first\n",
            call);
    return 2;
}

static inline void
read_ports(struct load *load, char *list)
{
    for (char *word = strtok(list, ",");
         word != NULL && load->origins < PORTS_MAX; word = strtok(NULL, ","))
        load->origin[load->origins++] = (uint16_t)atoi(word);
}

static inline bool
read_options(struct load *load, int argc, char **argv)
{
    int option;

    load->origin_addr = htonl(INADDR_LOOPBACK);
    while ((option = getopt(argc, argv, "o:a:x:r:dn:t:k:fp:mw")) != -1) {
        if (option == 'o') {
            read_ports(load, optarg);
        } else if (option == 'a') {
            load->origin_addr = inet_addr(optarg);
        } else if (option == 'x' || option == 'r') {
            load->via = option == 'x' ? VIA_SOCKS5 : VIA_RELAY;
            load->proxy_port = (uint16_t)atoi(optarg);
        } else if (option == 'd') {
            load->by_name = true;
        } else if (option == 'n') {
            load->streams = (unsigned)atoi(optarg);
        } else if (option == 't') {
            load->secs = atof(optarg);
        } else if (option == 'k') {
            load->ramp_secs = atof(optarg);
        } else if (option == 'f') {
            load->ping_first = true;
        } else if (option == 'p') {
            load->ping_port = (uint16_t)atoi(optarg);
        } else if (option == 'm') {
            load->after_mib = true;
        } else if (option == 'w') {
            load->waits = true;
        } else {
            return false;
        }
    }
    return load->origins > 0 && load->streams > 0 && load->secs > 0;
}

/* Raises the limit of descriptors and makes what every measurement needs. */
static inline void
load_init(struct load *load)
{
    struct rlimit limit;

    signal(SIGPIPE, SIG_IGN);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    load->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    load->block = calloc(1, BLOCK_BYTES);
    if (load->epoll_fd < 0 || load->block == NULL)
        die("start");
}

static inline void
load_release(struct load *load)
{
    close(load->epoll_fd);
    free(load->block);
    free(load->sample);
}

#endif
