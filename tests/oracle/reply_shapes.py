# SPDX-License-Identifier: Apache-2.0
"""Replies as mail programs and providers write and sign them: their header fields in their order and folding, their
encodings, quotes and signature blocks, their h= lists and canonical forms. All texts, names and numbers are ours.

A shape is a function of a Challenge that gives Letters: header and body up to the signing server, and the fields that
this one puts on top."""

import base64
import quopri
import string
from typing import NamedTuple

import dkim_maker

SHAPES = {}  # program: functions, each with its letters
TRANSIT = ("Return-Path: <$address>\nReceived: from mx.$domain ([192.0.2.25])\n\tby ca.example with ESMTPS;\n"
           "\tMon, 3 Nov 2025 08:15:11 +0000\n")


class Challenge(NamedTuple):
    token: str   # token-part1
    digest: str  # base64url
    reply_to: str = "acme-challenge+qwertyuiopasdfghjklzxcvbnm@ca.example"
    message_id: str = "<1762157400.7f3a@ca.example>"

    @property
    def block(self):
        return f"-----BEGIN ACME RESPONSE-----\n{self.digest}\n-----END ACME RESPONSE-----"

    @property
    def text(self):
        """What the challenge mail says, to be quoted."""
        return ("Somebody asked ca.example for an e-mail certificate for this address.\n"
                "If that was you, your program answers this mail by itself, or tells\n"
                "you what to answer. If it was not, do nothing: without an answer no\n"
                "certificate is issued.\n")


class Letter(NamedTuple):
    program: str
    variant: str
    address: str
    header: str      # with "$", see fill
    body: str        # the same, before any encoding of the whole
    fields: tuple    # of signatures, topmost first, with "$domain", "$bh", "$b"
    width: int = 70  # of b=
    joint: str = "\r\n\t "
    charset: str = "utf-8"
    encoding: str = "7bit"
    verdict: str = "passed"


def shape(program):
    def add(function):
        SHAPES.setdefault(program, []).append(function)
        return function
    return add


def letters(challenge):
    return [letter for functions in SHAPES.values() for function in functions for letter in function(challenge)]


# --- pieces


def quoted(text, mark="> "):
    return "".join((mark + line).rstrip() + "\n" for line in text.splitlines())


def html(text):
    """A text as HTML, a line break for each line."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\n", "<br>\n")


def qp(text, charset="utf-8"):
    return quopri.encodestring(text.encode(charset), quotetabs=False).decode()


def b64(text, charset="utf-8", width=76):
    encoded = base64.b64encode(text.replace("\n", "\r\n").encode(charset)).decode()
    return "".join(encoded[i:i + width] + "\n" for i in range(0, len(encoded), width))


def part(header, body):
    return f"{header.strip()}\n\n{body}"


def word(text, charset, encoding="Q"):
    """An encoded word (RFC 2047)."""
    encoded = text.encode(charset)
    if encoding in "Bb":
        return f"=?{charset}?{encoding}?{base64.b64encode(encoded).decode()}?="
    return f"=?{charset}?{encoding}?" + "".join(
        chr(c) if chr(c).isalnum() and c < 128 else "_" if c == 32 else f"={c:02X}" for c in encoded) + "?="


def multipart(boundary, *parts, preamble="", epilogue="", end=""):
    """end: what stands before each delimiter, as some programs leave a line there."""
    return preamble + "".join(f"--{boundary}\n{one}{end}\n" for one in parts) + f"--{boundary}--\n{epilogue}"


def fill(text, letter, challenge):
    local, domain = letter.address.split("@")
    return string.Template(text).safe_substitute(
        address=letter.address, local=local, domain=domain, token=challenge.token, block=challenge.block,
        to=challenge.reply_to, id=challenge.message_id, text=challenge.text, quote=quoted(challenge.text))


def octets(letter, challenge):
    """The letter as the signing server gets it."""
    body = fill(letter.body, letter, challenge)
    if letter.encoding == "quoted-printable":
        body = qp(body, letter.charset)
    elif letter.encoding == "base64":
        body = b64(body, letter.charset)
    header = fill(letter.header, letter, challenge).strip("\n") + "\n"
    charset = letter.charset if letter.encoding == "8bit" else "utf-8"
    return header.replace("\n", "\r\n").encode() + b"\r\n" + body.replace("\n", "\r\n").encode(charset)


def signed(letter, challenge, keys, provider):
    """The letter as it comes to us. keys: of the domain, for each selector; provider: of the provider's own domain."""
    raw = octets(letter, challenge)
    for field in reversed(letter.fields):
        field = fill(field, letter, challenge).replace("\n", "\r\n")
        own = dkim_maker.tag(field, "d") == letter.address.split("@")[1]
        raw = dkim_maker.sign(raw, keys if own else provider, field, width=letter.width, joint=letter.joint)
    return fill(TRANSIT, letter, challenge).replace("\n", "\r\n").encode() + raw


# --- Microsoft

MICROSOFT = ("DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=$domain; s=selector1;\n"
             " h=From:Date:Subject:Message-ID:Content-Type:MIME-Version:X-MS-Exchange-SenderADCheck;\n"
             " bh=$bh;\n b=$b",)
MICROSOFT_DEFAULT = (MICROSOFT[0].replace("d=$domain; s=selector1;", "d=contoso.onmicrosoft.example;\n"
                                          " s=selector2-contoso-onmicrosoft-example;"),)
MICROSOFT_HEADER = """\
From: "User, Ann" <$address>
To: "$to"
\t<$to>
Subject: {subject}
Thread-Topic: ACME: $token
Thread-Index: AQHcTJ7wVb2mYp3KxUqLrA5nXkq9Mw==
Date: Mon, 3 Nov 2025 08:15:02 +0000
Message-ID:
 <AM0PR05MB4711C0FFEE1A2B3C4D5E6F708C7A@AM0PR05MB4711.eurprd05.prod.outlook.example>
References: $id
In-Reply-To: $id
Accept-Language: en-GB, de-DE
Content-Language: en-GB
X-MS-Has-Attach:
X-MS-TNEF-Correlator:
authentication-results: dkim=none (message not signed)
 header.d=none;dmarc=none action=none header.from=$domain;
x-ms-publictraffictype: Email
x-ms-traffictypediagnostic: AM0PR05MB4711:EE_|AS8PR05MB8155:EE_
x-ms-exchange-senderadcheck: 1
x-ms-exchange-antispam-relay: 0
x-microsoft-antispam: BCL:0;ARA:13230040|366016|376014|1800799024|38070700021;
Content-Type: {type}
{encoding}MIME-Version: 1.0
X-OriginatorOrg: $domain
X-MS-Exchange-CrossTenant-AuthSource: AM0PR05MB4711.eurprd05.prod.outlook.example
X-MS-Exchange-Transport-CrossTenantHeadersStamped: AS8PR05MB8155
"""


