/* SPDX-License-Identifier: Apache-2.0 */
/* signetctl mail: hands a message from standard input to a running server, as the pipe of a mail
   server does. Its exit status is of sysexits.h, which says whether to try again. */
#include "daemon/ctl_ask.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#define MESSAGE_MAX (256 * 1024) /* octets as it goes over SMTP; above what any server takes */

/* Lines end in CR LF. */
static GString *wire_form(const GString *text) {
  GString *wire = g_string_sized_new(text->len + text->len / 32);
  for (gsize i = 0; i < text->len; i++) {
    if (text->str[i] == '\n' && (i == 0 || text->str[i - 1] != '\r'))
      g_string_append_c(wire, '\r');
    g_string_append_c(wire, text->str[i]);
  }
  return wire;
}

/* The message as it goes over SMTP, without the line that mboxes begin with. NULL when it is too
   large or cannot be read, which has been printed. */
static GString *read_message(void) {
  g_autoptr(GString) text = g_string_new(NULL);
  char octets[8192];
  for (gsize length = fread(octets, 1, sizeof(octets), stdin);
       length > 0 && text->len <= MESSAGE_MAX; length = fread(octets, 1, sizeof(octets), stdin))
    g_string_append_len(text, octets, (gssize)length);
  const char *first_end = memchr(text->str, '\n', text->len);
  if (g_str_has_prefix(text->str, "From ") && first_end != NULL)
    g_string_erase(text, 0, first_end + 1 - text->str);
  g_autoptr(GString) wire = wire_form(text);
  if (ferror(stdin) == 0 && wire->len <= MESSAGE_MAX)
    return g_steal_pointer(&wire);
  fprintf(stderr, "%s: %s\n", g_get_prgname(),
          ferror(stdin) != 0 ? "the message cannot be read" : "552 5.3.4 message too large");
  return NULL;
}

/* Mail systems know these (sysexits.h). */
static int status_of(int code) {
  if (code / 100 == 2)
    return EX_OK;
  if (code / 100 == 4)
    return EX_TEMPFAIL;
  return code == 550 ? EX_NOUSER : EX_DATAERR;
}

/* Postfix's pipe gives the null reverse-path a name. */
static char *sender_text(const char *from) {
  gboolean null_path = from == NULL || g_ascii_strcasecmp(from, "MAILER-DAEMON") == 0;
  return g_utf8_make_valid(null_path ? "" : from, -1);
}

static int hand_over(const CtlServer *server, const char *recipient, const char *from) {
  g_autoptr(GString) text = read_message();
  if (text == NULL)
    return EX_DATAERR;
  g_autofree char *base64 = g_base64_encode((const guchar *)text->str, text->len);
  g_autofree char *to = g_utf8_make_valid(recipient, -1), *sender = sender_text(from);
  json_t *reply =
      ctl_ask(server, "mail ingest",
              json_pack("{s:s, s:s, s:s}", "recipient", to, "from", sender, "message", base64));
  if (reply == NULL)
    return EX_TEMPFAIL;
  int code = (int)json_integer_value(json_object_get(reply, "code"));
  if (server->json)
    ctl_print_json(reply);
  else
    fprintf(code == 250 ? stdout : stderr, "%d %s %s\n", code, ctl_member(reply, "enhanced"),
            ctl_member(reply, "text"));
  json_decref(reply);
  return status_of(code);
}

int ctl_mail_ingest(int argc, char **argv) {
  g_auto(CtlServer) server = {NULL};
  g_auto(GStrv) recipients = NULL;
  g_autofree char *from = NULL;
  /* Addresses may be beyond ASCII, whatever the locale of a mail server's pipe says. */
  const GOptionEntry options[] = {
      {"from", 'f', 0, G_OPTION_ARG_FILENAME, &from, "The envelope's sender", "ADDRESS"},
      CTL_SERVER_OPTIONS(server),
      {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &recipients, NULL, "RECIPIENT"},
      G_OPTION_ENTRY_NULL};
  if (!ctl_options("mail ingest",
                   "Hands a message from standard input to the server, for a mail server's pipe. "
                   "The exit status is of sysexits.h: 0 committed, 75 try again, 67 no such "
                   "recipient, 65 the message is refused, 64 wrong use.",
                   options, argc, argv) ||
      !ctl_count_words(recipients, 1, "RECIPIENT"))
    return EX_USAGE;
  return hand_over(&server, recipients[0], from);
}
