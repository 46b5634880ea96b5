"""Computes the Levenshtein distance of two texts. It needs no package, since every delivery worker compares texts."""


def distance(one: str, other: str) -> int:
    """Returns how many letters must be inserted, deleted or replaced to change one text into the other.

    One integer holds a whole column of the matrix, so 200 letters take a fraction of a millisecond. Source: Hyyrö,
    "Explaining and extending the bit-parallel approximate string matching algorithm of Myers" (2001).
    """
    if not one:
        return len(other)
    full, last = (1 << len(one)) - 1, 1 << (len(one) - 1)
    places: dict[str, int] = {}
    for place, letter in enumerate(one):
        places[letter] = places.get(letter, 0) | 1 << place
    up, down, found = full, 0, len(one)
    for letter in other:
        equal = places.get(letter, 0)
        vertical = equal | down
        horizontal = (((equal & up) + up) ^ up) | equal
        right_up, right_down = (down | ~(horizontal | up)) & full, up & horizontal
        found += bool(right_up & last) - bool(right_down & last)
        right_up, right_down = (right_up << 1 | 1) & full, (right_down << 1) & full
        up, down = (right_down | ~(vertical | right_up)) & full, right_up & vertical
    return found
