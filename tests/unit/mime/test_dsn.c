/* SPDX-License-Identifier: Apache-2.0 */
/* Delivery status notifications and bounces as mail servers write them, and what is neither
   (interop.md items 22 and 23; RFC 3464, RFC 6533). */
#include "mime/dsn_recipient.h"

#include <string.h>

#define HEAD "From: MAILER-DAEMON@mx.example.net\nTo: acme-bounce+x@ca.test\nSubject: Undelivered\n"
#define REPORT                                                                                     \
  HEAD "Auto-Submitted: auto-replied\nMIME-Version: 1.0\n"                                         \
       "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n"               \
       "--b\nContent-Type: text/plain\n\nIt did not work: 550 5.9.9 eve@example.net.\n\n"
#define STATUS "--b\nContent-Type: message/delivery-status\n\n"
#define MTA "Reporting-MTA: dns; mx.example.net\nArrival-Date: Sun, 1 Mar 2026 00:00:00 +0000\n\n"
#define ANN "Final-Recipient: rfc822; ann@example.org\n"
#define RETURNED                                                                                   \
  "\n--b\nContent-Type: message/rfc822\n\nFrom: acme-challenge+y@ca.test\nSubject: ACME: x\n\n"    \
  "Final-Recipient: rfc822; eve@example.net\n--b--\n"
#define UTF8_ANN "\u0430\u043d\u043d\u0430@xn--bcher-kva.example"

/* What is read of the first recipient; NULL: nothing. */
typedef struct {
  const char *name, *text;
  DsnForm form;
  const char *dialect, *final, *original;
  DsnAction action;
  const char *status, *words;
} Shape;

