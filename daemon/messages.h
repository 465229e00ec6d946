/* SPDX-License-Identifier: Apache-2.0 */
/* The catalogue of what the processes of signetd, and an operator, say to each other. */
#ifndef SIGNET_DAEMON_MESSAGES_H
#define SIGNET_DAEMON_MESSAGES_H

#include "base/channel.h"
#include "base/normal_form.h"

typedef enum {
  MESSAGE_NONE,
  /* parent to every role */
  MESSAGE_CONFIG,     /* a{ss}: first of all */
  MESSAGE_DESCRIPTOR, /* name, with a descriptor: a listening socket, a file, a folder */
  MESSAGE_PEER,       /* role number and index, with one end of a socket pair to it */
  MESSAGE_START,      /* index among those of the role; everything is there: begin */
  MESSAGE_RELOAD,     /* a{ss}, and files that were given anew: what holds now */
  MESSAGE_STARTED,    /* back: the role has begun its work */
  /* parent to core */
  MESSAGE_ROLES, /* of every process: role, index, pid (0: none), since when, restarts */
  MESSAGE_ENDS,  /* what ends, and when: certificates, lists and keys in files */
  /* edge and core */
  MESSAGE_REQUEST,     /* method, path, content type, client address as texts; body */
  MESSAGE_RESPONSE,    /* status, names and values of header fields as texts, body */
  MESSAGE_WANT_NONCES, /* how many */
  MESSAGE_NONCES,      /* fresh ones as texts */
  MESSAGE_MEASURE,     /* what is the state of all that core counts */
  MESSAGE_MEASURED,    /* name of the core, METRICS_TYPE */
  /* edge or inbound to core */
  MESSAGE_COUNTED, /* METRICS_TYPE: what was added since the last time */
  /* inbound and core */
  MESSAGE_RECIPIENT,        /* is there such a recipient: address */
  MESSAGE_RECIPIENT_ANSWER, /* reply code, enhanced code, text */
  MESSAGE_MAIL,             /* peer, helo, reverse-path, recipients, TLS, raw message */
  MESSAGE_MAIL_ANSWER,      /* reply code, enhanced code, text */
  MESSAGE_EXAMINE,          /* raw message, time it was received, whether DNS is asked */
  MESSAGE_EVIDENCE,         /* what it says, see mime/reply.h; answers of perspectives */
  MESSAGE_EXAMINE_BOUNCE,   /* raw message */
  MESSAGE_BOUNCE_EVIDENCE,  /* what it says, see mime/dsn.h */
  /* core and outbound */
  MESSAGE_DELIVER,   /* reverse-path, from, reply-to, to, token-part1, Message-ID, time */
  MESSAGE_DELIVERED, /* SenderOutcome, reply code, text, raw message as handed over */
  MESSAGE_NOTICE,    /* kind, from, to, Message-ID, serial, issuer, first and last moment, time */
  MESSAGE_NOTICE_DELIVERED, /* as DELIVERED */
  MESSAGE_IODEF, /* from, to, Message-ID, incident, domain, mailboxes, record, when refused, time */
  MESSAGE_IODEF_DELIVERED, /* as DELIVERED */
  /* core and lookup */
  MESSAGE_CAA,        /* domain */
  MESSAGE_CAA_ANSWER, /* ResolverOutcome, secure, TTL, found at, records, text; perspectives */
  /* core and signer */
  MESSAGE_BUILD,    /* subjectKeyIdentifier of the CA, CertificateFields */
  MESSAGE_BUILT,    /* to-be-signed octets, findings; error text when it could not be built */
  MESSAGE_SIGN,     /* subjectKeyIdentifier of the CA, to-be-signed octets, whether only what is
                       signed already is asked for */
  MESSAGE_SIGNED,   /* certificate, empty when it is not signed already; error text otherwise */
  MESSAGE_SIGN_CRL, /* subjectKeyIdentifier of the CA, number, thisUpdate, nextUpdate, URL of a list
                        with a scope, entries
                     */
  MESSAGE_CRL,      /* CRL; error text otherwise */
  MESSAGE_CHECKPOINT,        /* AuditCheckpoint: chain, number, hash, time, previous */
  MESSAGE_CHECKPOINT_SIGNED, /* signature, SubjectPublicKeyInfo; error text otherwise */
  /* core and linter */
  MESSAGE_LINT,   /* to-be-signed octets */
  MESSAGE_LINTED, /* findings, "" when there are none; error text when there is no verdict */
  /* an operator (signetctl) and core */
  MESSAGE_COMMAND,        /* name ("eab add"), arguments as the text of a JSON object */
  MESSAGE_COMMAND_ANSWER, /* 0 done, and what it gave as JSON text; 1 refused, and why */
  MESSAGE_COUNT
} MessageKind;

extern const ChannelCatalogue message_catalogue;

/* A body of the kind's type, which is a tuple, of a part for each member; floating. */
GVariant *message_join(guint kind, const NormalFormPart *parts);
/* The members of a body that came, which is a tuple; one part for each. */
void message_split(GVariant *body, NormalFormPart *parts);
/* An octet string of a body that is valid for the body's life. */
GBytes *message_octets(GVariant *value);
/* The same of a member of a body. */
GBytes *message_part(GVariant *body, const NormalFormPart *member);
GVariant *message_from_octets(GBytes *octets);

#endif
