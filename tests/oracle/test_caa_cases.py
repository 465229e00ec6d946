# SPDX-License-Identifier: Apache-2.0
"""CAA against zones of a real NSD, signed and not, and against name servers that fail (ca-rules 8, 10, 12). What is
expected of each case comes from RFC 8659, 9495 and 8657 and S/MIME BR 4.2.2.1. Our resolver, climb and judge say what
they find; beside them a second judge in Python climbs and judges what NSD itself answers."""

import re
import socket
import struct
import threading
import unittest

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

import lab
from lab import HOST

US = "ca.test"
ACCOUNT = "https://acme.test/account/1"
SECURE, INSECURE = "secure", "insecure"
PERMITTED, FORBIDDEN, AGAIN = "permitted", "forbidden", "again"


# --- what the zones "signed" and "plain" hold, and what it means ---


def names(*values):
    """Records with an issuemail property each."""
    return [f'0 issuemail "{value}"' for value in values]


OTHERS = [f"ca{number}.another-authority-with-a-long-name.test" for number in range(60)]

# name below the zone -> its CAA records; the verdict for it; words of the reason.
OWN = {
    "us": (names(US), PERMITTED, ""),
    "nobody": (names(";"), FORBIDDEN, "permits nobody"),
    "empty": (names(""), FORBIDDEN, "permits nobody"),
    "blank": (names(" "), FORBIDDEN, "permits nobody"),
    "other": (names("other.test"), FORBIDDEN, "names another CA"),
    "nobody-and-us": (names(";", US), PERMITTED, ""),
    "other-and-us": (names("other.test", US), PERMITTED, ""),
    "below-us": (names("sub.ca.test"), FORBIDDEN, "names another CA"),
    "above-us": (names("test"), FORBIDDEN, "names another CA"),
    "longer-than-us": (names("xca.test"), FORBIDDEN, "names another CA"),
    "upper-case": (names("CA.Test"), PERMITTED, ""),
    # other tags say nothing about mail
    "issue": (['0 issue ";"'], PERMITTED, "no issuemail"),
    "issuewild": (['0 issuewild ";"'], PERMITTED, "no issuemail"),
    "iodef": (['0 iodef "mailto:x@signed"'], PERMITTED, "no issuemail"),
    "issue-other-mail-us": (['0 issue "other.test"'] + names(US), PERMITTED, ""),
    "issue-us-mail-nobody": ([f'0 issue "{US}"'] + names(";"), FORBIDDEN, "permits nobody"),
    "issue-us-mail-other": ([f'0 issue "{US}"', '0 issuevmc ";"'] + names("other.test"), FORBIDDEN, "another CA"),
    "longer-tag": (['0 issuemailx ";"'], PERMITTED, "no issuemail"),
    # the critical flag
    "critical-unknown": (['128 tbs "x"'] + names(US), FORBIDDEN, "critical and not understood"),
    "critical-unknown-alone": (['128 tbs "x"'], FORBIDDEN, "critical and not understood"),
    "unknown": (['0 tbs "x"'], PERMITTED, "no issuemail"),
    "unknown-and-us": (['0 tbs "x"'] + names(US), PERMITTED, ""),
    "unknown-and-nobody": (['0 tbs "x"'] + names(";"), FORBIDDEN, "permits nobody"),
    "critical-us": ([f'128 issuemail "{US}"'], PERMITTED, ""),
    "critical-other": (['128 issuemail "other.test"'], FORBIDDEN, "names another CA"),
    "critical-known": (['128 issue ";"', '128 issuewild ";"', '128 iodef "mailto:x@signed"', '128 issuevmc ";"',
                        '128 contactemail "x@signed"', '128 contactphone "1"'], PERMITTED, "no issuemail"),
    "other-flags": ([f'127 issuemail "{US}"', '127 tbs "x"'], PERMITTED, ""),
    "all-flags-unknown": (['255 tbs "x"'] + names(US), FORBIDDEN, "critical and not understood"),
    # the value's grammar: malformed names nobody, and another property may still permit
    "malformed": (names("%%%"), FORBIDDEN, "malformed"),
    "malformed-and-us": (names("%%%", US), PERMITTED, ""),
    "trailing-dot": (names("ca.test."), FORBIDDEN, "malformed"),
    "asterisk": (names("*.ca.test"), FORBIDDEN, "malformed"),
    "hyphen": (names("-ca.test"), FORBIDDEN, "malformed"),
    "two-names": (names("ca.test other.test"), FORBIDDEN, "malformed"),
    "comma": (names("ca.test,other.test"), FORBIDDEN, "malformed"),
    "beyond-ascii": (names(r"c\195\164.test"), FORBIDDEN, "malformed"),
    "nul": (names(r"ca.test\000"), FORBIDDEN, "malformed"),
    "semicolons": (names("ca.test;;"), FORBIDDEN, "malformed"),
    "semicolon": (names("ca.test;"), PERMITTED, ""),
    "blanks": (names(r" \009ca.test \009; \009"), PERMITTED, ""),
    "parameter": (names("ca.test; policy=ev"), PERMITTED, ""),
    "parameters": (names("ca.test; a=1; b=2"), PERMITTED, ""),
    "parameter-without-value": (names("ca.test; policy"), FORBIDDEN, "malformed"),
    "parameters-without-semicolon": (names("ca.test; a=1 b=2"), FORBIDDEN, "malformed"),
    "parameters-of-nobody": (names("; policy=ev"), FORBIDDEN, "permits nobody"),
    # RFC 8657
    "account": (names(f"ca.test; accounturi={ACCOUNT}"), PERMITTED, ""),
    "another-account": (names("ca.test; accounturi=https://acme.test/account/2"), FORBIDDEN, "accounturi"),
    "part-of-account": (names(f"ca.test; accounturi={ACCOUNT[:-1]}"), FORBIDDEN, "accounturi"),
    "no-account": (names("ca.test; accounturi="), FORBIDDEN, "accounturi"),
    "account-twice": (names(f"ca.test; accounturi={ACCOUNT}; accounturi={ACCOUNT}"), FORBIDDEN, "accounturi"),
    "accounts": (names("ca.test; accounturi=https://acme.test/account/2", f"ca.test; accounturi={ACCOUNT}"),
                 PERMITTED, ""),
    "another-account-or-any": (names("ca.test; accounturi=https://acme.test/account/2", US), PERMITTED, ""),
    "method": (names("ca.test; validationmethods=email-reply-00"), PERMITTED, ""),
    "methods": (names("ca.test; validationmethods=dns-01,email-reply-00,ca-own"), PERMITTED, ""),
    "another-method": (names("ca.test; validationmethods=http-01"), FORBIDDEN, "validationmethods"),
    "longer-method": (names("ca.test; validationmethods=email-reply-001"), FORBIDDEN, "validationmethods"),
    "no-method": (names("ca.test; validationmethods="), FORBIDDEN, "validationmethods"),
    "method-twice": (names("ca.test; validationmethods=email-reply-00; validationmethods=email-reply-00"), FORBIDDEN,
                     "validationmethods"),
    "account-and-method": (names(f"ca.test; accounturi={ACCOUNT}; validationmethods=email-reply-00"), PERMITTED, ""),
    "account-and-another-method": (names(f"ca.test; accounturi={ACCOUNT}; validationmethods=dns-01"), FORBIDDEN,
                                   "validationmethods"),
    "parameters-of-another": (names(f"other.test; accounturi={ACCOUNT}"), FORBIDDEN, "names another CA"),
    # more than one UDP datagram holds: asked again by TCP
    "many-and-us": (names(*OTHERS, US), PERMITTED, ""),
    "many": (names(*OTHERS), FORBIDDEN, "names another CA"),
    # beside the climb
    "us.nobody": (names(US), PERMITTED, ""),
    "issue.nobody": (['0 issue ";"'], PERMITTED, "no issuemail"),
    "nobody.us": (names(";"), FORBIDDEN, "permits nobody"),
    "us.critical-unknown": (names(US), PERMITTED, ""),
}