static const Shape reports[] = {
    {"Postfix",
     REPORT STATUS MTA ANN "Original-Recipient: rfc822;ann@example.org\nAction: failed\n"
                           "Status: 5.1.1\nRemote-MTA: dns; mx.example.org\n"
                           "Diagnostic-Code: smtp; 550 5.1.1 <ann@example.org>: User unknown\n"
                           "    in virtual mailbox table\n" RETURNED,
     DSN_REPORT, "RFC 3464", "ann@example.org", "ann@example.org", DSN_FAILED, "5.1.1",
     "550 5.1.1 <ann@example.org>: User unknown in virtual mailbox table"},
    {"delayed",
     REPORT STATUS MTA ANN "Action: delayed\nStatus: 4.4.1\nDiagnostic-Code: X-Postfix; connect to "
                           "mx.example.org[192.0.2.1]:25: Connection refused\n"
                           "Will-Retry-Until: Mon, 2 Mar 2026 00:00:00 +0000\n" RETURNED,
     DSN_REPORT, "RFC 3464", "ann@example.org", NULL, DSN_DELAYED, "4.4.1",
     "connect to mx.example.org[192.0.2.1]:25: Connection refused"},
    {"given up", REPORT STATUS MTA ANN "Action: failed\nStatus: 4.4.7\n" RETURNED, DSN_REPORT,
     "RFC 3464", "ann@example.org", NULL, DSN_FAILED, "4.4.7", NULL},
    {"delivered", REPORT STATUS MTA ANN "Action: delivered\nStatus: 2.0.0\n" RETURNED, DSN_REPORT,
     "RFC 3464", "ann@example.org", NULL, DSN_DELIVERED, "2.0.0", NULL},
    {"relayed", REPORT STATUS MTA ANN "Action: Relayed (to a server without DSN)\n" RETURNED,
     DSN_REPORT, "RFC 3464", "ann@example.org", NULL, DSN_RELAYED, NULL, NULL},
    {"expanded", REPORT STATUS MTA ANN "ACTION: EXPANDED\nStatus: 2.0.0\n" RETURNED, DSN_REPORT,
     "RFC 3464", "ann@example.org", NULL, DSN_EXPANDED, "2.0.0", NULL},
    {"unknown action", REPORT STATUS MTA ANN "Action: gone\nStatus: 5.0.0\n" RETURNED, DSN_REPORT,
     "RFC 3464", "ann@example.org", NULL, DSN_ACTION_UNKNOWN, "5.0.0", NULL},
    {"Exchange: status in the words only",
     REPORT STATUS
     "Reporting-MTA: dns;ex.example.org\n\nFinal-recipient: RFC822; <ann@example.org>\n"
     "Action: failed\nX-Display-Name: Ann\nDiagnostic-code: smtp;550 5.1.10 "
     "RESOLVER.ADR.RecipientNotFound; not found\n" RETURNED,
     DSN_REPORT, "RFC 3464", "ann@example.org", NULL, DSN_FAILED, "5.1.10",
     "550 5.1.10 RESOLVER.ADR.RecipientNotFound; not found"},
    {"reply code only",
     REPORT STATUS MTA ANN "Action: failed\nDiagnostic-Code: smtp; 554 no\n" RETURNED, DSN_REPORT,
     "RFC 3464", "ann@example.org", NULL, DSN_FAILED, "5.0.0", "554 no"},
    {"no empty line before the recipient",
     REPORT STATUS "Reporting-MTA: dns;a\n" ANN "Action: failed\nStatus: 5.2.2 (full)\n" RETURNED,
     DSN_REPORT, "RFC 3464", "ann@example.org", NULL, DSN_FAILED, "5.2.2", NULL},
    {"no empty line between recipients",
     REPORT STATUS MTA ANN "Action: failed\nStatus: 5.2.2\nFinal-Recipient: rfc822; "
                           "bob@example.org\nAction: delayed\nStatus: 4.0.0\n" RETURNED,
     DSN_REPORT, "RFC 3464", "ann@example.org", NULL, DSN_FAILED, "5.2.2", NULL},
    {"the first field of a name counts",
     REPORT STATUS MTA ANN
     "Action: delayed\nAction: failed\nStatus: 4.2.2\nStatus: 5.1.1\n" RETURNED,
     DSN_REPORT, "RFC 3464", "ann@example.org", NULL, DSN_DELAYED, "4.2.2", NULL},
    {"original only",
     REPORT STATUS MTA
     "Original-Recipient: rfc822;ann@example.org\nAction: failed\nStatus: 5.0.0\n" RETURNED,
     DSN_REPORT, "RFC 3464", NULL, "ann@example.org", DSN_FAILED, "5.0.0", NULL},
    {"Sendmail: forwarded",
     REPORT STATUS MTA ANN "X-Actual-Recipient: RFC822; eve@example.net\nAction: failed\n"
                           "Status: 5.1.1\nDiagnostic-Code: SMTP; 550 eve@example.net\n" RETURNED,
     DSN_REPORT, "RFC 3464", "eve@example.net", NULL, DSN_FAILED, "5.1.1", "550 eve@example.net"},
    {"Sendmail: the mailbox at its own host",
     REPORT STATUS MTA ANN "X-Actual-Recipient: RFC822; Ann@mx1.Example.org\nAction: failed\n"
                           "Status: 5.2.2\n" RETURNED,
     DSN_REPORT, "RFC 3464", "ann@example.org", NULL, DSN_FAILED, "5.2.2", NULL},
    {"base64",
     REPORT "--b\nContent-Type: message/delivery-status\nContent-Transfer-Encoding: base64\n\n"
            "RmluYWwtUmVjaXBpZW50OiByZmM4MjI7IGFubkBleGFtcGxlLm9yZwpBY3Rpb246IGZhaWxlZApT\n"
            "dGF0dXM6IDUuMS4xCg==\n" RETURNED,
     DSN_REPORT, "RFC 3464", "ann@example.org", NULL, DSN_FAILED, "5.1.1", NULL},
    {"a gateway's footer around it",
     HEAD "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/report; "
          "report-type=delivery-status; boundary=b\n\n" STATUS MTA ANN
          "Action: failed\nStatus: 5.1.1\n--b--\n--a\n\nConfidential.\n--a--\n",
     DSN_REPORT, "RFC 3464", "ann@example.org", NULL, DSN_FAILED, "5.1.1", NULL},
    {"UTF-8",
     REPORT "--b\nContent-Type: message/global-delivery-status\nContent-Transfer-Encoding: 8bit\n\n"
            "Final-Recipient: utf-8; " UTF8_ANN "\nAction: failed\nStatus: 5.6.7\n" RETURNED,
     DSN_REPORT, "RFC 3464", UTF8_ANN, NULL, DSN_FAILED, "5.6.7", NULL},
    {"UTF-8 in ASCII",
     REPORT STATUS MTA "Final-Recipient: utf-8; \\x{430}\\x{43D}\\x{43d}\\x{430}"
                       "@xn--bcher-kva.example\nAction: failed\nStatus: 5.6.7\n" RETURNED,
     DSN_REPORT, "RFC 3464", UTF8_ANN, NULL, DSN_FAILED, "5.6.7", NULL},
    {"no Unicode characters",
     REPORT STATUS MTA "Final-Recipient: utf-8; \\x{D800}\\x{110000}\\x{}\\x{0}\\x{41@example.org\n"
                       "Action: failed\nStatus: 5.6.7\n" RETURNED,
     DSN_REPORT, "RFC 3464", "\\x{D800}\\x{110000}\\x{}\\x{0}\\x{41@example.org", NULL, DSN_FAILED,
     "5.6.7", NULL},
    {"a control character",
     REPORT STATUS MTA ANN
     "Action: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; 550 a\x1b[31mb\n" RETURNED,
     DSN_REPORT, "RFC 3464", "ann@example.org", NULL, DSN_FAILED, "5.0.0", "550 a\\x1B[31mb"},
    {"status part without a report",
     HEAD "Content-Type: multipart/mixed; boundary=b\n\n" STATUS MTA ANN
          "Action: failed\nStatus: 5.1.1\n" RETURNED,
     DSN_TEXT, "RFC 3464", "ann@example.org", NULL, DSN_FAILED, "5.1.1", NULL},
};