def microsoft(variant, subject, text, fields=MICROSOFT, charset="utf-8", encode=qp, encoding="quoted-printable"):
    boundary = "_000_AM0PR05MB4711C0FFEE1A2B3C4D5E6F708C7AAM0PR05MB4711eurpr_"
    page = f"<html><head></head><body>\n<div>{html(text)}</div></body></html>\n"
    body = multipart(boundary, *(
        part(f'Content-Type: text/{kind}; charset="{charset}"\nContent-Transfer-Encoding: {encoding}',
             encode(one, charset)) for kind, one in (("plain", text), ("html", page))))
    header = MICROSOFT_HEADER.format(subject=subject, encoding="",
                                     type=f'multipart/alternative;\n\tboundary="{boundary}"')
    return Letter("Microsoft 365", variant, "ann.user@contoso.example", header, body, fields, width=None)


def divided(challenge):
    """Outlook's plain text of an HTML letter: an empty line after each paragraph, the original below its header."""
    paragraphs = challenge.block.replace("\n", "\n\n")
    return (f"{paragraphs}\n\n\n\nAnn User\n\nContoso, Records\n\n________________________________\n"
            f"From: {challenge.reply_to} <{challenge.reply_to}>\nSent: Monday, November 3, 2025 9:10 AM\n"
            f"To: ann.user@contoso.example <ann.user@contoso.example>\nSubject: ACME: {challenge.token}\n\n{challenge.text}")


@shape("Microsoft 365")
def outlook(challenge):
    text = divided(challenge)
    yield microsoft("Outlook for Windows", "RE: ACME: $token", text)
    yield microsoft("Outlook in German", "AW: [EXTERNAL] ACME: $token", text, charset="iso-8859-1")
    yield microsoft("Outlook on the web, base64", "Re: ACME: $token", text, encode=b64, encoding="base64")
    yield microsoft("Outlook for iOS", "Re: [EXT] ACME: $token", challenge.block
                    + "\n\nGet Outlook for iOS<https://aka.example/o0ukef>\n" + divided(challenge).partition("Records\n")[2])
    yield microsoft("default signature above one's own", "RE: ACME: $token", text, MICROSOFT_DEFAULT + MICROSOFT)
    yield microsoft("no-break spaces", "RE: ACME: $token",
                    "\n".join(f"\u00a0{line} \u00a0" for line in challenge.block.split("\n")) + "\n")
    yield microsoft("French, encoded subject", word("Rép\u00a0: [EXTERNE] ACME: ", "iso-8859-1") + "\n "
                    + word(challenge.token, "iso-8859-1"), text)
    yield microsoft("Chinese, encoded subject", word("答复: ACME: " + challenge.token[:9], "gb2312", "B") + "\n "
                    + word(challenge.token[9:], "gb2312", "B"), text, charset="gb2312")
    plain = MICROSOFT_HEADER.format(subject="RE: ACME: $token", type='text/plain; charset="us-ascii"',
                                    encoding="Content-Transfer-Encoding: quoted-printable\n")
    yield Letter("Microsoft 365", "plain text", "ann.user@contoso.example", plain,
                 "$block\n\n-----Original Message-----\nFrom: $to\nSent: Monday, November 3, 2025 9:10 AM\n"
                 "To: $address\nSubject: ACME: $token\n\n$text", MICROSOFT, width=None, charset="ascii",
                 encoding="quoted-printable")
    yield microsoft("only the provider's default signature", "RE: ACME: $token", text, MICROSOFT_DEFAULT)._replace(
        verdict="noted")


DISCLAIMER = ("\n________________________________\nThis message and its attachments may be confidential. "
              "If you are not its\nintended reader, please tell the sender and delete it. Example AG, Sitz: Musterstadt.\n")
GATEWAY = ("DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/simple; d=$domain; s=gw2024;\n"
           "\tt=1762157711; h=from:to:subject:date:message-id:references:in-reply-to:\n"
           "\t content-type:mime-version; bh=$bh; b=$b",)
EXCHANGE_HEADER = """\
Received: from EX01.corp.$domain (10.1.2.3) by gw.$domain
 (192.0.2.77) with Microsoft SMTP Server (version=TLS1_2,
 cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) id 15.1.2507.39; Mon, 3 Nov 2025
 09:15:08 +0100
From: Ann User <$address>
To: <$to>
Subject: {subject}
Thread-Topic: ACME: $token
Thread-Index: AdxMnvBVvaZinUrFSousDmdeSr0zAA==
Date: Mon, 3 Nov 2025 08:15:05 +0000
Message-ID: <8d1f0c2b6a4e4a0bb1c7e6f5d4c3b2a1@$domain>
References: $id
In-Reply-To: $id
Accept-Language: de-DE, en-US
Content-Language: de-DE
X-MS-Has-Attach:
X-MS-TNEF-Correlator:
x-originating-ip: [10.1.7.42]
Content-Type: {type}
{encoding}MIME-Version: 1.0
"""


