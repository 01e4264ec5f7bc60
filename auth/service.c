#include "auth/service.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

/* Room for what getservbyname_r keeps of one service. */
#define SERVICE_BYTES 1024

bool
service_parse(const char *text, uint16_t *port)
{
    size_t digits = strspn(text, "0123456789");
    char room[SERVICE_BYTES];
    struct servent service, *found = NULL;
    unsigned long number = 0;

    if (strcmp(text, "*") == 0) {
        *port = 0;
        return true;
    }
    if (digits > 0 && digits < 10 && !text[digits])
        number = strtoul(text, NULL, 10);
    else if (isalpha((unsigned char)*text) &&
             getservbyname_r(text, "tcp", &service, room, sizeof(room),
                             &found) == 0 &&
             found)
        number = ntohs((uint16_t)found->s_port);
    if (number == 0 || number > UINT16_MAX)
        return false;
    *port = (uint16_t)number;
    return true;
}