#define QMAIL                                                                                      \
  HEAD "\nHi. This is the qmail-send program at mx.example.net.\n"                                 \
       "I'm afraid I wasn't able to deliver your message to the following addresses.\n"            \
       "This is a permanent error; I've given up. Sorry it didn't work out.\n\n"
#define EXIM                                                                                       \
  "\nThis message was created automatically by mail delivery software.\n\n"                        \
  "A message that you sent could not be delivered to one or more of its\n"                         \
  "recipients. This is a permanent error. The following address(es) failed:\n\n"

static const Shape texts[] = {
    {"qmail",
     QMAIL "<ann@example.org>:\n192.0.2.1 does not like recipient.\nRemote host said: 550 5.1.1 "
           "User unknown\nGiving up on 192.0.2.1.\n\n--- Below this line is a copy of the "
           "message.\n\nReturn-Path: <acme-bounce+x@ca.test>\n<eve@example.net>:\n",
     DSN_TEXT, "qmail", "ann@example.org", NULL, DSN_FAILED, "5.1.1",
     "Remote host said: 550 5.1.1 User unknown"},
    {"qmail, local", QMAIL "<ann@example.org>:\nSorry, no mailbox here by that name. (#5.1.1)\n",
     DSN_TEXT, "qmail", "ann@example.org", NULL, DSN_FAILED, "5.1.1",
     "Sorry, no mailbox here by that name. (#5.1.1)"},
    {"Postfix without the report",
     HEAD
     "\nThis is the mail system at host mx.example.net.\n\nI'm sorry to have to inform you that "
     "your message could not\nbe delivered to one or more recipients.\n\nFor further "
     "assistance, please send mail to postmaster.\n\n<ann@example.org>: host "
     "mx.example.org[192.0.2.1] said: 552 5.2.2 Mailbox\n    full (in reply to RCPT TO)\n",
     DSN_TEXT, "Postfix", "ann@example.org", NULL, DSN_FAILED, "5.2.2",
     "<ann@example.org>: host mx.example.org[192.0.2.1] said: 552 5.2.2 Mailbox"},
    {"Postfix, delayed",
     HEAD
     "\nThis is the mail system at host mx.example.net.\n\n# THIS IS A WARNING ONLY.  YOU DO NOT "
     "NEED TO RESEND YOUR MESSAGE. #\n\nYour message could not be delivered for more than 4 "
     "hour(s).\n\n<ann@example.org>: host mx.example.org[192.0.2.1] said: 450 4.2.0 later\n",
     DSN_TEXT, "Postfix", "ann@example.org", NULL, DSN_DELAYED, "4.2.0",
     "<ann@example.org>: host mx.example.org[192.0.2.1] said: 450 4.2.0 later"},
    {"Postfix, expanded",
     HEAD "\nThis is the mail system at host mx.example.net.\n\n<bob@example.net> (expanded from "
          "<ann@example.org>): unknown\n    user 5.1.1\n",
     DSN_TEXT, "Postfix", "bob@example.net", NULL, DSN_FAILED, "5.1.1", "user 5.1.1"},
    {"Exim",
     HEAD "X-Failed-Recipients: ann@example.org\n" EXIM
          "  ann@example.org\n    host mx.example.org [192.0.2.1]\n    SMTP error from remote mail "
          "server after RCPT TO:<ann@example.org>:\n    550 5.1.1 <ann@example.org>: User unknown\n"
          "\n------ This is a copy of the message, including all the headers. ------\n",
     DSN_TEXT, "Exim", "ann@example.org", NULL, DSN_FAILED, "5.1.1",
     "550 5.1.1 <ann@example.org>: User unknown"},
    {"Exim, forwarded to where it does not say",
     HEAD "X-Failed-Recipients: ann@example.org\n" EXIM
          "  an undisclosed address\n    (generated from ann@example.org)\n    550 5.1.1 no\n",
     DSN_TEXT, "Exim", "undisclosed", NULL, DSN_FAILED, "5.1.1", "550 5.1.1 no"},
    {"Exim, forwarded",
     HEAD EXIM "  bob@example.net\n    (generated from ann@example.org)\n    550 5.1.1 no\n",
     DSN_TEXT, "Exim", "bob@example.net", NULL, DSN_FAILED, "5.1.1", "550 5.1.1 no"},
    {"Exim, delayed",
     HEAD
     "\nThis message was created automatically by mail delivery software.\nA message that you "
     "sent has not yet been delivered to one or more of its\nrecipients after more than 24 "
     "hours on the queue on mx.example.net.\n\n  ann@example.org\n    Delay reason: SMTP error "
     "after RCPT TO:<ann@example.org>:\n    451 4.7.1 Greylisted\n",
     DSN_TEXT, "Exim", "ann@example.org", NULL, DSN_DELAYED, "4.7.1", "451 4.7.1 Greylisted"},
    {"GMX and web.de",
     HEAD EXIM
     "ann@example.org:\nSMTP error from remote server for RCPT TO command, host: "
     "mx.example.org (192.0.2.1) reason: 550-5.1.1 The account does\n not exist [...]\n\n--- "
     "The header of the original message is following. ---\n\nReceived: from x\n",
     DSN_TEXT, "Exim", "ann@example.org", NULL, DSN_FAILED, "5.1.1",
     "SMTP error from remote server for RCPT TO command, host: mx.example.org (192.0.2.1) reason: "
     "550-5.1.1 The account does"},
    {"1&1", HEAD EXIM "\"ann@example.org\":\nhost: mx.example.org\n5.1.1 <ann@example.org>... no\n",
     DSN_TEXT, "Exim", "ann@example.org", NULL, DSN_FAILED, "5.1.1",
     "5.1.1 <ann@example.org>... no"},
    {"Sendmail",
     HEAD
     "\nThe original message was received at Sun, 1 Mar 2026\n\n   ----- The following addresses "
     "had permanent fatal errors -----\n<ann@example.org>\n    (reason: 550 5.1.1 User unknown)\n"
     "\n   ----- Transcript of session follows -----\n... while talking to mx.example.org.:\n"
     ">>> RCPT To:<ann@example.org>\n<<< 550 5.1.1 User unknown\n\n   ----- Original message "
     "follows -----\n",
     DSN_TEXT, "Sendmail", "ann@example.org", NULL, DSN_FAILED, "5.1.1",
     "(reason: 550 5.1.1 User unknown)"},
    {"Sendmail before 8.7",
     HEAD
     "\n   ----- Transcript of session follows -----\n<<< 550 no such user\n550 "
     "<ann@example.org>... User unknown\nann@example.org... 550 Host unknown\n\n   ----- Unsent "
     "message follows -----\n",
     DSN_TEXT, "Sendmail", "ann@example.org", NULL, DSN_FAILED, "5.0.0",
     "ann@example.org... 550 Host unknown"},
    {"Sendmail, delayed",
     HEAD
     "\n    **********************************************\n    **      THIS IS A WARNING "
     "MESSAGE ONLY      **\n    **********************************************\n\n   ----- The "
     "following addresses had transient non-fatal errors -----\n<ann@example.org>\n\n   ----- "
     "Transcript of session follows -----\n451 4.4.1 reply: read error\n",
     DSN_TEXT, "Sendmail", "ann@example.org", NULL, DSN_DELAYED, "4.4.1",
     "451 4.4.1 reply: read error"},
    {"Exchange",
     HEAD
     "\nDelivery has failed to these recipients or groups:\n\nann@example.org<mailto:"
     "ann@example.org>\nThe email address you entered couldn't be found.\n\nDiagnostic "
     "information for administrators:\n\nGenerating server: EX1.example.org\n\nann@example.org\n"
     "Remote Server returned '550 5.1.10 RESOLVER.ADR.RecipientNotFound; not found'\n\nOriginal "
     "message headers:\n\nReceived: from EX1 15.20.5.1\n",
     DSN_TEXT, "Exchange", "ann@example.org", NULL, DSN_FAILED, "5.1.10",
     "Remote Server returned '550 5.1.10 RESOLVER.ADR.RecipientNotFound; not found'"},
    {"Exchange 2003",
     HEAD
     "\nYour message did not reach some or all of the intended recipients.\n\nThe following "
     "recipient(s) could not be reached:\n\n      'ann@example.org' on 3/1/2026 00:00\n           "
     " The e-mail account does not exist.\n            <mx.example.net #5.1.1>\n",
     DSN_TEXT, "Exchange", "ann@example.org", NULL, DSN_FAILED, "5.1.1", "<mx.example.net #5.1.1>"},
    {"Exchange, delayed",
     HEAD
     "\nDelivery is delayed to these recipients or groups:\n\nann@example.org\n#< #4.4.7 SMTP; "
     "400 4.4.7 Message delayed>\n",
     DSN_TEXT, "Exchange", "ann@example.org", NULL, DSN_DELAYED, "4.4.7",
     "#< #4.4.7 SMTP; 400 4.4.7 Message delayed>"},
    {"Yahoo",
     HEAD "\nSorry, we were unable to deliver your message to the following address.\n\n"
          "<ann@example.org>:\n550: 5.1.1 User unknown\n\n--- Below this line is a copy of the "
          "message.\n",
     DSN_TEXT, "Yahoo", "ann@example.org", NULL, DSN_FAILED, "5.1.1", "550: 5.1.1 User unknown"},
    {"Yahoo, older",
     HEAD
     "\nMessage from yahoo.example.\nUnable to deliver message to the following address(es).\n\n"
     "<ann@example.org>:\nThis user doesn't have an account (ann@example.org) [-9] 554 delivery "
     "error\n",
     DSN_TEXT, "Yahoo", "ann@example.org", NULL, DSN_FAILED, "5.0.0",
     "This user doesn't have an account (ann@example.org) [-9] 554 delivery error"},
    {"Amazon SES",
     HEAD "\nAn error occurred while trying to deliver the mail to the following recipients:\n"
          "ann@example.org\nsmtp; 550 5.1.1 user unknown\n",
     DSN_TEXT, "Amazon SES", "ann@example.org", NULL, DSN_FAILED, "5.1.1",
     "smtp; 550 5.1.1 user unknown"},
    {"Google",
     HEAD
     "\nDelivery to the following recipient failed permanently:\n\n     ann@example.org\n\n"
     "Technical details of permanent failure:\nThe error was: 550 550 5.7.1 Unroutable address "
     "(state 14).\n\n----- Original message -----\n",
     DSN_TEXT, "Google", "ann@example.org", NULL, DSN_FAILED, "5.7.1",
     "The error was: 550 550 5.7.1 Unroutable address (state 14)."},
    {"no status", QMAIL "<ann@example.org>:\nSorry.\n", DSN_TEXT, "qmail", "ann@example.org", NULL,
     DSN_FAILED, NULL, NULL},
    {"in a multipart/alternative",
     HEAD
     "Content-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/plain\n"
     "Content-Transfer-Encoding: quoted-printable\n\nDelivery has failed to these recipients=\n "
     "or groups:\n\nann=40example.org\nRemote Server returned '550=205.1.1 no'\n--b\n"
     "Content-Type: text/html\n\n<p>x</p>\n--b--\n",
     DSN_TEXT, "Exchange", "ann@example.org", NULL, DSN_FAILED, "5.1.1",
     "Remote Server returned '550 5.1.1 no'"},
    {"a report whose status part tells of nobody",
     REPORT STATUS MTA "\n--b--\n" /* the text is none that is known */
     ,
     DSN_AUTOMATIC, NULL, NULL, NULL, DSN_ACTION_UNKNOWN, NULL, NULL},
};

