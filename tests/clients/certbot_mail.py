# SPDX-License-Identifier: Apache-2.0
"""An authenticator for certbot, which has none for mail. It gives the challenge to whoever started certbot, a line of
JSON on standard output, and goes on when a line comes back."""

import json
import sys

from acme import challenges
from certbot import interfaces
from certbot.plugins import common


@challenges.ChallengeResponse.register
class EmailReplyResponse(challenges.KeyAuthorizationChallengeResponse):
    typ = "email-reply-00"


@challenges.Challenge.register
class EmailReply(challenges.KeyAuthorizationChallenge):
    typ = "email-reply-00"
    response_cls = EmailReplyResponse

    def validation(self, account_key, **unused):
        return self.key_authorization(account_key)


class Authenticator(common.Plugin, interfaces.Authenticator):
    description = "Replies to the challenge's mail"

    @classmethod
    def add_parser_arguments(cls, add):
        pass

    def prepare(self):
        pass

    def more_info(self):
        return self.description

    def get_chall_pref(self, domain):
        return [EmailReply]

    def perform(self, achalls):
        responses = []
        for challenge in achalls:
            response, validation = challenge.response_and_validation()
            print(json.dumps({"value": challenge.domain, "key_authorization": validation}), file=sys.__stdout__,
                  flush=True)
            sys.stdin.readline()
            responses.append(response)
        return responses

    def cleanup(self, achalls):
        pass
