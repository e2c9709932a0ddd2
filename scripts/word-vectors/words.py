"""Words of a text, as libs/tools/src/text/word-vectors.ts cuts them. Change both or neither."""

import re

WORD = re.compile(r"[^\W_]+")
SEAM = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")


def pieces(token):
    """Lower-case parts of an identifier, at case changes and digits."""
    return [part.lower() for part in SEAM.split(token)] if not token.islower() else SEAM.split(token)


def rows(text, index):
    """Numbers of the known words of a text: whole where known, else in parts."""
    found = []
    for token in WORD.findall(text):
        row = index.get(token.lower())
        if row is not None:
            found.append(row)
            continue
        parts = pieces(token)
        if len(parts) > 1:
            found.extend(index[part] for part in parts if part in index)
    return found