#define NOTHING(form) form, NULL, NULL, NULL, DSN_ACTION_UNKNOWN, NULL, NULL

static const Shape others[] = {
    {"a reply", "From: ann@example.org\nSubject: Re: ACME: x\n\nHello, 550 5.1.1 is what I got.\n",
     NOTHING(DSN_NONE)},
    {"empty", HEAD "\n", NOTHING(DSN_NONE)},
    {"words of nobody", HEAD "\nCould not deliver to <ann@example.org>: 550 5.1.1 no\n",
     NOTHING(DSN_NONE)},
    {"qmail's words not at the beginning",
     HEAD "\nLook:\nHi. This is the qmail-send program at x.\n<ann@example.org>:\n550 5.1.1\n",
     NOTHING(DSN_NONE)},
    {"words of a server in what was returned",
     HEAD
     "\nHello\n--- Original message ---\nThis is the mail system at host x.\n<ann@example.org>: "
     "550 5.1.1\n",
     NOTHING(DSN_NONE)},
    {"words without an address", HEAD "\nThis is the mail system at host x.\n\n550 5.1.1 no\n",
     NOTHING(DSN_NONE)},
    {"words in HTML",
     HEAD
     "Content-Type: text/html\n\nThis is the mail system at host x.\n<ann@example.org>: 550 no\n",
     NOTHING(DSN_NONE)},
    {"words in an attachment",
     HEAD "Content-Disposition: attachment\n\nThis is the mail system at host "
          "x.\nann@example.org\n550\n",
     NOTHING(DSN_NONE)},
    {"a report in what was returned",
     HEAD "Content-Type: multipart/mixed; boundary=m\n\n--m\n\nHello\n--m\nContent-Type: "
          "message/rfc822\n"
          "\n" REPORT STATUS MTA ANN "Action: failed\nStatus: 5.1.1\n--b--\n--m--\n",
     NOTHING(DSN_NONE)},
    {"opaque",
     REPORT "--b\nContent-Type: message/delivery-status\nContent-Transfer-Encoding: x-y\n\n" ANN
            "Action: failed\nStatus: 5.1.1\n--b--\n",
     NOTHING(DSN_AUTOMATIC)},
    {"a vacation note",
     "From: ann@example.org\nAuto-Submitted: auto-replied\nSubject: Away\n\nBack on 5.1.1.\n",
     NOTHING(DSN_AUTOMATIC)},
    {"an older one", "From: a@example.org\nX-Autoreply: yes\n\nAway\n", NOTHING(DSN_AUTOMATIC)},
    {"the oldest", "From: a@example.org\nPrecedence: auto_reply\n\nAway\n", NOTHING(DSN_AUTOMATIC)},
    {"a person", "From: a@example.org\nAuto-Submitted: no\n\nAway\n", NOTHING(DSN_NONE)},
    {"a receipt",
     HEAD
     "Content-Type: multipart/report; report-type=disposition-notification; boundary=b\n\n--b\n\n"
     "Read.\n--b\nContent-Type: message/disposition-notification\n\nFinal-Recipient: rfc822; "
     "ann@example.org\nDisposition: manual-action/MDN-sent-manually; displayed\n--b--\n",
     NOTHING(DSN_RECEIPT)},
    {"a complaint",
     HEAD "Content-Type: multipart/report; report-type=feedback-report; "
          "boundary=b\n\n--b\n\nSpam.\n--b\n"
          "Content-Type: message/feedback-report\n\nFeedback-Type: abuse\n--b--\n",
     NOTHING(DSN_NONE)},
};

