/* SPDX-License-Identifier: Apache-2.0 */
/* signer: the holder of the CA key. No network; a fixed table of questions from core only;
   everything that it signs it has linted, and stands in its own log before it leaves. */
#include "base/clock.h"
#include "base/log.h"
#include "ca/audit_key.h"
#include "ca/certificate.h"
#include "ca/certificate_read.h"
#include "ca/checkpoint_file.h"
#include "ca/crl.h"
#include "ca/lint.h"
#include "ca/signer_log.h"
#include "daemon/ca_key.h"
#include "daemon/pem_key.h"
#include "daemon/role.h"

#include <string.h>

#define FLUSH_MILLISECONDS 2000
#define REOPEN_SECONDS 5 /* least life of a process whose token was not there */

/* One CA. */
typedef struct {
  GBytes *identifier; /* subjectKeyIdentifier, by which core names it */
  Issuer *issuer;
  char *locked; /* why its key is not there; NULL: it is */
} Held;

typedef struct {
  RoleProcess *process;
  GPtrArray *held; /* of Held; the first one's certificates are those that are new */
  Pkcs11 *pkcs11;
  gint64 started;       /* monotonic seconds */
  struct event *reopen; /* to begin anew; NULL: no key is in a token */
  gboolean pin_refused; /* by a token: then never, until a start by hand */
  SignerLog *log;
  EVP_PKEY *audit_key; /* NULL: none is configured */
  CheckpointFile checkpoint;
  gint64 hourly_cap;
  GPtrArray *unsynced; /* of Waiting: signed, appended, not yet fsynced */
  struct event *sync;
} Signer;

/* An answer that may leave only after the log is durable. */
typedef struct {
  guint generation; /* of the core that asked */
  guint64 id;
  GBytes *certificate;
} Waiting;

static void waiting_free(gpointer data) {
  Waiting *waiting = data;
  g_bytes_unref(waiting->certificate);
  g_free(waiting);
}

static void answer(Signer *signer, guint kind, guint64 id, GVariant *body) {
  role_answer(signer->process, signer->process->core_generation, kind, id, body);
}

/* What was signed, or why nothing was. */
static GVariant *body_of(guint kind, GBytes *octets, const char *failure) {
  const NormalFormPart parts[] = {normal_form_octets(octets), normal_form_text(failure)};
  return message_join(kind, parts);
}

static void refuse(Signer *signer, guint kind, guint64 id, const char *reason) {
  g_autoptr(GBytes) nothing = g_bytes_new(NULL, 0);
  log_error("question refused", "question", message_catalogue.kinds[kind].name, "reason", reason,
            NULL);
  answer(signer, kind, id, body_of(kind, nothing, reason));
}

/* --- keys in tokens
 * ------------------------------------------------------------------------------------------ */

static gint64 seconds_now(void) {
  return g_get_monotonic_time() / G_USEC_PER_SEC;
}

/* A module that lost its token seldom finds it again: a new process does. The questions of these
   moments are asked again. */
static void on_reopen(evutil_socket_t fd G_GNUC_UNUSED, short what G_GNUC_UNUSED, void *user) {
  Signer *signer = user;
  log_warning("signer begins anew", "reason", "to open its token again", NULL);
  role_flush(signer->process);
  _exit(EXIT_SUCCESS);
}

/* After a refusal for the token's sake, in not too quick succession. */
static void reopen_later(Signer *signer) {
  struct timeval wait = {MAX(signer->started + REOPEN_SECONDS - seconds_now(), 0), 0};
  if (signer->reopen != NULL && !signer->pin_refused &&
      !event_pending(signer->reopen, EV_TIMEOUT, NULL))
    event_add(signer->reopen, &wait);
}

static void reopen_if_lost(Signer *signer, const GError *error) {
  if (g_error_matches(error, CA_ERROR, CA_ERROR_SIGN))
    reopen_later(signer);
}

/* Whether the key is there; otherwise the question is refused. */
static gboolean is_open(Signer *signer, const Held *held, guint kind, guint64 id) {
  if (held->locked == NULL)
    return TRUE;
  refuse(signer, kind, id, held->locked);
  reopen_later(signer);
  return FALSE;
}

