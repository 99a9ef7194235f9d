//! Random frames and mutations of a real server's, whole and in pieces.

use proptest::prelude::*;
use proptest::sample::Index;

use super::check;
use super::rig::{block, data, frame, head, settings};

/// What nginx sent for three requests.
const NGINX: &[u8] = include_bytes!("../../../../tests/data/http2/nginx.bin");

#[test]
fn a_real_servers_bytes_pass_in_any_pieces() {
    for first in 0..=255_u8 {
        check::http2(&[&[first][..], NGINX].concat());
    }
}

fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let stream = prop_oneof![5 => prop::sample::select(vec![1_u32, 3, 5, 7]), 1 => any::<u32>()];
    let fields = prop::sample::select(vec![
        block(&[(":status", "200")]),
        block(&[(":status", "100")]),
        block(&[(":status", "204"), ("x", "y")]),
        block(&[(":status", "200"), ("content-length", "4")]),
        block(&[("x-trailer", "y")]),
        vec![],
        vec![0x20, 0x88],
        vec![0x48, 0x82, 0x64, 0x02],
    ]);
    prop_oneof![
        3 => (0..12_u8, any::<u8>(), stream.clone(), prop::collection::vec(any::<u8>(), 0..20))
            .prop_map(|(kind, flags, stream, payload)| frame(kind, flags, stream, &payload)),
        4 => (stream.clone(), any::<u8>(), fields, prop::sample::select(vec![1_u8, 9]))
            .prop_map(|(stream, flags, block, kind)| frame(kind, flags & 5, stream, &block)),
        3 => (stream.clone(), any::<bool>()).prop_map(|(stream, end)| data(stream, b"data", end)),
        1 => (stream.clone(), any::<bool>()).prop_map(|(stream, end)| head(stream, &[(":status", "200")], end)),
        1 => (0..8_u16, any::<u32>()).prop_map(|(id, value)| settings(&[(id, value)])),
        1 => (stream, any::<u32>()).prop_map(|(stream, n)| frame(8, 0, stream, &n.to_be_bytes())),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ]
}

proptest! {
    #[test]
    fn random_frames_give_the_same_in_pieces(
        first in any::<u8>(),
        frames in prop::collection::vec(any_frame(), 0..20),
    ) {
        check::http2(&[vec![first], frames.concat()].concat());
    }

    #[test]
    fn mutations_give_the_same_in_pieces(
        first in any::<u8>(),
        edits in prop::collection::vec((any::<Index>(), any::<u8>()), 1..8),
        cut in any::<Index>(),
    ) {
        let mut bytes = NGINX.to_vec();
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(cut.index(bytes.len()) + 1);
        check::http2(&[vec![first], bytes].concat());
    }
}
