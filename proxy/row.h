/* Rows of the status in JSON: objects of jansson's that are filled key by key.
 * Where there is no memory for one, it is left out. A row that is NULL stays
 * NULL. */
#ifndef CULVERT_PROXY_ROW_H
#define CULVERT_PROXY_ROW_H

#include <jansson.h>
#include <stdint.h>

/* Sets a key to a text, or to null where that is NULL. Of what is no UTF-8 each
 * byte is the character of that number, as in the log. */
void row_text(json_t *row, const char *key, const char *text);

void row_number(json_t *row, const char *key, uint64_t number);
void row_real(json_t *row, const char *key, double number);

#endif
