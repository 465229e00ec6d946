# SPDX-License-Identifier: Apache-2.0
# Debian's ruby-acme-client by its own classes. The first argument is {"directory"}; a line of JSON {"verb": NAME, ...}
# is a call of that method, its answer is a line; what the library raises comes back as {"error": TEXT}.

require 'acme-client'
require 'json'

class Driver
  def initialize(directory:)
    @directory = directory
    @key = OpenSSL::PKey::EC.generate('prime256v1')
    @client = Acme::Client.new(private_key: @key, directory: directory)
  end

  def register(contact:, binding:)
    @account = @client.new_account(contact: "mailto:#{contact}", terms_of_service_agreed: true)
    about_account.merge(terms: @client.terms_of_service)
  end

  def update(contact:)
    @account.update(contact: "mailto:#{contact}")
    about_account
  end

  def query
    @account.reload
    about_account
  end

  def order(addresses:, csr:)
    @csr = OpenSSL::X509::Request.new(csr)
    @order = @client.new_order(identifiers: addresses.map { |value| { type: 'email', value: value } })
    @authorizations = @order.authorizations
    found = @authorizations.map do |authorization|
      challenge = authorization.challenges.first
      { url: authorization.url, type: authorization.identifier['type'], value: authorization.domain,
        key_authorization: challenge.key_authorization }
    end
    { url: @order.url, authorizations: found }
  end

  def respond
    @authorizations.each { |authorization| authorization.challenges.first.request_validation }
    {}
  end

  def obtain
    @authorizations.each { |authorization| reload_until(authorization, 'valid') }
    url = @order.url
    @order.finalize(csr: @csr)
    @order = @client.order(url: url)
    reload_until(@order, 'valid')
    @chain = @order.certificate
    { chain: @chain }
  end

  def revoke(reason:)
    @client.revoke(certificate: @chain, reason: reason)
    {}
  end

  def rollover
    @former = @key
    @key = OpenSSL::PKey::EC.generate('prime256v1')
    @account = @client.account_key_change(new_private_key: @key)
    about_account
  end

  def former_key
    Acme::Client.new(private_key: @former, kid: @client.kid, directory: @directory).account
    {}
  end

  def deactivate_authorization
    @authorizations.first.deactivate
    { status: @authorizations.first.status }
  end

  def deactivate
    @account.deactivate
    about_account
  end

  private

  def about_account
    { url: @account.url, status: @account.status, contact: @account.contact }
  end

  def reload_until(thing, status)
    600.times do
      return if thing.status == status
      sleep(0.1)
      thing.reload
    end
    raise "#{thing.url} stays #{thing.status}"
  end
end

driver = Driver.new(**JSON.parse(ARGV[0], symbolize_names: true))
$stdin.each_line do |line|
  request = JSON.parse(line, symbolize_names: true)
  begin
    answer = driver.public_send(request.delete(:verb), **request)
  rescue Acme::Client::Error => e
    answer = { error: "#{e.class}: #{e.message}" }
  end
  $stdout.puts(answer.to_json)
  $stdout.flush
end
