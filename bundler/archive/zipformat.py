"""The records of a zip, as APPNOTE.TXT 6.3.10 has them (sections 4.3 and 4.4)."""

from __future__ import annotations

import struct

LOCAL = struct.Struct("<4s5H3L2H")
CENTRAL = struct.Struct("<4s6H3L5H2L")
END = struct.Struct("<4s4H2LH")
END64 = struct.Struct("<4sQ2H2L4Q")
END64_LOCATOR = struct.Struct("<4sLQL")
LOCAL_SIGNATURE = b"PK\3\4"
CENTRAL_SIGNATURE = b"PK\1\2"
END_SIGNATURE = b"PK\5\6"
END64_SIGNATURE = b"PK\6\6"
END64_LOCATOR_SIGNATURE = b"PK\6\7"
DESCRIPTOR_SIGNATURE = b"PK\7\x08"
ZIP64_EXTRA = 1
UNICODE_EXTRA = 0x7075
ENCRYPTED, DESCRIPTOR, UTF8 = 0x1, 0x8, 0x800
STORED, DEFLATED = 0, 8
UNIX = 3
MAX16, MAX32 = 0xFFFF, 0xFFFFFFFF

FIRST_TIME = 315_532_800
"""1980-01-01 in seconds since 1970, UTC: the first time that a zip can hold."""
