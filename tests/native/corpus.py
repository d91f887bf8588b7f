"""Documents that every JSON reader must accept, by what they try: each production of RFC 8259, and the known traps.

Written for this project. A document is bytes, as it would stand in a file; `json.loads` of it is the value.
"""

from __future__ import annotations

NAMES = ("null", "true", "false")
SPACES = (b" ", b"\t", b"\n", b"\r", b" \t\r\n", b"\r\n\r\n", b"\n" * 40)


def _alone() -> dict[str, bytes]:
    """A text may be any value, not only an object or an array (section 2)."""
    return {
        **{f"alone {name}": name.encode() for name in NAMES},
        "alone zero": b"0",
        "alone digit": b"7",
        "alone negative": b"-1",
        "alone negative fraction": b"-0.1",
        "alone exponent": b"1e3",
        "alone text": b'"lonely"',
        "alone empty text": b'""',
        "alone space text": b'" "',
        "alone empty array": b"[]",
        "alone empty object": b"{}",
    }


def _spaces() -> dict[str, bytes]:
    """Insignificant whitespace around each of the six structural characters and around the text (section 2)."""
    documents = {}
    for number, space in enumerate(SPACES):
        parts = [b"", b"{", b'"a"', b":", b"[", b"1", b",", b"{", b"}", b"]", b",", b'"b"', b":", b"null", b"}", b""]
        documents[f"spaces {number}"] = space.join(parts)
        documents[f"spaces {number} inside empty"] = b"[" + space + b"{" + space + b"}" + space + b"]"
        documents[f"spaces {number} around a number"] = space + b"-12.5e-1" + space
    return documents


def _numbers() -> dict[str, bytes]:
    """Every form of a number: sign, int, frac, exp (section 6)."""
    ints = ["0", "-0", "1", "9", "-9", "10", "1234567890", "9007199254740991", "9007199254740992", "9007199254740993"]
    ints += ["-9007199254740993", "2147483647", "2147483648", "-2147483648", "-2147483649", "4294967295", "4294967296"]
    ints += ["9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809"]
    ints += ["18446744073709551615", "18446744073709551616", "-18446744073709551616", "1" + "0" * 100, "-" + "9" * 308]
    fractions = ["0.0", "-0.0", "0.1", "-0.5", "1.0", "123.456789", "0.1000000000000000055511151231257827", "1.000"]
    fractions += ["0." + "0" * 60 + "1", "3.141592653589793238462643383279", "1" + "0" * 40 + ".5", "-1.25"]
    exponents = [
        "1e0",
        "1E0",
        "1e1",
        "1E1",
        "1e+1",
        "1E+1",
        "1e-1",
        "1E-1",
        "0e0",
        "0e1",
        "0E+1",
        "-0e-1",
        "0.0e9",
        "1e00",
    ]
    exponents += ["1e007", "1.5e3", "1.5E-3", "-2.5e+10", "123e65", "123.456e78", "1e22", "1e23", "1e-400", "-1e-400"]
    exponents += ["1.7976931348623157e308", "-1.7976931348623157e308", "2.2250738585072014e-308", "4.9e-324", "5e-324"]
    exponents += ["2.2250738585072011e-308", "9007199254740993e0", "1e308", "0.00000000000000000001e20", "1e-5", "1e16"]
    numbers = [*ints, *fractions, *exponents]
    documents = {f"number {number[:40]}": number.encode() for number in numbers}
    documents["numbers in a row"] = ("[" + ",".join(numbers) + "]").encode()
    documents["numbers as values"] = ("{" + ",".join(f'"{n}":{text}' for n, text in enumerate(numbers)) + "}").encode()
    return documents


def _escapes() -> dict[str, bytes]:
    """Every escape, and what need not be escaped (section 7)."""
    documents = {f"escape {letter}": f'"\\{letter}"'.encode() for letter in '"\\/bfnrt'}
    documents |= {f"escape u{code:04x}": f'["\\u{code:04x}","\\u{code:04X}"]'.encode() for code in range(0x20)}
    documents |= {
        "escape all in one": rb'"\"\\\/\b\f\n\r\t\u0000\u001F\u007f"',
        "escape of a letter": rb'"\u0041\u005a\u0061"',
        "escape mixed case": rb'"\uAbCd\uaBcD"',
        "escape then letter": rb'["\\n","\\u0000","\\\\n","\\\"","\\/"]',
        "escape quotes only": b'"' + rb"\"" * 100 + b'"',
        "escape backslashes only": b'"' + rb"\\" * 100 + b'"',
        "escape at each place": b"["
        + b",".join(b'"' + b"x" * n + rb"\n" + b"y" * (70 - n) + b'"' for n in range(70))
        + b"]",
        "escaped pair": rb'"\uD834\uDD1E"',
        "escaped pairs": rb'"\ud83d\ude39\ud83d\udc8d"',
        "escaped last pair": rb'"\uDBFF\uDFFF"',
        "escaped first pair": rb'"\uD800\uDC00"',
        "escaped pair between letters": rb'"a\ud83d\ude00b"',
        "escaped nonchars": rb'"\uFDD0\uFDEF\uFFFE\uFFFF\uD83F\uDFFE\uDBFF\uDFFE"',
        "escaped separators": rb'"\u2028\u2029\u0085\u00a0\u200B\uFEFF"',
        "comment is a text": rb'"a/*b*/c/*d//e\u0020#"',
        "unescaped delete": b'"\x7f"',
        "unescaped slash": b'"/"',
        "unescaped apostrophe": b'"\'"',
    }
    return documents