/* The CA of that identifier; NULL when it is not one of ours. */
static const Held *named(const Signer *signer, const NormalFormPart *identifier) {
  for (guint i = 0; i < signer->held->len; i++) {
    const Held *held = signer->held->pdata[i];
    gsize size;
    const void *octets = g_bytes_get_data(held->identifier, &size);
    if (identifier->size == size && memcmp(identifier->data, octets, size) == 0)
      return held;
  }
  return NULL;
}

#define UNKNOWN_CA "the question names a CA that is not configured"

/* --- the table of questions
 * ------------------------------------------------------------------------------- */

static void answer_built(Signer *signer, guint64 id, GBytes *tbs, const char *findings,
                         const char *failure) {
  g_autoptr(GBytes) nothing = g_bytes_new(NULL, 0);
  const NormalFormPart parts[] = {normal_form_octets(tbs != NULL ? tbs : nothing),
                                  normal_form_text(findings), normal_form_text(failure)};
  answer(signer, MESSAGE_BUILT, id, message_join(MESSAGE_BUILT, parts));
}

static void on_build(Signer *signer, guint64 id, GVariant *body) {
  g_autoptr(GError) error = NULL;
  NormalFormPart parts[12];
  message_split(body, parts);
  const Held *held = named(signer, &parts[0]);
  g_autoptr(GBytes) serial = message_part(body, &parts[1]);
  g_autoptr(GBytes) spki = message_part(body, &parts[2]);
  g_autofree const char **names = normal_form_to_texts(&parts[3]);
  const CertificateFields fields = {
      .serial = serial,
      .spki = spki,
      .names = names,
      .not_before = normal_form_to_int64(&parts[4]),
      .not_after = normal_form_to_int64(&parts[5]),
      .sign = normal_form_to_boolean(&parts[6]),
      .encrypt = normal_form_to_boolean(&parts[7]),
      .non_repudiation = normal_form_to_boolean(&parts[8]),
      .profile = normal_form_to_uint32(&parts[9]) == PROFILE_MULTIPURPOSE ? PROFILE_MULTIPURPOSE
                                                                          : PROFILE_STRICT,
      .crl_url = normal_form_to_text(&parts[10]),
      .issuer_url = normal_form_to_text(&parts[11]),
  };
  if (held == NULL) {
    answer_built(signer, id, NULL, "", UNKNOWN_CA);
    return;
  }
  g_autoptr(GBytes) tbs = certificate_build(held->issuer, &fields, &error);
  if (tbs == NULL) {
    answer_built(signer, id, NULL, "", error->message);
    return;
  }
  g_autoptr(GPtrArray) findings = lint_tbs(tbs, held->issuer);
  g_autofree char *summary = findings->len > 0 ? lint_summary(findings) : g_strdup("");
  answer_built(signer, id, tbs, summary, "");
}

/* Why nothing must be signed now; NULL when it may be. What certificate_sign is given it lints. */
static const char *sign_fault(Signer *signer, const Held *held, gint64 now) {
  if (held == NULL)
    return UNKNOWN_CA;
  if (signer_log_last_hour(signer->log, now) >= signer->hourly_cap)
    return "the hourly cap of signatures is reached";
  return NULL;
}

