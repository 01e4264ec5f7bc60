#include "tests/unit/fake_dns.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define QUESTIONS_MAX 8192
#define MESSAGE_MAX   1024

struct question {
    char name[256];
    char type;
};

/* An answer that waits for its time. */
struct reply {
    double at;
    struct sockaddr_in to;
    size_t len;
    uint8_t bytes[MESSAGE_MAX];
    struct reply *next;
};

struct fake_dns {
    const struct fake_rule *rules;
    uint16_t port;
    int udp;
    int tcp;
    int stop;
    pthread_t thread;
    pthread_mutex_t lock;
    unsigned count;
    struct question questions[QUESTIONS_MAX];
    struct reply *replies;
};

/* A message being written. */
struct writer {
    uint8_t *at;
};

static double
now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void
put(struct writer *w, const void *bytes, size_t len)
{
    memcpy(w->at, bytes, len);
    w->at += len;
}

static void
put_u16(struct writer *w, unsigned value)
{
    put(w, (uint8_t[]){(uint8_t)(value >> 8), (uint8_t)value}, 2);
}

static void
put_name(struct writer *w, const char *name)
{
    while (*name) {
        size_t len = strcspn(name, ".");

        *w->at++ = (uint8_t)len;
        put(w, name, len);
        name += len + (name[len] == '.');
    }
    *w->at++ = 0;
}

static void
put_record(struct writer *w, const char *name, unsigned type, unsigned ttl_s)
{
    put_name(w, name);
    put_u16(w, type);
    put_u16(w, 1);
    put_u16(w, ttl_s >> 16);
    put_u16(w, ttl_s & 0xffff);
}

/* Reads the question's name and type; returns where it ends, 0 for nonsense. */
static size_t
read_question(const uint8_t *bytes, size_t len, struct question *question)
{
    size_t at = 12;
    size_t used = 0;

    memset(question, 0, sizeof(*question));
    while (at < len && bytes[at] != 0) {
        size_t label = bytes[at++];

        if (at + label >= len || used + label + 1 >= sizeof(question->name))
            return 0;
        if (used > 0)
            question->name[used++] = '.';
        memcpy(question->name + used, bytes + at, label);
        used += label;
        at += label;
    }
    if (at + 5 > len)
        return 0;
    question->type = bytes[at + 2] == 28 ? '6' : 'A';
    return at + 5;
}

static const struct fake_rule *
rule_for(const struct fake_dns *dns, const struct question *question)
{
    const struct fake_rule *rule = dns->rules;

    for (; rule->name; rule++) {
        if (strcasecmp(rule->name, question->name) == 0 &&
            (rule->type == 0 || rule->type == question->type))
            return rule;
    }
    return NULL;
}

static unsigned
put_answers(struct writer *w, const struct fake_rule *rule,
            const struct question *question)
{
    const char *name = question->name;
    int family = question->type == '6' ? AF_INET6 : AF_INET;
    unsigned count = 0;

    if (rule->cname) {
        struct writer length;

        put_record(w, name, 5, rule->cname_ttl_s);
        length = *w;
        w->at += 2;
        put_name(w, rule->cname);
        put_u16(&length, (unsigned)(w->at - length.at - 2));
        name = rule->cname;
        count++;
    }
    for (const char *const *addr = rule->addrs; *addr; addr++) {
        uint8_t raw[16];

        if (inet_pton(family, *addr, raw) != 1)
            continue;
        put_record(w, name, family == AF_INET ? 1 : 28, rule->ttl_s);
        put_u16(w, family == AF_INET ? 4 : 16);
        put(w, raw, family == AF_INET ? 4 : 16);
        count++;
    }
    return count;
}

/* Writes the answer to a question. Returns its length, 0 for silence. */
static size_t
write_reply(const struct fake_rule *rule, const struct question *question,
            const uint8_t *bytes, size_t end, bool tcp, uint8_t *out)
{
    static const uint8_t rcodes[] = {
        [FAKE_NO_NAME] = 3,
        [FAKE_SERVFAIL] = 2,
        [FAKE_REFUSED] = 5,
        [FAKE_GARBAGE] = 0,
    };
    enum fake_what what = rule ? rule->what : FAKE_NO_NAME;
    struct writer w = {out};
    unsigned count = 0;

    if (what == FAKE_DROP)
        return 0;
    put(&w, bytes, end);
    out[2] = 0x81; /* response, recursion desired */
    out[3] = (uint8_t)(0x80 | rcodes[what]);
    memset(out + 6, 0, 6);
    if (what == FAKE_TRUNCATE && !tcp)
        out[2] |= 2;
    else if (what == FAKE_ANSWER || what == FAKE_TRUNCATE)
        count = put_answers(&w, rule, question);
    if (what == FAKE_GARBAGE) {
        put_record(&w, question->name, 1, 60);
        put_u16(&w, 4000);
        count = 1;
    }
    out[7] = (uint8_t)count;
    return (size_t)(w.at - out);
}

static void
note(struct fake_dns *dns, const struct question *question)
{
    pthread_mutex_lock(&dns->lock);
    if (dns->count < QUESTIONS_MAX)
        dns->questions[dns->count++] = *question;
    pthread_mutex_unlock(&dns->lock);
}

