/* SPDX-License-Identifier: Apache-2.0 */
/* signetctl setup: making what a server needs (ctl_setup.c, ctl_setup_files.c), and looking at what
   is around it (ctl_setup_look.c). */
#ifndef SIGNET_DAEMON_CTL_SETUP_H
#define SIGNET_DAEMON_CTL_SETUP_H

#include "base/config.h"

#include <stdio.h>
#include <sys/types.h>

typedef struct {
  char *domain, *relay, *url, *publish; /* in the form that is kept; NULL: not given */
  char *directory, *path;               /* of the files, of the configuration */
  char *name, *organization, *country;  /* of the CA */
  char *tls_certificate, *tls_key;
  char *user;
  char **settings; /* "GROUP.KEY=VALUE" */
  gboolean offline;

  char *command;   /* as it was typed */
  gboolean served; /* there is a user for signetd, and we may give files to it */
  uid_t uid;
  gid_t gid;
  gboolean told;  /* the configuration was there, and is what counts */
  guint problems; /* that were told */
} Setup;

/* Prints that a thing was made, or kept, or is good. */
void setup_say(const char *what, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* Prints what is wrong, and a sentence that says what to do; counts it. */
void setup_problem(Setup *setup, const char *what, const char *todo, ...) G_GNUC_PRINTF(3, 4);

/* --- ctl_setup_files.c: each FALSE when it cannot be done, which has been told ---------------- */

gboolean setup_folder(Setup *setup);
gboolean setup_ca(Setup *setup);
gboolean setup_dkim(Setup *setup);
gboolean setup_tls(Setup *setup);
gboolean setup_config(Setup *setup);
/* What the configuration names: files that are gone are told, the folder of the store is made, and
   all is given to the user of signetd. */
gboolean setup_named(Setup *setup, const Config *config);

/* --- ctl_setup_look.c: what is found wrong is told and counted ---------------------------------
 */

/* signetd --check, as the user of signetd. */
gboolean setup_check(Setup *setup);
void setup_look_at_ports(Setup *setup, const Config *config, gboolean runs);
void setup_look_at_relays(Setup *setup, const Config *config);
/* How many of the records that signetd needs are missing or wrong; -1: it cannot be told. */
int setup_look_at_dns(Setup *setup, const Config *config);

#endif