static void on_sign(Signer *signer, guint64 id, GVariant *body) {
  static const struct timeval at_once = {0, 0};
  g_autoptr(GError) error = NULL;
  NormalFormPart parts[3];
  message_split(body, parts);
  const Held *held = named(signer, &parts[0]);
  g_autoptr(GBytes) tbs = message_part(body, &parts[1]);
  gint64 now = clock_now(&clock_system);
  gboolean only_if_logged = normal_form_to_boolean(&parts[2]);
  /* Asked again for the same octets the logged certificate is the answer: never two signatures over
   * one. */
  g_autoptr(GBytes) certificate = signer_log_find(signer->log, tbs, &error);
  if (certificate == NULL && error == NULL && only_if_logged) {
    g_autoptr(GBytes) nothing = g_bytes_new(NULL, 0);
    answer(signer, MESSAGE_SIGNED, id, body_of(MESSAGE_SIGNED, nothing, ""));
    return;
  }
  if (certificate == NULL && error == NULL) {
    const char *fault = sign_fault(signer, held, now);
    if (fault != NULL) {
      refuse(signer, MESSAGE_SIGNED, id, fault);
      return;
    }
    if (!is_open(signer, held, MESSAGE_SIGNED, id))
      return;
    certificate = certificate_sign(held->issuer, tbs, &error);
    if (certificate != NULL && !signer_log_append(signer->log, now, tbs, certificate, &error))
      g_clear_pointer(&certificate, g_bytes_unref);
  }
  if (certificate == NULL) {
    refuse(signer, MESSAGE_SIGNED, id, error->message);
    reopen_if_lost(signer, error);
    return;
  }
  Waiting *waiting = g_new0(Waiting, 1);
  waiting->generation = signer->process->core_generation;
  waiting->id = id;
  waiting->certificate = g_steal_pointer(&certificate);
  g_ptr_array_add(signer->unsynced, waiting);
  event_add(signer->sync, &at_once);
}

/* One fsync for all the signatures that wait. */
static void on_sync(evutil_socket_t fd G_GNUC_UNUSED, short what G_GNUC_UNUSED, void *user) {
  Signer *signer = user;
  g_autoptr(GError) error = NULL;
  gboolean durable = signer_log_sync(signer->log, &error);
  for (guint i = 0; durable && i < signer->unsynced->len; i++) {
    const Waiting *waiting = signer->unsynced->pdata[i];
    role_answer(signer->process, waiting->generation, MESSAGE_SIGNED, waiting->id,
                body_of(MESSAGE_SIGNED, waiting->certificate, ""));
  }
  g_ptr_array_set_size(signer->unsynced, 0);
  if (!durable) {
    /* What the disk holds is unknown now: begin again from what can be read. */
    log_error("signer log not durable", "reason", error->message, NULL);
    _exit(1);
  }
}

static GPtrArray *read_entries(GVariantIter *iter) {
  GPtrArray *entries = g_ptr_array_new_with_free_func((GDestroyNotify)crl_entry_free);
  GVariant *serial = NULL;
  gint64 revoked_at = 0;
  gint32 reason = 0;
  while (g_variant_iter_next(iter, "(@ayxi)", &serial, &revoked_at, &reason)) {
    CrlEntry *entry = g_new0(CrlEntry, 1);
    g_autoptr(GVariant) held = serial;
    entry->serial = message_octets(held);
    entry->revoked_at = revoked_at;
    entry->reason = reason;
    g_ptr_array_add(entries, entry);
  }
  return entries;
}

static void on_sign_crl(Signer *signer, guint64 id, GVariant *body) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GVariantIter) iter = NULL;
  CrlFields fields = {0};
  NormalFormPart parts[6];
  message_split(body, parts);
  const Held *held = named(signer, &parts[0]);
  g_variant_get(body, "(ayxxx&sa(ayxi))", NULL, &fields.number, &fields.this_update,
                &fields.next_update, &fields.url, &iter);
  if (*fields.url == '\0')
    fields.url = NULL;
  g_autoptr(GPtrArray) entries = read_entries(iter);
  fields.entries = entries;
  if (held == NULL) {
    refuse(signer, MESSAGE_CRL, id, UNKNOWN_CA);
    return;
  }
  if (!is_open(signer, held, MESSAGE_CRL, id))
    return;
  g_autoptr(GBytes) crl = crl_sign(held->issuer, &fields, &error);
  if (crl == NULL) {
    refuse(signer, MESSAGE_CRL, id, error->message);
    reopen_if_lost(signer, error);
  } else {
    answer(signer, MESSAGE_CRL, id, body_of(MESSAGE_CRL, crl, ""));
  }
}

/* FALSE: the octets have not the size of what they are to be. */
static gboolean take_octets(GVariant *body, gsize index, void *to, gsize size) {
  g_autoptr(GVariant) value = g_variant_get_child_value(body, index);
  g_autoptr(GBytes) octets = message_octets(value);
  if (g_bytes_get_size(octets) != size)
    return FALSE;
  memcpy(to, g_bytes_get_data(octets, NULL), size);
  return TRUE;
}