# Further records of the zones.
MORE = [
    ("below.us", "A", HOST), ("alias-us", "CNAME", "us"), ("alias-nobody", "CNAME", "nobody"),
    ("alias-1", "CNAME", "alias-2"), ("alias-2", "CNAME", "alias-3"), ("alias-3", "CNAME", "nobody"),
    ("alias.us", "CNAME", "nobody"), ("bare", "A", HOST), ("bare.nobody", "A", HOST),
    ("alias-bare.nobody", "CNAME", "bare"), ("alias-below-nobody", "CNAME", "bare.nobody"),
    ("alias-gone", "CNAME", "gone"), ("alias-gone.nobody", "CNAME", "gone"),
    ("tree", "DNAME", "subtree"), ("leaf.subtree", "CAA", '0 issuemail ";"'), ("bare.subtree", "A", HOST),
    ("*.wild", "CAA", '0 issuemail ";"'), ("there.wild", "A", HOST), ("*.wildalias", "CNAME", "nobody"),
    ("a.b.empty-non-terminal", "A", HOST),
]

# name -> verdict, where the climb ends ("" the zone, None nowhere), words
FOUND = {
    "below.us": (PERMITTED, "us", ""), "x.y.z.us": (PERMITTED, "us", ""),
    "x.nobody": (FORBIDDEN, "nobody", "permits nobody"), "a.b.c.d.e.f.g.nobody": (FORBIDDEN, "nobody", "nobody"),
    "x.critical-unknown": (FORBIDDEN, "critical-unknown", "critical"), "x.us.nobody": (PERMITTED, "us.nobody", ""),
    "x.issue.nobody": (PERMITTED, "issue.nobody", "no issuemail"),
    "alias-us": (PERMITTED, "alias-us", ""), "alias-nobody": (FORBIDDEN, "alias-nobody", "permits nobody"),
    "alias-1": (FORBIDDEN, "alias-1", "permits nobody"), "x.alias-nobody": (FORBIDDEN, "alias-nobody", "nobody"),
    "alias.us": (FORBIDDEN, "alias.us", "permits nobody"),
    # RFC 8659 climbs from the name itself and never from where a CNAME leads (RFC 6844 did)
    "alias-bare.nobody": (FORBIDDEN, "nobody", "permits nobody"), "alias-below-nobody": (PERMITTED, None, "no CAA"),
    "alias-gone": (PERMITTED, None, "no CAA"), "alias-gone.nobody": (FORBIDDEN, "nobody", "permits nobody"),
    "leaf.tree": (FORBIDDEN, "leaf.tree", "permits nobody"), "bare.tree": (PERMITTED, None, "no CAA"),
    "x.wild": (FORBIDDEN, "x.wild", "permits nobody"), "x.y.wild": (FORBIDDEN, "x.y.wild", "permits nobody"),
    "there.wild": (PERMITTED, None, "no CAA"), "wild": (PERMITTED, None, "no CAA"),
    "x.wildalias": (FORBIDDEN, "x.wildalias", "permits nobody"),
    "b.empty-non-terminal": (PERMITTED, None, "no CAA"), "gone": (PERMITTED, None, "no CAA"),
    "a.b.c.gone": (PERMITTED, None, "no CAA"), "bare": (PERMITTED, None, "no CAA"), "": (PERMITTED, None, "no CAA"),
}


