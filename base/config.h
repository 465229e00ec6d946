/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration: one key file, every key in one typed table (signet.conf(5) is made from it).
 */
#ifndef SIGNET_BASE_CONFIG_H
#define SIGNET_BASE_CONFIG_H

#include "base/role.h"

#include <glib.h>

typedef enum {
  CONFIG_TEXT,     /* any one-line text */
  CONFIG_INTEGER,  /* within min and max */
  CONFIG_DURATION, /* digits with ms, s, m, h or d; kept in milliseconds */
  CONFIG_SIZE,     /* digits with nothing, k or M; kept in octets */
  CONFIG_RATE,    /* "COUNT/PERIOD" as in "5/1h", or "off"; kept as "COUNT/MILLISECONDS" or "off" */
  CONFIG_CHOICE,  /* one of the words in choices */
  CONFIG_CHOICES, /* list of them */
  CONFIG_PATH,    /* absolute, or relative to the configuration file's folder */
  CONFIG_PATHS,   /* list of them */
  CONFIG_KEY,     /* a path, or a pkcs11: URI, which is kept as it is */
  CONFIG_LISTEN,  /* list of address:port, addresses as numbers, IPv6 in brackets */
  CONFIG_LOCAL,   /* list of addresses on this host: an absolute path (a Unix socket), or
                     address:port with a loopback address and another port than 25 */
  CONFIG_NETWORKS, /* list of ADDRESS or ADDRESS/BITS, addresses as numbers, host bits zero */
  CONFIG_PEERS,    /* list of host:port */
  CONFIG_HTTP,     /* http:// URL that ends in "/" */
  CONFIG_HTTPS,    /* https:// URL without path, or with one that does not end in "/" */
  CONFIG_DOMAIN,   /* domain name, kept in lower-case A-labels */
  CONFIG_DOMAINS,  /* list of them */
  CONFIG_LIST      /* list of texts, separated by ";" */
} ConfigType;

/* A word that may be looked for among the choices, and why it is not there. */
typedef struct {
  const char *word, *why;
} ConfigRefusal;

/* One key. preset NULL: the key must be given; "": may be left out and is then empty. A named group
   stands in the file as "[group NAME]", as often as wanted, with a NAME of 1 to 64 of a-z, 0-9,
   "-"; its values are those of "group NAME.name". */
typedef struct {
  const char *group, *name;
  ConfigType type;
  const char *preset;
  gint64 min, max;     /* INTEGER, DURATION, SIZE */
  const char *choices; /* CHOICE, CHOICES: words separated by blanks */
  RoleSet roles;       /* the processes that are told the value */
  const char *help;    /* one line */
  gboolean may_empty;  /* may be given empty although preset is not */
  gboolean named;      /* of a named group */
  /* The preset in test mode, outside of which the key cannot be given; NULL: any other key. */
  const char *test_preset;
  const ConfigRefusal *refusals; /* CHOICE, CHOICES: ends with a word NULL; may be NULL */
} ConfigKey;

extern const ConfigKey config_keys[];
extern const gsize config_keys_count;

/* Values by "group.name"; immutable once loaded. */
typedef struct Config Config;

/* Reads a file. Every mistake is added to mistakes (of char*, "FILE:LINE: [group] name: reason");
   NULL when there was one. */
Config *config_load(const char *path, gboolean test_mode, GPtrArray *mistakes);

/* Whether a Config was loaded in test mode; not told to roles, whose keys say what to do. */
gboolean config_test_mode(const Config *config);

/* What role may know, as a{ss}, and a Config from such a value (NULL when it is not one). */
GVariant *config_share(const Config *config, Role role);
Config *config_receive(GVariant *shared);

/* Every value, a line "group.name = value" each in the order of the table; the caller frees it. */
char *config_listing(const Config *config);

void config_free(Config *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Config, config_free)

/* The value of a key of the table that this process is told; anything else is a programming error
   and ends the process. Text and lists belong to config; lists are NULL-terminated. */
const char *config_text(const Config *config, const char *key);
gint64 config_number(const Config *config, const char *key);
const char *const *config_list(const Config *config, const char *key);
gboolean config_is(const Config *config, const char *key, const char *value);
gboolean config_given(const Config *config, const char *key); /* not empty */

/* At most count in any period, which is in milliseconds; count 0: no limit ("off"). */
typedef struct {
  gint64 count, period;
} ConfigRate;

ConfigRate config_rate(const Config *config, const char *key);

/* Reads "COUNT/PERIOD" (count 1 to 1000000, period 1s to 365d) or "off" as a person writes it.
   FALSE: why is set to the reason, which the caller frees. */
/* An http:// or https:// URL with a host, in printable ASCII that may stand in a header field
   between angle brackets or quotes: what is shown to people by their clients. */
gboolean config_is_page(const char *url);
gboolean config_rate_parse(const char *text, ConfigRate *rate, char **why);

/* The names of a named group in the order of the file, NULL-terminated, empty when there are none;
   they belong to config. Of a role: none unless it is told a key of the group. */
const char *const *config_names(const Config *config, const char *group);

/* "path:line" where the key was given, or "path" when it was not; the caller frees it. */
char *config_where(const Config *config, const char *key);

/* Splits "host:port" or "[address]:port"; FALSE when it is neither. */
gboolean config_split_peer(const char *text, char **host, guint16 *port);

#endif