static void on_checkpoint(Signer *signer, guint64 id, GVariant *body) {
  g_autoptr(GError) error = NULL;
  AuditCheckpoint asked = {.number = 0};
  g_variant_get(body, "(ayxayxx)", NULL, &asked.number, NULL, &asked.at, &asked.previous);
  if (!take_octets(body, 0, &asked.chain, ID_OCTETS) ||
      !take_octets(body, 2, asked.hash, AUDIT_HASH_OCTETS))
    role_die_of_nonsense(ROLE_CORE, "a checkpoint that cannot be");
  const AuditCheckpoint last = checkpoint_file_last(&signer->checkpoint, &asked.chain);
  const char *fault =
      signer->audit_key == NULL ? "there is no audit key" : audit_checkpoint_fault(&last, &asked);
  g_autoptr(GBytes) signature =
      fault == NULL ? audit_key_sign(signer->audit_key, &asked, &error) : NULL;
  g_autoptr(GBytes) nothing = g_bytes_new(NULL, 0);
  if (signature != NULL && !checkpoint_file_keep(&signer->checkpoint, &asked, &error))
    g_clear_pointer(&signature, g_bytes_unref);
  g_autoptr(GBytes) spki =
      signature != NULL ? audit_key_spki(signer->audit_key) : g_bytes_ref(nothing);
  answer(signer, MESSAGE_CHECKPOINT_SIGNED, id,
         g_variant_new("(@ay@ays)", message_from_octets(signature != NULL ? signature : nothing),
                       message_from_octets(spki),
                       signature != NULL ? ""
                       : fault != NULL   ? fault
                                         : error->message));
}

static void on_core_says(Channel *channel G_GNUC_UNUSED, guint kind, guint64 id, GVariant *body,
                         int fd G_GNUC_UNUSED, gpointer user) {
  static void (*const questions[MESSAGE_COUNT])(Signer *, guint64, GVariant *) = {
      [MESSAGE_BUILD] = on_build,
      [MESSAGE_SIGN] = on_sign,
      [MESSAGE_SIGN_CRL] = on_sign_crl,
      [MESSAGE_CHECKPOINT] = on_checkpoint};
  questions[kind](((RoleProcess *)user)->state, id, body);
}

/* --- life
 * -------------------------------------------------------------------------------------------------
 */

static gboolean read_audit_key(RoleProcess *process, Signer *signer, const char *passphrase,
                               GError **error) {
  g_autoptr(GError) unreadable = NULL;
  g_autoptr(GBytes) key = role_read_file(process, "audit-key", &unreadable);
  if (key != NULL)
    signer->audit_key = audit_key_read(key, passphrase, error);
  else if (unreadable != NULL)
    g_propagate_error(error, g_steal_pointer(&unreadable));
  return signer->audit_key != NULL || (key == NULL && (error == NULL || *error == NULL));
}

/* Said at start: what this process may do that no other role may. */
static void say_rights(const Signer *signer) {
  const Config *config = signer->process->config;
  g_autofree char *paths = g_strjoinv("; ", (char **)config_list(config, "ca.pkcs11-paths"));
  log_info("PKCS#11 module loaded", "module", config_text(config, "ca.pkcs11-module"), "uses",
           *paths != '\0' ? paths : NULL, "rights",
           "its code runs in this process, with the files, devices and sockets it opens", NULL);
}

/* The name under which the parent gives a file of a group. */
static char *descriptor_of(const char *group, const char *key) {
  static const struct {
    const char *key, *descriptor;
  } of_ca[] = {
      {"certificate", "ca-certificate"}, {"key", "ca-key"}, {"passphrase-file", "ca-passphrase"}};
  for (gsize i = 0; strcmp(group, "ca") == 0 && i < G_N_ELEMENTS(of_ca); i++)
    if (strcmp(of_ca[i].key, key) == 0)
      return g_strdup(of_ca[i].descriptor);
  return ca_key_name(group, key);
}

static GBytes *read_group_file(RoleProcess *process, const char *group, const char *key,
                               GError **error) {
  g_autofree char *descriptor = descriptor_of(group, key);
  return role_read_file(process, descriptor, error);
}

