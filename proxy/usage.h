/* What --help and --version print. */
#ifndef CULVERT_PROXY_USAGE_H
#define CULVERT_PROXY_USAGE_H

#include <stdio.h>

/* The answer to what means nothing without a destination. */
#define USAGE_NEEDS_SERVER "needs a destination: [user@]host[:port]"

/* And to what means nothing without a gateway. */
#define USAGE_NEEDS_GATEWAY "needs --gateway [bind:]port"

/* The answer to what this version cannot do yet. */
#define USAGE_LATER "comes in a following version"

/* A few lines: the form of the command and where to read on. */
void usage_short(FILE *to);

/* Every option, one a line: "  -x, --name VALUE  meaning". */
void usage_help(FILE *to);

void usage_version(FILE *to);

#endif
