"""Ways to respond that several routes share: waiting, events, downloads, lists."""
