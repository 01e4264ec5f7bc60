/* The delay line of the benchmarks: an IP link between two network namespaces,
 * with a round-trip time and a rate of its own. TCP itself sees them, so that
 * windows, Nagle and delayed acknowledgements do what they do on a long path;
 * a pipe of bytes with a delay would hide all of that.
 *
 *   delay NEAR FAR RTT_MS MBIT QUEUE_MS
 *
 * NEAR and FAR are descriptors of network namespaces, in each of which a
 * device "line" is made; whoever starts this gives them addresses. Prints
 * "ready" when they are there, and ends at the end of its stdin, with which
 * the devices go.
 *
 * Packets come with their virtio header and up to 64 KiB long, as the kernel
 * hands them to a card that cuts them itself: a Gbit/s costs a few thousand
 * calls a second. What they would take on an Ethernet is reckoned by segment.
 * A packet that would wait longer than QUEUE_MS for the line is dropped. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum {
    PACKET_MAX = 65536 + (int)sizeof(struct virtio_net_hdr),
    RING_BYTES = 64 << 20, /* 100 ms and more of a Gbit/s, in small packets */
    FRAME_BYTES = 38,      /* Ethernet's header, checksum, preamble and gap */
    READS_MAX = 64,        /* a turn, so that what is due goes out */
    GRID_NS = 50 * 1000,   /* packets due within this leave together */
    NICE = -10             /* a late packet would be a longer line */
};

/* What waits in a ring; its bytes follow, padded to a multiple of this. A
 * length of 0 says that the ring goes on at its start. */
struct packet {
    uint64_t due_ns;
    uint64_t len;
};

/* One direction. */
struct way {
    int from;
    int to;
    char *ring;
    size_t head;      /* where the next packet is put */
    size_t tail;      /* the oldest packet; head: there is none */
    uint64_t free_ns; /* when the line has sent all that waits */
};

struct line {
    struct way way[2];
    int epoll_fd;
    int timer_fd;
    uint64_t armed_ns; /* what the timer is set to; 0 is not at all */
    uint64_t delay_ns;
    uint64_t queue_ns;
    uint64_t mbit;
};

static void
die(const char *what)
{
    perror(what);
    exit(1);
}

static uint64_t
now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* --- packets -------------------------------------------------------------- */

/* How many bytes a packet takes on an Ethernet, cut into its segments. */
static uint64_t
wire_bytes(const char *bytes, size_t len)
{
    struct virtio_net_hdr head;
    const uint8_t *ip = (const uint8_t *)bytes + sizeof(head);
    size_t ip_len = len - sizeof(head), headers, segments;

    memcpy(&head, bytes, sizeof(head));
    if (head.gso_type == VIRTIO_NET_HDR_GSO_NONE || head.gso_size == 0 ||
        (size_t)head.csum_start + 12 >= ip_len)
        return ip_len + FRAME_BYTES;
    /* The checksum begins with the TCP header, whose length is in its 13th
     * byte; hdr_len is a hint, and too large. */
    headers = head.csum_start + (size_t)(ip[head.csum_start + 12] >> 4) * 4;
    if (headers >= ip_len)
        return ip_len + FRAME_BYTES;
    segments = (ip_len - headers + head.gso_size - 1) / head.gso_size;
    return ip_len + (segments - 1) * headers + segments * FRAME_BYTES;
}

/* The bytes that a packet of this length takes in the ring. */
static size_t
ring_bytes(size_t len)
{
    size_t unit = sizeof(struct packet);

    return unit + (len + unit - 1) / unit * unit;
}

/* Room for one more packet of any length, or NULL. */
static struct packet *
ring_room(struct way *way)
{
    size_t need = ring_bytes(PACKET_MAX);

    if (way->head == way->tail)
        way->head = way->tail = 0;
    if (way->head < way->tail && way->tail - way->head <= need)
        return NULL;
    if (way->head >= way->tail && RING_BYTES - way->head <= need) {
        if (way->tail <= need)
            return NULL;
        ((struct packet *)(void *)(way->ring + way->head))->len = 0;
        way->head = 0;
    }
    return (struct packet *)(void *)(way->ring + way->head);
}

/* The oldest packet, or NULL. */
static struct packet *
ring_oldest(struct way *way)
{
    struct packet *packet;

    if (way->head == way->tail)
        return NULL;
    packet = (struct packet *)(void *)(way->ring + way->tail);
    if (packet->len > 0)
        return packet;
    way->tail = 0;
    return way->head == 0 ? NULL : (struct packet *)(void *)way->ring;
}

