/* What the codecs have in common: how a parse ends, and who a client says it
 * is. */
#ifndef CULVERT_TRANSPORT_WIRE_WIRE_H
#define CULVERT_TRANSPORT_WIRE_WIRE_H

#include <stdint.h>

/* How parsing one message from the start of a buffer went. */
enum wire_status {
    WIRE_DONE, /* a whole message: *out is set, *used bytes of it */
    WIRE_MORE, /* a beginning: call again with more bytes */
    WIRE_BAD,  /* no message can begin like this; *out untouched */
};

/* A user name or password is at most 255 bytes (RFC 1929 2). */
#define WIRE_USER_MAX 255

/* What a client gave as user name and password: raw bytes, no NUL added, NUL
 * bytes inside kept. wire_credentials_wipe() before the memory goes. */
struct wire_credentials {
    uint8_t user_len;
    uint8_t password_len;
    uint8_t user[WIRE_USER_MAX];
    uint8_t password[WIRE_USER_MAX];
};

/* Overwrites both, so that no password outlives its use. */
void wire_credentials_wipe(struct wire_credentials *credentials);

#endif
