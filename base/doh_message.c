/* SPDX-License-Identifier: Apache-2.0 */
#include "base/doh_message.h"

#include <ldns/ldns.h>
#include <string.h>

#define RECORD_FIXED_OCTETS 10 /* type, class, TTL, length of the data */

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ldns_pkt, ldns_pkt_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ldns_rdf, ldns_rdf_deep_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ldns_buffer, ldns_buffer_free)

static ldns_rdf *read_name(const char *name) {
  ldns_rdf *dname = NULL;
  return ldns_str2rdf_dname(&dname, name) == LDNS_STATUS_OK ? dname : NULL;
}

GBytes *doh_message_question(const char *name, int type) {
  ldns_rdf *dname = read_name(name);
  g_autoptr(ldns_pkt) packet = NULL;
  uint8_t *wire = NULL;
  size_t length = 0;
  if (dname == NULL)
    return NULL;
  packet = ldns_pkt_query_new(dname, (ldns_rr_type)type, LDNS_RR_CLASS_IN, LDNS_RD | LDNS_AD);
  ldns_pkt_set_id(packet, 0); /* RFC 8484 section 4.1: the same question is the same message */
  if (ldns_pkt2wire(&wire, packet, &length) != LDNS_STATUS_OK)
    return NULL;
  GBytes *question = g_bytes_new(wire, length);
  free(wire);
  return question;
}

static void set_outcome(ResolverAnswer *answer, ResolverOutcome outcome, const char *text) {
  answer->outcome = outcome;
  g_free((char *)answer->text);
  answer->text = g_strdup(text);
}

/* The one question of the packet is ours; names are compared without case (RFC 4343). */
static gboolean asks(const ldns_pkt *packet, const ldns_rdf *name, int type) {
  const ldns_rr_list *questions = ldns_pkt_question(packet);
  if (ldns_rr_list_rr_count(questions) != 1)
    return FALSE;
  const ldns_rr *question = ldns_rr_list_rr(questions, 0);
  return ldns_rr_get_type(question) == (ldns_rr_type)type &&
         ldns_rr_get_class(question) == LDNS_RR_CLASS_IN &&
         ldns_dname_compare(ldns_rr_owner(question), name) == 0;
}

/* libldns reads a record without data as one of nothing. */
static gboolean has_empty_record(const ldns_pkt *packet) {
  const ldns_rr_list *records = ldns_pkt_answer(packet);
  for (size_t i = 0; i < ldns_rr_list_rr_count(records); i++)
    if (ldns_rr_rd_count(ldns_rr_list_rr(records, i)) == 0)
      return TRUE;
  return FALSE;
}

/* Why the packet is no answer to the question; NULL: it is. */
static const char *unfit(const ldns_pkt *packet, const ldns_rdf *name, int type) {
  if (!ldns_pkt_qr(packet))
    return "it is no answer";
  if (ldns_pkt_id(packet) != 0)
    return "it has another id";
  if (ldns_pkt_get_opcode(packet) != LDNS_PACKET_QUERY)
    return "it is of another kind";
  if (!asks(packet, name, type))
    return "it answers another question";
  if (ldns_pkt_tc(packet))
    return "it is cut off";
  if (has_empty_record(packet))
    return "a record is empty";
  return NULL;
}

static gboolean is_of(const ldns_rr *record, const ldns_rdf *owner, ldns_rr_type type) {
  return ldns_rr_get_type(record) == type && ldns_rr_get_class(record) == LDNS_RR_CLASS_IN &&
         ldns_dname_compare(ldns_rr_owner(record), owner) == 0;
}

/* A record's wire data, names in it whole. */
static GBytes *data_of(const ldns_rr *record) {
  g_autoptr(ldns_buffer) buffer = ldns_buffer_new(LDNS_MAX_PACKETLEN);
  gsize head = ldns_rdf_size(ldns_rr_owner(record)) + RECORD_FIXED_OCTETS;
  if (buffer == NULL ||
      ldns_rr2buffer_wire(buffer, record, LDNS_SECTION_ANSWER) != LDNS_STATUS_OK ||
      ldns_buffer_position(buffer) < head)
    return NULL;
  return g_bytes_new(ldns_buffer_at(buffer, head), ldns_buffer_position(buffer) - head);
}

