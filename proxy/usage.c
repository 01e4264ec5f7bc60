#include "proxy/usage.h"

#define VERSION_LINE "culvert " CULVERT_VERSION "\n"

void
usage_short(FILE *to)
{
    fputs(
        "usage: culvert [options] [-D [bind:]port | -L forward | -R forward "
        "|\n"
        "               -W host:port | --gateway [bind:]port]\n"
        "               [[user@]host[:port]]\n"
        "       culvert -D 1080 serves SOCKS and HTTP CONNECT on 127.0.0.1 "
        "and ::1\n"
        "       culvert -D 1080 user@host does, and leaves through that SSH "
        "server\n"
        "       culvert -R 8080:localhost:80 user@host has that server listen "
        "for here\n"
        "       culvert --help says more\n",
        to);
}

static const char help_forwards[] =
    "usage: culvert [options] [-D [bind:]port | -L forward | -R forward |\n"
    "               -W host:port | --gateway [bind:]port]\n"
    "               [[user@]host[:port]]\n"
    "\n"
    "A SOCKS4, SOCKS4a, SOCKS5 and HTTP CONNECT proxy. With a destination\n"
    "connections leave through that SSH server, else straight from here.\n"
    "\n"
    "Ways in (repeatable; port 0 picks a free one and prints it):\n"
    "  -D [bind:]port          serve SOCKS and HTTP CONNECT; also -D socket\n"
    "  -L [bind:]port:host:hostport\n"
    "                          forward a port to a fixed target; a path with\n"
    "                          a / on either side is a Unix socket\n"
    "  -R [bind:]port:host:hostport\n"
    "                          let the SSH server listen, and connect from "
    "here;\n"
    "                          -R [bind:]port serves SOCKS and HTTP CONNECT "
    "there\n"
    "  -W host:port            connect standard input and output\n"
    "  -g                      without a bind address, -D and -L listen on "
    "all;\n"
    "                          so do the ports of a gateway's agents\n"
    "\n"
    "A gateway for agents, who dial in by SSH (see culvert(1)):\n"
    "  --gateway [bind:]port   serve SSH (repeatable)\n"
    "  --host-key FILE         its private key, made if it is not there "
    "(repeatable)\n"
    "  --authorized-keys FILE  who may log in; lines as sshd has them\n"
    "\n"
    "Who may come in, and where they may go:\n"
    "  --users FILE            ask for a password; lines user:hash; for\n"
    "                          the gateway's logins too\n"
    "  --allow-from CIDR       clients may come from there (repeatable; any)\n"
    "  --permit PATTERN        targets allowed: *.example, 10.0.0.0/8, :443\n"
    "  --deny PATTERN          targets refused; wins over --permit\n"
    "\n"
    "The way out:\n"
    "  --via TRANSPORT         tcp:, ssh: (the destination),\n"
    "                          ssh://[user@]host[:port] or reverse:NAME (that\n"
    "                          agent of the gateway)\n"
    "  --route PATTERNS=TRANSPORT\n"
    "                          another one for some targets (repeatable; the\n"
    "                          first that matches counts)\n"
    "  -4                      IPv4 only\n"
    "  -6                      IPv6 only\n"
    "  -b address              connect from this address\n"
    "  -B interface            connect through this interface\n";

static const char help_server[] =
    "\n"
    "The SSH server (ssh's configuration is read, see culvert(1)):\n"
    "  -p port                 its port\n"
    "  -l user                 log in as\n"
    "  -i file                 log in with this private key (repeatable)\n"
    "  -J destination          reach it through there; several with commas\n"
    "  -F file                 read this in the place of the configuration;\n"
    "                          none reads nothing\n"
    "  -P tag                  a tag for Match tagged\n"
    "  -c ciphers              a list of ciphers\n"
    "  -m macs                 a list of message authentication codes\n"
    "  -C                      compress\n"
    "  --connections N         at most so many links to it (4)\n"
    "  --server-nodelay        run `true` once on it, so that it sends small\n"
    "                          packets at once\n"
    "  -G                      print what the configuration comes to, and "
    "exit\n"
    "\n"
    "A control socket:\n"
    "  -M                      listen on it\n"
    "  -S path                 where it is\n"
    "  -O command              ask who listens there, and exit: check, stop,\n"
    "                          exit, forward, cancel, status, reconnect,\n"
    "                          kick NAME (an agent's sessions)\n";

static const char help_process[] =
    "\n"
    "Limits (times as 30, 10m, 1h30m; off is none):\n"
    "  --handshake-timeout TIME    a client must say where to (30)\n"
    "  --connect-timeout TIME      its target must answer (20)\n"
    "  --idle-timeout TIME         nothing moves either way (off)\n"
    "  --half-closed-timeout TIME  one side has ended, nothing moves (10m)\n"
    "  --drain-timeout TIME        after SIGTERM, sessions may end (30)\n"
    "  --max-sessions N            of the process (off)\n"
    "  --max-per-source N          of one client address (off)\n"
    "  --workers N                 threads (as many as processors)\n"
    "\n"
    "The process and its log:\n"
    "  -f                      go to the background once all listens\n"
    "  -E file                 log to a file instead of standard error\n"
    "  -q                      no log\n"
    "  -v                      more log; -vv still more\n"
    "  --log-format FORMAT     text or json\n"
    "  --check-config          check the command line and files, and exit\n"
    "  -o Keyword=value        a setting of ssh_config(5), see culvert(1)\n"
    "  -V, --version           print the version\n"
    "  -h, --help              print this\n"
    "\n"
    "Accepted as in ssh(1), where they have no effect:\n"
    "  -a -k -n -N -T -x       silently\n"
    "  -A -e char -K -s -t -X -y -Y\n"
    "                          with a warning\n";

void
usage_help(FILE *to)
{
    fputs(help_forwards, to);
    fputs(help_server, to);
    fputs(help_process, to);
}

void
usage_version(FILE *to)
{
    fputs(VERSION_LINE, to);
}
