"""Sends requests to URLs that callers give, for webhooks and images. Trusts neither the names and addresses of these
URLs nor their responses.
"""
