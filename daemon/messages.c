/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/messages.h"
#include "acme/measure.h"
#include "base/perspective.h"
#include "mime/dsn.h"
#include "mime/reply.h"

#define PARENT ROLE_BIT(ROLE_PARENT)
#define EDGE ROLE_BIT(ROLE_EDGE)
#define CORE ROLE_BIT(ROLE_CORE)
#define INBOUND ROLE_BIT(ROLE_INBOUND)
#define OUTBOUND ROLE_BIT(ROLE_OUTBOUND)
#define LOOKUP ROLE_BIT(ROLE_LOOKUP)
#define SIGNER ROLE_BIT(ROLE_SIGNER)
#define LINTER ROLE_BIT(ROLE_LINTER)
#define OPERATOR ROLE_BIT(ROLE_OPERATOR)
#define ROLES (EDGE | CORE | INBOUND | OUTBOUND | LOOKUP | SIGNER | LINTER)

#define TOLD(roles_from, roles_to, type_text)                                                      \
  .type = type_text, .from = (roles_from), .to = (roles_to)
#define ASKED(roles_from, roles_to, type_text)                                                     \
  TOLD(roles_from, roles_to, type_text), .question = TRUE
#define ANSWER(asked, roles_from, roles_to, type_text)                                             \
  TOLD(roles_from, roles_to, type_text), .answer_to = (asked)

