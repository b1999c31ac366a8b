"""Finds lost pictures in an H.264 stream, which FFmpeg's decoder makes up without a word.

Syntax of the headers: ITU-T H.264, 7.3.2.1.1 (sequence parameter set) and 7.3.3 (slice header); what a gap in
`frame_num` is: 7.4.3.
"""

import re

_HIGH = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
"""Profiles whose parameter sets say how colours are sampled."""
_SLICE, _IDR, _SPS = 1, 5, 7
_HEAD = 64
"""Bytes of a slice that hold the beginning of its header, whatever the numbers in it."""


class FrameNumbers:
    """The `frame_num` of successive pictures, of which no reference picture may be left out."""

    def __init__(self, extradata: bytes | None) -> None:
        """`extradata` is the stream's, in either form; parameter sets also come between pictures."""
        self._length = 0  # bytes of a unit's length; 0: start codes are between units (Annex B)
        self._bits: int | None = None  # of frame_num; None where gaps are allowed, or nothing is known yet
        self._separate = False
        self._last: int | None = None
        if extradata and extradata[0] == 1 and len(extradata) > 8:  # an avcC box: ISO/IEC 14496-15, 5.3.3.1
            self._length = (extradata[4] & 3) + 1
            self._note_parameters(extradata[8 : 8 + int.from_bytes(extradata[6:8])])
        elif extradata:
            self.gap_before(extradata)

    def gap_before(self, data: bytes) -> bool:
        """Whether a picture that others build on is missing before the one that `data`, an access unit, holds."""
        gap = False
        for unit in self._units(data):
            kind = unit[0] & 31
            if kind == _SPS:
                self._note_parameters(unit)
            elif kind == _IDR:
                self._last = 0
            elif kind == _SLICE and self._bits is not None:
                gap |= self._gap_at(unit)
        return gap

    def _gap_at(self, unit: bytes) -> bool:
        bits = _Bits(unit[1:_HEAD])
        try:
            for _ in range(3):  # first_mb_in_slice, slice_type, pic_parameter_set_id
                bits.golomb()
            if self._separate:
                bits.take(2)
            number = bits.take(self._bits or 0)
        except IndexError:
            return True
        last = self._last
        if unit[0] >> 5 & 3:  # others build on it
            self._last = number
        return last is not None and number not in (last, (last + 1) % (1 << (self._bits or 0)))

    def _note_parameters(self, unit: bytes) -> None:
        try:
            self._bits, self._separate = _frame_number_bits(unit)
        except IndexError:
            self._bits = None

    def _units(self, data: bytes) -> list[bytes]:
        if not self._length:
            return [unit for unit in re.split(b"\0\0\1", data)[1:] if unit]
        units, at = [], 0
        while at + self._length < len(data):
            size = int.from_bytes(data[at : at + self._length])
            at += self._length
            units.append(data[at : at + size])
            at += size
        return [unit for unit in units if unit]


def _frame_number_bits(unit: bytes) -> tuple[int | None, bool]:
    """The length of `frame_num`, None where gaps are allowed, and whether colour planes are coded apart."""
    profile = unit[1]
    bits = _Bits(unit[4:])
    bits.golomb()  # seq_parameter_set_id
    separate = False
    if profile in _HIGH:
        chroma = bits.golomb()
        separate = chroma == 3 and bool(bits.take(1))
        bits.golomb(), bits.golomb(), bits.take(1)  # bit depths, qpprime_y_zero_transform_bypass_flag
        if bits.take(1):
            for index in range(12 if chroma == 3 else 8):
                if bits.take(1):
                    _skip_scaling_list(bits, 16 if index < 6 else 64)
    length = bits.golomb() + 4
    order = bits.golomb()  # pic_order_cnt_type
    if order == 0:
        bits.golomb()
    elif order == 1:
        bits.take(1), bits.golomb(), bits.golomb()
        for _ in range(min(bits.golomb(), 255)):
            bits.golomb()
    bits.golomb()  # max_num_ref_frames
    return (None if bits.take(1) or length > 16 else length), separate


def _skip_scaling_list(bits: "_Bits", size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.signed()) % 256
        last = following or last


class _Bits:
    """Reads the bits of a unit, less the bytes that only keep start codes out; raises `IndexError` at its end."""

    def __init__(self, data: bytes) -> None:
        data = data.replace(b"\0\0\3", b"\0\0")
        self._value, self._left = int.from_bytes(data), 8 * len(data)

    def take(self, count: int) -> int:
        """The next `count` bits as a number."""
        self._left -= count
        if self._left < 0:
            raise IndexError("the unit is too short")
        return self._value >> self._left & (1 << count) - 1

    def golomb(self) -> int:
        """An unsigned Exp-Golomb number, `ue(v)`."""
        zeros = 0
        while not self.take(1):
            zeros += 1
        return (1 << zeros) - 1 + self.take(zeros)

    def signed(self) -> int:
        """A signed one, `se(v)`."""
        number = self.golomb()
        return (number + 1) // 2 if number % 2 else -(number // 2)
