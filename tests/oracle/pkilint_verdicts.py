# SPDX-License-Identifier: Apache-2.0
"""What pkilint finds at WARNING and above in the lines of certificate_maker on the standard input; a line of JSON for
each. Runs where pkilint is installed, for test_pkilint.py; its argument is contrib/signet-pkilint, which has the
linter for subscribers' certificates."""

import base64
import importlib.machinery
import importlib.util
import json
import sys

from pkilint import loader, pkix
from pkilint.cabf import cabf_crl
from pkilint.pkix import certificate, crl, extension, name


def load(path):
    spec = importlib.util.spec_from_loader("adapter", importlib.machinery.SourceFileLoader("adapter", path))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def ca_linter():
    return certificate.create_pkix_certificate_validator_container(
        certificate.create_decoding_validators(name.ATTRIBUTE_TYPE_MAPPINGS, extension.EXTENSION_MAPPINGS),
        [certificate.create_issuer_validator_container([]), certificate.create_validity_validator_container(),
         certificate.create_subject_validator_container([]), certificate.create_extensions_validator_container([]),
         certificate.create_spki_validator_container([])])


def crl_linter(kind):
    """RFC 5280, and the longest validities; the list of reasons that pkilint has is that for TLS certificates."""
    return crl.create_pkix_crl_validator_container(
        [pkix.create_attribute_decoder(name.ATTRIBUTE_TYPE_MAPPINGS),
         pkix.create_extension_decoder(extension.EXTENSION_MAPPINGS)],
        [crl.create_issuer_validator_container([]),
         crl.create_validity_validator_container([cabf_crl.create_validity_period_validator(kind)]),
         crl.create_extensions_validator_container([])])


def main():
    adapter = load(sys.argv[1])
    ca = ca_linter()
    kinds = {"crl": crl.CertificateRevocationListType.CRL, "arl": crl.CertificateRevocationListType.ARL}
    lists = {word: crl_linter(kind) for word, kind in kinds.items()}
    for line in sys.stdin:
        kind, what, text = line.rstrip("\n").split("\t")
        der = base64.b64decode(text)
        if kind in ("subscriber", "unsigned"):
            findings = adapter.lint(der)
        elif kind in lists:
            document = loader.RFC5280CertificateListDocumentLoader().load_der_document(der, kind, "der")
            findings = [text for *_, text in adapter.found(lists[kind].validate(document.root))]
        else:
            document = loader.RFC5280CertificateDocumentLoader().load_der_document(der, kind, "der")
            findings = [text for *_, text in adapter.found(ca.validate(document.root))]
        print(json.dumps([kind, what, findings]), flush=True)


if __name__ == "__main__":
    main()
