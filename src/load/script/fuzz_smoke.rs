//! A thousand mutations of real answers and files on every test run; `docs/fuzzing.md` has the long hunt.

use std::io::Write as _;

use proptest::prelude::*;
use proptest::sample::Index;

#[expect(unreachable_pub, reason = "public in the fuzz crate")]
#[path = "../../../fuzz/src/script_checks.rs"]
mod script_checks;

const BODY: &[u8] =
    br#"{"items":[{"id":1,"name":"a","price":9.5},{"id":"two","name":"x"}],"a":{"b":null}} id=77"#;
const COOKIES: &str = "content-type: application/json\r\nset-cookie: session=abc; Path=/cart; Max-Age=60\r\n\
    Set-Cookie: b=2; Domain=shop.test; Expires=Wed, 21 Oct 2099 07:28:00 GMT; Secure\r\n";

fn answers() -> Vec<Vec<u8>> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(BODY).expect("memory");
    let mut brotli = Vec::new();
    let mut plain = BODY;
    brotli::BrotliCompress(&mut plain, &mut brotli, &brotli::enc::BrotliEncoderParams::default())
        .expect("memory");
    let bodies = [
        ("identity", BODY.to_vec()),
        ("gzip", gzip.finish().expect("memory")),
        ("br", brotli),
        ("zstd", zstd::encode_all(BODY, 1).expect("memory")),
    ];
    let answer = |(coding, body): (&str, Vec<u8>)| {
        let head = format!("HTTP/1.1 200 OK\r\n{COOKIES}content-encoding: {coding}\r\n\r\n");
        [head.into_bytes(), body].concat()
    };
    bodies.into_iter().map(answer).collect()
}

const FILES: [&[u8]; 2] = [
    b"\xef\xbb\xbfid,name,note\r\n1,\"O\"\"Neil, J\",\"two\r\nlines\"\r\n\r\n2,b\r\n3,,x,more\r\n",
    b"{\"id\": 7, \"name\": \"\\u00e9\"}\n\n{\"name\": null, \"id\": [1.5]}\r\n{\"id\": true, \"name\": \"x\"}",
];

fn mutated(mut bytes: Vec<u8>, edits: &[(Index, u8, bool)]) -> Vec<u8> {
    for (at, byte, remove) in edits {
        let at = at.index(bytes.len());
        if *remove {
            bytes.truncate(at.max(1));
        } else {
            bytes[at] = *byte;
        }
    }
    bytes
}

fn edits() -> impl Strategy<Value = Vec<(Index, u8, bool)>> {
    prop::collection::vec((any::<Index>(), any::<u8>(), prop::bool::weighted(0.1)), 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_answer_is_survived(which in 0..4_usize, edits in edits()) {
        script_checks::script_answer(&mutated(answers().swap_remove(which), &edits));
    }

    #[test]
    fn any_feeder_file_is_survived(which in 0..FILES.len(), edits in edits()) {
        script_checks::script_feeder(&mutated(FILES[which].to_vec(), &edits));
    }
}
