#include "auth/keyblob.h"

#include <nettle/base64.h>
#include <stdlib.h>
#include <string.h>

#include "transport/base/reader.h"

/* What follows the name of the type in a blob. */
enum shape {
    SHAPE_ED25519, /* RFC 8709 4; FIDO's have the application behind it */
    SHAPE_ECDSA,   /* RFC 5656 3.1; likewise */
    SHAPE_RSA,     /* RFC 4253 6.6 */
};

struct kind {
    const char *name;
    enum shape shape;
    bool fido;          /* OpenSSH's PROTOCOL.u2f */
    const char *curve;  /* of ECDSA */
    size_t point_bytes; /* of its uncompressed form */
};

static const struct kind kinds[] = {
    {"ssh-ed25519", SHAPE_ED25519, false, NULL, 0},
    {"ecdsa-sha2-nistp256", SHAPE_ECDSA, false, "nistp256", 65},
    {"ecdsa-sha2-nistp384", SHAPE_ECDSA, false, "nistp384", 97},
    {"ecdsa-sha2-nistp521", SHAPE_ECDSA, false, "nistp521", 133},
    {"ssh-rsa", SHAPE_RSA, false, NULL, 0},
    {"sk-ssh-ed25519@openssh.com", SHAPE_ED25519, true, NULL, 0},
    {"sk-ecdsa-sha2-nistp256@openssh.com", SHAPE_ECDSA, true, "nistp256", 65},
};

#define ED25519_BYTES 32

static const struct kind *
find_kind(const char *word, size_t len)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strlen(kinds[i].name) == len &&
            memcmp(kinds[i].name, word, len) == 0)
            return &kinds[i];
    return NULL;
}

bool
keyblob_is_type(const char *word, size_t len)
{
    return find_kind(word, len) != NULL;
}

bool
keyblob_is_fido(const char *word, size_t len)
{
    const struct kind *kind = find_kind(word, len);

    return kind && kind->fido;
}

/* Lends a string of RFC 4251 5, or NULL. */
static const uint8_t *
read_string(struct reader *reader, size_t *len)
{
    *len = reader_u32(reader);
    return reader_bytes(reader, *len);
}

static bool
read_word(struct reader *reader, const char *expected)
{
    size_t len;
    const uint8_t *word = read_string(reader, &len);

    return word && len == strlen(expected) && memcmp(word, expected, len) == 0;
}

/* A positive number (RFC 4251 5, mpint). Returns how many bits it has, 0 for
 * what is none. */
static size_t
read_bits(struct reader *reader)
{
    size_t len;
    const uint8_t *bytes = read_string(reader, &len);
    size_t bits;

    if (!bytes || len == 0 || bytes[0] & 0x80)
        return 0;
    for (; len > 0 && *bytes == 0; len--)
        bytes++;
    if (len == 0)
        return 0;
    bits = (len - 1) * 8;
    for (unsigned first = *bytes; first; first >>= 1)
        bits++;
    return bits;
}

/* What is wrong with what follows the type, or NULL. */
static const char *
fault_of(const struct kind *kind, struct reader *reader)
{
    static const char broken[] = "the key is broken or cut short";
    const uint8_t *bytes;
    size_t len;

    switch (kind->shape) {
    case SHAPE_ED25519:
        bytes = read_string(reader, &len);
        if (!bytes || len != ED25519_BYTES)
            return broken;
        break;
    case SHAPE_ECDSA:
        if (!read_word(reader, kind->curve))
            return broken;
        bytes = read_string(reader, &len);
        if (!bytes || len != kind->point_bytes || bytes[0] != 4)
            return broken;
        break;
    case SHAPE_RSA:
        if (read_bits(reader) == 0)
            return broken;
        len = read_bits(reader);
        if (len > 0 && len < KEYBLOB_RSA_BITS_MIN)
            return "an RSA key of less than 1024 bits";
        if (len == 0)
            return broken;
        break;
    }
    if (kind->fido)
        read_string(reader, &len);
    return reader->failed || reader->at != reader->end ? broken : NULL;
}

/* Nettle passes over blanks of every kind; none may be within a word. */
static bool
is_base64(const char *text, size_t len)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "abcdefghijklmnopqrstuvwxyz"
                                  "0123456789+/=";

    for (size_t i = 0; i < len; i++)
        if (!text[i] || !strchr(letters, text[i]))
            return false;
    return len > 0;
}

enum err
keyblob_decode(const char *type, size_t type_len, const char *base64,
               size_t len, uint8_t **blob, size_t *blob_len, const char **why)
{
    const struct kind *kind = find_kind(type, type_len);
    struct base64_decode_ctx ctx;
    struct reader reader;
    size_t got = BASE64_DECODE_LENGTH(len);
    uint8_t *made = malloc(got + 1);
    const char *fault = NULL;

    if (!made)
        return ERR_NO_MEMORY;
    base64_decode_init(&ctx);
    if (!kind || !is_base64(base64, len) ||
        !base64_decode_update(&ctx, &got, made, len, base64) ||
        !base64_decode_final(&ctx)) {
        fault = kind ? "the key is not base64, or cut short" : "unknown type";
    } else {
        reader = reader_over(made, got);
        fault = read_word(&reader, kind->name)
                    ? fault_of(kind, &reader)
                    : "the key is of another type than the word before it";
    }
    if (fault) {
        *why = fault;
        free(made);
        return ERR_MALFORMED;
    }
    *blob = made;
    *blob_len = got;
    return ERR_OK;
}
