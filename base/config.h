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
  CONFIG_CHOICE,   /* one of the words in choices */
  CONFIG_PATH,     /* absolute, or relative to the configuration file's folder */
  CONFIG_LISTEN,   /* list of address:port, addresses as numbers, IPv6 in brackets */
  CONFIG_PEER,     /* host:port */
  CONFIG_HTTP,     /* http:// URL that ends in "/" */
  CONFIG_HTTPS,    /* https:// URL without path, or with one that does not end in "/" */
  CONFIG_DOMAIN,   /* domain name, kept in lower-case A-labels */
  CONFIG_DOMAINS,  /* list of them */
  CONFIG_LIST      /* list of texts, separated by ";" */
} ConfigType;

/* One key. preset NULL: the key must be given; "": may be left out and is then empty. */
typedef struct {
  const char *group, *name;
  ConfigType type;
  const char *preset;
  gint64 min, max;     /* INTEGER, DURATION, SIZE */
  const char *choices; /* CHOICE: words separated by blanks */
  RoleSet roles;       /* the processes that are told the value */
  const char *help;    /* one line */
} ConfigKey;

extern const ConfigKey config_keys[];
extern const gsize config_keys_count;

/* Values by "group.name"; immutable once loaded. */
typedef struct Config Config;

/* Reads a file. Every mistake is added to mistakes (of char*, "FILE:LINE: [group] name: reason");
   NULL when there was one. */
Config *config_load(const char *path, GPtrArray *mistakes);

/* What role may know, as a{ss}, and a Config from such a value (NULL when it is not one). */
GVariant *config_share(const Config *config, Role role);
Config *config_receive(GVariant *shared);

void config_free(Config *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Config, config_free)

/* The value of a key of the table that this process is told; anything else is a programming error
   and ends the process. Text and lists belong to config; lists are NULL-terminated. */
const char *config_text(const Config *config, const char *key);
gint64 config_number(const Config *config, const char *key);
const char *const *config_list(const Config *config, const char *key);
gboolean config_is(const Config *config, const char *key, const char *value);
gboolean config_given(const Config *config, const char *key); /* not empty */

/* "path:line" where the key was given, or "path" when it was not; the caller frees it. */
char *config_where(const Config *config, const char *key);

/* Splits "host:port" or "[address]:port"; FALSE when it is neither. */
gboolean config_split_peer(const char *text, char **host, guint16 *port);

#endif
