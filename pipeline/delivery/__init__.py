"""From an edition and an audience to mail handed over: messages, providers, outcomes.

Core: recipient, wire, places, fields, message, ports. Edge: connection, sending, providers.
"""
