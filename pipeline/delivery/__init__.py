"""From an edition and an audience to mail handed over, and to what comes back of it.

Core: recipient, wire, places, fields, message, ports, dkim, events, bounces, verp, signature,
findings. Edge: connection, sending, providers, mailboxes, dns_checks, setup_checks.
"""
