"""Implements `gridpress webhooks`, which manages endpoints, lists webhook attempts and receives webhooks."""
