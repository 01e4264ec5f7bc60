/* An IP address with a port, and how it is read and written. */
#ifndef CULVERT_TRANSPORT_BASE_ADDR_H
#define CULVERT_TRANSPORT_BASE_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* 28 bytes, where sockaddr_storage has 128 and a session holds several.
 * sa.sa_family is AF_INET, AF_INET6, or AF_UNSPEC for "none". */
union addr {
    struct sockaddr sa;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* Room for any address_format: "[", 39 digits, "]:65535", NUL. */
#define ADDR_TEXT_MAX 64

/* The length of the sockaddr within, for connect and bind; 0 for "none". */
socklen_t addr_len(const union addr *addr);

/* In host byte order; 0 for "none". */
uint16_t addr_port(const union addr *addr);
void addr_set_port(union addr *addr, uint16_t port);

/* From raw bytes in network order: 4 of them, or 16. */
void addr_from_v4(union addr *addr, const uint8_t bytes[4], uint16_t port);
void addr_from_v6(union addr *addr, const uint8_t bytes[16], uint16_t port);

/* Reads a literal, "192.0.2.1", "2001:db8::1" or "[2001:db8::1]"; len bytes,
 * no NUL needed. A zone ("%eth0") is no literal here: a peer has no business
 * choosing our interface. Returns false, addr untouched, for all else. */
bool addr_parse(union addr *addr, const char *text, size_t len, uint16_t port);

/* Writes "192.0.2.1:80" or "[2001:db8::1]:80"; "-" for "none". Returns buf,
 * which has room for ADDR_TEXT_MAX. */
char *addr_format(const union addr *addr, char *buf);

/* The same without brackets and port. */
char *addr_format_host(const union addr *addr, char *buf);

/* Turns an IPv4-mapped IPv6 address (RFC 4291 2.5.5.2) into the IPv4 one it
 * stands for, so that rules and peers see one form; leaves others alone. */
void addr_unmap(union addr *addr);

/* Same family and host, whatever the port. */
bool addr_same_host(const union addr *a, const union addr *b);

/* 127.0.0.0/8, ::1, and 127.0.0.0/8 mapped. */
bool addr_is_loopback(const union addr *addr);

/* 0.0.0.0 or ::. */
bool addr_is_any(const union addr *addr);

#endif