@shape("Exchange gateway with disclaimer")
def exchange(challenge):
    def letter(variant, body, type_, encoding="", subject="AW: [EXTERNAL] ACME: $token"):
        return Letter("Exchange gateway with disclaimer", variant, "ann@corp.example",
                      EXCHANGE_HEADER.format(subject=subject, type=type_, encoding=encoding), body, GATEWAY)

    plain = 'text/plain; charset="iso-8859-1"'
    yield letter("appended to the text",
        "$block\n\nMit freundlichen Grüßen\nAnn User\n\n-----Ursprüngliche Nachricht-----\n"
                 "$text" + DISCLAIMER, plain, "Content-Transfer-Encoding: quoted-printable\n")._replace(
                     charset="iso-8859-1", encoding="quoted-printable")
    footer = part("Content-Type: text/plain; charset=us-ascii\nContent-Transfer-Encoding: 7bit\n"
                  "Content-Disposition: inline", DISCLAIMER)
    inner = multipart("_000_8d1f0c2b6a4e4a0bb1c7_", part(
        f"Content-Type: {plain}\nContent-Transfer-Encoding: quoted-printable", qp("$block\n\nGrüße\n", "iso-8859-1")
    ), part('Content-Type: text/html; charset="iso-8859-1"', "<p>see the text</p>\n"))
    yield letter("a part of its own below", multipart("=_gw_0190f3", part(
        'Content-Type: multipart/alternative; boundary="_000_8d1f0c2b6a4e4a0bb1c7_"', inner), footer),
        'multipart/mixed; boundary="=_gw_0190f3"')
    yield letter("a part of its own above",
        multipart("=_gw_0190f3", footer, part(f"Content-Type: {plain}", "$block\n")),
                 'multipart/mixed;\n\tboundary="=_gw_0190f3"', subject="RE: [EXTERNAL] [SUSPECT] ACME: $token")
    image = part('Content-Type: image/png; name="logo.png"\nContent-ID: <logo@corp>\nContent-Transfer-Encoding: base64\n'
                 'Content-Disposition: inline; filename="logo.png"', "iVBORw0KGgoAAAANSUhEUgAAAAEAAAAB\n")
    related = multipart("_004_rel_",
        part('Content-Type: multipart/alternative; boundary="_000_8d1f0c2b6a4e4a0bb1c7_"', inner),
                        image)
    yield letter("with a logo", related, 'multipart/related;\n\tboundary="_004_rel_"; type="multipart/alternative"')


# --- Google

GOOGLE = ("DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\n"
          "        d=$domain; s=google; t=1762157702; x=1762762502; darn=ca.example;\n"
          "        h=to:subject:message-id:date:from:in-reply-to:references:mime-version\n"
          "         :from:to:cc:subject:date:message-id:reply-to;\n"
          "        bh=$bh;\n        b=$b",)
GOOGLE_NEWER = (GOOGLE[0].replace("h=to:", "h=content-type:to:").replace(":reply-to;", ":reply-to\n         :content-type;"),)
GOOGLE_HEADER = """\
X-Google-DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
        d=1e100.example; s=20230601; t=1762157702; x=1762762502;
        h=to:subject:message-id:date:from:in-reply-to:references:mime-version
         :x-gm-message-state:from:to:cc:subject:date:message-id:reply-to;
        bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;
        b=AAAA
X-Gm-Message-State: AOJu0YxV0p3l5kQ1bS2mT7uC9dN4eR6fG8hJ
\ttQ5wE3rT1yU
X-Gm-Gg: ASbGncv1b2n3m4k5
X-Google-Smtp-Source: AGHT+IGh7
X-Received: by 2002:a05:6402:5203:b0:634:4eb7:f27e with SMTP id 4fb4d7f45d1cf-
 640b2a19f8mr4711a12.14.1762157702; Mon, 03 Nov 2025 00:15:02 -0800 (PST)
MIME-Version: 1.0
References: $id
In-Reply-To: $id
From: Ann User <$address>
Date: Mon, 3 Nov 2025 09:14:51 +0100
X-Gm-Features: AWmQ_bmVh
Message-ID: <CAEx4mpl3+Kq7Zt_0Y=Vw@mail.gmail.example>
Subject: Re: ACME: $token
To: $to
Content-Type: {type}
{encoding}"""


def google(program, variant, address, body, fields, type_='text/plain; charset="UTF-8"', encoding=""):
    return Letter(program, variant, address, GOOGLE_HEADER.format(type=type_, encoding=encoding), body, fields, 62,
                  "\r\n         ")


def google_alternative(challenge, text):
    # Gmail's plain text folds long lines and leaves the empty line before each delimiter.
    page = f'<div dir="ltr">{html(text)}</div><br><div class="gmail_quote">{html(challenge.text)}</div>\n'
    return multipart("000000000000a1b2c3064d5e6f70", part('Content-Type: text/plain; charset="UTF-8"', text),
                     part('Content-Type: text/html; charset="UTF-8"\nContent-Transfer-Encoding: quoted-printable',
                         qp(page)),
                     end="\n")


GOOGLE_QUOTE = "\nOn Mon, Nov 3, 2025 at 9:10\u202fAM <$to>\nwrote:\n\n$quote"


@shape("Gmail on the web")
def gmail(challenge):
    alternative = 'multipart/alternative; boundary="000000000000a1b2c3064d5e6f70"'
    for domain, fields in (("gmail.example", GOOGLE), ("workspace.example", GOOGLE_NEWER)):
        address = f"ann.user@{domain}"
        yield google("Gmail on the web", f"HTML, {domain}", address,
                     google_alternative(challenge, "$block\n\n--\nAnn User\n" + GOOGLE_QUOTE.replace("\u202f", " ")),
                     fields,
                     alternative)
        yield google("Gmail on the web", f"plain, {domain}", address, "$block\n" + GOOGLE_QUOTE, fields,
                     encoding="Content-Transfer-Encoding: quoted-printable\n")._replace(encoding="quoted-printable")
        yield google("Gmail on the web", f"answer below, {domain}", address,
                     GOOGLE_QUOTE.replace("\u202f", " ").lstrip("\n") + "\n$block\n", fields)
    plain = google("Gmail on the web", "only gappssmtp", "ann@workspace.example", "$block\n", (GOOGLE[0].replace(
        "d=$domain; s=google;", "d=workspace-example.20230601.gappssmtp.example; s=20230601;"),))
    yield plain._replace(verdict="noted")


@shape("Gmail app")
def gmail_app(challenge):
    alternative = 'multipart/alternative; boundary="000000000000a1b2c3064d5e6f70"'
    text = GOOGLE_QUOTE.replace("\u202f", " ").replace("at 9:10 AM", "09:10")
    yield google("Gmail app", "Android", "ann@gmail.example", google_alternative(challenge, "$block\n" + text),
        GOOGLE_NEWER,
                 alternative)
    base = google("Gmail app", "iOS, base64", "ann@gmail.example", "$block\n\nVon meinem Gerät gesendet\n" + text,
        GOOGLE,
                  encoding="Content-Transfer-Encoding: base64\n")
    yield base._replace(encoding="base64")


# --- Apple

ICLOUD = ("Dkim-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=$domain; s=1a1hai; t=1762157702; x=1764749702; "
          "bh=$bh; h=From:Content-Type:Mime-Version:Subject:Message-Id:Date:To:x-icloud-hme; b=$b",)
APPLE_HEADER = """\
Received: from smtpclient.apple (unknown [192.0.2.36])
\tby p00-icloudmta-asmtp-eu-west-1a-4 (Postfix) with ESMTPSA id A6A761800172;
\tMon,  3 Nov 2025 08:15:02 +0000 (UTC)
From: Ann User <$address>
Content-Type: {type}
{encoding}Mime-Version: 1.0 (Mac OS X Mail 16.0 \\(3826.700.81\\))
Subject: Re: ACME: $token
Message-Id: <6A1F0C2B-7E4E-4A0B-B1C7-E6F5D4C3B2A1@$domain>
References: $id
In-Reply-To: $id
To: $to
Date: Mon, 3 Nov 2025 09:14:50 +0100
X-Mailer: Apple Mail (2.3826.700.81)
"""


@shape("Apple Mail")
def apple(challenge):
    mac = "$block\n\n> On 3. Nov 2025, at 09:10, $to wrote:\n>\n$quote\n"
    for address in ("ann@icloud.example", "ann@user.example"):
        yield Letter("Apple Mail", f"macOS, {address}", address, APPLE_HEADER.format(
            type="text/plain;\n\tcharset=us-ascii", encoding="Content-Transfer-Encoding: 7bit\n"), mac, ICLOUD,
            width=None)
        yield Letter("Apple Mail", f"macOS, quoted-printable, {address}", address, APPLE_HEADER.format(
            type="text/plain;\n\tcharset=utf-8", encoding="Content-Transfer-Encoding: quoted-printable\n"),
            mac.replace("wrote:", "schrieb – früher:"), ICLOUD, width=None, encoding="quoted-printable")
    name = "Apple-Mail-5B1E0D2C-3F4A-4B5C-8D6E-7F8091A2B3C4"
    phone = APPLE_HEADER.format(type=f"multipart/alternative; boundary={name}",
                                encoding="Content-Transfer-Encoding: 7bit\n").replace(
        "X-Mailer: Apple Mail (2.3826.700.81)", "X-Mailer: iPhone Mail (22H31)").replace(
        "1.0 (Mac OS X Mail 16.0 \\(3826.700.81\\))", "1.0 (1.0)")
    text = "$block\n\nVon meinem iPhone gesendet\n\n> Am 03.11.2025 um 09:10 schrieb $to:\n> \n> \ufeff" + quoted(
        challenge.text)[2:]
    yield Letter("Apple Mail", "iPhone", "ann@icloud.example", phone, "\n" + multipart(
        name, part("Content-Type: text/plain;\n\tcharset=utf-8\nContent-Transfer-Encoding: quoted-printable", qp(text)),
        part("Content-Type: text/html;\n\tcharset=utf-8\nContent-Transfer-Encoding: quoted-printable",
             qp(f"<html><body dir=\"auto\">{html(text)}</body></html>")), end="\n"), ICLOUD, width=None)


# --- programs on one's own server, with the signers found there

OPENDKIM = ("DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/simple; d=$domain; s=mail;\n"
            "\tt=1762157702; bh=$bh;\n\th=Date:From:To:Subject:References:In-Reply-To:From;\n\tb=$b",)
RSPAMD = ("DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=$domain; s=dkim;\n"
          "\tt=1762157702; h=from:from:reply-to:subject:subject:date:date:message-id:message-id:\n"
          "\t to:to:cc:mime-version:mime-version:content-type:content-type:\n"
          "\t content-transfer-encoding:content-transfer-encoding:\n"
          "\t in-reply-to:in-reply-to:references:references; bh=$bh;\n\tb=$b",)
EXIM = ("DKIM-Signature: v=1; a=rsa-sha256; q=dns/txt; c=relaxed/relaxed; d=$domain\n"
        "\t; s=x; h=Content-Transfer-Encoding:Content-Type:In-Reply-To:From:References:To:\n"
        "\tSubject:MIME-Version:Date:Message-ID:Sender:Reply-To:Cc:Content-ID:\n"
        "\tContent-Description:Resent-Date:Resent-From:Resent-Sender:Resent-To:Resent-Cc:\n"
        "\tResent-Message-ID:List-Id:List-Help:List-Unsubscribe:List-Subscribe:List-Post:\n"
        "\tList-Owner:List-Archive; bh=$bh; b=$b;",)
AMAVIS = ("DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/simple; d=$domain; h=\n"
          "\tcontent-transfer-encoding:content-type:content-type\n"
          "\t:in-reply-to:references:subject:subject:from:from:to:mime-version\n"
          "\t:date:date:message-id; s=dkim; t=1762157702; x=\n\t1764749703; bh=$bh; b=$b",)
SIMPLE = ("DKIM-Signature: v=1; a=rsa-sha256; c=simple/simple; d=$domain; s=mail;\n"
          "\tt=1762157702; bh=$bh;\n\th=Date:To:References:From:In-Reply-To:Subject; b=$b",)
COMPLETE = ("DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=$domain; s=mail;\n"
            "\th=from:sender:reply-to:to:cc:subject:date:in-reply-to:references:\n"
            "\t message-id:content-type:content-transfer-encoding; bh=$bh; b=$b",)
SERVERS = {"OpenDKIM": OPENDKIM, "rspamd": RSPAMD, "Exim": EXIM, "amavis": AMAVIS, "simple/simple": SIMPLE,
           "all twelve names": COMPLETE}


def at_home(program, variant, header, body, **more):
    """The letter once for each signer."""
    for server, fields in SERVERS.items():
        yield Letter(program, f"{variant}, {server}", "ann@home.example", header, body, fields, **more)


THUNDERBIRD = """\
Received: from [192.168.1.20] (dyn-198-51-100-20.isp.example [198.51.100.20])
\tby mail.$domain (Postfix) with ESMTPSA id 4cQk7z3Rk1z9sT;
\tMon,  3 Nov 2025 09:15:02 +0100 (CET)
Message-ID: <5e03d6c5-e254-45f6-9e02-bc996d41718d@$domain>
Date: Mon, 3 Nov 2025 09:15:01 +0100
MIME-Version: 1.0
User-Agent: Mozilla Thunderbird
Subject: Re: ACME: $token
To: $to
References: $id
Content-Language: en-US, de-DE
From: Ann User <$address>
Autocrypt: addr=$address; keydata=
 xjMEZWk2ZhYJKwYBBAHaRw8BAQdAqv3H1d4Vw0j6kP1N0o8Qn3cXbq7L2m5r8sT4uVwXyZrNG0Fu
 bg==
In-Reply-To: $id
Content-Type: {type}
{encoding}"""
THUNDERBIRD_TEXT = "Am 03.11.25 um 09:10 schrieb $to:\n$quote\n$block\n\n-- \nAnn User\n"


