"""Holds the Python clients and Lua scripts of the Redis or Valkey store, which has all state of the service: jobs,
leases, batches, webhook deliveries.
"""