def zone_records():
    return [(name, "CAA", record) for name, (records, _, _) in OWN.items() for record in records] + MORE


# --- zones with a DNSSEC state each ---

DENIES, PERMITS = ("deny", "CAA", '0 issuemail ";"'), ("permit", "CAA", f'0 issuemail "{US}"')
BOTH = [DENIES, PERMITS, ("bare", "A", HOST)]
FAKE_DS = "12345 13 2 " + "AB" * 32
ZONES = {
    "bogus": (lab.BOGUS, BOTH), "stripped": (lab.STRIPPED, BOTH), "expired": (lab.EXPIRED, BOTH),
    "nsec3": (lab.NSEC3, BOTH + [("child", "NS", "ns.child"), ("ns.child", "A", HOST), ("child", "DS", FAKE_DS)]),
    "optout": (lab.OPTOUT, BOTH + [("child", "NS", "ns.child"), ("ns.child", "A", HOST)]),
    "iterated": (lab.ITERATED, BOTH), "unloaded": (lab.UNLOADED, []),
    # below a signed zone: with a DS record that their owner cannot sign for, and without
    "child.nsec3": (lab.INSECURE, BOTH), "child.optout": (lab.INSECURE, BOTH),
}

# domain -> verdict, DNSSEC, outcome
STATES = {
    **{f"{name}.{zone}": (FORBIDDEN, INSECURE, "bogus") for zone in ("bogus", "stripped", "expired", "child.nsec3")
       for name in ("permit", "deny", "bare", "gone")},
    **{f"{name}.unloaded": ((FORBIDDEN, AGAIN), INSECURE, ("bogus", "temporary")) for name in ("permit", "gone")},
    **{f"permit.{zone}": (PERMITTED, SECURE, "found") for zone in ("nsec3", "optout", "iterated")},
    **{f"deny.{zone}": (FORBIDDEN, SECURE, "found") for zone in ("nsec3", "optout", "iterated")},
    **{f"{name}.nsec3": (PERMITTED, SECURE, "none") for name in ("bare", "gone")},
    # opt-out does not prove that a name is not there, for an unsigned delegation may be (RFC 5155 section 9.2)
    "bare.optout": (PERMITTED, SECURE, "none"), "gone.optout": (PERMITTED, INSECURE, "none"),
    "permit.child.optout": (PERMITTED, INSECURE, "found"), "deny.child.optout": (FORBIDDEN, INSECURE, "found"),
    "gone.child.optout": (PERMITTED, INSECURE, "none"),
    # so many rounds make a denial count as insecure (RFC 9276 section 3.2)
    "gone.iterated": (PERMITTED, INSECURE, "none"),
}


