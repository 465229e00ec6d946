# SPDX-License-Identifier: Apache-2.0
"""CAs for tests: keys in tokens of SoftHSM, and what openssl says of certificates and their lists.

    token = SoftHsm(self, "ca")                       # a token of its own in the lab's folder
    token.add(path_of_pem_key, "issuing")             # the key goes into the token
    settings = token.settings("issuing", server.folder / "pin")
    openssl_verify(self.lab, leaf, issuer, root)      # (exit status, words), with the lists that the certificates name
"""

import os
import pathlib
import subprocess
import tempfile
import urllib.request

from cryptography import x509
from cryptography.hazmat.primitives import serialization

MODULE = "/usr/lib/softhsm/libsofthsm2.so"


class SoftHsm:
    """A folder of tokens, which the module finds by SOFTHSM2_CONF in the environment of the test and its children."""

    def __init__(self, case, label, pin="271828"):
        self.case, self.pin = case, pin
        folder = case.lab.folder("softhsm")
        self.tokens, self.conf = folder / "tokens", folder / "softhsm2.conf"
        self.tokens.mkdir()
        self.conf.write_text(f"directories.tokendir = {self.tokens}\nobjectstore.backend = file\nlog.level = ERROR\n")
        before = os.environ.get("SOFTHSM2_CONF")
        os.environ["SOFTHSM2_CONF"] = str(self.conf)
        case.addCleanup(lambda: os.environ.pop("SOFTHSM2_CONF") if before is None
                        else os.environ.__setitem__("SOFTHSM2_CONF", before))
        self.init(label, pin)

    def init(self, label, pin):
        """A further token."""
        self.label = label
        self.case.lab.run("softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin", "31415926", "--pin", pin)

    def add(self, path, name, token=None, pin=None):
        """The key of a PEM file (PKCS #8) goes into the token; the file goes away."""
        number = "%02x" % (len(list(self.tokens.rglob("*.object"))) + 1)
        self.case.lab.run("softhsm2-util", "--import", path, "--token", token or self.label, "--label", name, "--id",
                          number, "--pin", pin or self.pin)
        pathlib.Path(path).unlink()

    def settings(self, name, pin_file):
        """Of [ca]."""
        pathlib.Path(pin_file).write_text(self.pin + "\n")
        return {"key": f"pkcs11:token={self.label};object={name}", "passphrase-file": pin_file, "pkcs11-module": MODULE,
                "pkcs11-paths": f"{self.tokens}; {self.conf}"}

    def away(self):
        """Every token is pulled out."""
        self.tokens.with_name("away").mkdir()
        for token in self.tokens.iterdir():
            token.rename(self.tokens.with_name("away") / token.name)

    def back(self):
        for token in self.tokens.with_name("away").iterdir():
            token.rename(self.tokens / token.name)


def fetch(url):
    with urllib.request.urlopen(url, timeout=60) as answer:
        return answer.read()


def crl_url(certificate):
    points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    return points[0].full_name[0].value


def issuer_url(certificate):
    return certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value[0].access_location.value


def crl_of(certificate):
    return x509.load_der_x509_crl(fetch(crl_url(certificate)))


def pem(*things):
    return b"".join(thing.public_bytes(serialization.Encoding.PEM) for thing in things)


def openssl_verify(lab, leaf, issuers, root):
    """issuers: of the leaf upwards below root. (exit status, what openssl said), asked with all lists that the
    certificates name."""
    folder = pathlib.Path(tempfile.mkdtemp(dir=lab.path))
    files = {"leaf": pem(leaf), "issuers": pem(*issuers), "root": pem(root), "crls": pem(*map(crl_of, [leaf, *issuers]))}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    done = subprocess.run(["openssl", "verify", "-x509_strict", "-purpose", "any", "-CAfile", folder / "root", "-untrusted",
                           folder / "issuers", "-CRLfile", folder / "crls", "-crl_check_all", folder / "leaf"],
                          capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr
