"""Stores the audit log: who did what as an administrator or operator."""