# --- name servers that fail ---

RAW = {  # wire data that no zone file gives
    "raw-empty": b"", "raw-flags-only": b"\0", "raw-no-tag": b"\0\0", "raw-long-tag": b"\0\x20issuemailca.test",
    "raw-tag-of-others": b"\0\x05is-ueca.test", "raw-critical": b"\x80\x05is_ue;",
}
GOOD = b"\0\x09issuemail" + US.encode()
UPPER = {"upper-us": b"\0\x09ISSUEMAIL" + US.encode(), "upper-nobody": b"\0\x09IssueMail;",
         "upper-known": b"\x80\x05Issue;"}


class Faulty:
    """A name server for the zone "fault": the first label of the name below it says how it behaves."""

    def __init__(self, case, port):
        self.port, self.asked = port, []
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind((HOST, port))
        self.tcp = socket.create_server((HOST, port))
        for serve in (self.serve_udp, self.serve_tcp):
            threading.Thread(target=serve, daemon=True).start()
        case.addCleanup(self.close)

    def close(self):
        for one in (self.udp, self.tcp):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            one.close()

    def serve_udp(self):
        while True:
            try:
                octets, peer = self.udp.recvfrom(4096)
            except OSError:
                return
            answer = self.answer(octets, tcp=False) if octets else None  # none: closed
            if answer is not None:
                self.udp.sendto(answer, peer)

    def serve_tcp(self):
        while True:
            try:
                connection = self.tcp.accept()[0]
            except OSError:
                return
            with connection, connection.makefile("rwb") as stream:
                length = stream.read(2)
                query = stream.read(struct.unpack("!H", length)[0]) if len(length) == 2 else b""
                answer = self.answer(query, tcp=True) if query else None
                if answer is not None:
                    stream.write(struct.pack("!H", len(answer)) + answer)

    def answer(self, octets, tcp):
        query = dns.message.from_wire(octets)
        name, kind = query.question[0].name, query.question[0].rdtype
        behaviour = name.labels[-3].decode().lower() if len(name.labels) > 2 else ""
        self.asked.append((name.to_text(), dns.rdatatype.to_text(kind), tcp))
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.AA
        caa = kind == dns.rdatatype.CAA
        codes = {"servfail": dns.rcode.SERVFAIL, "refused": dns.rcode.REFUSED, "formerr": dns.rcode.FORMERR,
                 "notimp": dns.rcode.NOTIMP}
        if behaviour == "silent":
            return None
        if caa and behaviour in codes and len(name.labels) == 3:
            reply.set_rcode(codes[behaviour])
        elif caa and behaviour == "garbage":
            return octets[:2] + b"\x84\0\0\1\xff\xff\0\0\0\0" + octets[12:] + b"\xc0\xff\xff"
        elif caa and behaviour.startswith("truncated"):
            if not tcp:
                reply.flags |= dns.flags.TC
            elif behaviour == "truncated-dead":
                return None
            else:
                add(reply, name, "CAA", GOOD if behaviour == "truncated-us" else b"\0\x09issuemail;")
        elif caa and behaviour == "loop":
            add(reply, name, "CNAME", name.to_wire())
        elif caa and behaviour in {**RAW, **UPPER}:
            add(reply, name, "CAA", {**RAW, **UPPER}[behaviour])
        elif caa and behaviour == "raw-malformed-and-us":
            add(reply, name, "CAA", RAW["raw-long-tag"], GOOD)
        if not reply.answer and not reply.flags & dns.flags.TC:
            reply.authority.append(dns.rrset.from_text("fault.", 1, "IN", "SOA", "ns.fault. x.fault. 1 1 1 1 1"))
        return reply.to_wire()


