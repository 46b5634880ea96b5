"""Defines the events, endpoints and body styles of webhooks, and the secrets and keys that sign them. Sends no
requests.
"""
