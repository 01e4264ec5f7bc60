/* HTTP CONNECT (RFC 9110 9.3.6, RFC 9112 3.2.3) with Basic credentials (RFC
 * 7617): bytes to structs and back, both sides. Pure: no I/O, no memory. */
#ifndef CULVERT_TRANSPORT_WIRE_HTTP_H
#define CULVERT_TRANSPORT_WIRE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transport/base/err.h"
#include "transport/base/target.h"
#include "transport/wire/wire.h"

/* The longest request head that is taken; browsers stay far below. */
#define HTTP_HEAD_MAX 8192

/* err says how the request is to be answered, all of them with the head
 * parsed to its end: ERR_OK (CONNECT, target set), ERR_BAD_COMMAND (another
 * method: 501 with http_write_not_proxy's text), ERR_MALFORMED (400: a target
 * that is not host:port, or a header line that proxies read differently).
 * Credentials that cannot be decoded are none. */
struct http_request {
    enum err err;
    bool has_credentials;
    struct wire_credentials credentials; /* wipe it */
    struct target target;
};

/* Whether a connection that starts with this byte can be HTTP: a capital
 * letter, which neither SOCKS version's first byte is. */
bool http_starts_with(uint8_t first);

/* Parses a head up to and including its empty line. Lines end with CRLF or,
 * as RFC 9112 2.2 lets a recipient, LF. WIRE_BAD: longer than HTTP_HEAD_MAX,
 * a NUL, or a request line that is none. */
enum wire_status http_parse_request(const void *bytes, size_t len,
                                    struct http_request *out, size_t *used);

/* Room for any reply below. */
#define HTTP_REPLY_MAX 1024

/* The whole reply for an outcome: 200 for ERR_OK, else the status of codes.h
 * with a line of text. Failures say that they close; 407 carries
 * Proxy-Authenticate. Returns its length, without the NUL. */
size_t http_write_reply(char out[HTTP_REPLY_MAX], enum err err);

/* The answer to a client that was told to use an HTTP proxy: 501, and what
 * this port speaks (SOCKS4, SOCKS4a, SOCKS5, HTTP CONNECT). */
size_t http_write_not_proxy(char out[HTTP_REPLY_MAX]);

/* Client's side: CONNECT with an optional Basic header; credentials may be
 * NULL. Returns the length, or 0 for what has no form here: a path, or a user
 * name with a colon. The caller wipes out. */
#define HTTP_REQUEST_MAX 1536
size_t http_write_request(char out[HTTP_REQUEST_MAX],
                          const struct target *target,
                          const struct wire_credentials *credentials);
/* Parses a reply's head. *status is the number of its first line. WIRE_BAD as
 * for a request. */
enum wire_status http_parse_reply(const void *bytes, size_t len, int *status,
                                  size_t *used);

/* The status for an outcome (codes.h), and back: any 2xx is ERR_OK, a number
 * that says nothing more is ERR_REMOTE_FAILED. */
int http_status_from_err(enum err err);
enum err http_err_from_status(int status);

#endif