static DsnFacts *read_text(const char *text) {
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  g_autofree char *octets = g_strjoinv("\r\n", lines);
  g_autoptr(GBytes) message = g_bytes_new(octets, strlen(octets));
  return dsn_read(message);
}

static void assert_recipient(const DsnRecipient *recipient, const Shape *shape) {
  g_assert_cmpstr(recipient->final, ==, shape->final);
  g_assert_cmpstr(recipient->original, ==, shape->original);
  g_assert_cmpint(recipient->action, ==, shape->action);
  g_assert_cmpstr(recipient->status, ==, shape->status);
  g_assert_cmpstr(recipient->words, ==, shape->words);
}

/* What is read goes through the evidence as it is. */
static void assert_shape(const DsnFacts *facts, const Shape *shape) {
  g_assert_cmpstr(facts->refused, ==, NULL);
  g_assert_cmpint(facts->form, ==, shape->form);
  g_assert_cmpstr(facts->dialect, ==, shape->dialect);
  g_assert_cmpuint(facts->recipients->len > 0, ==, shape->dialect != NULL);
  if (facts->recipients->len > 0)
    assert_recipient(facts->recipients->pdata[0], shape);
}

static void test_shapes(const Shape *shapes, gsize count) {
  for (gsize i = 0; i < count; i++) {
    g_test_message("%s", shapes[i].name);
    g_autoptr(DsnFacts) facts = read_text(shapes[i].text);
    assert_shape(facts, &shapes[i]);
    g_autoptr(GVariant) evidence = g_variant_ref_sink(dsn_evidence_new(facts));
    g_autoptr(DsnFacts) again = dsn_evidence_read(evidence);
    g_assert_nonnull(again);
    g_assert_cmpuint(again->recipients->len, ==, facts->recipients->len);
    assert_shape(again, &shapes[i]);
  }
}

