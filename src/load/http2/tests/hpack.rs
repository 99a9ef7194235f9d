//! The vectors of RFC 7541, appendix C, and blocks that are wrong.

use crate::load::http2::error::{AnswerError, HpackError};
use crate::load::http2::head::{self, BlockError, Head, Scratch};
use crate::load::http2::hpack::decode::{Block, Name};
use crate::load::http2::hpack::encode::{Secrecy, field, integer};
use crate::load::http2::hpack::huffman;
use crate::load::http2::hpack::table::STATIC;

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().filter_map(|c| c.to_digit(16)).collect();
    digits.chunks(2).map(|d| (d[0] << 4 | d[1]) as u8).collect()
}

/// Every field as `name: value`.
fn fields(block: &[u8]) -> Result<Vec<String>, HpackError> {
    let (mut block, mut out) = (Block::new(block), Vec::new());
    while let Some(field) = block.next()? {
        let (mut a, mut b) = (Vec::new(), Vec::new());
        let name = match field.name {
            Name::Index(index) => STATIC[usize::from(index) - 1].0.as_bytes(),
            Name::Text(text) => text.decoded(&mut a)?,
        };
        let text = |b: &[u8]| String::from_utf8(b.to_vec()).expect("ascii");
        out.push(format!("{}: {}", text(name), text(field.value.decoded(&mut b)?)));
    }
    Ok(out)
}

fn unhuffed(coded: &[u8]) -> Result<Vec<u8>, HpackError> {
    let mut out = Vec::new();
    huffman::decode(coded, &mut out).map(|()| out)
}

#[test]
fn integers_are_those_of_c1() {
    for (bits, value, expected) in [(5, 10, "0a"), (5, 1337, "1f9a0a"), (8, 42, "2a")] {
        let mut out = Vec::new();
        integer(&mut out, 0, bits, value);
        assert_eq!(out, bytes(expected));
    }
    // The same ones as lengths of strings: 126, 127, 128 and 1337 bytes behind a prefix of 7 bits.
    for len in [0, 126, 127, 128, 1337, 60_000] {
        let (mut block, value) = (Vec::new(), "v".repeat(len));
        field(&mut block, b"x", value.as_bytes(), Secrecy::Open);
        assert_eq!(fields(&block).expect("valid"), [format!("x: {value}")]);
    }
}

#[test]
fn fields_are_those_of_c2() {
    for (block, expected) in [
        ("400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572", "custom-key: custom-header"),
        ("040c 2f73 616d 706c 652f 7061 7468", ":path: /sample/path"),
        ("1008 7061 7373 776f 7264 0673 6563 7265 74", "password: secret"),
        ("82", ":method: GET"),
    ] {
        assert_eq!(fields(&bytes(block)).expect("valid"), [expected]);
    }
    let mut out = Vec::new();
    field(&mut out, b":path", b"/sample/path", Secrecy::Open);
    field(&mut out, b"password", b"secret", Secrecy::Secret);
    field(&mut out, b":method", b"GET", Secrecy::Secret);
    let expected = "040c2f73616d706c652f70617468 100870617373776f726406736563726574 82";
    assert_eq!(out, bytes(expected));
}

#[test]
fn first_blocks_are_those_of_c3_to_c6() {
    let request = [":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com"];
    let plain = bytes("8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d");
    let coded = bytes("8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff");
    assert_eq!(fields(&plain).expect("C.3.1"), request);
    assert_eq!(fields(&coded).expect("C.4.1"), request);
    let response = [
        ":status: 302",
        "cache-control: private",
        "date: Mon, 21 Oct 2013 20:13:21 GMT",
        "location: https://www.example.com",
    ];
    let plain = bytes(
        "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 \
         3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
    );
    let coded = bytes(
        "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad \
         1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
    );
    assert_eq!(fields(&plain).expect("C.5.1"), response);
    assert_eq!(fields(&coded).expect("C.6.1"), response);
    // What follows there points into the dynamic table, which we have switched off.
    let second = bytes("8286 84be 5808 6e6f 2d63 6163 6865");
    assert_eq!(fields(&second), Err(HpackError::Index), "C.3.2");
}

