"""Calls to URLs that callers name: webhooks and images. Trusts no name, no address and no answer."""
