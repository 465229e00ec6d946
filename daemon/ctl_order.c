/* SPDX-License-Identifier: Apache-2.0 */
/* signetctl order: what happened to an order, and why. */
#include "base/log.h"
#include "daemon/ctl_ask.h"

#include <stdio.h>

#define TEXT_MAX 1000 /* characters of what others said */

/* --- order list
 * ---------------------------------------------------------------------------------------- */

static void before(json_t *arguments, const json_t *row) {
  json_object_set(arguments, "before", json_object_get(row, "id"));
}

int ctl_order_list(int argc, char **argv) {
  g_auto(CtlServer) server = {NULL};
  g_autofree char *status = NULL, *address = NULL;
  const GOptionEntry options[] = {
      {"status", 't', 0, G_OPTION_ARG_STRING, &status,
       "Only those that are pending, ready, processing, valid or invalid", "STATUS"},
      {"address", 'a', 0, G_OPTION_ARG_STRING, &address, "Only those with this address", "ADDRESS"},
      CTL_SERVER_OPTIONS(server),
      G_OPTION_ENTRY_NULL};
  json_t *order = NULL;
  size_t i = 0;
  if (!ctl_options("order list", "Lists orders, newest first.", options, argc, argv))
    return CTL_USAGE;
  json_t *arguments = json_pack("{s:s*, s:s*}", "status", status, "address", address);
  json_t *all = ctl_ask_all(&server, "order list", arguments, "orders", before);
  if (all == NULL)
    return CTL_FAILED;
  if (server.json)
    ctl_print_json(all);
  else
    json_array_foreach(json_object_get(all, "orders"), i, order) {
      g_autofree char *addresses = ctl_list(order, "addresses", "");
      printf("%s %s %s %s\n", ctl_member(order, "id"), ctl_member(order, "created"),
             ctl_member(order, "status"), addresses);
    }
  json_decref(all);
  return CTL_DONE;
}

/* --- order show
 * ---------------------------------------------------------------------------------------- */

/* A line of two columns; what others said is escaped, and without a value there is no line. */
static void line(const char *label, const char *value) {
  g_autofree char *shown = log_escape(value, TEXT_MAX);
  if (*value != '\0')
    printf("  %-14s %s\n", label, shown);
}

static void member_line(const char *label, const json_t *object, const char *name) {
  line(label, ctl_member(object, name));
}

/* "what: text" of a problem or verdict, behind the time when it has one. */
static void event_line(const char *label, const json_t *object, const char *what,
                       const char *text) {
  const char *at = ctl_member(object, "at");
  g_autofree char *value = g_strdup_printf("%s%s%s%s%s", at, *at != '\0' ? "  " : "", what,
                                           *what != '\0' && *text != '\0' ? ": " : "", text);
  line(label, value);
}

static void error_line(const json_t *object) {
  const json_t *error = json_object_get(object, "error");
  if (error != NULL)
    event_line("error", error, ctl_member(error, "problem"), ctl_member(error, "text"));
}

static void waiting_lines(const char *label, const json_t *object) {
  const char *due = ctl_member(object, "due");
  if (*due == '\0')
    return;
  g_autofree char *value = g_strdup_printf("%s, after %" JSON_INTEGER_FORMAT " attempt(s)", due,
                                           json_integer_value(json_object_get(object, "attempts")));
  line(label, value);
  member_line("waits for", object, "waits-for");
}

static void print_mail(const json_t *mail) {
  const char *sent = ctl_member(mail, "sent"), *relay = ctl_member(mail, "relay");
  if (json_object_get(mail, "message-id") == NULL) {
    line("mail", "not asked for yet: the client has not fetched the authorization");
    return;
  }
  member_line("mail queued", mail, "queued");
  waiting_lines("next try", mail);
  if (*sent == '\0' && *relay == '\0' && json_object_get(mail, "due") == NULL)
    line("relay", "it was not heard before the challenge was over");
  if (*sent == '\0')
    line("relay said", relay);
  else {
    g_autofree char *value = g_strdup_printf("%s  %s", sent, relay);
    line("relay took it", value);
  }
}

static void print_received(const char *what, const json_t *mail) {
  const char *verdict = ctl_member(mail, "verdict"), *rule = ctl_member(mail, "rule");
  g_autofree char *origin = g_strdup_printf(
      "%s  from %s (%s)%s, envelope <%s>", ctl_member(mail, "at"), ctl_member(mail, "peer"),
      ctl_member(mail, "helo"), json_is_true(json_object_get(mail, "tls")) ? " with TLS" : "",
      ctl_member(mail, "reverse-path"));
  g_autofree char *judged =
      g_strdup_printf("%s%s%s", verdict, *rule != '\0' ? ", rule " : "", rule);
  g_autofree char *why =
      g_strdup_printf("%s%s%s", judged, *ctl_member(mail, "reason") != '\0' ? ": " : "",
                      ctl_member(mail, "reason"));
  line(what, origin);
  line("", *verdict != '\0' ? why : "not judged yet");
  waiting_lines("  next try", mail);
}

