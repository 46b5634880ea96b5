"""`gridpress plan`: how many workers a demand needs."""
