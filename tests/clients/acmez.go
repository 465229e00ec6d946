// SPDX-License-Identifier: Apache-2.0

// Debian's golang-github-mholt-acmez-dev by the methods of its acme.Client. The first argument is {"directory"}; a line
// of JSON {"verb": NAME, ...} is a call of that method, its answer is a line; an error comes back as {"error": TEXT}.
package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"

	"github.com/mholt/acmez/acme"
)

type request struct {
	Verb, Contact, CSR string
	Addresses          []string
	Reason             int
	Binding            *struct{ Kid, Key string }
}

type answer map[string]interface{}

type driver struct {
	client         acme.Client
	account        acme.Account
	former         acme.Account
	order          acme.Order
	csr            []byte
	authorizations []acme.Authorization
	chain          []byte
}

var ctx = context.Background()

func newKey(curve elliptic.Curve) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

func (d *driver) aboutAccount() answer {
	return answer{"url": d.account.Location, "status": d.account.Status, "contact": d.account.Contact}
}

func (d *driver) register(r request) (answer, error) {
	d.account = acme.Account{Contact: []string{"mailto:" + r.Contact}, TermsOfServiceAgreed: true,
		PrivateKey: newKey(elliptic.P256())}
	if r.Binding != nil {
		err := d.account.SetExternalAccountBinding(ctx, &d.client, acme.EAB{KeyID: r.Binding.Kid, MACKey: r.Binding.Key})
		if err != nil {
			return nil, err
		}
	}
	directory, err := d.client.GetDirectory(ctx)
	if err != nil {
		return nil, err
	}
	if d.account, err = d.client.NewAccount(ctx, d.account); err != nil {
		return nil, err
	}
	about := d.aboutAccount()
	about["terms"] = directory.Meta.TermsOfService
	return about, nil
}

// changed sends the account as the library has it. The library then takes its URL from the answer's Location, which
// only new accounts need have.
func (d *driver) changed(account acme.Account) (answer, error) {
	changed, err := d.client.UpdateAccount(ctx, account)
	if err != nil {
		return nil, err
	}
	changed.Location = account.Location
	d.account = changed
	return d.aboutAccount(), nil
}

func (d *driver) update(r request) (answer, error) {
	account := d.account
	account.Contact = []string{"mailto:" + r.Contact}
	return d.changed(account)
}

func (d *driver) query(r request) (answer, error) {
	account, err := d.client.GetAccount(ctx, d.account)
	if err != nil {
		return nil, err
	}
	d.account = account
	return d.aboutAccount(), nil
}

func (d *driver) newOrder(r request) (answer, error) {
	var identifiers []acme.Identifier
	for _, address := range r.Addresses {
		identifiers = append(identifiers, acme.Identifier{Type: "email", Value: address})
	}
	order, err := d.client.NewOrder(ctx, d.account, acme.Order{Identifiers: identifiers})
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode([]byte(r.CSR))
	d.order, d.csr, d.authorizations = order, block.Bytes, nil
	found := []answer{}
	for _, url := range order.Authorizations {
		authorization, err := d.client.GetAuthorization(ctx, d.account, url)
		if err != nil {
			return nil, err
		}
		authorization.Location = url
		d.authorizations = append(d.authorizations, authorization)
		challenge := authorization.Challenges[0]
		found = append(found, answer{"url": url, "type": authorization.Identifier.Type,
			"value": authorization.Identifier.Value, "key_authorization": challenge.KeyAuthorization})
	}
	return answer{"url": order.Location, "authorizations": found}, nil
}

func (d *driver) respond(r request) (answer, error) {
	for _, authorization := range d.authorizations {
		if _, err := d.client.InitiateChallenge(ctx, d.account, authorization.Challenges[0]); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func (d *driver) obtain(r request) (answer, error) {
	for _, authorization := range d.authorizations {
		if _, err := d.client.PollAuthorization(ctx, d.account, authorization); err != nil {
			return nil, err
		}
	}
	order, err := d.client.FinalizeOrder(ctx, d.account, d.order, d.csr)
	if err != nil {
		return nil, err
	}
	chains, err := d.client.GetCertificateChain(ctx, d.account, order.Certificate)
	if err != nil {
		return nil, err
	}
	d.chain = chains[0].ChainPEM
	return answer{"chain": string(d.chain)}, nil
}

func (d *driver) revoke(r request) (answer, error) {
	block, _ := pem.Decode(d.chain)
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, err
	}
	return nil, d.client.RevokeCertificate(ctx, d.account, certificate, d.account.PrivateKey, r.Reason)
}

func (d *driver) rollover(r request) (answer, error) {
	changed, err := d.client.AccountKeyRollover(ctx, d.account, newKey(elliptic.P384()))
	if err != nil {
		return nil, err
	}
	d.former, d.account = d.account, changed
	return d.aboutAccount(), nil
}

func (d *driver) formerKey(r request) (answer, error) {
	_, err := d.client.UpdateAccount(ctx, d.former)
	return nil, err
}

func (d *driver) deactivateAuthorization(r request) (answer, error) {
	found, err := d.client.DeactivateAuthorization(ctx, d.account, d.authorizations[0].Location)
	return answer{"status": found.Status}, err
}

func (d *driver) deactivate(r request) (answer, error) {
	account := d.account
	account.Status = acme.StatusDeactivated
	return d.changed(account)
}

func main() {
	var settings struct{ Directory string }
	if err := json.Unmarshal([]byte(os.Args[1]), &settings); err != nil {
		panic(err)
	}
	d := &driver{client: acme.Client{Directory: settings.Directory}}
	verbs := map[string]func(request) (answer, error){
		"register": d.register, "update": d.update, "query": d.query, "order": d.newOrder, "respond": d.respond,
		"obtain": d.obtain, "revoke": d.revoke, "rollover": d.rollover, "former_key": d.formerKey,
		"deactivate_authorization": d.deactivateAuthorization, "deactivate": d.deactivate,
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r request
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			panic(err)
		}
		found, err := verbs[r.Verb](r)
		if err != nil {
			found = answer{"error": err.Error()}
		} else if found == nil {
			found = answer{}
		}
		line, _ := json.Marshal(found)
		fmt.Println(string(line))
	}
}