def add(reply, name, rtype, *values):
    """Records with wire data as it is, which dnspython would refuse in part."""
    rrset = dns.rrset.RRset(name, dns.rdataclass.IN, dns.rdatatype.from_text(rtype))
    rrset.update_ttl(1)
    for value in values:
        rrset.add(dns.rdata.GenericRdata(rrset.rdclass, rrset.rdtype, value))
    reply.answer.append(rrset)


FAULTS = {
    **{f"{name}.fault": (AGAIN, "temporary", "") for name in ("servfail", "refused", "formerr", "notimp", "garbage",
                                                              "loop", "truncated-dead")},
    # the name itself has no record, its parent cannot be asked
    **{f"below.{name}.fault": (AGAIN, "temporary", "") for name in ("servfail", "refused")},
    "truncated-us.fault": (PERMITTED, "found", ""), "truncated-nobody.fault": (FORBIDDEN, "found", "permits nobody"),
    **{f"{name}.fault": (FORBIDDEN, "found", "malformed") for name in RAW},
    "raw-malformed-and-us.fault": (FORBIDDEN, "found", "malformed"),
    # tags are compared without case; NSD has none in upper case
    "upper-us.fault": (PERMITTED, "found", ""), "upper-nobody.fault": (FORBIDDEN, "found", "permits nobody"),
    "upper-known.fault": (PERMITTED, "found", "no issuemail"),
    "answers.fault": (PERMITTED, "none", "no CAA"),
}
SILENT = {"silent.fault": (AGAIN, "temporary", "in time"), "below.silent.fault": (AGAIN, "temporary", "in time"),
          "gone.dark": (AGAIN, "temporary", "")}


# --- the second judge ---

LABEL = r"[A-Za-z0-9](?:-*[A-Za-z0-9])*"
PARAMETER = rf"{LABEL}[ \t]*=[ \t]*[\x21-\x3a\x3c-\x7e]*"
VALUE = re.compile(rf"[ \t]*(?P<issuer>{LABEL}(?:\.{LABEL})*)?[ \t]*"
                   rf"(?:;[ \t]*(?P<parameters>{PARAMETER}(?:[ \t]*;[ \t]*{PARAMETER})*)?[ \t]*)?")
KNOWN = {"issue", "issuewild", "issuemail", "issuevmc", "iodef", "contactemail", "contactphone"}


def second_judgement(zones, domain):
    """Climbs by asking NSD, and judges."""
    labels = domain.split(".")
    for start in range(len(labels)):
        query = dns.message.make_query(".".join(labels[start:]), "CAA")
        answer = dns.query.tcp(query, HOST, 10, zones.port)
        assert answer.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN), answer
        found = [record for rrset in answer.answer if rrset.rdtype == dns.rdatatype.CAA for record in rrset]
        if found:
            return PERMITTED if second_opinion(found) else FORBIDDEN
    return PERMITTED