/* Takes in a packet. Returns whether there may be more. */
static bool
take_in(struct line *line, struct way *way)
{
    static char dropped[PACKET_MAX];
    struct packet *packet = ring_room(way);
    char *bytes = packet == NULL ? dropped : (char *)(packet + 1);
    ssize_t n = read(way->from, bytes, PACKET_MAX);
    uint64_t now, start;

    if (n <= (ssize_t)sizeof(struct virtio_net_hdr))
        return false;
    now = now_ns();
    start = way->free_ns > now ? way->free_ns : now;
    if (packet == NULL || start - now > line->queue_ns)
        return true;
    way->free_ns = start + wire_bytes(bytes, (size_t)n) * 8000 / line->mbit;
    packet->due_ns = way->free_ns + line->delay_ns;
    packet->len = (uint64_t)n;
    way->head += ring_bytes((size_t)n);
    return true;
}

/* Sends what is due. A packet that the other end refuses is lost, as it would
 * be on a wire. */
static void
send_due(struct way *way, uint64_t now)
{
    struct packet *packet;

    while ((packet = ring_oldest(way)) != NULL && packet->due_ns <= now) {
        if (write(way->to, packet + 1, packet->len) < 0 && errno == EBADFD)
            die("write");
        way->tail += ring_bytes(packet->len);
    }
}

/* Sets the timer to the next packet that will be due. */
static void
arm(struct line *line)
{
    struct itimerspec when = {0};
    uint64_t next = 0;

    for (int i = 0; i < 2; i++) {
        struct packet *packet = ring_oldest(&line->way[i]);

        if (packet != NULL && (next == 0 || packet->due_ns < next))
            next = packet->due_ns;
    }
    next = (next + GRID_NS - 1) / GRID_NS * GRID_NS;
    if (next == line->armed_ns)
        return;
    line->armed_ns = next;
    when.it_value.tv_sec = (time_t)(next / 1000000000);
    when.it_value.tv_nsec = (long)(next % 1000000000);
    if (timerfd_settime(line->timer_fd, TFD_TIMER_ABSTIME, &when, NULL) != 0)
        die("timerfd_settime");
}

/* --- the line ------------------------------------------------------------- */

/* Makes the device "line" in a namespace. Returns its descriptor. */
static int
open_end(int namespace)
{
    struct ifreq request = {.ifr_name = "line"};
    int bytes = (int)sizeof(struct virtio_net_hdr);
    int fd;

    if (setns(namespace, CLONE_NEWNET) != 0)
        die("setns");
    fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        die("/dev/net/tun");
    request.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
    if (ioctl(fd, TUNSETIFF, &request) != 0 ||
        ioctl(fd, TUNSETVNETHDRSZ, &bytes) != 0 ||
        ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) != 0)
        die("tun");
    return fd;
}

static void
watch(struct line *line, int fd, void *of)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = of};

    if (epoll_ctl(line->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
        die("epoll_ctl");
}

static void
line_open(struct line *line, int near, int far)
{
    line->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    line->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    if (line->epoll_fd < 0 || line->timer_fd < 0)
        die("start");
    line->way[0].from = line->way[1].to = open_end(near);
    line->way[1].from = line->way[0].to = open_end(far);
    for (int i = 0; i < 2; i++) {
        line->way[i].ring = mmap(NULL, RING_BYTES, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (line->way[i].ring == MAP_FAILED)
            die("mmap");
        watch(line, line->way[i].from, &line->way[i]);
    }
    watch(line, line->timer_fd, &line->timer_fd);
    watch(line, STDIN_FILENO, NULL);
}

/* Returns at the end of stdin. */
static void
carry(struct line *line)
{
    struct epoll_event events[4];

    for (;;) {
        int count = epoll_wait(line->epoll_fd, events, 4, -1);
        uint64_t now = now_ns();

        send_due(&line->way[0], now);
        send_due(&line->way[1], now);
        for (int i = 0; i < count; i++) {
            struct way *way = events[i].data.ptr;
            char byte;

            if (way == NULL) {
                if (read(STDIN_FILENO, &byte, 1) <= 0)
                    return;
            } else if (events[i].data.ptr == &line->timer_fd) {
                line->armed_ns = UINT64_MAX; /* it is set anew in any case */
            } else {
                for (int n = 0; n < READS_MAX && take_in(line, way); n++)
                    continue;
            }
        }
        arm(line);
    }
}

int
main(int argc, char **argv)
{
    struct line line = {0};

    if (argc != 6 || atof(argv[3]) <= 0 || atoi(argv[4]) <= 0) {
        fprintf(stderr, "usage: delay NEAR FAR RTT_MS MBIT QUEUE_MS\n");
        return 2;
    }
    line.delay_ns = (uint64_t)(atof(argv[3]) * 1e6 / 2);
    line.mbit = (uint64_t)atoi(argv[4]);
    line.queue_ns = (uint64_t)(atof(argv[5]) * 1e6);
    setpriority(PRIO_PROCESS, 0, NICE);
    line_open(&line, atoi(argv[1]), atoi(argv[2]));
    printf("ready\n");
    fflush(stdout);
    carry(&line);
    return 0;
}
