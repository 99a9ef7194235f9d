#![no_main]

use loadprof_fuzz::{load, small};

// The first bit of the input chooses the limits.
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| match bytes.split_first() {
    Some((first, rest)) if first & 1 == 1 => small::check::http1(first >> 1, rest),
    Some((first, rest)) => load::http1::check::http1(first >> 1, rest),
    None => {}
});