#[test]
fn strings_are_those_of_c4_and_c6() {
    for (coded, text) in [
        ("a8eb 1064 9cbf", "no-cache"),
        ("25a8 49e9 5ba9 7d7f", "custom-key"),
        ("25a8 49e9 5bb8 e8b4 bf", "custom-value"),
        ("640e ff", "307"),
        ("9bd9 ab", "gzip"),
        ("d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff", "Mon, 21 Oct 2013 20:13:22 GMT"),
        (
            "94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed \
             4ee5 b106 3d50 07",
            "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
        ),
        ("", ""),
    ] {
        assert_eq!(unhuffed(&bytes(coded)).expect("valid"), text.as_bytes());
    }
}

/// Codes of appendix B, one of each length that there is, as they are printed there.
const CODES: [(u8, u32, u32); 21] = [
    (b'0', 0x0, 5),
    (b' ', 0x14, 6),
    (b':', 0x5c, 7),
    (b'&', 0xf8, 8),
    (b'!', 0x3f8, 10),
    (b'\'', 0x7fa, 11),
    (b'#', 0xffa, 12),
    (0, 0x1ff8, 13),
    (b'^', 0x3ffc, 14),
    (b'<', 0x7ffc, 15),
    (b'\\', 0x7fff0, 19),
    (128, 0xf_ffe6, 20),
    (153, 0x1f_ffdc, 21),
    (129, 0x3f_ffd2, 22),
    (1, 0x7f_ffd8, 23),
    (9, 0xff_ffea, 24),
    (199, 0x1ff_ffec, 25),
    (192, 0x3ff_ffe0, 26),
    (203, 0x7ff_ffde, 27),
    (2, 0xfff_ffe2, 28),
    (10, 0x3fff_fffc, 30),
];

#[test]
fn codes_of_every_length_are_read_and_padding_is_strict() {
    for (symbol, code, len) in CODES {
        // The code twice, and ones up to the end of a byte.
        let padding = (8 - 2 * len % 8) % 8;
        let bits = (u64::from(code) << len | u64::from(code)) << padding | ((1 << padding) - 1);
        let count = (2 * len + padding) / 8;
        let coded = &bits.to_be_bytes()[8 - count as usize..];
        assert_eq!(unhuffed(coded).expect("valid"), [symbol, symbol], "{symbol}");
        // A whole byte of padding, or padding with a zero, is none.
        assert_eq!(unhuffed(&[coded, &[0xff]].concat()), Err(HpackError::Huffman), "{symbol}");
        if padding > 0 {
            let mut wrong = coded.to_vec();
            *wrong.last_mut().expect("not empty") &= 0xfe;
            assert_ne!(unhuffed(&wrong), Ok(vec![symbol, symbol]), "{symbol}");
        }
    }
    // The end of the string is no symbol.
    assert_eq!(unhuffed(&[0xff, 0xff, 0xff, 0xff]), Err(HpackError::Huffman));
    assert_eq!(unhuffed(&[0xff]), Err(HpackError::Huffman));
    assert_eq!(unhuffed(&[0x00]), Err(HpackError::Huffman), "`0` and three zeros");
}

#[test]
fn malformed_blocks_are_typed_errors() {
    use HpackError as E;
    for (block, expected) in [
        ("80", E::Index),
        ("be", E::Index),
        ("ff 00", E::Index),
        ("7e 00", E::Index),
        ("0f 80 80 80 80 00", E::Integer),
        ("ff", E::Truncated),
        ("ff 80", E::Truncated),
        ("40", E::Truncated),
        ("40 05 61", E::Truncated),
        ("40 01 61", E::Truncated),
        ("40 01 61 02 62", E::Truncated),
        ("48 ff ff ff ff 7f", E::Truncated),
        ("21", E::TableSize),
        ("3f e1 1f", E::TableSize),
        ("82 20", E::TableSize),
        ("48 81 00", E::Huffman),
    ] {
        assert_eq!(fields(&bytes(block)), Err(expected), "{block}");
    }
    assert_eq!(fields(&bytes("20 20 88")).expect("valid"), [":status: 200"], "size updates to 0");
}

// ---- heads -----------------------------------------------------------------------------------------

fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    fields.iter().for_each(|(n, v)| field(&mut out, n.as_bytes(), v.as_bytes(), Secrecy::Open));
    out
}

fn read(fields: &[(&str, &str)]) -> Result<Head, BlockError> {
    head::head(&block(fields), None, &mut Scratch::default())
}

#[test]
fn heads_give_status_and_length() {
    let head = |status, length| Ok(Head { status, length });
    assert_eq!(read(&[(":status", "200")]), head(200, None));
    assert_eq!(read(&[(":status", "599"), ("content-length", "7"), ("x", "y")]), head(599, Some(7)));
    assert_eq!(read(&[(":status", "103"), ("content-length", "7, 7")]), head(103, Some(7)));
    // The same with names and values as Huffman codes: `:status` 302, content-length 307.
    let coded = bytes("08 82 6402 0f 0d 83 640eff");
    let read = head::head(&coded, None, &mut Scratch::default());
    assert_eq!(read, head(302, Some(307)));
}

#[test]
fn malformed_heads_are_typed_errors() {
    use AnswerError as E;
    let many: Vec<_> = [(":status", "200")].into_iter().chain([("x", "y"); 200]).collect();
    for (fields, expected) in [
        (&[][..], E::Pseudo),
        (&[("x", "y")], E::Pseudo),
        (&[("x", "y"), (":status", "200")], E::Pseudo),
        (&[(":status", "200"), (":status", "200")], E::Pseudo),
        (&[(":status", "20")], E::Pseudo),
        (&[(":status", "0200")], E::Pseudo),
        (&[(":status", "2x0")], E::Pseudo),
        (&[(":status", "")], E::Pseudo),
        (&[(":status", "099")], E::Status(99)),
        (&[(":status", "600")], E::Status(600)),
        (&[(":status", "200"), (":path", "/")], E::Pseudo),
        (&[(":status", "200"), (":new", "/")], E::Pseudo),
        (&[(":status", "200"), ("Upper", "x")], E::FieldName),
        (&[(":status", "200"), ("", "x")], E::FieldName),
        (&[(":status", "200"), ("a b", "x")], E::FieldName),
        (&[(":status", "200"), ("connection", "close")], E::FieldName),
        (&[(":status", "200"), ("transfer-encoding", "chunked")], E::FieldName),
        (&[(":status", "200"), ("upgrade", "h3")], E::FieldName),
        (&[(":status", "200"), ("content-length", "+1")], E::ContentLength),
        (&[(":status", "200"), ("content-length", "")], E::ContentLength),
        (&[(":status", "200"), ("content-length", "1"), ("content-length", "2")], E::ContentLength),
        (&[(":status", "200"), ("content-length", "1073741825")], E::BodyTooLong),
        (&many, E::TooManyFields),
    ] {
        let shown = &fields[..fields.len().min(3)];
        assert_eq!(read(fields), Err(BlockError::Answer(expected)), "{shown:?}");
    }
}

#[test]
fn a_kept_head_holds_lines_that_no_value_can_end() {
    let keep = |fields: &[(&str, &str)]| {
        let mut keep = Vec::new();
        head::head(&block(fields), Some(&mut keep), &mut Scratch::default())
            .map(|_| String::from_utf8(keep).expect("ascii"))
    };
    let lines = keep(&[(":status", "200"), ("set-cookie", "a=b"), ("x-id", "7"), ("set-cookie", "c=d")]);
    assert_eq!(lines.expect("valid"), "set-cookie: a=b\r\nx-id: 7\r\nset-cookie: c=d\r\n");
    for value in ["a\r\nx: y", "a\nb", "a\0b"] {
        let error = keep(&[(":status", "200"), ("x", value)]).expect_err("must not pass");
        assert_eq!(error, BlockError::Answer(AnswerError::FieldValue));
    }
    // An index of one byte stands for a long name: the lines are bounded, not only the block.
    let long = "v".repeat(30_000);
    let fields = [(":status", "200"), ("a", &long), ("b", &long), ("c", &long)];
    assert_eq!(keep(&fields).expect_err("too long"), BlockError::Answer(AnswerError::HeadTooLong));
}