static void test_reports(void) {
  test_shapes(reports, G_N_ELEMENTS(reports));
}

static void test_texts(void) {
  test_shapes(texts, G_N_ELEMENTS(texts));
}

static void test_others(void) {
  test_shapes(others, G_N_ELEMENTS(others));
}

static void test_refused(void) {
  static const struct {
    const char *octets, *why;
  } table[] = {
      {"", "empty"},
      {"From: x\nTo: y\r\n\r\n", "bare CR or LF"},
      {"no field\r\n\r\n", "no field"},
      {"Content-Type: text/plain\r\nContent-Type: text/plain\r\n\r\n", "twice"},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
    g_autoptr(GBytes) message = g_bytes_new(table[i].octets, strlen(table[i].octets));
    g_autoptr(DsnFacts) facts = dsn_read(message);
    g_assert_nonnull(facts->refused);
    g_assert_nonnull(strstr(facts->refused, table[i].why));
    g_assert_cmpint(facts->form, ==, DSN_NONE);
  }
  g_autofree char *large = g_strnfill(DSN_MAX_OCTETS + 1, 'x');
  g_autoptr(GBytes) message = g_bytes_new(large, DSN_MAX_OCTETS + 1);
  g_autoptr(DsnFacts) facts = dsn_read(message);
  g_assert_nonnull(strstr(facts->refused, "256 KiB"));
}

