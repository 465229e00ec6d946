// SPDX-License-Identifier: Apache-2.0
// npm's acme-client by the methods of its Client. The first argument is {"directory"}; a line of JSON {"verb": NAME,
// ...} is a call of that method, its answer is a line; what the library throws comes back as {"error": TEXT}.
'use strict';

const acme = require('acme-client');
const readline = require('readline');

const settings = JSON.parse(process.argv[2]);
const start = (accountKey, more) => new acme.Client({
    directoryUrl: settings.directory, accountKey, backoffMin: 200, backoffMax: 1000, backoffAttempts: 60, ...more,
});
let key;
let client;
let order;
let authorizations;
let request;
let chain;

const aboutAccount = (account) => ({ url: client.getAccountUrl(), status: account.status, contact: account.contact });

const verbs = {
    async register({ contact, binding }) {
        key = await acme.crypto.createPrivateEcdsaKey();
        client = start(key, binding ? { externalAccountBinding: { kid: binding.kid, hmacKey: binding.key } } : {});
        const account = await client.createAccount({ termsOfServiceAgreed: true, contact: [`mailto:${contact}`] });
        return { ...aboutAccount(account), terms: await client.getTermsOfServiceUrl() };
    },
    async update({ contact }) {
        return aboutAccount(await client.updateAccount({ contact: [`mailto:${contact}`] }));
    },
    async query() {
        return aboutAccount(await client.updateAccount({}));
    },
    async order({ addresses, csr, replaces }) {
        request = csr;
        const identifiers = addresses.map((value) => ({ type: 'email', value }));
        order = await client.createOrder(replaces ? { identifiers, replaces } : { identifiers });
        authorizations = await client.getAuthorizations(order);
        const found = authorizations.map(async ({ url, identifier, challenges: [challenge] }) => ({
            url,
            type: identifier.type,
            value: identifier.value,
            // The library makes it for three types of challenge alone; http-01 has it plain.
            key_authorization: await client.getChallengeKeyAuthorization({ ...challenge, type: 'http-01' }),
        }));
        return { url: order.url, authorizations: await Promise.all(found) };
    },
    async respond() {
        for (const authorization of authorizations) {
            await client.completeChallenge(authorization.challenges[0]);
        }
    },
    async obtain() {
        for (const authorization of authorizations) {
            await client.waitForValidStatus(authorization);
        }
        chain = await client.getCertificate(await client.finalizeOrder(order, request));
        return { chain };
    },
    async revoke({ reason }) {
        await client.revokeCertificate(chain, { reason });
    },
    async rollover() {
        const former = key;
        key = await acme.crypto.createPrivateEcdsaKey();
        const account = await client.updateAccountKey(key);
        verbs.former_key = async () => start(former, { accountUrl: client.getAccountUrl() }).updateAccount({});
        return aboutAccount(account);
    },
    async deactivate_authorization() {
        return { status: (await client.deactivateAuthorization(authorizations[0])).status };
    },
    async deactivate() {
        return aboutAccount(await client.updateAccount({ status: 'deactivated' }));
    },
};

(async () => {
    for await (const line of readline.createInterface({ input: process.stdin })) {
        const { verb, ...details } = JSON.parse(line);
        let answer;
        try {
            answer = await verbs[verb](details);
        }
        catch (error) {
            answer = { error: String(error) };
        }
        process.stdout.write(`${JSON.stringify(answer || {})}\n`);
    }
})();
