/* SPDX-License-Identifier: Apache-2.0 */
/* How a server stands, for people (signetctl status) and for Prometheus alike. */
#ifndef SIGNET_ACME_STANDING_H
#define SIGNET_ACME_STANDING_H

#include "acme/acme.h"
#include "store/crl_shard.h"
#include "store/job.h"

typedef struct {
  struct {
    gint64 count, oldest; /* when the first is due; 0: there is none */
  } jobs[JOB_KINDS];
  CrlSpan lists;
  guint lists_overdue;
  char *held;              /* why no certificates are signed; NULL: they are */
  gint64 last_certificate; /* when it was signed; 0: none yet */
} Standing;

gboolean standing_read(Acme *acme, gint64 now, Standing *standing, GError **error);
void standing_clear(Standing *standing);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Standing, standing_clear)

#endif