/* Many recipients, long values: what is kept is bounded and still evidence. */
static void test_bounds(void) {
  g_autoptr(GString) text = g_string_new(REPORT STATUS MTA);
  g_autofree char *filler = g_strnfill(5000, '\\');
  for (int i = 0; i < 100; i++)
    g_string_append_printf(
        text,
        "Final-Recipient: rfc822; a%d@example.org\nAction: failed\nStatus: 5.0.0\n"
        "Diagnostic-Code: smtp; \x01\x02%.300s\nRemote-MTA: dns; %.2000s\n\n",
        i, filler, filler);
  g_autoptr(DsnFacts) facts = read_text(text->str);
  g_assert_cmpuint(facts->recipients->len, ==, DSN_MAX_RECIPIENTS);
  const DsnRecipient *last = facts->recipients->pdata[DSN_MAX_RECIPIENTS - 1];
  g_assert_cmpstr(last->final, ==, "a15@example.org");
  g_assert_cmpint(g_utf8_strlen(last->words, -1), ==, DSN_MAX_WORDS);
  g_assert_true(g_str_has_prefix(last->words, "\\x01\\x02"));
  g_assert_cmpuint(strlen(last->server), ==, DSN_MAX_NAME_OCTETS);
  g_autoptr(GVariant) evidence = g_variant_ref_sink(dsn_evidence_new(facts));
  g_autoptr(DsnFacts) again = dsn_evidence_read(evidence);
  g_assert_nonnull(again);
}

/* Each address of Exim's field costs a reading of all the text. */
static void test_failed_field(void) {
  for (guint before = DSN_MAX_RECIPIENTS - 1; before <= DSN_MAX_RECIPIENTS; before++) {
    g_autoptr(GString) text = g_string_new(HEAD "X-Failed-Recipients: ");
    for (guint i = 0; i < before; i++)
      g_string_append(text, "-, ");
    g_string_append(text, "ann@example.org, bob@example.org\n" EXIM "  550 5.1.1 no\n");
    g_autoptr(DsnFacts) facts = read_text(text->str);
    g_assert_cmpuint(facts->recipients->len, ==, DSN_MAX_RECIPIENTS - before);
  }
}

static void test_status(void) {
  static const struct {
    const char *line, *status;
  } table[] = {
      {"550 5.1.1 no", "5.1.1"},
      {"550-5.1.1 no", "5.1.1"},
      {"(#5.1.1)", "5.1.1"},
      {"said: 550 5.7.133.", "5.7.133"},
      {"550: 4.2.2", "4.2.2"},
      {"2.0.0 ok", "2.0.0"},
      {"550 no", "5.0.0"},
      {"452-try", "4.0.0"},
      {"code 421", "4.0.0"},
      {"host [5.1.1.2] said 554 no", "5.0.0"},
      {"host [5.1.1.2]", NULL},
      {"15.1.1", NULL},
      {"5.1.1a", NULL},
      {"5.1.1.a", NULL},
      {"3.1.1", NULL},
      {"5.1.1234", NULL},
      {"5..1", NULL},
      {"5.1", NULL},
      {"1550 x", NULL},
      {"5500", NULL},
      {"580 km", NULL},
      {"550.x", NULL},
      {"a550", NULL},
      {"", NULL},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
    g_autofree char *status = dsn_status_find(table[i].line);
    g_test_message("%s", table[i].line);
    g_assert_cmpstr(status, ==, table[i].status);
    g_assert_true(status == NULL || dsn_status_is_valid(status));
  }
  g_assert_false(dsn_status_is_valid(""));
  g_assert_false(dsn_status_is_valid("5.1.1 "));
}