/* Where the alias leads; NULL when owner is none. */
static const ldns_rdf *alias_of(const ldns_rr_list *records, const ldns_rdf *owner) {
  for (size_t i = 0; i < ldns_rr_list_rr_count(records); i++) {
    const ldns_rr *record = ldns_rr_list_rr(records, i);
    if (is_of(record, owner, LDNS_RR_TYPE_CNAME))
      return ldns_rr_rdf(record, 0);
  }
  return NULL;
}

static void collect(const ldns_rr_list *records, const ldns_rdf *owner, int type,
                    ResolverAnswer *answer) {
  for (size_t i = 0; i < ldns_rr_list_rr_count(records); i++) {
    const ldns_rr *record = ldns_rr_list_rr(records, i);
    GBytes *data = is_of(record, owner, (ldns_rr_type)type) ? data_of(record) : NULL;
    if (data == NULL)
      continue;
    gint64 ttl = ldns_rr_ttl(record);
    answer->ttl = answer->rdata->len == 0 ? ttl : MIN(ttl, answer->ttl);
    g_ptr_array_add(answer->rdata, data);
  }
}

static void read_records(const ldns_pkt *packet, const ldns_rdf *name, int type,
                         ResolverAnswer *answer) {
  const ldns_rr_list *records = ldns_pkt_answer(packet);
  const ldns_rdf *owner = name;
  for (guint aliases = 0; owner != NULL && answer->rdata->len == 0; aliases++) {
    if (aliases > DOH_MAX_ALIASES) {
      set_outcome(answer, RESOLVER_TEMPORARY, "the answer is unusable: too many aliases");
      return;
    }
    collect(records, owner, type, answer);
    owner = alias_of(records, owner);
  }
  if (answer->rdata->len > 0)
    set_outcome(answer, RESOLVER_FOUND, "found");
  else
    set_outcome(answer, RESOLVER_NONE, "no record of that type");
}

static void read_packet(const ldns_pkt *packet, const ldns_rdf *name, int type,
                        ResolverAnswer *answer) {
  const char *why = unfit(packet, name, type);
  ldns_pkt_rcode code = ldns_pkt_get_rcode(packet);
  g_autofree char *text = NULL;
  if (why != NULL)
    text = g_strdup_printf("the answer is unusable: %s", why);
  else if (code != LDNS_RCODE_NOERROR && code != LDNS_RCODE_NXDOMAIN)
    text = g_strdup_printf("the resolver reports error %d", (int)code);
  if (text != NULL) {
    set_outcome(answer, RESOLVER_TEMPORARY, text);
    return;
  }
  if (code == LDNS_RCODE_NXDOMAIN)
    set_outcome(answer, RESOLVER_NONE, "no such domain name");
  else
    read_records(packet, name, type, answer);
  answer->secure = ldns_pkt_ad(packet) && answer->outcome >= RESOLVER_NONE;
}

void doh_message_read(GBytes *message, const char *name, int type, ResolverAnswer *answer) {
  g_autoptr(ldns_rdf) dname = read_name(name);
  g_autoptr(ldns_pkt) packet = NULL;
  gsize length = 0;
  const guint8 *octets = g_bytes_get_data(message, &length);
  *answer =
      (ResolverAnswer){.rdata = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref)};
  if (length > DOH_MAX_OCTETS)
    set_outcome(answer, RESOLVER_TEMPORARY, "the answer is unusable: it is too large");
  else if (dname == NULL || ldns_wire2pkt(&packet, octets, length) != LDNS_STATUS_OK)
    set_outcome(answer, RESOLVER_TEMPORARY, "the answer is unusable: it is malformed");
  else
    read_packet(packet, dname, type, answer);
}

void doh_message_clear(ResolverAnswer *answer) {
  g_clear_pointer(&answer->rdata, g_ptr_array_unref);
  g_clear_pointer((char **)&answer->text, g_free);
}