def _unicode() -> dict[str, bytes]:
    """Characters of every length in UTF-8, at its edges, as themselves (section 8)."""
    samples = {
        "latin": "\u00e9\u00ff",
        "edges of two bytes": "\u0080\u07ff",
        "edges of three bytes": "\u0800\ud7ff\ue000\uffff",
        "edges of four bytes": "\U00010000\U0010ffff",
        "one to four": "a\u00e9\u20ac\U0001d11e",
        "nonchars": "\ufdd0\ufdef\ufffe\uffff\U0001fffe\U0001ffff\U0010fffe\U0010ffff",
        "separators": "\u2028\u2029\u0085",
        "zero width": "\u200b\u200d\u2060\ufeff",
        "mark inside": "a\ufeffb",
        "combining": "e\u0301 \u0065\u0301 \u1e69 s\u0323\u0307",
        "right to left": "\u05d0\u0627\u202e\u202c",
        "family": "\U0001f468\u200d\U0001f469\u200d\U0001f467",
        "flag": "\U0001f1e9\U0001f1ea",
        "private": "\ue000\uf8ff\U000f0000\U0010fffd",
        "reserved": "\U0001bfff\U000e0fff",
        "han": "\u6f22\u5b57\U00020000",
        "replacement": "\ufffd",
        "sharp s and dotless i": "\u00df\u0131\u0130",
        "decomposed and composed": "\u00c5 \u212b A\u030a",
    }
    documents = {f"unicode {name}": f'"{text}"'.encode() for name, text in samples.items()}
    documents |= {f"unicode key {name}": f'{{"{text}":"{text}"}}'.encode() for name, text in samples.items()}
    return documents


def _arrays() -> dict[str, bytes]:
    return {
        "array of empties": b'[[],{},"",0,null]',
        "array of everything": b'[null,true,false,1,-1.5,1e3,"text",[1,[2]],{"a":{"b":[]}}]',
        "array of nulls": b"[" + b",".join([b"null"] * 500) + b"]",
        "array deep": b"[" * 62 + b"]" * 62,
        "array deep around a value": b"[" * 62 + b'"core"' + b"]" * 62,
        "array of one": b"[1]",
        "array of arrays": b"[[1,2],[3,[4,[5]]],[]]",
        "array long": b"[" + b",".join(b"%d" % n for n in range(2_000)) + b"]",
    }


def _objects() -> dict[str, bytes]:
    return {
        "object of one": b'{"a":1}',
        "object of everything": b'{"n":null,"t":true,"f":false,"i":1,"d":-1.5e-7,"s":"text","a":[],"o":{}}',
        "object empty key": b'{"":0}',
        "object empty keys nested": b'{"":{"":{"":""}}}',
        "object null in key": rb'{"foo\u0000bar":42}',
        "object escapes in keys": rb'{"\"":1,"\\":2,"\/":3,"\b\f\n\r\t":4,"\u0001":5}',
        "object same key": b'{"a":"b","a":"c"}',
        "object same key and value": b'{"a":"b","a":"b"}',
        "object keys alike": b'{"a":1,"A":2," a":3,"a ":4,"\\u0061\\u0000":5}',
        "object keys composed or not": '{"\u00e9":"NFC","e\u0301":"NFD"}'.encode(),
        "object keys like words": b'{"null":1,"true":2,"false":3,"NaN":4,"__proto__":5,"constructor":6}',
        "object keys like numbers": b'{"0":1,"-0":2,"1e1":3,"01":4}',
        "object keys like ours": b'{"messageId":1,"timestamp":2,"type":3,"library":4,"batch":[],"writeKey":6}',
        "object deep": b'{"a":' * 62 + b"0" + b"}" * 62,
        "object and array deep": b'[{"a":' * 30 + b"[]" + b"}]" * 30,
        "object long texts": b'{"x":[{"id":"' + b"x" * 4_000 + b'"}],"id":"' + b"y" * 4_000 + b'"}',
        "object long key": b'{"' + b"k" * 5_000 + b'":1}',
        "object many keys": b"{" + b",".join(b'"key %d":%d' % (n, n) for n in range(900)) + b"}",
        "object order": b'{"z":1,"y":2,"b":3,"a":4,"x":5}',
    }


DOCUMENTS: dict[str, bytes] = {
    **_alone(),
    **_spaces(),
    **_numbers(),
    **_escapes(),
    **_unicode(),
    **_arrays(),
    **_objects(),
}
"""Name to document."""