static void test_evidence_values(void) {
  static const struct {
    const char *text;
    gboolean good;
  } table[] = {
      {"(nothing, 0, nothing, nothing, [])", TRUE},
      {"('why', 0, nothing, 'x', [])", TRUE},
      {"(nothing, 3, 'd', nothing, [('a', nothing, 1, '5.1.1', 'w', 's')])", TRUE},
      {"(nothing, 4, 'd', nothing, [(nothing, 'a', 0, nothing, nothing, nothing)])", TRUE},
      {"(nothing, 5, nothing, nothing, [])", FALSE},
      {"('why', 3, 'd', nothing, [('a', nothing, 1, '5.1.1', 'w', 's')])", FALSE},
      {"('why', 1, nothing, nothing, [])", FALSE},
      {"(nothing, 3, nothing, nothing, [('a', nothing, 1, '5.1.1', 'w', 's')])", FALSE},
      {"(nothing, 3, 'd', nothing, [])", FALSE},
      {"(nothing, 0, 'd', nothing, [])", FALSE},
      {"(nothing, 0, nothing, nothing, [('a', nothing, 1, '5.1.1', 'w', 's')])", FALSE},
      {"(nothing, 3, 'd', nothing, [(nothing, nothing, 1, '5.1.1', 'w', 's')])", FALSE},
      {"(nothing, 3, 'd', nothing, [('a', nothing, 6, '5.1.1', 'w', 's')])", FALSE},
      {"(nothing, 3, 'd', nothing, [('a', nothing, 1, '5.1', 'w', 's')])", FALSE},
      {"(nothing, 3, 'd', nothing, [('a', nothing, 1, '', 'w', 's')])", FALSE},
      {"(nothing, 3, 'd', nothing, [('a\\n', nothing, 1, '5.1.1', 'w', 's')])", FALSE},
      {"(nothing, 3, 'd', nothing, [('a', 'b\\n', 1, '5.1.1', 'w', 's')])", FALSE},
      {"(nothing, 3, 'd', nothing, [('a', nothing, 1, '5.1.1', 'w\\r', 's')])", FALSE},
      {"(nothing, 3, 'd', nothing, [('a', nothing, 1, '5.1.1', 'w', 's\\u0085')])", FALSE},
      {"(nothing, 3, 'd\\n', nothing, [('a', nothing, 1, '5.1.1', 'w', 's')])", FALSE},
      {"('why\\n', 0, nothing, nothing, [])", FALSE},
      {"(nothing, 0, nothing, 'x\\t', [])", FALSE},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
    g_test_message("%s", table[i].text);
    g_autoptr(GVariant) value =
        g_variant_parse(G_VARIANT_TYPE(DSN_EVIDENCE_TYPE), table[i].text, NULL, NULL, NULL);
    g_assert_nonnull(value);
    g_autoptr(DsnFacts) facts = dsn_evidence_read(value);
    g_assert_cmpint(facts != NULL, ==, table[i].good);
  }
  g_autoptr(GVariant) other = g_variant_ref_sink(g_variant_new_string("x"));
  g_assert_null(dsn_evidence_read(other));
}

/* One more recipient, or one more character, than there can be. */
static void test_evidence_bounds(void) {
  for (guint more = 0; more < 2; more++) {
    g_autoptr(DsnFacts) facts = dsn_facts_new();
    g_autofree char *words = g_strnfill(DSN_MAX_WORDS + more, 'w');
    facts->form = DSN_REPORT;
    facts->dialect = g_strdup("d");
    DsnRecipient *recipient = dsn_recipient_add(facts);
    recipient->final = g_strdup("a");
    recipient->words = g_steal_pointer(&words);
    g_autoptr(GVariant) evidence = g_variant_ref_sink(dsn_evidence_new(facts));
    g_autoptr(DsnFacts) read = dsn_evidence_read(evidence);
    g_assert_cmpint(read != NULL, ==, more == 0);
  }
  g_autoptr(GString) text = g_string_new("(nothing, 3, 'd', nothing, [");
  for (guint i = 0; i <= DSN_MAX_RECIPIENTS; i++)
    g_string_append_printf(text, "%s('a', nothing, 1, nothing, nothing, nothing)",
                           i > 0 ? ", " : "");
  g_string_append(text, "])");
  g_autoptr(GVariant) value =
      g_variant_parse(G_VARIANT_TYPE(DSN_EVIDENCE_TYPE), text->str, NULL, NULL, NULL);
  g_autoptr(DsnFacts) facts = dsn_evidence_read(value);
  g_assert_null(facts);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/dsn/reports", test_reports);
  g_test_add_func("/dsn/texts", test_texts);
  g_test_add_func("/dsn/others", test_others);
  g_test_add_func("/dsn/refused", test_refused);
  g_test_add_func("/dsn/bounds", test_bounds);
  g_test_add_func("/dsn/failed-field", test_failed_field);
  g_test_add_func("/dsn/status", test_status);
  g_test_add_func("/dsn/evidence/values", test_evidence_values);
  g_test_add_func("/dsn/evidence/bounds", test_evidence_bounds);
  return g_test_run();
}