/* How many are counted and not shown, because no more are kept. */
static void missing_line(const char *label, const json_t *object, const char *list,
                         const char *count) {
  json_int_t all = json_integer_value(json_object_get(object, count));
  json_int_t missing = all - (json_int_t)json_array_size(json_object_get(object, list));
  g_autofree char *value = g_strdup_printf("%" JSON_INTEGER_FORMAT " more, not kept", missing);
  if (missing > 0)
    line(label, value);
}

static void print_challenge(const json_t *challenge) {
  json_t *entry = NULL;
  size_t i = 0;
  member_line("challenge", challenge, "url");
  member_line("", challenge, "status");
  member_line("created", challenge, "created");
  member_line("reply until", challenge, "deadline");
  member_line("mail from", challenge, "from");
  print_mail(json_object_get(challenge, "mail"));
  json_array_foreach(json_object_get(challenge, "notes"), i, entry)
      event_line("note", entry, ctl_member(entry, "rule"), ctl_member(entry, "text"));
  missing_line("notes", challenge, "notes", "notes-taken");
  json_array_foreach(json_object_get(challenge, "replies"), i, entry)
      print_received("reply", entry);
  missing_line("replies", challenge, "replies", "replies-received");
  json_array_foreach(json_object_get(challenge, "bounces"), i, entry)
      print_received("bounce", entry);
  missing_line("bounces", challenge, "bounces", "bounces-received");
  member_line("responded", challenge, "responded");
  member_line("reply passed", challenge, "passed");
  member_line("validated", challenge, "validated");
  error_line(challenge);
}

static void print_authorization(const json_t *authorization) {
  printf("%s: %s\n", ctl_member(authorization, "identifier"), ctl_member(authorization, "status"));
  member_line("authorization", authorization, "url");
  member_line("expires", authorization, "expires");
  const json_t *challenge = json_object_get(authorization, "challenge");
  if (challenge != NULL)
    print_challenge(challenge);
  else
    line("known of it", "nothing: it was entered from the signer's log into a restored store");
}

static void print_certificate(const json_t *certificate) {
  if (certificate == NULL)
    return;
  printf("certificate %s\n", ctl_member(certificate, "serial"));
  member_line("findings", certificate, "findings");
  member_line("from", certificate, "not-before");
  member_line("until", certificate, "not-after");
  member_line("built", certificate, "signing");
  member_line("issued", certificate, "issued");
  member_line("revoked", certificate, "revoked");
}

static void print_order(const json_t *order, const json_t *account) {
  printf("order %s: %s\n", ctl_member(order, "id"), ctl_member(order, "status"));
  member_line("url", order, "url");
  member_line("account", account, "url");
  member_line("", account, "status");
  member_line("profile", order, "profile");
  member_line("created", order, "created");
  member_line("expires", order, "expires");
  member_line("finalized", order, "finalized");
  waiting_lines("next try", order);
  error_line(order);
}

static void print_report(const json_t *report) {
  event_line("queued", report, ctl_member(report, "to"), "");
  member_line("sent", report, "sent");
  waiting_lines("next try", report);
}

static void print_all(const json_t *shown) {
  json_t *entry = NULL;
  size_t i = 0;
  print_order(json_object_get(shown, "order"), json_object_get(shown, "account"));
  json_array_foreach(json_object_get(shown, "authorizations"), i, entry) print_authorization(entry);
  if (json_array_size(json_object_get(shown, "caa")) > 0)
    printf("CAA\n");
  json_array_foreach(json_object_get(shown, "caa"), i, entry) {
    g_autofree char *what =
        g_strdup_printf("%s %s", ctl_member(entry, "domain"), ctl_member(entry, "verdict"));
    event_line("checked", entry, what, ctl_member(entry, "reason"));
  }
  if (json_array_size(json_object_get(shown, "perspectives")) > 0)
    printf("perspectives\n");
  json_array_foreach(json_object_get(shown, "perspectives"), i, entry) {
    g_autofree char *what =
        g_strdup_printf("%s: %s %s", ctl_member(entry, "perspective"),
                        ctl_member(entry, "question"), ctl_member(entry, "outcome"));
    event_line("asked", entry, what, ctl_member(entry, "reason"));
  }
  if (json_array_size(json_object_get(shown, "reports")) > 0)
    printf("reports by iodef\n");
  json_array_foreach(json_object_get(shown, "reports"), i, entry) print_report(entry);
  print_certificate(json_object_get(shown, "certificate"));
}

int ctl_order_show(int argc, char **argv) {
  g_auto(CtlServer) server = {NULL};
  g_auto(GStrv) words = NULL;
  const GOptionEntry options[] = {CTL_SERVER_OPTIONS(server), CTL_WORDS(words, "ID|URL"),
                                  G_OPTION_ENTRY_NULL};
  if (!ctl_options("order show",
                   "Tells what happened to an order: mails, replies, checks, certificate, and why.",
                   options, argc, argv) ||
      !ctl_count_words(words, 1, "ID|URL"))
    return CTL_USAGE;
  json_t *shown = ctl_ask(&server, "order show", json_pack("{s:s}", "order", words[0]));
  if (shown == NULL)
    return CTL_FAILED;
  if (server.json)
    ctl_print_json(shown);
  else
    print_all(shown);
  json_decref(shown);
  return CTL_DONE;
}
