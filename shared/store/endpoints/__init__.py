"""Webhook endpoints of tenants."""
