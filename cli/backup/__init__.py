"""Backs up a service while it runs, restores a backup into empty stores, and rebuilds a store that was lost."""
