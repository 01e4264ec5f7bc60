#include "proxy/row.h"

#include <stdlib.h>
#include <string.h>

/* Gives text with each of its bytes as a character (free); NULL when out of
 * memory. */
static char *
widen(const char *text)
{
    char *wide = malloc(2 * strlen(text) + 1);
    char *to = wide;

    for (; wide && *text; text++) {
        unsigned char byte = (unsigned char)*text;

        if (byte >= 0x80)
            *to++ = (char)(0xc0 | byte >> 6);
        *to++ = (char)(byte < 0x80 ? byte : 0x80 | (byte & 0x3f));
    }
    if (wide)
        *to = 0;
    return wide;
}

void
row_text(json_t *row, const char *key, const char *text)
{
    json_t *value = text ? json_string(text) : json_null();
    char *wide = value ? NULL : widen(text);

    if (wide)
        value = json_string(wide);
    free(wide);
    json_object_set_new(row, key, value);
}

void
row_number(json_t *row, const char *key, uint64_t number)
{
    json_object_set_new(row, key, json_integer((json_int_t)number));
}

void
row_real(json_t *row, const char *key, double number)
{
    json_object_set_new(row, key, json_real(number));
}