@shape("Thunderbird")
def thunderbird(challenge):
    seven = "Content-Transfer-Encoding: 7bit\n"
    yield from at_home("Thunderbird", "flowed, answer below", THUNDERBIRD.format(
        type="text/plain; charset=UTF-8; format=flowed", encoding=seven), THUNDERBIRD_TEXT)
    name = "------------0V1WnYx7Kq2Zt30aBcDeFgHi"
    both = multipart(name, part("Content-Type: text/plain; charset=UTF-8; format=flowed\n" + seven, THUNDERBIRD_TEXT),
                     part("Content-Type: text/html; charset=UTF-8\n" + seven,
                          f"<!DOCTYPE html>\n<html><body><p>{html(challenge.block)}</p></body></html>\n"))
    text = THUNDERBIRD.format(type=f'multipart/alternative;\n boundary="{name}"', encoding="")
    yield Letter("Thunderbird", "HTML", "ann@home.example", text,
        "This is a multi-part message in MIME format.\n" + both,
                 OPENDKIM)
    inner = "------------ms0A0B0C0D0E0F"
    smime = multipart(inner, part("Content-Type: text/plain; charset=UTF-8; format=flowed\n" + seven, THUNDERBIRD_TEXT),
                      part('Content-Type: application/pkcs7-signature; name="smime.p7s"\nContent-Transfer-Encoding: base64\n'
                           'Content-Disposition: attachment; filename="smime.p7s"\n'
                           "Content-Description: S/MIME Cryptographic Signature", "MIAGCSqGSIb3DQEHAqCAMIACAQExDzAN\n"))
    yield Letter("Thunderbird", "S/MIME signed", "ann@home.example", THUNDERBIRD.format(
        type='multipart/signed; protocol="application/pkcs7-signature"; micalg=sha-256;'
             f' boundary="{inner}"', encoding=""),
             "This is a cryptographically signed message in MIME format.\n\n" + smime,
        RSPAMD)
    outer = "------------Jx2u0Xf5QpWb"
    pgp = multipart(outer, part(f'Content-Type: multipart/mixed; boundary="{inner}";\n protected-headers="v1"\n'
                                "Subject: Re: ACME: $token\nFrom: Ann User <$address>\nTo: $to", multipart(
        inner, part("Content-Type: text/plain; charset=UTF-8; format=flowed\nContent-Transfer-Encoding: base64",
                    b64(challenge.block + "\n")))), part(
        'Content-Type: application/pgp-signature; name="OpenPGP_signature.asc"\n'
        'Content-Disposition: attachment; filename="OpenPGP_signature.asc"',
        "-----BEGIN PGP SIGNATURE-----\n\nwnsEABYIACMWIQ==\n=abcd\n-----END PGP SIGNATURE-----\n"), end="\n")
    yield Letter("Thunderbird", "OpenPGP signed", "ann@home.example", THUNDERBIRD.format(
        type=f'multipart/signed; micalg=pgp-sha256;\n protocol="application/pgp-signature";\n boundary="{outer}"',
        encoding=""), pgp, RSPAMD)


MUTT = """\
Received: by host.$domain (Postfix, from userid 1000)
\tid 2CEC85C44A; Mon,  3 Nov 2025 09:15:02 +0100 (CET)
Date: Mon, 3 Nov 2025 09:15:02 +0100
From: Ann User <$address>
To: $to
Subject: Re: ACME: $token
Message-ID: <aQhlBv3Kx7Zt@host.$domain>
References: $id
MIME-Version: 1.0
Content-Type: {type}
{encoding}In-Reply-To: $id
User-Agent: Mutt/2.2.13 (2024-03-09)
"""
MUTT_TEXT = "On Mon, Nov 03, 2025 at 08:10:00AM +0000, $to wrote:\n$quote\n$block\n"


@shape("mutt")
def mutt(challenge):
    yield from at_home("mutt", "plain", MUTT.format(
        type="text/plain; charset=us-ascii", encoding="Content-Disposition: inline\n"), MUTT_TEXT)
    yield Letter("mutt", "8bit, latin", "ann@home.example", MUTT.format(
        type="text/plain; charset=iso-8859-15",
        encoding="Content-Disposition: inline\nContent-Transfer-Encoding: 8bit\n"), "Grüße\n" + MUTT_TEXT, OPENDKIM,
        charset="iso-8859-15", encoding="8bit")
    signed_ = multipart("k7Zt3Xq0", part("Content-Type: text/plain; charset=us-ascii\nContent-Disposition: inline\n"
                                         "Content-Transfer-Encoding: quoted-printable", MUTT_TEXT.replace("=", "=3D")),
                        part('Content-Type: application/pgp-signature; name="signature.asc"',
                             "-----BEGIN PGP SIGNATURE-----\n\niHUEABYIAB0=\n-----END PGP SIGNATURE-----\n"), end="\n")
    yield Letter("mutt", "PGP signed", "ann@home.example", MUTT.format(
        type='multipart/signed; micalg=pgp-sha256;\n\tprotocol="application/pgp-signature"; boundary="k7Zt3Xq0"',
        encoding="Content-Disposition: inline\n"), "\n" + signed_, OPENDKIM)


K9 = """\
Received: from [127.0.0.1] (mobile.isp.example [203.0.113.7])
\tby mail.$domain (Postfix) with ESMTPSA id 7B5C0; Mon,  3 Nov 2025 08:15:02 +0000 (UTC)
Date: Mon, 03 Nov 2025 09:15:01 +0100
From: Ann User <$address>
To: $to
Subject: Re: ACME: $token
User-Agent: K-9 Mail for Android
In-Reply-To: $id
References: $id
Message-ID: <E6000B59-FA06-4BCB-9A90-E91F3615BD91@$domain>
MIME-Version: 1.0
Content-Type: {type}
{encoding}
"""


