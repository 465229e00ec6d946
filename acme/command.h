/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator asks of a running server with signetctl: a table of commands, one file a noun.
   Each runs inside a transaction, and records what it changes with the operator's uid. */
#ifndef SIGNET_ACME_COMMAND_H
#define SIGNET_ACME_COMMAND_H

#include "acme/acme.h"

#define COMMAND_PAGE 500                    /* rows that one command touches at most */
#define COMMAND_PAGE_OCTETS (512 * 1024)    /* of JSON text, from where on a list is cut */
#define COMMAND_ANSWER_OCTETS (1000 * 1024) /* of JSON text */

typedef enum { COMMAND_DONE, COMMAND_REFUSED, COMMAND_FAILED } CommandOutcome;

/* Runs a command: name as "eab add", arguments as the text of a JSON object. COMMAND_DONE: answer
   is JSON text; COMMAND_REFUSED: it is the reason, for a person. Unless it is COMMAND_DONE, what it
   did must be undone. The caller frees answer. */
CommandOutcome command_run(Acme *acme, guint uid, const char *name, const char *arguments,
                           char **answer, GError **error);

/* --- for the files command_*.c --- */

typedef struct {
  Acme *acme;
  gint64 now;
  const char *uid;   /* of the operator */
  json_t *arguments; /* an object with members of the table alone */
  json_t *result;    /* an object, empty at first */
  char *why;         /* it is refused */
} Command;

/* FALSE, with command->why set: refused. */
gboolean command_refuse(Command *command, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* A text among the arguments: of at most max octets, without control characters; NULL when it is
   not given. FALSE: refused. */
gboolean command_text(Command *command, const char *name, gsize max, const char **text);
/* The same, and it must be given and not empty. */
gboolean command_needs_text(Command *command, const char *name, gsize max, const char **text);
/* A list of at most count texts like that; of const char*, empty when it is not given. NULL:
   refused. */
GPtrArray *command_texts(Command *command, const char *name, guint count, gsize max);
/* A serial number in hexadecimal digits, as it is stored; NULL when it is none. The caller unrefs
 * it.
 */
GBytes *command_serial(const char *text);
/* Sets a member to a time; 0: there is none, and the member is left out. */
void command_set_time(json_t *object, const char *member, gint64 at);
/* Adds a row to a page; FALSE when the page is full and must end before it. row is taken. */
gboolean command_add_row(json_t *page, gsize *octets, json_t *row);

/* TRUE: done. FALSE with error: failed; without: refused. */
gboolean command_certificate_revoke(Command *command, GError **error);
gboolean command_certificate_revoke_all(Command *command, GError **error);
gboolean command_certificate_revoked(Command *command, GError **error);
gboolean command_eab_add(Command *command, GError **error);
gboolean command_eab_list(Command *command, GError **error);
gboolean command_eab_revoke(Command *command, GError **error);
gboolean command_health(Command *command, GError **error);
gboolean command_issuance_show(Command *command, GError **error);
gboolean command_issuance_start(Command *command, GError **error);
gboolean command_issuance_stop(Command *command, GError **error);
gboolean command_key_block(Command *command, GError **error);
gboolean command_key_list(Command *command, GError **error);
gboolean command_limit_set(Command *command, GError **error);
gboolean command_limit_clear(Command *command, GError **error);
gboolean command_limit_list(Command *command, GError **error);
gboolean command_mail_ingest(Command *command, GError **error);
gboolean command_metrics(Command *command, GError **error);
gboolean command_order_list(Command *command, GError **error);
gboolean command_order_show(Command *command, GError **error);
gboolean command_renewal_ask(Command *command, GError **error);
gboolean command_store_enter(Command *command, GError **error);
gboolean command_store_settle(Command *command, GError **error);
gboolean command_store_show(Command *command, GError **error);
gboolean command_status(Command *command, GError **error);

#endif
