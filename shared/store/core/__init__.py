"""Holds what all store clients share: connection, script loader, clock, durability check, and common Lua code."""