@shape("K-9")
def k9(challenge):
    text = ("$block\n\n-- \nThis message was sent from my Android device with K-9 Mail.\n"
            "Am 3. November 2025 09:10:00 MEZ schrieb $to:\n" + quoted(challenge.text, ">"))
    for encoding in ("quoted-printable", "base64"):
        for server in ("rspamd", "OpenDKIM"):
            yield Letter("K-9", f"plain, {encoding}, {server}", "ann@home.example", K9.format(
                type="text/plain;\n charset=utf-8", encoding=f"Content-Transfer-Encoding: {encoding}"), text.replace(
                    "Am 3.", "Grüße\nAm 3."), SERVERS[server], encoding=encoding)
    name = "----5U0RY6ZK2P4L3Q9WJXN8"
    yield Letter("K-9", "HTML", "ann@home.example", K9.format(
        type=f'multipart/alternative; boundary="{name}"', encoding="Content-Transfer-Encoding: 7bit"), multipart(
            name, part("Content-Type: text/plain;\n charset=utf-8\nContent-Transfer-Encoding: quoted-printable",
                       qp(challenge.block + "\n")),
            part("Content-Type: text/html;\n charset=utf-8\nContent-Transfer-Encoding: quoted-printable",
                 qp(f"<!DOCTYPE html><html><body>{html(challenge.block)}</body></html>"))), RSPAMD)


ROUNDCUBE = """\
MIME-Version: 1.0
Date: Mon, 03 Nov 2025 09:15:01 +0100
From: Ann User <$address>
To: $to
Subject: Re: ACME: $token
In-Reply-To: $id
References: $id
User-Agent: Roundcube Webmail/1.6.11
Message-ID: <74f6c812041970cb8f5e8c0da22fca92@$domain>
X-Sender: $address
Content-Type: {type}
{encoding}"""


@shape("Roundcube")
def roundcube(challenge):
    text = "$block\n\nAm 2025-11-03 09:10, schrieb $to:\n$quote"
    yield from at_home("Roundcube", "flowed", ROUNDCUBE.format(
        type="text/plain; charset=US-ASCII;\n format=flowed", encoding="Content-Transfer-Encoding: 7bit\n"), text)
    name = "=_b1c7e6f5d4c3b2a19a8b7c6d5e4f3021"
    both = multipart(name, part("Content-Transfer-Encoding: 7bit\nContent-Type: text/plain; charset=US-ASCII;\n"
                                " format=flowed", text), part(
        "Content-Transfer-Encoding: quoted-printable\nContent-Type: text/html; charset=UTF-8",
        qp(f"<html><body><p>{html(challenge.block)}</p></body></html>\n")), end="\n")
    yield Letter("Roundcube", "HTML", "ann@home.example",
                 ROUNDCUBE.format(type=f'multipart/alternative;\n boundary="{name}"', encoding=""), both, RSPAMD)


# --- other providers

YAHOO = ("DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=$domain; s=s2048; t=1762157702; bh=$bh; "
         "h=Date:From:To:In-Reply-To:References:Subject:From:Subject:Reply-To; b=$b",)
YAHOO_HEADER = """\
X-SONIC-DKIM-SIGN: v=1; a=rsa-sha256; c=relaxed/relaxed; d=$domain; s=s2048; t=1762157702; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; h=X-Sonic-MF:Date:From:To:Subject:From:Subject; b=AAAA
X-YMail-OSG: 7CjV_foVM1l0tGFHgoKRE.wnpkoqWeJCUCM8L4Pwg7EBf4yx.s.aoDJ2z8Y4XF5
 nkBd3hXNBdVVi6K__NDC5IxyqplLijiN9NeZ4cFpS
X-Sonic-MF: <$address>
X-Sonic-ID: 0b1c7e6f-5d4c-43b2-a19a-8b7c6d5e4f30
Received: from sonic.gate.mail.ir2.$domain by sonic309.consmr.mail.ir2.$domain with HTTP; Mon, 3 Nov 2025 08:15:02 +0000
Date: Mon, 3 Nov 2025 08:14:59 +0000 (UTC)
From: Ann User <$address>
To: "$to" <$to>
Message-ID: <1146321098.4711008.1762157699123@mail.$domain>
In-Reply-To: $id
References: $id
Subject: Re: ACME: $token
MIME-Version: 1.0
Content-Type: {type}
{encoding}X-Mailer: {mailer}
Content-Length: 1234
"""


@shape("Yahoo")
def yahoo(challenge):
    name = "----=_Part_4711007_1146321097.1762157699120"
    text = ("$block\n\n    On Monday, November 3, 2025 at 09:10:00 AM GMT+1, $to <$to> wrote:  \n \n "
            + challenge.text.replace("\n", "\n ") + "  \n")
    both = multipart(name,
        part("Content-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: quoted-printable", qp(text)),
                     part("Content-Type: text/html; charset=UTF-8\nContent-Transfer-Encoding: quoted-printable",
                          qp(f"<html><body>{html(challenge.block)}</body></html>")))
    yield Letter("Yahoo", "web", "ann.user@yahoo.example", YAHOO_HEADER.format(
        type=f'multipart/alternative; \n\tboundary="{name}"', encoding="", mailer="WebService/1.1.24652 YMailNovation"),
        both, YAHOO, width=None)
    for encoding in ("7bit", "quoted-printable", "base64"):
        yield Letter("Yahoo", f"plain, {encoding}", "ann.user@yahoo.example", YAHOO_HEADER.format(
            type="text/plain; charset=UTF-8", encoding=f"Content-Transfer-Encoding: {encoding}\n",
            mailer="WebService/1.1.24652 YahooMailAndroidMobile"), text, YAHOO, width=None, encoding=encoding)


FASTMAIL = ("DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=$domain; h=\n"
            "\tcc:content-transfer-encoding:content-type:content-type\n"
            "\t:date:date:from:from:in-reply-to:in-reply-to:message-id\n"
            "\t:mime-version:references:reply-to:subject:subject:to:to; s=fm3; t=\n"
            "\t1762157702; x=1762244102; bh=$bh; b=$b",
            "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=\n"
            "\tmessagingengine.example; h=cc:content-transfer-encoding:content-type\n"
            "\t:content-type:date:date:feedback-id:feedback-id:from:from\n"
            "\t:in-reply-to:in-reply-to:message-id:mime-version:references\n"
            "\t:reply-to:subject:subject:to:to:x-me-proxy:x-me-sender\n"
            "\t:x-me-sender:x-sasl-enc; s=fm3; t=1762157702; x=1762244102; bh=$bh; b=$b")
