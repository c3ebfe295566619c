"""Reads a safetensors file with Hugging Face's own package and prints what is in it as JSON.

    python safetensors_check.py model.safetensors

An independent opinion on the files that cellstate writes. It needs the packages `safetensors` and
`numpy`. Printed are the metadata; name, dtype, shape and sum (in double precision) of every tensor,
sorted by name; and, computed here from their definitions, whether the checksum in the metadata is
right and the digest of the parameters. The exit code is 1 if there is a checksum and it is wrong.
"""

import hashlib
import json
import sys

import numpy
from safetensors import safe_open

DTYPES = {"float32": "F32", "uint8": "U8"}


def checksum_is_right(path, stated):
    """The SHA-256 of the file with the digits of the checksum replaced by zeros is the stated one."""
    with open(path, "rb") as file:
        content = file.read()
    key = b'"checksum":"sha256:'
    digits = content.find(key) + len(key)
    if digits < len(key):
        return False
    zeroed = content[:digits] + b"0" * 64 + content[digits + 64 :]
    return stated == "sha256:" + hashlib.sha256(zeroed).hexdigest()


def main(path):
    tensors = []
    digest = hashlib.sha256()
    with safe_open(path, framework="np") as file:
        metadata = dict(sorted((file.metadata() or {}).items()))
        for name in sorted(file.keys(), key=str.encode):
            values = file.get_tensor(name)
            shape = list(values.shape)
            dtype = DTYPES.get(str(values.dtype), str(values.dtype))
            total = float(values.sum(dtype=numpy.float64))
            tensors.append({"name": name, "dtype": dtype, "shape": shape, "sum": total})
            if dtype == "F32":
                digest.update(name.encode())
                digest.update(dtype.encode())
                digest.update(json.dumps(shape, separators=(",", ":")).encode())
                digest.update(values.astype("<f4").tobytes())
    stated = metadata.get("checksum")
    right = None if stated is None else checksum_is_right(path, stated)
    result = {
        "metadata": metadata,
        "tensors": tensors,
        "checksumIsRight": right,
        "sha256": digest.hexdigest(),
    }
    print(json.dumps(result, indent=2, ensure_ascii=False))
    return 1 if right is False else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python safetensors_check.py FILE")
    sys.exit(main(sys.argv[1]))
