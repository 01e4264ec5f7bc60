/* Ports as ssh reads them in the options of a key. */
#ifndef CULVERT_AUTH_SERVICE_H
#define CULVERT_AUTH_SERVICE_H

#include <stdbool.h>
#include <stdint.h>

/* Reads "80", the name of a service of TCP, or "*", which is 0: every port.
 * Returns false, *port untouched, for all else, 0 too. */
bool service_parse(const char *text, uint16_t *port);

#endif