FASTMAIL_HEADER = """\
X-ME-Sender: <xms:RmQIaaY9fjpR9z4Wc0Pq5S7tU8vX2yZ3>
    <xme:RmQIadJkLmNoPqRsTuVwXyZ0123456789>
X-ME-Received: <xmr:RmQIaQnX0pLr>
X-ME-Proxy-Cause: gggruggvucftvghtrhhoucdtuddrgeefgedrtddtgdduieeitdcutefuodetggdotefrod
    ftvfcurfhrohhfihhlvgemucfhrghsthforghilhdpuffr
X-ME-Proxy: <xmx:RmQIaU>
Feedback-ID: i0123456f:Fastmail
Received: by mailuser.phl.internal (Postfix, from userid 501)
\tid 4A1C21820054; Mon,  3 Nov 2025 03:15:02 -0500 (EST)
X-Mailer: MessagingEngine.com Webmail Interface
MIME-Version: 1.0
X-ThreadId: AYp3KxUqLrA5
Date: Mon, 03 Nov 2025 09:14:41 +0100
From: "Ann User" <$address>
To: $to
Message-Id: <961b53a1-9c30-48ad-becf-81590b274f01@app.fastmail.example>
In-Reply-To: $id
References: $id
Subject: Re: ACME: $token
Content-Type: {type}
{encoding}"""


@shape("Fastmail")
def fastmail(challenge):
    for address in ("ann@fastmail.example", "ann@her-own.example"):
        for encoding in ("7bit", "quoted-printable"):
            yield Letter("Fastmail", f"{encoding}, {address}", address, FASTMAIL_HEADER.format(
                type="text/plain", encoding=f"Content-Transfer-Encoding: {encoding}\n"),
                "$block\n\nOn Mon, 3 Nov 2025, at 09:10, $to wrote:\n$quote", FASTMAIL, width=64, joint="\r\n\t",
                encoding=encoding)
    name = "b1c7e6f5d4c3b2a19a8b7c6d5e4f3021"
    both = multipart(name, part("Content-Type: text/plain", "$block\n"), part(
        "Content-Type: text/html\nContent-Transfer-Encoding: quoted-printable",
        qp("<!DOCTYPE html><html><body>…</body></html>")))
    yield Letter("Fastmail", "HTML", "ann@fastmail.example", FASTMAIL_HEADER.format(
        type=f"multipart/alternative;\n boundary={name}", encoding=""), both, FASTMAIL, width=64, joint="\r\n\t")


PROTON = ("DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=$domain;\n"
          "\ts=protonmail3; t=1762157702; x=1762416902;\n\tbh=$bh;\n"
          "\th=Date:To:From:Subject:Message-ID:In-Reply-To:References:Feedback-ID:\n"
          "\t From:To:Cc:Date:Subject:Reply-To:Feedback-ID:Message-ID:\n\t BIMI-Selector;\n\tb=$b",)
PROTON_HEADER = """\
Date: Mon, 03 Nov 2025 08:14:56 +0000
To: $to
From: Ann User <$address>
Subject: Re: ACME: $token
Message-ID: <q7Zt3Xq0_Kx7Vb2mYp3KxUqLrA5nXkq9Mw4wPzY1Qe8bT6rN2cVgH5jLd0sAfU3iOoWxEaRt=@$domain>
In-Reply-To: $id
References: $id
Feedback-ID: 41471105:user:proton
X-Pm-Message-ID: 0b1c7e6f5d4c43b2a19a8b7c6d5e4f3021
MIME-Version: 1.0
Content-Type: {type}
{encoding}"""


@shape("Proton")
def proton(challenge):
    text = "$block\n\nSent with Proton Mail secure email.\n\nOn Monday, November 3rd, 2025 at 9:10 AM, $to <$to> wrote:\n\n$quote"
    for encoding in ("quoted-printable", "base64"):
        yield Letter("Proton", f"plain, {encoding}", "ann@proton.example", PROTON_HEADER.format(
            type="text/plain; charset=utf-8", encoding=f"Content-Transfer-Encoding: {encoding}\n"), text, PROTON,
            encoding=encoding)
    both = multipart("b1=_Kq7Zt3Xq0Vb2mYp", part(
        "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64", b64(challenge.block + "\n")),
        part(
        "Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: base64", b64("<p>…</p>")), end="\n")
    yield Letter("Proton", "HTML", "ann@proton.example", PROTON_HEADER.format(
        type='multipart/alternative;\n boundary="b1=_Kq7Zt3Xq0Vb2mYp"', encoding=""),
        "This is a multi-part message in MIME format.\n\n" + both, PROTON)
    key = part('Content-Type: application/pgp-keys; filename="publickey - ann@proton.example - 0x12345678.asc"; '
               'name="publickey - ann@proton.example - 0x12345678.asc"\nContent-Transfer-Encoding: base64\n'
               'Content-Disposition: attachment; filename="publickey - ann@proton.example - 0x12345678.asc"',
               b64("-----BEGIN PGP PUBLIC KEY BLOCK-----\n"))
    mixed = multipart("b1=_outer0", part('Content-Type: multipart/alternative;\n boundary="b1=_Kq7Zt3Xq0Vb2mYp"', both),
        key)
    yield Letter("Proton", "HTML with key", "ann@proton.example", PROTON_HEADER.format(
        type='multipart/mixed;\n boundary="b1=_outer0"', encoding=""), mixed, PROTON)


GMX = ("DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=$domain;\n"
       "\ts=s31663417; t=1762157702; x=1762762502; i=$address;\n\tbh=$bh;\n"
       "\th=X-UI-Sender-Class:MIME-Version:Message-ID:From:To:Subject:\n"
       "\t Content-Type:In-Reply-To:References:Date:cc:content-transfer-encoding:\n"
       "\t content-type:date:from:message-id:mime-version:reply-to:subject:to;\n\tb=$b",)
GMX_OLD = ("DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/simple; d=$domain;\n"
           "        s=badeba3b8450; t=1635361930;\n        bh=$bh;\n"
           "        h=X-UI-Sender-Class:From:To:Subject:Date:In-Reply-To:References;\n        b=$b",)