static void
serve_udp(struct fake_dns *dns)
{
    uint8_t bytes[MESSAGE_MAX];
    struct question question;
    struct reply *reply = calloc(1, sizeof(*reply));
    socklen_t to_len = sizeof(reply->to);
    ssize_t n = recvfrom(dns->udp, bytes, sizeof(bytes), 0,
                         (struct sockaddr *)&reply->to, &to_len);
    size_t end = n < 12 ? 0 : read_question(bytes, (size_t)n, &question);
    const struct fake_rule *rule;

    if (end == 0) {
        free(reply);
        return;
    }
    note(dns, &question);
    rule = rule_for(dns, &question);
    reply->len = write_reply(rule, &question, bytes, end, false, reply->bytes);
    reply->at = now() + (rule ? rule->delay_ms / 1000.0 : 0);
    reply->next = dns->replies;
    dns->replies = reply;
}

/* One question per connection, and no partial reads: it is a fake. */
static void
serve_tcp(struct fake_dns *dns)
{
    uint8_t bytes[MESSAGE_MAX];
    uint8_t out[MESSAGE_MAX + 2];
    struct question question;
    int fd = accept(dns->tcp, NULL, NULL);
    ssize_t n = recv(fd, bytes, sizeof(bytes), 0);
    size_t end =
        n < 14 ? 0 : read_question(bytes + 2, (size_t)n - 2, &question);
    size_t len;

    if (end > 0) {
        note(dns, &question);
        len = write_reply(rule_for(dns, &question), &question, bytes + 2, end,
                          true, out + 2);
        out[0] = (uint8_t)(len >> 8);
        out[1] = (uint8_t)len;
        send(fd, out, len + 2, MSG_NOSIGNAL);
    }
    close(fd);
}

/* Sends what is due. Returns how many milliseconds the rest may wait. */
static int
send_replies(struct fake_dns *dns)
{
    struct reply **link = &dns->replies;
    int wait_ms = -1;

    while (*link) {
        struct reply *reply = *link;
        double left = reply->at - now();
        int left_ms = (int)(left * 1000) + 1;

        if (left > 0) {
            if (wait_ms < 0 || left_ms < wait_ms)
                wait_ms = left_ms;
            link = &reply->next;
            continue;
        }
        if (reply->len > 0)
            sendto(dns->udp, reply->bytes, reply->len, 0,
                   (struct sockaddr *)&reply->to, sizeof(reply->to));
        *link = reply->next;
        free(reply);
    }
    return wait_ms;
}

static void *
serve(void *arg)
{
    struct fake_dns *dns = arg;
    struct pollfd fds[] = {
        {.fd = dns->udp, .events = POLLIN},
        {.fd = dns->tcp, .events = POLLIN},
        {.fd = dns->stop, .events = POLLIN},
    };

    for (;;) {
        poll(fds, 3, send_replies(dns));
        if (fds[2].revents)
            return NULL;
        if (fds[0].revents)
            serve_udp(dns);
        if (fds[1].revents)
            serve_tcp(dns);
    }
}

struct fake_dns *
fake_dns_start(const struct fake_rule *rules)
{
    struct sockaddr_in addr = {.sin_family = AF_INET};
    struct fake_dns *dns = calloc(1, sizeof(*dns));
    socklen_t len = sizeof(addr);

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    dns->rules = rules;
    dns->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    dns->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    dns->stop = eventfd(0, EFD_CLOEXEC);
    /* A port that is free for one may be taken for the other. */
    while (bind(dns->tcp, (struct sockaddr *)&addr, sizeof(addr)) == 0 &&
           getsockname(dns->tcp, (struct sockaddr *)&addr, &len) == 0 &&
           bind(dns->udp, (struct sockaddr *)&addr, sizeof(addr)) != 0) {
        close(dns->tcp);
        dns->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        addr.sin_port = 0;
    }
    cr_assert_eq(listen(dns->tcp, 8), 0);
    dns->port = ntohs(addr.sin_port);
    pthread_mutex_init(&dns->lock, NULL);
    cr_assert_eq(pthread_create(&dns->thread, NULL, serve, dns), 0);
    return dns;
}

void
fake_dns_stop(struct fake_dns *dns)
{
    uint64_t one = 1;

    cr_assert_eq(write(dns->stop, &one, sizeof(one)), (ssize_t)sizeof(one));
    pthread_join(dns->thread, NULL);
    while (dns->replies) {
        struct reply *next = dns->replies->next;

        free(dns->replies);
        dns->replies = next;
    }
    close(dns->udp);
    close(dns->tcp);
    close(dns->stop);
    pthread_mutex_destroy(&dns->lock);
    free(dns);
}

uint16_t
fake_dns_port(const struct fake_dns *dns)
{
    return dns->port;
}

unsigned
fake_dns_asked(struct fake_dns *dns, const char *name, char type)
{
    unsigned count = 0;

    pthread_mutex_lock(&dns->lock);
    for (unsigned i = 0; i < dns->count; i++) {
        const struct question *each = &dns->questions[i];

        count += (!name || strcasecmp(each->name, name) == 0) &&
                 (type == 0 || each->type == type);
    }
    pthread_mutex_unlock(&dns->lock);
    return count;
}
