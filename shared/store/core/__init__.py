"""Connection, script loader, clock and durability of the store, and the Lua that many scripts need."""
