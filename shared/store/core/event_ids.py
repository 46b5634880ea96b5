"""Compares ids of the form `<ms>-<number>`, which the store gives to entries of streams and logs."""


def order(entry_id: str) -> tuple[int, ...]:
    """Returns a key by which ids sort from the oldest to the newest. "0" comes before all ids."""
    return tuple(map(int, entry_id.split("-")))