def second_opinion(records):
    if any(record.flags & 128 and record.tag.decode().lower() not in KNOWN for record in records):
        return False
    values = [record.value for record in records if record.tag.lower() == b"issuemail"]
    return not values or any(names_us(value.decode("latin-1")) for value in values)


def names_us(value):
    match = VALUE.fullmatch(value)
    if match is None or (match["issuer"] or "").lower() != US:
        return False
    pairs = [[word.strip(" \t") for word in pair.split("=", 1)] for pair in (match["parameters"] or "").split(";") if
             pair]
    mine = lambda tag: [content for name, content in pairs if name.lower() == tag]
    accounts, methods = mine("accounturi"), mine("validationmethods")
    return (accounts in ([], [ACCOUNT])
            and (not methods or (len(methods) == 1 and "email-reply-00" in methods[0].split(","))))


class CaaCases(lab.SharedLabCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        contents = {"signed": zone_records(), "plain": zone_records(), **{name: r for name, (_, r) in ZONES.items()}}
        modes = {"plain": lab.INSECURE, **{name: mode for name, (mode, _) in ZONES.items()}}
        cls.zones = lab.SignedZones(cls.lab, contents, modes)

    def judged(self, domains, timeout=60000, stubs=()):
        """{domain: (verdict, secure or insecure, outcome, found at, text)} by Signet."""
        lines = self.lab.run(lab.program("caa_verdicts"), timeout, self.zones.anchor_file, US, *self.zones.stubs, *stubs,
                             input="".join(f"{domain} {ACCOUNT}\n" for domain in domains))
        found = {line.split(" ")[0]: tuple(line.split(" ", 5)[1:]) for line in lines.splitlines()}
        self.assertEqual(sorted(found), sorted(domains), lines)
        return found

    def check_zone(self, zone, dnssec):
        domain = lambda name: f"{name}.{zone}" if name else zone
        expected = {domain(name): (verdict, domain(name), words) for name, (_, verdict, words) in OWN.items()}
        expected.update({domain(name): (verdict, None if at is None else domain(at), words)
                         for name, (verdict, at, words) in FOUND.items()})
        self.assertGreaterEqual(len(expected), 60)
        for name, found in self.judged(expected).items():
            verdict, at, words = expected[name]
            with self.subTest(name):
                self.assertEqual(found[:4], (verdict, dnssec, "none" if at is None else "found", at or "-"), found)
                self.assertIn(words, found[4])
                self.assertEqual(second_judgement(self.zones, name), verdict)

    def test_signed(self):
        """ca-rules 8, 10, 12: every answer on the way is validated."""
        self.check_zone("signed", SECURE)

    def test_unsigned(self):
        """ca-rules 8, 12: the same records decide the same where nobody signs."""
        self.check_zone("plain", INSECURE)

    def test_dnssec(self):
        """ca-rules 10: secure, insecure and bogus are told apart, and what is bogus permits nothing, be it a record that
        names us or the claim that there is none."""
        for name, found in self.judged(STATES).items():
            verdicts, dnssec, outcomes = STATES[name]
            with self.subTest(name):
                self.assertIn(found[0], verdicts if isinstance(verdicts, tuple) else (verdicts,), found)
                self.assertIn(found[2], outcomes if isinstance(outcomes, tuple) else (outcomes,), found)
                self.assertEqual(found[1], dnssec, found)

    def check_faults(self, expected, timeout):
        faulty = Faulty(self, self.lab.free_port())
        stubs = [f"fault {HOST}@{faulty.port}", f"dark {HOST}@{self.lab.free_port()}"]
        for name, found in self.judged(expected, timeout, stubs).items():
            verdict, outcome, words = expected[name]
            with self.subTest(name):
                self.assertEqual(found[:3], (verdict, INSECURE, outcome), found)
                self.assertIn(words, found[4])
        return faulty

    def test_faults(self):
        """ca-rules 10: a lookup that fails permits nothing, though the zone is not signed."""
        faulty = self.check_faults(FAULTS, 60000)
        self.assertIn(("truncated-us.fault.", "CAA", True), faulty.asked)

    def test_silence(self):
        """ca-rules 10: no answer in time."""
        self.check_faults(SILENT, 1500)


if __name__ == "__main__":
    unittest.main(verbosity=2)