GMX_HEADER = """\
X-UI-Sender-Class: 724b4f7f-cbec-4199-ad4e-598c01a50d3a
Received: from [198.51.100.20] by 3c-app-gmx-bs12.server.lan (via HTTP); Mon,
 3 Nov 2025 09:15:02 +0100
MIME-Version: 1.0
Message-ID: <trinity-f081ed33-d810-43a4-bc84-81aba256a52b-1762157702410@3c-app-gmx-bs12>
From: Ann User <$address>
To: $to
Subject: Aw: ACME: $token
Content-Type: {type}
{encoding}Date: Mon, 3 Nov 2025 09:15:02 +0100
Importance: normal
Sensitivity: Normal
In-Reply-To: $id
References: $id
X-UI-Message-Type: mail
X-Priority: 3
X-Provags-ID: V03:K1:Kq7Zt3Xq0Vb2mYp3KxUqLrA5nXkq9Mw4wPzY1Qe8bT6rN2cVgH5jLd0sAfU3iO
 oWxEaRt1234567890
X-UI-Out-Filterresults: notjunk:1;V01:K0:ZyRxfoNMXgU=;lRIc4yzQo33Sz9kGD8
"""


@shape("GMX")
def gmx(challenge):
    text = ("$block\n\n\nGesendet: Montag, 3. November 2025 um 09:10\nVon: $to\nAn: $address\n"
            "Betreff: ACME: $token\n\n$text")
    for name, fields in (("today", GMX), ("2021", GMX_OLD)):
        for domain in ("gmx.example", "web.example"):
            yield Letter("GMX", f"plain text, {name}, {domain}", f"ann.user@{domain}", GMX_HEADER.format(
                type="text/plain; charset=UTF-8", encoding=""), text, fields)
    yield Letter("GMX", "quoted-printable", "ann.user@gmx.example", GMX_HEADER.format(
        type="text/plain; charset=UTF-8", encoding="Content-Transfer-Encoding: quoted-printable\n"), "Grüße\n" + text,
        GMX,
        encoding="quoted-printable")
    yield Letter("GMX", "app", "ann.user@gmx.example", GMX_HEADER.format(
        type='multipart/alternative; boundary="----7TQ2ZQ0JXN8K"', encoding=""), multipart(
            "----7TQ2ZQ0JXN8K",
            part("Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable",
                                     qp(challenge.block + "\n-- \nDiese Nachricht wurde von meinem Gerät gesendet.\n")),
            part("Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: quoted-printable",
                qp("<p>…</p>"))), GMX)
    # The web page's usual form has no text/plain part: refused, and told so (interop 18).
    yield Letter("GMX", "HTML only", "ann.user@gmx.example", GMX_HEADER.format(
        type="text/html; charset=UTF-8", encoding=""),
        f"<html><body><div>{html(challenge.block)}</div></body></html>\n", GMX,
        verdict="noted")


# --- further ones

@shape("Evolution")
def evolution(challenge):
    header = """\
Message-ID: <8d5468231157016aaf301c2be3b4a12c.camel@$domain>
Subject: Re: ACME: $token
From: Ann User <$address>
To: $to
Date: Mon, 03 Nov 2025 09:15:01 +0100
In-Reply-To: $id
References: $id
Content-Type: text/plain; charset="UTF-8"
Content-Transfer-Encoding: quoted-printable
User-Agent: Evolution 3.56.2
MIME-Version: 1.0
"""
    yield from at_home("Evolution", "plain", header,
        "Grüße\n$block\n\nAm Montag, dem 03.11.2025 um 08:10 +0000 schrieb\n$to:\n"
                       "$quote", encoding="quoted-printable")


@shape("Notes")
def notes(challenge):
    header = """\
In-Reply-To: $id
References: $id
Subject: Antwort: ACME: $token
From: "Ann User" <$address>
To: $to
Date: Mon, 3 Nov 2025 09:15:01 +0100
Message-ID: <OF0B1C7E6F.5D4C43B2-ONC1258D38.002D5A1C-C1258D38.002D5E10@$domain>
X-Mailer: HCL Domino Web Server Release 14.0 November 29, 2023
MIME-Version: 1.0
Content-type: multipart/alternative;
\tBoundary="0__=4EBB0E9BDFF7A1B28f9e8a93df938690918c4EBB0E9BDFF7A1B2"
Content-Disposition: inline
"""
    name = "0__=4EBB0E9BDFF7A1B28f9e8a93df938690918c4EBB0E9BDFF7A1B2"
    yield from at_home("Notes", "rich text", header, multipart(
        name, part("Content-type: text/plain; charset=US-ASCII\nContent-Transfer-Encoding: quoted-printable",
                   "\n$block\n\nAnn User\n\n\n\n|------------>\n| From:      |\n|------------>\n"),
        part("Content-type: text/html; charset=US-ASCII\nContent-Disposition: inline\n"
             "Content-Transfer-Encoding: quoted-printable", "<html><body><p>...</p></body></html>\n"), end="\n"))


@shape("Zimbra")
def zimbra(challenge):
    header = """\
Date: Mon, 3 Nov 2025 09:15:01 +0100 (CET)
From: Ann User <$address>
To: acme-challenge <$to>
Message-ID: <1834907123.4711.1762157701234.JavaMail.zimbra@$domain>
In-Reply-To: $id
References: $id
Subject: Re: ACME: $token
MIME-Version: 1.0
Content-Type: multipart/alternative;
\tboundary="=_5d4c43b2-a19a-4b7c-8d5e-4f3021b1c7e6"
X-Originating-IP: [198.51.100.20]
X-Mailer: Zimbra 10.0.8_GA_4598 (ZimbraWebClient - FF128 (Linux)/10.0.8_GA_4598)
Thread-Topic: ACME: $token
Thread-Index: 0b1c7e6f5d4c43b2a19a8b7c6d5e4f30
"""
    name = "=_5d4c43b2-a19a-4b7c-8d5e-4f3021b1c7e6"
    yield from at_home("Zimbra", "web", header, multipart(
        name,
        part("Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 7bit",
            "$block \n\n\nVon: $to \nAn: $address \n"),
        part("Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: 7bit",
            "<html><body>...</body></html>\n"),
        end="\n"))


@shape("programs for RFC 8823")
def automatic(challenge):
    header = """\
From: $address
To: $to
Subject: Re: ACME: $token
In-Reply-To: None
Auto-Submitted: auto-replied; type=acme
"""
    yield from at_home("programs for RFC 8823", "bare", header, "$block\n")
    folded = header.replace("Re: ACME: $token", "Re:\n " + word(" ACME: " + challenge.token[:15], "utf-8", "q") + "\n "
                            + word(challenge.token[15:], "utf-8", "b"))
    yield from at_home("programs for RFC 8823", "encoded subject, wrapped digest", folded,
        "-----BEGIN ACME RESPONSE-----\n" + challenge.digest[:20] + "\n " + challenge.digest[20:]
        + "=\n-----END ACME RESPONSE-----\n")