static const ChannelKind kinds[MESSAGE_COUNT] = {
    [MESSAGE_CONFIG] = {"config", TOLD(PARENT, ROLES, "a{ss}")},
    [MESSAGE_DESCRIPTOR] = {"descriptor", TOLD(PARENT, ROLES, "s"), .carries_fd = TRUE},
    [MESSAGE_PEER] = {"peer", TOLD(PARENT, ROLES, "(uu)"), .carries_fd = TRUE},
    [MESSAGE_START] = {"start", TOLD(PARENT, ROLES, "u")},
    [MESSAGE_RELOAD] = {"reload", TOLD(PARENT, ROLES, "a{ss}")},
    [MESSAGE_STARTED] = {"started", TOLD(ROLES, PARENT, "()")},
    [MESSAGE_ROLES] = {"roles", TOLD(PARENT, CORE, ACME_ROLES_TYPE)},
    [MESSAGE_ENDS] = {"ends", TOLD(PARENT, CORE, ACME_ENDS_TYPE)},
    [MESSAGE_REQUEST] = {"request", ASKED(EDGE, CORE, "(ayay)")},
    [MESSAGE_RESPONSE] = {"response", ANSWER(MESSAGE_REQUEST, CORE, EDGE, "(uayay)")},
    [MESSAGE_WANT_NONCES] = {"want-nonces", ASKED(EDGE, CORE, "u")},
    [MESSAGE_NONCES] = {"nonces", ANSWER(MESSAGE_WANT_NONCES, CORE, EDGE, "ay")},
    [MESSAGE_MEASURE] = {"measure", ASKED(EDGE, CORE, "()")},
    [MESSAGE_MEASURED] = {"measured", ANSWER(MESSAGE_MEASURE, CORE, EDGE, "(s" METRICS_TYPE ")")},
    [MESSAGE_COUNTED] = {"counted", TOLD(EDGE | INBOUND, CORE, METRICS_TYPE)},
    [MESSAGE_RECIPIENT] = {"recipient", ASKED(INBOUND, CORE, "s")},
    [MESSAGE_RECIPIENT_ANSWER] = {"recipient-answer",
                                  ANSWER(MESSAGE_RECIPIENT, CORE, INBOUND, "(uss)")},
    [MESSAGE_MAIL] = {"mail", ASKED(INBOUND, CORE, "(sssasbay)")},
    [MESSAGE_MAIL_ANSWER] = {"mail-answer", ANSWER(MESSAGE_MAIL, CORE, INBOUND, "(uss)")},
    [MESSAGE_EXAMINE] = {"examine", ASKED(CORE, INBOUND, "(ayxb)")},
    [MESSAGE_EVIDENCE] = {"evidence", ANSWER(MESSAGE_EXAMINE, INBOUND, CORE,
                                             "(" REPLY_EVIDENCE_TYPE PERSPECTIVE_ANSWERS_TYPE ")")},
    [MESSAGE_EXAMINE_BOUNCE] = {"examine-bounce", ASKED(CORE, INBOUND, "ay")},
    [MESSAGE_BOUNCE_EVIDENCE] = {"bounce-evidence",
                                 ANSWER(MESSAGE_EXAMINE_BOUNCE, INBOUND, CORE, DSN_EVIDENCE_TYPE)},
    [MESSAGE_DELIVER] = {"deliver", ASKED(CORE, OUTBOUND, "(ssssssxu)")},
    [MESSAGE_DELIVERED] = {"delivered", ANSWER(MESSAGE_DELIVER, OUTBOUND, CORE, "(uusay)")},
    [MESSAGE_NOTICE] = {"notice", ASKED(CORE, OUTBOUND, "(ssssssxxxu)")},
    [MESSAGE_NOTICE_DELIVERED] = {"notice-delivered",
                                  ANSWER(MESSAGE_NOTICE, OUTBOUND, CORE, "(uusay)")},
    [MESSAGE_IODEF] = {"iodef", ASKED(CORE, OUTBOUND, "(sssssssxxu)")},
    [MESSAGE_IODEF_DELIVERED] = {"iodef-delivered",
                                 ANSWER(MESSAGE_IODEF, OUTBOUND, CORE, "(uusay)")},
    [MESSAGE_CAA] = {"caa", ASKED(CORE, LOOKUP, "s")},
    [MESSAGE_CAA_ANSWER] = {"caa-answer", ANSWER(MESSAGE_CAA, LOOKUP, CORE,
                                                 "(ubxmsaays" PERSPECTIVE_ANSWERS_TYPE ")")},
    [MESSAGE_BUILD] = {"build", ASKED(CORE, SIGNER, "(ayayayasxxbbbuss)")},
    [MESSAGE_BUILT] = {"built", ANSWER(MESSAGE_BUILD, SIGNER, CORE, "(ayss)")},
    [MESSAGE_SIGN] = {"sign", ASKED(CORE, SIGNER, "(ayayb)")},
    [MESSAGE_SIGNED] = {"signed", ANSWER(MESSAGE_SIGN, SIGNER, CORE, "(ays)")},
    [MESSAGE_SIGN_CRL] = {"sign-crl", ASKED(CORE, SIGNER, "(ayxxxsa(ayxi))")},
    [MESSAGE_CRL] = {"crl", ANSWER(MESSAGE_SIGN_CRL, SIGNER, CORE, "(ays)")},
    [MESSAGE_LINT] = {"lint", ASKED(CORE, LINTER, "ay")},
    [MESSAGE_LINTED] = {"linted", ANSWER(MESSAGE_LINT, LINTER, CORE, "(ss)")},
    [MESSAGE_CHECKPOINT] = {"checkpoint", ASKED(CORE, SIGNER, "(ayxayxx)")},
    [MESSAGE_CHECKPOINT_SIGNED] = {"checkpoint-signed",
                                   ANSWER(MESSAGE_CHECKPOINT, SIGNER, CORE, "(ayays)")},
    [MESSAGE_COMMAND] = {"command", ASKED(OPERATOR, CORE, "(ss)")},
    [MESSAGE_COMMAND_ANSWER] = {"command-answer", ANSWER(MESSAGE_COMMAND, CORE, OPERATOR, "(us)")},
};

const ChannelCatalogue message_catalogue = {kinds, MESSAGE_COUNT};

GVariant *message_join(guint kind, const NormalFormPart *parts) {
  return normal_form_join(kinds[kind].type, parts);
}

void message_split(GVariant *body, NormalFormPart *parts) {
  normal_form_split(g_variant_get_type_string(body), normal_form_of(body), parts);
}

GBytes *message_octets(GVariant *value) {
  return g_variant_get_data_as_bytes(value);
}

GBytes *message_part(GVariant *body, const NormalFormPart *member) {
  return g_bytes_new_with_free_func(member->data, member->size, (GDestroyNotify)g_variant_unref,
                                    g_variant_ref(body));
}

GVariant *message_from_octets(GBytes *octets) {
  return g_variant_new_from_bytes(G_VARIANT_TYPE("ay"), octets, TRUE);
}