/* A token that is not there is waited for; one that refused the PIN is not asked again, since that
   may lock it. */
static void open_token(Signer *signer, const char *group, Held *held) {
  g_autoptr(GError) error = NULL;
  g_autofree char *name = ca_key_name(group, "key");
  g_autoptr(GBytes) pin = read_group_file(signer->process, group, "passphrase-file", NULL);
  gboolean loaded = signer->pkcs11 != NULL;
  if (signer->pin_refused) {
    held->locked = g_strdup("the CA key is not open: the token refused the PIN of another CA");
    return;
  }
  gboolean open =
      ca_key_open(signer->process->config, group, pin, held->issuer, &signer->pkcs11, &error);
  if (!loaded && signer->pkcs11 != NULL)
    say_rights(signer);
  if (open)
    log_info("key opened", "key", config_text(signer->process->config, name), NULL);
  signer->pin_refused = signer->pin_refused || g_error_matches(error, CA_ERROR, CA_ERROR_PIN);
  if (signer->reopen == NULL)
    signer->reopen = evtimer_new(signer->process->base, on_reopen, signer);
  if (open)
    return;
  log_error("key not opened", "key", config_text(signer->process->config, name), "reason",
            error->message, NULL);
  held->locked = g_strconcat("the CA key is not open: ", error->message, NULL);
}

static gboolean read_issuer(RoleProcess *process, Signer *signer, const char *group,
                            GError **error) {
  gboolean token = ca_key_in_token(process->config, group);
  g_autoptr(GBytes) certificate = read_group_file(process, group, "certificate", error);
  g_autoptr(GBytes) key =
      certificate != NULL && !token ? read_group_file(process, group, "key", error) : NULL;
  if (certificate == NULL || (key == NULL && !token))
    return FALSE;
  g_autoptr(GBytes) passphrase =
      token ? NULL : read_group_file(process, group, "passphrase-file", NULL);
  g_autofree char *first_line = passphrase != NULL ? pem_first_line(passphrase) : NULL;
  Issuer *issuer = issuer_new(certificate, key, first_line, error);
  if (issuer == NULL)
    return FALSE;
  Held *held = g_new0(Held, 1);
  held->issuer = issuer;
  held->identifier = issuer_identifier(issuer);
  g_ptr_array_add(signer->held, held);
  if (strcmp(group, "ca") == 0 && !read_audit_key(process, signer, first_line, error))
    return FALSE;
  if (token)
    open_token(signer, group, held);
  return TRUE;
}

static gboolean read_issuers(RoleProcess *process, Signer *signer, GError **error) {
  const char *const *name = config_names(process->config, "issuer");
  signer->held = g_ptr_array_new();
  if (!read_issuer(process, signer, "ca", error))
    return FALSE;
  for (; *name != NULL; name++) {
    g_autofree char *group = g_strconcat("issuer ", *name, NULL);
    if (!read_issuer(process, signer, group, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean start(RoleProcess *process, GError **error) {
  Signer *signer = process->state = g_new0(Signer, 1);
  signer->process = process;
  signer->started = seconds_now();
  g_autoptr(GArray) log = role_take_descriptors(process, "signer-log");
  g_autoptr(GArray) checkpoint = role_take_descriptors(process, "signer-checkpoint");
  if (!read_issuers(process, signer, error))
    return FALSE;
  if (log->len != 1 || checkpoint->len != 1) {
    g_set_error(error, CA_ERROR, CA_ERROR_LOG, "the signer's log was not given");
    return FALSE;
  }
  if (!checkpoint_file_open(&signer->checkpoint, g_array_index(checkpoint, int, 0), error))
    return FALSE;
  signer->log = signer_log_new(g_array_index(log, int, 0), error);
  signer->hourly_cap = config_number(process->config, "ca.signatures-per-hour");
  signer->unsynced = g_ptr_array_new_with_free_func(waiting_free);
  signer->sync = event_new(process->base, -1, 0, on_sync, signer);
  return signer->log != NULL;
}

const RoleTable role_signer = {.role = ROLE_SIGNER, .start = start, .received = on_core_says};
